/** How a route asks the store, and what it says to whoever asked when nobody knows. */
import type { Inquiry } from '../../client-session.ts';
import type { FoundReply } from '../../messages.ts';
import type { Answer, Asking } from './asking.ts';
import type { Ended } from './inner-clients.ts';
import { Problem } from './problem.ts';

const REQUEST_ID = /^[0-9a-f]{16}-[1-9][0-9]{0,13}-[1-9][0-9]{0,13}$/;

/** Asks for a change, for as long as it takes to know what became of it. */
export async function change(asking: Asking, value: string) {
  const { clients, patienceMs, headers } = asking;
  const { 'request-id': id } = headers;
  if (id !== undefined && !REQUEST_ID.test(`${id}`)) {
    const like = '16 hexadecimal digits, an instance, a number: 9f86d081884c7d65-40-7';
    throw new Problem(400, `a Request-Id is ${like}`);
  }
  const again = id === undefined ? {} : { requestId: `${id}` };
  const ended = await clients.ask({ type: 'request', value, ...again }, patienceMs);
  if (ended.outcome === 'answered' && ended.reply.type === 'answered') {
    const { instanceNumber, answer, requestId } = ended.reply;
    return { instanceNumber, answer, requestId };
  }
  throw whyUnknown(ended, patienceMs);
}

function whyUnknown(ended: Ended, patienceMs: number): Problem {
  const { requestId } = ended;
  const lastWord = 'lastWord' in ended ? ended.lastWord : 'it was answered with something else';
  if (ended.outcome === 'refused') {
    return new Problem(409, lastWord, { more: { requestId }, headers: idIn(requestId) });
  }
  if (ended.outcome === 'not asked') {
    return unavailable(`${lastWord}: nothing was asked for`, { outcome: 'no effect' });
  }
  const how = 'ask again with its Request-Id to find out';
  const why = `after ${patienceMs} ms the outcome is unknown (${lastWord}): ${how}`;
  return unavailable(why, { outcome: 'unknown', requestId }, idIn(requestId));
}

function idIn(requestId: string | null): Record<string, string> {
  return requestId === null ? {} : { 'request-id': requestId };
}

/**
 * Asks the store, in such a way that nothing newer was told to anybody; unless it is `local`. A
 * master knows what is newest, and without one a quorum does: that takes no link of the chain.
 */
export async function find(asking: Asking, line: string): Promise<FoundReply> {
  const { clients, patienceMs, query, replica } = asking;
  const local = query.get('local') ?? 'false';
  if (!['', 'true', 'false'].includes(local)) throw new Problem(400, 'local is true or false');
  const isLocal = local !== 'false';
  const inquiry: Inquiry =
    isLocal || replica.hasLeases
      ? { type: 'query', query: line, isLocal }
      : { type: 'quorum_query', query: line };
  const ended = await clients.ask(inquiry, patienceMs, !isLocal);
  if (ended.outcome === 'answered' && ended.reply.type === 'found') return ended.reply;
  const lastWord = 'lastWord' in ended ? ended.lastWord : 'it was answered with something else';
  throw unavailable(`nobody knows within ${patienceMs} ms (${lastWord})`);
}

/** Not now: it is worth asking again. */
export function unavailable(
  why: string,
  more: Readonly<Record<string, unknown>> = {},
  headers: Readonly<Record<string, string>> = {},
): Problem {
  return new Problem(503, why, { more, headers: { 'retry-after': '1', ...headers } });
}

export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Answer {
  const type = { 'content-type': 'application/json' };
  return { status, headers: { ...type, ...headers }, body: `${JSON.stringify(body)}\n` };
}
