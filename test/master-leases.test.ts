/** Leases, where a story or a seed would not look: clocks by themselves, timers, handing over. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { ClientSession } from '../src/client-session.ts';
import type { Uid } from '../src/composable-paxos.ts';
import type { Environment } from '../src/environment.ts';
import { HOLDER_WINDOW_MS, RENEW_AFTER_MS, SleeplessClock } from '../src/master-strategy.ts';
import { BREAKS } from '../src/simulation/broken/layers.ts';
import type { ReplicaClass } from '../src/simulation/machine.ts';
import { MasterReplica, PlainReplica } from '../src/simulation/replicas.ts';
import { World, type WorldOptions } from '../src/simulation/world.ts';
import type { TraceEvent } from '../src/trace/events.ts';

const UIDS = ['A', 'B', 'C'];
const CLIENT = '00000000000000c1';

suite('A sleepless clock', () => {
  /** Two clocks that go on and are set by hand, and the one that is made of them. */
  function twoClocks() {
    const hands = { nowMs: 1_000, wallMs: 1_700_000_000_000 };
    const clock = new SleeplessClock({
      now: () => hands.nowMs,
      wallNow: () => hands.wallMs,
      after: () => assert.fail('it sets no timer'),
    });
    const startedMs = clock.now();
    const passes = (byNowMs: number, byWallMs: number) => {
      hands.nowMs += byNowMs;
      hands.wallMs += byWallMs;
      return Math.round(clock.now() - startedMs);
    };
    return { hands, clock, startedMs, passes };
  }

  test('goes on with both, and with one of them', () => {
    const { passes } = twoClocks();
    assert.equal(passes(100, 100), 100);
    assert.equal(passes(0, 5_000), 5_100, 'the machine has slept');
    assert.equal(passes(50, 0), 5_150, 'somebody holds the wall clock');
    assert.equal(passes(10, 10), 5_160);
  });

  test('never goes back, and counts a sleep that comes after the wall clock was set back', () => {
    const { passes } = twoClocks();
    assert.equal(passes(50, -2_500), 50);
    assert.equal(passes(50, 50), 100);
    assert.ok(Math.abs(passes(0, 8_000) - 8_100) <= 2);
  });

  test('misses what is set back between two looks: that much, and no more', () => {
    const { passes } = twoClocks();
    assert.equal(passes(0, 8_000 - 2_500), 5_500);
  });

  test('does not take the ticks of a wall clock for sleep', () => {
    const { hands, clock, startedMs } = twoClocks();
    for (let look = 0; look < 10_000; look += 1) {
      hands.nowMs += 0.3;
      hands.wallMs = 1_700_000_000_000 + Math.floor(hands.nowMs - 1_000);
      clock.now();
    }
    assert.ok(Math.abs(clock.now() - startedMs - 3_000) <= 2);
  });
});

suite('A lease', () => {
  test('leaves nothing when it is over, and not less', () => {
    const { world, master } = reigning(1);
    const { replica } = world.machine(master);
    assert.ok((replica?.leaseLeftMs ?? 0) > 0);
    cutOff(world, master);
    world.runUntil(world.nowMs + 2 * HOLDER_WINDOW_MS);
    assert.equal(replica?.isMaster, false);
    assert.equal(replica.leaseLeftMs, 0);
  });

  test('is guarded by whose clock is right, when that of another runs too fast', () => {
    const twoMasters = (replicaClass: ReplicaClass) =>
      Array.from({ length: 10 }, (_, index) => index + 1).filter((seed) => {
        let isWrong = false;
        const world = newWorld({
          seed,
          replicaClass,
          clockRates: { A: 1, B: 1, C: 2 },
          wrong: (invariant) => {
            isWrong ||= invariant === 8;
          },
        });
        for (const uid of ['A', 'B']) world.machine(uid).start();
        world.runUntil(3_000);
        world.machine('C').start();
        world.runUntil(8_000 + 61 * seed);
        cutOff(world, masterOf(world) ?? '');
        world.runUntil(world.nowMs + 15_000);
        return isWrong;
      }).length;
    const broken = BREAKS.find(({ name }) => name === 'promises-to-anybody');
    assert.equal(twoMasters(MasterReplica), 0);
    assert.ok(twoMasters(broken?.replicaClass ?? MasterReplica) > 0);
  });
});

suite('A lease that is handed over', () => {
  /** A client wants `to` to be master, and asks `server`. Returns how long that took. */
  function transfer(world: World, server: Uid, to: Uid): number {
    const startedMs = world.nowMs;
    let answeredMs = Number.NaN;
    const session = new ClientSession(CLIENT, UIDS, {
      after: (delayMs, act) => {
        const entry = world.later(delayMs, act);
        return {
          cancel: () => {
            entry.act = null;
          },
        };
      },
      send: (uid, message) => world.ask(CLIENT, uid, message),
    });
    world.addClient(CLIENT, (from, reply) => session.receive(from, reply));
    const options = { server, timeoutMs: 10_000, mayMove: true };
    session.inquire({ type: 'transfer', to }, options, (outcome) => {
      assert.equal(outcome.outcome, 'answered');
      answeredMs = world.nowMs;
    });
    while (Number.isNaN(answeredMs)) world.step(startedMs + 10_001);
    return answeredMs - startedMs;
  }

  test('goes to whom the client names, whomever it asks, there and back', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const { world, master } = reigning(seed);
      for (const to of ['A', 'B', 'C', master, master, 'C', 'A']) {
        assert.ok(transfer(world, 'B', to) < 2_000);
        assert.equal(masterOf(world), to);
        world.submit(to, `by ${to}`);
        world.runUntil(world.nowMs + 100);
        assert.equal(world.machine(to).replica?.chain.currentValue, `by ${to}`);
      }
    }
  });

  test('is not asked for by who had it, until all others had their chance', () => {
    const { world, master, events } = reigning(1);
    const fromMs = world.nowMs;
    const requestId = `${CLIENT}-1-1`;
    world.ask(CLIENT, master, { type: 'transfer', requestId, to: master === 'A' ? 'B' : 'A' });
    for (const uid of UIDS) if (uid !== master) world.machine(uid).crash('end of turn', false, 4);
    world.runUntil(fromMs + 5_000);
    const wanted = events.filter((event) => event.event === 'lease' && event.what === 'wanted');
    const again = wanted.find(({ at, server }) => server === master && at > fromMs);
    assert.ok((again?.at ?? 0) > fromMs + 1_000, `${again?.at}`);
  });

  test('is not taken before the lease of another is over, and asked for once', () => {
    const { world, master, events } = reigning(1);
    const to = UIDS.find((uid) => uid !== master) ?? '';
    const ask = (number: number) => {
      const requestId = `${CLIENT}-1-${number}`;
      world.ask(CLIENT, to, { type: 'transfer', requestId, to });
    };
    const wantedBy = () =>
      events.filter(({ server, ...event }) => {
        return server === to && event.event === 'lease' && event.what === 'wanted';
      }).length;
    const before = wantedBy();
    ask(1);
    world.runUntil(world.nowMs + 1_000);
    assert.equal(wantedBy(), before);
    assert.equal(masterOf(world), master);

    // The master hands it back, and is gone; nobody hears what `to` asks.
    world.machine(master).retire();
    world.runUntil(world.nowMs + 2);
    cutOff(world, to);
    for (const number of [2, 3, 4]) ask(number);
    world.runUntil(world.nowMs + 900);
    assert.equal(wantedBy(), before + 1);
  });

  test('is asked for in vain where there are no masters', () => {
    const world = newWorld({ replicaClass: PlainReplica });
    for (const uid of UIDS) world.machine(uid).start();
    const words: (string | boolean)[] = [];
    world.addClient(CLIENT, (_, reply) => {
      if (reply.type === 'refused') words.push(reply.why, reply.isFinal);
    });
    world.ask(CLIENT, 'A', { type: 'transfer', requestId: `${CLIENT}-1-1`, to: 'B' });
    world.runUntil(100);
    assert.deepEqual(words, ['nobody is master in this cluster', true]);
  });
});

test('a server that has stopped has no timer left', () => {
  for (const Replica of [PlainReplica, MasterReplica]) {
    const timers = new Set<() => void>();
    let nowMs = 0;
    const environment: Environment = {
      clock: {
        now: () => nowMs,
        wallNow: () => nowMs,
        after: (_, act) => {
          timers.add(act);
          return { cancel: () => timers.delete(act) };
        },
      },
      random: () => 0.5,
      messenger: { send: () => {}, reply: () => {}, canCarry: () => true },
      storage: { load: () => null, save: () => {} },
      trace: () => {},
    };
    const replica = new Replica('A', ['A'], environment);
    replica.start();
    replica.submit('x');
    for (nowMs = 0; nowMs < 2 * RENEW_AFTER_MS; nowMs += 1_000) {
      for (const act of [...timers]) {
        timers.delete(act);
        act();
      }
    }
    replica.submit('y');
    assert.ok(timers.size > 0);
    replica.stop();
    assert.equal(timers.size, 0);
  }
});

function newWorld(options: Partial<WorldOptions>): World {
  return new World({
    uids: UIDS,
    replicaClass: MasterReplica,
    seed: 1,
    trace: () => {},
    wrong: (invariant, why) => assert.fail(`${invariant}: ${why}`),
    ...options,
  });
}

/** A world in which all servers run, and one of them has been master for a moment. */
function reigning(seed: number) {
  const events: TraceEvent[] = [];
  const world = newWorld({ seed, trace: (event) => events.push(event) });
  for (const uid of UIDS) world.machine(uid).start();
  world.runUntil(2_000);
  return { world, events, master: masterOf(world) ?? '' };
}

function masterOf(world: World): Uid | undefined {
  return [...world.machines.values()].find(({ replica }) => replica?.isMaster === true)?.uid;
}

function cutOff(world: World, uid: Uid): void {
  const others = UIDS.filter((other) => other !== uid);
  world.network.cut(
    others.flatMap((other): [Uid, Uid][] => [
      [uid, other],
      [other, uid],
    ]),
  );
}
