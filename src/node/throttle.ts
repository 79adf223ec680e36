/** Keeps a flood of bad news from flooding the terminal and the disk. */
import type { Timer } from '../environment.ts';

const WINDOW_MS = 1_000;

/**
 * Passes on at most `limit` reports a second. If there were more, the last of them is passed on
 * when the second is over, with a word on how many others were held back.
 */
export class Throttle<Report extends { readonly why: string }> {
  readonly #limit: number;
  readonly #after: (delayMs: number, act: () => void) => Timer;
  readonly #tell: (report: Report) => void;
  #window: Timer | null = null;
  #told = 0;
  #heldBack = 0;
  #last: Report | null = null;

  constructor(
    limit: number,
    after: (delayMs: number, act: () => void) => Timer,
    tell: (report: Report) => void,
  ) {
    this.#limit = limit;
    this.#after = after;
    this.#tell = tell;
  }

  report(report: Report): void {
    this.#window ??= this.#after(WINDOW_MS, () => this.#endWindow());
    if (this.#told < this.#limit) {
      this.#told += 1;
      return this.#tell(report);
    }
    this.#heldBack += 1;
    this.#last = report;
  }

  stop(): void {
    this.#window?.cancel();
  }

  #endWindow(): void {
    const others = this.#heldBack - 1;
    const last = this.#last;
    this.#window = null;
    this.#told = this.#heldBack = 0;
    this.#last = null;
    if (last === null) return;
    this.#tell(others > 0 ? { ...last, why: `${last.why} (and ${others} more)` } : last);
  }
}
