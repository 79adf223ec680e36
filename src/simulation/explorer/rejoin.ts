/**
 * All that can happen to a server that loses its disk: does it ever get a vote back where it has
 * voted before?
 *
 * Not the real classes, but a *model*: of a server only what the argument in
 * `rejoin-strategy.ts` speaks of is left. Which instance it has open, where it has voted, who has
 * answered it. A vote stands for a promise and an acceptance at once; what is voted for does not
 * matter. What decides is the real `safeInstance`. The model allows more than the protocol does
 * (votes need no proposer here, and a majority may lose its disks), so what holds here holds there.
 *
 * The steps: a server votes in its open instance, durably. It learns that a quorum has voted in
 * it, and opens the next one. It loses its disk. One that has lost it is answered by another one.
 * To be killed is no step: what a server knows in memory only, it might as well not know yet.
 */
import { quorumOf } from '../../composable-paxos.ts';
import { safeInstance } from '../../rejoin-strategy.ts';

export interface RejoinWorld {
  readonly servers: number;
  /** No server votes beyond this instance. */
  readonly instances: number;
  /** How many disks are lost in all. */
  readonly losses: number;
  /** The rule that is tried; the right one unless another is given. */
  readonly safe?: (opened: readonly number[], quorum: number) => number | null;
  /** Broken rules: it counts itself; who has no vote answers; answers to an earlier life count. */
  readonly asksItself?: boolean;
  readonly allAnswer?: boolean;
  readonly oldAnswersCount?: boolean;
}

interface Server {
  readonly open: number;
  /** As in a state file. */
  readonly votesFrom: number | null;
  /** What each server has answered to this life; 0: nothing. */
  readonly opened: readonly number[];
  /** What each has answered to the life before, and may arrive now. */
  readonly late: readonly number[];
}

interface State {
  readonly servers: readonly Server[];
  /** For each instance who has voted in it, in whatever life: one bit for each server. */
  readonly votes: readonly number[];
  readonly losses: number;
}

interface Step {
  readonly what: string;
  readonly to: State;
  /** The server that knows from now on where it may vote, if there is one. */
  readonly returns: number | null;
}

export interface RejoinExploration {
  /** How many different states there are; up to the first violation, if there is one. */
  readonly states: number;
  /** How many times a server got its vote back. */
  readonly returns: number;
  /** A shortest way to a server that may vote where it has voted before; null: there is none. */
  readonly violation: readonly string[] | null;
}

/** Goes through all states of such a world, breadth first. */
export function exploreRejoin(world: RejoinWorld): RejoinExploration {
  const first = firstState(world);
  const states: State[] = [first];
  const cameBy: { readonly from: number; readonly what: string }[] = [{ from: 0, what: '' }];
  const seen = new Set([keyOf(first)]);
  const wayTo = (at: number): string[] => {
    const { from, what } = cameBy[at] as (typeof cameBy)[number];
    return at === 0 ? [] : [...wayTo(from), what];
  };
  let returns = 0;
  for (const [at, state] of states.entries()) {
    for (const { what, to, returns: index } of stepsFrom(state, world)) {
      const key = keyOf(to);
      if (seen.has(key)) continue;
      seen.add(key);
      states.push(to);
      cameBy.push({ from: at, what });
      if (index === null) continue;
      returns += 1;
      if (!mayVoteTwice(to, index)) continue;
      return { states: states.length, returns, violation: wayTo(states.length - 1) };
    }
  }
  return { states: states.length, returns, violation: null };
}

function firstState({ servers, instances, losses }: RejoinWorld): State {
  const opened = Array(servers).fill(0);
  const server = { open: 1, votesFrom: 1, opened, late: opened };
  return { servers: Array(servers).fill(server), votes: Array(instances).fill(0), losses };
}

function hasVote({ open, votesFrom }: Server): boolean {
  return votesFrom !== null && open >= votesFrom;
}

function mayVoteTwice({ servers, votes }: State, index: number): boolean {
  const votesFrom = servers[index]?.votesFrom ?? 1;
  return votes.slice(votesFrom - 1).some((voters) => (voters & (1 << index)) !== 0);
}

/** All numbers of a state are small. */
function keyOf({ servers, votes, losses }: State): string {
  const parts = servers.map(({ open, votesFrom, opened, late }) => {
    return [open, votesFrom ?? 0, ...opened, ...late];
  });
  return String.fromCharCode(losses, ...votes, ...parts.flat());
}

function stepsFrom(state: State, world: RejoinWorld): Step[] {
  const steps: Step[] = [];
  for (const [index, server] of state.servers.entries()) {
    const name = String.fromCharCode(65 + index);
    const become = (what: string, changed: Partial<Server>, rest: Partial<State> = {}) => {
      const servers = state.servers.with(index, { ...server, ...changed });
      const returns = typeof changed.votesFrom === 'number' ? index : null;
      steps.push({ what: `${name} ${what}`, to: { ...state, servers, ...rest }, returns });
    };
    const { open, votesFrom } = server;
    const voters = state.votes[open - 1] ?? 0;
    if (hasVote(server) && open <= world.instances && (voters & (1 << index)) === 0) {
      const votes = state.votes.with(open - 1, voters | (1 << index));
      become(`votes in ${open}`, {}, { votes });
    }
    if (bitsIn(voters) >= quorumOf(world.servers)) become(`opens ${open + 1}`, { open: open + 1 });
    if (state.losses > 0) {
      const opened = server.opened.map(() => 0);
      const late = world.oldAnswersCount === true ? server.opened : opened;
      const lost = { open: 1, votesFrom: null, opened, late };
      become('loses its disk', lost, { losses: state.losses - 1 });
    }
    if (votesFrom === null) hearAnswers(state, index, world, become);
  }
  return steps;
}

function hearAnswers(
  { servers }: State,
  index: number,
  { safe = safeInstance, asksItself = false, allAnswer = false }: RejoinWorld,
  become: (what: string, changed: Partial<Server>) => void,
): void {
  const { opened: before, late } = servers[index] as Server;
  const hear = (from: number, open: number) => {
    if (open === 0 || before[from] === open) return;
    const opened = before.with(from, open);
    const known = opened.filter((one) => one > 0);
    const votesFrom = safe(known, quorumOf(servers.length));
    const said = `hears ${String.fromCharCode(65 + from)}: ${open}`;
    if (votesFrom === null) become(said, { opened });
    else become(`${said}, and will vote from ${votesFrom} on`, { opened, votesFrom });
  };
  for (const [from, other] of servers.entries()) {
    const isAsked = from === index ? asksItself : allAnswer || hasVote(other);
    if (isAsked) hear(from, other.open);
    hear(from, late[from] ?? 0);
  }
}

function bitsIn(set: number): number {
  let bits = 0;
  for (let left = set; left !== 0; left &= left - 1) bits += 1;
  return bits;
}
