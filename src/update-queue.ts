/**
 * The queue: what clients asked for waits here until it is in the chain.
 *
 * An instance chooses one value, and it may be somebody else's. Without a queue a client's value
 * would be gone in that case, or whenever it arrives while an instance is open. With it the value
 * is proposed in the next instance, and the next, until it is chosen, once.
 */
import type { Link, LinkId } from './chain.ts';
import type { Constructor } from './replicated-value.ts';
import type { BackoffResolution } from './resolution-strategy.ts';

/** More values than this may not wait in one server; the next one is refused. */
const MAX_WAITING = 10_000;

/** A value that waits, under the link id that it keeps however often it is proposed. */
interface Waiting {
  readonly update: string;
  readonly id: LinkId;
}

/**
 * Keeps the values of clients, in order, until each is in the chain. Sits above the resolution
 * layer, which drives as long as there is a next link.
 *
 * The queue lives in memory: when a server crashes, what waited there is lost, but for the value
 * at its head, which may have been accepted and is then finished by whoever finds it.
 */
export function UpdateQueue<TBase extends Constructor<BackoffResolution>>(Base: TBase) {
  return class UpdateQueue extends Base {
    #waiting: Waiting[] = [];
    #isRetiring = false;
    /** To be called once, when nothing waits any more. */
    #whenEmpty: (() => void) | null = null;

    /** How many values wait. */
    override get waiting(): number {
      return this.#waiting.length;
    }

    override submit(value: string): void {
      super.submit(value);
      if (this.#isRetiring) return this.refuse(value, 'this server is stopping');
      if (this.#waiting.length >= MAX_WAITING) {
        return this.refuse(value, `${MAX_WAITING} values wait already`);
      }
      const entry = { update: value, id: this.newLinkId() };
      this.#waiting.push(entry);
      this.#say('queued', entry, 'it waits for its instance');
      this.pursue();
    }

    /** Takes no more values, and waits until those that it has are in the chain. */
    override retire(done: () => void): void {
      this.#isRetiring = true;
      this.#whenEmpty = () => super.retire(done);
      this.#endIfEmpty();
    }

    override stop(): void {
      this.#whenEmpty = null;
      this.giveUp('the server stops before it is chosen');
      super.stop();
    }

    /** Only the head is proposed: that the chain names its id tells that it is done. */
    protected override nextLink(): Link | null {
      return this.#waiting[0] ?? super.nextLink();
    }

    protected override advanced(link: Link | null): void {
      super.advanced(link);
      const head = this.#waiting[0];
      if (head === undefined || this.chain.latestUpdateIds[this.uid] !== head.id) return;
      this.#waiting.shift();
      this.#say('chosen', head, 'it is in the chain');
      this.#endIfEmpty();
    }

    /** Lets go of all that waits, with a word about each. */
    protected giveUp(why: string): void {
      for (const entry of this.#waiting.splice(0)) this.#say('lost', entry, why);
      this.#endIfEmpty();
    }

    protected refuse(value: string, why: string): void {
      this.#say('refused', { update: value, id: null }, why);
    }

    #endIfEmpty(): void {
      if (this.#waiting.length > 0) return;
      const whenEmpty = this.#whenEmpty;
      this.#whenEmpty = null;
      whenEmpty?.();
    }

    #say(
      what: 'queued' | 'refused' | 'chosen' | 'lost',
      { update: value, id }: { readonly update: string; readonly id: LinkId | null },
      why: string,
    ): void {
      const waiting = this.#waiting.length;
      this.environment.trace({ event: 'update', what, value, id, waiting, why });
    }
  };
}

export type UpdateQueue = InstanceType<
  ReturnType<typeof UpdateQueue<Constructor<BackoffResolution>>>
>;
