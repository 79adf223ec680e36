/**
 * One server of the cluster: `node --import tsx server.ts A`.
 *
 * This page is the architecture. A replica is a base class that keeps the value safe, wrapped
 * into layers that each see to one thing more. Read a class line from the inside out:
 *
 *   - `ReplicatedValue`    keeps one value by a chain of Paxos instances; passive
 *   - `CatchUp`            notices that others are ahead, and gets there in one step
 *   - `BackoffResolution`  drives the open instance to its end, whatever gets lost
 *   - `UpdateQueue`        keeps what clients ask for until it is in the chain
 *   - `MasterLeases`       lets one server at a time propose, in one round trip
 *   - `Rejoin`             takes a server back that has lost its disk, and with it its votes
 *   - `ClientAnswers`      answers clients that wait: what is chosen, what the value is
 *
 * No layer knows of sockets, files or clocks. `src/node/` brings them to the real ones.
 */
import { ClientAnswers } from './src/client-answers.ts';
import { keeping, MasterStoreReplica, membersReplica, StoreReplica } from './src/log/replicas.ts';
import { MasterLeases } from './src/master-strategy.ts';
import { runProgram } from './src/node/program.ts';
import { runServer } from './src/node/run-server.ts';
import { readServerOptions } from './src/node/server-options.ts';
import { Rejoin } from './src/rejoin-strategy.ts';
import { ReplicatedValue } from './src/replicated-value.ts';
import { BackoffResolution } from './src/resolution-strategy.ts';
import { CatchUp } from './src/sync-strategy.ts';
import { UpdateQueue } from './src/update-queue.ts';

class PlainReplica extends ClientAnswers(
  Rejoin(UpdateQueue(BackoffResolution(CatchUp(ReplicatedValue)))),
) {}

class MasterReplica extends ClientAnswers(
  Rejoin(MasterLeases(UpdateQueue(BackoffResolution(CatchUp(ReplicatedValue))))),
) {}

await runProgram(async (args) => {
  const options = readServerOptions(args);
  const { isMaster, isStore, keepLinks } = options;
  if (options.hasMembers) return runServer(options, membersReplica(isStore, isMaster, keepLinks));
  if (isStore) {
    return runServer(options, keeping(isMaster ? MasterStoreReplica : StoreReplica, keepLinks));
  }
  await runServer(options, isMaster ? MasterReplica : PlainReplica);
});
