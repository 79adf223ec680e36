/**
 * `LockExpiry`: when is a lock over, if its holder is gone?
 *
 * All servers must end it at the same place, and no two clocks say the same. So it ends by a link,
 * `expire NAME SINCE`, and clocks only say when to *propose* that. Each server measures the time of
 * each lock on its own monotonic clock, from when it has applied the command that took or renewed
 * it. The first whose time is over, and that may propose, does: with masters that is the master.
 * Without masters any server may, and each waits at random a little longer, so that one comes first
 * and the others hear of it.
 *
 * Two things follow:
 *
 *   1. *A lock lives for at least as long as it was asked for.* A server counts from when it has
 *      applied the command, and the holder from when it sent it, which is earlier. The lock lives
 *      longer if nobody can propose its end, or if those who can have started, or jumped, since:
 *      they do not know since when it was held, and count from that moment.
 *   2. *A link that comes late does no harm.* It names the instance since which the lock was held.
 *      If somebody has renewed it meanwhile, or another one has it, it changes nothing.
 *
 * How exact the clocks are matters only for the first. If one is wrong by 5 %, so is the time; and
 * that is one reason more why a holder sends its token along: see `locks.ts`.
 */
import type { Link } from '../chain.ts';
import type { Timer } from '../environment.ts';
import type { Constructor } from '../replicated-value.ts';
import { type Expiry, expiryLine } from './locks.ts';
import { entriesFrom, type Tree } from './sorted-map.ts';
import type { Lock } from './state-machine.ts';
import type { Store } from './store.ts';

/** So much longer, at random, does each server wait: most of the time another one is first. */
const STAGGER_MS = 500;
/** A lock whose time is over is looked at again after so long: its end may not be chosen yet. */
const AGAIN_AFTER_MS = 1_000;
/** A timer may be early by what numbers are rounded by: the next one must not be at once. */
const A_MOMENT_MS = 1;

/** When the time of a lock is over that is held since this instance. */
interface Due extends Expiry {
  readonly atMs: number;
}

/** Proposes the end of locks whose time is over. Sits above the store, whose locks they are. */
export function LockExpiry<TBase extends Constructor<Store>>(Base: TBase) {
  return class LockExpiry extends Base {
    /** The locks that were held when we looked last … */
    #known: Tree<Lock> = null;
    /** … and for each of them, by its name, when it is over. */
    #due = new Map<string, Due>();
    #timer: Timer | null = null;

    override start(): void {
      super.start();
      this.#review();
    }

    override stop(): void {
      this.#timer?.cancel();
      super.stop();
    }

    protected override apply(link: Link, instanceNumber: number): void {
      super.apply(link, instanceNumber);
      if (this.isRunning) this.#review();
    }

    /** After a jump there may be other locks. */
    protected override advanced(link: Link | null): void {
      super.advanced(link);
      if (link === null) this.#review();
    }

    /** Time counts anew for what was taken or renewed, and for nothing else. */
    #review(): void {
      const { locks } = this;
      if (locks === this.#known) return;
      this.#known = locks;
      const nowMs = this.environment.clock.now();
      const before = this.#due;
      this.#due = new Map();
      for (const [name, { since, forMs }] of entriesFrom(locks)) {
        const known = before.get(name);
        const waitMs = forMs + this.environment.random() * STAGGER_MS;
        const due = known?.since === since ? known : { name, since, atMs: nowMs + waitMs };
        this.#due.set(name, due);
      }
      this.#wakeLater();
    }

    #wakeLater(): void {
      this.#timer?.cancel();
      if (this.#due.size === 0) return;
      const { clock } = this.environment;
      const first = Math.min(...[...this.#due.values()].map(({ atMs }) => atMs));
      this.#timer = clock.after(Math.max(A_MOMENT_MS, first - clock.now()), () => this.#wake());
    }

    #wake(): void {
      const nowMs = this.environment.clock.now();
      const over = [...this.#due.values()].filter(({ atMs }) => atMs <= nowMs);
      for (const due of over) {
        this.#due.set(due.name, { ...due, atMs: nowMs + AGAIN_AFTER_MS });
      }
      this.#wakeLater();
      for (const due of over) this.endLock(due);
    }

    /** The time of this lock is over: proposes its end, or leaves that to whoever may propose. */
    protected endLock(expiry: Expiry): void {
      const update = expiryLine(expiry);
      const isWaiting = this.line.some((link) => 'update' in link && link.update === update);
      if (isWaiting || this.whyNot() !== null) return;
      this.enqueue({ update, id: this.newLinkId() });
    }
  };
}

export type LockExpiry = InstanceType<ReturnType<typeof LockExpiry<Constructor<Store>>>>;
