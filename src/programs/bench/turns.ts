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
 * left of what the machine does to every turn. And the engine collects the garbage of all of them,
 * in the middle of a turn, too. How often it stops them, and how long, is a row of its own; what it
 * does in smaller steps between these pauses is not in that row, and counts to the turns.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PerformanceEntry, PerformanceObserver, performance } from 'node:perf_hooks';
import type { Uid } from '../../composable-paxos.ts';
import type { Storage } from '../../environment.ts';
import { KEEP_LINKS } from '../../log/log.ts';
import { encodeDatagram } from '../../messages.ts';
import { JournalFile } from '../../node/journal-file.ts';
import {
  CLUSTER,
  fill,
  InMemory,
  type Station,
  Stations,
  Stopwatch,
  syncRequest,
  UIDS,
} from './stations.ts';

const CONTROL_EVERY_MS = 5;
const CONTROL_COUNTS = 200_000;
const BYTES_IN_MEGABYTE = 1_000_000;

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

/** The pauses for garbage collection: of three stores, since they share one process. */
class Collections {
  readonly #watch = new Stopwatch();
  readonly #observer = new PerformanceObserver((list) => this.#note(list.getEntries()));

  constructor() {
    this.#observer.observe({ entryTypes: ['gc'] });
  }

  /** Those until now. */
  get watch(): Stopwatch {
    this.#note(this.#observer.takeRecords());
    return this.#watch;
  }

  stop(): void {
    this.#observer.disconnect();
  }

  #note(pauses: readonly PerformanceEntry[]): void {
    for (const { duration } of pauses) this.#watch.add(duration);
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

async function measureWith(
  { keys, valueLength, hasJournals }: TurnsSettings,
  storageOf: (uid: Uid) => Storage,
  say: (line: string) => void,
): Promise<void> {
  const control = new Control();
  const collections = new Collections();
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
  collections.watch.take();

  await timed(say, `B catches up by ${keys} links`, stations, 'B', keys, () => {
    b.hear('A', encodeDatagram(1, syncRequest(keys + 1), CLUSTER));
    return b.until((it) => it.event === 'advance' && it.instanceNumber === keys + 1);
  });
  tell('  A tells them', a.watch);
  tell('  B closes its instances, and takes snapshots', b.watch);
  tell('  the control', control.watch);
  tell('  collecting garbage', collections.watch);

  const load = new Load(b, keys);
  await pause(500);
  tell('B and A serve', b.watch);
  await b.until((it) => it.event === 'snapshot' && it.what === 'taken');
  tell('  B goes on, until it has taken a snapshot', b.watch);
  tell('  the control', control.watch);
  tell('  collecting garbage', collections.watch);

  const asked = load.asked;
  stations.cut('A', 'C'); // it has all links, and would tell them
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
  tell('  collecting garbage', collections.watch);

  load.stop();
  for (const uid of UIDS) stations.stop(uid);
  control.stop();
  collections.stop();
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
