/**
 * What leases promise when clocks go wrong, and of whom they do.
 *
 * A server overstays its lease if it believes in it when the others have waited it out already.
 * For its successor to be elected a quorum of the *others* must have waited, each a whole window
 * by its own clock. So one clock that runs too fast does no harm as long as every quorum has one
 * that does not; and a clock that runs too slow harms only its own lease. The same goes for a
 * machine whose wall clock is set back while nobody looks, right before it sleeps: it has
 * no clock left that tells how long.
 *
 * Of two servers neither of which may overstay, never are both master. Nothing heals by a certain
 * time unless a quorum has clocks that are about right. And in no case two values are chosen.
 */
import { quorumOf, type Uid } from '../composable-paxos.ts';
import { HOLDER_WINDOW_MS, LEASE_WINDOW_MS } from '../master-strategy.ts';
import { type Action, isBlindSetting, MAX_DRIFT, type Schedule } from './schedule.ts';

/** The servers that may believe in a lease for longer than the others wait. */
export function overstayersOf({
  uids,
  clockRates,
  actions,
  faults,
}: Pick<Schedule, 'uids' | 'clockRates' | 'actions' | 'faults'>): ReadonlySet<Uid> {
  const rateOf = (uid: Uid) => clockRates[uid] ?? 1;
  const isTooSlow = (uid: Uid) => {
    const others = uids.filter((other) => other !== uid).map(rateOf);
    const fastest = others.sort((a, b) => b - a).slice(0, quorumOf(uids.length));
    if (fastest.length < quorumOf(uids.length)) return false;
    return rateOf(uid) < (HOLDER_WINDOW_MS / LEASE_WINDOW_MS) * Math.min(...fastest);
  };
  const isBlind = (uid: Uid) =>
    actions.some((action) => isBlindSetting(action, actions, faults) && action.uid === uid);
  return new Set(uids.filter((uid) => isTooSlow(uid) || isBlind(uid)));
}

/** After these a server may do without its vote for long, or for ever. */
const COST_A_VOTE: readonly Action['do'][] = ['spoil', 'lose disk', 'flip bit'];

/** Whether so many that have a vote have clocks that are about right: then things must heal. */
export function hasTrueQuorum({ uids, clockRates, actions }: Schedule): boolean {
  const isVoter = (uid: Uid) =>
    !actions.some(
      (action) => COST_A_VOTE.includes(action.do) && 'uid' in action && action.uid === uid,
    );
  const isTrue = (uid: Uid) => Math.abs((clockRates[uid] ?? 1) - 1) <= MAX_DRIFT;
  const hasWild = !uids.every(isTrue);
  return (
    !hasWild || uids.filter((uid) => isTrue(uid) && isVoter(uid)).length >= quorumOf(uids.length)
  );
}
