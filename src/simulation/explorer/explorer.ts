/**
 * The explorer: every schedule there is, instead of many at random. It goes through all states that
 * a small world can reach, breadth first, so that the first violation it meets is also one of
 * the shortest. What it runs is the real thing: `ReplicatedValue` and the roles in
 * `composable-paxos.ts`, with nothing but the world around them replaced.
 *
 * **The world.** One instance; some servers are proposers and may start a few rounds each, with
 * a value of their own every time. A *step* is one whole turn of one server (it starts a round,
 * or a message reaches it) or a crash, within a turn or between two. After a crash the server is
 * back at once: one that stays down is one that no message reaches any more.
 *
 * **The network** is the set of all messages that were ever sent; any of them may arrive at any
 * time, any number of times, or never. That is delay, reordering, duplication and loss at once.
 *
 * Why fewer states stand for all of them:
 *
 *   - *A turn is one step*, although the world goes on while a server thinks. What others do
 *     meanwhile does not touch this server, and what it does reaches others only as
 *     messages, which might as well be a little slower. So the turns can be put one after another.
 *   - *A crash within a turn* is tried after each save and each send. A broadcast that was cut
 *     short needs no step of its own: the copies that never left are copies that were lost.
 *     A crash within a save leaves the old file or the new one: as before or after it. What truly
 *     matters is where the disk lags behind the network, as when an accept has left and the
 *     proposer's own acceptance is not saved.
 *   - *A crash that changes nothing* but the number of crashes left is no step.
 *   - *Which servers propose* does not matter, only how many: uids are compared, no more, and
 *     those of the others never are. The first ones do.
 *   - *Learners* change nothing in the instance, see `learner.ts`. That a server which
 *     learns leaves the instance is a case of messages that no longer reach it.
 *   - *A round is given up* by the layers only when it was refused, or had nothing to propose. Here
 *     a proposer may start the next one at any time before a quorum has promised, which is more.
 *   - *What can no longer matter is forgotten*: see `tidy` and `isDeafTo` in `server.ts`.
 *     These two build on rules of the protocol, and are made only when none is broken.
 *
 * With three servers and two proposers no two servers are alike, so symmetry would gain nothing.
 * Not in this world: the reserved number of `master-strategy.ts`, other instances, catch-up.
 *
 * **What is checked**, by the numbers of DESIGN section 10: 1, a quorum never accepts two values;
 * 2, what a learner could announce is chosen; 4, one id carries one value; 5, what a disk has
 * promised and accepted only grows, and a restart brings all of it back; 6, nothing is said before
 * it is saved.
 */
import type { Link } from '../../chain.ts';
import { type AcceptedMessage, quorumOf, type Uid, UNTOUCHED } from '../../composable-paxos.ts';
import { formatId } from '../../trace/words.ts';
import { type Rules, SOUND } from '../broken/roles.ts';
import { ExploredLearner, type Hearsay } from './learner.ts';
import { ExploredServer } from './server.ts';
import {
  CRASH,
  ExploredSteps,
  type Outcome,
  type Sight,
  START_ROUND,
  type Wrong,
} from './steps.ts';
import { messageText, valueText } from './words.ts';

export interface ExplorerOptions {
  /** How many servers there are, from 2 to 9. */
  readonly servers: number;
  /** How many of them start rounds. */
  readonly proposers: number;
  /** How many rounds each of these may start, in all its lives. */
  readonly proposals: number;
  /** How many crashes there may be, those of all servers together. */
  readonly crashes: number;
  /** The exploration gives up when it has seen so many states; at most `MOST_STATES`. */
  readonly maxStates?: number;
  readonly rules?: Rules;
  /** Which invariants to check; all of the five if it is not given. */
  readonly invariants?: readonly number[];
  /** False: forget nothing, though it can no longer matter. Slower; to check the argument. */
  readonly isTidy?: boolean;
}

/** A JavaScript `Set` holds some 16.7 million things, and no more. */
export const MOST_STATES = 16_000_000;
const INVARIANTS: readonly number[] = [1, 2, 4, 5, 6];

export interface Progress {
  /** How many different states were seen. */
  readonly states: number;
  /** How many steps it takes to get to those that are looked at now. */
  readonly depth: number;
  /** How many states were seen and not yet looked at. */
  readonly frontier: number;
}

export interface Violation extends Wrong {
  /** A shortest way there. The first line of a step says what happens, the others what it does. */
  readonly schedule: readonly (readonly string[])[];
}

export interface Exploration extends Progress {
  /** True if there is no state but those seen, and nothing is wrong with any of them. */
  readonly isComplete: boolean;
  /** In how many states a value is chosen. */
  readonly chosen: number;
  /** How many different sets of acceptances there were. */
  readonly histories: number;
  /** How many steps showed it. */
  readonly sights: Readonly<Record<Sight, number>>;
  readonly violation: Violation | null;
}

/** A step out of the state that is being looked at. */
interface Step {
  readonly outcome: Outcome;
  readonly to: string;
  readonly flights: readonly number[];
}

/** What follows from the acceptances so far, and from nothing else. */
interface History {
  readonly isChosen: boolean;
  readonly wrongs: readonly Wrong[];
}

/** Goes through all states of one small world. Made for one exploration. */
export class Explorer {
  readonly #options: ExplorerOptions;
  readonly #quorum: number;
  readonly #steps: ExploredSteps;
  readonly #learner: ExploredLearner;
  readonly #invariants: readonly number[];

  // A state is a string of small numbers, one in each character: the crashes that are left, the
  // memory of each server, and the flights, in ascending order.
  readonly #seen = new Set<string>();
  readonly #states: string[] = [];
  /** The number of the state from which each was first reached. */
  readonly #parents: number[] = [];
  readonly #histories = new Map<string, History>();
  readonly #sights: Record<Sight, number> = {
    'a nack': 0,
    'a promise that names an accepted value': 0,
    'a crash between save and send': 0,
    'a value finished by another proposer': 0,
  };
  #chosen = 0;

  /** Throws a `RangeError` if there can be no such world. */
  constructor(options: ExplorerOptions) {
    checkRanges(options);
    const { servers, proposers, proposals, rules = SOUND, isTidy = rules === SOUND } = options;
    const uids: readonly Uid[] = [...'ABCDEFGHI'].slice(0, servers);
    const explored = uids.map(
      (uid, i) => new ExploredServer(uid, uids, rules, i < proposers ? proposals : 0, isTidy),
    );
    this.#options = { ...options, isTidy };
    this.#quorum = quorumOf(servers);
    this.#steps = new ExploredSteps(explored);
    const { learner } = rules.createInstance(uids[0] as Uid, this.#quorum, UNTOUCHED);
    this.#learner = new ExploredLearner(learner);
    this.#invariants = options.invariants ?? INVARIANTS;
  }

  /** Explores, and reports whenever it has seen that many more states. */
  *explore(statesPerReport = 100_000): Generator<Progress, Exploration> {
    const { crashes, maxStates = MOST_STATES } = this.#options;
    this.#add(keyOf(crashes, this.#steps.fresh(), []), 0);

    let violation: Violation | null = null;
    let depth = 0;
    let depthEndsAt = 1;
    let reportAt = statesPerReport;
    let at = 0;
    const states = this.#states;
    const progress = () => ({ states: states.length, depth, frontier: states.length - at });
    while (at < states.length && states.length < maxStates && violation === null) {
      if (at === depthEndsAt) {
        depth += 1;
        depthEndsAt = states.length;
      }
      violation = this.#lookAt(at);
      at += 1;
      if (states.length < reportAt) continue;
      reportAt = states.length + statesPerReport;
      yield progress();
    }
    return {
      ...progress(),
      isComplete: violation === null && at === states.length,
      chosen: this.#chosen,
      histories: this.#histories.size,
      sights: this.#sights,
      violation,
    };
  }

  #add(state: string, parent: number): void {
    this.#seen.add(state);
    this.#states.push(state);
    this.#parents.push(parent);
  }

  /** Takes every step out of one state. */
  #lookAt(at: number): Violation | null {
    for (const { outcome, to, flights } of this.#stepsFrom(at)) {
      for (const sight of outcome.sights) this.#sights[sight] += 1;
      const isNew = !this.#seen.has(to);
      const wrongs = isNew ? this.#wrongsAt(flights, outcome) : outcome.wrongs;
      const wrong = wrongs.find(({ invariant }) => this.#invariants.includes(invariant));
      if (wrong !== undefined) {
        return { ...wrong, schedule: [...this.#scheduleTo(at), outcome.lines] };
      }
      if (isNew) this.#add(to, at);
    }
    return null;
  }

  #scheduleTo(state: number): (readonly string[])[] {
    const schedule: (readonly string[])[] = [];
    for (let at = state; at > 0; at = this.#parents[at] as number) {
      const steps = this.#stepsFrom(this.#parents[at] as number);
      const step = steps.find(({ to }) => to === this.#states[at]);
      if (step !== undefined) schedule.unshift(step.outcome.lines);
    }
    return schedule;
  }

  /** The steps out of a state, but for those that change nothing. */
  #stepsFrom(at: number): Step[] {
    const codes = codesOf(this.#states[at] as string);
    const { servers } = this.#options;
    const crashesLeft = codes[0] as number;
    const memories = codes.slice(1, servers + 1);
    const flights = codes.slice(servers + 1);
    const events = [START_ROUND, ...flights, CRASH];

    const steps: Step[] = [];
    for (const [server, memory] of memories.entries()) {
      for (const event of events) {
        for (const outcome of this.#steps.outcomes(server, memory, event)) {
          if (outcome.isCrash && crashesLeft === 0) continue;
          const news = outcome.sent.filter((flight) => !flights.includes(flight));
          if (outcome.memory === memory && news.length === 0) continue;
          steps.push(this.#step(outcome, server, crashesLeft, memories, flights, news));
        }
      }
    }
    return steps;
  }

  #step(
    outcome: Outcome,
    server: number,
    crashesLeft: number,
    memories: readonly number[],
    flights: readonly number[],
    news: readonly number[],
  ): Step {
    const after = memories.with(server, outcome.memory);
    let all = [...flights, ...news];
    if (news.length > 0) all.sort((a, b) => a - b);
    if (this.#options.isTidy) all = all.filter((flight) => !this.#steps.isIdle(flight, after));
    const to = keyOf(outcome.isCrash ? crashesLeft - 1 : crashesLeft, after, all);
    return { outcome, to, flights: all };
  }

  /** What is wrong with a new state, or with the outcome that led to it. */
  #wrongsAt(flights: readonly number[], { sent, wrongs }: Outcome): readonly Wrong[] {
    const { isChosen, wrongs: wrongsOfHistory } = this.#historyOf(flights);
    if (isChosen) this.#chosen += 1;
    if (sent.length === 0) return wrongs;
    return [...wrongs, ...wrongsOfHistory, ...this.#wrongQuestions(flights)];
  }

  /** One id, one value: among what acceptors are asked and what they have accepted. */
  #wrongQuestions(flights: readonly number[]): Wrong[] {
    const values = new Map<string, string>();
    for (const flight of flights) {
      const { message } = this.#steps.flight(flight);
      if (message.type !== 'accept' && message.type !== 'accepted') continue;
      const id = formatId(message.proposalId);
      const text = valueText(message.proposalId, message.proposalValue);
      const other = values.get(id) ?? text;
      if (other !== text) return [{ invariant: 4, why: `${id} carries ${other} and ${text}` }];
      values.set(id, text);
    }
    return [];
  }

  #historyOf(flights: readonly number[]): History {
    const accepted = this.#accepted(flights);
    const key = String.fromCharCode(...accepted.map(({ number }) => number));
    const known = this.#histories.get(key);
    if (known !== undefined) return known;

    const chosen = this.#chosenIn(accepted);
    const wrongs = [...wrongChoice(chosen), ...this.#falseNews(accepted)];
    const history = { isChosen: chosen.length > 0, wrongs };
    this.#histories.set(key, history);
    return history;
  }

  #falseNews(accepted: readonly Hearsay[]): Wrong[] {
    const chosen = this.#chosenIn(accepted).map((message) => messageText(message));
    return this.#learner.announcements(accepted).flatMap((announced) => {
      if (chosen.includes(messageText(announced))) return [];
      const text = valueText(announced.proposalId, announced.proposalValue);
      return [{ invariant: 2, why: `a learner announces ${text}, which is not chosen` }];
    });
  }

  #accepted(flights: readonly number[]): Hearsay[] {
    return flights.flatMap((number) => {
      const { from, message } = this.#steps.flight(number);
      return message.type === 'accepted' ? [{ number, from, message }] : [];
    });
  }

  /** What a quorum has accepted under one id: one message for each proposal. */
  #chosenIn(accepted: readonly Hearsay[]): AcceptedMessage<Link>[] {
    const counts = new Map<string, number>();
    return accepted.flatMap(({ message }) => {
      const text = messageText(message);
      const count = (counts.get(text) ?? 0) + 1;
      counts.set(text, count);
      return count === this.#quorum ? [message] : [];
    });
  }
}

function checkRanges(options: ExplorerOptions): void {
  const { servers, proposers, proposals, crashes, maxStates = MOST_STATES } = options;
  checkRange('servers', servers, 2, 9);
  checkRange('proposers', proposers, 1, servers);
  checkRange('proposals', proposals, 1, 9);
  checkRange('crashes', crashes, 0, 9);
  checkRange('maxStates', maxStates, 1, MOST_STATES);
}

function checkRange(name: string, number: number, least: number, most: number): void {
  if (Number.isInteger(number) && number >= least && number <= most) return;
  throw new RangeError(`${name} must be a whole number from ${least} to ${most}`);
}

function wrongChoice(chosen: readonly AcceptedMessage<Link>[]): Wrong[] {
  const [first, ...others] = chosen.map(({ proposalId, proposalValue }) => ({
    id: proposalValue.id,
    text: valueText(proposalId, proposalValue),
  }));
  const other = others.find(({ id }) => id !== first?.id);
  if (first === undefined || other === undefined) return [];
  return [{ invariant: 1, why: `${first.text} is chosen, and ${other.text} as well` }];
}

function keyOf(
  crashesLeft: number,
  memories: readonly number[],
  flights: readonly number[],
): string {
  return String.fromCharCode(crashesLeft, ...memories, ...flights);
}

function codesOf(state: string): number[] {
  const codes: number[] = [];
  for (let i = 0; i < state.length; i += 1) codes.push(state.charCodeAt(i));
  return codes;
}
