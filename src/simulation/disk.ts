/**
 * A virtual disk with one state file, as much of it as can go wrong.
 *
 * A real save has four steps: write a temporary file, fsync it, rename it, fsync the directory.
 * A *killed process* loses nothing that was renamed. A *power cut* may undo a rename whose
 * directory was not fsynced yet, and which of them it undoes is a matter of luck.
 */
import type { ServerState } from '../state.ts';

/** The steps of a save, in order. */
export const SAVE_STEPS = ['write', 'sync', 'rename', 'sync directory'] as const;
export type SaveStep = (typeof SAVE_STEPS)[number];

export class Disk {
  /** What a power cut cannot take away. */
  #synced: ServerState | null = null;
  /** What was renamed since, latest last. */
  #unsynced: ServerState[] = [];

  /** What a process finds that is started now. */
  get content(): ServerState | null {
    return this.#unsynced.at(-1) ?? this.#synced;
  }

  /** What would be found after the unluckiest power cut. */
  get synced(): ServerState | null {
    return this.#synced;
  }

  step(step: SaveStep, state: ServerState): void {
    if (step === 'rename') this.#unsynced.push(state);
    if (step !== 'sync directory') return;
    this.#synced = this.content;
    this.#unsynced = [];
  }

  /** `luck` from 0 to 1 tells how many of the renames that were not yet synced survive. */
  powerCut(luck: number): void {
    const survivors = Math.floor(luck * (this.#unsynced.length + 1));
    this.#synced = this.#unsynced[survivors - 1] ?? this.#synced;
    this.#unsynced = [];
  }
}
