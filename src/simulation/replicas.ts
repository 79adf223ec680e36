/** The replicas that the simulation runs: woven as in `server.ts`, which a test compares. */
import { ClientAnswers } from '../client-answers.ts';
import { MasterLeases } from '../master-strategy.ts';
import { Rejoin } from '../rejoin-strategy.ts';
import { ReplicatedValue } from '../replicated-value.ts';
import { BackoffResolution } from '../resolution-strategy.ts';
import { CatchUp } from '../sync-strategy.ts';
import { UpdateQueue } from '../update-queue.ts';

export class PlainReplica extends ClientAnswers(
  Rejoin(UpdateQueue(BackoffResolution(CatchUp(ReplicatedValue)))),
) {}

export class MasterReplica extends ClientAnswers(
  Rejoin(MasterLeases(UpdateQueue(BackoffResolution(CatchUp(ReplicatedValue))))),
) {}
