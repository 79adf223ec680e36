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
  for (const subject of ['floor', 'store', 'store http', 'read', 'read http'] as const) {
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

test('what is left with a delay between servers, beside what could be', async (t) => {
  const directory = join(temporaryDirectory(t), 'state');
  const flags = ['--store', '--delay', '1', '--rounds', '1', '--state-dir', directory];
  const { code, stdout, stderr } = await run('src/programs/bench/bench.ts', ...flags);
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /^one update in a link \(part I\)( +[0-9.]+){5}$/m);
  assert.match(stdout, /^as many as wait in a link( +[0-9.]+){5}$/m);
  assert.match(stdout, /^the bound, with however many open +32000$/m);
  assert.deepEqual(readdirSync(directory), []);
});

test('a delay goes with stores, and with whoever catches up', async () => {
  const { code, stderr } = await run('src/programs/bench/bench.ts', '--delay', '20');
  assert.deepEqual([code, stderr], [2, 'error: --delay goes with --store or --catch-up\n']);
});
