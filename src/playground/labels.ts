/** The words on the stage: what a message says, what a server is doing, in a few words. */
import type { Link } from '../chain.ts';
import type { ProposalId, Uid } from '../composable-paxos.ts';
import { textOf } from '../diagram/text.ts';
import type { Message } from '../messages.ts';
import type { TraceEvent } from '../trace/events.ts';
import { formatId } from '../trace/words.ts';
import type { Card, Flight, Stage } from './stage.ts';

/** A longer value is cut off. */
const VALUE_COLUMNS = 14;

export interface Label {
  /** `prepare`, `accept`, … */
  readonly type: string;
  /** `3.C`, or nothing. */
  readonly id: string;
  /** What it carries, or nothing. */
  readonly carries: string;
}

/** What stands on a message under way. */
export function labelOf({ message }: Flight): Label {
  const id = 'proposalId' in message ? formatId(message.proposalId) : '';
  return { type: message.type.replace('_', ' '), id, carries: carriedBy(message) };
}

/** The same in a line; where there is little room, what it carries is left out. */
export function wordsOn(flight: Flight, isBrief = false): string {
  const { type, id, carries } = labelOf(flight);
  const words = [type, id, isBrief ? '' : carries, wayOf(flight)];
  return words.filter((word) => word !== '').join(' ');
}

/** `A→B`; `→B` of a client. */
export function wayOf({ from, to }: Flight): string {
  return `${from ?? ''}→${to}`;
}

function carriedBy(message: Message): string {
  switch (message.type) {
    case 'promise': {
      const { lastAcceptedId, lastAcceptedValue } = message;
      if (lastAcceptedId === null || lastAcceptedValue === null) return '';
      return `${shortValue(lastAcceptedValue)}@${formatId(lastAcceptedId)}`;
    }
    case 'accept':
    case 'accepted':
      return shortValue(message.proposalValue);
    case 'nack':
      return `promised ${formatId(message.promisedProposalId)}`;
    case 'sync_request':
    case 'catchup':
      return `#${message.instanceNumber}`;
    default:
      return '';
  }
}

/** A link of the chain in a few words. */
export function shortValue(link: Link): string {
  return textOf({ value: link }, VALUE_COLUMNS);
}

/** A proposal id, or what stands there if there is none. */
export function idOrNothing(id: ProposalId | null): string {
  return id === null ? 'nothing' : formatId(id);
}

/** What is said of a server that has no vote. */
const WITHOUT_VOTE = { passive: 'no vote', removed: 'removed', unknown: 'no member' };

/** What a server is doing, as a headline; so many have a vote. */
export function beliefOf(card: Card, voters: number): string {
  const { condition, round, promises, leads, isMaster, master, dies, membership } = card;
  if (dies !== null) return `dies at: ${dies}`;
  const without = membership === 'voting' ? '' : WITHOUT_VOTE[membership];
  if (condition === 'running' && without !== '' && round === null && !isMaster) return without;
  if (condition !== 'running') {
    const state = condition === 'absent' ? 'not started' : condition;
    return without === '' ? state : `${state}, ${without}`;
  }
  if (round !== null) {
    const about = leads ? `leads ${formatId(round)}` : `asks ${formatId(round)}`;
    return `${isMaster ? 'master, ' : ''}${about}${leads ? '' : `: ${promises}/${voters}`}`;
  }
  if (isMaster) return 'is master';
  return master === null ? 'idle' : `follows ${master}`;
}

/** A change of the members, in words and as the command that asks for it. */
export interface MembersChange {
  readonly label: string;
  readonly command: string;
}

/** Whom a client asks for other members: the master, if there is one, for others send it there. */
function askedOf(cards: readonly Card[]): Uid | null {
  const fit = cards.filter((it) => it.condition === 'running' && it.membership === 'voting');
  return (fit.find(({ isMaster }) => isMaster) ?? fit[0])?.uid ?? null;
}

/** By which changes of the members a server may go on; none: they cannot be changed, or not now. */
export function membersChanges(
  { cards, hasMembers }: Pick<Stage, 'cards' | 'hasMembers'>,
  { uid, membership }: Pick<Card, 'uid' | 'membership'>,
): readonly MembersChange[] {
  const asked = askedOf(cards);
  if (!hasMembers || asked === null) return [];
  const change = (label: string, verb: string): MembersChange => ({
    label: `${label} (client c4 asks ${asked})`,
    command: `change ${asked} c4 ${verb} ${uid}`,
  });
  const remove = change('Remove it from the members', 'remove');
  const vote = change('Give it a vote', 'vote');
  return {
    // It may have been let in, and not have heard of it.
    unknown: [change('Let it join', 'join'), change('Let it listen for ever', 'follow'), vote],
    passive: [vote, remove],
    voting: [remove],
    removed: [],
  }[membership];
}

/** Several changes as one command, for somebody to change: all that stand by vote from then on. */
export function severalChanges({ cards }: Pick<Stage, 'cards'>): string {
  const uidsOf = (...kinds: readonly Card['membership'][]) =>
    cards.filter(({ membership }) => kinds.includes(membership)).map(({ uid }) => uid);
  const [voting, others] = [uidsOf('voting'), uidsOf('passive', 'unknown')];
  const gone = voting.slice(-Math.max(1, others.length));
  const vote = others.length === 0 ? '' : `, vote ${others.join(' ')}`;
  return `change ${askedOf(cards) ?? 'A'} c4 remove ${gone.join(' ')}${vote}`;
}

/** `00:04.506`, and `1:00:04.506` beyond an hour. */
export function clockOf(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  const two = (part: number) => String(part).padStart(2, '0');
  const hours = seconds >= 3_600 ? `${Math.floor(seconds / 3_600)}:` : '';
  const clock = `${hours}${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return `${clock}.${String(Math.floor(ms % 1_000)).padStart(3, '0')}`;
}

/** The turn of an event, as elements name it. */
export function turnOf({ server, turn }: Pick<TraceEvent, 'server' | 'turn'>): string {
  return `${server} ${turn}`;
}
