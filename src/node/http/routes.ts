/**
 * What can be asked over HTTP, one line for each. There is no router beneath: thirteen lines are a
 * table, and all that is hard here, the order of what is asked, limits and streams, is of
 * `node:http` in either case; a popular one would be 400 files more, and take `%ZZ` for a key.
 */
import { readFileSync } from 'node:fs';
import { quorumOf } from '../../composable-paxos.ts';
import {
  DONE,
  MAX_KEY_LENGTH,
  MORE,
  MOST_ENTRIES,
  NO_KEY,
  versionAfter,
} from '../../log/key-value.ts';
import { spelled, wordsOf } from '../../log/state-machine.ts';
import { encodedBytes, MAX_VALUE_BYTES, type StatusReply } from '../../messages.ts';
import type { Answer, Asking } from './asking.ts';
import { change, find, json, unavailable } from './inquiries.ts';
import { deleteLock, fenceIn, getLock, isOfLock, postLock } from './lock-routes.ts';
import { metricsOf } from './metrics.ts';
import { Problem } from './problem.ts';
import { checkMatch, conditionIn, hasIt, numberIn } from './target.ts';
import { streamChanges } from './watch-stream.ts';

export interface Route {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly path: string;
  /** What may stand behind the `?`. */
  readonly query: readonly string[];
  readonly answer: (asking: Asking) => Answer | Promise<Answer>;
}

export const ROUTES: readonly Route[] = [
  { method: 'GET', path: '/kv/{key}', query: ['local'], answer: getKey },
  { method: 'PUT', path: '/kv/{key}', query: ['lock', 'token'], answer: putKey },
  { method: 'DELETE', path: '/kv/{key}', query: ['lock', 'token'], answer: deleteKey },
  { method: 'GET', path: '/kv', query: ['prefix', 'limit', 'after', 'local'], answer: listKeys },
  { method: 'GET', path: '/locks/{name}', query: ['local'], answer: getLock },
  { method: 'POST', path: '/locks/{name}', query: ['owner', 'ms'], answer: postLock },
  { method: 'DELETE', path: '/locks/{name}', query: [], answer: deleteLock },
  { method: 'GET', path: '/watch', query: ['prefix', 'from'], answer: watchKeys },
  { method: 'GET', path: '/log', query: ['from', 'limit'], answer: readLog },
  { method: 'GET', path: '/status', query: [], answer: tellStatus },
  { method: 'GET', path: '/metrics', query: [], answer: tellMetrics },
  { method: 'GET', path: '/health', query: [], answer: tellHealth },
  { method: 'GET', path: '/openapi.json', query: [], answer: tellOpenApi },
];

const DEFAULT_LIMIT = 100;
const MOST_LINKS = 1_000;
/** A page of the log ends where it is longer than this. */
const MOST_LOG_CHARACTERS = 1_000_000;
/** Whoever asks for the health of a server wants to know soon. */
const HEALTHY_WITHIN_MS = 1_000;

async function getKey(asking: Asking): Promise<Answer> {
  const { key, headers } = asking;
  checkKey(key);
  const { found, instanceNumber } = await find(asking, `entry ${spelled(key)}`);
  const end = found?.indexOf(' ') ?? -1;
  const version = found === null ? null : found.slice(0, end);
  checkMatch(headers, version);
  if (found === null || version === null) throw new Problem(404, NO_KEY);
  const shared = { etag: `"${version}"`, 'paxos-instance': `${instanceNumber - 1}` };
  if (hasIt(headers, version)) return { status: 304, headers: shared, body: '' };
  const [value = ''] = wordsOf(found.slice(end)) ?? [];
  const type = { 'content-type': 'text/plain; charset=utf-8' };
  return { status: 200, headers: { ...type, ...shared }, body: value };
}

async function putKey(asking: Asking): Promise<Answer> {
  const { key, headers } = asking;
  checkKey(key);
  const condition = conditionIn(headers);
  const clause = clauseOf(asking, condition);
  const value = await asking.body();
  const command = `set ${spelled(key)} ${spelled(value)}${clause}`;
  const bytes = encodedBytes(command);
  if (bytes > MAX_VALUE_BYTES) {
    throw new Problem(413, `as a command it takes ${bytes} bytes, and ${MAX_VALUE_BYTES} are most`);
  }
  const { instanceNumber, answer, requestId } = await change(asking, command);
  const version = versionAfter(answer, instanceNumber);
  if (version === null) throw whyNotDone(answer, clause, requestId);
  const status = condition === 'none' ? 201 : 200;
  const told = { key, instance: instanceNumber, version, requestId };
  return json(told, status, { etag: `"${version}"`, 'request-id': requestId });
}

async function deleteKey(asking: Asking): Promise<Answer> {
  const { key, headers } = asking;
  checkKey(key);
  const condition = conditionIn(headers);
  if (condition === 'none') throw new Problem(400, 'what is not there cannot be deleted');
  const clause = clauseOf(asking, condition);
  const command = `delete ${spelled(key)}${clause}`;
  const { instanceNumber, answer, requestId } = await change(asking, command);
  if (answer !== DONE) throw whyNotDone(answer, clause, requestId);
  const told = { key, instance: instanceNumber, version: null, requestId };
  return json(told, 200, { 'request-id': requestId });
}

async function listKeys(asking: Asking): Promise<Answer> {
  const { query } = asking;
  const prefix = query.get('prefix') ?? '';
  const limit = limitIn(query, MOST_ENTRIES);
  const after = query.get('after');
  const rest = after === undefined ? '' : ` ${spelled(after)}`;
  const line = `entries ${spelled(prefix)} ${limit}${rest}`;
  if (encodedBytes(line) > MAX_VALUE_BYTES) throw new Problem(400, 'no key is so long');
  const { found, instanceNumber } = await find(asking, line);
  const words = wordsOf(found ?? '') ?? [];
  const keys = [];
  for (let index = 0; index + 2 < words.length; index += 3) {
    const [key = '', version, value] = words.slice(index, index + 3);
    keys.push({ key, version, value });
  }
  const isAll = words.length % 3 === 0 || words.at(-1) !== MORE;
  const next = isAll ? null : (keys.at(-1)?.key ?? null);
  return json({ instance: instanceNumber - 1, keys, next });
}

function watchKeys({ replica, query, headers, heartbeatMs }: Asking): Answer {
  const from = headers['last-event-id'] ?? query.get('from') ?? `${replica.instanceNumber - 1}`;
  const prefix = query.get('prefix') ?? '';
  const name = 'last-event-id' in headers ? 'Last-Event-ID' : 'from';
  return streamChanges(replica, { name, from: `${from}`, prefix, heartbeatMs });
}

function readLog({ replica, query }: Asking): Answer {
  const { firstKept, instanceNumber: open } = replica;
  const text = query.get('from') ?? `${firstKept}`;
  const from = numberIn(text, 1);
  if (from === null) throw new Problem(400, 'from is the number of an instance, from 1 on');
  const links = replica.linksFrom(from, limitIn(query, MOST_LINKS));
  if (links === null) {
    const why = `links before instance ${firstKept} are not kept here any more`;
    throw new Problem(410, why, { more: { firstKept } });
  }
  const told: { readonly instance: number; readonly link: unknown }[] = [];
  let characters = 0;
  for (const [index, link] of links.entries()) {
    characters += JSON.stringify(link).length;
    if (characters > MOST_LOG_CHARACTERS && told.length > 0) break;
    told.push({ instance: from + index, link });
  }
  return json({ server: replica.uid, firstKept, open, links: told });
}

async function tellStatus(asking: Asking): Promise<Answer> {
  const { replica } = asking;
  // A store has no value: what it holds is in `log`.
  const { type: _type, requestId: _id, value: _value, ...report } = await statusOf(asking);
  const { uid: server, cluster, watchableFrom } = replica;
  return json({ server, cluster, ...report, watchableFrom });
}

async function tellMetrics(asking: Asking): Promise<Answer> {
  const { replica, counts, clients } = asking;
  const body = metricsOf(replica, await statusOf(asking), counts, clients.busy);
  return { status: 200, headers: { 'content-type': 'text/plain; version=0.0.4' }, body };
}

async function tellHealth({ replica, clients }: Asking): Promise<Answer> {
  const { uid: server, uids } = replica;
  const reached = [...(await clients.reach(HEALTHY_WITHIN_MS))].sort();
  const isHealthy = reached.length >= quorumOf(uids.length);
  if (isHealthy) return json({ server, reached });
  const answer = `${reached.length} of ${uids.length} servers answer`;
  throw unavailable(`${answer}, and that is no quorum`, { server, reached });
}

/** What a program may read about all this. */
function tellOpenApi(): Answer {
  const body = readFileSync(new URL('./openapi.json', import.meta.url), 'utf8');
  return { status: 200, headers: { 'content-type': 'application/json' }, body };
}

/** Under which condition a key is to be changed, in the words of the store. */
function clauseOf({ query }: Asking, condition: string | null): string {
  const fence = fenceIn(query);
  if (fence !== null && condition !== null) {
    throw new Problem(400, 'it asks for a version and for a lock: one of them is enough');
  }
  return fence ?? (condition === null ? '' : ` if ${condition}`);
}

/** The command has found the key, or the lock, otherwise than it was to be. */
function whyNotDone(answer: string, clause: string, requestId: string): Problem {
  const parts = { headers: { 'request-id': requestId }, more: { requestId } };
  if (isOfLock(answer)) return new Problem(412, answer, parts);
  const isOurs = answer === NO_KEY || answer.startsWith('it was changed in ');
  if (!isOurs) return new Problem(409, `this request was another one: ${answer}`, parts);
  return new Problem(clause.startsWith(' if ') ? 412 : 404, answer, parts);
}

async function statusOf({ clients, patienceMs }: Asking): Promise<StatusReply> {
  const ended = await clients.ask({ type: 'status' }, patienceMs, false);
  if (ended.outcome === 'answered' && ended.reply.type === 'status_report') return ended.reply;
  throw unavailable('the server does not answer');
}

function limitIn(query: ReadonlyMap<string, string>, most: number): number {
  const limit = numberIn(query.get('limit') ?? `${DEFAULT_LIMIT}`, 1);
  if (limit !== null && limit <= most) return limit;
  throw new Problem(400, `limit is a whole number from 1 to ${most}`);
}

function checkKey(key: string): void {
  if (key !== '' && key.length <= MAX_KEY_LENGTH) return;
  throw new Problem(400, `a key has 1 to ${MAX_KEY_LENGTH} characters`);
}
