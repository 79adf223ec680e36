/**
 * A state machine: what the values of the chain mean.
 *
 * Part I keeps what the last link says; a state machine keeps what all of them together make. Every
 * server applies the same commands in the same order, so all of them come to the same state, and
 * give the same answers: that is all that it takes to make a database out of a log (Lamport, "Paxos
 * Made Simple", §3; Schneider, 1990).
 *
 * A *command* is a line that a person types: words with spaces between, `set color blue`. A word
 * with spaces or quotes in it is a JSON string: `set color "dark blue"`. So it can be read in every
 * terminal line, diagram and story. A *query* is such a line as well, and changes nothing.
 *
 * There are two ways to be wrong. A line that is *no command* says nothing to any state: it is
 * refused with one sentence before it is proposed. A command that *fails*, as a transfer of money
 * that is not there, depends on the state that it meets: that is found out when it is applied, by
 * every server alike, and that it failed is its answer.
 */

import type { Tree } from './sorted-map.ts';

/** Answers to commands are remembered for whoever asks again, so they are short. */
export const MAX_ANSWER_LENGTH = 200;

/** What a command has done to a key: null, it is gone. */
export interface Change {
  readonly key: string;
  readonly value: string | null;
  readonly version: string;
}

/** A lock that a client holds: see `locks.ts`. */
export interface Lock {
  readonly owner: string;
  /** The instance in which this owner has taken it. */
  readonly token: number;
  /** The instance in which it was taken or renewed last: its time counts from there. */
  readonly since: number;
  readonly forMs: number;
}

/**
 * Deterministic: the same commands, in the same order, give the same state and the same answers on
 * every machine. So no clock, no chance, and nothing that depends on where it runs.
 */
export interface StateMachine {
  /** Why this line is no command, in one sentence; null if it is one. Whatever the state is. */
  whyNoCommand(line: string): string | null;
  /** Why this line is no query, in one sentence; null if it is one. */
  whyNoQuery(line: string): string | null;
  /**
   * Carries out a command, which this instance has chosen, and returns its answer, of at most
   * `MAX_ANSWER_LENGTH` characters. Never throws: to a line that is no command the answer is why,
   * and nothing changes.
   */
  apply(line: string, instanceNumber: number): string;
  /** What the latest command has changed. A machine that nobody can watch does not tell. */
  readonly changes?: readonly Change[];
  /** The locks that are held, by their names. A machine without locks does not tell. */
  readonly locks?: Tree<Lock>;
  /** Answers a query; null: there is nothing. What is no query is answered with why. */
  query(line: string): string | null;
  /**
   * The state in pieces, each of them JSON data of some hundred characters as a rule. However late
   * they are read, it is the state of this moment: to take a snapshot takes no time, and to write
   * it down need not be done at once.
   */
  snapshot(): Iterable<unknown>;
  /**
   * Takes over one piece of a snapshot. All of them make the state again, in a machine that has
   * carried out no command. Throws, and has changed nothing, if that is no such piece.
   */
  restore(piece: unknown): void;
  /** How much there is, in a few words for people: "3 keys". */
  readonly size: string;
  /** Eight hexadecimal digits: equal states have the same, different ones hardly ever. */
  readonly digest: string;
}

/** A word as it is, or a JSON string, up to a space or the end. */
const WORD = /\s*("(?:[^"\\]|\\.)*"|[^\s"]+)(?=\s|$)/y;

/** The words of a line; null if its quotes do not fit, or if it holds what no text may. */
export function wordsOf(line: string): readonly string[] | null {
  const words: string[] = [];
  const end = line.trimEnd().length;
  for (WORD.lastIndex = 0; WORD.lastIndex < end; ) {
    const word = WORD.exec(line)?.[1];
    if (word === undefined) return null;
    const meant = word.startsWith('"') ? unquoted(word) : word;
    if (meant === null || /\p{Surrogate}/u.test(meant)) return null;
    words.push(meant);
  }
  return words;
}

function unquoted(word: string): string | null {
  try {
    return JSON.parse(word) as string;
  } catch {
    return null;
  }
}

/** A word as a line spells it: with quotes where it needs them. */
export function spelled(word: string): string {
  return /^[^\s"]+$/.test(word) ? word : JSON.stringify(word);
}

/**
 * How a line that this machine understands looks, `set KEY VALUE if VERSION`: the first word is the
 * verb, and others in small letters stand for themselves.
 */
export type Form = string;

/**
 * The words of a line if it has one of these forms, or why it has none. A word in capitals stands
 * for whatever is there; one with a `?` may be left out.
 */
export function matchForm(
  line: string,
  forms: readonly Form[],
): { readonly words: readonly string[] } | { readonly why: string } {
  const words = wordsOf(line);
  if (words === null) {
    return { why: 'its quotes are not those of a JSON string, as in set color "dark blue"' };
  }
  const known = forms.filter((form) => form.split(' ')[0] === words[0]);
  if (known.length === 0) return { why: `it is none of these: ${firstOfEach(forms)}` };
  if (known.some((form) => hasForm(words, form.split(' ')))) return { words };
  return { why: `it must be: ${known.join(', or ')}` };
}

/** One form for each verb: all of them would be too long for an answer. */
function firstOfEach(forms: readonly Form[]): string {
  const verbs = forms.map((form) => form.split(' ')[0]);
  return forms.filter((_, index) => verbs.indexOf(verbs[index]) === index).join(', ');
}

function hasForm(words: readonly string[], parts: readonly string[]): boolean {
  const least = parts.filter((part) => !part.endsWith('?')).length;
  if (words.length < least || words.length > parts.length) return false;
  return words.every((word, index) => /[A-Z]/.test(parts[index] ?? '') || word === parts[index]);
}

/** The number that a word spells; null if it is no whole one, or too large to be counted with. */
export function wholeNumberOf(word: string): number | null {
  if (!/^(?:0|-?[1-9][0-9]{0,15})$/.test(word)) return null;
  const number = Number(word);
  return Number.isSafeInteger(number) ? number : null;
}

/**
 * The digest of a set of pairs, which changes with each of them and need not be computed anew: it
 * is the sum of what each pair is by itself, so in which order they came does not matter.
 */
export class PairsDigest {
  #sum = 0;

  add(key: string, value: string): void {
    this.#sum = (this.#sum + hashOf(key, value)) >>> 0;
  }

  remove(key: string, value: string): void {
    this.#sum = (this.#sum - hashOf(key, value)) >>> 0;
  }

  toString(): string {
    return this.#sum.toString(16).padStart(8, '0');
  }
}

/** FNV-1a of both, and of where the first one ends; then stirred, since such hashes are added. */
function hashOf(key: string, value: string): number {
  let hash = mixed(0x811c9dc5, key);
  hash = mixed(Math.imul(hash ^ key.length, 0x01000193), value);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function mixed(hash: number, text: string): number {
  let result = hash;
  for (let index = 0; index < text.length; index += 1) {
    result = Math.imul(result ^ text.charCodeAt(index), 0x01000193);
  }
  return result;
}
