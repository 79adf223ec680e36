/**
 * A virtual disk with a journal on it: bytes, as they would be in a real file, and what can happen
 * to them.
 *
 * A save writes a line behind the others, and syncs. While the journal begins anew it writes a
 * piece of the new one, too, and syncs that, and with the last piece come a rename and a sync of
 * the directory. As in a real file, there is *room* before it is needed: zeros, over which most
 * lines are written. It comes to the disk with the line that needed it, or some of it does.
 *
 * A *power cut* takes what was not synced, and how much of it is a matter of luck: all, nothing,
 * what is behind some byte, what is before one, or some sectors of it, which are read as zeros
 * then. A *full disk*, or a kill, leaves half a line, or room and no line. And bits flip.
 *
 * The world knows which state each line makes, and so what must be there; what a server is given
 * when it starts is read from the bytes.
 */
import { entriesOf, Journal, NEWLINE, type Piece, type Write } from '../log/journal.ts';
import type { ServerState } from '../state.ts';
import type { DiskLoss } from '../trace/events.ts';
import { hasVote, type OpenDisk, type Skippable, type Step, type VirtualDisk } from './disk.ts';
import { Random } from './random.ts';

/** So short that every run begins several journals, each in several pieces. */
const LIMITS = [300, 200] as const;
/** So short that most journals need it twice, and so long that most lines have it. */
const ROOM_BYTES = 250;
/** What comes to the disk as a whole, or not at all: some of them for each line. */
const SECTOR_BYTES = 16;

/** What may happen to a journal, and has to somewhere, or nothing is tested here. */
export const JOURNAL_SITUATIONS = [
  'a journal begun anew',
  'a piece of a new journal',
  'a line lost',
  'a line torn',
  'a line with a hole',
  'a line with some sectors missing',
  'a line lost that was written over zeros',
  'half a line written',
  'room made, and no line in it',
  'some of the room lost',
  'room cut off',
  'a torn line cut off',
  'a journal read again',
  'a new journal lost',
] as const;
export type JournalSituation = (typeof JOURNAL_SITUATIONS)[number];

/** A file, and which state its bytes make up to the end of each line. */
interface JournalBytes {
  /** As they are seen: lines, and the room behind them. */
  bytes: Uint8Array;
  /** Where the lines end, and the next one begins. */
  end: number;
  /** All before this is on the disk … */
  syncedBytes: number;
  /** … and the file is at least as long there. */
  syncedLength: number;
  states: { readonly state: ServerState; readonly endsAt: number }[];
}

export class JournalDisk implements VirtualDisk {
  /** How often what has happened here. */
  readonly counts = new Map<JournalSituation, number>();
  #temporary: JournalBytes | null = null;
  #named: JournalBytes | null = null;
  #renamed: JournalBytes[] = [];
  #isMarked = false;
  /** Which bit is read wrong; null: none is. */
  #flippedBit: number | null = null;

  get isLost(): boolean {
    return this.#isMarked && this.#file === null;
  }

  get votes(): boolean {
    const state = this.#latest;
    return state === null ? this.#file === null && !this.#isMarked : hasVote(state);
  }

  get synced(): ServerState | null {
    return this.#named === null ? null : stateAt(this.#named, this.#named.syncedBytes);
  }

  get words(): string {
    const old = this.#file === null ? 'no journal' : wordsOf(this.#file.bytes);
    if (this.#temporary === null) return old;
    return `${old}; beside it the beginning of a new one`;
  }

  open(skipped: readonly Skippable[]): OpenDisk {
    const journal = new Journal(...LIMITS);
    return {
      beforeLoad: () => [
        { step: 'sync', name: 'load sync', act: () => this.#sync() },
        { step: 'sync directory', name: 'sync directory', act: () => this.#syncDirectory() },
      ],
      load: () => this.#load(journal, skipped),
      save: (state) => this.#stepsOf(journal.save(state), state),
    };
  }

  flipBit(luck: Random): void {
    const endsAt = this.#file?.states.at(-1)?.endsAt;
    if (endsAt !== undefined) this.#flippedBit = luck.below(8 * endsAt);
  }

  edit(): void {
    throw new Error('a journal is not edited: its checksums would be wrong');
  }

  mend(): void {
    this.#flippedBit = null;
  }

  lose(): void {
    this.#temporary = this.#named = this.#flippedBit = null;
    this.#renamed = [];
  }

  powerCut(luck: number): DiskLoss {
    const before = this.#latest;
    const survivors = luck * (this.#renamed.length + 1);
    const file = this.#renamed[Math.floor(survivors) - 1] ?? this.#named;
    if (file !== this.#file) this.#happened('a new journal lost');
    this.#named = file;
    this.#renamed = [];
    this.#temporary = null;
    if (file !== null) this.#tear(file, survivors % 1);
    if (this.#latest === before) return 'nothing';
    return this.#latest === null && file !== null ? 'file' : 'save';
  }

  get #file(): JournalBytes | null {
    return this.#renamed.at(-1) ?? this.#named;
  }

  /** What a process would find that is started now, if no bit has flipped. */
  get #latest(): ServerState | null {
    return this.#file === null ? null : stateAt(this.#file, this.#file.bytes.length);
  }

  /** What was not synced is there, or some of it is, or nothing, and so with the room behind it. */
  #tear(file: JournalBytes, luck: number): void {
    const { bytes, syncedBytes, syncedLength } = file;
    const more = new Random('sectors', luck);
    const torn = bytes.slice();
    const hasLost = file.end > syncedBytes && this.#takeSome(torn, file, luck, more);
    const isOverZeros = syncedLength > syncedBytes;
    if (hasLost && isOverZeros) this.#happened('a line lost that was written over zeros');
    const least = Math.max(syncedLength, endOf(torn));
    const length = more.pick([least, Math.ceil(more.between(least, bytes.length)), bytes.length]);
    if (length < bytes.length) this.#happened('some of the room lost');
    file.bytes = torn.subarray(0, length);
    const soundBytes = hasLost ? syncedBytes : length;
    file.states = file.states.filter(({ endsAt }) => endsAt <= soundBytes);
    file.syncedBytes = file.syncedLength = file.end = length;
  }

  /** What has not come to the disk is read as zeros. Returns whether there is any such thing. */
  #takeSome(bytes: Uint8Array, file: JournalBytes, luck: number, more: Random): boolean {
    const { syncedBytes, end } = file;
    const place = syncedBytes + Math.floor(((4 * luck) % 1) * (end - syncedBytes));
    if (luck < 0.25) {
      bytes.fill(0, syncedBytes, end);
      this.#happened('a line lost');
    } else if (luck < 0.5) {
      bytes.fill(0, place, end);
      this.#happened('a line torn');
    } else if (luck < 0.75 && place > syncedBytes && more.chance(0.5)) {
      bytes.fill(0, syncedBytes, place);
      this.#happened('a line with a hole');
    } else if (luck < 0.75 && place > syncedBytes) {
      const missing = sectorsIn(syncedBytes, end).filter(() => more.chance(0.3));
      const last = sectorOf(place - 1);
      for (const sector of missing.length > 0 ? missing : [last]) {
        bytes.fill(0, Math.max(syncedBytes, sector), Math.min(end, sector + SECTOR_BYTES));
      }
      this.#happened('a line with some sectors missing');
    } else {
      return false;
    }
    return true;
  }

  #load(journal: Journal, skipped: readonly Skippable[]): unknown {
    const file = this.#file;
    if (file === null) return null;
    const bytes = this.#flippedBit === null ? file.bytes : flipped(file.bytes, this.#flippedBit);
    const read = skipped.includes('bad line') ? withoutBadLine(bytes) : bytes;
    if (read.length === 0 && read !== bytes) return null;
    const { state, soundBytes } = journal.load(read);
    this.#happened('a journal read again');
    const isTorn = endOf(file.bytes) > soundBytes;
    if (skipped.includes('hole') && isTorn) checkBegun(file.bytes.subarray(soundBytes));
    if (isTorn && !skipped.includes('cut')) {
      this.#happened('a torn line cut off');
      this.#flippedBit = null;
      this.#cutOff(file, soundBytes);
    } else if (!skipped.includes('room')) {
      if (file.bytes.length > endOf(file.bytes)) this.#happened('room cut off');
      this.#cutOff(file, endOf(file.bytes));
    } else {
      file.end = file.bytes.length;
    }
    return state;
  }

  #cutOff(file: JournalBytes, length: number): void {
    file.bytes = file.bytes.slice(0, length);
    file.states = file.states.filter(({ endsAt }) => endsAt <= length);
    file.end = length;
    file.syncedBytes = Math.min(file.syncedBytes, length);
    file.syncedLength = Math.min(file.syncedLength, length);
  }

  #stepsOf({ line, piece }: Write, state: ServerState): readonly Step[] {
    const appending = line === null ? [] : this.#appending(line, state);
    return piece === null ? appending : [...appending, ...this.#beginning(piece, state)];
  }

  #appending(line: Uint8Array, state: ServerState): readonly Step[] {
    const act = () => {
      this.#makeRoom(line.length, 1);
      this.#append(line, state);
    };
    const actHalf = (luck: number) => {
      const ofRoom = 4 * ((4 * luck) % 1); // once in four it does not come to the line
      const isMade = this.#makeRoom(line.length, Math.min(1, ofRoom));
      if (isMade && ofRoom < 1) return this.#happened('room made, and no line in it');
      this.#append(line.subarray(0, Math.floor(luck * line.length)), null);
      this.#happened('half a line written');
    };
    return [
      { step: 'write', name: 'write', act, actHalf },
      { step: 'sync', name: 'line sync', act: () => this.#sync() },
    ];
  }

  #beginning({ bytes, isFirst, isLast }: Piece, state: ServerState): readonly Step[] {
    const write = () => {
      const before = isFirst ? NOTHING : (this.#temporary ?? NOTHING);
      const more = joined(before.bytes, bytes);
      const states = isLast ? [{ state, endsAt: more.length }] : [];
      this.#temporary = { ...before, bytes: more, end: more.length, states };
    };
    const sync = () => {
      if (this.#temporary !== null) bringToDisk(this.#temporary);
    };
    const rename = () => {
      if (this.#file !== null) this.#happened('a journal begun anew');
      if (this.#temporary !== null) this.#renamed.push(this.#temporary);
      this.#temporary = this.#flippedBit = null;
    };
    if (!isLast) this.#happened('a piece of a new journal');
    const pieces: readonly Step[] = [
      { step: 'write', name: 'write', act: write },
      { step: 'sync', name: 'sync', act: sync },
    ];
    if (!isLast) return pieces;
    return [
      ...pieces,
      { step: 'rename', name: 'rename', act: rename },
      { step: 'sync directory', name: 'sync directory', act: () => this.#syncDirectory() },
    ];
  }

  /** Where so many bytes have none: zeros, this part of them. Returns whether there was none. */
  #makeRoom(bytes: number, part: number): boolean {
    const file = this.#file;
    if (file === null || file.end + bytes <= file.bytes.length) return false;
    const room = new Uint8Array(Math.ceil(part * (bytes + ROOM_BYTES)));
    const isLonger = file.end + room.length > file.bytes.length;
    if (isLonger) file.bytes = joined(file.bytes.subarray(0, file.end), room);
    return true;
  }

  #append(more: Uint8Array, state: ServerState | null): void {
    const file = this.#file;
    if (file === null) return; // it was removed under the process that writes
    file.bytes = file.bytes.slice();
    file.bytes.set(more, file.end);
    file.end += more.length;
    if (state !== null) file.states.push({ state, endsAt: file.end });
  }

  #sync(): void {
    if (this.#file !== null) bringToDisk(this.#file);
  }

  #syncDirectory(): void {
    this.#named = this.#renamed.at(-1) ?? this.#named;
    this.#renamed = [];
    this.#isMarked ||= this.#named !== null;
  }

  #happened(situation: JournalSituation): void {
    this.counts.set(situation, (this.counts.get(situation) ?? 0) + 1);
  }
}

/** "a journal of 3 lines, and 12 bytes of another one" */
function wordsOf(bytes: Uint8Array): string {
  let [lines, soundBytes] = [0, 0];
  try {
    for (const { entry, endsAt } of entriesOf(bytes)) [lines, soundBytes] = [entry, endsAt];
  } catch (error) {
    return `a journal, and ${error instanceof Error ? error.message : error}`;
  }
  const left = endOf(bytes) - soundBytes;
  return `a journal of ${lines} lines${left > 0 ? `, and ${left} bytes of another one` : ''}`;
}

const NOTHING: JournalBytes = {
  bytes: new Uint8Array(),
  end: 0,
  syncedBytes: 0,
  syncedLength: 0,
  states: [],
};

function bringToDisk(file: JournalBytes): void {
  file.syncedBytes = file.end;
  file.syncedLength = file.bytes.length;
}

/** Where there are only zeros from. */
function endOf(bytes: Uint8Array): number {
  return bytes.findLastIndex((byte) => byte !== 0) + 1;
}

/** As if a line that has an end could be torn only where it begins. */
function checkBegun(torn: Uint8Array): void {
  if (torn.includes(NEWLINE) && torn[0] !== 0) throw new Error('the last line is not what it was');
}

/** Where the sector begins that has this byte. */
function sectorOf(place: number): number {
  return place - (place % SECTOR_BYTES);
}

/** The sectors that have bytes in this range. */
function sectorsIn(from: number, to: number): number[] {
  const first = sectorOf(from);
  const count = Math.ceil((to - first) / SECTOR_BYTES);
  return Array.from({ length: count }, (_, index) => first + index * SECTOR_BYTES);
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** The state that the lines make which are over by then. */
function stateAt({ states }: JournalBytes, bytes: number): ServerState | null {
  return states.findLast(({ endsAt }) => endsAt <= bytes)?.state ?? null;
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const wrong = bytes.slice();
  wrong[bit >> 3] = (wrong[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return wrong;
}

/** As if a line that is not what was written were a torn one, and all behind it. */
function withoutBadLine(bytes: Uint8Array): Uint8Array {
  let soundBytes = 0;
  let isWhole = false;
  try {
    for (const { endsAt, isPart } of entriesOf(bytes)) {
      isWhole ||= !isPart;
      if (isWhole) soundBytes = endsAt;
    }
    return bytes;
  } catch {
    return bytes.slice(0, soundBytes);
  }
}
