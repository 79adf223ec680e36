/**
 * A virtual disk with a journal on it: bytes, as they would be in a real file, and what can happen
 * to them.
 *
 * A save writes a line behind the others, and syncs. While the journal begins anew it writes a
 * piece of the new one, too, and syncs that, and with the last piece come a rename and a sync of
 * the directory. A *power cut* takes what was not synced, and how much of it is a matter of luck:
 * all, nothing, what is behind some byte, or what is before one, which is read as zeros then. A
 * *full disk*, or a kill, leaves half a line. And bits flip.
 *
 * The world knows which state each line makes, and so what must be there; what a server is given
 * when it starts is read from the bytes.
 */
import { entriesOf, Journal, type Piece, type Write } from '../log/journal.ts';
import type { ServerState } from '../state.ts';
import type { DiskLoss } from '../trace/events.ts';
import { hasVote, type OpenDisk, type Skippable, type Step, type VirtualDisk } from './disk.ts';
import type { Random } from './random.ts';

/** So short that every run begins several journals, each in several pieces. */
const LIMITS = [300, 200] as const;

/** What may happen to a journal, and has to somewhere, or nothing is tested here. */
export const JOURNAL_SITUATIONS = [
  'a journal begun anew',
  'a piece of a new journal',
  'a line lost',
  'a line torn',
  'a line with a hole',
  'half a line written',
  'a torn line cut off',
  'a journal read again',
  'a new journal lost',
] as const;
export type JournalSituation = (typeof JOURNAL_SITUATIONS)[number];

/** A file, and which state its bytes make up to the end of each line. */
interface JournalBytes {
  bytes: Uint8Array;
  syncedBytes: number;
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

  /** What was not synced is there, or is not, or has an end too soon, or has a hole. */
  #tear(file: JournalBytes, luck: number): void {
    const { bytes, syncedBytes } = file;
    const length = bytes.length - syncedBytes;
    const place = syncedBytes + Math.floor(((4 * luck) % 1) * length);
    if (length > 0 && luck < 0.25) {
      file.bytes = bytes.slice(0, syncedBytes);
      this.#happened('a line lost');
    } else if (length > 0 && luck < 0.5) {
      file.bytes = bytes.slice(0, place);
      this.#happened('a line torn');
    } else if (length > 0 && luck < 0.75 && place > syncedBytes) {
      file.bytes = bytes.slice().fill(0, syncedBytes, place);
      this.#happened('a line with a hole');
    }
    const soundBytes = file.bytes === bytes ? bytes.length : syncedBytes;
    file.states = file.states.filter(({ endsAt }) => endsAt <= soundBytes);
    file.syncedBytes = file.bytes.length;
  }

  #load(journal: Journal, skipped: readonly Skippable[]): unknown {
    const file = this.#file;
    if (file === null) return null;
    const bytes = this.#flippedBit === null ? file.bytes : flipped(file.bytes, this.#flippedBit);
    const read = skipped.includes('bad line') ? withoutBadLine(bytes) : bytes;
    if (read.length === 0 && read !== bytes) return null;
    const { state, soundBytes } = journal.load(read);
    this.#happened('a journal read again');
    if (soundBytes === file.bytes.length || skipped.includes('cut')) return state;
    this.#happened('a torn line cut off');
    this.#flippedBit = null;
    file.bytes = file.bytes.slice(0, soundBytes);
    file.states = file.states.filter(({ endsAt }) => endsAt <= soundBytes);
    file.syncedBytes = Math.min(file.syncedBytes, soundBytes);
    return state;
  }

  #stepsOf({ line, piece }: Write, state: ServerState): readonly Step[] {
    const appending = line === null ? [] : this.#appending(line, state);
    return piece === null ? appending : [...appending, ...this.#beginning(piece, state)];
  }

  #appending(line: Uint8Array, state: ServerState): readonly Step[] {
    const actHalf = (luck: number) => {
      this.#append(line.subarray(0, Math.floor(luck * line.length)), null);
      this.#happened('half a line written');
    };
    return [
      { step: 'write', name: 'write', act: () => this.#append(line, state), actHalf },
      { step: 'sync', name: 'line sync', act: () => this.#sync() },
    ];
  }

  #beginning({ bytes, isFirst, isLast }: Piece, state: ServerState): readonly Step[] {
    const write = () => {
      const before = isFirst ? NOTHING : (this.#temporary ?? NOTHING);
      const more = joined(before.bytes, bytes);
      const states = isLast ? [{ state, endsAt: more.length }] : [];
      this.#temporary = { bytes: more, syncedBytes: before.syncedBytes, states };
    };
    const sync = () => {
      if (this.#temporary !== null) this.#temporary.syncedBytes = this.#temporary.bytes.length;
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

  #append(more: Uint8Array, state: ServerState | null): void {
    const file = this.#file;
    if (file === null) return; // it was removed under the process that writes
    const bytes = joined(file.bytes, more);
    file.bytes = bytes;
    if (state !== null) file.states.push({ state, endsAt: bytes.length });
  }

  #sync(): void {
    if (this.#file !== null) this.#file.syncedBytes = this.#file.bytes.length;
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
  const left = bytes.length - soundBytes;
  return `a journal of ${lines} lines${left > 0 ? `, and ${left} bytes of another one` : ''}`;
}

const NOTHING: JournalBytes = { bytes: new Uint8Array(), syncedBytes: 0, states: [] };

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
