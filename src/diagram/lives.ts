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
  /** How many have promised in that round, as far as it has counted. */
  readonly promises: number;
  readonly leads: boolean;
  readonly instanceNumber: number;
  readonly promisedId: ProposalId | null;
  readonly acceptedId: ProposalId | null;
  readonly acceptedValue: Link | null;
  readonly chain: ChainState;
  /** How many values and reads wait in its queue. */
  readonly waiting: number;
  /** When its own lease ends, by its clock, if nothing renews it; null: it has none. */
  readonly leaseUntilMs: number | null;
}

/** A server that has never been started. */
export const ABSENT: Standing = {
  condition: 'absent',
  holder: null,
  round: null,
  promises: 0,
  leads: false,
  instanceNumber: 1,
  promisedId: null,
  acceptedId: null,
  acceptedValue: null,
  chain: EMPTY_CHAIN,
  waiting: 0,
  leaseUntilMs: null,
};

/** A server between two rounds of its own. */
const NO_ROUND = { round: null, promises: 0, leads: false } as const;

/** What a server is and has after an event of its own. */
export function standingAfter(before: Standing, event: TraceEvent): Standing {
  const after = changed(before, event);
  if (after === before) return before;
  return { ...after, condition: conditionOf(after, event) };
}

/** A server that was killed could tell nothing of it. */
export function standingAfterDeath(before: Standing): Standing {
  const nothing = { holder: null, waiting: 0, leaseUntilMs: null };
  return { ...before, ...NO_ROUND, ...nothing, condition: 'down' };
}

/** What a server believes of itself counts, whatever it has told; null: nobody knows. */
export function standingOfBelief(told: Standing, isMaster: boolean | null): Standing {
  const { condition, round, holder } = told;
  if (isMaster === null || condition === 'down' || isMaster === (condition === 'master')) {
    return told;
  }
  if (isMaster) return { ...told, condition: 'master' };
  const calm = holder === null ? 'idle' : 'follows';
  return { ...told, condition: round === null ? calm : 'candidate' };
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
    case 'count':
      return event.of === 'promise' ? { ...before, promises: event.count } : before;
    case 'lead':
      return { ...before, round: event.proposalId, promises: event.count, leads: true };
    case 'rest':
    case 'refused':
      return { ...before, ...NO_ROUND };
    case 'advance':
      return afterAdvance(before, event.instanceNumber, chainAfter(before.chain, event));
    case 'update':
      return { ...before, waiting: event.waiting };
    case 'lease':
      return { ...afterLease(before, event), leaseUntilMs: leaseAfter(before, event) };
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
  const round = to === server ? { ...NO_ROUND, round: promisedId } : {};
  return { ...before, ...round, promisedId };
}

function afterAdvance(before: Standing, instanceNumber: number, chain: ChainState) {
  const open = { promisedId: null, acceptedId: null, acceptedValue: null };
  return { ...before, ...open, ...NO_ROUND, instanceNumber, chain };
}

/** A renewed lease ends later, one that is only wanted as before. */
function leaseAfter(
  { leaseUntilMs }: Standing,
  { what, at, lastsMs }: Extract<TraceEvent, { event: 'lease' }>,
): number | null {
  if (what === 'wanted') return leaseUntilMs;
  return what === 'ours' ? at + lastsMs : null;
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
