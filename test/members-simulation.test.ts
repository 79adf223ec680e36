/** Clusters whose members change, in the simulator: nothing goes wrong. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMembers } from '../src/chain.ts';
import { ANY_UID, decodeDatagram, encodeDatagram } from '../src/messages.ts';
import { drawMembersSchedule } from '../src/simulation/members-schedule.ts';
import { run } from '../src/simulation/run.ts';

const SECONDS = 60;
const SEEDS = 4;

for (const store of [false, true]) {
  for (const leases of [false, true]) {
    test(`members change while things go wrong: stores: ${store}, leases: ${leases}`, () => {
      let changes = 0;
      for (let seed = 1; seed <= SEEDS; seed += 1) {
        const schedule = drawMembersSchedule(seed, 1 + (seed % 4), SECONDS);
        const { violation } = run(schedule, { leases, store, members: true }, (event) => {
          const isChange = event.event === 'chosen' && isMembers(event.value);
          if (isChange) changes += 1;
        });
        assert.equal(violation, null, `seed ${seed}`);
      }
      assert.ok(changes > 0);
    });
  }
}

test('all that such servers say to each other passes the guards', () => {
  const cluster = 'A B C with a store with members';
  const types = new Set<string>();
  for (let seed = 1; seed <= 8; seed += 1) {
    const schedule = drawMembersSchedule(seed, 3, SECONDS);
    run(schedule, { leases: false, store: true, members: true }, (event) => {
      if (event.event !== 'send' && event.event !== 'reply') return;
      types.add(event.message.type);
      const isSent = event.event === 'send';
      const bytes = encodeDatagram(event.seq, event.message, isSent ? cluster : null);
      const decoded = decodeDatagram(bytes, ANY_UID, cluster);
      assert.deepEqual(decoded, { seq: event.seq, message: event.message });
    });
  }
  for (const type of ['level_request', 'level', 'changed', 'links', 'snapshot_chunk']) {
    assert.ok(types.has(type), type);
  }
});
