/**
 * `UpdateQueue`: what clients asked for waits here until it is in the chain; another strategy would
 * refuse whatever cannot be proposed at once, and let the client come again.
 *
 * An instance chooses one value, and it may be somebody else's. Without a queue a client's value
 * would be gone in that case, or whenever it arrives while a round is under way. With it the
 * value is proposed in the next instance, and the next, until it is chosen, once.
 */
import { type ClientLink, isUpdate, type Link, type LinkId } from './chain.ts';
import type { Uid } from './composable-paxos.ts';
import type { Constructor } from './replicated-value.ts';
import type { BackoffResolution } from './resolution-strategy.ts';

/** More values and reads than this may not wait in one server; the next one is refused. */
export const MAX_WAITING = 10_000;
/** Nor may they take more memory than this. A character takes two bytes at most. */
export const MAX_WAITING_BYTES = 64 * 1_024 * 1_024;

/** What waits here: values of clients, and reads that need a place in the chain. */
export type Waiting = ClientLink;

/** Why a server does not take what a client wants, and who is master, if that is known. */
export interface Refusal {
  readonly why: string;
  readonly master: Uid | null;
  /** No other server would take it either, nor this one later. */
  readonly isFinal?: boolean;
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
    /** What all of them take. */
    #bytes = 0;
    /** From the beginning of a clean stop on nothing more is taken. */
    #isRetiring = false;
    /** To be called once, when nothing waits any more. */
    #whenEmpty: (() => void) | null = null;

    override get waiting(): number {
      return this.#waiting.length;
    }

    /** Who waits, in the order in which they came: for a layer that proposes more than the head. */
    protected get line(): readonly Waiting[] {
      return this.#waiting;
    }

    override submit(value: string): void {
      super.submit(value);
      const refusal = this.whyNot();
      if (refusal !== null) return this.turnAway(value, refusal.why);
      this.enqueue({ update: value, id: this.newLinkId() });
    }

    /** Whether the queue takes anything now: null, or why it does not. */
    protected whyNot(): Refusal | null {
      if (this.#isRetiring) return { why: 'this server is stopping', master: null };
      if (this.#waiting.length >= MAX_WAITING) {
        return { why: `${MAX_WAITING} wait already`, master: null };
      }
      if (this.#bytes < MAX_WAITING_BYTES) return null;
      return { why: `${MAX_WAITING_BYTES} bytes wait already`, master: null };
    }

    /** Puts a link at the end of the line. Ask `whyNot` first. */
    protected enqueue(link: Waiting): void {
      this.#waiting.push(link);
      this.#count(link, 1);
      this.#say('queued', link, 'it waits for its instance');
      this.pursue();
    }

    /**
     * Why this link needs no instance any more, or cannot have one; null: it waits for its turn.
     * Asked of the head of the line only, when it is about to be proposed.
     */
    protected whyLetGo(link: Waiting): string | null {
      const canLeave = this.environment.messenger.canCarry(link);
      return canLeave ? null : 'it is too long to be sent from this machine';
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

    /** Only the head of the line is proposed … */
    protected override nextLink(): Link | null {
      return this.#waiting[0] ?? super.nextLink();
    }

    /** … so that many of the line are done when the chain names this as our latest: it, or none. */
    protected inChain(latestId: LinkId): number {
      return this.#waiting[0]?.id === latestId ? 1 : 0;
    }

    protected override advanced(link: Link | null): void {
      super.advanced(link);
      const latestId = this.chain.latestUpdateIds[this.uid];
      if (latestId === undefined) return;
      for (const head of this.#waiting.slice(0, this.inChain(latestId))) {
        this.#shift(head);
        this.#say('chosen', head, 'it is in the chain');
        this.done(head);
      }
    }

    protected override pursue(): void {
      this.#letGo();
      super.pursue();
      this.#endIfEmpty();
    }

    /** Much may have happened since this round began: the first phase can take for ever. */
    protected override lead(): void {
      this.#letGo();
      super.lead();
      this.#endIfEmpty();
    }

    /**
     * The queue has let go of a link that is not in the chain. `isFinal`: no other server would
     * take it either, nor this one later.
     */
    protected dropped(_link: Waiting, _why: string, _isFinal: boolean): void {}

    /** Lets go of all that waits, with a word about each. */
    protected giveUp(why: string): void {
      this.#reads = 0;
      this.#bytes = 0;
      for (const link of this.#waiting.splice(0)) {
        this.#say('lost', link, why);
        this.dropped(link, why, false);
      }
      this.#endIfEmpty();
    }

    protected turnAway(value: string, why: string): void {
      const waiting = this.#values;
      this.environment.trace({ event: 'update', what: 'refused', value, id: null, waiting, why });
    }

    /** Lets go of the first in line, until one really needs an instance. */
    #letGo(): void {
      for (;;) {
        const head = this.#waiting[0];
        const why = head === undefined ? null : this.whyLetGo(head);
        if (head === undefined || why === null) return;
        this.#shift(head);
        this.#say('dropped', head, why);
        this.dropped(head, why, false);
      }
    }

    #shift(head: Waiting): void {
      this.#waiting.shift();
      this.#count(head, -1);
    }

    #count(link: Waiting, by: 1 | -1): void {
      if (isUpdate(link)) this.#bytes += by * 2 * link.update.length;
      else this.#reads += by;
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

    #say(what: 'queued' | 'chosen' | 'dropped' | 'lost', link: Waiting, why: string): void {
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
