/** More clusters of real processes under load: other networks, other loads, other trouble. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { suite, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { isLease, isUpdate } from '../src/chain.ts';
import { RENEW_AFTER_MS } from '../src/master-strategy.ts';
import type { TraceEvent } from '../src/trace/events.ts';
import { run, type Server, startCluster } from './processes.ts';
import {
  allChosen,
  assertInvariants,
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

  test('gets 50 values that are fired in turn at all servers on a bad network', async (t) => {
    const cluster = await startCluster(t, { flags: [...QUIET, ...BAD_NETWORK] });
    for (const [index, value] of VALUES.entries()) {
      await cluster.propose(cluster.uids[index % cluster.uids.length] ?? 'A', value);
    }
    assert.equal((await allChosen(cluster)).length, UPDATES);
  });

  test('takes a server back that has lost its state file, when it is told to', async (t) => {
    const cluster = await startCluster(t, { flags: QUIET });
    const [a, b, c] = cluster.servers as [Server, Server, Server];
    await cluster.propose('A', 'one');
    await cluster.waitFor('agreement', () => cluster.agreesOn('one'));
    await b.kill();
    rmSync(b.stateFile);
    const exit = await run('server.ts', ...b.commandLine());
    assert.equal(exit.code, 1);
    assert.match(
      exit.stderr,
      /B\.json cannot be used: it is missing, .* as none: start it with --re/,
    );
    assert.equal(b.state, null);

    await b.start('--rejoin');
    const { votesFrom } = (await b.waitForEvent('a safe instance', (event) => {
      return event.event === 'rejoin' && event.what === 'waiting';
    })) as TraceEvent & { event: 'rejoin' };
    assert.equal(votesFrom, 4);
    for (const [uid, value] of [['A', 'two'] as const, ['C', 'three'] as const]) {
      await cluster.propose(uid, value);
      await cluster.waitFor('agreement', () => cluster.agreesOn(value));
    }
    await c.kill();
    await cluster.propose('B', 'four');
    await cluster.waitFor('a quorum of A and B', () => {
      return [a, b].every(({ state }) => state?.currentValue === 'four');
    });
    await b.kill();
    const again = await run('server.ts', ...b.commandLine('--rejoin'));
    assert.equal(again.code, 1);
    assert.match(again.stderr, /B\.json is there, and --rejoin is for a server that has lost it/);
    await b.start();
    await c.start();
    await cluster.propose('B', 'five');
    await cluster.waitFor('agreement', () => cluster.agreesOn('five'));
    await assertInvariants(cluster);
  });

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
