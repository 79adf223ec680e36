/** One server with leases, in the hands of a test: what it does as master, and what no more. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EMPTY_CHAIN, type Link } from '../src/chain.ts';
import { UNTOUCHED } from '../src/composable-paxos.ts';
import { HOLDER_WINDOW_MS, LEASE_WINDOW_MS, LOOK_EVERY_MS } from '../src/master-strategy.ts';
import type { Accept, PeerMessage } from '../src/messages.ts';
import { MasterReplica } from '../src/simulation/replicas.ts';
import { OneReplica } from './one-replica.ts';

const THREE = ['A', 'B', 'C'];
const requestId = '0123456789abcdef-1-1';
const transfer = (to: string) => ({ type: 'transfer', requestId, to }) as const;

/** B accepts what A asks for, so that it is chosen. */
function agree(one: OneReplica): void {
  const { instanceNumber, proposalId, proposalValue } = one.lastSent('accept');
  one.replica.receive('B', { type: 'accepted', instanceNumber, proposalId, proposalValue });
}

/** B promises what A asks for. */
function promise(one: OneReplica): void {
  const { instanceNumber, proposalId } = one.lastSent('prepare');
  const nothing = { lastAcceptedId: null, lastAcceptedValue: null };
  one.replica.receive('B', { type: 'promise', instanceNumber, proposalId, ...nothing });
}

/** A is master, in instance 2, since just now. */
function reigning(): OneReplica {
  const one = new OneReplica(MasterReplica, THREE);
  one.replica.start();
  one.wait(0);
  promise(one);
  agree(one);
  assert.equal(one.replica.isMaster, true);
  return one;
}

/** A knows that B was master, and not since when. */
function bound(luck = 0): OneReplica {
  const lease = { holder: 'B', id: 'B-00000001-1' };
  const state = { uid: 'A', members: THREE, instanceNumber: 2, votesFrom: 1 };
  const one = new OneReplica(MasterReplica, THREE, {
    ...{ ...state, ...EMPTY_CHAIN, ...UNTOUCHED, lease },
  });
  one.luck = luck;
  one.replica.start();
  return one;
}

const accepts = (sent: readonly PeerMessage[]) =>
  sent.filter((message): message is Accept => message.type === 'accept');
const wishes = (sent: readonly PeerMessage[]): readonly Link[] =>
  accepts(sent).map(({ proposalValue }) => proposalValue);
const stands = (sent: readonly PeerMessage[]) => sent.some(({ type }) => type === 'prepare');

test('a master says that it is, to the last moment', () => {
  const one = reigning();
  assert.equal(one.replica.master, 'A');
  one.nowMs += HOLDER_WINDOW_MS - 1;
  assert.equal(one.replica.leaseLeftMs, 1);
  assert.equal(one.replica.isMaster, true);
  one.nowMs += 1;
  assert.equal(one.replica.isMaster, false);
  assert.equal(one.replica.master, null);
});

test('a lease counts from before it was accepted anywhere, this server included', () => {
  const one = new OneReplica(MasterReplica, THREE);
  one.replica.start();
  one.wait(0);
  one.saveTakesMs = 2_000;
  promise(one);
  agree(one);
  assert.equal(one.replica.leaseLeftMs, HOLDER_WINDOW_MS - 2_000);
});

test('a master reads from memory, and needs no message for it', () => {
  const one = reigning();
  const before = one.sent.length;
  one.replica.receiveFromClient('a client', { type: 'read', requestId, isLocal: false });
  const value = { type: 'value', requestId, instanceNumber: 2, value: null, isCurrent: true };
  assert.deepEqual(one.replies, [value]);
  assert.equal(one.sent.length, before);
});

test('who hands its lease back neither answers nor reads from memory', () => {
  const one = reigning();
  const request = { type: 'request', requestId, value: 'x' } as const;
  one.replica.receiveFromClient('a client', request);
  agree(one);
  assert.equal(one.replies.at(-1)?.type, 'chosen');
  one.replica.retire(() => {});
  assert.ok(one.replica.leaseLeftMs > 0);
  assert.equal(one.replica.isMaster, false);
  one.replica.receiveFromClient('a client', request);
  one.replica.receiveFromClient('a client', { type: 'read', requestId, isLocal: false });
  assert.deepEqual(
    one.replies.slice(1).map(({ type }) => type),
    ['refused', 'refused'],
  );
});

test('a master uses the reserved number once in an instance', () => {
  const one = reigning();
  one.replica.submit('x');
  const { instanceNumber, proposalId } = one.lastSent('accept');
  assert.deepEqual(proposalId, { number: 1, uid: 'A' });
  const promisedProposalId = { number: 2, uid: 'C' };
  one.replica.receive('C', { type: 'nack', instanceNumber, proposalId, promisedProposalId });
  const sent = one.wait(10);
  assert.deepEqual(accepts(sent), []);
  assert.deepEqual(one.lastSent('prepare').proposalId, { number: 3, uid: 'A' });
});

test('whose lease is over proposes nothing of what waits', () => {
  const one = reigning();
  one.replica.submit('x');
  one.replica.submit('y');
  one.nowMs += HOLDER_WINDOW_MS;
  const before = one.sent.length;
  agree(one);
  assert.equal(one.replica.instanceNumber, 3);
  assert.deepEqual(
    one.sent.slice(before).filter(({ type }) => type === 'prepare' || type === 'accept'),
    [],
  );
});

test('who is asked to stand while it is bound stands when it is not', () => {
  const one = bound();
  one.replica.receiveFromClient('a client', transfer('A'));
  assert.equal(stands(one.wait(LEASE_WINDOW_MS - 1)), false);
  assert.equal(stands(one.wait(1)), true);
});

test('who is asked for another one says who is master, and does not stand itself', () => {
  const one = bound();
  one.replica.receiveFromClient('a client', transfer('C'));
  assert.match(JSON.stringify(one.replies.at(-1)), /the master is B/);
  one.nowMs += LEASE_WINDOW_MS;
  one.replica.receiveFromClient('a client', transfer('C'));
  assert.match(JSON.stringify(one.replies.at(-1)), /it stands for master/);
  assert.equal(stands(one.sent), false);
});

test('who is bound promises to the holder, and to nobody else', () => {
  const one = bound();
  const prepare = (uid: string, number: number) => {
    const proposalId = { number, uid };
    one.replica.receive(uid, { type: 'prepare', instanceNumber: 2, proposalId });
    return one.replica.acceptorState.promisedId?.uid;
  };
  assert.equal(prepare('C', 2), undefined);
  assert.equal(prepare('B', 2), 'B');
  assert.equal(prepare('C', 3), 'B');
  one.nowMs += LEASE_WINDOW_MS;
  assert.equal(prepare('C', 3), 'C');
});

test('alone it stands at once when asked to, and stays master', () => {
  const one = new OneReplica(MasterReplica, ['A']);
  one.luck = 0.9;
  one.replica.start();
  one.replica.receiveFromClient('a client', transfer('A'));
  assert.equal(one.replica.isMaster, true);
  for (let n = 0; n < 10; n += 1) {
    one.wait(3_000);
    assert.equal(one.replica.isMaster, true);
  }
});

test('who has handed its lease over takes what comes when it is master again', () => {
  const one = new OneReplica(MasterReplica, ['A']);
  one.replica.start();
  one.wait(0);
  one.replica.receiveFromClient('a client', transfer('B'));
  assert.equal(one.replica.isMaster, false);
  one.wait(999);
  assert.equal(one.replica.isMaster, false);
  one.wait(1);
  assert.equal(one.replica.isMaster, true);
  one.replica.submit('x');
  assert.equal(one.replica.chain.currentValue, 'x');
});

test('a lease of ours that is chosen too late is none', () => {
  const one = new OneReplica(MasterReplica, THREE);
  one.replica.start();
  one.wait(0);
  promise(one);
  one.nowMs += HOLDER_WINDOW_MS;
  agree(one);
  assert.deepEqual([one.replica.isMaster, one.replica.leaseLeftMs], [false, 0]);
  const lease = one.decisions.filter((decision) => decision.event === 'lease').at(-1);
  assert.equal(lease?.what, 'unknown');
});

test('a lease of ours that is chosen in the last moment is one', () => {
  const one = new OneReplica(MasterReplica, THREE);
  one.replica.start();
  one.wait(0);
  promise(one);
  one.nowMs += HOLDER_WINDOW_MS - 1;
  const before = new Set(one.timers);
  agree(one);
  assert.equal(one.replica.isMaster, true);
  const set = [...one.timers].filter((timer) => !before.has(timer)).map(({ atMs }) => atMs);
  assert.equal(Math.min(...set), one.nowMs, 'it asks for the next one now, and not in the past');
});

test('a jump within its own lease is no news to a master', () => {
  const one = reigning();
  const { chain } = one.replica;
  one.replica.receive('B', { type: 'catchup', instanceNumber: 9, ...chain });
  assert.equal(one.replica.isMaster, true);
  const news = one.decisions.filter((decision) => decision.event === 'lease');
  assert.equal(news.filter(({ what }) => what === 'ours').length, 1);
});

test('half-way through its lease a master asks for the next one, once', () => {
  const one = reigning();
  assert.deepEqual(wishes(one.wait(LEASE_WINDOW_MS / 2 - 1)), []);
  assert.deepEqual(
    wishes(one.wait(1)).map((link) => 'lease' in link && link.lease),
    ['A'],
  );
  agree(one);
  assert.equal(one.replica.leaseLeftMs, HOLDER_WINDOW_MS);
  assert.deepEqual(wishes(one.wait(LEASE_WINDOW_MS / 2 - 1)), []);
});

test('who has no lease, and asks for none, need not hand one back', () => {
  const one = bound();
  let isDone = false;
  one.replica.retire(() => {
    isDone = true;
  });
  assert.equal(isDone, true);
  assert.ok(!one.sent.some(({ type }) => type === 'prepare'));
});

test('who has only begun to ask for a lease need not hand it back', () => {
  const one = new OneReplica(MasterReplica, THREE);
  one.replica.start();
  one.wait(0);
  let isDone = false;
  one.replica.retire(() => {
    isDone = true;
  });
  assert.equal(isDone, true);
});

test('a lease that is granted while the one before is handed back makes nobody master', () => {
  const one = reigning();
  one.wait(LEASE_WINDOW_MS / 2);
  one.replica.receiveFromClient('a client', transfer('B'));
  agree(one);
  assert.equal(one.replica.isMaster, false);
  const news = one.decisions.filter((decision) => decision.event === 'lease');
  assert.equal(news.filter(({ what }) => what === 'ours').length, 1);
});

test('who hands its lease over takes nothing meanwhile, and stands again after the others', () => {
  const one = reigning();
  one.replica.receiveFromClient('a client', transfer('B'));
  promise(one); // it is master no longer, and goes through both phases
  const link = one.lastSent('accept').proposalValue;
  assert.equal('lease' in link && link.lease, null);
  const during = { type: 'request', requestId, value: 'x' } as const;
  one.replica.receiveFromClient('a client', during);
  assert.match(JSON.stringify(one.replies.at(-1)), /hands its lease over/);
  one.replica.receiveFromClient('a client', transfer('A'));
  assert.match(JSON.stringify(one.replies.at(-1)), /it stands for master/);
  one.replica.receiveFromClient('a client', transfer('C'));
  assert.match(JSON.stringify(one.replies.at(-1)), /it stands for master/);
  agree(one);
  assert.match(JSON.stringify(one.replies.at(-1)), /the lease is handed back/);
  one.replica.receiveFromClient('a client', during);
  assert.match(JSON.stringify(one.replies.at(-1)), /there is no master yet/);
  one.wait(1_000);
  promise(one);
  agree(one);
  assert.equal(one.replica.isMaster, true);
});

test('no clock is looked at when no lease of ours may count any more', () => {
  const one = reigning();
  const looks = () => [...one.timers].some(({ atMs }) => atMs <= one.nowMs + LOOK_EVERY_MS);
  one.wait(LEASE_WINDOW_MS / 2);
  assert.equal(looks(), true);
  one.wait(HOLDER_WINDOW_MS - 1); // that of the next one, for which nobody has asked so far
  assert.equal(looks(), true);
  one.wait(100);
  assert.equal(looks(), false);
});

test('a master that stops leaves no timer, even if its disk is full', () => {
  for (const isDiskFull of [false, true]) {
    const one = reigning();
    one.isDiskFull = isDiskFull;
    if (isDiskFull) assert.throws(() => one.replica.stop(), /no space/);
    else one.replica.stop();
    assert.equal(one.timers.size, 0);
  }
});

test('who is asked to stand, twice and more, stands once', () => {
  const one = new OneReplica(MasterReplica, THREE);
  one.luck = 0.9; // it would not stand by itself before 450 ms
  one.replica.start();
  for (let n = 0; n < 2; n += 1) one.replica.receiveFromClient('a client', transfer('A'));
  one.wait(450);
  const wanted = () =>
    one.decisions.filter((decision) => decision.event === 'lease' && decision.what === 'wanted');
  assert.equal(wanted().length, 1);
  promise(one);
  one.replica.receiveFromClient('a client', transfer('A'));
  const before = one.sent.length;
  agree(one);
  assert.equal(one.replica.isMaster, true);
  assert.deepEqual(wishes(one.sent.slice(before)), [], 'nothing is left to wish for');
});

test('who is asked to hand its lease over twice answers whoever came first', () => {
  const one = reigning();
  one.replica.submit('x'); // until this is chosen it is master
  one.replica.receiveFromClient('a client', transfer('B'));
  one.replica.receiveFromClient('another one', transfer('C'));
  agree(one);
  promise(one);
  agree(one);
  assert.match(JSON.stringify(one.replies), /^\[\{[^{]*the lease is handed back[^{]*"B"[^{]*\}\]$/);
});

test('who stands waits at random, and longer where all have waited for one moment', () => {
  const waits = (one: OneReplica, ms: number) => {
    assert.equal(stands(one.wait(ms - 1)), false);
    assert.equal(stands(one.wait(1)), true);
  };
  const fresh = new OneReplica(MasterReplica, THREE);
  fresh.luck = 0.5;
  fresh.replica.start();
  waits(fresh, 250);
  const one = bound(0.5);
  waits(one, LEASE_WINDOW_MS + 500);
  const over = reigning();
  over.luck = 0.5;
  over.replica.receiveFromClient('a client', transfer('B'));
  promise(over);
  agree(over);
  waits(over, 1_250);
});

test('a value that is chosen is not called lost because somebody else is master by then', () => {
  const one = reigning();
  one.replica.submit('x');
  const { id } = one.lastSent('accept').proposalValue;
  one.replica.receive('B', {
    ...{ type: 'catchup', instanceNumber: 9, ...EMPTY_CHAIN },
    ...{
      currentValue: 'x',
      latestUpdateIds: { A: id },
      lease: { holder: 'B', id: 'B-00000001-1' },
    },
  });
  const told = one.decisions.filter((decision) => decision.event === 'update');
  assert.deepEqual(
    told.map(({ what }) => what),
    ['queued', 'chosen'],
  );
});

test('who has handed its lease back for good does not stand again', () => {
  const one = reigning();
  one.wait(LEASE_WINDOW_MS / 2 - 1); // soon it would have asked for the next lease
  one.replica.retire(() => {});
  promise(one);
  one.wait(1_000);
  agree(one);
  one.wait(60_000);
  const news = one.decisions.filter((decision) => decision.event === 'lease');
  assert.deepEqual(
    news.map(({ what, lastsMs }) => [what, lastsMs]),
    [
      ['wanted', 0],
      ['ours', HOLDER_WINDOW_MS],
      ['handing back', 0],
      ['over', 0],
    ],
  );
});

test('a lease that an earlier run was granted is not the one that this run has asked for', () => {
  const one = new OneReplica(MasterReplica, THREE);
  one.replica.start();
  one.wait(0);
  promise(one);
  assert.deepEqual(wishes(one.sent).length, 1);
  const lease = { holder: 'A', id: 'A-00000009-1' };
  one.replica.receive('B', { type: 'catchup', instanceNumber: 9, ...EMPTY_CHAIN, lease });
  assert.equal(one.replica.isMaster, false);
});
