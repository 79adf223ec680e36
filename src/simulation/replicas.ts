/** The replicas that the simulation runs: woven as in `server.ts`, which a test compares. */
import { ClientAnswers } from '../client-answers.ts';
import type { Log } from '../log/log.ts';
import { MasterStoreReplica, StoreReplica } from '../log/replicas.ts';
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

/** A store whose snapshots are small enough that every run takes several. */
function small<TBase extends Constructor<Log>>(Base: TBase) {
  return class KeepsFewLinks extends Base {
    protected override get keepLinks(): number {
      return 4;
    }
  };
}

export class SmallStoreReplica extends small(StoreReplica) {}

export class SmallMasterStoreReplica extends small(MasterStoreReplica) {}
