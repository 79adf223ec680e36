/** The first state machine: keys, and what each of them holds; and locks, see `locks.ts`. */
import {
  expiryIn,
  isLockPiece,
  LOCK_COMMANDS,
  LOCK_QUERIES,
  Locks,
  whyNoFence,
  whyNoLockCommand,
} from './locks.ts';
import {
  countOf,
  entriesFrom,
  sizeOf,
  type Tree,
  valueIn,
  withKey,
  withoutKey,
} from './sorted-map.ts';
import {
  type Change,
  type Form,
  type Lock,
  matchForm,
  PairsDigest,
  type StateMachine,
  spelled,
  wholeNumberOf,
} from './state-machine.ts';

const COMMANDS: readonly Form[] = [
  'set KEY VALUE',
  'set KEY VALUE if VERSION',
  'set KEY VALUE if-token NAME TOKEN',
  'delete KEY',
  'delete KEY if VERSION',
  'delete KEY if-token NAME TOKEN',
  'swap KEY OLD NEW',
  'add KEY N',
  ...LOCK_COMMANDS,
];
const QUERIES: readonly Form[] = [
  'get KEY',
  'entry KEY',
  'entries PREFIX LIMIT AFTER?',
  'keys PREFIX?',
  'size',
  ...LOCK_QUERIES,
];

/** Keys are looked at by people, and stand in answers: they are no documents. */
export const MAX_KEY_LENGTH = 200;
/** A list of keys ends where it would be longer than this, so that it fits into a datagram. */
const MAX_LIST_LENGTH = 5_000;
/** A list of entries has no more than these. */
export const MOST_ENTRIES = 1_000;

/** The answer to a command that was done, unless there is more to say. */
export const DONE = 'ok';
/** The answer where there must be something, and is nothing. */
export const NO_KEY = 'there is no such key';
/** Where a list of entries ends that is not all. */
export const MORE = '…';

/** What a key holds, and since when. */
interface Entry {
  readonly value: string;
  readonly version: string;
}

/**
 * `set` and `delete` do what they say. `swap KEY OLD NEW` sets only what still is OLD: whoever has
 * read it and thought about it may change it, unless somebody was faster. `add KEY N` counts, from
 * 0 where nothing was, and answers with the sum.
 *
 * Each key has a *version*: the instance of its latest change. `set KEY VALUE if 17` changes only
 * what has that version, or, with commas between, one of those; `if none` only what is not there,
 * and `if any` only what is. A value may come back, and then `swap` does not see that it was away;
 * a version never does. Where one instance holds several changes of a key the later ones are 17.2,
 * 17.3 and so on, and the answers to them say so.
 *
 * `if-token NAME 17` changes only if the lock NAME is held with that token.
 *
 * The entries stand in a map that never changes, and each command makes another one of it that
 * shares nearly all: a snapshot is the map as it is, and may be written down at leisure.
 */
export class KeyValue implements StateMachine {
  #entries: Tree<Entry> = null;
  #digest = new PairsDigest();
  readonly #locks = new Locks(this.#digest);
  #changes: readonly Change[] = [];
  /** How often the keys have changed in the latest instance that has changed any. */
  #now = { instanceNumber: 0, times: new Map<string, number>() };

  whyNoCommand(line: string): string | null {
    const match = matchForm(line, COMMANDS);
    if ('why' in match) return match.why;
    const [verb, key = '', number = ''] = match.words;
    if (isOfLock(verb)) return whyNoLockCommand(match.words);
    if (key === '' || key.length > MAX_KEY_LENGTH) {
      return `a key has 1 to ${MAX_KEY_LENGTH} characters`;
    }
    const isNoNumber = verb === 'add' && wholeNumberOf(number) === null;
    if (isNoNumber) return 'what it adds must be a whole number';
    const fence = fenceOf(match.words);
    if (fence !== null) return whyNoFence(...fence);
    const condition = conditionOf(match.words);
    if (condition === undefined || CONDITION.test(condition)) return null;
    return 'a version is a number like 17, or none, or any';
  }

  whyNoQuery(line: string): string | null {
    const match = matchForm(line, QUERIES);
    if ('why' in match) return match.why;
    const [verb, , limit = ''] = match.words;
    const number = wholeNumberOf(limit) ?? 0;
    if (verb !== 'entries' || (number >= 1 && number <= MOST_ENTRIES)) return null;
    return `a limit is a whole number from 1 to ${MOST_ENTRIES}`;
  }

  apply(line: string, instanceNumber: number): string {
    this.#changes = [];
    const expiry = expiryIn(line);
    if (expiry !== null) return this.#locks.expire(expiry);
    const why = this.whyNoCommand(line);
    const match = matchForm(line, COMMANDS);
    if (why !== null || 'why' in match) return why ?? '';
    const [verb, key = '', second = '', third = ''] = match.words;
    if (isOfLock(verb)) return this.#locks.apply(match.words, instanceNumber);
    const held = valueIn(this.#entries, key);
    const whyNot =
      this.#whyFenced(fenceOf(match.words), instanceNumber) ??
      whyNotMet(conditionOf(match.words), held);
    if (whyNot !== null) return whyNot;
    const version = () => this.#nextVersion(key, instanceNumber);
    switch (verb) {
      case 'set':
        return this.#set(key, second, version());
      case 'add':
        return this.#add(key, held?.value ?? '0', wholeNumberOf(second) ?? 0, version);
      case 'delete':
        return held === undefined ? NO_KEY : this.#delete(key, version());
      default: // swap
        if (held === undefined) return NO_KEY;
        if (held.value !== second) return 'it is something else by now';
        return this.#set(key, third, version());
    }
  }

  #whyFenced(fence: Fence | null, instanceNumber: number): string | null {
    if (fence === null) return null;
    const [name, token] = fence;
    return this.#locks.whyNotHeld(name, Number(token), instanceNumber);
  }

  get changes(): readonly Change[] {
    return this.#changes;
  }

  get locks(): Tree<Lock> {
    return this.#locks.held;
  }

  query(line: string): string | null {
    const why = this.whyNoQuery(line);
    const match = matchForm(line, QUERIES);
    if (why !== null || 'why' in match) return why;
    const [verb, word = '', limit = '', after = null] = match.words;
    const entry = valueIn(this.#entries, word);
    switch (verb) {
      case 'get':
        return entry?.value ?? null;
      case 'entry':
        return entry === undefined ? null : `${entry.version} ${spelled(entry.value)}`;
      case 'entries':
        return this.#list(word, Number(limit), after);
      case 'keys':
        return this.#keys(word);
      case 'lock':
        return this.#locks.find(word);
      default: // size
        return String(sizeOf(this.#entries));
    }
  }

  snapshot(): Iterable<unknown> {
    return piecesOf(triplesOf(this.#entries), this.#locks.snapshot());
  }

  restore(piece: unknown): void {
    if (isLockPiece(piece)) return this.#locks.restore(piece);
    if (!isTriple(piece)) throw new Error('it holds what is neither a key nor a lock');
    const [key, value, version] = piece;
    if (valueIn(this.#entries, key) !== undefined) throw new Error('it holds a key twice');
    this.#put(key, { value, version });
  }

  get size(): string {
    const keys = sizeOf(this.#entries);
    return `${keys} ${keys === 1 ? 'key' : 'keys'}`;
  }

  get digest(): string {
    return this.#digest.toString();
  }

  /** The version that a change of this key gets now. */
  #nextVersion(key: string, instanceNumber: number): string {
    if (this.#now.instanceNumber !== instanceNumber)
      this.#now = { instanceNumber, times: new Map() };
    const { times } = this.#now;
    const time = (times.get(key) ?? 0) + 1;
    times.set(key, time);
    return time === 1 ? `${instanceNumber}` : `${instanceNumber}.${time}`;
  }

  #set(key: string, value: string, version: string): string {
    const entry = { value, version };
    const held = valueIn(this.#entries, key);
    if (held !== undefined) this.#digest.remove(key, textOf(held));
    this.#put(key, entry);
    this.#changes = [{ key, value, version }];
    return doneAs(version);
  }

  #put(key: string, entry: Entry): void {
    this.#entries = withKey(this.#entries, key, entry);
    this.#digest.add(key, textOf(entry));
  }

  #delete(key: string, version: string): string {
    const held = valueIn(this.#entries, key);
    if (held !== undefined) this.#digest.remove(key, textOf(held));
    this.#entries = withoutKey(this.#entries, key);
    this.#changes = [{ key, value: null, version }];
    return DONE;
  }

  #add(key: string, held: string, more: number, version: () => string): string {
    const number = wholeNumberOf(held);
    if (number === null) return 'what it holds is no whole number';
    const sum = number + more;
    if (!Number.isSafeInteger(sum)) return 'the sum would be too large';
    this.#set(key, String(sum), version());
    return String(sum);
  }

  /** The words `KEY VERSION VALUE` of each entry with this prefix, after the key `after`. */
  #list(prefix: string, limit: number, after: string | null): string {
    const listed: string[] = [];
    let length = 0;
    for (const [key, { value, version }] of this.#from(prefix, after)) {
      const entry = `${spelled(key)} ${version} ${spelled(value)}`;
      length += entry.length + 1;
      const isTooLong = length > MAX_LIST_LENGTH && listed.length > 0;
      if (isTooLong || listed.length === limit) return [...listed, MORE].join(' ');
      listed.push(entry);
    }
    return listed.join(' ');
  }

  /** Entries of keys that begin with the prefix, in order, after this key; null: all of them. */
  *#from(prefix: string, after: string | null): Generator<readonly [string, Entry]> {
    const first = after === null || after < prefix ? prefix : after;
    for (const [key, entry] of entriesFrom(this.#entries, first)) {
      if (!key.startsWith(prefix)) return;
      if (key !== after) yield [key, entry];
    }
  }

  /** Keys that begin with the prefix, in order, as many as a datagram holds. */
  #keys(prefix: string): string {
    const listed: string[] = [];
    let length = 0;
    for (const [key] of this.#from(prefix, null)) {
      const word = spelled(key);
      length += word.length + 1;
      if (length > MAX_LIST_LENGTH) {
        return `${listed.join(' ')} … of ${countOf(this.#entries, prefix)}`;
      }
      listed.push(word);
    }
    return listed.join(' ');
  }
}

const VERSION = '[1-9][0-9]{0,15}(?:\\.[1-9][0-9]{0,15})?';
const CONDITION = new RegExp(`^(?:none|any|${VERSION}(?:,${VERSION})*)$`);
const ONE_VERSION = new RegExp(`^${VERSION}$`);

/** Whether a key can have this version. */
export function isVersion(text: string): boolean {
  return ONE_VERSION.test(text);
}

/** The version of what `set` has set in this instance, by its answer; null: it has set nothing. */
export function versionAfter(answer: string, instanceNumber: number): string | null {
  if (answer === DONE) return `${instanceNumber}`;
  return answer.startsWith(DONE_AS) ? answer.slice(DONE_AS.length) : null;
}

const DONE_AS = `${DONE}, as `;

/** Whoever is told the instance knows the version, but for the later ones of an instance. */
function doneAs(version: string): string {
  return version.includes('.') ? `${DONE_AS}${version}` : DONE;
}

/** On which version a command depends; undefined: on none. */
function conditionOf(words: readonly string[]): string | undefined {
  const at = conditionAt(words);
  return words[at] === 'if' ? words[at + 1] : undefined;
}

type Fence = readonly [lock: string, token: string];

/** On which lock and token a command depends; null: on none. */
function fenceOf(words: readonly string[]): Fence | null {
  const at = conditionAt(words);
  return words[at] === 'if-token' ? [words[at + 1] ?? '', words[at + 2] ?? ''] : null;
}

/** At which word the condition of a command would begin. */
function conditionAt([verb]: readonly string[]): number {
  return verb === 'set' ? 3 : verb === 'delete' ? 2 : Number.POSITIVE_INFINITY;
}

function isOfLock(verb = ''): boolean {
  return verb === 'lock' || verb === 'renew' || verb === 'unlock';
}

function whyNotMet(condition: string | undefined, held: Entry | undefined): string | null {
  if (condition === undefined) return null;
  if (held === undefined) return condition === 'none' ? null : NO_KEY;
  if (condition === 'any' || condition.split(',').includes(held.version)) return null;
  return `it was changed in ${held.version}`;
}

/** Both are of the moment at which this is called, and are read later. */
function* piecesOf(entries: Iterable<unknown>, locks: Iterable<unknown>): Generator<unknown> {
  yield* entries;
  yield* locks;
}

function* triplesOf(entries: Tree<Entry>): Generator<[string, string, string]> {
  for (const [key, { value, version }] of entriesFrom(entries)) yield [key, value, version];
}

function textOf({ value, version }: Entry): string {
  return `${version} ${value}`;
}

function isTriple(entry: unknown): entry is [key: string, value: string, version: string] {
  if (!Array.isArray(entry) || entry.length !== 3) return false;
  const [key, value, version] = entry;
  const isText = typeof key === 'string' && typeof value === 'string';
  return isText && typeof version === 'string' && isVersion(version);
}
