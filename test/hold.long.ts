/** `client.ts --hold` on real servers: who is killed, and who stands still. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Cluster, Program, run, startCluster } from './processes.ts';

function holding(t: TestContext, cluster: Cluster, forMs: number, script: string): Program {
  const program = new Program('client.ts', [
    ...['A', '--hold', 'job', '--for', `${forMs}`, '--cluster', cluster.clusterFile],
    ...['--', 'sh', '-c', script],
  ]);
  t.after(() => program.signal('SIGKILL'));
  return program;
}

test('a short lock is got, and kept, while the server that is asked first is down', async (t) => {
  const cluster = await startCluster(t, { flags: ['--store'] });
  await cluster.server('A').kill();
  const program = holding(t, cluster, 1_500, 'sleep 3; echo ran');
  await cluster.waitFor('the lock', () => program.stderr.includes('holds job'));
  const { code, stdout } = await program.end();
  assert.deepEqual([code, stdout], [0, 'ran\n']);
});

test('a client that stood still for too long ends its command at once', async (t) => {
  const cluster = await startCluster(t, { flags: ['--store'] });
  const long = 'trap "" TERM; echo began; sleep 60; sleep 60';
  const first = holding(t, cluster, 5_000, long);
  await cluster.waitFor('the first one', () => first.stdout.includes('began'));
  first.signal('SIGSTOP');
  const second = holding(t, cluster, 5_000, 'echo "with $LOCK_TOKEN"');
  const { code, stdout } = await second.end();
  assert.equal(code, 0);
  const token = Number(/token ([0-9]+)/.exec(first.stderr)?.[1]);
  assert.ok(Number(/with ([0-9]+)/.exec(stdout)?.[1]) > token);
  first.signal('SIGCONT');
  const wentOnMs = performance.now();
  assert.equal((await first.end()).code, 124);
  // Nobody waits for a command that does not want to end, as long as there is time for it.
  assert.ok(performance.now() - wentOnMs < 900);
  const clusterFile = ['--cluster', cluster.clusterFile];
  const { stderr } = await run('client.ts', 'A', `unlock job ${token}`, '--wait', ...clusterFile);
  assert.equal(stderr, '');
});
