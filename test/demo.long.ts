/** `npm run demo -- --store`, as a person runs it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LONG_PATIENCE_MS, Program, run } from './processes.ts';

const DEMO = 'src/programs/demo/demo.ts';

test('the demo of stores ends with three that have the same on their disks', async (t) => {
  const demo = new Program(DEMO, ['--store']);
  t.after(async () => {
    if (!demo.hasEnded) demo.signal('SIGTERM');
    await demo.end();
  });
  const { code, stdout, stderr } = await demo.end(LONG_PATIENCE_MS);
  assert.deepEqual([code, stderr], [0, ''], stdout);
  const last = stdout.trimEnd().split('\n').at(-1) ?? '';
  assert.match(last, /^A, B, C have the same log and the same state: .*, digest [0-9a-f]{8}\.$/);
  assert.equal(stdout.match(/^== [0-9]+\. .* ==$/gm)?.length, 8);
  assert.match(stdout, /^-- \$ curl http:.*\/kv\/color\ndark blue$/m);
  assert.match(stdout, /^-- \$ curl http:.*\/kv\/color\ngreen$/m);
  assert.match(stdout, /^"it is something else by now", chosen in instance [0-9]+, /m);
  assert.equal(stdout.match(/^-- it read [0-9]+ links, one after the other$/gm)?.length, 2);
  assert.equal(stdout.match(/^-- C was level [0-9]+ ms after its start$/gm)?.length, 2);
});

test('the demo of stores draws no picture', async () => {
  const { code, stderr } = await run(DEMO, '--store', '--diagram', 'demo.svg');
  assert.equal(code, 2);
  assert.match(stderr, /^error: --diagram is not for --store: /);
});
