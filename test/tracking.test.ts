/** Who leads since when: all who were there say the same, and a renewed lease goes on. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Uid } from '../src/composable-paxos.ts';
import { LeaderTracking } from '../src/log/tracking.ts';
import type { ReignReport } from '../src/messages.ts';
import { MasterReplica, SmallMasterStoreReplica } from '../src/simulation/replicas.ts';
import { World } from '../src/simulation/world.ts';
import type { TraceEvent } from '../src/trace/events.ts';

const UIDS = ['A', 'B', 'C'];
const MINUTE_MS = 60_000;
const SHORT_WHILE_MS = 50;

class TrackingReplica extends LeaderTracking(MasterReplica) {}
class TrackingStore extends LeaderTracking(SmallMasterStoreReplica) {}

function begin(seed: number, replicaClass: typeof TrackingReplica | typeof TrackingStore) {
  /** In which instance, and when, a lease was granted to each of those who held one. */
  const leases: { holder: Uid; instance: number; atMs: number }[] = [];
  const world: World = new World({
    ...{ uids: UIDS, replicaClass, seed },
    trace: (event) => {
      if (event.event !== 'lease' || event.what !== 'ours') return;
      leases.push({ holder: event.server, instance: event.instanceNumber - 1, atMs: world.nowMs });
    },
    wrong: (_invariant, why) => assert.fail(why),
  });
  for (const uid of UIDS) world.machine(uid).start();
  const reignAt = (uid: Uid): ReignReport | null => {
    const { replica } = world.machine(uid);
    assert.ok(replica instanceof TrackingReplica || replica instanceof TrackingStore);
    return replica.reign;
  };
  return { world, leases, reignAt };
}

/** The first lease of the last holder's unbroken row. */
function beginningOf<Lease extends { holder: Uid }>(leases: readonly Lease[]): Lease {
  const last = leases.at(-1);
  const before = leases.findLastIndex(({ holder }) => holder !== last?.holder);
  const first = leases[before + 1];
  assert.ok(first !== undefined);
  return first;
}

for (const replicaClass of [TrackingReplica, TrackingStore]) {
  suite(`Since when somebody leads, ${replicaClass.name}`, () => {
    test('nobody says before there is a master', () => {
      const { reignAt } = begin(1, replicaClass);
      for (const uid of UIDS) assert.equal(reignAt(uid), null);
    });

    test('all say the same, and a lease that is renewed goes on', () => {
      const { world, leases, reignAt } = begin(1, replicaClass);
      world.runUntil(MINUTE_MS);
      assert.ok(leases.length > 5);
      const { instance, atMs } = beginningOf(leases);
      for (const uid of UIDS) {
        const { since, forMs = 0 } = reignAt(uid) ?? {};
        assert.equal(since, instance);
        assert.ok(Math.abs(world.nowMs - forMs - atMs) < SHORT_WHILE_MS);
      }
    });

    test('another master, or the same one after a gap, begins anew', () => {
      for (const isSame of [false, true]) {
        const { world, leases, reignAt } = begin(2, replicaClass);
        world.runUntil(MINUTE_MS);
        const first = leases.at(-1)?.holder ?? '';
        for (const uid of isSame ? UIDS : [first]) world.machine(uid).crash('now', false);
        world.runUntil(1.5 * MINUTE_MS);
        if (isSame) world.machine(first).start();
        world.runUntil(2 * MINUTE_MS);
        for (const uid of UIDS.filter((one) => isSame && one !== first)) world.machine(uid).start();
        world.runUntil(3 * MINUTE_MS);
        const { holder, instance, atMs } = leases.findLast(
          (lease, index) => lease.atMs - (leases[index - 1]?.atMs ?? 0) > 10_000,
        ) ?? { holder: '', instance: 0, atMs: 0 };
        assert.equal(leases.at(-1)?.holder, holder);
        const { since, forMs = 0 } = reignAt(holder) ?? {};
        assert.equal(since, instance);
        assert.ok(Math.abs(world.nowMs - forMs - atMs) < SHORT_WHILE_MS);
      }
    });
  });
}

test('Who was not there when it began says that it lasts so long, or longer', () => {
  const { world, leases, reignAt } = begin(3, TrackingReplica);
  world.runUntil(MINUTE_MS);
  const other = UIDS.find((uid) => uid !== leases.at(-1)?.holder) ?? '';
  world.machine(other).crash('now', false);
  world.runUntil(1.5 * MINUTE_MS);
  world.machine(other).start();
  world.runUntil(2 * MINUTE_MS);
  const { since, forMs = 0 } = reignAt(other) ?? {};
  assert.equal(since, null);
  assert.ok(forMs > 25_000 && forMs <= MINUTE_MS / 2);
});

test('To lead costs twelve links a minute, and nobody is asked whether it is there', () => {
  const events: TraceEvent[] = [];
  const world = new World({
    ...{ uids: UIDS, replicaClass: TrackingReplica, seed: 4 },
    trace: (event) => events.push(event),
    wrong: (_invariant, why) => assert.fail(why),
  });
  for (const uid of UIDS) world.machine(uid).start();
  world.runUntil(MINUTE_MS / 2);
  events.length = 0;
  world.runUntil(1.5 * MINUTE_MS);
  const sent = events.flatMap((event) => (event.event === 'send' ? [event.message.type] : []));
  const count = (type: string) => sent.filter((one) => one === type).length;
  // In the worst order an acceptor learns that the link is chosen before it is asked for it.
  assert.equal(count('accept'), 12);
  assert.ok(count('accepted') >= 24 && count('accepted') <= 36, `${count('accepted')}`);
  const rest = sent.filter((type) => type !== 'accept' && type !== 'accepted');
  assert.ok(rest.every((type) => type === 'sync_request' || type === 'catchup'));
  assert.ok(rest.length <= 3 * 8, `${rest.length}: what CatchUp asks anyway`);
});
