/** Each rule of a store, or of a journal, that is broken on purpose is found by the simulator. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JOURNAL_BREAKS } from '../src/simulation/broken/journals.ts';
import { MOST_SEEDS_FOR_A_BREAK } from '../src/simulation/broken/layers.ts';
import { STORE_BREAKS } from '../src/simulation/broken/stores.ts';
import { minimise } from '../src/simulation/minimise.ts';
import { run, type Variant } from '../src/simulation/run.ts';
import { drawSchedule } from '../src/simulation/schedule.ts';

const SECONDS = 60;

for (const one of [...STORE_BREAKS, ...JOURNAL_BREAKS]) {
  const { name, breaks, invariants, leases, servers, faults, replicaClass, ...more } = one;
  test(`broken on purpose is found: ${breaks} (${name})`, (t) => {
    const variant: Variant = { leases, broken: () => replicaClass, ...more };
    for (let seed = 1; seed <= MOST_SEEDS_FOR_A_BREAK; seed += 1) {
      const schedule = drawSchedule(seed, servers, SECONDS, faults);
      const { violation } = run(schedule, variant);
      if (violation === null) continue;
      t.diagnostic(`seed ${seed}: ${violation.why}`);
      assert.ok(invariants.includes(violation.invariant), `${violation.invariant}`);
      const least = minimise(schedule, variant, violation.invariant);
      assert.ok(least.actions.length < schedule.actions.length);
      assert.equal(run(least, variant).violation?.invariant, violation.invariant);
      return;
    }
    assert.fail(`not found in ${MOST_SEEDS_FOR_A_BREAK} seeds`);
  });
}
