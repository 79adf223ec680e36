/** Locks over HTTP: the tag of a lock is its token. Who renews it or gives it back shows that. */
import { DONE } from '../../log/key-value.ts';
import {
  heldIn,
  holderIn,
  NOT_HELD,
  tokenIn,
  whyNoFence,
  whyNoLockCommand,
} from '../../log/locks.ts';
import type { Answer, Asking } from './asking.ts';
import { change, find, json } from './inquiries.ts';
import { Problem } from './problem.ts';

/** Who holds the lock, and with which token. */
export async function getLock(asking: Asking): Promise<Answer> {
  const { key: name } = asking;
  check('unlock', name, '1');
  const { found, instanceNumber } = await find(asking, `lock ${name}`);
  const held = found === null ? null : heldIn(found);
  if (held === null) throw new Problem(404, NOT_HELD);
  const { owner, token, forMs: ms, since } = held;
  const headers = { etag: `"${token}"`, 'paxos-instance': `${instanceNumber - 1}` };
  return json({ name, owner, token, ms, since }, 200, headers);
}

/** Takes it, for whoever holds it already once more; with a token in If-Match only renews it. */
export async function postLock(asking: Asking): Promise<Answer> {
  const { key: name, query } = asking;
  const [owner = '', ms = ''] = [query.get('owner'), query.get('ms')];
  const shown = tokenOf(asking);
  if (shown === null) check('lock', name, owner, ms);
  else check('renew', name, shown, ms);
  const command = shown === null ? `lock ${name} ${owner} ${ms}` : `renew ${name} ${shown} ${ms}`;
  const { instanceNumber, answer, requestId } = await change(asking, command);
  const token = shown !== null && answer === DONE ? Number(shown) : tokenIn(answer);
  if (token === null) throw whyNotHeld(answer, shown === null ? 409 : 412, requestId);
  const who = shown === null ? { owner } : {};
  const told = { name, ...who, token, ms: Number(ms), since: instanceNumber, requestId };
  const headers = { etag: `"${token}"`, 'request-id': requestId };
  return json(told, token === instanceNumber ? 201 : 200, headers);
}

/** Gives it back. */
export async function deleteLock(asking: Asking): Promise<Answer> {
  const { key: name } = asking;
  const token = tokenOf(asking);
  if (token === null) throw new Problem(400, 'whoever gives a lock back shows its token, If-Match');
  check('unlock', name, token);
  const { instanceNumber, answer, requestId } = await change(asking, `unlock ${name} ${token}`);
  if (answer !== DONE) throw whyNotHeld(answer, answer === NOT_HELD ? 404 : 412, requestId);
  return json({ name, instance: instanceNumber, requestId }, 200, { 'request-id': requestId });
}

/** What a change of a key asks of a lock, in the words of the store; null: nothing. */
export function fenceIn(query: ReadonlyMap<string, string>): string | null {
  const [lock, token] = [query.get('lock'), query.get('token')];
  if (lock === undefined && token === undefined) return null;
  if (lock === undefined || token === undefined) {
    throw new Problem(400, 'lock and token go together, like ?lock=job&token=17');
  }
  const why = whyNoFence(lock, token);
  if (why !== null) throw new Problem(400, why);
  return ` if-token ${lock} ${token}`;
}

/** Does this answer say that somebody else holds a lock, or nobody? */
export function isOfLock(answer: string): boolean {
  return answer === NOT_HELD || holderIn(answer) !== null;
}

function whyNotHeld(answer: string, status: number, requestId: string): Problem {
  const holder = holderIn(answer) ?? {};
  const parts = { headers: { 'request-id': requestId }, more: { requestId, ...holder } };
  if (isOfLock(answer)) return new Problem(status, answer, parts);
  return new Problem(409, `it could not be done: ${answer}`, parts);
}

/** The token that is shown in If-Match; null: there is no such header. */
function tokenOf({ headers }: Asking): string | null {
  const { 'if-match': match } = headers;
  if (match === undefined) return null;
  const [, token] = /^\s*"([0-9]+)"\s*$/.exec(match) ?? [];
  if (token === undefined) throw new Problem(400, 'for a lock If-Match is one token, like "17"');
  return token;
}

function check(...words: readonly string[]): void {
  const why = whyNoLockCommand(words);
  if (why !== null) throw new Problem(400, why);
}
