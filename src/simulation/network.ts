/**
 * A virtual network. It loses, repeats, delays and so reorders datagrams, and its links can be
 * cut in one direction or both. What is under way arrives, even if its sender or receiver has
 * died and come back meanwhile.
 *
 * The fate of a datagram depends on the seed and on the datagram alone: who sends it to whom, and
 * its number among those of the sender. So taking a fault out of a run leaves the luck of all other
 * datagrams as it was.
 */
import type { Uid } from '../composable-paxos.ts';
import type { ClientAddress } from '../environment.ts';
import type { Message } from '../messages.ts';
import { hashNumbers, hashText } from './random.ts';

/** `from` null: a client. */
export interface Datagram {
  readonly from: Uid | null;
  readonly to: Uid;
  readonly seq: number;
  readonly message: Message;
  /** What its sender calls its cluster, if it is a server. */
  readonly cluster?: string;
  /** Where a client can be answered. */
  readonly client?: ClientAddress | undefined;
}

/** Probabilities from 0 to 1, delays in milliseconds. */
export interface Conditions {
  readonly drop: number;
  readonly duplicate: number;
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
  /** How many of the datagrams take `lateMs` longer. */
  readonly late: number;
  readonly lateMs: number;
}

export const FAIR_WEATHER: Conditions = {
  drop: 0,
  duplicate: 0,
  minDelayMs: 0.2,
  maxDelayMs: 1,
  late: 0,
  lateMs: 0,
};

/** Nothing is lost, and everything takes its time. */
export const SLOW_WEATHER: Conditions = { ...FAIR_WEATHER, minDelayMs: 100, maxDelayMs: 400 };

export class Network {
  conditions = FAIR_WEATHER;
  /** What comes from or goes to these takes as much longer as in slow weather. */
  readonly slowUids = new Set<Uid>();
  readonly #seed: number;
  #cut = new Set<string>();

  constructor(seed: string | number) {
    this.#seed = hashText(`network/${seed}`);
  }

  /** These links are cut from now on, each in the direction given, and no others. */
  cut(links: Iterable<readonly [Uid, Uid]>): void {
    this.#cut = new Set(Array.from(links, ([from, to]) => from + to));
  }

  isCut(from: Uid | null, to: Uid): boolean {
    return this.#cut.size > 0 && from !== null && this.#cut.has(from + to);
  }

  /** After how many milliseconds each copy of the datagram arrives; none: it is lost. */
  delays(datagram: Datagram): readonly number[] {
    const { drop, duplicate } = this.conditions;
    if (this.isCut(datagram.from, datagram.to)) return [];
    if (drop > 0 && this.#luck(datagram, 1) < drop) return [];
    if (duplicate > 0 && this.#luck(datagram, 2) < duplicate) {
      return [this.#delay(datagram, 3), this.#delay(datagram, 4)];
    }
    return [this.#delay(datagram, 3)];
  }

  #delay(datagram: Datagram, purpose: number): number {
    const { late, lateMs } = this.conditions;
    const luck = this.#luck(datagram, purpose);
    const isSlow = this.slowUids.has(datagram.to) || this.slowUids.has(datagram.from ?? '');
    const moreMs = isSlow ? between(SLOW_WEATHER, luck) : 0;
    const delayMs = between(this.conditions, luck) + moreMs;
    const isLate = late > 0 && this.#luck(datagram, purpose + 10) < late;
    return isLate ? delayMs + lateMs * this.#luck(datagram, purpose + 20) : delayMs;
  }

  #luck({ from, to, seq }: Datagram, purpose: number): number {
    const sender = from === null ? 0 : from.charCodeAt(0);
    return hashNumbers(this.#seed, purpose, sender * 256 + to.charCodeAt(0), seq);
  }
}

function between({ minDelayMs, maxDelayMs }: Conditions, luck: number): number {
  return minDelayMs + (maxDelayMs - minDelayMs) * luck;
}
