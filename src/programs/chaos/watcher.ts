/**
 * A watcher of a chaos run: it is told of every change over HTTP by some server. When that dies, is
 * silent, or was listened to for long enough, it goes on at another one from where it was, with the
 * latest id as its `Last-Event-ID`. Where no server knows any more what it has missed, it reads all
 * keys anew. What it notes must be what the log says.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Uid } from '../../composable-paxos.ts';
import type { KeptKey, Watched, WatchNote } from '../../log/watch-history.ts';
import type { Random } from '../../simulation/random.ts';
import { LOOPBACK } from '../common/free-port.ts';

/** It listens to one server for so long. Some are cut off between two changes of one instance. */
const SHORTEST_MS = 200;
const LONGEST_MS = 4_000;
const LONGEST_REST_MS = 100;
/** Now and then it is away for longer, and what it lacks may be forgotten. */
const ABSENT_SHARE = 0.15;
const LONGEST_ABSENCE_MS = 8_000;
const MOST_KEYS = 1_000;

/** What may happen to a watcher. */
export const WATCHED = [
  'changes watched',
  'times a watcher went on at another server',
  'times a server had forgotten what a watcher lacked',
  'times a watcher read all keys anew',
] as const;

export class ChaosWatcher implements Watched {
  readonly name: string;
  readonly prefix: string;
  readonly notes: WatchNote[] = [];
  readonly counts = new Map<(typeof WATCHED)[number], number>();
  readonly #ports: ReadonlyMap<Uid, number>;
  readonly #random: Random;
  /** What it sends to the next server: all up to there was told. */
  #lastId = '0';
  /** Servers that do not know any more what comes after that. */
  readonly #forgetful = new Set<Uid>();
  #server: Uid | null = null;
  readonly #leaving = new AbortController();

  constructor(name: string, prefix: string, ports: ReadonlyMap<Uid, number>, random: Random) {
    this.name = name;
    this.prefix = prefix;
    this.#ports = ports;
    this.#random = random;
  }

  /** Goes from server to server until it is told to leave. */
  async watch(): Promise<void> {
    while (!this.#leaving.signal.aborted) {
      const others = [...this.#ports.keys()].filter((uid) => uid !== this.#server);
      this.#server = this.#random.pick(others.length > 0 ? others : [...this.#ports.keys()]);
      try {
        await this.#watchAt(this.#server);
      } catch {
        // It is down, has died meanwhile, or was silent for too long: the next one, then.
      }
      const isAbsent = this.#random.chance(ABSENT_SHARE);
      await this.#rest(this.#random.between(0, isAbsent ? LONGEST_ABSENCE_MS : LONGEST_REST_MS));
    }
  }

  async #rest(forMs: number): Promise<void> {
    await sleep(forMs, null, { signal: this.#leaving.signal }).catch(() => {});
  }

  leave(): void {
    this.#leaving.abort();
  }

  async #watchAt(uid: Uid): Promise<void> {
    const patienceMs = Math.ceil(this.#random.between(SHORTEST_MS, LONGEST_MS));
    const signal = AbortSignal.any([AbortSignal.timeout(patienceMs), this.#leaving.signal]);
    const headers = { 'last-event-id': this.#lastId };
    const response = await fetch(this.#urlOf(uid, 'watch'), { headers, signal });
    if (response.status === 410) {
      await response.arrayBuffer();
      return await this.#isForgotten(uid, signal);
    }
    if (response.status !== 200 || response.body === null) return void (await response.text());
    this.#count('times a watcher went on at another server');
    let rest = '';
    const decoder = new TextDecoder();
    for await (const bytes of response.body) {
      const blocks = (rest + decoder.decode(bytes, { stream: true })).split('\n\n');
      rest = blocks.pop() ?? ''; // half an event is none: it is told once more
      for (const block of blocks) this.#hear(block);
    }
  }

  #hear(block: string): void {
    const fields = new Map(block.split('\n').map(fieldOf));
    const [id, event] = [fields.get('id'), fields.get('event')];
    if (id === undefined) return; // a sign of life, or `gone`: the next server may know more
    this.#lastId = id;
    this.#forgetful.clear();
    if (event === undefined) return void this.notes.push({ note: 'all told', upTo: Number(id) });
    const { key, value = null, instance, version } = JSON.parse(fields.get('data') ?? '');
    const change = { id, instanceNumber: instance, key, value, version };
    this.notes.push({ note: 'change', change });
    this.#count('changes watched');
  }

  /** Some other server may know; if none does, all is read anew. */
  async #isForgotten(uid: Uid, signal: AbortSignal): Promise<void> {
    this.#count('times a server had forgotten what a watcher lacked');
    this.#forgetful.add(uid);
    if (this.#forgetful.size < this.#ports.size) return;
    const response = await fetch(`${this.#urlOf(uid, 'kv')}&limit=${MOST_KEYS}`, { signal });
    if (response.status !== 200) return void (await response.text());
    const { instance, keys, next } = (await response.json()) as KeysRead;
    if (next !== null) throw new Error('there are too many keys for one page');
    this.notes.push({ note: 'read', upTo: instance, keys });
    this.#count('times a watcher read all keys anew');
    this.#lastId = `${instance}`;
    this.#forgetful.clear();
  }

  #urlOf(uid: Uid, what: string): string {
    const port = this.#ports.get(uid);
    return `http://${LOOPBACK}:${port}/${what}?prefix=${encodeURIComponent(this.prefix)}`;
  }

  #count(name: (typeof WATCHED)[number]): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }
}

interface KeysRead {
  readonly instance: number;
  readonly keys: readonly KeptKey[];
  readonly next: string | null;
}

function fieldOf(line: string): readonly [name: string, value: string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon), line.slice(colon + 2)];
}
