/** Clusters of real processes under load, whatever the network does and whoever is killed. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type Server, startCluster } from './processes.ts';
import {
  allChosen,
  assertStillWorks,
  eachServer,
  killAndRestart,
  newMaster,
  QUIET,
  randomFor,
  startLoad,
  UPDATES,
  VALUES,
} from './under-load.ts';

suite('A cluster of real processes', { concurrency: true }, () => {
  test('survives kills at random moments under load with a master', async (t) => {
    const random = randomFor(t);
    const cluster = await startCluster(t, { master: true, flags: QUIET });
    await newMaster(cluster);
    const stopLoad = startLoad(t, cluster, random('load'));
    await eachServer(cluster, (server) => {
      return killAndRestart(server, random(server.uid), 2, 3_000);
    });
    // A holder that comes back asks for its own lease again. Now it does not come back.
    const first = await newMaster(cluster);
    await cluster.server(first).kill();
    const second = await newMaster(cluster);
    assert.notEqual(second, first);
    await cluster.server(first).start();
    stopLoad();
    await assertStillWorks(t, cluster, second);
  });

  test('brings a server level that was down during 50 updates, by one jump', async (t) => {
    const cluster = await startCluster(t, { flags: QUIET });
    const [a, b, c] = cluster.servers as [Server, Server, Server];
    await c.kill();
    for (const value of VALUES) await cluster.propose('A', value);
    const last = UPDATES + 1;
    await cluster.waitFor('A and B to get there', () => {
      return a.state?.instanceNumber === last && b.state?.instanceNumber === last;
    });

    const past = c.events.length;
    await c.start();
    const start = await c.waitForEvent('start', ({ event }) => event === 'start', past);
    const arrival = await c.waitForEvent('to advance', ({ event }) => event === 'advance', past);
    assert.equal(arrival.event === 'advance' && arrival.instanceNumber, last);
    t.diagnostic(`it took ${(arrival.at - start.at).toFixed(1)} ms`);
    await allChosen(cluster);
  });
});
