/** The simulator repeats itself, and goes everywhere. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { decodeDatagram, encodeDatagram } from '../src/messages.ts';
import { run, type Variant } from '../src/simulation/run.ts';
import { drawSchedule } from '../src/simulation/schedule.ts';
import {
  LEASE_SITUATIONS,
  SITUATIONS,
  type Situation,
  Situations,
} from '../src/simulation/situations.ts';
import type { TraceEvent } from '../src/trace/events.ts';

const SECONDS = 60;

const CLUSTERS = [3, 5].flatMap((servers) => [
  { servers, leases: false },
  { servers, leases: true },
]);

/** With leases there is hardly ever a duel; without them number 1 is never used. */
const RARE_WITH_LEASES: readonly Situation[] = [
  'a backoff of more than 100 ms',
  'a duel of three',
  'a nack to the reserved number',
  'a stale nack',
  'a value lost by a stop',
  'nobody running',
  'nothing to propose at quorum',
  'five values waiting at once',
  'a master that learns of another',
  'a read through the chain',
  'a request asked twice in the chain',
  'a request too old to take effect',
];
const RARE_WITHOUT: readonly Situation[] = [
  'nobody running',
  'a nack to the reserved number',
  'a backoff of more than 100 ms',
  'a value lost by a stop',
];

function eventsOf(seed: number, variant: Variant): TraceEvent[] {
  const events: TraceEvent[] = [];
  run(drawSchedule(seed, 3, SECONDS, null), variant, (event) => events.push(event));
  return events;
}

for (const leases of [false, true]) {
  test(`one seed is one run, byte for byte (leases: ${leases})`, () => {
    const first = JSON.stringify(eventsOf(7, { leases }));
    assert.equal(JSON.stringify(eventsOf(7, { leases })), first);
    assert.notEqual(JSON.stringify(eventsOf(8, { leases })), first);
  });

  test(`all that servers say to each other passes the guards (leases: ${leases})`, () => {
    let messages = 0;
    for (const seed of [1, 2, 3, 4, 5]) {
      for (const event of eventsOf(seed, { leases })) {
        if (event.event !== 'send') continue;
        const decoded = decodeDatagram(encodeDatagram(event.seq, event.message), ['A', 'B', 'C']);
        assert.deepEqual(decoded, { seq: event.seq, message: event.message });
        messages += 1;
      }
    }
    assert.ok(messages > 100);
  });
}

for (const { servers, leases } of CLUSTERS) {
  test(`it goes where things go wrong: ${servers} servers, leases: ${leases}`, () => {
    const total = new Set<string>();
    for (let seed = 1; seed <= 200; seed += 1) {
      const schedule = drawSchedule(seed, servers, SECONDS, null);
      const situations = new Situations(schedule.uids);
      const { history, violation } = run(schedule, { leases }, (event) => {
        situations.observe(event);
      });
      assert.equal(violation, null, `seed ${seed}`);
      situations.end(history);
      for (const situation of situations.counts.keys()) total.add(situation);
    }
    const wanted = [...SITUATIONS, ...(leases ? LEASE_SITUATIONS : [])];
    const rare: readonly string[] = leases ? RARE_WITH_LEASES : RARE_WITHOUT;
    const missed = wanted.filter((situation) => !total.has(situation) && !rare.includes(situation));
    assert.deepEqual(missed, []);
  });
}

test('the simulated replicas are woven as those of server.ts', () => {
  const classLines = (file: string) =>
    readFileSync(new URL(file, import.meta.url), 'utf8').match(/class \w+Replica extends [^{]+/g);
  assert.deepEqual(classLines('../src/simulation/replicas.ts'), classLines('../server.ts'));
});
