/**
 * The clocks of one virtual machine. Both run at the machine's own rate; the wall clock can be
 * set, and the monotonic one stands still while the machine sleeps.
 */
export class MachineClock {
  /** Local milliseconds per true millisecond. */
  readonly rate: number;
  #sleptMs = 0;
  #sleepingSinceMs: number | null = null;
  #wallOffsetMs: number;

  constructor(rate = 1, wallOffsetMs = 1_700_000_000_000) {
    this.rate = rate;
    this.#wallOffsetMs = wallOffsetMs;
  }

  now(trueMs: number): number {
    return ((this.#sleepingSinceMs ?? trueMs) - this.#sleptMs) * this.rate;
  }

  wallNow(trueMs: number): number {
    return trueMs * this.rate + this.#wallOffsetMs;
  }

  setWallBy(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  /** The machine falls asleep, unless it is asleep already. */
  sleep(trueMs: number): void {
    this.#sleepingSinceMs ??= trueMs;
  }

  wake(trueMs: number): void {
    if (this.#sleepingSinceMs === null) return;
    this.#sleptMs += trueMs - this.#sleepingSinceMs;
    this.#sleepingSinceMs = null;
  }
}
