/**
 * `npm run bench`: how fast the servers are, in proportion to what this machine can do at all.
 *
 * Milliseconds on another machine say little. So everything is measured against a *floor* on the
 * same machine in the same run: processes that exchange and save the same, without a protocol (see
 * `floor.ts`); and a read against a bare echo. They take turns, so that whatever else
 * the machine does hits all of them, and what counts is the median of the ratios of all rounds.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { DEFAULT_STATE_DIR } from '../../../config.ts';
import { describe, Failure, UsageError } from '../../node/failure.ts';
import { parseArguments, runProgram, wholeNumber } from '../../node/program.ts';
import { benchCatchUp } from './catch-up.ts';
import type { Ask, BenchClients, Measured } from './client.ts';
import { benchDelayed } from './delayed.ts';
import { etcdVersion, isEtcdInstalled } from './etcd.ts';
import { compareWithYoung } from './long-log.ts';
import { BenchProcesses, CAN_CHOOSE_CORE, KINDS, type Kind } from './processes.ts';
import {
  CROWDS,
  type Crowds,
  type Figures,
  figuresOf,
  type Place,
  type Report,
  type Round,
  report,
  type Subject,
  tableOf,
} from './report.ts';
import { benchRestarts } from './restart.ts';
import { benchSaves } from './saves.ts';
import { benchStores, longLogLines, type StoreSettings } from './store-bench.ts';
import { type StoreReport, storeTableOf } from './store-report.ts';
import { measureTurns, type TurnsSettings } from './turns.ts';

const MEMORY = '/dev/shm';
/** Reads are so much faster that more of them fit into the same time. */
const READS_PER_UPDATE = 50;
const SLICES = 10;
/** So many times as much is asked before anything is measured. */
const WARM_UP = 10;
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
const SIGNALS = Object.keys(EXIT_CODES) as (keyof typeof EXIT_CODES)[];

interface Settings {
  /** To be measured in place of all else; null: not asked for. */
  readonly turns: TurnsSettings | null;
  readonly catchUp: TurnsSettings | null;
  readonly rounds: number;
  readonly updates: number;
  readonly stateDirectory: string;
  readonly hasMemory: boolean;
  readonly out: string;
  /** What is measured in place of all that; null: nothing. */
  readonly only: 'saves' | 'restart' | 'long run' | null;
  /** How long a log is that is long. */
  readonly links: number;
  /** How late datagrams between servers are, if that is to be measured; null: it is not. */
  readonly delayMs: number | null;
  /** What is measured of stores, if these are to be measured. */
  readonly ofStores: StoreSettings | null;
}

/** What is measured of one subject. */
interface Job {
  readonly clients: BenchClients;
  readonly count: number;
  readonly ask: Ask;
}

type Jobs = readonly (readonly [Subject, Job])[];
type Targets = Readonly<Record<'floor' | 'master' | 'plain' | 'echo', BenchClients>>;

const update: Ask = (requestId) => ({ type: 'request', requestId, value: `value of ${requestId}` });
const read: Ask = (requestId) => ({ type: 'read', requestId, isLocal: false });

function readSettings(args: readonly string[]): Settings {
  const command = new Command('npm run bench --')
    .description('Measures latency and speed, in proportion to what this machine can do at all.')
    .option('--rounds <N>', 'rounds that take turns', '5')
    .option('--updates <N>', 'updates in each measurement', '200')
    .option('--state-dir <DIR>', 'where the disk is that is measured', DEFAULT_STATE_DIR)
    .option('--no-memory', `leave out the state on a memory file system, ${MEMORY}`)
    .option('--saves', 'measure only what a save costs, as a file and in a journal')
    .option('--turns', 'how long the turns of a store are, with many keys, and nothing else')
    .option('--journal', 'with --turns: they keep journals')
    .option('--catch-up', 'how fast a store catches up, by links and by a snapshot')
    .option('--keys <N>', 'with --turns, --catch-up: so many keys', '100000')
    .option('--value-length <N>', 'with these: so many characters in each', '20')
    .option(
      '--restart',
      'how long a store with --links links, or as many keys, takes to start again',
    )
    .option('--long-run', 'what an update costs after --links links, beside a thousand of them')
    .option('--delay <MS>', '--store for 64 clients, --catch-up: each datagram so late')
    .option('--store', 'stores instead, with up to 256 clients')
    .option('--links <N>', 'how long a log gets whose cost is measured', '100000')
    .option('--against <OTHER>', 'with --store: etcd, where it is installed, beside them')
    .option('--out <FILE>', 'where the figures go, as JSON', 'bench.json');
  parseArguments(command, args);
  const options = command.opts();
  const rounds = wholeNumber('--rounds', options['rounds'], 1, 1_000);
  const updates = wholeNumber('--updates', options['updates'], 1, 100_000);
  const links = wholeNumber('--links', options['links'], 1_000, 10_000_000);
  const isAgainstEtcd = isAgainst(options['against'], options['store'] === true);
  return {
    rounds,
    updates,
    ofStores: options['store'] === true ? { rounds, updates, links, isAgainstEtcd } : null,
    turns: options['turns'] === true ? turnsSettings(options) : null,
    stateDirectory: options['stateDir'],
    hasMemory: options['memory'] === true && existsSync(MEMORY),
    out: options['out'],
    only: onlyOf(options),
    links,
    catchUp: options['catchUp'] === true ? turnsSettings(options) : null,
    delayMs: delayOf(options['delay'], options['store'] === true || options['catchUp'] === true),
  };
}

function onlyOf(options: Readonly<Record<string, unknown>>): Settings['only'] {
  if (options['saves'] === true) return 'saves';
  if (options['restart'] === true) return 'restart';
  return options['longRun'] === true ? 'long run' : null;
}

function delayOf(delay: string | undefined, isOfUse: boolean): number | null {
  if (delay === undefined) return null;
  if (!isOfUse) throw new UsageError('--delay goes with --store or --catch-up');
  return wholeNumber('--delay', delay, 1, 1_000);
}

function turnsSettings(options: Readonly<Record<string, unknown>>): TurnsSettings {
  const { keys, valueLength, journal } = options;
  return {
    hasJournals: journal === true,
    keys: wholeNumber('--keys', `${keys}`, 1_000, 1_000_000),
    valueLength: wholeNumber('--value-length', `${valueLength}`, 1, 10_000),
  };
}

function isAgainst(other: string | undefined, isStore: boolean): boolean {
  if (other === undefined) return false;
  if (other !== 'etcd' || !isStore) throw new UsageError('--against knows etcd, with --store');
  if (!isEtcdInstalled()) throw new Failure('etcd is not installed here, or not in the PATH');
  return true;
}

async function bench(place: Place, directory: string, settings: Settings): Promise<Report> {
  const processes = new BenchProcesses(directory);
  const forget = endOnSignal(processes);
  try {
    const targets = await start(processes);
    processes.placeOnCores(Object.values(targets));
    await warmUp(targets, WARM_UP * settings.updates);
    const rounds: Round[] = [];
    for (let round = 0; round < settings.rounds; round += 1) {
      rounds.push(await measureRound(targets, settings.updates));
    }
    return report(place, resolve(directory), CAN_CHOOSE_CORE, rounds);
  } finally {
    forget();
    await processes.end();
  }
}

/** What is given back forgets about it. */
function endOnSignal(processes: BenchProcesses): () => void {
  const interrupt = (signal: keyof typeof EXIT_CODES) => {
    processes.end().finally(() => process.exit(EXIT_CODES[signal]));
  };
  for (const signal of SIGNALS) process.once(signal, interrupt);
  return () => {
    for (const signal of SIGNALS) process.off(signal, interrupt);
  };
}

async function benchAllStores(settings: Settings, ofStores: StoreSettings): Promise<void> {
  const reports: StoreReport[] = [];
  if (ofStores.isAgainstEtcd) console.log(etcdVersion());
  const places = [['disk', settings.stateDirectory] as const, ['memory', MEMORY] as const];
  for (const [place, directory] of settings.hasMemory ? places : places.slice(0, 1)) {
    let forget = () => {};
    const one = await benchStores(place, directory, ofStores, (processes) => {
      forget = endOnSignal(processes);
    });
    forget();
    console.log(`${storeTableOf(one).join('\n')}\n`);
    reports.push(one);
  }
  for (const line of longLogLines(ofStores.links)) console.log(line);
  write(settings.out, settings, reports);
}

async function start(processes: BenchProcesses): Promise<Targets> {
  const clusters = new Map<Kind, BenchClients>();
  // One after the other: a free port is free only until somebody takes it.
  for (const kind of KINDS) clusters.set(kind, await processes.startCluster(kind));
  const echo = await processes.startEcho();
  return { ...Object.fromEntries(clusters), echo } as Targets;
}

/** What runs for the first time is slow, until it has been compiled. */
async function warmUp({ floor, master, plain, echo }: Targets, count: number): Promise<void> {
  for (const clients of [floor, master, plain]) await clients.measure(16, count, update);
  for (const clients of [echo, master]) await clients.measure(1, count, read);
}

/** Updates, by one client and then by whole crowds; and reads. */
async function measureRound(
  { floor, master, plain, echo }: Targets,
  count: number,
): Promise<Round> {
  const updates: Jobs = [
    ['floor', { clients: floor, count, ask: update }],
    ['master', { clients: master, count, ask: update }],
    ['plain', { clients: plain, count, ask: update }],
  ];
  const reads: Jobs = [
    ['echo', { clients: echo, count: count * READS_PER_UPDATE, ask: read }],
    ['read', { clients: master, count: count * READS_PER_UPDATE, ask: read }],
  ];
  const alone = await takeTurns(updates);
  const round = new Map<Subject, Figures>();
  for (const [subject, job] of updates) {
    round.set(subject, figuresOf([...(alone.get(subject) ?? []), ...(await inCrowds(job))]));
  }
  for (const [subject, one] of await takeTurns(reads)) round.set(subject, figuresOf(one));
  return Object.fromEntries(round) as unknown as Round;
}

/** What one client by itself measures, of each job, in slices that take turns. */
async function takeTurns(jobs: Jobs): Promise<ReadonlyMap<Subject, Crowds>> {
  const slices = new Map(jobs.map(([subject]) => [subject, [] as Measured[]]));
  for (let slice = 0; slice < SLICES; slice += 1) {
    for (const [subject, { clients, count, ask }] of jobs) {
      slices.get(subject)?.push(await clients.measure(1, Math.ceil(count / SLICES), ask));
    }
  }
  return new Map([...slices].map(([subject, each]) => [subject, [[1, together(each)]]]));
}

async function inCrowds({ clients, count, ask }: Job): Promise<Crowds> {
  const crowds: [number, Measured][] = [];
  for (const crowd of CROWDS.filter((size) => size > 1)) {
    crowds.push([crowd, await clients.measure(crowd, Math.max(count, crowd), ask)]);
  }
  return crowds;
}

function together(slices: readonly Measured[]): Measured {
  const eachMs = slices.flatMap((slice) => slice.eachMs);
  return { eachMs, allMs: slices.reduce((sum, { allMs }) => sum + allMs, 0) };
}

function write(file: string, settings: Settings, reports: readonly (Report | StoreReport)[]): void {
  const { rounds, updates } = settings;
  const machine = { cpus: cpus().length, model: cpus()[0]?.model ?? '', node: process.version };
  try {
    const text = JSON.stringify({ machine, rounds, updates, reports }, null, 2);
    writeFileSync(file, `${text}\n`);
  } catch (error) {
    throw new Failure(`${file} cannot be written: ${describe(error)}`);
  }
}

function showSaves({ stateDirectory, hasMemory, updates }: Settings): void {
  for (const directory of [stateDirectory, ...(hasMemory ? [MEMORY] : [])]) {
    console.log([`State in ${directory}`, ...benchSaves(directory, updates), ''].join('\n'));
  }
}

async function showDelayed({ stateDirectory, rounds }: Settings, delayMs: number): Promise<void> {
  let forget = () => {};
  const lines = benchDelayed(stateDirectory, { delayMs, rounds }, (processes) => {
    forget = endOnSignal(processes);
  });
  for await (const line of lines) console.log(line);
  forget();
}

async function showCatchUp({ keys, valueLength }: TurnsSettings, delayMs: number): Promise<void> {
  for await (const line of benchCatchUp({ keys, valueLength, delayMs })) console.log(line);
}

/** What is measured by itself, without a cluster. */
function showOnly(what: NonNullable<Settings['only']>, settings: Settings): void {
  const { links, stateDirectory } = settings;
  if (what === 'saves') return showSaves(settings);
  const lines = what === 'restart' ? benchRestarts(stateDirectory, links) : compareWithYoung(links);
  for (const line of lines) console.log(line);
}

await runProgram(async (args) => {
  const settings = readSettings(args);
  const { turns, catchUp, only, delayMs } = settings;
  if (only !== null) return showOnly(only, settings);
  if (turns !== null) return measureTurns(turns, (line) => console.log(line));
  if (catchUp !== null) return showCatchUp(catchUp, delayMs ?? 0);
  if (delayMs !== null) return showDelayed(settings, delayMs);
  if (settings.ofStores !== null) {
    await benchAllStores(settings, settings.ofStores);
    console.log(`All figures are in ${settings.out}.`);
    return;
  }
  const reports = [await bench('disk', settings.stateDirectory, settings)];
  if (settings.hasMemory) reports.push(await bench('memory', MEMORY, settings));
  for (const one of reports) console.log(`${tableOf(one).join('\n')}\n`);
  write(settings.out, settings, reports);
  console.log(`All figures are in ${settings.out}.`);
});
