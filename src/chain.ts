/**
 * The chain: what the instances decide, one link after the other, and what a replica keeps of it.
 *
 * Every instance chooses one *link*: an update of the replicated value, or a lease that makes one
 * server the master. Links are tagged, and mean the same to every replica, whichever layers it
 * is made of: one without master leases remembers a lease as well, it just does not act on it.
 */
import type { Uid } from './composable-paxos.ts';

/**
 * Who asked for a link, in which run of its program, and its number there: `A-3f9c2b1e-7`.
 * Two links with the same id are the same wish, proposed more than once.
 */
export type LinkId = string;

/**
 * Which client asked, since which instance, and the number of its request:
 * `9f86d081884c7d65-40-7`. When the client made the request, it knew that instance 40 had been
 * reached, so the request cannot have had an effect before. A client counts from 1.
 */
export type RequestId = string;

/** "The value shall be this." */
export interface UpdateLink {
  readonly update: string;
  readonly id: LinkId;
}

/** The same, for a client that waits for an answer and may ask again and elsewhere. */
export interface RequestedLink extends UpdateLink {
  readonly request: RequestId;
}

/** "What is the value?" It changes nothing; but whoever sees it chosen knows all before it. */
export interface ReadLink {
  readonly read: null;
  readonly id: LinkId;
}

/** "This server shall be the master for a while"; null: the master hands its lease back. */
export interface LeaseLink {
  readonly lease: Uid | null;
  readonly id: LinkId;
}

/** What a server is to the others: it votes, is to vote one day, or never is. */
export type Role = 'voting' | 'joining' | 'passive';

/** One server of the cluster, and where the others send to. */
export interface Member {
  readonly address: string;
  readonly role: Role;
}

/** All members, by their names. */
export type Roster = Readonly<Record<Uid, Member>>;

/**
 * "From the next instance on these are the members", all of them. It takes effect only if the
 * change before it is still the one of instance `of` (0: there was none): of two that were made of
 * the same members, only one does. See `log/members.ts`.
 */
export interface MembersLink {
  readonly members: Roster;
  /** Every name that was ever given, those of the members among them. */
  readonly used: readonly Uid[];
  readonly of: number;
  /** The client's request that it is made for. */
  readonly by: RequestId;
  readonly id: LinkId;
}

/** Who the members are, and since which change. */
export interface Membership {
  readonly members: Roster;
  readonly used: readonly Uid[];
  /** The instance that chose the change; they are the members from the next one on. */
  readonly since: number;
  readonly by: RequestId;
}

/** What a client asks for. */
export type ClientLink = UpdateLink | RequestedLink | ReadLink;

/** Several of these in one, in this order: a matter of part II, see `log/batches.ts`. */
export interface BatchLink {
  readonly batch: readonly ClientLink[];
  readonly id: LinkId;
}

/** What is no batch. */
export type SingleLink = ClientLink | LeaseLink | MembersLink;
export type Link = SingleLink | BatchLink;

/** The latest request of a client that has an effect in the chain, and in which instance. */
export interface RememberedRequest {
  readonly client: string;
  readonly number: number;
  readonly instanceNumber: number;
}

/**
 * So many clients are remembered. When one more comes, that one is forgotten which has been quiet
 * for longest. A request of an unknown client may be one of a forgotten client, so it takes
 * effect only if it was made after all that was forgotten: never twice, even if it has lain for
 * an hour in a server that stood still. The price: if a hundred other clients come in between,
 * one that asks again may be told that nobody knows.
 */
export const MAX_REMEMBERED_CLIENTS = 100;

/** What is left of all links so far: the same on every replica that has come equally far. */
export interface ChainState {
  /** The value of the last update; null before the first. */
  readonly currentValue: string | null;
  /** Whom the chain names as lease holder, and the link that did; it says nothing about *when*. */
  readonly lease: { readonly holder: Uid; readonly id: LinkId } | null;
  /**
   * For each server the id of its latest update or read. A server proposes them one at a time, so
   * this tells it after any move, even by catch-up, whether the one it proposed is in the chain.
   */
  readonly latestUpdateIds: Readonly<Record<Uid, LinkId>>;
  /** What keeps a request from taking effect twice; latest last. */
  readonly requests: readonly RememberedRequest[];
  /** The last instance of which a request was forgotten; 0: none was. */
  readonly forgottenUpTo: number;
  /** Who the members are; not there before the first change: those of the cluster file. */
  readonly membership?: Membership;
}

/** The chain before its first link. */
export const EMPTY_CHAIN: ChainState = {
  currentValue: null,
  lease: null,
  latestUpdateIds: {},
  requests: [],
  forgottenUpTo: 0,
};

/** The chain, and nothing else, out of something that carries it. */
export function chainOf(carrier: ChainState): ChainState {
  const { currentValue, lease, latestUpdateIds, requests, forgottenUpTo, membership } = carrier;
  const chain = { currentValue, lease, latestUpdateIds, requests, forgottenUpTo };
  return membership === undefined ? chain : { ...chain, membership };
}

export function isUpdate(link: Link): link is UpdateLink | RequestedLink {
  return 'update' in link;
}

export function isLease(link: Link): link is LeaseLink {
  return 'lease' in link;
}

export function isMembers(link: Link): link is MembersLink {
  return 'members' in link;
}

export function isBatch(link: Link): link is BatchLink {
  return 'batch' in link;
}

/** The link by itself, or those that it carries. */
export function singlesOf(link: Link): readonly SingleLink[] {
  return isBatch(link) ? link.batch : [link];
}

/** The server that asked for the link. */
export function askerOf(link: Link): Uid {
  return link.id.slice(0, link.id.indexOf('-'));
}

/** The state after one more link, which `instanceNumber` has chosen. */
export function applyLink(chain: ChainState, link: Link, instanceNumber: number): ChainState {
  if (isBatch(link)) {
    return link.batch.reduce((made, one) => applyLink(made, one, instanceNumber), chain);
  }
  if (isLease(link)) {
    const lease = link.lease === null ? null : { holder: link.lease, id: link.id };
    return { ...chain, lease };
  }
  if (isMembers(link)) {
    const { members, used, of, by } = link;
    if (of !== (chain.membership?.since ?? 0)) return chain; // another change came before it
    // A name is never given again, so nobody asks what somebody who is gone has proposed last.
    const latestUpdateIds = ofThese(members, chain.latestUpdateIds);
    return { ...chain, latestUpdateIds, membership: { members, used, since: instanceNumber, by } };
  }
  const latestUpdateIds = { ...chain.latestUpdateIds, [askerOf(link)]: link.id };
  if (!isUpdate(link)) return { ...chain, latestUpdateIds };
  if (!('request' in link)) return { ...chain, currentValue: link.update, latestUpdateIds };

  // Asked for twice, by way of two servers or of one that forgot: it takes effect once.
  if (standingOf(chain, link.request) !== 'new') return { ...chain, latestUpdateIds };
  const remembered = remember(chain, link.request, instanceNumber);
  return { ...chain, currentValue: link.update, latestUpdateIds, ...remembered };
}

function ofThese(members: Roster, ids: ChainState['latestUpdateIds']) {
  return Object.fromEntries(Object.entries(ids).filter(([uid]) => Object.hasOwn(members, uid)));
}

/**
 * What the chain says of a request: the instance that chose it; `overtaken`, its client has had a
 * later one chosen; `forgotten`, it may have been chosen, and nobody can tell any more; or `new`.
 * Only a new one can take effect.
 */
export type Standing = number | 'overtaken' | 'forgotten' | 'new';

/** How this request stands after all links so far. */
export function standingOf(chain: ChainState, request: RequestId): Standing {
  const { client } = partsOf(request);
  const known = chain.requests.find((remembered) => remembered.client === client);
  return standingBeside(known, chain.forgottenUpTo, request);
}

/** How it stands beside what is remembered of its client: nothing, or its latest request. */
export function standingBeside(
  known: Pick<RememberedRequest, 'number' | 'instanceNumber'> | undefined,
  forgottenUpTo: number,
  request: RequestId,
): Standing {
  const { since, number } = partsOf(request);
  if (known === undefined) return since <= forgottenUpTo ? 'forgotten' : 'new';
  if (known.number < number) return 'new';
  return known.number === number ? known.instanceNumber : 'overtaken';
}

function remember(
  { requests, forgottenUpTo }: ChainState,
  request: RequestId,
  instanceNumber: number,
): Pick<ChainState, 'requests' | 'forgottenUpTo'> {
  const { client, number } = partsOf(request);
  const known = requests.findIndex((remembered) => remembered.client === client);
  const before = known < 0 ? requests : requests.slice(0, known);
  const after = known < 0 ? [] : requests.slice(known + 1);
  const all = [...before, ...after, { client, number, instanceNumber }];
  const forgotten = all.slice(0, -MAX_REMEMBERED_CLIENTS);
  return {
    requests: all.slice(-MAX_REMEMBERED_CLIENTS),
    forgottenUpTo: forgotten.at(-1)?.instanceNumber ?? forgottenUpTo,
  };
}

/**
 * A short name of this state: equal states have the same one, and different ones hardly ever. It
 * is what is said of a chain where the chain itself would be too long. (FNV-1a over all its parts.)
 */
export function digestOf(chain: ChainState): string {
  for (const known of latestDigests) {
    if (isOfSameParts(known.chain, chain)) return known.digest;
  }
  const digest = mixAll(chain).toString(16).padStart(8, '0');
  latestDigests[nextDigest] = { chain, digest };
  nextDigest = (nextDigest + 1) % MOST_DIGESTS;
  return digest;
}

/** A state is asked about over and over as long as it is that of somebody's open instance. */
const MOST_DIGESTS = 16;
const latestDigests: { readonly chain: ChainState; readonly digest: string }[] = [];
let nextDigest = 0;

function isOfSameParts(a: ChainState, b: ChainState): boolean {
  return (
    a.latestUpdateIds === b.latestUpdateIds &&
    a.requests === b.requests &&
    a.lease === b.lease &&
    a.currentValue === b.currentValue &&
    a.membership === b.membership &&
    a.forgottenUpTo === b.forgottenUpTo
  );
}

function mixAll(chain: ChainState): number {
  const { currentValue, lease, latestUpdateIds, requests, forgottenUpTo, membership } = chain;
  let hash = mixText(FNV_OFFSET, currentValue);
  hash = mixText(mixText(hash, lease?.holder ?? null), lease?.id ?? null);
  let ids = 0; // a sum: in which order they came in does not matter
  for (const uid in latestUpdateIds) ids += mixText(FNV_OFFSET, latestUpdateIds[uid] ?? null);
  hash = mixNumber(hash, ids);
  for (const { client, number, instanceNumber } of requests) {
    hash = mixNumber(mixNumber(mixText(hash, client), number), instanceNumber);
  }
  hash = mixNumber(hash, forgottenUpTo);
  if (membership === undefined) return hash;
  const { members, used, since, by } = membership;
  hash = mixText(mixNumber(hash, since), by);
  return mixText(mixText(hash, used.join(' ')), textOfRoster(members));
}

/** All that it says, in an order that does not depend on where it came from. */
export function textOfRoster(members: Roster): string {
  const all = Object.entries(members).sort(([a], [b]) => Number(a > b) - Number(a < b));
  return all.map(([uid, { address, role }]) => `${uid} ${role} ${address}`).join(', ');
}

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** A text, and where it ends; null is no text, and not an empty one. */
function mixText(hash: number, text: string | null): number {
  if (text === null) return mixNumber(hash, -1);
  let mixed = hash;
  for (let index = 0; index < text.length; index += 1) {
    mixed = Math.imul(mixed ^ text.charCodeAt(index), FNV_PRIME);
  }
  return mixNumber(mixed, text.length);
}

function mixNumber(hash: number, number: number): number {
  const low = Math.imul(hash ^ number, FNV_PRIME);
  return Math.imul(low ^ Math.floor(number / 2 ** 32), FNV_PRIME) >>> 0;
}

/** What a request id says. */
export function partsOf(request: RequestId): { client: string; since: number; number: number } {
  const since = request.indexOf('-') + 1;
  const number = request.indexOf('-', since) + 1;
  return {
    client: request.slice(0, since - 1),
    since: Number(request.slice(since, number - 1)),
    number: Number(request.slice(number)),
  };
}

/** The members by what they may do. */
export interface Roll {
  /** What it was made of; undefined: the cluster file. */
  readonly membership: Membership | undefined;
  readonly voters: readonly Uid[];
  readonly others: readonly Uid[];
}

/** Who votes, and who follows, by this part of a chain; before the first change the `founders`. */
export function rollOf(membership: Membership | undefined, founders: readonly Uid[]): Roll {
  if (membership === undefined) return { membership, voters: founders, others: [] };
  const all = Object.keys(membership.members).sort();
  const isVoter = (uid: Uid) => membership.members[uid]?.role === 'voting';
  const [voters, others] = [all.filter(isVoter), all.filter((uid) => !isVoter(uid))];
  return { membership, voters, others };
}

type Addresses = Readonly<Record<Uid, string | null>>;

/** What a client wants of the members. */
interface Wish {
  readonly remove: readonly Uid[];
  readonly vote: Addresses;
  readonly join: Addresses;
  readonly follow: Addresses;
}

/**
 * Whether the members are already what this change makes of them: it was made, and others since.
 * Whoever wants to be let in has to be let in by the chain, whatever this server knows of it.
 */
export function isMade(
  { members, used }: Pick<Membership, 'members' | 'used'>,
  { remove, vote, join, follow }: Wish,
): boolean {
  if (Object.keys({ ...join, ...follow }).length > 0) return false;
  const isGone = (uid: Uid) => used.includes(uid) && !(uid in members);
  return (
    remove.every(isGone) &&
    Object.entries(vote).every(([uid, place]) => {
      const member = members[uid];
      return member?.role === 'voting' && (place === null || place === member.address);
    })
  );
}
