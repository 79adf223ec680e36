import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type AcceptedMessage,
  Acceptor,
  type AcceptorState,
  compareProposalIds,
  Learner,
  PaxosInstance,
  type PromiseMessage,
  type ProposalId,
  Proposer,
  quorumOf,
  type Uid,
  UNTOUCHED,
} from '../src/composable-paxos.ts';

const id = (number: number, uid: Uid): ProposalId => ({ number, uid });
const prepare = (proposalId: ProposalId) => ({ type: 'prepare', proposalId }) as const;
const accept = (proposalId: ProposalId, proposalValue: string) => {
  return { type: 'accept', proposalId, proposalValue } as const;
};
const accepted = (proposalId: ProposalId, proposalValue: string): AcceptedMessage<string> => {
  return { type: 'accepted', proposalId, proposalValue };
};
const nack = (proposalId: ProposalId, promisedProposalId: ProposalId) => {
  return { type: 'nack', proposalId, promisedProposalId } as const;
};
const promise = (
  proposalId: ProposalId,
  lastAcceptedId: ProposalId | null = null,
  lastAcceptedValue: string | null = null,
): PromiseMessage<string> => {
  return { type: 'promise', proposalId, lastAcceptedId, lastAcceptedValue };
};

/** All orders of these things. */
function ordersOf<T>(things: readonly T[]): T[][] {
  if (things.length === 0) return [[]];
  return things.flatMap((first, index) =>
    ordersOf(things.toSpliced(index, 1)).map((rest) => [first, ...rest]),
  );
}

// Proposal ids and quorums.

test('proposal ids are in one order: number first, then uid; null is below all', () => {
  const ascending = [null, id(1, 'A'), id(1, 'B'), id(2, 'A'), id(9, 'C'), id(10, 'A')];
  for (const [i, a] of ascending.entries()) {
    for (const [j, b] of ascending.entries()) {
      assert.equal(Math.sign(compareProposalIds(a, b)), Math.sign(i - j), `${i} and ${j}`);
    }
  }
});

test('ids are compared by what they say, not by which object says it', () => {
  assert.equal(compareProposalIds(id(3, 'B'), id(3, 'B')), 0);
});

test('a quorum is more than half', () => {
  const quorums = [1, 2, 3, 4, 5, 6, 7, 8, 9].map(quorumOf);
  assert.deepEqual(quorums, [1, 2, 2, 3, 3, 4, 4, 5, 5]);
});

// The acceptor.

const PROMISED: AcceptorState<string> = { ...UNTOUCHED, promisedId: id(5, 'B') };
const ACCEPTED: AcceptorState<string> = {
  promisedId: id(5, 'B'),
  acceptedId: id(4, 'A'),
  acceptedValue: 'x',
};

test('acceptor: what it answers to a prepare, and what it then remembers', () => {
  const table: readonly (readonly [string, AcceptorState<string>, ProposalId, unknown, unknown])[] =
    [
      ['the first', UNTOUCHED, id(2, 'A'), promise(id(2, 'A')), id(2, 'A')],
      ['a lower number', PROMISED, id(4, 'C'), nack(id(4, 'C'), id(5, 'B')), id(5, 'B')],
      ['a lower uid', PROMISED, id(5, 'A'), nack(id(5, 'A'), id(5, 'B')), id(5, 'B')],
      ['the same again', PROMISED, id(5, 'B'), promise(id(5, 'B')), id(5, 'B')],
      ['a higher uid', PROMISED, id(5, 'C'), promise(id(5, 'C')), id(5, 'C')],
      ['a higher number', PROMISED, id(6, 'A'), promise(id(6, 'A')), id(6, 'A')],
      ['lower, accepted', ACCEPTED, id(4, 'A'), nack(id(4, 'A'), id(5, 'B')), id(5, 'B')],
      ['higher, accepted', ACCEPTED, id(6, 'A'), promise(id(6, 'A'), id(4, 'A'), 'x'), id(6, 'A')],
    ];
  for (const [what, before, proposalId, answer, promisedId] of table) {
    const acceptor = new Acceptor(before);
    assert.deepEqual(acceptor.receivePrepare(prepare(proposalId)), answer, what);
    assert.deepEqual(acceptor.state, { ...before, promisedId }, what);
  }
});

test('acceptor: what it answers to an accept, and what it then remembers', () => {
  const table: readonly (readonly [string, AcceptorState<string>, ProposalId, boolean])[] = [
    ['without a promise', UNTOUCHED, id(2, 'A'), true],
    ['the reserved number', UNTOUCHED, id(1, 'A'), true],
    ['a lower number', PROMISED, id(4, 'C'), false],
    ['a lower uid', PROMISED, id(5, 'A'), false],
    ['just what was promised', PROMISED, id(5, 'B'), true],
    ['a higher uid', PROMISED, id(5, 'C'), true],
    ['a higher number', PROMISED, id(6, 'A'), true],
    ['what it accepted, but promised more since', ACCEPTED, id(4, 'A'), false],
    ['another value above it', ACCEPTED, id(5, 'B'), true],
  ];
  for (const [what, before, proposalId, isAccepted] of table) {
    const acceptor = new Acceptor(before);
    const answer = acceptor.receiveAccept(accept(proposalId, 'y'));
    if (isAccepted) {
      assert.deepEqual(answer, accepted(proposalId, 'y'), what);
      const state = { promisedId: proposalId, acceptedId: proposalId, acceptedValue: 'y' };
      assert.deepEqual(acceptor.state, state, what);
    } else {
      assert.deepEqual(answer, nack(proposalId, before.promisedId ?? id(0, '')), what);
      assert.equal(acceptor.state, before, what);
    }
  }
});

test('acceptor: accepting is a promise, too', () => {
  const acceptor = new Acceptor<string>();
  acceptor.receiveAccept(accept(id(5, 'B'), 'x'));
  const answer = acceptor.receivePrepare(prepare(id(4, 'C')));
  assert.deepEqual(answer, nack(id(4, 'C'), id(5, 'B')));
});

test('acceptor: a duplicate gets the same answer, and there is nothing to save', () => {
  const acceptor = new Acceptor<string>();
  const promised = acceptor.receivePrepare(prepare(id(2, 'A')));
  const afterPrepare = acceptor.state;
  assert.deepEqual(acceptor.receivePrepare(prepare(id(2, 'A'))), promised);
  assert.equal(acceptor.state, afterPrepare);

  const answer = acceptor.receiveAccept(accept(id(2, 'A'), 'x'));
  const afterAccept = acceptor.state;
  assert.deepEqual(acceptor.receiveAccept(accept(id(2, 'A'), 'x')), answer);
  assert.equal(acceptor.state, afterAccept);
});

test('acceptor: what there is to save is a new state, never a changed one', () => {
  const acceptor = new Acceptor<string>();
  const before = acceptor.state;
  acceptor.receivePrepare(prepare(id(2, 'A')));
  assert.notEqual(acceptor.state, before);
  assert.deepEqual(before, { promisedId: null, acceptedId: null, acceptedValue: null });
});

// The proposer.

/** A proposer of three servers in its first round, 2.A. */
function preparing(): Proposer<string> {
  const proposer = new Proposer<string>('A', 2, null);
  assert.deepEqual(proposer.prepare(), prepare(id(2, 'A')));
  return proposer;
}

test('proposer: it starts above the reserved number, and above what it promised before', () => {
  for (const [promisedId, number] of [
    [null, 2],
    [id(1, 'B'), 2],
    [id(2, 'A'), 3],
    [id(7, 'C'), 8],
  ] as const) {
    const proposer = new Proposer('A', 2, promisedId);
    assert.deepEqual(proposer.prepare(), prepare(id(number, 'A')));
  }
});

test('proposer: the next number is above everything seen', () => {
  const proposer = new Proposer('A', 2, null);
  proposer.observe(id(6, 'B'));
  proposer.observe(id(4, 'C'));
  assert.deepEqual(proposer.prepare(), prepare(id(7, 'A')));
  proposer.receiveNack(nack(id(7, 'A'), id(9, 'C')));
  assert.deepEqual(proposer.prepare(), prepare(id(10, 'A')));
  proposer.receiveNack(nack(id(2, 'A'), id(20, 'C')));
  assert.deepEqual(proposer.prepare(), prepare(id(21, 'A')));
  assert.deepEqual(proposer.prepare(), prepare(id(22, 'A')));
});

test('proposer: a quorum of promises is reached once', () => {
  const proposer = preparing();
  assert.equal(proposer.receivePromise('A', promise(id(2, 'A'))), false);
  assert.equal(proposer.receivePromise('B', promise(id(2, 'A'))), true);
  assert.equal(proposer.receivePromise('C', promise(id(2, 'A'))), false);
});

test('proposer: a promise that comes twice counts once', () => {
  const proposer = preparing();
  assert.equal(proposer.receivePromise('B', promise(id(2, 'A'))), false);
  assert.equal(proposer.receivePromise('B', promise(id(2, 'A'))), false);
  assert.deepEqual(proposer.state.promisesFrom, ['B']);
});

test('proposer: promises of another round count for nothing', () => {
  const proposer = preparing();
  proposer.receivePromise('A', promise(id(2, 'A')));
  proposer.prepare();
  const { state } = proposer;
  for (const other of [id(2, 'A'), id(3, 'B'), id(4, 'A')]) {
    assert.equal(proposer.receivePromise('B', promise(other, id(1, 'C'), 'old')), false);
  }
  assert.equal(proposer.state, state);
  assert.equal(proposer.receivePromise('A', promise(id(3, 'A'))), false);
  assert.equal(proposer.receivePromise('C', promise(id(3, 'A'))), true);
});

test('proposer: between rounds it counts nothing', () => {
  const proposer = new Proposer<string>('A', 1, null);
  assert.equal(proposer.receivePromise('A', promise(id(1, 'A'))), false);
  assert.equal(proposer.receiveNack(nack(id(1, 'A'), id(2, 'B'))), false);
});

test('proposer: the value accepted under the highest id wins, in whatever order they come', () => {
  const promises: readonly (readonly [Uid, PromiseMessage<string>])[] = [
    ['A', promise(id(9, 'A'))],
    ['B', promise(id(9, 'A'), id(3, 'C'), 'low')],
    ['C', promise(id(9, 'A'), id(4, 'B'), 'lower uid')],
    ['D', promise(id(9, 'A'), id(4, 'D'), 'highest')],
  ];
  for (const order of ordersOf(promises)) {
    const proposer = new Proposer<string>('A', 4, id(8, 'A'));
    proposer.prepare();
    const counted = order.map(([from, message]) => proposer.receivePromise(from, message));
    assert.deepEqual(counted, [false, false, false, true]);
    assert.deepEqual(proposer.accept('mine'), accept(id(9, 'A'), 'highest'));
  }
});

test('proposer: a value without the id under which it was accepted binds nobody', () => {
  const proposer = preparing();
  for (const from of ['A', 'B']) {
    proposer.receivePromise(from, { ...promise(id(2, 'A')), lastAcceptedValue: 'of nobody' });
  }
  assert.deepEqual(proposer.accept('mine'), accept(id(2, 'A'), 'mine'));
});

test('proposer: what comes after it has asked changes nothing', () => {
  const proposer = preparing();
  proposer.receivePromise('A', promise(id(2, 'A')));
  proposer.receivePromise('B', promise(id(2, 'A')));
  assert.deepEqual(proposer.accept('mine'), accept(id(2, 'A'), 'mine'));
  const { state } = proposer;
  assert.equal(proposer.receivePromise('C', promise(id(2, 'A'), id(1, 'C'), 'late')), false);
  assert.equal(proposer.state, state);
});

test('proposer: that had nothing to ask finishes what a promise after the quorum names', () => {
  const proposer = preparing();
  proposer.receivePromise('A', promise(id(2, 'A')));
  assert.equal(proposer.receivePromise('B', promise(id(2, 'A'))), true);
  assert.equal(proposer.accept(null), null);
  assert.equal(proposer.receivePromise('B', promise(id(2, 'A'), id(1, 'C'), 'old')), false);
  assert.equal(proposer.receivePromise('D', promise(id(2, 'A'))), false);
  assert.equal(proposer.receivePromise('C', promise(id(2, 'A'), id(1, 'C'), 'late')), true);
  assert.deepEqual(proposer.accept('mine'), accept(id(2, 'A'), 'late'));
});

test('proposer: a new round forgets the values of the old one', () => {
  const proposer = preparing();
  proposer.receivePromise('B', promise(id(2, 'A'), id(1, 'C'), 'old'));
  proposer.prepare();
  proposer.receivePromise('A', promise(id(3, 'A')));
  proposer.receivePromise('C', promise(id(3, 'A')));
  assert.deepEqual(proposer.accept('mine'), accept(id(3, 'A'), 'mine'));
});

test('proposer: with nothing to finish and nothing of its own it asks for nothing', () => {
  const proposer = new Proposer<string>('A', 1, null);
  proposer.prepare();
  proposer.receivePromise('A', promise(id(2, 'A')));
  assert.equal(proposer.accept(null), null);
});

test('proposer: it never asks before a quorum, nor twice in a round', () => {
  const proposer = preparing();
  assert.throws(() => new Proposer('A', 2, null).accept('x'), /without a quorum/);
  assert.throws(() => proposer.accept('x'), /without a quorum/);
  proposer.receivePromise('A', promise(id(2, 'A')));
  assert.throws(() => proposer.accept('x'), /without a quorum/);
  proposer.receivePromise('B', promise(id(2, 'A')));
  assert.deepEqual(proposer.accept('x'), accept(id(2, 'A'), 'x'));
  assert.throws(() => proposer.accept('y'), /twice/);
  assert.throws(() => proposer.accept('x'), /twice/);
});

test('proposer: only a nack of the current round ends it', () => {
  const proposer = preparing();
  proposer.prepare();
  assert.equal(proposer.receiveNack(nack(id(2, 'A'), id(5, 'B'))), false);
  assert.equal(proposer.receiveNack(nack(id(3, 'B'), id(5, 'B'))), false);
  assert.ok(proposer.isCurrent(id(3, 'A')));

  assert.equal(proposer.receiveNack(nack(id(3, 'A'), id(5, 'B'))), true);
  assert.equal(proposer.isCurrent(id(3, 'A')), false);
  assert.equal(proposer.receiveNack(nack(id(3, 'A'), id(5, 'B'))), false);
  assert.equal(proposer.receivePromise('B', promise(id(3, 'A'))), false);
});

test('proposer: a nack takes the lead away', () => {
  const proposer = preparing();
  proposer.receivePromise('A', promise(id(2, 'A')));
  proposer.receivePromise('B', promise(id(2, 'A')));
  proposer.receiveNack(nack(id(2, 'A'), id(3, 'C')));
  assert.throws(() => proposer.accept('x'), /without a quorum/);
});

test('proposer: the reserved number needs no promises, and is followed by the common ones', () => {
  const proposer = new Proposer<string>('B', 2, null);
  proposer.assumeLeadership();
  assert.deepEqual(proposer.accept('x'), accept(id(1, 'B'), 'x'));
  assert.throws(() => proposer.accept('y'), /twice/);
  assert.equal(proposer.receiveNack(nack(id(1, 'B'), id(2, 'A'))), true);
  assert.deepEqual(proposer.prepare(), prepare(id(3, 'B')));
});

test('proposer: what an earlier round gathered does not bind the reserved number', () => {
  const proposer = new Proposer<string>('B', 2, null);
  proposer.prepare();
  proposer.receivePromise('A', promise(id(2, 'B'), id(1, 'A'), 'x'));
  proposer.assumeLeadership();
  assert.deepEqual(proposer.state.promisesFrom, []);
  assert.deepEqual(proposer.accept('y'), accept(id(1, 'B'), 'y'));
});

// The learner.

test('learner: a value is chosen once a quorum has accepted it, and that is said once', () => {
  const learner = new Learner<string>(2);
  assert.equal(learner.receiveAccepted('A', accepted(id(2, 'A'), 'x')), false);
  assert.equal(learner.state.chosen, null);
  assert.equal(learner.receiveAccepted('C', accepted(id(2, 'A'), 'x')), true);
  assert.deepEqual(learner.state.chosen, accepted(id(2, 'A'), 'x'));
  assert.equal(learner.receiveAccepted('B', accepted(id(2, 'A'), 'x')), false);
  assert.equal(learner.receiveAccepted('B', accepted(id(3, 'B'), 'x')), false);
});

test('learner: the same acceptor counts once', () => {
  const learner = new Learner<string>(2);
  learner.receiveAccepted('A', accepted(id(2, 'A'), 'x'));
  assert.equal(learner.receiveAccepted('A', accepted(id(2, 'A'), 'x')), false);
  assert.deepEqual(learner.acceptorsOf(id(2, 'A')), ['A']);
});

test('learner: acceptances under different ids are not added up', () => {
  const learner = new Learner<string>(2);
  learner.receiveAccepted('A', accepted(id(2, 'A'), 'x'));
  assert.equal(learner.receiveAccepted('B', accepted(id(3, 'B'), 'x')), false);
  assert.deepEqual(learner.acceptorsOf(id(2, 'A')), ['A']);
  assert.deepEqual(learner.acceptorsOf(id(3, 'B')), ['B']);
});

test('learner: an acceptor that accepts anew still counts for what it accepted before', () => {
  const learner = new Learner<string>(3);
  learner.receiveAccepted('A', accepted(id(2, 'A'), 'x'));
  learner.receiveAccepted('B', accepted(id(2, 'A'), 'x'));
  learner.receiveAccepted('B', accepted(id(2, 'D'), 'x'));
  assert.equal(learner.receiveAccepted('C', accepted(id(2, 'A'), 'x')), true);
  assert.deepEqual(learner.acceptorsOf(id(2, 'A')), ['A', 'B', 'C']);
  assert.deepEqual(learner.acceptorsOf(id(2, 'D')), ['B']);
});

test('learner: an older acceptance that comes late counts', () => {
  const learner = new Learner<string>(2);
  learner.receiveAccepted('A', accepted(id(3, 'B'), 'x'));
  assert.equal(learner.receiveAccepted('A', accepted(id(2, 'A'), 'x')), false);
  assert.equal(learner.receiveAccepted('B', accepted(id(2, 'A'), 'x')), true);
});

test('learner: a copy is no news', () => {
  const learner = new Learner<string>(2);
  learner.receiveAccepted('A', accepted(id(2, 'A'), 'x'));
  const { state } = learner;
  learner.receiveAccepted('A', accepted(id(2, 'A'), 'x'));
  assert.equal(learner.state, state);
});

// All three together.

test('instance: what it hears as an acceptor, its proposer knows', () => {
  const instance = PaxosInstance.restore<string>('A', 2, UNTOUCHED);
  instance.receivePrepare(prepare(id(4, 'B')));
  assert.deepEqual(instance.proposer.prepare(), prepare(id(5, 'A')));
  instance.receiveAccept(accept(id(8, 'C'), 'x'));
  assert.deepEqual(instance.proposer.prepare(), prepare(id(9, 'A')));
});

test('instance: what the disk remembers is where it goes on', () => {
  const instance = PaxosInstance.restore('C', 2, ACCEPTED);
  assert.deepEqual(instance.receivePrepare(prepare(id(3, 'A'))), nack(id(3, 'A'), id(5, 'B')));
  assert.deepEqual(instance.proposer.prepare(), prepare(id(6, 'C')));
});

test('instance: a server alone is its own quorum', () => {
  const { proposer, acceptor, learner } = PaxosInstance.restore<string>('A', 1, UNTOUCHED);
  const promised = acceptor.receivePrepare(proposer.prepare());
  assert.equal(promised.type, 'promise');
  if (promised.type === 'promise') assert.ok(proposer.receivePromise('A', promised));
  const question = proposer.accept('x');
  assert.ok(question !== null);
  const answer = acceptor.receiveAccept(question);
  assert.equal(answer.type, 'accepted');
  if (answer.type === 'accepted') assert.ok(learner.receiveAccepted('A', answer));
  assert.deepEqual(learner.state.chosen, accepted(id(2, 'A'), 'x'));
});
