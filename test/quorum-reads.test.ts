/** Reads by a quorum: what counts as an answer, who gives one, and what one server does alone. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { WANTED_FOR_MS } from '../src/client-answers.ts';
import type { Reply } from '../src/messages.ts';
import { SmallMasterStoreReplica, SmallStoreReplica } from '../src/simulation/replicas.ts';
import { lostState } from '../src/state.ts';
import { MAX_WAITING } from '../src/update-queue.ts';
import { OneReplica } from './one-replica.ts';

const FIVE = ['A', 'B', 'C', 'D', 'E'];

function requestId(number: number) {
  return `0123456789abcdef-1-${number}`;
}

function started(uids = FIVE, replicaClass: typeof SmallStoreReplica = SmallStoreReplica) {
  const one = new OneReplica(replicaClass, uids);
  one.replica.start();
  one.sent.length = 0;
  return one;
}

function read(one: OneReplica, number = 1, query = 'get color') {
  one.replica.receiveFromClient('c1', {
    type: 'quorum_query',
    requestId: requestId(number),
    query,
  });
}

/** `from` says, when it was last asked, how far it is. */
function say(one: OneReplica, from: string, instanceNumber: number) {
  const { question } = one.lastSent('extent_request');
  one.replica.receive(from, { type: 'extent', instanceNumber, question });
}

/** What it has answered last. */
function lastReply(one: OneReplica): Reply | undefined {
  return one.replies.at(-1);
}

const link = { update: 'set color blue', id: 'B-0123abcd-1' } as const;

suite('A read by a quorum', () => {
  test('waits for a quorum, this server among it, and counts each server once', () => {
    const one = started();
    read(one);
    say(one, 'B', 1);
    say(one, 'B', 1);
    assert.deepEqual(one.replies, []);
    say(one, 'C', 1);
    assert.deepEqual(one.replies, [
      {
        type: 'found',
        requestId: requestId(1),
        instanceNumber: 1,
        found: null,
        isCurrent: true,
      },
    ]);
    say(one, 'D', 1);
    assert.equal(one.replies.length, 1);
  });

  test('is answered once this server has come as far as any of them', () => {
    const one = started();
    read(one);
    say(one, 'B', 2);
    say(one, 'C', 1);
    assert.deepEqual(one.replies, []);
    assert.equal(one.lastSent('sync_request').instanceNumber, 1);
    one.replica.receive('B', { type: 'links', instanceNumber: 2, first: 1, links: [link] });
    const reply = lastReply(one);
    assert.ok(reply?.type === 'found' && reply.found === 'blue' && reply.isCurrent);
  });

  test('is one question, however often its client asks', () => {
    const one = started();
    read(one);
    const { question } = one.lastSent('extent_request');
    say(one, 'B', 1);
    read(one);
    assert.equal(one.lastSent('extent_request').question, question);
    say(one, 'C', 1);
    assert.equal(one.replies.length, 1);
  });

  test('minds what this server itself had accepted when it was asked', () => {
    const one = started();
    one.replica.receive('B', {
      type: 'accept',
      instanceNumber: 1,
      proposalId: { number: 2, uid: 'B' },
      proposalValue: link,
    });
    read(one);
    say(one, 'C', 1);
    say(one, 'D', 1);
    assert.deepEqual(one.replies, []);
  });

  test('needs nobody in a cluster of one', () => {
    const one = started(['A']);
    read(one);
    assert.equal(lastReply(one)?.type, 'found');
  });

  test('says what is wrong with a query, too', () => {
    const one = started(['A']);
    read(one, 1, 'paint it');
    assert.equal(lastReply(one)?.type, 'refused');
  });

  test('does not wait for ever, and not in crowds', () => {
    const one = started();
    for (let number = 1; number <= MAX_WAITING; number += 1) read(one, number);
    assert.deepEqual(one.replies, []);
    read(one, MAX_WAITING + 1);
    assert.equal(lastReply(one)?.type, 'refused');
    one.wait(WANTED_FOR_MS + 1);
    read(one, MAX_WAITING + 2);
    assert.equal(one.replies.length, 1);
    const all = one.decisions.length;
    say(one, 'B', 1);
    say(one, 'C', 1);
    assert.equal(one.replies.length, 2);
    assert.ok(one.decisions.length >= all);
  });

  test('of another run, or of nobody, counts for nothing', () => {
    const one = started();
    read(one);
    for (const from of ['B', 'C', 'D']) {
      one.replica.receive(from, {
        type: 'extent',
        instanceNumber: 1,
        question: 'A-0123abcd-77',
      });
    }
    assert.deepEqual(one.replies, []);
  });
});

suite('Who is asked how far it is', () => {
  const question = 'B-0123abcd-9';
  const ask = (one: OneReplica) =>
    one.replica.receive('B', { type: 'extent_request', instanceNumber: 1, question });

  test('says its open instance, and the next one if it has accepted something there', () => {
    const one = started();
    ask(one);
    assert.equal(one.lastSent('extent').instanceNumber, 1);
    one.replica.receive('B', {
      type: 'accept',
      instanceNumber: 1,
      proposalId: { number: 2, uid: 'B' },
      proposalValue: link,
    });
    ask(one);
    assert.deepEqual(one.lastSent('extent'), { type: 'extent', instanceNumber: 2, question });
  });

  test('says nothing if it has lost its votes', () => {
    const one = new OneReplica(SmallStoreReplica, FIVE, lostState('A', FIVE));
    one.replica.start();
    one.sent.length = 0;
    ask(one);
    assert.deepEqual(one.sent, []);
  });
});

test('beside masters no quorum is asked', () => {
  const one = new OneReplica(SmallMasterStoreReplica, FIVE);
  one.replica.start();
  read(one);
  const [reply] = one.replies;
  assert.ok(reply?.type === 'refused' && reply.isFinal);
  assert.match(reply.why, /without --quorum/);
});
