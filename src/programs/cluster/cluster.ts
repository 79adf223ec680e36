/** `npm run cluster`: a cluster in one terminal, with a prompt. */
import { isatty } from 'node:tty';
import { Command } from 'commander';
import type { Uid } from '../../composable-paxos.ts';
import { describe, UsageError } from '../../node/failure.ts';
import { parseArguments, runProgram, wholeNumber } from '../../node/program.ts';
import { exitFrom, neverWaitFor, wantsColour } from '../../node/terminal.ts';
import { printable } from '../../trace/printable.ts';
import { LiveDiagram } from '../watch/live-diagram.ts';
import { completionsOf } from './commands.ts';
import { Director } from './director.ts';
import { LocalCluster } from './local-cluster.ts';
import { Prompt } from './prompt.ts';

const MOST_SERVERS = 9;
const MOST_PORTS = 65_535;
const EXIT_CODE_OF_INTERRUPTION = 130;
const FIRST_LETTER = 65;

const HELP = `
Every server is a process of its own, and what all of them print stands above the prompt. The
diagram of what happens is at the address that is printed first: it follows the run. Type "help" at
the prompt for what can be done there; Tab completes. Without --directory all that the servers
write goes away in the end. When standard input is no terminal, each line of it is a command, one
after the other.

Examples:
  npm run cluster
  npm run cluster -- --master -n 5
  npm run cluster -- --directory run --port 8080
  printf 'set A hello\\nkill B\\nset C there\\n' | npm run cluster`;

await runProgram(async (args) => {
  const command = new Command('cluster')
    .description('Starts a cluster in this terminal, with a prompt to fire at it and to break it.')
    .option('-n, --servers <N>', 'how many servers, 1 to 9', '3')
    .option('--master', 'elect a master, and let only it propose')
    .option('--directory <DIR>', 'where state and traces are kept, also for the next time')
    .option('--port <NUMBER>', 'where the diagram is served; 0: any port that is free', '0')
    .option('--no-color', 'no colours')
    .option('-v, --verbose', 'the servers show all events')
    .addHelpText('after', HELP);
  if (parseArguments(command, args).length > 0) throw new UsageError('there are no arguments');
  const options = command.opts();
  const servers = wholeNumber('--servers', options['servers'], 1, MOST_SERVERS);
  const port = wholeNumber('--port', options['port'], 0, MOST_PORTS);
  const uids = Array.from({ length: servers }, (_, index) => {
    return String.fromCharCode(FIRST_LETTER + index);
  });
  const flags = [options['master'] && '--master', options['verbose'] && '--verbose'];
  const isColoured = wantsColour({ isColoured: options['color'] });
  const directory: string | null = options['directory'] ?? null;
  const given = { uids, flags: flags.filter(Boolean), directory, isColoured };
  await runCluster(given, port);
});

async function runCluster(
  options: Parameters<typeof LocalCluster.prepare>[0],
  port: number,
): Promise<void> {
  const terminals = [0, 1, 2].filter(isatty);
  neverWaitFor(process.stdout, process.stderr);
  const prompt = promptFor(options.uids);
  const say = (line: string) => prompt.say(line);
  const cluster = await LocalCluster.prepare(options, say);
  process.once('exit', () => cluster.closeNow());
  const end = endOnSignal();
  try {
    const diagram = await LiveDiagram.open(cluster.traceFiles, port, (line) =>
      say(printable(line)),
    );
    say(`the diagram is at ${diagram.address}`);
    say(printable(`clients of other terminals say --cluster ${cluster.clusterFile}`));
    await Promise.all(options.uids.map((uid) => cluster.start(uid)));
    const following = diagram.follow().catch((error) => {
      say(printable(`the diagram has ended: ${describe(error)}`));
    });
    const director = await Director.join(cluster, say);
    await prompt.run((line) => director.obey(line, end), end.signal);
    director.leave();
    diagram.close();
    await following;
  } finally {
    await cluster.close();
  }
  exitFrom(terminals);
}

function promptFor(uids: readonly Uid[]): Prompt {
  const isTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true;
  const { stdin: input, stdout: output } = process;
  return new Prompt({ input, output, isTerminal, complete: (line) => completionsOf(line, uids) });
}

/** The first signal ends it in good order, a second one at once. */
function endOnSignal(): AbortController {
  const end = new AbortController();
  process.stdout.on('error', () => end.abort()); // nobody reads what we say
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      // A terminal that closes sends one by itself, and its shell another.
      if (end.signal.aborted && signal !== 'SIGHUP') process.exit(EXIT_CODE_OF_INTERRUPTION);
      end.abort();
    });
  }
  return end;
}
