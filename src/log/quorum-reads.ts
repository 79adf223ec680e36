/**
 * `QuorumReads`: how to read what is newest without a master to ask, and without a link.
 *
 * Part I knows two ways. A master reads from its memory, as long as its clock says that it is one.
 * And a read may be a link of the chain, which costs as much as a change: two phases, and a save at
 * every server. Here is a third one, without any clock and without any save: a quorum is asked how
 * far it has come, and whoever reads waits until it has come as far itself. (The idea is that of
 * "Linearizable Quorum Reads in Paxos", Charapko, Ailijiang and Demirbas, 2019.)
 *
 * **Why is nothing missed?** Take a change that any client was told of before the read began.
 *
 *   1. It was chosen, in some instance `i`: a quorum had accepted it, each on its disk.
 *   2. Any two quorums share a server, so one of those that are asked had accepted in `i`. It
 *      answers with the first instance in which it has accepted *nothing*: `i + 1` or a later one.
 *   3. The highest answer is where the reader must have come. All before it it has applied then,
 *      and `i` among them. What another read was told was chosen, too, and is found the same way.
 *
 * What was accepted and is not chosen yet is waited for. If its proposer is gone, whoever has
 * accepted it finishes it after a silence, as always. A server that has lost its votes does not
 * know what it has accepted, and keeps silent here as well.
 *
 * **Not beside masters.** A quorum may have accepted what the master itself has not heard of yet.
 * Whoever read it here, and then asks the master, which reads from memory, would see it gone again.
 * So servers with leases do without this layer.
 *
 * **Members that change** (`members.ts`): those are asked who vote in the instance that is open
 * here. If others vote by the time that enough have answered, the read begins anew. And if the
 * members were changed before it began, and this server had not heard of it, then a quorum of
 * those that it asks had accepted the change, and their answers lead it past it.
 *
 * The layer has no timer: a client that waits repeats itself, and so does the question.
 */
import type { LinkId, RequestId } from '../chain.ts';
import { WANTED_FOR_MS } from '../client-answers.ts';
import type { Uid } from '../composable-paxos.ts';
import type { ClientAddress } from '../environment.ts';
import type { ClientMessage, Extent, ExtentRequest, PeerMessage, Reply } from '../messages.ts';
import type { Constructor } from '../replicated-value.ts';
import { MAX_WAITING } from '../update-queue.ts';
import type { Store } from './store.ts';

/** A read that waits, for a quorum or for this server to come as far as that. */
interface QuorumRead {
  readonly client: ClientAddress;
  readonly query: string;
  readonly askedAtMs: number;
  /** Who voted when they were asked. */
  readonly voters: readonly Uid[];
  /** Under this its peers were asked; no other read, in no other run, is called like that. */
  readonly question: LinkId;
  /** What each server has answered, and this one, too, when it was asked. */
  readonly extents: ReadonlyMap<Uid, number>;
}

/**
 * Answers `quorum_query`: as soon as a quorum has said how far it is, and this server is as far, by
 * a local read. Brings the messages `extent_request` and `extent`. Sits above the store.
 */
export function QuorumReads<TBase extends Constructor<Store>>(Base: TBase) {
  return class QuorumReads extends Base {
    #reads = new Map<RequestId, QuorumRead>();
    /** Which of them has asked this. */
    #askers = new Map<LinkId, RequestId>();
    /** The read that is answered just now. */
    #answered: RequestId | null = null;

    override receiveFromClient(client: ClientAddress, message: ClientMessage): void {
      if (message.type !== 'quorum_query') return super.receiveFromClient(client, message);
      const { requestId, query } = message;
      const known = this.#reads.get(requestId);
      if (known === undefined && this.#isFull) {
        const why = `${MAX_WAITING} wait for a quorum's word already`;
        return this.reply(client, {
          type: 'refused',
          requestId,
          why,
          master: null,
          isFinal: false,
        });
      }
      const askedAtMs = this.environment.clock.now();
      this.#ask(requestId, { ...(known ?? this.#begun), client, query, askedAtMs });
      this.#answerIfReady(requestId);
    }

    get #isFull(): boolean {
      if (this.#reads.size >= MAX_WAITING) this.#forgetUnwanted();
      return this.#reads.size >= MAX_WAITING;
    }

    /** What a read begins with: nobody was asked yet but this server itself. */
    get #begun(): Pick<QuorumRead, 'question' | 'voters' | 'extents'> {
      const extents = new Map(this.votes ? [[this.uid, this.extent]] : []);
      return { question: this.newLinkId(), voters: this.uids, extents };
    }

    #ask(requestId: RequestId, read: QuorumRead): void {
      this.#reads.set(requestId, read);
      const { instanceNumber } = this;
      const { question } = read;
      this.#askers.set(question, requestId);
      this.sendToPeers({ type: 'extent_request', instanceNumber, question });
    }

    override receive(from: Uid, message: PeerMessage): void {
      switch (message.type) {
        case 'extent_request':
          return this.receiveExtentRequest(from, message);
        case 'extent':
          return this.receiveExtent(from, message);
        default:
          return super.receive(from, message);
      }
    }

    /** The first instance in which this server has accepted nothing. */
    protected get extent(): number {
      return this.instanceNumber + Number(this.acceptorState.acceptedId !== null);
    }

    protected receiveExtentRequest(from: Uid, { question }: ExtentRequest): void {
      if (!this.votes) return this.ignore('I have lost my votes');
      const { extent: instanceNumber } = this;
      this.environment.messenger.send([from], { type: 'extent', instanceNumber, question });
    }

    protected receiveExtent(from: Uid, message: Extent): void {
      if (this.leapsTooFar(message)) return;
      const { question, instanceNumber } = message;
      const requestId = this.#askers.get(question) ?? '';
      const read = this.#reads.get(requestId);
      const isWanted = read?.voters.includes(from) === true && !read.extents.has(from);
      if (read === undefined || !isWanted) return this.ignore('nobody waits for that any more');
      const extents = new Map([...read.extents, [from, instanceNumber]]);
      this.#reads.set(requestId, { ...read, extents });
      if (instanceNumber > this.instanceNumber) this.requestFrom(from);
      this.#answerIfReady(requestId);
    }

    protected override pursue(): void {
      super.pursue();
      for (const requestId of this.#reads.keys()) this.#answerIfReady(requestId);
    }

    /** So many must have said how far they are, this server among them. */
    protected get extentsWanted(): number {
      return this.quorum;
    }

    #isReady({ extents }: QuorumRead): boolean {
      const farthest = Math.max(...extents.values());
      return extents.size >= this.extentsWanted && farthest <= this.instanceNumber;
    }

    /** What a local read finds at this moment is the newest that there is. */
    #answerIfReady(requestId: RequestId): void {
      const read = this.#reads.get(requestId);
      if (read === undefined) return;
      if (read.voters !== this.uids) this.#askAnew(requestId, read);
      else if (this.#isReady(read)) this.#answer(requestId, read);
    }

    /** Others vote by now. */
    #askAnew(requestId: RequestId, read: QuorumRead): void {
      this.#askers.delete(read.question);
      this.#ask(requestId, { ...read, ...this.#begun });
    }

    #answer(requestId: RequestId, read: QuorumRead): void {
      const { client, query } = read;
      this.#forget(requestId, read);
      this.#answered = requestId;
      super.receiveFromClient(client, { type: 'query', requestId, query, isLocal: true });
      this.#answered = null;
    }

    protected override reply(client: ClientAddress, message: Reply): void {
      const isCurrent = message.type === 'value' && message.requestId === this.#answered;
      super.reply(client, isCurrent ? { ...message, isCurrent } : message);
    }

    #forgetUnwanted(): void {
      const sinceMs = this.environment.clock.now() - WANTED_FOR_MS;
      for (const [requestId, read] of this.#reads) {
        if (read.askedAtMs < sinceMs) this.#forget(requestId, read);
      }
    }

    #forget(requestId: RequestId, { question }: QuorumRead): void {
      this.#reads.delete(requestId);
      this.#askers.delete(question);
    }
  };
}

export type QuorumReads = InstanceType<ReturnType<typeof QuorumReads<Constructor<Store>>>>;
