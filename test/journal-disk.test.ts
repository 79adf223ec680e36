/** Journals in the simulator: all happens to them that can, and no rule falls. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MOST_SEEDS_FOR_A_BREAK } from '../src/simulation/broken/layers.ts';
import { JOURNAL_BREAKS } from '../src/simulation/broken/journals.ts';
import { JOURNAL_SITUATIONS, JournalDisk } from '../src/simulation/journal-disk.ts';
import { minimise } from '../src/simulation/minimise.ts';
import { run, type Variant } from '../src/simulation/run.ts';
import { drawSchedule, type Fault } from '../src/simulation/schedule.ts';
import type { World } from '../src/simulation/world.ts';

const SECONDS = 60;
const SEEDS = 25;
/** What strikes disks; all the rest is drawn elsewhere. */
const OF_DISKS: readonly Fault[] = ['crashes', 'power', 'saves', 'bit flips', 'lost disks', 'loss'];

for (const variant of [
  { leases: false, journal: true },
  { leases: true, journal: true },
  { leases: false, store: true },
  { leases: true, store: true },
]) {
  test(`journals go through all that can happen to them: ${JSON.stringify(variant)}`, () => {
    const total = new Map<string, number>();
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      let world: World | null = null;
      const schedule = drawSchedule(seed, 3, SECONDS, OF_DISKS);
      const { violation } = run(schedule, variant, (_, where) => {
        world = where;
      });
      assert.equal(violation, null, `seed ${seed}`);
      for (const { disk } of (world as World | null)?.machines.values() ?? []) {
        assert.ok(disk instanceof JournalDisk);
        for (const [what, count] of disk.counts) total.set(what, (total.get(what) ?? 0) + count);
      }
    }
    const never = JOURNAL_SITUATIONS.filter((situation) => !total.has(situation));
    assert.deepEqual(never, [], JSON.stringify([...total]));
    assert.ok((total.get('a journal begun anew') ?? 0) > 3 * SEEDS, JSON.stringify([...total]));
  });
}

for (const one of JOURNAL_BREAKS) {
  const { name, breaks, invariants, servers, faults, replicaClass, ...more } = one;
  test(`broken on purpose is found: ${breaks} (${name})`, () => {
    const variant: Variant = { ...more, broken: () => replicaClass };
    for (let seed = 1; seed <= MOST_SEEDS_FOR_A_BREAK; seed += 1) {
      const schedule = drawSchedule(seed, servers, SECONDS, faults);
      const { violation } = run(schedule, variant);
      if (violation === null) continue;
      assert.ok(invariants.includes(violation.invariant), `${violation.invariant}`);
      const least = minimise(schedule, variant, violation.invariant);
      assert.ok(least.actions.length < schedule.actions.length);
      return;
    }
    assert.fail(`not found in ${MOST_SEEDS_FOR_A_BREAK} seeds`);
  });
}
