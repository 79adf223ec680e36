/**
 * The cluster of a chaos run: real servers, each in a process of its own, on a network with an
 * owner, with all that they write in one temporary directory.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { chainOf, isUpdate, type Link, singlesOf } from '../../chain.ts';
import type { Uid } from '../../composable-paxos.ts';
import { compareLogs, ToldLog } from '../../log/compare-logs.ts';
import type { Cluster } from '../../node/cluster-file.ts';
import { Failure } from '../../node/failure.ts';
import { stateOnDisk } from '../../node/state-on-disk.ts';
import type { NetworkFaults } from '../../node/udp-messenger.ts';
import type { Random } from '../../simulation/random.ts';
import type { ServerState } from '../../state.ts';
import type { TraceEvent } from '../../trace/events.ts';
import { freePorts, LOOPBACK } from '../common/free-port.ts';
import { ServerProcess } from '../common/server-process.ts';
import { TraceReader } from '../common/trace-reader.ts';
import { HistoryFile } from './clients.ts';
import { UdpRelay } from './udp-relay.ts';

/** What sets the key that all wait for once everything is mended. */
export const PROBE_COMMAND = 'set healed';

const PATIENCE_MS = 40_000;
const LOOK_AGAIN_MS = 25;

/** Waits until it is so. False if it is not after so long. */
export async function waitUntil(isSo: () => boolean, patienceMs: number): Promise<boolean> {
  const untilMs = performance.now() + patienceMs;
  while (!isSo()) {
    if (performance.now() > untilMs) return false;
    await sleep(LOOK_AGAIN_MS);
  }
  return true;
}

/** One server, in all its lives. */
export class ChaosServer {
  readonly uid: Uid;
  readonly port: number;
  readonly httpPort: number;
  readonly traceFile: string;
  /** What it has told of its log, if it is a store. */
  readonly log: ToldLog;
  /** A fault has it in its hands: no other one may touch it. */
  isTaken = false;
  /** It may be no member any more, and end by itself. */
  mayLeave = false;
  /** It has: it does not come back. */
  isGone = false;
  /** It runs under its own state, and must not fail any more. */
  #isIn: boolean;
  readonly #stateDirectory: string;
  readonly #process: ServerProcess;
  readonly #fail: (failure: Failure) => void;
  readonly #trace: TraceReader;

  constructor(
    uid: Uid,
    [port, httpPort]: readonly [number, number],
    directory: string,
    flags: readonly string[],
    fail: (failure: Failure) => void,
    isFounder = true,
  ) {
    this.#isIn = isFounder;
    this.uid = uid;
    this.port = port;
    this.httpPort = httpPort;
    this.log = new ToldLog(uid);
    this.traceFile = join(directory, `${uid}.ndjson`);
    this.#stateDirectory = join(directory, 'state');
    const files = ['--state-dir', this.#stateDirectory, '--trace', this.traceFile, '--quiet'];
    const http = flags.includes('--store') ? ['--http', `${httpPort}`] : [];
    const cluster = isFounder ? ['--cluster', join(directory, `cluster-of-${uid}.json`)] : [];
    const args = [uid, ...cluster, ...files, ...flags, ...http];
    let complaint = '';
    this.#process = new ServerProcess(args, {
      said: (line, isComplaint) => {
        if (isComplaint) complaint += `${line}\n`;
      },
      ended: (how) => {
        if (!this.#isIn || (this.mayLeave && how === 0)) return;
        const told = `server ${uid} ended by itself with ${how}: ${complaint.trim()}`;
        fail(new Failure(told));
      },
    });
    this.#fail = fail;
    this.#trace = new TraceReader(this.traceFile);
  }

  /** What it has traced so far. */
  get events(): readonly TraceEvent[] {
    return this.#trace.read();
  }

  get state(): ServerState | null {
    return stateOnDisk(this.#stateDirectory, this.uid);
  }

  /** Starts it, or starts it again, and waits until it runs or has failed to. */
  async start(): Promise<void> {
    const past = this.events.length;
    await this.#process.start();
    const hasStarted = () => this.events.slice(past).some(({ event }) => event === 'start');
    const isOver = () => !this.isRunning || hasStarted();
    if (await waitUntil(isOver, PATIENCE_MS)) return;
    this.#fail(new Failure(`server ${this.uid} does not start`));
  }

  /** Starts a newcomer. False, and it is gone, if it is not let in. */
  async join(): Promise<boolean> {
    await this.#process.start();
    const hasStarted = () => this.events.some(({ event }) => event === 'start');
    await waitUntil(() => !this.isRunning || hasStarted(), PATIENCE_MS);
    this.#isIn = this.isRunning && hasStarted();
    if (!this.#isIn) await this.kill();
    return this.#isIn;
  }

  get isRunning(): boolean {
    return this.#process.isRunning;
  }

  /** Ends it in the middle of whatever it does, asleep or not, and waits until it is gone. */
  kill(): Promise<void> {
    return this.#process.kill();
  }

  /** The same, without waiting. */
  killNow(): void {
    this.#process.killNow();
  }

  /** Ends it as Ctrl-C does, and waits until it is gone. */
  async stop(): Promise<void> {
    if (!this.#process.isRunning) return;
    const how = await this.#process.stop(PATIENCE_MS);
    if (how === null) return this.#fail(new Failure(`server ${this.uid} does not stop`));
    if (how !== 0) this.#fail(new Failure(`server ${this.uid}, told to stop, ended with ${how}`));
  }

  /** Stops its process as if the machine were asleep, until `wake`. */
  pause(): void {
    this.#process.pause();
  }

  wake(): void {
    this.#process.wake();
  }
}

export class ChaosCluster {
  readonly directory: string;
  readonly relay: UdpRelay;
  /** All that there ever were. */
  readonly everybody: ChaosServer[];
  readonly history: HistoryFile;
  /** Called when a server does not start, or ends without having been told to. */
  whenFailed: (failure: Failure) => void = () => {};
  /** Whether the servers are stores. */
  readonly isStore: boolean;
  /** The values that a server has announced as chosen. */
  readonly chosen = new Set<string>();
  /** Until when each server believes itself master, in milliseconds of the wall clock. */
  readonly #reigns = new Map<Uid, number>();
  readonly #flags: readonly string[];
  readonly #readSoFar = new Map<ChaosServer, number>();

  private constructor(
    directory: string,
    relay: UdpRelay,
    ports: ReadonlyMap<Uid, readonly [number, number]>,
    flags: readonly string[],
  ) {
    this.isStore = flags.includes('--store');
    this.directory = directory;
    this.relay = relay;
    this.history = new HistoryFile(join(directory, 'history.ndjson'));
    const fail = (failure: Failure) => this.whenFailed(failure);
    this.#flags = flags;
    this.everybody = [...ports].map(([uid, both]) => {
      return new ChaosServer(uid, both, directory, flags, fail);
    });
  }

  /** Prepares a cluster of these servers, with these flags. None is started yet. */
  static async prepare(
    uids: readonly Uid[],
    layers: readonly string[],
    faults: NetworkFaults,
    random: Random,
  ): Promise<ChaosCluster> {
    const free = await freePorts(2 * uids.length);
    const ports = new Map(uids.map((uid, index) => [uid, free[index] ?? 0]));
    const both = uids.map((uid, index) => {
      return [uid, [free[index] ?? 0, free[uids.length + index] ?? 0]] as const;
    });
    const relay = await UdpRelay.open(ports, random);
    const directory = mkdtempSync(join(tmpdir(), 'paxos-chaos-'));
    mkdirSync(join(directory, 'state'), { mode: 0o700 });
    const flags = [...flagsOf(faults), ...layers];
    // Where its members are the chain says, the same to all: then none can be led through a relay.
    const direct = Object.fromEntries(
      [...ports].map(([uid, port]) => [uid, `${LOOPBACK}:${port}`]),
    );
    for (const uid of uids) {
      const addresses = layers.includes('--members') ? direct : relay.clusterOf(uid);
      writeFileSync(join(directory, `cluster-of-${uid}.json`), JSON.stringify(addresses));
    }
    return new ChaosCluster(directory, relay, new Map(both), flags);
  }

  /** Where clients find the servers. */
  get addresses(): Cluster {
    return new Map(this.servers.map(({ uid, port }) => [uid, { host: LOOPBACK, port }]));
  }

  /** Those that are not gone for good. */
  get servers(): readonly ChaosServer[] {
    return this.everybody.filter(({ isGone }) => !isGone);
  }

  /** A server that is to be let in by this one. It is not started, and not yet one of ours. */
  async newcomer(uid: Uid, by: ChaosServer): Promise<ChaosServer> {
    const [port = 0, httpPort = 0] = await freePorts(2);
    const joins = ['--join', `${by.uid}=${LOOPBACK}:${by.port}`, '--listen', `${LOOPBACK}:${port}`];
    const flags = [...this.#flags.filter((flag) => flag !== '--members'), ...joins];
    const fail = (failure: Failure) => this.whenFailed(failure);
    return new ChaosServer(uid, [port, httpPort], this.directory, flags, fail, false);
  }

  add(server: ChaosServer): void {
    this.everybody.push(server);
  }

  server(uid: Uid): ChaosServer {
    const server = this.everybody.find((candidate) => candidate.uid === uid);
    if (server === undefined) throw new Error(`there is no server ${uid}`);
    return server;
  }

  /** Whoever believes itself master now; null if nobody does. */
  get master(): ChaosServer | null {
    const now = Date.now();
    return this.servers.find(({ uid }) => (this.#reigns.get(uid) ?? 0) > now) ?? null;
  }

  /** Reads what the servers have traced since the last time. */
  readOn(): void {
    for (const server of this.everybody) {
      const { events } = server;
      for (const event of events.slice(this.#readSoFar.get(server) ?? 0))
        this.#observe(server, event);
      this.#readSoFar.set(server, events.length);
    }
  }

  /** Have all servers come equally far, to a value that begins like this, and do they agree? */
  isLevelAt(prefix: string): boolean {
    if (this.isStore) return this.#areStoresLevel();
    const [first, ...others] = this.servers.map(({ state }) => state);
    if (first === null || first === undefined) return false;
    return (
      (first.currentValue ?? '').startsWith(prefix) &&
      others.every(
        (state) =>
          state?.instanceNumber === first.instanceNumber &&
          isDeepStrictEqual(chainOf(state), chainOf(first)),
      )
    );
  }

  /** All links of their log that any of them has told. */
  get links(): ReadonlyMap<number, Link> {
    return new Map(this.servers.flatMap(({ log }) => [...log.links]));
  }

  /** Kills whatever runs, and removes all that was written unless somebody wants to look at it. */
  clear(isKept: boolean): void {
    for (const server of this.everybody) server.killNow();
    // A killed server may be in the middle of writing.
    if (!isKept) rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  #areStoresLevel(): boolean {
    const logs = this.servers.map(({ log }) => log);
    const isProbed = [...this.chosen].some((command) => command.startsWith(PROBE_COMMAND));
    return isProbed && new Set(logs.map(({ end }) => end)).size === 1 && compareLogs(logs).isLevel;
  }

  #observe(server: ChaosServer, event: TraceEvent): void {
    if (this.isStore) server.log.observe(event);
    switch (event.event) {
      case 'chosen':
        for (const { update } of singlesOf(event.value).filter(isUpdate)) this.chosen.add(update);
        return;
      case 'lease':
        if (event.what === 'wanted') return;
        this.#reigns.set(event.server, event.what === 'ours' ? event.at + event.lastsMs : 0);
        return;
      case 'start':
      case 'stop':
        this.#reigns.delete(event.server);
    }
  }
}

function flagsOf({ drop, duplicate, minDelayMs, maxDelayMs }: NetworkFaults): string[] {
  const delay = `${minDelayMs}-${maxDelayMs}`;
  return ['--drop', drop.toFixed(2), '--duplicate', duplicate.toFixed(2), '--delay', delay];
}
