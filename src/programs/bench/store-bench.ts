/**
 * `npm run bench -- --store`: stores with a master, beside what such a machine can do at all
 * (`append-floor.ts`) and, if it is there, beside etcd. All of them run all the time and take
 * turns, crowd by crowd, so whatever else the machine does hits all of them alike.
 */
import { resolve } from 'node:path';
import type { Measured } from './client.ts';
import { etcdGet, etcdPut } from './etcd.ts';
import { measureLongLog } from './long-log.ts';
import { BenchProcesses } from './processes.ts';
import type { Place } from './report.ts';
import {
  type OfCrowd,
  STORE_CROWDS,
  type StoreReport,
  type StoreRound,
  type StoreSubject,
  storeReport,
} from './store-report.ts';

/** So many keys there are, and they hold values of this length. */
const KEYS = 1_000;
const VALUE = 'x'.repeat(64);
/** So many times as much is asked before anything is measured. */
const WARM_UP = 10;

export interface StoreSettings {
  readonly rounds: number;
  readonly updates: number;
  readonly isAgainstEtcd: boolean;
  /** How long the log gets whose cost is measured. */
  readonly links: number;
}

/** `clients` at a time ask, `count` times in all. */
type Measure = (clients: number, count: number) => Promise<Measured>;
type Subjects = ReadonlyMap<StoreSubject, Measure>;

export async function benchStores(
  place: Place,
  directory: string,
  settings: StoreSettings,
  whenBegun: (processes: BenchProcesses) => void,
): Promise<StoreReport> {
  const processes = new BenchProcesses(directory);
  whenBegun(processes);
  try {
    const subjects = await start(processes, settings);
    // Whoever is read from must have all keys.
    for (const subject of ['store', 'etcd'] as const) await subjects.get(subject)?.(50, KEYS);
    for (const measure of subjects.values()) await warmUp(measure, settings.updates);
    const rounds: StoreRound[] = [];
    for (let round = 0; round < settings.rounds; round += 1) {
      rounds.push(await measureRound(subjects, settings.updates));
    }
    const restart = await processes.restartStore();
    return storeReport(place, resolve(directory), rounds, restart);
  } finally {
    await processes.end();
  }
}

/** Code that runs for the first time is slow; and one client by itself takes other ways. */
async function warmUp(measure: Measure, updates: number): Promise<void> {
  await measure(16, WARM_UP * updates);
  await measure(1, WARM_UP * updates);
}

async function start(
  processes: BenchProcesses,
  { isAgainstEtcd }: StoreSettings,
): Promise<Subjects> {
  const [floor, store] = [
    await processes.startCluster('append'),
    await processes.startCluster('store'),
  ];
  let asked = 0;
  const nextKey = () => {
    asked += 1;
    return `key-${asked % KEYS}`;
  };
  const subjects = new Map<StoreSubject, Measure>();
  for (const [subject, clients] of [
    ['floor', floor],
    ['store', store],
  ] as const) {
    subjects.set(subject, (crowd, count) =>
      clients.measure(crowd, count, (requestId) => {
        return { type: 'request', requestId, value: `set ${nextKey()} ${VALUE}` };
      }),
    );
  }
  subjects.set('read', (crowd, count) =>
    store.measure(crowd, count, (requestId) => {
      return { type: 'query', requestId, query: `get ${nextKey()}`, isLocal: false };
    }),
  );
  const http = processes.httpOf(store);
  subjects.set('store http', (crowd, count) =>
    http.measure(crowd, count, () => ({ method: 'PUT', path: `/kv/${nextKey()}`, body: VALUE })),
  );
  subjects.set('read http', (crowd, count) =>
    http.measure(crowd, count, () => ({ method: 'GET', path: `/kv/${nextKey()}` })),
  );
  if (!isAgainstEtcd) return subjects;
  const etcd = await processes.startEtcd();
  subjects.set('etcd', (crowd, count) =>
    etcd.measure(crowd, count, () => etcdPut(nextKey(), VALUE)),
  );
  subjects.set('etcd read', (crowd, count) => etcd.measure(crowd, count, () => etcdGet(nextKey())));
  return subjects;
}

async function measureRound(subjects: Subjects, updates: number): Promise<StoreRound> {
  const round = new Map<StoreSubject, [number, OfCrowd][]>();
  for (const crowd of STORE_CROWDS) {
    const count = Math.max(updates, crowd);
    for (const [subject, measure] of subjects) {
      const { eachMs, allMs } = await measure(crowd, count);
      const figures = { eachMs, perSecond: (1_000 * eachMs.length) / allMs };
      round.set(subject, [...(round.get(subject) ?? []), [crowd, figures]]);
    }
  }
  return round;
}

/** The lines about what an update costs once the log has been long for a long time. */
export function longLogLines(links: number): string[] {
  const lengths = [1_000, 10_000, 100_000, 1_000_000].filter((length) => length <= links);
  measureLongLog([10_000], 1); // what runs for the first time is slow
  return measureLongLog(lengths, 500).map(({ links: length, microsecondsEach, heapMegabytes }) => {
    const cost = `${microsecondsEach.toFixed(0).padStart(5)} µs of the processor`;
    const heap = `${heapMegabytes.toFixed(1).padStart(6)} MB in use`;
    return `one update after ${String(length).padStart(9)} links ${cost}, ${heap}`;
  });
}
