/**
 * `PaxosInstance`, and the three roles in it: how several servers agree on **one** value although
 * messages are lost and servers crash. Nothing here sends, waits, writes to disk or asks the time:
 * a message goes in, an answer comes out, both as plain data. Everything else in this project is
 * built around it.
 *
 * The problem. Values cannot simply be sent to everybody and counted: two servers may propose
 * at the same moment, and whoever counts may crash. Paxos (Lamport, "Paxos Made Simple", §2.2)
 * lets a proposer go on from wherever another one stopped. It needs two phases.
 *
 *   1. **Prepare.** A proposer picks a proposal id that is higher than any it has seen and asks:
 *      "will you promise to ignore everything below it?" An acceptor that promises also says
 *      which value, if any, it has accepted so far.
 *   2. **Accept.** With promises from a majority, a *quorum*, it asks: "please accept this value".
 *      The value is not its own to choose when one of the promises named an accepted value:
 *      then it must be the one that was accepted under the highest id.
 *
 * A value is **chosen** as soon as a quorum of acceptors has accepted it under one proposal id.
 * Nobody may know it yet. Why can no other value be chosen afterwards? Take a value `v`, chosen
 * under id `n`, and the next higher id under which anything is proposed.
 *
 *   1. Its proposer holds promises from a quorum, and any two quorums share a server.
 *   2. So one acceptor both accepted `v` under `n` and promised. It accepted first: after the
 *      promise it would have refused `n`.
 *   3. So its promise named an accepted value. Among all the promises, the highest accepted id is
 *      `n`, since nothing has been proposed between `n` and now. That value is `v`.
 *   4. So `v` is proposed again. The same holds for the next id, and for every id after it.
 *
 * And why does every round come to an end? An acceptor that is asked to accept either does, or
 * refuses and says so. Its yes counts for this id for ever, whatever it accepts later. So a
 * proposer that repeats its question to a quorum is told in the end that it has won, or that it
 * was overtaken. A learner that remembered only what each acceptor accepted *last* would break
 * this: B accepts its own 2.B, then A's 3.A; A dies; C, who has heard nothing of all that, accepts
 * 2.B. Nobody refuses, half of the quorum is forgotten, and B could go on asking for ever.
 *
 * Three rules carry the argument, and each is one guard below: a promise is never taken back
 * (`Acceptor`), the highest accepted value wins (`Proposer`), an id is used for one value only.
 * What an acceptor said must also survive a crash, which is the business of whoever owns it:
 * see `replicated-value.ts`.
 *
 * Every role keeps its state as one piece of plain, immutable data. That makes "has anything
 * changed that must be saved?" a comparison of two references.
 */

/** The name of a server: one capital letter, and a number if the letter was given before: `D2`. */
export type Uid = string;

/** A proposal's place in the one order of all proposals of an instance: number first, then uid. */
export interface ProposalId {
  readonly number: number;
  readonly uid: Uid;
}

/**
 * Number 1 stays free in every instance. The first proposer starts at 2. Who may use 1, and why
 * that is safe without asking for promises, is the story of `master-strategy.ts`.
 */
export const RESERVED_NUMBER = 1;

/** Negative, zero or positive as `a` is below, the same as, or above `b`; `null` is below all. */
export function compareProposalIds(a: ProposalId | null, b: ProposalId | null): number {
  if (a === null || b === null) return Number(a !== null) - Number(b !== null);
  if (a.number !== b.number) return a.number - b.number;
  return Number(a.uid > b.uid) - Number(a.uid < b.uid);
}

/** The smallest number of servers of which any two groups share at least one. */
export function quorumOf(servers: number): number {
  return Math.floor(servers / 2) + 1;
}

/** Proposer to acceptors: "will you promise to ignore everything below this id?" */
export interface PrepareMessage {
  readonly type: 'prepare';
  readonly proposalId: ProposalId;
}

/** Acceptor to proposer: "I promise", and what I have accepted so far, if anything. */
export interface PromiseMessage<Value> {
  readonly type: 'promise';
  readonly proposalId: ProposalId;
  readonly lastAcceptedId: ProposalId | null;
  readonly lastAcceptedValue: Value | null;
}

/** Acceptor to proposer: "no, I promised a higher id to someone else". */
export interface NackMessage {
  readonly type: 'nack';
  readonly proposalId: ProposalId;
  readonly promisedProposalId: ProposalId;
}

/** Proposer to acceptors: "please accept this value". */
export interface AcceptMessage<Value> {
  readonly type: 'accept';
  readonly proposalId: ProposalId;
  readonly proposalValue: Value;
}

/** Acceptor to all learners: "I accepted this value". */
export interface AcceptedMessage<Value> {
  readonly type: 'accepted';
  readonly proposalId: ProposalId;
  readonly proposalValue: Value;
}

/** What an acceptor must never forget. `acceptedId` and `acceptedValue` are null together. */
export interface AcceptorState<Value> {
  readonly promisedId: ProposalId | null;
  readonly acceptedId: ProposalId | null;
  readonly acceptedValue: Value | null;
}

/** An acceptor that has never been asked anything. */
export const UNTOUCHED: AcceptorState<never> = {
  promisedId: null,
  acceptedId: null,
  acceptedValue: null,
};

/**
 * The memory of the algorithm ("Paxos Made Simple", §2.2, P1a). Whoever owns an acceptor makes
 * `state` durable before any answer leaves the server.
 */
export class Acceptor<Value> {
  /** Replaced, never changed: `state !== before` means that there is something to save. */
  state: AcceptorState<Value>;

  constructor(restored: AcceptorState<Value> = UNTOUCHED) {
    this.state = restored;
  }

  /** Promises to ignore everything below the asker's id, unless a higher one was promised. */
  receivePrepare(message: PrepareMessage): PromiseMessage<Value> | NackMessage {
    const { proposalId } = message;
    if (this.isBelowPromise(proposalId)) return this.nack(proposalId);

    this.promise(proposalId);
    const { acceptedId, acceptedValue } = this.state;
    return {
      type: 'promise',
      proposalId,
      lastAcceptedId: acceptedId,
      lastAcceptedValue: acceptedValue,
    };
  }

  /** Accepts the value, unless a higher id was promised. Accepting is a promise, too. */
  receiveAccept(message: AcceptMessage<Value>): AcceptedMessage<Value> | NackMessage {
    const { proposalId, proposalValue } = message;
    if (this.isBelowPromise(proposalId)) return this.nack(proposalId);

    if (compareProposalIds(proposalId, this.state.acceptedId) !== 0) {
      this.state = {
        promisedId: proposalId,
        acceptedId: proposalId,
        acceptedValue: proposalValue,
      };
    }
    return { type: 'accepted', proposalId, proposalValue };
  }

  protected isBelowPromise(proposalId: ProposalId): boolean {
    return compareProposalIds(proposalId, this.state.promisedId) < 0;
  }

  protected promise(proposalId: ProposalId): void {
    if (compareProposalIds(proposalId, this.state.promisedId) > 0) {
      this.state = { ...this.state, promisedId: proposalId };
    }
  }

  protected nack(proposalId: ProposalId): NackMessage {
    const promisedProposalId = this.state.promisedId;
    if (promisedProposalId === null) throw new Error('refused without having promised');
    return { type: 'nack', proposalId, promisedProposalId };
  }
}

/** What a proposer knows of its current round. Nothing of it needs to survive a crash. */
export interface ProposerState<Value> {
  /** The id of the running round; null between rounds. */
  readonly proposalId: ProposalId | null;
  /** The highest number seen anywhere: the next round starts above it. */
  readonly highestNumber: number;
  /** Who has promised in this round. */
  readonly promisesFrom: readonly Uid[];
  /** The highest accepted id that a promise of this round named, and its value. */
  readonly highestAcceptedId: ProposalId | null;
  readonly highestAcceptedValue: Value | null;
  /** True once a quorum has promised. */
  readonly leading: boolean;
  /** What this round has asked the acceptors to accept, so that it never asks for anything else. */
  readonly proposedValue: Value | null;
}

/** The voice of the algorithm: gathers promises, and learns from them what it may propose. */
export class Proposer<Value> {
  readonly uid: Uid;
  readonly quorum: number;
  state: ProposerState<Value>;

  /**
   * `promisedId` is what the acceptor beside it has promised. An id that an earlier life of this
   * server prepared was promised here before it was sent, so the next number is higher: no id
   * is ever prepared twice, and the id itself needs no place on disk.
   */
  constructor(uid: Uid, quorum: number, promisedId: ProposalId | null) {
    this.uid = uid;
    this.quorum = quorum;
    this.state = {
      ...this.#freshRound(null),
      highestNumber: promisedId?.number ?? RESERVED_NUMBER,
    };
  }

  /** Takes note of somebody's id: the next round of ours starts above it. */
  observe(proposalId: ProposalId): void {
    if (proposalId.number <= this.state.highestNumber) return;
    this.state = { ...this.state, highestNumber: proposalId.number };
  }

  /** Starts a new round, above every id seen so far. What an earlier round gathered is void. */
  prepare(): PrepareMessage {
    const proposalId = { number: this.state.highestNumber + 1, uid: this.uid };
    this.state = { ...this.#freshRound(proposalId), highestNumber: proposalId.number };
    return { type: 'prepare', proposalId };
  }

  /** Starts a round with the reserved number, which needs no promises. See `master-strategy.ts`. */
  assumeLeadership(): void {
    const proposalId = { number: RESERVED_NUMBER, uid: this.uid };
    this.state = { ...this.state, ...this.#freshRound(proposalId), leading: true };
  }

  /**
   * Counts a promise of the current round. True when it completes the quorum; and once more if the
   * quorum named nothing, so nothing was asked, and this one names something. Else what only one
   * server has accepted would be left unfinished as long as its promise comes last. To propose it
   * is safe: where a quorum has named nothing any value will do, and the id is used for one only.
   */
  receivePromise(from: Uid, message: PromiseMessage<Value>): boolean {
    const { leading, proposedValue } = this.state;
    if (!this.isCurrent(message.proposalId) || this.state.promisesFrom.includes(from)) return false;
    if (leading && (proposedValue !== null || message.lastAcceptedId === null)) return false;

    const promisesFrom = [...this.state.promisesFrom, from];
    this.state = { ...this.state, promisesFrom, ...this.highestAccepted(message) };
    if (promisesFrom.length < this.quorum) return false;

    this.state = { ...this.state, leading: true };
    return true;
  }

  /** Ends the current round if the nack is about it, and says whether it did. */
  receiveNack(message: NackMessage): boolean {
    this.observe(message.promisedProposalId);
    if (!this.isCurrent(message.proposalId)) return false;
    this.state = { ...this.state, ...this.#freshRound(null) };
    return true;
  }

  /**
   * What the acceptors are asked to accept: the highest accepted value that the promises named,
   * or else `own`. Null when there is neither. Throws unless this round leads and has not asked.
   */
  accept(own: Value | null): AcceptMessage<Value> | null {
    const { proposalId, leading, proposedValue, highestAcceptedValue } = this.state;
    if (proposalId === null || !leading) throw new Error('asked to accept without a quorum');
    if (proposedValue !== null) throw new Error('one round must not propose twice');

    const proposalValue = highestAcceptedValue ?? own;
    if (proposalValue === null) return null;
    this.state = { ...this.state, proposedValue: proposalValue };
    return { type: 'accept', proposalId, proposalValue };
  }

  isCurrent(proposalId: ProposalId): boolean {
    return (
      this.state.proposalId !== null && compareProposalIds(proposalId, this.state.proposalId) === 0
    );
  }

  /** The higher of what is known and what this promise names. */
  protected highestAccepted(
    message: PromiseMessage<Value>,
  ): Pick<ProposerState<Value>, 'highestAcceptedId' | 'highestAcceptedValue'> {
    const { highestAcceptedId, highestAcceptedValue } = this.state;
    if (compareProposalIds(message.lastAcceptedId, highestAcceptedId) <= 0) {
      return { highestAcceptedId, highestAcceptedValue };
    }
    return {
      highestAcceptedId: message.lastAcceptedId,
      highestAcceptedValue: message.lastAcceptedValue,
    };
  }

  #freshRound(proposalId: ProposalId | null) {
    return {
      proposalId,
      promisesFrom: [],
      highestAcceptedId: null,
      highestAcceptedValue: null,
      leading: false,
      proposedValue: null,
    };
  }
}

/** That this server has accepted this proposal: a fact, whatever it accepts later. */
export interface Acceptance {
  readonly from: Uid;
  readonly proposalId: ProposalId;
}

/** What a learner has heard. There are as many acceptances as servers, times rounds that led. */
export interface LearnerState<Value> {
  readonly acceptances: readonly Acceptance[];
  readonly chosen: AcceptedMessage<Value> | null;
}

/** The ear of the algorithm: finds out that a value is chosen ("Paxos Made Simple", §2.3). */
export class Learner<Value> {
  readonly quorum: number;
  state: LearnerState<Value> = { acceptances: [], chosen: null };

  constructor(quorum: number) {
    this.quorum = quorum;
  }

  /** Counts that `from` accepted. True once: when a quorum has accepted under the same id. */
  receiveAccepted(from: Uid, message: AcceptedMessage<Value>): boolean {
    const { proposalId } = message;
    const acceptors = this.acceptorsOf(proposalId);
    if (this.state.chosen !== null || acceptors.includes(from)) return false;

    const acceptances = [...this.state.acceptances, { from, proposalId }];
    const isChosen = acceptors.length + 1 >= this.quorum;
    this.state = { acceptances, chosen: isChosen ? message : null };
    return isChosen;
  }

  /** Who is known to have accepted this proposal. */
  acceptorsOf(proposalId: ProposalId): readonly Uid[] {
    return this.state.acceptances
      .filter((acceptance) => compareProposalIds(acceptance.proposalId, proposalId) === 0)
      .map(({ from }) => from);
  }
}

/** The three roles that every server plays in one instance, wired to each other. */
export class PaxosInstance<Value> {
  readonly proposer: Proposer<Value>;
  readonly acceptor: Acceptor<Value>;
  readonly learner: Learner<Value>;

  constructor(proposer: Proposer<Value>, acceptor: Acceptor<Value>, learner: Learner<Value>) {
    this.proposer = proposer;
    this.acceptor = acceptor;
    this.learner = learner;
  }

  /** An instance for server `uid` in a cluster with this quorum, as its disk remembers it. */
  static restore<Value>(uid: Uid, quorum: number, restored: AcceptorState<Value>) {
    return new PaxosInstance<Value>(
      new Proposer(uid, quorum, restored.promisedId),
      new Acceptor(restored),
      new Learner(quorum),
    );
  }

  receivePrepare(message: PrepareMessage): PromiseMessage<Value> | NackMessage {
    this.proposer.observe(message.proposalId);
    return this.acceptor.receivePrepare(message);
  }

  receiveAccept(message: AcceptMessage<Value>): AcceptedMessage<Value> | NackMessage {
    this.proposer.observe(message.proposalId);
    return this.acceptor.receiveAccept(message);
  }
}
