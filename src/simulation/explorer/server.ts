/**
 * One server of the explored world: the real base class and the real roles, one turn at a time.
 *
 * A turn is a function. In goes what the server remembers and what happens to it; out comes what
 * it remembers afterwards and, in order, what it saved and sent on the way. Nothing else decides
 * what a turn does, so each needs to be worked out only once, however often it is met.
 */
import { EMPTY_CHAIN, type Link } from '../../chain.ts';
import {
  type AcceptorState,
  compareProposalIds,
  type PaxosInstance,
  type ProposerState,
  type Uid,
  UNTOUCHED,
} from '../../composable-paxos.ts';
import type { Environment } from '../../environment.ts';
import { type InstanceMessage, isInstanceMessage } from '../../messages.ts';
import { ReplicatedValue } from '../../replicated-value.ts';
import { acceptorOf, type ServerState } from '../../state.ts';
import type { Rules } from '../broken/roles.ts';

/** All that a server remembers between two turns. */
export interface Memory {
  readonly disk: AcceptorState<Link>;
  readonly acceptor: AcceptorState<Link>;
  readonly proposer: ProposerState<Link>;
  /** How many rounds it may still start. */
  readonly roundsLeft: number;
}

/** What a turn does that outlives a crash. */
export type Effect =
  | { readonly kind: 'save'; readonly state: AcceptorState<Link> }
  | { readonly kind: 'send'; readonly to: readonly Uid[]; readonly message: InstanceMessage };

export interface Turn {
  readonly effects: readonly Effect[];
  readonly after: Memory;
}

const NO_ROUND: ProposerState<Link> = {
  proposalId: null,
  highestNumber: 0,
  promisesFrom: [],
  highestAcceptedId: null,
  highestAcceptedValue: null,
  leading: false,
  proposedValue: null,
};

/** The server that plays by the given rules. */
export class ExploredServer {
  readonly uid: Uid;
  readonly #uids: readonly Uid[];
  readonly #rules: Rules;
  readonly #rounds: number;
  readonly #isTidy: boolean;

  /** `rounds`: how many it may start in all its lives. `isTidy`: see `tidy` below. */
  constructor(uid: Uid, uids: readonly Uid[], rules: Rules, rounds: number, isTidy: boolean) {
    this.uid = uid;
    this.#uids = uids;
    this.#rules = rules;
    this.#rounds = rounds;
    this.#isTidy = isTidy;
  }

  /** A server that has never run. */
  fresh(): Memory {
    return this.#memory(this.#replica(null, null, 0, []), UNTOUCHED, this.#rounds);
  }

  /**
   * The server after a crash: what was in memory is gone, the disk is as it was. Null if it
   * refuses to start from it; a server that stays down is one whose messages are all lost.
   */
  restarted(disk: AcceptorState<Link>, roundsLeft: number): Memory | null {
    if (compareProposalIds(disk.promisedId, disk.acceptedId) < 0) return null;
    const { uid } = this;
    const begun = { uid, members: this.#uids, instanceNumber: 1, votesFrom: 1 };
    const stored = { ...begun, ...EMPTY_CHAIN, ...disk };
    return this.#memory(this.#replica(stored, null, roundsLeft, []), disk, roundsLeft);
  }

  /** True while the layers might start a round: they do not while one is past its first phase. */
  mayStartRound({ roundsLeft, proposer }: Memory): boolean {
    return roundsLeft > 0 && !proposer.leading;
  }

  startRound(before: Memory): Turn {
    return this.#turn(before, before.roundsLeft - 1, (replica) => replica.startRound());
  }

  receive(before: Memory, from: Uid, message: InstanceMessage): Turn {
    return this.#turn(before, before.roundsLeft, (replica) => replica.receive(from, message));
  }

  #turn(before: Memory, roundsLeft: number, act: (replica: ExploredReplica) => void): Turn {
    const effects: Effect[] = [];
    const replica = this.#replica(null, before, roundsLeft, effects);
    act(replica);
    const saved = effects.findLast((effect) => effect.kind === 'save');
    const after = this.#memory(replica, saved?.state ?? before.disk, roundsLeft);
    return { effects, after };
  }

  #replica(
    stored: ServerState | null,
    running: Memory | null,
    roundsLeft: number,
    effects: Effect[],
  ): ExploredReplica {
    const environment = this.#rules.environment(recorder(stored, effects));
    const wish = this.#wish(roundsLeft);
    const replica = new ExploredReplica(this.uid, this.#uids, environment);
    replica.become(this.#rules, running, wish);
    replica.start();
    return replica;
  }

  /**
   * What the server wants to be chosen: another value in every round. No rule looks into a value,
   * so whatever can go wrong with equal values goes wrong with different ones as well.
   */
  #wish(roundsLeft: number): Link {
    const round = this.#rounds - roundsLeft;
    return { update: `${this.uid}${round}`, id: `${this.uid}-00000000-${round}` };
  }

  #memory(replica: ExploredReplica, disk: AcceptorState<Link>, roundsLeft: number): Memory {
    const acceptor = replica.instance.acceptor.state;
    const { state } = replica.instance.proposer;
    const proposer = this.#isTidy ? tidy(state, roundsLeft) : state;
    return { disk, acceptor, proposer, roundsLeft };
  }
}

/**
 * Forgets what can make no difference any more, so that more states are seen to be the same:
 *
 *   - With no round left and none that still gathers promises, a proposer will never speak again:
 *     it speaks when it starts a round, and when a promise completes the quorum.
 *   - With no round left, no next number will be needed.
 *   - Past the quorum, who promised what has had its effect.
 *   - Who promised first does not matter, only who did.
 */
function tidy(proposer: ProposerState<Link>, roundsLeft: number): ProposerState<Link> {
  const { proposalId, leading, promisesFrom } = proposer;
  if (roundsLeft === 0 && (proposalId === null || leading)) return NO_ROUND;
  const highestNumber = roundsLeft === 0 ? 0 : proposer.highestNumber;
  if (leading) return { ...NO_ROUND, proposalId, leading, highestNumber };
  return { ...proposer, highestNumber, promisesFrom: [...promisesFrom].sort() };
}

/**
 * True if an answer on its way to this server will never again do anything, whenever it arrives:
 *
 *   - A promise counts only while its round gathers promises, and no round comes back: its id was
 *     on disk before it was first sent, so every later life starts above it.
 *   - A nack of a round that is over only raises the number from which the next round starts. That
 *     is no news if there is no next round, or if the disk, which later lives know as well,
 *     names a number that is as high.
 */
export function isDeafTo(memory: Memory, answer: InstanceMessage): boolean {
  const { proposer, roundsLeft, disk } = memory;
  if (answer.type !== 'promise' && answer.type !== 'nack') return false;
  const isOver = compareProposalIds(answer.proposalId, proposer.proposalId) !== 0;
  if (answer.type === 'promise') return isOver || proposer.leading;
  return isOver && (roundsLeft === 0 || answer.promisedProposalId.number <= numberOn(disk));
}

function numberOn(disk: AcceptorState<Link>): number {
  return disk.promisedId?.number ?? 0;
}

/** The base of every replica, with a round that starts on demand. */
class ExploredReplica extends ReplicatedValue {
  instance!: PaxosInstance<Link>;
  #rules!: Rules;
  #running: Memory | null = null;
  #wish: Link | null = null;

  /** To be told before `start`: `running` is null after a crash. */
  become(rules: Rules, running: Memory | null, wish: Link): void {
    this.#rules = rules;
    this.#running = running;
    this.#wish = wish;
  }

  startRound(): void {
    this.prepare();
  }

  protected override createInstance(restored: AcceptorState<Link>): PaxosInstance<Link> {
    this.instance = this.#rules.createInstance(this.uid, this.quorum, restored);
    if (this.#running !== null) {
      this.instance.acceptor.state = this.#running.acceptor;
      this.instance.proposer.state = this.#running.proposer;
    }
    return this.instance;
  }

  protected override nextLink(): Link | null {
    return this.#wish;
  }

  /** Learners are explored by themselves, see `explorer.ts`: the instance stays open. */
  protected override receiveAccepted(): void {}
}

/** A world without time and chance, in which every save and every datagram is written down. */
function recorder(stored: ServerState | null, effects: Effect[]): Environment {
  return {
    clock: { now: () => 0, wallNow: () => 0, after: () => ({ cancel: () => {} }) },
    random: () => 0,
    trace: () => {},
    storage: {
      load: () => stored,
      save: (state) => effects.push({ kind: 'save', state: acceptorOf(state) }),
    },
    messenger: {
      reply: () => {},
      canCarry: () => true,
      send: (to, message) => {
        if (!isInstanceMessage(message)) throw new Error(`the base does not send ${message.type}`);
        effects.push({ kind: 'send', to, message });
      },
    },
  };
}

/** True if the first state promises and has accepted at least as much as the second. */
export function covers(state: AcceptorState<Link>, other: AcceptorState<Link>): boolean {
  return (
    compareProposalIds(state.promisedId, other.promisedId) >= 0 &&
    compareProposalIds(state.acceptedId, other.acceptedId) >= 0
  );
}
