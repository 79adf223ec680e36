/** All that can happen to lost disks, where more of them are lost, or there are more servers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exploreRejoin } from '../src/simulation/explorer/rejoin.ts';

for (const world of [
  { servers: 3, instances: 2, losses: 2 },
  { servers: 4, instances: 2, losses: 1 },
]) {
  const { servers, instances, losses } = world;
  test(`${servers} servers, ${instances} instances, lost disks: ${losses}: all is well`, () => {
    const { returns, violation } = exploreRejoin(world);
    assert.equal(violation, null);
    assert.ok(returns > 10_000);
  });
}
