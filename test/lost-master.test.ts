/** How long nobody is master after one is lost: no longer than a client waits, by whatever way. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LEASE_WINDOW_MS } from '../src/master-strategy.ts';
import { TIMEOUT_MS } from '../src/programs/client/options.ts';
import { LOSSES, type Loss, masterlessMs } from '../src/simulation/lost-master.ts';

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

/** How many windows the others may have to wait out, one after the other. */
const WINDOWS: Readonly<Record<Loss, number>> = {
  'it is stopped in good order': 0,
  'it is killed': 1,
  'it is killed when half of its renewal is sent': 2,
  'it reaches one server, and hears none': 2,
  'it is connected to one server only': 3,
};

for (const loss of LOSSES) {
  test(`somebody else is master in time if ${loss}`, () => {
    for (const servers of loss.includes('only') ? [4, 5] : [3, 4, 5]) {
      const longestMs = Math.max(...SEEDS.map((seed) => masterlessMs(loss, servers, seed)));
      const atMostMs = WINDOWS[loss] * LEASE_WINDOW_MS + 2_000;
      assert.ok(longestMs < atMostMs, `${servers} servers: ${longestMs}`);
      assert.ok(longestMs < TIMEOUT_MS);
    }
  });
}

test('with one more it is a quorum of three, and stays master', () => {
  assert.equal(masterlessMs('it is connected to one server only', 3, 1), Number.POSITIVE_INFINITY);
});
