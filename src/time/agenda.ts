/**
 * What will happen, by time: the heart of the virtual world, and what the timers of a real server
 * wait in. A binary heap.
 */

export interface Entry {
  readonly atMs: number;
  /** Breaks ties: what was put down first happens first. */
  readonly order: number;
  /** Null once it is called off. */
  act: (() => void) | null;
}

export class Agenda {
  #heap: Entry[] = [];
  #order = 0;

  /** When the next thing happens that was not called off. */
  get nextAtMs(): number {
    while (this.#heap[0]?.act === null) this.take();
    return this.#heap[0]?.atMs ?? Number.POSITIVE_INFINITY;
  }

  add(atMs: number, act: () => void): Entry {
    const entry: Entry = { atMs, order: this.#order, act };
    this.#order += 1;
    this.#siftUp(this.#heap.length, entry);
    return entry;
  }

  /** Takes out the next entry. */
  take(): Entry | undefined {
    const first = this.#heap[0];
    const last = this.#heap.pop();
    if (last !== undefined && last !== first) this.#siftDown(last);
    return first;
  }

  #siftUp(from: number, entry: Entry): void {
    const heap = this.#heap;
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Entry;
      if (!isBefore(entry, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = entry;
  }

  #siftDown(entry: Entry): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && isBefore(right, heap[child] as Entry)) child += 1;
      const below = heap[child] as Entry;
      if (!isBefore(below, entry)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = entry;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
