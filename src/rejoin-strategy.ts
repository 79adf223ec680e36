/**
 * `Rejoin`: taking a server back that has lost its disk; another strategy would have the others
 * vote in a new server, under a new name.
 *
 * Its promises and what it accepted are votes that others have counted. It must never vote again
 * where it has voted before, and it does not know where that was. So it listens and learns, asks
 * the others, and has a vote again only from an instance on in which it certainly had none. The
 * idea is that of "Paxos Made Live" (Chandra et al., 2007), §5.1.
 *
 * **From which instance on?** A quorum's worth of *others* say which instance is open at theirs;
 * `M` is the highest of these. The server votes from `M + 2` on. Why is that enough?
 *
 *   1. Let `h` be the last instance that it ever had open: it has never voted above `h`.
 *   2. It opened `h` because `h - 1` was chosen, so a quorum had accepted there, on their disks.
 *   3. Any two quorums share a server, and this one is not among those that it asks; so one
 *      of *them* had accepted in `h - 1`, and has `h - 1` or a later instance open.
 *   4. If the one that they share has lost its disk as well, it answers only where it has a vote
 *      again: by this same argument that is above all that it ever voted in, `h - 1` among them.
 *   5. So `M >= h - 1`, that is `h <= M + 1`, and `M + 2` is above all that it can have voted in.
 *
 * `M + 1` would not do: the others may not have learned yet that `h - 1` is chosen, when the
 * server that lost its disk had, and had gone on and voted in `h`. `simulation/explorer/rejoin.ts`
 * tries it.
 *
 * An answer counts only if it was asked for in this run: one that was asked for by an earlier
 * life may be older than what that life did afterwards. And what is lost remains lost until the
 * disk says from where on the server votes: until then every restart asks anew.
 *
 * Leases need nothing more. What an earlier life knew of one is in the chain before `M + 2`, and
 * whichever way the server gets there, by links or by jumps, it is bound for a whole window from
 * then on. A lease of its own it does not believe in: it did not ask for it in this run.
 *
 * Two consequences. A server that has lost its disk counts as one that is down until it votes
 * again, and that takes two more links of the chain. And in a cluster of one or two servers
 * it never comes back: there is no quorum of others.
 */
import type { Link, LinkId } from './chain.ts';
import type { Uid } from './composable-paxos.ts';
import type { Timer } from './environment.ts';
import type { Accept, PeerMessage, Prepare, RejoinAnswer, RejoinRequest } from './messages.ts';
import type { Constructor } from './replicated-value.ts';
import type { Refusal, UpdateQueue } from './update-queue.ts';

const ASK_AGAIN_AFTER_MS = 1_000;
const WHY_NOT = 'I have lost my votes';

/**
 * The first instance in which a server may vote that has lost its disk, out of what others say is
 * open at theirs; null if these are too few.
 */
export function safeInstance(opened: readonly number[], quorum: number): number | null {
  return opened.length < quorum ? null : Math.max(...opened) + 2;
}

/**
 * Keeps a server that has lost its votes from voting, proposing and taking values, until it may
 * again; asks the others from when on, and answers those who ask. Brings the messages
 * `rejoin_request` and `rejoin_answer`. Sits above everything that drives or takes values.
 */
export function Rejoin<TBase extends Constructor<UpdateQueue>>(Base: TBase) {
  return class Rejoin extends Base {
    /** What this run asks, until enough have answered. */
    #question: LinkId | null = null;
    /** Which instance is open at each that has answered it. */
    readonly #opened = new Map<Uid, number>();
    #askAgain: Timer | null = null;
    #isListening = false;

    override start(): void {
      super.start();
      if (this.votes) return;
      this.#isListening = true;
      if (this.votesFrom !== null) return this.#say('waiting');
      const { instanceNumber } = this;
      this.#question = this.newLinkId(); // no other run has one like that
      this.#say('asking');
      this.#ask({ type: 'rejoin_request', instanceNumber, question: this.#question });
    }

    override stop(): void {
      this.#askAgain?.cancel();
      super.stop();
    }

    override receive(from: Uid, message: PeerMessage): void {
      switch (message.type) {
        case 'rejoin_request':
          return this.receiveRejoinRequest(from, message);
        case 'rejoin_answer':
          return this.receiveRejoinAnswer(from, message);
        default:
          return super.receive(from, message);
      }
    }

    protected override receivePrepare(from: Uid, message: Prepare): void {
      if (!this.votes) return this.ignore(WHY_NOT);
      super.receivePrepare(from, message);
    }

    protected override receiveAccept(from: Uid, message: Accept): void {
      if (!this.votes) return this.ignore(WHY_NOT);
      super.receiveAccept(from, message);
    }

    protected override drive(): void {
      if (!this.votes) return this.ignore(WHY_NOT);
      super.drive();
    }

    protected override whyNot(): Refusal | null {
      if (this.votes) return super.whyNot();
      return { why: 'this server has no vote yet', master: this.master };
    }

    protected override advanced(link: Link | null): void {
      super.advanced(link);
      this.#endListening();
    }

    /** Only who has a vote itself may answer: see 4 above. */
    protected receiveRejoinRequest(from: Uid, { question }: RejoinRequest): void {
      if (!this.votes) return this.ignore(WHY_NOT);
      const { instanceNumber } = this;
      this.environment.messenger.send([from], { type: 'rejoin_answer', instanceNumber, question });
    }

    protected receiveRejoinAnswer(from: Uid, message: RejoinAnswer): void {
      if (this.leapsTooFar(message)) return;
      if (message.question !== this.#question) return this.ignore('this run has not asked that');
      this.#opened.set(from, message.instanceNumber);
      const votesFrom = this.safeInstance([...this.#opened.values()]);
      if (votesFrom === null) return this.#say('counting');

      this.#question = null;
      this.#askAgain?.cancel();
      this.voteFrom(votesFrom);
      this.#say('waiting');
      this.#endListening();
    }

    /** From when on it may vote, if these are open at others. */
    protected safeInstance(opened: readonly number[]): number | null {
      return safeInstance(opened, this.quorum);
    }

    #ask(request: RejoinRequest): void {
      this.sendToPeers(request);
      this.#askAgain = this.environment.clock.after(ASK_AGAIN_AFTER_MS, () => this.#ask(request));
    }

    #endListening(): void {
      if (!this.#isListening || !this.votes) return;
      this.#isListening = false;
      this.#say('voting');
    }

    #say(what: 'asking' | 'counting' | 'waiting' | 'voting'): void {
      const { instanceNumber, votesFrom, quorum } = this;
      const answers = this.#opened.size;
      this.environment.trace({ event: 'rejoin', what, instanceNumber, votesFrom, answers, quorum });
    }
  };
}

export type Rejoin = InstanceType<ReturnType<typeof Rejoin<Constructor<UpdateQueue>>>>;
