/**
 * A virtual disk with one state file, as much of it as can go wrong.
 *
 * A real save has four steps: write a temporary file, fsync it, rename it, fsync the directory.
 * A *killed process* loses nothing that was written. A *power cut* may undo a rename whose
 * directory was not fsynced yet, and which of them it undoes is a matter of luck. A file that
 * was renamed without having been fsynced may have its name after that, and nothing in it.
 * And the file may be gone altogether; the mark beside it then tells that there was one.
 *
 * A bit may flip, so that something else is read than was written. A checksum notices that; here
 * it is known without one being computed.
 */
import type { ServerState } from '../state.ts';
import type { DiskLoss } from '../trace/events.ts';

/** The steps of a save, in order. */
export const SAVE_STEPS = ['write', 'sync', 'rename', 'sync directory'] as const;
export type SaveStep = (typeof SAVE_STEPS)[number];
/** What a broken disk may do without: one of these steps, or the checksum. */
export type Skippable = SaveStep | 'checksum';

/** What is left of a file that was never fsynced. */
const TORN = {};

/** A state file: what was written into it, and whether a power cut would leave it there. */
interface StateFile {
  readonly state: ServerState;
  isSynced: boolean;
}

export class Disk {
  #temporary: StateFile | null = null;
  /** What has its name for good. */
  #named: StateFile | null = null;
  /** What was renamed since, latest last. */
  #renamed: StateFile[] = [];
  /** The mark: some state was durable here once. */
  #isMarked = false;

  /** What a process finds that is started now. */
  get content(): unknown {
    const file = this.#file;
    return file === null ? null : (this.#torn ?? this.#flipped ?? file.state);
  }

  /** Whether the checksum of that is wrong. */
  get isFlipped(): boolean {
    return this.#flipped !== null && !this.#isEdited;
  }

  /** Whether there was a state, and is none any more. */
  get isLost(): boolean {
    return this.#isMarked && this.#file === null;
  }

  /** Whether a server that is started from this has a vote in its open instance. */
  get votes(): boolean {
    if (this.#file === null) return !this.#isMarked;
    const { votesFrom, instanceNumber } = this.#file.state;
    return votesFrom !== null && votesFrom <= instanceNumber;
  }

  /** What would certainly be found after a power cut; null: perhaps nothing at all. */
  get synced(): ServerState | null {
    return this.#named?.isSynced === true ? this.#named.state : null;
  }

  /** Set once a power cut has left a file with nothing in it. */
  #torn: object | null = null;
  /** What is read instead of what was written, and whether a person has put it there. */
  #flipped: ServerState | null = null;
  #isEdited = false;

  /** From now on something else is read. A person who edits the file takes the checksum out. */
  flip(state: ServerState, isEdited = false): void {
    this.#flipped = state;
    this.#isEdited = isEdited;
  }

  /** The file is again what was written last: no older copy would do. */
  mend(): void {
    this.#flipped = null;
  }

  /** One step of a save. `sync directory` stands for itself, too: nothing else need precede it. */
  step(step: SaveStep, state: ServerState | null): void {
    switch (step) {
      case 'write':
        if (state !== null) this.#temporary = { state, isSynced: false };
        return;
      case 'sync':
        if (this.#temporary !== null) this.#temporary.isSynced = true;
        return;
      case 'rename':
        if (this.#temporary !== null) this.#renamed.push(this.#temporary);
        this.#temporary = null;
        this.#flipped = null;
        return;
      case 'sync directory':
        this.#named = this.#renamed.at(-1) ?? this.#named;
        this.#renamed = [];
        this.#isMarked ||= this.#named !== null;
    }
  }

  /** The state file is gone. */
  lose(): void {
    this.#temporary = this.#named = this.#torn = this.#flipped = null;
    this.#renamed = [];
  }

  get #file(): StateFile | null {
    return this.#renamed.at(-1) ?? this.#named;
  }

  /**
   * `luck` from 0 to 1 tells how many of the renames that were not yet synced survive. Returns what
   * is lost.
   */
  powerCut(luck: number): DiskLoss {
    const before = this.content;
    const survivors = Math.floor(luck * (this.#renamed.length + 1));
    this.#named = this.#renamed[survivors - 1] ?? this.#named;
    this.#renamed = [];
    this.#temporary = null;
    if (this.#named?.isSynced === false) this.#torn = TORN;
    if (this.content === before) return 'nothing';
    return this.#torn === null ? 'save' : 'file';
  }
}
