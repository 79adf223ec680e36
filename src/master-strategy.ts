/**
 * Master leases: one server at a time may propose, and then needs only one round trip.
 *
 * Two proposers slow each other down, and the first phase of Paxos only guards against a second
 * proposer. So the servers make one of them *master* for a while, by a link of the chain:
 * `{lease: "B"}`. For a window of time after that, nobody else stands for master and nobody
 * promises anything to anybody else; the master proposes alone.
 *
 * **Why the master may skip the first phase.** Number 1 of every instance is *reserved* for the
 * server that the chain before it names as lease holder; everybody else starts at 2. All
 * replicas that reach an instance have the same chain before it, so they mean the same server.
 * Nothing can have been proposed below (1, holder): there is nothing that a first phase could
 * find. The holder uses that id only in an instance in which its acceptor is untouched, and only
 * for a lease that it asked for in this very run of its program (the link's id tells). So no id
 * ever carries two values, whatever any clock says. *Agreement never depends on a clock*. That
 * there is one master at a time does, and so does what a master reads from its memory.
 *
 * **How long a lease lasts.** The holder counts from the moment at which it first *sent* the
 * proposal that was then chosen, and believes in nine tenths of the window. The others count a
 * whole window from the later moment at which they learned of it. The holder asks two clocks: the
 * lease is over when the monotonic one *or* the wall clock says so, because the first may stand
 * still while a laptop sleeps, and the second may be set. And it asks at the moment of acting,
 * since a timer that fires late would be late news.
 *
 * **Who does not know waits.** A replica that starts, or jumps by catch-up, finds a holder named
 * in its chain but not *when*. It takes the lease as just granted. A chain that names nobody (a
 * fresh one, or after a master handed its lease back) binds nobody: were there a later lease, it
 * would stand in this or a later instance, and a quorum could not be had without being told.
 */
import { isLease, type LeaseLink, type Link, type LinkId } from './chain.ts';
import type { Uid } from './composable-paxos.ts';
import type { Timer } from './environment.ts';
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

type LeaseNews = 'wanted' | 'handing back' | 'ours' | 'theirs' | 'unknown' | 'over';

/** A lease link of ours, and when it was first sent in an instance, by both clocks. */
interface SentLease {
  readonly id: LinkId;
  readonly instanceNumber: number;
  readonly nowMs: number;
  readonly wallMs: number;
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
    /** Set while the lease is being handed back: then we are master no longer. */
    #whenHandedBack: (() => void) | null = null;
    #timer: Timer | null = null;

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
      const holder = this.#binding;
      return holder === this.uid ? null : holder;
    }

    override start(): void {
      super.start();
      this.bind(null);
      if (this.chain.lease !== null) this.#say('unknown');
      this.#standLater();
    }

    override stop(): void {
      this.#timer?.cancel();
      super.stop();
    }

    /** The queue runs empty first; then the lease goes back, so that nobody has to wait it out. */
    override retire(done: () => void): void {
      super.retire(() => {
        // What we have asked for may still be granted, when we are gone.
        const isAsking = this.#wish !== null && this.#wish.id === this.#sent?.id;
        if (!this.isMaster && !isAsking) return done();
        this.#whenHandedBack = done;
        this.#timer?.cancel(); // nothing is to be renewed any more
        this.#want(null);
      });
    }

    /** A value that waited here would wait until this server is master. */
    protected override whyNot(): Refusal | null {
      if (this.isMaster) return super.whyNot();
      const { master } = this;
      const why = master === null ? 'there is no master yet' : `the master is ${master}`;
      return { why, master };
    }

    /** Only the master may say what is chosen: nobody else's word comes before its own. */
    protected override get mayAnswer(): boolean {
      return this.leaseLeftMs > 0;
    }

    /** A master has seen everything that a client was ever told, and needs no link to read. */
    protected override get mayReadMemory(): boolean {
      return this.isMaster;
    }

    protected override nextLink(): Link | null {
      return this.#wish ?? (this.isMaster ? super.nextLink() : null);
    }

    protected override drive(): void {
      if (!this.#mayAsk(this.uid)) return this.ignore(`${this.#binding} holds the lease`);
      // The first phase, which the layers below would begin with, is what a lease saves.
      if (this.isMaster && this.acceptorState.promisedId === null) return this.assumeLeadership();
      super.drive();
    }

    /** Remembers when a wish is first sent in an instance: from then on its lease counts. */
    protected override ask(question: Question): void {
      if (question.type === 'accept' && question.proposalValue.id === this.#wish?.id) {
        const { instanceNumber } = question;
        const { id } = question.proposalValue;
        if (this.#sent?.id !== id || this.#sent.instanceNumber !== instanceNumber) {
          const { clock } = this.environment;
          this.#sent = { id, instanceNumber, nowMs: clock.now(), wallMs: clock.wallNow() };
        }
      }
      super.ask(question);
    }

    /** While a lease binds us, we promise to its holder only. */
    protected override receivePrepare(from: Uid, message: Prepare): void {
      if (!this.#mayAsk(from)) return this.ignore(`${this.#binding} holds the lease`);
      super.receivePrepare(from, message);
    }

    protected override advanced(link: Link | null): void {
      super.advanced(link);
      if (link === null || isLease(link)) this.#learnLease(link);
    }

    /** The holder of the lease that binds us now; null if none does. */
    get #binding(): Uid | null {
      const isOver = this.environment.clock.now() >= this.#boundUntilMs;
      return isOver ? null : (this.chain.lease?.holder ?? null);
    }

    #mayAsk(uid: Uid): boolean {
      const holder = this.#binding;
      return holder === null || holder === uid;
    }

    /**
     * The lease that the chain names binds us from now on. `link` is what named it, or null if
     * we do not know when it was named: it may have been just now.
     */
    protected bind(_link: Link | null): void {
      this.#boundUntilMs = this.environment.clock.now() + LEASE_WINDOW_MS;
    }

    /** What is left of a lease of ours, in milliseconds: by the clock that leaves us less. */
    #leftMs({ nowMs, wallMs }: SentLease): number {
      const { clock } = this.environment;
      const byWallMs = clock.wallNow() - wallMs;
      if (byWallMs < 0) return 0; // somebody set it back: it cannot tell any more
      return HOLDER_WINDOW_MS - Math.max(clock.now() - nowMs, byWallMs);
    }

    /** The chain may name another lease than before: by a link, or by a jump over many. */
    #learnLease(link: Link | null): void {
      const { lease } = this.chain;
      this.bind(link);
      if (lease !== null && lease.id === this.#ours?.id) return; // a jump within our own lease

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
      if (this.#whenHandedBack !== null) return this.#whenHandedBack();
      const isKnown = link !== null && lease?.holder !== this.uid;
      this.#say(lease === null ? 'over' : isKnown ? 'theirs' : 'unknown');
      this.#standLater();
    }

    /** We are master. Half-way through the lease we ask for the next one. */
    #reign(ours: SentLease): void {
      if (this.#wish?.id === ours.id) this.#wish = null;
      this.#say('ours', this.#leftMs(ours));
      const { clock } = this.environment;
      this.#wakeIn(ours.nowMs + RENEW_AFTER_MS - clock.now(), () => {
        this.#wakeIn(ours.nowMs + HOLDER_WINDOW_MS - clock.now(), () => this.#say('over'));
        this.#want(this.uid);
      });
    }

    /** Stands for master as soon as that is allowed, after a random wait. */
    #standLater(): void {
      const isFree = this.#mayAsk(this.uid);
      const waitMs = isFree ? 0 : this.#boundUntilMs - this.environment.clock.now();
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

export type MasterLeases = InstanceType<ReturnType<typeof MasterLeases<Constructor<UpdateQueue>>>>;
