/** The replicas that the simulation runs: woven as in `server.ts`, which a test compares. */
import { ClientAnswers } from '../client-answers.ts';
import type { Batches } from '../log/batches.ts';
import type { Log } from '../log/log.ts';
import {
  MasterStoreReplica,
  MembersMasterReplica,
  MembersMasterStoreReplica,
  MembersReplica,
  MembersStoreReplica,
  StoreReplica,
} from '../log/replicas.ts';
import { MasterLeases } from '../master-strategy.ts';
import { Rejoin } from '../rejoin-strategy.ts';
import { type Constructor, ReplicatedValue } from '../replicated-value.ts';
import { BackoffResolution } from '../resolution-strategy.ts';
import { CatchUp } from '../sync-strategy.ts';
import { UpdateQueue } from '../update-queue.ts';

export class PlainReplica extends ClientAnswers(
  Rejoin(UpdateQueue(BackoffResolution(CatchUp(ReplicatedValue)))),
) {}

export class MasterReplica extends ClientAnswers(
  Rejoin(MasterLeases(UpdateQueue(BackoffResolution(CatchUp(ReplicatedValue))))),
) {}

/** So few that every run takes several snapshots. */
const FEW_LINKS = 4;
/** So short that a snapshot takes several datagrams. */
const SHORT_PART = 200;
/** So small that a batch has room for some, and not for all. */
export const SMALL_BATCH_BYTES = 400;

function Small<TBase extends Constructor<Batches & Log>>(Base: TBase) {
  return class SmallReplica extends Base {
    protected override get keepLinks(): number {
      return FEW_LINKS;
    }

    protected override get partLength(): number {
      return SHORT_PART;
    }

    protected override get batchBytes(): number {
      return SMALL_BATCH_BYTES;
    }
  };
}

export class SmallStoreReplica extends Small(StoreReplica) {}
export class SmallMasterStoreReplica extends Small(MasterStoreReplica) {}
export class SmallMembersStoreReplica extends Small(MembersStoreReplica) {}
export class SmallMembersMasterStoreReplica extends Small(MembersMasterStoreReplica) {}

/** The replica of this kind. */
export function replicaOf(isStore: boolean, hasLeases: boolean, hasMembers = false) {
  if (hasMembers) return membersReplicaOf(isStore, hasLeases);
  if (isStore) return hasLeases ? SmallMasterStoreReplica : SmallStoreReplica;
  return hasLeases ? MasterReplica : PlainReplica;
}

function membersReplicaOf(isStore: boolean, hasLeases: boolean) {
  if (isStore) return hasLeases ? SmallMembersMasterStoreReplica : SmallMembersStoreReplica;
  return hasLeases ? MembersMasterReplica : MembersReplica;
}
