/** Whole replicas under all schedules with one surprise, and under some with two. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { scenarioOf } from '../src/programs/explore/deviations.ts';
import { search } from '../src/simulation/explorer/deviations.ts';

suite('few deviations', () => {
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

  for (const [breakName, most] of [
    ['save-after-sending', 0],
    ['forgetful-queue', 0],
    ['forgotten-promise', 1],
  ] as const) {
    test(`${breakName} is found with ${most} deviations`, () => {
      const options = {
        leases: false,
        isStore: false,
        breakName,
        deviations: most,
        maxRuns: 100_000,
      };
      const found = search(scenarioOf(options), most, options.maxRuns);
      assert.ok(found.violation);
      assert.equal(found.deviations.length, most);
    });
  }
});
