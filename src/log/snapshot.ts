/**
 * A snapshot as text: what is on disk, and what goes over the wire.
 *
 * It is lines of JSON. The first one, its head, says of which instance it is, what the chain
 * remembers there, and the digest of all that follows; every other line is a piece of the state. So
 * it can be written a few lines at a time, between the turns of a server that has other things to
 * do, and read in the same way, into a new state beside the one that is in use. The text is ASCII,
 * and is cut into parts of one length, each for a datagram: wherever it is cut, no character is.
 */
import { type ChainState, digestOf } from '../chain.ts';
import {
  CHAIN_FIELDS,
  isDigest,
  isRecord,
  MAX_PART,
  type Names,
  SNAPSHOT_TEXT,
  wrongField,
} from '../messages.ts';

/** What all links before `instanceNumber` have made. It never changes. */
export interface Snapshot {
  readonly instanceNumber: number;
  /** The text. All parts but the last have the same length. */
  readonly parts: readonly string[];
}

/** What a snapshot says first. */
export interface SnapshotHead {
  readonly instanceNumber: number;
  readonly chain: ChainState;
  /** Of the chain and of the state, see `mixedDigest`. */
  readonly digest: string;
}

/** What a snapshot is made of. The pieces are JSON data, and are read later. */
export interface SnapshotSource {
  readonly head: SnapshotHead;
  readonly pieces: Iterable<unknown>;
}

/** A state in the making, beside the one that is in use. */
export interface NewState {
  /** Takes over one piece. Throws, with what is wrong, if that is none. */
  add(piece: unknown): void;
  /** Of all that was added so far. */
  readonly digest: string;
  /** From now on it is the one that is in use. */
  use(): void;
}

/** A line holds a key and a value at most, in six characters for each of theirs if need be. */
const MAX_LINE = 2 ** 18;

/** How many characters it has. */
export function lengthOf({ parts }: Snapshot): number {
  return (parts.length - 1) * (parts[0]?.length ?? 0) + (parts.at(-1)?.length ?? 0);
}

/** The part that begins at this character; undefined: none does. */
export function partAt({ parts }: Snapshot, offset: number): string | undefined {
  return parts[offset / (parts[0]?.length ?? 1)];
}

/** Writes the text of a snapshot, some lines at a time. */
export class SnapshotWriter {
  readonly #instanceNumber: number;
  readonly #pieces: Iterator<unknown>;
  readonly #partLength: number;
  readonly #parts: string[] = [];
  /** What is written and no part yet. */
  #text: string;

  constructor({ head, pieces }: SnapshotSource, partLength: number) {
    this.#instanceNumber = head.instanceNumber;
    this.#pieces = pieces[Symbol.iterator]();
    this.#partLength = partLength;
    this.#text = lineOf(head);
  }

  /** Writes about so many characters; returns the snapshot when it is whole, and null before. */
  write(characters: number): Snapshot | null {
    const lines: string[] = [this.#text];
    let isWhole = false;
    for (let length = 0; length < characters && !isWhole; ) {
      const { value, done } = this.#pieces.next();
      isWhole = done === true;
      const line = isWhole ? '' : lineOf(value);
      lines.push(line);
      length += line.length;
    }
    this.#cut(lines.join(''), isWhole);
    return isWhole ? { instanceNumber: this.#instanceNumber, parts: this.#parts } : null;
  }

  /** The parts that are written, as they are now. */
  get soFar(): Snapshot {
    return { instanceNumber: this.#instanceNumber, parts: [...this.#parts] };
  }

  #cut(text: string, isWhole: boolean): void {
    const length = this.#partLength;
    let from = 0;
    for (; from + length <= text.length; from += length) {
      this.#parts.push(text.slice(from, from + length));
    }
    this.#text = text.slice(from);
    if (isWhole && this.#text !== '') this.#parts.push(this.#text);
  }
}

/** Reads the text of a snapshot, in any parts, into a new state. */
export class SnapshotReader {
  readonly #uids: Names;
  readonly #state: NewState;
  #head: SnapshotHead | null = null;
  /** The beginning of a line. */
  #rest = '';

  constructor(uids: Names, state: NewState) {
    this.#uids = uids;
    this.#state = state;
  }

  /** Reads on. Throws, with what is wrong in one sentence, once it cannot be one. */
  add(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > MAX_LINE) throw new Error('it holds a line that is too long');
    for (const line of lines) this.#read(parse(line));
  }

  /** All is read: what it says of itself, which is true. Throws if it is not, or was not all. */
  end(): SnapshotHead {
    const head = this.#head;
    if (head === null || this.#rest !== '') throw new Error('it ends in the middle of a line');
    const digest = mixedDigest(digestOf(head.chain), this.#state.digest);
    if (digest === head.digest) return head;
    throw new Error('it is not what its digest says');
  }

  #read(line: unknown): void {
    if (this.#head !== null) return this.#state.add(line);
    if (!isHead(line, this.#uids)) throw new Error('it does not begin as a snapshot does');
    this.#head = line;
  }
}

/** One digest of two. */
export function mixedDigest(a: string, b: string): string {
  const both = Number.parseInt(a, 16) ^ Number.parseInt(b, 16);
  return (both >>> 0).toString(16).padStart(8, '0');
}

/** Whether a disk can have held that as a snapshot. What its text says is checked by reading it. */
export function isSnapshot(value: unknown): value is Snapshot {
  if (!isRecord(value) || !Number.isSafeInteger(value['instanceNumber'])) return false;
  const { parts } = value;
  if (!Array.isArray(parts) || parts.length === 0) return false;
  const isText = (part: unknown) => typeof part === 'string' && SNAPSHOT_TEXT.test(part);
  if (!parts.every(isText)) return false;
  const length = parts[0].length;
  return (
    length <= MAX_PART &&
    parts.every((part, index) => {
      return part.length === length || (index === parts.length - 1 && part.length < length);
    })
  );
}

function lineOf(data: unknown): string {
  const json = JSON.stringify(data).replaceAll(/[^ -~]/g, (unit) => {
    return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
  return `${json}\n`;
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new Error('it holds a line that is not JSON');
  }
}

function isHead(value: unknown, uids: Names): value is SnapshotHead {
  if (!isRecord(value) || Object.keys(value).length !== 3) return false;
  const { chain, instanceNumber, digest } = value;
  if (!isRecord(chain) || !isDigest(digest, uids)) return false;
  return wrongField({ instanceNumber, ...chain }, CHAIN_FIELDS, uids) === null;
}
