/**
 * Stores in this one process, with datagrams that are encoded and checked, and the timers of real
 * servers: what they do takes its time, and what lies between them takes what it is told to.
 */
import { performance } from 'node:perf_hooks';
import type { Link } from '../../chain.ts';
import type { Uid } from '../../composable-paxos.ts';
import type { Environment, Storage } from '../../environment.ts';
import { keeping, StoreReplica } from '../../log/replicas.ts';
import { decodeDatagram, encodeDatagram, isPeerMessage, type PeerMessage } from '../../messages.ts';
import { Turns } from '../../node/turns.ts';
import type { ServerState } from '../../state.ts';
import type { Decision } from '../../trace/events.ts';

export const UIDS: readonly Uid[] = ['A', 'B', 'C'];
export const CLUSTER = 'A B C with a store';
const LINKS_AT_ONCE = 50;

/** How long the turns of somebody were, in milliseconds. */
export class Stopwatch {
  readonly #eachMs: number[] = [];

  time(act: () => void): void {
    const before = process.cpuUsage();
    const startMs = performance.now();
    act();
    const tookMs = performance.now() - startMs;
    const { user, system } = process.cpuUsage(before);
    this.add(Math.min(tookMs, (user + system) / 1_000));
  }

  add(tookMs: number): void {
    this.#eachMs.push(tookMs);
  }

  get longestMs(): number {
    return Math.max(0, ...this.#eachMs);
  }

  /** What was measured since the last time, for people. */
  take(): string {
    const sorted = this.#eachMs.splice(0).toSorted((a, b) => a - b);
    const at = (part: number) => sorted[Math.ceil(part * sorted.length) - 1] ?? 0;
    const columns = [at(0.5), at(0.999), at(1)].map((ms) => ms.toFixed(2).padStart(8));
    return `${String(sorted.length).padStart(8)} ${columns.join(' ')}`;
  }
}

/** One store, whose turns are timed. */
export class Station {
  readonly replica: StoreReplica;
  readonly watch = new Stopwatch();
  readonly #turns: Turns;
  #onDecision: (decision: Decision) => void = () => {};
  #onReply: () => void = () => {};

  constructor(
    uid: Uid,
    keepLinks: number,
    storage: Storage,
    send: (to: readonly Uid[], bytes: Uint8Array) => void,
    window: number | null,
  ) {
    this.#turns = new Turns(uid, [], (error) => {
      throw error;
    });
    const environment: Environment = {
      clock: {
        now: () => performance.now(),
        wallNow: () => Date.now(),
        after: (delayMs, act) => this.#turns.after(delayMs, () => this.watch.time(act)),
      },
      random: () => Math.random(),
      messenger: {
        send: (to, message) => send(to, encodeDatagram(1, message, CLUSTER)),
        reply: () => this.#onReply(),
        canCarry: () => true,
      },
      storage,
      trace: (decision) => this.#onDecision(decision),
    };
    this.replica = new (storeOf(keepLinks, window))(uid, UIDS, environment);
    this.run(() => this.replica.start());
  }

  run(act: () => void): void {
    this.#turns.run(() => this.watch.time(act));
  }

  hear(from: Uid, bytes: Uint8Array): void {
    this.run(() => {
      const decoded = decodeDatagram(bytes, UIDS, CLUSTER);
      if ('rejected' in decoded) throw new Error(decoded.rejected);
      if (isPeerMessage(decoded.message)) this.replica.receive(from, decoded.message);
    });
  }

  /** Waits until it has done this. */
  async until(isIt: (decision: Decision) => boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onDecision = (decision) => isIt(decision) && resolve();
    });
    this.#onDecision = () => {};
  }

  ask(client: number, number: number, value: string, answered: () => void): void {
    this.#onReply = answered;
    const requestId = `${client.toString(16).padStart(16, '0')}-1-${number}`;
    this.run(() => this.replica.receiveFromClient('', { type: 'request', requestId, value }));
  }

  stop(): void {
    this.run(() => this.replica.stop());
    this.#turns.end();
  }
}

/** A store that keeps so many links; `window`: so many parts are under way; null: as always. */
function storeOf(keepLinks: number, window: number | null) {
  return class extends keeping(StoreReplica, keepLinks) {
    protected override get window(): number {
      return window ?? super.window;
    }
  };
}

/** Three stores, and what lies between them. */
export class Stations {
  readonly #delayMs: number;
  readonly #stations = new Map<Uid, Station>();
  readonly #bytes = new Map<Uid, number>();
  /** From whom nothing comes to whom. */
  readonly #cuts = new Set<string>();

  constructor(delayMs = 0) {
    this.#delayMs = delayMs;
  }

  start(uid: Uid, keepLinks: number, storage: Storage, window: number | null = null): Station {
    const send = (to: readonly Uid[], bytes: Uint8Array) => {
      for (const other of to) this.#later(() => this.#carry(uid, other, bytes));
    };
    const station = new Station(uid, keepLinks, storage, send, window);
    this.#stations.set(uid, station);
    return station;
  }

  /** What has come to this one since it was asked last. */
  bytesTo(uid: Uid): number {
    const bytes = this.#bytes.get(uid) ?? 0;
    this.#bytes.set(uid, 0);
    return bytes;
  }

  /** From now on nothing comes from one to the other. */
  cut(from: Uid, to: Uid): void {
    this.#cuts.add(`${from}->${to}`);
  }

  stop(uid: Uid): void {
    this.#stations.get(uid)?.stop();
    this.#stations.delete(uid);
  }

  #later(act: () => void): void {
    if (this.#delayMs === 0) setImmediate(act);
    else setTimeout(act, this.#delayMs);
  }

  #carry(from: Uid, to: Uid, bytes: Uint8Array): void {
    if (this.#cuts.has(`${from}->${to}`)) return;
    this.#bytes.set(to, (this.#bytes.get(to) ?? 0) + bytes.length);
    this.#stations.get(to)?.hear(from, bytes);
  }
}

/** A disk that takes no time. */
export class InMemory implements Storage {
  #state: ServerState | null = null;

  load(): unknown {
    return this.#state;
  }

  save(state: ServerState): void {
    this.#state = state;
  }
}

/** What one says who is at this instance. */
export function syncRequest(instanceNumber: number): PeerMessage {
  return { type: 'sync_request', instanceNumber, digest: '00000000' };
}

/** The links that set so many keys, told by B in order. */
export function fill(station: Station, keys: number, valueLength: number): void {
  const value = 'x'.repeat(valueLength);
  for (let first = 1; first <= keys; first += LINKS_AT_ONCE) {
    const links: Link[] = [];
    for (let at = first; at < first + LINKS_AT_ONCE && at <= keys; at += 1) {
      links.push({ update: `set key-${at} ${value}`, id: `B-0123abcd-${at}` });
    }
    const instanceNumber = first + links.length;
    station.run(() =>
      station.replica.receive('B', { type: 'links', instanceNumber, first, links }),
    );
  }
}
