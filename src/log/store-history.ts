/**
 * What clients of a store asked and were told, and whether the answers are those of *one* store.
 *
 * What happens to one key does not touch another one. So the history of a store is right if that
 * of each of its keys is ("locality": Herlihy and Wing, 1990), and each is checked by itself. A key
 * that is only set and read is a register, and the checker for registers knows more. The others are
 * compared with a model of a few lines, written down once more here: it says what a key-value store
 * must do, and shares no code with the one that is checked. A lock is an object of its own, and has
 * a model of its own, in `lock-history.ts`.
 */
import type { Inquiry, Outcome } from '../client-session.ts';
import { isRecord } from '../messages.ts';
import { findContradiction, type Operation } from '../trace/linearizability.ts';
import { findContradictionWith, type Model, type Timed } from '../trace/model.ts';
import { askedOfLock, type OfLock, ONE_LOCK } from './lock-history.ts';
import { wholeNumberOf, wordsOf } from './state-machine.ts';

/** One thing that a client asked a store; in a file, one line of JSON. */
export interface StoreOperation extends Timed {
  /** A command or a query about one key. */
  readonly line: string;
  /** What it was told; null: there is nothing, or there was no answer. */
  readonly answer: string | null;
  /** In which instance it took effect, if it was told: tokens of locks are such numbers. */
  readonly instanceNumber?: number;
}

/** A question that was put at `call`, in milliseconds, and how it ended at `endMs`. */
export function storeOperationOf(
  client: string,
  line: string,
  call: number,
  endMs: number,
  ended: Outcome,
): StoreOperation {
  const asked = { client, line, call };
  if (ended.outcome !== 'answered') {
    const outcome = ended.outcome === 'refused' ? 'refused' : 'unknown';
    return { ...asked, answer: null, return: null, outcome };
  }
  const { reply } = ended;
  const found = reply.type === 'found' ? reply.found : null;
  const answer = reply.type === 'answered' ? reply.answer : found;
  const told = { ...asked, answer, return: endMs, outcome: 'ok' } as const;
  const isOfLock = reply.type === 'answered' && askedOfLock(line) !== null;
  return isOfLock ? { ...told, instanceNumber: reply.instanceNumber } : told;
}

/** A command that was fired and forgotten: nobody knows what becomes of it. */
export function firedAtStore(client: string, line: string, call: number): StoreOperation {
  return { client, line, answer: null, call, return: null, outcome: 'unknown' };
}

/**
 * The line of an inquiry that belongs into a history; null: its answer may be of any age, or
 * depends on more than what one key holds.
 */
export function lineOf(inquiry: Inquiry): string | null {
  if (inquiry.type === 'request') return isOfOneKey(inquiry.value) ? inquiry.value : null;
  const isFresh = inquiry.type === 'quorum_query' || (inquiry.type === 'query' && !inquiry.isLocal);
  return isFresh && isOfOneKey(inquiry.query) ? inquiry.query : null;
}

/** Whether this can be in a history: a command or query about one key, or one lock. */
export function isOfOneKey(line: string): boolean {
  return askedBy(line) !== null || askedOfLock(line) !== null;
}

/** What is wrong with something that should be such an operation, in a few words; or null. */
export function wrongInStoreOperation(value: unknown): string | null {
  if (!isRecord(value)) return 'it is not an object';
  const { client, line, answer, call, return: end, outcome } = value;
  if (typeof client !== 'string') return 'client is not a name';
  if (typeof line !== 'string' || !isOfOneKey(line)) {
    return 'line is neither get, set, delete, swap nor add of one key, nor about a lock';
  }
  if (typeof answer !== 'string' && answer !== null) return 'answer is not a text';
  if (typeof call !== 'number') return 'call is not a time';
  if (outcome !== 'ok' && outcome !== 'unknown' && outcome !== 'refused') {
    return 'outcome is neither "ok" nor "unknown" nor "refused"';
  }
  if (end === null) return outcome === 'ok' ? 'it is ok and does not return' : null;
  if (typeof end !== 'number') return 'return is not a time';
  return end < call ? 'it returns before its call' : null;
}

/**
 * Checks the history of a store that was empty at first. Returns null, or in one sentence which
 * answers contradict each other. Throws `Undecided` if there is too much to try.
 */
export function findStoreContradiction(history: readonly StoreOperation[]): string | null {
  const byKey = new Map<string, OfKey[]>();
  const byLock = new Map<string, OfLock[]>();
  for (const operation of history) {
    const ofLock = askedOfLock(operation.line);
    if (ofLock !== null) {
      const { name, ...parts } = ofLock;
      byLock.set(name, [...(byLock.get(name) ?? []), { ...operation, ...parts }]);
      continue;
    }
    const asked = askedBy(operation.line);
    if (asked === null) throw new Error(`no line about one key: ${operation.line}`);
    const { key, ...parts } = asked;
    const its = byKey.get(key) ?? [];
    its.push({ ...operation, ...parts, answer: withoutVersion(operation.answer) });
    byKey.set(key, its);
  }
  for (const [key, its] of byKey) {
    const contradiction = findInKey(its);
    if (contradiction !== null) return `of key ${JSON.stringify(key)} ${contradiction}`;
  }
  for (const [name, its] of byLock) {
    const contradiction = findContradictionWith(ONE_LOCK, its);
    if (contradiction !== null) return `of lock ${JSON.stringify(name)} ${contradiction}`;
  }
  return null;
}

/** A change is answered with its version where the number of the instance does not tell it. */
function withoutVersion(answer: string | null): string | null {
  return answer?.startsWith('ok, as ') === true ? 'ok' : answer;
}

/** The same with the words of its line, but for the key. */
interface OfKey extends StoreOperation {
  readonly verb: string;
  readonly first: string;
  readonly second: string;
}

function findInKey(history: readonly OfKey[]): string | null {
  const asRegister = history.map(registerOperationOf);
  const isRegister = asRegister.every((operation) => operation !== null);
  return isRegister ? findContradiction(asRegister) : findContradictionWith(ONE_KEY, history);
}

/** The same as an operation of a register; null: a register knows no such thing. */
function registerOperationOf(operation: OfKey): Operation | null {
  const { verb, first, answer, client, call, return: end, outcome } = operation;
  const asked = { client, call, return: end, outcome };
  if (verb === 'get') return { ...asked, op: 'read', value: answer };
  const isSet = verb === 'set' && (outcome !== 'ok' || answer === 'ok');
  return isSet ? { ...asked, op: 'write', value: first } : null;
}

/** What one key of a store does. */
const ONE_KEY: Model<OfKey> = {
  initial: null,

  after(held, operation) {
    const right = answered(held, operation);
    const { answer, outcome } = operation;
    return outcome === 'ok' && right.answer !== answer ? undefined : right.held;
  },

  mayChange({ verb, answer, outcome }) {
    if (verb === 'get') return false;
    return outcome !== 'ok' || answer === 'ok' || wholeNumberOf(answer ?? '') !== null;
  },

  overwrites({ verb, outcome }) {
    return verb === 'set' || (verb === 'delete' && outcome !== 'ok');
  },

  nameOf({ line, answer, outcome }) {
    const isAnswered = outcome === 'ok';
    return isAnswered ? `the answer ${JSON.stringify(answer)} to ${JSON.stringify(line)}` : line;
  },

  nameOfState: (held) => (held === null ? 'nothing' : JSON.stringify(held)),
};

/** What is held afterwards, if `held` was before, and what must be answered. */
function answered(
  held: string | null,
  { verb, first, second }: OfKey,
): { readonly held: string | null; readonly answer: string | null } {
  if (verb === 'get') return { held, answer: held };
  if (verb === 'set') return { held: first, answer: 'ok' };
  if (verb === 'add') return added(held, first);
  if (held === null) return { held, answer: 'there is no such key' };
  if (verb === 'delete') return { held: null, answer: 'ok' };
  if (held === first) return { held: second, answer: 'ok' };
  return { held, answer: 'it is something else by now' };
}

function added(held: string | null, more: string) {
  const number = wholeNumberOf(held ?? '0');
  if (number === null) return { held, answer: 'what it holds is no whole number' };
  const sum = number + Number(more);
  if (!Number.isSafeInteger(sum)) return { held, answer: 'the sum would be too large' };
  return { held: `${sum}`, answer: `${sum}` };
}

/** How many words belong to each verb. */
const WORDS: ReadonlyMap<string, number> = new Map([
  ['get', 2],
  ['set', 3],
  ['delete', 2],
  ['swap', 4],
  ['add', 3],
]);

/** The parts of a line about one key; null: it is none. */
function askedBy(line: string) {
  const words = wordsOf(line) ?? [];
  const [verb = '', key = '', first = '', second = ''] = words;
  if (WORDS.get(verb) !== words.length) return null;
  const isNoNumber = verb === 'add' && wholeNumberOf(first) === null;
  return isNoNumber ? null : { verb, key, first, second };
}
