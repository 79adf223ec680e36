/** The state machines: what each command does, and that nothing else does anything. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Bank } from '../src/log/bank.ts';
import { KeyValue, MAX_KEY_LENGTH, versionAfter } from '../src/log/key-value.ts';
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

/** Commands with the answers that they give, each in an instance of its own. */
function assertAnswers(machine: StateMachine, steps: readonly (readonly [string, string])[]) {
  for (const [index, [command, answer]] of steps.entries()) {
    assert.equal(machine.whyNoCommand(command), null, command);
    assert.equal(machine.apply(command, index + 1), answer, command);
  }
}

function assertFound(machine: StateMachine, found: Readonly<Record<string, string | null>>) {
  for (const [query, answer] of Object.entries(found)) {
    assert.equal(machine.whyNoQuery(query), null, query);
    assert.equal(machine.query(query), answer, query);
  }
}

const NO_LISTS = ['entry', 'entries', 'entries a', 'entries a x', 'entries a 0', 'entries a 1001'];

/** Lines that say nothing: each is refused, changes nothing, and is answered with why. */
function assertNone(machine: StateMachine, lines: readonly string[]) {
  const { digest } = machine;
  for (const line of lines) {
    const why = machine.whyNoCommand(line);
    assert.ok(why !== null && why.length <= MAX_ANSWER_LENGTH && !why.includes('\n'), line);
    assert.equal(machine.apply(line, 1_000), why);
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

  test('a change under a condition', () => {
    const machine = new KeyValue();
    assertAnswers(machine, [
      ['set color blue if 1', 'there is no such key'],
      ['set color blue if any', 'there is no such key'],
      ['set color blue if none', 'ok'], // 3
      ['set color red if none', 'it was changed in 3'],
      ['set color red if 2', 'it was changed in 3'],
      ['set color red if 3', 'ok'], // 6
      ['set color blue if 3', 'it was changed in 6'],
      ['set color blue if 3,6', 'ok'], // 8
      ['delete color if 6', 'it was changed in 8'],
      ['delete color if 8', 'ok'],
      ['delete color if 8', 'there is no such key'],
      ['set color blue', 'ok'], // 12: the same as it was in 8
      ['set color red if 8', 'it was changed in 12'],
      ['set color red if any', 'ok'],
      ['swap color red blue', 'ok'],
      ['delete color if 14', 'it was changed in 15'],
      ['delete color if any', 'ok'],
      ['set if if', 'ok'],
      ['set if if if 18', 'ok'],
      ['delete if if 19', 'ok'],
    ]);
    assertFound(machine, { size: '0' });
  });

  test('no two changes of a key have the same version, even in one instance', () => {
    const machine = new KeyValue();
    const answers = ['set a 1', 'set b 1', 'set a 1', 'delete a', 'set a 1', 'add a 1', 'set c x'];
    assert.deepEqual(
      answers.map((command) => machine.apply(command, 17)),
      ['ok', 'ok', 'ok, as 17.2', 'ok', 'ok, as 17.4', '2', 'ok'],
    );
    assertFound(machine, { 'entry a': '17.5 2', 'entry b': '17 1' });
    assert.equal(machine.apply('set a 3 if 17', 18), 'it was changed in 17.5');
    assert.equal(machine.apply('set a 3 if 17.5', 18), 'ok');
    assert.equal(versionAfter('ok', 18), '18');
    assert.equal(versionAfter('ok, as 17.2', 17), '17.2');
    assert.equal(versionAfter('there is no such key', 17), null);
  });

  test('a machine tells what each command has changed', () => {
    const machine = new KeyValue();
    const steps: [string, readonly unknown[]][] = [
      ['set a 1', [{ key: 'a', value: '1', version: '1' }]],
      ['swap a 2 3', []],
      ['set a 2 if 9', []],
      ['add a x', []],
      ['add a 4', [{ key: 'a', value: '5', version: '5' }]],
      ['delete b', []],
      ['delete a', [{ key: 'a', value: null, version: '7' }]],
    ];
    for (const [index, [command, changes]] of steps.entries()) {
      machine.apply(command, index + 1);
      assert.deepEqual(machine.changes, changes, command);
    }
  });

  test('entries are listed in order, page by page', () => {
    const machine = new KeyValue();
    const keys = ['b', 'a b', 'c', 'ba', '…', 'bb'];
    for (const [index, key] of keys.entries()) {
      machine.apply(`set ${spelled(key)} ${index}`, index + 1);
    }
    assertFound(machine, {
      'entry "a b"': '2 1',
      'entry x': null,
      'entries b 1000': 'b 1 0 ba 4 3 bb 6 5',
      'entries b 2': 'b 1 0 ba 4 3 …',
      'entries b 2 ba': 'bb 6 5',
      'entries "" 2': '"a b" 2 1 b 1 0 …',
      'entries "" 2 bb': 'c 3 2 … 5 4',
      'entries x 2': '',
    });
    for (let key = 0; key < 5_000; key += 1) {
      machine.apply(`set k${(key * 7_919) % 5_000} ${'x'.repeat(90)}`, key + 10);
    }
    const page = machine.query('entries k 1000') ?? '';
    assert.ok(page.length < 5_100 && page.startsWith('k0 10 xxx') && page.endsWith(' …'));
    machine.apply(`set k0 ${'x'.repeat(9_000)}`, 6_000);
    assert.match(machine.query('entries k 1000') ?? '', /^k0 6000 x{9000} …$/);
  });

  test('what is no command changes nothing', () => {
    const machine = new KeyValue();
    machine.apply('set a b', 1);
    assertNone(machine, [
      ...['', 'set', 'set a', 'set a b c', 'delete', 'swap a b', 'add a', 'add a x', 'add a 1.5'],
      ...['add a 1e3', 'add a 9007199254740992', 'SET a b', 'get a', 'set "" x', 'set a "b'],
      `set ${'k'.repeat(MAX_KEY_LENGTH + 1)} x`,
      ...['set a b if', 'set a b if x', 'set a b if 0', 'set a b if 1,', 'set a b unless 1'],
      ...['delete a if', 'delete a if 1.', 'delete a if none,1', 'swap a b c if 1'],
    ]);
    for (const query of [
      '',
      'get',
      'get a b',
      'size 1',
      'set a b',
      'keys a b',
      'get "a',
      ...NO_LISTS,
    ]) {
      assert.notEqual(machine.whyNoQuery(query), null, query);
      assert.equal(machine.query(query), machine.whyNoQuery(query));
    }
  });

  test('a list of keys ends where it would be too long', () => {
    const machine = new KeyValue();
    for (let key = 0; key < 1_000; key += 1) machine.apply(`set ${'k'.repeat(100)}${key} x`, key);
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
  for (let step = 1; step <= 5_000; step += 1) {
    const [key, value, old] = [pick(['a', 'b', 'c d']), pick(['1', '2', 'x']), pick(['1', '2'])];
    const held = model.get(key);
    switch (pick(['set', 'delete', 'swap', 'add', 'snapshot'])) {
      case 'set':
        machine.apply(`set ${spelled(key)} ${value}`, step);
        model.set(key, value);
        break;
      case 'delete':
        machine.apply(`delete ${spelled(key)}`, step);
        model.delete(key);
        break;
      case 'swap':
        machine.apply(`swap ${spelled(key)} ${old} ${value}`, step);
        if (held === old) model.set(key, value);
        break;
      case 'add':
        machine.apply(`add ${spelled(key)} 1`, step);
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
    machine.apply(first, 1);
    const before = JSON.stringify([...machine.snapshot()]);
    const snapshot = machine.snapshot();
    machine.apply(second, 2);
    assert.equal(JSON.stringify([...snapshot]), before);
  }
});

test('what is no piece of a snapshot is refused, and nothing changes', () => {
  for (const machine of [new KeyValue(), new Bank()]) {
    const { digest } = machine;
    const wrong = [null, {}, 'x', [], ['a'], ['a', null], ['a', '1'], [1, '2', '3'], ['a', -1]];
    const versions = ['', '0', '1.', 'x', '1.2.3', 1].map((version) => ['a', '1', version]);
    for (const piece of [...wrong, ...versions, ['a', '1', '2', '3']]) {
      assert.throws(() => machine.restore(piece), /^Error: it holds/);
      assert.equal(machine.digest, digest);
    }
  }
  for (const [machine, piece] of [
    [new KeyValue(), ['a', '1', '2.3']],
    [new Bank(), ['a', 1]],
  ] as const) {
    machine.restore(piece);
    assert.throws(() => machine.restore(piece), /twice/);
  }
});

test('the digest tells states apart, and not by which way they came about', () => {
  const [one, other] = [new KeyValue(), new KeyValue()];
  const first = ['set a 1', 'set b 2', 'delete a'];
  for (const [index, command] of first.entries()) one.apply(command, index + 1);
  for (const [index, command] of ['set b 1', 'add b 1'].entries()) other.apply(command, index + 1);
  assert.equal(one.digest, other.digest);
  const seen = new Set([one.digest]);
  for (const command of ['set b 3', 'set b ""', 'set b2 ""', 'delete b2', 'delete b']) {
    other.apply(command, 7);
    seen.add(other.digest);
  }
  assert.equal(seen.size, 5); // deleting b2 leads back to one that was
  other.apply('set b 2', 9);
  assert.notEqual(other.digest, one.digest); // the same value, set at another time
});
