/** The words on the stage: what a message says, what a server is doing, in a few words. */
import type { Link } from '../chain.ts';
import type { ProposalId } from '../composable-paxos.ts';
import { textOf } from '../diagram/text.ts';
import type { Message } from '../messages.ts';
import type { TraceEvent } from '../trace/events.ts';
import { formatId } from '../trace/words.ts';
import type { Card, Flight } from './stage.ts';

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

/** What a server is doing, as a headline. */
export function beliefOf(card: Card, servers: number): string {
  const { condition, round, promises, leads, isMaster, master, dies } = card;
  if (dies !== null) return `dies at: ${dies}`;
  if (condition === 'absent') return 'not started';
  if (condition !== 'running') return condition;
  if (round !== null) {
    const about = leads ? `leads ${formatId(round)}` : `asks ${formatId(round)}`;
    return `${isMaster ? 'master, ' : ''}${about}${leads ? '' : `: ${promises}/${servers}`}`;
  }
  if (isMaster) return 'is master';
  return master === null ? 'idle' : `follows ${master}`;
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
