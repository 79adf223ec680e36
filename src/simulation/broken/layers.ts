/**
 * Broken on purpose, one level up: layers that each break one rule of a whole replica. Compare
 * `roles.ts`, where the rules of a single instance are broken.
 */
import {
  type ChainState,
  isLease,
  type Link,
  type LinkId,
  partsOf,
  type RequestId,
  standingOf,
} from '../../chain.ts';
import { type AcceptorState, RESERVED_NUMBER, type Uid } from '../../composable-paxos.ts';
import type { ClientAddress, Clock, Environment, Messenger, Timer } from '../../environment.ts';
import { HOLDER_WINDOW_MS, LOOK_EVERY_MS, type MasterLeases } from '../../master-strategy.ts';
import {
  type Accept,
  type Accepted,
  type ClientMessage,
  clusterName,
  highestNumberIn,
  isInstanceMessage,
  type PeerMessage,
  type Prepare,
  type Question,
  type Reply,
} from '../../messages.ts';
import { type Rejoin, safeInstance } from '../../rejoin-strategy.ts';
import { type Constructor, MAX_NUMBER_LEAP, ReplicatedValue } from '../../replicated-value.ts';
import { BackoffResolution, RETRANSMIT_INTERVAL_MS } from '../../resolution-strategy.ts';
import { CatchUp } from '../../sync-strategy.ts';
import type { UpdateQueue } from '../../update-queue.ts';
import type { Skippable } from '../disk.ts';
import type { ReplicaClass } from '../machine.ts';
import { MasterReplica, PlainReplica } from '../replicas.ts';
import type { Fault } from '../schedule.ts';
import { BROKEN_RULES, type Rules } from './roles.ts';

/** Each is found in fewer seeds than this. */
export const MOST_SEEDS_FOR_A_BREAK = 3_000;

/** A rule that is broken, and what must be noticed. */
export interface Break {
  readonly name: string;
  /** What is wrong, in one sentence. */
  readonly breaks: string;
  /** The invariants of which one falls first. */
  readonly invariants: readonly number[];
  /** Where the break shows: in a cluster of this kind. */
  readonly leases: boolean;
  /** Whether the servers are stores. */
  readonly store?: boolean;
  /** Whether their members change. */
  readonly members?: boolean;
  /** Whether they keep journals; if nothing is said, stores do. */
  readonly journal?: boolean;
  readonly servers: number;
  /** The faults that bring it out; null: any mix does. */
  readonly faults: readonly Fault[] | null;
  /** The first seed that shows it, if all before take long; 1 if nothing is said. */
  readonly firstSeed?: number;
  readonly replicaClass: ReplicaClass;
  readonly skippedSaveSteps: readonly Skippable[];
}

/** The right replica with other roles, or in another world. */
export function withRules(Right: ReplicaClass, rules: Rules): ReplicaClass {
  return class BrokenRules extends Right {
    constructor(uid: Uid, uids: readonly Uid[], environment: Environment) {
      super(uid, uids, rules.environment(environment));
    }

    protected override createInstance(restored: AcceptorState<Link>) {
      return rules.createInstance(this.uid, this.quorum, restored);
    }
  };
}

/** Everybody takes number 1, whether the chain names it as lease holder or not. */
export function NumberOneForAll<TBase extends Constructor<ReplicatedValue>>(Base: TBase) {
  return class NumberOneForAll extends Base {
    protected override drive(): void {
      if (this.acceptorState.promisedId === null) return this.assumeLeadership();
      super.drive();
    }
  };
}

/** As master it takes number 1 again and again, also where it has used it before. */
function NumberOneAgain<TBase extends Constructor<MasterLeases>>(Base: TBase) {
  return class NumberOneAgain extends Base {
    protected override drive(): void {
      if (this.isMaster) return this.assumeLeadership();
      super.drive();
    }
  };
}

/** Believes in its lease from the moment at which it last *asked* for it. */
function LeaseFromTheAttempt<TBase extends Constructor<MasterLeases>>(Base: TBase) {
  return class LeaseFromTheAttempt extends Base {
    #askedAtMs = Number.NEGATIVE_INFINITY;

    override get isMaster(): boolean {
      const isOurs = this.chain.lease?.holder === this.uid;
      return isOurs && this.environment.clock.now() < this.#askedAtMs + HOLDER_WINDOW_MS;
    }

    protected override ask(question: Question): void {
      const link = question.type === 'accept' ? question.proposalValue : this.nextLink();
      if (link !== null && 'lease' in link) this.#askedAtMs = this.environment.clock.now();
      super.ask(question);
    }
  };
}

/** Takes a lease of which it does not know the age for no lease at all. */
function UnknownLeaseIsFree<TBase extends Constructor<MasterLeases>>(Base: TBase) {
  return class UnknownLeaseIsFree extends Base {
    /** True while a lease is learned by the link that grants it, and so just when it is granted. */
    #isFresh = false;

    protected override advanced(link: Link | null): void {
      this.#isFresh = link !== null;
      super.advanced(link);
      this.#isFresh = false;
    }

    protected override bind(): void {
      if (this.#isFresh) super.bind();
    }
  };
}

/** Keeps quiet itself while a lease binds it, but promises to whoever asks. */
function PromisesToAnybody<TBase extends Constructor<MasterLeases>>(Base: TBase) {
  return class PromisesToAnybody extends Base {
    protected override receivePrepare(from: Uid, message: Prepare): void {
      ReplicatedValue.prototype['receivePrepare'].call(this, from, message);
    }
  };
}

/** Acts as master until it has learned that the lease which it hands back is over. */
function ReignsWhileHandingBack<TBase extends Constructor<MasterLeases>>(Base: TBase) {
  return class ReignsWhileHandingBack extends Base {
    override get isMaster(): boolean {
      return this.leaseLeftMs > 0;
    }
  };
}

/** The right replica, with clocks of another kind. */
function withClock(Right: ReplicaClass, change: (clock: Clock) => Clock): ReplicaClass {
  return class OtherClock extends Right {
    constructor(uid: Uid, uids: readonly Uid[], environment: Environment) {
      super(uid, uids, { ...environment, clock: change(environment.clock) });
    }
  };
}

/** While nothing happens, nobody looks at the clocks. */
function looksOnlyWhenAsked(clock: Clock): Clock {
  const never: Timer = { cancel: () => {} };
  const after = (delayMs: number, act: () => void) =>
    delayMs === LOOK_EVERY_MS ? never : clock.after(delayMs, act);
  return { now: () => clock.now(), wallNow: () => clock.wallNow(), after };
}

/** There is no clock that goes on while the machine sleeps. */
function monotonicOnly(clock: Clock): Clock {
  const now = () => clock.now();
  return { now, wallNow: now, after: (delayMs, act) => clock.after(delayMs, act) };
}

/** Remains master after a catch-up, whomever the chain names by now. */
function JumpKeepsTheLease<TBase extends Constructor<MasterLeases>>(Base: TBase) {
  return class JumpKeepsTheLease extends Base {
    protected override jump(instanceNumber: number, chain: ChainState): void {
      const lease = this.isMaster ? this.chain.lease : chain.lease;
      super.jump(instanceNumber, { ...chain, lease });
    }
  };
}

/** Repeats its accepts for ever, each time for whatever instance is open by then. */
function RebuiltRetransmission<TBase extends Constructor<BackoffResolution>>(Base: TBase) {
  return class RebuiltRetransmission extends Base {
    #loops: Timer[] = [];

    override stop(): void {
      for (const loop of this.#loops) loop.cancel();
      super.stop();
    }

    protected override ask(question: Question): void {
      if (question.type === 'accept') this.#repeat(question, this.#loops.length);
      super.ask(question);
    }

    #repeat(question: Question, index: number): void {
      this.#loops[index] = this.environment.clock.after(RETRANSMIT_INTERVAL_MS, () => {
        this.#repeat(question, index);
        this.sendToPeers({ ...question, instanceNumber: this.instanceNumber });
      });
    }
  };
}

/** Says that a value is in the chain as soon as the instance for which it waited is over. */
function ForgetfulQueue<TBase extends Constructor<BackoffResolution>>(Base: TBase) {
  return class ForgetfulQueue extends Base {
    #next: Link | null = null;

    override submit(value: string): void {
      super.submit(value);
      this.#next = { update: value, id: this.newLinkId() };
      this.#say('queued', value);
      this.pursue();
    }

    protected override nextLink(): Link | null {
      return this.#next ?? super.nextLink();
    }

    protected override advanced(link: Link | null): void {
      super.advanced(link);
      if (this.#next !== null && 'update' in this.#next) this.#say('chosen', this.#next.update);
      this.#next = null;
    }

    #say(what: 'queued' | 'chosen', value: string): void {
      const id = this.#next?.id ?? '';
      const waiting = what === 'queued' ? 1 : 0;
      this.environment.trace({ event: 'update', what, value, id, waiting, why: 'forgetful' });
    }
  };
}

/** Tells of the chain where it stands, but not which requests have taken effect in it. */
function CatchUpWithoutRequests<TBase extends Constructor<ReplicatedValue>>(Base: TBase) {
  return class CatchUpWithoutRequests extends Base {
    protected override jump(instanceNumber: number, chain: ChainState): void {
      super.jump(instanceNumber, { ...chain, requests: [], forgottenUpTo: 0 });
    }
  };
}

/** Believes in its lease until a timer tells it otherwise. */
function LeaseByTimer<TBase extends Constructor<MasterLeases>>(Base: TBase) {
  return class LeaseByTimer extends Base {
    #believes = false;
    #timer: Timer | null = null;

    override get isMaster(): boolean {
      return this.#believes;
    }

    override stop(): void {
      this.#timer?.cancel();
      super.stop();
    }

    protected override advanced(link: Link | null): void {
      super.advanced(link);
      if (link === null || !isLease(link)) return;
      this.#timer?.cancel();
      this.#believes = link.lease === this.uid;
      this.#timer = this.environment.clock.after(HOLDER_WINDOW_MS, () => {
        this.#believes = false;
      });
    }
  };
}

/** Hears requests under other ids than those by which the clients asked. */
function RenamesRequests(Base: ReplicaClass) {
  return class RenamesRequests extends Base {
    readonly #realIds: Map<RequestId, RequestId>;

    constructor(uid: Uid, uids: readonly Uid[], environment: Environment) {
      const realIds = new Map<RequestId, RequestId>();
      super(uid, uids, answeringAs(realIds, environment));
      this.#realIds = realIds;
    }

    override receiveFromClient(client: ClientAddress, message: ClientMessage): void {
      if (message.type !== 'request') return super.receiveFromClient(client, message);
      const requestId = this.renamed(message.requestId);
      this.#realIds.set(requestId, message.requestId);
      super.receiveFromClient(client, { ...message, requestId });
    }

    protected renamed(requestId: RequestId): RequestId {
      return requestId;
    }
  };
}

/** Takes every request that arrives for a new one, whatever its id says. */
function DuplicatesTakeEffect(Base: ReplicaClass) {
  return class DuplicatesTakeEffect extends RenamesRequests(Base) {
    protected override renamed(): RequestId {
      const [, run = '', number] = this.newLinkId().split('-');
      return `${run.padStart(16, '0')}-1-${number}`;
    }
  };
}

/** Takes a request for as old as its way to this server, not for as old as its client says. */
function StampsOnArrival(Base: ReplicaClass) {
  return class StampsOnArrival extends RenamesRequests(Base) {
    protected override renamed(requestId: RequestId): RequestId {
      const { client, number } = partsOf(requestId);
      return `${client}-${this.instanceNumber}-${number}`;
    }
  };
}

/** Answers under the ids by which the clients asked. */
function answeringAs(
  realIds: ReadonlyMap<RequestId, RequestId>,
  environment: Environment,
): Environment {
  const { messenger } = environment;
  const reply = (to: ClientAddress, message: Reply) => {
    const requestId = realIds.get(message.requestId) ?? message.requestId;
    messenger.reply(to, { ...message, requestId });
  };
  const send: Messenger['send'] = (...all) => messenger.send(...all);
  const canCarry: Messenger['canCarry'] = (link) => messenger.canCarry(link);
  return { ...environment, messenger: { send, canCarry, reply } };
}

/** Reads its memory, though others may have chosen something newer. */
function StaleReads<TBase extends Constructor<ReplicatedValue>>(Base: TBase) {
  return class StaleReads extends Base {
    protected override get mayReadMemory(): boolean {
      return true;
    }
  };
}

/** Proposes a value in one instance only, as if it must be chosen there. */
function ProposesOnce<TBase extends Constructor<UpdateQueue>>(Base: TBase) {
  return class ProposesOnce extends Base {
    #proposed: LinkId | null = null;

    protected override ask(question: Question): void {
      if (question.type === 'accept') this.#proposed = question.proposalValue.id;
      super.ask(question);
    }

    protected override whyLetGo(link: Parameters<UpdateQueue['enqueue']>[0]): string | null {
      return link.id === this.#proposed ? 'it was proposed once' : super.whyLetGo(link);
    }
  };
}

/** Says that a request is chosen as soon as it has been asked for. */
function AnswersBeforeChosen<TBase extends Constructor<ReplicatedValue>>(Base: TBase) {
  return class AnswersBeforeChosen extends Base {
    override receiveFromClient(client: ClientAddress, message: ClientMessage): void {
      super.receiveFromClient(client, message);
      if (message.type !== 'request') return;
      const { requestId } = message;
      if (standingOf(this.chain, requestId) !== 'new') return;
      const { instanceNumber } = this;
      this.environment.messenger.reply(client, { type: 'chosen', requestId, instanceNumber });
    }
  };
}

/** Tells clients what it has learned to be chosen, though another server is master. */
function AnybodyAnswers<TBase extends Constructor<MasterLeases>>(Base: TBase) {
  return class AnybodyAnswers extends Base {
    protected override get mayAnswer(): boolean {
      return true;
    }
  };
}

/** Says of which cluster it is, but not that it has leases. */
function ModeUnsaid<TBase extends Constructor<ReplicatedValue>>(Base: TBase) {
  return class ModeUnsaid extends Base {
    override get cluster(): string {
      return clusterName(this.uids, false);
    }
  };
}

/** Believes every number of a proposal, however far above all that was seen. */
function BelievesEveryNumber<TBase extends Constructor<ReplicatedValue>>(Base: TBase) {
  return class BelievesEveryNumber extends Base {
    protected override leapsTooFar(message: PeerMessage): boolean {
      return message.type === 'catchup' && super.leapsTooFar(message);
    }
  };
}

/** Does not believe what it did not believe before, however often a peer says it. */
function DoubtsForEver<TBase extends Constructor<ReplicatedValue>>(Base: TBase) {
  return class DoubtsForEver extends Base {
    #believed = RESERVED_NUMBER;

    protected override leapsTooFar(message: PeerMessage): boolean {
      if (!isInstanceMessage(message) || message.instanceNumber !== this.instanceNumber) {
        return super.leapsTooFar(message);
      }
      const number = highestNumberIn(message);
      const highest = Math.max(this.#believed, this.acceptorState.promisedId?.number ?? 0);
      if (number > highest + MAX_NUMBER_LEAP) return true;
      this.#believed = Math.max(highest, number);
      return false;
    }

    protected override advanced(link: Link | null): void {
      this.#believed = RESERVED_NUMBER;
      super.advanced(link);
    }
  };
}

/** Jumps to every instance, however far ahead. */
function BelievesEveryInstance<TBase extends Constructor<ReplicatedValue>>(Base: TBase) {
  return class BelievesEveryInstance extends Base {
    protected override leapsTooFar(message: PeerMessage): boolean {
      return message.type !== 'catchup' && super.leapsTooFar(message);
    }
  };
}

/** Takes it for a sign of progress when somebody says the same thing once more. */
function RepetitionIsNews<TBase extends Constructor<BackoffResolution>>(Base: TBase) {
  return class RepetitionIsNews extends Base {
    protected override receivePrepare(from: Uid, message: Prepare): void {
      this.heard(from);
      super.receivePrepare(from, message);
    }

    protected override receiveAccept(from: Uid, message: Accept): void {
      this.heard(from);
      super.receiveAccept(from, message);
    }

    protected override receiveAccepted(from: Uid, message: Accepted): void {
      this.heard(from);
      super.receiveAccepted(from, message);
    }
  };
}

/** Has lost its disk, and votes all the same. */
function Amnesia<TBase extends Constructor<ReplicatedValue>>(Base: TBase) {
  return class Amnesia extends Base {
    override get votes(): boolean {
      return true;
    }
  };
}

/** Believes one server less than a quorum. */
function AsksTooFew<TBase extends Constructor<Rejoin>>(Base: TBase) {
  return class AsksTooFew extends Base {
    protected override safeInstance(opened: readonly number[]): number | null {
      return safeInstance(opened, this.quorum - 1);
    }
  };
}

/** Counts itself among those who know. */
function AsksItself<TBase extends Constructor<Rejoin>>(Base: TBase) {
  return class AsksItself extends Base {
    protected override safeInstance(opened: readonly number[]): number | null {
      return super.safeInstance([...opened, this.instanceNumber]);
    }
  };
}

/** Votes already so many instances before the first safe one. */
function votesTooSoon(by: number) {
  return <TBase extends Constructor<Rejoin>>(Base: TBase) =>
    class VotesTooSoon extends Base {
      protected override safeInstance(opened: readonly number[]): number | null {
        const safe = super.safeInstance(opened);
        return safe === null ? null : safe - by;
      }
    };
}

const SOUND_REST = {
  leases: false,
  servers: 3,
  faults: null,
  replicaClass: PlainReplica as ReplicaClass,
  skippedSaveSteps: [],
};

const LAYER_BREAKS: readonly Break[] = [
  {
    ...SOUND_REST,
    name: 'number-one-for-all',
    breaks: 'every server takes the reserved number 1, not only the holder of a lease',
    invariants: [12],
    faults: ['loss', 'delay', 'cuts'],
    leases: true,
    replicaClass: class BrokenReplica extends NumberOneForAll(MasterReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'number-one-again',
    breaks: 'a master takes the reserved number also where its acceptor has promised before',
    invariants: [12],
    leases: true,
    faults: ['wild clocks', 'sleeps', 'clocks', 'loss', 'cuts'],
    replicaClass: class BrokenReplica extends NumberOneAgain(MasterReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'lease-from-attempt',
    breaks: 'a lease counts from the last attempt to renew it, chosen or not',
    invariants: [8, 12],
    leases: true,
    replicaClass: class BrokenReplica extends LeaseFromTheAttempt(MasterReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'lease-by-timer',
    breaks: 'a master believes in its lease until a timer fires, however late',
    invariants: [8, 12],
    leases: true,
    replicaClass: class BrokenReplica extends LeaseByTimer(MasterReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'unknown-lease-is-free',
    breaks: 'after a restart or a catch-up a lease of unknown age binds nobody',
    invariants: [8],
    leases: true,
    replicaClass: class BrokenReplica extends UnknownLeaseIsFree(MasterReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'promises-to-anybody',
    breaks: 'a server bound by a lease promises to others, and waits only before it stands itself',
    invariants: [8],
    leases: true,
    faults: ['wild clocks', 'cuts', 'crashes'],
    replicaClass: class BrokenReplica extends PromisesToAnybody(MasterReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'reigns-while-handing-back',
    breaks: 'a master goes on as one while it hands its lease back',
    invariants: [8, 9],
    leases: true,
    faults: ['transfers', 'loss', 'cuts', 'delay'],
    replicaClass: class BrokenReplica extends ReignsWhileHandingBack(MasterReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'monotonic-clock-only',
    breaks: 'a master measures its lease by the monotonic clock, which may stand still in sleep',
    invariants: [8],
    leases: true,
    faults: ['sleeps'],
    replicaClass: withClock(MasterReplica, monotonicOnly),
  },
  {
    ...SOUND_REST,
    name: 'looks-only-when-asked',
    breaks: 'an idle master does not look at its clocks, and misses that one is set back',
    invariants: [8],
    leases: true,
    faults: ['sleeps', 'clocks'],
    replicaClass: withClock(MasterReplica, looksOnlyWhenAsked),
  },
  {
    ...SOUND_REST,
    name: 'jump-keeps-lease',
    breaks: 'a master that catches up remains master, whomever the chain names by now',
    invariants: [11],
    leases: true,
    replicaClass: class BrokenReplica extends JumpKeepsTheLease(MasterReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'catch-up-without-requests',
    breaks: 'whoever catches up does not learn which requests have taken effect',
    invariants: [11],
    replicaClass: class BrokenReplica extends CatchUpWithoutRequests(PlainReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'rebuilt-retransmission',
    breaks: 'a retransmission is rebuilt from what is current when its timer runs out',
    invariants: [12],
    replicaClass: class BrokenReplica extends RebuiltRetransmission(PlainReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'repetition-is-news',
    breaks: 'whoever says the same thing again and again is waited for, though nobody answers it',
    invariants: [10],
    servers: 5,
    faults: ['bad minority'],
    replicaClass: class BrokenReplica extends RepetitionIsNews(PlainReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'forgetful-queue',
    breaks: 'a value is forgotten when its instance chooses another one',
    invariants: [9],
    replicaClass: class BrokenReplica extends ForgetfulQueue(
      BackoffResolution(CatchUp(ReplicatedValue)),
    ) {},
  },
  {
    ...SOUND_REST,
    name: 'duplicates-take-effect',
    breaks: 'a request that is asked twice takes effect twice',
    invariants: [9],
    replicaClass: class BrokenReplica extends DuplicatesTakeEffect(PlainReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'stamped-on-arrival',
    breaks: 'a request counts as made when a server hears it, not when its client made it',
    invariants: [9],
    faults: ['lateness', 'crowds'],
    replicaClass: class BrokenReplica extends StampsOnArrival(PlainReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'stale-reads',
    breaks: 'a read is answered from memory without a lease',
    invariants: [9],
    replicaClass: class BrokenReplica extends StaleReads(PlainReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'proposes-once',
    breaks: 'what was proposed once is let go of, chosen or not',
    invariants: [10],
    replicaClass: class BrokenReplica extends ProposesOnce(PlainReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'answers-before-chosen',
    breaks: 'a request is answered as chosen as soon as it waits in the queue',
    invariants: [9],
    replicaClass: class BrokenReplica extends AnswersBeforeChosen(PlainReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'anybody-answers',
    breaks: 'a server that is not master tells clients what is chosen before the master knows it',
    invariants: [9],
    leases: true,
    replicaClass: class BrokenReplica extends AnybodyAnswers(MasterReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'amnesia',
    breaks: 'a server that has lost its disk votes as if it had not',
    invariants: [5],
    faults: ['lost disks'],
    replicaClass: class BrokenReplica extends Amnesia(PlainReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'asks-too-few',
    breaks: 'a server that has lost its disk asks one of the others less than a quorum',
    invariants: [5],
    faults: ['lost disks', 'cuts', 'loss'],
    replicaClass: class BrokenReplica extends AsksTooFew(PlainReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'asks-itself',
    breaks: 'a server that has lost its disk counts itself in the quorum that it asks',
    invariants: [5],
    faults: ['lost disks', 'cuts', 'loss'],
    replicaClass: class BrokenReplica extends AsksItself(PlainReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'votes-in-that-too',
    breaks: 'after a lost disk a server votes in the highest instance, too, that it was told of',
    invariants: [5],
    faults: ['lost disks', 'loss'],
    replicaClass: class BrokenReplica extends votesTooSoon(2)(PlainReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'votes-in-the-next',
    breaks: 'after a lost disk a server votes in the instance after that, too',
    invariants: [5],
    faults: ['lost disks', 'delay', 'loss'],
    replicaClass: class BrokenReplica extends votesTooSoon(1)(PlainReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'no-directory-sync',
    breaks: 'the directory is not fsynced after the rename, so that a power cut undoes it',
    invariants: [6],
    skippedSaveSteps: ['sync directory'],
  },
  {
    ...SOUND_REST,
    name: 'no-file-sync',
    breaks: 'the new state file is not fsynced before it takes the place of the old one',
    invariants: [6],
    skippedSaveSteps: ['sync'],
  },
  {
    ...SOUND_REST,
    name: 'no-checksum',
    breaks: 'a state file is believed, although it is not what was saved',
    invariants: [5, 11],
    faults: ['bit flips'],
    skippedSaveSteps: ['checksum'],
  },
  {
    ...SOUND_REST,
    name: 'mode-unsaid',
    breaks: 'servers with leases and servers without them believe each other',
    invariants: [8, 9],
    leases: true,
    faults: ['mixed flags', 'cuts'],
    replicaClass: class BrokenReplica extends ModeUnsaid(MasterReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'every-number',
    breaks: 'a number is believed, however far above all that was seen in its instance',
    invariants: [10],
    faults: ['forgeries'],
    replicaClass: class BrokenReplica extends BelievesEveryNumber(PlainReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'doubts-for-ever',
    breaks: 'a number that was not believed is never believed, however often a peer says it',
    invariants: [10],
    faults: ['forgeries', 'bad minority'],
    replicaClass: class BrokenReplica extends DoubtsForEver(PlainReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'every-instance',
    breaks: 'a replica jumps to every instance, however far ahead of its own',
    invariants: [2],
    faults: ['forgeries'],
    replicaClass: class BrokenReplica extends BelievesEveryInstance(PlainReplica) {},
  },
];

/** It takes two accepted values that are told in the wrong order, and so many that accept. */
const BROUGHT_OUT_BY: Readonly<Record<string, Partial<Break>>> = {
  'first-value': { servers: 7, faults: ['loss', 'delay', 'duplication'] },
  // After a crash the state file itself would be refused, which shows it, too.
  'lax-acceptor': { faults: ['loss', 'delay'] },
};

/** All breaks that a simulated cluster can be given, by name. */
export const BREAKS: readonly Break[] = [
  ...BROKEN_RULES.map((rules) => ({
    ...SOUND_REST,
    name: rules.name,
    breaks: rules.breaks,
    invariants: [rules.inRuns ?? rules.invariant],
    replicaClass: withRules(PlainReplica, rules),
    ...BROUGHT_OUT_BY[rules.name],
  })),
  ...LAYER_BREAKS,
];
