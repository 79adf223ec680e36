/**
 * What one lock does, written down once more: a model for histories, which shares no code with
 * `locks.ts` but how answers are read.
 *
 * No client asks for the end of a lock. So servers have a part in a history as well: each end
 * that one of them has proposed is an operation, of which nobody knows whether it took effect.
 * A history is right only if whoever lost a lock lost it to one of these, or to an `unlock`; and if
 * no token goes backwards.
 */
import type { Model, Timed } from '../trace/model.ts';
import { holderIn, tokenIn } from './locks.ts';
import { wholeNumberOf, wordsOf } from './state-machine.ts';

/** A line about one lock: a command, a query, the end of it, or what only its holder may do. */
export interface OfLock extends Timed {
  readonly line: string;
  readonly answer: string | null;
  /** In which instance it took effect, if that was told. */
  readonly instanceNumber?: number;
  readonly verb: 'lock' | 'renew' | 'unlock' | 'expire' | 'find' | 'fenced';
  readonly owner: string;
  /** The token that it names; of `expire`, the instance. */
  readonly number: number;
}

/** What is known of a lock after some operations. */
interface State {
  readonly owner: string | null;
  /** Null: whoever took it was not answered. */
  readonly token: number | null;
  readonly since: number | null;
  /** All tokens of the holders before were at most this. */
  readonly last: number;
}

const FREE: State = { owner: null, token: null, since: null, last: 0 };

/** The parts of a line about a lock, and the name of the lock; null: it is about none. */
export function askedOfLock(line: string) {
  const words = wordsOf(line) ?? [];
  const [verb = '', name = '', word = ''] = words;
  const number = wholeNumberOf(word) ?? 0;
  const shape = `${verb} ${words.length}`;
  if (shape === 'lock 2') return { name, verb: 'find', owner: '', number: 0 } as const;
  if (shape === 'lock 4') return { name, verb: 'lock', owner: word, number: 0 } as const;
  if (shape === 'renew 4') return { name, verb: 'renew', owner: '', number } as const;
  if (shape === 'unlock 3') return { name, verb: 'unlock', owner: '', number } as const;
  if (shape === 'expire 3') return { name, verb: 'expire', owner: '', number } as const;
  if (shape !== 'set 6' || words[3] !== 'if-token') return null;
  const token = wholeNumberOf(words[5] ?? '') ?? 0;
  return { name: words[4] ?? '', verb: 'fenced', owner: '', number: token } as const;
}

/** What one lock does. */
export const ONE_LOCK: Model<OfLock> = {
  initial: JSON.stringify(FREE),

  after(text, operation) {
    const state = JSON.parse(text ?? '') as State;
    const after = operation.outcome === 'ok' ? answered(state, operation) : done(state, operation);
    return after === null ? undefined : JSON.stringify(after);
  },

  mayChange({ verb, answer, outcome }) {
    if (verb === 'find' || verb === 'fenced') return false;
    return outcome !== 'ok' || answer === 'ok' || tokenIn(answer ?? '') !== null;
  },

  overwrites: () => false,

  nameOf({ line, answer, outcome }) {
    const isAnswered = outcome === 'ok';
    return isAnswered ? `the answer ${JSON.stringify(answer)} to ${JSON.stringify(line)}` : line;
  },

  nameOfState(text) {
    const { owner, token, last } = JSON.parse(text ?? '') as State;
    if (owner === null) return `no holder after token ${last}`;
    return `the holder ${owner}, token ${token ?? 'unknown'}`;
  },
};

/** What follows from this answer; null: it cannot be, here. */
function answered(state: State, operation: OfLock): State | null {
  const { verb, owner, number } = operation;
  const answer = operation.answer ?? '';
  const instance = operation.instanceNumber ?? null;
  const holder = holderIn(answer);
  if (holder !== null) return isHeldBy(state, holder) && !isMeant(state, operation) ? state : null;
  if (verb === 'find' || answer === 'the lock is not held') {
    return state.owner === null && verb !== 'lock' ? state : null;
  }
  if (verb === 'fenced') return isHeldWith(state, number) ? state : null;
  if (verb !== 'lock') {
    if (answer !== 'ok' || !isHeldWith(state, number)) return null;
    return verb === 'renew' ? { ...state, token: number, since: instance } : freed(state, number);
  }
  const token = tokenIn(answer);
  if (token === null) return null;
  if (state.owner === null) {
    const isNew = token > state.last && (instance === null || token === instance);
    return isNew ? { owner, token, since: instance, last: state.last } : null;
  }
  const isAgain = state.owner === owner && isHeldWith(state, token);
  return isAgain ? { ...state, token, since: instance } : null;
}

/** The same if nobody knows what was answered. */
function done(state: State, { verb, owner, number }: OfLock): State {
  const isHeld = state.owner !== null;
  if (verb === 'lock' && !isHeld) return { ...FREE, owner, last: state.last };
  if (verb === 'lock') return state.owner === owner ? { ...state, since: null } : state;
  if (verb === 'expire') {
    const isOver = state.since === null ? number > state.last : state.since === number;
    return isHeld && isOver ? freed(state, state.token ?? number) : state;
  }
  if (!isHeldWith(state, number)) return state;
  if (verb === 'renew') return { ...state, since: null };
  return verb === 'unlock' ? freed(state, number) : state;
}

function freed(state: State, token: number): State {
  return { ...FREE, last: Math.max(state.last, token) };
}

/** Whose token is not known may have any that is later than all before. */
function isHeldWith({ owner, token, last }: State, number: number): boolean {
  return owner !== null && (token === null ? number > last : token === number);
}

function isHeldBy(state: State, holder: { readonly owner: string; readonly token: number }) {
  return state.owner === holder.owner && isHeldWith(state, holder.token);
}

/** Whoever is this is not told that somebody else holds it. */
function isMeant({ owner, token }: State, operation: OfLock): boolean {
  if (operation.verb === 'find') return false;
  return operation.verb === 'lock' ? owner === operation.owner : token === operation.number;
}
