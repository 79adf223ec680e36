/** The first state machine: keys, and what each of them holds. */
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
 * The pairs stand in one map that changes. Keys and values themselves never do, so a snapshot is a
 * copy of the list of pairs, which takes no copy of any text and may be written down at leisure.
 */
export class KeyValue implements StateMachine {
  #pairs = new Map<string, string>();
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
    const held = this.#pairs.get(key);
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
    if (verb === 'get') return this.#pairs.get(word) ?? null;
    if (verb === 'size') return String(this.#pairs.size);
    return this.#keys(word);
  }

  snapshot(): unknown {
    return [...this.#pairs];
  }

  restore(snapshot: unknown): void {
    if (!Array.isArray(snapshot) || !snapshot.every(isPair)) throw new Error('it holds no pairs');
    const pairs = new Map<string, string>(snapshot);
    if (pairs.size < snapshot.length) throw new Error('it holds a key twice');
    this.#pairs = pairs;
    this.#digest = new PairsDigest();
    for (const [key, value] of pairs) this.#digest.add(key, value);
  }

  get digest(): string {
    return this.#digest.toString();
  }

  #set(key: string, value: string): string {
    this.#delete(key);
    this.#pairs.set(key, value);
    this.#digest.add(key, value);
    return DONE;
  }

  #delete(key: string): string {
    const held = this.#pairs.get(key);
    if (held !== undefined) this.#digest.remove(key, held);
    this.#pairs.delete(key);
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
    const keys = [...this.#pairs.keys()].filter((key) => key.startsWith(prefix)).sort();
    const listed: string[] = [];
    let length = 0;
    for (const key of keys.map(spelled)) {
      length += key.length + 1;
      if (length > MAX_LIST_LENGTH) return `${listed.join(' ')} … of ${keys.length}`;
      listed.push(key);
    }
    return listed.join(' ');
  }
}

function isPair(entry: unknown): entry is [string, string] {
  return (
    Array.isArray(entry) && entry.length === 2 && entry.every((part) => typeof part === 'string')
  );
}
