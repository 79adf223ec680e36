/**
 * A small vocabulary for tests with real processes: a cluster on free ports of this machine, its
 * servers as processes that can be killed and started again, and what they trace.
 *
 *     const cluster = await startCluster(t, { master: true, flags: ['--drop', '0.1'] });
 *     await cluster.propose('A', 'hello');
 *     await cluster.waitFor('all to have it', () => cluster.agreesOn('hello'));
 *     await cluster.server('B').kill();
 *     await cluster.server('B').start();
 *
 * All of it goes away when the test `t` ends. Nothing here sleeps and hopes: whoever waits looks
 * again whenever a server has written something.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { chainOf } from '../src/chain.ts';
import type { Uid } from '../src/composable-paxos.ts';
import { encodeDatagram, type Message } from '../src/messages.ts';
import { openSocket } from '../src/node/udp-socket.ts';
import { freePorts, LOOPBACK } from '../src/programs/common/free-port.ts';
import { Bell, TraceReader } from '../src/programs/common/trace-reader.ts';
import type { ServerState } from '../src/state.ts';
import type { TraceEvent } from '../src/trace/events.ts';
import { argumentsFor } from './transpiled.ts';

export { freePort } from '../src/programs/common/free-port.ts';

const PROJECT = join(import.meta.dirname, '..');
/** Only a test that hangs waits so long: a machine may be many times slower than another one. */
export const PATIENCE_MS = 300_000;
/** For what takes minutes on a quiet machine. */
export const LONG_PATIENCE_MS = 6 * PATIENCE_MS;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ClusterOptions {
  /** Three servers, A, B and C, unless said otherwise. */
  readonly uids?: readonly Uid[];
  readonly master?: boolean;
  /** Further flags of every server. */
  readonly flags?: readonly string[];
}

/** A program of this project that runs, and what it has written so far. */
export class Program {
  stdout = '';
  stderr = '';
  /** Settled when it has ended and all that it wrote is here. */
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;

  /** Runs `file`, for example `server.ts`. `node` is the command that stands for `node`. */
  constructor(file: string, args: readonly string[], node: readonly string[] = [process.execPath]) {
    const [command = '', ...first] = [...node, ...argumentsFor(file)];
    const { NO_COLOR: _no, FORCE_COLOR: _force, ...env } = process.env;
    this.#child = spawn(command, [...first, ...args], {
      cwd: PROJECT,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // it leads a group of its own, with all that it starts
    });
    running.add(this.#child);
    this.onText((text, from) => {
      this[from] += text;
    });
    this.exited = once(this.#child, 'close').then(([code, signal]) => {
      running.delete(this.#child);
      return { code, signal, stdout: this.stdout, stderr: this.stderr };
    });
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  onText(listener: (text: string, from: 'stdout' | 'stderr') => void): void {
    for (const from of ['stdout', 'stderr'] as const) {
      this.#child[from]?.setEncoding('utf8').on('data', (text: string) => listener(text, from));
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /**
   * Waits until it has ended by itself, and whatever it has started, too, has let go of its pipes.
   * Those that do not are killed, so that no test hangs.
   */
  async end(patienceMs = PATIENCE_MS): Promise<Exit> {
    const timeout = setTimeout(() => killGroup(this.#child), patienceMs);
    const exit = await this.exited;
    clearTimeout(timeout);
    return exit;
  }

  /** Goes away from the end of the pipe at which its lines are read. */
  closeStdout(): void {
    this.#child.stdout?.destroy();
  }
}

/** What must not outlive the tests. */
const running = new Set<ChildProcess>();
process.once('exit', () => running.forEach(killGroup));

/** A killed parent leaves its children alone, and they hold its pipes: kill them, too. */
function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // None of them is left.
  }
}

/** Runs a program of this project to its end. */
export function run(file: string, ...args: readonly string[]): Promise<Exit> {
  return new Program(file, args).end();
}

/** Can two processes of this machine speak to each other over IPv6? */
export async function hasIpv6(): Promise<boolean> {
  return openSocket({ host: '::1', port: 0 }).then(
    (socket) => socket.close() !== undefined,
    () => false,
  );
}

/** A directory that goes away when the test ends. */
export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'paxos-'));
  t.after(() => removeDirectory(directory));
  return directory;
}

function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true, maxRetries: 20 });
}

/** Sends these very bytes to a port of this machine, from a port of its own. */
export async function sendBytes(port: number, bytes: Uint8Array | string): Promise<void> {
  const socket = createSocket('udp4');
  await new Promise((sent) => socket.send(bytes, port, LOOPBACK, sent));
  socket.close();
}

/** Prepares a cluster, and starts all of its servers. */
export async function startCluster(t: TestContext, options: ClusterOptions = {}): Promise<Cluster> {
  const cluster = await prepareCluster(t, options);
  await cluster.start();
  return cluster;
}

/** A cluster of which no server has been started. */
export async function prepareCluster(
  t: TestContext,
  { uids = ['A', 'B', 'C'], master = false, flags = [] }: ClusterOptions = {},
): Promise<Cluster> {
  const ports = await freePorts(uids.length);
  const portOf = new Map(uids.map((uid, index) => [uid, ports[index] ?? 0]));
  const allFlags = master ? ['--master', ...flags] : flags;
  const cluster = new Cluster(mkdtempSync(join(tmpdir(), 'paxos-')), portOf, allFlags);
  t.after(() => cluster.remove());
  return cluster;
}

export class Cluster {
  readonly directory: string;
  readonly stateDirectory: string;
  readonly clusterFile: string;
  readonly servers: readonly Server[];
  readonly #bell = new Bell();

  constructor(directory: string, ports: ReadonlyMap<Uid, number>, flags: readonly string[]) {
    this.directory = directory;
    this.stateDirectory = join(directory, 'state');
    this.clusterFile = join(directory, 'cluster.json');
    const addresses = [...ports].map(([uid, port]) => [uid, `${LOOPBACK}:${port}`]);
    writeFileSync(this.clusterFile, JSON.stringify(Object.fromEntries(addresses)));
    mkdirSync(join(directory, 'traces'));
    this.#bell.watch(join(directory, 'traces'));
    this.servers = [...ports].map(([uid, port]) => {
      return new Server(this, uid, port, flags, this.#bell);
    });
  }

  get uids(): readonly Uid[] {
    return this.servers.map(({ uid }) => uid);
  }

  server(uid: Uid): Server {
    const server = this.servers.find((candidate) => candidate.uid === uid);
    if (server === undefined) throw new Error(`this cluster has no ${uid}`);
    return server;
  }

  /** What stands in the state files, in the order of the servers; null where there is none. */
  states(): (ServerState | null)[] {
    return this.servers.map((server) => server.state);
  }

  /** True if the state files of all servers say the same of the chain. */
  isLevel(): boolean {
    return areLevel(this.states());
  }

  /** True if they do, and this is the value. */
  agreesOn(value: string): boolean {
    const states = this.states();
    return states[0]?.currentValue === value && areLevel(states);
  }

  /** Starts all servers, with these flags beside their own, and waits until they run. */
  async start(...flags: readonly string[]): Promise<void> {
    await Promise.all(this.servers.map((server) => server.start(...flags)));
  }

  /** Ends all servers at once, as a power cut would. */
  async kill(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.kill()));
  }

  /** Fires a value at a server as a client does, but without the time that a process takes. */
  propose(uid: Uid, value: string): Promise<void> {
    return this.send(uid, { type: 'propose', value });
  }

  /** Sends a message, whatever it is, from an address that is not of the cluster. */
  send(uid: Uid, message: Message): Promise<void> {
    return sendBytes(this.server(uid).port, encodeDatagram(0, message));
  }

  /** Runs `client.ts`. */
  client(uid: Uid, value: string): Promise<Exit> {
    return run('client.ts', uid, '--cluster', this.clusterFile, '--', value);
  }

  /** Waits until `condition` gives something, and gives it back. Throws after a while. */
  waitFor<T>(
    what: string,
    condition: () => T | false | null | undefined,
    patienceMs = PATIENCE_MS,
  ): Promise<T> {
    const hint = () => this.servers.map(lastWords).join('');
    return this.#bell.waitFor(what, condition, hint, patienceMs);
  }

  /** Kills all servers, and removes all that they have written. */
  async remove(): Promise<void> {
    await this.kill();
    this.#bell.close();
    removeDirectory(this.directory);
  }
}

export class Server {
  readonly uid: Uid;
  readonly port: number;
  readonly stateFile: string;
  readonly traceFile: string;
  readonly #cluster: Cluster;
  readonly #flags: readonly string[];
  readonly #bell: Bell;
  readonly #trace: TraceReader;
  #program: Program | null = null;

  constructor(cluster: Cluster, uid: Uid, port: number, flags: readonly string[], bell: Bell) {
    this.uid = uid;
    this.port = port;
    this.stateFile = join(cluster.stateDirectory, `${uid}.json`);
    this.traceFile = join(cluster.directory, 'traces', `${uid}.ndjson`);
    this.#cluster = cluster;
    this.#flags = flags;
    this.#bell = bell;
    this.#trace = new TraceReader(this.traceFile);
  }

  get wasStarted(): boolean {
    return this.#program !== null;
  }

  /** The process of its latest life. */
  get program(): Program {
    if (this.#program === null) throw new Error(`${this.uid} was never started`);
    return this.#program;
  }

  /** What it has traced in all its lives. */
  get events(): readonly TraceEvent[] {
    return this.#trace.read();
  }

  get state(): ServerState | null {
    return existsSync(this.stateFile) ? JSON.parse(readFileSync(this.stateFile, 'utf8')) : null;
  }

  /** The command line that `start` uses; a test of bad starts runs it by itself. */
  commandLine(...flags: readonly string[]): string[] {
    const { clusterFile, stateDirectory } = this.#cluster;
    const own = ['--cluster', clusterFile, '--state-dir', stateDirectory];
    return [this.uid, ...own, '--trace', this.traceFile, ...this.#flags, ...flags];
  }

  /** Starts it, or starts it again, and waits until it runs. Throws what it says if it ends. */
  async start(...flags: readonly string[]): Promise<void> {
    if (this.#program?.hasEnded === false) throw new Error(`${this.uid} runs already`);
    const before = this.#starts();
    const program = new Program('server.ts', this.commandLine(...flags));
    this.#program = program;
    program.onText(() => this.#bell.ring());
    program.exited.then(() => this.#bell.ring());
    await this.waitFor('start', () => program.hasEnded || this.#starts() > before);
    if (!program.hasEnded) return;
    const { code, stderr } = await program.end();
    throw new Error(`${this.uid} ended with ${code}: ${stderr}`);
  }

  /** Ends it at once, as a crash would, and waits until it is gone. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Presses Ctrl-C, and waits until it has ended. */
  async interrupt(): Promise<Exit> {
    const exit = await this.#end('SIGINT');
    if (exit === null) throw new Error(`${this.uid} was never started`);
    return exit;
  }

  /** Waits until `condition` gives something, and gives it back. Throws after a while. */
  waitFor<T>(
    what: string,
    condition: () => T | false | null | undefined,
    patienceMs = PATIENCE_MS,
  ): Promise<T> {
    const hint = () => lastWords(this);
    return this.#bell.waitFor(`${this.uid}: ${what}`, condition, hint, patienceMs);
  }

  /** Waits for the first event that `matches`, among those after the first `from`. */
  waitForEvent(
    what: string,
    matches: (event: TraceEvent) => boolean,
    from = 0,
  ): Promise<TraceEvent> {
    return this.waitFor(what, () => this.events.slice(from).find(matches));
  }

  async #end(signal: NodeJS.Signals): Promise<Exit | null> {
    this.#program?.signal(signal);
    return this.#program?.end() ?? null;
  }

  #starts(): number {
    return this.events.filter(({ event }) => event === 'start').length;
  }
}

/** What acceptors have promised may differ; what was chosen may not. */
function areLevel([first, ...others]: readonly (ServerState | null)[]): boolean {
  return others.every((other) => isDeepStrictEqual(chainPart(other), chainPart(first)));
}

function chainPart(state: ServerState | null | undefined) {
  return state && { instanceNumber: state.instanceNumber, ...chainOf(state) };
}

/** The end of what a server wrote, for whoever has to find out why a test failed. */
function lastWords(server: Server): string {
  if (!server.wasStarted) return `\n${server.uid} was never started`;
  const { stdout, stderr } = server.program;
  return `\n${server.uid}:\n${stdout.split('\n').slice(-15).join('\n')}${stderr}`;
}
