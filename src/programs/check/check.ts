/** `npm run check`: recorded traces through the twelve invariants, and what clients were told. */
import { Command } from 'commander';
import { UsageError } from '../../node/failure.ts';
import { parseArguments, runProgram } from '../../node/program.ts';
import { INVARIANTS } from '../../trace/invariants.ts';
import { printable } from '../../trace/printable.ts';
import { TraceStream } from '../common/read-traces.ts';
import { checkHistory } from './history.ts';
import { checkTraces, describeViolation } from './traces.ts';

const HELP = `
Give the traces of all servers of one run, each with all its restarts. Where some are missing, it
is not checked that a quorum accepted what was announced, that somebody asked for it, and that
what was answered is in the chain.

A history says what clients asked and were told. All its files together are checked as that of one
register, which held nothing at first. A line is
  {"client":"c1","op":"write","value":"x","call":12,"return":13.5,"outcome":"ok"}
with op write or read, times in ms, and outcome ok, unknown (return: null) or refused.

The clocks of the machines must agree within half a second.

The invariants:
${INVARIANTS.map(({ number, name, sentence }) => `  ${number}. ${name}: ${sentence}`).join('\n')}

Examples:
  npm run check -- a.ndjson b.ndjson c.ndjson
  npm run check -- --healed a.ndjson b.ndjson c.ndjson
  npm run check -- --history history.ndjson`;

await runProgram(async (args) => {
  const command = new Command('check')
    .description('Checks the traces of a run (server.ts --trace FILE) against the invariants.')
    .argument('[traces...]', 'files with one event of JSON in each line')
    .option('--healed', 'the run ended in peace: the servers that still run must be level (10)')
    .option('--history <files...>', 'what clients asked and were told, one operation in each line')
    .addHelpText('after', HELP);
  const paths = parseArguments(command, args);
  const { healed: isHealed = false, history = [] } = command.opts();
  if (paths.length + history.length === 0) {
    throw new UsageError("missing required argument 'traces'; see --help");
  }
  const isRight =
    (paths.length === 0 || checkTraceFiles(paths, isHealed)) &&
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

function checkHistoryFiles(paths: readonly string[]): boolean {
  const { isRight, lines } = checkHistory(paths);
  for (const line of lines) say(line);
  return isRight;
}

function say(line: string): void {
  console.log(printable(line));
}
