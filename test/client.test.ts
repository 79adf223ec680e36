/** The client as a person meets it: real processes, real servers, and servers that are none. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { suite, type TestContext, test } from 'node:test';
import { EMPTY_CHAIN, isUpdate } from '../src/chain.ts';
import type { Uid } from '../src/composable-paxos.ts';
import {
  type ClientMessage,
  decodeDatagram,
  encodeDatagram,
  MAX_VALUE_BYTES,
  type Reply,
  type StatusReply,
} from '../src/messages.ts';
import { UsageError } from '../src/node/failure.ts';
import { readClientOptions } from '../src/programs/client/options.ts';
import { promptForValues } from '../src/programs/client/prompt.ts';
import { WaitingLine } from '../src/programs/client/waiting-line.ts';
import { watch } from '../src/programs/client/watch.ts';
import type { Report } from '../src/programs/client/words.ts';
import { LOOPBACK } from '../src/programs/common/free-port.ts';
import { chainAfter } from '../src/trace/fold.ts';
import { MAX_WAITING } from '../src/update-queue.ts';
import {
  type Cluster,
  type Exit,
  PATIENCE_MS,
  Program,
  prepareCluster,
  run,
  type Server,
  startCluster,
  temporaryDirectory,
} from './processes.ts';
import { argumentsFor } from './transpiled.ts';

const UIDS = ['A', 'B', 'C'];

test('A client of servers without a master', async (t) => {
  const cluster = await startCluster(t);
  const client = (...args: string[]) => runClient(cluster, ...args);

  await t.test('waits until its value is chosen, and says where', async () => {
    const exit = await client('A', 'hello', '--wait');
    assertPrints(exit, /^chosen in instance 1, answered by [ABC]\n$/);
    assert.equal(Math.min(...chosenAt(cluster, 'hello')), 1);
  });

  await t.test('reads what nobody has changed since, and what a server has', async () => {
    const [current, local] = await both(client('C', '--read'), client('B', '--read', '--local'));
    assertPrints(current, /^"hello" is the value, answered by [ABC]\n$/);
    assertPrints(local, /^"hello" is the value at B, in instance [0-9]+; it may be stale\n$/);
  });

  await t.test('asks a server how it is, for a person and for a program', async () => {
    await cluster.waitFor('B to rest', () => cluster.server('B').state?.promisedId === null);
    const ask = ['B', '--status'];
    const [person, program] = await both(client(...ask), client(...ask, '--json'));
    assertPrints(person, /^server B\n(.*\n)* +value +"hello"\n(.*\n)* +heard +A /);
    assertPrints(program, /^\{.*\}\n$/);
    const { uptimeMs, heardMs, instanceNumber, promisedId, acceptedId, ...rest } = JSON.parse(
      program.stdout,
    );
    const nothing = { hasLeases: false, master: null, leaseLeftMs: 0, reign: null, waiting: 0 };
    const noStore = { log: null };
    assert.deepEqual(rest, {
      server: 'B',
      isAnswered: true,
      value: 'hello',
      ...nothing,
      ...noStore,
    });
    assert.ok(instanceNumber >= 2 && uptimeMs > 0);
    assert.deepEqual([promisedId, acceptedId], [null, null]);
    assert.deepEqual(Object.keys(heardMs), ['A', 'C']);
  });

  await t.test('picks a server itself, whether it waits or not', async () => {
    const [waits, fires] = await both(client('--any', 'any', '--wait'), client('--any', 'fired'));
    assertPrints(waits, /^chosen in instance [0-9]+, answered by [ABC]\n$/);
    assertPrints(fires, /^$/);
    await cluster.waitFor('the fired value', () => chosenAt(cluster, 'fired').length > 0);
  });

  await t.test('prints nothing that a terminal would obey', async () => {
    const nasty = '\u001b[2J\u009b\u202e\u2028';
    await cluster.propose('A', nasty);
    await cluster.waitFor('agreement', () => cluster.agreesOn(nasty));
    for (const exit of await both(client('A', '--read'), client('A', '--status', '--json'))) {
      assertPrints(exit, /\\(x1b|u001b)\[2J/);
      assert.doesNotMatch(exit.stdout, /[^\n -~]/);
    }
  });

  await t.test('watches all servers, or one, a line a round, until Ctrl-C', async () => {
    const all = /^A #[0-9]+ "[^|]+" \| B #[0-9]+ [^|]+ \| C #[0-9]+ [^|]+\n/m;
    await watchUntil(all, cluster);
    await watchUntil(/^B #[0-9]+ "[^|]+\n/m, cluster, 'B');
  });

  await t.test('asks the next server when one is down', async () => {
    await cluster.server('B').kill();
    assertPrints(await client('B', 'without B', '--wait'), /^chosen in .*, answered by [AC]\n$/);
    await cluster.server('B').start();
  });
});

test('A client of servers with a master', async (t) => {
  const cluster = await startCluster(t, { master: true });
  const master = await cluster.waitFor('a master', () => cluster.servers.find(isMaster));
  const other = cluster.servers.find((server) => server !== master)?.uid ?? '';
  const client = (...args: string[]) => runClient(cluster, ...args);

  await t.test('is sent there by the others', async () => {
    const answered = new RegExp(`, answered by ${master.uid}\n$`);
    const [set, read] = await both(client(other, 'hello', '--wait'), client(other, '--read'));
    assertPrints(set, answered);
    assertPrints(read, answered);
    const refusals = cluster.server(other).events.filter((event) => {
      return event.event === 'reply' && event.message.type === 'refused';
    });
    assert.ok(refusals.length >= 2);
  });

  await t.test('finds it without being told any server', async () => {
    assertPrints(await client('--any', 'fired'), /^$/);
    await cluster.waitFor('the fired value', () => chosenAt(cluster, 'fired').length > 0);
  });

  await t.test('learns who it is, and for how long', async () => {
    const [itself, named] = await both(client(master.uid, '--status'), client(other, '--status'));
    const reign = / {2}master +itself, for [0-9.]+ s more, since instance [0-9]+, [0-9.]+ s ago\n/;
    assertPrints(itself, reign);
    assertPrints(named, new RegExp(`\n {2}master +${master.uid}, since instance [0-9]+,`));
  });

  await t.test('has the lease handed over to whom it names', async () => {
    const isMasterNow = new RegExp(`^${other} is master, for [0-9.]+ s`);
    assertPrints(await client(master.uid, '--transfer', other), isMasterNow);
    assertPrints(
      await client(master.uid, '--status'),
      new RegExp(`\n {2}master +${other}, since instance [0-9]+,`),
    );
  });
});

suite('A request', () => {
  test('takes effect once, however often and to whomever it is sent', async (t) => {
    const cluster = await startCluster(t);
    const client = await openClient(t, cluster);
    const message = requestOf(1, 'once');
    for (let round = 0; round < 3; round += 1) {
      for (const uid of ['A', 'B'] as const) client.send(uid, message);
    }
    await client.replies(2);
    for (const uid of UIDS) client.send(uid, message);
    const replies = await client.replies(5);
    const instances = replies.map((reply) => reply.type === 'chosen' && reply.instanceNumber);
    assert.equal(new Set(instances).size, 1, `all name one instance: ${instances}`);

    await client.send('A', requestOf(1, 'the end', 1));
    await cluster.waitFor('the end', () => cluster.agreesOn('the end'));
    for (const server of cluster.servers) {
      assert.equal(changesTo(server, 'once'), 1);
      const [remembered] = server.state?.requests ?? [];
      assert.equal(remembered?.instanceNumber, instances[0]);
    }
  });

  test('is carried out, too, if its client does not wait for the answer', async (t) => {
    const cluster = await startCluster(t, { uids: ['A'] });
    const client = await openClient(t, cluster);
    await client.send('A', requestOf(1, 'left behind'));
    client.close();
    await cluster.waitFor('agreement', () => cluster.agreesOn('left behind'));
    await cluster.propose('A', 'the end');
    await cluster.waitFor('its life to go on', () => cluster.agreesOn('the end'));
  });

  test('is refused in plain words when too many wait', async (t) => {
    const cluster = await prepareCluster(t);
    await cluster.server('A').start();
    const client = await openClient(t, cluster);
    for (let number = 1; number <= MAX_WAITING; number += 1) {
      // Whoever fires a value and goes away counts on the server, however long it takes.
      client.send('A', { type: 'propose', value: 'x' });
      // A step at a time, so that no datagram is lost on the way.
      if (number % 100 === 0) await client.ask('A', 'status', number);
    }
    const full = await client.ask('A', 'status', MAX_WAITING + 1);
    assert.equal(full.type === 'status_report' && full.waiting, MAX_WAITING);
    const exit = await runClient(cluster, 'A', 'one more', '--wait', '--timeout', '2000');
    assertFails(exit, 1, /the outcome is unknown.*A says: 10000 wait already/);
  });
});

suite('A client without an answer', () => {
  test('says that it does not know', async (t) => {
    const cluster = await prepareCluster(t);
    const client = (...args: string[]) => runClient(cluster, ...args, '--timeout', '100');
    const exits = await Promise.all([
      client('A', 'hello', '--wait'),
      client('A', '--read'),
      client('A', '--status'),
    ]);
    const [set, read, status] = exits as [Exit, Exit, Exit];
    assertFails(set, 1, /no server has answered within 100 ms: nothing was asked for/);
    assertFails(read, 1, /after 100 ms the value is unknown/);
    assertFails(status, 1, /server A has not answered within 100 ms/);
  });

  test('believes no one who was not asked', async (t) => {
    const { socket: server, port } = await openSocket(t);
    const { socket: stranger } = await openSocket(t);
    const file = join(temporaryDirectory(t), 'cluster.json');
    writeFileSync(file, JSON.stringify({ A: `${LOOPBACK}:${port}`, B: `${LOOPBACK}:9` }));
    server.on('message', (bytes, { port: client }) => {
      const decoded = decodeDatagram(bytes, ['A', 'B']);
      if (!('message' in decoded) || !('requestId' in decoded.message)) return;
      const { type, requestId } = decoded.message;
      const send = (from: Socket, message: Reply) =>
        new Promise<void>((sent) => {
          from.send(encodeDatagram(1, message), client, LOOPBACK, () => sent());
        });
      const told = { requestId, instanceNumber: 3 };
      if (type === 'reach') return send(server, { type: 'reached', ...told });
      const right: Reply = { type: 'chosen', ...told };
      const others = { ...right, requestId: '0123456789abcdef-1-1', instanceNumber: 2 };
      return send(stranger, { ...right, instanceNumber: 1 })
        .then(() => send(server, others))
        .then(() => send(server, right));
    });
    const exit = await run('client.ts', 'A', 'hello', '--wait', '-v', '--cluster', file);
    assert.deepEqual([exit.code, exit.stdout], [0, 'chosen in instance 3, answered by A\n']);
    assert.match(exit.stderr, /^ignored: 127\.0\.0\.1:[0-9]+ is not the address of a server\n/);
    assert.match(exit.stderr, /\nignored 2 datagrams in all\n$/);
  });
});

suite('A client that is answered', () => {
  test('goes on with whoever answered last', async (t) => {
    const { client, heard } = await fakeServers(t, {
      reach: (told) => ({ type: 'reached', ...told }),
      request: (told) => ({ type: 'chosen', ...told }),
    });
    const exit = await client(['A', '--wait'], 'one\n\ntwo\nthree\n');
    const said = 'chosen in instance 3, answered by B\n';
    assert.deepEqual(exit, { code: 0, signal: null, stdout: said.repeat(3), stderr: '' });
    const requests = heard.filter(([, { type }]) => type === 'request');
    const asked = requests.map(([uid, message]) => [uid, 'value' in message && message.value]);
    assert.deepEqual(asked, [
      ['A', 'one'],
      ['A', 'one'],
      ['B', 'one'],
      ['B', 'two'],
      ['B', 'three'],
    ]);
  });

  test('ends at once when nobody will ever do it, with the reason', async (t) => {
    const why = 'no need to shout';
    const { client } = await fakeServers(t, {
      reach: (told) => ({ type: 'reached', ...told }),
      request: ({ requestId }) => {
        return { type: 'refused', requestId, master: null, why, isFinal: true };
      },
    });
    const exit = await client(['B', 'HELLO', '--wait', '--timeout', '600000'], '');
    assertFails(exit, 1, /^error: refused for good: B says: no need to shout\n$/);
  });

  test('reads values from its input, and says which line is wrong', async (t) => {
    const { client, heard } = await fakeServers(t, {});
    const long = 'x'.repeat(MAX_VALUE_BYTES);
    const exit = await client(['B', '-'], `one\r\ntwo\n${long}\nthree\n`);
    assertFails(exit, 1, /^error: line 3: the value takes 32770 .*; what follows was not sent\n$/);
    assert.deepEqual(
      heard.map(([, message]) => message),
      [
        { type: 'propose', value: 'one' },
        { type: 'propose', value: 'two' },
      ],
    );
    assertFails(
      await client(['B'], ''),
      2,
      /^error: there is no value, and standard input holds none: /,
    );
  });
});

test('On a terminal the client shows for whom it waits, and takes that away again', () => {
  const screen = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY: true });
  const line = new WaitingLine(screen);
  const requestId = '0123456789abcdef-1-1';
  line.clear();
  line.show('A', { type: 'reach', requestId });
  line.show('B', { type: 'request', requestId, value: 'x' });
  line.clear();
  line.clear();
  const gone = '\u001b[1G\u001b[2K';
  const shown = `asks how far the chain is …${gone}waits for B …${gone}`;
  assert.equal(screen.read(), shown);

  const file = new PassThrough({ encoding: 'utf8' });
  new WaitingLine(file).show('A', { type: 'reach', requestId });
  assert.equal(file.read(), null);
});

suite('The command line of the client', () => {
  test('is refused if it cannot be meant', () => {
    const wrong: [string[], RegExp][] = [
      [['A'], /there is no value/],
      [['A', '--wait'], /there is no value/],
      [['A', 'x', '--local'], /--local goes with --read/],
      [['A', 'x', '--json'], /--json goes with --status/],
      [['A', 'x', '--timeout', '5'], /--timeout goes with --wait/],
      [['A', '--read', '--timeout', '1.5'], /--timeout must be a whole number/],
      [['A', 'x', '--any'], /--any picks the server/],
      [['A', '--status', '--any'], /--any picks the server itself.*: leave out "A"/],
      [['A', 'x', '--read', '--any'], /--any picks the server/],
      [['--watch', '--any'], /--watch shows all servers.*: leave out --any/],
      [['--read'], /no server is named/],
      [['--transfer', 'A'], /no server is named/],
      [['A', '--transfer', 'x'], /a server is called like D or D2, not "x"/],
      [['A', '--transfer', 'B', '--read'], /--transfer asks for nothing else/],
      [['A', 'x', '--transfer', 'B'], /not both at once/],
      [['A', '--transfer', 'B', '--wait'], /--wait waits for a value/],
      [['X02', '--read'], /a server is called like D or D2, not "X02"/],
      [['A', '--wait', 'x'.repeat(MAX_VALUE_BYTES)], /the limit is 32768 bytes/],
    ];
    for (const [args, says] of wrong) {
      assert.throws(
        () => readClientOptions(args, 'unseen keys'),
        (error) => error instanceof UsageError && says.test(error.message),
        args.join(' '),
      );
    }
    assert.equal(readClientOptions(['A'], 'keys').task.kind, 'prompt');
    const lines = { kind: 'lines', waits: false };
    assert.deepEqual(readClientOptions(['A'], 'lines').task, lines);
    assert.deepEqual(readClientOptions(['A', '-'], 'keys').task, lines);
    assert.deepEqual(readClientOptions(['--any', '-', '--wait'], 'keys').task, {
      ...lines,
      waits: true,
    });
    const withTime = ['A', '-', '--timeout', '5'];
    assert.throws(() => readClientOptions(withTime, 'lines'), /--timeout goes with --wait/);
    assert.equal(readClientOptions([...withTime, '--wait'], 'lines').timeoutMs, 5);
  });

  test('is explained with examples', async () => {
    const { stdout, code } = await run('client.ts', '--help');
    assert.equal(code, 0);
    const asking = ['--read', '--local', '--status', '--watch', '--json', '--transfer'];
    for (const flag of ['--wait', '--any', ...asking]) {
      assert.match(stdout, new RegExp(`node --import tsx client.ts .*${flag}`), flag);
    }
  });
});

test('The prompt shows what became of each value, until its input ends', async () => {
  const input = new PassThrough();
  const output = new PassThrough();
  input.end(`hello\n\n${'x'.repeat(MAX_VALUE_BYTES)}\ntwo words\n`);
  const asked: string[] = [];
  await promptForValues(input, output, async (value) => {
    asked.push(value);
    return `chosen in instance ${asked.length}`;
  });
  assert.deepEqual(asked, ['hello', 'two words']);
  const shown = String(output.read()).replaceAll('value> ', '').trim().split('\n');
  assert.match(shown[1] ?? '', /the limit is 32768 bytes/);
  assert.deepEqual([shown[0], shown[2]], ['chosen in instance 1', 'chosen in instance 2']);
});

suite('At the prompt', () => {
  const chosen = /^value> one\s+chosen in instance [12], answered by A\n/;
  const unknown = 'the outcome is unknown: "two" may have been chosen, or may be later';

  test('Ctrl-D ends the client when all that was typed has its answer', async (t) => {
    const cluster = await startCluster(t, { uids: ['A'] });
    // More lines than are read ahead have come and gone when the second one ends.
    for (const empty of ['', '\r'.repeat(1_500)]) {
      const exit = await openPrompt(cluster).type(`one\r${empty}\u0004`);
      assertPrints(exit, chosen);
      assert.doesNotMatch(exit.stdout, /answered by A\n(.*\n)*value>/, 'it prompts no more');
    }
  });

  test('Ctrl-C ends it at once, and says what is unknown and what was not sent', async (t) => {
    const prompt = openPrompt(await prepareCluster(t));
    await prompt.show(/two\r?\nthree\r?\n/, 'two\rthree\r');
    const { code, stderr } = await prompt.type('\u0003');
    const unsent = 'values that were typed but not sent: 1';
    assert.deepEqual([code, stderr], [1, `error: given up: ${unknown}; ${unsent}\n`]);
  });

  test('Ctrl-C ends it at once after Ctrl-D, too', async (t) => {
    const prompt = openPrompt(await prepareCluster(t));
    await prompt.show(/two\r?\n\n/, 'two\r\u0004');
    const { code, stderr } = await prompt.interrupt();
    assert.deepEqual([code, stderr], [1, `error: given up: ${unknown}\n`]);
  });

  test('Ctrl-D ends it without an answer, too, when the time is up', async (t) => {
    const prompt = openPrompt(await prepareCluster(t), '--timeout', '500');
    const { code, stderr } = await prompt.type('two\rthree\rfour\r\u0004');
    assert.equal(code, 1);
    assert.match(stderr, /^error: no server has answered within 500 ms: nothing was asked for/);
    assert.match(stderr, /; values that were typed but not sent: 2\n$/);
  });

  test('nothing is wrong if nothing is open', async (t) => {
    const cluster = await prepareCluster(t);
    for (const key of ['\u0003', '\u0004']) {
      assertPrints(await openPrompt(cluster).type(key), /^value> \n$/);
    }
  });
});

test('On a terminal the servers are shown in place', async () => {
  const nobody: readonly Report[] = UIDS.map((uid) => [uid, null]);
  const frame = `Ctrl-C ends\n${UIDS.map((uid) => `${uid}  does not answer\n`).join('')}`;
  const shown = await watchOn({ columns: 60 }, nobody, 2);
  assert.equal(shown, `${frame}\u001b[4A\u001b[1G\u001b[0J${frame}`);
});

test('A terminal that does not know how wide it is shows the servers, too', async () => {
  for (const size of [{ columns: 0 }, {}]) {
    const shown = await watchOn(size, [['A', STATUS]], 1);
    assert.match(shown, /^Ctrl-C ends\nA {2}#7 .{50,75}\n$/);
  }
});

const STATUS: StatusReply = {
  type: 'status_report',
  requestId: requestIdOf(1, 0),
  instanceNumber: 7,
  value: 'hello',
  promisedId: null,
  acceptedId: null,
  hasLeases: true,
  master: null,
  leaseLeftMs: 0,
  reign: null,
  waiting: 0,
  uptimeMs: 1_000,
  heardMs: {},
  log: null,
};

/** What a terminal of this size is shown in so many rounds. */
async function watchOn(
  size: { readonly columns?: number },
  reports: readonly Report[],
  rounds: number,
): Promise<string> {
  const screen = Object.assign(new PassThrough(), { isTTY: true, ...size });
  const end = new AbortController();
  let round = 0;
  const ask = async () => {
    round += 1;
    if (round === rounds) setImmediate(() => end.abort());
    return reports;
  };
  await watch(ask, screen, false, end.signal);
  return String(screen.read());
}

function runClient(cluster: Cluster, ...args: readonly string[]): Promise<Exit> {
  return run('client.ts', '--cluster', cluster.clusterFile, ...args);
}

/** Watches until it shows this, and then presses Ctrl-C. */
async function watchUntil(says: RegExp, { clusterFile }: Cluster, ...uids: readonly Uid[]) {
  const program = new Program('client.ts', [...uids, '--watch', '--cluster', clusterFile]);
  program.onText(() => says.test(program.stdout) && program.signal('SIGINT'));
  assertPrints(await program.end(), says);
}

/** Pipes that pass for a terminal: it, too, keeps a process alive only as long as it is read. */
const TERMINAL = `
  for (const at of ['stdin', 'stdout']) process[at].isTTY = true;
  process.stdin.on('pause', () => process.stdin.unref()).on('resume', () => process.stdin.ref());
`;

/** A client at its prompt. Whoever types stays there: the input does not end by itself. */
function openPrompt(cluster: Cluster, ...flags: readonly string[]) {
  const first = [
    '--import',
    `data:text/javascript,${encodeURIComponent(TERMINAL)}`,
    ...argumentsFor('client.ts'),
  ];
  const args = [...first, 'A', '--cluster', cluster.clusterFile, ...flags];
  const child = spawn(process.execPath, args, { env: { ...process.env, TERM: 'dumb' } });
  const timeout = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const exited = once(child, 'close').then(([code, signal]): Exit => {
    clearTimeout(timeout);
    child.stdin.destroy();
    return { code, signal, stdout, stderr };
  });
  /** False: it ends before it shows that. */
  const shows = async (text: RegExp) => {
    const ended = exited.then(() => null);
    while (!text.test(stdout)) {
      if ((await Promise.race([once(child.stdout, 'data'), ended])) === null) return false;
    }
    return true;
  };
  const type = async (keys: string) => {
    if (await shows(/value> /)) child.stdin.write(keys);
  };
  return {
    /** Types these keys, and waits until it shows such a text. */
    show: async (text: RegExp, keys: string) => {
      await type(keys);
      assert.ok(await shows(text), `${stdout}${stderr}`);
    },
    /** Types these keys, and waits for its end. */
    type: async (keys: string) => {
      await type(keys);
      return exited;
    },
    /** Sends the signal that Ctrl-C is, where nobody takes the keys, and waits for its end. */
    interrupt: () => {
      child.kill('SIGINT');
      return exited;
    },
  };
}

/** Two clients at the same time. */
function both(one: Promise<Exit>, other: Promise<Exit>): Promise<[Exit, Exit]> {
  return Promise.all([one, other]);
}

function assertPrints({ code, stdout, stderr }: Exit, says: RegExp): void {
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, says);
}

function assertFails({ code, stdout, stderr }: Exit, exitCode: number, says: RegExp): void {
  assert.deepEqual([code, stdout], [exitCode, ''], stderr);
  assert.match(stderr, says);
  assert.match(stderr, /^error: [^\n]+\n$/, 'one sentence, and nothing else');
}

function isMaster({ events }: Server): boolean {
  return events.some((event) => event.event === 'lease' && event.what === 'ours');
}

/** The instances that have chosen this value, as far as any server has told. */
function chosenAt(cluster: Cluster, value: string): number[] {
  const events = cluster.servers.flatMap((server) => server.events);
  const found = events.flatMap((event) => {
    const isIt = event.event === 'chosen' && isUpdate(event.value) && event.value.update === value;
    return isIt ? [event.instanceNumber] : [];
  });
  return [...new Set(found)];
}

/** How often the value of the chain became this one, as the server has it. */
function changesTo(server: Server, value: string): number {
  let chain = EMPTY_CHAIN;
  const values = server.events.flatMap((event) => {
    chain = chainAfter(chain, event);
    return event.event === 'advance' ? [chain.currentValue] : [];
  });
  return values.filter((after, index) => after === value && values[index - 1] !== value).length;
}

/** The n-th request of a client; there are many clients, each with a number of its own. */
function requestOf(n: number, value: string, client = 0): ClientMessage {
  return { type: 'request', requestId: requestIdOf(n, client), value };
}

function requestIdOf(n: number, client: number): string {
  return `${client.toString(16).padStart(16, '0')}-1-${n}`;
}

type Told = { readonly requestId: string; readonly instanceNumber: number };
type Answers = Partial<Record<ClientMessage['type'], (told: Told) => Reply>>;

/** A, which hears and says nothing, and B, which answers so; and a client with this input. */
async function fakeServers(t: TestContext, answers: Answers) {
  const heard: [Uid, ClientMessage][] = [];
  const servers = { A: await openSocket(t), B: await openSocket(t) };
  for (const [uid, { socket }] of Object.entries(servers)) {
    socket.on('message', (bytes, { port }) => {
      const decoded = decodeDatagram(bytes, ['A', 'B']);
      assert.ok('message' in decoded);
      const message = decoded.message as ClientMessage;
      heard.push([uid, message]);
      if (uid !== 'B' || !('requestId' in message)) return;
      const reply = answers[message.type]?.({ requestId: message.requestId, instanceNumber: 3 });
      if (reply !== undefined) socket.send(encodeDatagram(1, reply), port, LOOPBACK);
    });
  }
  const file = join(temporaryDirectory(t), 'cluster.json');
  const addressOf = ({ port }: { port: number }) => `${LOOPBACK}:${port}`;
  writeFileSync(file, JSON.stringify({ A: addressOf(servers.A), B: addressOf(servers.B) }));
  const client = async (args: string[], input: string): Promise<Exit> => {
    const all = [...argumentsFor('client.ts'), ...args, '--cluster', file];
    const child = spawn(process.execPath, all);
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    t.after(() => child.kill('SIGKILL'));
    child.stdin.on('error', () => {}); // it may end before it has read all
    child.stdin.end(input);
    const [code, signal] = await once(child, 'close');
    return { code, signal, stdout, stderr };
  };
  return { client, heard };
}

async function openSocket(t: TestContext): Promise<{ socket: Socket; port: number }> {
  const socket = createSocket('udp4');
  let isOpen = true;
  socket.once('close', () => {
    isOpen = false;
  });
  t.after(() => {
    if (isOpen) socket.close();
  });
  socket.bind(0, LOOPBACK);
  await once(socket, 'listening');
  return { socket, port: socket.address().port };
}

/** A client that says what it likes, and keeps all that it is told. */
async function openClient(t: TestContext, cluster: Cluster) {
  const { socket } = await openSocket(t);
  const replies: Reply[] = [];
  socket.on('message', (bytes) => {
    const decoded = decodeDatagram(bytes, cluster.uids);
    assert.ok('message' in decoded);
    replies.push(decoded.message as Reply);
  });
  const send = (to: Uid, message: ClientMessage) =>
    new Promise((sent) => {
      socket.send(encodeDatagram(0, message), cluster.server(to).port, LOOPBACK, sent);
    });
  return {
    send,
    close: () => socket.close(),
    /** All replies, once there are so many. */
    replies: async (count: number) => {
      while (replies.length < count) await once(socket, 'message');
      return replies;
    },
    /** Asks, and waits for this very answer. */
    ask: async (to: Uid, type: 'status', client: number) => {
      const requestId = requestIdOf(2, client);
      for (;;) {
        await send(to, { type, requestId }); // again, if it was lost, or its answer
        const soon = AbortSignal.timeout(1_000);
        await once(socket, 'message', { signal: soon }).catch(() => null);
        const reply = replies.find((one) => one.requestId === requestId);
        if (reply !== undefined) return reply;
      }
    },
  };
}
