/**
 * The links of a log: new ones come behind, and the oldest are forgotten.
 *
 * What is on disk must not change under the hand of whoever writes it, so every save gets a list of
 * its own. To copy twenty thousand links for each would take longer than all the rest of it. So
 * they stand in blocks that never change once they are full, and only the last one is copied.
 */
import type { Link } from '../chain.ts';

/** The links as they are kept on disk. */
export interface LinkBlocks {
  /** Full ones, all of one length. */
  readonly blocks: readonly (readonly Link[])[];
  /** Those that came after them. */
  readonly links: readonly Link[];
}

/** Links without a gap, oldest first. It bounds nothing by itself: see `forget`. */
export class LinkList {
  readonly #blockLength: number;
  #blocks: readonly (readonly Link[])[] = [];
  #links: Link[] = [];

  constructor(blockLength: number, { blocks, links }: LinkBlocks = { blocks: [], links: [] }) {
    this.#blockLength = blockLength;
    // The same objects as are on the disk: a journal writes again whatever is another one.
    const isFitting = blocks.every((block) => block.length === blockLength);
    if (isFitting) this.#blocks = blocks;
    for (const block of isFitting ? [links] : [...blocks, links]) {
      for (const link of block) this.push(link);
    }
  }

  get length(): number {
    return this.#blocks.length * this.#blockLength + this.#links.length;
  }

  push(link: Link): void {
    this.#links.push(link);
    if (this.#links.length < this.#blockLength) return;
    this.#blocks = [...this.#blocks, this.#links];
    this.#links = [];
  }

  at(index: number): Link | undefined {
    const block = this.#blocks[Math.floor(index / this.#blockLength)] ?? this.#links;
    return block[index % this.#blockLength];
  }

  /** The links from this index on, so many of them at most. */
  slice(from: number, most: number): readonly Link[] {
    const until = Math.min(this.length, from + most);
    return Array.from({ length: Math.max(0, until - from) }, (_, index) => {
      return this.at(from + index) as Link;
    });
  }

  /** Forgets so many of the oldest, or some less: no block is opened. */
  forget(count: number): void {
    this.#blocks = this.#blocks.slice(Math.floor(Math.max(0, count) / this.#blockLength));
  }

  /** What they are now, for good. */
  get kept(): LinkBlocks {
    return { blocks: this.#blocks, links: this.#links.slice() };
  }
}
