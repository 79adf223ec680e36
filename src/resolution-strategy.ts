/**
 * `BackoffResolution`: seeing to it that the open instance comes to an end. Who is refused waits at
 * random; another strategy would have the servers propose in turns.
 *
 * Paxos is always safe, but it ends only if somebody keeps asking. Three things go wrong. A
 * question or its answer is *lost*: it is asked again. Two proposers *duel*, each raising the
 * other's id: who is refused gives the other one time to finish, a round trip and a random time
 * on top, twice as long each time, until one of them is alone. A proposer *dies* half-way, or is
 * cut off: another server steps in after a silence, and the protocol makes it finish what it
 * finds. Silence is when nothing *new* is heard: who repeats itself may be talking to nobody else.
 *
 * How long is long? Half a millisecond in one machine room, half a second around the world, two
 * where disks are slow. So a server measures what its own rounds take, and no wait is shorter.
 */

import type { Link } from './chain.ts';
import type { Uid } from './composable-paxos.ts';
import type { Timer } from './environment.ts';
import type { Question } from './messages.ts';
import type { Constructor, ReplicatedValue } from './replicated-value.ts';

export const RETRANSMIT_INTERVAL_MS = 1_000;
const FIRST_BACKOFF_MS = 5;
const MAX_BACKOFF_MS = 2_000;
/** After this much silence, plus a random share of it, a server finishes what others began. */
const SILENCE_MS = 3_000;
/** A round trip that seems to take longer than this is taken for a loss. */
const MAX_ROUND_TRIP_MS = 5_000;

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
    /** How long the next wait after a refusal may be, beside the round trip. */
    #backoffMs = FIRST_BACKOFF_MS;
    /** When the question that is open was first put. */
    #askedAtMs: number | null = null;
    #roundTripMs = 0;

    /** What a round trip takes here: from a question to a quorum's answer, or to a refusal. */
    protected get roundTripMs(): number {
      return this.#roundTripMs;
    }

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
      if (!this.isBusy && !this.isBeingTold && this.nextLink() !== null) this.drive();
    }

    protected override drive(): void {
      super.drive();
      this.prepare();
    }

    protected override ask(question: Question): void {
      this.#cancelAll();
      this.#askedAtMs = this.environment.clock.now();
      this.#retransmitLater(question);
      super.ask(question);
    }

    protected override lead(): void {
      this.#measure();
      super.lead();
    }

    /** Somebody else is at work on the open instance. */
    protected override heard(from: Uid): void {
      super.heard(from);
      if (from !== this.uid && !this.isBusy) this.#listen();
    }

    /** Stops asking, and tries again later; each time the wait may be twice as long. */
    protected override preempted(from: Uid): void {
      super.preempted(from);
      if (from !== this.uid) this.#measure();
      this.#cancelAll();
      const { roundTripMs } = this;
      const windowMs = Math.max(this.#backoffMs, roundTripMs);
      // Whoever was preferred to us needs one more round trip to finish.
      const delayMs = roundTripMs + this.environment.random() * windowMs;
      this.#backoffMs = Math.min(2 * windowMs, Math.max(MAX_BACKOFF_MS, 4 * roundTripMs));
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

    /** Those who duelled here will meet again in the next instance: that is forgotten by and by. */
    protected override advanced(link: Link | null): void {
      this.#measure();
      this.#cancelAll();
      this.#backoffMs = Math.max(FIRST_BACKOFF_MS, this.#backoffMs / 2);
      super.advanced(link);
    }

    /** Sends this very question again and again: what it says was settled when it was first put. */
    #retransmitLater(question: Question): void {
      this.#retransmit = this.environment.clock.after(this.#retransmitIntervalMs, () => {
        this.#say(`no quorum has answered: send ${question.type} again`);
        this.#retransmitLater(question);
        this.sendToPeers(question);
      });
    }

    get #retransmitIntervalMs(): number {
      return Math.max(RETRANSMIT_INTERVAL_MS, this.roundTripMs);
    }

    /**
     * The question that we have asked, if we have, is answered. Our measure grows at once and
     * shrinks by and by. If we had to ask more than once, nobody can tell a slow answer from a lost
     * question: then it grows by so much only that the next question is given more time.
     */
    #measure(): void {
      if (this.#askedAtMs === null) return;
      const elapsedMs = this.environment.clock.now() - this.#askedAtMs;
      const mostMs = Math.min(2 * this.#retransmitIntervalMs, MAX_ROUND_TRIP_MS);
      const tookMs = Math.min(elapsedMs, mostMs);
      this.#roundTripMs = Math.max(tookMs, (tookMs + this.#roundTripMs) / 2);
    }

    #listen(): void {
      this.#silence?.cancel();
      const silenceMs = Math.max(SILENCE_MS, 2 * this.roundTripMs);
      const delayMs = silenceMs * (1 + this.environment.random());
      this.#silence = this.environment.clock.after(delayMs, () => {
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
      this.#retransmit = this.#backoff = this.#silence = this.#askedAtMs = null;
    }
  };
}

export type BackoffResolution = InstanceType<
  ReturnType<typeof BackoffResolution<typeof ReplicatedValue>>
>;
