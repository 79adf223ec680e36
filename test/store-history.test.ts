/** Histories of a store: what one store answered passes, and whatever cannot be is told apart. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { KeyValue } from '../src/log/key-value.ts';
import {
  findStoreContradiction,
  type StoreOperation,
  wrongInStoreOperation,
} from '../src/log/store-history.ts';
import { Random } from '../src/simulation/random.ts';
import { Undecided } from '../src/trace/linearizability.ts';

type Span = readonly [call: number, end: number | null];

function asked(line: string, answer: string | null, [call, end]: Span): StoreOperation {
  const outcome = end === null ? 'unknown' : 'ok';
  return { client: 'c', line, answer, call, return: end, outcome };
}

const LATE = 'it is something else by now';
const NONE = 'there is no such key';

const RIGHT: readonly [string, readonly StoreOperation[]][] = [
  ['nothing at all', []],
  [
    'sums of two at once, in either order',
    [asked('add n 3', '8', [1, 5]), asked('add n 5', '5', [1, 5]), asked('get n', '8', [6, 7])],
  ],
  [
    'two swaps of the same value, of which one is too late',
    [
      asked('set k a', 'ok', [1, 2]),
      asked('swap k a b', LATE, [3, 6]),
      asked('swap k a c', 'ok', [3, 6]),
      asked('get k', 'c', [7, 8]),
    ],
  ],
  [
    'a swap that could only be because of one that nobody knows',
    [
      asked('set k a', 'ok', [1, 2]),
      asked('swap k a b', null, [3, null]),
      asked('swap k b c', 'ok', [8, 9]),
    ],
  ],
  [
    'a sum with two of three that nobody knows',
    [
      asked('add n 1', null, [1, null]),
      asked('add n 2', null, [1, null]),
      asked('add n 4', null, [1, null]),
      asked('add n 8', '13', [2, 3]),
      asked('get n', '15', [8, 9]),
    ],
  ],
  [
    'a delete that finds nothing, and one that does',
    [
      asked('delete k', NONE, [1, 2]),
      asked('set "k" "a b"', 'ok', [3, 4]),
      asked('delete k', 'ok', [5, 6]),
      asked('get k', null, [7, 8]),
      asked('add k 2', '2', [9, 10]),
    ],
  ],
  [
    'a change back that lets the same swap happen twice',
    [
      asked('set k a', 'ok', [0, 1]),
      asked('swap k a b', 'ok', [2, 9]),
      asked('swap k a c', 'ok', [2, 5]),
      asked('set k a', null, [2, null]),
      asked('get k', 'c', [6, 10]),
    ],
  ],
  [
    'keys that have nothing to do with each other',
    [asked('add n 1', '1', [1, 2]), asked('set m x', 'ok', [1, 2]), asked('get n', '1', [3, 4])],
  ],
];

const WRONG: readonly [string, readonly StoreOperation[], string][] = [
  [
    'an answer that was counted twice',
    [asked('add n 3', '3', [1, 2]), asked('add n 3', '9', [3, 4])],
    'of key "n" the answer "9" to "add n 3" by c [3..4] cannot be: there was "3"',
  ],
  [
    'two swaps that both found the same',
    [
      asked('set k a', 'ok', [1, 2]),
      asked('swap k a b', 'ok', [3, 6]),
      asked('swap k a c', 'ok', [3, 7]),
    ],
    'of key "k" the answer "ok" to "swap k a c" by c [3..7] cannot be: there was "b"',
  ],
  [
    'a swap that was not late',
    [asked('set k a', 'ok', [1, 2]), asked('swap k a b', LATE, [3, 4])],
    `of key "k" the answer "${LATE}" to "swap k a b" by c [3..4] cannot be: there was "a"`,
  ],
  [
    'one of unknown outcome that must have been there twice',
    [
      asked('add n 1', null, [1, null]),
      asked('add n 0', '1', [2, 3]),
      asked('delete n', 'ok', [4, 5]),
      asked('add n 5', '6', [6, 7]),
    ],
    'of key "n" the answer "6" to "add n 5" by c [6..7] cannot be: there was nothing',
  ],
  [
    'one of unknown outcome before it was asked',
    [asked('add n 5', '6', [1, 2]), asked('add n 1', null, [3, null])],
    'of key "n" the answer "6" to "add n 5" by c [1..2] cannot be: there was nothing',
  ],
  [
    'one that was refused and is there',
    [{ ...asked('set k a', null, [1, 2]), outcome: 'refused' }, asked('delete k', 'ok', [3, 4])],
    'of key "k" the answer "ok" to "delete k" by c [3..4] cannot be: there was nothing',
  ],
  [
    'an old value, at a key that is a register',
    [asked('set k a', 'ok', [1, 2]), asked('set k b', 'ok', [3, 4]), asked('get k', 'a', [5, 6])],
    'of key "k" the read of "a" by c [5..6] cannot come after the write of "b" by c [3..4]: ' +
      'the register held "a" at the latest with the write of "a" by c [1..2]',
  ],
];

suite('A history of a store', () => {
  for (const [what, history] of RIGHT) {
    test(`is right with ${what}`, () => {
      assert.equal(findStoreContradiction(history), null);
      assert.ok(canBeOrdered(history));
    });
  }

  for (const [what, history, explanation] of WRONG) {
    test(`is wrong with ${what}`, () => {
      assert.equal(findStoreContradiction(history), explanation);
      assert.ok(!canBeOrdered(history));
    });
  }

  test('is judged as by trying all orders, whether its answers are changed or not', () => {
    const random = new Random('small histories of a store');
    const seen = { right: 0, wrong: 0 };
    for (let n = 0; n < 4_000; n += 1) {
      const real = drawReal(random, 4 + random.below(5), 1 + random.below(4), ['k'], 0.25);
      const history = random.chance(0.5) ? real : mutate(random, real);
      const isRight = canBeOrdered(history);
      assert.equal(findStoreContradiction(history) === null, isRight, JSON.stringify(history));
      seen[isRight ? 'right' : 'wrong'] += 1;
    }
    assert.ok(Math.min(seen.right, seen.wrong) > 800, JSON.stringify(seen));
  });

  test('passes if one store answered, however many clients it had', () => {
    for (let seed = 1; seed <= 60; seed += 1) {
      const random = new Random('real store', seed);
      const history = drawReal(random, 400, 1 + (seed % 12), ['k', 'l', 'm', 'n'], 0.04);
      assert.equal(findStoreContradiction(history), null, `seed ${seed}`);
    }
  });

  test('fails if what one client was told, alone at its time, was something else', () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const random = new Random('mutated store', seed);
      const history = drawReal(random, 60, 1, ['k', 'l'], 0);
      const index = random.below(history.length);
      const mutated = history.map((one, at) => {
        return at === index ? { ...one, answer: `${one.answer}?` } : one;
      });
      assert.notEqual(findStoreContradiction(mutated), null, `seed ${seed}`);
    }
  });

  test('is undecided, soon, if there is too much to try', () => {
    const many = Array.from({ length: 40 }, (_, n) => asked(`add n ${2 ** n}`, null, [0, null]));
    const history = [...many, asked('add n 0', '-1', [1, 2])];
    assert.throws(() => findStoreContradiction(history), Undecided);
  });
});

suite('An operation of a store read from a file', () => {
  const sound = asked('swap k a b', 'ok', [1, 2]);
  const wrong: readonly [unknown, string][] = [
    [null, 'it is not an object'],
    [{ ...sound, client: 1 }, 'client is not a name'],
    ...['size', 'keys a', 'swap k a', 'add n x', 'set k "a', '', 7].map(
      (line): [unknown, string] => [
        { ...sound, line },
        'line is neither get, set, delete, swap nor add of one key, nor about a lock',
      ],
    ),
    [{ ...sound, answer: 7 }, 'answer is not a text'],
    [{ ...sound, call: '1' }, 'call is not a time'],
    [{ ...sound, outcome: 'fine' }, 'outcome is neither "ok" nor "unknown" nor "refused"'],
    [{ ...sound, return: null }, 'it is ok and does not return'],
    [{ ...sound, return: '2' }, 'return is not a time'],
    [{ ...sound, return: 0 }, 'it returns before its call'],
  ];
  for (const [value, sentence] of wrong) {
    test(`is refused: ${sentence} (${JSON.stringify(value)})`, () => {
      assert.equal(wrongInStoreOperation(value), sentence);
    });
  }

  test('is taken if nothing is wrong with it', () => {
    assert.equal(wrongInStoreOperation(sound), null);
    assert.equal(wrongInStoreOperation(asked('get "a key"', null, [1, null])), null);
  });
});

/** Tries all orders, with a store that answers: a second opinion on small histories. */
function canBeOrdered(history: readonly StoreOperation[]): boolean {
  const all = history.filter(({ outcome }) => outcome !== 'refused');
  const tried = new Set<string>();
  const canGoOn = (pieces: readonly unknown[], open: readonly StoreOperation[]): boolean => {
    if (open.every(({ outcome }) => outcome === 'unknown')) return true;
    const key = `${JSON.stringify(pieces)} ${open.map((one) => all.indexOf(one))}`;
    if (tried.has(key)) return false;
    tried.add(key);
    const firstEnd = Math.min(...open.map((one) => one.return ?? Infinity));
    return open.some((next) => {
      if (next.call > firstEnd) return false;
      const store = new KeyValue();
      for (const piece of pieces) store.restore(piece);
      const answer = answerOf(store, next.line, 1);
      if (next.outcome === 'ok' && answer !== next.answer) return false;
      return canGoOn(
        [...store.snapshot()],
        open.filter((other) => other !== next),
      );
    });
  };
  return canGoOn([], all);
}

function answerOf(store: KeyValue, line: string, instanceNumber: number): string | null {
  return line.startsWith('get') ? store.query(line) : store.apply(line, instanceNumber);
}

/** What clients of a real store were told: operation number n has its moment at time n. */
function drawReal(
  random: Random,
  count: number,
  clients: number,
  keys: readonly string[],
  unknown: number,
): StoreOperation[] {
  const store = new KeyValue();
  const freeFrom = Array.from({ length: clients }, () => -1);
  const history: StoreOperation[] = [];
  for (let at = 0; at < count; at += 1) {
    const free = [...freeFrom.keys()].filter((client) => (freeFrom[client] ?? 0) <= at);
    if (free.length === 0) continue;
    const client = random.pick(free);
    const call = random.between(Math.max(freeFrom[client] ?? 0, at - clients), at);
    const end = clients === 1 ? at : random.between(at, at + clients);
    freeFrom[client] = end;
    const line = drawLine(random, random.pick(keys));
    const isUnknown = random.chance(unknown);
    const answer = isUnknown && random.chance(0.5) ? null : answerOf(store, line, at + 1);
    const span = [call, isUnknown ? null : end] as const;
    history.push({ ...asked(line, isUnknown ? null : answer, span), client: `c${client}` });
  }
  return history;
}

function drawLine(random: Random, key: string): string {
  const [one, other] = [random.below(4), random.below(4)];
  switch (random.below(6)) {
    case 0:
      return `set ${key} ${one}`;
    case 1:
      return `delete ${key}`;
    case 2:
    case 3:
      return `swap ${key} ${one} ${other}`;
    case 4:
      return `add ${key} ${one}`;
    default:
      return `get ${key}`;
  }
}

/** Somebody was told what somebody else was; or two have asked each at the time of the other. */
function mutate(random: Random, history: readonly StoreOperation[]): StoreOperation[] {
  const mutated = [...history];
  const [one, other] = [random.below(history.length), random.below(history.length)];
  const [a, b] = [mutated[one], mutated[other]];
  if (a === undefined || b === undefined) return mutated;
  if (random.chance(0.5)) mutated[one] = { ...a, answer: b.answer };
  else {
    const { call, return: end, outcome } = a;
    mutated[one] = { ...a, call: b.call, return: b.return, outcome: b.outcome };
    mutated[other] = { ...b, call, return: end, outcome };
  }
  return mutated;
}
