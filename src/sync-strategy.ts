/**
 * `CatchUp`: noticing that others are ahead, and getting there in one step; another strategy, for
 * a chain that is kept, would fetch link after link.
 *
 * A replica that missed links does not need them one by one: whoever is ahead can tell where the
 * chain stands now. The news that we are behind comes by itself most of the time, as a message from
 * a later instance; a poll now and then finds out when nothing else is said.
 */
import { chainOf, type Link } from './chain.ts';
import type { Uid } from './composable-paxos.ts';
import type { Timer } from './environment.ts';
import { type CatchUpMessage, isQuestion, type PeerMessage, type Question } from './messages.ts';
import type { Constructor, ReplicatedValue } from './replicated-value.ts';

const POLL_INTERVAL_MS = 10_000;
/** A burst of messages from a later instance is one piece of news: it is asked about once. */
const ASK_AGAIN_AFTER_MS = 50;

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
          return this.#receiveSyncRequest(from, message.instanceNumber);
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
        return this.#ask(from);
      }
      // Late *answers* to a closed instance are the normal end of it, and nobody waits for us.
      if (isQuestion(message)) this.#tell(from);
    }

    /** What was asked in the instances that we have left is answered. */
    protected override advanced(link: Link | null): void {
      this.#askedAtMs = Number.NEGATIVE_INFINITY;
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
      if (!isQuestion(message)) return;
      const latest = this.#early?.question.instanceNumber ?? 0;
      if (message.instanceNumber >= latest) this.#early = { from, question: message };
    }

    #receiveSyncRequest(from: Uid, instanceNumber: number): void {
      if (instanceNumber > this.instanceNumber) return this.#ask(from);
      if (instanceNumber < this.instanceNumber) return this.#tell(from);
      this.ignore('we are equally far');
    }

    #receiveCatchUp(message: CatchUpMessage): void {
      const { instanceNumber } = message;
      if (instanceNumber <= this.instanceNumber) return this.ignore('we have got there already');
      this.jump(instanceNumber, chainOf(message));
    }

    #ask(peer: Uid): void {
      const now = this.environment.clock.now();
      if (now < this.#askedAtMs + ASK_AGAIN_AFTER_MS) return;
      this.#askedAtMs = now;
      this.environment.messenger.send([peer], this.#request());
    }

    #tell(peer: Uid): void {
      const { instanceNumber, chain } = this;
      this.environment.messenger.send([peer], { type: 'catchup', instanceNumber, ...chain });
    }

    #request(): PeerMessage {
      return { type: 'sync_request', instanceNumber: this.instanceNumber };
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
