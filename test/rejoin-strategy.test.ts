/** A server that has lost its votes: what it asks, what it counts, and whom it answers. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { EMPTY_CHAIN } from '../src/chain.ts';
import type { PeerMessage } from '../src/messages.ts';
import { safeInstance } from '../src/rejoin-strategy.ts';
import { PlainReplica } from '../src/simulation/replicas.ts';
import { tellStory } from '../src/simulation/story.ts';
import { lostState } from '../src/state.ts';
import { OneReplica } from './one-replica.ts';

const THREE = ['A', 'B', 'C'];

test('a safe instance is two above the highest that a quorum of others has open', () => {
  const table: readonly (readonly [readonly number[], number, number | null])[] = [
    [[], 2, null],
    [[7], 2, null],
    [[7, 3], 2, 9],
    [[3, 7], 2, 9],
    [[3, 7, 5], 3, 9],
    [[1, 1], 2, 3],
  ];
  for (const [opened, quorum, safe] of table) {
    assert.equal(safeInstance(opened, quorum), safe, `${opened}`);
  }
});

suite('Who has lost its votes', () => {
  function lost(): OneReplica {
    const one = new OneReplica(PlainReplica, THREE, lostState('A', THREE));
    one.replica.start();
    return one;
  }

  function questionOf(one: OneReplica): string {
    return one.lastSent('rejoin_request').question;
  }

  /** B and C answer. Returns from when on it votes. */
  function answered(one: OneReplica, question: string, b: number, c: number): number | null {
    one.replica.receive('B', { type: 'rejoin_answer', instanceNumber: b, question });
    one.replica.receive('C', { type: 'rejoin_answer', instanceNumber: c, question });
    return one.replica.votesFrom;
  }

  const requests = (sent: readonly PeerMessage[]) =>
    sent.filter(({ type }) => type === 'rejoin_request').length;

  test('asks again each second, until enough have answered', () => {
    const one = lost();
    assert.equal(requests(one.wait(999)), 0);
    assert.equal(requests(one.wait(1)), 1);
    assert.equal(requests(one.wait(1_000)), 1);
    assert.equal(answered(one, questionOf(one), 4, 3), 6);
    assert.equal(one.saved?.votesFrom, 6);
    assert.equal(requests(one.wait(9_000)), 0);
    assert.equal(answered(one, questionOf(one), 9, 9), 6, 'what comes later changes nothing');
  });

  test('counts only what it asked for itself, and nobody twice', () => {
    const one = lost();
    assert.equal(answered(one, 'A-00000009-1', 9, 9), null);
    const question = questionOf(one);
    for (const instanceNumber of [3, 4]) {
      one.replica.receive('B', { type: 'rejoin_answer', instanceNumber, question });
    }
    assert.equal(one.replica.votesFrom, null);
    assert.equal(answered(one, question, 4, 2), 6);
  });

  test('believes no answer that leaps too far', () => {
    const one = lost();
    assert.equal(answered(one, questionOf(one), 2 ** 48, 2), null);
    assert.equal(answered(one, questionOf(one), 2, 2), 4);
  });

  test('answers nobody who has lost its own', () => {
    const one = lost();
    const question = 'B-00000001-1';
    one.replica.receive('B', { type: 'rejoin_request', instanceNumber: 1, question });
    assert.ok(!one.sent.some(({ type }) => type === 'rejoin_answer'));
  });

  test('votes for nobody, asks nobody and takes nothing', () => {
    const one = lost();
    const proposalId = { number: 2, uid: 'B' };
    const proposalValue = { update: 'x', id: 'B-00000001-1' };
    one.replica.receive('B', { type: 'prepare', instanceNumber: 1, proposalId });
    one.replica.receive('B', { type: 'accept', instanceNumber: 1, proposalId, proposalValue });
    one.replica.receive('B', { type: 'accepted', instanceNumber: 1, proposalId, proposalValue });
    one.replica.submit('y');
    one.wait(20_000); // silence, after what it has heard
    const types = new Set(one.sent.map(({ type }) => type));
    assert.deepEqual([...types].sort(), ['rejoin_request', 'sync_request']);
    assert.equal(one.replica.waiting, 0);
    assert.equal(one.replica.acceptorState.promisedId, null);
  });

  const news = (one: OneReplica) =>
    one.decisions.flatMap((decision) => (decision.event === 'rejoin' ? [decision.what] : []));

  test('says what it waits for, and once that it has a vote again', () => {
    const one = lost();
    assert.deepEqual(news(one), ['asking']);
    assert.equal(answered(one, questionOf(one), 1, 2), 4);
    for (const instanceNumber of [3, 4, 5]) {
      assert.equal(news(one).includes('voting'), instanceNumber > 4);
      one.replica.receive('B', { type: 'catchup', instanceNumber, ...EMPTY_CHAIN });
    }
    assert.deepEqual(news(one), ['asking', 'counting', 'waiting', 'voting']);
  });

  test('has a vote at once if it is past the safe instance already', () => {
    const one = lost();
    one.replica.receive('B', { type: 'catchup', instanceNumber: 9, ...EMPTY_CHAIN });
    assert.equal(answered(one, questionOf(one), 2, 2), 4);
    assert.deepEqual(news(one), ['asking', 'counting', 'waiting', 'voting']);
  });

  test('asks nobody in its next run, if it knows by then from when on it votes', () => {
    const one = lost();
    answered(one, questionOf(one), 1, 2);
    const next = new OneReplica(PlainReplica, THREE, one.saved);
    next.replica.start();
    assert.deepEqual(news(next), ['waiting']);
    assert.equal(requests(next.sent), 0);
    next.replica.receive('B', { type: 'catchup', instanceNumber: 4, ...EMPTY_CHAIN });
    assert.deepEqual(news(next), ['waiting', 'voting']);
  });

  test('leaves no timer when it stops, even if its disk is full', () => {
    for (const isDiskFull of [false, true]) {
      const one = lost();
      one.replica.receive('B', { type: 'catchup', instanceNumber: 3, ...EMPTY_CHAIN });
      one.isDiskFull = isDiskFull;
      if (isDiskFull) assert.throws(() => one.replica.stop(), /no space/);
      else one.replica.stop();
      assert.equal(one.timers.size, 0);
    }
  });
});

test('who has never lost its votes says nothing of them, and answers who has', () => {
  const one = new OneReplica(PlainReplica, THREE);
  one.replica.start();
  const question = 'B-00000001-1';
  one.replica.receive('B', { type: 'rejoin_request', instanceNumber: 1, question });
  one.replica.receive('B', { type: 'catchup', instanceNumber: 4, ...EMPTY_CHAIN });
  one.replica.receive('B', { type: 'rejoin_request', instanceNumber: 1, question });
  const answers = one.sent.filter(({ type }) => type === 'rejoin_answer');
  assert.deepEqual(answers, [
    { type: 'rejoin_answer', instanceNumber: 1, question },
    { type: 'rejoin_answer', instanceNumber: 4, question },
  ]);
  assert.ok(!one.decisions.some(({ event }) => event === 'rejoin'));
});

test('who is past the safe instance when it hears of it votes at once, and asks no more', () => {
  const { text, violations } = tellStory(
    [
      ...['cluster A B C', 'start A B C', 'deliver all', 'submit A one', 'deliver all', 'wait 200'],
      ...['lose disk B', 'rejoin B', 'deliver B->', 'keep C->B rejoin_answer'],
      ...['drop C->B rejoin_answer', 'deliver all', 'submit A two', 'deliver all'],
      ...['submit A three', 'deliver all', 'bring back C->B', 'deliver C->B', 'wait 3000'],
      'in flight',
    ].join('\n\n'),
  );
  assert.deepEqual(violations, []);
  assert.match(text, /open +#2 +I shall vote from #4 on\n.*rejoin +#4 +I have a VOTE again/);
  assert.match(text, /wait 3000\n----\n\nin flight\n----\nnothing\n$/);
});
