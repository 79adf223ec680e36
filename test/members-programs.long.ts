/** Members that change, on real processes: what takes longer to see. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Cluster, type Exit, freePort, Program, run, startCluster } from './processes.ts';

function client(cluster: Cluster, ...args: readonly string[]): Promise<Exit> {
  return run('client.ts', ...args, '--cluster', cluster.clusterFile);
}

function assertPrints(exit: Exit, says: RegExp): void {
  assert.deepEqual([exit.code, exit.stderr], [0, '']);
  assert.match(exit.stdout, says);
}

function assertRefused(exit: Exit, says: RegExp): void {
  assert.equal(exit.code, 1, exit.stdout);
  assert.match(exit.stderr, says);
  assert.equal(exit.stderr.trim().split('\n').length, 1, 'one sentence');
}

/** A server that no cluster file names, started with these flags. */
async function newcomer(t: TestContext, cluster: Cluster, uid: string, ...flags: string[]) {
  const port = await freePort();
  const by = cluster.servers[0];
  const program = new Program('server.ts', [
    ...[uid, '--join', `${by?.uid}=127.0.0.1:${by?.port}`, '--listen', `127.0.0.1:${port}`],
    ...['--state-dir', cluster.stateDirectory, '--trace', join(cluster.directory, `${uid}.ndjson`)],
    ...flags,
  ]);
  t.after(() => program.signal('SIGKILL'));
  return { program, port };
}

function isIn(cluster: Cluster, { program }: { program: Program }): Promise<unknown> {
  return cluster.waitFor('a newcomer to be let in', () => program.stdout.includes('listens on'));
}

const DONE = /^done in instance [0-9]+, and a quorum/;

test('a lost server is replaced, in one step, by one of a name with a number', async (t) => {
  const cluster = await startCluster(t, { flags: ['--members', '--store'] });
  assertPrints(await client(cluster, 'A', 'add visits 1', '--wait'), /^"1", chosen/);
  await cluster.server('C').kill();
  const heir = await newcomer(t, cluster, 'C2', '--store');
  await isIn(cluster, heir);
  assertPrints(await client(cluster, 'A', '--replace', 'C=C2'), DONE);
  assertPrints(
    await client(cluster, 'A', '--members'),
    /\n {2}C2 {4}voting {3}127\.0\.0\.1:[0-9]+ +#[0-9]+/,
  );
  // Whoever watches all sees those who are there now, and only these.
  const watching = new Program('client.ts', ['--watch', '--cluster', cluster.clusterFile]);
  t.after(() => watching.signal('SIGKILL'));
  await cluster.waitFor('C2 to be watched', () => {
    return /^A #[^|\n]+ \| B #[^|\n]+ \| C2 #[^|\n]+$/m.test(watching.stdout);
  });
  watching.signal('SIGINT');
  await watching.end();
  // It counts: without B, A and C2 are a quorum; and the client learns where C2 is.
  await cluster.server('B').kill();
  assertPrints(await client(cluster, 'C2', 'add visits 1', '--wait'), /^"2", chosen/);
  assertPrints(await client(cluster, 'C2', '--status'), /^server C2\n/);

  heir.program.signal('SIGKILL');
  await heir.program.exited;
  const again = new Program('server.ts', [
    ...['C2', '--members', '--store', '--cluster', cluster.clusterFile],
    ...['--state-dir', cluster.stateDirectory],
  ]);
  t.after(() => again.signal('SIGKILL'));
  await cluster.waitFor('C2 to be there again', () => again.stdout.includes('listens on'));
  assertPrints(await client(cluster, 'A', 'add visits 1', '--wait'), /^"3", chosen/);

  // What was removed while it was down says so when it comes back, and ends.
  await cluster.server('C').start();
  const { code, stdout } = await cluster.server('C').program.end();
  assert.equal(code, 0);
  assert.match(stdout, /server C is no member any more, and ends\n/);
});

test('one that is passive for ever follows, and never votes', async (t) => {
  const cluster = await startCluster(t, { uids: ['A'], flags: ['--members'] });
  const p = await newcomer(t, cluster, 'P', '--passive');
  await isIn(cluster, p);
  assertPrints(await client(cluster, 'A', 'hello', '--wait'), /^chosen in instance [0-9]+/);
  assertPrints(await client(cluster, 'A', '--members'), /\n {2}P {5}passive/);
  assertRefused(await client(cluster, 'A', '--add', 'P'), /: P is passive for ever: let it join/);
  assertRefused(await client(cluster, 'A', '--remove', 'A'), /: the last server that votes cannot/);
  let told = '';
  for (let n = 0; n < 20 && !told.startsWith('"hello" is'); n += 1) {
    told = (await client(cluster, 'P', '--read', '--local')).stdout;
  }
  assert.match(told, /^"hello" is the value at P, in instance [0-9]+; it may be stale\n$/);
  assertPrints(await client(cluster, 'A', '--remove', 'P'), DONE);
  assert.equal((await p.program.end()).code, 0);
});

test('one that never joined is forced in, and a name is given once', async (t) => {
  const cluster = await startCluster(t, { flags: ['--members'] });
  const port = await freePort();
  const d = `D=127.0.0.1:${port}`;
  assertRefused(await client(cluster, 'A', '--add', d), /: D has not joined: start it with --join/);
  assertPrints(await client(cluster, 'A', '--add', d, '--force'), DONE);
  assertPrints(await client(cluster, 'B', '--add', 'D'), DONE); // so it is already
  assertPrints(await client(cluster, 'A', '--remove', 'D'), DONE);
  assertRefused(
    await client(cluster, 'A', '--add', d, '--force'),
    /: the name D was given before: take a new one, like D2\n$/,
  );
  assertPrints(await client(cluster, 'A', 'on', '--wait'), /^chosen in instance [0-9]+/);
});

test('whoever runs another way is not let in, and says why in one sentence', async (t) => {
  const cluster = await startCluster(t, { master: true, flags: ['--members'] });
  const wrong: readonly (readonly [string, string[], RegExp])[] = [
    ['D', [], /that cluster is A B C with leases with members, and this server would be of A B C/],
    ['E', ['--master', '--store'], /this server would be of A B C with leases with a store with/],
  ];
  for (const [uid, flags, says] of wrong) {
    assertRefused(await (await newcomer(t, cluster, uid, ...flags)).program.end(), says);
  }
  const taken = new Program('server.ts', [
    ...['F', '--join', `A=127.0.0.1:${cluster.server('A').port}`, '--master'],
    ...['--listen', `127.0.0.1:${cluster.server('B').port}`],
    ...['--state-dir', cluster.stateDirectory],
  ]);
  assertRefused(await taken.end(), /is in use/);
  assertPrints(await client(cluster, 'A', '--members'), /members\n {2}A .*\n {2}B .*\n {2}C .*\n$/);
});

test('whoever has another key, or none, is not let in', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'keys-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const keyFile = (name: string) => {
    const file = join(directory, name);
    writeFileSync(file, randomBytes(32).toString('hex'), { mode: 0o600 });
    return ['--key-file', file];
  };
  const key = keyFile('right');
  const cluster = await startCluster(t, { flags: ['--members', ...key] });
  const says = /server A has not said who the members are within 5000 ms: .* and with the same key/;
  for (const flags of [keyFile('wrong'), []]) {
    assertRefused(await (await newcomer(t, cluster, 'D', ...flags)).program.end(), says);
  }
  assertPrints(
    await client(cluster, 'A', '--members', ...key),
    /members\n {2}A .*\n {2}B .*\n {2}C .*\n$/,
  );
  const last = await newcomer(t, cluster, 'D', ...key);
  await isIn(cluster, last);
  last.program.signal('SIGKILL'); // before its directory is taken away
  await last.program.exited;
});

test('of two changes at once each is made, or says that it is not', async (t) => {
  const cluster = await startCluster(t, { uids: ['A', 'B', 'C', 'D', 'E'], flags: ['--members'] });
  const both = ['D', 'E'].map((uid, index) =>
    client(cluster, index === 0 ? 'A' : 'B', '--remove', uid, '--timeout', '20000'),
  );
  const exits = await Promise.all(both);
  const { stdout } = await client(cluster, 'A', '--members');
  for (const [index, uid] of ['D', 'E'].entries()) {
    const { code, stderr } = exits[index] as Exit;
    assert.equal(stdout.includes(`\n  ${uid} `), code !== 0, stderr);
    if (code !== 0) assert.match(stderr, /another change came before it, in instance [0-9]+/);
  }
  assert.ok(exits.some(({ code }) => code === 0));
});
