/**
 * `LeaderPreference`: which server should be master, if it can.
 *
 * For what is chosen it makes no difference who leads. For people it does: one machine is faster,
 * or near to those who ask. So all servers are told whom they should prefer, and two of them act
 * on it. A *master* that is not preferred hands its lease over, once the preferred one is heard and
 * level. And the *preferred* one stands at once when a lease was handed back, while the others
 * wait at random, and so the one who resigned comes last.
 *
 * That is all: nobody gets a lease that it would not have got by itself, so nothing that was safe
 * depends on this layer. What it may cost is time. A preferred server that is heard, and yet
 * cannot lead, would be given the lease over and over, so after each attempt that did not help the
 * next one comes twice as late.
 */
import type { Link } from '../chain.ts';
import type { Uid } from '../composable-paxos.ts';
import type { Timer } from '../environment.ts';
import type { MasterLeases } from '../master-strategy.ts';
import type { PeerMessage } from '../messages.ts';
import type { Constructor } from '../replicated-value.ts';

/** A master that is not preferred thinks about that so often. */
export const CONSIDER_EVERY_MS = 5_000;
/** Who has not been heard for so long is not given the lease. */
const HEARD_WITHIN_MS = 10_000;
const FIRST_PAUSE_MS = 10_000;
export const LONGEST_PAUSE_MS = 600_000;

/**
 * Hands the lease over to the server that is preferred, and has that one stand first. Sits above
 * the leases.
 */
export function LeaderPreference<TBase extends Constructor<MasterLeases>>(Base: TBase) {
  return class LeaderPreference extends Base {
    #consider: Timer | null = null;
    /** When the preferred server was last heard, and was no instance behind. */
    #levelAtMs = Number.NEGATIVE_INFINITY;
    #resignedAtMs = Number.NEGATIVE_INFINITY;
    #pauseMs = FIRST_PAUSE_MS;
    #isFree = false;

    /** Who should be master; null: all are equal. */
    protected get preferred(): Uid | null {
      return null;
    }

    override start(): void {
      super.start();
      if (this.preferred !== null && this.preferred !== this.uid) this.#considerLater();
    }

    override stop(): void {
      this.#consider?.cancel();
      super.stop();
    }

    override receive(from: Uid, message: PeerMessage): void {
      const isLevel = message.instanceNumber >= this.instanceNumber;
      if (from === this.preferred && isLevel) this.#levelAtMs = this.environment.clock.now();
      super.receive(from, message);
    }

    protected override advanced(link: Link | null): void {
      super.advanced(link);
      const holder = this.chain.lease?.holder ?? null;
      if (holder === this.preferred) this.#pauseMs = FIRST_PAUSE_MS;
      this.#isFree = holder === null;
    }

    protected override pursue(): void {
      const isOurTurn = this.#isFree && this.preferred === this.uid;
      this.#isFree = false;
      if (isOurTurn) this.stand();
      super.pursue();
    }

    #considerLater(): void {
      this.#consider = this.environment.clock.after(CONSIDER_EVERY_MS, () => {
        this.#considerLater();
        this.#handOver();
      });
    }

    #handOver(): void {
      const now = this.environment.clock.now();
      const isThere = now - this.#levelAtMs < HEARD_WITHIN_MS;
      if (!this.isMaster || !isThere || now - this.#resignedAtMs < this.#pauseMs) return;
      if (this.#resignedAtMs > Number.NEGATIVE_INFINITY) {
        this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
      }
      this.#resignedAtMs = now;
      const { instanceNumber } = this;
      const why = `${this.preferred} is preferred: the lease goes back`;
      this.environment.trace({ event: 'timer', instanceNumber, why });
      this.resign(() => {});
    }
  };
}

/** The same replica, which prefers this server as master. */
export function preferring<TBase extends Constructor<MasterLeases>>(Base: TBase, uid: Uid) {
  return class PreferringReplica extends LeaderPreference(Base) {
    protected override get preferred(): Uid {
      return uid;
    }
  };
}
