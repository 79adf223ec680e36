/**
 * Every message on the wire: its type, and the guard that an untrusted datagram must pass.
 *
 * A datagram is one JSON object in UTF-8, `{"type": …, "seq": n, …}`. `seq` counts the datagrams
 * of its sender, so that a trace can find both ends of an arrow. Between servers it also says of
 * which cluster the sender is, `"cluster": "A B C"`: two that do not mean the same cluster count
 * different quorums, and must not believe each other. A guard accepts exactly the fields of its
 * type: nothing missing, nothing extra, every number a whole one that leaves room to grow, every
 * uid that of a known server.
 */
import type { BatchLink, ChainState, Link, LinkId, RequestId, Role, Roster } from './chain.ts';
import { askerOf, MAX_REMEMBERED_CLIENTS } from './chain.ts';
import type {
  AcceptedMessage,
  AcceptMessage,
  NackMessage,
  PrepareMessage,
  PromiseMessage,
  ProposalId,
  Uid,
} from './composable-paxos.ts';

/** What the roles say to each other speaks of one instance of the chain. */
type InInstance<Message> = Message & { readonly instanceNumber: number };

export type Prepare = InInstance<PrepareMessage>;
export type Promised = InInstance<PromiseMessage<Link>>;
export type Nack = InInstance<NackMessage>;
export type Accept = InInstance<AcceptMessage<Link>>;
export type Accepted = InInstance<AcceptedMessage<Link>>;

/** What a proposer asks of all acceptors. */
export type Question = Prepare | Accept;
export type InstanceMessage = Question | Promised | Nack | Accepted;

/** "I am at this instance, and this is what the chain has made here: have I missed anything?" */
export interface SyncRequest {
  readonly type: 'sync_request';
  readonly instanceNumber: number;
  /** See `digestOf`. */
  readonly digest: string;
}

/** "This is where I am": the chain before `instanceNumber`, which is still open. */
export interface CatchUpMessage extends ChainState {
  readonly type: 'catchup';
  readonly instanceNumber: number;
}

/** "I have lost my votes. Which instance is open at yours?" `question` is used only once. */
export interface RejoinRequest {
  readonly type: 'rejoin_request';
  readonly instanceNumber: number;
  readonly question: LinkId;
}

/** "You have asked `question`: this one." */
export interface RejoinAnswer {
  readonly type: 'rejoin_answer';
  readonly instanceNumber: number;
  readonly question: LinkId;
}

/**
 * "You have missed these links, the first of them in instance `first`; here `instanceNumber` is
 * open." `until`: "and those up to this instance, which is not among them, are on their way, too";
 * it is left out where there are no more. This and the next two are messages of part II, see
 * `log/log.ts`.
 */
export interface LinksMessage {
  readonly type: 'links';
  readonly instanceNumber: number;
  readonly first: number;
  readonly links: readonly Link[];
  readonly until?: number;
}

/** "Go on with your snapshot of instance `of`, from this character on; here I am." */
export interface SnapshotRequest {
  readonly type: 'snapshot_request';
  readonly instanceNumber: number;
  readonly of: number;
  readonly offset: number;
}

/** "A part of my snapshot of the state before `instanceNumber`, which has `total` characters." */
export interface SnapshotChunk {
  readonly type: 'snapshot_chunk';
  readonly instanceNumber: number;
  readonly offset: number;
  readonly total: number;
  readonly text: string;
}

/** "Which instance is open at yours?" See `log/members.ts`. */
export interface LevelRequest {
  readonly type: 'level_request';
  readonly instanceNumber: number;
  readonly question: LinkId;
}

/** "You have asked `question`: this one, and all changes of members before it are on my disk." */
export interface Level {
  readonly type: 'level';
  readonly instanceNumber: number;
  readonly question: LinkId;
}

/** "How far are you?" `question` is used only once. See `log/quorum-reads.ts`. */
export interface ExtentRequest {
  readonly type: 'extent_request';
  readonly instanceNumber: number;
  readonly question: LinkId;
}

/** "You have asked `question`: this is the first instance in which I have accepted nothing." */
export interface Extent {
  readonly type: 'extent';
  readonly instanceNumber: number;
  readonly question: LinkId;
}

/** What servers say to each other. */
export type PeerMessage =
  | InstanceMessage
  | SyncRequest
  | CatchUpMessage
  | LinksMessage
  | SnapshotRequest
  | SnapshotChunk
  | RejoinRequest
  | RejoinAnswer
  | LevelRequest
  | Level
  | ExtentRequest
  | Extent;

/** A client to a server: "please set the value to this". */
export interface ProposeMessage {
  readonly type: 'propose';
  readonly value: string;
}

/** A client to a server: the same, "and tell me when it is chosen". */
export interface RequestMessage {
  readonly type: 'request';
  readonly requestId: RequestId;
  readonly value: string;
}

/** A client to a server: "what is the value?" `isLocal`: "… as far as you know". */
export interface ReadMessage {
  readonly type: 'read';
  readonly requestId: RequestId;
  readonly isLocal: boolean;
}

/** A client to a server: "how far is the chain, as far as you know?" */
export interface ReachMessage {
  readonly type: 'reach';
  readonly requestId: RequestId;
}

/** A client to a server: "how are you?" */
export interface StatusMessage {
  readonly type: 'status';
  readonly requestId: RequestId;
}

/** A client to a server: "`to` shall be the master": whoever has a part in that does it. */
export interface TransferMessage {
  readonly type: 'transfer';
  readonly requestId: RequestId;
  readonly to: Uid;
}

/** A client to a store: "what do you know?" `isLocal`: "… as far as you know". */
export interface QueryMessage {
  readonly type: 'query';
  readonly requestId: RequestId;
  readonly query: string;
  readonly isLocal: boolean;
}

/** A client to a store without masters: the same, and a quorum shall say how far that is. */
export interface QuorumQueryMessage {
  readonly type: 'quorum_query';
  readonly requestId: RequestId;
  readonly query: string;
}

/** A client to a server: "who are the members, and how far is each?" */
export interface MembersMessage {
  readonly type: 'members';
  readonly requestId: RequestId;
}

/**
 * A client to a server: "let the members change": those of `remove` go, those of `vote` have a
 * vote, and the others listen, `join` to vote one day, or `follow` for ever. `isForced`: even if
 * somebody who is to vote is not level yet.
 */
export interface ChangeMessage {
  readonly type: 'change';
  readonly requestId: RequestId;
  readonly remove: readonly Uid[];
  readonly vote: Places;
  readonly join: Places;
  readonly follow: Places;
  readonly isForced: boolean;
}

/** Servers, and where they are; null: where they are known to be. */
export type Places = Readonly<Record<Uid, string | null>>;

/** What clients say to servers. */
export type ClientMessage =
  | MembersMessage
  | ChangeMessage
  | QueryMessage
  | QuorumQueryMessage
  | ProposeMessage
  | RequestMessage
  | ReadMessage
  | ReachMessage
  | StatusMessage
  | TransferMessage;

/** A server to a client: "your value was chosen, in this instance". */
export interface ChosenReply {
  readonly type: 'chosen';
  readonly requestId: RequestId;
  readonly instanceNumber: number;
}

/** A server to a client: "this is the value"; `isCurrent`: "… and nothing newer was chosen". */
export interface ValueReply {
  readonly type: 'value';
  readonly requestId: RequestId;
  readonly instanceNumber: number;
  readonly value: string | null;
  readonly isCurrent: boolean;
}

/** A server to a client: "this instance is open here, and all before it are chosen". */
export interface ReachedReply {
  readonly type: 'reached';
  readonly requestId: RequestId;
  readonly instanceNumber: number;
}

/**
 * A server to a client: "not here, or not now"; `master`: "but there", if it knows where;
 * `isFinal`: "nowhere and never".
 */
export interface RefusedReply {
  readonly type: 'refused';
  readonly requestId: RequestId;
  readonly master: Uid | null;
  readonly why: string;
  readonly isFinal: boolean;
}

/** A server to a client: how it is. Durations in milliseconds. */
export interface StatusReply {
  readonly type: 'status_report';
  readonly requestId: RequestId;
  readonly instanceNumber: number;
  readonly value: string | null;
  readonly promisedId: ProposalId | null;
  readonly acceptedId: ProposalId | null;
  readonly hasLeases: boolean;
  readonly master: Uid | null;
  /** What is left of the server's own lease; 0 if it is not master. */
  readonly leaseLeftMs: number;
  /** Since when that master is master; null, or not there: there is none, or nobody has counted. */
  readonly reign?: ReignReport | null;
  readonly waiting: number;
  readonly uptimeMs: number;
  /** For each peer how long ago it was last heard; null: never. */
  readonly heardMs: Readonly<Record<Uid, number | null>>;
  /** Of a store; null: it is none. */
  readonly log: LogReport | null;
}

/** Since when, without a gap, a server is master. See `log/tracking.ts`. */
export interface ReignReport {
  /** The instance that began it; null: this server was not there, or cannot tell. */
  readonly since: number | null;
  /** For so long the server that was asked knows of it. */
  readonly forMs: number;
}

/** What a store keeps: links from here on, a snapshot of what was before, and what all made. */
export interface LogReport {
  readonly firstKept: number;
  readonly snapshotAt: number;
  readonly digest: string;
  /** How much there is, in a few words: "3 keys". */
  readonly size: string;
}

/** A server to a client: "I am the master, as you wished, for so long". */
export interface TransferredReply {
  readonly type: 'transferred';
  readonly requestId: RequestId;
  readonly leaseLeftMs: number;
}

/** A server to a client: who the members are. */
export interface MembersReply {
  readonly type: 'members_report';
  readonly requestId: RequestId;
  readonly instanceNumber: number;
  /** What the servers call their cluster. */
  readonly clusterName: string;
  /** Where no change was made yet, nobody knows of an address. */
  readonly members: Readonly<Record<Uid, MemberReport>>;
}

export interface MemberReport {
  readonly address: string | null;
  readonly role: Role;
  /** Which instance is open there; null: it has not answered. */
  readonly open: number | null;
}

/** A server to a client: "it is done, in this instance, and a quorum of the new ones knows it". */
export interface ChangedReply {
  readonly type: 'changed';
  readonly requestId: RequestId;
  readonly instanceNumber: number;
}

/** A store to a client: "your command was chosen in this instance, and this came of it". */
export interface AnsweredReply {
  readonly type: 'answered';
  readonly requestId: RequestId;
  readonly instanceNumber: number;
  readonly answer: string;
}

/** A store to a client: what it has found; `isCurrent`: "… and nothing newer was chosen". */
export interface FoundReply {
  readonly type: 'found';
  readonly requestId: RequestId;
  readonly instanceNumber: number;
  readonly found: string | null;
  readonly isCurrent: boolean;
}

/** What servers answer to clients. */
export type Reply =
  | MembersReply
  | ChangedReply
  | AnsweredReply
  | FoundReply
  | ChosenReply
  | ValueReply
  | ReachedReply
  | RefusedReply
  | StatusReply
  | TransferredReply;

export type Message = PeerMessage | ClientMessage | Reply;

/** The largest payload that UDP over IPv4 carries. */
export const MAX_DATAGRAM_BYTES = 65_507;

/**
 * The largest value, counted as the JSON text that carries it, in bytes of UTF-8. A promise and a
 * catch-up carry a value beside everything else that they say; with this limit both always fit.
 */
export const MAX_VALUE_BYTES = 32_768;

/** No version of a key takes more than this. */
const MAX_VERSION_BYTES = 64;

/** The largest batch takes no more room than the largest value … */
export const MAX_BATCH_BYTES = MAX_VALUE_BYTES;
/** … and once it is applied, all its requests must still be remembered. */
export const MAX_IN_BATCH = MAX_REMEMBERED_CLIENTS;

/**
 * So long a part of a snapshot, and so many bytes of links, go into one datagram: the systems that
 * take only short ones take these. A single link may be longer.
 */
export const MAX_PART = 8_000;
/** So many may vote, so many others may follow, and so many names be given in all. */
export const MAX_VOTERS = 9;
export const MAX_OTHERS = 9;
export const MAX_USED = 1_000;
/** A state that needs more characters than this is none for such servers. */
const MAX_SNAPSHOT_LENGTH = 2 ** 29;

/**
 * Beyond this no number from the wire is believed. No server gets there by itself, and none is led
 * there at once, since `ReplicatedValue` believes only so much of a leap at a time …
 */
export const MAX_NUMBER = 2 ** 49;
/** … while a disk may hold what has grown out of the largest that was believed. */
const MAX_STORED_NUMBER = 2 ** 52;

/** So begins what is said of a message that cannot be true. */
export const NOT_BELIEVED = 'not believed';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** How many bytes a value, or a batch, takes on the wire: its JSON text in UTF-8. */
export function encodedBytes(value: string | BatchLink['batch']): number {
  return encoder.encode(JSON.stringify(value)).length;
}

/** What a cluster is called between servers: its members, and whether it has masters. */
export function clusterName(uids: readonly Uid[], hasLeases: boolean): string {
  return `${[...uids].sort().join(' ')}${hasLeases ? ' with leases' : ''}`;
}

/** What is wrong with the cluster that a datagram names, where `ours` is expected; or null. */
export function wrongCluster(theirs: unknown, ours: string): string | null {
  if (theirs === ours) return null;
  const isName = typeof theirs === 'string' && CLUSTER_NAME.test(theirs);
  if (!isName) return 'it does not say of which cluster it is';
  return `its cluster is ${theirs}, ours is ${ours}`;
}

const CLUSTER_NAME =
  /^[A-Z][0-9]{0,4}( [A-Z][0-9]{0,4}){0,8}( with leases)?( with a store)?( with members)?$/;

/**
 * The datagram for a message; one to a server names the `cluster`. Every message that passes its
 * guard fits into one.
 */
export function encodeDatagram(
  seq: number,
  message: Message,
  cluster: string | null = null,
): Uint8Array {
  const { type } = message; // it comes first, for whoever reads along on the wire
  const head = cluster === null ? { type, seq } : { type, seq, cluster };
  return encoder.encode(JSON.stringify(Object.assign(head, message)));
}

/** What a datagram says, or one short sentence about why it is not believed. */
export type Decoded =
  | { readonly seq: number; readonly message: Message }
  | { readonly rejected: string };

/**
 * Decodes and checks a datagram. `uids` are the servers of the cluster; a server gives its own
 * `cluster`, too, and does not believe what servers of another one say. Never throws.
 */
export function decodeDatagram(
  bytes: Uint8Array,
  uids: Names,
  cluster: string | null = null,
): Decoded {
  if (bytes.length > MAX_DATAGRAM_BYTES) return { rejected: 'it is too long' };

  const parsed = parse(bytes);
  if (parsed === undefined) return { rejected: 'it is not JSON in UTF-8' };
  if (!isRecord(parsed)) return { rejected: 'it is not a JSON object' };

  const { type, seq, ...others } = parsed;
  if (typeof type !== 'string') return { rejected: 'it has no type' };
  if (!isCount(seq)) return { rejected: 'its seq is not a whole number from 0 on' };

  const guard = GUARDS.get(type);
  if (guard === undefined) return { rejected: 'its type is unknown' };
  let fields = others;
  if (cluster !== null && isPeerType(type)) {
    const { cluster: theirs, ...rest } = others;
    // Before the fields: what another cluster says may well look wrong here.
    const stranger = wrongCluster(theirs, cluster);
    if (stranger !== null) return { rejected: stranger };
    fields = rest;
  }
  const wrong = wrongField(fields, guard, uids);
  if (wrong !== null) return { rejected: `its ${wrong}` };
  return { seq, message: { type, ...fields } as unknown as Message };
}

export const CLIENT_TYPES: ReadonlySet<string> = new Set<ClientMessage['type']>([
  'propose',
  'request',
  'read',
  'reach',
  'status',
  'transfer',
  'query',
  'quorum_query',
  'members',
  'change',
]);
export const REPLY_TYPES: ReadonlySet<string> = new Set<Reply['type']>([
  'chosen',
  'value',
  'reached',
  'refused',
  'status_report',
  'transferred',
  'answered',
  'found',
  'members_report',
  'changed',
]);

export function isClientMessage(message: Message): message is ClientMessage {
  return CLIENT_TYPES.has(message.type);
}

export function isReply(message: Message): message is Reply {
  return REPLY_TYPES.has(message.type);
}

export function isPeerMessage(message: Message): message is PeerMessage {
  return isPeerType(message.type);
}

function isPeerType(type: string): boolean {
  return !CLIENT_TYPES.has(type) && !REPLY_TYPES.has(type);
}

const INSTANCE_TYPES: ReadonlySet<string> = new Set<InstanceMessage['type']>([
  'prepare',
  'promise',
  'nack',
  'accept',
  'accepted',
]);

export function isInstanceMessage(message: PeerMessage): message is InstanceMessage {
  return INSTANCE_TYPES.has(message.type);
}

export function isQuestion(message: PeerMessage): message is Question {
  return message.type === 'prepare' || message.type === 'accept';
}

/** The highest number of a proposal that the message names. */
export function highestNumberIn(message: InstanceMessage): number {
  const { proposalId } = message;
  if (message.type === 'nack')
    return Math.max(proposalId.number, message.promisedProposalId.number);
  if (message.type !== 'promise') return proposalId.number;
  return Math.max(proposalId.number, message.lastAcceptedId?.number ?? 0);
}

// Guards. Each check takes whatever stood in the field; `uids` are the servers of the cluster.

/** Which uids a message may name: a list of them is such a thing. */
export interface Names {
  includes(uid: Uid): boolean;
}

/** What a server may be called: a letter, and a number behind it if the letter was given before. */
export const UID = /^[A-Z](?:[1-9][0-9]{0,3})?$/;

/** Any name, where one may be new: the members of a cluster change. */
export const ANY_UID: Names = { includes: (uid) => UID.test(uid) };

export type Check = (value: unknown, uids: Names) => boolean;
export type Fields = Readonly<Record<string, Check>>;

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= MAX_NUMBER;
}

const isNumberUpTo =
  (most: number): Check =>
  (value) =>
    Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= most;

const isNumber = isNumberUpTo(MAX_NUMBER);

export const isUid: Check = (value, uids) => uids.includes(value as Uid);

/** A string that survives UTF-8 unchanged (no lone surrogate) and fits into every message. */
export const isValue: Check = (value) =>
  typeof value === 'string' && !/\p{Surrogate}/u.test(value) && fits(value);

/** One UTF-16 unit is 1 to 6 bytes of JSON, so most values need not be encoded to be measured. */
function fits(value: string): boolean {
  if (value.length >= MAX_VALUE_BYTES) return false;
  return 2 + 6 * value.length <= MAX_VALUE_BYTES || encodedBytes(value) <= MAX_VALUE_BYTES;
}

/** An entry of a store: the value, spelled as in the command that set it, and its version. */
const isFound: Check = (value) =>
  typeof value === 'string' &&
  !/\p{Surrogate}/u.test(value) &&
  encodedBytes(value) <= MAX_VALUE_BYTES + MAX_VERSION_BYTES;

const LINK_ID = /^([A-Z][0-9]{0,4})-[0-9a-f]{8}-[1-9][0-9]{0,15}$/;

export const isLinkId: Check = (value, uids) =>
  typeof value === 'string' && isUid(LINK_ID.exec(value)?.[1], uids);

const isObjectOf =
  (fields: Fields): Check =>
  (value, uids) =>
    isRecord(value) && wrongField(value, fields, uids) === null;

export const orNull =
  (check: Check): Check =>
  (value, uids) =>
    value === null || check(value, uids);

/** The field may be left out: it is younger than what was written without it. */
const orMissing =
  (check: Check): Check =>
  (value, uids) =>
    value === undefined || check(value, uids);

const either =
  (...checks: Check[]): Check =>
  (value, uids) =>
    checks.some((check) => check(value, uids));

const isProposalId = isObjectOf({ number: isNumber, uid: isUid });

export const isStoredNumber = isNumberUpTo(MAX_STORED_NUMBER);
export const isStoredId = isObjectOf({ number: isStoredNumber, uid: isUid });

const REQUEST_ID = /^[0-9a-f]{16}-([1-9][0-9]{0,14})-([1-9][0-9]{0,14})$/;

export const isRequestId: Check = (value) => {
  const [, since, number] = REQUEST_ID.exec(typeof value === 'string' ? value : '') ?? [];
  return isCount(Number(since)) && isCount(Number(number));
};

/** A host, in brackets if it is an IPv6 address, and a port. */
const ADDRESS = /^(?:\[[0-9a-fA-F:.%A-Za-z_-]{2,80}\]|[A-Za-z0-9_.-]{1,255}):[1-9][0-9]{0,4}$/;

export const isAddress: Check = (value) => typeof value === 'string' && ADDRESS.test(value);

const isRole: Check = (value) => value === 'voting' || value === 'joining' || value === 'passive';

const isMember = isObjectOf({ address: isAddress, role: isRole });

/** For each of some servers something. A client may name one that nobody has heard of yet. */
const isRecordOf =
  (check: Check): Check =>
  (value) =>
    isRecord(value) &&
    Object.keys(value).length <= MAX_VOTERS + MAX_OTHERS &&
    Object.entries(value).every(([uid, one]) => UID.test(uid) && check(one, ANY_UID));

const isPlaces = isRecordOf(orNull(isAddress));

const isUids: Check = (value) =>
  Array.isArray(value) &&
  value.length <= MAX_VOTERS + MAX_OTHERS &&
  value.every((uid) => typeof uid === 'string' && UID.test(uid));

/** At least one votes, and nobody is where somebody else is. */
const isMembersRecord: Check = (value, uids) => {
  if (!isRecord(value)) return false;
  const all = Object.entries(value);
  const isRight = all.every(([uid, member]) => isUid(uid, uids) && isMember(member, uids));
  if (!isRight) return false;
  const members = Object.values(value as unknown as Roster);
  const voters = members.filter(({ role }) => role === 'voting').length;
  const places = new Set(members.map(({ address }) => address));
  return (
    voters >= 1 &&
    voters <= MAX_VOTERS &&
    members.length - voters <= MAX_OTHERS &&
    places.size === members.length
  );
};

const isUsed: Check = (value, uids) =>
  Array.isArray(value) &&
  value.length <= MAX_USED &&
  value.every((uid) => isUid(uid, uids)) &&
  new Set(value).size === value.length;

const MEMBERS_FIELDS: Fields = {
  members: isMembersRecord,
  used: isUsed,
  by: isRequestId,
};

/** The rarest field comes first: what is no such link is found out soon. */
const isClientLink = either(
  isObjectOf({ request: isRequestId, update: isValue, id: isLinkId }),
  isObjectOf({ update: isValue, id: isLinkId }),
  isObjectOf({ read: (value) => value === null, id: isLinkId }),
);

/** Two or more, and no batches, each with an id of its own. */
const isBatchOfLinks: Check = (value, uids) =>
  Array.isArray(value) &&
  value.length >= 2 &&
  value.length <= MAX_IN_BATCH &&
  value.every((one) => isClientLink(one, uids)) &&
  new Set(value.map(({ id }) => id)).size === value.length &&
  encodedBytes(value) <= MAX_BATCH_BYTES;

const hasFieldsOfBatch = isObjectOf({ batch: isBatchOfLinks, id: isLinkId });

/** It is the queue of one server: who else is told by it that a link is in the chain? */
const isBatchLink: Check = (value, uids) =>
  hasFieldsOfBatch(value, uids) &&
  (value as BatchLink).batch.every((one) => askerOf(one) === askerOf(value as BatchLink));

export const isLink = either(
  isClientLink,
  isObjectOf({ lease: orNull(isUid), id: isLinkId }),
  isObjectOf({ ...MEMBERS_FIELDS, of: isCount, id: isLinkId }),
  isBatchLink,
);

const isLatestUpdateIds: Check = (value, uids) =>
  isRecord(value) &&
  Object.entries(value).every(
    ([uid, id]) => isUid(uid, uids) && isLinkId(id, uids) && (id as string).startsWith(`${uid}-`),
  );

const isRememberedRequest = isObjectOf({
  client: (value) => typeof value === 'string' && /^[0-9a-f]{16}$/.test(value),
  number: isNumber,
  instanceNumber: isNumber,
});

const isRequests: Check = (value, uids) =>
  Array.isArray(value) &&
  value.length <= MAX_REMEMBERED_CLIENTS &&
  value.every((entry) => isRememberedRequest(entry, uids)) &&
  new Set(value.map(({ client }) => client)).size === value.length;

const isHeard: Check = (value, uids) =>
  isRecord(value) &&
  Object.entries(value).every(
    ([uid, ms]) => isUid(uid, uids) && (ms === null || isDuration(ms, uids)),
  );

const isDuration: Check = (value) => typeof value === 'number' && value >= 0 && value <= MAX_NUMBER;

export const isDigest: Check = (value) => typeof value === 'string' && /^[0-9a-f]{8}$/.test(value);

export const isBoolean: Check = (value) => typeof value === 'boolean';

const isReason: Check = (value) => typeof value === 'string' && value.length <= 200;

const isLinks: Check = (value, uids) =>
  Array.isArray(value) && value.length > 0 && value.every((link) => isLink(link, uids));

const isTotal: Check = (value) => isCount(value) && value <= MAX_SNAPSHOT_LENGTH;

/** Snapshots are lines of JSON in ASCII: wherever one is cut, no character is. */
export const SNAPSHOT_TEXT = /^[ -~\n]+$/;

const isSnapshotText: Check = (value) =>
  typeof value === 'string' && value.length <= MAX_PART && SNAPSHOT_TEXT.test(value);

export const CHAIN_FIELDS: Fields = {
  instanceNumber: isNumber,
  currentValue: orNull(isValue),
  lease: orNull(isObjectOf({ holder: isUid, id: isLinkId })),
  latestUpdateIds: isLatestUpdateIds,
  requests: isRequests,
  forgottenUpTo: isCount,
  membership: orMissing(isObjectOf({ ...MEMBERS_FIELDS, since: isNumber })),
};

const GUARDS: ReadonlyMap<string, Fields> = new Map<Message['type'], Fields>([
  ['propose', { value: isValue }],
  ['prepare', { instanceNumber: isNumber, proposalId: isProposalId }],
  [
    'promise',
    {
      instanceNumber: isNumber,
      proposalId: isProposalId,
      lastAcceptedId: orNull(isProposalId),
      lastAcceptedValue: orNull(isLink),
    },
  ],
  [
    'nack',
    { instanceNumber: isNumber, proposalId: isProposalId, promisedProposalId: isProposalId },
  ],
  ['accept', { instanceNumber: isNumber, proposalId: isProposalId, proposalValue: isLink }],
  ['accepted', { instanceNumber: isNumber, proposalId: isProposalId, proposalValue: isLink }],
  ['sync_request', { instanceNumber: isNumber, digest: isDigest }],
  ['catchup', CHAIN_FIELDS],
  [
    'links',
    { instanceNumber: isNumber, first: isNumber, links: isLinks, until: orMissing(isNumber) },
  ],
  ['snapshot_request', { instanceNumber: isNumber, of: isNumber, offset: isCount }],
  [
    'snapshot_chunk',
    { instanceNumber: isNumber, offset: isCount, total: isTotal, text: isSnapshotText },
  ],
  ['rejoin_request', { instanceNumber: isNumber, question: isLinkId }],
  ['rejoin_answer', { instanceNumber: isNumber, question: isLinkId }],
  ['level_request', { instanceNumber: isNumber, question: isLinkId }],
  ['level', { instanceNumber: isNumber, question: isLinkId }],
  ['extent_request', { instanceNumber: isNumber, question: isLinkId }],
  ['extent', { instanceNumber: isNumber, question: isLinkId }],
  ['request', { requestId: isRequestId, value: isValue }],
  ['query', { requestId: isRequestId, query: isValue, isLocal: isBoolean }],
  ['quorum_query', { requestId: isRequestId, query: isValue }],
  ['answered', { requestId: isRequestId, instanceNumber: isNumber, answer: isReason }],
  [
    'found',
    {
      requestId: isRequestId,
      instanceNumber: isNumber,
      found: orNull(isFound),
      isCurrent: isBoolean,
    },
  ],
  ['members', { requestId: isRequestId }],
  [
    'change',
    {
      requestId: isRequestId,
      remove: isUids,
      vote: isPlaces,
      join: isPlaces,
      follow: isPlaces,
      isForced: isBoolean,
    },
  ],
  [
    'members_report',
    {
      requestId: isRequestId,
      instanceNumber: isNumber,
      clusterName: (value) => typeof value === 'string' && CLUSTER_NAME.test(value),
      members: isRecordOf(
        isObjectOf({ address: orNull(isAddress), role: isRole, open: orNull(isNumber) }),
      ),
    },
  ],
  ['changed', { requestId: isRequestId, instanceNumber: isNumber }],
  ['read', { requestId: isRequestId, isLocal: isBoolean }],
  ['reach', { requestId: isRequestId }],
  ['status', { requestId: isRequestId }],
  ['transfer', { requestId: isRequestId, to: isUid }],
  ['transferred', { requestId: isRequestId, leaseLeftMs: isDuration }],
  ['chosen', { requestId: isRequestId, instanceNumber: isNumber }],
  [
    'value',
    {
      requestId: isRequestId,
      instanceNumber: isNumber,
      value: orNull(isValue),
      isCurrent: isBoolean,
    },
  ],
  ['reached', { requestId: isRequestId, instanceNumber: isNumber }],
  ['refused', { requestId: isRequestId, master: orNull(isUid), why: isReason, isFinal: isBoolean }],
  [
    'status_report',
    {
      requestId: isRequestId,
      instanceNumber: isNumber,
      value: orNull(isValue),
      promisedId: orNull(isProposalId),
      acceptedId: orNull(isProposalId),
      hasLeases: isBoolean,
      master: orNull(isUid),
      leaseLeftMs: isDuration,
      reign: orMissing(orNull(isObjectOf({ since: orNull(isNumber), forMs: isDuration }))),
      waiting: isCount,
      uptimeMs: isDuration,
      heardMs: isHeard,
      log: orNull(
        isObjectOf({ firstKept: isNumber, snapshotAt: isNumber, digest: isDigest, size: isReason }),
      ),
    },
  ],
]);

export const MESSAGE_TYPES: readonly string[] = [...GUARDS.keys()];

/** What a state file holds: whose it is, the chain, and the acceptor of the open instance. */
const STATE_FIELDS: Fields = {
  uid: isUid,
  members: (value, uids) => Array.isArray(value) && value.every((uid) => isUid(uid, uids)),
  ...CHAIN_FIELDS,
  instanceNumber: isStoredNumber,
  votesFrom: orNull(isStoredNumber),
  promisedId: orNull(isStoredId),
  acceptedId: orNull(isStoredId),
  acceptedValue: orNull(isLink),
};

/**
 * What is wrong with the fields of a state file, or null. A state is no message; but it is made of
 * the same ids and links, and they have their guards here. What the fields must have to do with
 * each other says `state.ts`.
 */
export function wrongStateField(fields: Record<string, unknown>, uids: Names): string | null {
  return wrongField(fields, STATE_FIELDS, uids);
}

/** What is wrong with something that should be one of these messages, or null. */
export function wrongMessage(
  message: unknown,
  types: readonly string[],
  uids: Names,
): string | null {
  if (!isRecord(message)) return 'message is not what it must be';
  const { type, ...fields } = message;
  const guard = types.some((known) => known === type) ? GUARDS.get(String(type)) : undefined;
  if (guard === undefined) return 'message is of no type that it may have';
  const wrong = wrongField(fields, guard, uids);
  return wrong === null ? null : `message: its ${wrong}`;
}

/**
 * Says which field is missing, extra or wrong; null when all is well. A field whose check takes
 * `undefined` may be left out.
 */
export function wrongField(
  record: Record<string, unknown>,
  fields: Fields,
  uids: Names,
): string | null {
  let absent = 0;
  for (const [name, check] of Object.entries(fields)) {
    const isThere = Object.hasOwn(record, name);
    if (!isThere && check(undefined, uids)) absent += 1;
    else if (!isThere) return `${name} is missing`;
    else if (!check(record[name], uids)) return `${name} is not what it must be`;
  }
  const hasExtra = Object.keys(record).length > Object.keys(fields).length - absent;
  return hasExtra ? 'fields are more than its type has' : null;
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch {
    return undefined;
  }
}
