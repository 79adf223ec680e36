/** Catch-up: what is news, whom a server asks, and what becomes of what came too early. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { EMPTY_CHAIN } from '../src/chain.ts';
import type { Uid } from '../src/composable-paxos.ts';
import type { PeerMessage } from '../src/messages.ts';
import { PlainReplica } from '../src/simulation/replicas.ts';
import { World } from '../src/simulation/world.ts';

/** C, in instance 1, and others who say what a test lets them say. */
class Scene {
  readonly world = new World({
    ...{ uids: ['A', 'B', 'C'], replicaClass: PlainReplica, seed: 'sync', byHand: true },
    trace: () => {},
    wrong: (_, why) => assert.fail(why),
  });

  constructor() {
    this.world.machine('C').start();
    this.world.inFlight.length = 0;
  }

  hear(from: Uid, message: PeerMessage): this {
    this.world.deliver({ from, to: 'C', seq: 0, message, cluster: 'A B C' });
    return this;
  }

  prepare(from: Uid, instanceNumber: number, number = 2): this {
    const proposalId = { number, uid: from };
    return this.hear(from, { type: 'prepare', instanceNumber, proposalId });
  }

  jump(instanceNumber: number): this {
    return this.hear('A', { type: 'catchup', instanceNumber, ...EMPTY_CHAIN });
  }

  wait(ms: number): this {
    this.world.runUntil(this.world.nowMs + ms);
    return this;
  }

  /** What C has sent of this type, to whom, in order. */
  sent(type: PeerMessage['type']): string {
    const sent = this.world.inFlight.filter(({ message }) => message.type === type);
    return sent.map(({ to }) => to).join('');
  }
}

suite('Who hears from a later instance asks', () => {
  test('the sender, once for a burst, and again a little later', () => {
    const scene = new Scene().prepare('A', 5).prepare('B', 5).wait(49).prepare('B', 5);
    assert.equal(scene.sent('sync_request'), 'A');
    assert.equal(scene.wait(1).prepare('B', 5).sent('sync_request'), 'AB');
  });

  test('at once, when it has caught up with what it asked for before', () => {
    const scene = new Scene().prepare('A', 5).jump(5).prepare('B', 7);
    assert.equal(scene.sent('sync_request'), 'AB');
  });

  test('also when that was a question whether anything was missed', () => {
    const ahead = { type: 'sync_request', instanceNumber: 9 } as unknown as PeerMessage;
    assert.equal(new Scene().hear('B', ahead).sent('sync_request'), 'B');
  });
});

suite('A question that came too early', () => {
  test('is answered when its instance is open, once', () => {
    const scene = new Scene().prepare('A', 5).jump(5);
    assert.equal(scene.sent('promise'), 'A');
    const message = { type: 'propose', value: 'x' } as const;
    scene.world.deliver({ from: null, to: 'C', seq: 0, message });
    assert.equal(scene.sent('promise'), 'A');
  });

  test('gives way to a later one of the same instance', () => {
    const scene = new Scene().prepare('A', 5).prepare('B', 5, 3).jump(5);
    assert.equal(scene.sent('promise'), 'B');
  });

  test('gives way to one of a nearer instance, since a forged one may never be reached', () => {
    const scene = new Scene()
      .prepare('B', 2 ** 36)
      .prepare('A', 5)
      .jump(5);
    assert.equal(scene.sent('promise'), 'A');
  });

  test('waits on when we get nearer to its instance', () => {
    const scene = new Scene().prepare('A', 5).jump(3);
    assert.equal(scene.sent('promise'), '');
    assert.equal(scene.jump(5).sent('promise'), 'A');
  });

  test('is forgotten when its instance was jumped over', () => {
    const scene = new Scene().prepare('A', 5).jump(9);
    assert.deepEqual([scene.sent('promise'), scene.sent('catchup')], ['', '']);
  });
});

test('A server that has stopped has no timer left', () => {
  const open = new Set<() => void>();
  const replica = new PlainReplica('C', ['A', 'B', 'C'], {
    clock: {
      now: () => 0,
      wallNow: () => 0,
      after: (_delayMs, act) => {
        open.add(act);
        return { cancel: () => open.delete(act) };
      },
    },
    random: () => 0.5,
    messenger: { send: () => {}, reply: () => {}, canCarry: () => true },
    storage: { load: () => null, save: () => {} },
    trace: () => {},
  });
  replica.start();
  replica.submit('x');
  assert.ok(open.size >= 2);
  replica.stop();
  assert.equal(open.size, 0);
});
