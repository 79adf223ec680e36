/**
 * A client of a chaos run that asks stores over HTTP, as any program may: it gets, puts, deletes,
 * and changes what it has read only if nobody else has changed it meanwhile (`If-Match`).
 *
 * What it is told goes into the same history. A conditional change that was made is a `swap` of
 * what was read before. One that was refused says only that the version is another one, which the
 * model does not know: it certainly had no effect, and no more is noted.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Uid } from '../../composable-paxos.ts';
import { spelled, wordsOf } from '../../log/state-machine.ts';
import type { StoreOperation } from '../../log/store-history.ts';
import { describe } from '../../node/failure.ts';
import type { Random } from '../../simulation/random.ts';
import type { StoreQuestions } from '../../simulation/store-clients.ts';
import { LOOPBACK } from '../common/free-port.ts';
import type { HistoryFile } from './clients.ts';

const SHORTEST_TIMEOUT_MS = 300;
const LONGEST_TIMEOUT_MS = 3_000;
const LONGEST_REST_MS = 100;

/** What came back, if anything did. */
interface Reply {
  readonly status: number;
  readonly etag: string | null;
  readonly text: string;
}

/** What came of an operation, and which version was read. */
type Ended = Pick<StoreOperation, 'answer' | 'outcome'> & { readonly etag?: string | null };

const UNKNOWN: Ended = { answer: null, outcome: 'unknown' };

export class HttpChaosClient {
  readonly name: string;
  answered = 0;
  lastWord = '';
  readonly #ports: ReadonlyMap<Uid, number>;
  readonly #history: HistoryFile;
  readonly #random: Random;
  readonly #questions: StoreQuestions;
  #asked = 0;

  constructor(
    name: string,
    ports: ReadonlyMap<Uid, number>,
    history: HistoryFile,
    random: Random,
    questions: StoreQuestions,
  ) {
    this.name = name;
    this.#ports = ports;
    this.#history = history;
    this.#random = random;
    this.#questions = questions;
  }

  /** Asks one thing after the other, each for a few seconds at most, until that is enough. */
  async askUntil(isEnough: () => boolean): Promise<void> {
    const random = this.#random;
    while (!isEnough()) {
      const timeoutMs = random.between(SHORTEST_TIMEOUT_MS, LONGEST_TIMEOUT_MS);
      await (random.chance(0.5) ? this.#write(timeoutMs) : this.read(timeoutMs));
      await sleep(random.between(0, LONGEST_REST_MS));
    }
  }

  /** True if it was answered. A server gives up sooner than a client may want to. */
  async read(timeoutMs: number): Promise<boolean> {
    const untilMs = performance.now() + timeoutMs;
    do {
      const { outcome } = await this.#get(this.#keyOf('read'), timeoutMs);
      if (outcome === 'ok') return true;
      await sleep(this.#random.between(0, LONGEST_REST_MS));
    } while (performance.now() < untilMs);
    return false;
  }

  leave(): void {}

  async #write(timeoutMs: number): Promise<void> {
    this.#asked += 1;
    const value = `${this.name}: ${this.#asked}`;
    const key = this.#keyOf('write');
    // Keys that are only set and read are checked fast, however many values were fired at them.
    const isRegister = key.startsWith('r');
    if (this.#random.chance(0.2) && !isRegister) return void (await this.#delete(key, timeoutMs));
    const isConditional = this.#random.chance(0.4) && !isRegister;
    if (!isConditional) return void (await this.#put(key, value, timeoutMs));
    const { answer, etag } = await this.#get(key, timeoutMs);
    if (answer === null || etag === null || etag === undefined) return;
    await this.#putIf(key, { held: answer, etag }, value, timeoutMs);
  }

  /** A key that the other clients use now, too. */
  #keyOf(what: string): string {
    this.#asked += 1;
    const read = { type: 'read', isLocal: false } as const;
    const inquiry = this.#questions.inquiry(read, `${this.name} ${what} ${this.#asked}`, false);
    return (inquiry.type === 'query' && wordsOf(inquiry.query)?.[1]) || 'r0';
  }

  #get(key: string, timeoutMs: number): Promise<Ended> {
    return this.#note(`get ${key}`, async () => {
      const { status, etag, text } = await this.#fetch('GET', key, {}, null, timeoutMs);
      if (status === 404) return { answer: null, outcome: 'ok' };
      return status === 200 ? { answer: text, outcome: 'ok', etag } : this.#unknown(text);
    });
  }

  #put(key: string, value: string, timeoutMs: number): Promise<Ended> {
    return this.#note(`set ${key} ${spelled(value)}`, async () => {
      const { status, text } = await this.#fetch('PUT', key, {}, value, timeoutMs);
      return status === 200 ? { answer: 'ok', outcome: 'ok' } : this.#unknown(text);
    });
  }

  #putIf(
    key: string,
    { held, etag }: { held: string; etag: string },
    value: string,
    timeoutMs: number,
  ): Promise<Ended> {
    return this.#note(`swap ${key} ${spelled(held)} ${spelled(value)}`, async () => {
      const headers = { 'if-match': etag };
      const { status, text } = await this.#fetch('PUT', key, headers, value, timeoutMs);
      if (status === 412) return { answer: null, outcome: 'refused' };
      return status === 200 ? { answer: 'ok', outcome: 'ok' } : this.#unknown(text);
    });
  }

  #delete(key: string, timeoutMs: number): Promise<Ended> {
    return this.#note(`delete ${key}`, async () => {
      const { status, text } = await this.#fetch('DELETE', key, {}, null, timeoutMs);
      if (status === 404) return { answer: 'there is no such key', outcome: 'ok' };
      return status === 200 ? { answer: 'ok', outcome: 'ok' } : this.#unknown(text);
    });
  }

  #unknown(text: string): Ended {
    this.lastWord = text;
    return UNKNOWN;
  }

  async #note(line: string, act: () => Promise<Ended>): Promise<Ended> {
    const call = this.#history.nowMs;
    const ended = await act();
    const { answer, outcome } = ended;
    const end = outcome === 'unknown' ? null : this.#history.nowMs;
    const operation = { client: this.name, line, answer, call, return: end, outcome };
    this.#history.add(operation);
    if (outcome === 'ok') {
      this.#questions.told(operation);
      this.answered += 1;
    }
    return ended;
  }

  async #fetch(
    method: string,
    key: string,
    headers: Record<string, string>,
    body: string | null,
    timeoutMs: number,
  ): Promise<Reply> {
    const port = this.#random.pick([...this.#ports.values()]);
    const url = `http://${LOOPBACK}:${port}/kv/${encodeURIComponent(key)}`;
    const signal = AbortSignal.timeout(Math.ceil(timeoutMs));
    try {
      const reply = await fetch(url, { method, headers, body, signal });
      return { status: reply.status, etag: reply.headers.get('etag'), text: await reply.text() };
    } catch (error) {
      return { status: 0, etag: null, text: describe(error) }; // it is down, or has died meanwhile
    }
  }
}
