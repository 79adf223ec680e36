/** What becomes of the members when a client wants them changed: every rule, and every refusal. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  applyLink,
  EMPTY_CHAIN,
  isMade,
  type MembersLink,
  type Roster,
  rollOf,
} from '../src/chain.ts';
import { changed } from '../src/log/membership.ts';
import { MembersReplica } from '../src/log/replicas.ts';
import type { ChangeMessage } from '../src/messages.ts';
import { OneReplica } from './one-replica.ts';

const ROSTER: Roster = {
  A: { address: 'a:1', role: 'voting' },
  B: { address: 'b:1', role: 'voting' },
  D: { address: 'd:1', role: 'joining' },
  E: { address: 'e:1', role: 'passive' },
};
const BEFORE = { members: ROSTER, used: ['A', 'B', 'C', 'D', 'E'] };

function change(what: Partial<ChangeMessage>) {
  const nothing = { remove: [], vote: {}, join: {}, follow: {}, isForced: false };
  const requestId = '0123456789abcdef-1-1';
  return changed(BEFORE, { type: 'change', requestId, ...nothing, ...what });
}

test('a life goes one way: unknown, joining, voting, gone', () => {
  const joined = change({ join: { F: 'f:1' } });
  assert.ok(typeof joined !== 'string');
  assert.deepEqual(joined.members['F'], { address: 'f:1', role: 'joining' });
  assert.deepEqual(joined.used, ['A', 'B', 'C', 'D', 'E', 'F']);

  const voting = change({ vote: { D: null } });
  assert.ok(typeof voting !== 'string');
  assert.deepEqual(voting.members['D'], { address: 'd:1', role: 'voting' });

  const gone = change({ remove: ['B'] });
  assert.ok(typeof gone !== 'string');
  assert.deepEqual([Object.keys(gone.members), gone.used], [['A', 'D', 'E'], BEFORE.used]);
});

test('all may be replaced in one step, and an address may be taken over', () => {
  const next = change({ remove: ['A', 'B'], vote: { D: null, F: 'a:1' }, isForced: true });
  assert.ok(typeof next !== 'string');
  assert.deepEqual(Object.keys(next.members).sort(), ['D', 'E', 'F']);
});

test('what cannot be is told in one sentence', () => {
  const cases: readonly (readonly [Partial<ChangeMessage>, RegExp])[] = [
    [{ remove: ['C'] }, /^there is no member C$/],
    [{ remove: ['A', 'B'] }, /^the last server that votes cannot be removed$/],
    [{ vote: { B: null } }, /^B votes already$/],
    [{ vote: { E: null } }, /^E is passive for ever/],
    [{ vote: { D: 'elsewhere:1' } }, /^D is at d:1$/],
    [{ vote: { F: null } }, /^nobody knows where F is/],
    [{ vote: { F: 'f:1' } }, /^F has not joined/],
    [{ vote: { C: 'c:1' }, isForced: true }, /^the name C was given before: .* like C2$/],
    [{ join: { C: 'c:1' } }, /^the name C was given before/],
    [{ join: { B: 'b:1' } }, /^the name B was given before/],
    [{ join: { D: 'elsewhere:1' } }, /^the name D was given before/],
    [{ join: { E: 'e:1' } }, /^the name E was given before/],
    [{ remove: ['D'], join: { D: 'd:1' } }, /^the name D was given before/],
    [{ follow: { F: 'b:1' } }, /^b:1 is the address of B already, and cannot be that of F$/],
    [{ vote: many(8), isForced: true }, /^no more than 9 may vote$/],
    [{ join: many(8) }, /^no more than 9 may follow$/],
  ];
  for (const [what, says] of cases) {
    const why = change(what);
    assert.equal(typeof why, 'string', JSON.stringify(what));
    assert.match(why as string, says);
  }
});

test('who was let in, and cut off before it heard so, is let in again, as it was', () => {
  assert.deepEqual(change({ join: { D: 'd:1' } }), BEFORE);
  assert.deepEqual(change({ follow: { E: 'e:1' } }), BEFORE);
});

test('a change that was made, and others since, is known as made', () => {
  const nothing = { remove: [], vote: {}, join: {}, follow: {}, isForced: false };
  const requestId = '0123456789abcdef-1-1';
  const cases: readonly (readonly [Partial<ChangeMessage>, boolean])[] = [
    [{ remove: ['C'] }, true],
    [{ remove: ['C'], vote: { A: null, B: 'b:1' } }, true],
    [{ remove: ['C', 'B'] }, false],
    [{ remove: ['F'] }, false],
    [{ vote: { D: null } }, false],
    [{ vote: { B: 'elsewhere:1' } }, false],
    // Only the chain lets somebody in.
    [{ join: { D: 'd:1' } }, false],
    [{ follow: { E: 'e:1' } }, false],
  ];
  for (const [what, made] of cases) {
    const message = { type: 'change', requestId, ...nothing, ...what } as const;
    assert.equal(isMade(BEFORE, message), made, JSON.stringify(what));
  }
});

function many(count: number): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: count }, (_, index) => [`F${index + 1}`, `f:${index + 1}`]),
  );
}

test('of two changes of the same members one takes effect', () => {
  const link = (uid: string, of: number): MembersLink => ({
    members: { [uid]: { address: `${uid}:1`, role: 'voting' } },
    used: ['A', 'B'],
    of,
    by: `0123456789abcdef-1-${of + 1}`,
    id: 'A-0123abcd-1',
  });
  const first = applyLink(EMPTY_CHAIN, link('A', 0), 4);
  assert.deepEqual(rollOf(first.membership, ['X']).voters, ['A']);
  assert.equal(applyLink(first, link('B', 0), 5), first);
  assert.deepEqual(rollOf(applyLink(first, link('B', 4), 5).membership, []).voters, ['B']);
  assert.deepEqual(rollOf(undefined, ['X']).voters, ['X']);
});

test('Who was removed asks whether it may go, unless something was chosen since then', () => {
  const since = 5;
  const member = (port: number) => ({ address: `127.0.0.1:${port}`, role: 'voting' }) as const;
  const membership = {
    ...{ members: { A: member(1), B: member(2) }, used: ['A', 'B', 'C'] },
    ...{ of: 0, by: '0123456789abcdef-1-1', since },
  };
  for (const [instanceNumber, mayGo] of [
    [since + 1, false],
    [since + 2, true],
  ] as const) {
    const one = new OneReplica(MembersReplica, ['C', 'A', 'B']);
    one.replica.start();
    one.replica.receive('A', { type: 'catchup', instanceNumber, ...EMPTY_CHAIN, membership });
    const said = one.decisions.flatMap((decision) =>
      decision.event === 'members' ? [decision.what] : [],
    );
    assert.deepEqual(said, mayGo ? ['changed', 'removed', 'left'] : ['changed', 'removed']);
    assert.equal(
      one.sent.some(({ type }) => type === 'level_request'),
      !mayGo,
    );
  }
});
