import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ChainState, EMPTY_CHAIN, type Link, MAX_REMEMBERED_CLIENTS } from '../src/chain.ts';
import { type ProposalId, type Uid, UNTOUCHED } from '../src/composable-paxos.ts';
import { MAX_NUMBER, MAX_VALUE_BYTES, wrongStateField } from '../src/messages.ts';
import { acceptorOf, lostState, readServerState, type ServerState } from '../src/state.ts';
import { printable } from '../src/trace/printable.ts';

const UIDS = ['A', 'B', 'C'];
const id = (number: number, uid: Uid): ProposalId => ({ number, uid });
const link: Link = { update: 'x', id: 'B-0123abcd-1' };
const chain: ChainState = {
  currentValue: 'hello',
  lease: { holder: 'C', id: 'C-0123abcd-2' },
  latestUpdateIds: { A: 'A-0123abcd-1' },
  requests: [{ client: '0123456789abcdef', number: 3, instanceNumber: 6 }],
  forgottenUpTo: 0,
};
const FRESH: ServerState = {
  uid: 'A',
  members: UIDS,
  instanceNumber: 1,
  votesFrom: 1,
  ...EMPTY_CHAIN,
  ...UNTOUCHED,
};
const FULL: ServerState = {
  uid: 'A',
  members: UIDS,
  instanceNumber: 7,
  votesFrom: 3,
  ...chain,
  promisedId: id(5, 'C'),
  acceptedId: id(4, 'B'),
  acceptedValue: link,
};

/** Checks that this is refused for that reason, in a sentence that may stand in a terminal. */
function refuses(stored: unknown, why: RegExp): void {
  assert.throws(
    () => readServerState(stored, 'A', UIDS),
    (error) => {
      assert.ok(error instanceof Error);
      assert.match(error.message, why);
      assert.match(error.message, /^(it|its) /);
      assert.equal(error.message, printable(error.message));
      return true;
    },
    JSON.stringify(stored),
  );
}

test('what a server saves is what it reads', () => {
  const promiseOnly = { ...FULL, acceptedId: null, acceptedValue: null };
  const justAccepted = { ...FULL, promisedId: FULL.acceptedId };
  const lease = { ...FULL, acceptedValue: { lease: null, id: link.id } };
  for (const state of [FRESH, FULL, promiseOnly, justAccepted, lease, lostState('A', UIDS)]) {
    assert.deepEqual(readServerState(JSON.parse(JSON.stringify(state)), 'A', UIDS), state);
  }
});

test('a state from before servers could rejoin has a vote from the first instance on', () => {
  const { votesFrom: _, ...old } = FULL;
  assert.deepEqual(readServerState(old, 'A', UIDS), { ...FULL, votesFrom: 1 });
});

test('the largest state is read, too', () => {
  const uids = [...'ABCDEFGHI'];
  const value = '\0'.repeat((MAX_VALUE_BYTES - 2) / 6);
  const linkId = (uid: Uid) => `${uid}-ffffffff-9999999999999999`;
  const client = (index: number) => index.toString(16).padStart(16, 'f');
  const number = MAX_NUMBER;
  const requests = Array.from({ length: MAX_REMEMBERED_CLIENTS }, (_, index) => {
    return { client: client(index), number, instanceNumber: number };
  });
  const state: ServerState = {
    uid: 'I',
    members: uids,
    instanceNumber: number,
    votesFrom: number,
    currentValue: value,
    lease: { holder: 'I', id: linkId('I') },
    latestUpdateIds: Object.fromEntries(uids.map((uid) => [uid, linkId(uid)])),
    requests,
    forgottenUpTo: number,
    promisedId: id(number, 'I'),
    acceptedId: id(number, 'I'),
    acceptedValue: { update: value, id: linkId('I'), request: `${client(0)}-${number}-${number}` },
  };
  assert.deepEqual(readServerState(JSON.parse(JSON.stringify(state)), 'I', uids), state);
});

test('the acceptor goes on from its part of the state', () => {
  const { promisedId, acceptedId, acceptedValue } = FULL;
  assert.deepEqual(acceptorOf(FULL), { promisedId, acceptedId, acceptedValue });
  assert.deepEqual(acceptorOf(FRESH), UNTOUCHED);
});

test('the state of another server', () => {
  refuses({ ...FULL, uid: 'B' }, /belongs to server "B"/);
  refuses({ ...FULL, uid: '\u001b[2J' }, /belongs to server/);
  refuses({ ...FULL, uid: 'x'.repeat(9_999) }, /^.{1,60}$/);
});

test('a server that is not of this cluster', () => {
  assert.throws(() => readServerState({ ...FULL, uid: 'D' }, 'D', UIDS), /its uid/);
});

test('a state that is no object', () => {
  for (const stored of [undefined, null, true, 1, 'A', [], [FULL]]) {
    refuses(stored, /JSON object/);
  }
});

test('a state that lacks a field, or has one too many', () => {
  const given = ['votesFrom', 'members']; // see below
  for (const name of Object.keys(FULL).filter((known) => !given.includes(known))) {
    const rest = Object.fromEntries(Object.entries(FULL).filter(([field]) => field !== name));
    refuses(rest, new RegExp(`${name} is missing`));
  }
  for (const name of ['extra', 'constructor', 'toString', '']) {
    refuses({ ...FULL, [name]: null }, /more/);
  }
  refuses(JSON.parse(JSON.stringify(FULL).replace('{', '{"__proto__":{},')), /more/);
});

test('a state with something of the wrong kind', () => {
  const kinds = [undefined, true, -1, 0, 1.5, 2 ** 52 + 1, '', '\ud800', [], { number: 1 }];
  for (const name of Object.keys(FULL)) {
    for (const kind of kinds) {
      const isText = kind === '' && name === 'currentValue';
      const isEmptyTable = Array.isArray(kind) && name === 'requests';
      const isMissing = kind === undefined && name === 'members';
      const isNone = kind === 0 && name === 'forgottenUpTo';
      if (isText || isEmptyTable || isNone || isMissing) continue;
      refuses({ ...FULL, [name]: kind }, /^its|belongs/);
    }
  }
});

test('a state with an id of a proposal that nobody can have made', () => {
  const numbers = [0, -1, 1.5, '5', null, 2 ** 52 + 1].map((number) => ({ number, uid: 'C' }));
  const uids = ['D', 'c', '', 1, null].map((uid) => ({ number: 5, uid }));
  for (const wrong of [...numbers, ...uids]) {
    refuses({ ...FULL, promisedId: wrong }, /^its promisedId is not/);
    refuses({ ...FULL, acceptedId: wrong }, /^its acceptedId is not/);
  }
  const largest = { ...FULL, promisedId: id(2 ** 52, 'C') };
  assert.deepEqual(readServerState(largest, 'A', UIDS), largest);
});

test('the state of a server of another cluster, whichever of the two is larger', () => {
  for (const members of [['A'], ['A', 'B'], [...UIDS, 'D'], ['A', 'B', 'D'], []]) {
    refuses({ ...FULL, members }, /^its state is of cluster .*, not A B C; members cannot change/);
  }
  const members = ['A', 'B', 'C', 'D', 'E'];
  // Whatever else in it is of another cluster: this is the reason.
  refuses({ ...FULL, members, promisedId: id(9, 'E') }, /of cluster A B C D E, not A B C/);
  for (const wrong of [null, 'A B C', [['A'], 'B', 'C'], ['A', 'B', 1], ['\u001b[2J']]) {
    refuses({ ...FULL, members: wrong }, /^its members are not what they must be$/);
  }
  for (const wrong of [null, 'ABC', { 0: 'A' }, ['A', 'D'], ['A', 1]]) {
    assert.match(wrongStateField({ ...FULL, members: wrong }, UIDS) ?? '', /^members is not/);
  }
  const reversed = { ...FULL, members: UIDS.toReversed() };
  assert.deepEqual(readServerState(reversed, 'A', UIDS), reversed);
});

test('a state from before members were kept in it is of the cluster that reads it first', () => {
  const { members: _, ...old } = FULL;
  assert.deepEqual(readServerState(old, 'A', UIDS), FULL);
});

test('a promise below what was accepted', () => {
  for (const promisedId of [null, id(4, 'A'), id(3, 'C')]) {
    refuses({ ...FULL, promisedId }, /promise is below/);
  }
});

test('an accepted id without its value, or a value without its id', () => {
  refuses({ ...FULL, acceptedId: null }, /without/);
  refuses({ ...FULL, acceptedValue: null }, /without/);
});
