/**
 * The replicas of part II, woven: those of part I, with the log above `CatchUp`, and what the
 * values mean above all the rest.
 */
import { ClientAnswers } from '../client-answers.ts';
import { MasterLeases } from '../master-strategy.ts';
import { Rejoin } from '../rejoin-strategy.ts';
import { type Constructor, ReplicatedValue } from '../replicated-value.ts';
import { BackoffResolution } from '../resolution-strategy.ts';
import { CatchUp } from '../sync-strategy.ts';
import { UpdateQueue } from '../update-queue.ts';
import { Batches } from './batches.ts';
import { LockExpiry } from './lock-expiry.ts';
import { Log } from './log.ts';
import { Members } from './members.ts';
import { QuorumReads } from './quorum-reads.ts';
import { Store } from './store.ts';

/** The same store, which keeps at least so many links; null: as many as it would anyway. */
export function keeping<TBase extends Constructor<Store>>(Base: TBase, links: number | null) {
  return class KeepingReplica extends Base {
    protected override get keepLinks(): number {
      return links ?? super.keepLinks;
    }
  };
}

/** A store without masters: any server proposes, and reads by a quorum cost no link. */
export class StoreReplica extends QuorumReads(
  LockExpiry(
    Store(
      ClientAnswers(Rejoin(Batches(UpdateQueue(BackoffResolution(Log(CatchUp(ReplicatedValue))))))),
    ),
  ),
) {}

/** A store with masters, which read from memory; so a quorum must not be read from. */
export class MasterStoreReplica extends LockExpiry(
  Store(
    ClientAnswers(
      Rejoin(MasterLeases(Batches(UpdateQueue(BackoffResolution(Log(CatchUp(ReplicatedValue))))))),
    ),
  ),
) {}

// With members that change. Whoever loses its disk is replaced, so none of these has `Rejoin`.

/** One value, without masters. */
export class MembersReplica extends Members(
  ClientAnswers(UpdateQueue(BackoffResolution(CatchUp(ReplicatedValue)))),
) {}

/** One value, with masters. */
export class MembersMasterReplica extends Members(
  ClientAnswers(MasterLeases(UpdateQueue(BackoffResolution(CatchUp(ReplicatedValue))))),
) {}

/** `StoreReplica`, with members that change. */
export class MembersStoreReplica extends Members(
  QuorumReads(
    LockExpiry(
      Store(ClientAnswers(Batches(UpdateQueue(BackoffResolution(Log(CatchUp(ReplicatedValue))))))),
    ),
  ),
) {}

/** `MasterStoreReplica`, with members that change. */
export class MembersMasterStoreReplica extends Members(
  LockExpiry(
    Store(
      ClientAnswers(
        MasterLeases(Batches(UpdateQueue(BackoffResolution(Log(CatchUp(ReplicatedValue)))))),
      ),
    ),
  ),
) {}

/** The replica of this kind whose members may change. */
export function membersReplica(isStore: boolean, hasLeases: boolean, keepLinks: number | null) {
  if (!isStore) return hasLeases ? MembersMasterReplica : MembersReplica;
  return keeping(hasLeases ? MembersMasterStoreReplica : MembersStoreReplica, keepLinks);
}
