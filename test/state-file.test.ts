import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { EMPTY_CHAIN } from '../src/chain.ts';
import { UNTOUCHED } from '../src/composable-paxos.ts';
import { Failure } from '../src/node/failure.ts';
import { JsonStateFile } from '../src/node/json-state-file.ts';
import { type FileSystem, whatMayBeLost } from '../src/node/state-directory.ts';
import { lostState, STATE_IS_MISSING } from '../src/state.ts';
import { temporaryDirectory } from './processes.ts';

const STATE = {
  uid: 'A',
  members: ['A'],
  instanceNumber: 7,
  votesFrom: 1,
  ...EMPTY_CHAIN,
  ...UNTOUCHED,
};

suite('A state file', () => {
  test('that was never written is null, and opening it changes nothing', (t) => {
    const directory = temporaryDirectory(t);
    assert.equal(new JsonStateFile(directory, 'A').load(), null);
    assert.deepEqual(fs.readdirSync(directory), []);
  });

  test('gives back what was saved last', (t) => {
    const file = new JsonStateFile(temporaryDirectory(t), 'A');
    file.save(STATE);
    file.save({ ...STATE, instanceNumber: 8 });
    assert.deepEqual(file.load(), { ...STATE, instanceNumber: 8 });
  });

  test('from before there were checksums is read, and has one from the next save on', (t) => {
    const file = new JsonStateFile(temporaryDirectory(t), 'A');
    writeFileSync(file.path, JSON.stringify(STATE, null, 2));
    assert.deepEqual(file.load(), STATE);
    file.save(STATE);
    assert.match(readFileSync(file.path, 'utf8'), /^\{"checksum":"[0-9a-f]{16}","uid":"A"/);
    assert.deepEqual(file.load(), STATE);
  });

  test('is not believed when any of its bits has flipped', (t) => {
    const file = new JsonStateFile(temporaryDirectory(t), 'A');
    file.save({ ...STATE, currentValue: 'hello' });
    const bytes = readFileSync(file.path);
    const says = new Map<string, number>();
    for (let bit = 0; bit < 8 * (bytes.length - 1); bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped.writeUInt8((bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7)), bit >> 3);
      writeFileSync(file.path, flipped);
      try {
        // In the name of the checksum: then it is a field that no state has.
        assert.notDeepEqual(Object.keys(file.load() as object), Object.keys(STATE));
      } catch (error) {
        const { message } = error as Error;
        says.set(message, (says.get(message) ?? 0) + 1);
      }
    }
    const reasons = [
      'it is not JSON in UTF-8',
      'its checksum is wrong: what it holds is not what was saved',
    ];
    assert.deepEqual([...says.keys()].sort(), reasons);
  });

  test('may be edited on purpose: without its checksum, and in any layout', (t) => {
    const file = new JsonStateFile(temporaryDirectory(t), 'A');
    file.save({ ...STATE, currentValue: 'hello' });
    const { checksum, ...edited } = JSON.parse(readFileSync(file.path, 'utf8'));
    const layout = JSON.stringify({ checksum, ...edited }, null, 2);
    writeFileSync(file.path, layout);
    assert.deepEqual(file.load(), edited);
    writeFileSync(file.path, layout.replace('hello', 'hallo'));
    assert.throws(() => file.load(), /^Error: its checksum is wrong/);
    writeFileSync(file.path, JSON.stringify({ ...edited, currentValue: 'hallo' }));
    assert.deepEqual(file.load(), { ...edited, currentValue: 'hallo' });
  });

  test('and the directories that it needs are for their owner only', (t) => {
    const directory = join(temporaryDirectory(t), 'one', 'two');
    new JsonStateFile(directory, 'A').save(STATE);
    assert.equal(modeOf(join(directory, '..')), 0o700);
    assert.equal(modeOf(directory), 0o700);
    assert.equal(modeOf(join(directory, 'A.json')), 0o600);
  });

  test('is written even where a crash has left half of one behind', (t) => {
    const directory = temporaryDirectory(t);
    writeFileSync(join(directory, 'A.json.tmp'), '{"uid":');
    const file = new JsonStateFile(directory, 'A');
    assert.equal(file.load(), null);
    file.save(STATE);
    assert.deepEqual(file.load(), STATE);
    assert.equal(existsSync(join(directory, 'A.json.tmp')), false);
  });

  test('never writes through a link that stands where it puts its temporary file', (t) => {
    const directory = temporaryDirectory(t);
    const victim = join(directory, 'victim');
    writeFileSync(victim, 'precious');
    symlinkSync(victim, join(directory, 'A.json.tmp'));
    new JsonStateFile(directory, 'A').save(STATE);
    assert.equal(readFileSync(victim, 'utf8'), 'precious');
  });

  test('is durable in this order: the bytes, the name, the directory', (t) => {
    const calls: string[] = [];
    const file = new JsonStateFile(temporaryDirectory(t), 'A', {
      ...fs,
      writeSync: logged(calls, 'write', fs.writeSync as FileSystem['writeSync']),
      fsyncSync: logged(calls, 'fsync', fs.fsyncSync),
      renameSync: logged(calls, 'rename', fs.renameSync),
      closeSync: logged(calls, 'close', fs.closeSync),
    });
    file.save(STATE);
    const durably = ['write', 'fsync', 'close'];
    // The first time the mark comes after it.
    assert.deepEqual(calls, [...durably, 'rename', 'fsync', ...durably, 'fsync']);
    calls.length = 0;
    file.save(STATE);
    assert.deepEqual(calls, [...durably, 'rename', 'fsync']);
  });

  test('is made sure of before it is read: its writer may not have come to fsync', (t) => {
    const directory = temporaryDirectory(t);
    new JsonStateFile(directory, 'A').save(STATE);
    const synced: number[] = [];
    const fsyncSync = (file: number) => {
      assert.ok(fs.fstatSync(file).isDirectory());
      synced.push(file);
    };
    assert.deepEqual(new JsonStateFile(directory, 'A', { ...fs, fsyncSync }).load(), STATE);
    assert.equal(synced.length, 1);
  });

  test('that is missing is not the same as one that never was', (t) => {
    const directory = temporaryDirectory(t);
    const file = new JsonStateFile(directory, 'A');
    file.save(STATE);
    fs.rmSync(file.path);
    assert.throws(() => file.load(), { message: STATE_IS_MISSING });
    assert.throws(() => new JsonStateFile(directory, 'A').load(), { message: STATE_IS_MISSING });
    assert.equal(new JsonStateFile(directory, 'B').load(), null);
  });

  test('without a mark, from before there were marks, gets one when it is read', (t) => {
    const directory = temporaryDirectory(t);
    writeFileSync(join(directory, 'A.json'), JSON.stringify(STATE));
    const calls: string[] = [];
    const file = new JsonStateFile(directory, 'A', {
      ...fs,
      writeSync: logged(calls, 'write', fs.writeSync as FileSystem['writeSync']),
      fsyncSync: logged(calls, 'fsync', fs.fsyncSync),
    });
    assert.deepEqual(file.load(), STATE);
    assert.deepEqual(calls, ['fsync', 'write', 'fsync', 'fsync']);
    fs.rmSync(file.path);
    assert.throws(() => file.load(), { message: STATE_IS_MISSING });
  });

  test('of a server that has lost it says so, with a mark or without one', (t) => {
    const directory = temporaryDirectory(t);
    const file = new JsonStateFile(directory, 'A');
    for (const lose of [() => {}, () => fs.rmSync(file.path)]) {
      lose();
      file.saveAsLost(['A']);
      assert.deepEqual(file.load(), lostState('A', ['A']));
    }
  });

  test('that is there is not lost, whatever it holds', (t) => {
    const file = new JsonStateFile(temporaryDirectory(t), 'A');
    writeFileSync(file.path, '');
    assert.throws(() => file.saveAsLost(['A']), /A\.json is there, and --rejoin is for .*without$/);
    assert.equal(readFileSync(file.path, 'utf8'), '');
  });

  for (const [code, errno, words] of [
    ['EACCES', -13, 'permission denied'],
    ['EIO', -5, 'i/o error'],
  ] as const) {
    test(`that cannot be opened or read is not the same as none: ${code}`, (t) => {
      const directory = temporaryDirectory(t);
      const fail = () => {
        throw Object.assign(new Error(code), { code, errno });
      };
      const openSync: FileSystem['openSync'] = (path, ...how) =>
        String(path).endsWith('A.json') ? fail() : fs.openSync(path, ...how);
      const unopened = new JsonStateFile(directory, 'A', { ...fs, openSync });
      const message = new RegExp(`A\\.json cannot be read: ${words} \\(${code}\\); mend that`);
      assert.throws(() => unopened.load(), { name: 'Error', message });

      new JsonStateFile(directory, 'A').save(STATE);
      const unread = new JsonStateFile(directory, 'A', { ...fs, readFileSync: fail });
      assert.throws(() => unread.load(), message);
    });
  }

  test('does without the directory where, and only where, Windows refuses that', (t) => {
    const directory = join(temporaryDirectory(t), 'new');
    const refused = (code: string) => Object.assign(new Error(code), { code });
    const open = (platform: NodeJS.Platform, isOf: (file: number) => boolean, code: string) => {
      const fsyncSync = (file: number) => {
        if (isOf(file)) throw refused(code);
        fs.fsyncSync(file);
      };
      return new JsonStateFile(directory, 'A', { ...fs, fsyncSync }, platform);
    };
    const ofDirectory = (file: number) => fs.fstatSync(file).isDirectory();
    const ofFile = (file: number) => fs.fstatSync(file).isFile();

    const onWindows = open('win32', ofDirectory, 'EPERM');
    onWindows.save(STATE);
    assert.deepEqual(onWindows.load(), STATE);
    assert.throws(() => open('win32', ofFile, 'EPERM').save(STATE), Failure);
    assert.throws(() => open('win32', ofDirectory, 'EIO').save(STATE), Failure);
    assert.throws(() => open('linux', ofDirectory, 'EPERM').save(STATE), Failure);
    assert.throws(() => open('linux', ofDirectory, 'EPERM').load(), /EPERM/);

    assert.match(whatMayBeLost('win32') ?? '', /power cut/);
    assert.equal(whatMayBeLost('linux'), null);
  });

  test('makes a new directory durable in every directory above it that is new, too', (t) => {
    const directory = temporaryDirectory(t);
    const opened = new Map<number, string>();
    const synced: (string | undefined)[] = [];
    new JsonStateFile(join(directory, 'one', 'two'), 'A', {
      ...fs,
      openSync: (path, ...how) => {
        const file = fs.openSync(path, ...how);
        opened.set(file, String(path));
        return file;
      },
      fsyncSync: (file) => synced.push(opened.get(file)),
    });
    assert.deepEqual(synced, [join(directory, 'one'), directory]);
  });

  test('is whole although the system writes it bit by bit', (t) => {
    const writeSync: FileSystem['writeSync'] = (file, bytes, from) =>
      fs.writeSync(file, bytes, from, Math.min(10, bytes.length - from));
    const file = new JsonStateFile(temporaryDirectory(t), 'A', { ...fs, writeSync });
    file.save(STATE);
    assert.deepEqual(file.load(), STATE);
  });

  for (const call of ['writeSync', 'fsyncSync', 'renameSync', 'openSync'] as const) {
    test(`stays as it was when ${call} finds the disk full, and says so`, (t) => {
      const directory = temporaryDirectory(t);
      new JsonStateFile(directory, 'A').save(STATE);
      const file = new JsonStateFile(directory, 'A', failing(call));
      const save = () => file.save({ ...STATE, instanceNumber: 8 });
      assert.throws(save, /A\.json cannot be written: no space left on device \(ENOSPC\); mend/);
      assert.deepEqual(new JsonStateFile(directory, 'A').load(), STATE);
    });
  }

  const bad: [string, (path: string) => void, RegExp][] = [
    ['is empty', (path) => writeFileSync(path, ''), /^it is empty$/],
    ['is cut', (path) => writeFileSync(path, '{"uid":"A"'), /^it is not JSON/],
    ['is not UTF-8', (path) => writeFileSync(path, Buffer.from([0x22, 0xff, 0x22])), /UTF-8$/],
    ['says null', (path) => writeFileSync(path, 'null'), /^it does not hold a JSON object$/],
    ['is a symbolic link', (path) => symlinkSync('/dev/null', path), /^it is a symbolic link$/],
    ['is a directory', (path) => mkdirSync(path), /^it is not a regular file$/],
  ];
  for (const [what, make, says] of bad) {
    test(`that ${what} is not believed`, (t) => {
      const file = new JsonStateFile(temporaryDirectory(t), 'A');
      make(file.path);
      assert.throws(() => file.load(), { message: says });
    });
  }
});

function modeOf(path: string): number {
  return statSync(path).mode & 0o777;
}

function logged<Args extends unknown[], Result>(
  calls: string[],
  name: string,
  call: (...args: Args) => Result,
) {
  return (...args: Args): Result => {
    calls.push(name);
    return call(...args);
  };
}

/** A file system in which, once it is set up, one call always fails for lack of space. */
function failing(call: 'writeSync' | 'fsyncSync' | 'renameSync' | 'openSync'): FileSystem {
  const noSpace = () => {
    throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', errno: -28 });
  };
  if (call !== 'openSync') return { ...fs, [call]: noSpace };
  let isSetUp = false;
  const openSync: FileSystem['openSync'] = (...args) => {
    if (isSetUp) noSpace();
    isSetUp = true;
    return fs.openSync(...args);
  };
  return { ...fs, openSync };
}
