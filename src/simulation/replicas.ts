/** The replicas that the simulation runs: woven as in `server.ts`, which a test compares. */
import { MAX_REMEMBERED_CLIENTS } from '../chain.ts';
import { ClientAnswers } from '../client-answers.ts';
import type { Batches } from '../log/batches.ts';
import {
  MasterStoreReplica,
  MembersMasterReplica,
  MembersMasterStoreReplica,
  MembersReplica,
  MembersStoreReplica,
  StoreReplica,
} from '../log/replicas.ts';
import type { Store } from '../log/store.ts';
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

/** So few links that every run takes several snapshots. */
const FEW_LINKS = 4;
/** So short that a snapshot takes several datagrams, and is written in several turns. */
const SHORT_PART = 200;
/** So few parts under way that a receiver must ask for some more. */
const SMALL_WINDOW = 3;
/** So soon is a reader given up that some lose what they read. */
const SHORT_WHILE_MS = 5;
/** So few clients that a crowd is more; the chain knows fewer still. */
export const FEW_CLIENTS = MAX_REMEMBERED_CLIENTS + 5;
/** So small that a batch has room for some, and not for all. */
export const SMALL_BATCH_BYTES = 400;

/** In everything as a store is, and so small that a run sees it do all that it ever does. */
function SmallReplica<TBase extends Constructor<Store & Batches>>(Base: TBase) {
  return class SmallReplica extends Base {
    protected override get keepLinks(): number {
      return FEW_LINKS;
    }

    protected override get partLength(): number {
      return SHORT_PART;
    }

    protected override get stepLength(): number {
      return SHORT_PART;
    }

    protected override get window(): number {
      return SMALL_WINDOW;
    }

    protected override get readWithinMs(): number {
      return SHORT_WHILE_MS;
    }

    protected override get batchBytes(): number {
      return SMALL_BATCH_BYTES;
    }

    protected override get mostClients(): number {
      return FEW_CLIENTS;
    }
  };
}

export class SmallStoreReplica extends SmallReplica(StoreReplica) {}

export class SmallMasterStoreReplica extends SmallReplica(MasterStoreReplica) {}

export class SmallMembersStoreReplica extends SmallReplica(MembersStoreReplica) {}

export class SmallMembersMasterStoreReplica extends SmallReplica(MembersMasterStoreReplica) {}

/** The replica of this kind. */
export function replicaOf(isStore: boolean, hasLeases: boolean) {
  if (isStore) return hasLeases ? SmallMasterStoreReplica : SmallStoreReplica;
  return hasLeases ? MasterReplica : PlainReplica;
}

/** The one whose members change. */
export function membersReplicaOf(isStore: boolean, hasLeases: boolean) {
  if (isStore) return hasLeases ? SmallMembersMasterStoreReplica : SmallMembersStoreReplica;
  return hasLeases ? MembersMasterReplica : MembersReplica;
}
