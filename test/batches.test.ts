/** Batches: what goes into one, what it does to those who wait, and to whoever applies it. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import {
  applyLink,
  type ChainState,
  EMPTY_CHAIN,
  isBatch,
  type Link,
  type RequestId,
  singlesOf,
} from '../src/chain.ts';
import { ClientAnswers } from '../src/client-answers.ts';
import { Log } from '../src/log/log.ts';
import { StoreReplica } from '../src/log/replicas.ts';
import { Store } from '../src/log/store.ts';
import {
  decodeDatagram,
  encodeDatagram,
  encodedBytes,
  MAX_BATCH_BYTES,
  MAX_IN_BATCH,
  MAX_PART,
  type PeerMessage,
  type Reply,
} from '../src/messages.ts';
import { isShortEnough } from '../src/node/udp-messenger.ts';
import { Rejoin } from '../src/rejoin-strategy.ts';
import { ReplicatedValue } from '../src/replicated-value.ts';
import { BackoffResolution } from '../src/resolution-strategy.ts';
import type { ReplicaClass } from '../src/simulation/machine.ts';
import { PlainReplica, type SmallStoreReplica } from '../src/simulation/replicas.ts';
import { run } from '../src/simulation/run.ts';
import { drawSchedule } from '../src/simulation/schedule.ts';
import { CatchUp } from '../src/sync-strategy.ts';
import { UpdateQueue } from '../src/update-queue.ts';
import { OneReplica } from './one-replica.ts';

const UIDS = ['C', 'A', 'B'];

class WithoutBatches extends Store(
  ClientAnswers(Rejoin(UpdateQueue(BackoffResolution(Log(CatchUp(ReplicatedValue)))))),
) {}

function clientNamed(n: number): string {
  return n.toString(16).padStart(16, '0');
}

/** Server C, which asks for promises because of a first command that has come. */
class Scene extends OneReplica {
  constructor(replicaClass: ReplicaClass = StoreReplica) {
    super(replicaClass, UIDS);
    this.replica.start();
  }

  submit(...commands: string[]): this {
    for (const command of commands) this.replica.submit(command);
    return this;
  }

  request(client: number, number: number, value: string): RequestId {
    const requestId = `${clientNamed(client)}-1-${number}`;
    this.replica.receiveFromClient(`client ${client}`, { type: 'request', requestId, value });
    return requestId;
  }

  query(client: number, query: string): void {
    const requestId = `${clientNamed(client)}-1-1`;
    const asked = { type: 'query', requestId, query, isLocal: false } as const;
    this.replica.receiveFromClient(`client ${client}`, asked);
  }

  /** A promises, and C says what it proposes. */
  proposed(): Link {
    const { instanceNumber, proposalId } = this.lastSent('prepare');
    const nothing = { lastAcceptedId: null, lastAcceptedValue: null };
    this.replica.receive('A', { type: 'promise', instanceNumber, proposalId, ...nothing });
    return this.lastSent('accept').proposalValue;
  }

  /** A accepts what C proposed last: it is chosen. */
  accepted(): this {
    this.replica.receive('A', { ...this.lastSent('accept'), type: 'accepted' });
    return this;
  }

  /** A and B have accepted this. */
  chosen(proposalValue: Link): this {
    const { instanceNumber } = this.replica;
    const round = { instanceNumber, proposalId: { number: 9, uid: 'B' } };
    for (const from of ['A', 'B']) {
      this.replica.receive(from, { type: 'accepted', ...round, proposalValue });
    }
    return this;
  }

  get answers(): readonly string[] {
    return this.replies.map((reply) => saidIn(reply));
  }
}

function saidIn(reply: Reply): string {
  if (reply.type === 'answered') return reply.answer;
  return reply.type === 'found' ? `found ${reply.found}` : reply.type;
}

function commandsIn(link: Link): readonly string[] {
  return singlesOf(link).map((one) => ('update' in one ? one.update : 'a read'));
}

/** A class of stores whose batches take so many bytes. */
function storeWith(bytes: number): ReplicaClass {
  return class extends StoreReplica {
    protected override get batchBytes(): number {
      return bytes;
    }
  };
}

suite('Into a batch goes', () => {
  test('all that waits, in its order, and one that is alone goes alone', () => {
    const scene = new Scene().submit('add n 1', 'add n 2', 'add n 3');
    assert.deepEqual(commandsIn(scene.proposed()), ['add n 1', 'add n 2', 'add n 3']);
    scene.accepted();
    assert.equal(scene.replica.waiting, 0);
    scene.submit('add n 4');
    const last = scene.proposed();
    assert.equal(isBatch(last), false);
    assert.deepEqual(commandsIn(last), ['add n 4']);
  });

  test('as much as its bytes allow, whatever they are, and nobody is left out who fits', () => {
    const commands = [3, 50, 7, 120, 1, 30, 30, 2].map((n, index) => {
      return `set key${index} ${(n % 2 === 0 ? 'x' : 'é').repeat(n)}`;
    });
    let alone = 0;
    for (let most = 1; most <= 900; most += 1) {
      const scene = new Scene(storeWith(most)).submit(...commands);
      const left = [...commands];
      while (left.length > 0) {
        const link = scene.proposed();
        const taken = commandsIn(link);
        assert.deepEqual(left.splice(0, taken.length), taken);
        if (isBatch(link)) assert.ok(encodedBytes(link.batch) <= most);
        const next = left[0];
        if (next !== undefined) {
          const ours = isBatch(link) ? link.batch : [link as { update: string; id: string }];
          const longer = [...ours, { update: next, id: ours[0]?.id ?? '' }];
          assert.ok(encodedBytes(longer) > most, `${most} bytes: there is room for ${next}`);
        }
        if (!isBatch(link) && next !== undefined) alone += 1;
        scene.accepted();
      }
    }
    assert.ok(alone > 100);
  });

  test('no more than are remembered', () => {
    const scene = new Scene();
    for (let n = 0; n < MAX_IN_BATCH + 5; n += 1) scene.request(n, 1, 'add n 1');
    assert.equal(singlesOf(scene.proposed()).length, MAX_IN_BATCH);
    scene.accepted();
    assert.deepEqual(
      scene.answers,
      Array.from({ length: MAX_IN_BATCH }, (_, n) => `${n + 1}`),
    );
    assert.equal(singlesOf(scene.proposed()).length, 5);
  });

  test('no second request of a client: each is answered', () => {
    const scene = new Scene();
    scene.request(1, 1, 'add n 1');
    scene.request(2, 1, 'add n 1');
    scene.request(1, 2, 'add n 1');
    scene.request(3, 1, 'add n 1');
    assert.equal(singlesOf(scene.proposed()).length, 2);
    scene.accepted();
    assert.equal(singlesOf(scene.proposed()).length, 2);
    scene.accepted();
    assert.deepEqual(scene.answers, ['1', '2', '3', '4']);
  });

  test('nobody who needs no instance, nor who is behind that one', () => {
    const scene = new Scene().submit('add n 1');
    const request = scene.request(7, 1, 'add n 10');
    scene.submit('add n 100');
    scene.chosen({ update: 'add n 10', id: 'B-00000000-1', request });
    assert.deepEqual(scene.answers, ['10']);
    assert.deepEqual(commandsIn(scene.proposed()), ['add n 1']);
    scene.accepted();
    assert.deepEqual(commandsIn(scene.proposed()), ['add n 100']);
    scene.accepted();
    scene.query(9, 'get n');
    scene.proposed();
    scene.accepted();
    assert.equal(scene.answers.at(-1), 'found 111');
  });

  test('what the machine can send: half as much, and half of that', () => {
    const longest = 20_000;
    const value = 'x'.repeat(1_000);
    const scene = new Scene();
    const tried: number[] = [];
    scene.canCarry = (link) => {
      if (isBatch(link)) tried.push(encodedBytes(link.batch));
      return isShortEnough(link, longest);
    };
    for (let n = 0; n < 40; n += 1) scene.submit(`set k${n} ${value}`);
    const link = scene.proposed();
    assert.ok(isBatch(link));
    assert.equal(link.batch.length, 15);
    assert.ok(encodedBytes(link.batch) <= MAX_BATCH_BYTES / 2);
    assert.ok(tried.some((bytes) => bytes > MAX_BATCH_BYTES / 2));

    scene.canCarry = (one) => !isBatch(one);
    scene.accepted();
    assert.equal(isBatch(scene.proposed()), false);
  });
});

suite('Whoever waits', () => {
  test('is answered by itself: clients of all kinds', () => {
    const scene = new Scene().submit('set color blue');
    scene.request(1, 1, 'swap color blue red');
    scene.query(2, 'get color');
    scene.request(3, 1, 'swap color blue green');
    scene.request(4, 1, 'delete color');
    assert.equal(singlesOf(scene.proposed()).length, 5);
    scene.accepted();
    assert.equal(scene.replica.waiting, 0);
    assert.deepEqual([...scene.answers].sort(), [
      'found null',
      'it is something else by now',
      'ok',
      'ok, as 1.2',
    ]);
    scene.request(3, 1, 'swap color blue green');
    assert.equal(scene.answers.at(-1), 'it is something else by now');
    assert.equal(scene.replica.waiting, 0);
  });

  test('for a read shares the link of one that has not been proposed, in a batch or alone', () => {
    const scene = new Scene().submit('add n 1');
    scene.query(1, 'get n');
    scene.query(2, 'get n');
    assert.equal(singlesOf(scene.proposed()).length, 2);
    scene.query(3, 'get n');
    scene.accepted();
    assert.deepEqual(scene.answers, ['found 1', 'found 1']);
    assert.deepEqual(commandsIn(scene.proposed()), ['a read']);
    scene.accepted();
    assert.equal(scene.answers.length, 3);
  });

  test('waits on if a shorter batch of before is chosen', () => {
    const scene = new Scene().submit('add n 1');
    const alone = scene.proposed();
    scene.submit('add n 2', 'add n 3');
    scene.chosen(alone);
    assert.equal(scene.replica.waiting, 2);
    assert.deepEqual(commandsIn(scene.proposed()), ['add n 2', 'add n 3']);
  });

  test('is done by links of somebody else that carry it', () => {
    const scene = new Scene();
    scene.submit('add n 1', 'add n 2').request(1, 1, 'add n 3');
    const link = scene.proposed();
    scene.submit('add n 4');
    const links: PeerMessage = { type: 'links', instanceNumber: 2, first: 1, links: [link] };
    scene.replica.receive('A', links);
    assert.deepEqual(scene.answers, ['6']);
    assert.equal(scene.replica.waiting, 1);
  });

  test('keeps its place if the batch of another server is chosen', () => {
    const scene = new Scene().submit('add n 1', 'add n 2');
    scene.proposed();
    scene.chosen({
      batch: [
        { update: 'add n 5', id: 'B-00000000-1' },
        { update: 'add n 5', id: 'B-00000000-2' },
      ],
      id: 'B-00000000-3',
    });
    assert.equal(scene.replica.waiting, 2);
    assert.deepEqual(commandsIn(scene.proposed()), ['add n 1', 'add n 2']);
  });
});

suite('A batch in the chain', () => {
  const request = (client: number, number: number) => `${clientNamed(client)}-1-${number}`;
  const batch: Link = {
    batch: [
      { update: 'add n 1', id: 'A-00000000-1', request: request(1, 1) },
      { update: 'add n 2', id: 'A-00000000-2' },
      { read: null, id: 'A-00000000-3' },
      { update: 'add n 4', id: 'A-00000000-4', request: request(1, 1) },
      { update: 'add n 8', id: 'A-00000000-5', request: request(2, 2) },
      { update: 'add n 16', id: 'A-00000000-6', request: request(2, 1) },
      { update: 'add n 32', id: 'A-00000000-7', request: request(1, 2) },
    ],
    id: 'A-00000000-8',
  };
  const again: Link = {
    batch: [
      { update: 'add n 64', id: 'B-00000000-1', request: request(3, 1) },
      { update: 'add n 128', id: 'B-00000000-2', request: request(1, 2) },
    ],
    id: 'B-00000000-3',
  };

  test('is what its links are one after the other, in one instance', () => {
    let chain: ChainState = EMPTY_CHAIN;
    for (const one of singlesOf(batch)) chain = applyLink(chain, one, 5);
    assert.deepEqual(applyLink(EMPTY_CHAIN, batch, 5), chain);
    assert.deepEqual(chain.latestUpdateIds, { A: 'A-00000000-7' });
    assert.deepEqual(chain.requests, [
      { client: clientNamed(2), number: 2, instanceNumber: 5 },
      { client: clientNamed(1), number: 2, instanceNumber: 5 },
    ]);
  });

  test('counts each request once, within a batch and across two, wherever it is applied', () => {
    const stores = [StoreReplica, WithoutBatches].map((replicaClass) =>
      new Scene(replicaClass).chosen(batch).chosen(again),
    );
    const jumped = new Scene();
    const links = [batch, again];
    jumped.replica.receive('A', { type: 'links', instanceNumber: 3, first: 1, links });
    stores[0]?.replica.stop();
    const restored = new OneReplica(StoreReplica, UIDS, stores[0]?.saved ?? null);
    restored.replica.start();
    const digests = [...stores, jumped, restored].map(({ replica }) => replica.digest);
    assert.equal(new Set(digests).size, 1);
    const applied = jumped.decisions.filter(({ event }) => event === 'apply');
    assert.deepEqual(
      applied.map((event) => 'answers' in event && event.answers),
      [['1', '3', '11', '43'], ['107']],
    );
  });

  test('is a link among others for a laggard, by itself if it is long', () => {
    const scene = new Scene();
    for (let n = 1; n <= 60; n += 1) scene.submit(`set k${n} ${'x'.repeat(200)}`);
    const long = scene.proposed();
    scene.accepted().chosen(batch).chosen(again);
    const asked = (instanceNumber: number) => {
      const digest = '01234567';
      scene.replica.receive('A', { type: 'sync_request', instanceNumber, digest });
      return scene.lastSent('links').links;
    };
    assert.ok(isBatch(long) && encodedBytes(long.batch) > MAX_PART);
    assert.deepEqual(asked(1), [long]);
    assert.deepEqual(asked(2), [batch, again]);
  });

  test('means the same to a replica without stores, which hears of none from a store', () => {
    const one = new OneReplica(PlainReplica, UIDS);
    one.replica.start();
    for (const from of ['A', 'B']) {
      const round = { instanceNumber: 1, proposalId: { number: 2, uid: 'A' } };
      one.replica.receive(from, { type: 'accepted', ...round, proposalValue: batch });
    }
    assert.equal(one.replica.instanceNumber, 2);
    assert.deepEqual(one.replica.chain, applyLink(EMPTY_CHAIN, batch, 1));

    const { cluster } = new Scene().replica;
    const round = { instanceNumber: 2, proposalId: { number: 2, uid: 'A' } };
    const accept = { type: 'accept', ...round, proposalValue: batch } as const;
    const decoded = decodeDatagram(encodeDatagram(1, accept, cluster), UIDS, one.replica.cluster);
    const why = 'its cluster is A B C with a store, ours is A B C';
    assert.deepEqual(decoded, { rejected: why });
  });
});

test('a store that proposes what the chain has already does no harm, in batches either', () => {
  const careless = (Right: ReplicaClass): ReplicaClass =>
    class Careless extends (Right as typeof SmallStoreReplica) {
      protected override whyLetGo(): string | null {
        return null;
      }
    };
  let inVain = 0;
  for (let seed = 1; seed <= 3; seed += 1) {
    const schedule = drawSchedule(seed, 3, 60, ['loss', 'lateness', 'rushes']);
    const updates = new Map<string, number>();
    const variant = { leases: false, store: true, broken: careless };
    const { violation } = run(schedule, variant, (event) => {
      if (event.event === 'advance' && event.link !== null && isBatch(event.link)) {
        updates.set(event.server, event.link.batch.filter((one) => 'update' in one).length);
      } else if (event.event === 'advance') updates.delete(event.server);
      if (event.event !== 'apply') return;
      if (event.answers.length < (updates.get(event.server) ?? 0)) inVain += 1;
    });
    assert.equal(violation, null, `seed ${seed}`);
  }
  assert.ok(inVain > 10, `${inVain} batches with links without effect`);
});
