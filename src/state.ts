/**
 * What a server keeps on disk, `<state-dir>/<uid>.json`: the chain up to its open instance, and
 * what its acceptor has promised and accepted in that instance.
 */
import { type ChainState, EMPTY_CHAIN, type Link } from './chain.ts';
import { type AcceptorState, compareProposalIds, type Uid, UNTOUCHED } from './composable-paxos.ts';
import { isRecord, type Names, UID, wrongStateField } from './messages.ts';

/** A server stops itself: with such a state it must not go on. It says why, and what to do. */
export class MustStop extends Error {}

/** All that a server must not forget. */
export interface ServerState extends ChainState, AcceptorState<Link> {
  readonly uid: Uid;
  /** All servers of the cluster. A promise is worth something among them, and nowhere else. */
  readonly members: readonly Uid[];
  readonly instanceNumber: number;
  /** It votes from this instance on; null: it has lost its votes, see `rejoin-strategy.ts`. */
  readonly votesFrom: number | null;
  /** What layers keep beside the chain, and check themselves; not there if they keep nothing. */
  readonly kept?: unknown;
}

/** What a disk must say, by throwing it, when a state was on it once and is there no more. */
export const STATE_IS_MISSING = 'it is missing, and with it all that was promised';

/**
 * The state of server `uid` in a cluster of `uids`, out of what its disk holds, which may name
 * `names`. Throws an `Error`
 * with one plain sentence when that cannot be it, a `MustStop` if it is of another cluster. Nothing
 * is ever repaired: a forgotten promise can undo a chosen value.
 */
export function readServerState(
  stored: unknown,
  uid: Uid,
  uids: readonly Uid[],
  names: Names = uids,
): ServerState {
  if (!isRecord(stored)) throw new Error('it does not hold a JSON object');
  if (typeof stored['uid'] === 'string' && stored['uid'] !== uid) {
    throw new Error(`it belongs to server ${JSON.stringify(stored['uid'].slice(0, 20))}`);
  }
  // One from before members were kept gets those with whom it is read first.
  const { kept: _, members = uids, ...others } = stored;
  checkMembers(members, uids);
  // A server that never lost its votes has voted from the first instance on, and need not say so.
  const whole = { votesFrom: 1, ...others, members };
  const wrong = wrongStateField(whole, names);
  if (wrong !== null) throw new Error(`its ${wrong}`);

  const state = whole as unknown as ServerState;
  if ((state.acceptedId === null) !== (state.acceptedValue === null)) {
    throw new Error('it names an accepted id without its value, or a value without its id');
  }
  if (compareProposalIds(state.promisedId, state.acceptedId) < 0) {
    throw new Error('its promise is below what it has accepted');
  }
  return state;
}

/**
 * Among other members other groups are quorums, and one of these need not share a server with one
 * of those. So what was chosen there could be overlooked here.
 */
function checkMembers(members: unknown, uids: readonly Uid[]): void {
  const isUids =
    Array.isArray(members) && members.every((uid) => typeof uid === 'string' && UID.test(uid));
  if (!isUids) throw new Error('its members are not what they must be');
  const [theirs, ours] = [members, uids].map((some) => [...some].sort().join(' '));
  if (theirs === ours) return;
  const advice =
    'members cannot change: start it with the cluster file of before, ' +
    'or begin anew with no state at all servers';
  throw new MustStop(`its state is of cluster ${theirs}, not ${ours}; ${advice}`);
}

/** The state of a server that has lost its own, and knows that it has. */
export function lostState(uid: Uid, members: readonly Uid[]): ServerState {
  return { uid, members, instanceNumber: 1, votesFrom: null, ...EMPTY_CHAIN, ...UNTOUCHED };
}

/** The part of a state that the acceptor of the open instance goes on from. */
export function acceptorOf(state: ServerState): AcceptorState<Link> {
  const { promisedId, acceptedId, acceptedValue } = state;
  return { promisedId, acceptedId, acceptedValue };
}
