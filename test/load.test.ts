/** Many clients, or slow disks: what the servers do is what is asked for, and not much more. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Clients } from '../src/simulation/clients.ts';
import { FAIR_WEATHER } from '../src/simulation/network.ts';
import { PlainReplica } from '../src/simulation/replicas.ts';
import { World } from '../src/simulation/world.ts';
import type { Operation } from '../src/trace/linearizability.ts';

interface Load {
  readonly servers: number;
  readonly clients: number;
  /** What each client asks, one after the other: changes, and every other time a read. */
  readonly asked: number;
  readonly reads: boolean;
  readonly seconds: number;
  readonly saveMs: number;
  readonly maxDelayMs: number;
}

/** How many instances were chosen, and what clients were told. */
function under(load: Load): { instances: number; history: readonly Operation[] } {
  const uids = [...'ABCDEFGHI'].slice(0, load.servers);
  const instances = new Set<number>();
  const wrong = (_: number, why: string) => assert.fail(why);
  const world: World = new World({
    ...{ uids, seed: 1, replicaClass: PlainReplica, wrong },
    trace: (event) => {
      if (event.event === 'chosen') instances.add(event.instanceNumber);
      clients.observe(event);
    },
  });
  const clients = new Clients(world, { peaceMs: Number.POSITIVE_INFINITY, patienceMs: 0 }, wrong);
  world.network.conditions = { ...FAIR_WEATHER, maxDelayMs: load.maxDelayMs };
  for (const machine of world.machines.values()) {
    machine.saveMs = load.saveMs;
    machine.start();
  }
  world.runUntil(1_000);
  for (let c = 1; c <= load.clients; c += 1) {
    const options = { server: uids[c % load.servers] ?? '', timeoutMs: 60_000, mayMove: true };
    for (let n = 1; n <= load.asked; n += 1) {
      const isRead = load.reads && n % 2 === 0;
      const write = { type: 'request', value: `${c}-${n}` } as const;
      const question = isRead ? ({ type: 'read', isLocal: false } as const) : write;
      clients.ask({ client: `c${c}`, question, options });
    }
  }
  world.runUntil(1_000 * (1 + load.seconds));
  assert.equal(clients.finish(), null);
  return { instances: instances.size, history: clients.history };
}

const BUSY = { servers: 5, clients: 30, asked: 1_000, saveMs: 0, maxDelayMs: 20, seconds: 20 };

test('five servers under load choose every change once, however many of them are asked', () => {
  const { instances, history } = under({ ...BUSY, reads: false });
  const answered = history.filter(({ outcome }) => outcome === 'ok').length;
  assert.ok(answered > 100, `${answered} answers`);
  const underWay = BUSY.clients;
  assert.ok(instances <= answered + underWay, `${instances} instances, ${answered} answers`);
});

test('and take less than an instance for each answer if there are reads among them', () => {
  const { instances, history } = under({ ...BUSY, reads: true });
  const answered = history.filter(({ outcome }) => outcome === 'ok').length;
  assert.ok(instances < 0.8 * answered, `${instances} instances, ${answered} answers`);
});

test('nine slow servers do once what is asked of several of them', () => {
  const load = { servers: 9, asked: 3, saveMs: 500, maxDelayMs: 1, reads: false, seconds: 60 };
  const alone = under({ ...load, clients: 1 });
  assert.deepEqual([alone.instances, alone.history.length], [3, 3]);
  for (const { call, return: end } of alone.history) {
    assert.ok(end !== null && end - call < 4_000, `answered after ${(end ?? 0) - call} ms`);
  }
  const together = under({ ...load, clients: 3 });
  assert.deepEqual([together.instances, together.history.length], [9, 9]);
});
