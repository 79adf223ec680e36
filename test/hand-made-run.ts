/**
 * Traces made by hand, for tests of what reads traces. Every verb tells what a server that keeps
 * all rules would tell; `tell` puts anything into the trace, right or wrong.
 *
 *     const run = new HandMadeRun().startAll();
 *     run.ask('A', X).round(id(2, 'A'), X);
 */
import {
  applyLink,
  type ChainState,
  chainOf,
  digestOf,
  EMPTY_CHAIN,
  isUpdate,
  type Link,
} from '../src/chain.ts';
import { type ProposalId, RESERVED_NUMBER, type Uid, UNTOUCHED } from '../src/composable-paxos.ts';
import type { ServerState } from '../src/state.ts';
import {
  type Decision,
  savedEvent,
  type TraceEvent,
  type WorldEvent,
} from '../src/trace/events.ts';

export const UIDS: readonly Uid[] = ['A', 'B', 'C'];
export const LEASES = ['MasterLeases', 'UpdateQueue', 'BackoffResolution', 'CatchUp'];

export function id(number: number, uid: Uid): ProposalId {
  return { number, uid };
}

/** The n-th update that server `uid` asked for. */
export function update(value: string, uid: Uid = 'A', n = 1): Link {
  return { update: value, id: `${uid}-00000001-${n}` };
}

/** The n-th lease that server `uid` asked for; `holder` null: it hands it back. */
export function lease(uid: Uid, n = 1, holder: Uid | null = uid): Link {
  return { lease: holder, id: `${uid}-00000001-${100 + n}` };
}

/** An open instance, and the chain before it. */
interface Place extends ChainState {
  readonly instanceNumber: number;
}

export class HandMadeRun {
  readonly events: TraceEvent[] = [];
  readonly uids: readonly Uid[];
  readonly #states: Map<Uid, ServerState>;
  readonly #waiting = new Map<Uid, number>();
  #atMs = 0;
  #seq = 0;

  constructor(uids: readonly Uid[] = UIDS) {
    this.uids = uids;
    const start = { members: uids, instanceNumber: 1, votesFrom: 1, ...EMPTY_CHAIN, ...UNTOUCHED };
    const fresh = (uid: Uid): ServerState => ({ uid, ...start });
    this.#states = new Map(uids.map((uid) => [uid, fresh(uid)]));
  }

  get last(): TraceEvent {
    const last = this.events.at(-1);
    if (last === undefined) throw new Error('nothing has been told yet');
    return last;
  }

  /** What is on the disk of this server. */
  state(server: Uid): ServerState {
    const state = this.#states.get(server);
    if (state === undefined) throw new Error(`there is no server ${server}`);
    return state;
  }

  tell(server: Uid, event: Decision | WorldEvent): this {
    this.#atMs += 1;
    this.events.push({ at: this.#atMs, server, turn: this.#atMs, ...event });
    return this;
  }

  wait(ms: number): this {
    this.#atMs += ms;
    return this;
  }

  // Life.

  start(server: Uid, layers: readonly string[] = [], changes: Partial<ServerState> = {}): this {
    const state = { ...this.state(server), ...changes };
    this.#states.set(server, state);
    return this.tell(server, { event: 'start', uids: this.uids, layers, restored: true, state });
  }

  startAll(layers: readonly string[] = []): this {
    for (const uid of this.uids) this.start(uid, layers);
    return this;
  }

  crash(server: Uid): this {
    return this.tell(server, { event: 'crash', where: 'now', lost: null });
  }

  save(server: Uid, changes: Partial<ServerState>): this {
    const state = { ...this.state(server), ...changes };
    this.#states.set(server, state);
    return this.tell(server, savedEvent(state));
  }

  // What is wanted, and answered.

  /** A client asks this server for the value, and the server takes it. */
  ask(server: Uid, link: Link): this {
    if (!isUpdate(link)) return this.sayLease(server, 'wanted', 0);
    const message = { type: 'propose', value: link.update } as const;
    this.tell(server, { event: 'receive', from: null, seq: 0, message });
    return this.sayUpdate(server, 'queued', link, 1);
  }

  sayUpdate(
    server: Uid,
    what: 'queued' | 'chosen' | 'refused' | 'lost',
    link: Link,
    change: number,
  ): this {
    if (!isUpdate(link)) throw new Error('a lease is nothing that a client asks for');
    const waiting = (this.#waiting.get(server) ?? 0) + change;
    this.#waiting.set(server, waiting);
    const { update: value, id: linkId } = link;
    return this.tell(server, { event: 'update', what, value, id: linkId, waiting, why: '' });
  }

  sayLease(server: Uid, what: 'wanted' | 'ours' | 'theirs' | 'over', lastsMs: number): this {
    const { instanceNumber, lease } = this.state(server);
    const holder = lease?.holder ?? null;
    return this.tell(server, { event: 'lease', what, holder, instanceNumber, lastsMs });
  }

  // A round.

  prepare(server: Uid, proposalId: ProposalId): this {
    return this.promise(server, proposalId).sendPrepare(server, proposalId);
  }

  sendPrepare(server: Uid, proposalId: ProposalId): this {
    const { instanceNumber } = this.state(server);
    const message = { type: 'prepare', instanceNumber, proposalId } as const;
    return this.tell(server, {
      event: 'send',
      to: this.#peersOf(server),
      seq: this.#next,
      message,
    });
  }

  promise(server: Uid, proposalId: ProposalId): this {
    const to = proposalId.uid;
    const { instanceNumber } = this.state(server);
    this.save(server, { promisedId: proposalId });
    this.tell(server, { event: 'promise', to, instanceNumber, proposalId });
    return to === server ? this : this.sendPromise(server, proposalId).hear(to);
  }

  sendPromise(server: Uid, proposalId: ProposalId): this {
    const { instanceNumber, acceptedId, acceptedValue } = this.state(server);
    const last = { lastAcceptedId: acceptedId, lastAcceptedValue: acceptedValue };
    const message = { type: 'promise', instanceNumber, proposalId, ...last } as const;
    return this.tell(server, { event: 'send', to: [proposalId.uid], seq: this.#next, message });
  }

  /** What was sent last arrives at this server. */
  hear(server: Uid): this {
    const { server: from, seq, message } = this.last as TraceEvent & { event: 'send' };
    return this.tell(server, { event: 'receive', from, seq, message });
  }

  lead(server: Uid, proposalId: ProposalId, bound: Link | null = null): this {
    const { instanceNumber } = this.state(server);
    const counted = { count: 2, servers: this.uids.length };
    return this.tell(server, { event: 'lead', instanceNumber, proposalId, ...counted, bound });
  }

  sendAccept(server: Uid, proposalId: ProposalId, link: Link): this {
    const { instanceNumber } = this.state(server);
    const asked = { instanceNumber, proposalId, proposalValue: link };
    const message = { type: 'accept', ...asked } as const;
    return this.tell(server, {
      event: 'send',
      to: this.#peersOf(server),
      seq: this.#next,
      message,
    });
  }

  accept(server: Uid, proposalId: ProposalId, link: Link): this {
    const saved = { promisedId: proposalId, acceptedId: proposalId, acceptedValue: link };
    return this.save(server, saved)
      .sayAccept(server, proposalId, link)
      .sendAccepted(server, proposalId, link);
  }

  sayAccept(server: Uid, proposalId: ProposalId, link: Link): this {
    const { instanceNumber } = this.state(server);
    const accepted = { from: proposalId.uid, instanceNumber, proposalId, value: link };
    return this.tell(server, { event: 'accept', ...accepted });
  }

  sendAccepted(server: Uid, proposalId: ProposalId, link: Link): this {
    const { instanceNumber } = this.state(server);
    const told = { instanceNumber, proposalId, proposalValue: link };
    const message = { type: 'accepted', ...told } as const;
    return this.tell(server, {
      event: 'send',
      to: this.#peersOf(server),
      seq: this.#next,
      message,
    });
  }

  // The chain.

  sayChosen(server: Uid, proposalId: ProposalId, value: Link): this {
    const { instanceNumber } = this.state(server);
    const counted = { count: 2, servers: this.uids.length };
    return this.tell(server, { event: 'chosen', instanceNumber, proposalId, value, ...counted });
  }

  /** It learns that the link is chosen, and moves on. */
  learn(server: Uid, proposalId: ProposalId, link: Link): this {
    return this.sayChosen(server, proposalId, link).moveBy(server, link);
  }

  moveBy(server: Uid, link: Link): this {
    const { instanceNumber, ...state } = this.state(server);
    const chain = applyLink(chainOf(state), link, instanceNumber);
    const next = { instanceNumber: instanceNumber + 1, ...chain };
    return this.sayAdvance(server, link, next).save(server, { ...next, ...UNTOUCHED });
  }

  /** It moves on in memory, to what is on its disk unless said otherwise. */
  sayAdvance(server: Uid, link: Link | null, to: Place = this.state(server)): this {
    const { instanceNumber } = to;
    const chain = link === null ? chainOf(to) : null;
    const digest = digestOf(to);
    return this.tell(server, { event: 'advance', instanceNumber, link, chain, digest });
  }

  /** `server` catches up with what `peer` has on its disk. */
  catchUp(server: Uid, peer: Uid): this {
    return this.hearCatchUp(server, peer).jump(server, peer);
  }

  hearCatchUp(server: Uid, peer: Uid): this {
    const state = this.state(peer);
    const { instanceNumber } = state;
    const message = { type: 'catchup', instanceNumber, ...chainOf(state) } as const;
    const seq = this.#next;
    this.tell(peer, { event: 'send', to: [server], seq, message });
    return this.tell(server, { event: 'receive', from: peer, seq, message });
  }

  jump(server: Uid, peer: Uid): this {
    const { instanceNumber, ...state } = this.state(peer);
    const next = { instanceNumber, ...chainOf(state) };
    return this.sayAdvance(server, null, next).save(server, { ...next, ...UNTOUCHED });
  }

  /** A whole round of the server in `proposalId`, with these acceptors, who all learn. */
  round(proposalId: ProposalId, link: Link, acceptors: readonly Uid[] = this.uids): this {
    const { uid } = proposalId;
    const others = acceptors.filter((acceptor) => acceptor !== uid);
    if (proposalId.number > RESERVED_NUMBER) {
      this.prepare(uid, proposalId);
      for (const other of others) this.promise(other, proposalId);
    }
    this.lead(uid, proposalId).sendAccept(uid, proposalId, link);
    for (const acceptor of acceptors) this.accept(acceptor, proposalId, link);
    for (const acceptor of acceptors) this.learn(acceptor, proposalId, link);
    return this;
  }

  get #next(): number {
    this.#seq += 1;
    return this.#seq;
  }

  #peersOf(server: Uid): readonly Uid[] {
    return this.uids.filter((uid) => uid !== server);
  }
}
