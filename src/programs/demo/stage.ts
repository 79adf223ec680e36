/**
 * The stage of the demo: a cluster of real processes on free ports of this machine, with all that
 * they write in one temporary directory. Clearing the stage leaves nothing behind.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Uid } from '../../composable-paxos.ts';
import { type Cluster, readClusterFile } from '../../node/cluster-file.ts';
import { Failure } from '../../node/failure.ts';
import { stateOnDisk } from '../../node/state-on-disk.ts';
import type { ServerState } from '../../state.ts';
import type { TraceEvent } from '../../trace/events.ts';
import { freePorts, LOOPBACK } from '../common/free-port.ts';
import { Bell, TraceReader } from '../common/trace-reader.ts';
import { say } from './words.ts';

const PROJECT = join(import.meta.dirname, '..', '..', '..');
const PATIENCE_MS = 120_000;
const CLEARED = 'the stage is cleared';

export class Stage {
  readonly uids: readonly Uid[];
  /** Where the servers keep their states, and where they are reached. */
  readonly stateDirectory: string;
  readonly addresses: Cluster;
  readonly #directory: string;
  readonly #bell = new Bell();
  readonly #traces: ReadonlyMap<Uid, TraceReader>;
  readonly #servers = new Map<Uid, ChildProcess>();
  readonly #processes = new Set<ChildProcess>();
  #isCleared = false;

  private constructor(uids: readonly Uid[], directory: string) {
    this.uids = uids;
    this.stateDirectory = join(directory, 'state');
    this.addresses = readClusterFile(join(directory, 'cluster.json'));
    this.#directory = directory;
    this.#traces = new Map(uids.map((uid) => [uid, new TraceReader(this.#traceFile(uid))]));
    this.#bell.watch(join(directory, 'traces'));
  }

  /** Sets the stage for these servers. None of them is started yet. */
  static async set(uids: readonly Uid[]): Promise<Stage> {
    const ports = await freePorts(uids.length);
    const directory = mkdtempSync(join(tmpdir(), 'paxos-demo-'));
    const addresses = uids.map((uid, index) => [uid, `${LOOPBACK}:${ports[index]}`]);
    writeFileSync(join(directory, 'cluster.json'), JSON.stringify(Object.fromEntries(addresses)));
    mkdirSync(join(directory, 'traces'));
    return new Stage(uids, directory);
  }

  /** The servers that were started, and neither killed nor stopped since. */
  get running(): readonly Uid[] {
    return this.uids.filter((uid) => this.#servers.has(uid));
  }

  /** Starts a server, and waits until it runs. What it prints, it prints here. */
  async start(uid: Uid, ...flags: readonly string[]): Promise<void> {
    const files = ['--state-dir', this.stateDirectory, '--trace', this.#traceFile(uid)];
    const past = this.eventsOf(uid).length;
    const server = this.#run('server.ts', uid, ...this.#cluster(), ...files, ...flags);
    this.#servers.set(uid, server);
    await this.waitFor(`${uid} to start`, () => {
      return this.eventsOf(uid)
        .slice(past)
        .some(({ event }) => event === 'start');
    });
  }

  /** Ends a server in the middle of whatever it does, and waits until it is gone. */
  async kill(uid: Uid): Promise<void> {
    await this.#end(uid, 'SIGKILL');
  }

  /** Ends a server as Ctrl-C does, and waits until it is gone. */
  async stop(uid: Uid): Promise<void> {
    await this.#end(uid, 'SIGINT');
  }

  /**
   * Says how the client is run, and runs it. Throws a `Failure` if it says that what it was to ask
   * for cannot have arrived, or has no answer.
   */
  async runClient(uid: Uid, ...args: readonly string[]): Promise<void> {
    const quote = (arg: string) => (arg.includes('"') ? `'${arg}'` : JSON.stringify(arg));
    const words = args.map((arg) => (/^-/.test(arg) ? arg : quote(arg)));
    say(`$ node --import tsx client.ts ${uid} ${words.join(' ')}`);
    const client = this.#run('client.ts', ...this.#cluster(), uid, ...args);
    await once(client, 'exit');
    if (client.exitCode !== 0) throw new Failure(`the client had no success with ${uid}`);
  }

  /** What stands in a server's state file; null if there is none yet. */
  stateOf(uid: Uid): ServerState | null {
    return stateOnDisk(this.stateDirectory, uid);
  }

  /** What a server has traced so far, in all its lives. */
  eventsOf(uid: Uid): readonly TraceEvent[] {
    const trace = this.#traces.get(uid);
    if (trace === undefined) throw new Error(`there is no server ${uid}`);
    return trace.read();
  }

  /**
   * Waits until `look` finds something, and returns it. Throws after a while, with `hint`, and at
   * once if a server has ended that nobody asked to.
   */
  waitFor<T>(
    what: string,
    look: () => T | false | null | undefined,
    hint: () => string = () => '',
  ): Promise<T> {
    const lookOnStage = () => {
      if (this.#isCleared) throw new Failure(CLEARED);
      this.#checkServers();
      return look();
    };
    return this.#bell.waitFor(what, lookOnStage, hint, PATIENCE_MS);
  }

  /** Kills all processes, and removes all that they have written. Nothing can begin after this. */
  async clear(): Promise<void> {
    if (this.#isCleared) return;
    this.#isCleared = true;
    this.#servers.clear();
    for (const child of this.#processes) child.kill('SIGKILL');
    await Promise.all([...this.#processes].map(hasEnded));
    this.#bell.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #run(file: string, ...args: readonly string[]): ChildProcess {
    if (this.#isCleared) throw new Failure(CLEARED);
    // With our own terminal they see by themselves whether there is colour, and how wide it is.
    const stdio = ['ignore', 'inherit', 'inherit'] as const;
    const options = { cwd: PROJECT, stdio: [...stdio] };
    const child = spawn(process.execPath, ['--import', 'tsx', file, ...args], options);
    this.#processes.add(child);
    child.once('exit', () => {
      this.#processes.delete(child);
      this.#bell.ring();
    });
    return child;
  }

  async #end(uid: Uid, signal: NodeJS.Signals): Promise<void> {
    const server = this.#servers.get(uid);
    if (server === undefined) return;
    this.#servers.delete(uid);
    server.kill(signal);
    await hasEnded(server);
  }

  /** No server ends unless it is told to. Why it did, it has told itself. */
  #checkServers(): void {
    for (const [uid, { exitCode, signalCode }] of this.#servers) {
      if (exitCode !== null || signalCode !== null) {
        throw new Failure(`server ${uid} has ended with ${exitCode ?? signalCode}`);
      }
    }
  }

  #cluster(): readonly string[] {
    return ['--cluster', join(this.#directory, 'cluster.json')];
  }

  #traceFile(uid: Uid): string {
    return join(this.#directory, 'traces', `${uid}.ndjson`);
  }
}

async function hasEnded(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}
