/** Journals of real servers that are killed again and again, while new ones begin, too. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Journal } from '../src/log/journal.ts';
import { checkTraces } from '../src/programs/check/traces.ts';
import { startCluster } from './processes.ts';

const ROUNDS = 12;
const VALUES = 6;
/** So long that a journal has its megabyte after some of them. */
const LENGTH = 30_000;

for (const master of [false, true]) {
  test(`servers come back with all that they have said (masters: ${master})`, async (t) => {
    const cluster = await startCluster(t, { master, flags: ['--journal'] });
    const { uids } = cluster;
    let begunAnew = 0;
    for (let round = 1; round <= ROUNDS; round += 1) {
      const server = cluster.server(uids[round % uids.length] ?? '');
      const from = server.events.length;
      for (let n = 1; n <= VALUES; n += 1) {
        const value = `${round}-${n}-`.padEnd(LENGTH, '.');
        for (const uid of uids) await cluster.propose(uid, value);
      }
      await server.waitFor('some saves', () => {
        const saves = server.events.slice(from).filter(({ event }) => event === 'save');
        return saves.length >= 1 + (round % 7);
      });
      await server.kill();
      const bytes = readFileSync(join(cluster.stateDirectory, `${server.uid}.journal`));
      const { state } = new Journal().load(bytes);
      // Its first line is no more the one that its server began with.
      const [first = ''] = bytes.toString().split('\n', 1);
      if (!first.includes('"instanceNumber":1,')) begunAnew += 1;
      assert.ok((state as { instanceNumber: number }).instanceNumber > 0);
      await server.start();
    }
    await cluster.kill();
    const events = cluster.servers
      .flatMap((server) => [...server.events])
      .toSorted((a, b) => a.at - b.at);
    const { violation } = checkTraces({ uids, traced: uids, resumed: [], events }, false);
    assert.equal(violation, null);
    assert.ok(begunAnew > 0, 'a journal began anew');
  });
}
