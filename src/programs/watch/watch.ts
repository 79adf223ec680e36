/** `npm run watch`: the diagram of traces that are still growing. */
import { Command } from 'commander';
import { UsageError } from '../../node/failure.ts';
import { parseArguments, runProgram, wholeNumber } from '../../node/program.ts';
import { printable } from '../../trace/printable.ts';
import { LiveDiagram } from './live-diagram.ts';

const HELP = `
Give the traces of all servers of one run (server.ts --trace FILE), which may still grow, or not
exist yet; or that of a simulated run, which has all servers in one file. Open the address that it
prints: the page follows the run, and scrolls along unless you have scrolled up. Invariants are
checked as the events come. It keeps the latest part of a long run: the rest is only in the files
(npm run diagram -- --from 20s --to 25s).

Examples:
  npm run watch -- a.ndjson b.ndjson c.ndjson
  npm run watch -- a.ndjson b.ndjson c.ndjson --port 8080`;

const MOST_PORTS = 65_535;

await runProgram(async (args) => {
  const command = new Command('watch')
    .description('Serves the space-time diagram of a run while it goes on, to this machine alone.')
    .argument('<traces...>', 'files with one event of JSON in each line')
    .option('--port <NUMBER>', 'where to serve it; 0: any port that is free', '0')
    .addHelpText('after', HELP);
  const paths = parseArguments(command, args);
  const port = wholeNumber('--port', command.opts()['port'], 0, MOST_PORTS);
  if (new Set(paths).size < paths.length) throw new UsageError('a trace is given twice');

  const diagram = await LiveDiagram.open(paths, port, (line) => console.log(printable(line)));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => diagram.close());
  }
  console.log(`the diagram is at ${diagram.address} (Ctrl-C ends it)`);
  await diagram.follow();
});
