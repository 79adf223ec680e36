/**
 * The chain: what the instances decide, one link after the other, and what a replica keeps of it.
 *
 * Every instance chooses one *link*: an update of the replicated value, or a lease that makes one
 * server the master. Links are tagged, and mean the same to every replica, whichever layers it
 * is made of: one without master leases remembers a lease as well, it just does not act on it.
 */
import type { Uid } from './composable-paxos.ts';

/**
 * Who asked for a link, in which run of its program, and the how-manieth it was: `A-3f9c2b1e-7`.
 * Two links with the same id are the same wish, proposed more than once.
 */
export type LinkId = string;

/** "The value shall be this." */
export interface UpdateLink {
  readonly update: string;
  readonly id: LinkId;
}

/** "This server shall be the master for a while"; null: the master hands its lease back. */
export interface LeaseLink {
  readonly lease: Uid | null;
  readonly id: LinkId;
}

export type Link = UpdateLink | LeaseLink;

/** What is left of all links so far: the same on every replica that has come equally far. */
export interface ChainState {
  /** The value of the last update; null before the first. */
  readonly currentValue: string | null;
  /** Whom the chain names as lease holder, and the link that did; it says nothing about *when*. */
  readonly lease: { readonly holder: Uid; readonly id: LinkId } | null;
  /**
   * For each server the id of its latest update. A server proposes its updates one at a time, so
   * this tells it after any move, even by catch-up, whether the one it proposed is in the chain.
   */
  readonly latestUpdateIds: Readonly<Record<Uid, LinkId>>;
}

/** The chain before its first link. */
export const EMPTY_CHAIN: ChainState = { currentValue: null, lease: null, latestUpdateIds: {} };

/** The chain, and nothing else, out of something that carries it. */
export function chainOf({ currentValue, lease, latestUpdateIds }: ChainState): ChainState {
  return { currentValue, lease, latestUpdateIds };
}

export function isUpdate(link: Link): link is UpdateLink {
  return 'update' in link;
}

/** The server that asked for the link. */
export function askerOf(link: Link): Uid {
  return link.id.slice(0, link.id.indexOf('-'));
}

/** The state after one more link. */
export function applyLink(chain: ChainState, link: Link): ChainState {
  if (isUpdate(link)) {
    const latestUpdateIds = { ...chain.latestUpdateIds, [askerOf(link)]: link.id };
    return { ...chain, currentValue: link.update, latestUpdateIds };
  }
  const lease = link.lease === null ? null : { holder: link.lease, id: link.id };
  return { ...chain, lease };
}
