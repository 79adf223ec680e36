/**
 * `LeaderTracking`: who leads, and since when?
 *
 * A master that is lost has a successor after some seconds, and whoever looks only now sees a
 * master, as always. So every server remembers when the reign of the master that it knows began:
 * in which instance, which is the same for all, and how long ago, by its own monotonic clock. A
 * lease that is renewed in time goes on with the reign; another holder, or a gap in which anybody
 * might have stood, begins a new one. Nothing that is decided depends on this.
 */
import { isLease, type Link } from '../chain.ts';
import type { ClientAnswers } from '../client-answers.ts';
import type { Uid } from '../composable-paxos.ts';
import type { ClientAddress } from '../environment.ts';
import type { MasterLeases } from '../master-strategy.ts';
import type { ReignReport, Reply } from '../messages.ts';
import type { Constructor } from '../replicated-value.ts';

interface Reign {
  readonly holder: Uid;
  /** Since when this server knows of it. */
  readonly atMs: number;
  /** The instance that began it; null: this server was not there. */
  readonly since: number | null;
}

/** Tells in `status` since when the master is master. Sits above the leases and the answers. */
export function LeaderTracking<TBase extends Constructor<MasterLeases & ClientAnswers>>(
  Base: TBase,
) {
  return class LeaderTracking extends Base {
    #reign: Reign | null = null;

    override start(): void {
      super.start();
      this.#reign = this.#reignSince(null);
    }

    protected override advanced(link: Link | null): void {
      const holder = this.chain.lease?.holder ?? null;
      // The layer below has not heard yet of what the chain names now: this is the lease before.
      const goesOn = this.binding !== null && holder === (this.#reign?.holder ?? null);
      const isNews = link === null || isLease(link);
      super.advanced(link);
      if (!isNews || goesOn) return;
      this.#reign = this.#reignSince(link === null ? null : this.instanceNumber - 1);
    }

    #reignSince(since: number | null): Reign | null {
      const holder = this.chain.lease?.holder ?? null;
      return holder === null ? null : { holder, since, atMs: this.environment.clock.now() };
    }

    protected override reply(client: ClientAddress, message: Reply): void {
      const isStatus = message.type === 'status_report';
      super.reply(client, isStatus ? { ...message, reign: this.reign } : message);
    }

    /** Since when the master is master; null: this server knows of none. */
    get reign(): ReignReport | null {
      if (this.#reign === null || this.master !== this.#reign.holder) return null;
      const { since, atMs } = this.#reign;
      return { since, forMs: this.environment.clock.now() - atMs };
    }
  };
}
