/**
 * `MasterLeases`: one server at a time may propose, and then needs only one round trip. It is
 * master as long as a lease lasts; another strategy, without clocks, would have it lead until
 * somebody takes a higher proposal id, and could not read from memory.
 *
 * Two proposers slow each other down; and the first phase of Paxos, which finds what somebody else
 * has begun and locks out whoever is lower, is needed only when there is somebody else. So the
 * servers make one of them *master* for a while, by a link of the chain:
 * `{lease: "B"}`. For a window of time after that, nobody else stands for master and nobody
 * promises anything to anybody else; the master proposes alone.
 *
 * **Why the master may skip the first phase.** Number 1 of every instance is *reserved* for the
 * server that the chain before it names as lease holder; everybody else starts at 2. All
 * replicas that reach an instance have the same chain before it, so they mean the same server. A
 * first phase finds what was accepted under a lower id, and locks lower ids out; below (1, holder)
 * there is none. And a proposer with a higher id needs a first phase like everybody: it finds what
 * was accepted under (1, holder), and who has promised it refuses (1, holder) from then on.
 *
 * One thing is left: an id must carry one value only. So the holder uses (1, holder) only in an
 * instance in which its acceptor is untouched: it would have accepted what it proposed before.
 * That is not on the disk at once, so after a crash an untouched acceptor says nothing; therefore
 * it does so only for a lease that it asked for in this very run of its program (the link's id
 * tells). No clock comes into this: *agreement never depends on a clock*. That there is one master
 * at a time does, and so does what a master reads from its memory.
 *
 * **How long a lease lasts.** The holder counts from the moment at which it first *sent* the
 * proposal that was then chosen, and believes in nine tenths of the window. The others count a
 * whole window from the later moment at which they learned of it, by their monotonic clocks. The
 * holder counts by two clocks, because the monotonic one may stand still while a laptop sleeps,
 * and the wall clock may be set: see `SleeplessClock`. And it asks at the moment of acting, since
 * a timer that fires late would be late news.
 *
 * **Who does not know waits.** A replica that starts, or jumps by catch-up, finds a holder named
 * in its chain but not *when*. It takes the lease as just granted. A chain that names nobody (a
 * fresh one, or after a master handed its lease back) binds nobody. But what if there is a lease by
 * now, of which this replica has not heard? Then a quorum has accepted it, in the instance that is
 * open here or in a later one. Whoever stands for master here needs promises from a quorum, too.
 * The two share a server, and that one names the lease in its promise, or sends a catch-up instead.
 */
import { isLease, type LeaseLink, type Link, type LinkId } from './chain.ts';
import type { Uid } from './composable-paxos.ts';
import type { Clock, Timer } from './environment.ts';
import type { Prepare, Question } from './messages.ts';
import type { Constructor } from './replicated-value.ts';
import type { Refusal, UpdateQueue } from './update-queue.ts';

/** How long a lease binds the others. */
export const LEASE_WINDOW_MS = 10_000;
/** The holder believes in it a tenth less: each clock may be off by some 5 %. */
export const HOLDER_WINDOW_MS = 0.9 * LEASE_WINDOW_MS;
/** A master asks for its next lease when this much of the present one is over. */
export const RENEW_AFTER_MS = LEASE_WINDOW_MS / 2;
/** Whoever stands for master waits a random time up to this long first, against duels … */
export const STAND_WITHIN_MS = 1_000;
/** … and less if there is no lease that all have waited for. */
const STAND_FIRST_WITHIN_MS = 500;
/** Who has handed its lease over lets all others stand first. */
const STAND_AFTER_OTHERS_MS = 2 * STAND_FIRST_WITHIN_MS;
/** While a lease of ours may count, we look at the clocks at least this often. */
export const LOOK_EVERY_MS = 50;

type LeaseNews = 'wanted' | 'handing back' | 'ours' | 'theirs' | 'unknown' | 'over';

/** A lease link of ours, and when it was first sent in an instance, by the sleepless clock. */
interface SentLease {
  readonly id: LinkId;
  readonly instanceNumber: number;
  readonly atMs: number;
}

/**
 * Elects a master by leases and lets only it propose. Sits above the queue, whose head it holds
 * back on every other server, and above the resolution layer, whose first phase it may skip.
 */
export function MasterLeases<TBase extends Constructor<UpdateQueue>>(Base: TBase) {
  return class MasterLeases extends Base {
    /** The lease link that we want chosen next; it goes ahead of all values. */
    #wish: LeaseLink | null = null;
    /** The wish that was last sent. */
    #sent: SentLease | null = null;
    /** The lease of ours that the chain names. */
    #ours: SentLease | null = null;
    /** Until when the lease that the chain names binds us, by the monotonic clock. */
    #boundUntilMs = Number.NEGATIVE_INFINITY;
    /** Somebody else is to be master: nothing more is taken, and then the lease goes back. */
    #isResigning = false;
    /** This server stops; then nobody else need ask for its lease. */
    #isRetiring = false;
    /** Set while the lease is being handed back: then we are master no longer. */
    #whenHandedBack: (() => void) | null = null;
    #timer: Timer | null = null;
    /** By this clock our own leases are measured, and … */
    #clock!: SleeplessClock; // from `start` on
    /** … this timer sees to it that it is looked at. */
    #look: Timer | null = null;

    /** May this server act as master? A question to the clocks, asked anew at every use. */
    override get isMaster(): boolean {
      return this.#whenHandedBack === null && this.leaseLeftMs > 0;
    }

    /** What is left of our own lease, in milliseconds; 0 if we have none. */
    override get leaseLeftMs(): number {
      return this.#ours === null ? 0 : Math.max(0, this.#leftMs(this.#ours));
    }

    override get hasLeases(): boolean {
      return true;
    }

    /** Who is master as far as this server knows; null if it knows of none. */
    override get master(): Uid | null {
      if (this.isMaster) return this.uid;
      const holder = this.binding;
      return holder === this.uid ? null : holder;
    }

    override start(): void {
      super.start();
      this.#clock = new SleeplessClock(this.environment.clock);
      this.bind();
      if (this.chain.lease !== null) this.#say('unknown');
      this.#standLater();
    }

    override stop(): void {
      this.#timer?.cancel();
      this.#look?.cancel();
      super.stop();
    }

    /** The queue runs empty first; then the lease goes back, so that nobody has to wait it out. */
    override retire(done: () => void): void {
      this.#isRetiring = true;
      super.retire(() => this.#handBack(done));
    }

    /** The same for a server that goes on: somebody else is to be master. */
    protected override resign(done: () => void): void {
      if (this.#isRetiring || this.#isResigning) return; // who came first is waited for
      this.#isResigning = true;
      this.whenEmpty(() => this.#handBack(() => this.#resigned(done)));
    }

    /** Whoever is to be master need not wait for its turn, only for the end of a lease. */
    protected override stand(): void {
      if (this.#isRetiring || this.#wish !== null || !this.#mayAsk(this.uid)) return;
      this.#timer?.cancel();
      this.#want(this.uid);
    }

    /** A value that waited here would wait until this server is master. */
    protected override whyNot(): Refusal | null {
      if (this.#isResigning) return { why: 'this server hands its lease over', master: null };
      if (this.isMaster) return super.whyNot();
      const { master } = this;
      const why = master === null ? 'there is no master yet' : `the master is ${master}`;
      return { why, master };
    }

    /** Only the master may say what is chosen: nobody else's word comes before its own. */
    protected override get mayAnswer(): boolean {
      return this.isMaster;
    }

    /** A master has seen everything that a client was ever told, and needs no link to read. */
    protected override get mayReadMemory(): boolean {
      return this.isMaster;
    }

    protected override nextLink(): Link | null {
      return this.#wish ?? (this.isMaster ? super.nextLink() : null);
    }

    protected override drive(): void {
      if (!this.#mayAsk(this.uid)) return this.ignore(`${this.binding} holds the lease`);
      // The first phase, which the layers below would begin with, is what a lease saves. A master
      // promises to nobody else, so what has no promise here is what it has not yet used itself.
      if (this.isMaster && this.acceptorState.promisedId === null) return this.assumeLeadership();
      super.drive();
    }

    /** Remembers when a wish is first sent in an instance: from then on its lease counts. */
    protected override ask(question: Question): void {
      if (question.type === 'accept' && question.proposalValue.id === this.#wish?.id) {
        const { instanceNumber } = question;
        const { id } = question.proposalValue;
        if (this.#sent?.id !== id || this.#sent.instanceNumber !== instanceNumber) {
          this.#sent = { id, instanceNumber, atMs: this.#clock.now() };
          this.#keepLooking();
        }
      }
      super.ask(question);
    }

    /** While a lease binds us, we promise to its holder only. */
    protected override receivePrepare(from: Uid, message: Prepare): void {
      if (!this.#mayAsk(from)) return this.ignore(`${this.binding} holds the lease`);
      super.receivePrepare(from, message);
    }

    protected override advanced(link: Link | null): void {
      super.advanced(link);
      if (link === null || isLease(link)) this.#learnLease(link);
    }

    /** The holder of the lease that binds us now; null if none does. */
    protected get binding(): Uid | null {
      const isOver = this.environment.clock.now() >= this.#boundUntilMs;
      return isOver ? null : (this.chain.lease?.holder ?? null);
    }

    #mayAsk(uid: Uid): boolean {
      const holder = this.binding;
      return holder === null || holder === uid;
    }

    /**
     * The lease that the chain names binds us from now on: as if it had been granted just now, even
     * where we do not know when it was.
     */
    protected bind(): void {
      this.#boundUntilMs = this.environment.clock.now() + LEASE_WINDOW_MS;
    }

    /** What is left of a lease of ours, in milliseconds. */
    #leftMs({ atMs }: SentLease): number {
      return atMs + HOLDER_WINDOW_MS - this.#clock.now();
    }

    /** As long as a lease of ours counts, or may when it is granted, no sleep must be missed. */
    #keepLooking(): void {
      this.#look?.cancel();
      if (this.#sent === null || this.#leftMs(this.#sent) <= 0) return;
      this.#look = this.environment.clock.after(LOOK_EVERY_MS, () => this.#keepLooking());
    }

    #handBack(done: () => void): void {
      // What we have asked for may still be granted, when we are gone.
      const isAsking = this.#wish !== null && this.#wish.id === this.#sent?.id;
      if (this.leaseLeftMs === 0 && !isAsking) return done();
      this.#whenHandedBack = done;
      this.#timer?.cancel(); // nothing is to be renewed any more
      this.#want(null);
    }

    #resigned(done: () => void): void {
      this.#isResigning = false;
      this.#whenHandedBack = null;
      this.#standLater(STAND_AFTER_OTHERS_MS);
      done();
    }

    /** The chain may name another lease than before: by a link, or by a jump over many. */
    #learnLease(link: Link | null): void {
      const { lease } = this.chain;
      if (lease !== null && lease.id === this.#ours?.id) return; // a jump within our own lease
      this.bind();

      const sent = lease !== null && lease.id === this.#sent?.id ? this.#sent : null;
      this.#ours = sent !== null && this.#leftMs(sent) > 0 ? sent : null; // it may come too late
      if (this.#ours !== null) {
        // While we hand our lease back, one that we asked for before may still be granted.
        if (this.#whenHandedBack === null) this.#reign(this.#ours);
        return;
      }
      this.#wish = null;
      // Chosen much later, when we are master again, they would replace what is newer by then.
      this.giveUp(lease === null ? 'we are not master' : `${lease.holder} is master now`);
      const isKnown = link !== null && lease?.holder !== this.uid;
      this.#say(lease === null ? 'over' : isKnown ? 'theirs' : 'unknown');
      if (this.#whenHandedBack !== null) return this.#whenHandedBack();
      this.#standLater();
    }

    /** We are master. Half-way through the lease we ask for the next one. */
    #reign(ours: SentLease): void {
      this.#wish = null;
      this.#say('ours', this.#leftMs(ours));
      this.#wakeIn(this.#leftMs(ours) - HOLDER_WINDOW_MS + RENEW_AFTER_MS, () => {
        this.#wakeIn(this.#leftMs(ours), () => this.#say('over'));
        this.#want(this.uid);
      });
    }

    /** Stands for master as soon as that is allowed, after a random wait. */
    #standLater(leastMs = 0): void {
      const isFree = this.#mayAsk(this.uid);
      // We have just learned of the lease, or must behave as if we had.
      const waitMs = isFree ? leastMs : LEASE_WINDOW_MS;
      const withinMs = isFree ? STAND_FIRST_WITHIN_MS : STAND_WITHIN_MS;
      this.#wakeIn(waitMs + this.environment.random() * withinMs, () => this.#want(this.uid));
    }

    #wakeIn(delayMs: number, act: () => void): void {
      this.#timer?.cancel();
      this.#timer = this.environment.clock.after(Math.max(0, delayMs), act);
    }

    #say(what: LeaseNews, lastsMs = 0): void {
      const { instanceNumber } = this;
      const holder = this.chain.lease?.holder ?? null;
      this.environment.trace({ event: 'lease', what, holder, instanceNumber, lastsMs });
    }

    #want(lease: Uid | null): void {
      this.#wish = { lease, id: this.newLinkId() };
      this.#say(lease === null ? 'handing back' : 'wanted');
      this.pursue();
    }
  };
}

/** A wall clock ticks in whole milliseconds: it may seem to fall behind by that, and is not set. */
const RIPPLE_MS = 2;

/**
 * One clock made of two, for whoever must not miss that time passes. The monotonic one may stand
 * still while the machine sleeps, the wall clock may be set either way. So from one look to the
 * next as much time has passed as the clock says that has gone further: when the wall clock gets
 * ahead of the monotonic one, that is counted as sleep, and when it is set back, nothing is.
 *
 * What remains is a wall clock that is set back in the sleep itself, or between the last look and
 * the falling asleep: by so much the sleep seems shorter than it was.
 */
export class SleeplessClock {
  readonly #clock: Clock;
  #sleptMs = 0;
  /** How far the wall clock is ahead of the monotonic one. */
  #aheadMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#aheadMs = clock.wallNow() - clock.now();
  }

  /** Milliseconds for durations, like the monotonic clock's. Every call is a look. */
  now(): number {
    const nowMs = this.#clock.now();
    const aheadMs = this.#clock.wallNow() - nowMs;
    this.#sleptMs += Math.max(0, aheadMs - this.#aheadMs);
    this.#aheadMs = Math.max(aheadMs, Math.min(this.#aheadMs, aheadMs + RIPPLE_MS));
    return nowMs + this.#sleptMs;
  }
}

export type MasterLeases = InstanceType<ReturnType<typeof MasterLeases<Constructor<UpdateQueue>>>>;
