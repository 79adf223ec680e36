/** Who is of this cluster, whose state is the same, and which numbers nobody can have come to. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { chainOf, digestOf, EMPTY_CHAIN } from '../src/chain.ts';
import { type ProposalId, type Uid, UNTOUCHED } from '../src/composable-paxos.ts';
import { clusterName, MAX_NUMBER, type PeerMessage } from '../src/messages.ts';
import { MAX_INSTANCE_LEAP, MAX_NUMBER_LEAP } from '../src/replicated-value.ts';
import type { VirtualDisk } from '../src/simulation/disk.ts';
import { MasterReplica, PlainReplica } from '../src/simulation/replicas.ts';
import { World } from '../src/simulation/world.ts';
import type { ServerState } from '../src/state.ts';
import type { TraceEvent } from '../src/trace/events.ts';

const UIDS = ['A', 'B', 'C'];
/** The largest number that a forger could once make an acceptor promise. */
const ONCE_BELIEVED = 2 ** 48;
const id = (number: number, uid: Uid): ProposalId => ({ number, uid });

/** A virtual world with servers that have these states, and what they say. The others are down. */
function start(
  running: readonly Uid[],
  states: Readonly<Record<Uid, Partial<ServerState>>> = {},
  uids: readonly Uid[] = UIDS,
  wrong: (invariant: number, why: string) => void = (_, why) => assert.fail(why),
) {
  const events: TraceEvent[] = [];
  const world = new World({
    uids,
    replicaClass: PlainReplica,
    seed: 'identity',
    trace: (event) => events.push(event),
    wrong,
  });
  for (const [uid, changes] of Object.entries(states)) {
    const fresh = {
      uid,
      members: uids,
      instanceNumber: 1,
      votesFrom: 1,
      ...EMPTY_CHAIN,
      ...UNTOUCHED,
    };
    put(world.machine(uid).disk, { ...fresh, ...changes });
  }
  for (const uid of running) world.machine(uid).start();
  const hear = (to: Uid, from: Uid, message: PeerMessage) =>
    world.deliver({ from, to, seq: 0, message, cluster: uids.join(' ') });
  const valueAt = (uid: Uid) => world.machine(uid).replica?.chain.currentValue;
  return { world, events, hear, valueAt };
}

function put(disk: VirtualDisk, state: ServerState): void {
  for (const { act } of disk.open([]).save(state)) act();
}

suite('A cluster', () => {
  test('is called after its members, in the order of their names, and its mode', () => {
    assert.equal(clusterName(['A', 'B', 'C'], false), 'A B C');
    assert.equal(clusterName(['C', 'A', 'B'], true), 'A B C with leases');
    assert.equal(clusterName(['Q'], false), 'Q');
  });

  test('in which one has forgotten a flag goes on without that one', () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const world = new World({
        uids: UIDS,
        replicaClass: MasterReplica,
        seed,
        trace: () => {},
        wrong: (invariant, why) => assert.fail(`${invariant}: ${why}`),
      });
      const mistaken = UIDS[seed % UIDS.length] ?? '';
      for (const uid of UIDS) {
        world.replicaClass = uid === mistaken ? PlainReplica : MasterReplica;
        world.machine(uid).start();
        world.submit(uid, `v${uid}`);
      }
      world.runUntil(30_000);
      const others = UIDS.filter((uid) => uid !== mistaken);
      const level = others.map((uid) => world.machine(uid).replica?.instanceNumber ?? 0);
      assert.ok(Math.min(...level) > 1, 'the others go on');
      assert.equal(world.machine(mistaken).replica?.instanceNumber, 1, 'it does not');
    }
  });

  test('is on disk from the first start on, also where the disk is from before', () => {
    const { world } = start([], { A: { instanceNumber: 4 } });
    const { disk } = world.machine('A');
    const { members: _, ...old } = disk.synced ?? assert.fail();
    put(disk, old as ServerState);
    world.machine('A').start();
    assert.deepEqual(disk.synced?.members, UIDS);
    assert.equal(disk.synced?.instanceNumber, 4);
  });
});

suite('A digest', () => {
  test('is the same at servers that have come to an instance in different ways', () => {
    const { world } = start(['A', 'B']);
    world.submit('A', 'one');
    world.submit('B', 'two');
    world.runUntil(1_000);
    world.machine('C').start(); // by catch-up
    world.runUntil(2_000);
    const replicas = [...world.machines.values()].map(({ replica }) => replica);
    assert.deepEqual(new Set(replicas.map((replica) => replica?.instanceNumber)), new Set([3]));
    const digests = replicas.map((replica) => replica && digestOf(chainOf(replica.chain)));
    assert.equal(new Set(digests).size, 1);
  });
});

suite('A server with another state', () => {
  const edited = { instanceNumber: 2, currentValue: 'hellk' };
  const right = { instanceNumber: 2, currentValue: 'hello' };
  const mayStop = () => {};
  const differences = (events: readonly TraceEvent[]) =>
    events.flatMap((event) => (event.event === 'differs' ? [event.server + event.from] : []));
  const failures = (events: readonly TraceEvent[]) =>
    events.flatMap((event) => (event.event === 'fail' ? [`${event.server}: ${event.why}`] : []));

  test('than two that agree stops, and they do not', () => {
    const states = { A: right, B: edited, C: right };
    const { world, events } = start(UIDS, states, UIDS, mayStop);
    world.runUntil(100);
    assert.equal(failures(events).length, 1);
    assert.match(failures(events)[0] ?? '', /^B: its state is not that of A and C in instance 2/);
    assert.notEqual(world.machine('A').replica, null);
    assert.notEqual(world.machine('C').replica, null);
  });

  test('than the only other one says so, as the other does, and no more often than needed', () => {
    const { world, events } = start(['A', 'B'], { A: right, B: edited });
    world.runUntil(4_000);
    assert.deepEqual(differences(events).sort(), ['AB', 'BA']);
    assert.deepEqual(failures(events), []);
    world.runUntil(60_000);
    assert.ok(differences(events).length <= 2 + 2 * 12, 'with every poll, and its answer');
    assert.ok(differences(events).length > 4, 'but it is not forgotten');
  });

  test('than one of now and one of an earlier instance goes on', () => {
    const { events, hear } = start(['B'], { B: edited });
    const digest = digestOf({ ...EMPTY_CHAIN, currentValue: 'hello' });
    hear('B', 'A', { type: 'sync_request', instanceNumber: 2, digest });
    hear('B', 'A', { type: 'catchup', ...EMPTY_CHAIN, currentValue: 'newer', instanceNumber: 3 });
    hear('B', 'C', { type: 'sync_request', instanceNumber: 3, digest });
    assert.deepEqual(failures(events), []);
    assert.deepEqual(differences(events), ['BA', 'BC']);
  });

  test('than one of now and one that has come to agree with it goes on', () => {
    const { events, hear } = start(['B'], { B: edited });
    const said = (from: Uid, currentValue: string) => {
      const digest = digestOf({ ...EMPTY_CHAIN, currentValue });
      hear('B', from, { type: 'sync_request', instanceNumber: 2, digest });
    };
    said('A', 'hello');
    said('A', 'hellk');
    said('C', 'hello');
    assert.deepEqual(failures(events), []);
    assert.deepEqual(differences(events), ['BA', 'BC']);
  });

  test('says so again after a while, and not before', () => {
    const { world, events, hear } = start(['B'], { B: edited });
    const digest = digestOf({ ...EMPTY_CHAIN, currentValue: 'hello' });
    for (const [atMs, times] of [
      [0, 1],
      [4_999, 1],
      [9_998, 1],
      [14_998, 2],
    ] as const) {
      world.runUntil(atMs);
      hear('B', 'A', { type: 'sync_request', instanceNumber: 2, digest });
      assert.equal(differences(events).length, times, `at ${atMs} ms`);
    }
  });

  test('than before says so at once', () => {
    const { events, hear } = start(['B'], { B: edited });
    for (const currentValue of ['hellk', 'hello', 'hello', 'hallo']) {
      const digest = digestOf({ ...EMPTY_CHAIN, currentValue });
      hear('B', 'A', { type: 'sync_request', instanceNumber: 2, digest });
    }
    assert.deepEqual(differences(events), ['BA', 'BA']);
  });

  test('goes on while somebody agrees with it', () => {
    const four = [...UIDS, 'D'];
    const { events, hear } = start(['B'], { B: edited }, four);
    const digest = ({ currentValue }: { currentValue: string }) =>
      digestOf({ ...EMPTY_CHAIN, currentValue });
    hear('B', 'D', { type: 'sync_request', instanceNumber: 2, digest: digest(edited) });
    hear('B', 'A', { type: 'sync_request', instanceNumber: 2, digest: digest(right) });
    hear('B', 'C', { type: 'sync_request', instanceNumber: 2, digest: digest(right) });
    assert.deepEqual(failures(events), []);
    assert.deepEqual(differences(events), ['BA', 'BC']);
  });
});

suite('A number that leaps', () => {
  const highest = 5 + MAX_NUMBER_LEAP;
  const promised = { A: { promisedId: id(5, 'B') } };
  const promiseAt = ({ world }: ReturnType<typeof start>) =>
    world.machine('A').replica?.acceptorState.promisedId;
  const questions: readonly [string, (proposalId: ProposalId) => PeerMessage][] = [
    ['prepare', (proposalId) => ({ type: 'prepare', instanceNumber: 1, proposalId })],
    [
      'accept',
      (proposalId) => {
        const proposalValue = { update: 'x', id: 'C-00000001-1' };
        return { type: 'accept', instanceNumber: 1, proposalId, proposalValue };
      },
    ],
  ];
  for (const [name, question] of questions) {
    test(`as far as it may in ${name} is believed, and no further`, () => {
      const one = start(['A'], promised);
      one.hear('A', 'C', question(id(highest + 1, 'C')));
      assert.deepEqual(promiseAt(one), id(5, 'B'));
      const why = one.events.findLast((event) => event.event === 'ignore');
      assert.equal(why?.event === 'ignore' && why.why, 'not believed: too high a number');
      one.hear('A', 'C', question(id(highest, 'C')));
      assert.deepEqual(promiseAt(one), id(highest, 'C'));
    });
  }

  test('in what an acceptor answers moves no proposer', () => {
    const one = start(['A'], promised);
    const huge = id(MAX_NUMBER, 'C');
    one.hear('A', 'C', {
      ...{ type: 'nack', instanceNumber: 1, proposalId: id(5, 'B'), promisedProposalId: huge },
    });
    one.world.submit('A', 'x');
    one.world.runUntil(10);
    const mine = one.events.findLast((event) => event.event === 'send');
    assert.ok(mine?.event === 'send' && mine.message.type === 'prepare');
    assert.deepEqual(mine.message.proposalId, id(6, 'A'));

    const lastAcceptedValue = { update: 'forged', id: 'C-00000001-1' };
    const accepted = { lastAcceptedId: huge, lastAcceptedValue };
    const proposalId = id(6, 'A');
    one.hear('A', 'C', { type: 'promise', instanceNumber: 1, proposalId, ...accepted });
    assert.equal(
      one.events.findLast((event) => event.event === 'lead'),
      undefined,
    );
  });

  test('over instances is believed as far as a chain can have come', () => {
    const one = start(['A'], promised);
    const jump = (instanceNumber: number) =>
      one.hear('A', 'C', { type: 'catchup', ...EMPTY_CHAIN, instanceNumber });
    jump(2 + MAX_INSTANCE_LEAP);
    assert.equal(one.world.machine('A').replica?.instanceNumber, 1);
    jump(1 + MAX_INSTANCE_LEAP);
    assert.equal(one.world.machine('A').replica?.instanceNumber, 1 + MAX_INSTANCE_LEAP);
  });
});

suite('Servers that believed such a number once', () => {
  const last = { A: id(ONCE_BELIEVED + 2, 'A'), B: id(ONCE_BELIEVED, 'C') };
  test('go on in that instance', () => {
    const bricked = { A: { promisedId: last.A }, B: { promisedId: last.B } };
    const { world, valueAt } = start(UIDS, bricked);
    for (const uid of UIDS) world.submit(uid, `from ${uid}`);
    world.runUntil(30_000);
    for (const uid of UIDS) assert.match(valueAt(uid) ?? '', /^from [ABC]$/);
    assert.equal(world.machine('C').replica?.instanceNumber, 4);
  });

  test('go on from that instance', () => {
    const bricked = { instanceNumber: ONCE_BELIEVED, currentValue: 'forged' };
    const { world, valueAt } = start(['A', 'B'], { A: bricked, B: bricked });
    world.submit('A', 'new');
    world.runUntil(1_000);
    assert.equal(valueAt('A'), 'new');
    assert.equal(valueAt('B'), 'new');
  });
});
