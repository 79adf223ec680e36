/**
 * The twelve invariants: what must hold in every run, whatever gets lost, crashes or sleeps.
 *
 * `Invariants` reads the events of all servers in the order in which they happened, and names the
 * first event that must not be. It is a second opinion: it recomputes what is chosen from what the
 * acceptors did, and what must be in the chain from what was chosen, and takes no server's word
 * for either.
 *
 * A simulation asks after every event, so an event costs next to nothing here: no copies and no
 * text unless something is wrong. And a trace may be as long as it likes: an instance is forgotten
 * when all servers have left it, and of all that must be remembered for longer (which links there
 * were, who asked for what) only so much is kept. Nothing is said about what is forgotten.
 */
import {
  applyLink,
  askerOf,
  type BatchLink,
  type ChainState,
  chainOf,
  digestOf,
  EMPTY_CHAIN,
  isBatch,
  isLease,
  isMade,
  isMembers,
  isUpdate,
  type Link,
  type LinkId,
  type Membership,
  type MembersLink,
  partsOf,
  type RequestId,
  rollOf,
  type SingleLink,
  singlesOf,
  standingOf,
  textOfRoster,
} from '../chain.ts';
import {
  type AcceptorState,
  compareProposalIds,
  type ProposalId,
  quorumOf,
  RESERVED_NUMBER,
  type Uid,
  UNTOUCHED,
} from '../composable-paxos.ts';
import { HOLDER_WINDOW_MS } from '../master-strategy.ts';
import type {
  Accepted,
  ChangeMessage,
  PeerMessage,
  Prepare,
  Promised,
  ValueReply,
} from '../messages.ts';
import type { ServerState } from '../state.ts';
import type { TraceEvent } from './events.ts';
import { chainAfter } from './fold.ts';
import { RecentMap } from './recent.ts';
import { StoreStates } from './store-states.ts';
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
    sentence:
      'a chosen value was asked for by a client, or by a server: a lease, or the end of a lock',
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
  {
    number: 11,
    name: 'One state',
    sentence:
      'two servers that have come to the same instance have the same chain, by its digest, ' +
      'and the same state, if they are stores',
  },
  {
    number: 12,
    name: 'Bound',
    sentence:
      'a value proposed is the one that the promises its proposer has received bind it to, ' +
      'and they are those of a quorum; the reserved number is for the holder of the lease alone',
  },
];

/** An event that must not be. `event` is null if it is the end of the run that is wrong. */
export interface Violation {
  readonly invariant: number;
  /** What must hold: the sentence of the invariant. */
  readonly sentence: string;
  readonly event: TraceEvent | null;
  /** In which instance, if it is the event of a server. */
  readonly instanceNumber?: number;
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
  /** Not all that happened in it is known (any more). */
  readonly isForgotten: boolean;
  readonly proposals: Proposal[];
  /** What a quorum has accepted under one id. */
  chosen: Link | null;
  /** The chain before this instance, as it follows from what was chosen; null: not known. */
  before: ChainState | null;
  /** Its digest, once somebody has come here. */
  digest: string | null;
}

/** What a proposer has heard in its present round, and what that binds it to. */
interface Round {
  readonly instanceNumber: number;
  readonly id: ProposalId;
  /** One bit for each server whose promise it has, its own among them. */
  promisedBy: number;
  highestId: ProposalId | null;
  highestLink: Link | null;
  hasProposed: boolean;
}

/** What a disk holds, as far as it must be compared. */
interface Durable extends AcceptorState<Link> {
  readonly instanceNumber: number;
  /** From here on it has a vote; null: it does not know yet. */
  readonly votesFrom: number | null;
  /** Of the chain. */
  readonly digest: string;
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

/** A server that has been away for longer may come back to what nobody remembers. */
const MOST_INSTANCES = 5_000;
/** So many links, requests, and values of each server are remembered. */
const MOST_REMEMBERED = 20_000;

const DIGEST_OF_EMPTY = digestOf(EMPTY_CHAIN);

/** What is known of clocks that are not as they should be; only a simulation can know. */
export interface Clocks {
  /** Local milliseconds per true millisecond. */
  readonly rates: Readonly<Record<Uid, number>>;
  /** Who may believe in a lease for longer than the others wait. */
  readonly overstayers: ReadonlySet<Uid>;
}

const GOOD_CLOCKS: Clocks = { rates: {}, overstayers: new Set() };

/** Who votes in an instance: one bit for each of them, and how many of these make a quorum. */
interface Voters {
  readonly bits: number;
  readonly count: number;
  readonly quorum: number;
  /** How many hear what is said, those who vote among them. */
  readonly everybody: number;
}

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
  /** The places of its latest start and of its latest event among all events. */
  startedAt = 0;
  lastSeenAt = 0;
  durable: Durable = { instanceNumber: 1, votesFrom: 1, digest: DIGEST_OF_EMPTY, ...UNTOUCHED };
  /** Where it is in memory, which the disk follows. */
  instanceNumber = 1;
  chain: ChainState = EMPTY_CHAIN;
  digest = DIGEST_OF_EMPTY;
  round: Round | null = null;
  /** The latest round that it has begun in any of its lives. */
  lastRound: Round | null = null;
  /** The rounds up to this instance may have begun before its trace. */
  resumedIn = 0;
  /** What is common to all ids of links that it has made in this life; null: it made none. */
  run: string | null = null;
  /** The last instance in which it promised or accepted anything, in any of its lives. */
  votedUpTo = 0;
  /** The instance that the latest catch-up told it of. */
  caughtUpTo = 0;
  /** The round in which it is free to propose what it wants, and not master. */
  unentitledRound: ProposalId | null = null;
  /** From when until when it believes itself master, by its own word. */
  masterFromMs = NEVER;
  masterUntilMs = NEVER;
  /** It may go on longer than it said: if its clock is slow, or set. But not longer than this. */
  masterAtMostUntilMs = NEVER;
  readonly wishes = new RecentMap<string, Wish>(MOST_REMEMBERED);
  leasesWanted = 0;
  /** How many values wait at it; null: not known. */
  waiting: number | null = 0;

  constructor(uid: Uid, bit: number, isTraced: boolean, { rates, overstayers }: Clocks) {
    this.uid = uid;
    this.bit = bit;
    this.isTraced = isTraced;
    this.clockRate = rates[uid] ?? 1;
    this.mayOverstay = overstayers.has(uid);
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
  /** Who votes until the chain says something else. */
  #founders: readonly Uid[];
  readonly #votersBy = new Map<Membership | undefined, Voters>();
  /** What the members became, by the instance that chose it. */
  readonly #made = new RecentMap<number, MembersLink>(MOST_REMEMBERED);
  /** What was wanted of the members, by its request. */
  readonly #wanted = new RecentMap<RequestId, ChangeMessage>(MOST_REMEMBERED);
  readonly #isComplete: boolean;
  readonly #instances = new Map<number, Instance>();
  /** In which instance a request took effect, by its client and its number. */
  readonly #effects = new RecentMap<string, number>(MOST_REMEMBERED);
  readonly #linkIds = new RecentMap<LinkId, true>(MOST_REMEMBERED);
  /** Of instances below this one nothing is known (any more). */
  #knownFrom = 1;
  /** The instance asked for last, which most of the time is asked for next. */
  #latest: Instance = { ...freshInstance(1, false), before: EMPTY_CHAIN };
  #eventsSeen = 0;
  readonly #storeStates = new StoreStates();
  #isMixed = false;
  /** What takes effect is said by the servers: see `#apply`. */
  #areStores = false;
  readonly #remarks: string[] = [];

  /**
   * `uids` are all servers of the cluster, `traced` those whose events will come. Where events of
   * some server are missing, nothing is said about what they would have to show: that a quorum
   * accepted what was announced, that somebody asked for it, that what was answered is there. The
   * same holds for all that was before where the traces of `resumed` begin, in the middle of a run.
   */
  constructor(
    uids: readonly Uid[],
    traced: readonly Uid[] = uids,
    resumed: readonly ServerState[] = [],
    clocks = GOOD_CLOCKS,
  ) {
    const server = (uid: Uid, index: number) =>
      new Server(uid, 1 << index, traced.includes(uid), clocks);
    this.#servers = new Map(uids.map((uid, index) => [uid, server(uid, index)]));
    this.#founders = uids;
    this.#isComplete = uids.every((uid) => traced.includes(uid));
    this.#instances.set(1, this.#latest);
    for (const state of resumed) this.#beginLater(state);
  }

  /** What is no violation, and yet not as it should be, in sentences. */
  get remarks(): readonly string[] {
    return this.#remarks;
  }

  /** Reads the next event. Returns what is wrong with it, or null. */
  observe(event: TraceEvent): Violation | null {
    const server = this.#servers.get(event.server);
    if (server === undefined) throw new Error(`there is no server ${event.server} in this cluster`);
    this.#eventsSeen += 1;
    server.lastSeenAt = this.#eventsSeen;
    const violation = this.#check(server, event);
    if (violation === null) return null;
    return { ...violation, instanceNumber: instanceOf(event) ?? server.instanceNumber };
  }

  #check(server: Server, event: TraceEvent): Violation | null {
    switch (event.event) {
      case 'start':
        return this.#start(server, event);
      case 'resume':
        return this.#resume(server, event);
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
      case 'members': {
        const { since = 0 } = server.chain.membership ?? {};
        return event.what === 'left' ? this.#checkPast(since, event) : null;
      }
      case 'apply':
        return this.#apply(event);
      case 'snapshot': {
        const wrong = this.#storeStates.observe(event);
        return wrong === null ? null : violated(11, event, wrong);
      }
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
      if (other.digest !== first.digest) {
        return violated(10, null, `at the end ${first.uid} and ${other.uid} have different chains`);
      }
    }
    return null;
  }

  // The life of a server, and its disk.

  #start(server: Server, event: EventOf<'start'>): Violation | null {
    const { state } = event;
    // A lost disk is allowed to have gone back, since its server has no vote.
    const isLost = state.votesFrom === null && state.instanceNumber === 1;
    const known = server.durable;
    if (!server.hasStarted) this.#adopt(event);
    this.#begin(server, event);
    const before = isLost ? server.durable : known;
    server.waiting = 0;
    server.run = null;
    this.#forgetOldInstances();
    return (
      this.#checkState(before, server.durable, state, event) ??
      this.#checkVotes(server, known, event) ??
      // What is on the disk was accepted, even if a crash came before it could be told.
      this.#count(server, state.instanceNumber, state.acceptedId, state.acceptedValue, event)
    );
  }

  #begin(server: Server, { state, layers }: EventOf<'start'> | EventOf<'resume'>): void {
    if (layers.includes('Members') && this.#founders.length !== state.members.length) {
      this.#founders = state.members;
      this.#votersBy.clear();
    }
    const { instanceNumber, votesFrom, promisedId, acceptedId, acceptedValue } = state;
    this.#end(server);
    server.hasStarted = server.isRunning = true;
    server.startedAt = this.#eventsSeen;
    server.hasLeases = layers.includes('MasterLeases');
    server.unentitledRound = server.round = null;
    server.digest = digestOf(state);
    server.durable = {
      instanceNumber,
      votesFrom,
      digest: server.digest,
      promisedId,
      acceptedId,
      acceptedValue,
    };
    server.instanceNumber = instanceNumber;
    server.chain = chainOf(state);
  }

  /** Its trace goes on in another file. If that is the first, much before it must be believed. */
  #resume(server: Server, event: EventOf<'resume'>): Violation | null {
    const { state, at } = event;
    const { instanceNumber } = state;
    const isSeamless =
      server.isRunning &&
      server.instanceNumber === instanceNumber &&
      compareProposalIds(server.durable.promisedId, state.promisedId) === 0;
    if (isSeamless) return this.#checkDigest(instanceNumber, digestOf(state), event);

    this.#beginLater(state);
    this.#adopt(event);
    this.#begin(server, event);
    server.waiting = null;
    server.resumedIn = instanceNumber;
    server.masterAtMostUntilMs = at + HOLDER_WINDOW_MS / SLOWEST_CLOCK;
    this.#forgetOldInstances();
    return null;
  }

  #beginLater(state: ServerState): void {
    this.#forgetUpTo(state.instanceNumber, chainOf(state));
    this.#linkIds.hasForgotten = this.#effects.hasForgotten = this.#made.hasForgotten = true;
    for (const { wishes } of this.#servers.values()) wishes.hasForgotten = true;
  }

  /** A server that comes with a past was not always traced. What it brings is taken as it is. */
  #adopt({ state, layers }: EventOf<'start'> | EventOf<'resume'>): void {
    this.#areStores ||= layers.includes('Store');
    // A store remembers requests that its chain does not name.
    if (this.#areStores && state.instanceNumber > 1) this.#effects.hasForgotten = true;
    const instance = this.#instance(state.instanceNumber);
    if (instance.before === null) {
      instance.before = chainOf(state);
      instance.digest = null;
    }
    for (const { client, number, instanceNumber } of state.requests) {
      this.#effects.set(`${client}-${number}`, instanceNumber);
    }
    const { acceptedValue: link } = state;
    if (link === null) return;
    const asker = this.#servers.get(askerOf(link));
    if (asker === undefined) return;
    for (const one of singlesOf(link)) {
      if (isUpdate(one)) asker.wish(one.update).asked += 1;
      if (isMembers(one)) asker.wish(changeOf(one.by)).asked += 1;
      if (isLease(one)) asker.leasesWanted += 1;
    }
  }

  #end(server: Server): null {
    server.isRunning = false;
    server.endReign();
    return null;
  }

  #save(server: Server, event: EventOf<'save'>): Violation | null {
    const { instanceNumber, votesFrom, promisedId, acceptedId, acceptedValue, digest } = event;
    const before = server.durable;
    const acceptor = { promisedId, acceptedId, acceptedValue };
    server.durable = { instanceNumber, votesFrom, digest, ...acceptor };
    if (instanceNumber !== server.instanceNumber) {
      const where = `at instance ${server.instanceNumber}`;
      return violated(7, event, `it is ${where}, and the disk says ${instanceNumber}`);
    }
    return (
      this.#checkState(before, server.durable, null, event) ??
      this.#checkVotes(server, before, event)
    );
  }

  /** A server that has lost its votes gets them back where it has never voted. */
  #checkVotes(server: Server, before: Durable, event: TraceEvent): Violation | null {
    const { votesFrom, instanceNumber, promisedId } = server.durable;
    if (promisedId !== null) server.votedUpTo = Math.max(server.votedUpTo, instanceNumber);
    if (votesFrom === before.votesFrom || votesFrom === null) return null;
    if (votesFrom > server.votedUpTo) return null;
    const where = `in instance ${server.votedUpTo}`;
    return violated(5, event, `it will vote from ${votesFrom} on, and has voted ${where} before`);
  }

  /** Who votes in this instance: the chain before it says so. */
  #votersOf(instance: Instance): Voters {
    const membership = instance.before?.membership;
    let known = this.#votersBy.get(membership);
    if (known === undefined) {
      const { voters, others } = rollOf(membership, this.#founders);
      const bits = voters.reduce((all, uid) => all | (this.#servers.get(uid)?.bit ?? 0), 0);
      const count = voters.length;
      known = { bits, count, quorum: quorumOf(count), everybody: count + others.length };
      this.#votersBy.set(membership, known);
    }
    return known;
  }

  /** Where it has no vote it says nothing. */
  #checkMayVote(server: Server, instanceNumber: number, event: TraceEvent): Violation | null {
    const { votesFrom } = server.durable;
    if ((this.#votersOf(this.#instance(instanceNumber)).bits & server.bit) === 0) {
      return violated(5, event, `it votes in instance ${instanceNumber}, and is no member there`);
    }
    if (votesFrom !== null && votesFrom <= instanceNumber) return null;
    return violated(5, event, `it has lost its votes, and votes in instance ${instanceNumber}`);
  }

  /** The disk held `before`, and now it holds `now`: of this chain, if that is known. */
  #checkState(
    before: Durable,
    now: Durable,
    chain: ChainState | null,
    event: TraceEvent,
  ): Violation | null {
    const { instanceNumber, promisedId, acceptedId, digest } = now;
    if (instanceNumber < before.instanceNumber) {
      const from = before.instanceNumber;
      return violated(7, event, `the disk goes back from instance ${from} to ${instanceNumber}`);
    }
    if (compareProposalIds(acceptedId, promisedId) > 0) {
      const [accepted, promised] = [show(acceptedId), show(promisedId)];
      return violated(5, event, `the disk says accepted ${accepted}, but promised ${promised}`);
    }
    if (instanceNumber === before.instanceNumber) {
      if (compareProposalIds(promisedId, before.promisedId) < 0) {
        const [now, then] = [show(promisedId), show(before.promisedId)];
        return violated(5, event, `the disk says promised ${now}, and it said ${then} before`);
      }
      if (compareProposalIds(acceptedId, before.acceptedId) < 0) {
        const [now, then] = [show(acceptedId), show(before.acceptedId)];
        return violated(5, event, `the disk says accepted ${now}, and it said ${then} before`);
      }
    }
    return this.#checkDigest(instanceNumber, digest, event, chain);
  }

  /** The chain at an instance must be what all links chosen before it make. */
  #checkDigest(
    instanceNumber: number,
    digest: string,
    event: TraceEvent,
    chain: ChainState | null = null,
  ): Violation | null {
    const instance = this.#instance(instanceNumber);
    const { isForgotten } = instance;
    if (instance.before === null && this.#isComplete && !isForgotten) {
      return violated(2, event, `nothing is chosen yet in instance ${instanceNumber - 1}`);
    }
    instance.before ??= chain;
    instance.digest ??= instance.before === null ? digest : digestOf(instance.before);
    if (digest === instance.digest) return null;
    const wrong = `its chain before instance ${instanceNumber} has the digest ${digest}`;
    return violated(11, event, `${wrong}, and what was chosen makes ${instance.digest}`);
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
          this.#checkBound(server, instanceNumber, proposalId, link, event) ??
          this.#checkProposed(server, proposalId, link, event)
        );
      }
      default:
        return null;
    }
  }

  #receive(server: Server, { from, message }: EventOf<'receive'>): null {
    if (message.type === 'propose' || message.type === 'request')
      server.wish(message.value).asked += 1;
    if (message.type === 'change') {
      server.wish(changeOf(message.requestId)).asked += 1;
      this.#wanted.set(message.requestId, message);
    }
    if (message.type === 'catchup' || message.type === 'snapshot_chunk')
      server.caughtUpTo = message.instanceNumber;
    if (message.type === 'promise' && from !== null) this.#hearPromise(server, from, message);
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

  #promise(server: Server, event: EventOf<'promise'>): Violation | null {
    const { durable, uid } = server;
    const { instanceNumber, proposalId, to } = event;
    const isOlder =
      instanceNumber === durable.instanceNumber &&
      compareProposalIds(proposalId, durable.promisedId) < 0;
    const violation = this.#checkMayVote(server, instanceNumber, event);
    if (violation !== null) return violation;
    if (isOlder) return violated(5, event, `it has promised ${show(durable.promisedId)} before`);
    return to === uid ? this.#beginRound(server, instanceNumber, proposalId, event) : null;
  }

  #accept(server: Server, event: EventOf<'accept'>): Violation | null {
    const { from, instanceNumber, proposalId, value: link } = event;
    const violation =
      this.#checkMayVote(server, instanceNumber, event) ??
      this.#count(server, instanceNumber, proposalId, link, event);
    if (violation !== null || from !== server.uid) return violation;
    // With others around it has asked them before.
    const isAlone = this.#votersOf(this.#instance(instanceNumber)).everybody === 1;
    return (
      (isAlone ? this.#checkBound(server, instanceNumber, proposalId, link, event) : null) ??
      this.#checkProposed(server, proposalId, link, event)
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
    const { bits, quorum } = this.#votersOf(instance);
    if (bitsIn(proposal.acceptedBy & bits) < quorum) return null;
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
    if (instance.isForgotten) return null;

    let { before } = instance;
    for (const one of singlesOf(link)) {
      const violation = this.#chooseSingle(instance.number, before, one, event);
      if (violation !== null) return violation;
      before = before === null ? null : applyLink(before, one, instance.number);
    }
    return null;
  }

  /** Of a batch each is asked for, counted and done by itself. */
  #chooseSingle(
    number: number,
    before: ChainState | null,
    link: SingleLink,
    event: TraceEvent,
  ): Violation | null {
    const isAgain = this.#linkIds.has(link.id);
    this.#linkIds.set(link.id, true);
    if (isAgain) {
      if (!isUpdate(link)) return null;
      return violated(9, event, `${describe(link)} is chosen for a second time`);
    }
    return (
      this.#checkEffect(number, before, link, event) ??
      (isMembers(link) ? this.#checkChange(number, before, link, event) : null) ??
      this.#checkAsked(link, event)
    );
  }

  /** A name that was given before is that of a disk that may have forgotten what it promised. */
  #checkChange(
    number: number,
    before: ChainState | null,
    link: MembersLink,
    event: TraceEvent,
  ): Violation | null {
    if (before === null || link.of !== (before.membership?.since ?? 0)) return null;
    this.#made.set(number, link);
    const used = before.membership?.used ?? this.#founders;
    const members = before.membership?.members;
    const isMember = (uid: Uid) => (members === undefined ? used.includes(uid) : uid in members);
    const twice = Object.keys(link.members).find((uid) => used.includes(uid) && !isMember(uid));
    if (twice === undefined) return null;
    return violated(5, event, `the name ${twice} is given a second time`);
  }

  /** Who can do without those who are gone: a quorum of the new members, by their disks. */
  #checkPast(since: number, event: TraceEvent): Violation | null {
    const after = this.#instances.get(since + 1);
    if (!this.#isComplete || after === undefined || after.before === null) return null;
    const { bits, quorum } = this.#votersOf(after);
    const past = [...this.#servers.values()].filter(({ bit, durable }) => {
      return (bit & bits) !== 0 && durable.instanceNumber > since;
    });
    if (past.length >= quorum) return null;
    const who = `${past.length} of the new members are past instance ${since}`;
    return violated(9, event, `the change is done by its word, and ${who}`);
  }

  /** A request may be chosen more than once, but the chain must let it count only once. */
  #checkEffect(
    number: number,
    before: ChainState | null,
    link: SingleLink,
    event: TraceEvent,
  ): Violation | null {
    if (!('request' in link) || before === null || this.#areStores) return null;
    if (standingOf(before, link.request) !== 'new') return null;
    const request = nameOf(link.request);
    const isAgain = this.#effects.has(request);
    this.#effects.set(request, number);
    if (!isAgain) return null;
    return violated(9, event, `request ${link.request} takes effect for a second time`);
  }

  /** A store remembers more requests than the chain does, and says itself which took effect. */
  #apply(event: EventOf<'apply'>): Violation | null {
    const { instanceNumber, requests } = event;
    const wrong = this.#storeStates.observe(event);
    if (wrong !== null) return violated(11, event, wrong);
    for (const request of requests) {
      if (request === null) continue;
      const before = this.#effects.get(nameOf(request)) ?? instanceNumber;
      this.#effects.set(nameOf(request), before);
      if (before === instanceNumber) continue;
      return violated(9, event, `request ${request} takes effect for a second time`);
    }
    return null;
  }

  #reply({ message }: EventOf<'reply'>, event: TraceEvent): Violation | null {
    if (!this.#isComplete) return null;
    if (message.type === 'changed') {
      const { requestId, instanceNumber } = message;
      if (!this.#wasMade(requestId, instanceNumber)) {
        const where = `in instance ${instanceNumber}`;
        return violated(9, event, `the change ${requestId} did not take effect ${where}`);
      }
      return this.#checkPast(instanceNumber, event);
    }
    if (message.type === 'value') return this.#checkValue(message, event);
    if (message.type !== 'chosen' && message.type !== 'answered') return null;
    const { requestId, instanceNumber } = message;
    const effect = this.#effects.get(nameOf(requestId));
    if (effect === instanceNumber) return null;
    if (effect === undefined && this.#effects.hasForgotten) return null;
    const truth = effect === undefined ? 'nowhere' : `in instance ${effect}`;
    return violated(9, event, `request ${requestId} took effect ${truth}`);
  }

  /** Whether the members after this instance are those that were wanted, whoever made them so. */
  #wasMade(requestId: RequestId, instanceNumber: number): boolean {
    const wanted = this.#wanted.get(requestId);
    const made = this.#made.get(instanceNumber);
    if (made === undefined) return this.#made.hasForgotten;
    if (made.by === requestId) return true;
    return wanted === undefined ? this.#wanted.hasForgotten : isMade(made, wanted);
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

  #checkAsked(link: SingleLink, event: TraceEvent): Violation | null {
    const asker = this.#servers.get(askerOf(link));
    if (asker !== undefined && !asker.isTraced) return null;
    if ('read' in link) return null;
    if (isLease(link)) {
      if (asker !== undefined && asker.leasesWanted > 0) {
        asker.leasesWanted -= 1;
        return null;
      }
      if (asker !== undefined && asker.resumedIn > 0) return null;
      return violated(3, event, `nobody asked for ${describe(link)}`);
    }
    if (asker?.wishes.hasForgotten === true) return null;
    const wish = asker?.wishes.get(isMembers(link) ? changeOf(link.by) : link.update);
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
      if (!this.#isComplete || instance.isForgotten) return this.#choose(instance, link, event);
      return violated(2, event, `no quorum has accepted ${describe(link)} yet`);
    }
    if (isSameLink(instance.chosen, link)) return null;
    const truth = describe(instance.chosen);
    return violated(2, event, `in instance ${instanceNumber} ${truth} was chosen`);
  }

  #advance(server: Server, event: EventOf<'advance'>): Violation | null {
    const { instanceNumber, chain, digest } = event;
    const from = server.instanceNumber;
    const { before } = this.#instance(instanceNumber);
    server.chain = chain ?? before ?? chainAfter(server.chain, event);
    server.instanceNumber = instanceNumber;
    server.digest = digest;
    const violation =
      this.#checkAdvance(server, from, event) ??
      this.#checkDigest(instanceNumber, digest, event, server.chain);
    this.#noticeMix(server);
    this.#forgetOldInstances();
    return violation;
  }

  #checkAdvance(server: Server, from: number, event: EventOf<'advance'>): Violation | null {
    const { instanceNumber, link } = event;
    const step = `from instance ${from} to ${instanceNumber}`;
    if (instanceNumber <= from) return violated(7, event, `it goes back ${step}`);
    if (link === null) {
      if (instanceNumber !== server.caughtUpTo) {
        return violated(7, event, `it goes ${step}, and no catch-up told it so`);
      }
      const digest = digestOf(event.chain ?? EMPTY_CHAIN);
      if (digest === event.digest) return null;
      return violated(11, event, `it says ${event.digest} of a chain with the digest ${digest}`);
    }
    if (instanceNumber !== from + 1) return violated(7, event, `it skips ${step}`);
    return this.#announced(from, link, event);
  }

  // Answers.

  #update(server: Server, event: EventOf<'update'>): Violation | null {
    const wish = server.wish(event.value);
    server.waiting ??= event.waiting - WAITING_CHANGE[event.what];
    server.waiting += WAITING_CHANGE[event.what];
    switch (event.what) {
      case 'queued':
        // That the time of a lock is over no client says.
        if (this.#areStores && event.value.startsWith('expire ')) wish.asked += 1;
        break;
      case 'refused':
        server.forgetWish(event.value, wish);
        break;
      case 'lost':
        return null; // all that waits is given up at once, and told one by one
      case 'dropped':
        break;
      case 'chosen':
        wish.answered += 1;
        if (this.#isComplete && !this.#isInChain(event.id, wish, server)) {
          return violated(9, event, 'the chain does not have it, or not that often');
        }
        // All that was asked for is done: there is nothing to remember.
        if (wish.asked === wish.chosen && wish.chosen === wish.answered) {
          server.wishes.delete(event.value);
        }
    }
    if (event.waiting === server.waiting) return null;
    const said = `it says that ${event.waiting} wait`;
    return violated(9, event, `${said}, and ${server.waiting} have had no answer`);
  }

  #isInChain(id: LinkId | null, wish: Wish, { wishes }: Server): boolean {
    if (id !== null && (wishes.hasForgotten || this.#linkIds.hasForgotten)) return true;
    return id !== null && this.#linkIds.has(id) && wish.answered <= wish.chosen;
  }

  // Rounds: what a proposer hears, and what it may propose.

  /** Its own promise is the first of a round. What it has accepted itself binds it, too. */
  #beginRound(
    server: Server,
    instanceNumber: number,
    id: ProposalId,
    event: TraceEvent,
  ): Violation | null {
    const { lastRound, durable, bit } = server;
    const isHere = durable.instanceNumber === instanceNumber;
    const highestId = isHere ? durable.acceptedId : null;
    const highestLink = isHere ? durable.acceptedValue : null;
    const round = { instanceNumber, id, promisedBy: bit, highestId, highestLink };
    server.round = server.lastRound = { ...round, hasProposed: false };
    if (lastRound === null || lastRound.instanceNumber !== instanceNumber) return null;
    if (compareProposalIds(id, lastRound.id) > 0) return null;
    const before = `it has begun a round with ${show(lastRound.id)} before`;
    return violated(4, event, `${before}, and begins one with ${show(id)}`);
  }

  #hearPromise({ round }: Server, from: Uid, promise: Promised): void {
    if (round === null || round.hasProposed) return;
    if (round.instanceNumber !== promise.instanceNumber) return;
    if (compareProposalIds(round.id, promise.proposalId) !== 0) return;
    round.promisedBy |= this.#servers.get(from)?.bit ?? 0;
    if (compareProposalIds(promise.lastAcceptedId, round.highestId) <= 0) return;
    round.highestId = promise.lastAcceptedId;
    round.highestLink = promise.lastAcceptedValue;
  }

  #lead(server: Server, event: EventOf<'lead'>): Violation | null {
    const { instanceNumber, proposalId: id, bound, at } = event;
    // Servers of two modes refuse each other. One without leases may go on while nobody is master.
    const isBeside = this.#masterBeside(server) !== null && this.#hasMaster(at);
    const usesLeases = server.hasLeases || isBeside;
    const isEntitled =
      !usesLeases || bound !== null || at <= server.masterAtMostUntilMs || server.mayOverstay;
    server.unentitledRound = isEntitled ? null : id;
    if (id.number !== RESERVED_NUMBER) return null;
    const round = { instanceNumber, id, promisedBy: 0, highestId: null, highestLink: null };
    server.round = { ...round, hasProposed: false };
    return this.#checkReserved(server, instanceNumber, event);
  }

  /** The reserved number needs no promises; but the chain before must name the one who takes it. */
  #checkReserved(server: Server, instanceNumber: number, event: TraceEvent): Violation | null {
    const { uid, durable, resumedIn } = server;
    const { before } = this.#instance(instanceNumber);
    if (durable.instanceNumber === instanceNumber && durable.promisedId !== null) {
      const promised = `has promised ${show(durable.promisedId)} in this instance`;
      return violated(12, event, `it takes the reserved number, and ${promised}`);
    }
    if (before === null) return null;
    if (before.lease?.holder !== uid) {
      const holder = before.lease === null ? 'nobody' : before.lease.holder;
      return violated(12, event, `it takes the reserved number, and the chain names ${holder}`);
    }
    if (resumedIn > 0 || runOf(before.lease.id) === server.run) return null;
    const lease = `the lease ${before.lease.id}, which it did not ask for in this run`;
    return violated(12, event, `it takes the reserved number for ${lease}`);
  }

  /** What is proposed for the first time must be what the promises of this very round bind to. */
  #checkBound(
    server: Server,
    instanceNumber: number,
    id: ProposalId,
    link: Link,
    event: TraceEvent,
  ): Violation | null {
    const { round, uid } = server;
    const isOfRound =
      round?.instanceNumber === instanceNumber && compareProposalIds(round.id, id) === 0;
    if (!isOfRound) {
      if (instanceNumber <= server.resumedIn) return null;
      return violated(12, event, `it proposes under ${show(id)}, which is not its present round`);
    }
    if (round.hasProposed) return null; // the same again: anything else falls under 4

    round.hasProposed = true;
    const { highestLink, highestId, promisedBy } = round;
    if (highestLink === null && askerOf(link) === uid) server.run = runOf(link.id);
    if (id.number === RESERVED_NUMBER) return null;
    const { bits, count, quorum } = this.#votersOf(this.#instance(instanceNumber));
    const promises = bitsIn(promisedBy & bits);
    if (promises < quorum) {
      const counted = `${promises} of ${count}`;
      return violated(12, event, `it proposes with the promises of ${counted}`);
    }
    if (highestLink === null || isSameLink(highestLink, link)) return null;
    const bound = `bound to ${describe(highestLink)}, accepted under ${show(highestId)}`;
    return violated(12, event, `it proposes ${describe(link)} and is ${bound}`);
  }

  // Masters.

  /**
   * A server that has leases and runs beside this one, as far as events tell: a server that was
   * killed could not say so, and is taken for running only once it has been heard of again.
   */
  #masterBeside(server: Server): Server | null {
    for (const other of this.#servers.values()) {
      if (other.isRunning && other.hasLeases && other.lastSeenAt > server.startedAt) return other;
    }
    return null;
  }

  #hasMaster(atMs: number): boolean {
    return [...this.#servers.values()].some((one) => one.isRunning && one.masterUntilMs > atMs);
  }

  /** All servers have leases, or none has. */
  #noticeMix(server: Server): void {
    if (this.#isMixed || server.hasLeases) return;
    const master = this.#masterBeside(server);
    if (master === null) return;
    this.#isMixed = true;
    const both = `server ${master.uid} runs with master leases and server ${server.uid} without`;
    this.#remarks.push(`${both}: one mode for all, or no promise about masters and reads holds`);
  }

  /**
   * What a server with leases proposes of its own free will is its lease, or it is master. What
   * counts is the moment at which its round began: it asks its clocks right after that, and may
   * send the same again when it is master no longer.
   */
  #checkProposed(server: Server, id: ProposalId, link: Link, event: TraceEvent): Violation | null {
    if (isLease(link)) {
      // From here on the others may learn that the lease is free: its holder has resigned.
      if (link.lease === null && askerOf(link) === server.uid) server.endReign();
      return null;
    }
    if (server.unentitledRound === null) return null;
    if (compareProposalIds(server.unentitledRound, id) !== 0) return null;
    const who = server.hasLeases ? server.uid : `${server.uid}, which runs without leases,`;
    return violated(8, event, `${who} proposes ${describe(link)} and is not master`);
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
      instance = freshInstance(number, number < this.#knownFrom);
      if (number < this.#knownFrom) return instance;
      this.#instances.set(number, instance);
    }
    this.#latest = instance;
    return instance;
  }

  /** Nothing is known of what happened up to this instance, but what the chain before it was. */
  #forgetUpTo(instanceNumber: number, chain: ChainState): void {
    if (instanceNumber < this.#knownFrom) return;
    this.#knownFrom = instanceNumber + 1;
    for (const number of this.#instances.keys()) {
      if (number <= instanceNumber) this.#instances.delete(number);
    }
    this.#latest = { ...freshInstance(instanceNumber, true), before: chain };
    this.#instances.set(instanceNumber, this.#latest);
  }

  #forgetOldInstances(): void {
    let oldest = Number.POSITIVE_INFINITY;
    for (const server of this.#servers.values()) {
      // After a crash a server goes on from where its disk is, which may be a little behind.
      const { instanceNumber } = server.durable;
      if (server.isTraced && instanceNumber < oldest) oldest = instanceNumber;
    }
    for (const number of this.#instances.keys()) {
      if (number >= oldest && this.#instances.size <= MOST_INSTANCES) return;
      this.#instances.delete(number);
      this.#knownFrom = Math.max(this.#knownFrom, number + 1);
    }
  }
}

/** Where the traces begin of those servers that the first event of shows in the middle of a run. */
export function resumedIn(events: Iterable<TraceEvent>): ServerState[] {
  const seen = new Set<Uid>();
  const states: ServerState[] = [];
  for (const event of events) {
    if (seen.has(event.server)) continue;
    if (event.event === 'start') seen.add(event.server);
    if (event.event !== 'resume') continue;
    seen.add(event.server);
    states.push(event.state);
  }
  return states;
}

const WAITING_CHANGE = { queued: 1, refused: 0, chosen: -1, dropped: -1, lost: -1 } as const;

function freshInstance(number: number, isForgotten: boolean): Instance {
  return { number, isForgotten, proposals: [], chosen: null, before: null, digest: null };
}

/** Which instance an event is about, if it says so. */
export function instanceOf(event: TraceEvent): number | null {
  if ('instanceNumber' in event) return event.instanceNumber;
  if ('state' in event) return event.state.instanceNumber;
  const message = 'message' in event ? event.message : null;
  return message !== null && 'instanceNumber' in message ? message.instanceNumber : null;
}

/** What all links have in common that a server asked for in one life. */
function runOf(id: LinkId): string {
  return id.slice(0, id.lastIndexOf('-'));
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

/** What a server is asked for that is to change the members. */
function changeOf(request: RequestId): string {
  return `change ${request}`;
}

function requestOf(link: Link): RequestId | null {
  return 'request' in link ? link.request : null;
}

function nameOf(request: RequestId): string {
  const { client, number } = partsOf(request);
  return `${client}-${number}`;
}

function isSameLink(a: Link, b: Link): boolean {
  if (a === b) return true;
  if (a.id !== b.id) return false;
  if (isBatch(a)) return isBatch(b) && isSameBatch(a, b);
  if (isUpdate(a)) return isUpdate(b) && a.update === b.update && requestOf(a) === requestOf(b);
  if (isLease(a)) return isLease(b) && a.lease === b.lease;
  if (isMembers(a)) return isMembers(b) && isSameChange(a, b);
  return 'read' in b;
}

function isSameBatch({ batch }: BatchLink, { batch: other }: BatchLink): boolean {
  return (
    batch.length === other.length && batch.every((one, at) => isSameLink(one, other[at] as Link))
  );
}

function isSameChange(a: MembersLink, b: MembersLink): boolean {
  const isOfSame = a.of === b.of && a.by === b.by && a.used.join(' ') === b.used.join(' ');
  return isOfSame && textOfRoster(a.members) === textOfRoster(b.members);
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
