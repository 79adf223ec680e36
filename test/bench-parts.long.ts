/** `npm run bench`, in its smallest size: that it measures everything, not how fast anything is. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CROWDS, type Report, SUBJECTS } from '../src/programs/bench/report.ts';
import { run, temporaryDirectory } from './processes.ts';

test('turns are measured, of a small store', async () => {
  const flags = ['--turns', '--keys', '1000', '--value-length', '10'];
  const { code, stdout, stderr } = await run('src/programs/bench/bench.ts', ...flags);
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /^B catches up by 1000 links: .* MB\/s, [0-9]+ links a second$/m);
  assert.match(stdout, /^C reads a snapshot, while A and B serve: .* MB\/s$/m);
  assert.equal(stdout.match(/( +[0-9]+\.[0-9]{2}){3}$/gm)?.length, 13);
});

test('catching up is measured, with one datagram under way and with more', async () => {
  const size = ['--keys', '1000', '--value-length', '100', '--delay', '5'];
  const { code, stdout, stderr } = await run('src/programs/bench/bench.ts', '--catch-up', ...size);
  assert.deepEqual([code, stderr], [0, '']);
  for (const way of ['links', 'a snapshot']) {
    assert.match(stdout, new RegExp(`^by ${way}, one datagram at a time( +[0-9.]+){4} ms$`, 'm'));
    assert.match(stdout, new RegExp(`^by ${way}( +[0-9.]+){4} times +[0-9.]+ ms$`, 'm'));
  }
});

test('restarts are measured, of a small store, and leave nothing behind', async (t) => {
  const directory = join(temporaryDirectory(t), 'state');
  const flags = ['--restart', '--links', '1000', '--state-dir', directory];
  const { code, stdout, stderr } = await run('src/programs/bench/bench.ts', ...flags);
  assert.deepEqual([code, stderr], [0, '']);
  for (const what of ['1,000 links kept, 1,000 keys', '1,000 keys']) {
    assert.match(stdout, new RegExp(`^${what} +[0-9.]+ MB( +[0-9]+ ms){3}$`, 'm'));
  }
  assert.deepEqual(readdirSync(directory), []);
});

test('an old log is measured beside a young one', async () => {
  const flags = ['--long-run', '--links', '2000'];
  const { code, stdout, stderr } = await run('src/programs/bench/bench.ts', ...flags);
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /^ +[0-9.]+ MB in use at +1000 links$/m);
  assert.match(stdout, /^one update after +2000 links +[0-9.]+ µs of the processor, 99 % within/m);
  assert.match(stdout, /^after 2000 links \/ after 1000: [0-9.]+ {2}to reach: 0\.9 to 1\.1$/m);
});

test('it knows what it can be compared with', async () => {
  for (const flags of [
    ['--against', 'etcd'],
    ['--store', '--against', 'zookeeper'],
  ]) {
    const { code, stderr } = await run('src/programs/bench/bench.ts', ...flags);
    assert.deepEqual([code, stderr], [2, 'error: --against knows etcd, with --store\n']);
  }
});

test('the benchmark measures everything, and leaves nothing but its figures behind', async (t) => {
  const directory = temporaryDirectory(t);
  const out = join(directory, 'bench.json');
  const size = ['--rounds', '1', '--updates', '2', '--no-memory'];
  const places = ['--state-dir', join(directory, 'state'), '--out', out];
  const { code, stdout, stderr } = await run('src/programs/bench/bench.ts', ...size, ...places);
  assert.deepEqual([code, stderr], [0, '']);
  assert.equal(stdout.match(/to reach: at most/g)?.length, 3);
  assert.deepEqual(readdirSync(join(directory, 'state')), []);

  const [report] = JSON.parse(readFileSync(out, 'utf8')).reports as Report[];
  assert.ok(report !== undefined);
  for (const subject of SUBJECTS) {
    const { p50Ms, p99Ms, perSecond } = report.subjects[subject];
    assert.ok(p50Ms > 0 && p99Ms >= p50Ms, subject);
    const crowds = subject === 'echo' || subject === 'read' ? [1] : CROWDS;
    for (const crowd of crowds) assert.ok((perSecond[crowd] ?? 0) > 0, subject);
  }
  assert.ok(report.ratios.every(({ ratio }) => ratio > 0));
});

test('saves alone are measured as files and in journals, and leave nothing behind', async (t) => {
  const directory = join(temporaryDirectory(t), 'state');
  const size = ['--saves', '--updates', '10', '--no-memory', '--state-dir', directory];
  const { code, stdout, stderr } = await run('src/programs/bench/bench.ts', ...size);
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /^a store with 10,000 links +[0-9]+ +[0-9]+ +[0-9]+\.[0-9]$/m);
  assert.deepEqual(readdirSync(directory), []);
});
