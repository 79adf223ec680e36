/**
 * Broken on purpose: small roles, each of which breaks one rule of Paxos, and the invariant that
 * falls when it does. They show that the checkers see something, and they are exercises: guess the
 * schedule that goes wrong before the explorer or the simulator prints it.
 */
import type { Link } from '../../chain.ts';
import {
  type AcceptMessage,
  Acceptor,
  type AcceptorState,
  Learner,
  PaxosInstance,
  type PromiseMessage,
  Proposer,
  type Uid,
} from '../../composable-paxos.ts';
import type { Environment } from '../../environment.ts';

/** Makes the roles of one server for a fresh or a restored instance. */
export type CreateInstance = (
  uid: Uid,
  quorum: number,
  restored: AcceptorState<Link>,
) => PaxosInstance<Link>;

/** The rules that a server plays by: its roles, and what stands between it and its world. */
export interface Rules {
  readonly createInstance: CreateInstance;
  readonly environment: (environment: Environment) => Environment;
}

export interface BrokenRules extends Rules {
  readonly name: string;
  /** What is wrong, in one sentence. */
  readonly breaks: string;
  /** The number of the first invariant that falls, see DESIGN section 10. */
  readonly invariant: number;
  /** Where whole runs are watched, and not only what is chosen: the one that falls before that. */
  readonly inRuns?: number;
}

/** Nothing is broken: the roles as they are, in the world as it is. */
export const SOUND: Rules = {
  createInstance: (uid, quorum, restored) => PaxosInstance.restore(uid, quorum, restored),
  environment: (environment) => environment,
};

/** Never says no, whatever it has promised. */
class CarelessAcceptor extends Acceptor<Link> {
  protected override isBelowPromise(): boolean {
    return false;
  }
}

/** Accepts, and leaves its promise where it was: a lower proposal may still come through. */
class LaxAcceptor extends Acceptor<Link> {
  override receiveAccept(message: AcceptMessage<Link>) {
    const { promisedId } = this.state;
    const answer = super.receiveAccept(message);
    if (this.state.promisedId !== promisedId) this.state = { ...this.state, promisedId };
    return answer;
  }
}

/** Finishes the first accepted value that it is told of, be there a higher one or not. */
class HastyProposer extends Proposer<Link> {
  protected override highestAccepted(message: PromiseMessage<Link>) {
    const { highestAcceptedId, highestAcceptedValue } = this.state;
    if (highestAcceptedId === null) return super.highestAccepted(message);
    return { highestAcceptedId, highestAcceptedValue };
  }
}

/** Takes the second copy of an accepted for the word of one more acceptor. */
class DoubleCountingLearner extends Learner<Link> {
  override receiveAccepted(...[from, message]: Parameters<Learner<Link>['receiveAccepted']>) {
    const isCopy = this.acceptorsOf(message.proposalId).includes(from);
    return super.receiveAccepted(isCopy ? `copy of ${from}` : from, message);
  }
}

/** Gives every save to the disk only after the next datagram has left. */
function saveAfterSending(environment: Environment): Environment {
  const { messenger, storage } = environment;
  let unsaved: Parameters<typeof storage.save>[0] | null = null;
  return {
    clock: environment.clock,
    random: () => environment.random(),
    trace: (decision) => environment.trace(decision),
    storage: {
      load: () => storage.load(),
      save: (state) => {
        unsaved = state;
      },
    },
    messenger: {
      reply: (to, message) => messenger.reply(to, message),
      canCarry: (link) => messenger.canCarry(link),
      send: (to, message) => {
        messenger.send(to, message);
        if (unsaved !== null) storage.save(unsaved);
        unsaved = null;
      },
    },
  };
}

/** Sound rules, but for the roles that are given. */
function withRoles(
  proposer: (uid: Uid, quorum: number, restored: AcceptorState<Link>) => Proposer<Link>,
  acceptor: (restored: AcceptorState<Link>) => Acceptor<Link>,
  learner: (quorum: number) => Learner<Link>,
): Rules {
  const createInstance: CreateInstance = (uid, quorum, restored) =>
    new PaxosInstance(proposer(uid, quorum, restored), acceptor(restored), learner(quorum));
  return { ...SOUND, createInstance };
}

const soundProposer = (uid: Uid, quorum: number, restored: AcceptorState<Link>) =>
  new Proposer<Link>(uid, quorum, restored.promisedId);
const soundAcceptor = (restored: AcceptorState<Link>) => new Acceptor<Link>(restored);
const soundLearner = (quorum: number) => new Learner<Link>(quorum);

export const BROKEN_RULES: readonly BrokenRules[] = [
  {
    ...withRoles(soundProposer, (restored) => new CarelessAcceptor(restored), soundLearner),
    name: 'careless-acceptor',
    breaks: 'an acceptor accepts without checking what it has promised',
    invariant: 5,
  },
  {
    ...withRoles(soundProposer, (restored) => new LaxAcceptor(restored), soundLearner),
    name: 'lax-acceptor',
    breaks: 'accepting a value does not raise the promise',
    invariant: 5,
  },
  {
    ...withRoles(
      soundProposer,
      (restored) => new Acceptor({ ...restored, promisedId: restored.acceptedId }),
      soundLearner,
    ),
    name: 'forgotten-promise',
    breaks: 'after a crash an acceptor remembers what it accepted, but not what it promised',
    invariant: 5,
  },
  {
    ...withRoles(
      (uid, quorum, { promisedId }) => new HastyProposer(uid, quorum, promisedId),
      soundAcceptor,
      soundLearner,
    ),
    name: 'first-value',
    breaks: 'a proposer finishes the first accepted value that it hears of, not the highest',
    invariant: 1,
    inRuns: 12,
  },
  {
    ...withRoles(
      (uid, _quorum, { promisedId }) => new Proposer(uid, 1, promisedId),
      soundAcceptor,
      soundLearner,
    ),
    name: 'quorum-of-one',
    breaks: 'a single promise, its own, is enough for a proposer',
    invariant: 1,
    inRuns: 12,
  },
  {
    ...withRoles((uid, quorum) => new Proposer(uid, quorum, null), soundAcceptor, soundLearner),
    name: 'reused-id',
    breaks: 'a restarted proposer starts again at its first number',
    invariant: 4,
  },
  {
    ...withRoles(soundProposer, soundAcceptor, (quorum) => new DoubleCountingLearner(quorum)),
    name: 'double-count',
    breaks: 'a learner counts the same acceptor twice when it hears it twice',
    invariant: 2,
  },
  {
    ...SOUND,
    environment: saveAfterSending,
    name: 'save-after-sending',
    breaks: 'an answer leaves before the state that it speaks of is saved',
    invariant: 6,
  },
];
