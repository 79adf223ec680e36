import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { EMPTY_CHAIN } from '../src/chain.ts';
import { UNTOUCHED } from '../src/composable-paxos.ts';
import { Failure } from '../src/node/failure.ts';
import { type FileSystem, JsonStateFile, whatMayBeLost } from '../src/node/json-state-file.ts';
import { temporaryDirectory } from './processes.ts';

const STATE = { uid: 'A', instanceNumber: 7, ...EMPTY_CHAIN, ...UNTOUCHED };

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
    assert.deepEqual(calls, ['write', 'fsync', 'close', 'rename', 'fsync']);
  });

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
