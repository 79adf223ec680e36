/**
 * The clocks of one virtual machine. Both run at the machine's own rate; the wall clock can be
 * set, and the monotonic one stands still while the machine sleeps.
 */
export class MachineClock {
  /** Local milliseconds per true millisecond. */
  readonly rate: number;
  #sleptMs = 0;
  #wallOffsetMs: number;

  constructor(rate = 1, wallOffsetMs = 1_700_000_000_000) {
    this.rate = rate;
    this.#wallOffsetMs = wallOffsetMs;
  }

  now(trueMs: number): number {
    return (trueMs - this.#sleptMs) * this.rate;
  }

  wallNow(trueMs: number): number {
    return trueMs * this.rate + this.#wallOffsetMs;
  }

  setWallBy(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  /** The machine was asleep for so many true milliseconds. */
  slept(forMs: number): void {
    this.#sleptMs += forMs;
  }
}
