/**
 * `CatchUp`: noticing that others are ahead, and getting there in one step; another strategy, for
 * a chain that is kept, fetches link after link: see `log/log.ts`.
 *
 * A replica that missed links does not need them one by one: whoever is ahead can tell where the
 * chain stands now. The news that we are behind comes by itself most of the time, as a message from
 * a later instance; a poll now and then finds out when nothing else is said.
 *
 * Two that are equally far must have the same state, since the same links have made it. If they
 * have not, a disk or a memory has failed, or somebody has edited a file, and no round of Paxos
 * would ever notice. So whoever asks says what its state is, as a digest. Of two that differ
 * nobody knows which one is right, and both say so; one that differs from a quorum that agrees
 * stops. Fewer would not do: who is behind is told the state of one, be that right or wrong.
 */
import { chainOf, type Link } from './chain.ts';
import type { Uid } from './composable-paxos.ts';
import type { Timer } from './environment.ts';
import {
  type CatchUpMessage,
  isQuestion,
  type PeerMessage,
  type Question,
  type SyncRequest,
} from './messages.ts';
import type { Constructor, ReplicatedValue } from './replicated-value.ts';
import { MustStop } from './state.ts';

const POLL_INTERVAL_MS = 10_000;
/** A burst of messages from a later instance is one piece of news: it is asked about once. */
const ASK_AGAIN_AFTER_MS = 50;
/** That two servers differ is said no more often than this: less than a poll takes. */
const DIFFER_AGAIN_AFTER_MS = 5_000;

/**
 * Asks whoever is ahead for the state of the chain, and tells those who are behind. Brings the
 * messages `sync_request` and `catchup`. Expects only the base below it.
 */
export function CatchUp<TBase extends Constructor<ReplicatedValue>>(Base: TBase) {
  return class CatchUp extends Base {
    #poll: Timer | null = null;
    #askedAtMs = Number.NEGATIVE_INFINITY;
    /** The latest question that came before its time. */
    #early: { readonly from: Uid; readonly question: Question } | null = null;
    /** The digests of the others that are in this instance, and when they said so last. */
    #digests = new Map<Uid, { readonly digest: string; readonly atMs: number }>();

    override start(): void {
      super.start();
      this.sendToPeers(this.#request());
      this.#pollLater();
    }

    override stop(): void {
      this.#poll?.cancel();
      super.stop();
    }

    override receive(from: Uid, message: PeerMessage): void {
      switch (message.type) {
        case 'sync_request':
          return this.#receiveSyncRequest(from, message);
        case 'catchup':
          return this.#receiveCatchUp(message);
        default:
          return super.receive(from, message);
      }
    }

    /** A later instance is news to us; a question about an earlier one shows who needs news. */
    protected override receiveFromOtherInstance(from: Uid, message: PeerMessage): void {
      super.receiveFromOtherInstance(from, message);
      if (message.instanceNumber > this.instanceNumber) {
        this.#keep(from, message);
        return this.requestFrom(from);
      }
      // Late *answers* to a closed instance are the normal end of it, and nobody waits for us.
      if (isQuestion(message)) this.tell(from, message.instanceNumber);
    }

    /** What was asked in the instances that we have left is answered. */
    protected override advanced(link: Link | null): void {
      this.#askedAtMs = Number.NEGATIVE_INFINITY;
      this.#digests.clear();
      super.advanced(link);
    }

    /**
     * Once we are there, an early question is answered, as if it had come later. Whoever asked
     * may need our answer for its quorum, and would ask again only after a second, each time.
     */
    protected override pursue(): void {
      super.pursue();
      const early = this.#early;
      if (early === null || early.question.instanceNumber > this.instanceNumber) return;
      this.#early = null;
      if (early.question.instanceNumber === this.instanceNumber) {
        this.environment.trace({ event: 'recall', ...early });
        this.receive(early.from, early.question);
      }
    }

    #keep(from: Uid, message: PeerMessage): void {
      if (isQuestion(message)) this.#early = { from, question: message };
    }

    #receiveSyncRequest(from: Uid, { instanceNumber, digest }: SyncRequest): void {
      if (instanceNumber > this.instanceNumber) return this.requestFrom(from);
      if (instanceNumber < this.instanceNumber) return this.tell(from, instanceNumber);
      const atMs = this.environment.clock.now();
      const last = this.#digests.get(from);
      this.#digests.set(from, { digest, atMs });
      if (digest === this.digest) return this.ignore('we are equally far');
      const isSaid = last?.digest === digest && atMs < last.atMs + DIFFER_AGAIN_AFTER_MS;
      if (isSaid) return this.ignore('we differ, as was said');

      this.environment.trace({ event: 'differs', from, instanceNumber });
      this.#stopIfOutvoted(digest);
      // It has to hear of it, too, and from all: that tells which of us is wrong.
      this.sendToPeers(this.#request());
    }

    /** There is no second quorum that could agree with us. */
    #stopIfOutvoted(theirs: string): void {
      const heard = [...this.#digests];
      const agreeing = heard.filter(([, { digest }]) => digest === theirs).map(([uid]) => uid);
      const others = agreeing.filter((uid) => this.uids.includes(uid));
      if (others.length < this.quorum) return;
      const where = `${others.sort().join(' and ')} in instance ${this.instanceNumber}`;
      const advice =
        'its disk or its memory is bad; if it says so again, move its state away and use --rejoin';
      throw new MustStop(`its state is not that of ${where}: ${advice}`);
    }

    #receiveCatchUp(message: CatchUpMessage): void {
      if (this.leapsTooFar(message)) return;
      const { instanceNumber } = message;
      if (instanceNumber <= this.instanceNumber) return this.ignore('we have got there already');
      this.jump(instanceNumber, chainOf(message));
    }

    /** Has this one anything that we miss? */
    protected requestFrom(peer: Uid): void {
      const now = this.environment.clock.now();
      if (now < this.#askedAtMs + ASK_AGAIN_AFTER_MS) return;
      this.#askedAtMs = now;
      this.environment.messenger.send([peer], this.#request());
    }

    /** Tells one that is still at instance `_open` where the chain stands. */
    protected tell(peer: Uid, _open: number): void {
      const { instanceNumber, chain } = this;
      this.environment.messenger.send([peer], { type: 'catchup', instanceNumber, ...chain });
    }

    #request(): PeerMessage {
      const { instanceNumber, digest } = this;
      return { type: 'sync_request', instanceNumber, digest };
    }

    #pollLater(): void {
      if (this.peers.length === 0) return;
      this.#poll = this.environment.clock.after(POLL_INTERVAL_MS, () => {
        this.#pollLater();
        const peer = this.peers[Math.floor(this.environment.random() * this.peers.length)];
        if (peer !== undefined) this.environment.messenger.send([peer], this.#request());
      });
    }
  };
}

export type CatchUp = InstanceType<ReturnType<typeof CatchUp<typeof ReplicatedValue>>>;
