/** `npm run check`: traces through the twelve invariants, what clients were told, and logs. */
import { Command } from 'commander';
import { UsageError } from '../../node/failure.ts';
import { parseArguments, runProgram } from '../../node/program.ts';
import { INVARIANTS } from '../../trace/invariants.ts';
import { printable } from '../../trace/printable.ts';
import { TraceStream } from '../common/read-traces.ts';
import { checkHistory } from './history.ts';
import { compareLogFiles } from './logs.ts';
import { checkTraces, describeViolation } from './traces.ts';

const HELP = `
Give the traces of all servers of one run, each with all its restarts. Where some are missing, it
is not checked that a quorum accepted what was announced, that somebody asked for it, and that
what was answered is in the chain.

A history says what clients asked and were told. All its files together are checked as that of one
register, which held nothing at first. A line is
  {"client":"c1","op":"write","value":"x","call":12,"return":13.5,"outcome":"ok"}
with op write or read, times in ms, and outcome ok, unknown (return: null) or refused. If it is one
of stores, a line has a command or query about one key, and the answer, in place of op and value:
  {"client":"c1","line":"add n 1","answer":"3","call":12,"return":13.5,"outcome":"ok"}

With --store, the files are traces or state files of stores, or directories with such files. The
links that any two servers have kept must be the same, and so must be what they have made of them,
by its digest; where one is behind, it first reads the links of another one. Nothing is changed.

The clocks of the machines must agree within half a second.

The invariants:
${INVARIANTS.map(({ number, name, sentence }) => `  ${number}. ${name}: ${sentence}`).join('\n')}

Examples:
  npm run check -- a.ndjson b.ndjson c.ndjson
  npm run check -- --healed a.ndjson b.ndjson c.ndjson
  npm run check -- --history history.ndjson
  npm run check -- --store state`;

await runProgram(async (args) => {
  const command = new Command('check')
    .description('Checks the traces of a run (server.ts --trace FILE) against the invariants.')
    .argument('[traces...]', 'files with one event of JSON in each line')
    .option('--healed', 'the run ended in peace: the servers that still run must be level (10)')
    .option('--store', 'compare the logs of stores: the same links, the same state')
    .option('--history <files...>', 'what clients asked and were told, one operation in each line')
    .addHelpText('after', HELP);
  const paths = parseArguments(command, args);
  const { healed: isHealed = false, history = [], store: isStore = false } = command.opts();
  if (paths.length + history.length === 0) {
    throw new UsageError("missing required argument 'traces'; see --help");
  }
  const checkFiles = isStore ? checkLogFiles : checkTraceFiles;
  const isRight =
    (paths.length === 0 || checkFiles(paths, isHealed)) &&
    (history.length === 0 || checkHistoryFiles(history));
  process.exitCode = isRight ? 0 : 1;
});

function checkTraceFiles(paths: readonly string[], isHealed: boolean): boolean {
  const traces = new TraceStream(paths);
  const { uids, traced, resumed } = traces;
  const checked = checkTraces({ uids, traced, resumed, events: traces.events() }, isHealed);
  for (const remark of [...traces.remarks, ...checked.remarks]) say(`note: ${remark}`);
  const missing = traces.uids.filter((uid) => !traces.traced.includes(uid));
  if (missing.length > 0) {
    say(`note: there is no trace of ${missing.join(', ')}: 1, 2, 3 and 9 are checked only in part`);
  }
  const { violation, events } = checked;
  if (violation !== null) {
    const lines = describeViolation(violation, (event) => traces.placeOf(event));
    for (const line of lines) say(line);
    return false;
  }
  const which = isHealed ? 'all twelve invariants hold' : 'all invariants but 10 hold';
  say(`${events} events of ${traced.join(', ')}: ${which}`);
  return true;
}

function checkLogFiles(paths: readonly string[], isHealed: boolean): boolean {
  const { isSame, isLevel, sentence } = compareLogFiles(paths);
  say(sentence);
  return isSame && (isLevel || !isHealed);
}

function checkHistoryFiles(paths: readonly string[]): boolean {
  const { isRight, lines } = checkHistory(paths);
  for (const line of lines) say(line);
  return isRight;
}

function say(line: string): void {
  console.log(printable(line));
}
