/**
 * `npm run bench -- --turns`: how long the turns of a store are, with many keys in it.
 *
 * A turn that is long keeps everybody waiting, and a lease may run out meanwhile. So what a large
 * store has to do must be done in pieces: taking a snapshot, giving it, reading it, catching up.
 * Three stores in this one process do all of that, with datagrams that are encoded and checked, and
 * the timers of real servers; only the sockets are left out, and the disks, but for the journals of
 * `--journal`.
 *
 * A machine that has other things to do as well stops a turn for many milliseconds. So a turn takes
 * as long as the clock says, or as much as all threads of this process have computed meanwhile, if
 * that is less. Beside the stores runs a *control*, which only counts: its longest turn is what is
 * left of what the machine does to every turn.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { Link } from '../../chain.ts';
import type { Uid } from '../../composable-paxos.ts';
import type { Environment, Storage } from '../../environment.ts';
import { KEEP_LINKS } from '../../log/log.ts';
import { keeping, StoreReplica } from '../../log/replicas.ts';
import { decodeDatagram, encodeDatagram, isPeerMessage, type PeerMessage } from '../../messages.ts';
import { JournalFile } from '../../node/journal-file.ts';
import { Turns } from '../../node/turns.ts';
import type { ServerState } from '../../state.ts';
import type { Decision } from '../../trace/events.ts';

const UIDS: readonly Uid[] = ['A', 'B', 'C'];
const CLUSTER = 'A B C with a store';
const LINKS_AT_ONCE = 50;
const CONTROL_EVERY_MS = 5;
const CONTROL_COUNTS = 200_000;
const BYTES_IN_MEGABYTE = 1_000_000;

/** How long the turns of somebody were, in milliseconds. */
class Stopwatch {
  readonly #eachMs: number[] = [];

  time(act: () => void): void {
    const before = process.cpuUsage();
    const startMs = performance.now();
    act();
    const tookMs = performance.now() - startMs;
    const { user, system } = process.cpuUsage(before);
    this.#eachMs.push(Math.min(tookMs, (user + system) / 1_000));
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
class Station {
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
    this.replica = new (keeping(StoreReplica, keepLinks))(uid, UIDS, environment);
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

/** Three stores, and what lies between them. */
class Stations {
  readonly #stations = new Map<Uid, Station>();
  readonly #bytes = new Map<Uid, number>();

  start(uid: Uid, keepLinks: number, storage: Storage): Station {
    const station = new Station(uid, keepLinks, storage, (to, bytes) => {
      for (const other of to) setImmediate(() => this.#carry(uid, other, bytes));
    });
    this.#stations.set(uid, station);
    return station;
  }

  /** What has come to this one since it was asked last. */
  bytesTo(uid: Uid): number {
    const bytes = this.#bytes.get(uid) ?? 0;
    this.#bytes.set(uid, 0);
    return bytes;
  }

  stop(uid: Uid): void {
    this.#stations.get(uid)?.stop();
    this.#stations.delete(uid);
  }

  #carry(from: Uid, to: Uid, bytes: Uint8Array): void {
    this.#bytes.set(to, (this.#bytes.get(to) ?? 0) + bytes.length);
    this.#stations.get(to)?.hear(from, bytes);
  }
}

/** Sets keys as fast as it is answered, until it is stopped. */
class Load {
  #isOver = false;
  #number = 0;

  constructor(station: Station, keys: number) {
    const ask = () => {
      if (this.#isOver) return;
      this.#number += 1;
      const command = `add key-${this.#number % keys}-more 1`;
      station.ask(this.#number % 1_000, this.#number, command, () => setImmediate(ask));
    };
    ask();
  }

  get asked(): number {
    return this.#number;
  }

  stop(): void {
    this.#isOver = true;
  }
}

/** Only counts: what its longest turn takes, the machine has taken. */
class Control {
  readonly watch = new Stopwatch();
  readonly #timer: NodeJS.Timeout;
  #sum = 0;

  constructor() {
    this.#timer = setInterval(() => this.watch.time(() => this.#count()), CONTROL_EVERY_MS);
  }

  #count(): void {
    for (let number = 0; number < CONTROL_COUNTS; number += 1) this.#sum ^= number;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

export interface TurnsSettings {
  readonly keys: number;
  readonly valueLength: number;
  /** Whether they keep journals on the disk of this machine. */
  readonly hasJournals: boolean;
}

/** Measures, and says as it goes on what it has found. */
export async function measureTurns(
  settings: TurnsSettings,
  say: (line: string) => void,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'paxos-turns-'));
  const storageOf = (uid: Uid) =>
    settings.hasJournals ? new JournalFile(directory, uid) : new InMemory();
  try {
    await measureWith(settings, storageOf, say);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** A disk that takes no time. */
class InMemory implements Storage {
  #state: ServerState | null = null;

  load(): unknown {
    return this.#state;
  }

  save(state: ServerState): void {
    this.#state = state;
  }
}

async function measureWith(
  { keys, valueLength, hasJournals }: TurnsSettings,
  storageOf: (uid: Uid) => Storage,
  say: (line: string) => void,
): Promise<void> {
  const control = new Control();
  const stations = new Stations();
  const kept = hasJournals ? 'kept in journals' : 'kept in memory';
  say(`${keys} keys of ${valueLength} characters each, ${kept}; milliseconds a turn:`);
  say(`${''.padEnd(44)}${'turns'.padStart(8)}      p50    p99.9  longest`);
  const tell = (what: string, watch: Stopwatch) => say(what.padEnd(44) + watch.take());

  const keepLinks = Math.min(KEEP_LINKS, keys / 10);
  const a = stations.start('A', keys, storageOf('A'));
  const b = stations.start('B', keepLinks, storageOf('B'));
  fill(a, keys, valueLength);
  a.watch.take();
  control.watch.take();

  await timed(say, `B catches up by ${keys} links`, stations, 'B', keys, () => {
    b.hear('A', encodeDatagram(1, syncRequest(keys + 1), CLUSTER));
    return b.until((it) => it.event === 'advance' && it.instanceNumber === keys + 1);
  });
  tell('  A tells them', a.watch);
  tell('  B closes its instances, and takes snapshots', b.watch);
  tell('  the control', control.watch);

  const load = new Load(b, keys);
  await pause(500);
  tell('B and A serve', b.watch);
  await b.until((it) => it.event === 'snapshot' && it.what === 'taken');
  tell('  B goes on, until it has taken a snapshot', b.watch);
  tell('  the control', control.watch);

  const asked = load.asked;
  const c = stations.start('C', keepLinks, storageOf('C'));
  await timed(say, 'C reads a snapshot, while A and B serve', stations, 'C', null, () => {
    c.hear('B', encodeDatagram(1, syncRequest(keys + 1), CLUSTER));
    return c.until((it) => it.event === 'snapshot' && it.what === 'installed');
  });
  say(`  ${load.asked - asked} updates were answered meanwhile`);
  tell('  B gives it, and serves', b.watch);
  tell('  A serves', a.watch);
  tell('  C reads it', c.watch);
  tell('  the control', control.watch);

  load.stop();
  for (const uid of UIDS) stations.stop(uid);
  control.stop();
}

/** What one says who is at this instance. */
function syncRequest(instanceNumber: number): PeerMessage {
  return { type: 'sync_request', instanceNumber, digest: '00000000' };
}

/** The links that set so many keys, told by B in order. */
function fill(station: Station, keys: number, valueLength: number): void {
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

async function timed(
  say: (line: string) => void,
  what: string,
  stations: Stations,
  uid: Uid,
  links: number | null,
  act: () => Promise<void>,
): Promise<void> {
  stations.bytesTo(uid);
  const startMs = performance.now();
  await act();
  const seconds = (performance.now() - startMs) / 1_000;
  const megabytes = stations.bytesTo(uid) / BYTES_IN_MEGABYTE;
  const speed = (megabytes / seconds).toFixed(1);
  const perSecond = links === null ? '' : `, ${Math.round(links / seconds)} links a second`;
  const amount = `${megabytes.toFixed(1)} MB in ${seconds.toFixed(2)} s`;
  say(`${what}: ${amount}, ${speed} MB/s${perSecond}`);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
