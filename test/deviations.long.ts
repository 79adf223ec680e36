/** Whole replicas under all schedules with one surprise, and under some with two. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { scenarioOf } from '../src/programs/explore/deviations.ts';
import { search } from '../src/simulation/explorer/deviations.ts';

suite('more deviations', () => {
  for (const leases of [false, true]) {
    test(`nothing goes wrong (leases: ${leases})`, () => {
      const options = { leases, isStore: false, breakName: null, deviations: 2, maxRuns: 3_000 };
      const found = search(scenarioOf(options), options.deviations, options.maxRuns);
      assert.equal(found.violation, null);
      assert.equal(found.completeUpTo, 1);
      assert.ok(found.chosen > found.runs.reduce((sum, runs) => sum + runs, 0));
    });
  }

  for (const leases of [false, true]) {
    test(`nothing goes wrong with stores, by links and by snapshots (leases: ${leases})`, () => {
      const options = { leases, isStore: true, breakName: null, deviations: 1, maxRuns: 3_000 };
      const found = search(scenarioOf(options), options.deviations, options.maxRuns);
      assert.equal(found.violation, null);
      assert.equal(found.completeUpTo, 1);
      const [, schedules = 0] = found.runs;
      assert.ok(schedules > 300, `${schedules}`);
      assert.ok(found.chosen > 3 * schedules);
    });
  }
});
