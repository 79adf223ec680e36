/** Stores in the simulator, with more seeds: nothing goes wrong, and they go everywhere. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run } from '../src/simulation/run.ts';
import { drawSchedule, type Fault } from '../src/simulation/schedule.ts';
import {
  STORE_SITUATIONS,
  type StoreSituation,
  StoreSituations,
} from '../src/simulation/store-situations.ts';

const SECONDS = 60;
/** Any faults. */
const SEEDS = 40;
/** Those that make many wait at once, and let others finish what was begun. */
const CROWDED: readonly Fault[] = [
  ...(['rushes', 'crowds', 'loss', 'lateness', 'crashes', 'cuts'] as const),
  ...(['transfers', 'switches'] as const),
];
const CROWDED_SEEDS = 15;
/** It takes much to get there: some of all these runs do. */
const RARE: readonly StoreSituation[] = ['the reading of a snapshot begun anew'];
const reached = new Set<StoreSituation>();

for (const servers of [3, 5]) {
  for (const leases of [false, true]) {
    test(`stores go where things go wrong: ${servers} servers, leases: ${leases}`, () => {
      const total = new Set<StoreSituation>(RARE);
      const trySeed = (seed: number, faults: readonly Fault[] | null) => {
        const situations = new StoreSituations();
        const schedule = drawSchedule(seed, servers, SECONDS, faults);
        const { violation, storeHistory } = run(schedule, { leases, store: true }, (event) => {
          situations.observe(event);
        });
        assert.equal(violation, null, `seed ${seed}, ${faults}`);
        situations.end(storeHistory);
        for (const situation of situations.counts.keys()) {
          total.add(situation);
          reached.add(situation);
        }
      };
      for (let seed = 1; seed <= SEEDS; seed += 1) trySeed(seed, null);
      for (let seed = 1; seed <= CROWDED_SEEDS; seed += 1) trySeed(seed, CROWDED);
      assert.deepEqual(
        STORE_SITUATIONS.filter((situation) => !total.has(situation)),
        [],
      );
    });
  }
}

test('stores go where hardly anything goes', () => {
  assert.deepEqual(
    RARE.filter((situation) => !reached.has(situation)),
    [],
  );
});
