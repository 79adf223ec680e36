/** More clusters of real processes under load: other networks, other loads, other trouble. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { isLease, isUpdate } from '../src/chain.ts';
import { RENEW_AFTER_MS } from '../src/master-strategy.ts';
import { startCluster } from './processes.ts';
import {
  allChosen,
  assertStillWorks,
  BAD_NETWORK,
  eachServer,
  killAndRestart,
  newMaster,
  QUIET,
  randomFor,
  startLoad,
  UPDATES,
  VALUES,
} from './under-load.ts';

/** Most of the time they wait. More at once would mostly start processes. */
const AT_ONCE = 5;

suite('A cluster of real processes', { concurrency: AT_ONCE }, () => {
  testLoads('a bad network', BAD_NETWORK);
  testLoads('a good network', []);

  test('survives kills at random moments under load', async (t) => {
    const random = randomFor(t);
    const cluster = await startCluster(t, { flags: QUIET });
    const stopLoad = startLoad(t, cluster, random('load'));
    await eachServer(cluster, (server) => {
      return killAndRestart(server, random(server.uid), 5, 1_000);
    });
    stopLoad();
    await assertStillWorks(t, cluster, 'A');
  });

  test('may have its masters switched on and off at random moments under load', async (t) => {
    const random = randomFor(t);
    const moments = random('moments');
    const cluster = await startCluster(t, { flags: QUIET });
    const stopLoad = startLoad(t, cluster, random('load'));
    for (const isMaster of [true, false, true, false]) {
      await pause(moments.between(0, 1_000));
      await cluster.kill();
      await cluster.start(...(isMaster ? ['--master'] : []));
      if (isMaster) await newMaster(cluster);
    }
    stopLoad();
    await assertStillWorks(t, cluster, 'A');
  });
});

function testLoads(network: string, flags: readonly string[]): void {
  test(`on ${network} gets 50 values that are fired back to back at one server`, async (t) => {
    const cluster = await startCluster(t, { flags: [...QUIET, ...flags] });
    for (const value of VALUES) await cluster.propose('A', value);
    assert.equal((await allChosen(cluster)).length, UPDATES);
  });

  test(`on ${network} gets 50 values while the master renews its lease`, async (t) => {
    const cluster = await startCluster(t, { master: true, flags: [...QUIET, ...flags] });
    const master = await newMaster(cluster);
    for (const value of VALUES) {
      await cluster.propose(master, value);
      await pause((1.2 * RENEW_AFTER_MS) / UPDATES);
    }
    const links = await allChosen(cluster);
    const beforeLast = links.slice(0, links.findLastIndex(isUpdate));
    const afterFirst = beforeLast.slice(links.findIndex(isUpdate));
    assert.ok(afterFirst.some((link) => isLease(link) && link.lease === master));
  });
}
