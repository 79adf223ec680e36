/** The journal: what is written of a state, and what is believed of what is read. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { crc32 } from 'node:zlib';
import { EMPTY_CHAIN } from '../src/chain.ts';
import { UNTOUCHED } from '../src/composable-paxos.ts';
import { entriesOf, JOURNAL_LIMIT_BYTES, Journal, type Write } from '../src/log/journal.ts';
import { LinkList } from '../src/log/link-list.ts';
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

/** What is written behind what is there, if the journal does not begin anew. */
function bytesIn({ line, piece }: Write): Uint8Array {
  return line ?? piece?.bytes ?? assert.fail();
}

/** What a journal that is written from beginning to end holds. */
function bytesOf(writes: readonly Write[]): Buffer {
  assert.deepEqual(
    writes.map(({ line, piece }) => [line === null, piece !== null]),
    writes.map((_, index) => [index === 0, index === 0]),
  );
  return Buffer.concat(writes.map(bytesIn));
}

/** A file with a journal, and the one that is to take its place. */
class JournalInMemory {
  bytes = Buffer.alloc(0);
  /** How many pieces each journal had. */
  readonly pieces: number[] = [];
  #next = Buffer.alloc(0);
  #pieces = 0;

  write({ line, piece }: Write): void {
    if (line !== null) this.bytes = Buffer.concat([this.bytes, line]);
    if (piece === null) return;
    if (piece.isFirst) this.#next = Buffer.alloc(0);
    if (piece.isFirst) this.#pieces = 0;
    this.#next = Buffer.concat([this.#next, piece.bytes]);
    this.#pieces += 1;
    if (!piece.isLast) return;
    this.bytes = this.#next;
    this.pieces.push(this.#pieces);
  }
}

function written(states: readonly ServerState[], ...limits: number[]): Write[] {
  const journal = new Journal(...limits);
  return states.map((state) => journal.save(state));
}

function read(bytes: Uint8Array) {
  return new Journal().load(bytes);
}

/** What a state is after it was on a disk. */
function onDisk(state: unknown): unknown {
  return JSON.parse(JSON.stringify(state));
}

function lineOf(write: Write): object {
  const { checksum, ...line } = JSON.parse(Buffer.from(bytesIn(write)).toString());
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
    const states = statesOfAStore(90);
    assert.ok(states.length >= 90);
    for (const limits of [[0, 400], [0, 1_000], [500, 2_000], [JOURNAL_LIMIT_BYTES]]) {
      const file = new JournalInMemory();
      let journal = new Journal(...limits);
      for (const [index, state] of states.entries()) {
        file.write(journal.save(state));
        assert.deepEqual(read(file.bytes), { state: onDisk(state), soundBytes: file.bytes.length });
        if (index % 30 !== 0) continue;
        journal = new Journal(...limits); // its server is killed, and starts anew
        journal.load(file.bytes);
      }
      assert.equal(file.pieces.length > 2, limits.length > 1, `${file.pieces}`);
      if (limits[1] === 1_000) assert.ok(Math.max(...file.pieces) > 1, `${file.pieces}`);
    }
  });

  test('begins anew when it is long, or a line would be', () => {
    const states = Array.from({ length: 100 }, (_, n) => ({ ...STATE, instanceNumber: n + 1 }));
    const begun = (limitBytes: number) =>
      written(states, limitBytes).filter(({ piece }) => piece?.isLast).length;
    assert.equal(begun(JOURNAL_LIMIT_BYTES), 1);
    const few = begun(1_000);
    assert.ok(few > 4 && few < 15, `${few}`);
    // Its first state is longer than the limit: then that is how long the others may be.
    assert.ok(begun(0) > few && begun(0) < 40, `${begun(0)}`);
    const long = { ...STATE, currentValue: 'x'.repeat(2_000) };
    assert.deepEqual(
      written([STATE, long, STATE], 1_000).map(({ line }) => line === null),
      [true, true, false],
    );
  });

  test('begins with a long state in lines that are short, and not before all are there', () => {
    const list = Array.from({ length: 40_000 }, (_, n) => ({ n, word: `the number ${n}` }));
    const kept = { short: [1], long: list, deep: { empty: [], list: list.slice(0, 33) } };
    const [first] = written([{ ...STATE, kept }]) as [Write];
    const bytes = bytesIn(first);
    const entries = [...entriesOf(bytes)];
    assert.ok(entries.length > 20, `${entries.length}`);
    assert.deepEqual(read(bytes).state, { ...STATE, kept });
    for (const [index, { endsAt, isPart }] of entries.entries()) {
      assert.ok(endsAt - (entries[index - 1]?.endsAt ?? 0) < 20_000);
      assert.equal(isPart, index < entries.length - 1);
      if (!isPart) continue;
      assert.throws(() => read(bytes.slice(0, endsAt)), {
        message: `line ${index + 2} is missing`,
      });
      const torn = { message: `line ${index + 2} is not what was written` };
      assert.throws(() => read(bytes.slice(0, endsAt + 20)), torn);
    }
  });

  test('that is begun anew in pieces writes no more than these with a save', () => {
    const list = Array.from({ length: 40_000 }, (_, n) => ({ n }));
    const journal = new Journal(1_000, 50_000);
    const file = new JournalInMemory();
    let longest = 0;
    for (let n = 0; n < 100_000 && file.pieces.length < 2; n += 1) {
      const write = journal.save({ ...STATE, instanceNumber: n + 1, kept: { list } });
      file.write(write);
      if (n > 0) longest = Math.max(longest, write.piece?.bytes.length ?? 0);
    }
    assert.equal(file.pieces.length, 2);
    assert.ok((file.pieces[1] ?? 0) > 5, `${file.pieces}`);
    assert.ok(longest < 150_000, `${longest}`);
  });

  test('goes on from what it has read as from what it has written', () => {
    const [state] = statesOfAStore(20).slice(-1) as [ServerState];
    const bytes = bytesIn(new Journal().save(state));
    const journal = new Journal();
    const found = journal.load(bytes).state as ServerState;
    assert.deepEqual(lineOf(journal.save(found)), { entry: 2 });
    const instanceNumber = found.instanceNumber + 1;
    const next = journal.save({ ...found, instanceNumber });
    assert.deepEqual(lineOf(next), { entry: 3, set: { instanceNumber } });
  });
});

suite('The journal of a long log', () => {
  const BLOCK_LENGTH = 1_000;
  const BLOCKS = 20;
  const PIECE = 64_000;
  const log = new LinkList(BLOCK_LENGTH);
  for (let number = 1; number <= BLOCKS * BLOCK_LENGTH + 500; number += 1) {
    log.push({ update: `set key ${'x'.repeat(100)}`, id: `A-0123abcd-${number}` });
  }
  const stateOf = ({ kept }: LinkList, instanceNumber = 1) => ({ ...STATE, instanceNumber, kept });
  const lengthsOf = (bytes: Uint8Array): number[] => {
    const ends = [...entriesOf(bytes)].map(({ endsAt }) => endsAt);
    return ends.map((end, index) => end - (ends[index - 1] ?? 0));
  };

  test('has short lines only, and is begun anew in pieces', () => {
    const [first] = written([stateOf(log)]) as [Write];
    assert.deepEqual(read(bytesIn(first)).state, onDisk(stateOf(log)));
    const blockBytes = JSON.stringify(log.kept.blocks[0]).length;
    const longest = Math.max(...lengthsOf(bytesIn(first)));
    assert.ok(longest < blockBytes / 5, `${longest} of ${blockBytes}`);

    const journal = new Journal(1_000, PIECE);
    const file = new JournalInMemory();
    let saves = 0;
    let longestPiece = 0;
    let hasBegun = false;
    for (; saves < 1_000 && file.pieces.length < 2; saves += 1) {
      // Long lines until another journal begins, and then short ones, which come behind it.
      const currentValue = `${saves}`.repeat(hasBegun ? 1 : 50_000);
      const write = journal.save({ ...stateOf(log), currentValue });
      file.write(write);
      if (saves === 0 || write.piece === null) continue;
      hasBegun = true;
      longestPiece = Math.max(longestPiece, write.piece.bytes.length);
    }
    assert.equal(file.pieces.length, 2);
    assert.deepEqual(
      read(file.bytes).state,
      onDisk({ ...stateOf(log), currentValue: `${saves - 1}` }),
    );
    assert.ok(longestPiece < 2 * PIECE, `${longestPiece}`);
    assert.ok((file.pieces[1] ?? 0) > BLOCKS, `${file.pieces}`);
  });

  test('gets little from a save after a restart, and from a full block only this one', () => {
    const journal = new Journal();
    const [first] = written([stateOf(log)]) as [Write];
    const found = journal.load(bytesIn(first)).state as ServerState;
    const restored = new LinkList(BLOCK_LENGTH, found.kept as LinkList['kept']);
    const second = journal.save({ ...found, instanceNumber: 2, kept: restored.kept });
    assert.deepEqual(lineOf(second), {
      entry: lengthsOf(bytesIn(first)).length + 1,
      set: { instanceNumber: 2 },
    });
    while (restored.kept.blocks.length === BLOCKS)
      restored.push({ update: 'x', id: 'A-0123abcd-1' });
    const third = journal.save(stateOf(restored, 3));
    const blockBytes = JSON.stringify(restored.kept.blocks.at(-1)).length;
    assert.ok(bytesIn(third).length < blockBytes + 1_000);
    const all = [first, second, third].map(bytesIn);
    assert.deepEqual(read(Buffer.concat(all)).state, onDisk(stateOf(restored, 3)));
  });

  test('begins anew, in short lines, when all of its blocks are other ones', () => {
    const journal = new Journal();
    journal.save(stateOf(log));
    const other = stateOf(new LinkList(BLOCK_LENGTH / 2, log.kept));
    const { line, piece } = journal.save(other);
    assert.equal(line, null);
    assert.ok(piece?.isFirst && piece.isLast);
    assert.ok(Math.max(...lengthsOf(piece.bytes)) < 20_000);
    assert.deepEqual(read(piece.bytes).state, onDisk(other));
  });
});

const NO_JOURNAL = (line: number) => ({ message: `line ${line} says what no journal can say` });

suite('What is read', () => {
  const states = statesOfAStore(9).slice(-4);
  const writes = written(states);
  const bytes = bytesOf(writes);
  const ends = [...entriesOf(bytes)].map(({ endsAt }) => endsAt);
  const flipped = (bit: number) => {
    const wrong = Buffer.from(bytes);
    wrong.writeUInt8((bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7)), bit >> 3);
    return wrong;
  };

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
      const line = ends.filter((end) => end <= bit >> 3).length + 1;
      assert.throws(() => read(flipped(bit)), { message: `line ${line} is not what was written` });
    }
  });

  test('is the same with room of zeros behind it, torn or flipped anywhere', () => {
    const room = Buffer.alloc(40);
    const [first = 0] = ends;
    for (let length = first; length < bytes.length; length += 1) {
      const endsAt = ends.findLast((end) => end <= length);
      assert.equal(read(Buffer.concat([bytes.subarray(0, length), room])).soundBytes, endsAt);
    }
    for (let bit = 0; bit < 8 * bytes.length; bit += 7) {
      const line = ends.filter((end) => end <= bit >> 3).length + 1;
      const message = `line ${line} is not what was written`;
      assert.throws(() => read(Buffer.concat([flipped(bit), room])), { message });
    }
    for (let bit = 0; bit < 8 * room.length; bit += 1) {
      const wrong = Buffer.concat([bytes, room]);
      wrong.writeUInt8(1 << (bit & 7), bytes.length + (bit >> 3));
      assert.equal(read(wrong).soundBytes, bytes.length);
    }
  });

  test('is torn without any sectors of its last line, and behind the room it is no line', () => {
    const from = ends.at(-2) ?? 0;
    for (const size of [8, 16, 64]) {
      const sectors = Math.ceil((bytes.length - from) / size);
      for (let missing = 1; missing < 2 ** Math.min(sectors, 8); missing += 1) {
        const holed = Buffer.from(bytes);
        for (let sector = 0; sector < sectors; sector += 1) {
          const at = from + size * sector;
          const end = Math.min(at + size, bytes.length);
          if ((missing >> (sector % 8)) % 2 === 1) holed.fill(0, at, end);
        }
        for (const room of [0, 1, 40]) {
          assert.equal(read(Buffer.concat([holed, Buffer.alloc(room)])).soundBytes, from);
        }
      }
    }
    const behind = (zeros: number) =>
      Buffer.concat([bytes.subarray(0, from), Buffer.alloc(zeros), bytes.subarray(from)]);
    assert.equal(read(behind(40)).soundBytes, from);
    const two = Buffer.concat([behind(40), bytes.subarray(from)]);
    assert.throws(() => read(two), { message: `line ${ends.length} is not what was written` });
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
    const lines = writes.map(bytesIn);
    const [first, second, third] = lines as [Uint8Array, Uint8Array, Uint8Array];
    const line = (index: number) => ({ message: `line ${index + 1} is not what was written` });
    for (const [index, one] of lines.entries()) {
      const [before, behind] = [lines.slice(0, index), lines.slice(index + 1)];
      const twice = Buffer.concat([...before, one, one, ...behind]);
      assert.throws(() => read(twice), line(index + 1));
      const next = behind.slice(0, 1);
      if (next.length === 0) continue;
      const swapped = Buffer.concat([...before, ...next, one, ...behind.slice(1)]);
      assert.throws(() => read(swapped), line(index));
      assert.throws(() => read(Buffer.concat([...before, ...behind])), line(index));
    }
    const wrong = [
      [first, third],
      [first, bytesIn(written(states.slice(1))[1] as Write)],
      [first, Buffer.from('\n'), second],
    ];
    for (const some of wrong) assert.throws(() => read(Buffer.concat(some)), line(1));
  });

  test('is refused if it is no journal at all, also with a checksum that is right', () => {
    const texts = ['\n', 'hello\n', '{}\n', '{"checksum":"00000000",}\n', 'null\n', '[]\n', '\0\n'];
    for (const text of texts) assert.throws(() => read(Buffer.from(text)), /line 1 is not what/);
    const forged = (...bodies: readonly object[]): Buffer => {
      let checksum = 0;
      const lines = bodies.map((body, index) => {
        const rest = JSON.stringify({ entry: index + 1, ...body }).slice(1);
        checksum = crc32(rest, checksum);
        return `{"checksum":"${checksum.toString(16).padStart(8, '0')}",${rest}\n`;
      });
      return Buffer.from(lines.join(''));
    };
    const sound = forged({ state: STATE }, { set: { currentValue: 'x' } });
    assert.deepEqual(read(sound).state, { ...STATE, currentValue: 'x' });
    const wrong = [{}, { state: null }, { state: [STATE] }, { state: 'A' }];
    for (const first of wrong) assert.throws(() => read(forged(first)), NO_JOURNAL(1));
    const inside = { add: [1] };
    const nested = (key: string) => ({ in: { members: { in: { [key]: inside } } } });
    for (const key of ['0', '9', '-1', 'length', '__proto__']) {
      assert.throws(() => read(forged({ state: STATE }, nested(key))), NO_JOURNAL(2));
    }
    for (const second of [{ in: { uid: inside } }, { in: { nowhere: inside } }, { set: null }]) {
      assert.throws(() => read(forged({ state: STATE }, second)), NO_JOURNAL(2));
    }
  });
});

suite('A large snapshot', () => {
  const partsOf = (count: number, of: string) =>
    Array.from({ length: count }, (_, n) => `${of} ${n} ${'x'.repeat(1_000)}`);
  const onDiskBytes = (state: ServerState) => JSON.stringify(state).length;

  test('that was saved part by part takes its place with a short line', () => {
    const journal = new Journal();
    const old = { instanceNumber: 1, parts: partsOf(1_000, 'old') };
    const parts = partsOf(1_000, 'new');
    const writes = [journal.save({ ...STATE, kept: { snapshot: old } })];
    for (let count = 100; count <= 900; count += 100) {
      const written = { instanceNumber: 9, parts: parts.slice(0, count) };
      writes.push(journal.save({ ...STATE, kept: { snapshot: old, written } }));
    }
    const whole = { instanceNumber: 9, parts };
    writes.push(journal.save({ ...STATE, kept: { snapshot: old, written: whole } }));
    assert.ok(Math.max(...writes.slice(1).map((it) => bytesIn(it).length)) < 120_000);
    const last = journal.save({ ...STATE, instanceNumber: 2, kept: { snapshot: whole } });
    assert.deepEqual(lineOf(last), {
      entry: JSON.parse(Buffer.from(bytesIn(last)).toString()).entry,
      set: { instanceNumber: 2 },
      in: { kept: { move: { snapshot: 'written' }, unset: ['written'] } },
    });
    const { state } = read(Buffer.concat([...writes, last].map(bytesIn)));
    assert.deepEqual(state, { ...STATE, instanceNumber: 2, kept: { snapshot: whole } });
  });

  test('and what stands in that place at once shares nothing with it', () => {
    const [one, two, three] = ['one', 'two', 'three'].map((name) => ({ name, list: [name] }));
    const kept = [
      { a: one, b: two },
      { a: two, b: three },
      { a: two, b: { name: 'three', list: [...(three?.list ?? []), 'more'] } },
      { a: { name: 'other', list: two?.list }, b: two },
      { a: one, b: one },
      { a: one, b: two },
    ];
    const states = kept.map((it, index) => ({ ...STATE, instanceNumber: index + 1, kept: it }));
    const writes = written(states);
    for (const [index, state] of states.entries()) {
      const bytes = Buffer.concat(writes.slice(0, index + 1).map(bytesIn));
      assert.deepEqual(read(bytes).state, onDisk(state), `${index}`);
    }
  });

  test('is written to a new journal in pieces, and so is all that has changed meanwhile', () => {
    const PIECE = 64_000;
    const journal = new Journal(1_000, PIECE);
    const file = new JournalInMemory();
    const parts = partsOf(2_000, 'a part');
    let longest = 0;
    let state: ServerState = { ...STATE, kept: { snapshot: { parts }, written: { parts: [] } } };
    file.write(journal.save(state));
    for (let save = 1; save < 400 && file.pieces.length < 2; save += 1) {
      const written = { parts: parts.slice(0, 50 * save) };
      state = { ...STATE, instanceNumber: save, kept: { snapshot: { parts }, written } };
      const write = journal.save(state);
      file.write(write);
      longest = Math.max(longest, write.line?.length ?? 0, write.piece?.bytes.length ?? 0);
    }
    assert.equal(file.pieces.length, 2);
    assert.ok(longest < 3 * PIECE, `${longest}`);
    assert.ok(file.bytes.length > onDiskBytes(state));
    assert.deepEqual(read(file.bytes).state, onDisk(state));
  });
});
