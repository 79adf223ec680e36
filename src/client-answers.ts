/**
 * `ClientAnswers`: what a client may ask, and what it may then rely on. A read has a place in the
 * chain, or a master to ask; another strategy would ask a quorum how far it is, and write nothing.
 *
 * A client that fires a value and goes away needs nothing of this. One that waits for an answer
 * will ask again when none comes, and perhaps another server, since it cannot tell whether the
 * question was lost, or the answer, or the server. So its request carries an id, and the chain
 * remembers which requests had their effect: however often one is proposed, it happens once.
 *
 * Since a client asks several servers, the same request may wait in several queues. Who comes
 * last finds it in the chain: it is answered then, and not proposed once more. And who has not
 * asked for long waits no longer, or waits elsewhere.
 *
 * A read must not miss anything that any client was told before. The holder of a lease knows
 * all that, since only it answers while the lease lasts, and reads from memory. Without a
 * lease a read goes through the chain: a link that changes nothing, but marks a moment. It marks
 * it for all who have asked before it was first proposed. Who comes later needs a later one: the
 * link may be chosen by then, and a change after it be told to somebody.
 */
import {
  isUpdate,
  type Link,
  type LinkId,
  type RequestId,
  type Standing,
  singlesOf,
  standingOf,
} from './chain.ts';
import type { Uid } from './composable-paxos.ts';
import type { ClientAddress } from './environment.ts';
import type {
  ClientMessage,
  PeerMessage,
  Question,
  ReadMessage,
  Reply,
  RequestMessage,
  TransferMessage,
} from './messages.ts';
import type { Constructor } from './replicated-value.ts';
import { MAX_WAITING, type Refusal, type UpdateQueue, type Waiting } from './update-queue.ts';

/**
 * Who has not asked for so long does not wait here any more. A client that waits asks again every
 * four seconds at most: whomever it asked last may miss it twice.
 */
export const WANTED_FOR_MS = 10_000;

/** Where to answer somebody, and when it last asked. */
interface Asker {
  readonly client: ClientAddress;
  readonly askedAtMs: number;
}

/** Somebody who waits for this link to be chosen. */
interface Reader extends Asker {
  readonly linkId: LinkId;
}

type Askers = readonly (readonly [RequestId, Asker])[];

/**
 * Answers clients: `request` when its value is in the chain, `read` with the value, `reach` and
 * `status` at once. Sits above the queue, in which requests and reads wait, and above the leases,
 * if there are any.
 */
export function ClientAnswers<TBase extends Constructor<UpdateQueue>>(Base: TBase) {
  return class ClientAnswers extends Base {
    /** Who waits for a request that is in the queue. Bounded as the queue is. */
    #requests = new Map<RequestId, Asker>();
    /** Who waits for a read. Several may wait for one link of the queue. */
    #readers = new Map<RequestId, Reader>();
    /** The read link that was never proposed yet: whoever comes now may share it. */
    #sharedRead: LinkId | null = null;
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
          return this.#receiveRead(client, message);
        case 'reach':
          return this.#replyReached(client, message.requestId);
        case 'status':
          return this.#reportStatus(client, message.requestId);
        case 'transfer':
          return this.#transfer(client, message);
        case 'query':
        case 'quorum_query': {
          const why = 'this server is no store: start all of them with --store';
          return this.#refuse(client, message.requestId, { why, master: null, isFinal: true });
        }
        default:
          return super.receiveFromClient(client, message);
      }
    }

    /** Whether this request has had its effect. */
    protected standingOf(request: RequestId): Standing {
      return standingOf(this.chain, request);
    }

    /** Who fires a value and then reads may expect to find it. */
    override submit(value: string): void {
      this.#sharedRead = null;
      super.submit(value);
    }

    /** From now on the link may be chosen at any moment. */
    protected override ask(question: Question): void {
      if (question.type === 'accept') {
        for (const one of singlesOf(question.proposalValue)) this.#stopSharing(one);
      }
      super.ask(question);
    }

    protected override advanced(link: Link | null): void {
      super.advanced(link);
      if (link === null) for (const requestId of this.#requests.keys()) this.#settle(requestId);
      else for (const one of singlesOf(link)) if ('request' in one) this.#settle(one.request);
    }

    /** What clients wait for is proposed only if the chain lacks it, and they still wait. */
    protected override whyLetGo(link: Waiting): string | null {
      if ('request' in link) {
        const standing = this.standingOf(link.request);
        if (typeof standing === 'number') return `it was chosen in instance ${standing}`;
        if (standing === 'overtaken') return 'its client has gone on to something else';
        if (standing === 'forgotten') return 'it may have been chosen: nobody knows any more';
      }
      return this.#isWanted(link) ? super.whyLetGo(link) : 'nobody has asked for it for long';
    }

    protected override done(link: Waiting): void {
      super.done(link);
      if (!('read' in link)) return;
      for (const [requestId, { client }] of this.#takeAskers(link)) {
        this.#replyValue(client, requestId, true);
      }
    }

    protected override dropped(link: Waiting, why: string, isFinal: boolean): void {
      super.dropped(link, why, isFinal);
      for (const [requestId, { client }] of this.#takeAskers(link)) {
        this.#refuse(client, requestId, { why, master: this.master, isFinal });
      }
    }

    /** Whether anybody waits for this link. Who fired a value has gone away, and counts on us. */
    #isWanted(link: Waiting): boolean {
      const sinceMs = this.environment.clock.now() - WANTED_FOR_MS;
      if (isUpdate(link) && !('request' in link)) return true;
      return this.#askersOf(link).some(([, { askedAtMs }]) => askedAtMs >= sinceMs);
    }

    /** Who waits for this link, who from now on does so no more. */
    #takeAskers(link: Waiting): Askers {
      this.#stopSharing(link);
      const askers = this.#askersOf(link);
      for (const [requestId] of askers) {
        this.#requests.delete(requestId);
        this.#readers.delete(requestId);
      }
      return askers;
    }

    #askersOf(link: Waiting): Askers {
      if ('read' in link) return [...this.#readers].filter(([, { linkId }]) => linkId === link.id);
      const asker = 'request' in link ? this.#requests.get(link.request) : undefined;
      return 'request' in link && asker !== undefined ? [[link.request, asker]] : [];
    }

    #stopSharing({ id }: Link): void {
      if (this.#sharedRead === id) this.#sharedRead = null;
    }

    #receiveRequest(client: ClientAddress, { requestId, value }: RequestMessage): void {
      const isSettled = this.standingOf(requestId) !== 'new';
      if (isSettled && this.mayAnswer) return this.#answerRequest(client, requestId);
      const refusal = this.whyNot();
      if (refusal !== null) {
        this.turnAway(value, refusal.why);
        return this.#refuse(client, requestId, refusal);
      }
      const isKnown = this.#requests.has(requestId);
      this.#requests.set(requestId, { client, askedAtMs: this.environment.clock.now() });
      if (isKnown) return;
      this.enqueue({ update: value, id: this.newLinkId(), request: requestId });
    }

    #receiveRead(client: ClientAddress, { requestId, isLocal }: ReadMessage): void {
      if (isLocal) return this.#replyValue(client, requestId, false);
      if (this.mayReadMemory) return this.#replyValue(client, requestId, true);

      const refusal = this.whyNot() ?? this.#whyNoReader();
      if (refusal !== null) return this.#refuse(client, requestId, refusal);
      const askedAtMs = this.environment.clock.now();
      const known = this.#readers.get(requestId)?.linkId ?? this.#sharedRead;
      const linkId = known ?? this.newLinkId();
      this.#readers.set(requestId, { client, askedAtMs, linkId });
      if (known !== null) return;
      this.#sharedRead = linkId;
      this.enqueue({ read: null, id: linkId });
    }

    /** Links that are shared bound the queue, but not those who share them. */
    #whyNoReader(): Refusal | null {
      if (this.#readers.size < MAX_WAITING) return null;
      return { why: `${MAX_WAITING} wait for a read already`, master: null };
    }

    /** If the chain has the request by now, whoever waits for it is answered. */
    #settle(requestId: RequestId): void {
      if (this.standingOf(requestId) === 'new') return;
      const asker = takeOut(this.#requests, requestId);
      if (asker === null) return;
      if (this.mayAnswer) return this.#answerRequest(asker.client, requestId);
      const { master } = this;
      const why = master === null ? 'there is no master yet' : `the master is ${master}`;
      this.#refuse(asker.client, requestId, { why, master });
    }

    #answerRequest(client: ClientAddress, requestId: RequestId): void {
      const standing = this.standingOf(requestId);
      if (standing === 'forgotten') {
        // Final would mean that it is nowhere. So its client asks on, and says in the end: unknown.
        const why = 'too many others came in between: nobody knows any more whether it is chosen';
        return this.#refuse(client, requestId, { why, master: null });
      }
      if (typeof standing !== 'number') return; // overtaken: its client waits for it no more
      this.reply(client, { type: 'chosen', requestId, instanceNumber: standing });
    }

    #replyValue(client: ClientAddress, requestId: RequestId, isCurrent: boolean): void {
      const { instanceNumber, chain } = this;
      const value = chain.currentValue;
      this.reply(client, { type: 'value', requestId, instanceNumber, value, isCurrent });
    }

    /**
     * `to` shall be master. The master hands its lease back, and sends the client on to `to`, which
     * then stands without waiting. If somebody else is faster, the client comes to that one next.
     */
    #transfer(client: ClientAddress, { requestId, to }: TransferMessage): void {
      const refuse = (why: string, master: Uid | null, isFinal = false) =>
        this.#refuse(client, requestId, { why, master, isFinal });
      if (!this.hasLeases) return refuse('nobody is master in this cluster', null, true);
      if (this.isMaster && to === this.uid) {
        const { leaseLeftMs } = this;
        return this.reply(client, { type: 'transferred', requestId, leaseLeftMs });
      }
      if (this.isMaster) return this.resign(() => refuse('the lease is handed back', to));

      if (to === this.uid) this.stand();
      const master = this.master ?? to;
      refuse(master === to ? 'it stands for master' : `the master is ${master}`, master);
    }

    #replyReached(client: ClientAddress, requestId: RequestId): void {
      this.reply(client, { type: 'reached', requestId, instanceNumber: this.instanceNumber });
    }

    #refuse(client: ClientAddress, requestId: RequestId, refusal: Refusal): void {
      const { why, master, isFinal = false } = refusal;
      this.reply(client, { type: 'refused', requestId, why, master, isFinal });
    }

    #reportStatus(client: ClientAddress, requestId: RequestId): void {
      const now = this.environment.clock.now();
      const { promisedId, acceptedId } = this.acceptorState;
      const heard = this.peers.map((peer) => {
        const atMs = this.#heardAtMs.get(peer);
        return [peer, atMs === undefined ? null : now - atMs] as const;
      });
      this.reply(client, {
        type: 'status_report',
        requestId,
        instanceNumber: this.instanceNumber,
        value: this.chain.currentValue,
        promisedId,
        acceptedId,
        hasLeases: this.hasLeases,
        master: this.master,
        leaseLeftMs: this.leaseLeftMs,
        reign: null,
        waiting: this.waiting,
        uptimeMs: now - this.#startedAtMs,
        heardMs: Object.fromEntries(heard),
        log: null,
      });
    }

    /** Sends a client its answer. */
    protected reply(client: ClientAddress, message: Reply): void {
      this.environment.messenger.reply(client, message);
    }
  };
}

/** Whoever waits for this request does so no more. */
function takeOut(waiting: Map<RequestId, Asker>, requestId: RequestId): Asker | null {
  const asker = waiting.get(requestId) ?? null;
  waiting.delete(requestId);
  return asker;
}

export type ClientAnswers = InstanceType<
  ReturnType<typeof ClientAnswers<Constructor<UpdateQueue>>>
>;
