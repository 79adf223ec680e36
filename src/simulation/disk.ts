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
 *
 * A disk of the other kind, for journals, is in `journal-disk.ts`.
 */
import type { ServerState } from '../state.ts';
import type { DiskLoss } from '../trace/events.ts';
import type { Random } from './random.ts';

/** The steps of a save, in order. */
export const SAVE_STEPS = ['write', 'sync', 'rename', 'sync directory'] as const;
export type SaveStep = (typeof SAVE_STEPS)[number];
/** What a broken disk may do without: one of these steps, or a look at what is read. */
export type Skippable =
  | (SaveStep | 'checksum')
  // and of a disk with a journal:
  | ('line sync' | 'load sync' | 'cut' | 'room' | 'hole' | 'bad line');

/** A step of a save or a load. */
export interface Step {
  /** Before it a process may be killed, or the disk may say no. */
  readonly step: SaveStep;
  /** What it is called where a broken disk does without it. */
  readonly name: Skippable;
  readonly act: () => void;
  /** What is done of it if the disk says no, or the process is killed, in the middle. */
  readonly actHalf?: (luck: number) => void;
}

/** What one process has of its disk: the next one opens it anew. */
export interface OpenDisk {
  /** What must be done before anything is read. */
  beforeLoad(): readonly Step[];
  /** What is there; null: nothing. Throws an `Error` if it is noticed not to be what it was. */
  load(): unknown;
  save(state: ServerState): readonly Step[];
}

/** What the world has of a disk, of whichever kind. */
export interface VirtualDisk {
  /** Whether there was a state, and is none any more. */
  readonly isLost: boolean;
  /** Whether a server that is started from this has a vote in its open instance. */
  readonly votes: boolean;
  /** What would certainly be found after a power cut; null: perhaps nothing at all. */
  readonly synced: ServerState | null;
  /** What is there, for people. */
  readonly words: string;
  /** A process opens it that does without these. */
  open(skipped: readonly Skippable[]): OpenDisk;
  /** A bit flips in what is there. */
  flipBit(luck: Random): void;
  /** Somebody puts another value there, on purpose. */
  edit(currentValue: string): void;
  /** The file is again what was written last: no older copy would do. */
  mend(): void;
  /** The state file is gone. */
  lose(): void;
  /** `luck` from 0 to 1 tells how much of what was not yet synced survives. Returns the loss. */
  powerCut(luck: number): DiskLoss;
}

/** Whether a server with this state has a vote in its open instance. */
export function hasVote({ votesFrom, instanceNumber }: ServerState): boolean {
  return votesFrom !== null && votesFrom <= instanceNumber;
}

/** What is left of a file that was never fsynced. */
const TORN = {};

/** A state file: what was written into it, and whether a power cut would leave it there. */
interface StateFile {
  readonly state: ServerState;
  isSynced: boolean;
}

export class Disk implements VirtualDisk {
  #temporary: StateFile | null = null;
  /** What has its name for good. */
  #named: StateFile | null = null;
  /** What was renamed since, latest last. */
  #renamed: StateFile[] = [];
  /** The mark: some state was durable here once. */
  #isMarked = false;
  /** Set once a power cut has left a file with nothing in it. */
  #torn: object | null = null;
  /** What is read instead of what was written, and whether a person has put it there. */
  #flipped: ServerState | null = null;
  #isEdited = false;

  /** What a process finds that is started now. */
  get #content(): unknown {
    const file = this.#file;
    return file === null ? null : (this.#torn ?? this.#flipped ?? file.state);
  }

  get isLost(): boolean {
    return this.#isMarked && this.#file === null;
  }

  get votes(): boolean {
    return this.#file === null ? !this.#isMarked : hasVote(this.#file.state);
  }

  get synced(): ServerState | null {
    return this.#named?.isSynced === true ? this.#named.state : null;
  }

  get words(): string {
    return this.#file === null ? 'nothing' : 'a state file';
  }

  open(skipped: readonly Skippable[]): OpenDisk {
    const stepOf = (step: SaveStep, state: ServerState | null): Step => {
      return { step, name: step, act: () => this.#do(step, state) };
    };
    return {
      // The process before us may have been killed between the rename and this.
      beforeLoad: () => [stepOf('sync directory', null)],
      load: () => {
        const isFlipped = this.#flipped !== null && !this.#isEdited;
        if (isFlipped && !skipped.includes('checksum')) {
          throw new Error('the checksum of the state is wrong');
        }
        return this.#content;
      },
      save: (state) => SAVE_STEPS.map((step) => stepOf(step, state)),
    };
  }

  /** In the value, or in the promise. */
  flipBit(luck: Random): void {
    const { synced: state } = this;
    if (state === null) return;
    const { currentValue, promisedId } = state;
    this.#isEdited = false;
    if (promisedId !== null && (currentValue === null || luck.chance(0.5))) {
      const number = promisedId.number ^ 1;
      this.#flipped = { ...state, promisedId: { ...promisedId, number } };
    } else if (currentValue !== null) {
      const last = currentValue.charCodeAt(currentValue.length - 1);
      const flipped = currentValue.slice(0, -1) + String.fromCharCode(last ^ 1);
      this.#flipped = { ...state, currentValue: flipped };
    }
  }

  /** A person who edits the file takes the checksum out. */
  edit(currentValue: string): void {
    if (this.synced === null) return;
    this.#flipped = { ...this.synced, currentValue };
    this.#isEdited = true;
  }

  mend(): void {
    this.#flipped = null;
  }

  lose(): void {
    this.#temporary = this.#named = this.#torn = this.#flipped = null;
    this.#renamed = [];
  }

  powerCut(luck: number): DiskLoss {
    const before = this.#content;
    const survivors = Math.floor(luck * (this.#renamed.length + 1));
    this.#named = this.#renamed[survivors - 1] ?? this.#named;
    this.#renamed = [];
    this.#temporary = null;
    if (this.#named?.isSynced === false) this.#torn = TORN;
    if (this.#content === before) return 'nothing';
    return this.#torn === null ? 'save' : 'file';
  }

  get #file(): StateFile | null {
    return this.#renamed.at(-1) ?? this.#named;
  }

  /** `sync directory` stands for itself, too: nothing else need precede it. */
  #do(step: SaveStep, state: ServerState | null): void {
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
}
