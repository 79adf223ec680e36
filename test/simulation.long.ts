/** The simulator goes everywhere, with five servers, too. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missedBySeeds } from './missed-situations.ts';

for (const leases of [false, true]) {
  test(`it goes where things go wrong: 5 servers, leases: ${leases}`, () => {
    assert.deepEqual(missedBySeeds(5, leases), []);
  });
}
