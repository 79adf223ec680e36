/** Stores in the simulator: nothing goes wrong, wherever it goes, and it goes everywhere. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wholeNumberOf } from '../src/log/state-machine.ts';
import { findStoreContradiction, type StoreOperation } from '../src/log/store-history.ts';
import { decodeDatagram, encodeDatagram } from '../src/messages.ts';
import { run } from '../src/simulation/run.ts';
import { drawSchedule, type Fault } from '../src/simulation/schedule.ts';
import {
  STORE_SITUATIONS,
  type StoreSituation,
  StoreSituations,
} from '../src/simulation/store-situations.ts';
import type { TraceEvent } from '../src/trace/events.ts';

const SECONDS = 60;
/** Any faults. */
const SEEDS = 40;
/** Those that make many wait at once, and let others finish what was begun. */
const CROWDED: readonly Fault[] = [
  ...(['rushes', 'crowds', 'loss', 'lateness', 'crashes', 'cuts'] as const),
  ...(['transfers', 'switches'] as const),
];
const CROWDED_SEEDS = 15;
/** It takes much to get there: some of all these runs do. */
const RARE: readonly StoreSituation[] = ['the reading of a snapshot begun anew'];
const reached = new Set<StoreSituation>();
const STORE = { leases: false, store: true };

for (const servers of [3, 5]) {
  for (const leases of [false, true]) {
    test(`stores go where things go wrong: ${servers} servers, leases: ${leases}`, () => {
      const total = new Set<StoreSituation>(RARE);
      const trySeed = (seed: number, faults: readonly Fault[] | null) => {
        const situations = new StoreSituations();
        const schedule = drawSchedule(seed, servers, SECONDS, faults);
        const { violation, storeHistory } = run(schedule, { leases, store: true }, (event) => {
          situations.observe(event);
        });
        assert.equal(violation, null, `seed ${seed}, ${faults}`);
        situations.end(storeHistory);
        for (const situation of situations.counts.keys()) {
          total.add(situation);
          reached.add(situation);
        }
      };
      for (let seed = 1; seed <= SEEDS; seed += 1) trySeed(seed, null);
      for (let seed = 1; seed <= CROWDED_SEEDS; seed += 1) trySeed(seed, CROWDED);
      assert.deepEqual(
        STORE_SITUATIONS.filter((situation) => !total.has(situation)),
        [],
      );
    });
  }
}

test('stores go where hardly anything goes', () => {
  assert.deepEqual(
    RARE.filter((situation) => !reached.has(situation)),
    [],
  );
});

test('a history of a simulated store is wrong once a sum in it, or its time, is changed', () => {
  let mutants = 0;
  for (let seed = 1; seed <= 40; seed += 1) {
    const { storeHistory } = run(drawSchedule(seed, 3, SECONDS, null), STORE);
    assert.equal(findStoreContradiction(storeHistory), null);
    const last = storeHistory.findLastIndex(isSum);
    const other = storeHistory[last];
    if (other === undefined) continue;
    const sum = { ...other, answer: `${Number(other.answer) + 1_000_000_007}` };
    // Nobody answers before anything was asked, unless nothing had to be asked for it.
    const early = { ...other, call: -2, return: -1 };
    const isEarlySum = other.answer !== other.line.split(' ')[2];
    for (const mutant of isEarlySum ? [sum, early] : [sum]) {
      assert.notEqual(findStoreContradiction(storeHistory.with(last, mutant)), null);
      mutants += 1;
    }
  }
  assert.ok(mutants > 20, `${mutants}`);
});

function isSum({ line, outcome, answer }: StoreOperation): boolean {
  return outcome === 'ok' && line.startsWith('add') && wholeNumberOf(answer ?? '') !== null;
}

test('all that stores say to each other passes the guards', () => {
  const [uids, cluster] = [['A', 'B', 'C'], 'A B C with a store'];
  const types = new Set<string>();
  for (let seed = 1; seed <= 10; seed += 1) {
    const schedule = drawSchedule(seed, 3, SECONDS, null);
    run(schedule, { leases: false, store: true }, (event: TraceEvent) => {
      if (event.event !== 'send') return;
      types.add(event.message.type);
      const bytes = encodeDatagram(event.seq, event.message, cluster);
      const decoded = decodeDatagram(bytes, uids, cluster);
      assert.deepEqual(decoded, { seq: event.seq, message: event.message });
    });
  }
  for (const type of ['links', 'snapshot_request', 'snapshot_chunk']) assert.ok(types.has(type));
});
