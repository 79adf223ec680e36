import type { Environment } from 'multi-paxos-example/environment';
import type { PeerMessage } from 'multi-paxos-example/messages';
import { ReplicatedValue } from 'multi-paxos-example/replicated-value';
import { BackoffResolution } from 'multi-paxos-example/resolution-strategy';
import { CatchUp } from 'multi-paxos-example/sync-strategy';
import { UpdateQueue } from 'multi-paxos-example/update-queue';

class Replica extends UpdateQueue(BackoffResolution(CatchUp(ReplicatedValue))) {}

const UIDS = ['A', 'B', 'C'];
/** What is under way. Nothing gets lost in an array, so no timer need ever ring. */
const network: { from: string; to: string; message: PeerMessage }[] = [];

function worldOf(uid: string): Environment {
  let disk: unknown = null;
  const save = (state: unknown) => {
    disk = state;
  };
  return {
    clock: { now: () => 0, wallNow: () => 0, after: () => ({ cancel: () => {} }) },
    random: Math.random,
    messenger: {
      send: (peers, message) => {
        for (const to of peers) network.push({ from: uid, to, message });
      },
      reply: () => {},
      canCarry: () => true,
    },
    storage: { load: () => disk, save },
    trace: ({ event }) => event === 'chosen' && console.log(`${uid} knows what is chosen`),
  };
}

const replicas = new Map(UIDS.map((uid) => [uid, new Replica(uid, UIDS, worldOf(uid))]));
for (const replica of replicas.values()) replica.start();
replicas.get('A')?.receiveFromClient('a client', { type: 'propose', value: 'hello' });
for (let next = network.shift(); next !== undefined; next = network.shift()) {
  replicas.get(next.to)?.receive(next.from, next.message);
}
for (const [uid, { chain }] of replicas) console.log(`${uid}: ${chain.currentValue}`);
