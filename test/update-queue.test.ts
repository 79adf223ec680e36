/** What waits at a server: how much it takes, what it lets go of, and how it ends. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Link } from '../src/chain.ts';
import { WANTED_FOR_MS } from '../src/client-answers.ts';
import type { Environment } from '../src/environment.ts';
import { MAX_VALUE_BYTES, type Reply } from '../src/messages.ts';
import { PlainReplica } from '../src/simulation/replicas.ts';
import type { TraceEvent } from '../src/trace/events.ts';
import { MAX_WAITING, MAX_WAITING_BYTES } from '../src/update-queue.ts';
import { OneReplica } from './one-replica.ts';

type Update = Extract<TraceEvent, { event: 'update' }>;

/** What its layers may do. */
class Opened extends PlainReplica {
  giveUpAll(): void {
    this.giveUp('for a test');
  }
}

/** A server on a machine without network, where time stands still unless a test says otherwise. */
class Scene {
  readonly replies: Reply[] = [];
  readonly updates: Update[] = [];
  readonly replica: Opened;
  canCarry = (_link: Link): boolean => true;

  constructor(uids: readonly string[] = ['A', 'B', 'C']) {
    this.replica = new Opened('A', uids, this.#environment());
    this.replica.start();
  }

  submit(...values: string[]): this {
    for (const value of values) this.replica.submit(value);
    return this;
  }

  request(number: number): this {
    const requestId = `0123456789abcdef-1-${number}`;
    this.replica.receiveFromClient('a client', { type: 'request', requestId, value: 'x' });
    return this;
  }

  read(number: number): this {
    const requestId = `0123456789abcdef-1-${number}`;
    this.replica.receiveFromClient('a client', { type: 'read', requestId, isLocal: false });
    return this;
  }

  /** B and C let the value be chosen that A proposes in its open instance. */
  choose(update: string): this {
    const { instanceNumber } = this.replica;
    const proposalId = { number: 9, uid: 'B' };
    const id = `B-00000000-${instanceNumber}`;
    const proposalValue = { update, id };
    for (const from of ['B', 'C']) {
      const accepted = { type: 'accepted', instanceNumber, proposalId, proposalValue } as const;
      this.replica.receive(from, accepted);
    }
    return this;
  }

  told(what: Update['what']): readonly (readonly [string, number])[] {
    const told = this.updates.filter((update) => update.what === what);
    return told.map(({ value, waiting }) => [value, waiting]);
  }

  #environment(): Environment {
    return {
      clock: { now: () => 0, wallNow: () => 0, after: () => ({ cancel: () => {} }) },
      random: () => 0.5,
      messenger: {
        send: () => {},
        reply: (_to, message) => this.replies.push(message),
        canCarry: (link) => this.canCarry(link),
      },
      storage: { load: () => null, save: () => {} },
      trace: (event) => {
        if (event.event === 'update') this.updates.push(event as Update);
      },
    };
  }
}

suite('The queue takes', () => {
  test('so many, and not one more', () => {
    const scene = new Scene();
    for (let n = 1; n < MAX_WAITING; n += 1) scene.submit('x');
    assert.deepEqual(scene.told('refused'), []);
    scene.submit('the last one', 'one too many');
    assert.equal(scene.replica.waiting, MAX_WAITING);
    assert.deepEqual(scene.told('refused'), [['one too many', MAX_WAITING]]);
    assert.match(scene.updates.at(-1)?.why ?? '', /^10000 wait already$/);
  });

  test('so many bytes, and no value when they are full', () => {
    const scene = new Scene();
    const large = 'x'.repeat(8_192);
    const most = MAX_WAITING_BYTES / (2 * large.length);
    assert.ok(Number.isInteger(most) && most < MAX_WAITING);
    for (let n = 1; n <= most; n += 1) scene.submit(large);
    assert.deepEqual(scene.told('refused'), []);
    scene.submit('short');
    assert.deepEqual(scene.told('refused'), [['short', most]]);
    assert.match(scene.updates.at(-1)?.why ?? '', /^67108864 bytes wait already$/);
  });

  test('more when some have gone', () => {
    const scene = new Scene(['A']);
    const large = 'x'.repeat(MAX_VALUE_BYTES - 2);
    for (let n = 1; n <= 1_500; n += 1) scene.submit(large);
    assert.equal(scene.told('chosen').length, 1_500);
    const full = new Scene();
    for (let n = 1; n <= 1_500; n += 1) full.submit(large);
    full.replica.giveUpAll();
    full.submit('short');
    assert.deepEqual(full.told('queued').at(-1), ['short', 1]);
  });

  test('nothing while it retires', () => {
    const scene = new Scene().submit('first');
    scene.replica.retire(() => {});
    scene.submit('second').request(1).read(2);
    assert.deepEqual(scene.told('refused'), [
      ['second', 1],
      ['x', 1],
    ]);
    const refused = { type: 'refused', why: 'this server is stopping', master: null } as const;
    assert.deepEqual(scene.replies, [
      { ...refused, requestId: '0123456789abcdef-1-1', isFinal: false },
      { ...refused, requestId: '0123456789abcdef-1-2', isFinal: false },
    ]);
  });
});

suite('The queue ends', () => {
  test('at once, if nothing waits', () => {
    let ended = 0;
    new Scene().replica.retire(() => {
      ended += 1;
    });
    assert.equal(ended, 1);
  });

  test('once, when nothing waits any more', () => {
    const scene = new Scene().submit('mine');
    let ended = 0;
    scene.replica.retire(() => {
      ended += 1;
    });
    scene.choose('of somebody else');
    assert.deepEqual([ended, scene.replica.waiting], [0, 1]);
    scene.replica.receive('B', {
      ...{ type: 'catchup', instanceNumber: 9, currentValue: 'mine', lease: null, requests: [] },
      ...{ latestUpdateIds: { A: scene.updates[0]?.id ?? '' }, forgottenUpTo: 0 },
    });
    assert.deepEqual([ended, scene.replica.waiting], [1, 0]);
    scene.choose('later');
    assert.equal(ended, 1);
  });

  test('when it lets go of the last one', () => {
    const scene = new Scene().submit('much too long');
    let ended = 0;
    scene.replica.retire(() => {
      ended += 1;
    });
    scene.canCarry = () => false;
    scene.choose('of somebody else');
    assert.equal(ended, 1);
  });

  test('when it lets go of the last one right before it would be proposed', () => {
    const scene = new Scene().submit('much too long');
    let ended = 0;
    scene.replica.retire(() => {
      ended += 1;
    });
    scene.canCarry = () => false;
    const round = { instanceNumber: 1, proposalId: { number: 2, uid: 'A' } };
    const nothing = { lastAcceptedId: null, lastAcceptedValue: null };
    scene.replica.receive('B', { type: 'promise', ...round, ...nothing });
    assert.deepEqual([ended, scene.replica.waiting], [1, 0]);
  });

  test('when all is given up', () => {
    const scene = new Scene().submit('mine');
    let ended = 0;
    scene.replica.retire(() => {
      ended += 1;
    });
    scene.replica.giveUpAll();
    assert.equal(ended, 1);
  });

  test('for good: whoever is told of it cannot put anything in', () => {
    const scene = new Scene();
    scene.replica.retire(() => scene.submit('late'));
    assert.deepEqual(scene.told('refused'), [['late', 0]]);
  });

  test('before the server says that it has stopped', () => {
    const one = new OneReplica(PlainReplica, ['A', 'B', 'C']);
    one.replica.start();
    one.replica.submit('mine');
    one.replica.stop();
    assert.deepEqual(
      one.decisions.slice(-2).map(({ event }) => event),
      ['update', 'stop'],
    );
  });

  test('when all else is done: a server that stops then does nothing any more', () => {
    const round = { instanceNumber: 1, proposalId: { number: 2, uid: 'A' } };
    const nothing = { lastAcceptedId: null, lastAcceptedValue: null };
    const question = { ...round, instanceNumber: 2, proposalId: { number: 2, uid: 'B' } };
    for (const isChosen of [true, false]) {
      const one = new OneReplica(PlainReplica, ['A', 'B', 'C']);
      one.replica.start();
      const requestId = '0123456789abcdef-1-1';
      one.replica.receiveFromClient('a client', { type: 'request', requestId, value: 'mine' });
      one.replica.receive('B', { ...question, type: 'prepare' }); // it comes early
      one.replica.retire(() => one.replica.stop());
      if (!isChosen) one.nowMs += 1 + WANTED_FOR_MS; // so that it is let go of
      one.replica.receive('B', { type: 'promise', ...round, ...nothing });
      if (isChosen) one.replica.receive('B', { ...one.lastSent('accept'), type: 'accepted' });
      assert.equal(one.decisions.at(-1)?.event, 'stop');
      assert.equal(one.timers.size, 0);
    }
  });

  test('with a word to everybody, and without calling itself retired', () => {
    const scene = new Scene().submit('first').request(1).read(2);
    let ended = 0;
    scene.replica.retire(() => {
      ended += 1;
    });
    scene.replica.stop();
    assert.deepEqual(scene.told('lost'), [
      ['first', 0],
      ['x', 0],
    ]);
    const why = 'the server stops before it is chosen';
    const refused = { type: 'refused', why, master: null, isFinal: false } as const;
    assert.deepEqual(scene.replies, [
      { ...refused, requestId: '0123456789abcdef-1-1' },
      { ...refused, requestId: '0123456789abcdef-1-2' },
    ]);
    assert.equal(ended, 0);
  });
});

suite('The queue lets go', () => {
  const chosen = (one: OneReplica, update: string) => {
    const { instanceNumber } = one.replica;
    const proposalValue = { update, id: `B-00000000-${instanceNumber}` };
    const said = { instanceNumber, proposalId: { number: 9, uid: 'B' }, proposalValue };
    for (const from of ['B', 'C']) one.replica.receive(from, { type: 'accepted', ...said });
  };

  test('of what is chosen, and not of what comes after it because another value is', () => {
    const one = new OneReplica(PlainReplica, ['A', 'B', 'C']);
    one.replica.start();
    for (const value of ['first', 'second']) one.replica.submit(value);
    const round = { instanceNumber: 1, proposalId: { number: 2, uid: 'A' } };
    const nothing = { lastAcceptedId: null, lastAcceptedValue: null };
    one.replica.receive('B', { type: 'promise', ...round, ...nothing });
    one.replica.receive('B', { ...one.lastSent('accept'), type: 'accepted' });
    assert.equal(one.replica.waiting, 1);
    chosen(one, 'of somebody else');
    assert.equal(one.replica.waiting, 1);
  });

  test('of what nobody waits for, before it asks for an instance', () => {
    const one = new OneReplica(PlainReplica, ['A', 'B', 'C']);
    one.replica.start();
    const requestId = '0123456789abcdef-1-1';
    one.replica.receiveFromClient('a client', { type: 'request', requestId, value: 'x' });
    one.nowMs += 1 + WANTED_FOR_MS;
    chosen(one, 'of somebody else');
    assert.deepEqual([one.replica.waiting, one.lastSent('prepare').instanceNumber], [0, 1]);
  });

  test('of what cannot leave this machine, and does not block what is behind it', () => {
    const scene = new Scene(['A']);
    scene.canCarry = (link) => !('update' in link && link.update.startsWith('long'));
    scene.submit('first', 'long one', 'long two', 'last');
    assert.deepEqual(
      scene.updates.filter(({ what }) => what !== 'queued').map(({ what, value }) => [what, value]),
      [
        ['chosen', 'first'],
        ['dropped', 'long one'],
        ['dropped', 'long two'],
        ['chosen', 'last'],
      ],
    );
    assert.equal(scene.replica.chain.currentValue, 'last');
  });

  test('and says so to the client, who may ask elsewhere', () => {
    const scene = new Scene();
    scene.canCarry = () => false;
    scene.request(1);
    const why = 'it is too long to be sent from this machine';
    const requestId = '0123456789abcdef-1-1';
    assert.deepEqual(scene.replies, [
      { type: 'refused', requestId, why, master: null, isFinal: false },
    ]);
    assert.equal(scene.request(1).replies.length, 2, 'it is not remembered as waiting');
  });

  test('of a read that is answered, and does not count it any more', () => {
    const scene = new Scene(['A']).read(1).submit('x');
    assert.deepEqual(scene.told('queued'), [['x', 1]]);
  });

  test('of all at once, reads among them, and counts from nothing again', () => {
    const scene = new Scene().submit('first').read(1).submit('second').read(2);
    assert.deepEqual(scene.told('queued').at(-1), ['second', 2], 'a read is no value');
    scene.replica.giveUpAll();
    assert.deepEqual([scene.replica.waiting, scene.replies.length], [0, 2]);
    scene.submit('third');
    assert.deepEqual(scene.told('queued').at(-1), ['third', 1]);
  });
});
