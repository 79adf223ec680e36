/**
 * What goes on at every server while a run goes on: what it has promised and accepted, how far
 * its chain is, and whom it takes for master. In a diagram that becomes the stripe in its lane,
 * and what the panel beside it says.
 */
import { type ChainState, chainOf, EMPTY_CHAIN, type Link } from '../chain.ts';
import type { AcceptorState, ProposalId, Uid } from '../composable-paxos.ts';
import type { TraceEvent } from '../trace/events.ts';
import { chainAfter } from '../trace/fold.ts';

/**
 * `absent`: not started yet. `down`: stopped, crashed or killed. `candidate`: it asks for promises,
 * or leads a round. `follows`: it knows of a lease of somebody else.
 */
export type Condition = 'absent' | 'down' | 'idle' | 'candidate' | 'master' | 'follows';

/** What a server is and has at some moment. Replaced, never changed. */
export interface Standing {
  readonly condition: Condition;
  /** Who may be master, as far as it knows. */
  readonly holder: Uid | null;
  /** Its own round, from the first question until it is over. */
  readonly round: ProposalId | null;
  readonly leads: boolean;
  readonly instanceNumber: number;
  readonly promisedId: ProposalId | null;
  readonly acceptedId: ProposalId | null;
  readonly acceptedValue: Link | null;
  readonly chain: ChainState;
}

/** A server that has never been started. */
export const ABSENT: Standing = {
  condition: 'absent',
  holder: null,
  round: null,
  leads: false,
  instanceNumber: 1,
  promisedId: null,
  acceptedId: null,
  acceptedValue: null,
  chain: EMPTY_CHAIN,
};

/** What a server is and has after an event of its own. */
export function standingAfter(before: Standing, event: TraceEvent): Standing {
  const after = changed(before, event);
  if (after === before) return before;
  return { ...after, condition: conditionOf(after, event) };
}

/** A server that was killed could tell nothing of it. */
export function standingAfterDeath(before: Standing): Standing {
  return { ...before, condition: 'down', holder: null, round: null, leads: false };
}

function conditionOf({ condition, holder, round }: Standing, { server }: TraceEvent): Condition {
  if (condition === 'down') return condition;
  if (holder === server) return 'master';
  if (round !== null) return 'candidate';
  return holder === null ? 'idle' : 'follows';
}

function changed(before: Standing, event: TraceEvent): Standing {
  switch (event.event) {
    case 'start':
    case 'resume':
      if (event.event === 'resume' && before.condition !== 'absent') return before;
      return {
        ...ABSENT,
        condition: 'idle',
        ...acceptorOf(event.state),
        chain: chainOf(event.state),
      };
    case 'stop':
    case 'crash':
    case 'fail':
      return standingAfterDeath(before);
    case 'save':
      return { ...before, ...acceptorOf(event) };
    case 'promise':
      return afterPromise(before, event);
    case 'accept':
      return {
        ...before,
        promisedId: event.proposalId,
        acceptedId: event.proposalId,
        acceptedValue: event.value,
      };
    case 'lead':
      return { ...before, round: event.proposalId, leads: true };
    case 'rest':
    case 'refused':
      return { ...before, round: null, leads: false };
    case 'advance':
      return afterAdvance(before, event.instanceNumber, chainAfter(before.chain, event));
    case 'lease':
      return afterLease(before, event);
    default:
      return before;
  }
}

function acceptorOf(holder: AcceptorState<Link> & { readonly instanceNumber: number }) {
  const { instanceNumber, promisedId, acceptedId, acceptedValue } = holder;
  return { instanceNumber, promisedId, acceptedId, acceptedValue };
}

/** A promise to itself is the beginning of its own round. */
function afterPromise(
  before: Standing,
  { server, to, proposalId: promisedId }: Extract<TraceEvent, { event: 'promise' }>,
): Standing {
  const round = to === server ? { round: promisedId, leads: false } : {};
  return { ...before, ...round, promisedId };
}

function afterAdvance(before: Standing, instanceNumber: number, chain: ChainState) {
  const open = { promisedId: null, acceptedId: null, acceptedValue: null };
  return { ...before, ...open, round: null, leads: false, instanceNumber, chain };
}

function afterLease(
  before: Standing,
  { server, what, holder }: Extract<TraceEvent, { event: 'lease' }>,
): Standing {
  switch (what) {
    case 'ours':
    case 'theirs':
      return { ...before, holder };
    case 'unknown':
      // Of a lease of its own it makes no use any more, and nobody else has one.
      return { ...before, holder: holder === server ? null : holder };
    case 'wanted':
      return { ...before, holder: before.holder === server ? server : null };
    case 'handing back':
    case 'over':
      return { ...before, holder: null };
  }
}
