/** A journal on a disk that fails, or loses its power, at any call: what was told is never lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EMPTY_CHAIN } from '../src/chain.ts';
import { UNTOUCHED } from '../src/composable-paxos.ts';
import { Failure } from '../src/node/failure.ts';
import { JournalFile } from '../src/node/journal-file.ts';
import { JsonStateFile } from '../src/node/json-state-file.ts';
import { Random } from '../src/simulation/random.ts';
import { type ServerState, STATE_IS_MISSING } from '../src/state.ts';
import { CachedDisk, Killed, type Trouble } from './cached-disk.ts';

const WALKS = 60;
const LIVES = 12;
const MOST_SAVES = 5;
/** Longer than a sector, and so short that most walks begin several journals. */
const LONGEST_VALUE = 1_800;
const LIMITS = [2_000, 700] as const;
const PATH = '/disk/A.journal';
/** A line has its beginning and its end, and not what is in between. */
const HOLE = /[^\0\n]\0+[^\0]/;
const TROUBLES: readonly Trouble[] = ['the power is cut', 'it is killed', 'it fails'];
const EVERYTHING = [
  ...['open', 'write', 'fsync', 'fsync directory', 'fdatasync', 'truncate', 'rename', 'remove'],
].flatMap((call) => TROUBLES.map((trouble) => `${call}: ${trouble}`));

function drawState(instanceNumber: number, luck: Random): ServerState {
  const currentValue = `${luck.below(1_000)} `.repeat(1 + luck.below(LONGEST_VALUE / 4));
  const state = { ...EMPTY_CHAIN, ...UNTOUCHED, instanceNumber, currentValue, votesFrom: 1 };
  return { ...state, uid: 'A', members: ['A'] };
}

/** One server after the other on the same disk, each of which comes to a bad end. */
class Walk {
  readonly luck: Random;
  readonly disk: CachedDisk;
  /** What somebody may have been told; null: nothing. */
  #told: ServerState | null = null;
  /** What was being saved when the last one came to its end, and may be there as well. */
  #tried: ServerState | null = null;

  constructor(seed: number) {
    this.luck = new Random(seed, 'walk');
    this.disk = new CachedDisk(this.luck);
  }

  live(): void {
    const { luck, disk } = this;
    // To read takes few calls, and what goes wrong there is half of what may go wrong.
    const trouble = luck.pick(TROUBLES);
    disk.disturb(trouble, luck.below(luck.chance(0.5) ? 4 : 4 * MOST_SAVES));
    try {
      this.save(this.startAgain(), luck.below(MOST_SAVES));
    } catch (error) {
      if (!(error instanceof Killed) && !(error instanceof Failure)) throw error;
    }
    if (trouble === 'the power is cut') disk.cutPower();
    else disk.kill();
  }

  save(file: JournalFile, times: number): void {
    for (let n = 0; n < times; n += 1) {
      this.#tried = drawState((this.#told?.instanceNumber ?? 0) + 1, this.luck);
      file.save(this.#tried);
      this.#told = this.#tried;
    }
  }

  /** What is read is spoken of from then on. */
  startAgain(): JournalFile {
    const file = new JournalFile('/disk', 'A', this.disk.system, 'linux', LIMITS);
    const state = file.load() as ServerState | null;
    if (state?.currentValue !== this.#tried?.currentValue) assert.deepEqual(state, this.#told);
    else assert.deepEqual(state, this.#tried);
    this.#told = this.#tried = state;
    return file;
  }
}

test('whatever is told of a journal is there after any failure, and after any power cut', () => {
  const disturbed = new Set<string>();
  for (let seed = 1; seed <= WALKS; seed += 1) {
    const walk = new Walk(seed);
    try {
      for (let life = 0; life < LIVES; life += 1) walk.live();
      walk.startAgain();
    } catch (error) {
      throw new Error(`walk ${seed}: ${(error as Error).stack}`);
    }
    for (const call of walk.disk.disturbed) disturbed.add(call);
  }
  assert.deepEqual(
    EVERYTHING.filter((call) => !disturbed.has(call)),
    [],
  );
});

test('a line whose sectors come in any order, or whose sync fails, is not believed', () => {
  let holes = 0;
  for (const trouble of ['it fails', 'the power is cut'] as const) {
    for (let seed = 1; seed <= 120; seed += 1) {
      const walk = new Walk(seed);
      const { disk } = walk;
      walk.save(walk.startAgain(), 1);
      const file = walk.startAgain();
      disk.disturb(trouble, seed % 4, 'fdatasync');
      assert.throws(() => walk.save(file, 100));
      if (trouble === 'it fails') disk.kill();
      else disk.cutPower();
      if (HOLE.test(disk.contentOf(PATH).toString('latin1'))) holes += 1;
      walk.startAgain(); // it reads what the system shows, which may not be what is on the disk
      disk.cutPower();
      walk.startAgain();
    }
  }
  assert.ok(holes > 3, `${holes}`);
});

test('what could not be brought to the disk at a start is not believed at the next one', () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const walk = new Walk(seed);
    const { disk } = walk;
    const file = walk.startAgain();
    walk.save(file, 3);
    disk.disturb('it is killed', 0, 'fdatasync');
    assert.throws(() => walk.save(file, 1), Killed);
    disk.kill();
    // So far nobody was told of the line. But it is read.
    disk.disturb('it fails', 0, 'fdatasync');
    assert.throws(() => walk.startAgain(), /A\.journal cannot be kept: i\/o error/);
    disk.kill();
    walk.startAgain();
    disk.cutPower();
    walk.startAgain();
  }
});

test('a file of the other kind is never believed again, whatever happens to the journal', () => {
  let journals = 0;
  for (let seed = 1; seed <= 200; seed += 1) {
    const luck = new Random(seed, 'take over');
    const disk = new CachedDisk(luck);
    new JsonStateFile('/disk', 'A', disk.system, 'linux').save(drawState(1, luck));
    let told = 1;
    // Twice there is trouble, at any step; then the journal is gone.
    for (const trouble of [luck.pick(TROUBLES), luck.pick(TROUBLES)]) {
      disk.disturb(trouble, luck.below(24));
      try {
        const file = new JournalFile('/disk', 'A', disk.system, 'linux', LIMITS);
        const { instanceNumber } = file.load() as ServerState;
        assert.ok(instanceNumber >= told);
        file.settle();
        told = instanceNumber;
        for (const number of luck.chance(0.5) ? [] : [told + 1, told + 2]) {
          file.save(drawState(number, luck));
          told = number;
        }
      } catch (error) {
        if (!(error instanceof Killed) && !(error instanceof Failure)) throw error;
      }
      if (trouble === 'the power is cut') disk.cutPower();
      else disk.kill();
    }
    disk.system.rmSync(PATH, { force: true });
    if (told === 1) continue;
    journals += 1;
    const [journal, json] = [JournalFile, JsonStateFile].map((Kind) => {
      return new Kind('/disk', 'A', disk.system, 'linux');
    });
    assert.throws(() => journal?.load(), { message: STATE_IS_MISSING }, `seed ${seed}`);
    assert.throws(() => json?.load(), { message: STATE_IS_MISSING }, `seed ${seed}`);
  }
  assert.ok(journals > 50, `${journals}`);
});
