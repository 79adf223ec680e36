/** The base, where no story and no seed would tell. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ChainState, EMPTY_CHAIN, type Link } from '../src/chain.ts';
import { ClientAnswers } from '../src/client-answers.ts';
import type { Uid } from '../src/composable-paxos.ts';
import { Rejoin } from '../src/rejoin-strategy.ts';
import { MAX_NUMBER_LEAP, ReplicatedValue } from '../src/replicated-value.ts';
import { BackoffResolution } from '../src/resolution-strategy.ts';
import { PlainReplica } from '../src/simulation/replicas.ts';
import { CatchUp } from '../src/sync-strategy.ts';
import { UpdateQueue } from '../src/update-queue.ts';
import { OneReplica } from './one-replica.ts';

test('a server that stops in order has all that is chosen on its disk', () => {
  const one = new OneReplica(PlainReplica, ['A']);
  one.replica.start();
  one.replica.submit('hello');
  assert.equal(one.replica.instanceNumber, 2);
  assert.equal(one.saved?.instanceNumber, 1);
  one.replica.stop();
  assert.equal(one.saved?.instanceNumber, 2);
  assert.equal(one.saved?.currentValue, 'hello');
});

test('a server that does not stop has it there a moment later', () => {
  const one = new OneReplica(PlainReplica, ['A']);
  one.replica.start();
  one.replica.submit('hello');
  one.wait(99);
  assert.equal(one.saved?.instanceNumber, 1);
  one.wait(1);
  assert.equal(one.saved?.instanceNumber, 2);
});

test('nobody can make the chain go back, or stand still', () => {
  class Jumping extends PlainReplica {
    jumpTo(instanceNumber: number, chain: ChainState): void {
      this.jump(instanceNumber, chain);
    }
  }
  const { replica } = new OneReplica(Jumping, ['A', 'B', 'C']);
  const jumping = replica as Jumping;
  jumping.start();
  jumping.jumpTo(7, EMPTY_CHAIN);
  assert.throws(() => jumping.jumpTo(7, EMPTY_CHAIN), /only grows/);
  assert.throws(() => jumping.jumpTo(3, EMPTY_CHAIN), /only grows/);
  assert.equal(jumping.instanceNumber, 7);
});

test('what a server without layers says of itself', () => {
  const { replica } = new OneReplica(ReplicatedValue as typeof PlainReplica, ['A', 'B', 'C']);
  replica.start();
  const { hasLeases, master, leaseLeftMs, isMaster, waiting, votes } = replica;
  assert.deepEqual(
    { hasLeases, master, leaseLeftMs, isMaster, waiting, votes },
    { hasLeases: false, master: null, leaseLeftMs: 0, isMaster: false, waiting: 0, votes: true },
  );
});

test('who asks for links counts them from 1', () => {
  const one = new OneReplica(PlainReplica, ['A', 'B', 'C']);
  one.replica.start();
  one.replica.submit('hello');
  const queued = one.decisions.find((decision) => decision.event === 'update');
  assert.equal(queued?.id, 'A-00000000-1');
});

test('nothing is written that is on the disk already', () => {
  const one = new OneReplica(PlainReplica, ['A']);
  one.replica.start();
  one.replica.stop();
  assert.equal(one.saved, null);

  const once = new OneReplica(PlainReplica, ['A']);
  once.replica.start();
  once.replica.submit('hello');
  once.replica.stop();
  const { saved } = once;
  const again = new OneReplica(PlainReplica, ['A'], saved);
  again.replica.start();
  again.replica.stop();
  assert.equal(again.saved, saved);
});

test('nor is it written again when a question is repeated', () => {
  const one = new OneReplica(PlainReplica, ['A', 'B', 'C']);
  one.replica.start();
  const proposalId = { number: 2, uid: 'B' };
  one.replica.receive('B', { type: 'prepare', instanceNumber: 1, proposalId });
  const { saved } = one;
  assert.equal(saved?.promisedId, proposalId);
  one.replica.receive('B', { type: 'prepare', instanceNumber: 1, proposalId });
  assert.equal(one.saved, saved);
});

test('what could not be saved is not tried again at the end', () => {
  const one = new OneReplica(PlainReplica, ['A']);
  one.replica.start();
  one.replica.submit('hello');
  one.isDiskFull = true;
  assert.throws(() => one.wait(100), /no space/);
  one.replica.stop();
});

test('who is one of two speaks to the other one', () => {
  const one = new OneReplica(PlainReplica, ['A', 'B']);
  one.replica.start();
  assert.deepEqual(
    one.sent.map(({ type }) => type),
    ['sync_request'],
  );
});

test('without a layer for it a message is let be, with a word', () => {
  const one = new OneReplica(ReplicatedValue as typeof PlainReplica, ['A', 'B', 'C']);
  one.replica.start();
  const requestId = '0123456789abcdef-1-1';
  one.replica.receiveFromClient('a client', { type: 'read', requestId, isLocal: false });
  one.replica.receive('B', { type: 'sync_request', instanceNumber: 1, digest: '00000000' });
  const whys = one.decisions.map((decision) => decision.event === 'ignore' && decision.why);
  assert.deepEqual(whys.slice(1), [
    'no layer here answers read',
    'no layer here knows sync_request',
  ]);
});

test('so is a message of another instance', () => {
  const one = new OneReplica(ReplicatedValue as typeof PlainReplica, ['A', 'B', 'C']);
  one.replica.start();
  const proposalId = { number: 2, uid: 'B' };
  const proposalValue = { update: 'x', id: 'B-00000001-1' };
  const accepted = { type: 'accepted', instanceNumber: 1, proposalId, proposalValue } as const;
  one.replica.receive('B', { ...accepted, instanceNumber: 2 });
  for (const from of ['B', 'C', 'A']) one.replica.receive(from, accepted);
  const ignored = one.decisions.filter((decision) => decision.event === 'ignore');
  assert.deepEqual(
    ignored.map(({ why }) => why),
    ['this instance is not open yet', 'this instance is closed'],
  );
});

test('how far a number may leap is not asked in another instance', () => {
  const one = new OneReplica(PlainReplica, ['A', 'B', 'C']);
  one.replica.start();
  const proposalId = { number: 2 ** 21, uid: 'B' };
  const before = one.sent.length;
  one.replica.receive('B', { type: 'prepare', instanceNumber: 5, proposalId });
  assert.deepEqual(
    one.sent.slice(before).map(({ type }) => type),
    ['sync_request'],
  );
});

test('a server says that it has stopped when it has saved', () => {
  const one = new OneReplica(PlainReplica, ['A']);
  one.replica.start();
  one.replica.submit('hello');
  const order: string[] = [];
  Object.defineProperty(one, 'saved', { set: () => order.push('save') });
  one.decisions.push = ({ event }) => order.push(event);
  one.replica.stop();
  assert.deepEqual(order, ['save', 'stop']);
});

test('a number may leap so far, and not one further', () => {
  for (const [number, isPromised] of [
    [1 + 2 ** 20, true],
    [2 + 2 ** 20, false],
  ] as const) {
    const one = new OneReplica(PlainReplica, ['A', 'B', 'C']);
    one.replica.start();
    const proposalId = { number, uid: 'B' };
    one.replica.receive('B', { type: 'prepare', instanceNumber: 1, proposalId });
    assert.equal(one.replica.acceptorState.promisedId !== null, isPromised);
  }
});

test('what was not believed in one instance makes no number of the next one believable', () => {
  const one = new OneReplica(PlainReplica, ['A', 'B', 'C']);
  one.replica.start();
  const leap = (number: number) => {
    const { instanceNumber } = one.replica;
    const proposalId = { number, uid: 'B' };
    one.replica.receive('B', { type: 'prepare', instanceNumber, proposalId });
    return one.replica.acceptorState.promisedId?.number;
  };
  const far = 2 * MAX_NUMBER_LEAP;
  assert.equal(leap(far), undefined);
  one.replica.receive('B', { type: 'catchup', instanceNumber: 2, ...EMPTY_CHAIN });
  assert.equal(leap(far), undefined);
  assert.equal(leap(far), far);
});

/** A base that tells which of its verbs were called. */
function tellingBase(told: Set<string>) {
  return class Base extends ReplicatedValue {
    override submit(value: string): void {
      told.add('submit');
      super.submit(value);
    }
    protected override pursue(): void {
      told.add('pursue');
      super.pursue();
    }
    protected override drive(): void {
      told.add('drive');
      super.drive();
    }
    protected override heard(from: Uid): void {
      told.add('heard');
      super.heard(from);
    }
    protected override preempted(from: Uid): void {
      told.add('preempted');
      super.preempted(from);
    }
    protected override rested(): void {
      told.add('rested');
      super.rested();
    }
    protected override advanced(link: Link | null): void {
      told.add('advanced');
      super.advanced(link);
    }
    protected override nextLink(): Link | null {
      told.add('nextLink');
      return super.nextLink();
    }
  };
}

test('what comes of it in a layer comes to what is below it, too', () => {
  const told = new Set<string>();
  const Base = tellingBase(told);
  class Woven extends ClientAnswers(Rejoin(UpdateQueue(BackoffResolution(CatchUp(Base))))) {}
  const one = new OneReplica(Woven, ['A', 'B', 'C']);
  const expects = (act: () => void, ...names: string[]) => {
    told.clear();
    act();
    for (const name of names) assert.ok(told.has(name), name);
  };
  one.replica.start();
  const round = () => {
    const { instanceNumber, proposalId } = one.lastSent('prepare');
    return { instanceNumber, proposalId };
  };
  const link = { update: 'x', id: 'B-00000001-1' };
  expects(() => one.replica.submit('hello'), 'submit', 'pursue', 'drive');
  expects(
    () => {
      const promisedProposalId = { number: 9, uid: 'C' };
      one.replica.receive('C', { type: 'nack', ...round(), promisedProposalId });
    },
    ...['preempted'],
  );
  const chosen = (id: string) => {
    const { instanceNumber } = one.replica;
    const proposalId = { number: 10, uid: 'B' };
    const said = { instanceNumber, proposalId, proposalValue: { ...link, id } };
    for (const from of ['B', 'C']) one.replica.receive(from, { type: 'accepted', ...said });
  };
  expects(() => chosen('A-00000000-1'), 'heard', 'advanced', 'pursue', 'nextLink');
  expects(
    () => {
      const proposalId = { number: 2, uid: 'B' };
      one.replica.receive('B', { type: 'prepare', instanceNumber: 2, proposalId });
      one.wait(3_000);
      const nothing = { lastAcceptedId: null, lastAcceptedValue: null };
      one.replica.receive('B', { type: 'promise', ...round(), ...nothing });
    },
    ...['heard', 'drive', 'nextLink', 'rested'],
  );
});
