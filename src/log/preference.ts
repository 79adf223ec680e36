/**
 * `LeaderPreference`: which server should be master, if it can.
 *
 * For what is chosen it makes no difference who leads. For people it does: one machine is faster,
 * or near to those who ask. So all servers are told whom they should prefer, and two of them act
 * on it. A *master* that is not preferred hands its lease over, at a moment at which it hears the
 * preferred one, and that is level: who was heard a while ago may be gone. A master hears all who
 * are there as often as it renews its lease. And the *preferred* one stands at once when a lease
 * was handed back, while the others wait at random, and so the one who resigned comes last.
 *
 * That is all: nobody gets a lease that it would not have got by itself, so nothing that was safe
 * depends on this layer. What it may cost is time. A preferred server that is heard, and yet
 * cannot lead, would be given the lease over and over, so after each attempt that did not help the
 * next one comes twice as late.
 */
import type { Link } from '../chain.ts';
import type { Uid } from '../composable-paxos.ts';
import type { MasterLeases } from '../master-strategy.ts';
import type { PeerMessage } from '../messages.ts';
import type { Constructor } from '../replicated-value.ts';

const FIRST_PAUSE_MS = 10_000;
export const LONGEST_PAUSE_MS = 600_000;

/**
 * Hands the lease over to the server that is preferred, and has that one stand first. Sits above
 * the leases.
 */
export function LeaderPreference<TBase extends Constructor<MasterLeases>>(Base: TBase) {
  return class LeaderPreference extends Base {
    #resignedAtMs = Number.NEGATIVE_INFINITY;
    #pauseMs = FIRST_PAUSE_MS;
    #isFree = false;

    /** Who should be master; null: all are equal. */
    protected get preferred(): Uid | null {
      return null;
    }

    override receive(from: Uid, message: PeerMessage): void {
      super.receive(from, message);
      if (from !== this.preferred || from === this.uid) return;
      // Who accepts last, of a quorum or beyond it, speaks of an instance that is closed by then.
      const isLevel = message.instanceNumber >= this.instanceNumber - 1;
      if (isLevel) this.#handOver();
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

    #handOver(): void {
      const now = this.environment.clock.now();
      if (!this.isMaster || now - this.#resignedAtMs < this.#pauseMs) return;
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
