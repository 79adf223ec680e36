/** Members that change, as a person meets them: real processes that join, go, and are killed. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { readTraces } from '../src/programs/common/read-traces.ts';
import type { TraceEvent } from '../src/trace/events.ts';
import { Invariants } from '../src/trace/invariants.ts';
import { type Cluster, type Exit, freePort, Program, run, startCluster } from './processes.ts';

function client(cluster: Cluster, ...args: readonly string[]): Promise<Exit> {
  return run('client.ts', ...args, '--cluster', cluster.clusterFile);
}

function assertPrints(exit: Exit, says: RegExp): void {
  assert.deepEqual([exit.code, exit.stderr], [0, '']);
  assert.match(exit.stdout, says);
}

/** A server that no cluster file names, started with these flags. */
async function newcomer(t: TestContext, cluster: Cluster, uid: string, ...flags: string[]) {
  const port = await freePort();
  const traceFile = join(cluster.directory, 'traces', `${uid}.ndjson`);
  const program = new Program('server.ts', [
    ...[uid, '--join', `A=127.0.0.1:${cluster.server('A').port}`, '--trace', traceFile],
    ...['--listen', `127.0.0.1:${port}`, '--state-dir', cluster.stateDirectory, ...flags],
  ]);
  t.after(() => program.signal('SIGKILL'));
  return { program, traceFile, port };
}

test('one joins, the master is removed, another one is killed, and values go on', async (t) => {
  const flags = ['--store', '--members'];
  const cluster = await startCluster(t, { master: true, flags });
  assertPrints(await client(cluster, 'A', 'add visits 1', '--wait'), /^"1", chosen/);
  const d = await newcomer(t, cluster, 'D', '--master', '--store');
  await cluster.waitFor('D to be a member', () => d.program.stdout.includes('listens on'));
  assertPrints(await client(cluster, 'B', '--add', 'D'), /^done in instance [0-9]+, and a quorum/);
  assertPrints(await client(cluster, 'B', '--add', 'D'), /^done in instance [0-9]+, and a quorum/);

  // What it is and where the others are it has on its disk: nobody lets it in twice.
  d.program.signal('SIGKILL');
  await d.program.exited;
  const again = new Program('server.ts', [
    ...['D', '--members', '--master', '--store', '--cluster', cluster.clusterFile],
    ...['--trace', d.traceFile, '--state-dir', cluster.stateDirectory],
  ]);
  t.after(() => again.signal('SIGKILL'));
  await cluster.waitFor('D to be there again', () => again.stdout.includes('listens on'));
  assert.match(again.stdout, new RegExp(`server D listens on 127\\.0\\.0\\.1:${d.port} `));
  // The cluster file lacks it, and the others tell where it is.
  assertPrints(await client(cluster, 'D', '--status'), /^server D\n/);

  const master = await cluster.waitFor('a master', () => {
    return cluster.servers.find(({ events }) => isMasterAfter(events));
  });
  assertPrints(await client(cluster, 'A', '--remove', master.uid), /^done in instance/);
  const exit = await master.program.end();
  assert.deepEqual([exit.code, exit.stderr], [0, '']);
  assert.match(exit.stdout, new RegExp(`server ${master.uid} is no member any more, and ends\n`));

  const [killed, left] = cluster.servers.filter((server) => server !== master);
  assert.ok(killed !== undefined && left !== undefined);
  await killed.kill();
  assertPrints(await client(cluster, left.uid, 'add visits 1', '--wait'), /^"2", chosen/);
  assertPrints(await client(cluster, left.uid, '--members'), / {2}D {5}voting {3}127\.0\.0\.1:/);
  again.signal('SIGINT');
  await again.end();
  await cluster.kill();
  checkTraces([...cluster.servers.map(({ traceFile }) => traceFile), d.traceFile]);
});

function isMasterAfter(events: readonly TraceEvent[]): boolean {
  const latest = events.findLast(({ event }) => event === 'lease');
  return latest?.event === 'lease' && latest.what === 'ours';
}

function checkTraces(files: readonly string[]): void {
  const { events, uids, traced, resumed } = readTraces(files);
  assert.deepEqual(uids, ['A', 'B', 'C', 'D']);
  const invariants = new Invariants(uids, traced, resumed);
  for (const event of events) assert.equal(invariants.observe(event), null);
}

test('what cannot be is refused with a sentence, and nothing changes', async (t) => {
  const cluster = await startCluster(t, { uids: ['A', 'B'], flags: ['--members'] });
  const refusals: readonly (readonly [string[], RegExp])[] = [
    [['--remove', 'A,B'], /: the last server that votes cannot be removed\n$/],
    [['--remove', 'E'], /: there is no member E\n$/],
    [['--add', 'D=127.0.0.1:9'], /: D has not joined: start it with --join first\n$/],
    [['--add', 'B2=127.0.0.1:9', '--force', '--remove', 'E'], /: there is no member E\n$/],
    [
      ['--add', `D=127.0.0.1:${cluster.server('B').port}`, '--force'],
      /: 127\.0\.0\.1:[0-9]+ is the address of B already, and cannot be that of D\n$/,
    ],
  ];
  for (const [args, says] of refusals) {
    const exit = await client(cluster, 'A', ...args);
    assert.equal(exit.code, 1, args.join(' '));
    assert.match(exit.stderr, says);
  }
  const store = await (await newcomer(t, cluster, 'D', '--store')).program.end();
  assert.equal(store.code, 1);
  assert.match(store.stderr, /that cluster is A B with members, and this server would be of /);
  const known = await (await newcomer(t, cluster, 'B')).program.end();
  assert.match(known.stderr, /the state file .* is there|the name B is given already/);
  assert.equal(readFileSync(cluster.clusterFile, 'utf8').includes('D'), false);
  assertPrints(await client(cluster, 'A', '--members'), /at #1, and these are the members\n {2}A/);
});

test('without its disk a server comes back as long as it has had no vote', async (t) => {
  const cluster = await startCluster(t, { flags: ['--members'] });
  const first = await newcomer(t, cluster, 'D');
  const listens = ({ program }: typeof first) => program.stdout.includes('listens on');
  await cluster.waitFor('D to be let in', () => listens(first));
  const again = async () => {
    for (const end of ['json', 'mark']) {
      rmSync(join(cluster.stateDirectory, `D.${end}`), { force: true });
    }
    return newcomer(t, cluster, 'D', '--listen', `127.0.0.1:${first.port}`);
  };
  first.program.signal('SIGKILL');
  await first.program.exited;
  const second = await again();
  await cluster.waitFor('D to be let in again', () => listens(second));
  assertPrints(await client(cluster, 'B', '--add', 'D'), /^done in instance [0-9]+, and a quorum/);
  assertPrints(await client(cluster, 'D', 'fired'), /^$/); // its address comes from the others
  assertPrints(await client(cluster, 'D', '--read'), /^"fired" is the value/);
  second.program.signal('SIGKILL');
  await second.program.exited;
  const { code, stderr } = await (await again()).program.end();
  assert.equal(code, 1);
  assert.match(stderr, /the name D is given already, .* join under a new name, like D2\n$/);
});

test('a command line that is none', async () => {
  const none: readonly (readonly [string[], RegExp])[] = [
    [['D', '--join', 'A=127.0.0.1:1'], /--join needs --listen with an address that/],
    [['D', '--join', 'A', '--listen', '127.0.0.1:2'], /the address in --join must be like/],
    [['A', '--passive'], /--passive goes with --join/],
    [['A', '--members', '--rejoin'], /let another server take its place/],
  ];
  for (const [args, says] of none) {
    const exit = await run('server.ts', ...args);
    assert.equal(exit.code, 2, args.join(' '));
    assert.match(exit.stderr, says);
  }
  const asked: readonly (readonly [string[], RegExp])[] = [
    [['A', '--members', '--add', 'D'], /changes nothing/],
    [['A', '--replace', 'B'], /must be like B=D/],
    [['A', '--add', 'd'], /a server is called like D or D2/],
    [['A', '--remove', 'B,B'], /named twice/],
    [['A', '--force'], /--force goes with/],
  ];
  for (const [args, says] of asked) {
    const exit = await run('client.ts', ...args);
    assert.equal(exit.code, 2, args.join(' '));
    assert.match(exit.stderr, says);
  }
});
