/** Stores in the simulator: nothing goes wrong, and what clients are told is a history of one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wholeNumberOf } from '../src/log/state-machine.ts';
import { findStoreContradiction, type StoreOperation } from '../src/log/store-history.ts';
import { decodeDatagram, encodeDatagram } from '../src/messages.ts';
import { run } from '../src/simulation/run.ts';
import { drawSchedule } from '../src/simulation/schedule.ts';
import type { TraceEvent } from '../src/trace/events.ts';

const SECONDS = 60;
const SEEDS = 6;
const STORE = { leases: false, store: true };

for (const servers of [3, 5]) {
  for (const leases of [false, true]) {
    test(`nothing goes wrong with stores: ${servers} servers, leases: ${leases}`, () => {
      let asked = 0;
      for (let seed = 1; seed <= SEEDS; seed += 1) {
        const { violation, history } = run(drawSchedule(seed, servers, SECONDS, null), {
          leases,
          store: true,
        });
        assert.equal(violation, null, `seed ${seed}`);
        asked += history.length;
      }
      assert.ok(asked > 50, `${asked}`);
    });
  }
}

test('nobody asks a quorum of stores with masters, though one was started without them', () => {
  const schedule = drawSchedule(6044, 3, SECONDS, null);
  assert.equal(run(schedule, { leases: true, store: true }).violation, null);
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
