/** A preferred master: it leads whenever it can, and when it cannot, nobody waits for it. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Uid } from '../src/composable-paxos.ts';
import { preferring } from '../src/log/preference.ts';
import { Random } from '../src/simulation/random.ts';
import { MasterReplica, replicaOf } from '../src/simulation/replicas.ts';
import { run } from '../src/simulation/run.ts';
import { drawSchedule } from '../src/simulation/schedule.ts';
import { World } from '../src/simulation/world.ts';
import { Invariants } from '../src/trace/invariants.ts';

const UIDS = ['A', 'B', 'C'];
const PREFERRED = 'B';
const MINUTE_MS = 60_000;
const SHORT_WHILE_MS = 50;

/** Three servers that prefer B, and who was master, one after the other. */
function begin(seed: number, handsOver = () => {}) {
  const masters: Uid[] = [];
  /** Who stood for master. */
  const wishes: Uid[] = [];
  const invariants = new Invariants(UIDS);
  const world: World = new World({
    uids: UIDS,
    replicaClass: preferring(MasterReplica, PREFERRED),
    seed,
    trace: (event) => {
      assert.equal(invariants.observe(event), null);
      if (event.event === 'timer' && event.why?.includes('is preferred')) handsOver();
      if (event.event !== 'lease') return;
      if (event.what === 'wanted') wishes.push(event.server);
      if (event.what !== 'ours') return;
      if (masters.at(-1) !== event.server) masters.push(event.server);
    },
    wrong: (_invariant, why) => assert.fail(why),
  });
  for (const uid of UIDS) world.machine(uid).start();
  return { world, masters, wishes };
}

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];

suite('The preferred server', () => {
  test('is master within half a minute, and stays it', () => {
    let otherFirst = 0;
    for (const seed of SEEDS) {
      const { world, masters } = begin(seed);
      world.runUntil(MINUTE_MS / 2);
      assert.equal(masters.at(-1), PREFERRED);
      if (masters[0] !== PREFERRED) otherFirst += 1;
      const changes = masters.length;
      world.runUntil(5 * MINUTE_MS);
      assert.equal(masters.length, changes);
    }
    assert.ok(otherFirst > 0, 'somebody else has handed it over');
  });

  test('is replaced when it is down, and master again when it is back', () => {
    for (const seed of SEEDS) {
      const { world, masters } = begin(seed);
      world.runUntil(MINUTE_MS / 2);
      world.machine(PREFERRED).crash('now', false);
      world.runUntil(MINUTE_MS);
      assert.notEqual(masters.at(-1), PREFERRED);
      const changes = masters.length;
      world.runUntil(3 * MINUTE_MS);
      assert.equal(masters.length, changes, 'nobody hands over to one that is down');
      world.machine(PREFERRED).start();
      world.runUntil(4 * MINUTE_MS);
      assert.equal(masters.at(-1), PREFERRED);
    }
  });

  test('gets no lease when it is gone, however short a while ago it was heard', () => {
    let handedOver = 0;
    for (const seed of SEEDS) {
      const random = new Random(seed, 'lives of the preferred');
      const { world } = begin(seed, () => {
        handedOver += 1;
        // What it sent last may be under way for some milliseconds.
        assert.ok(world.nowMs - goneAtMs <= SHORT_WHILE_MS);
      });
      let goneAtMs = Number.POSITIVE_INFINITY;
      for (let life = 0; life < 30; life += 1) {
        goneAtMs = Number.POSITIVE_INFINITY;
        if (life > 0) world.machine(PREFERRED).start();
        world.runUntil(world.nowMs + random.between(0, MINUTE_MS / 2));
        world.machine(PREFERRED).crash('now', false);
        goneAtMs = world.nowMs;
        world.runUntil(world.nowMs + random.between(0, MINUTE_MS / 2));
      }
    }
    assert.ok(handedOver > 20, `${handedOver}`);
  });

  test('that stops hands its lease back, and does not stand once more', () => {
    for (const seed of SEEDS) {
      const { world, masters, wishes } = begin(seed);
      world.runUntil(MINUTE_MS / 2);
      assert.equal(masters.at(-1), PREFERRED);
      world.machine(PREFERRED).retire();
      const before = wishes.length;
      world.runUntil(MINUTE_MS / 2 + 1_000);
      assert.deepEqual(
        wishes.slice(before).filter((uid) => uid === PREFERRED),
        [],
      );
      assert.notEqual(masters.at(-1), PREFERRED);
    }
  });

  test('that is heard and cannot lead is offered the lease more and more rarely', () => {
    for (const seed of SEEDS) {
      const { world, masters } = begin(seed);
      world.network.cut(UIDS.map((uid): [Uid, Uid] => [uid, PREFERRED]));
      world.runUntil(60 * MINUTE_MS);
      assert.ok(!masters.includes(PREFERRED));
      assert.ok(masters.length < 25, `${masters.length} changes in an hour`);
    }
  });
});

for (const isStore of [false, true]) {
  test(`nothing goes wrong, whoever is preferred (store: ${isStore})`, () => {
    for (let seed = 1; seed <= (isStore ? 15 : 40); seed += 1) {
      const variant = {
        leases: true,
        store: isStore,
        broken: () => preferring(replicaOf(isStore, true) as typeof MasterReplica, PREFERRED),
      };
      const { violation } = run(drawSchedule(seed, 3, 60, null), variant);
      assert.equal(violation, null, `seed ${seed}`);
    }
  });
}
