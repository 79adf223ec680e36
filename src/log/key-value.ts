/** The first state machine: keys, and what each of them holds. */
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
  type Form,
  matchForm,
  PairsDigest,
  type StateMachine,
  spelled,
  wholeNumberOf,
} from './state-machine.ts';

const COMMANDS: readonly Form[] = ['set KEY VALUE', 'delete KEY', 'swap KEY OLD NEW', 'add KEY N'];
const QUERIES: readonly Form[] = ['get KEY', 'keys PREFIX?', 'size'];

/** Keys are looked at by people, and stand in answers: they are no documents. */
export const MAX_KEY_LENGTH = 200;
/** A list of keys ends where it would be longer than this, so that it fits into a datagram. */
const MAX_LIST_LENGTH = 5_000;

const DONE = 'ok';
const NO_KEY = 'there is no such key';

/**
 * `set` and `delete` do what they say. `swap KEY OLD NEW` sets only what still is OLD: whoever has
 * read it and thought about it may change it, unless somebody was faster. `add KEY N` counts, from
 * 0 where nothing was, and answers with the sum.
 *
 * The pairs stand in a map that never changes, and each command makes another one of it that shares
 * nearly all: a snapshot is the map as it is, and may be written down at leisure.
 */
export class KeyValue implements StateMachine {
  #pairs: Tree<string> = null;
  #digest = new PairsDigest();

  whyNoCommand(line: string): string | null {
    const match = matchForm(line, COMMANDS);
    if ('why' in match) return match.why;
    const [verb, key = '', number = ''] = match.words;
    if (key === '' || key.length > MAX_KEY_LENGTH) {
      return `a key has 1 to ${MAX_KEY_LENGTH} characters`;
    }
    const isNoNumber = verb === 'add' && wholeNumberOf(number) === null;
    return isNoNumber ? 'what it adds must be a whole number' : null;
  }

  whyNoQuery(line: string): string | null {
    const match = matchForm(line, QUERIES);
    return 'why' in match ? match.why : null;
  }

  apply(line: string): string {
    const why = this.whyNoCommand(line);
    const match = matchForm(line, COMMANDS);
    if (why !== null || 'why' in match) return why ?? '';
    const [verb, key = '', second = '', third = ''] = match.words;
    const held = valueIn(this.#pairs, key);
    switch (verb) {
      case 'set':
        return this.#set(key, second);
      case 'add':
        return this.#add(key, held ?? '0', wholeNumberOf(second) ?? 0);
      case 'delete':
        return held === undefined ? NO_KEY : this.#delete(key);
      default: // swap
        if (held === undefined) return NO_KEY;
        return held === second ? this.#set(key, third) : 'it is something else by now';
    }
  }

  query(line: string): string | null {
    const match = matchForm(line, QUERIES);
    if ('why' in match) return match.why;
    const [verb, word = ''] = match.words;
    if (verb === 'get') return valueIn(this.#pairs, word) ?? null;
    if (verb === 'size') return String(sizeOf(this.#pairs));
    return this.#keys(word);
  }

  snapshot(): Iterable<unknown> {
    return entriesFrom(this.#pairs);
  }

  restore(piece: unknown): void {
    if (!isPair(piece)) throw new Error('it holds what is no pair');
    const [key, value] = piece;
    if (valueIn(this.#pairs, key) !== undefined) throw new Error('it holds a key twice');
    this.#put(key, value);
  }

  get digest(): string {
    return this.#digest.toString();
  }

  #set(key: string, value: string): string {
    const held = valueIn(this.#pairs, key);
    if (held !== undefined) this.#digest.remove(key, held);
    this.#put(key, value);
    return DONE;
  }

  #put(key: string, value: string): void {
    this.#pairs = withKey(this.#pairs, key, value);
    this.#digest.add(key, value);
  }

  #delete(key: string): string {
    const held = valueIn(this.#pairs, key);
    if (held === undefined) return DONE;
    this.#digest.remove(key, held);
    this.#pairs = withoutKey(this.#pairs, key);
    return DONE;
  }

  #add(key: string, held: string, more: number): string {
    const number = wholeNumberOf(held);
    if (number === null) return 'what it holds is no whole number';
    const sum = number + more;
    if (!Number.isSafeInteger(sum)) return 'the sum would be too large';
    this.#set(key, String(sum));
    return String(sum);
  }

  /** Those that begin so, in order, as many as a datagram holds. */
  #keys(prefix: string): string {
    const listed: string[] = [];
    let length = 0;
    for (const [key] of entriesFrom(this.#pairs, prefix)) {
      if (!key.startsWith(prefix)) break;
      const word = spelled(key);
      length += word.length + 1;
      if (length > MAX_LIST_LENGTH) {
        return `${listed.join(' ')} … of ${countOf(this.#pairs, prefix)}`;
      }
      listed.push(word);
    }
    return listed.join(' ');
  }
}

function isPair(entry: unknown): entry is [string, string] {
  return (
    Array.isArray(entry) && entry.length === 2 && entry.every((part) => typeof part === 'string')
  );
}
