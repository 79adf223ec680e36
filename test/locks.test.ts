/** Locks: what each command does; that they end by links; and which histories are those of one. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { KeyValue } from '../src/log/key-value.ts';
import { MOST_LOCKS } from '../src/log/locks.ts';
import { findStoreContradiction, type StoreOperation } from '../src/log/store-history.ts';
import { run } from '../src/simulation/run.ts';
import { drawSchedule } from '../src/simulation/schedule.ts';

/** Each in the instance that it names. */
function assertAnswers(machine: KeyValue, steps: readonly (readonly [number, string, string])[]) {
  for (const [instanceNumber, command, answer] of steps) {
    assert.equal(machine.apply(command, instanceNumber), answer, command);
  }
}

suite('the locks of a machine', () => {
  test('are taken, renewed and given back by whoever shows the token', () => {
    const machine = new KeyValue();
    const empty = machine.digest;
    assertAnswers(machine, [
      [3, 'lock job alice 5000', 'token 3'],
      [4, 'lock job bob 5000', 'held by alice, token 3'],
      [5, 'lock other bob 5000', 'token 5'],
      [6, 'lock job alice 7000', 'token 3'],
      [7, 'renew job 3 9000', 'ok'],
      [8, 'renew job 2 9000', 'held by alice, token 3'],
      [9, 'unlock job 5', 'held by alice, token 3'],
      [10, 'unlock job 3', 'ok'],
      [11, 'unlock job 3', 'the lock is not held'],
      [12, 'renew job 3 9000', 'the lock is not held'],
      [13, 'lock job bob 5000', 'token 13'],
    ]);
    assert.equal(machine.query('lock job'), 'held by bob, token 13, for 5000 ms since instance 13');
    assertAnswers(machine, [
      [14, 'unlock job 13', 'ok'],
      [15, 'unlock other 5', 'ok'],
    ]);
    assert.equal(machine.query('lock job'), null);
    assert.equal(machine.digest, empty);
  });

  test('end only if nobody has held them anew since then', () => {
    const machine = new KeyValue();
    assertAnswers(machine, [
      [1, 'lock job alice 5000', 'token 1'],
      [2, 'renew job 1 5000', 'ok'],
      [3, 'expire job 1', 'renewed or taken meanwhile'],
      [4, 'lock job alice 5000', 'token 1'],
      [5, 'expire job 2', 'renewed or taken meanwhile'],
      [6, 'expire job 4', 'ok'],
      [7, 'expire job 4', 'the lock is not held'],
      [8, 'lock job bob 5000', 'token 8'],
      [9, 'expire job 4', 'renewed or taken meanwhile'],
    ]);
    assert.equal(machine.query('lock job')?.startsWith('held by bob, token 8'), true);
    assert.match(`${machine.whyNoCommand('expire job 8')}`, /^it is none of these/);
  });

  test('fence what is sent along with their token', () => {
    const machine = new KeyValue();
    assertAnswers(machine, [
      [1, 'set page x if-token job 1', 'the lock is not held'],
      [2, 'lock job alice 5000', 'token 2'],
      [3, 'set page 1 if-token job 2', 'ok'],
      [4, 'set page 2 if-token job 1', 'held by alice, token 2'],
      [5, 'set page 2 if-token other 2', 'the lock is not held'],
      [6, 'delete page if-token job 1', 'held by alice, token 2'],
      [7, 'expire job 2', 'ok'],
      [8, 'set page 2 if-token job 2', 'the lock is not held'],
      [9, 'lock job bob 5000', 'token 9'],
      [10, 'set page 2 if-token job 2', 'held by bob, token 9'],
      [11, 'delete page if-token job 9', 'ok'],
    ]);
  });

  test('give no token twice, whatever is guessed within one instance', () => {
    const machine = new KeyValue();
    assertAnswers(machine, [
      [7, 'lock job alice 5000', 'token 7'],
      [7, 'unlock job 7', 'held by alice, token 7'],
      [7, 'renew job 7 5000', 'held by alice, token 7'],
      [7, 'set page x if-token job 7', 'held by alice, token 7'],
      [7, 'lock job bob 5000', 'held by alice, token 7'],
    ]);
  });

  test('are in snapshots, and in the digest', () => {
    const machine = new KeyValue();
    machine.apply('set color blue', 1);
    const before = machine.digest;
    machine.apply('lock job alice 5000', 2);
    machine.apply('lock other bob 5000', 3);
    assert.notEqual(machine.digest, before);
    const pieces = machine.snapshot();
    const { digest } = machine;
    machine.apply('unlock job 2', 4);
    assert.notEqual(machine.digest, digest);
    const other = new KeyValue();
    for (const piece of pieces) other.restore(JSON.parse(JSON.stringify(piece)));
    assert.equal(other.digest, digest);
    assert.equal(other.apply('lock job carol 5000', 4), 'held by alice, token 2');
    const lock = { lock: 'x', owner: 'a', token: 1, since: 1, forMs: 100 };
    const wrong = [
      { ...lock, token: 0 },
      { ...lock, owner: '' },
      { ...lock, more: 1 },
      { lock: 'x' },
    ];
    for (const piece of [...wrong, { ...lock, lock: 'job' }]) {
      assert.throws(() => other.restore(piece), /^Error: it holds/);
    }
    assert.equal(other.digest, digest);
  });

  test('what makes no lock is refused with one sentence, and changes nothing', () => {
    const machine = new KeyValue();
    const { digest } = machine;
    const wrong: readonly [string, RegExp][] = [
      ['lock job alice 0', /^a lock is held for 100 to 86400000 ms$/],
      ['lock job alice 99', /^a lock is held/],
      ['lock job alice 31536000000', /^a lock is held/],
      ['lock job alice 1e3', /^a lock is held/],
      [`lock ${'x'.repeat(65)} alice 5000`, /1 to 64 printable ASCII characters/],
      ['lock "a b" alice 5000', /1 to 64/],
      ['lock job "" 5000', /1 to 64/],
      ['lock job é 5000', /1 to 64/],
      ['lock job alice', /^it must be: lock NAME OWNER MS$/],
      ['renew job x 5000', /^a token is the number/],
      ['renew job 1 50', /^a lock is held/],
      ['unlock job 0', /^a token is the number/],
      ['unlock job -1', /^a token is the number/],
      ['set page x if-token job', /^it must be/],
      ['set page x if-token job x', /^a token is the number/],
      ['delete page if-token "a b" 1', /1 to 64/],
    ];
    for (const [line, why] of wrong) {
      assert.match(`${machine.whyNoCommand(line)}`, why, line);
      assert.match(machine.apply(line, 1), why);
    }
    assert.equal(machine.digest, digest);
  });

  test('are so many at most', () => {
    const machine = new KeyValue();
    for (let at = 1; at <= MOST_LOCKS; at += 1) machine.apply(`lock l${at} alice 5000`, at);
    assert.equal(machine.apply('lock more alice 5000', 2_000), '1000 locks are held already');
    assert.equal(machine.apply('lock l1 alice 5000', 2_001), 'token 1');
  });
});

type Span = readonly [call: number, end: number | null];

/** `instance` is told with an answer. */
function asked(line: string, answer: string | null, [call, end]: Span, instance = 0) {
  const outcome = end === null ? 'unknown' : 'ok';
  const operation: StoreOperation = { client: 'c', line, answer, call, return: end, outcome };
  return instance === 0 ? operation : { ...operation, instanceNumber: instance };
}

const TAKEN = asked('lock job a 500', 'token 3', [1, 2], 3);
const ENDED = asked('expire job 3', null, [3, null]);
const HELD = 'held by a, token 3';

const RIGHT: readonly (readonly StoreOperation[])[] = [
  [TAKEN, ENDED, asked('lock job b 500', 'token 6', [4, 5], 6)],
  [TAKEN, asked('lock job b 500', HELD, [4, 5], 6), ENDED],
  [TAKEN, asked('unlock job 3', 'ok', [3, 4]), asked('lock job b 500', 'token 6', [5, 6], 6)],
  [TAKEN, asked('unlock job 3', null, [3, null]), asked('lock job b 500', 'token 6', [5, 6], 6)],
  [TAKEN, asked('renew job 3 9', 'ok', [3, 4], 5), asked('set k v if-token job 3', 'ok', [5, 6])],
  [asked('lock job a 500', null, [1, null]), asked('lock job b 500', HELD, [4, 5], 6)],
  [
    asked('lock job b 500', 'token 6', [4, 5], 6),
    asked('set k v if-token job 3', 'held by b, token 6', [6, 7]),
  ],
  [TAKEN, ENDED, asked('lock job', null, [5, 6])],
  [TAKEN, asked('lock other b 500', 'token 4', [3, 4], 4)],
];

const WRONG: readonly (readonly StoreOperation[])[] = [
  // Nobody has ended it.
  [TAKEN, asked('lock job b 500', 'token 6', [4, 5], 6)],
  [TAKEN, asked('lock job', null, [4, 5])],
  [TAKEN, asked('renew job 3 9', 'the lock is not held', [4, 5])],
  // What has ended is not the lock that was held.
  [
    TAKEN,
    asked('renew job 3 9', 'ok', [3, 4], 5),
    { ...ENDED, call: 5 },
    asked('lock job', null, [6, 7]),
  ],
  // Its end came later.
  [TAKEN, asked('lock job b 500', 'token 6', [4, 5], 6), { ...ENDED, call: 6 }],
  // A token that goes backwards, or is none of this instance.
  [TAKEN, ENDED, asked('lock job b 500', 'token 2', [4, 5], 2)],
  [TAKEN, ENDED, asked('lock job b 500', 'token 5', [4, 5], 6)],
  // An old token that counts.
  [
    TAKEN,
    ENDED,
    asked('lock job b 500', 'token 6', [4, 5], 6),
    asked('set k v if-token job 3', 'ok', [6, 7]),
  ],
  [
    TAKEN,
    ENDED,
    asked('lock job b 500', 'token 6', [4, 5], 6),
    asked('unlock job 3', 'ok', [6, 7]),
  ],
  [TAKEN, asked('unlock job 3', 'ok', [3, 4]), asked('unlock job 3', 'ok', [5, 6])],
];

test('histories of locks that can be pass, and those that cannot do not', () => {
  for (const history of RIGHT) assert.equal(findStoreContradiction(history), null);
  for (const history of WRONG) {
    assert.match(`${findStoreContradiction(history)}`, /^of lock "job" .* cannot be: there was/);
  }
});

test('a history of simulated locks is wrong once a token, or who holds it, is changed', () => {
  let mutants = 0;
  for (let seed = 1; seed <= 5; seed += 1) {
    const { violation, storeHistory } = run(drawSchedule(seed, 3, 60, null), {
      leases: seed % 2 === 0,
      store: true,
    });
    assert.equal(violation, null, `seed ${seed}`);
    for (const [at, told] of storeHistory.entries()) {
      if (told.outcome !== 'ok' || !told.line.startsWith('lock ')) continue;
      const token = /token (\d+)$/.exec(told.answer ?? '')?.[1];
      if (token === undefined) continue;
      const other = told.answer?.replace(token, `${Number(token) + 1}`) ?? null;
      assert.notEqual(
        findStoreContradiction(storeHistory.with(at, { ...told, answer: other })),
        null,
      );
      mutants += 1;
    }
  }
  assert.ok(mutants > 2, `${mutants}`);
});
