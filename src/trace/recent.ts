/** A map that does not grow beyond so many entries: it forgets the one that was put in first. */
export class RecentMap<Key, Value> {
  readonly #most: number;
  readonly #entries = new Map<Key, Value>();
  /** Something is not known any more: that a key is not here may mean that it is forgotten. */
  hasForgotten = false;

  constructor(most: number) {
    this.#most = most;
  }

  has(key: Key): boolean {
    return this.#entries.has(key);
  }

  get(key: Key): Value | undefined {
    return this.#entries.get(key);
  }

  set(key: Key, value: Value): void {
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#most) return;
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest);
      this.hasForgotten = true;
      return;
    }
  }

  delete(key: Key): void {
    this.#entries.delete(key);
  }
}
