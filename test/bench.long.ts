/** `npm run bench -- --store`, in its smallest size: that it measures everything. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { STORE_CROWDS, type StoreReport } from '../src/programs/bench/store-report.ts';
import { run, temporaryDirectory } from './processes.ts';

test('the benchmark of stores measures everything, and what a long log costs', async (t) => {
  const directory = temporaryDirectory(t);
  const out = join(directory, 'bench.json');
  const size = ['--store', '--rounds', '1', '--updates', '2', '--no-memory', '--links', '1000'];
  const places = ['--state-dir', join(directory, 'state'), '--out', out];
  const { code, stdout, stderr } = await run('src/programs/bench/bench.ts', ...size, ...places);
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /^a store killed at instance [0-9]+ has answered [0-9]+ ms after /m);
  assert.match(stdout, /^one update after +1000 links +[0-9]+ µs of the processor, /m);
  assert.deepEqual(readdirSync(join(directory, 'state')), []);

  const [report] = JSON.parse(readFileSync(out, 'utf8')).reports as StoreReport[];
  for (const subject of ['floor', 'store', 'read'] as const) {
    const figures = report?.subjects[subject] ?? [];
    assert.deepEqual(
      figures.map(({ crowd }) => crowd),
      STORE_CROWDS,
    );
    for (const { p50Ms, p99Ms, perSecond } of figures) {
      assert.ok(p50Ms > 0 && p99Ms >= p50Ms && perSecond > 0, subject);
    }
  }
  assert.equal(report?.subjects.etcd, undefined);
});
