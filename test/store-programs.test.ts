/** A store as a person meets it: real processes, commands and queries, a server that was away. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Cluster, type Exit, run, startCluster } from './processes.ts';

function client(cluster: Cluster, ...args: readonly string[]): Promise<Exit> {
  return run('client.ts', '--cluster', cluster.clusterFile, ...args);
}

function assertPrints(exit: Exit, says: RegExp): void {
  assert.deepEqual([exit.code, exit.stderr], [0, '']);
  assert.match(exit.stdout, says);
}

for (const master of [false, true]) {
  test(`commands, queries and what is neither (masters: ${master})`, async (t) => {
    const cluster = await startCluster(t, { master, flags: ['--store'] });
    const blue = await client(cluster, 'A', 'set color "dark blue"', '--wait');
    assertPrints(blue, /^"ok", chosen in instance [0-9]+, answered by [ABC]\n$/);
    const swapped = await client(cluster, 'B', 'swap color red green', '--wait');
    assertPrints(swapped, /^"it is something else by now", chosen in /);
    assertPrints(await client(cluster, 'A', '--read', 'get color'), /^"dark blue", answered by /);
    assertPrints(await client(cluster, 'A', '--read', 'get shape'), /^there is nothing, answered/);
    const byQuorum = await client(cluster, 'C', '--read', '--quorum', 'get color');
    if (master) assert.match(byQuorum.stderr, /without --quorum/);
    else assertPrints(byQuorum, /^"dark blue", answered by C/);
    const local = await client(cluster, 'C', '--read', 'keys', '--local');
    assert.match(local.stdout, /^".*" at C, in instance [0-9]+; it may be stale\n$/);

    const none = await client(cluster, 'A', 'paint color blue', '--wait');
    assert.equal(none.code, 1);
    assert.match(none.stderr, /^error: refused for good: [ABC] says: it is none of these: set KEY/);
    const noQuery = await client(cluster, 'A', '--read', 'set color blue');
    assert.match(noQuery.stderr, /it is none of these: get KEY, entry KEY, .*, size, lock NAME\n$/);
  });
}

test('a server that was killed reads what it has missed', async (t) => {
  const cluster = await startCluster(t, { flags: ['--store'] });
  await cluster.server('C').kill();
  for (const command of ['set color blue', 'add visits 1', 'add visits 1']) {
    assertPrints(await client(cluster, 'A', command, '--wait'), /chosen in instance/);
  }
  await cluster.server('C').start();
  await cluster.waitFor('three commands applied at C', () => {
    return cluster.server('C').events.filter(({ event }) => event === 'apply').length >= 3;
  });
  assertPrints(await client(cluster, 'C', '--read', 'get visits', '--local'), /^"2" at C/);
});

test('who has missed more than is kept reads a snapshot, and its status says so', async (t) => {
  const cluster = await startCluster(t, { flags: ['--store', '--keep-links', '3'] });
  await cluster.server('C').kill();
  for (let number = 1; number <= 7; number += 1) {
    assertPrints(await client(cluster, 'A', `add visits ${number}`, '--wait'), /chosen in inst/);
  }
  await cluster.server('C').start();
  await cluster.waitFor('the last command at C', () => {
    return cluster.server('C').events.some((event) => {
      return event.event === 'advance' && event.instanceNumber === 8;
    });
  });
  const installed = cluster.server('C').events.find(({ event }) => event === 'snapshot');
  assert.ok(installed !== undefined);
  assertPrints(await client(cluster, 'C', '--read', 'get visits', '--local'), /^"28" at C/);
  const states = new Set<string>();
  for (const uid of ['A', 'B', 'C']) {
    const { stdout } = await client(cluster, uid, '--status');
    assert.match(stdout, /\n {2}log {7}(no links|links [4-7] to 7), a snapshot of all before inst/);
    assert.doesNotMatch(stdout, /\n {2}value/); // the latest command is none
    states.add(/\n {2}state {5}1 key, digest ([0-9a-f]{8})\n/.exec(stdout)?.[1] ?? uid);
  }
  assert.equal(states.size, 1);
  assert.match((await client(cluster, 'A', '--status', '--json')).stdout, /"log":\{"firstKept":/);
});

test('a server that is no store says so', async (t) => {
  const cluster = await startCluster(t);
  const exit = await client(cluster, 'A', '--read', 'get color');
  assert.equal(exit.code, 1);
  assert.match(exit.stderr, /this server is no store: start all of them with --store\n$/);
});
