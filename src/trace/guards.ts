/**
 * Guards for events: a line of a trace is untrusted input like any other. Whoever reads traces can
 * believe afterwards that every field is of its type, and need not look again.
 */
import type { Uid } from '../composable-paxos.ts';
import {
  ANY_UID,
  CHAIN_FIELDS,
  type Check,
  CLIENT_TYPES,
  type Fields,
  isBoolean,
  isCount,
  isLink,
  isLinkId,
  isRecord,
  isRequestId,
  isStoredId,
  isStoredNumber,
  isUid,
  isValue,
  MESSAGE_TYPES,
  type Names,
  orNull,
  REPLY_TYPES,
  wrongField,
  wrongMessage,
  wrongStateField,
} from '../messages.ts';
import type { Stamp, TraceEvent } from './events.ts';

/** Any server: of which cluster a trace is comes out only while it is read. */
const ALL_UIDS = ANY_UID;

const isText: Check = (value) => typeof value === 'string';
const isDigest: Check = (value) => typeof value === 'string' && /^[0-9a-f]+$/.test(value);
/** Beyond this no date can be told. */
const MOST_MS = 8.64e15;
const isMs: Check = (value) => typeof value === 'number' && value >= 0 && value <= MOST_MS;
const isPositive: Check = (value) => isCount(value) && value > 0;

const isOneOf =
  (...texts: readonly string[]): Check =>
  (value) =>
    texts.some((text) => text === value);

const isListOf =
  (check: Check): Check =>
  (value, uids) =>
    Array.isArray(value) && value.every((entry) => check(entry, uids));

const isUids: Check = (value, uids) =>
  isListOf(isUid)(value, uids) && (value as Uid[]).length > 0 && !hasTwice(value as Uid[]);

function hasTwice(uids: readonly Uid[]): boolean {
  return new Set(uids).size < uids.length;
}

/** What a record must have is said by `sayWrong`, in words; as a check it is yes or no. */
const isRight =
  (sayWrong: (value: Record<string, unknown>, uids: Names) => string | null): Check =>
  (value, uids) =>
    isRecord(value) && sayWrong(value, uids) === null;

const { instanceNumber: _, ...chainFields } = CHAIN_FIELDS;
const isChain = isRight((value, uids) => wrongField(value, chainFields, uids));

const PEER_TYPES = MESSAGE_TYPES.filter(
  (type) => !CLIENT_TYPES.has(type) && !REPLY_TYPES.has(type),
);

const isMessageOf =
  (types: Iterable<string>): Check =>
  (value, uids) =>
    wrongMessage(value, [...types], uids) === null;

const aboutInstance = { instanceNumber: isStoredNumber };
const aboutProposal = { ...aboutInstance, proposalId: isStoredId };
const counted = { ...aboutProposal, count: isCount, servers: isPositive };
const acceptor = {
  promisedId: orNull(isStoredId),
  acceptedId: orNull(isStoredId),
  acceptedValue: orNull(isLink),
};
const begun = {
  uids: isUids,
  layers: isListOf(isText),
  state: isRight((value, uids) => wrongStateField(value, uids)),
};

type FieldsOf<Event> = Record<Exclude<keyof Event, keyof Stamp | 'event'>, Check>;

/** For each kind of event each of its fields: the compiler sees to it that none is forgotten. */
const FIELDS: {
  readonly [Name in TraceEvent['event']]: FieldsOf<Extract<TraceEvent, { event: Name }>>;
} = {
  start: { ...begun, restored: isBoolean },
  resume: begun,
  stop: {},
  promise: { ...aboutProposal, to: isUid },
  refuse: { ...aboutProposal, to: isUid, promisedId: isStoredId },
  accept: { ...aboutProposal, from: isUid, value: isLink },
  count: { ...counted, of: isOneOf('promise', 'accepted') },
  lead: { ...counted, bound: orNull(isLink) },
  rest: aboutProposal,
  chosen: { ...counted, value: isLink },
  advance: {
    ...aboutInstance,
    link: orNull(isLink),
    chain: orNull(isChain),
    digest: isDigest,
  },
  differs: { ...aboutInstance, from: isUid },
  refused: { ...aboutProposal, from: isUid, promisedId: isStoredId },
  backoff: { ...aboutInstance, delayMs: isMs },
  ignore: { ...aboutInstance, why: isText },
  recall: { from: isUid, question: isMessageOf(['prepare', 'accept']) },
  timer: { ...aboutInstance, why: isText },
  update: {
    what: isOneOf('queued', 'refused', 'chosen', 'dropped', 'lost'),
    value: isValue,
    id: orNull(isLinkId),
    waiting: isCount,
    why: isText,
  },
  lease: {
    ...aboutInstance,
    what: isOneOf('wanted', 'handing back', 'ours', 'theirs', 'unknown', 'over'),
    holder: orNull(isUid),
    lastsMs: isMs,
  },
  rejoin: {
    ...aboutInstance,
    what: isOneOf('asking', 'counting', 'waiting', 'voting'),
    votesFrom: orNull(isCount),
    answers: isCount,
    quorum: isCount,
  },
  apply: {
    ...aboutInstance,
    requests: isListOf(orNull(isRequestId)),
    answers: isListOf(isText),
    digest: isDigest,
  },
  snapshot: {
    ...aboutInstance,
    what: isOneOf('taken', 'restored', 'reading', 'installed'),
    from: orNull(isUid),
    digest: orNull(isDigest),
  },
  members: {
    ...aboutInstance,
    what: isOneOf('changed', 'overtaken', 'past', 'removed', 'left'),
    voters: isListOf(isUid),
    others: isListOf(isUid),
  },
  send: { to: isUids, seq: isCount, message: isMessageOf(PEER_TYPES) },
  reply: { to: isText, seq: isCount, message: isMessageOf(REPLY_TYPES) },
  receive: {
    from: orNull(isUid),
    seq: isCount,
    message: isMessageOf([...PEER_TYPES, ...CLIENT_TYPES]),
  },
  reject: { from: isText, why: isText },
  address: { peer: isUid, address: orNull(isText), why: isText },
  lost: { to: isListOf(isUid), seq: isCount, why: isText },
  save: { ...aboutInstance, votesFrom: orNull(isCount), ...acceptor, digest: isDigest },
  fail: { why: isText },
  crash: { where: isText, lost: orNull(isOneOf('nothing', 'save', 'file', 'disk')) },
};

const GUARDS: ReadonlyMap<string, Fields> = new Map<string, Fields>(Object.entries(FIELDS));

/** Which part of a line is not what it must be, in a few words; null: it is an event. */
export function wrongInEvent(line: unknown): string | null {
  if (!isRecord(line)) return 'it is not an object';
  const { at, server, turn, event, ...fields } = line;
  if (!isMs(at, ALL_UIDS)) return 'at, its time, is not a number of milliseconds';
  if (!isUid(server, ALL_UIDS)) return 'server is not a name';
  if (!isCount(turn)) return 'turn is not a whole number';
  if (typeof event !== 'string') return 'event is not a name';
  const guard = GUARDS.get(event);
  if (guard === undefined) return `there is no event ${JSON.stringify(event)}`;
  const wrong = wrongField(fields, guard, ALL_UIDS) ?? wrongTogether(fields, event);
  return wrong === null ? null : `of its "${event}" ${wrong}`;
}

/** Fields that are right each by itself, and not together. */
function wrongTogether(fields: Record<string, unknown>, event: string): string | null {
  const { link, chain, acceptedId, acceptedValue } = fields;
  if (event === 'advance' && (link === null) === (chain === null)) {
    return 'link and chain are both there, or both missing';
  }
  if (event === 'save' && (acceptedId === null) !== (acceptedValue === null)) {
    return 'acceptedId and acceptedValue are not both there, or both missing';
  }
  return null;
}

/** Whether a line is of a trace as versions wrote it before events said only what had changed. */
export function isOfOlderForm(line: unknown): boolean {
  if (!isRecord(line)) return false;
  return line['event'] === 'start' && 'layers' in line && !('uids' in line);
}
