/** Clusters of real processes under load, whatever the network does and whoever is killed. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { suite, test } from 'node:test';
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

suite('A cluster of real processes', { concurrency: true }, () => {
  test('gets 50 values that are fired in turn at all servers on a bad network', async (t) => {
    const cluster = await startCluster(t, { flags: [...QUIET, ...BAD_NETWORK] });
    for (const [index, value] of VALUES.entries()) {
      await cluster.propose(cluster.uids[index % cluster.uids.length] ?? 'A', value);
    }
    assert.equal((await allChosen(cluster)).length, UPDATES);
  });

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
});
