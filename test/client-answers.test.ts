/** What becomes of those who wait at a server: it jumps, others are faster, or time passes. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type ChainState, EMPTY_CHAIN } from '../src/chain.ts';
import { WANTED_FOR_MS } from '../src/client-answers.ts';
import { LONGEST_ASK_AGAIN_MS } from '../src/client-session.ts';
import type { Uid } from '../src/composable-paxos.ts';
import { UNTOUCHED } from '../src/composable-paxos.ts';
import type { Environment } from '../src/environment.ts';
import type { Accept, ClientMessage, Message, Reply } from '../src/messages.ts';
import type { ReplicaClass } from '../src/simulation/machine.ts';
import { MasterReplica, PlainReplica } from '../src/simulation/replicas.ts';
import { World } from '../src/simulation/world.ts';
import { MAX_WAITING } from '../src/update-queue.ts';
import { OneReplica } from './one-replica.ts';

const CLIENT = 'ffffffffffffffff';
const OTHER = '0123456789abcdef';

/** A server C that has heard of nobody, and hears of many links at once. */
class Scene {
  readonly replies: Reply[] = [];
  readonly whys: string[] = [];
  readonly #replica: PlainReplica;

  constructor(chain: Partial<ChainState>) {
    const state = { uid: 'C', instanceNumber: 3, ...EMPTY_CHAIN, ...chain, ...UNTOUCHED };
    this.#replica = new PlainReplica('C', ['A', 'B', 'C'], this.#environment(state));
    this.#replica.start();
  }

  hear(message: ClientMessage): this {
    this.#replica.receiveFromClient('a client', message);
    return this;
  }

  jump(instanceNumber: number, chain: Partial<ChainState>): this {
    this.#replica.receive('A', { type: 'catchup', instanceNumber, ...EMPTY_CHAIN, ...chain });
    return this;
  }

  get waiting(): number {
    return this.#replica.waiting;
  }

  #environment(state: unknown): Environment {
    return {
      clock: { now: () => 0, wallNow: () => 0, after: () => ({ cancel: () => {} }) },
      random: () => 0.5,
      messenger: {
        send: () => {},
        canCarry: () => true,
        reply: (_to, message) => this.replies.push(message),
      },
      storage: { load: () => state, save: () => {} },
      trace: (event) => {
        if (event.event === 'update' && event.what === 'dropped') this.whys.push(event.why);
      },
    };
  }
}

const requestId = `${CLIENT}-3-1`;
const request = { type: 'request', requestId, value: 'x' } as const;

suite('A server jumps,', () => {
  test('and a request that was chosen on the way is answered', () => {
    const chosen = { client: CLIENT, number: 1, instanceNumber: 4 };
    const scene = new Scene({}).hear(request).jump(9, { requests: [chosen] });
    assert.deepEqual(scene.replies, [{ type: 'chosen', requestId, instanceNumber: 4 }]);
    assert.deepEqual(scene.whys, ['it was chosen in instance 4']);
  });

  test('and of one that may have been forgotten on the way nobody knows', () => {
    const scene = new Scene({}).hear(request).jump(200, { forgottenUpTo: 99 });
    assert.equal(scene.replies.length, 1);
    assert.match(JSON.stringify(scene.replies), /"refused".*nobody knows any more/);
    assert.deepEqual(scene.whys, ['it may have been chosen: nobody knows any more']);
  });

  test('and one that is newer than all that was forgotten waits on', () => {
    const scene = new Scene({}).hear(request).jump(9, { forgottenUpTo: 2 });
    assert.deepEqual([scene.replies, scene.waiting], [[], 1]);
  });

  test('and a read waits on, whatever was forgotten', () => {
    const read = { type: 'read', requestId: `${OTHER}-1-1`, isLocal: false } as const;
    const scene = new Scene({ forgottenUpTo: 2 }).hear(read).jump(200, { forgottenUpTo: 99 });
    assert.deepEqual([scene.replies, scene.waiting], [[], 1]);
    assert.equal(scene.hear(read).waiting, 1, 'asked again, it is not in line a second time');
  });
});

/** C among servers that say what a test lets them say, and clients that hear what C answers. */
class Talk {
  /** Who was told what, in order. */
  readonly told: [string, Reply][] = [];
  readonly #world: World;
  readonly #clients = new Set<string>();

  constructor(replicaClass: ReplicaClass = PlainReplica) {
    const uids = ['A', 'B', 'C'];
    const wrong = (_: number, why: string) => assert.fail(why);
    const trace = () => {};
    this.#world = new World({ uids, replicaClass, seed: 'talk', byHand: true, trace, wrong });
    this.#machine.start();
  }

  get #machine() {
    return this.#world.machine('C');
  }

  get waiting(): number {
    return this.#machine.replica?.waiting ?? 0;
  }

  get isMaster(): boolean {
    return this.#machine.replica?.isMaster ?? false;
  }

  wait(ms: number): this {
    this.#world.runUntil(this.#world.nowMs + ms);
    return this;
  }

  /** A client, who was not heard of before or was, asks C. */
  ask(client: string, message: ClientMessage): this {
    if (!this.#clients.has(client)) {
      this.#world.addClient(client, (_from, reply) => this.told.push([client, reply]));
    }
    this.#clients.add(client);
    this.#world.deliver({ from: null, to: 'C', seq: 0, message, client });
    return this;
  }

  read(client: string, number = 1): this {
    const id = `${client.padStart(16, '0')}-1-${number}`;
    return this.ask(client, { type: 'read', requestId: id, isLocal: false });
  }

  hear(message: Message, from: Uid = 'A'): this {
    const cluster = this.#machine.replica?.cluster ?? '';
    this.#world.deliver({ from, to: 'C', seq: 0, message, cluster });
    return this;
  }

  /** A promises what C has asked for last. */
  promise(): this {
    const { instanceNumber, proposalId } = this.#last('prepare');
    const nothing = { lastAcceptedId: null, lastAcceptedValue: null };
    return this.hear({ type: 'promise', instanceNumber, proposalId, ...nothing });
  }

  /** A accepts what C has proposed last. */
  accept(): this {
    return this.hear({ ...this.proposed, type: 'accepted' });
  }

  get proposed(): Accept {
    return this.#last('accept');
  }

  /** Somebody else's value is chosen in the instance that is open at C. */
  choose(instanceNumber: number): this {
    const proposalValue = { update: 'other', id: `A-00000000-${instanceNumber}` };
    const proposalId = { number: 9, uid: 'A' };
    const accepted = { type: 'accepted', instanceNumber, proposalId, proposalValue } as const;
    this.hear(accepted);
    return this.hear(accepted, 'B');
  }

  #last<Type extends 'prepare' | 'accept'>(type: Type): Extract<Message, { type: Type }> {
    const last = this.#world.inFlight.findLast(({ message }) => message.type === type);
    if (last === undefined) throw new Error(`C has not said ${type}`);
    return last.message as Extract<Message, { type: Type }>;
  }
}

const newRequest = { type: 'request', requestId: `${CLIENT}-1-1`, value: 'x' } as const;
const valueTo = (client: string, instanceNumber: number, value: string | null) => {
  const requestId = `${client.padStart(16, '0')}-1-1`;
  return [client, { type: 'value', requestId, instanceNumber, value, isCurrent: true }];
};

suite('A request waits,', () => {
  test('and is answered where it was asked from last', () => {
    const talk = new Talk().ask('c1', newRequest).ask('c2', newRequest).promise().accept();
    const { requestId } = newRequest;
    assert.deepEqual(talk.told, [['c2', { type: 'chosen', requestId, instanceNumber: 1 }]]);
  });

  test('and is let go of when the chain has it by way of another server', () => {
    const talk = new Talk().ask('c1', newRequest);
    const proposalValue = { update: 'x', id: 'A-00000000-1', request: newRequest.requestId };
    const proposalId = { number: 9, uid: 'A' };
    const accepted = { type: 'accepted', instanceNumber: 1, proposalId, proposalValue } as const;
    talk.hear({ ...accepted, type: 'accept' }).hear(accepted);
    const { requestId } = newRequest;
    assert.deepEqual(talk.told, [['c1', { type: 'chosen', requestId, instanceNumber: 1 }]]);
    assert.equal(talk.waiting, 0);
  });

  test('and is let go of when its client is known to have gone on', () => {
    const requests = [{ client: CLIENT, number: 2, instanceNumber: 4 }];
    const scene = new Scene({}).hear(request).jump(9, { requests });
    assert.deepEqual([scene.replies, scene.waiting], [[], 0]);
    assert.deepEqual(scene.whys, ['its client has gone on to something else']);
  });

  test('but not for ever if nobody asks again', () => {
    const talk = new Talk().ask('c1', newRequest).wait(WANTED_FOR_MS);
    talk.ask('c1', newRequest).wait(WANTED_FOR_MS).choose(1);
    assert.deepEqual([talk.told, talk.waiting], [[], 1], 'until then it waits');
    talk.wait(1).choose(2);
    assert.equal(talk.waiting, 0);
    assert.equal(talk.told.length, 1);
    assert.match(JSON.stringify(talk.told[0]), /refused.*nobody has asked for it for long/);
    assert.equal(talk.ask('c1', newRequest).waiting, 1, 'whoever comes back waits anew');
  });

  test('and the last look is right before it would be proposed', () => {
    const talk = new Talk()
      .ask('c1', newRequest)
      .wait(WANTED_FOR_MS + 1)
      .promise();
    assert.throws(() => talk.proposed);
    assert.equal(talk.told.length, 1);
  });

  test('for longer than a patient client is silent, even if a datagram is lost', () => {
    assert.ok(WANTED_FOR_MS > 2 * LONGEST_ASK_AGAIN_MS);
  });

  test('but a value that was fired is never let go of', () => {
    const talk = new Talk().ask('c1', { type: 'propose', value: 'fired' });
    talk
      .wait(100 * WANTED_FOR_MS)
      .choose(1)
      .promise();
    assert.equal('update' in talk.proposed.proposalValue, true);
  });
});

suite('A read', () => {
  test('shares its link with all that come before it is first proposed', () => {
    const talk = new Talk().read('1').read('2').promise().read('3');
    assert.equal(talk.waiting, 2);
    talk.accept();
    assert.deepEqual(talk.told, [valueTo('1', 2, null), valueTo('2', 2, null)]);
    talk.promise().accept();
    assert.deepEqual(talk.told.slice(2), [valueTo('3', 3, null)]);
  });

  test('that is asked again is answered once, where it was asked from last', () => {
    const talk = new Talk().read('1').read('1').promise().read('1').accept();
    assert.deepEqual(talk.told, [valueTo('1', 2, null)]);
    assert.equal(talk.waiting, 0);
    assert.equal(talk.read('1').waiting, 1, 'a second time, when it has been answered');
  });

  test('that is asked again does not open its link to others once that is proposed', () => {
    const talk = new Talk().read('1').promise().read('1').read('2');
    assert.equal(talk.waiting, 2);
    talk.accept();
    assert.deepEqual(talk.told, [valueTo('1', 2, null)]);
  });

  test('finds what was fired before it', () => {
    const talk = new Talk().read('1').read('2').ask('3', { type: 'propose', value: 'fired' });
    talk.read('4').promise().accept();
    assert.equal(talk.told.length, 2);
    talk.promise().accept();
    assert.equal(talk.told.length, 2);
    talk.promise().accept();
    assert.deepEqual(talk.told.slice(2), [valueTo('4', 4, 'fired')]);
  });

  test('waits as long as anybody asks who shares its link, and then no longer', () => {
    const talk = new Talk().read('1').read('2').wait(WANTED_FOR_MS).read('2').wait(1).choose(1);
    assert.deepEqual([talk.told, talk.waiting], [[], 1]);
    talk.wait(WANTED_FOR_MS).choose(2);
    assert.deepEqual([talk.told.length, talk.waiting], [2, 0]);
    talk.read('3').promise().accept();
    assert.deepEqual(talk.told.slice(2), [valueTo('3', 4, 'other')], 'with a link of its own');
  });

  test('is refused when too many share already', () => {
    const talk = new Talk();
    for (let n = 1; n <= MAX_WAITING; n += 1) talk.read(n.toString(16));
    assert.deepEqual([talk.waiting, talk.told], [1, []]);
    talk.read('fffff');
    assert.match(JSON.stringify(talk.told), /^\[\["fffff",.*10000 wait for a read already/);
    assert.equal(talk.promise().accept().told.length, MAX_WAITING + 1);
  });
});

suite('A server that was master', () => {
  const granted = () => {
    const talk = new Talk(MasterReplica as unknown as ReplicaClass).wait(1_000).promise().accept();
    assert.ok(talk.isMaster);
    return talk;
  };

  test('does not say what is chosen, but who may say it', () => {
    const talk = granted().ask('c1', newRequest);
    assert.equal(talk.waiting, 1);
    talk.hear({
      ...{ type: 'catchup', instanceNumber: 9, ...EMPTY_CHAIN },
      lease: { holder: 'B', id: 'B-00000000-1' },
      requests: [{ client: CLIENT, number: 1, instanceNumber: 2 }],
    });
    const { requestId } = newRequest;
    const why = 'B is master now';
    const refused = { type: 'refused', requestId, why, master: 'B', isFinal: false };
    assert.deepEqual(talk.told, [['c1', refused]]);
  });

  test('says so to who wants it to be, and hands its lease over to another one', () => {
    const transfer = (to: string) => ({ type: 'transfer', requestId, to }) as const;
    const talk = granted().ask('c1', transfer('C'));
    const [[, first] = []] = talk.told;
    assert.ok(first?.type === 'transferred' && first.leaseLeftMs > 8_000);
    talk.ask('c1', { type: 'read', requestId, isLocal: false });
    assert.match(JSON.stringify(talk.told[1]), /"value".*"isCurrent":true/);
    talk.ask('c1', transfer('A')).ask('c2', transfer('C'));
    assert.match(JSON.stringify(talk.told[2]), /"c2".*"refused".*it stands for master/);
    talk.ask('c3', newRequest).promise().accept();
    assert.match(JSON.stringify(talk.told[3]), /"c3".*"refused".*hands its lease over/);
    const why = 'the lease is handed back';
    const refused = { type: 'refused', requestId, why, master: 'A', isFinal: false };
    assert.deepEqual(talk.told.slice(4), [['c1', refused]]);
  });

  test('and whose lease is over does not say so either', () => {
    const talk = granted().ask('c1', newRequest).wait(9_500);
    assert.equal(talk.isMaster, false);
    const proposalValue = { update: 'x', id: 'A-00000000-1', request: newRequest.requestId };
    const proposalId = { number: 9, uid: 'A' };
    const accepted = { type: 'accepted', instanceNumber: 2, proposalId, proposalValue } as const;
    talk.hear({ ...accepted, type: 'accept' }).hear(accepted);
    const { requestId } = newRequest;
    const why = 'there is no master yet';
    const refused = { type: 'refused', requestId, why, master: null, isFinal: false };
    assert.deepEqual(talk.told, [['c1', refused]]);
  });
});

test('How far the chain is a server says at once, from memory', () => {
  const requestId = `${CLIENT}-1-1`;
  const scene = new Scene({}).hear({ type: 'reach', requestId });
  assert.deepEqual(scene.replies, [{ type: 'reached', requestId, instanceNumber: 3 }]);
});

test('Where nobody is master nobody can be made master', () => {
  const scene = new Scene({}).hear({ type: 'transfer', requestId, to: 'C' });
  const why = 'nobody is master in this cluster';
  assert.deepEqual(scene.replies, [
    { type: 'refused', requestId, why, master: null, isFinal: true },
  ]);
});

test('A server that is no store says so, and that none of them is', () => {
  const requestId = `${CLIENT}-1-1`;
  const scene = new Scene({}).hear({ type: 'query', requestId, query: 'get x', isLocal: false });
  assert.match(JSON.stringify(scene.replies), /^\[\{[^{]*is no store[^{]*"isFinal":true\}\]$/);
});

test('That nobody knows any more is not final: it may be chosen', () => {
  const scene = new Scene({ forgottenUpTo: 99 }).hear(request);
  assert.match(JSON.stringify(scene.replies), /nobody knows any more.*"isFinal":false/);
});

test('A read is shared on while what is before it in line is proposed', () => {
  const one = new OneReplica(PlainReplica, ['A', 'B', 'C']);
  one.replica.start();
  one.replica.submit('x');
  const read = (number: number) => {
    const requestId = `${OTHER}-1-${number}`;
    one.replica.receiveFromClient('a client', { type: 'read', requestId, isLocal: false });
  };
  read(1);
  const { instanceNumber, proposalId } = one.lastSent('prepare');
  const nothing = { lastAcceptedId: null, lastAcceptedValue: null };
  one.replica.receive('B', { type: 'promise', instanceNumber, proposalId, ...nothing });
  assert.equal(one.lastSent('accept').proposalId, proposalId);
  read(2);
  assert.equal(one.replica.waiting, 2);
});

test('Alone a server answers each read by itself, also one after the other', () => {
  const one = new OneReplica(PlainReplica, ['A']);
  one.replica.start();
  for (const [number, isLocal] of [true, false, false].entries()) {
    const requestId = `${OTHER}-1-${number + 1}`;
    one.replica.receiveFromClient('a client', { type: 'read', requestId, isLocal });
  }
  assert.deepEqual(
    one.replies.map((reply) => reply.type === 'value' && reply.isCurrent),
    [false, true, true],
  );
});

test('A server tells how it is: for how long it has run, and whom it has heard, and when', () => {
  const one = new OneReplica(PlainReplica, ['A', 'B', 'C']);
  one.nowMs = 1_000;
  one.replica.start();
  one.wait(200);
  one.saveTakesMs = 7; // B was heard before it
  const proposalId = { number: 3, uid: 'B' };
  const proposalValue = { update: 'x', id: 'B-00000001-1' };
  one.replica.receive('B', { type: 'accept', instanceNumber: 1, proposalId, proposalValue });
  one.saveTakesMs = 0;
  one.wait(50);
  one.replica.submit('y');
  one.replica.receiveFromClient('a client', { type: 'status', requestId });
  const { acceptedId, promisedId } = one.replica.acceptorState;
  assert.deepEqual(one.replies, [
    {
      ...{ type: 'status_report', requestId, instanceNumber: 1, value: null },
      ...{ promisedId, acceptedId, hasLeases: false, master: null, leaseLeftMs: 0, waiting: 1 },
      ...{ reign: null, uptimeMs: 257, heardMs: { B: 57, C: null }, log: null },
    },
  ]);
});
