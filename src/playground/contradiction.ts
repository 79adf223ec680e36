/** Which events contradict each other where an invariant is violated, to show them side by side. */
import type { Link } from '../chain.ts';
import { compareProposalIds } from '../composable-paxos.ts';
import type { TraceEvent } from '../trace/events.ts';
import type { Violation } from '../trace/invariants.ts';

type Test = (earlier: TraceEvent, later: TraceEvent) => boolean;

/** What an event of this kind says of an instance: which link stands there. */
function linkIn(event: TraceEvent): Link | null {
  if (event.event === 'accept' || event.event === 'chosen') return event.value;
  if (event.event === 'send' && event.message.type === 'accept') return event.message.proposalValue;
  return event.event === 'advance' ? event.link : null;
}

function instanceOf(event: TraceEvent): number | null {
  if (event.event === 'send' && event.message.type === 'accept')
    return event.message.instanceNumber;
  if (event.event === 'advance') return event.instanceNumber - 1;
  return 'instanceNumber' in event ? event.instanceNumber : null;
}

function proposalIn(event: TraceEvent) {
  if (event.event === 'send' && event.message.type === 'accept') return event.message.proposalId;
  return event.event === 'accept' ? event.proposalId : null;
}

const isOtherLink: Test = (earlier, later) => {
  const [a, b] = [linkIn(earlier), linkIn(later)];
  return a !== null && b !== null && a.id !== b.id && instanceOf(earlier) === instanceOf(later);
};

const isSameProposal: Test = (earlier, later) =>
  proposalIn(earlier) !== null && compareProposalIds(proposalIn(earlier), proposalIn(later)) === 0;

const isOwn: Test = (earlier, later) => earlier.server === later.server;

const isLeaseOfAnother: Test = (earlier, later) =>
  earlier.event === 'lease' && earlier.what === 'ours' && !isOwn(earlier, later);

/** What to look for, by invariant; the latest that fits is meant. */
const EARLIER: Readonly<Record<number, Test>> = {
  1: (earlier, later) => earlier.event === 'accept' && isOtherLink(earlier, later),
  2: (earlier, later) => earlier.event === 'accept' && isOtherLink(earlier, later),
  4: (earlier, later) => isSameProposal(earlier, later) && isOtherLink(earlier, later),
  5: (earlier, later) => isOwn(earlier, later) && ['promise', 'accept'].includes(earlier.event),
  6: (earlier, later) => isOwn(earlier, later) && earlier.event === 'save',
  7: (earlier, later) => isOwn(earlier, later) && earlier.event === 'advance',
  8: isLeaseOfAnother,
  11: (earlier, later) =>
    earlier.event === 'advance' &&
    !isOwn(earlier, later) &&
    instanceOf(earlier) === instanceOf(later),
  12: isOtherLink,
  9: (earlier, later) =>
    earlier.event === 'reply' && later.event === 'reply' && earlier.message.type === 'chosen',
};

/** The event that must not be, and before it the one that it contradicts, where there is one. */
export function contradictedEvents(
  { invariant, event: later }: Violation,
  events: readonly TraceEvent[],
): readonly TraceEvent[] {
  if (later === null) return [];
  const fits = EARLIER[invariant];
  if (fits === undefined) return [later];
  const before = events.slice(0, events.lastIndexOf(later));
  const isSameTurn = (event: TraceEvent) => isOwn(event, later) && event.turn === later.turn;
  const earlier = before.findLast((event) => !isSameTurn(event) && fits(event, later));
  return earlier === undefined ? [later] : [earlier, later];
}
