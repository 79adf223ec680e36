/** The processes of the benchmark: three kinds of clusters, and an echo. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Uid } from '../../composable-paxos.ts';
import type { Reply } from '../../messages.ts';
import { Failure } from '../../node/failure.ts';
import { freePort, freePorts, LOOPBACK } from '../common/free-port.ts';
import { BenchClients } from './client.ts';
import { startEtcd } from './etcd.ts';
import { HttpClients } from './http-clients.ts';
import type { Restart } from './store-report.ts';

export type Kind = 'floor' | 'master' | 'plain' | 'append' | 'store';
export const KINDS: readonly Kind[] = ['floor', 'master', 'plain'];
/** Those that are no servers: what they run instead. */
const FLOORS: Partial<Readonly<Record<Kind, string>>> = {
  floor: 'src/programs/bench/floor.ts',
  append: 'src/programs/bench/append-floor.ts',
};

const PROJECT = join(import.meta.dirname, '..', '..', '..');
const UIDS: readonly Uid[] = ['A', 'B', 'C'];
const MASTER_WITHIN_MS = 120_000;
const LOOK_AGAIN_MS = 100;

/** Whether it can be said on which core a process runs. */
export const CAN_CHOOSE_CORE =
  cpus().length > 1 && spawnSync('taskset', ['--version']).status === 0;

/** Everything that runs for the benchmark, with what it writes in one directory. */
export class BenchProcesses {
  readonly #directory: string;
  readonly #children: ChildProcess[] = [];
  /** The clients of each child that is asked anything. */
  readonly #clients = new Map<BenchClients, ChildProcess>();
  /** Ends what else was opened. */
  readonly #closing: (() => void)[] = [];
  /** Where the store is asked over HTTP whose clients these are. */
  readonly #httpPorts = new Map<BenchClients, number>();
  /** A store that does not lead, and how it is started. */
  #follower: {
    readonly child: ChildProcess;
    readonly args: string[];
    readonly port: number;
  } | null = null;

  /** All that is written goes into a new directory in `parent`. */
  constructor(parent: string) {
    mkdirSync(parent, { recursive: true });
    this.#directory = mkdtempSync(join(parent, 'bench-'));
  }

  /** Starts three servers, with more flags; given back are clients of the one that leads. */
  async startCluster(kind: Kind, more: readonly string[] = []): Promise<BenchClients> {
    const directory = join(this.#directory, kind);
    const clusterFile = join(directory, 'cluster.json');
    const stateDirectory = join(directory, 'state');
    mkdirSync(directory);
    const [ports, httpPorts] = [await freePorts(UIDS.length), await freePorts(UIDS.length)];
    const addresses = UIDS.map((uid, index) => [uid, `${LOOPBACK}:${ports[index]}`]);
    writeFileSync(clusterFile, JSON.stringify(Object.fromEntries(addresses)));

    const floor = FLOORS[kind];
    const argsOf = (uid: Uid) => {
      if (floor !== undefined) return [floor, uid, clusterFile, stateDirectory];
      const http = kind === 'store' ? ['--http', `${httpPorts[UIDS.indexOf(uid)]}`] : [];
      return ['server.ts', uid, ...flagsOf(kind, clusterFile, stateDirectory), ...http, ...more];
    };
    const servers = UIDS.map((uid) => this.#run(...argsOf(uid)));
    const clients = await Promise.all(
      servers.map((server, index) => this.#connect(server, ports[index] ?? 0)),
    );
    const leader = await leaderOf(clients, kind === 'store' ? 'set first 1' : 'first');
    if (kind !== 'store') return leader;
    this.#httpPorts.set(leader, httpPorts[clients.indexOf(leader)] ?? 0);
    const index = clients.findIndex((one) => one !== leader);
    const [uid = '', child, port = 0] = [UIDS[index], servers[index], ports[index]];
    if (child !== undefined) this.#follower = { child, args: argsOf(uid), port };
    return leader;
  }

  /** Clients that ask the same store over HTTP. */
  httpOf(store: BenchClients): HttpClients {
    const clients = new HttpClients(this.#httpPorts.get(store) ?? 0);
    this.#closing.push(() => clients.close());
    return clients;
  }

  /** Kills a store that does not lead, starts it again, and waits until it answers. */
  async restartStore(): Promise<Restart> {
    if (this.#follower === null) throw new Error('there is no store');
    const { child, args, port } = this.#follower;
    child.kill('SIGKILL');
    await untilEnded(child);
    const startMs = performance.now();
    const clients = await this.#connect(this.#run(...args), port);
    const tookMs = performance.now() - startMs;
    const status = await clients.answerTo((requestId) => ({ type: 'status', requestId }));
    const instanceNumber = status.type === 'status_report' ? status.instanceNumber : 0;
    return { instanceNumber, tookMs };
  }

  async startEtcd(): Promise<HttpClients> {
    const directory = join(this.#directory, 'etcd');
    const etcd = await startEtcd(directory, (child) => this.#children.push(child));
    this.#closing.push(() => etcd.close());
    return etcd;
  }

  async startEcho(): Promise<BenchClients> {
    const port = await freePort();
    return this.#connect(this.#run('src/programs/bench/floor.ts', `${port}`), port);
  }

  /**
   * From now on this process has the first core, and those of `asked` the second, as if they were
   * machines of their own; all others are dealt out. Left to itself the system would let
   * chance decide who shares a core, and to wake up a process on another one may take longer than
   * what is measured. Does nothing where the system cannot do that.
   */
  placeOnCores(asked: readonly BenchClients[]): void {
    if (!CAN_CHOOSE_CORE) return;
    const leaders = new Set(asked.map((clients) => this.#clients.get(clients)));
    const others = this.#children.filter((child) => !leaders.has(child));
    moveTo(0, process.pid);
    for (const leader of leaders) moveTo(1, leader?.pid);
    for (const [index, { pid }] of others.entries()) moveTo(index % 2, pid);
  }

  /** Kills them all, and removes what they have written. */
  async end(): Promise<void> {
    for (const clients of this.#clients.keys()) clients.close();
    for (const close of this.#closing) close();
    this.killAll();
    await Promise.all(this.#children.map(untilEnded));
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** At once: for a benchmark that is interrupted. */
  killAll(): void {
    for (const child of this.#children) child.kill('SIGKILL');
  }

  async #connect(child: ChildProcess, port: number): Promise<BenchClients> {
    const clients = await BenchClients.connect(port);
    this.#clients.set(clients, child);
    const ended = once(child, 'exit').then(() => {
      throw new Failure('a process of the benchmark has ended before it began');
    });
    ended.catch(() => {}); // they all end when the benchmark does
    await Promise.race([clients.answerTo((requestId) => ({ type: 'status', requestId })), ended]);
    return clients;
  }

  #run(...args: readonly string[]): ChildProcess {
    const { PAXOS_KEY: _none, ...env } = process.env;
    const child = spawn(process.execPath, ['--import', 'tsx', ...args], {
      cwd: PROJECT,
      env,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    this.#children.push(child);
    return child;
  }
}

function flagsOf(kind: Kind, clusterFile: string, stateDirectory: string): string[] {
  // A line for each event is for people, and making it takes longer than what it tells of.
  const flags = ['--quiet', '--cluster', clusterFile, '--state-dir', stateDirectory];
  if (kind === 'store') return ['--store', '--master', ...flags];
  return kind === 'master' ? ['--master', ...flags] : flags;
}

function moveTo(core: number, pid: number | undefined): void {
  spawnSync('taskset', ['-acp', `${core}`, `${pid}`]);
}

async function untilEnded(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

/** The one that has a first value chosen: among servers with a master, only the master does. */
async function leaderOf(servers: readonly BenchClients[], value: string): Promise<BenchClients> {
  for (let waitedMs = 0; waitedMs < MASTER_WITHIN_MS; waitedMs += LOOK_AGAIN_MS) {
    for (const server of servers) {
      const reply = await server.answerTo((requestId) => ({
        type: 'request',
        requestId,
        value,
      }));
      if (isChosen(reply)) return server;
    }
    await pause(LOOK_AGAIN_MS);
  }
  throw new Failure('no master was elected');
}

function isChosen(reply: Reply): boolean {
  return reply.type === 'chosen' || reply.type === 'answered';
}
