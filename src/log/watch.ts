/**
 * Watching: who wants to hear of every change?
 *
 * Asking again and again what a key holds costs much, and misses what it held for a moment. The
 * log has it all: whoever says which instance it knows can be told every change after it, in order,
 * by any server. So a watcher that loses its server goes on at another one from where it was.
 *
 * What a command has changed is found out when it is applied; the link alone does not tell, since
 * `swap` may have failed. So the changes themselves are kept, the latest of them. They are those
 * since the snapshot from which this server has started, or which it got from another one: what
 * was before that, it cannot tell. A watcher that needs it has to read the keys anew.
 *
 * A watcher *pulls* changes when it hears that there are some, as a snapshot is pulled. So nothing
 * is kept for one that is slow.
 */
import type { Link } from '../chain.ts';
import type { Constructor } from '../replicated-value.ts';
import type { Change } from './state-machine.ts';
import type { Store } from './store.ts';

/** So many changes are kept, and so many characters of them. */
const MOST_CHANGES = 100_000;
const MOST_CHARACTERS = 16_000_000;

/** What the link of one instance has changed, in order. */
export interface Changed {
  readonly instanceNumber: number;
  readonly changes: readonly Change[];
}

/** Keeps the latest changes for whoever watches. Sits above the store, which makes them. */
export function Watch<TBase extends Constructor<Store>>(Base: TBase) {
  return class Watch extends Base {
    /** Those of instances that have changed something, oldest first. */
    #kept: Changed[] = [];
    #count = 0;
    #characters = 0;
    /** Every change of this instance, and of all after it, is kept. */
    #since = 0;
    /** The instance that is applied next, unless there is a jump. */
    #next = 0;
    #changing: Change[] = [];
    readonly #watchers = new Set<() => void>();

    /** How many changes are kept. */
    protected get keepChanges(): number {
      return MOST_CHANGES;
    }

    /** Of instances before this one, changes are not known here any more. */
    get watchableFrom(): number {
      return this.#since;
    }

    /** The first changes in or after this instance; null: there are none yet. */
    changesFrom(instanceNumber: number): Changed | null {
      let [low, high] = [0, this.#kept.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        const isBefore = (this.#kept[middle]?.instanceNumber ?? 0) < instanceNumber;
        if (isBefore) low = middle + 1;
        else high = middle;
      }
      return this.#kept[low] ?? null;
    }

    /** Calls `look` whenever there may be changes, until the function that it returns is called. */
    watch(look: () => void): () => void {
      this.#watchers.add(look);
      return () => this.#watchers.delete(look);
    }

    override start(): void {
      super.start();
      if (this.#next === 0) this.#beginAt(this.instanceNumber);
    }

    protected override changed(changes: readonly Change[]): void {
      super.changed(changes);
      this.#changing.push(...changes);
    }

    protected override apply(link: Link, instanceNumber: number): void {
      if (instanceNumber !== this.#next) this.#beginAt(instanceNumber);
      this.#changing = [];
      super.apply(link, instanceNumber);
      this.#next = instanceNumber + 1;
      if (this.#changing.length > 0) this.#keep({ instanceNumber, changes: this.#changing });
      for (const look of this.#watchers) look();
    }

    /** After a jump nobody can tell what has changed before. */
    protected override advanced(link: Link | null): void {
      super.advanced(link);
      if (link !== null) return;
      this.#beginAt(this.instanceNumber);
      for (const look of this.#watchers) look();
    }

    #beginAt(instanceNumber: number): void {
      this.#since = this.#next = instanceNumber;
      this.#kept = [];
      this.#count = this.#characters = 0;
    }

    #keep(changed: Changed): void {
      this.#kept.push(changed);
      this.#measure(changed, 1);
      while (this.#count > this.keepChanges || this.#characters > MOST_CHARACTERS) {
        const oldest = this.#kept.shift();
        if (oldest === undefined) return;
        this.#measure(oldest, -1);
        this.#since = oldest.instanceNumber + 1;
      }
    }

    #measure({ changes }: Changed, by: 1 | -1): void {
      this.#count += by * changes.length;
      for (const { key, value } of changes) {
        this.#characters += by * (key.length + (value?.length ?? 0));
      }
    }
  };
}

export type Watch = InstanceType<ReturnType<typeof Watch<Constructor<Store>>>>;
