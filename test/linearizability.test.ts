/** Histories of one register: the right ones pass, and each kind of wrong one is told apart. */
import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { suite, test } from 'node:test';
import { Random } from '../src/simulation/random.ts';
import {
  findContradiction,
  type Operation,
  Undecided,
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
  [
    'a value that comes back after another one that was there for no time',
    [
      write('c1', 'x', [1, 2]),
      write('c2', 'y', [3, 9]),
      read('c3', 'y', [3, 9]),
      write('c1', 'x', [4, 5]),
      read('c4', 'x', [6, 7]),
    ],
  ],
  [
    'a value that is written twice with unknown outcome, and must have been there twice',
    [
      write('c1', 'x', [1, null]),
      write('c2', 'x', [1, null]),
      read('c3', 'x', [2, 3]),
      write('c4', 'y', [4, 5]),
      read('c3', 'x', [6, 7]),
    ],
  ],
  [
    'a value that can only be back for no time because the other one was written again later',
    [
      write('c1', 'x', [1, null]),
      write('c2', 'y', [1, 4]),
      read('c3', 'x', [3, 5]),
      read('c4', 'y', [7, 7]),
      write('c1', 'x', [8, null]),
      read('c5', 'x', [8, 13]),
      write('c2', 'y', [7, 10]),
      read('c4', 'y', [14, 18]),
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
    'an unknown write that must have been there twice',
    [
      write('c1', 'x', [1, null]),
      read('c3', 'x', [2, 3]),
      write('c4', 'y', [4, 5]),
      read('c3', 'x', [6, 7]),
    ],
    'the read of "x" by c3 [6..7] cannot come after the write of "y" by c4 [4..5]: ' +
      'the register held "x" at the latest with the read of "x" by c3 [2..3]',
  ],
  [
    'a write that was refused, and is read',
    [{ ...write('c1', 'x', [1, 2]), outcome: 'refused' }, read('c2', 'x', [3, 4])],
    'the read of "x" by c2 [3..4] cannot be: every write of it was refused',
  ],
];

const SMALL: readonly [string, number, (random: Random) => Operation[]][] = [
  ['different values', 5_000, (random) => drawSmall(random, { most: 6, unknown: 0.15 })],
  ['two values', 5_000, (random) => drawSmall(random, { most: 6, values: 2, unknown: 0.15 })],
  [
    'three values, and outcomes mostly unknown',
    5_000,
    (random) => drawSmall(random, { most: 8, values: 3, unknown: 0.7 }),
  ],
  ['three values, of which most answers are right', 2_500, drawAlmostReal],
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
  for (const [what, count, draw] of SMALL) {
    test(`says what trying all orders says, ${what}`, () => {
      const random = new Random('small histories', what);
      const seen = { right: 0, wrong: 0 };
      for (let n = 0; n < count; n += 1) {
        const history = draw(random);
        const isRight = canBeOrdered(history);
        assert.equal(findContradiction(history) === null, isRight, JSON.stringify(history));
        seen[isRight ? 'right' : 'wrong'] += 1;
      }
      assert.ok(Math.min(seen.right, seen.wrong) > count / 20, JSON.stringify(seen));
    });
  }

  test('accepts what one register did, however many clients it had', () => {
    for (let seed = 1; seed <= 100; seed += 1) {
      const history = drawReal(new Random('real', seed), 300, 1 + (seed % 40));
      assert.equal(findContradiction(history), null, `seed ${seed}`);
    }
  });

  test('rejects it when a read is made to see something overwritten, or not yet there', () => {
    for (let seed = 1; seed <= 60; seed += 1) {
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
    quickly(() => {
      assert.equal(findContradiction(many), null);
      assert.equal(findContradiction(again), null);
    });
  });

  for (const [written, readers] of [
    [11, 11],
    [1_500, 15],
    [1_500, 1_500],
  ] as const) {
    test(`is quick if ${readers} of ${written} values with two unknown writes are read`, () => {
      const writes = times(written, (n) => times(2, () => write('w', `v${n}`, [0, null]))).flat();
      const one = times(readers, (n) => read('r', `v${n}`, [10 + n, 10.5 + n]));
      const atOnce = times(readers, (n) => read('r', `v${n}`, [10, 10 + n]));
      const tooOften = times(3, (n) => [
        read('r', 'v0', [10_000 + 2 * n, 10_001 + 2 * n]),
        read('r', 'v1', [10_001.5 + 2 * n, 10_001.6 + 2 * n]),
      ]).flat();
      quickly(() => {
        for (const reads of [one, atOnce]) {
          assert.equal(findContradiction([...writes, ...reads]), null);
          assert.notEqual(findContradiction([...writes, ...reads, ...tooOften]), null);
        }
      });
    });
  }

  test('finds a way, or sees that there is none, if not too many must be tried', () => {
    assert.equal(findContradiction(drawScarce(6, 5)), null);
    assert.match(findContradiction(drawScarce(4, 4)) ?? '', /^the read of "[ab]\d" by r /);
  });

  test('says so if there are too many ways to try them all, and soon', () => {
    quickly(() => assert.throws(() => findContradiction(drawScarce(8, 4)), Undecided));
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
function canBeOrdered(history: readonly Operation[]): boolean {
  const all = history.filter(
    ({ op, outcome }) => outcome === 'ok' || (outcome === 'unknown' && op === 'write'),
  );
  const tried = new Set<string>();
  const canGoOn = (value: string | null, open: readonly Operation[]): boolean => {
    if (open.every(({ outcome }) => outcome === 'unknown')) return true;
    const key = `${value} ${open.map((one) => all.indexOf(one))}`;
    if (tried.has(key)) return false;
    tried.add(key);
    const firstEnd = Math.min(...open.map((one) => one.return ?? Infinity));
    return open.some((next) => {
      if (next.call > firstEnd || (next.op === 'read' && next.value !== value)) return false;
      return canGoOn(
        next.value,
        open.filter((other) => other !== next),
      );
    });
  };
  return canGoOn(null, all);
}

/** What small histories are like. */
interface Small {
  readonly most: number;
  /** How many values are written, again and again; without it each write has its own. */
  readonly values?: number;
  /** How probable it is that the outcome is unknown. */
  readonly unknown: number;
}

/** Operations of which nothing is known to be right. */
function drawSmall(random: Random, { most, values, unknown }: Small): Operation[] {
  let written = 0;
  return times(2 + random.below(most - 1), (index): Operation => {
    const isWrite = random.chance(0.5);
    const call = random.below(8);
    const end = random.chance(isWrite ? unknown : 0.15) ? null : call + random.below(6);
    if (isWrite) {
      written += 1;
      return write(`c${index}`, `v${values === undefined ? written : random.below(values)}`, [
        call,
        end,
      ]);
    }
    const n = random.below(values === undefined ? 4 : values + 1);
    return read(`c${index}`, values === undefined && n === 0 ? null : `v${n}`, [call, end]);
  });
}

/** What clients of a real register saw, of three values; every other time a read is changed. */
function drawAlmostReal(random: Random): Operation[] {
  const isSpoilt = random.chance(0.5);
  const history = drawReal(random, 12 + random.below(6), 2 + random.below(6), 0.25);
  const spoilt = isSpoilt ? random.below(history.length) : null;
  return history.map((operation, index) => {
    const { op, value } = operation;
    if (value === null) return operation;
    const n = index === spoilt && op === 'read' ? random.below(3) : Number(value.slice(1)) % 3;
    return { ...operation, value: `v${n}` };
  });
}

/**
 * Pairs of values, of which each is read at the same time as the other one, and then both again:
 * the first one must be there twice, or the second one. So it goes three times, which is too often
 * if there are but four unknown writes of each, but nothing tells which of the two to save.
 */
function drawScarce(pairs: number, firstWrites: number): Operation[] {
  const names = times(pairs, (n) => n);
  const writes = names.flatMap((n) => [
    ...times(firstWrites, () => write('w', `a${n}`, [0, null])),
    ...times(4, () => write('w', `b${n}`, [0, null])),
  ]);
  const reads = times(3, (round) =>
    names.flatMap((n) =>
      times(2, (half) => {
        const call = 1 + 4 * (round * pairs + n) + 2 * half;
        return ['a', 'b'].map((name) => read('r', `${name}${n}`, [call, call + 1]));
      }).flat(),
    ),
  ).flat();
  return [...writes, ...reads];
}

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

function quickly(act: () => void): void {
  const startedMs = performance.now();
  act();
  assert.ok(performance.now() - startedMs < 60_000); // what is not quick takes years
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
function drawReal(random: Random, count: number, clients: number, unknown = 0.1): Operation[] {
  const freeFrom = Array.from({ length: clients }, () => -1);
  const history: Operation[] = [];
  let value: string | null = null;
  for (let at = 0; at < count; at += 1) {
    const client = pickFree(random, freeFrom, at);
    const call = random.between(Math.max(freeFrom[client] ?? 0, at - clients), at);
    const end = random.between(at, at + clients);
    freeFrom[client] = end;
    const isUnknown = random.chance(unknown);
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
