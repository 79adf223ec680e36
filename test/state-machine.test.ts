/** The state machines: what each command does, and that nothing else does anything. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Bank } from '../src/log/bank.ts';
import { KeyValue, MAX_KEY_LENGTH } from '../src/log/key-value.ts';
import {
  MAX_ANSWER_LENGTH,
  type StateMachine,
  spelled,
  wordsOf,
} from '../src/log/state-machine.ts';
import { Random } from '../src/simulation/random.ts';

test('a line is words, and a word with spaces is a JSON string', () => {
  const lines: [string, readonly string[] | null][] = [
    ['set color blue', ['set', 'color', 'blue']],
    ['  set\tcolor   blue ', ['set', 'color', 'blue']],
    ['set color "dark blue"', ['set', 'color', 'dark blue']],
    ['set color ""', ['set', 'color', '']],
    ['set "a \\"b\\" \\\\ \\u00e9" x', ['set', 'a "b" \\ é', 'x']],
    ['set __proto__ x', ['set', '__proto__', 'x']],
    ['', []],
    ['   ', []],
    ['set color "dark blue', null],
    ['set color dark"blue', null],
    ['set color "dark"blue', null],
    ['set color "\\x"', null],
    ['set color "a\nb"', null],
    ['set color "\\ud800"', null],
  ];
  for (const [line, words] of lines) assert.deepEqual(wordsOf(line), words, line);
});

test('what is spelled is read again as it was', () => {
  for (const word of ['blue', 'dark blue', '', '"', 'a"b', '\\', '\n', 'é☃', '"x"', '\u2028']) {
    assert.deepEqual(wordsOf(`get ${spelled(word)}`), ['get', word]);
  }
});

/** Commands with the answers that they give, one after the other. */
function assertAnswers(machine: StateMachine, steps: readonly (readonly [string, string])[]) {
  for (const [command, answer] of steps) {
    assert.equal(machine.whyNoCommand(command), null, command);
    assert.equal(machine.apply(command), answer, command);
  }
}

function assertFound(machine: StateMachine, found: Readonly<Record<string, string | null>>) {
  for (const [query, answer] of Object.entries(found)) {
    assert.equal(machine.whyNoQuery(query), null, query);
    assert.equal(machine.query(query), answer, query);
  }
}

/** Lines that say nothing: each is refused, changes nothing, and is answered with why. */
function assertNone(machine: StateMachine, lines: readonly string[]) {
  const { digest } = machine;
  for (const line of lines) {
    const why = machine.whyNoCommand(line);
    assert.ok(why !== null && why.length <= MAX_ANSWER_LENGTH && !why.includes('\n'), line);
    assert.equal(machine.apply(line), why);
    assert.equal(machine.digest, digest, line);
  }
}

suite('keys and values', () => {
  test('each command', () => {
    const machine = new KeyValue();
    assertAnswers(machine, [
      ['set color blue', 'ok'],
      ['set color "dark blue"', 'ok'],
      ['swap color blue red', 'it is something else by now'],
      ['swap color "dark blue" red', 'ok'],
      ['swap shape round flat', 'there is no such key'],
      ['add color 1', 'what it holds is no whole number'],
      ['add visits 1', '1'],
      ['add visits -3', '-2'],
      ['set visits 9007199254740991', 'ok'],
      ['add visits 1', 'the sum would be too large'],
      ['set __proto__ x', 'ok'],
      ['delete visits', 'ok'],
      ['delete visits', 'there is no such key'],
      ['set "a b" ""', 'ok'],
      ['set constructor y', 'ok'],
    ]);
    assertFound(machine, {
      'get color': 'red',
      'get visits': null,
      'get toString': null,
      'get __proto__': 'x',
      'get "a b"': '',
      size: '4',
      keys: '__proto__ "a b" color constructor',
      'keys co': 'color constructor',
      'keys x': '',
    });
  });

  test('what is no command changes nothing', () => {
    const machine = new KeyValue();
    machine.apply('set a b');
    assertNone(machine, [
      ...['', 'set', 'set a', 'set a b c', 'delete', 'swap a b', 'add a', 'add a x', 'add a 1.5'],
      ...['add a 1e3', 'add a 9007199254740992', 'SET a b', 'get a', 'set "" x', 'set a "b'],
      `set ${'k'.repeat(MAX_KEY_LENGTH + 1)} x`,
    ]);
    for (const query of ['', 'get', 'get a b', 'size 1', 'set a b', 'keys a b', 'get "a']) {
      assert.notEqual(machine.whyNoQuery(query), null, query);
      assert.equal(machine.query(query), machine.whyNoQuery(query));
    }
  });

  test('a list of keys ends where it would be too long', () => {
    const machine = new KeyValue();
    for (let key = 0; key < 1_000; key += 1) machine.apply(`set ${'k'.repeat(100)}${key} x`);
    const listed = machine.query('keys') ?? '';
    assert.ok(listed.length < 5_100 && listed.endsWith(' … of 1000'));
  });
});

suite('a bank', () => {
  test('each command', () => {
    const machine = new Bank();
    assertAnswers(machine, [
      ['open ann', 'ok'],
      ['open ann', 'there is one of that name already'],
      ['deposit ann 10', '10'],
      ['deposit bob 10', 'there is no such account'],
      ['transfer ann bob 1', 'there is no such account'],
      ['open bob', 'ok'],
      ['transfer ann bob 11', 'it would be overdrawn: it has 10'],
      ['transfer ann bob 4', 'ok'],
      ['transfer ann ann 6', 'ok'],
      ['deposit bob 9007199254740991', 'that is more than there is'],
    ]);
    assertFound(machine, { 'balance ann': '6', 'balance bob': '4', 'balance eve': null });
    assertFound(machine, { total: '10' });
  });

  test('what is no command changes nothing', () => {
    const machine = new Bank();
    machine.apply('open ann');
    const amounts = ['0', '-1', '1.5', 'x', ''].map((amount) => `deposit ann "${amount}"`);
    assertNone(machine, ['', 'open', 'open ""', `open ${'x'.repeat(61)}`, 'total', ...amounts]);
  });
});

test('keys and values do what an object does, and a snapshot brings them back', () => {
  const random = new Random('key-value', 'fuzz');
  const pick = <T>(some: readonly T[]): T => some[Math.floor(random.next() * some.length)] as T;
  const model = new Map<string, string>();
  let machine = new KeyValue();
  for (let step = 0; step < 5_000; step += 1) {
    const [key, value, old] = [pick(['a', 'b', 'c d']), pick(['1', '2', 'x']), pick(['1', '2'])];
    const held = model.get(key);
    switch (pick(['set', 'delete', 'swap', 'add', 'snapshot'])) {
      case 'set':
        machine.apply(`set ${spelled(key)} ${value}`);
        model.set(key, value);
        break;
      case 'delete':
        machine.apply(`delete ${spelled(key)}`);
        model.delete(key);
        break;
      case 'swap':
        machine.apply(`swap ${spelled(key)} ${old} ${value}`);
        if (held === old) model.set(key, value);
        break;
      case 'add':
        machine.apply(`add ${spelled(key)} 1`);
        if (held !== 'x') model.set(key, String(Number(held ?? '0') + 1));
        break;
      default: {
        const snapshot: unknown[] = JSON.parse(JSON.stringify([...machine.snapshot()]));
        const { digest } = machine;
        machine = new KeyValue();
        for (const piece of snapshot) machine.restore(piece);
        assert.equal(machine.digest, digest);
      }
    }
    for (const name of ['a', 'b', 'c d']) {
      assert.equal(machine.query(`get ${spelled(name)}`), model.get(name) ?? null);
    }
  }
});

test('a snapshot does not change with its machine', () => {
  for (const [machine, first, second] of [
    [new KeyValue(), 'set a 1', 'set a 2'],
    [new Bank(), 'open a', 'deposit a 1'],
  ] as const) {
    machine.apply(first);
    const before = JSON.stringify([...machine.snapshot()]);
    const snapshot = machine.snapshot();
    machine.apply(second);
    assert.equal(JSON.stringify([...snapshot]), before);
  }
});

test('what is no piece of a snapshot is refused, and nothing changes', () => {
  for (const machine of [new KeyValue(), new Bank()]) {
    const { digest } = machine;
    for (const piece of [null, {}, 'x', [], ['a'], ['a', null], ['a', '1', '2'], [1, '2']]) {
      assert.throws(() => machine.restore(piece), /^Error: it holds/);
      assert.equal(machine.digest, digest);
    }
  }
  assert.throws(() => new Bank().restore(['a', -1]), /no balance/);
  for (const [machine, piece] of [
    [new KeyValue(), ['a', '1']],
    [new Bank(), ['a', 1]],
  ] as const) {
    machine.restore(piece);
    assert.throws(() => machine.restore(piece), /twice/);
  }
});

test('the digest tells states apart, and not by which way they came about', () => {
  const [one, other] = [new KeyValue(), new KeyValue()];
  for (const command of ['set a 1', 'set b 2', 'delete a']) one.apply(command);
  for (const command of ['set b 1', 'add b 1']) other.apply(command);
  assert.equal(one.digest, other.digest);
  const seen = new Set([one.digest]);
  for (const command of ['set b 3', 'set b ""', 'set b2 ""', 'delete b2', 'delete b']) {
    other.apply(command);
    seen.add(other.digest);
  }
  assert.equal(seen.size, 5); // deleting b2 leads back to one that was
});
