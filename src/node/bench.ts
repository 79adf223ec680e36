/**
 * `npm run bench`: how fast the servers are, in proportion to what this machine can do at all.
 *
 * Milliseconds on another machine say little. So everything is measured against a *floor* on the
 * same machine in the same run: processes that exchange and save the same, without a protocol (see
 * `bench-floor.ts`); and a read against a bare echo. Rounds take turns, so that whatever else
 * the machine does hits all of them, and what counts is the median of their ratios.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { DEFAULT_STATE_DIR } from '../../config.ts';
import type { Ask, BenchClients, Measured } from './bench-client.ts';
import { BenchProcesses, KINDS, type Kind } from './bench-processes.ts';
import {
  CROWDS,
  type Figures,
  figuresOf,
  type Place,
  type Report,
  type Round,
  report,
  tableOf,
} from './bench-report.ts';
import { describe, Failure } from './failure.ts';
import { parseArguments, runProgram, wholeNumber } from './program.ts';

const MEMORY = '/dev/shm';
/** Reads are so much faster that more of them fit into the same time. */
const READS_PER_UPDATE = 10;
const EXIT_CODE_OF_SIGINT = 130;

interface Settings {
  readonly rounds: number;
  readonly updates: number;
  readonly stateDirectory: string;
  readonly hasMemory: boolean;
  readonly out: string;
}

type Targets = Readonly<Record<Kind | 'echo', BenchClients>>;

const update: Ask = (requestId) => ({ type: 'request', requestId, value: `value of ${requestId}` });
const read: Ask = (requestId) => ({ type: 'read', requestId, isLocal: false });

function readSettings(args: readonly string[]): Settings {
  const command = new Command('npm run bench --')
    .description('Measures latency and speed, in proportion to what this machine can do at all.')
    .option('--rounds <N>', 'rounds that take turns', '5')
    .option('--updates <N>', 'updates in each measurement', '200')
    .option('--state-dir <DIR>', 'where the disk is that is measured', DEFAULT_STATE_DIR)
    .option('--no-memory', `leave out the state on a memory file system, ${MEMORY}`)
    .option('--out <FILE>', 'where the figures go, as JSON', 'bench.json');
  parseArguments(command, args);
  const options = command.opts();
  return {
    rounds: wholeNumber('--rounds', options['rounds'], 1, 1_000),
    updates: wholeNumber('--updates', options['updates'], 1, 100_000),
    stateDirectory: options['stateDir'],
    hasMemory: options['memory'] === true && existsSync(MEMORY),
    out: options['out'],
  };
}

async function bench(place: Place, directory: string, settings: Settings): Promise<Report> {
  const processes = new BenchProcesses(directory);
  const interrupt = () => {
    processes.end().finally(() => process.exit(EXIT_CODE_OF_SIGINT));
  };
  process.once('SIGINT', interrupt);
  try {
    const targets = await start(processes);
    const rounds: Round[] = [];
    for (let round = 0; round < settings.rounds; round += 1) {
      rounds.push(await measureRound(targets, settings.updates));
    }
    return report(place, resolve(directory), rounds);
  } finally {
    process.off('SIGINT', interrupt);
    await processes.end();
  }
}

async function start(processes: BenchProcesses): Promise<Targets> {
  const clusters = KINDS.map(async (kind) => [kind, await processes.startCluster(kind)] as const);
  const echo = await processes.startEcho();
  return { ...Object.fromEntries(await Promise.all(clusters)), echo } as Targets;
}

async function measureRound({ floor, master, plain, echo }: Targets, n: number): Promise<Round> {
  return {
    floor: await measureUpdates(floor, n),
    master: await measureUpdates(master, n),
    plain: await measureUpdates(plain, n),
    echo: await measureReads(echo, n * READS_PER_UPDATE),
    read: await measureReads(master, n * READS_PER_UPDATE),
  };
}

async function measureUpdates(clients: BenchClients, count: number): Promise<Figures> {
  const crowds = new Map<number, Measured>();
  for (const crowd of CROWDS) {
    crowds.set(crowd, await clients.measure(crowd, Math.max(count, crowd), update));
  }
  return figuresOf(crowds.get(1) ?? { eachMs: [], allMs: 0 }, crowds);
}

async function measureReads(clients: BenchClients, count: number): Promise<Figures> {
  const alone = await clients.measure(1, count, read);
  return figuresOf(alone, new Map([[1, alone]]));
}

function write(file: string, settings: Settings, reports: readonly Report[]): void {
  const { rounds, updates } = settings;
  const machine = { cpus: cpus().length, model: cpus()[0]?.model ?? '', node: process.version };
  try {
    const text = JSON.stringify({ machine, rounds, updates, reports }, null, 2);
    writeFileSync(file, `${text}\n`);
  } catch (error) {
    throw new Failure(`${file} cannot be written: ${describe(error)}`);
  }
}

await runProgram(async (args) => {
  const settings = readSettings(args);
  const reports = [await bench('disk', settings.stateDirectory, settings)];
  if (settings.hasMemory) reports.push(await bench('memory', MEMORY, settings));
  for (const one of reports) console.log(`${tableOf(one).join('\n')}\n`);
  write(settings.out, settings, reports);
  console.log(`All figures are in ${settings.out}.`);
});
