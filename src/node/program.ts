/** What the programs have in common: how they read their arguments, and how they end badly. */
import { type Command, CommanderError } from 'commander';
import { DEFAULT_CLUSTER } from '../../config.ts';
import { type Cluster, parseCluster, readClusterFile } from './cluster-file.ts';
import { complain, describe, UsageError } from './failure.ts';

/** Runs a program. Whatever it throws becomes one sentence on stderr and an exit code. */
export async function runProgram(main: (args: readonly string[]) => Promise<void>): Promise<void> {
  process.stdout.on('error', endUnread);
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    process.exit(complain(error));
  }
}

/** Nobody reads our lines any more, as in `… | head`: it ends as by Ctrl-C, unless it cares. */
function endUnread(): void {
  process.stdout.off('error', endUnread);
  if (process.stdout.listenerCount('error') > 0) return;
  process.stdout.on('error', () => {}); // what it still says on its way out
  process.kill(process.pid, 'SIGINT');
}

/** The plain arguments among `args`; the options are then in `command`. Throws a `UsageError`. */
export function parseArguments(command: Command, args: readonly string[]): readonly string[] {
  command.exitOverride().allowExcessArguments(false);
  command.configureOutput({ outputError: () => {} }); // told by `complain`, like everything else
  try {
    return command.parse(args, { from: 'user' }).args;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) process.exit(0); // it has shown its help
    const why = error.message.replace(/^error: /, '').replaceAll('\n', ' ');
    throw new UsageError(`${why}; see --help`);
  }
}

/** The cluster of a file, or that of `config.ts`. Throws a `UsageError`. */
export function chosenCluster(file: string | undefined): Cluster {
  if (file !== undefined) return readClusterFile(file);
  try {
    return parseCluster(DEFAULT_CLUSTER);
  } catch (error) {
    throw new UsageError(`the cluster in config.ts cannot be used: ${describe(error)}`);
  }
}

/** The number that an option was given. Throws a `UsageError` unless it is within bounds. */
export function wholeNumber(option: string, text: string, least: number, most: number): number {
  const number = Number(text);
  if (/^[0-9]+$/.test(text) && number >= least && number <= most) return number;
  throw new UsageError(
    `${option} must be a whole number from ${least} to ${most}, not ${JSON.stringify(text)}`,
  );
}
