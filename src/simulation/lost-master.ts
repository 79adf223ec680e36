/**
 * How long is a cluster without a master when it loses the one that it has?
 *
 * The others wait out the lease that they know of. What makes it longer is a lease that they do
 * not know of yet: a renewal that only some of them have accepted when the master is lost. The
 * first who stands after the old lease must finish what it finds, and that is a new lease of the
 * lost master, to be waited out in turn. (It cannot be shortened by looking at the clock when the
 * renewal is first heard of: most of a quorum hears of it only when it is finished.)
 */
import type { Uid } from '../composable-paxos.ts';
import { LEASE_WINDOW_MS } from '../master-strategy.ts';
import type { TraceEvent } from '../trace/events.ts';
import { Random } from './random.ts';
import { MasterReplica } from './replicas.ts';
import { World } from './world.ts';

/** How a master may be lost. */
export const LOSSES = [
  'it is stopped in good order',
  'it is killed',
  'it is killed when half of its renewal is sent',
  'it reaches one server, and hears none',
  'it is connected to one server only',
] as const;
export type Loss = (typeof LOSSES)[number];

/** In this time every cluster has elected its first master. */
const CALM_MS = 5_000;
/** Longer than any cluster goes without a master. */
const LONGEST_MS = 10 * LEASE_WINDOW_MS;

/**
 * From the moment of the loss until another server is master, in milliseconds; infinite if it is
 * not lost at all, since it and the one server that it is connected to are a quorum.
 */
export function masterlessMs(loss: Loss, servers: number, seed: number): number {
  const uids = [...'ABCDEFGHI'].slice(0, servers);
  const random = new Random(seed, 'loss');
  let master: Uid = '';
  let lostMs = Number.POSITIVE_INFINITY;
  let isOver = false;
  const trace = (event: TraceEvent) => {
    if (event.event === 'crash') lostMs = event.at;
    if (event.event !== 'lease' || event.what !== 'ours') return;
    isOver = event.at > lostMs && event.server !== master;
    if (lostMs === Number.POSITIVE_INFINITY) master = event.server;
  };
  const wrong = (invariant: number, why: string) => {
    throw new Error(`invariant ${invariant} does not hold: ${why}`);
  };
  const world: World = new World({ uids, replicaClass: MasterReplica, seed, trace, wrong });
  for (const uid of uids) world.machine(uid).start();
  world.runUntil(CALM_MS + random.between(0, LEASE_WINDOW_MS));

  const machine = world.machine(master);
  const others = uids.filter((uid) => uid !== master);
  const friend = random.pick(others);
  const strangers = others.filter((uid) => uid !== friend);
  lostMs = world.nowMs;
  switch (loss) {
    case 'it is stopped in good order':
      machine.retire();
      break;
    case 'it is killed':
      machine.crash('now', false);
      break;
    case 'it is killed when half of its renewal is sent':
      machine.crash('half a broadcast', false); // an idle master sends to all when it renews
      break;
    case 'it reaches one server, and hears none':
      world.network.cut([
        ...pairs(strangers, [master]),
        ...pairs([master], strangers),
        [friend, master],
      ]);
      break;
    case 'it is connected to one server only':
      world.network.cut([...pairs(strangers, [master]), ...pairs([master], strangers)]);
      break;
  }
  const untilMs = lostMs + LONGEST_MS;
  while (!isOver && world.step(untilMs));
  return isOver ? world.nowMs - lostMs : Number.POSITIVE_INFINITY;
}

function pairs(from: readonly Uid[], to: readonly Uid[]): [Uid, Uid][] {
  return from.flatMap((a) => to.map((b): [Uid, Uid] => [a, b]));
}
