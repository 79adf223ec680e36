/** `npm run explore`: every schedule of a small world, with the invariants in every state. */
import { performance } from 'node:perf_hooks';
import { Command } from 'commander';
import { describe, UsageError } from '../../node/failure.ts';
import { parseArguments, runProgram, wholeNumber } from '../../node/program.ts';
import { BROKEN_RULES, type BrokenRules } from '../../simulation/broken/roles.ts';
import {
  type Exploration,
  Explorer,
  type ExplorerOptions,
  MOST_STATES,
  type Progress,
  type Violation,
} from '../../simulation/explorer/explorer.ts';
import { INVARIANTS } from '../../trace/invariants.ts';
import { type DeviationOptions, searchDeviations } from './deviations.ts';

const EXAMPLES = `
Examples:
  npm run explore
  npm run explore -- --proposals 2 --crashes 1
  npm run explore -- --proposers 3 --crashes 2
  npm run explore -- --break first-value --proposals 2
  npm run explore -- --break save-after-sending --invariant 1
  npm run explore -- --deviations 2
  npm run explore -- --deviations 3 --max-runs 1000000 --master
  npm run explore -- --deviations 1 --store

Breaks (each breaks one rule on purpose; the explorer shows the shortest way to a violation):
${BROKEN_RULES.map(({ name, breaks }) => `  ${name.padEnd(20)}${breaks}`).join('\n')}`;

const STATES_PER_REPORT = 10_000;
const TERMINAL_INTERVAL_MS = 500;
const FILE_INTERVAL_MS = 10_000;

/** Shows on stderr how far the exploration has come. */
class ProgressLine {
  readonly #startedMs = performance.now();
  #shownMs = this.#startedMs;

  show(progress: Progress): void {
    const now = performance.now();
    const { isTTY } = process.stderr;
    if (now - this.#shownMs < (isTTY ? TERMINAL_INTERVAL_MS : FILE_INTERVAL_MS)) return;
    this.#shownMs = now;
    const { states, depth, frontier } = progress;
    const line = `${this.speed(states)}, depth ${depth}, frontier ${count(frontier)}`;
    process.stderr.write(isTTY ? `\r\u001b[K${line}` : `${line}\n`);
  }

  /** `1,630 states in 0.1 s (16,300 states/s)` */
  speed(states: number): string {
    const seconds = (performance.now() - this.#startedMs) / 1_000;
    const rate = count(Math.round(states / seconds));
    return `${count(states)} states in ${seconds.toFixed(1)} s (${rate} states/s)`;
  }

  end(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  }
}

function exploreAll(options: ExplorerOptions): Exploration {
  const { servers, proposers, proposals, crashes } = options;
  const exploration = explorerOf(options).explore(STATES_PER_REPORT);
  console.log(
    `${servers} servers, proposers: ${proposers}, rounds each: ${proposals}, crashes: ${crashes}`,
  );
  const line = new ProgressLine();
  let step = exploration.next();
  while (step.done !== true) {
    line.show(step.value);
    step = exploration.next();
  }
  line.end();
  console.log(`${line.speed(step.value.states)}, depth ${step.value.depth}`);
  return step.value;
}

function explorerOf(options: ExplorerOptions): Explorer {
  try {
    return new Explorer(options);
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(describe(error)) : error;
  }
}

function report(exploration: Exploration): void {
  const { chosen, histories, sights, frontier, isComplete, violation } = exploration;
  console.log(`${count(chosen)} of them with a value chosen, ${count(histories)} histories`);
  for (const [sight, steps] of Object.entries(sights)) {
    console.log(`${count(steps).padStart(12)} steps with ${sight}`);
  }
  if (violation !== null) return reportViolation(violation);
  console.log(
    isComplete
      ? 'complete: there are no other states, and no invariant is violated'
      : `not complete: ${count(frontier)} states were not looked at; no violation so far`,
  );
}

function reportViolation({ invariant, why, schedule }: Violation): void {
  const { name, sentence } = INVARIANTS.find(({ number }) => number === invariant) ?? {};
  console.log(`\nviolates invariant ${invariant}, ${name}: ${sentence}`);
  console.log(`because ${why}\n\na shortest schedule, ${schedule.length} steps:`);
  for (const [i, [first, ...others]] of schedule.entries()) {
    console.log(`${String(i + 1).padStart(4)}. ${first}`);
    for (const line of others) console.log(`        ${line}`);
  }
}

function readOptions(args: readonly string[]): ExplorerOptions | DeviationOptions {
  const command = new Command('npm run explore --')
    .description('Goes through every state that a small world can reach, one instance long.')
    .option('--servers <N>', 'how many servers, 2 to 9', '3')
    .option('--proposers <N>', 'how many of them propose', '2')
    .option('--proposals <N>', 'how many rounds each of these may start', '1')
    .option('--crashes <N>', 'how many crashes there may be', '1')
    .option('--max-states <N>', 'give up after so many states', `${MOST_STATES}`)
    .option('--break <NAME>', 'break a rule on purpose')
    .option('--invariant <N>', 'check only this one: 1, 2, 4, 5 or 6 (default: all of them)')
    .option('--deviations <D>', 'whole replicas instead, under all schedules with D surprises')
    .option('--max-runs <N>', 'with --deviations: give up after so many schedules', '200000')
    .option('--master', 'with --deviations: with master leases')
    .option('--store', 'with --deviations: stores')
    .addHelpText('after', EXAMPLES);
  parseArguments(command, args);
  const options = command.opts();
  if (options['deviations'] !== undefined) {
    return {
      deviations: wholeNumber('--deviations', options['deviations'], 0, 9),
      maxRuns: wholeNumber('--max-runs', options['maxRuns'], 1, 1e9),
      leases: options['master'] === true,
      isStore: options['store'] === true,
      breakName: options['break'] ?? null,
    };
  }
  const rules = rulesOf(options['break']);
  const { invariant } = options;
  return {
    servers: Number(options['servers']),
    proposers: Number(options['proposers']),
    proposals: Number(options['proposals']),
    crashes: Number(options['crashes']),
    maxStates: Number(options['maxStates']),
    ...(rules === null ? {} : { rules }),
    ...(invariant === undefined ? {} : { invariants: [invariantOf(invariant)] }),
  };
}

function invariantOf(text: string): number {
  if (/^[12456]$/.test(text)) return Number(text);
  throw new UsageError(`--invariant must be 1, 2, 4, 5 or 6, not ${JSON.stringify(text)}`);
}

function rulesOf(name: string | undefined): BrokenRules | null {
  if (name === undefined) return null;
  const found = BROKEN_RULES.find((rules) => rules.name === name);
  if (found !== undefined) return found;
  const names = BROKEN_RULES.map((rules) => rules.name).join(', ');
  throw new UsageError(`--break knows ${names}; not ${JSON.stringify(name)}`);
}

function count(number: number): string {
  return number.toLocaleString('en');
}

await runProgram(async (args) => {
  const options = readOptions(args);
  if ('deviations' in options) {
    process.exitCode = searchDeviations(options) ? 0 : 1;
    return;
  }
  const exploration = exploreAll(options);
  report(exploration);
  process.exitCode = exploration.violation === null ? 0 : 1;
});
