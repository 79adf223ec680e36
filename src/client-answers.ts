/**
 * Answers: what a client may ask, and what it may then rely on.
 *
 * A client that fires a value and goes away needs nothing of this. One that waits for an answer
 * will ask again when none comes, and perhaps another server, since it cannot tell whether the
 * question was lost, or the answer, or the server. So its request carries an id, and the chain
 * remembers which requests had their effect: however often one is proposed, it happens once.
 *
 * A read must not miss anything that any client was told before. The holder of a lease knows
 * all that, since only it answers while the lease lasts, and reads from memory. Without a
 * lease a read goes through the chain: a link that changes nothing, but marks a moment.
 */
import { type Link, type LinkId, type ReadLink, type RequestId, standingOf } from './chain.ts';
import type { Uid } from './composable-paxos.ts';
import type { ClientAddress } from './environment.ts';
import type { ClientMessage, PeerMessage, Reply, RequestMessage } from './messages.ts';
import type { Constructor } from './replicated-value.ts';
import type { UpdateQueue } from './update-queue.ts';

/** Somebody who waits for an answer. */
interface Asker {
  readonly client: ClientAddress;
  readonly requestId: RequestId;
}

/**
 * Answers clients: `request` when its value is in the chain, `read` with the value, `status` at
 * once. Sits above the queue, in which requests and reads wait, and above the leases, if any.
 */
export function ClientAnswers<TBase extends Constructor<UpdateQueue>>(Base: TBase) {
  return class ClientAnswers extends Base {
    /** Who waits for a request that is in the queue. Bounded as the queue is. */
    #requests = new Map<RequestId, ClientAddress>();
    /** Who waits for a read in the queue, and for which read a link of the queue stands. */
    #readers = new Map<RequestId, ClientAddress>();
    #reads = new Map<LinkId, RequestId>();
    #startedAtMs = 0;
    #heardAtMs = new Map<Uid, number>();

    override start(): void {
      super.start();
      this.#startedAtMs = this.environment.clock.now();
    }

    override receive(from: Uid, message: PeerMessage): void {
      this.#heardAtMs.set(from, this.environment.clock.now());
      super.receive(from, message);
    }

    override receiveFromClient(client: ClientAddress, message: ClientMessage): void {
      switch (message.type) {
        case 'request':
          return this.#receiveRequest(client, message);
        case 'read':
          return this.#receiveRead({ client, requestId: message.requestId }, message.isLocal);
        case 'status':
          return this.#reportStatus({ client, requestId: message.requestId });
        case 'transfer':
          return this.#transfer({ client, requestId: message.requestId }, message.to);
        default:
          return super.receiveFromClient(client, message);
      }
    }

    protected override advanced(link: Link | null): void {
      super.advanced(link);
      if (link === null) for (const requestId of this.#requests.keys()) this.#settle(requestId);
      else if ('request' in link) this.#settle(link.request);
    }

    protected override done(link: Parameters<UpdateQueue['done']>[0]): void {
      super.done(link);
      if ('read' in link) this.#answerRead(link);
    }

    protected override dropped(link: Parameters<UpdateQueue['dropped']>[0], why: string): void {
      super.dropped(link, why);
      const asker = this.#forget(link);
      if (asker === null) return;
      const { client, requestId } = asker;
      this.#reply(client, { type: 'refused', requestId, why, master: this.master });
    }

    /** Who waits for this link, who from now on does so no more. */
    #forget(link: Link): Asker | null {
      if ('request' in link) return takeOut(this.#requests, link.request);
      const requestId = this.#reads.get(link.id);
      this.#reads.delete(link.id);
      return requestId === undefined ? null : takeOut(this.#readers, requestId);
    }

    #receiveRequest(client: ClientAddress, { requestId, value }: RequestMessage): void {
      const isSettled = standingOf(this.chain, requestId) !== 'new';
      if (isSettled && this.mayAnswer) return this.#answerRequest(client, requestId);
      const refusal = this.whyNot();
      if (refusal !== null) {
        this.refuse(value, refusal.why);
        return this.#reply(client, { type: 'refused', requestId, ...refusal });
      }
      if (isKnown(this.#requests, client, requestId)) return;
      this.enqueue({ update: value, id: this.newLinkId(), request: requestId });
    }

    #receiveRead({ client, requestId }: Asker, isLocal: boolean): void {
      if (isLocal) return this.#replyValue({ client, requestId }, false);
      if (this.mayReadMemory) return this.#replyValue({ client, requestId }, true);

      const refusal = this.whyNot();
      if (refusal !== null) return this.#reply(client, { type: 'refused', requestId, ...refusal });
      if (isKnown(this.#readers, client, requestId)) return;
      const link: ReadLink = { read: null, id: this.newLinkId() };
      this.#reads.set(link.id, requestId);
      this.enqueue(link);
    }

    /** If the chain has the request by now, whoever waits for it is answered. */
    #settle(requestId: RequestId): void {
      if (standingOf(this.chain, requestId) === 'new') return;
      const asker = takeOut(this.#requests, requestId);
      if (asker !== null && this.mayAnswer) this.#answerRequest(asker.client, requestId);
    }

    #answerRequest(client: ClientAddress, requestId: RequestId): void {
      const standing = standingOf(this.chain, requestId);
      if (standing === 'forgotten') {
        const why = 'too many others came in between: nobody knows any more whether it is chosen';
        return this.#reply(client, { type: 'refused', requestId, why, master: this.master });
      }
      if (typeof standing !== 'number') return; // overtaken: its client waits for it no more
      this.#reply(client, { type: 'chosen', requestId, instanceNumber: standing });
    }

    #answerRead(link: ReadLink): void {
      const asker = this.#forget(link);
      if (asker !== null && this.mayAnswer) this.#replyValue(asker, true);
    }

    #replyValue({ client, requestId }: Asker, isCurrent: boolean): void {
      const { instanceNumber, chain } = this;
      const value = chain.currentValue;
      this.#reply(client, { type: 'value', requestId, instanceNumber, value, isCurrent });
    }

    /**
     * `to` shall be master. The master hands its lease back, and sends the client on to `to`, which
     * then stands without waiting. If somebody else is faster, the client comes to that one next.
     */
    #transfer({ client, requestId }: Asker, to: Uid): void {
      const refuse = (why: string, master: Uid | null) =>
        this.#reply(client, { type: 'refused', requestId, why, master });
      if (!this.hasLeases) return refuse('nobody is master in this cluster', null);
      if (this.isMaster && to === this.uid) {
        const { leaseLeftMs } = this;
        return this.#reply(client, { type: 'transferred', requestId, leaseLeftMs });
      }
      if (this.isMaster) return this.resign(() => refuse('the lease is handed back', to));

      if (to === this.uid) this.stand();
      const master = this.master ?? to;
      refuse(master === to ? 'it stands for master' : `the master is ${master}`, master);
    }

    #reportStatus({ client, requestId }: Asker): void {
      const now = this.environment.clock.now();
      const { promisedId, acceptedId } = this.acceptorState;
      const heard = this.peers.map((peer) => {
        const atMs = this.#heardAtMs.get(peer);
        return [peer, atMs === undefined ? null : now - atMs] as const;
      });
      this.#reply(client, {
        type: 'status_report',
        requestId,
        instanceNumber: this.instanceNumber,
        value: this.chain.currentValue,
        promisedId,
        acceptedId,
        hasLeases: this.hasLeases,
        master: this.master,
        leaseLeftMs: this.leaseLeftMs,
        waiting: this.waiting,
        uptimeMs: now - this.#startedAtMs,
        heardMs: Object.fromEntries(heard),
      });
    }

    #reply(client: ClientAddress, message: Reply): void {
      this.environment.messenger.reply(client, message);
    }
  };
}

/** Notes who waits, and says whether what it waits for is in the queue already. */
function isKnown(
  waiting: Map<RequestId, ClientAddress>,
  client: ClientAddress,
  requestId: RequestId,
): boolean {
  const isWaiting = waiting.has(requestId);
  waiting.set(requestId, client);
  return isWaiting;
}

/** Whoever waits for this request does so no more. */
function takeOut(waiting: Map<RequestId, ClientAddress>, requestId: RequestId): Asker | null {
  const client = waiting.get(requestId);
  waiting.delete(requestId);
  return client === undefined ? null : { client, requestId };
}

export type ClientAnswers = InstanceType<
  ReturnType<typeof ClientAnswers<Constructor<UpdateQueue>>>
>;
