/** Steps of an exploration in words, with the proposal ids of the terminal lines: `2.A`. */
import type { Link } from '../../chain.ts';
import type { AcceptedMessage, AcceptorState, ProposalId } from '../../composable-paxos.ts';
import type { InstanceMessage } from '../../messages.ts';
import { formatId, formatValue } from '../../trace/words.ts';
import type { Effect } from './server.ts';

export function idText(id: ProposalId | null): string {
  return id === null ? 'nothing' : formatId(id);
}

/** `A1 (2.A)`: a value and the proposal that carries it. */
export function valueText(id: ProposalId | null, value: Link | null): string {
  return value === null ? 'nothing' : `${linkText(value)} (${idText(id)})`;
}

/** `promise 3.B, accepted A1 (2.A)`: different for any two messages of one sender. */
export function messageText(message: InstanceMessage | AcceptedMessage<Link>): string {
  const { type, proposalId } = message;
  const head = `${type} ${idText(proposalId)}`;
  if (type === 'prepare') return head;
  if (type === 'nack') return `${head}, promised ${idText(message.promisedProposalId)}`;
  if (type !== 'promise') return `${head} ${linkText(message.proposalValue)}`;
  return `${head}${acceptedText(message.lastAcceptedId, message.lastAcceptedValue)}`;
}

export function stateText({ promisedId, acceptedId, acceptedValue }: AcceptorState<Link>): string {
  return `promise ${idText(promisedId)}${acceptedText(acceptedId, acceptedValue)}`;
}

export function effectText(effect: Effect): string {
  if (effect.kind === 'save') return `saves ${stateText(effect.state)}`;
  return `sends ${messageText(effect.message)} to ${effect.to.join(' ')}`;
}

function acceptedText(id: ProposalId | null, value: Link | null): string {
  return value === null ? '' : `, accepted ${valueText(id, value)}`;
}

function linkText(link: Link): string {
  return formatValue(link, (text) => text);
}
