/**
 * What clients of a store ask in a simulation, and what they must be told.
 *
 * The values of a schedule become commands. Those that are fired set keys. Those whose client waits
 * for the answer also count, delete, and change what somebody has read if it still is so; they take
 * locks, renew them and give them back, with the token of now or an old one. What they are told is
 * a history, which must be that of one store; and it must be what a machine beside all servers
 * says, which applies what was chosen, once.
 */
import {
  isUpdate,
  type Link,
  type RequestedLink,
  type RequestId,
  singlesOf,
  type UpdateLink,
} from '../chain.ts';
import type { Inquiry } from '../client-session.ts';
import { Answers } from '../log/answers.ts';
import { KeyValue } from '../log/key-value.ts';
import { askedOfLock } from '../log/lock-history.ts';
import { holderIn, tokenIn } from '../log/locks.ts';
import { spelled, wordsOf } from '../log/state-machine.ts';
import type { StoreOperation } from '../log/store-history.ts';
import type { Asked } from '../trace/history.ts';
import { hashText } from './random.ts';
import { FEW_CLIENTS } from './replicas.ts';

/** Keys that are only set and read, keys that hold texts, and keys that hold numbers. */
const REGISTERS = ['r0', 'r1', 'r2'] as const;
const TEXTS = ['s0', 's1'] as const;
const NUMBERS = ['n0', 'n1'] as const;
/** Locks, for so short that many end by themselves in a run, and a key that only holders set. */
const LOCKS = ['l0', 'l1'] as const;
const [SHORTEST_MS, WITHIN_MS] = [300, 12_000];
const FENCED = 'w0';
/** Keys that are changed under conditions on their versions: no model here knows of these. */
const VERSIONED = ['v0', 'v1'] as const;
const KEYS = [...REGISTERS, ...TEXTS, ...NUMBERS];

/** The command that stands for this value of a schedule when it is fired and forgotten. */
export function commandOf(value: string): string {
  const hash = hashText(value) >>> 0;
  if (hash % 4 > 0) return `set ${REGISTERS[hash % 3]} ${spelled(value)}`;
  if (hash % 8 > 0) {
    return `set ${pick(VERSIONED, hash)} ${JSON.stringify(`${value} é`)} if ${conditionOf(hash)}`;
  }
  return `set "${pick(TEXTS, hash)}" ${JSON.stringify(`${value} é`)}`;
}

/** Often met, and often not. */
function conditionOf(hash: number): string {
  return ['any', 'none', '1,2,3,4,5,6,7,8,9'][hash % 3] ?? 'any';
}

/** After so many questions others of these keys are asked for, so that no history grows long. */
const ASKED_OF_A_KEY = 60;

/** What the clients of a store ask, by what they have been told. */
export class StoreQuestions {
  /** What some client was told last of a key. */
  readonly #known = new Map<string, string>();
  /** All tokens of a lock that somebody was told of. */
  readonly #tokens = new Map<string, number[]>();
  #asked = 0;

  /**
   * The question to a store that stands for this one of a schedule; `seed` picks the key and, where
   * a quorum may be asked, whether it is. With an `owner` it may be about a lock, too: a history
   * with locks must have in it what servers say of them.
   */
  inquiry(
    question: Asked,
    seed: string,
    mayAskQuorum: boolean,
    owner: string | null = null,
  ): Inquiry {
    this.#asked += 1;
    const hash = hashText(seed) >>> 0;
    if (question.type === 'request') {
      const isOfLock = owner !== null && (hash % 10 === 7 || hash % 10 === 8);
      const { value } = question;
      const command = isOfLock ? this.#ofLock(owner, value) : this.#command(value, hash);
      return { type: 'request', value: command };
    }
    const { isLocal } = question;
    const isOfLock = owner !== null && hash % 5 === 0;
    const query = isOfLock ? `lock ${this.#pick(LOCKS, hash)}` : `get ${this.#pick(KEYS, hash)}`;
    if (mayAskQuorum && !isLocal && hash % 2 === 0) return { type: 'quorum_query', query };
    return { type: 'query', query, isLocal };
  }

  /** Somebody was told this. */
  told({ line, answer }: StoreOperation): void {
    const ofLock = askedOfLock(line);
    if (ofLock !== null) return this.#toldOfLock(ofLock.name, answer ?? '');
    const [verb, key = '', ...values] = wordsOf(line) ?? [];
    if (verb === 'get' || verb === 'add') this.#known.set(key, answer ?? '');
    else if (answer?.startsWith('ok') === true) this.#known.set(key, values.at(-1) ?? '');
  }

  #toldOfLock(name: string, answer: string): void {
    const token = tokenIn(answer) ?? holderIn(answer)?.token;
    if (token === undefined) return;
    const tokens = this.#tokens.get(name) ?? [];
    if (tokens.at(-1) !== token) this.#tokens.set(name, [...tokens, token]);
  }

  /** Takes a lock, or does something with the latest token of it, or with an older one. */
  #ofLock(owner: string, value: string): string {
    const hash = hashText(`${owner} ${this.#asked} lock`) >>> 0;
    const name = this.#pick(LOCKS, hash);
    const tokens = this.#tokens.get(name) ?? [];
    const token = tokens.at(hash % 64 < 48 ? -1 : 0);
    const forMs = SHORTEST_MS + (hash % WITHIN_MS);
    if (token === undefined) return `lock ${name} ${owner} ${forMs}`;
    switch (Math.floor(hash / 64) % 6) {
      case 0:
        return `renew ${name} ${token} ${forMs}`;
      case 1:
        return `unlock ${name} ${token}`;
      case 2:
        return `set ${FENCED} ${spelled(value)} if-token ${name} ${token}`;
      default:
        return `lock ${name} ${owner} ${forMs}`;
    }
  }

  #command(value: string, hash: number): string {
    const [text, number] = [this.#pick(TEXTS, hash), this.#pick(NUMBERS, hash)];
    const held = (key: string) => spelled(this.#known.get(key) ?? value);
    switch (hash % 10) {
      case 0:
      case 1:
        return `add ${number} ${hash % 1_000}`;
      case 2:
      case 3:
        return `swap ${text} ${held(text)} ${spelled(value)}`;
      case 4:
        return `swap ${number} ${held(number)} ${hash}`;
      case 5:
        return `delete ${hash % 16 < 8 ? text : number}`;
      case 6:
        return `set ${text} ${spelled(value)}`;
      default:
        return commandOf(value);
    }
  }

  #pick(keys: readonly string[], hash: number): string {
    const key = pick(keys, hash);
    const generation = Math.floor(this.#asked / ASKED_OF_A_KEY);
    const isRegister = REGISTERS.some((register) => register === key);
    return isRegister || generation === 0 ? key : `${key}.${generation}`;
  }
}

/** By those bits of the hash that did not decide what is asked. */
function pick(keys: readonly string[], hash: number): string {
  return keys[Math.floor(hash / 16) % keys.length] ?? '';
}

/** What is true of a store, by what was chosen. */
export class StoreTruth {
  readonly #machine = new KeyValue();
  readonly #requests = new Answers(FEW_CLIENTS);
  readonly #answers = new Map<RequestId, string>();
  /** The state before each instance, as a snapshot of the machine. */
  readonly #states = new Map<number, readonly unknown[]>();

  /**
   * This link was chosen. In order, each once. Returns what took effect of it: by a table of
   * requests beside those of all servers, and not by that of the chain, which is smaller.
   */
  apply(link: Link, instanceNumber: number): readonly (UpdateLink | RequestedLink)[] {
    if (!this.#states.has(1)) this.#states.set(1, [...this.#machine.snapshot()]);
    const effects = singlesOf(link)
      .filter(isUpdate)
      .filter((one) => this.#carryOut(one, instanceNumber));
    this.#states.set(instanceNumber + 1, [...this.#machine.snapshot()]);
    return effects;
  }

  /** Returns whether it had an effect. */
  #carryOut(link: UpdateLink | RequestedLink, instanceNumber: number): boolean {
    if ('request' in link && this.#requests.standingOf(link.request) !== 'new') return false;
    const answer = this.#machine.apply(link.update, instanceNumber);
    if (!('request' in link)) return true;
    this.#answers.set(link.request, answer);
    this.#requests.remember(link.request, instanceNumber, answer);
    return true;
  }

  /** The answer to a request, if it has taken effect. */
  answerTo(request: RequestId): string | undefined {
    return this.#answers.get(request);
  }

  /** What a query finds before this instance. */
  found(query: string, instanceNumber: number): string | null {
    const machine = new KeyValue();
    for (const piece of this.#states.get(instanceNumber) ?? []) machine.restore(piece);
    return machine.query(query);
  }
}
