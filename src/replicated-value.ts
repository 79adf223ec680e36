/**
 * `ReplicatedValue`, the base of every replica: one value, kept by a chain of Paxos instances.
 *
 * An instance decides one link. When a link is chosen, the replica applies it, drops the
 * instance and opens the next. This class does what a server must do to be *safe*: it answers,
 * it counts, it saves before it speaks. It is passive, it never starts a conversation by itself.
 * What makes things happen comes in layers, each a mixin around this class; every verb that a
 * layer may override stands here, empty where the base has nothing to do.
 *
 * Four rules hold whatever the layers do:
 *
 *   1. *Save it, then say it.* A promise or an accepted leaves only after it is durable, so that
 *      no crash can make the acceptor forget what others rely on.
 *   2. *Our own promise first, our own acceptance last.* A server is an acceptor of its own
 *      proposals, and messages to itself do not cross the network, where they could be lost. Its
 *      own promise is durable before its prepare leaves: an id that may be known to others
 *      is never used again after a crash. An accept leaves before its own acceptance is
 *      saved, so that the disks of all servers work at the same time.
 *   3. *What is chosen need not be saved at once.* It is safe already: a quorum has it on disk as
 *      accepted. So the chain moves on in memory, and its state goes to disk with the next
 *      promise or acceptance, or a moment later. A server that crashes before that finds its
 *      last instance open, with the value that it accepted, and finishes it once more; the
 *      protocol can only choose the same value again.
 *   4. *Only the open instance is alive.* A message of another instance is not handled here.
 */
import {
  applyLink,
  type ChainState,
  chainOf,
  digestOf,
  EMPTY_CHAIN,
  type Link,
  type LinkId,
  type Roster,
} from './chain.ts';
import {
  type AcceptorState,
  type NackMessage,
  PaxosInstance,
  quorumOf,
  type Uid,
  UNTOUCHED,
} from './composable-paxos.ts';
import type { ClientAddress, Environment, Timer } from './environment.ts';
import type {
  Accept,
  Accepted,
  ClientMessage,
  Nack,
  Names,
  PeerMessage,
  Prepare,
  Promised,
  Question,
} from './messages.ts';
import {
  clusterName,
  highestNumberIn,
  isInstanceMessage,
  isRecord,
  NOT_BELIEVED,
} from './messages.ts';
import { acceptorOf, MustStop, readServerState, type ServerState } from './state.ts';

/** The chain is on disk so many milliseconds after it has moved on, if nothing is saved before. */
const SAVE_WITHIN_MS = 100;

/**
 * So far above all that was seen in its instance may the number of a proposal be. A number grows by
 * one when a round was refused, which takes a message there, one back, a save and a wait: a million
 * of these in one instance take days, and whoever missed them can wait for that instance to close.
 * But whoever forges a datagram cannot come near the end of all numbers with it, from where no
 * round could go on: that takes half a thousand million of them, in one instance.
 *
 * A peer may have been led on by a few of them, and is then the only one that believes itself. It
 * goes on asking, and refusing, and each time that we do not believe it we come one leap nearer.
 */
export const MAX_NUMBER_LEAP = 2 ** 20;
/**
 * So far ahead of us may an instance be. A chain that grows by a thousand links a second, day and
 * night, needs two years for that; who has been away for longer begins with a new disk anyway.
 */
export const MAX_INSTANCE_LEAP = 2 ** 36;

/** What a mixin takes and gives back. The one `any`: TypeScript requires it of mixins. */
// biome-ignore lint/suspicious/noExplicitAny: TypeScript requires it of mixins
export type Constructor<T> = new (...args: any[]) => T;

/**
 * One server of a cluster: an acceptor and a learner of one instance after the other, and, as far
 * as layers want it, a proposer. Whoever owns it calls `start` first, and brings it what arrives.
 */
export class ReplicatedValue {
  readonly uid: Uid;
  /** All servers of the cluster file. */
  protected readonly founders: readonly Uid[];
  protected readonly environment: Environment;

  #instanceNumber = 1;
  #votesFrom: number | null = 1;
  #chain: ChainState = EMPTY_CHAIN;
  #instance!: PaxosInstance<Link>; // from `start` on
  /** So far, at least, are numbers in it that we were told and did not believe. */
  #doubtedNumber = 0;
  #run = ''; // tells this run of the program from every other one
  #linksAsked = 0;
  /** Runs while memory is ahead of the disk. */
  #saveLater: Timer | null = null;

  /** Only stores. The first call that does anything, and that layers hear of, is `start`. */
  constructor(uid: Uid, uids: readonly Uid[], environment: Environment) {
    this.uid = uid;
    this.founders = uids;
    this.environment = environment;
  }

  // What others may know.

  /** Who votes in the open instance: any quorum of them shares a server with any other. */
  get uids(): readonly Uid[] {
    return this.founders;
  }

  /** Who hears what this server says, itself among them. */
  get everybody(): readonly Uid[] {
    return this.uids;
  }

  get peers(): readonly Uid[] {
    return this.everybody.filter((other) => other !== this.uid);
  }

  /** Whom a message, or the disk, may name. */
  get names(): Names {
    return this.uids;
  }

  /** Where the members are, if the chain says so; the same object until it says something else. */
  get members(): Roster | null {
    return null;
  }

  /** What this server calls its cluster. It believes only those who call theirs the same. */
  get cluster(): string {
    return clusterName(this.founders, this.hasLeases);
  }

  get quorum(): number {
    return quorumOf(this.uids.length);
  }

  /** The open instance. All before it are chosen. */
  get instanceNumber(): number {
    return this.#instanceNumber;
  }

  /** The first instance in which this server votes; null as long as it cannot know. */
  get votesFrom(): number | null {
    return this.#votesFrom;
  }

  /** Whether this server has a vote in the open instance. */
  get votes(): boolean {
    return this.#votesFrom !== null && this.#instanceNumber >= this.#votesFrom;
  }

  /** What the links before the open instance have made. */
  get chain(): ChainState {
    return this.#chain;
  }

  /** A short name of what the links before the open instance have made. */
  get digest(): string {
    return digestOf(this.chain);
  }

  /** What this server has promised and accepted in the open instance. */
  get acceptorState(): AcceptorState<Link> {
    return this.#instance.acceptor.state;
  }

  /** Whether one server at a time is master; then `master` is who, if this one knows. */
  get hasLeases(): boolean {
    return false;
  }

  get master(): Uid | null {
    return null;
  }

  /** What is left of this server's own lease, in milliseconds. */
  get leaseLeftMs(): number {
    return 0;
  }

  /** Whether this server may tell a client what is chosen. */
  protected get mayAnswer(): boolean {
    return true;
  }

  /** Whether what this server has in memory is certainly the newest value. */
  protected get mayReadMemory(): boolean {
    return false;
  }

  /** Whether this server may act as master, if there are masters at all. */
  get isMaster(): boolean {
    return false;
  }

  /** How many values and reads of clients wait here. */
  get waiting(): number {
    return 0;
  }

  // Life. A layer's `start` calls super first, its `stop` calls super last.

  /** Goes on from where the disk says. Throws, with one sentence, if that cannot be used. */
  start(): void {
    const { environment, uid, founders } = this;
    const stored = environment.storage.load();
    const restored = stored !== null;
    let acceptor: AcceptorState<Link> = UNTOUCHED;
    if (restored) {
      const state = readServerState(stored, uid, founders, this.names);
      this.#instanceNumber = state.instanceNumber;
      this.#votesFrom = state.votesFrom;
      this.#chain = chainOf(state);
      acceptor = acceptorOf(state);
    }
    this.restore(isRecord(stored) ? stored['kept'] : undefined);
    this.#instance = this.createInstance(acceptor);
    this.#run = randomHex(environment);
    const layers = layersOf(this);
    const uids = this.everybody;
    environment.trace({ event: 'start', uids, layers, restored, state: this.#state() });
    // A disk from before members were kept on it is of this cluster, from now on for good.
    if (isRecord(stored) && !('members' in stored)) this.save();
  }

  /** What layers keep on disk beside the chain; undefined: nothing. */
  protected get kept(): unknown {
    return undefined;
  }

  /** The disk has held this beside the chain: what `kept` was when it was saved. */
  protected restore(kept: unknown): void {
    if (kept !== undefined) throw new MustStop('it is the state of a store: start it with --store');
  }

  /** Ends all activity at once, with all that is chosen on disk. */
  stop(): void {
    if (this.#saveLater !== null) this.save();
    this.environment.trace({ event: 'stop' });
  }

  /** Brings in order what others would have to wait for, then calls `done`; then comes `stop`. */
  retire(done: () => void): void {
    done();
  }

  // What comes from outside.

  /** A client asks for this value. It is up to a layer to do something about it. */
  submit(_value: string): void {}

  /** A message of a client. One that wants an answer needs a layer that gives it. */
  receiveFromClient(_client: ClientAddress, message: ClientMessage): void {
    if (message.type === 'propose') return this.submit(message.value);
    this.ignore(`no layer here answers ${message.type}`);
  }

  /** A message of a peer, or of this server to itself. */
  receive(from: Uid, message: PeerMessage): void {
    if (!isInstanceMessage(message)) return this.ignore(`no layer here knows ${message.type}`);
    if (this.leapsTooFar(message)) return;
    if (message.instanceNumber !== this.#instanceNumber) {
      return this.receiveFromOtherInstance(from, message);
    }
    switch (message.type) {
      case 'prepare':
        return this.receivePrepare(from, message);
      case 'promise':
        return this.receivePromise(from, message);
      case 'nack':
        return this.receiveNack(from, message);
      case 'accept':
        return this.receiveAccept(from, message);
      case 'accepted':
        return this.receiveAccepted(from, message);
    }
  }

  /** Whether a message names numbers that nobody can have come to by now; it says so. */
  protected leapsTooFar(message: PeerMessage): boolean {
    const { instanceNumber } = message;
    if (instanceNumber > this.#instanceNumber + MAX_INSTANCE_LEAP) {
      this.ignore(`${NOT_BELIEVED}: too far an instance`);
      return true;
    }
    if (!isInstanceMessage(message) || instanceNumber !== this.#instanceNumber) return false;
    const { highestNumber } = this.#instance.proposer.state;
    const mostNumber = Math.max(highestNumber, this.#doubtedNumber) + MAX_NUMBER_LEAP;
    if (highestNumberIn(message) <= mostNumber) return false;
    this.ignore(`${NOT_BELIEVED}: too high a number`);
    this.#doubtedNumber = mostNumber;
    return true;
  }

  // The five messages of Paxos, in the open instance.

  protected receivePrepare(from: Uid, message: Prepare): void {
    const { instanceNumber, proposalId } = message;
    const answer = this.#durably(from, () => this.#instance.receivePrepare(message));
    if (answer.type === 'nack') return this.#sendNack(from, answer);

    this.environment.trace({ event: 'promise', to: from, instanceNumber, proposalId });
    this.#reply(from, { ...answer, instanceNumber });
  }

  protected receivePromise(from: Uid, message: Promised): void {
    const { instanceNumber, proposalId } = message;
    const { proposer } = this.#instance;
    const isKnown = proposer.state.promisesFrom.includes(from);
    if (proposer.receivePromise(from, message)) return this.lead();
    if (!proposer.isCurrent(proposalId)) return this.ignore('this round is over');
    if (isKnown) return this.ignore('it has promised this already');

    const count = proposer.state.promisesFrom.length;
    const servers = this.uids.length;
    const counted = { of: 'promise', instanceNumber, proposalId, count, servers } as const;
    this.environment.trace({ event: 'count', ...counted });
  }

  protected receiveNack(from: Uid, message: Nack): void {
    const { instanceNumber, proposalId, promisedProposalId: promisedId } = message;
    if (!this.#instance.proposer.receiveNack(message)) return this.ignore('this round is over');

    this.environment.trace({ event: 'refused', from, instanceNumber, proposalId, promisedId });
    this.preempted(from);
  }

  protected receiveAccept(from: Uid, message: Accept): void {
    const { instanceNumber, proposalId, proposalValue: value } = message;
    const answer = this.#durably(from, () => this.#instance.receiveAccept(message));
    if (answer.type === 'nack') return this.#sendNack(from, answer);

    this.environment.trace({ event: 'accept', from, instanceNumber, proposalId, value });
    const accepted: Accepted = { ...answer, instanceNumber };
    this.sendToPeers(accepted);
    this.receive(this.uid, accepted);
  }

  protected receiveAccepted(from: Uid, message: Accepted): void {
    const { instanceNumber, proposalId, proposalValue: value } = message;
    const { learner } = this.#instance;
    const before = learner.state;
    const isChosen = learner.receiveAccepted(from, message);
    if (learner.state !== before) this.heard(from);
    const count = learner.acceptorsOf(proposalId).length;
    const counted = { instanceNumber, proposalId, count, servers: this.uids.length };
    if (!isChosen) {
      return this.environment.trace({ event: 'count', of: 'accepted', ...counted });
    }
    this.environment.trace({ event: 'chosen', ...counted, value });
    this.#moveTo(instanceNumber + 1, applyLink(this.#chain, value, instanceNumber), value);
  }

  /** A message of an instance that is closed here, or not yet open. */
  protected receiveFromOtherInstance(_from: Uid, message: PeerMessage): void {
    const isOld = message.instanceNumber < this.#instanceNumber;
    this.ignore(isOld ? 'this instance is closed' : 'this instance is not open yet');
  }

  // What layers make happen. The empty ones are hooks.

  /** Whether the open instance is closed elsewhere, as we know, and we are just told with what. */
  protected get isBeingTold(): boolean {
    return false;
  }

  /** Something may have to be done now: a layer that can, starts. */
  protected pursue(): void {}

  /** Starts a round in the open instance. */
  protected drive(): void {}

  /** What this server would like the open instance to choose, or null. Asked at the last moment. */
  protected nextLink(): Link | null {
    return null;
  }

  /** Another server is to be master. `done` is called when this one is so no more. */
  protected resign(_done: () => void): void {}

  /** This server is to be master, as soon as that is allowed. */
  protected stand(): void {}

  /** `from` has told the acceptor or the learner of the open instance something new. */
  protected heard(_from: Uid): void {}

  /** The current round was refused by `from` and is over. */
  protected preempted(_from: Uid): void {}

  /** The current round found nothing to finish and had nothing to propose; it is over. */
  protected rested(): void {}

  /** The chain has moved on, by `link` or, if null, by catch-up. `pursue` follows. */
  protected advanced(_link: Link | null): void {}

  // Tools for layers.

  /** First phase: asks all acceptors for a promise. */
  protected prepare(): void {
    const instanceNumber = this.#instanceNumber;
    this.ask({ ...this.#instance.proposer.prepare(), instanceNumber });
  }

  /** Second phase without a first: only for the one who owns the reserved number. */
  protected assumeLeadership(): void {
    this.#instance.proposer.assumeLeadership();
    this.lead();
  }

  /** Second phase: asks all acceptors to accept what must be finished, or what we want. */
  protected lead(): void {
    const instanceNumber = this.#instanceNumber;
    const { proposer } = this.#instance;
    const { proposalId, promisesFrom, highestAcceptedValue: bound } = proposer.state;
    if (proposalId === null) throw new Error('nobody can lead between rounds');
    const counted = { count: promisesFrom.length, servers: this.uids.length };
    this.environment.trace({ event: 'lead', instanceNumber, proposalId, ...counted, bound });

    const accept = proposer.accept(this.nextLink());
    if (accept !== null) return this.ask({ ...accept, instanceNumber });
    this.environment.trace({ event: 'rest', instanceNumber, proposalId });
    this.rested();
  }

  /** Puts a question to all acceptors, this server's own among them: see rule 2 above. */
  protected ask(question: Question): void {
    if (question.type === 'prepare') this.receive(this.uid, question);
    this.sendToPeers(question);
    // With a quorum of one this closes the instance before it returns: nothing may follow it.
    if (question.type === 'accept') this.receive(this.uid, question);
  }

  protected sendToPeers(message: PeerMessage): void {
    if (this.peers.length > 0) this.environment.messenger.send(this.peers, message);
  }

  /** Moves to a later instance on a peer's word: all links up to there are chosen. */
  protected jump(instanceNumber: number, chain: ChainState): void {
    if (instanceNumber <= this.#instanceNumber) throw new Error('the chain only grows');
    this.#moveTo(instanceNumber, chain, null);
  }

  /** Closes one instance after the other on a peer's word: these links are chosen in them. */
  protected close(links: readonly Link[]): void {
    for (const link of links) {
      const instanceNumber = this.#instanceNumber;
      this.#enter(instanceNumber + 1, applyLink(this.#chain, link, instanceNumber), link);
    }
    this.pursue();
  }

  /** Has a vote from this instance on; that is durable when this returns. */
  protected voteFrom(instanceNumber: number): void {
    this.#votesFrom = instanceNumber;
    this.save();
  }

  /** Everything is on disk when this returns. */
  protected save(): void {
    this.#saveLater?.cancel();
    this.#saveLater = null;
    this.environment.storage.save({ ...this.#state(), kept: this.kept });
  }

  /** A link id of our own that is new: its run was drawn out of four thousand million. */
  protected newLinkId(): LinkId {
    this.#linksAsked += 1;
    return `${this.uid}-${this.#run}-${this.#linksAsked}`;
  }

  /** The roles for a fresh or a restored instance; whoever wants others puts them here. */
  protected createInstance(restored: AcceptorState<Link>): PaxosInstance<Link> {
    return PaxosInstance.restore(this.uid, this.quorum, restored);
  }

  protected ignore(why: string): void {
    this.environment.trace({ event: 'ignore', instanceNumber: this.#instanceNumber, why });
  }

  #reply(to: Uid, message: PeerMessage): void {
    if (to === this.uid) return this.receive(to, message);
    this.environment.messenger.send([to], message);
  }

  #sendNack(to: Uid, nack: NackMessage): void {
    const { proposalId, promisedProposalId: promisedId } = nack;
    const instanceNumber = this.#instanceNumber;
    this.environment.trace({ event: 'refuse', to, instanceNumber, proposalId, promisedId });
    this.#reply(to, { ...nack, instanceNumber });
  }

  /** Lets the acceptor answer, and returns the answer once what it says would survive a crash. */
  #durably<Answer>(from: Uid, answer: () => Answer): Answer {
    const before = this.acceptorState;
    const result = answer();
    if (this.acceptorState === before) return result;
    this.save();
    this.heard(from);
    return result;
  }

  /** What the disk must hold. The promise and the accepted value have one home: the acceptor. */
  #state(): ServerState {
    const { uid, founders: members, instanceNumber, votesFrom } = this;
    const chain = this.#chain;
    return { uid, members, instanceNumber, votesFrom, ...chain, ...this.acceptorState };
  }

  #moveTo(instanceNumber: number, chain: ChainState, link: Link | null): void {
    this.#enter(instanceNumber, chain, link);
    this.pursue();
  }

  #enter(instanceNumber: number, chain: ChainState, link: Link | null): void {
    this.#instanceNumber = instanceNumber;
    this.#chain = chain;
    this.#instance = this.createInstance(UNTOUCHED);
    this.#doubtedNumber = 0;
    this.#saveLater ??= this.environment.clock.after(SAVE_WITHIN_MS, () => this.save());
    const [jumped, digest] = [link === null ? chain : null, digestOf(chain)];
    this.environment.trace({ event: 'advance', instanceNumber, link, chain: jumped, digest });
    this.advanced(link);
  }
}

/** The names of the classes that a replica is made of, from the outermost to the base. */
function layersOf(replica: ReplicatedValue): string[] {
  const names: string[] = [];
  let prototype: object = Object.getPrototypeOf(replica);
  while (prototype !== Object.prototype) {
    names.push(prototype.constructor.name);
    prototype = Object.getPrototypeOf(prototype);
  }
  return names;
}

/** Eight hexadecimal digits, different on every run. */
function randomHex(environment: Environment): string {
  const number = Math.floor(environment.random() * 2 ** 32);
  return number.toString(16).padStart(8, '0');
}
