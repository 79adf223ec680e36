/**
 * Resolution: seeing to it that the open instance comes to an end.
 *
 * Paxos is always safe, but it ends only if somebody keeps asking. Three things go wrong. A
 * question or its answer is *lost*: it is asked again. Two proposers *duel*, each raising the
 * other's id: who is refused waits for a random time, twice as long each time, until one of them
 * is alone. A proposer *dies* half-way: another server steps in after a silence, and the protocol
 * makes it finish what it finds.
 */

import type { Link } from './chain.ts';
import type { Uid } from './composable-paxos.ts';
import type { Timer } from './environment.ts';
import type { Accept, Accepted, Prepare, Question } from './messages.ts';
import type { Constructor, ReplicatedValue } from './replicated-value.ts';

export const RETRANSMIT_INTERVAL_MS = 1_000;
const FIRST_BACKOFF_MS = 5;
const MAX_BACKOFF_MS = 2_000;
/** After this much silence, plus a random share of it, a server finishes what others began. */
const SILENCE_MS = 3_000;

/**
 * Drives the open instance until it is resolved: retransmits, backs off when refused, and steps in
 * when others fall silent. Expects only the base below it.
 *
 * At any time a server does one of four things about the open instance: it asks (`#retransmit`
 * runs), it waits after a refusal (`#backoff` runs), it listens to others (`#silence` runs), or
 * nothing at all. The first two are what `isBusy` means.
 */
export function BackoffResolution<TBase extends Constructor<ReplicatedValue>>(Base: TBase) {
  return class BackoffResolution extends Base {
    #retransmit: Timer | null = null;
    #backoff: Timer | null = null;
    #silence: Timer | null = null;
    #backoffMs = FIRST_BACKOFF_MS;

    /** True while this server is at work on the open instance by itself. */
    protected get isBusy(): boolean {
      return this.#retransmit !== null || this.#backoff !== null;
    }

    override start(): void {
      super.start();
      // What we accepted may be chosen, and its proposer may be gone: as if we had just heard it.
      if (this.acceptorState.acceptedValue !== null) this.#listen();
    }

    override stop(): void {
      this.#cancelAll();
      super.stop();
    }

    /** Starts to drive if there is something to propose and nothing is under way. */
    protected override pursue(): void {
      super.pursue();
      if (!this.isBusy && this.nextLink() !== null) this.drive();
    }

    protected override drive(): void {
      super.drive();
      this.prepare();
    }

    protected override ask(question: Question): void {
      this.#cancelAll();
      this.#retransmitLater(question);
      super.ask(question);
    }

    protected override receivePrepare(from: Uid, message: Prepare): void {
      this.#heard(from);
      super.receivePrepare(from, message);
    }

    protected override receiveAccept(from: Uid, message: Accept): void {
      this.#heard(from);
      super.receiveAccept(from, message);
    }

    protected override receiveAccepted(from: Uid, message: Accepted): void {
      this.#heard(from);
      super.receiveAccepted(from, message);
    }

    /** Stops asking, and tries again later; each time the wait may be twice as long. */
    protected override refused(): void {
      super.refused();
      this.#cancelAll();
      const delayMs = this.environment.random() * this.#backoffMs;
      this.#backoffMs = Math.min(2 * this.#backoffMs, MAX_BACKOFF_MS);
      this.environment.trace({ event: 'backoff', instanceNumber: this.instanceNumber, delayMs });
      this.#backoff = this.environment.clock.after(delayMs, () => {
        this.#backoff = null;
        this.#say('the wait is over: try again');
        this.drive();
      });
    }

    protected override rested(): void {
      super.rested();
      this.#cancelAll();
    }

    protected override advanced(link: Link | null): void {
      this.#cancelAll();
      this.#backoffMs = FIRST_BACKOFF_MS;
      super.advanced(link);
    }

    /** Sends this very question again and again: what it says was settled when it was first put. */
    #retransmitLater(question: Question): void {
      this.#retransmit = this.environment.clock.after(RETRANSMIT_INTERVAL_MS, () => {
        this.#retransmit = null;
        this.#say(`no quorum has answered: send ${question.type} again`);
        this.#retransmitLater(question);
        this.sendToPeers(question);
      });
    }

    /** Somebody else is at work on the open instance. */
    #heard(from: Uid): void {
      if (from !== this.uid && !this.isBusy) this.#listen();
    }

    #listen(): void {
      this.#silence?.cancel();
      const delayMs = SILENCE_MS * (1 + this.environment.random());
      this.#silence = this.environment.clock.after(delayMs, () => {
        this.#silence = null;
        this.#say('silence: finish what the others began');
        this.drive();
      });
    }

    #say(why: string): void {
      this.environment.trace({ event: 'timer', instanceNumber: this.instanceNumber, why });
    }

    #cancelAll(): void {
      this.#retransmit?.cancel();
      this.#backoff?.cancel();
      this.#silence?.cancel();
      this.#retransmit = this.#backoff = this.#silence = null;
    }
  };
}

export type BackoffResolution = InstanceType<
  ReturnType<typeof BackoffResolution<typeof ReplicatedValue>>
>;
