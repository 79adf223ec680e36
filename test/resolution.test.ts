/** Back-off, repetition and silence, on one replica and in slow networks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Link } from '../src/chain.ts';
import type { PeerMessage } from '../src/messages.ts';
import { ReplicatedValue } from '../src/replicated-value.ts';
import { BackoffResolution } from '../src/resolution-strategy.ts';
import type { ReplicaClass } from '../src/simulation/machine.ts';
import { FAIR_WEATHER } from '../src/simulation/network.ts';
import { MasterReplica, PlainReplica } from '../src/simulation/replicas.ts';
import { World } from '../src/simulation/world.ts';
import type { TraceEvent } from '../src/trace/events.ts';
import { UpdateQueue } from '../src/update-queue.ts';
import { OneReplica } from './one-replica.ts';

const THREE = ['A', 'B', 'C'];
const LINK: Link = { update: 'x', id: 'B-00000001-1' };

function started(replicaClass: ReplicaClass = PlainReplica): OneReplica {
  const one = new OneReplica(replicaClass, THREE);
  one.replica.start();
  return one;
}

/** C says no to the question that A put last; returns how long A then waits. */
function refuse(one: OneReplica): number {
  const { proposalId, instanceNumber } = one.lastSent('prepare');
  const promisedProposalId = { number: proposalId.number + 1, uid: 'C' };
  one.replica.receive('C', { type: 'nack', instanceNumber, proposalId, promisedProposalId });
  return one.decisions.filter((decision) => decision.event === 'backoff').at(-1)?.delayMs ?? -1;
}

/** A hears that a link is chosen in its open instance. */
function advance(one: OneReplica, proposalValue = LINK): void {
  const { instanceNumber } = one.replica;
  const proposalId = { number: 1_000, uid: 'B' };
  for (const from of ['B', 'C']) {
    const said = { instanceNumber, proposalId, proposalValue };
    one.replica.receive(from, { type: 'accepted', ...said });
  }
}

test('each wait after a refusal may be twice as long, up to two seconds', () => {
  const one = started();
  one.luck = 0.999_999;
  one.replica.submit('hello');
  const waits: number[] = [];
  for (let n = 0; n < 11; n += 1) {
    waits.push(Math.round(refuse(one)));
    one.wait(waits.at(-1) ?? 0);
  }
  assert.deepEqual(waits, [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2000, 2000]);
});

test('a duel is forgotten by and by, not with its instance', () => {
  const one = started();
  one.luck = 0.999_999;
  one.replica.submit('hello');
  for (let n = 0; n < 4; n += 1) {
    one.wait(Math.ceil(refuse(one)));
  }
  advance(one);
  assert.equal(Math.round(refuse(one)), 40);
});

test('who is refused waits for a round trip, and a random part of one on top', () => {
  const one = started();
  one.replica.submit('hello');
  one.wait(400);
  assert.equal(refuse(one), 400);
  one.luck = 0.5;
  one.wait(400);
  one.wait(400);
  assert.equal(refuse(one), 400 + 0.5 * 800);
});

test('a question that had to be repeated says little about how long a round trip takes', () => {
  const one = started();
  one.replica.submit('hello');
  one.wait(60_000);
  assert.equal(refuse(one), 2_000); // twice the interval, not the minute that all were away
  one.wait(2_000);
  one.wait(1);
  assert.equal(refuse(one), (2_000 + 1) / 2);
});

test('how ever long nobody answers, a round trip is not taken to be longer than a bound', () => {
  const one = started();
  one.replica.submit('hello');
  const waits = [1, 2, 3, 4].map(() => {
    one.wait(60_000);
    const waitMs = refuse(one);
    one.wait(waitMs);
    return waitMs;
  });
  assert.deepEqual(waits, [2_000, 4_000, 5_000, 5_000]);
});

test('where a round trip takes long, the longest wait is longer', () => {
  const one = started();
  one.luck = 0.999_999;
  one.replica.submit('hello');
  const waits: number[] = [];
  for (let n = 0; n < 5; n += 1) {
    one.wait(1_900);
    waits.push(Math.round(refuse(one)));
    one.wait(waits.at(-1) ?? 0);
  }
  assert.deepEqual(waits, [3_800, 5_700, 9_500, 9_500, 9_500]);
});

test('where a round trip takes long, silence does, too', () => {
  const one = started();
  one.replica.submit('hello');
  one.wait(1_900);
  refuse(one);
  const queued = one.decisions.find((decision) => decision.event === 'update');
  advance(one, { update: 'hello', id: queued?.id ?? '' }); // and now it has nothing to do
  const proposalId = { number: 2, uid: 'B' };
  one.replica.receive('B', { type: 'accept', instanceNumber: 2, proposalId, proposalValue: LINK });
  one.wait(3_799);
  assert.equal(one.lastSent('prepare').instanceNumber, 1);
  one.wait(1);
  assert.equal(one.lastSent('prepare').instanceNumber, 2);
});

test('our own refusal says nothing about how long a round trip takes', () => {
  const one = started();
  one.replica.submit('hello');
  const { proposalId } = one.lastSent('prepare');
  one.wait(400);
  const nothing = { lastAcceptedId: null, lastAcceptedValue: null };
  const higher = { number: 9, uid: 'C' };
  one.replica.receive('C', { type: 'prepare', instanceNumber: 1, proposalId: higher });
  one.replica.receive('B', { type: 'promise', instanceNumber: 1, proposalId, ...nothing });
  const backoff = one.decisions.find((decision) => decision.event === 'backoff');
  assert.equal(backoff?.delayMs, 400);
});

test('a duel is forgotten no further than to where waits begin', () => {
  const one = started();
  one.luck = 0.999_999;
  one.replica.submit('hello');
  for (let n = 0; n < 3; n += 1) advance(one);
  assert.equal(Math.round(refuse(one)), 5);
});

test('that an instance is closed is an answer to whoever has asked in it', () => {
  const one = started();
  one.replica.submit('hello');
  one.wait(400);
  advance(one);
  assert.equal(refuse(one), (0 + 400) / 2);
});

test('who has not asked measures nothing', () => {
  const one = started();
  one.replica.submit('hello');
  one.wait(100);
  refuse(one);
  one.wait(50);
  advance(one); // while it waits
  assert.equal(refuse(one), (100 + 0) / 2);
});

test('who was refused does not repeat the question', () => {
  const one = started();
  one.replica.submit('hello');
  one.wait(900);
  refuse(one);
  assert.deepEqual(one.wait(899), []);
  assert.equal(one.wait(1).length, 1);
});

test('in a slow network a question is repeated more seldom', () => {
  const one = started();
  one.replica.submit('hello');
  one.wait(1_900);
  refuse(one);
  one.wait(1_900);
  assert.deepEqual(one.wait(1_899), []);
  assert.equal(one.wait(1).length, 1);
});

test('silence is counted from the last news, and a repetition is none', () => {
  const one = started();
  const accept: PeerMessage = {
    type: 'accept',
    instanceNumber: 1,
    proposalId: { number: 2, uid: 'B' },
    proposalValue: LINK,
  };
  const sentPrepare = () => one.sent.some(({ type }) => type === 'prepare');
  for (let n = 0; n < 4; n += 1) {
    assert.equal(sentPrepare(), false);
    one.replica.receive('B', accept);
    one.wait(n < 3 ? 999 : 3);
  }
  assert.equal(sentPrepare(), true);
});

test('news begins the wait anew', () => {
  const one = started();
  const proposalId = { number: 2, uid: 'B' };
  one.replica.receive('B', { type: 'prepare', instanceNumber: 1, proposalId });
  one.wait(2_000);
  const proposalValue = LINK;
  one.replica.receive('B', { type: 'accept', instanceNumber: 1, proposalId, proposalValue });
  one.wait(2_999);
  assert.ok(!one.sent.some(({ type }) => type === 'prepare'));
  one.wait(1);
  assert.ok(one.sent.some(({ type }) => type === 'prepare'));
});

test('a layer that does not let it drive after a wait leaves it free to drive later', () => {
  class Held extends UpdateQueue(BackoffResolution(ReplicatedValue)) {
    isHeld = false;
    protected override drive(): void {
      if (!this.isHeld) super.drive();
    }
  }
  const one = started(Held);
  const held = one.replica as Held;
  held.submit('hello');
  held.isHeld = true;
  one.wait(refuse(one) + 1);
  held.isHeld = false;
  const before = one.sent.length;
  held.submit('there');
  assert.equal(one.sent.length, before + 1);
});

test('a replica that has stopped leaves no timer, whatever it was about', () => {
  const proposalId = { number: 2, uid: 'B' };
  const abouts: readonly [string, (one: OneReplica) => void][] = [
    ['nothing', () => {}],
    ['asks', (one) => one.replica.submit('hello')],
    ['waits after a refusal', (one) => one.replica.submit('hello') ?? refuse(one)],
    [
      'listens',
      ({ replica }) => replica.receive('B', { type: 'prepare', instanceNumber: 1, proposalId }),
    ],
    ['has moved on', advance],
  ];
  for (const replicaClass of [PlainReplica, MasterReplica]) {
    for (const [what, about] of abouts) {
      if (replicaClass === MasterReplica && what.startsWith('waits')) continue; // it takes no value
      const one = started(replicaClass);
      about(one);
      assert.ok(one.timers.size > 0, what);
      one.replica.stop();
      assert.equal(one.timers.size, 0, `${replicaClass.name}: ${what}`);
    }
  }
});

test('even one whose disk is full at the end leaves none', () => {
  for (const replicaClass of [PlainReplica, MasterReplica]) {
    const one = new OneReplica(replicaClass, ['A', 'B', 'C']);
    one.replica.start();
    advance(one); // so that there is something to save
    const proposalId = { number: 2, uid: 'B' };
    const said = { instanceNumber: 2, proposalId, proposalValue: LINK };
    one.replica.receive('B', { type: 'accepted', ...said });
    one.isDiskFull = true;
    assert.throws(() => one.replica.stop(), /no space/);
    assert.equal(one.timers.size, 0, replicaClass.name);
  }
});

/** A cluster in which every datagram takes so long, and what its servers trace. */
function slowCluster(servers: number, oneWayMs: number, seed: number, replicaClass: ReplicaClass) {
  const uids = [...'ABCDEFGHI'].slice(0, servers);
  const events: TraceEvent[] = [];
  const trace = (event: TraceEvent) => events.push(event);
  const wrong = (_: number, why: string) => assert.fail(why);
  const world = new World({ uids, seed, replicaClass, trace, wrong });
  const delays = { minDelayMs: oneWayMs, maxDelayMs: 1.05 * oneWayMs };
  world.network.conditions = { ...FAIR_WEATHER, ...delays };
  for (const uid of uids) world.machine(uid).start();
  return { world, uids, events };
}

for (const oneWayMs of [0.5, 100, 400]) {
  test(`five proposers, ${oneWayMs} ms one way: a few rounds are wasted for each value`, (t) => {
    let wasted = 0;
    for (let seed = 1; seed <= 10; seed += 1) {
      const { world, uids, events } = slowCluster(5, oneWayMs, seed, PlainReplica);
      for (const uid of uids) world.submit(uid, uid);
      world.runUntil(120 * oneWayMs + 1_000);
      assert.equal(world.machine('A').replica?.instanceNumber, 6);
      wasted += events.filter(({ event }) => event === 'backoff').length;
    }
    t.diagnostic(`${wasted / 50} rounds wasted for each value`);
    assert.ok(wasted / 50 <= 3);
  });
}

for (const oneWayMs of [1, 400, 1_000, 2_000]) {
  test(`nine servers, ${oneWayMs} ms one way: there is a master after a few round trips`, () => {
    for (let seed = 1; seed <= 10; seed += 1) {
      const { world, events } = slowCluster(9, oneWayMs, seed, MasterReplica);
      world.runUntil(1_000 + 6 * 2 * oneWayMs);
      assert.ok(events.some((event) => event.event === 'lease' && event.what === 'ours'));
    }
  });
}
