/**
 * Whole clusters of real processes, under load: all that was asked for gets into the chain, once,
 * and the servers agree, whatever the network does and whoever is killed. Every run is traced, and
 * ends with its traces being checked against the invariants.
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { suite, type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { isLease, isUpdate, type Link, type UpdateLink } from '../src/chain.ts';
import type { Uid } from '../src/composable-paxos.ts';
import { RENEW_AFTER_MS } from '../src/master-strategy.ts';
import { Random } from '../src/simulation/random.ts';
import type { TraceEvent } from '../src/trace/events.ts';
import { type Cluster, run, type Server, startCluster } from './processes.ts';

const UPDATES = 50;
const VALUES = Array.from({ length: UPDATES }, (_, index) => `value ${index + 1}`);
const BAD_NETWORK = ['--drop', '0.2', '--duplicate', '0.1', '--delay', '0-50'];
/** With every fifth datagram lost, much has to be asked again, a second later. */
const PATIENCE_MS = 60_000;
const LOAD_INTERVAL_MS = 30;
const LONGEST_DOWN_MS = 300;
const FEWEST_UPDATES_UNDER_LOAD = 5;
const THE_END = 'the end';

/** Most of the time they wait. More at once would mostly start processes. */
const AT_ONCE = 5;
/** Their traces tell everything; lines for people would cost more than the protocol. */
const QUIET = ['--quiet'];

suite('A cluster of real processes', { concurrency: AT_ONCE }, () => {
  // The tests that take longest come first.
  testLoads('a bad network', BAD_NETWORK);

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

  test('brings a server level that was down during 50 updates, within a second', async (t) => {
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
    const arrival = await c.waitForEvent(
      'to be level',
      (event) => event.event === 'advance' && event.instanceNumber === last,
      past,
    );
    const tookMs = arrival.at - start.at;
    t.diagnostic(`it took ${tookMs.toFixed(1)} ms`);
    assert.ok(tookMs < 1_000, `it took ${tookMs} ms`);
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

  testLoads('a good network', []);
});

function testLoads(network: string, flags: readonly string[]): void {
  test(`on ${network} gets 50 values that are fired back to back at one server`, async (t) => {
    const cluster = await startCluster(t, { flags: [...QUIET, ...flags] });
    for (const value of VALUES) await cluster.propose('A', value);
    assert.equal((await allChosen(cluster)).length, UPDATES);
  });

  test(`on ${network} gets 50 values that are fired in turn at all servers`, async (t) => {
    const cluster = await startCluster(t, { flags: [...QUIET, ...flags] });
    for (const [index, value] of VALUES.entries()) {
      await cluster.propose(cluster.uids[index % cluster.uids.length] ?? 'A', value);
    }
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

/** Chance for one test, a stream for each name. The seed is printed; give it again as SEED. */
function randomFor(t: TestContext): (name: string) => Random {
  const seed = process.env['SEED'] ?? String(Date.now() % 1_000_000);
  t.diagnostic(`SEED=${seed}`);
  return (name) => new Random(seed, t.name, name);
}

/** Fires values at random servers until the function that it returns is called. */
function startLoad(t: TestContext, cluster: Cluster, random: Random): () => void {
  let number = 0;
  const load = setInterval(() => {
    number += 1;
    void cluster.propose(random.pick(cluster.uids), `load ${number}`);
  }, LOAD_INTERVAL_MS);
  t.after(() => clearInterval(load));
  return () => clearInterval(load);
}

/** At all servers at once, and until all are done. */
async function eachServer(cluster: Cluster, act: (server: Server) => Promise<void>) {
  await Promise.all(cluster.servers.map(act));
}

/** Each time the server runs for a random time, and is down for a random time, and starts again. */
async function killAndRestart(server: Server, random: Random, kills: number, longestMs: number) {
  for (let kill = 0; kill < kills; kill += 1) {
    await pause(random.between(0, longestMs));
    await server.kill();
    await pause(random.between(0, LONGEST_DOWN_MS));
    await server.start();
  }
}

/** Waits for a server that has said of itself that it is master now. */
async function newMaster(cluster: Cluster): Promise<Uid> {
  const { uid } = await cluster.waitFor(
    'a master',
    () => cluster.servers.find(isMaster),
    PATIENCE_MS,
  );
  return uid;
}

function isMaster({ events, program }: Server): boolean {
  if (program.hasEnded) return false;
  const latest = events.findLast(({ event, ...rest }) => {
    return event === 'start' || (event === 'lease' && 'what' in rest && rest.what !== 'wanted');
  });
  if (latest?.event !== 'lease' || latest.what !== 'ours') return false;
  return latest.at + latest.lastsMs > Date.now();
}

/** Waits until all values are chosen and all servers level; returns the links of the chain. */
async function allChosen(cluster: Cluster): Promise<readonly Link[]> {
  await cluster.waitFor(
    'all values to be chosen, and all servers to be level',
    () => updatesOf(cluster).length >= UPDATES && isLevelAfter(cluster, chosenIn(cluster).size),
    PATIENCE_MS,
  );
  const updates = updatesOf(cluster);
  assert.deepEqual(updates.map(({ update }) => update).sort(), VALUES.toSorted());
  assert.equal(new Set(updates.map(({ id }) => id)).size, UPDATES);
  await assertInvariants(cluster);
  return [...chosenIn(cluster)].sort(([a], [b]) => a - b).map(([, link]) => link);
}

/** What is left to see after all trouble: one more value is chosen, and the servers get level. */
async function assertStillWorks(t: TestContext, cluster: Cluster, uid: Uid): Promise<void> {
  await cluster.propose(uid, THE_END);
  const isAtTheEnd = () => {
    const end = [...chosenIn(cluster)].find(
      ([, link]) => isUpdate(link) && link.update === THE_END,
    );
    return end !== undefined && isLevelAfter(cluster, end[0]);
  };
  await cluster.waitFor('the servers to be level at the end', isAtTheEnd, PATIENCE_MS);
  const chosen = updatesOf(cluster).length;
  t.diagnostic(`${chosen} updates were chosen`);
  assert.ok(chosen >= FEWEST_UPDATES_UNDER_LOAD, `only ${chosen} updates were chosen`);
  await assertInvariants(cluster);
}

/** True if all state files say the same, and speak of a later instance than this one. */
function isLevelAfter(cluster: Cluster, instanceNumber: number): boolean {
  const { state } = cluster.server('A');
  return state !== null && state.instanceNumber > instanceNumber && cluster.isLevel();
}

/** What the servers announced as chosen, by the number of the instance. */
function chosenIn(cluster: Cluster): Map<number, Link> {
  const chosen = new Map<number, Link>();
  for (const event of cluster.servers.flatMap(({ events }) => events)) {
    if (event.event === 'chosen') chosen.set(event.instanceNumber, event.value);
  }
  return chosen;
}

function updatesOf(cluster: Cluster): readonly UpdateLink[] {
  return [...chosenIn(cluster).values()].filter(isUpdate);
}

/** `npm run check` over the traces of all servers, which are killed for that. */
async function assertInvariants(cluster: Cluster): Promise<void> {
  await cluster.kill();
  const traces = cluster.servers.map(({ traceFile }) => traceFile);
  const { code, stdout, stderr } = await run('src/programs/check/check.ts', ...traces);
  assert.equal(code, 0, `${stdout}${stderr}`);
}
