/** Each rule about members that is broken on purpose is found by the simulator. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MOST_SEEDS_FOR_A_BREAK } from '../src/simulation/broken/layers.ts';
import { MEMBERS_BREAKS } from '../src/simulation/broken/members.ts';
import { drawMembersSchedule } from '../src/simulation/members-schedule.ts';
import { minimise } from '../src/simulation/minimise.ts';
import { run, type Variant } from '../src/simulation/run.ts';

const SECONDS = 60;

for (const { name, breaks, invariants, replicaClass, ...more } of MEMBERS_BREAKS) {
  test(`broken on purpose is found: ${breaks} (${name})`, (t) => {
    const variant: Variant = { ...more, broken: () => replicaClass };
    for (let seed = 1; seed <= MOST_SEEDS_FOR_A_BREAK; seed += 1) {
      const schedule = drawMembersSchedule(seed, more.servers, SECONDS);
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
