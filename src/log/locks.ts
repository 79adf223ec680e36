/**
 * Locks of clients: one at a time may do something, and the others wait.
 *
 * A client that has a lock may die with it, so a lock is a *lease*: it is held for a time, and the
 * holder renews it. When the time is over it ends. But no clock may decide that here: all servers
 * must do the same, and no two clocks say the same. So the end of a lock is a command
 * in the chain like everything else. `lock-expiry.ts` proposes it.
 *
 * A holder that was paused for a minute does not know that its time is over, and goes on. Against
 * that a lock has a *token*: the number of the instance in which it was taken. That grows from
 * holder to holder and is never given twice. The holder sends it along with whatever it asks for,
 * and whoever is asked refuses an older token: `set KEY VALUE if-token NAME TOKEN` does so here.
 * Without it a lock is only a hint.
 */
import { entriesFrom, sizeOf, type Tree, valueIn, withKey, withoutKey } from './sorted-map.ts';
import {
  type Form,
  type Lock,
  matchForm,
  type PairsDigest,
  wholeNumberOf,
} from './state-machine.ts';

/** What clients may say to change a lock. */
export const LOCK_COMMANDS: readonly Form[] = [
  'lock NAME OWNER MS',
  'renew NAME TOKEN MS',
  'unlock NAME TOKEN',
];
export const LOCK_QUERIES: readonly Form[] = ['lock NAME'];
/** Only servers say this: a client that could would end locks that are not its own. */
const EXPIRY: readonly Form[] = ['expire NAME SINCE'];

/** Names of locks and owners: they stand in answers, and in the environment of programs. */
const NAME = /^[!#-~]{1,64}$/;
const WHY_NO_NAME = 'the name of a lock, or an owner, has 1 to 64 printable ASCII characters';
/** Less is over before its holder hears of it. */
export const LEAST_LOCK_MS = 100;
/** A holder that dies keeps the others waiting for so long at most. */
export const MOST_LOCK_MS = 86_400_000;
/** Every server has a timer for each of them. */
export const MOST_LOCKS = 1_000;

/** The answer where a lock is needed that nobody holds. */
export const NOT_HELD = 'the lock is not held';
const RENEWED = 'ok';
const TOKEN = 'token ';

/** The locks of one state machine, and what each command does to them. */
export class Locks {
  #held: Tree<Lock> = null;
  readonly #digest: PairsDigest;

  /** `digest`: that of the machine, of which the locks are a part. */
  constructor(digest: PairsDigest) {
    this.#digest = digest;
  }

  /** All that are held now, by their names; it never changes. */
  get held(): Tree<Lock> {
    return this.#held;
  }

  /**
   * Carries out a command of `LOCK_COMMANDS`. Whoever is answered with a token holds the lock for
   * `MS` from the moment at which it sent this. Who holds it already has the same token again.
   */
  apply(words: readonly string[], instanceNumber: number): string {
    const [verb, name = '', second = '', third = ''] = words;
    if (verb === 'lock') return this.#lock(name, second, Number(third), instanceNumber);
    const whyNot = this.whyNotHeld(name, Number(second), instanceNumber);
    const held = valueIn(this.#held, name);
    if (whyNot !== null || held === undefined) return whyNot ?? NOT_HELD;
    this.#drop(name);
    if (verb === 'renew') {
      this.#put(name, { ...held, since: instanceNumber, forMs: Number(third) });
    }
    return RENEWED;
  }

  /**
   * Why whoever has this token does not hold the lock; null: it does. In the instance in which a
   * lock is taken nobody can know its token, and a guess does not count: else it could be taken
   * again there, and the token be given twice.
   */
  whyNotHeld(name: string, token: number, instanceNumber: number): string | null {
    const held = valueIn(this.#held, name);
    if (held === undefined) return NOT_HELD;
    return held.token === token && token < instanceNumber ? null : heldBy(held);
  }

  /** The time of a lock is over, unless it was taken, or renewed, by somebody meanwhile. */
  expire({ name, since }: Expiry): string {
    const held = valueIn(this.#held, name);
    if (held === undefined) return NOT_HELD;
    if (held.since !== since) return 'renewed or taken meanwhile';
    this.#drop(name);
    return RENEWED;
  }

  /** Who holds it, in words; null: nobody does. */
  find(name: string): string | null {
    const held = valueIn(this.#held, name);
    if (held === undefined) return null;
    return `${heldBy(held)}, for ${held.forMs} ms since instance ${held.since}`;
  }

  /** The locks in pieces, of this moment, whenever they are read. */
  snapshot(): Iterable<LockPiece> {
    return piecesOf(this.#held);
  }

  /** Takes over a piece of a snapshot. Throws, and has changed nothing, if it holds it already. */
  restore({ lock, ...held }: LockPiece): void {
    if (valueIn(this.#held, lock) !== undefined) throw new Error('it holds a lock twice');
    this.#put(lock, held);
  }

  #lock(name: string, owner: string, forMs: number, instanceNumber: number): string {
    const held = valueIn(this.#held, name);
    if (held !== undefined && held.owner !== owner) return heldBy(held);
    if (held === undefined && sizeOf(this.#held) >= MOST_LOCKS) {
      return `${MOST_LOCKS} locks are held already`;
    }
    const token = held?.token ?? instanceNumber;
    if (held !== undefined) this.#drop(name);
    this.#put(name, { owner, token, since: instanceNumber, forMs });
    return `${TOKEN}${token}`;
  }

  #put(name: string, lock: Lock): void {
    this.#held = withKey(this.#held, name, lock);
    this.#digest.add(name, textOf(lock));
  }

  #drop(name: string): void {
    const held = valueIn(this.#held, name);
    if (held !== undefined) this.#digest.remove(name, textOf(held));
    this.#held = withoutKey(this.#held, name);
  }
}

/** Why the words of one of `LOCK_COMMANDS` make no command, in one sentence; null: they do. */
export function whyNoLockCommand(words: readonly string[]): string | null {
  const [verb, name = '', second = '', third = ''] = words;
  if (!isLockName(name) || (verb === 'lock' && !isLockName(second))) return WHY_NO_NAME;
  if (verb !== 'lock' && !isToken(second)) return WHY_NO_TOKEN;
  const ms = wholeNumberOf(third) ?? 0;
  if (verb === 'unlock' || (ms >= LEAST_LOCK_MS && ms <= MOST_LOCK_MS)) return null;
  return `a lock is held for ${LEAST_LOCK_MS} to ${MOST_LOCK_MS} ms`;
}

const WHY_NO_TOKEN = 'a token is the number that the answer to lock has told, like 17';

/** Why these cannot be a lock and a token of it, in one sentence; null: they can. */
export function whyNoFence(name: string, token: string): string | null {
  if (!isLockName(name)) return WHY_NO_NAME;
  return isToken(token) ? null : WHY_NO_TOKEN;
}

/** Whether this can be the name of a lock, or of an owner. */
export function isLockName(word: string): boolean {
  return NAME.test(word);
}

function isToken(word: string): boolean {
  return (wholeNumberOf(word) ?? 0) >= 1;
}

/** The token that an answer to `lock` tells; null: somebody else holds it. */
export function tokenIn(answer: string): number | null {
  return answer.startsWith(TOKEN) ? wholeNumberOf(answer.slice(TOKEN.length)) : null;
}

/** Who holds it, by an answer that names somebody, to a command or a query. */
export function holderIn(answer: string): Pick<Lock, 'owner' | 'token'> | null {
  const match = /^held by ([!#-~]+), token (\d+)/.exec(answer);
  return match === null ? null : { owner: match[1] ?? '', token: Number(match[2]) };
}

/** The lock that the answer to a query describes; null: it describes none. */
export function heldIn(found: string): Lock | null {
  const holder = holderIn(found);
  const [, forMs, since] = / for (\d+) ms since instance (\d+)$/.exec(found) ?? [];
  if (holder === null || forMs === undefined) return null;
  return { ...holder, forMs: Number(forMs), since: Number(since) };
}

/** That the lock `name`, held since this instance and not renewed, has come to its end. */
export interface Expiry {
  readonly name: string;
  readonly since: number;
}

/** The command that says so. */
export function expiryLine({ name, since }: Expiry): string {
  return `expire ${name} ${since}`;
}

/** What such a line says; null: it is none. */
export function expiryIn(line: string): Expiry | null {
  if (!line.startsWith('expire ')) return null;
  const match = matchForm(line, EXPIRY);
  if ('why' in match) return null;
  const [, name = '', since = ''] = match.words;
  return isLockName(name) && isToken(since) ? { name, since: Number(since) } : null;
}

function heldBy({ owner, token }: Lock): string {
  return `held by ${owner}, ${TOKEN}${token}`;
}

/** A lock in a snapshot. */
export type LockPiece = Lock & { readonly lock: string };

function* piecesOf(held: Tree<Lock>): Generator<LockPiece> {
  for (const [lock, is] of entriesFrom(held)) yield { lock, ...is };
}

/** Whether this piece of a snapshot is a lock. */
export function isLockPiece(piece: unknown): piece is LockPiece {
  if (typeof piece !== 'object' || piece === null || !('lock' in piece)) return false;
  const { lock, owner, token, since, forMs, ...others } = piece as Record<keyof LockPiece, unknown>;
  const isNamed = [lock, owner].every((name) => typeof name === 'string' && isLockName(name));
  const isCounted = [token, since, forMs].every((it) => Number.isSafeInteger(it) && Number(it) > 0);
  return isNamed && isCounted && Object.keys(others).length === 0;
}

/** No key holds anything that begins so: its version would come first. */
function textOf({ owner, token, since, forMs }: Lock): string {
  return `lock ${owner} ${token} ${since} ${forMs}`;
}
