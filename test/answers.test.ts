/** What a store remembers of requests: the same answer again, from whomever, and never twice. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { MAX_REMEMBERED_CLIENTS, type RequestId } from '../src/chain.ts';
import { ClientSession, type Inquiry, type Outcome } from '../src/client-session.ts';
import { Answers, MAX_ANSWERED_CLIENTS } from '../src/log/answers.ts';
import { StoreReplica } from '../src/log/replicas.ts';
import { MAX_ANSWER_LENGTH } from '../src/log/state-machine.ts';
import type { Message, SnapshotChunk } from '../src/messages.ts';
import { FEW_CLIENTS, SmallStoreReplica } from '../src/simulation/replicas.ts';
import { World } from '../src/simulation/world.ts';
import type { ServerState } from '../src/state.ts';
import { OneReplica } from './one-replica.ts';

/** The first request of this client, which has begun in instance `since`. */
function requestOf(client: number, since = 1, number = 1): RequestId {
  return `${client.toString(16).padStart(16, '0')}-${since}-${number}`;
}

suite('a table of answers', () => {
  test('knows the latest request of each client, where it took effect, and its answer', () => {
    const answers = new Answers(2);
    answers.remember(requestOf(1, 1, 3), 5, 'five');
    assert.equal(answers.standingOf(requestOf(1, 1, 3)), 5);
    assert.equal(answers.standingOf(requestOf(1, 1, 2)), 'overtaken');
    assert.equal(answers.standingOf(requestOf(1, 1, 4)), 'new');
    assert.equal(answers.standingOf(requestOf(2)), 'new');
    assert.equal(answers.answerTo(requestOf(1)), 'five');
    assert.equal(answers.answerTo(requestOf(2)), undefined);
  });

  test('forgets who has been quiet for longest, and takes nobody from before for new', () => {
    const answers = new Answers(2);
    answers.remember(requestOf(1), 5, '');
    answers.remember(requestOf(2), 6, '');
    answers.remember(requestOf(1, 1, 2), 7, '');
    answers.remember(requestOf(3), 8, '');
    assert.equal(answers.standingOf(requestOf(1, 1, 2)), 7);
    assert.equal(answers.standingOf(requestOf(2)), 'forgotten');
    assert.equal(answers.standingOf(requestOf(4, 6)), 'forgotten', 'it may have been one of 2');
    assert.equal(answers.standingOf(requestOf(4, 7)), 'new');
  });

  test('comes back out of its pieces, with the same digest', () => {
    const answers = new Answers(3);
    const digests = new Set([answers.digest]);
    for (let client = 1; client <= 5; client += 1) {
      answers.remember(requestOf(client), client + 10, `answer ${client}`);
      digests.add(answers.digest);
      const again = new Answers(3);
      for (const piece of JSON.parse(JSON.stringify([...answers.snapshot()]))) again.restore(piece);
      assert.equal(again.digest, answers.digest);
      for (let other = 1; other <= 6; other += 1) {
        const request = requestOf(other, 11);
        assert.equal(again.standingOf(request), answers.standingOf(request));
        assert.equal(again.answerTo(request), answers.answerTo(request));
      }
    }
    assert.equal(digests.size, 6);
  });

  test('of ten thousand clients takes four million bytes of answers at most', () => {
    assert.equal(MAX_ANSWERED_CLIENTS, 10_000);
    assert.ok(2 * MAX_ANSWERED_CLIENTS * MAX_ANSWER_LENGTH <= 4_000_000);
  });
});

/** One server by itself, to which requests come. */
class Alone {
  readonly one: OneReplica;

  constructor(replicaClass: typeof StoreReplica, saved: ServerState | null = null) {
    this.one = new OneReplica(replicaClass, ['A'], saved);
    this.one.replica.start();
  }

  /** What this request is answered: in which instance, and with what, or that nobody knows. */
  ask(requestId: RequestId, value: string): string {
    this.one.replica.receiveFromClient('', { type: 'request', requestId, value });
    this.one.wait(10);
    const reply = this.one.replies.pop();
    if (reply?.type === 'answered') return `${reply.answer} in ${reply.instanceNumber}`;
    return reply?.type === 'refused' ? reply.why : `${reply?.type}`;
  }

  query(query: string): string | null {
    const requestId = requestOf(99_999);
    this.one.replica.receiveFromClient('', { type: 'query', requestId, query, isLocal: true });
    const reply = this.one.replies.pop();
    return reply?.type === 'found' ? reply.found : `${reply?.type}`;
  }
}

const UNKNOWN = 'too many others came in between: nobody knows any more whether it is chosen';

test('more clients than the chain knows get the same answer again, after a restart, too', () => {
  const first = new Alone(SmallStoreReplica);
  const given = new Map<number, string>();
  assert.ok(FEW_CLIENTS > MAX_REMEMBERED_CLIENTS);
  for (let client = 1; client <= FEW_CLIENTS; client += 1) {
    given.set(client, first.ask(requestOf(client), 'add visits 1'));
  }
  const assertSame = (alone: Alone) => {
    for (const [client, answer] of given) {
      assert.equal(alone.ask(requestOf(client), 'add visits 1'), answer);
    }
    assert.equal(alone.query('get visits'), `${FEW_CLIENTS}`);
  };
  assertSame(first);
  first.one.replica.stop();
  assertSame(new Alone(SmallStoreReplica, first.one.saved));

  // One more, and nobody knows of the first any more. What is not known is not carried out.
  assert.equal(first.one.replies.length, 0);
  const last = new Alone(SmallStoreReplica, first.one.saved);
  last.ask(requestOf(FEW_CLIENTS + 1, FEW_CLIENTS), 'add visits 1');
  assert.equal(last.ask(requestOf(1), 'add visits 1'), UNKNOWN);
  assert.equal(last.ask(requestOf(2), 'add visits 1'), given.get(2));
  assert.equal(last.query('get visits'), `${FEW_CLIENTS + 1}`);
});

test('whoever has read a snapshot gives the same answers', () => {
  const giver = new Alone(SmallStoreReplica);
  const given = new Map<number, string>();
  for (let client = 1; client <= 40; client += 1) {
    given.set(client, giver.ask(requestOf(client), 'add visits 1'));
  }
  giver.one.wait(100);
  const { replica, sent } = giver.one;
  const { snapshotAt } = replica as InstanceType<typeof StoreReplica>;
  const parts: SnapshotChunk[] = [];
  for (let offset = 0; offset === 0 || offset < (parts[0]?.total ?? 0); offset += 200) {
    const asked = { type: 'snapshot_request', instanceNumber: 1, of: snapshotAt, offset } as const;
    replica.receive('B', asked);
    parts.push(sent.at(-1) as SnapshotChunk);
  }
  const reader = new OneReplica(SmallStoreReplica, ['C', 'A', 'B']);
  reader.replica.start();
  for (const part of parts) reader.replica.receive('A', part);
  assert.equal(reader.replica.instanceNumber, snapshotAt);
  for (const [client, answer] of given) {
    if (client >= snapshotAt) continue;
    const requestId = requestOf(client);
    const value = 'add visits 1';
    reader.replica.receiveFromClient('', { type: 'request', requestId, value });
    const reply = reader.replies.pop();
    const said = reply?.type === 'answered' ? `${reply.answer} in ${reply.instanceNumber}` : null;
    assert.equal(said, answer);
  }
});

test('ten thousand clients are remembered, and one of them less by one more', () => {
  const alone = new Alone(StoreReplica);
  for (let client = 1; client <= MAX_ANSWERED_CLIENTS; client += 1) {
    alone.ask(requestOf(client), 'add visits 1');
  }
  assert.equal(alone.ask(requestOf(1), 'add visits 1'), '1 in 1');
  const late = requestOf(MAX_ANSWERED_CLIENTS + 1, MAX_ANSWERED_CLIENTS);
  assert.equal(alone.ask(late, 'add visits 1'), '10001 in 10001');
  assert.equal(alone.ask(requestOf(1), 'add visits 1'), UNKNOWN);
  assert.equal(alone.ask(requestOf(2), 'add visits 1'), '2 in 2');
  assert.equal(alone.query('get visits'), '10001');
});

/** Three stores, and clients that wait. */
class Shop {
  readonly #world: World;
  #clients = 0;

  constructor() {
    this.#world = new World({
      uids: ['A', 'B', 'C'],
      replicaClass: SmallStoreReplica,
      seed: 'a client is forgotten',
      trace: () => {},
      wrong: (invariant, why) => assert.fail(`${invariant}: ${why}`),
    });
    for (const machine of this.#world.machines.values()) machine.start();
  }

  /** A new client asks this; what `isLost` says of messages to it and from it is lost. */
  ask(inquiry: Inquiry, isLost: (message: Message) => boolean = () => false): Outcome[] {
    this.#clients += 1;
    const name = this.#clients.toString(16).padStart(16, '0');
    const session = new ClientSession(name, ['A', 'B', 'C'], {
      after: (delayMs, act) => {
        const entry = this.#world.later(delayMs, act);
        return {
          cancel: () => {
            entry.act = null;
          },
        };
      },
      send: (to, message) => isLost(message) || this.#world.ask(name, to, message),
    });
    this.#world.addClient(name, (from, reply) => isLost(reply) || session.receive(from, reply));
    const outcomes: Outcome[] = [];
    const options = { server: 'A', timeoutMs: 30_000, mayMove: true };
    session.inquire(inquiry, options, (outcome) => outcomes.push(outcome));
    return outcomes;
  }

  wait(ms: number): void {
    this.#world.runUntil(this.#world.nowMs + ms);
  }

  /** What this query finds in the end. */
  find(query: string): string | null | undefined {
    const outcomes = this.ask({ type: 'query', query, isLocal: false });
    this.wait(30_000);
    const [ended] = outcomes;
    if (ended?.outcome !== 'answered' || ended.reply.type !== 'found') return undefined;
    return ended.reply.found;
  }
}

for (const [what, type, visits] of [
  ['answer', 'answered', '1'],
  ['question', 'request', null],
] as const) {
  test(`whose ${what} is lost until nobody knows of it any more ends with: unknown`, () => {
    const shop = new Shop();
    let isBad = true;
    let lost = 0;
    const ended = shop.ask({ type: 'request', value: 'add visits 1' }, (message) => {
      const isLost = isBad && message.type === type;
      if (isLost) lost += 1;
      return isLost;
    });
    shop.wait(1_000);
    assert.ok(lost > 0);
    const others: Outcome[][] = [];
    for (let other = 1; other <= FEW_CLIENTS + 10; other += 1) {
      others.push(shop.ask({ type: 'request', value: 'add others 1' }));
      shop.wait(50);
    }
    shop.wait(5_000);
    assert.ok(others.every(([one]) => one?.outcome === 'answered'));
    assert.equal(ended.length, 0);
    isBad = false;
    shop.wait(30_000);
    const [end] = ended;
    assert.ok(end?.outcome === 'unknown' && end.lastWord.endsWith(` says: ${UNKNOWN}`));
    assert.equal(shop.find('get visits'), visits);
    assert.equal(shop.find('get others'), `${FEW_CLIENTS + 10}`);
  });
}
