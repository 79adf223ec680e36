/** Journals in the simulator: all happens to them that can, and no rule falls. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JOURNAL_SITUATIONS, JournalDisk } from '../src/simulation/journal-disk.ts';
import { run } from '../src/simulation/run.ts';
import {
  type Action,
  drawSchedule,
  type Fault,
  type Schedule,
} from '../src/simulation/schedule.ts';
import type { World } from '../src/simulation/world.ts';

const SECONDS = 60;
const SEEDS = 12;
/** What strikes disks; all the rest is drawn elsewhere. */
const OF_DISKS: readonly Fault[] = ['crashes', 'power', 'saves', 'bit flips', 'lost disks'];
const VARIANTS = [
  { leases: false, journal: true },
  { leases: true, journal: true },
  { leases: false, store: true },
  { leases: true, store: true },
];

/** Every other second, by turns, somebody has no power right before something is durable. */
function withPowerCuts(schedule: Schedule): Schedule {
  const { uids, actions, healMs } = schedule;
  const cuts = Array.from({ length: healMs / 2_000 }, (_, n): Action => {
    const uid = uids[n % uids.length] ?? '';
    const point = n % 2 === 0 ? 'sync' : 'sync directory';
    return { atMs: 2_000 * n, do: 'crash', uid, point, power: true, skip: n % 3, downMs: 300 };
  });
  return { ...schedule, actions: [...actions, ...cuts].toSorted((a, b) => a.atMs - b.atMs) };
}

test('journals go through all that can happen to them', () => {
  const total = new Map<string, number>();
  for (const variant of VARIANTS) {
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      let world: World | null = null;
      const schedule = withPowerCuts(drawSchedule(seed, 3, SECONDS, OF_DISKS));
      const { violation } = run(schedule, variant, (_, where) => {
        world = where;
      });
      assert.equal(violation, null, `seed ${seed} of ${JSON.stringify(variant)}`);
      for (const { disk } of (world as World | null)?.machines.values() ?? []) {
        assert.ok(disk instanceof JournalDisk);
        assert.ok((disk.counts.get('a journal begun anew') ?? 0) > 0, `seed ${seed}`);
        for (const [what, count] of disk.counts) total.set(what, (total.get(what) ?? 0) + count);
      }
    }
  }
  const never = JOURNAL_SITUATIONS.filter((situation) => !total.has(situation));
  assert.deepEqual(never, [], JSON.stringify([...total]));
  const runs = SEEDS * VARIANTS.length;
  assert.ok((total.get('a journal begun anew') ?? 0) > 10 * runs, JSON.stringify([...total]));
});
