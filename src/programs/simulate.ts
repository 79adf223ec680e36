/** `npm run simulate`: seeds through the simulator, with all invariants after every event. */
import { writeFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { Command } from 'commander';
import { diagramOf } from '../diagram/model.ts';
import { describe, Failure, UsageError } from '../node/failure.ts';
import { parseArguments, runProgram, wholeNumber } from '../node/program.ts';
import { ALL_BREAKS } from '../simulation/broken/all.ts';
import { type Break, MOST_SEEDS_FOR_A_BREAK } from '../simulation/broken/layers.ts';
import type { Machine } from '../simulation/machine.ts';
import { drawMembersSchedule } from '../simulation/members-schedule.ts';
import { describeAction, minimise } from '../simulation/minimise.ts';
import { run, type Variant } from '../simulation/run.ts';
import { drawSchedule, FAULTS, type Fault, type Schedule } from '../simulation/schedule.ts';
import {
  LEASE_SITUATIONS,
  SITUATIONS,
  type Situation,
  Situations,
} from '../simulation/situations.ts';
import {
  STORE_SITUATIONS,
  type StoreSituation,
  StoreSituations,
} from '../simulation/store-situations.ts';
import { noteBelief } from '../simulation/world.ts';
import { ConsoleLines, plainPaint } from '../trace/console.ts';
import type { TraceEvent } from '../trace/events.ts';
import type { Violation } from '../trace/invariants.ts';
import { headlineOf, placeInRun } from '../trace/violation.ts';
import { checkDiagramFile, writeDiagram } from './common/write-diagram.ts';

interface Options {
  readonly firstSeed: number;
  readonly lastSeed: number;
  /** Real seconds after which no further seed is begun. */
  readonly forSeconds: number;
  readonly servers: number;
  readonly seconds: number;
  readonly faults: readonly Fault[] | null;
  readonly variant: Variant;
  readonly brokenBy: Break | null;
  /** Where the trace of the run of a single seed goes, or else that of a violation. */
  readonly traceFile: string | null;
  /** Where the picture of the run goes; null: none is drawn. */
  readonly diagramFile: string | null;
  readonly isVerbose: boolean;
  readonly shows: boolean;
}

const EXAMPLES = `
Examples:
  npm run simulate -- --seeds 1-1000
  npm run simulate -- --seeds 1-1000 --servers 5 --master
  npm run simulate -- --for 30 --master
  npm run simulate -- --seeds 1-1000 --store
  npm run simulate -- --seeds 1-1000 --journal
  npm run simulate -- --seed 42 --show
  npm run simulate -- --seed 42 --seconds 5 --master --trace run.ndjson --diagram run.html
  npm run simulate -- --break first-value

With a violation, run and trace and picture are those of the least of its schedule that violates the
same.

Breaks (each breaks one rule on purpose; the simulator shows what goes wrong):
${ALL_BREAKS.map(({ name, breaks }) => `  ${name.padEnd(26)}${breaks}`).join('\n')}

Faults: ${FAULTS.join(', ')}`;

/** Here the trace of a violation is, if nobody says where. */
const VIOLATION_FILE = 'violation.ndjson';
const PROGRESS_INTERVAL_MS = 1_000;
/** Where no line can be written over, they come less often. */
const PROGRESS_LINE_INTERVAL_MS = 10_000;
/** Fewer seeds do not go everywhere, and need not. */
const SEEDS_FOR_ALL_SITUATIONS = 200;
const SHOWN_LINES = 60;

/** What the last lines of a run without a violation say, beside its situations. */
const MAIN_COUNTS: readonly Situation[] = [
  'a value chosen',
  'a nack to a prepare',
  'a nack at quorum',
  'a backoff',
  'a catch-up',
  'a restart',
  'another master than before',
  'a datagram lost',
  'a request answered',
];

/** What a picture of a run is made of. */
class Kept {
  readonly events: TraceEvent[] = [];
  readonly beliefs = new Map<TraceEvent, boolean>();

  readonly observe = (event: TraceEvent): void => {
    this.events.push(event);
  };

  readonly turnEnded = (machine: Machine): void => {
    noteBelief(this.beliefs, this.events, machine);
  };
}

class Simulation {
  readonly #options: Options;
  readonly #situations = new Map<Situation | StoreSituation, number>();
  readonly #startedMs = performance.now();
  #seeds = 0;
  #events = 0;
  #progressMs = performance.now();

  constructor(options: Options) {
    this.#options = options;
  }

  /** Runs all seeds; false at the first violation. */
  toTheEnd(): boolean {
    const { firstSeed, lastSeed, forSeconds, shows } = this.#options;
    console.log(`${this.#describeRun()}`);
    for (let seed = firstSeed; seed <= lastSeed; seed += 1) {
      if (performance.now() - this.#startedMs > forSeconds * 1_000) break;
      const schedule = this.#draw(seed);
      if (shows) console.log(tell(schedule, this.#options.variant).join('\n'));
      const violation = this.#run(schedule);
      if (violation !== null) {
        this.#endProgress();
        this.#report(schedule, violation);
        return false;
      }
      this.#showProgress();
    }
    this.#endProgress();
    this.#summarize();
    if (this.#options.brokenBy === null) return true;
    console.log('the broken rule was not noticed: try more seeds, or without --faults');
    return false;
  }

  #draw(seed: number): Schedule {
    const { servers, seconds, faults } = this.#options;
    if (this.#options.variant.members === true) return drawMembersSchedule(seed, servers, seconds);
    return drawSchedule(seed, servers, seconds, faults);
  }

  #run(schedule: Schedule): Violation | null {
    const { variant, diagramFile, traceFile, firstSeed, lastSeed } = this.#options;
    const isKept = (diagramFile !== null || traceFile !== null) && firstSeed === lastSeed;
    const situations = new Situations(schedule.uids);
    const ofStores = new StoreSituations();
    const kept = new Kept();
    const observe = (event: TraceEvent) => {
      situations.observe(event);
      if (variant.store === true) ofStores.observe(event);
      if (isKept) kept.observe(event);
    };
    const ended = isKept ? kept.turnEnded : undefined;
    const { violation, events, history, storeHistory } = run(schedule, variant, observe, ended);
    if (isKept && violation === null) this.#show(kept, schedule);
    situations.end(history);
    ofStores.end(storeHistory);
    this.#seeds += 1;
    this.#events += events;
    for (const [situation, count] of [...situations.counts, ...ofStores.counts]) {
      this.#situations.set(situation, (this.#situations.get(situation) ?? 0) + count);
    }
    return violation;
  }

  /** Of a run in which all is well: its trace and its picture, if somebody wants them. */
  #show(kept: Kept, schedule: Schedule): void {
    const { traceFile, diagramFile } = this.#options;
    if (traceFile !== null) {
      writeTrace(traceFile, kept.events);
      console.log(`the trace is in ${traceFile}: ${kept.events.length} events`);
    }
    if (diagramFile !== null) this.#draws(diagramFile, kept, schedule, null);
  }

  #draws(
    path: string,
    { events, beliefs }: Kept,
    { uids }: Schedule,
    violation: Violation | null,
  ): void {
    const violations = violation === null ? [] : [violation];
    console.log(writeDiagram(path, diagramOf(events, { uids, violations, beliefs })));
  }

  #describeRun(): string {
    const { servers, seconds, variant, brokenBy, firstSeed } = this.#options;
    const kind = variant.store === true ? 'stores' : 'servers';
    const layers = variant.leases ? 'with master leases' : 'without leases';
    const members = variant.members === true ? ', members that change' : '';
    const journals = variant.journal ? ', with journals' : '';
    const broken = brokenBy === null ? '' : `, broken on purpose: ${brokenBy.breaks}`;
    const how = `${layers}${journals}${members}, ${seconds} virtual seconds a seed`;
    return `${servers} ${kind} ${how}, from seed ${firstSeed}${broken}`;
  }

  #rate(): string {
    const elapsedMs = performance.now() - this.#startedMs;
    return Math.round((this.#events / elapsedMs) * 1_000).toLocaleString('en');
  }

  #showProgress(): void {
    const { isTTY } = process.stdout;
    const intervalMs = isTTY ? PROGRESS_INTERVAL_MS : PROGRESS_LINE_INTERVAL_MS;
    if (performance.now() - this.#progressMs < intervalMs) return;
    this.#progressMs = performance.now();
    const progress = `${this.#seeds} seeds, ${this.#rate()} events/s, 0 violations`;
    process.stdout.write(isTTY ? `\r${progress}  ` : `  ${progress}\n`);
  }

  #showShortening(runs: number, actions: number): void {
    const { isTTY } = process.stdout;
    if (!isTTY && performance.now() - this.#progressMs < PROGRESS_LINE_INTERVAL_MS) return;
    this.#progressMs = performance.now();
    const progress = `minimising: run ${runs}, ${actions} steps`;
    process.stdout.write(isTTY ? `\r${progress} ` : `  ${progress}\n`);
  }

  #endProgress(): void {
    if (process.stdout.isTTY) process.stdout.write('\r\u001b[K');
  }

  #count(situation: Situation | StoreSituation): number {
    return this.#situations.get(situation) ?? 0;
  }

  #summarize(): void {
    const { variant, isVerbose } = this.#options;
    const seconds = (performance.now() - this.#startedMs) / 1_000;
    const events = this.#events.toLocaleString('en');
    console.log(
      `${this.#seeds} seeds, no violation: ${events} events in ${seconds.toFixed(1)} s, ` +
        `${this.#rate()} events/s`,
    );
    const all = [
      ...SITUATIONS,
      ...(variant.leases ? LEASE_SITUATIONS : []),
      ...(variant.store === true ? STORE_SITUATIONS : []),
    ];
    const [once, often] = [1, 100].map(
      (least) => all.filter((situation) => this.#count(situation) >= least).length,
    );
    for (const situation of isVerbose ? all : MAIN_COUNTS) {
      console.log(`${String(this.#count(situation)).padStart(10)}  ${situation}`);
    }
    console.log(
      this.#seeds < SEEDS_FOR_ALL_SITUATIONS
        ? `${once} of ${all.length} situations reached; more seeds reach more, and more often`
        : `${often} of ${all.length} situations reached at least 100 times`,
    );
  }

  /** What went wrong, and the least that has to happen for it to go wrong. */
  #report(schedule: Schedule, violation: Violation): void {
    const { variant, diagramFile } = this.#options;
    const traceFile = this.#options.traceFile ?? VIOLATION_FILE;
    const { invariant } = violation;
    const shorten = (runs: number, actions: number) => this.#showShortening(runs, actions);
    const least = minimise(schedule, variant, invariant, shorten);
    this.#endProgress();

    const lines: string[] = [];
    const kept = new Kept();
    const outcome = run(least, variant, kept.observe, kept.turnEnded);
    const found = outcome.violation ?? violation;
    lines.push(`seed ${schedule.seed}: ${headlineOf(invariant)}`);
    lines.push(`  ${placeInRun(found)}`, `  ${found.why}`);
    lines.push('', `what is left of its ${schedule.actions.length} actions:`);
    lines.push(...least.actions.map(describeAction));
    if (least.actions.length === 0) lines.push('  (nothing: it happens by itself)');
    const told = tell(least, variant);
    const from = Math.max(0, told.length - SHOWN_LINES);
    lines.push('', from > 0 ? `the last ${SHOWN_LINES} lines of that run:` : 'that run:');
    lines.push(...told.slice(from));
    writeTrace(traceFile, kept.events);
    lines.push('', `its trace is in ${traceFile}; the same again: ${this.#command(schedule.seed)}`);
    console.log(lines.join('\n'));
    if (diagramFile !== null) {
      this.#draws(diagramFile, kept, least, outcome.violation ?? violation);
    }
  }

  #command(seed: number): string {
    const { servers, seconds, faults, variant, brokenBy } = this.#options;
    const words = [`npm run simulate -- --seed ${seed} --servers ${servers} --seconds ${seconds}`];
    if (variant.leases) words.push('--master');
    if (variant.store === true) words.push('--store');
    if (variant.members === true) words.push('--members');
    if (variant.journal === true) words.push('--journal');
    if (faults !== null) words.push(`--faults ${faults.join(',') || 'none'}`);
    if (brokenBy !== null) words.push(`--break ${brokenBy.name}`);
    return words.join(' ');
  }
}

/** All servers in one file. */
function writeTrace(path: string, events: readonly TraceEvent[]): void {
  try {
    writeFileSync(path, events.map((event) => `${JSON.stringify(event)}\n`).join(''));
  } catch (error) {
    throw new Failure(`the trace ${path} cannot be written: ${describe(error)}`);
  }
}

/** A run as terminal lines, those of all servers in one. */
function tell(schedule: Schedule, variant: Variant): string[] {
  const lines: string[] = [];
  const write = (line: string) => lines.push(line);
  const { uids } = schedule;
  const console = new ConsoleLines({ uids, verbose: false, paint: plainPaint, write });
  let turn = '';
  run(schedule, variant, (event) => {
    const now = `${event.server}${event.turn}`;
    if (turn !== now) console.endTurn();
    turn = now;
    console.show(event);
  });
  console.endTurn();
  return lines;
}

function readOptions(args: readonly string[]): Options {
  const command = new Command('npm run simulate --')
    .description('Runs the protocol in a virtual world full of faults, one run for each seed.')
    .option('--seed <N>', 'one seed')
    .option('--seeds <FROM-TO>', 'many seeds (default: 1-200, or with --break until it is found)')
    .option('--for <SECONDS>', 'new seeds, for so many real seconds')
    .option('--servers <N>', 'how many servers, 1 to 9 (default: 3)')
    .option('--master', 'with master leases')
    .option('--store', 'servers with a log and a state machine')
    .option('--members', 'their members change; --servers says how many there are at first')
    .option('--journal', 'servers that keep a journal, as stores do')
    .option('--seconds <N>', 'virtual seconds a seed', '60')
    .option('--faults <LIST>', 'the faults, with commas between, or "none" (default: drawn)')
    .option('--break <NAME>', 'break a rule on purpose')
    .option(
      '--trace <FILE>',
      `the trace of the run of --seed, or of a violation (${VIOLATION_FILE})`,
    )
    .option('--diagram <FILE>', 'draw the run of --seed, or the violation: .html or .svg')
    .option('--show', 'print what the servers print')
    .option('-v, --verbose', 'count all situations')
    .addHelpText('after', EXAMPLES);
  parseArguments(command, args);
  const options = command.opts();
  const brokenBy = breakOf(options['break']);
  const [firstSeed, lastSeed] = seedsOf(options, brokenBy === null ? 200 : MOST_SEEDS_FOR_A_BREAK);
  return {
    firstSeed,
    lastSeed,
    forSeconds: wholeNumber('--for', options['for'] ?? '86400', 1, 86_400),
    servers: wholeNumber('--servers', options['servers'] ?? `${brokenBy?.servers ?? 3}`, 1, 9),
    seconds: wholeNumber('--seconds', options['seconds'], 1, 3_600),
    faults: faultsOf(options['faults']) ?? brokenBy?.faults ?? null,
    brokenBy,
    traceFile: options['trace'] ?? null,
    diagramFile: diagramFileOf(options['diagram']),
    isVerbose: options['verbose'] === true,
    shows: options['show'] === true,
    variant: {
      leases: options['master'] === true || brokenBy?.leases === true,
      store: options['store'] === true || brokenBy?.store === true,
      members: options['members'] === true || brokenBy?.members === true,
      ...(options['journal'] || brokenBy?.journal ? { journal: true } : {}),
      ...(brokenBy === null ? {} : { broken: () => brokenBy.replicaClass }),
      ...(brokenBy === null ? {} : { skippedSaveSteps: brokenBy.skippedSaveSteps }),
    },
  };
}

function diagramFileOf(path: string | undefined): string | null {
  if (path === undefined) return null;
  checkDiagramFile('--diagram', path);
  return path;
}

function seedsOf(options: Record<string, string | undefined>, most: number): [number, number] {
  const { seed, seeds } = options;
  if (seed !== undefined) {
    const only = wholeNumber('--seed', seed, 0, Number.MAX_SAFE_INTEGER);
    return [only, only];
  }
  if (seeds === undefined && options['for'] !== undefined) {
    const first = Math.floor(Math.random() * 1e9);
    return [first, Number.MAX_SAFE_INTEGER];
  }
  const [, from = '', to = ''] = /^([0-9]+)-([0-9]+)$/.exec(seeds ?? `1-${most}`) ?? [];
  if (from === '' || Number(from) > Number(to)) {
    throw new UsageError(`--seeds must be like 1-1000, not ${JSON.stringify(seeds)}`);
  }
  return [Number(from), Number(to)];
}

function faultsOf(list: string | undefined): readonly Fault[] | null {
  if (list === undefined) return null;
  if (list === 'none') return [];
  return list.split(',').map((name) => {
    const fault = FAULTS.find((known) => known === name);
    if (fault !== undefined) return fault;
    throw new UsageError(`--faults knows ${FAULTS.join(', ')}; not ${JSON.stringify(name)}`);
  });
}

function breakOf(name: string | undefined): Break | null {
  if (name === undefined) return null;
  const found = ALL_BREAKS.find((known) => known.name === name);
  if (found !== undefined) return found;
  const names = ALL_BREAKS.map((known) => known.name).join(', ');
  throw new UsageError(`--break knows ${names}; not ${JSON.stringify(name)}`);
}

await runProgram(async (args) => {
  const options = readOptions(args);
  process.exitCode = new Simulation(options).toTheEnd() ? 0 : 1;
});
