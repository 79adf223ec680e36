/**
 * The journal: what if a state is too large to be written with every save?
 *
 * Hardly anything in it changes from one save to the next: a promise, an acceptance, a link more.
 * So only that is written, as one line behind those that are there. Whoever reads them in order,
 * and carries each of them out, has the state again.
 *
 * What is new is found by comparing: a state is data that never changes, so what is the same object
 * as before need not be looked into. A list is what it was, without some of its entries, and with
 * others behind; all other data is small, or new.
 *
 * A journal that is never cut grows for ever. So from time to time a new one begins, in a new file,
 * with a whole state. A large one takes long to write, and a server must not stand still. But the
 * state does not change, so it may be written at leisure: a piece of the new journal with each
 * save, while the old one goes on, and then, in pieces as well, what has become of it meanwhile,
 * until nothing is left. When it is on the disk, and only then, it takes the place of the old one:
 * so there is always one whole journal.
 *
 * Every line has a checksum, of itself *and all before it*: no line can be missing, or be of
 * another journal. What is found to be wrong may have come about in two ways, and these
 * must be told apart:
 *
 *   1. *The last line is torn.* The power was cut, or the disk was full, while it was written. So
 *      nothing was ever said that depends on it: it is cut off. It has no end, or a hole: what
 *      a file system has not written is not there, or is read as zeros, which no line has in it.
 *   2. *A line is not what was written.* It is whole, but its checksum is wrong, or there is more
 *      behind it. What it said may have been told to others: nobody can go on from here.
 *
 * No file is touched here. Whoever does that writes what `save` gives, and brings it to the disk.
 */
import { isRecord } from '../messages.ts';
import type { ServerState } from '../state.ts';

/** A journal whose further lines are longer than this, and than its first state, begins anew. */
export const JOURNAL_LIMIT_BYTES = 1_000_000;
/** So much of a new journal is written with each save: a millisecond's work. */
const PIECE_BYTES = 64_000;
/** The lines of a first state are so much shorter than a piece … */
const LINES_PER_PIECE = 4;
/** … and a list has lines of its own if it has an entry for each so many bytes of a piece. */
const BYTES_PER_ENTRY = 2_000;
/**
 * A change with lists of lists that have more entries than these begins a new journal, in short
 * lines: of a whole log in one line there may be no string that is long enough.
 */
const MOST_NEW_ENTRIES = 2_000;

/** What a save has to write and to bring to the disk, in this order. */
export interface Write {
  /** Behind the journal that is there. */
  readonly line: Uint8Array | null;
  /** Behind what there is of a new one. */
  readonly piece: Piece | null;
}

/** The last piece of a new journal makes it a whole one, and it takes the place of the old one. */
export interface Piece {
  readonly bytes: Uint8Array;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

/** What has become of a record. What is named nowhere is as it was. */
interface RecordChange {
  /** What is there now was in another place before: whence. */
  readonly move?: Record<string, string>;
  readonly set?: Record<string, unknown>;
  readonly unset?: readonly string[];
  readonly in?: Record<string, Change>;
}

/**
 * What has become of a list: so many entries are gone from each place, and these are behind. A list
 * in a list is filled in its place, but only in the lines of a first state.
 */
interface ListChange {
  readonly cut?: readonly (readonly [index: number, count: number])[];
  readonly add?: readonly unknown[];
  readonly in?: Record<string, Change>;
}

export type Change = RecordChange | ListChange;

/** A line that is as it was written. */
export interface Entry {
  /** From 1 on. The first one has a state, the others what is new. */
  readonly entry: number;
  readonly state?: unknown;
  readonly change: RecordChange;
  /** The first state is not whole before the next line. */
  readonly isPart: boolean;
  readonly checksum: number;
  /** Where the next line begins. */
  readonly endsAt: number;
}

type Sound = Omit<Entry, 'endsAt'>;
type Fields = Record<string, unknown>;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });
/** The byte that ends a line. */
export const NEWLINE = 10;
const CHECKSUM = '{"checksum":"';
const CHECKSUM_DIGITS = 8;
/** The checksum is of what comes after this. */
const HEAD_BYTES = `${CHECKSUM}01234567",`.length;

/** The end of one journal, from where it goes on. Each run of a server has its own. */
export class Journal {
  readonly #limitBytes: number;
  readonly #pieceBytes: number;
  /** What its lines make; null: there is none yet. */
  #state: object | null = null;
  #lines = new Lines();
  /** The length of its first state. */
  #firstBytes = 0;
  /** The journal that is to take its place, as far as it is written. */
  #next: NextJournal | null = null;

  constructor(limitBytes = JOURNAL_LIMIT_BYTES, pieceBytes = PIECE_BYTES) {
    this.#limitBytes = limitBytes;
    this.#pieceBytes = pieceBytes;
  }

  /**
   * Reads a whole journal, to go on from its end: the state that it makes, and the length of what
   * is sound in it. What is behind that is torn, and must be cut off before anything is written.
   * Throws, with one sentence, if it is no journal, or not any more what was written.
   */
  load(bytes: Uint8Array): { state: object; soundBytes: number } {
    let state: object | null = null;
    let isWhole = false;
    for (const entry of entriesOf(bytes)) {
      state = stateAfter(state, entry);
      if (!isWhole) this.#firstBytes = entry.endsAt;
      isWhole ||= !entry.isPart;
      this.#lines.goOnFrom(entry);
    }
    if (state === null) throw new Error('it is empty');
    this.#state = state;
    return { state, soundBytes: this.#lines.bytes };
  }

  /**
   * What must be written for this state to be what the journal makes. It counts as written from
   * now on: whoever cannot bring it to the disk must stop.
   */
  save(state: ServerState): Write {
    const change = this.#state === null ? 'other' : changeOf(this.#state, state);
    this.#state = state;
    if (change === 'other' || (change !== null && newEntriesIn(change) > MOST_NEW_ENTRIES)) {
      return { line: null, piece: this.#beginAtOnce(state) };
    }
    const longestBytes = Math.max(this.#limitBytes, this.#firstBytes);
    const line = this.#lines.write(change ?? {});
    if (line.length > longestBytes) return { line: null, piece: this.#beginAtOnce(state) };
    const isLong = this.#lines.bytes - this.#firstBytes > longestBytes;
    this.#next?.add(change ?? {});
    // More than what comes behind it: so it comes to an end, however much is saved.
    const mostBytes = this.#pieceBytes + (this.#next === null ? 0 : line.length);
    if (this.#next === null && isLong) this.#next = new NextJournal(state, this.#pieceBytes);
    return { line, piece: this.#next === null ? null : this.#write(this.#next, mostBytes) };
  }

  #beginAtOnce(state: ServerState): Piece {
    this.#next = new NextJournal(state, this.#pieceBytes);
    return this.#write(this.#next, Number.POSITIVE_INFINITY);
  }

  #write(next: NextJournal, mostBytes: number): Piece {
    const piece = next.write(mostBytes);
    if (!piece.isLast) return piece;
    this.#lines = next.lines;
    this.#firstBytes = next.firstBytes;
    this.#next = null;
    return piece;
  }
}

/** Makes the lines of one journal, each of which goes on from all before it. */
class Lines {
  entry = 0;
  checksum = 0;
  bytes = 0;

  goOnFrom({ entry, checksum, endsAt }: Entry): void {
    this.entry = entry;
    this.checksum = checksum;
    this.bytes = endsAt;
  }

  write(body: object): Uint8Array {
    this.entry += 1;
    const rest = JSON.stringify(body).slice(1); // of an empty one only its end is left
    const comma = rest.length > 1 ? ',' : '';
    const bytes = encoder.encode(`${CHECKSUM}01234567","entry":${this.entry}${comma}${rest}\n`);
    this.checksum = crc32(bytes.subarray(HEAD_BYTES, -1), this.checksum);
    const digits = hexOf(this.checksum);
    for (let index = 0; index < CHECKSUM_DIGITS; index += 1) {
      bytes[CHECKSUM.length + index] = digits.charCodeAt(index);
    }
    this.bytes += bytes.length;
    return bytes;
  }
}

/** A new journal: a state that does not change, and behind it what has become of it meanwhile. */
class NextJournal {
  readonly lines = new Lines();
  firstBytes = 0;
  readonly #first: Iterator<object, void>;
  #isWhole = false;
  readonly #changes: object[] = [];
  /** So many of the changes are written. */
  #written = 0;

  constructor(state: object, pieceBytes: number) {
    this.#first = linesOf(state as Fields, pieceBytes);
  }

  add(change: object): void {
    this.#changes.push(change);
  }

  /** The next piece, of about so many bytes; after the last one all that was added is written. */
  write(mostBytes: number): Piece {
    const isFirst = this.lines.entry === 0;
    const fromBytes = this.lines.bytes;
    const written: Uint8Array[] = [];
    const hasRoom = () => this.lines.bytes - fromBytes < mostBytes;
    while (!this.#isWhole && hasRoom()) {
      const { value = {} } = this.#first.next();
      written.push(this.lines.write(value));
      this.#isWhole = !('isPart' in value);
      this.firstBytes = this.lines.bytes;
    }
    while (this.#isWhole && this.#written < this.#changes.length && hasRoom()) {
      written.push(this.lines.write(this.#changes[this.#written] ?? {}));
      this.#written += 1;
    }
    const isLast = this.#isWhole && this.#written === this.#changes.length;
    return { bytes: joined(written), isFirst, isLast };
  }
}

/** A state in lines that are not too long: first without its long lists, and then these. */
function* linesOf(state: Fields, pieceBytes: number): Generator<object, void> {
  const mostEntries = pieceBytes / BYTES_PER_ENTRY;
  const longest = pieceBytes / LINES_PER_PIECE;
  const lists: LongList[] = [];
  const head = headOf(state, [], mostEntries, lists);
  yield lists.length > 0 ? { isPart: true, state: head } : { state: head };
  for (const [index, [path, list]] of lists.entries()) {
    for (let from = 0; from < list.length; ) {
      const add: unknown[] = [];
      for (let length = 0; length < longest && from + add.length < list.length; ) {
        const one = list[from + add.length];
        length += JSON.stringify(one).length;
        add.push(one);
      }
      from += add.length;
      const isPart = index < lists.length - 1 || from < list.length;
      const added: object = { add };
      const change = path.reduceRight((inside, key) => ({ in: { [key]: inside } }), added);
      yield isPart ? { isPart, ...change } : change;
    }
  }
}

type LongList = readonly [path: readonly string[], list: readonly unknown[]];

/**
 * The value with an empty list wherever there is a long one, which goes to `lists`. Of a list with
 * long lists in it, each of these is taken out: as entries they would be lines without a bound.
 */
function headOf(
  value: unknown,
  path: readonly string[],
  mostEntries: number,
  lists: LongList[],
): unknown {
  const inside = (key: string | number, one: unknown) =>
    headOf(one, [...path, `${key}`], mostEntries, lists);
  if (isRecord(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, inside(key, one)]));
  }
  if (!Array.isArray(value)) return value;
  if (value.some((one) => Array.isArray(one) && one.length > mostEntries)) {
    return value.map((one, index) => (Array.isArray(one) ? inside(index, one) : one));
  }
  if (value.length + entriesInside(value) <= mostEntries) return value;
  lists.push([path, value]);
  return [];
}

/** How many entries the lists in a list have. */
function entriesInside(list: readonly unknown[]): number {
  return list.reduce((sum: number, one) => sum + (Array.isArray(one) ? one.length : 0), 0);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/**
 * The lines of a journal, as far as they are sound; a torn line at its end is not among them.
 * Throws, with one sentence, at a line that is not what was written.
 */
export function* entriesOf(bytes: Uint8Array): Generator<Entry> {
  let from = 0;
  let checksum = 0;
  let isPart = true;
  let entry = 1;
  for (; from < bytes.length; entry += 1) {
    const newline = bytes.indexOf(NEWLINE, from);
    const end = newline < 0 ? bytes.length : newline;
    const line = bytes.subarray(from, end);
    const sound = newline < 0 ? null : soundLine(line, entry, checksum);
    if (sound === null) {
      if (!isPart && isTorn(bytes.subarray(from), entry, checksum)) return;
      throw new Error(`line ${entry} is not what was written`);
    }
    from = end + 1;
    checksum = sound.checksum;
    isPart &&= sound.isPart;
    yield { ...sound, endsAt: from };
  }
  if (isPart && from > 0) throw new Error(`line ${entry} is missing`);
}

/** The state after one more line. The one before is not what it was any more. Throws. */
export function stateAfter(state: object | null, { entry, state: whole, change }: Entry): object {
  try {
    const after = entry === 1 ? whole : carriedOut(state, change);
    if (isRecord(after)) return after;
  } catch {
    // Somebody has written this, and its checksum as well, who did not know what he did.
  }
  throw impossible(entry);
}

/** Why a line is refused that is as it was written, and yet is none of a journal. */
export function impossible(entry: number): Error {
  return new Error(`line ${entry} says what no journal can say`);
}

/** Whether this, which is all that is left, may come from a write that never came to its end. */
function isTorn(rest: Uint8Array, entry: number, checksum: number): boolean {
  let length = rest.length;
  while (length > 0 && rest[length - 1] === 0) length -= 1;
  const newline = rest.indexOf(NEWLINE);
  if (newline >= 0) return newline === length - 1 && hasHole(rest.subarray(0, length));
  // All of it is there, and then something that is no end of a line: nobody has written that.
  return soundLine(rest.subarray(0, length - 1), entry, checksum) === null;
}

/** A single zero inside of it may be a bit that has flipped. */
function hasHole(line: Uint8Array): boolean {
  return line[0] === 0 || line.some((byte, index) => byte === 0 && line[index + 1] === 0);
}

/** What the line says, or null if it is not what was written there. */
function soundLine(line: Uint8Array, entry: number, before: number): Sound | null {
  const rest = line.subarray(HEAD_BYTES);
  const checksum = crc32(rest, before);
  try {
    const text = decoder.decode(line);
    if (!text.startsWith(`${CHECKSUM}${hexOf(checksum)}",`)) return null;
    const { checksum: _, entry: number, state, isPart = false, ...change } = JSON.parse(text);
    return number === entry ? { entry, state, change, isPart, checksum } : null;
  } catch {
    return null; // it is no UTF-8, or no JSON
  }
}

// What is new between two states.

/** What makes `after` of `before`; null: nothing; `'other'`: it must be written anew. */
function changeOf(before: unknown, after: unknown): Change | 'other' | null {
  if (before === after) return null;
  if (Array.isArray(before) && Array.isArray(after)) return changeOfList(before, after);
  if (!isRecord(before) || !isRecord(after)) return 'other';
  if (!isFlat(before) || !isFlat(after)) return changeOfRecord(before, after);
  return saysTheSame(before, after) ? null : 'other';
}

/** Whether there is nothing to be saved by looking into it. */
function isFlat(record: Fields): boolean {
  for (const key of Object.keys(record)) {
    if (typeof record[key] === 'object' && record[key] !== null) return false;
  }
  return true;
}

/** A promise, say, is another object in each instance, and yet the same. */
function saysTheSame(before: Fields, after: Fields): boolean {
  const keys = Object.keys(after);
  if (keys.length !== Object.keys(before).length) return false;
  return keys.every((key) => Object.hasOwn(before, key) && before[key] === after[key]);
}

/**
 * What JSON has no word for, `undefined`, is not there. Every save comes through here, and most
 * fields are what they were: so nothing is made for these, not even a function.
 */
function changeOfRecord(before: Fields, after: Fields): RecordChange | null {
  const move = movesIn(before, after);
  const set: [string, unknown][] = [];
  const inside: [string, Change][] = [];
  for (const key of Object.keys(after)) {
    const value = after[key];
    if (value === undefined || move.has(key)) continue;
    const was = Object.hasOwn(before, key) ? before[key] : undefined;
    // What was moved away is another one's now: nothing in it may change.
    const isMoved = move.size > 0 && [...move.values()].includes(key);
    if (value === was && !isMoved) continue;
    const change = isMoved || was === undefined ? 'other' : changeOf(was, value);
    if (change === 'other') set.push([key, value]);
    else if (change !== null) inside.push([key, change]);
  }
  const unset = goneFrom(before, after);
  if (set.length + unset.length + inside.length + move.size === 0) return null;
  return {
    ...(move.size > 0 ? { move: Object.fromEntries(move) } : {}),
    ...(set.length > 0 ? { set: Object.fromEntries(set) } : {}),
    ...(unset.length > 0 ? { unset } : {}),
    ...(inside.length > 0 ? { in: Object.fromEntries(inside) } : {}),
  };
}

function goneFrom(before: Fields, after: Fields): string[] {
  const gone: string[] = [];
  for (const key of Object.keys(before)) {
    if (before[key] === undefined) continue;
    if (!Object.hasOwn(after, key) || after[key] === undefined) gone.push(key);
  }
  return gone;
}

const NO_MOVES: ReadonlyMap<string, string> = new Map();

/** What has come to another place as it was: from where to where, the new place first. */
function movesIn(before: Fields, after: Fields): ReadonlyMap<string, string> {
  let moves: Map<string, string> | null = null;
  for (const key of Object.keys(after)) {
    const value = after[key];
    if (before[key] === value || typeof value !== 'object' || value === null) continue;
    const from = whereWas(value, before, after);
    if (from === null || (moves !== null && [...moves.values()].includes(from))) continue;
    moves ??= new Map();
    moves.set(key, from);
  }
  return moves ?? NO_MOVES;
}

/** The place where this was, if something else is there now. */
function whereWas(value: object, before: Fields, after: Fields): string | null {
  for (const key of Object.keys(before)) {
    if (before[key] === value && after[key] !== value) return key;
  }
  return null;
}

/** How many entries the lists in its new lists have. */
function newEntriesIn(change: Change): number {
  const { set, add, in: inside } = change as RecordChange & ListChange;
  let count = add === undefined ? 0 : entriesInside(add);
  for (const key in set) if (Array.isArray(set[key])) count += entriesInside(set[key]);
  for (const key in inside) count += newEntriesIn(inside[key] as Change);
  return count;
}

/** Entries that are still there are the same objects, in the same order. */
function changeOfList(before: unknown[], after: unknown[]): ListChange | 'other' | null {
  const cut: [number, number][] = [];
  let kept = 0;
  let from = 0; // since here nothing was kept
  for (let index = 0; index < before.length; index += 1) {
    if (kept >= after.length || before[index] !== after[kept]) continue;
    if (index > from) cut.push([from, index - from]);
    from = index + 1;
    kept += 1;
  }
  if (kept === 0 && before.length + after.length > 0) return 'other';
  if (before.length > from) cut.push([from, before.length - from]);
  const add = after.slice(kept);
  if (cut.length + add.length === 0) return null;
  return { ...(cut.length > 0 ? { cut } : {}), ...(add.length > 0 ? { add } : {}) };
}

/** Changes what was read, in place: it belongs to nobody else yet. */
function carriedOut(before: unknown, change: Change): unknown {
  if (Array.isArray(before)) return listCarriedOut(before, change as ListChange);
  if (!isRecord(before)) throw new Error('there is nothing inside');
  const { move = {}, set = {}, unset = [], in: inside = {} } = change as RecordChange;
  const moved = Object.entries(move).map(([key, from]) => [key, fieldIn(before, from)]);
  for (const key of unset) delete before[key];
  const changed = Object.entries(inside).map(([key, one]) => [key, carriedOut(before[key], one)]);
  for (const [key, value] of [...moved, ...Object.entries(set), ...changed]) {
    // Not an assignment: a key may have the name of something that every object has.
    Object.defineProperty(before, key as string, { ...PLAIN_FIELD, value });
  }
  return before;
}

function fieldIn(record: Fields, key: string): unknown {
  if (Object.hasOwn(record, key)) return record[key];
  throw new Error('there is nothing to be moved');
}

const PLAIN_FIELD = { configurable: true, enumerable: true, writable: true };

function listCarriedOut(list: unknown[], change: ListChange): unknown[] {
  const { cut = [], add = [], in: inside = {} } = change;
  for (const [index, count] of cut.toReversed()) list.splice(index, count);
  for (const one of add) list.push(one);
  for (const [key, one] of Object.entries(inside)) carriedOut(list[Number(key)], one);
  return list;
}

// Checksums.

/** CRC-32, as in a zip file, going on from that of what comes before. */
function crc32(bytes: Uint8Array, before: number): number {
  let crc = ~before;
  for (let index = 0; index < bytes.length; index += 1) {
    crc = (CRC_TABLE[(crc ^ (bytes[index] ?? 0)) & 0xff] ?? 0) ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}

const CRC_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0xedb88320;
  return crc;
});

function hexOf(checksum: number): string {
  return checksum.toString(16).padStart(CHECKSUM_DIGITS, '0');
}
