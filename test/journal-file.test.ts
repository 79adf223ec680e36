/** The journal as a file: in which order it comes to the disk, and what stops its server. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { EMPTY_CHAIN } from '../src/chain.ts';
import { UNTOUCHED } from '../src/composable-paxos.ts';
import { Journal } from '../src/log/journal.ts';
import { JournalFile } from '../src/node/journal-file.ts';
import { JsonStateFile } from '../src/node/json-state-file.ts';
import type { FileSystem } from '../src/node/state-directory.ts';
import {
  lostState,
  MustStop,
  readServerState,
  type ServerState,
  STATE_IS_MISSING,
} from '../src/state.ts';
import { temporaryDirectory } from './processes.ts';

const STATE: ServerState = {
  uid: 'A',
  members: ['A'],
  instanceNumber: 1,
  votesFrom: 1,
  ...EMPTY_CHAIN,
  ...UNTOUCHED,
};

function at(instanceNumber: number, more: Partial<ServerState> = {}): ServerState {
  return { ...STATE, instanceNumber, ...more };
}

/** A journal file that begins anew when it is longer than that, in pieces of such a length. */
function open(directory: string, system: FileSystem = fs, ...limits: number[]): JournalFile {
  return new JournalFile(directory, 'A', system, process.platform, limits as [number?, number?]);
}

/** A file system that notes what is done to which file. */
function noting(calls: string[]): FileSystem {
  const names = new Map<number, string>();
  const note = (call: string, file: number) => calls.push(`${call} ${names.get(file)}`);
  return {
    ...fs,
    openSync: (path, ...how) => {
      const file = fs.openSync(path, ...how);
      names.set(file, String(path).split('/').at(-1) ?? '');
      if (fs.fstatSync(file).isDirectory()) names.set(file, 'directory');
      return file;
    },
    writeSync: (file, bytes, ...where) => {
      note(bytes.every((byte) => byte === 0) ? 'room' : 'write', file);
      return fs.writeSync(file, bytes, ...where);
    },
    fsyncSync: (file) => {
      note('fsync', file);
      fs.fsyncSync(file);
    },
    fdatasyncSync: (file) => {
      note('fdatasync', file);
      fs.fdatasyncSync(file);
    },
    ftruncateSync: (file, length) => {
      note('truncate', file);
      fs.ftruncateSync(file, length);
    },
    renameSync: (from, to) => {
      calls.push('rename');
      fs.renameSync(from, to);
      for (const [file, name] of names) {
        if (String(from).endsWith(`/${name}`)) names.set(file, String(to).split('/').at(-1) ?? '');
      }
    },
    rmSync: (path) => {
      calls.push(`remove ${String(path).split('/').at(-1)}`);
      fs.rmSync(path);
    },
  };
}

const BEGUN = ['write A.journal.tmp', 'fsync A.journal.tmp', 'rename', 'fsync directory'];
const MARKED = ['write A.mark', 'fsync A.mark', 'fsync directory'];
const APPENDED = ['write A.journal', 'fdatasync A.journal'];

/** A file system in which, once `isFull`, one call fails for lack of space. */
function failing(call: keyof FileSystem, full: { isFull: boolean }): FileSystem {
  const whole: FileSystem = { ...fs };
  const original = whole[call] as (...args: unknown[]) => unknown;
  return {
    ...fs,
    [call]: (...args: unknown[]) => {
      if (!full.isFull) return original(...args);
      // A full disk takes as much of a line as there is room for.
      if (call === 'writeSync') {
        const [file, bytes, from, length, place] = args as Parameters<FileSystem['writeSync']>;
        fs.writeSync(file, bytes, from, Math.floor(length / 2), place);
      }
      throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', errno: -28 });
    },
  };
}

suite('A journal file', () => {
  test('that was never written is null, and opening it changes nothing', (t) => {
    const directory = temporaryDirectory(t);
    assert.equal(open(directory).load(), null);
    assert.deepEqual(fs.readdirSync(directory), []);
  });

  test('waits once for the disk with a save, and only begins as a file of its own', (t) => {
    const directory = temporaryDirectory(t);
    const calls: string[] = [];
    const file = open(directory, noting(calls), 0);
    file.save(at(1));
    assert.deepEqual(calls.splice(0), [...BEGUN, ...MARKED]);
    file.save(at(2));
    file.save(at(3));
    assert.deepEqual(calls.splice(0), ['room A.journal', ...APPENDED, ...APPENDED]);
    let instanceNumber = 4;
    while (!calls.includes('rename')) {
      calls.length = 0;
      file.save(at(instanceNumber));
      instanceNumber += 1;
    }
    assert.deepEqual(calls.splice(0), [...APPENDED, ...BEGUN]);
    file.save(at(instanceNumber));
    assert.deepEqual(calls, ['room A.journal', ...APPENDED]);
    assert.deepEqual(open(directory).load(), at(instanceNumber));
  });

  test('begins anew in pieces, and is the old one until the last of them is on the disk', (t) => {
    const directory = temporaryDirectory(t);
    const calls: string[] = [];
    const list = Array.from({ length: 50 }, (_, n) => `${n} `.repeat(20));
    const file = open(directory, noting(calls), 0, 400);
    let number = 0;
    const save = () => {
      number += 1;
      calls.length = 0;
      file.save(at(number, { kept: { list } }));
      return calls.includes('write A.journal.tmp');
    };
    save();
    while (!save());
    const pieces = [...APPENDED, 'write A.journal.tmp'];
    for (let n = 0; n < 4; n += 1) {
      assert.deepEqual(calls, pieces);
      const copy = temporaryDirectory(t);
      fs.cpSync(directory, copy, { recursive: true });
      const killed = open(copy, fs, 0, 400);
      assert.deepEqual(killed.load(), at(number, { kept: { list } }));
      killed.save(at(99));
      assert.deepEqual(open(copy).load(), at(99));
      save();
    }
    while (!calls.includes('rename')) save();
    assert.deepEqual(calls, [...pieces, 'fsync A.journal.tmp', 'rename', 'fsync directory']);
    assert.deepEqual(open(directory).load(), at(number, { kept: { list } }));
    assert.deepEqual(fs.readdirSync(directory).sort(), ['A.journal', 'A.mark']);
  });

  test('is for its owner only, and read by a server that starts again', (t) => {
    const directory = temporaryDirectory(t);
    open(directory).save(at(1));
    assert.equal(fs.statSync(join(directory, 'A.journal')).mode & 0o777, 0o600);
    for (let number = 2; number < 6; number += 1) {
      const file = open(directory);
      assert.deepEqual(file.load(), at(number - 1));
      file.save(at(number));
    }
    assert.equal(readFileSync(join(directory, 'A.journal'), 'utf8').split('\n').length, 6);
  });

  test('has room for lines, and nothing of one that was torn there is believed', (t) => {
    const directory = temporaryDirectory(t);
    const file = open(directory);
    for (const number of [1, 2]) file.save(at(number));
    const before = readFileSync(file.path);
    file.save(at(3));
    const after = readFileSync(file.path);
    assert.equal(after.length, before.length);
    const [from, end] = [before.indexOf(0), after.indexOf(0)];
    for (let place = from + 1; place < end; place += 5) {
      // A disk may have written either part of a line, and not the other.
      const torn = Buffer.concat([after.subarray(0, place), before.subarray(place)]);
      const holed = Buffer.concat([before.subarray(0, place), after.subarray(place)]);
      for (const left of [torn, holed]) {
        writeFileSync(file.path, left);
        const again = open(directory);
        assert.deepEqual(again.load(), at(2));
        assert.equal(fs.statSync(file.path).size, from);
        again.save(at(4));
        assert.deepEqual(open(directory).load(), at(4));
      }
    }
  });

  test('makes room anew behind a line that has filled it to the last byte', (t) => {
    const directory = temporaryDirectory(t);
    const calls: string[] = [];
    const file = open(directory, noting(calls));
    for (const number of [1, 2]) file.save(at(number));
    const before = readFileSync(file.path);
    const end = before.indexOf(0);
    const journal = new Journal();
    for (const number of [1, 2]) journal.save(at(number));
    const more = (length: number) => at(3, { currentValue: 'x'.repeat(length) });
    const shortest = journal.save(more(0)).line?.length ?? 0;
    const full = more(before.length - end - shortest);
    calls.length = 0;
    file.save(full);
    assert.deepEqual(calls.splice(0), APPENDED);
    const after = readFileSync(file.path);
    assert.deepEqual([after.length, after.indexOf(0)], [before.length, -1]);
    assert.deepEqual(open(directory).load(), full);

    for (const place of [after.length - 1, after.length - 2, end + 4_096]) {
      writeFileSync(
        file.path,
        Buffer.from(after).fill(0, place, Math.min(place + 512, after.length)),
      );
      assert.deepEqual(open(directory).load(), at(2));
    }
    writeFileSync(file.path, after);
    file.save(at(4));
    assert.deepEqual(calls, ['room A.journal', ...APPENDED]);
    assert.deepEqual(open(directory).load(), at(4));
  });

  test('brings what is long of a new one to the disk before the end of it', (t) => {
    const directory = temporaryDirectory(t);
    const calls: string[] = [];
    const list = Array.from({ length: 400 }, (_, n) => `${n} `.repeat(800));
    const file = open(directory, noting(calls), 0);
    file.save(at(1, { kept: { list } }));
    calls.length = 0;
    for (let number = 2; !calls.includes('rename'); number += 1) {
      file.save(at(number, { kept: { list } }));
    }
    const ofNext = calls.filter((call) => call.endsWith('.tmp'));
    const syncs = ofNext.filter((call) => call.startsWith('fsync')).length;
    assert.ok(syncs > 1 && syncs < ofNext.length / 4, `${syncs} of ${ofNext.length}`);
  });

  test('is made sure of before it is read, without a torn line', (t) => {
    const directory = temporaryDirectory(t);
    const file = open(directory);
    file.save(at(1));
    file.save(at(2));
    const size = readFileSync(file.path).indexOf(0);
    fs.appendFileSync(file.path, '{"checksum":"0123');
    const calls: string[] = [];
    const again = open(directory, noting(calls));
    assert.deepEqual(again.load(), at(2));
    assert.deepEqual(calls.splice(0), [
      'truncate A.journal',
      'write A.journal',
      'fdatasync A.journal',
      'fsync directory',
    ]);
    assert.equal(fs.statSync(file.path).size, size);
    again.save(at(3));
    assert.deepEqual(open(directory, noting(calls)).load(), at(3));
    assert.deepEqual(calls.slice(-2), ['fdatasync A.journal', 'fsync directory']);
  });

  test('with a bad line stops its server, and is left as it is', (t) => {
    const directory = temporaryDirectory(t);
    const file = open(directory);
    for (const number of [1, 2, 3]) file.save(at(number));
    const text = readFileSync(file.path, 'utf8').replace(
      '"instanceNumber":2',
      '"instanceNumber":9',
    );
    writeFileSync(file.path, text);
    assert.throws(() => open(directory).load(), { message: 'line 2 is not what was written' });
    assert.equal(readFileSync(file.path, 'utf8'), text);
    writeFileSync(file.path, '');
    assert.throws(() => open(directory).load(), { message: 'it is empty' });
  });

  test('that is missing is not the same as one that never was', (t) => {
    const directory = temporaryDirectory(t);
    open(directory).save(at(1));
    fs.rmSync(join(directory, 'A.journal'));
    assert.throws(() => open(directory).load(), { message: STATE_IS_MISSING });
    assert.throws(() => new JsonStateFile(directory, 'A').load(), { message: STATE_IS_MISSING });
    open(directory).saveAsLost(['A']);
    assert.deepEqual(open(directory).load(), lostState('A', ['A']));
    const says = /A\.journal is there, and --rejoin is for .*without$/;
    assert.throws(() => open(directory).saveAsLost(['A']), says);
    assert.throws(() => new JsonStateFile(directory, 'A').saveAsLost(['A']), says);
  });

  for (const what of ['a symbolic link', 'a directory'] as const) {
    test(`that is ${what} is not believed`, (t) => {
      const directory = temporaryDirectory(t);
      const path = join(directory, 'A.journal');
      if (what === 'a directory') fs.mkdirSync(path);
      else fs.symlinkSync('/dev/null', path);
      const message = /^it is a symbolic link$|^it is not a regular file$/;
      assert.throws(() => open(directory).load(), { message });
    });
  }
});

suite('A full disk', () => {
  // What was written, all of it, and has not come to the disk, is brought there at the next start.
  for (const [call, found] of [['writeSync', 2] as const, ['fdatasyncSync', 3] as const]) {
    test(`in ${call} of a line stops its server, which then starts again with ${found}`, (t) => {
      const directory = temporaryDirectory(t);
      const full = { isFull: false };
      const file = open(directory, failing(call, full));
      file.save(at(1));
      file.save(at(2));
      full.isFull = true;
      const says = /A\.journal cannot be written: no space left on device \(ENOSPC\); mend/;
      assert.throws(() => file.save(at(3)), says);
      const after = open(directory);
      assert.deepEqual(after.load(), at(found));
      after.save(at(4));
      assert.deepEqual(open(directory).load(), at(4));
    });
  }

  for (const call of ['openSync', 'writeSync', 'fsyncSync', 'renameSync'] as const) {
    test(`in ${call} where the journal begins anew leaves the old one`, (t) => {
      const directory = temporaryDirectory(t);
      const full = { isFull: false };
      const file = open(directory, failing(call, full), 1_000);
      file.save(at(1));
      file.save(at(2));
      full.isFull = true;
      const long = at(3, { currentValue: 'x'.repeat(2_000) });
      assert.throws(() => file.save(long), /A\.journal cannot be written: no space left/);
      const after = open(directory);
      assert.deepEqual(after.load(), at(2));
      after.save(long);
      assert.deepEqual(open(directory).load(), long);
    });
  }
});

suite('A directory with a state of the other kind', () => {
  /** What server A has kept as a JSON file. */
  function withJson(t: TestContext): string {
    const directory = temporaryDirectory(t);
    new JsonStateFile(directory, 'A').save(at(7));
    return directory;
  }

  test('is taken over: the file goes when the journal is on the disk, and not before', (t) => {
    const directory = withJson(t);
    const calls: string[] = [];
    const file = open(directory, noting(calls));
    assert.deepEqual(file.load(), at(7));
    assert.equal(file.takesOver, join(directory, 'A.json'));
    assert.deepEqual(fs.readdirSync(directory).sort(), ['A.json', 'A.mark']);
    calls.length = 0;
    file.save(at(8));
    assert.deepEqual(calls, [...BEGUN, 'remove A.json', 'fsync directory']);
    assert.equal(file.takesOver, null);
    assert.deepEqual(fs.readdirSync(directory).sort(), ['A.journal', 'A.mark']);
    assert.deepEqual(open(directory).load(), at(8));
  });

  test('is that of the journal where a crash has left both', (t) => {
    const directory = withJson(t);
    const json = readFileSync(join(directory, 'A.json'));
    const file = open(directory);
    file.load();
    file.save(at(8));
    writeFileSync(join(directory, 'A.json'), json);
    const calls: string[] = [];
    const again = open(directory, noting(calls));
    assert.deepEqual(again.load(), at(8));
    assert.equal(existsSync(join(directory, 'A.json')), true); // it may be of another server
    calls.length = 0;
    again.settle();
    assert.deepEqual(calls, ['remove A.json', 'fsync directory']);
    again.settle();
    again.save(at(9));
    assert.deepEqual(calls.slice(2), ['room A.journal', ...APPENDED]);
    assert.deepEqual(open(directory).load(), at(9));
    fs.rmSync(again.path);
    assert.throws(() => open(directory).load(), { message: STATE_IS_MISSING });
  });

  test('keeps it beside a journal that whoever reads it refuses: it is of another server', (t) => {
    const directory = withJson(t);
    const other = new JournalFile(directory, 'B');
    other.save(at(8, { uid: 'B', members: ['A', 'B'] }));
    fs.renameSync(other.path, join(directory, 'A.journal'));
    const found = open(directory).load();
    assert.throws(() => readServerState(found, 'A', ['A', 'B']), /it belongs to server "B"/);
    fs.rmSync(join(directory, 'A.journal'));
    assert.deepEqual(open(directory).load(), at(7));
  });

  test('is not believed if that file is not what was saved', (t) => {
    const directory = withJson(t);
    const path = join(directory, 'A.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace(':7', ':8'));
    assert.throws(() => open(directory).load(), /^Error: its checksum is wrong/);
    assert.throws(() => open(directory).saveAsLost(['A']), /A\.json is there/);
    assert.equal(existsSync(path), true);
  });

  test('has no way back: the other kind says with which flag to start', (t) => {
    const directory = temporaryDirectory(t);
    open(directory).save(at(1));
    const says = /A\.journal has taken its place: start it with --journal, or with --store/;
    assert.throws(
      () => new JsonStateFile(directory, 'A').load(),
      (error) => error instanceof MustStop && says.test(error.message),
    );
  });
});
