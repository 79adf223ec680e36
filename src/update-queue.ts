/**
 * The queue: what clients asked for waits here until it is in the chain.
 *
 * An instance chooses one value, and it may be somebody else's. Without a queue a client's value
 * would be gone in that case, or whenever it arrives while a round is under way. With it the
 * value is proposed in the next instance, and the next, until it is chosen, once.
 */
import {
  isUpdate,
  type Link,
  type ReadLink,
  type RequestedLink,
  type UpdateLink,
} from './chain.ts';
import type { Uid } from './composable-paxos.ts';
import type { Constructor } from './replicated-value.ts';
import type { BackoffResolution } from './resolution-strategy.ts';

/** More values and reads than this may not wait in one server; the next one is refused. */
export const MAX_WAITING = 10_000;

/** What waits here: values of clients, and reads that need a place in the chain. */
type Waiting = UpdateLink | RequestedLink | ReadLink;

/** Why a server does not take what a client wants, and who is master, if that is known. */
export interface Refusal {
  readonly why: string;
  readonly master: Uid | null;
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
    /** How many of these are reads: the trace speaks of values only. */
    #reads = 0;
    /** From the beginning of a clean stop on nothing more is taken. */
    #isRetiring = false;
    /** To be called once, when nothing waits any more. */
    #whenEmpty: (() => void) | null = null;

    override get waiting(): number {
      return this.#waiting.length;
    }

    override submit(value: string): void {
      super.submit(value);
      const refusal = this.whyNot();
      if (refusal !== null) return this.refuse(value, refusal.why);
      this.enqueue({ update: value, id: this.newLinkId() });
    }

    /** Whether the queue takes anything now: null, or why it does not. */
    protected whyNot(): Refusal | null {
      if (this.#isRetiring) return { why: 'this server is stopping', master: null };
      if (this.#waiting.length < MAX_WAITING) return null;
      return { why: `${MAX_WAITING} wait already`, master: null };
    }

    /** Puts a link at the end of the line. Ask `whyNot` first. */
    protected enqueue(link: Waiting): void {
      this.#waiting.push(link);
      if (!isUpdate(link)) this.#reads += 1;
      this.#say('queued', link, 'it waits for its instance');
      this.pursue();
    }

    /** The link is in the chain, and the queue has let it go. */
    protected done(_link: Waiting): void {}

    /** Takes no more values, and waits until those that it has are in the chain. */
    override retire(done: () => void): void {
      this.#isRetiring = true;
      this.whenEmpty(() => super.retire(done));
    }

    /** Calls `act` once nothing waits here: at once, or later. Only the latest `act` is kept. */
    protected whenEmpty(act: () => void): void {
      this.#whenEmpty = act;
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
      if (!isUpdate(head)) this.#reads -= 1;
      this.#say('chosen', head, 'it is in the chain');
      this.done(head);
      this.#endIfEmpty();
    }

    /** The queue has let go of a link that is not in the chain. */
    protected dropped(_link: Waiting, _why: string): void {}

    /** Lets go of all that waits, with a word about each. */
    protected giveUp(why: string): void {
      this.#reads = 0;
      for (const link of this.#waiting.splice(0)) {
        this.#say('lost', link, why);
        this.dropped(link, why);
      }
      this.#endIfEmpty();
    }

    protected refuse(value: string, why: string): void {
      const waiting = this.#values;
      this.environment.trace({ event: 'update', what: 'refused', value, id: null, waiting, why });
    }

    /** How many of those who wait are values. */
    get #values(): number {
      return this.#waiting.length - this.#reads;
    }

    #endIfEmpty(): void {
      if (this.#waiting.length > 0) return;
      const whenEmpty = this.#whenEmpty;
      this.#whenEmpty = null;
      whenEmpty?.();
    }

    #say(what: 'queued' | 'chosen' | 'lost', link: Waiting, why: string): void {
      if (!isUpdate(link)) return;
      const waiting = this.#values;
      const { update: value, id } = link;
      this.environment.trace({ event: 'update', what, value, id, waiting, why });
    }
  };
}

export type UpdateQueue = InstanceType<
  ReturnType<typeof UpdateQueue<Constructor<BackoffResolution>>>
>;
