/**
 * Clusters of real processes under load, for tests: all that was asked for must get into the chain,
 * once, and the servers agree. Every run is traced, and ends with its traces being checked against
 * the invariants.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { isUpdate, type Link, type UpdateLink } from '../src/chain.ts';
import type { Uid } from '../src/composable-paxos.ts';
import { Random } from '../src/simulation/random.ts';
import { type Cluster, run, type Server } from './processes.ts';

export const UPDATES = 50;
export const VALUES = Array.from({ length: UPDATES }, (_, index) => `value ${index + 1}`);
export const BAD_NETWORK = ['--drop', '0.2', '--duplicate', '0.1', '--delay', '0-50'];
/** Their traces tell everything; lines for people would cost more than the protocol. */
export const QUIET = ['--quiet'];
const LOAD_INTERVAL_MS = 30;
const LONGEST_DOWN_MS = 300;
const FEWEST_UPDATES_UNDER_LOAD = 5;
const THE_END = 'the end';

/** Chance for one test, a stream for each name. The seed is printed; give it again as SEED. */
export function randomFor(t: TestContext): (name: string) => Random {
  const seed = process.env['SEED'] ?? String(Date.now() % 1_000_000);
  t.diagnostic(`SEED=${seed}`);
  return (name) => new Random(seed, t.name, name);
}

/** Fires values at random servers until the function that it returns is called. */
export function startLoad(t: TestContext, cluster: Cluster, random: Random): () => void {
  let number = 0;
  const load = setInterval(() => {
    number += 1;
    void cluster.propose(random.pick(cluster.uids), `load ${number}`);
  }, LOAD_INTERVAL_MS);
  t.after(() => clearInterval(load));
  return () => clearInterval(load);
}

/** At all servers at once, and until all are done. */
export async function eachServer(cluster: Cluster, act: (server: Server) => Promise<void>) {
  await Promise.all(cluster.servers.map(act));
}

/** Each time the server runs for a random time, and is down for a random time, and starts again. */
export async function killAndRestart(
  server: Server,
  random: Random,
  kills: number,
  longestMs: number,
) {
  for (let kill = 0; kill < kills; kill += 1) {
    await pause(random.between(0, longestMs));
    await server.kill();
    await pause(random.between(0, LONGEST_DOWN_MS));
    await server.start();
  }
}

/** Waits for a server that has said of itself that it is master now. */
export async function newMaster(cluster: Cluster): Promise<Uid> {
  const { uid } = await cluster.waitFor('a master', () => cluster.servers.find(isMaster));
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
export async function allChosen(cluster: Cluster): Promise<readonly Link[]> {
  await cluster.waitFor(
    'all values to be chosen, and all servers to be level',
    () => updatesOf(cluster).length >= UPDATES && isLevelAfter(cluster, chosenIn(cluster).size),
  );
  const updates = updatesOf(cluster);
  assert.deepEqual(updates.map(({ update }) => update).sort(), VALUES.toSorted());
  assert.equal(new Set(updates.map(({ id }) => id)).size, UPDATES);
  await assertInvariants(cluster);
  return [...chosenIn(cluster)].sort(([a], [b]) => a - b).map(([, link]) => link);
}

/** What is left to see after all trouble: one more value is chosen, and the servers get level. */
export async function assertStillWorks(t: TestContext, cluster: Cluster, uid: Uid): Promise<void> {
  await cluster.propose(uid, THE_END);
  const isAtTheEnd = () => {
    const end = [...chosenIn(cluster)].find(
      ([, link]) => isUpdate(link) && link.update === THE_END,
    );
    return end !== undefined && isLevelAfter(cluster, end[0]);
  };
  await cluster.waitFor('the servers to be level at the end', isAtTheEnd);
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
export async function assertInvariants(cluster: Cluster): Promise<void> {
  await cluster.kill();
  const traces = cluster.servers.map(({ traceFile }) => traceFile);
  const { code, stdout, stderr } = await run('src/programs/check/check.ts', ...traces);
  assert.equal(code, 0, `${stdout}${stderr}`);
}
