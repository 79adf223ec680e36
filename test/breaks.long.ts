/** Each rule that is broken on purpose is found by the simulator, and cut down to its story. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BREAKS, MOST_SEEDS_FOR_A_BREAK } from '../src/simulation/broken/layers.ts';
import { minimise } from '../src/simulation/minimise.ts';
import { run, type Variant } from '../src/simulation/run.ts';
import { drawSchedule } from '../src/simulation/schedule.ts';

const SECONDS = 60;

for (const one of BREAKS) {
  const { name, breaks, invariants, leases, servers, faults, replicaClass, ...more } = one;
  test(`broken on purpose is found: ${breaks} (${name})`, () => {
    const variant: Variant = { leases, broken: () => replicaClass, ...more };
    for (let seed = 1; seed <= MOST_SEEDS_FOR_A_BREAK; seed += 1) {
      const schedule = drawSchedule(seed, servers, SECONDS, faults);
      const { violation } = run(schedule, variant);
      if (violation === null) continue;
      assert.ok(invariants.includes(violation.invariant), `${violation.invariant}`);
      // It takes a crowd, and long to find out that hardly anybody can be spared.
      if (faults?.includes('crowds')) return;

      const least = minimise(schedule, variant, violation.invariant);
      assert.ok(least.actions.length < schedule.actions.length);
      assert.equal(run(least, variant).violation?.invariant, violation.invariant);
      return;
    }
    assert.fail(`not found in ${MOST_SEEDS_FOR_A_BREAK} seeds`);
  });
}
