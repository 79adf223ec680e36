/** `npm run explore -- --deviations D`: whole replicas under schedules with few surprises. */
import { performance } from 'node:perf_hooks';
import { UsageError } from '../../node/failure.ts';
import { BREAKS } from '../../simulation/broken/layers.ts';
import { type Scenario, type Search, search } from '../../simulation/explorer/deviations.ts';
import type { ReplicaClass } from '../../simulation/machine.ts';
import { MasterReplica, PlainReplica, replicaOf } from '../../simulation/replicas.ts';

export interface DeviationOptions {
  readonly deviations: number;
  readonly maxRuns: number;
  readonly leases: boolean;
  readonly isStore: boolean;
  /** The name of a rule to break, or null. */
  readonly breakName: string | null;
}

/** So much of a run is searched: two values from the first message to the last, and some more. */
const STEPS = 40;
const PROGRESS_INTERVAL_MS = 500;

/** Searches, and prints how far it came. True if nothing was violated. */
export function searchDeviations(options: DeviationOptions): boolean {
  const startedMs = performance.now();
  let shownMs = startedMs;
  const progress = (deviations: number, runs: number, left: number) => {
    if (!process.stderr.isTTY || performance.now() - shownMs < PROGRESS_INTERVAL_MS) return;
    shownMs = performance.now();
    process.stderr.write(`\r\u001b[K${runs} runs, now ${deviations} deviations, ${left} left`);
  };
  const found = search(scenarioOf(options), options.deviations, options.maxRuns, progress);
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  report(found, options, (performance.now() - startedMs) / 1_000);
  return found.violation === null;
}

/** Two values at two servers at once; with leases, at the master. To stores, three commands. */
export function scenarioOf({ leases, isStore, breakName }: DeviationOptions): Scenario {
  const broken = breakName === null ? null : BREAKS.find(({ name }) => name === breakName);
  if (broken === undefined) {
    const names = BREAKS.map(({ name }) => name).join(', ');
    throw new UsageError(`--break knows ${names}; not ${JSON.stringify(breakName)}`);
  }
  const hasLeases = broken?.leases ?? leases;
  const values = isStore ? ['add n 1', 'swap n 1 5', 'add n 10'] : ['v1', 'v2'];
  const right = isStore ? tinyStoreOf(hasLeases) : hasLeases ? MasterReplica : PlainReplica;
  return {
    uids: ['A', 'B', 'C'],
    replicaClass: broken?.replicaClass ?? right,
    calmMs: hasLeases ? 700 : 10,
    askedFirst: values.map((value, index) => [hasLeases ? null : 'AB'.charAt(index % 2), value]),
    steps: STEPS,
  };
}

/** It keeps a single link, so whoever has missed two needs the snapshot. */
function tinyStoreOf(leases: boolean): ReplicaClass {
  return class TinyStoreReplica extends replicaOf(true, leases) {
    protected get keepLinks(): number {
      return 1;
    }
  };
}

function report(found: Search, { deviations: most }: DeviationOptions, seconds: number): void {
  for (const [deviations, runs] of found.runs.entries()) {
    const isComplete = deviations <= found.completeUpTo;
    const extent = isComplete ? 'all of them' : 'not all of them';
    console.log(`${deviations} deviations: ${runs.toLocaleString('en')} schedules, ${extent}`);
  }
  console.log(`${found.chosen.toLocaleString('en')} times a value was learned as chosen`);
  console.log(`${seconds.toFixed(1)} s`);
  const { violation } = found;
  if (violation === null) {
    const isDone = found.completeUpTo === most;
    console.log(
      isDone
        ? `complete up to ${most} deviations, no invariant is violated`
        : `complete up to ${found.completeUpTo} deviations, no violation so far`,
    );
    return;
  }
  console.log(`\nviolates invariant ${violation.invariant}: ${violation.sentence}`);
  console.log(`because ${violation.why}\n\nthe schedule departs from the ordinary so:`);
  for (const { step, what } of found.deviations) console.log(`  at step ${step + 1}: ${what}`);
}
