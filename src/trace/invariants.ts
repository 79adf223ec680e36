/**
 * The ten invariants: what must hold in every run, whatever gets lost, crashes or sleeps.
 *
 * `Invariants` reads the events of all servers in the order in which they happened, and names the
 * first event that must not be. It is a second opinion: it recomputes what is chosen from what the
 * acceptors did, and what must be in the chain from what was chosen, and takes no server's word
 * for either.
 *
 * A simulation asks after every event, so an event costs next to nothing here: no copies and no
 * text unless something is wrong. An instance is forgotten when all servers have left it; only
 * the ids of the links stay, to see that none comes twice.
 */
import {
  applyLink,
  askerOf,
  type ChainState,
  chainOf,
  EMPTY_CHAIN,
  isLease,
  isUpdate,
  type Link,
  type LinkId,
  partsOf,
  type RequestId,
  standingOf,
} from '../chain.ts';
import { compareProposalIds, type ProposalId, quorumOf, type Uid } from '../composable-paxos.ts';
import { HOLDER_WINDOW_MS } from '../master-strategy.ts';
import type { Accepted, PeerMessage, Prepare, Promised, ValueReply } from '../messages.ts';
import type { ServerState } from '../state.ts';
import type { TraceEvent } from './events.ts';
import { formatId, formatValue } from './words.ts';

export interface Invariant {
  readonly number: number;
  readonly name: string;
  readonly sentence: string;
}

/** The one place where the invariants are numbered. */
export const INVARIANTS: readonly Invariant[] = [
  {
    number: 1,
    name: 'Agreement',
    sentence:
      'for an instance at most one value is ever chosen (a quorum accepted the same proposal id)',
  },
  {
    number: 2,
    name: 'Stability',
    sentence:
      'what a replica announced as chosen for an instance is what was chosen, and never changes',
  },
  {
    number: 3,
    name: 'Validity',
    sentence: 'a chosen value was asked for by a client, or is a lease that a server asked for',
  },
  {
    number: 4,
    name: 'One id, one value',
    sentence: 'no proposal id carries two values in an instance',
  },
  {
    number: 5,
    name: 'Promises only grow',
    sentence: 'within an instance, across crashes too; accepted ≤ promised on disk',
  },
  {
    number: 6,
    name: 'Say it, save it',
    sentence: 'no promise or accepted leaves before the state that it speaks of is durable',
  },
  {
    number: 7,
    name: 'The chain only grows',
    sentence:
      "a server's instance number never goes back while it runs, nor does that on its disk; " +
      'no link is skipped except by catch-up',
  },
  {
    number: 8,
    name: 'One master',
    sentence:
      'at no moment do two servers believe themselves master; ' +
      'application values enter the chain only through the master',
  },
  {
    number: 9,
    name: 'No answer is a lie',
    sentence: 'an update answered as chosen is in the chain, exactly once',
  },
  {
    number: 10,
    name: 'Healing',
    sentence:
      'once faults stop and a quorum is up, all running servers agree within a bounded time',
  },
];

/** An event that must not be. `event` is null if it is the end of the run that is wrong. */
export interface Violation {
  readonly invariant: number;
  /** What must hold: the sentence of the invariant. */
  readonly sentence: string;
  readonly event: TraceEvent | null;
  /** What is the case instead, in one sentence. */
  readonly why: string;
}

type EventOf<Name extends TraceEvent['event']> = Extract<TraceEvent, { event: Name }>;

/** A proposal that somebody was asked to accept. `acceptedBy` has one bit for each server. */
interface Proposal {
  readonly id: ProposalId;
  readonly link: Link;
  acceptedBy: number;
}

interface Instance {
  readonly number: number;
  readonly proposals: Proposal[];
  /** What a quorum has accepted under one id. */
  chosen: Link | null;
  /** The chain before this instance, as it follows from what was chosen; null: not known. */
  before: ChainState | null;
}

/** How often one server was asked for one value, and what came of it. */
interface Wish {
  asked: number;
  chosen: number;
  answered: number;
}

/** A clock may run slow by this factor, as far as the promise about leases goes. */
const SLOWEST_CLOCK = 0.95;

const NEVER = Number.NEGATIVE_INFINITY;

/** What is known of clocks that are not as they should be; only a simulation can know. */
export interface Clocks {
  /** Local milliseconds per true millisecond. */
  readonly rates: Readonly<Record<Uid, number>>;
  /** Who may believe in a lease for longer than the others wait. */
  readonly overstayers: ReadonlySet<Uid>;
}

const GOOD_CLOCKS: Clocks = { rates: {}, overstayers: new Set() };

/** What has been seen of one server. */
class Server {
  readonly uid: Uid;
  readonly bit: number;
  readonly isTraced: boolean;
  readonly clockRate: number;
  readonly mayOverstay: boolean;
  hasStarted = false;
  isRunning = false;
  hasLeases = false;
  /** What its disk holds. */
  durable: ServerState;
  /** Where it is in memory, which follows the disk. */
  instanceNumber = 1;
  chain: ChainState = EMPTY_CHAIN;
  /** The instance that the latest catch-up told it of. */
  caughtUpTo = 0;
  /** The round in which it is free to propose what it wants, and not master. */
  unentitledRound: ProposalId | null = null;
  /** From when until when it believes itself master, by its own word. */
  masterFromMs = NEVER;
  masterUntilMs = NEVER;
  /** It may go on longer than it said: if its clock is slow, or set. But not longer than this. */
  masterAtMostUntilMs = NEVER;
  readonly wishes = new Map<string, Wish>();
  leasesWanted = 0;
  waiting = 0;

  constructor(uid: Uid, bit: number, isTraced: boolean, { rates, overstayers }: Clocks) {
    this.uid = uid;
    this.bit = bit;
    this.isTraced = isTraced;
    this.clockRate = rates[uid] ?? 1;
    this.mayOverstay = overstayers.has(uid);
    const nothing = { promisedId: null, acceptedId: null, acceptedValue: null };
    this.durable = { uid, instanceNumber: 1, ...EMPTY_CHAIN, ...nothing };
  }

  wish(value: string): Wish {
    let wish = this.wishes.get(value);
    if (wish === undefined) {
      wish = { asked: 0, chosen: 0, answered: 0 };
      this.wishes.set(value, wish);
    }
    return wish;
  }

  /** It will not be done: it is as if nobody had asked. */
  forgetWish(value: string, wish: Wish): void {
    if (wish.asked > 0) wish.asked -= 1;
    if (wish.asked === 0 && wish.chosen === 0) this.wishes.delete(value);
  }

  endReign(): void {
    this.masterUntilMs = this.masterAtMostUntilMs = NEVER;
  }
}

export class Invariants {
  readonly #servers: ReadonlyMap<Uid, Server>;
  readonly #uids: readonly Uid[];
  readonly #quorum: number;
  readonly #isComplete: boolean;
  readonly #instances = new Map<number, Instance>();
  /** In which instance a request took effect, by its client and its number. */
  readonly #effects = new Map<string, number>();
  readonly #linkIds = new Set<LinkId>();
  /** The instance asked for last, which most of the time is asked for next. */
  #latest: Instance = { number: 1, proposals: [], chosen: null, before: EMPTY_CHAIN };

  /**
   * `uids` are all servers of the cluster, `traced` those whose events will come. Where events of
   * some server are missing, nothing is said about what they would have to show: that a quorum
   * accepted what was announced, that somebody asked for it, that what was answered is there.
   */
  constructor(uids: readonly Uid[], traced: readonly Uid[] = uids, clocks = GOOD_CLOCKS) {
    const server = (uid: Uid, index: number) =>
      new Server(uid, 1 << index, traced.includes(uid), clocks);
    this.#servers = new Map(uids.map((uid, index) => [uid, server(uid, index)]));
    this.#uids = uids;
    this.#quorum = quorumOf(uids.length);
    this.#isComplete = uids.every((uid) => traced.includes(uid));
    this.#instances.set(1, this.#latest);
  }

  /** Reads the next event. Returns what is wrong with it, or null. */
  observe(event: TraceEvent): Violation | null {
    const server = this.#servers.get(event.server);
    if (server === undefined) throw new Error(`there is no server ${event.server} in this cluster`);
    switch (event.event) {
      case 'start':
        return this.#start(server, event);
      case 'stop':
      case 'fail':
      case 'crash':
        return this.#end(server);
      case 'send':
        return this.#send(server, event, event.message);
      case 'receive':
        return this.#receive(server, event);
      case 'save':
        return this.#save(server, event);
      case 'promise':
        return this.#promise(server, event);
      case 'accept':
        return this.#accept(server, event);
      case 'lead':
        return this.#lead(server, event);
      case 'chosen':
        return this.#announced(event.instanceNumber, event.value, event);
      case 'advance':
        return this.#advance(server, event);
      case 'update':
        return this.#update(server, event);
      case 'reply':
        return this.#reply(event, event);
      case 'lease':
        return this.#lease(server, event);
      default:
        return null;
    }
  }

  /**
   * There are no more events. `healed`: all faults ended long enough ago that the servers that run
   * must be level now.
   */
  end(healed: boolean, uids: readonly Uid[] = [...this.#servers.keys()]): Violation | null {
    if (!healed) return null;
    const servers = [...this.#servers.values()].filter(({ uid }) => uids.includes(uid));
    const running = servers.filter(({ isRunning }) => isRunning);
    const [first, ...others] = running;
    if (first === undefined) return null;
    for (const other of others) {
      if (other.instanceNumber !== first.instanceNumber) {
        const where = `${first.uid} at instance ${first.instanceNumber}`;
        const elsewhere = `${other.uid} at ${other.instanceNumber}`;
        return violated(10, null, `at the end ${where} and ${elsewhere} are not level`);
      }
      if (!this.#isSameChain(other.chain, first.chain)) {
        return violated(10, null, `at the end ${first.uid} and ${other.uid} have different chains`);
      }
    }
    return null;
  }

  // The life of a server, and its disk.

  #start(server: Server, event: EventOf<'start'>): Violation | null {
    const { state, layers } = event;
    const before = server.durable;
    const isFirst = !server.hasStarted;
    this.#end(server);
    server.hasStarted = server.isRunning = true;
    server.hasLeases = layers.includes('MasterLeases');
    server.waiting = 0;
    server.unentitledRound = null;
    server.durable = state;
    server.instanceNumber = state.instanceNumber;
    server.chain = state;
    if (isFirst) this.#adopt(state);
    this.#forgetOldInstances();
    return (
      this.#checkState(before, state, event) ??
      // What is on the disk was accepted, even if a crash came before it could be told.
      this.#count(server, state.instanceNumber, state.acceptedId, state.acceptedValue, event)
    );
  }

  /** A server that comes with a past was not always traced. What it brings is taken as it is. */
  #adopt(state: ServerState): void {
    this.#instance(state.instanceNumber).before ??= chainOf(state);
    for (const { client, number, instanceNumber } of state.requests) {
      this.#effects.set(`${client}-${number}`, instanceNumber);
    }
    const { acceptedValue: link } = state;
    if (link === null) return;
    const asker = this.#servers.get(askerOf(link));
    if (asker === undefined) return;
    if (isUpdate(link)) asker.wish(link.update).asked += 1;
    if (isLease(link)) asker.leasesWanted += 1;
  }

  #end(server: Server): null {
    server.isRunning = false;
    server.endReign();
    return null;
  }

  #save(server: Server, event: EventOf<'save'>): Violation | null {
    const { state } = event;
    const before = server.durable;
    server.durable = state;
    const { instanceNumber } = state;
    if (instanceNumber !== server.instanceNumber) {
      const where = `at instance ${server.instanceNumber}`;
      return violated(7, event, `it is ${where}, and the disk says ${instanceNumber}`);
    }
    return this.#checkState(before, state, event);
  }

  /** The disk held `before`, and now it holds `state`. */
  #checkState(before: ServerState, state: ServerState, event: TraceEvent): Violation | null {
    const { instanceNumber, promisedId, acceptedId } = state;
    if (instanceNumber < before.instanceNumber) {
      const from = before.instanceNumber;
      return violated(7, event, `the disk goes back from instance ${from} to ${instanceNumber}`);
    }
    if (compareProposalIds(acceptedId, promisedId) > 0) {
      const [accepted, promised] = [show(acceptedId), show(promisedId)];
      return violated(5, event, `the disk says accepted ${accepted}, but promised ${promised}`);
    }
    if (instanceNumber > before.instanceNumber)
      return this.#checkChain(instanceNumber, state, event);

    if (compareProposalIds(promisedId, before.promisedId) < 0) {
      const [now, then] = [show(promisedId), show(before.promisedId)];
      return violated(5, event, `the disk says promised ${now}, and it said ${then} before`);
    }
    if (compareProposalIds(acceptedId, before.acceptedId) < 0) {
      const [now, then] = [show(acceptedId), show(before.acceptedId)];
      return violated(5, event, `the disk says accepted ${now}, and it said ${then} before`);
    }
    // A save within an instance hands on the same parts of the chain: there is nothing to compare.
    const isSame = state.lease === before.lease && state.currentValue === before.currentValue;
    if (isSame && state.latestUpdateIds === before.latestUpdateIds) return null;
    return this.#checkChain(instanceNumber, state, event);
  }

  /** The chain at an instance must be what all links chosen before it make. */
  #checkChain(instanceNumber: number, chain: ChainState, event: TraceEvent): Violation | null {
    const instance = this.#instance(instanceNumber);
    if (instance.before === null && this.#isComplete) {
      return violated(2, event, `nothing is chosen yet in instance ${instanceNumber - 1}`);
    }
    instance.before ??= chainOf(chain);
    if (this.#isSameChain(chain, instance.before)) return null;
    return violated(2, event, `before instance ${instanceNumber} other links were chosen`);
  }

  #isSameChain(a: ChainState, b: ChainState): boolean {
    if (a.currentValue !== b.currentValue) return false;
    if (a.lease?.id !== b.lease?.id || a.lease?.holder !== b.lease?.holder) return false;
    if (!isSameRequests(a.requests, b.requests)) return false;
    if (a.forgottenUpTo !== b.forgottenUpTo) return false;
    if (a.latestUpdateIds === b.latestUpdateIds) return true;
    for (const uid of this.#uids) {
      if (a.latestUpdateIds[uid] !== b.latestUpdateIds[uid]) return false;
    }
    return true;
  }

  // What a server says and hears.

  #send(server: Server, event: TraceEvent, message: PeerMessage): Violation | null {
    switch (message.type) {
      case 'prepare':
      case 'promise':
      case 'accepted':
        return this.#checkSaved(server, message, event);
      case 'accept': {
        const { instanceNumber, proposalId, proposalValue: link } = message;
        return (
          this.#nameProposal(instanceNumber, proposalId, link, event) ??
          this.#checkProposed(server, proposalId, link, event)
        );
      }
      default:
        return null;
    }
  }

  #receive(server: Server, { message }: EventOf<'receive'>): null {
    if (message.type === 'propose' || message.type === 'request')
      server.wish(message.value).asked += 1;
    if (message.type === 'catchup') server.caughtUpTo = message.instanceNumber;
    return null;
  }

  /** A prepare speaks of our own promise; a promise also of what was accepted before it. */
  #checkSaved(
    { durable }: Server,
    message: Prepare | Promised | Accepted,
    event: TraceEvent,
  ): Violation | null {
    const { type, instanceNumber, proposalId } = message;
    if (durable.instanceNumber > instanceNumber) return null;
    if (durable.instanceNumber < instanceNumber) {
      return violated(6, event, `the disk is still at instance ${durable.instanceNumber}`);
    }
    if (type === 'accepted') {
      if (compareProposalIds(durable.acceptedId, proposalId) === 0) return null;
      return violated(6, event, `the disk says accepted ${show(durable.acceptedId)}`);
    }
    if (compareProposalIds(durable.promisedId, proposalId) < 0) {
      return violated(6, event, `the disk says promised ${show(durable.promisedId)}`);
    }
    if (type === 'prepare') return null;
    if (compareProposalIds(durable.acceptedId, message.lastAcceptedId) >= 0) return null;
    return violated(6, event, `the disk says accepted ${show(durable.acceptedId)}`);
  }

  // What is accepted, and so chosen.

  #promise({ durable }: Server, event: EventOf<'promise'>): Violation | null {
    if (event.instanceNumber !== durable.instanceNumber) return null;
    if (compareProposalIds(event.proposalId, durable.promisedId) >= 0) return null;
    return violated(5, event, `it has promised ${show(durable.promisedId)} before`);
  }

  #accept(server: Server, event: EventOf<'accept'>): Violation | null {
    const { from, instanceNumber, proposalId, value: link } = event;
    return (
      this.#count(server, instanceNumber, proposalId, link, event) ??
      (from === server.uid ? this.#checkProposed(server, proposalId, link, event) : null)
    );
  }

  /** This server has accepted. With that the link may be chosen. */
  #count(
    server: Server,
    instanceNumber: number,
    id: ProposalId | null,
    link: Link | null,
    event: TraceEvent,
  ): Violation | null {
    if (id === null || link === null) return null;
    const violation = this.#nameProposal(instanceNumber, id, link, event);
    if (violation !== null) return violation;
    const instance = this.#instance(instanceNumber);
    const proposal = find(instance.proposals, id);
    if (proposal === null || (proposal.acceptedBy & server.bit) !== 0) return null;

    proposal.acceptedBy |= server.bit;
    if (bitsIn(proposal.acceptedBy) < this.#quorum) return null;
    if (instance.chosen === null) return this.#choose(instance, link, event);
    if (isSameLink(instance.chosen, link)) return null;
    const both = `${describe(instance.chosen)} and now ${describe(link)}`;
    return violated(1, event, `in instance ${instanceNumber} a quorum accepted ${both}`);
  }

  /** Remembers what this id stands for, unless it is known. */
  #nameProposal(
    instanceNumber: number,
    id: ProposalId,
    link: Link,
    event: TraceEvent,
  ): Violation | null {
    const { proposals } = this.#instance(instanceNumber);
    const known = find(proposals, id);
    if (known === null) {
      proposals.push({ id, link, acceptedBy: 0 });
      return null;
    }
    if (isSameLink(known.link, link)) return null;
    const both = `${describe(known.link)} and for ${describe(link)}`;
    return violated(4, event, `in instance ${instanceNumber} ${show(id)} stands for ${both}`);
  }

  #choose(instance: Instance, link: Link, event: TraceEvent): Violation | null {
    instance.chosen = link;
    const next = this.#instance(instance.number + 1);
    if (instance.before !== null) next.before ??= applyLink(instance.before, link, instance.number);

    const isAgain = this.#linkIds.has(link.id);
    this.#linkIds.add(link.id);
    if (isAgain) {
      if (!isUpdate(link)) return null;
      return violated(9, event, `${describe(link)} is chosen for a second time`);
    }
    return this.#checkEffect(instance, link, event) ?? this.#checkAsked(link, event);
  }

  /** A request may be chosen more than once, but the chain must let it count only once. */
  #checkEffect({ number, before }: Instance, link: Link, event: TraceEvent): Violation | null {
    if (!('request' in link) || before === null) return null;
    if (standingOf(before, link.request) !== 'new') return null;
    const request = nameOf(link.request);
    const isAgain = this.#effects.has(request);
    this.#effects.set(request, number);
    if (!isAgain) return null;
    return violated(9, event, `request ${link.request} takes effect for a second time`);
  }

  #reply({ message }: EventOf<'reply'>, event: TraceEvent): Violation | null {
    if (!this.#isComplete) return null;
    if (message.type === 'value') return this.#checkValue(message, event);
    if (message.type !== 'chosen') return null;
    const { requestId, instanceNumber } = message;
    const effect = this.#effects.get(nameOf(requestId));
    if (effect === instanceNumber) return null;
    const truth = effect === undefined ? 'nowhere' : `in instance ${effect}`;
    return violated(9, event, `request ${requestId} took effect ${truth}`);
  }

  /** Even who tells an old value must tell the one that was there. */
  #checkValue({ value, instanceNumber }: ValueReply, event: TraceEvent): Violation | null {
    const before = this.#instances.get(instanceNumber)?.before ?? null;
    if (before === null || before.currentValue === value) return null;
    const [told, truth] = [value, before.currentValue].map((it) => JSON.stringify(it));
    return violated(
      9,
      event,
      `it tells ${told}, and before instance ${instanceNumber} it was ${truth}`,
    );
  }

  #checkAsked(link: Link, event: TraceEvent): Violation | null {
    const asker = this.#servers.get(askerOf(link));
    if (asker !== undefined && !asker.isTraced) return null;
    if ('read' in link) return null;
    if (isLease(link)) {
      if (asker !== undefined && asker.leasesWanted > 0) {
        asker.leasesWanted -= 1;
        return null;
      }
      return violated(3, event, `nobody asked for ${describe(link)}`);
    }
    const wish = asker?.wishes.get(link.update);
    if (wish === undefined || wish.asked === 0) {
      return violated(3, event, `nobody asked for ${describe(link)}`);
    }
    wish.chosen += 1;
    if (wish.chosen <= wish.asked) return null;
    return violated(9, event, `${describe(link)} is chosen more often than it was asked for`);
  }

  // What a server believes to be chosen.

  #announced(instanceNumber: number, link: Link, event: TraceEvent): Violation | null {
    const instance = this.#instance(instanceNumber);
    if (instance.chosen === null) {
      if (!this.#isComplete) return this.#choose(instance, link, event);
      return violated(2, event, `no quorum has accepted ${describe(link)} yet`);
    }
    if (isSameLink(instance.chosen, link)) return null;
    const truth = describe(instance.chosen);
    return violated(2, event, `in instance ${instanceNumber} ${truth} was chosen`);
  }

  #advance(server: Server, event: EventOf<'advance'>): Violation | null {
    const { instanceNumber, chain } = event;
    const from = server.instanceNumber;
    server.instanceNumber = instanceNumber;
    server.chain = chain;
    const violation =
      this.#checkAdvance(server, from, event) ?? this.#checkChain(instanceNumber, chain, event);
    this.#forgetOldInstances();
    return violation;
  }

  #checkAdvance(server: Server, from: number, event: EventOf<'advance'>): Violation | null {
    const { instanceNumber, link } = event;
    const step = `from instance ${from} to ${instanceNumber}`;
    if (instanceNumber <= from) return violated(7, event, `it goes back ${step}`);
    if (link === null) {
      if (instanceNumber === server.caughtUpTo) return null;
      return violated(7, event, `it goes ${step}, and no catch-up told it so`);
    }
    if (instanceNumber !== from + 1) return violated(7, event, `it skips ${step}`);
    return this.#announced(from, link, event);
  }

  // Answers.

  #update(server: Server, event: EventOf<'update'>): Violation | null {
    const wish = server.wish(event.value);
    switch (event.what) {
      case 'queued':
        server.waiting += 1;
        break;
      case 'refused':
        server.forgetWish(event.value, wish);
        break;
      case 'lost':
        server.waiting -= 1;
        return null; // all that waits is given up at once, and told one by one
      case 'chosen':
        server.waiting -= 1;
        wish.answered += 1;
        if (this.#isComplete && !this.#isInChain(event.id, wish)) {
          return violated(9, event, 'the chain does not have it, or not that often');
        }
    }
    if (event.waiting === server.waiting) return null;
    const said = `it says that ${event.waiting} wait`;
    return violated(9, event, `${said}, and ${server.waiting} have had no answer`);
  }

  #isInChain(id: LinkId | null, wish: Wish): boolean {
    return id !== null && this.#linkIds.has(id) && wish.answered <= wish.chosen;
  }

  // Masters.

  #lead(server: Server, event: EventOf<'lead'>): null {
    const isEntitled =
      !server.hasLeases ||
      event.bound !== null ||
      event.at <= server.masterAtMostUntilMs ||
      server.mayOverstay;
    server.unentitledRound = isEntitled ? null : event.proposalId;
    return null;
  }

  /**
   * What a server with leases proposes of its own free will is its lease, or it is master. What
   * counts is the moment at which its round began: it asks its clocks right after that, and may
   * send the same again when it is master no longer.
   */
  #checkProposed(server: Server, id: ProposalId, link: Link, event: TraceEvent): Violation | null {
    if (!server.hasLeases) return null;
    if (isLease(link)) {
      // From here on the others may learn that the lease is free: its holder has resigned.
      if (link.lease === null && askerOf(link) === server.uid) server.endReign();
      return null;
    }
    if (server.unentitledRound === null) return null;
    if (compareProposalIds(server.unentitledRound, id) !== 0) return null;
    return violated(8, event, `${server.uid} proposes ${describe(link)} and is not master`);
  }

  #lease(server: Server, event: EventOf<'lease'>): Violation | null {
    const { what, at, lastsMs } = event;
    if (what === 'wanted' || what === 'handing back') server.leasesWanted += 1;
    if (what === 'wanted') return null;
    server.endReign();
    if (what !== 'ours') return null;
    server.masterFromMs = at;
    server.masterUntilMs = at + lastsMs / server.clockRate;
    server.masterAtMostUntilMs = at + HOLDER_WINDOW_MS / Math.min(SLOWEST_CLOCK, server.clockRate);
    if (server.mayOverstay) return null;
    for (const other of this.#servers.values()) {
      if (other === server || other.masterUntilMs <= at || other.mayOverstay) continue;
      if (other.masterFromMs >= server.masterUntilMs) continue;
      return violated(8, event, `${other.uid} and ${server.uid} believe to be master at once`);
    }
    return null;
  }

  // The instances that are remembered.

  #instance(number: number): Instance {
    if (this.#latest.number === number) return this.#latest;
    let instance = this.#instances.get(number);
    if (instance === undefined) {
      instance = { number, proposals: [], chosen: null, before: null };
      this.#instances.set(number, instance);
    }
    this.#latest = instance;
    return instance;
  }

  #forgetOldInstances(): void {
    let oldest = Number.POSITIVE_INFINITY;
    for (const server of this.#servers.values()) {
      // After a crash a server goes on from where its disk is, which may be a little behind.
      const { instanceNumber } = server.durable;
      if (server.isTraced && instanceNumber < oldest) oldest = instanceNumber;
    }
    for (const number of this.#instances.keys()) {
      if (number >= oldest) return;
      this.#instances.delete(number);
    }
  }
}

function violated(invariant: number, event: TraceEvent | null, why: string): Violation {
  const sentence = INVARIANTS[invariant - 1]?.sentence ?? '';
  return { invariant, sentence, event, why };
}

function find(proposals: readonly Proposal[], id: ProposalId): Proposal | null {
  for (let index = proposals.length - 1; index >= 0; index -= 1) {
    const proposal = proposals[index];
    if (proposal !== undefined && compareProposalIds(proposal.id, id) === 0) return proposal;
  }
  return null;
}

function requestOf(link: Link): RequestId | null {
  return 'request' in link ? link.request : null;
}

function nameOf(request: RequestId): string {
  const { client, number } = partsOf(request);
  return `${client}-${number}`;
}

function isSameRequests(a: ChainState['requests'], b: ChainState['requests']): boolean {
  if (a === b) return true;
  return (
    a.length === b.length &&
    a.every(({ client, number, instanceNumber }, index) => {
      const other = b[index];
      const isSame = other?.client === client && other.number === number;
      return isSame && other.instanceNumber === instanceNumber;
    })
  );
}

function isSameLink(a: Link, b: Link): boolean {
  if (a === b) return true;
  if (a.id !== b.id) return false;
  if (isUpdate(a)) return isUpdate(b) && a.update === b.update && requestOf(a) === requestOf(b);
  if (isLease(a)) return isLease(b) && a.lease === b.lease;
  return 'read' in b;
}

function bitsIn(set: number): number {
  let bits = 0;
  for (let left = set; left !== 0; left &= left - 1) bits += 1;
  return bits;
}

function show(id: ProposalId | null): string {
  return id === null ? 'nothing' : formatId(id);
}

function describe(link: Link): string {
  return `${formatValue(link, JSON.stringify)} (${link.id})`;
}
