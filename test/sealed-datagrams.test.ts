/** Sealed datagrams, by themselves and around real servers. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { type ChainState, MAX_REMEMBERED_CLIENTS } from '../src/chain.ts';
import {
  decodeDatagram,
  encodeDatagram,
  MAX_DATAGRAM_BYTES,
  MAX_NUMBER,
  MAX_VALUE_BYTES,
  type Message,
} from '../src/messages.ts';
import {
  type Envelope,
  isClientName,
  KEPT_BODIES,
  keyOf,
  MAX_ENVELOPE_BYTES,
  type Opened,
  SealedDatagrams,
  sealer,
  UNSEALED,
} from '../src/node/sealed-datagrams.ts';
import { chosenKey, isLoopback } from '../src/node/shared-key.ts';
import { LOOPBACK } from '../src/programs/common/free-port.ts';
import type { TraceEvent } from '../src/trace/events.ts';
import {
  type Cluster,
  prepareCluster,
  run,
  sendBytes,
  startCluster,
  temporaryDirectory,
} from './processes.ts';

const KEY_TEXT = 'correct horse battery staple';
const KEY = keyOf(Buffer.from(KEY_TEXT));
const OTHER_KEY = keyOf(Buffer.from('0123456789abcdef'));
const BODY = Buffer.from('{"hello":1}');
const anybody = () => true;

function bodyOf(opened: Opened): string {
  assert.ok('body' in opened, JSON.stringify(opened));
  return Buffer.from(opened.body).toString();
}

function answersOf(opened: Opened): readonly Uint8Array[] {
  assert.ok('answers' in opened, JSON.stringify(opened));
  return opened.answers;
}

function answerOf(opened: Opened): Uint8Array {
  const [answer, ...others] = answersOf(opened);
  assert.ok(answer !== undefined && others.length === 0);
  return answer;
}

function rejected(opened: Opened): string {
  assert.ok('rejected' in opened, JSON.stringify(opened));
  return opened.rejected;
}

/** A and B after their first contact. */
function acquainted(): { a: Envelope; b: Envelope } {
  const a = sealer(KEY, 'A');
  const b = sealer(KEY, 'B');
  assert.equal(bodyOf(deliver(a, b, 'A', 'B')), BODY.toString());
  assert.equal(bodyOf(b.open(a.seal('B', BODY), anybody)), BODY.toString());
  return { a, b };
}

/** Sends a body, and settles what the envelopes have to settle, until it has got there. */
function deliver(from: Envelope, to: Envelope, fromName: string, toName: string): Opened {
  const greeting = answerOf(to.open(from.seal(toName, BODY), (name) => name === fromName));
  const again = answerOf(from.open(greeting, (name) => name === toName));
  return to.open(again, (name) => name === fromName);
}

suite('An envelope', () => {
  test('carries a body after one round trip, and then at once, both ways', () => {
    const { a, b } = acquainted();
    assert.deepEqual(a.open(b.seal('A', BODY), anybody), { from: 'B', body: BODY });
  });

  test('is believed once, in whatever order it comes', () => {
    const { a, b } = acquainted();
    const sealed = Array.from({ length: 100 }, (_, n) => a.seal('B', Buffer.from(`${n}`)));
    for (const bytes of sealed.toReversed()) bodyOf(b.open(bytes, anybody));
    for (const bytes of sealed)
      assert.equal(rejected(b.open(bytes, anybody)), 'it was here before');
  });

  test('is not believed when so many others came before it that nobody can tell', () => {
    const { a, b } = acquainted();
    const late = a.seal('B', BODY);
    for (let n = 0; n < 300; n += 1) bodyOf(b.open(a.seal('B', BODY), anybody));
    assert.equal(rejected(b.open(late, anybody)), 'it was here before');
  });

  test('is not believed again after a restart of its receiver', () => {
    const { a, b } = acquainted();
    const kept = a.seal('B', BODY);
    bodyOf(b.open(kept, anybody));
    const restarted = sealer(KEY, 'B');
    const greeting = answerOf(restarted.open(kept, anybody));
    // A learns the new session, but does not say again what may have been believed before.
    assert.deepEqual(answersOf(a.open(greeting, anybody)), []);
    assert.equal(rejected(a.open(greeting, anybody)), 'it was here before');
    answersOf(restarted.open(kept, anybody));
    bodyOf(restarted.open(a.seal('B', BODY), anybody));
  });

  test('of before a restart of its sender is not believed again either', () => {
    const { a, b } = acquainted();
    const kept = a.seal('B', BODY);
    bodyOf(b.open(kept, anybody));
    const restarted = sealer(KEY, 'A');
    bodyOf(deliver(restarted, b, 'A', 'B'));
    assert.equal(rejected(b.open(kept, anybody)), 'it was here before');
    // The greeting of an earlier life says nothing to the present one, but brings both together.
    bodyOf(restarted.open(b.seal('A', BODY), anybody));
  });

  test('that was held back while its sender restarted is merely late: it is believed once', () => {
    const { a, b } = acquainted();
    const late = a.seal('B', BODY);
    bodyOf(deliver(sealer(KEY, 'A'), b, 'A', 'B'));
    bodyOf(b.open(late, anybody));
    assert.equal(rejected(b.open(late, anybody)), 'it was here before');
  });

  test('of a first contact goes out once more, and not once for each greeting', () => {
    const a = sealer(KEY, 'A');
    const b = sealer(KEY, 'B');
    const first = a.seal('B', BODY);
    const [greeting, other] = [answerOf(b.open(first, anybody)), answerOf(b.open(first, anybody))];
    bodyOf(b.open(answerOf(a.open(greeting, anybody)), anybody));
    assert.deepEqual(answersOf(a.open(other, anybody)), []);
  });

  test('of a first contact is forgotten when many others are under way', () => {
    const a = sealer(KEY, 'A');
    const b = sealer(KEY, 'B');
    const sealed = Array.from({ length: KEPT_BODIES + 1 }, () => a.seal('B', BODY));
    const greetings = sealed.map((bytes) => answerOf(b.open(bytes, anybody)));
    const again = greetings.map((greeting) => answersOf(a.open(greeting, anybody)).length);
    assert.deepEqual(again, [0, ...Array.from({ length: KEPT_BODIES }, () => 1)]);
  });

  test('must be whole', () => {
    const { a, b } = acquainted();
    const sealed = a.seal('B', BODY);
    for (let index = 0; index < sealed.length; index += 1) {
      const forged = Uint8Array.from(sealed);
      forged[index] = (forged[index] ?? 0) ^ 1;
      assert.equal(rejected(b.open(forged, anybody)), 'it is not sealed with our key');
      const cut = sealed.subarray(0, index);
      assert.equal(rejected(b.open(cut, anybody)), 'it is not sealed with our key');
    }
    bodyOf(b.open(sealed, anybody));
  });

  test('with another key, or none, is not believed', () => {
    const b = sealer(KEY, 'B');
    const wrong = sealer(OTHER_KEY, 'A').seal('B', BODY);
    assert.equal(rejected(b.open(wrong, anybody)), 'it is not sealed with our key');
    const bare = UNSEALED.seal('B', BODY);
    assert.equal(rejected(b.open(bare, anybody)), 'it is not sealed with our key');
  });

  test('cannot be turned back on its sender, nor passed on, nor come from elsewhere', () => {
    const { a, b } = acquainted();
    const sealed = a.seal('B', BODY);
    const c = sealer(KEY, 'C');
    for (const other of [a, c]) {
      assert.equal(rejected(other.open(sealed, anybody)), 'it is sealed for somebody else');
    }
    const fromC = (name: string) => name === 'C';
    assert.equal(rejected(b.open(sealed, fromC)), 'who sealed it is not at this address');
    bodyOf(b.open(sealed, anybody)); // that attempt has not used it up
  });

  test('of a server that has heard too many clients greets everybody anew', () => {
    const server = new SealedDatagrams(KEY, 'A', 3);
    const clients = [...'123456'].map((digit) => {
      const name = digit.repeat(16);
      return { name, envelope: sealer(KEY, name) };
    });
    const [first, , , fourth, fifth, sixth] = clients;
    assert.ok(first && fourth && fifth && sixth);
    for (const { envelope, name } of clients.slice(0, 3)) {
      bodyOf(deliver(envelope, server, name, 'A'));
    }
    const kept = first.envelope.seal('A', BODY);
    bodyOf(server.open(kept, anybody));
    bodyOf(deliver(fourth.envelope, server, fourth.name, 'A'));

    // The server has forgotten the first one: both have to be greeted before they are believed.
    answerOf(first.envelope.open(server.seal(first.name, BODY), anybody));
    const greeting = answerOf(server.open(kept, anybody));
    assert.deepEqual(answersOf(first.envelope.open(greeting, anybody)), []);
    bodyOf(server.open(first.envelope.seal('A', BODY), anybody));

    // There is room again: two are greeted at the same time, and neither pushes the other out.
    const newcomers = [fifth.envelope, sixth.envelope];
    const greetings = newcomers.map((one) => answerOf(server.open(one.seal('A', BODY), anybody)));
    for (const [index, one] of newcomers.entries()) {
      const again = answerOf(one.open(greetings[index] ?? BODY, anybody));
      bodyOf(server.open(again, anybody));
    }
  });

  test('fits into a datagram with the largest message in it', () => {
    const requests = Array.from({ length: MAX_REMEMBERED_CLIENTS }, (_, n) => ({
      client: n.toString(16).padStart(16, '0'),
      number: MAX_NUMBER,
      instanceNumber: MAX_NUMBER,
    }));
    const uids = [...'ABCDEFGHI'];
    const ids = uids.map((uid) => [uid, `${uid}-01234567-${MAX_NUMBER}`]);
    const chain: ChainState = {
      currentValue: 'x'.repeat(MAX_VALUE_BYTES - 2),
      lease: { holder: 'A', id: `A-01234567-${MAX_NUMBER}` },
      latestUpdateIds: Object.fromEntries(ids),
      requests,
      forgottenUpTo: 0,
    };
    const message: Message = { type: 'catchup', instanceNumber: MAX_NUMBER, ...chain };
    const body = encodeDatagram(MAX_NUMBER, message);
    assert.ok('message' in decodeDatagram(body, uids));
    const sealed = sealer(KEY, '0'.repeat(16)).seal('1'.repeat(16), body);
    assert.ok(sealed.length - body.length <= MAX_ENVELOPE_BYTES);
    assert.ok(body.length + MAX_ENVELOPE_BYTES <= MAX_DATAGRAM_BYTES, `${body.length} bytes`);
  });
});

suite('A shared key', () => {
  test('comes from a file, or from the environment, or is not there', (t) => {
    const file = join(temporaryDirectory(t), 'key');
    assert.equal(chosenKey(undefined, {}), null);
    for (const end of ['', '\n', '\r\n']) {
      writeFileSync(file, `${KEY_TEXT}${end}`, { mode: 0o600 });
      assert.ok(chosenKey(file, {})?.equals(KEY));
    }
    assert.ok(chosenKey(undefined, { PAXOS_KEY: KEY_TEXT })?.equals(KEY));
    assert.ok(chosenKey(file, { PAXOS_KEY: 'another one, and long' })?.equals(KEY));
  });

  test('has at least 16 bytes, and is not shown', (t) => {
    const file = join(temporaryDirectory(t), 'key');
    writeFileSync(file, 'too short\n', { mode: 0o600 });
    const isTold = ({ message }: Error) =>
      /cannot be used: it has [0-9]+ bytes, and 16 are the least/.test(message) &&
      !message.includes('short');
    assert.throws(() => chosenKey(file, {}), isTold);
    assert.throws(() => chosenKey(undefined, { PAXOS_KEY: 'short' }), isTold);
    assert.throws(() => chosenKey(undefined, { PAXOS_KEY: '' }), isTold);
    assert.throws(() => chosenKey(`${file}.not`, {}), /no such file/);
    assert.equal(JSON.stringify({ KEY }).includes('horse'), false);
  });

  test('is more than white space', (t) => {
    const blank = ' \t\n\u00a0'.repeat(16);
    assert.throws(() => chosenKey(keyFile(t, blank), {}), /cannot be used: .* white space$/);
    assert.throws(() => chosenKey(undefined, { PAXOS_KEY: blank }), /nothing but white space/);
  });

  test('comes from a regular file of a moderate size, and from nothing that never ends', (t) => {
    const directory = join(temporaryDirectory(t), 'directory');
    mkdirSync(directory, { mode: 0o700 });
    const fifo = join(directory, 'fifo');
    execFileSync('mkfifo', ['-m', '600', fifo]);
    for (const file of ['/dev/zero', fifo, directory]) {
      assert.throws(() => chosenKey(file, {}), /cannot be used: it is not a regular file$/, file);
    }
    const large = keyFile(t, KEY_TEXT.repeat(1_000));
    assert.throws(() => chosenKey(large, {}), /it has 28001 bytes, and 4096 are the most$/);
  });

  test('comes from a file that is open to nobody else', (t) => {
    const file = keyFile(t);
    for (const mode of [0o640, 0o604, 0o620, 0o601]) {
      chmodSync(file, mode);
      const says = new RegExp(`cannot be used: .*: chmod 600 ${file}$`);
      assert.throws(() => chosenKey(file, {}), says, mode.toString(8));
    }
    for (const mode of [0o600, 0o400]) {
      chmodSync(file, mode);
      assert.ok(chosenKey(file, {})?.equals(KEY));
    }
  });

  test('is what a server needs that others can reach', async (t) => {
    for (const host of ['127.0.0.1', '127.9.9.9', '::1']) assert.ok(isLoopback({ host }));
    for (const host of ['10.0.0.1', '::', '1::1', '128.0.0.1']) assert.ok(!isLoopback({ host }));

    const cluster = await prepareCluster(t, { uids: ['A'] });
    writeFileSync(cluster.clusterFile, '{"A": "192.0.2.1:1234"}'); // kept free for examples
    const line = cluster.server('A').commandLine();
    const refused = await run('server.ts', ...line);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /^error: .*192\.0\.2\.1:1234.*--key-file.*--trust-network\n$/);
    const trusting = await run('server.ts', ...line, '--trust-network');
    assert.match(trusting.stderr, /is not one of this machine/);
    const keyed = await run('server.ts', ...line, '--key-file', keyFile(t));
    assert.match(keyed.stderr, /is not one of this machine/);
  });

  test('lets servers and a client that have it agree, restarts included', async (t) => {
    const cluster = await startCluster(t, {
      flags: ['--key-file', keyFile(t), '--duplicate', '1'],
    });
    const client = await openClient(t, cluster, KEY);
    await client.request('first');
    await cluster.waitFor('agreement', () => cluster.agreesOn('first'));
    const restarted = [cluster.server('A'), cluster.server('B')];
    await Promise.all(restarted.map((server) => server.kill()));
    await Promise.all(restarted.map((server) => server.start()));
    await client.request('second');
    await cluster.waitFor('agreement', () => cluster.agreesOn('second'));
  });

  test('lets a client fire a value, even if the server takes its time to greet', async (t) => {
    const { server, shared } = await openServer(t);
    const envelope = sealer(KEY, 'A');
    const bodies: string[] = [];
    const end = new Promise<void>((ended) => {
      server.on('message', (bytes, { port }) => {
        const opened = envelope.open(bytes, isClientName);
        if ('rejected' in opened) return ended();
        if ('body' in opened) return bodies.push(bodyOf(opened));
        for (const answer of answersOf(opened)) setTimeout(() => server.send(answer, port), 500);
      });
    });
    const { code, stderr } = await run('client.ts', 'A', 'fired', ...shared);
    assert.deepEqual([code, stderr], [0, '']);
    await sendBytes(server.address().port, 'the end');
    await end;
    assert.equal(bodies.length, 1);
    assert.match(bodies[0] ?? '', /"propose".*"fired"/);
  });

  test('does not make a client believe that a value has got anywhere', async (t) => {
    const { server, shared } = await openServer(t);
    const { code, stderr } = await run('client.ts', 'A', 'fired', ...shared);
    assert.equal(code, 1);
    assert.match(stderr, /^error: server A has not answered .* has taken nothing: .*same key\?\n$/);
    server.close();
    const dead = await run('client.ts', 'A', 'fired', ...shared);
    assert.equal(dead.code, 1);
    assert.match(dead.stderr, /^error: nobody listens on 127\.0\.0\.1:[0-9]+: .*\n$/);
  });

  test('keeps everybody else out: no key, another, a forgery, a repetition', async (t) => {
    const cluster = await startCluster(t, { uids: ['A'], flags: ['--key-file', keyFile(t)] });
    const server = cluster.server('A');
    const client = await openClient(t, cluster, KEY);
    await client.request('first');

    await cluster.propose('A', 'without a key');
    await sendBytes(server.port, sealer(OTHER_KEY).seal('A', propose('with another key')));
    const forged = client.latest.map((byte, index) => (index === 70 ? byte ^ 1 : byte));
    await sendBytes(server.port, forged);
    await sendBytes(server.port, client.latest);
    const whys = await server.waitFor('four rejects', () => {
      const found = server.events.flatMap((event) => (event.event === 'reject' ? [event.why] : []));
      return found.length >= 4 && found;
    });
    const notOurs = 'it is not sealed with our key';
    assert.deepEqual(whys, [notOurs, notOurs, notOurs, 'it was here before']);

    // After a restart the repetition is from another time: it is greeted, and nothing comes of it.
    await server.kill();
    await server.start();
    await sendBytes(server.port, client.latest);
    await client.request('last');
    const restart = server.events.map(({ event }) => event).lastIndexOf('start');
    assert.deepEqual(wishesIn(server.events.slice(0, restart)), ['first']);
    assert.deepEqual(wishesIn(server.events.slice(restart)), ['last']);
    assert.equal(server.program.stdout.includes('horse'), false);
  });
});

function keyFile(t: TestContext, text = KEY_TEXT): string {
  const file = join(temporaryDirectory(t), 'key');
  writeFileSync(file, `${text}\n`, { mode: 0o600 });
  return file;
}

/** What clients wished, each wish once: on a slow machine they ask again. */
function wishesIn(events: readonly TraceEvent[]): readonly string[] {
  const wishes = events.flatMap((event) => {
    const isWish = event.event === 'receive' && 'value' in event.message;
    return isWish ? [`${event.message.value}`] : [];
  });
  return [...new Set(wishes)];
}

function propose(value: string): Uint8Array {
  return encodeDatagram(0, { type: 'propose', value });
}

/** A server A that says nothing by itself, and the flags of its clients. */
async function openServer(t: TestContext) {
  const server = createSocket('udp4');
  t.after(() => server.unref());
  server.bind(0, LOOPBACK);
  await once(server, 'listening');
  const clusterFile = join(temporaryDirectory(t), 'cluster.json');
  writeFileSync(clusterFile, JSON.stringify({ A: `${LOOPBACK}:${server.address().port}` }));
  return { server, shared: ['--cluster', clusterFile, '--key-file', keyFile(t)] };
}

/** A client of server A with an envelope of its own. */
async function openClient(t: TestContext, cluster: Cluster, key: typeof KEY) {
  const name = 'c1'.repeat(8);
  assert.ok(isClientName(name));
  const envelope = sealer(key, name);
  const { port } = cluster.server('A');
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  const answers: string[] = [];
  let number = 0;
  const client = {
    /** What it sent last. */
    latest: new Uint8Array() as Uint8Array,
    /** Asks until it is answered. */
    request: async (value: string) => {
      number += 1;
      const requestId = `${name}-1-${number}`;
      const body = encodeDatagram(0, { type: 'request', requestId, value });
      const ask = () => send(envelope.seal('A', body));
      const again = setInterval(ask, 200);
      ask();
      while (!answers.includes(requestId)) await once(socket, 'message');
      clearInterval(again);
    },
  };
  const send = (bytes: Uint8Array) => {
    client.latest = bytes;
    socket.send(bytes, port, LOOPBACK);
  };
  socket.on('message', (bytes) => {
    const opened = envelope.open(bytes, (from) => from === 'A');
    if ('answers' in opened) for (const answer of opened.answers) send(answer);
    if (!('body' in opened)) return;
    const decoded = decodeDatagram(opened.body, cluster.uids);
    if ('message' in decoded && decoded.message.type === 'chosen') {
      answers.push(decoded.message.requestId);
    }
  });
  socket.bind(0, LOOPBACK);
  await once(socket, 'listening');
  return client;
}
