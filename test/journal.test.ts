/** The journal: what is written of a state, and what is believed of what is read. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { EMPTY_CHAIN } from '../src/chain.ts';
import { UNTOUCHED } from '../src/composable-paxos.ts';
import { entriesOf, JOURNAL_LIMIT_BYTES, Journal, type Write } from '../src/log/journal.ts';
import type { ServerState } from '../src/state.ts';
import { statesOfAStore } from './states-of-a-store.ts';

const STATE: ServerState = {
  uid: 'A',
  members: ['A', 'B', 'C'],
  instanceNumber: 1,
  votesFrom: 1,
  ...EMPTY_CHAIN,
  ...UNTOUCHED,
};

/** What a journal that is written from beginning to end holds. */
function bytesOf(writes: readonly Write[]): Buffer {
  assert.deepEqual(
    writes.map(({ begins }) => begins),
    writes.map((_, index) => index === 0),
  );
  return Buffer.concat(writes.map(({ bytes }) => bytes));
}

function written(states: readonly ServerState[], limitBytes?: number): Write[] {
  const journal = new Journal(limitBytes);
  return states.map((state) => journal.save(state));
}

function read(bytes: Uint8Array) {
  return new Journal().load(bytes);
}

/** What a state is after it was on a disk. */
function onDisk(state: unknown): unknown {
  return JSON.parse(JSON.stringify(state));
}

function lineOf({ bytes }: Write): object {
  const { checksum, ...line } = JSON.parse(Buffer.from(bytes).toString());
  assert.match(checksum, /^[0-9a-f]{8}$/);
  return line;
}

/** The second line, when this follows that in the place `kept`. */
function change(before: unknown, after: unknown): object {
  const states = [before, after].map((kept) => ({ ...STATE, kept }));
  const [first, second] = written(states);
  assert.ok(first !== undefined && second !== undefined);
  assert.deepEqual(read(bytesOf([first, second])).state, onDisk(states[1]));
  return lineOf(second);
}

suite('What is new', () => {
  const [one, two, three, four] = [{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }];

  test('is the whole state at first, and then what is another one', () => {
    const promisedId = { number: 2, uid: 'B' };
    const [first, second] = written([STATE, { ...STATE, promisedId, instanceNumber: 7 }]);
    assert.deepEqual(lineOf(first as Write), { entry: 1, state: STATE });
    assert.deepEqual(lineOf(second as Write), {
      entry: 2,
      set: { promisedId, instanceNumber: 7 },
    });
  });

  test('in a list is what is behind, and what is gone from anywhere', () => {
    const gone = change({ list: [one, two, three, four] }, { list: [one, four, { n: 5 }] });
    assert.deepEqual(gone, {
      entry: 2,
      in: { kept: { in: { list: { cut: [[1, 2]], add: [{ n: 5 }] } } } },
    });
    const some = change({ list: [one, two, three, four] }, { list: [two, four] });
    const cut = [
      [0, 1],
      [2, 1],
    ];
    assert.deepEqual(some, { entry: 2, in: { kept: { in: { list: { cut } } } } });
    const last = change({ list: [one, two] }, { list: [one] });
    assert.deepEqual(last, { entry: 2, in: { kept: { in: { list: { cut: [[1, 1]] } } } } });
  });

  test('in a list with nothing of the old one is all of it', () => {
    const all = change({ list: [one, two] }, { list: [three] });
    assert.deepEqual(all, { entry: 2, in: { kept: { set: { list: [three] } } } });
    const none = change({ list: [one, two] }, { list: [] });
    assert.deepEqual(none, { entry: 2, in: { kept: { set: { list: [] } } } });
  });

  test('may be that something is there no more, or for the first time', () => {
    assert.deepEqual(change({ a: one, b: two }, { b: two }), {
      entry: 2,
      in: { kept: { unset: ['a'] } },
    });
    assert.deepEqual(change(undefined, { a: 1 }), { entry: 2, set: { kept: { a: 1 } } });
    assert.deepEqual(change({ a: one }, undefined), { entry: 2, unset: ['kept'] });
  });

  test('may have the name of something that every object has', () => {
    const list = [one];
    const before = JSON.parse('{"__proto__":1,"constructor":2}');
    const after = JSON.parse('{"__proto__":3,"toString":4}');
    change({ ...before, list }, { ...after, list });
    change({ list }, { ...after, list });
  });

  test('is nothing where all is the same', () => {
    assert.deepEqual(change({ list: [one] }, { list: [one] }), { entry: 2 });
    assert.deepEqual(change({ list: [] }, { list: [] }), { entry: 2 });
    assert.deepEqual(lineOf(written([STATE, STATE])[1] as Write), { entry: 2 });
  });
});

suite('A journal', () => {
  test('of a store gives every state back, in few bytes, and goes on from each', () => {
    const states = statesOfAStore(60);
    assert.ok(states.length >= 60);
    for (const limitBytes of [0, 500, 3_000, JOURNAL_LIMIT_BYTES]) {
      let file = Buffer.alloc(0);
      let journal = new Journal(limitBytes);
      for (const [index, state] of states.entries()) {
        const { begins, bytes } = journal.save(state);
        file = begins ? Buffer.from(bytes) : Buffer.concat([file, bytes]);
        assert.deepEqual(read(file), { state: onDisk(state), soundBytes: file.length });
        if (index % 10 !== 0) continue;
        journal = new Journal(limitBytes); // its server is killed, and starts anew
        journal.load(file);
      }
    }
  });

  test('begins anew when it is long, or a line would be', () => {
    const states = Array.from({ length: 100 }, (_, n) => ({ ...STATE, instanceNumber: n + 1 }));
    const begun = (limitBytes: number) =>
      written(states, limitBytes).filter(({ begins }) => begins).length;
    assert.equal(begun(JOURNAL_LIMIT_BYTES), 1);
    const few = begun(1_000);
    assert.ok(few > 4 && few < 15, `${few}`);
    // Its first line is longer than the limit: then that is how long the others may be.
    assert.ok(begun(0) > few && begun(0) < 40, `${begun(0)}`);
    const long = { ...STATE, currentValue: 'x'.repeat(2_000) };
    assert.deepEqual(
      written([STATE, long, STATE], 1_000).map(({ begins }) => begins),
      [true, true, false],
    );
  });

  test('goes on from what it has read as from what it has written', () => {
    const [state] = statesOfAStore(20).slice(-1) as [ServerState];
    const { bytes } = new Journal().save(state);
    const journal = new Journal();
    const found = journal.load(bytes).state as ServerState;
    assert.deepEqual(lineOf(journal.save(found)), { entry: 2 });
    const instanceNumber = found.instanceNumber + 1;
    const next = journal.save({ ...found, instanceNumber });
    assert.deepEqual(lineOf(next), { entry: 3, set: { instanceNumber } });
  });
});

suite('What is read', () => {
  const states = statesOfAStore(9).slice(-4);
  const writes = written(states);
  const bytes = bytesOf(writes);
  const ends = [...entriesOf(bytes)].map(({ endsAt }) => endsAt);

  test('is, wherever it is cut, the state of the last whole line, or refused in the first', () => {
    for (let length = 0; length < bytes.length; length += 1) {
      const lines = ends.filter((end) => end <= length).length;
      const cut = bytes.subarray(0, length);
      if (lines === 0) assert.throws(() => read(cut), /^Error: (it is empty|line 1 is not what w)/);
      else {
        const found = read(cut);
        assert.deepEqual(found.state, onDisk(states[lines - 1]));
        assert.equal(found.soundBytes, ends[lines - 1]);
      }
    }
  });

  test('is refused, whichever bit of it has flipped, and the line is named', () => {
    for (let bit = 0; bit < 8 * bytes.length; bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped.writeUInt8((bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7)), bit >> 3);
      const line = ends.filter((end) => end <= bit >> 3).length + 1;
      assert.throws(() => read(flipped), { message: `line ${line} is not what was written` });
    }
  });

  test('is torn with a hole in its last line, and refused with one before', () => {
    const [from = 0, to = 0] = ends.slice(-2);
    for (const size of [2, 16, 64]) {
      for (let at = from; at + size < to; at += 7) {
        const holed = Buffer.from(bytes).fill(0, at, at + size);
        assert.deepEqual(read(holed).soundBytes, from);
      }
    }
    // A file that was made longer, and never filled.
    const longer = Buffer.concat([bytes, Buffer.alloc(100)]);
    assert.equal(read(longer).soundBytes, bytes.length);
    assert.equal(read(Buffer.concat([bytes.subarray(0, -1), Buffer.alloc(3)])).soundBytes, from);
    assert.throws(() => read(Buffer.from(bytes).fill(0, from - 20, from - 10)), /line 3/);
    assert.throws(() => read(Buffer.from(bytes).fill(0, 5, 9)), /line 1/);
  });

  test('is refused if a line is missing, comes twice, or is of another journal', () => {
    const lines = writes.map((write) => write.bytes);
    const [first, second, third] = lines as [Uint8Array, Uint8Array, Uint8Array];
    const wrong = [
      [first, third],
      [second, third],
      [first, second, second],
      [first, third, second],
      [first, first],
      [first, (written(states.slice(1))[1] as Write).bytes],
      [first, Buffer.from('\n'), second],
    ];
    for (const some of wrong) assert.throws(() => read(Buffer.concat(some)), /^Error: line [12]|3/);
  });

  test('is refused if it is no journal at all, also with a checksum that is right', () => {
    const texts = ['\n', 'hello\n', '{}\n', '{"checksum":"00000000",}\n', 'null\n', '[]\n', '\0\n'];
    for (const text of texts) assert.throws(() => read(Buffer.from(text)), /line 1 is not what/);
    const forged = (second: object): Uint8Array => {
      const journal = new Journal();
      const { bytes: head } = journal.save(STATE);
      const { bytes: line } = journal.save({ ...STATE, ...second });
      return Buffer.concat([head, line]);
    };
    assert.doesNotThrow(() => read(forged({ currentValue: 'x' })));
    const noState = new Journal().save([] as unknown as ServerState);
    assert.throws(() => read(noState.bytes), /^Error: line 1 says what no journal can say$/);
  });
});
