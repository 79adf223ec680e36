/** A search for seeds that go wrong: new ones each time, a minute for each kind of cluster. */
import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { drawMembersSchedule } from '../src/simulation/members-schedule.ts';
import { run } from '../src/simulation/run.ts';
import { drawSchedule } from '../src/simulation/schedule.ts';

const SECONDS = 60;
const SLICE_MS = 60_000;

for (const servers of [3, 5]) {
  for (const leases of [false, true]) {
    test(`nothing goes wrong, ${servers} servers, leases: ${leases}`, (t) => {
      const firstSeed = Math.floor(Math.random() * 1e9);
      const startedMs = performance.now();
      let seed = firstSeed;
      do {
        const { violation } = run(drawSchedule(seed, servers, SECONDS, null), { leases });
        const again = `npm run simulate -- --seed ${seed} --servers ${servers}`;
        assert.equal(violation, null, `${again}${leases ? ' --master' : ''}`);
        seed += 1;
      } while (performance.now() - startedMs < SLICE_MS);
      t.diagnostic(`${seed - firstSeed} seeds from ${firstSeed} on`);
    });
  }
}

for (const store of [false, true]) {
  for (const leases of [false, true]) {
    test(`nothing goes wrong while members change, stores: ${store}, leases: ${leases}`, (t) => {
      const firstSeed = Math.floor(Math.random() * 1e9);
      const startedMs = performance.now();
      const kind = `--members${store ? ' --store' : ''}${leases ? ' --master' : ''}`;
      let seed = firstSeed;
      do {
        const servers = 1 + (seed % 5);
        const schedule = drawMembersSchedule(seed, servers, SECONDS);
        const { violation } = run(schedule, { leases, store, members: true });
        const again = `npm run simulate -- --seed ${seed} --servers ${servers} ${kind}`;
        assert.equal(violation, null, again);
        seed += 1;
      } while (performance.now() - startedMs < SLICE_MS / 2);
      t.diagnostic(`${seed - firstSeed} seeds from ${firstSeed} on`);
    });
  }
}
