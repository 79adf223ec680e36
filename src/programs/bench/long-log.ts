/**
 * What an update of a store costs when its log has been long for a long time: one server by itself,
 * in this process, with a disk that takes no time. It must not grow with the number of links.
 */
import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Environment } from '../../environment.ts';
import { keeping, StoreReplica } from '../../log/replicas.ts';
import type { ServerState } from '../../state.ts';
import { Agenda } from '../../time/agenda.ts';
import { median, quantile } from './report.ts';

/** What was measured around one place in the log. */
export interface AtLength {
  readonly links: number;
  /** Time of the processor, which does not count when somebody else has it. */
  readonly microsecondsEach: number;
  readonly heapMegabytes: number;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const KEYS = 1_000;
const CLIENTS = 50;
/** Time goes on, so that what was called off does not wait for ever. */
const MS_BETWEEN_UPDATES = 1;

/** Measures `window` updates up to each of these lengths of the log, in ascending order. */
export function measureLongLog(lengths: readonly number[], window: number): AtLength[] {
  const server = new OneStore();
  let links = 0;
  return lengths.map((length) => {
    for (; links < length - window; links += 1) server.update(links);
    const before = process.cpuUsage();
    for (; links < length; links += 1) server.update(links);
    const { user, system } = process.cpuUsage(before);
    collectGarbage();
    const heapMegabytes = process.memoryUsage().heapUsed / 1_000_000;
    return { links: server.links, microsecondsEach: (user + system) / window, heapMegabytes };
  });
}

/** How an old log does beside a young one. */
interface Turn {
  readonly microsecondsEach: number;
  /** What hardly any update takes longer than, by the clock. */
  readonly p99Us: number;
}

const YOUNG_LINKS = 1_000;
const LINKS_A_SLICE = 1_000;
const SLICES = 40;

/**
 * Lets a log grow to this length, and then compares it with young ones, of a thousand links: they
 * take turns, slice by slice, so what else the machine does hits both. Lines for people.
 */
export function* compareWithYoung(links: number): Generator<string> {
  aged(20 * YOUNG_LINKS); // what runs for the first time is slow
  const old = new OneStore();
  for (let next = YOUNG_LINKS; old.links < links; ) {
    old.update(old.links);
    if (old.links < next) continue;
    yield `${heapInUse()} at ${String(next).padStart(9)} links`;
    next *= 10;
  }
  const [ofOld, ofYoung]: [Turn[], Turn[]] = [[], []];
  for (let n = 0; n < SLICES; n += 1) {
    const young = aged(YOUNG_LINKS);
    const both = () => ofYoung.push(slice(young, young.links));
    if (n % 2 === 0) both();
    ofOld.push(slice(old, old.links));
    if (n % 2 === 1) both();
  }
  const costs = (turns: readonly Turn[]) => median(turns.map((one) => one.microsecondsEach));
  const p99s = (turns: readonly Turn[]) => median(turns.map((one) => one.p99Us));
  const row = (of: number, turns: readonly Turn[]) => {
    const cost = `${costs(turns).toFixed(1).padStart(6)} µs of the processor`;
    const longest = `99 % within ${p99s(turns).toFixed(0)} µs`;
    return `one update after ${String(of).padStart(9)} links ${cost}, ${longest}`;
  };
  yield row(YOUNG_LINKS, ofYoung);
  yield row(links, ofOld);
  const ratio = median(ofOld.map((one, n) => one.microsecondsEach / costOf(ofYoung[n])));
  yield `after ${links} links / after ${YOUNG_LINKS}: ${ratio.toFixed(2)}  to reach: 0.9 to 1.1`;
}

function costOf(turn: Turn | undefined): number {
  return turn?.microsecondsEach ?? 0;
}

function aged(links: number): OneStore {
  const store = new OneStore();
  while (store.links < links) store.update(store.links);
  return store;
}

/** What the next updates of this store cost. */
function slice(store: OneStore, from: number): Turn {
  const eachUs: number[] = [];
  const before = process.cpuUsage();
  for (let n = from; n < from + LINKS_A_SLICE; n += 1) {
    const startMs = performance.now();
    store.update(n);
    eachUs.push(1_000 * (performance.now() - startMs));
  }
  const { user, system } = process.cpuUsage(before);
  const sorted = eachUs.toSorted((a, b) => a - b);
  return { microsecondsEach: (user + system) / LINKS_A_SLICE, p99Us: quantile(sorted, 0.99) };
}

function heapInUse(): string {
  collectGarbage();
  return `${(process.memoryUsage().heapUsed / 1_000_000).toFixed(1).padStart(6)} MB in use`;
}

/** A store by itself, in this process; what it saves last is `saved`. */
export class OneStore {
  readonly #agenda = new Agenda();
  readonly #replica: StoreReplica;
  readonly #keys: number;
  #nowMs = 0;
  #answered = 0;
  saved: ServerState | null = null;

  constructor({
    keys = KEYS,
    keepLinks = null,
  }: { keys?: number; keepLinks?: number | null } = {}) {
    this.#keys = keys;
    const environment: Environment = {
      clock: {
        now: () => this.#nowMs,
        wallNow: () => this.#nowMs,
        after: (delayMs, act) => {
          const entry = this.#agenda.add(this.#nowMs + delayMs, act);
          return {
            cancel: () => {
              entry.act = null;
            },
          };
        },
      },
      random: () => 0.5,
      messenger: {
        send: () => {},
        reply: () => {
          this.#answered += 1;
        },
        canCarry: () => true,
      },
      storage: {
        load: () => null,
        save: (state) => {
          this.saved = state;
        },
      },
      trace: () => {},
    };
    this.#replica = new (keeping(StoreReplica, keepLinks))('A', ['A'], environment);
    this.#replica.start();
  }

  get links(): number {
    return this.#replica.instanceNumber - 1;
  }

  /** What is chosen is saved, too. */
  stop(): void {
    this.#replica.stop();
  }

  /** One update from its request to its answer. */
  update(n: number): void {
    const client = (n % CLIENTS).toString(16).padStart(16, '0');
    const requestId = `${client}-1-${Math.floor(n / CLIENTS) + 1}`;
    const value = `set key-${n % this.#keys} value-${n}`;
    const before = this.#answered;
    this.#replica.receiveFromClient('client', { type: 'request', requestId, value });
    while (this.#answered === before) this.#turn();
    this.#nowMs += MS_BETWEEN_UPDATES;
    while (this.#agenda.nextAtMs <= this.#nowMs) this.#turn();
  }

  #turn(): void {
    const entry = this.#agenda.take();
    if (entry === undefined) throw new Error('nothing is to happen, and nobody has answered');
    this.#nowMs = Math.max(this.#nowMs, entry.atMs);
    entry.act?.();
  }
}
