/** The simulator repeats itself, and goes everywhere. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type ChainState, EMPTY_CHAIN, isUpdate } from '../src/chain.ts';
import { clusterName, decodeDatagram, encodeDatagram } from '../src/messages.ts';
import { overstayersOf } from '../src/simulation/clock-promises.ts';
import type { ReplicaClass } from '../src/simulation/machine.ts';
import { PlainReplica } from '../src/simulation/replicas.ts';
import { run, type Variant } from '../src/simulation/run.ts';
import { type Action, drawSchedule } from '../src/simulation/schedule.ts';
import type { TraceEvent } from '../src/trace/events.ts';
import { chainAfter } from '../src/trace/fold.ts';
import { missedBySeeds } from './missed-situations.ts';

const SECONDS = 60;

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
        const uids = ['A', 'B', 'C'];
        const cluster = clusterName(uids, leases);
        const bytes = encodeDatagram(event.seq, event.message, cluster);
        const decoded = decodeDatagram(bytes, uids, cluster);
        assert.deepEqual(decoded, { seq: event.seq, message: event.message });
        messages += 1;
      }
    }
    assert.ok(messages > 100);
  });
}

for (const leases of [false, true]) {
  test(`it goes where things go wrong: 3 servers, leases: ${leases}`, () => {
    assert.deepEqual(missedBySeeds(3, leases), []);
  });
}

test('a server that proposes what the chain has already does no harm', () => {
  const careless = (Right: ReplicaClass): ReplicaClass =>
    class Careless extends (Right as typeof PlainReplica) {
      protected override whyLetGo(): string | null {
        return null;
      }
    };
  let inVain = 0;
  for (let seed = 1; seed <= 30; seed += 1) {
    const schedule = drawSchedule(seed, 3, SECONDS, ['loss', 'lateness', 'crowds']);
    const chains = new Map<string, ChainState>();
    const { violation } = run(schedule, { leases: false, broken: careless }, (event) => {
      const chain = chainAfter(chains.get(event.server) ?? EMPTY_CHAIN, event);
      chains.set(event.server, chain);
      if (event.event !== 'advance' || event.link === null || !('request' in event.link)) return;
      if (chain.requests.at(-1)?.instanceNumber !== event.instanceNumber - 1) inVain += 1;
    });
    assert.equal(violation, null);
  }
  assert.ok(inVain > 50, `${inVain} links without effect`);
});

test('the simulated replicas are woven as those of server.ts', () => {
  const classLines = (file: string) =>
    readFileSync(new URL(file, import.meta.url), 'utf8').match(
      /class (?:Plain|Master)Replica extends \w+\([^{]+/g,
    );
  assert.deepEqual(classLines('../src/simulation/replicas.ts'), classLines('../server.ts'));
});

test('what one server has accepted is finished, though its promise always comes last', () => {
  // C hears of each round in time to start none, and its word comes when A or B leads already.
  const { violation } = run(drawSchedule(169_286_424, 3, 60, null), { leases: false });
  assert.equal(violation, null);
});

test('without leases no clock excuses a stale read', () => {
  class BrokenReplica extends PlainReplica {
    protected override get mayReadMemory(): boolean {
      return true;
    }
  }
  const faults = ['wild clocks', 'delay', 'loss', 'cuts', 'lateness', 'crowds'] as const;
  const schedule = drawSchedule(1, 3, SECONDS, [...faults]);
  assert.notEqual(overstayersOf(schedule).size, 0);
  const { violation } = run(schedule, { leases: false, broken: () => BrokenReplica });
  assert.equal(violation?.invariant, 9);
});

test('flags are mended once all who have wrong ones are stopped', () => {
  const schedule = drawSchedule(1, 3, SECONDS, ['mixed flags']);
  const { healMs } = schedule;
  const master = 'A';
  const actions: Action[] = [
    { atMs: healMs - 100, do: 'spoil', uid: master, asItLeads: false, how: 'paused' },
    { atMs: healMs + 10, do: 'submit', to: 'C', value: 'of a server without leases' },
  ];
  let lastsUntilMs = 0;
  const chosen: string[] = [];
  const mixed = { ...schedule, mistaken: [master, 'B'], actions };
  const { violation } = run(mixed, { leases: false }, (event) => {
    if (event.event === 'lease' && event.what === 'ours') lastsUntilMs = event.at + event.lastsMs;
    if (event.event === 'chosen' && isUpdate(event.value)) chosen.push(event.value.update);
  });
  assert.equal(violation, null);
  assert.ok(lastsUntilMs > healMs + 1_000, 'there is a master as its flags are mended');
  assert.ok(chosen.includes('of a server without leases'));
});
