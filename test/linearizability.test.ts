/** Histories of one register: the right ones pass, and each kind of wrong one is told apart. */
import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { suite, test } from 'node:test';
import { Random } from '../src/simulation/random.ts';
import {
  findContradiction,
  type Operation,
  wrongInOperation,
} from '../src/trace/linearizability.ts';

type Span = readonly [call: number, end: number | null];

function write(client: string, value: string, [call, end]: Span): Operation {
  return {
    client,
    op: 'write',
    value,
    call,
    return: end,
    outcome: end === null ? 'unknown' : 'ok',
  };
}

function read(client: string, value: string | null, [call, end]: Span): Operation {
  return { client, op: 'read', value, call, return: end, outcome: end === null ? 'unknown' : 'ok' };
}

const RIGHT: readonly [string, readonly Operation[]][] = [
  ['nothing at all', []],
  ['a read before any write', [read('c1', null, [1, 2]), write('c1', 'x', [3, 4])]],
  ['a read of what was written', [write('c1', 'x', [1, 2]), read('c2', 'x', [3, 4])]],
  ['a read of what is just being written', [write('c1', 'x', [1, 9]), read('c2', 'x', [3, 4])]],
  ['a read of what is not yet written', [write('c1', 'x', [1, 9]), read('c2', null, [3, 4])]],
  [
    'two writes at once, in either order',
    [write('c1', 'x', [1, 5]), write('c2', 'y', [1, 5]), read('c1', 'x', [6, 7])],
  ],
  [
    'reads that see a write between two others',
    [
      write('c1', 'x', [1, 2]),
      write('c2', 'y', [3, 8]),
      read('c1', 'x', [4, 5]),
      read('c3', 'y', [6, 7]),
    ],
  ],
  ['an unknown write that never was', [write('c1', 'x', [1, null]), read('c2', null, [5, 6])]],
  [
    'an unknown write that comes late',
    [write('c1', 'x', [1, null]), write('c2', 'y', [2, 3]), read('c2', 'x', [8, 9])],
  ],
  ['a read without an answer', [write('c1', 'x', [1, 2]), read('c2', null, [3, null])]],
  [
    'a write that nobody sees between two others',
    [write('c1', 'x', [1, 2]), write('c2', 'y', [1, 9]), read('c1', 'x', [3, 4])],
  ],
  [
    'a value that is written twice',
    [
      write('c1', 'x', [1, 2]),
      write('c2', 'y', [3, 4]),
      read('c3', 'y', [5, 6]),
      write('c1', 'x', [7, 8]),
      read('c3', 'x', [9, 10]),
    ],
  ],
  ['an end that is the next call', [write('c1', 'x', [1, 2]), read('c2', null, [2, 3])]],
];

const WRONG: readonly [string, readonly Operation[], string][] = [
  [
    'a stale read',
    [write('c1', 'v7', [1, 2]), write('c1', 'v9', [10, 11.5]), read('c2', 'v7', [12, 13.5])],
    'the read of "v7" by c2 [12..13.5] cannot come after the write of "v9" by c1 [10..11.5]: ' +
      'the register held "v7" at the latest with the write of "v7" by c1 [1..2]',
  ],
  [
    'a lost write',
    [write('c1', 'x', [1, 2]), read('c2', null, [3, 4])],
    'the read of nothing by c2 [3..4] cannot come after the write of "x" by c1 [1..2]: ' +
      'the register held nothing at first',
  ],
  [
    'a value out of thin air',
    [write('c1', 'x', [1, 2]), read('c2', 'y', [3, 4])],
    'the read of "y" by c2 [3..4] cannot be: nobody wrote "y"',
  ],
  [
    'a value from the future',
    [read('c2', 'x', [1, 2]), write('c1', 'x', [3, 4])],
    'the read of "x" by c2 [1..2] cannot come before the write of "x" by c1 [3..4]',
  ],
  [
    'two reads in opposite order',
    [
      write('c1', 'x', [1, 9]),
      write('c2', 'y', [1, 9]),
      read('c3', 'x', [2, 3]),
      read('c3', 'y', [4, 5]),
      read('c4', 'x', [6, 7]),
    ],
    'the read of "x" by c4 [6..7] cannot come after the read of "y" by c3 [4..5]: ' +
      'the register held "x" at the latest with the read of "x" by c3 [2..3]',
  ],
  [
    'an unknown write that was read and then was not',
    [write('c1', 'x', [1, null]), read('c2', 'x', [2, 3]), read('c2', null, [4, 5])],
    'the read of nothing by c2 [4..5] cannot come after the read of "x" by c2 [2..3]: ' +
      'the register held nothing at first',
  ],
  [
    'a value that is read while another one must have been there from before until after',
    [
      write('c1', 'x', [1, 9]),
      write('c2', 'y', [1, 9]),
      read('c3', 'x', [2, 3]),
      read('c4', 'y', [2, 5]),
      read('c4', 'y', [6, 7]),
      read('c3', 'x', [8, 9]),
    ],
    'the read of "x" by c3 [8..9] cannot come after the read of "y" by c4 [2..5]: ' +
      'the register held "x" at the latest with the read of "x" by c3 [2..3], ' +
      'and "y" with the read of "y" by c4 [6..7]',
  ],
  [
    'a write that was refused, and is read',
    [{ ...write('c1', 'x', [1, 2]), outcome: 'refused' }, read('c2', 'x', [3, 4])],
    'the read of "x" by c2 [3..4] cannot be: every write of it was refused',
  ],
];

suite('A history of a register', () => {
  for (const [what, history] of RIGHT) {
    test(`is right with ${what}`, () => {
      assert.equal(findContradiction(history), null);
      assert.ok(canBeOrdered(history));
    });
  }

  for (const [what, history, explanation] of WRONG) {
    test(`is wrong with ${what}`, () => {
      assert.equal(findContradiction(history), explanation);
      assert.ok(!canBeOrdered(history));
    });
  }

  test('may be told in any order', () => {
    const random = new Random('shuffled histories');
    for (const [, history] of [...RIGHT, ...WRONG]) {
      const shuffled = history.toSorted(() => random.next() - 0.5);
      assert.equal(findContradiction(shuffled) === null, canBeOrdered(history));
    }
  });
});

suite('The checker of histories', () => {
  for (const values of [6, 2]) {
    test(`says what trying all orders says, ${values} different values`, () => {
      const random = new Random('small histories', values);
      const seen = { right: 0, wrong: 0 };
      for (let n = 0; n < 20_000; n += 1) {
        const history = drawSmall(random, values);
        const isRight = canBeOrdered(history);
        assert.equal(findContradiction(history) === null, isRight, JSON.stringify(history));
        seen[isRight ? 'right' : 'wrong'] += 1;
      }
      assert.ok(seen.right > 2_000 && seen.wrong > 2_000, JSON.stringify(seen));
    });
  }

  test('accepts what one register did, however many clients it had', () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const history = drawReal(new Random('real', seed), 300, 1 + (seed % 40));
      assert.equal(findContradiction(history), null, `seed ${seed}`);
    }
  });

  test('rejects it when a read is made to see something overwritten, or not yet there', () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const random = new Random('mutated', seed);
      const history = drawReal(random, 300, 1 + (seed % 40));
      const { index, value } = random.pick(impossibleIn(history));
      const mutated = history.map((operation, at) =>
        at === index ? { ...operation, value } : operation,
      );
      assert.notEqual(findContradiction(mutated), null, `seed ${seed}`);
    }
  });

  test('is quick with many operations under way, and with values written again', () => {
    const random = new Random('quick');
    const many = drawReal(random, 5_000, 50);
    const again = drawReal(random, 200, 6).map((operation) => ({
      ...operation,
      value: operation.value === null ? null : operation.value.slice(0, -1),
    }));
    const startedMs = performance.now();
    assert.equal(findContradiction(many), null);
    assert.equal(findContradiction(again), null);
    assert.ok(performance.now() - startedMs < 5_000);
  });
});

suite('An operation read from a file', () => {
  const sound = { client: 'c1', op: 'read', value: null, call: 1, return: 2, outcome: 'ok' };
  const wrong: readonly [unknown, string][] = [
    [null, 'it is not an object'],
    [{ ...sound, client: 1 }, 'client is not a name'],
    [{ ...sound, op: 'cas' }, 'op is neither "write" nor "read"'],
    [{ ...sound, value: 7 }, 'value is not a text'],
    [{ ...sound, op: 'write' }, 'value is not a text'],
    [{ ...sound, call: '1' }, 'call is not a time'],
    [{ ...sound, outcome: 'fine' }, 'outcome is neither "ok" nor "unknown" nor "refused"'],
    [{ ...sound, return: null }, 'it is ok and does not return'],
    [{ ...sound, return: '2' }, 'return is not a time'],
    [{ ...sound, return: 0 }, 'it returns before its call'],
  ];
  for (const [value, sentence] of wrong) {
    test(`is refused: ${sentence} (${JSON.stringify(value)})`, () => {
      assert.equal(wrongInOperation(value), sentence);
    });
  }

  test('is taken if nothing is wrong with it', () => {
    assert.equal(wrongInOperation(sound), null);
    assert.equal(wrongInOperation({ ...sound, outcome: 'unknown', return: null }), null);
  });
});

/** Tries all orders: a second opinion on small histories. */
function canBeOrdered(
  history: readonly Operation[],
  value: string | null = null,
  open: readonly Operation[] = history.filter(
    ({ op, outcome }) => outcome === 'ok' || (outcome === 'unknown' && op === 'write'),
  ),
): boolean {
  if (open.every(({ outcome }) => outcome === 'unknown')) return true;
  return open.some((next) => {
    const isTooEarly = open.some((other) => (other.return ?? Infinity) < next.call);
    if (isTooEarly || (next.op === 'read' && next.value !== value)) return false;
    const left = open.filter((other) => other !== next);
    return canBeOrdered(history, next.value, left);
  });
}

/** Up to six operations of which nothing is known to be right. */
function drawSmall(random: Random, values: number): Operation[] {
  let written = 0;
  return Array.from({ length: 2 + random.below(5) }, (_, index): Operation => {
    const isWrite = random.chance(0.5);
    const call = random.below(8);
    const end = random.chance(0.15) ? null : call + random.below(6);
    if (isWrite) {
      written += 1;
      const value = values === 6 ? `v${written}` : `v${random.below(values)}`;
      return write(`c${index}`, value, [call, end]);
    }
    const n = random.below(values === 6 ? 4 : values + 1);
    return read(`c${index}`, values === 6 && n === 0 ? null : `v${n}`, [call, end]);
  });
}

/** A read (by its index), and a value that it cannot have seen. */
interface Impossible {
  readonly index: number;
  readonly value: string | null;
}

/**
 * What clients of a real register saw: operation number n has its moment at time n. Values are
 * different.
 */
function drawReal(random: Random, count: number, clients: number): Operation[] {
  const freeFrom = Array.from({ length: clients }, () => -1);
  const history: Operation[] = [];
  let value: string | null = null;
  for (let at = 0; at < count; at += 1) {
    const client = pickFree(random, freeFrom, at);
    const call = random.between(Math.max(freeFrom[client] ?? 0, at - clients), at);
    const end = random.between(at, at + clients);
    freeFrom[client] = end;
    const isUnknown = random.chance(0.1);
    if (random.chance(0.4)) {
      const hasEffect = !isUnknown || random.chance(0.5);
      if (hasEffect) value = `v${at}`;
      history.push(write(`c${client}`, `v${at}`, [call, isUnknown ? null : end]));
    } else {
      history.push(read(`c${client}`, isUnknown ? null : value, [call, isUnknown ? null : end]));
    }
  }
  return history;
}

/** A client that has nothing under way at this time; if all have, the one that is free first. */
function pickFree(random: Random, freeFrom: number[], at: number): number {
  const free = [...freeFrom.keys()].filter((client) => (freeFrom[client] ?? 0) <= at);
  if (free.length > 0) return random.pick(free);
  freeFrom.push(-1);
  return freeFrom.length - 1;
}

/**
 * Reads, each with a value that was certainly overwritten before the read was called, or that
 * nobody had asked for before it returned.
 */
function impossibleIn(history: readonly Operation[]): Impossible[] {
  const writes = history.filter(({ op }) => op === 'write');
  return [...history.entries()].flatMap(([index, { op, outcome, call, return: end }]) => {
    if (op !== 'read' || outcome !== 'ok' || end === null) return [];
    const early = writes.filter((one) => one.call > end).map(({ value }) => ({ index, value }));
    const before = writes.filter((one) => one.return !== null && one.return < call);
    const late = before
      .filter((one) => before.some((other) => other.call > (one.return ?? Infinity)))
      .map(({ value }) => ({ index, value }));
    return [...early, ...late];
  });
}
