/** The programs as a person meets them: real processes, bad input, and how they end. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { isLease } from '../src/chain.ts';
import { MAX_VALUE_BYTES } from '../src/messages.ts';
import {
  type Cluster,
  type Exit,
  Program,
  prepareCluster,
  run,
  type Server,
  sendBytes,
  startCluster,
} from './processes.ts';

suite('The client', () => {
  test('fires a value, and the servers agree on it', async (t) => {
    const cluster = await startCluster(t);
    const exit = await cluster.client('B', 'hello');
    assert.deepEqual([exit.code, exit.stdout, exit.stderr], [0, '', '']);
    await cluster.waitFor('agreement', () => cluster.agreesOn('hello'));
  });

  test('carries every value that fits, whatever is in it, to the chain and back', async (t) => {
    const cluster = await startCluster(t);
    const nasty = '\u001b[2J\u0007\n\u202e "quoted" \\ 🦉 __proto__';
    await cluster.client('A', nasty);
    await cluster.waitFor('agreement', () => cluster.agreesOn(nasty));
    const longest = 'x'.repeat(MAX_VALUE_BYTES - 2);
    await cluster.client('A', longest);
    await cluster.waitFor('agreement', () => cluster.agreesOn(longest));
    const { stdout } = cluster.server('A').program;
    assert.match(stdout, /\\x1b/);
    for (const character of ['\u001b', '\u0007', '\u202e']) {
      assert.equal(stdout.includes(character), false);
    }
  });

  test('refuses a value that is one byte too long, and names the limit in its help', async () => {
    const exit = await run('client.ts', 'A', 'x'.repeat(MAX_VALUE_BYTES - 1));
    assertEnds(exit, 2, /32769 bytes.* limit is 32768 bytes/);
    assert.match((await run('client.ts', '--help')).stdout, /32768 bytes/);
  });

  test('says that nobody listens', async (t) => {
    const cluster = await prepareCluster(t);
    assertEnds(await cluster.client('A', 'hello'), 1, /nobody listens on 127\.0\.0\.1:/);
  });

  test('knows its servers', async () => {
    assertEnds(await run('client.ts', 'X', 'hello'), 1, /no server X .* A, B, C know of none/);
    assertEnds(await run('client.ts', 'A'), 2, /there is no value/);
  });
});

suite('A server', () => {
  test('says where it listens and what it is made of', async (t) => {
    const cluster = await startCluster(t, { uids: ['A'], master: true });
    const server = cluster.server('A');
    const { stdout } = await server.interrupt();
    assert.match(stdout, new RegExp(`server A listens on 127.0.0.1:${server.port} `));
    assert.match(stdout, /LeaderTracking\(MasterReplica\(ClientAnswers\(Rejoin\(MasterLeases\(\n/);
    assert.equal(stdout.includes('\u001b'), false);
  });

  test('creates its directory and its file for its owner only', async (t) => {
    const cluster = await startCluster(t, { uids: ['A'] });
    await cluster.propose('A', 'hello');
    await cluster.waitFor('agreement', () => cluster.agreesOn('hello'));
    assert.equal(statSync(cluster.stateDirectory).mode & 0o777, 0o700);
    assert.equal(statSync(cluster.server('A').stateFile).mode & 0o777, 0o600);
  });

  test('remembers after a kill', async (t) => {
    const cluster = await startCluster(t, { uids: ['A'] });
    const server = cluster.server('A');
    await cluster.propose('A', 'hello');
    await cluster.waitFor('agreement', () => cluster.agreesOn('hello'));
    await server.kill();
    await server.start();
    const starts = server.events.flatMap((event) => (event.event === 'start' ? [event] : []));
    assert.deepEqual(
      starts.map(({ restored, state }) => [restored, state.currentValue]),
      [
        [false, null],
        [true, 'hello'],
      ],
    );
  });

  test('refuses wrong arguments with exit code 2', async () => {
    assertEnds(await run('server.ts', 'X'), 2, /no server X .* only A, B, C/);
    assertEnds(await run('server.ts', 'A', '--drop', '2'), 2, /--drop must be/);
    assertEnds(await run('server.ts', 'A', '--cluster', 'nowhere'), 2, /nowhere cannot be used/);
    assertEnds(await run('server.ts', 'A', '--nonsense'), 2, /unknown option '--nonsense'/);
  });

  test('does not share its port, nor touch what its other self keeps', async (t) => {
    const cluster = await startCluster(t, { uids: ['A'] });
    const second = await run('server.ts', ...cluster.server('A').commandLine());
    assertEnds(second, 1, /127\.0\.0\.1:[0-9]+ is in use: is this server running already\?/);
    await cluster.propose('A', 'hello');
    await cluster.waitFor('agreement', () => cluster.agreesOn('hello'));
  });

  test('listens only on an address of its own machine', async (t) => {
    const cluster = await prepareCluster(t, { uids: ['A'] });
    writeFileSync(cluster.clusterFile, '{"A": "192.0.2.1:1234"}'); // kept free for examples
    const exit = await run('server.ts', ...cluster.server('A').commandLine('--trust-network'));
    assertEnds(exit, 1, /192\.0\.2\.1:1234 is not one of this machine/);
  });
});

suite('A state file that cannot be right stops the server and is left alone:', () => {
  const good = {
    uid: 'A',
    instanceNumber: 5,
    currentValue: 'old',
    lease: null,
    latestUpdateIds: { A: 'A-00000000-4' },
    requests: [],
    forgottenUpTo: 0,
    promisedId: { number: 7, uid: 'C' },
    acceptedId: { number: 7, uid: 'C' },
    acceptedValue: { update: 'x', id: 'C-00000000-1' },
  };
  const bad: [string, string, RegExp][] = [
    ['empty', '', /it is empty/],
    ['cut', JSON.stringify(good).slice(0, -20), /it is not JSON/],
    ['not JSON', 'hello', /it is not JSON/],
    ['null', 'null', /does not hold a JSON object/],
    ['of another server', JSON.stringify({ ...good, uid: 'B' }), /belongs to server "B"/],
    [
      'promise below accepted',
      JSON.stringify({ ...good, promisedId: { number: 6, uid: 'C' } }),
      /its promise is below what it has accepted/,
    ],
    [
      'of another cluster',
      JSON.stringify({ ...good, members: ['A', 'B', 'C', 'D', 'E'] }),
      /its state is of cluster A B C D E, not A B C; members cannot change: start it with/,
    ],
    [
      'with a wrong checksum',
      JSON.stringify({ checksum: '0123456789abcdef', ...good, members: ['A', 'B', 'C'] }),
      /its checksum is wrong: what it holds is not what was saved/,
    ],
    ['accepted id alone', JSON.stringify({ ...good, acceptedValue: null }), /without its value/],
    ['a field missing', JSON.stringify({ ...good, lease: undefined }), /lease is missing/],
  ];
  for (const [what, text, says] of bad) {
    test(what, async (t) => {
      const { server, exit } = await startWithState(await prepareCluster(t), (path) => {
        writeFileSync(path, text);
      });
      assertEnds(exit, 1, says);
      assert.match(exit.stderr, /A\.json/);
      assert.equal(readFileSync(server.stateFile, 'utf8'), text);
      assert.ok(server.events.some(({ event }) => event === 'fail'));
    });
  }

  test('a symbolic link', async (t) => {
    const cluster = await prepareCluster(t);
    const target = join(cluster.directory, 'elsewhere.json');
    writeFileSync(target, JSON.stringify(good));
    const { exit } = await startWithState(cluster, (path) => symlinkSync(target, path));
    assertEnds(exit, 1, /it is a symbolic link/);
    assert.equal(readFileSync(target, 'utf8'), JSON.stringify(good));
  });

  test('(and the one that all these are made from is right)', async (t) => {
    const cluster = await prepareCluster(t);
    mkdirSync(cluster.stateDirectory);
    writeFileSync(cluster.server('A').stateFile, JSON.stringify(good));
    const server = cluster.server('A');
    await server.start();
    // It is from before members were kept, and checksums; now it has both.
    await cluster.waitFor('its members', () => String(server.state?.members) === 'A,B,C');
    assert.match(readFileSync(server.stateFile, 'utf8'), /^\{"checksum":"[0-9a-f]{16}"/);
  });
});

suite('Servers that were started with different cluster files', () => {
  test('do not hear each other, say so, and cannot be brought together afterwards', async (t) => {
    const cluster = await prepareCluster(t);
    const [a, b, c] = cluster.servers;
    assert.ok(a && b && c);
    // Only C is named here: it is a quorum of its own, and the others are strangers to it.
    const alone = join(cluster.directory, 'alone.json');
    writeFileSync(alone, JSON.stringify({ C: `127.0.0.1:${c.port}` }));
    await c.start('--cluster', alone);
    await cluster.propose('C', 'hallo');
    await c.waitFor('the value', () => c.state?.currentValue === 'hallo');

    await Promise.all([a.start(), b.start()]);
    await c.waitForEvent('what A is', (event) => {
      const isOfA = event.event === 'reject' && event.from === `127.0.0.1:${a.port}`;
      return isOfA && event.why === 'its cluster is A B C, ours is C';
    });
    await c.interrupt();
    const exit = await run('server.ts', ...c.commandLine());
    assertEnds(exit, 1, /C\.json cannot be used: its state is of cluster C, not A B C; members/);
  });
});

suite('A disk that does not do its work stops the server:', () => {
  test('a state directory that cannot be created', async (t) => {
    const cluster = await prepareCluster(t);
    writeFileSync(cluster.stateDirectory, 'a file, not a directory');
    const exit = await run('server.ts', ...cluster.server('A').commandLine());
    assertEnds(exit, 1, /state directory .* cannot be used: .*; choose one with --state-dir/);
    const inside = await run('server.ts', 'A', '--state-dir', join(cluster.stateDirectory, 'in'));
    assertEnds(inside, 1, /not a directory/);
  });

  test('a trace file that cannot be opened', async (t) => {
    const cluster = await prepareCluster(t);
    const exit = await run('server.ts', ...cluster.server('A').commandLine('--trace', '/no/such'));
    assertEnds(exit, 1, /trace file \/no\/such cannot be written: no such file or directory/);
  });

  test('a trace file that may not grow', async (t) => {
    const cluster = await prepareCluster(t);
    const exit = await onFullDisk(cluster.server('A').commandLine()).end();
    assertEnds(exit, 1, /trace file .*A\.ndjson cannot be written: file too large \(EFBIG\)/);
    assert.equal(cluster.server('A').state, null);
  });

  test('a state file that may not grow; nothing that it must hold is said', async (t) => {
    const cluster = await prepareCluster(t);
    await Promise.all([cluster.server('B').start(), cluster.server('C').start()]);
    const flags = ['--cluster', cluster.clusterFile, '--state-dir', cluster.stateDirectory];
    const program = onFullDisk(['A', ...flags]);
    await cluster.server('B').waitForEvent('A has started', (event) => {
      return event.event === 'receive' && event.from === 'A';
    });
    await cluster.propose('A', 'hello');
    const exit = await program.end();
    assertEnds(exit, 1, /state file .*A\.json cannot be written: file too large \(EFBIG\)/);
    assert.doesNotMatch(exit.stdout, /prepare/);
    assert.deepEqual(cluster.states(), [null, null, null]);
  });
});

suite('What a server does not believe', () => {
  const lines: [string, string | Uint8Array, RegExp][] = [
    ['not JSON', 'hello', /not JSON/],
    ['an unknown type', '{"type":"toString","seq":1}', /type is unknown/],
    [
      'a message of a peer',
      '{"type":"nack","seq":1,"cluster":"A","instanceNumber":1,' +
        '"proposalId":{"number":2,"uid":"A"},"promisedProposalId":{"number":3,"uid":"A"}}',
      /only a server/,
    ],
    [
      'a message of a server of another cluster',
      '{"type":"sync_request","seq":1,"cluster":"A B","instanceNumber":1,"digest":""}',
      /its cluster is A B, ours is A/,
    ],
    ['a value too long', propose('x'.repeat(MAX_VALUE_BYTES)), /value is not what it must be/],
    ['a lone surrogate', '{"type":"propose","seq":1,"value":"\\ud800"}', /value is not what/],
    ['deep nesting', '['.repeat(60_000), /not JSON/],
    ['nothing at all', '', /not JSON/],
  ];

  test('changes nothing, and gets a line and an event', async (t) => {
    const cluster = await startCluster(t, { uids: ['A'] });
    const server = cluster.server('A');
    for (const [, bytes] of lines) await sendBytes(server.port, bytes);
    await cluster.propose('A', 'the end');
    await cluster.waitFor('the end', () => cluster.agreesOn('the end'));

    const rejects = server.events.flatMap((event) => (event.event === 'reject' ? [event.why] : []));
    assert.equal(rejects.length, lines.length);
    for (const [what, , says] of lines)
      assert.ok(
        rejects.some((why) => says.test(why)),
        what,
      );
    assert.equal(server.state?.instanceNumber, 2);
    assert.equal(server.program.stdout.match(/reject/g)?.length, lines.length);
  });

  test('does not fill the disk when it comes as a flood', async (t) => {
    const cluster = await startCluster(t, { uids: ['A'] });
    const server = cluster.server('A');
    for (let sent = 0; sent < 500; sent += 1) await sendBytes(server.port, 'noise');
    await server.waitForEvent('the count of what it held back', (event) => {
      return event.event === 'reject' && /and [0-9]+ more/.test(event.why);
    });
    const rejects = server.events.filter(({ event }) => event === 'reject');
    assert.ok(rejects.length < 100, `${rejects.length} lines for 500 datagrams`);
  });
});

suite('The end of a server', () => {
  test('comes in order with the first Ctrl-C', async (t) => {
    const cluster = await startCluster(t);
    const exit = await cluster.server('A').interrupt();
    assert.deepEqual([exit.code, exit.stderr], [0, '']);
    assert.equal(cluster.server('A').events.at(-1)?.event, 'stop');
  });

  test('comes at once with the second Ctrl-C', async (t) => {
    const cluster = await prepareCluster(t);
    const server = cluster.server('A');
    await server.start();
    await cluster.propose('A', 'waits for a quorum that is not there');
    await server.waitForEvent('it has been taken', ({ event }) => event === 'update');
    server.program.signal('SIGINT');
    await server.waitFor('it says so', () => server.program.stdout.includes('Ctrl-C again'));
    const exit = await server.interrupt();
    assert.deepEqual([exit.code, exit.stderr], [130, '']);
  });

  test('is not put off for ever by a value that cannot be chosen', async (t) => {
    const cluster = await prepareCluster(t);
    const server = cluster.server('A');
    await server.start();
    await cluster.propose('A', 'waits for a quorum that is not there');
    await server.waitForEvent('it has been taken', ({ event }) => event === 'update');
    assert.equal((await server.interrupt()).code, 0);
    assert.ok(server.events.some((event) => event.event === 'update' && event.what === 'lost'));
  });

  test('hands the lease back, so that a successor stands at once', async (t) => {
    const cluster = await startCluster(t, { master: true });
    const first = await cluster.waitFor('a master', () => cluster.servers.find(isMaster));
    await first.interrupt();
    const others = cluster.servers.filter((server) => server !== first);
    await cluster.waitFor('a successor', () => others.find(isMaster));
    const links = others.flatMap(({ events }) => {
      return events.flatMap((event) => (event.event === 'chosen' ? [event.value] : []));
    });
    assert.ok(links.some((link) => isLease(link) && link.lease === null));
  });

  test('comes in order, too, when nobody reads its lines any more', async (t) => {
    const cluster = await startCluster(t, { uids: ['A'] });
    const server = cluster.server('A');
    server.program.closeStdout();
    await cluster.propose('A', 'hello');
    const exit = await server.program.end();
    assert.deepEqual([exit.code, exit.stderr], [0, '']);
    assert.equal(server.state?.currentValue, 'hello');
  });
});

test('a broken rule that goes unnoticed is no good news', async () => {
  const { code, stdout } = await run(
    'src/programs/simulate.ts',
    '--break',
    'first-value',
    '--seed',
    '1',
  );
  assert.equal(code, 1);
  assert.match(stdout, /^1 seeds, no violation/m);
  assert.match(stdout, /^the broken rule was not noticed: try more seeds/m);
});

test('a program whose lines nobody reads any more ends as by Ctrl-C', async () => {
  const program = new Program('src/programs/simulate.ts', ['--seeds', '1-5']);
  program.closeStdout();
  const { signal, stderr } = await program.end();
  assert.deepEqual([signal, stderr], ['SIGINT', '']);
});

function assertEnds({ code, stdout, stderr }: Exit, exitCode: number, says: RegExp): void {
  assert.equal(code, exitCode, stderr);
  assert.match(stderr, says);
  assert.match(stderr, /^error: [^\n]+\n$/, 'one sentence, and nothing else');
  assert.doesNotMatch(stdout, /\n {4}at /, 'no stack');
}

/** Starts a server that may not write a byte into any file, which binds even root. */
function onFullDisk(args: readonly string[]): Program {
  const shell = ['bash', '-c', 'trap "" XFSZ; ulimit -f 0; exec "$0" "$@"', process.execPath];
  return new Program('server.ts', args, shell);
}

async function startWithState(cluster: Cluster, write: (path: string) => void) {
  const server = cluster.server('A');
  mkdirSync(cluster.stateDirectory);
  write(server.stateFile);
  return { server, exit: await run('server.ts', ...server.commandLine()) };
}

function propose(value: string): string {
  return JSON.stringify({ type: 'propose', seq: 0, value });
}

function isReign(event: Server['events'][number]): boolean {
  return event.event === 'lease' && event.what === 'ours';
}

function isMaster({ events }: Server): boolean {
  return events.some(isReign);
}
