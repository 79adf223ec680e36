/** npm run cluster, as it is used less often: cut links, directories that are kept, sudden ends. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { checkTraces } from '../src/programs/check/traces.ts';
import { readTraces } from '../src/programs/common/read-traces.ts';
import { Bell, TraceReader } from '../src/programs/common/trace-reader.ts';
import { CLUSTER, type Session, startCluster, UIDS } from './cluster-session.ts';
import { PATIENCE_MS, run, temporaryDirectory } from './processes.ts';

/** A cluster on ports that it had before: somebody else on this machine may have one just now. */
async function startedAgain(t: TestContext, directory: string, lines: string): Promise<Session> {
  for (let time = 1; ; time += 1) {
    const session = startCluster(t, '--directory', directory);
    session.type(lines);
    const code = await session.closed;
    if (code === 0) return session;
    assert.ok(time < 3, session.text);
  }
}

suite('npm run cluster', { concurrency: true }, () => {
  test('a link that is cut lets nothing through until it is mended', async (t) => {
    const directory = temporaryDirectory(t);
    const session = startCluster(t, '--directory', directory);
    session.type('cut A\nset B hello\nread A local\nmend\nset A there\nquit\n');
    assert.equal(await session.closed, 0, session.text);
    assert.match(session.text, /^-- hello: chosen in instance 1, answered by B$/m);
    assert.match(session.text, /^-- there is no value yet at A, in instance 1; it may be stale$/m);
    assert.match(session.text, /^-- there: chosen in instance \d, answered by A$/m);
    const traces = readTraces(UIDS.map((uid) => join(directory, `${uid}.ndjson`)));
    assert.equal(checkTraces(traces, false).violation, null);
  });

  test('a directory that is named is kept, for one cluster at a time', async (t) => {
    const directory = join(temporaryDirectory(t), 'run');
    const first = startCluster(t, '--directory', directory, '--servers', '3');
    first.type('set A hello\n');
    await first.says(/^-- hello: chosen/m);
    const beside = await run(CLUSTER, '--directory', directory);
    assert.equal(beside.code, 1);
    assert.match(beside.stderr, /^error: .* is in use: does this cluster run already\?\n$/);
    first.endInput();
    assert.equal(await first.closed, 0, first.text);

    const again = await startedAgain(t, directory, 'read B\nquit\n');
    assert.match(again.text, /^-- "hello" is the value, answered by [A-C]$/m);
    const larger = await run(CLUSTER, '--directory', directory, '-n', '5');
    assert.equal(larger.code, 2);
    assert.match(larger.stderr, /belongs to a cluster of A B C: take another directory\n$/);
    assert.ok(readdirSync(directory).includes('A.ndjson'));
  });

  test('its servers do not outlive it, even if it is killed', async (t) => {
    const directory = temporaryDirectory(t);
    const session = startCluster(t, '--directory', directory);
    session.type('status\n');
    await session.says(/^-- C /m);
    session.signal('SIGKILL');
    const bell = new Bell();
    t.after(() => bell.close());
    bell.watch(directory);
    for (const uid of UIDS) {
      const trace = new TraceReader(join(directory, `${uid}.ndjson`));
      const hasStopped = () => trace.read().at(-1)?.event === 'stop';
      await bell.waitFor(`${uid} to stop`, hasStopped, () => '', PATIENCE_MS);
    }
    await session.closed; // which they would keep open
  });
});
