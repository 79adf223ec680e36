import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { EventEmitter, once } from 'node:events';
import { suite, type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { encodeDatagram, type PeerMessage, type Reply } from '../src/messages.ts';
import { type Cluster, parseCluster } from '../src/node/cluster-file.ts';
import { keyOf, sealer } from '../src/node/sealed-datagrams.ts';
import { Throttle } from '../src/node/throttle.ts';
import { Turns } from '../src/node/turns.ts';
import {
  isShortEnough,
  type MessengerOptions,
  type NetworkFaults,
  UdpMessenger,
} from '../src/node/udp-messenger.ts';
import { openSocket, SEND_BUFFER_BYTES } from '../src/node/udp-socket.ts';
import type { TraceEvent } from '../src/trace/events.ts';
import { freePort, hasIpv6 } from './processes.ts';

const HOST = '127.0.0.1';
const NOBODY = `${HOST}:9`;
const NO_FAULTS: NetworkFaults = { drop: 0, duplicate: 0, minDelayMs: 0, maxDelayMs: 0 };
const DIGEST = '01234567';
const HELLO: PeerMessage = { type: 'sync_request', instanceNumber: 3, digest: DIGEST };
const KEY = keyOf(Buffer.from('correct horse battery staple'));
const REQUEST_ID = '0123456789abcdef-1-1';
const CHOSEN: Reply = { type: 'chosen', requestId: REQUEST_ID, instanceNumber: 3 };

suite('The UDP messenger', () => {
  test('sends before it returns, so that no fsync can hold a datagram up', async (t) => {
    const port = await freePort();
    const flag = new Int32Array(new SharedArrayBuffer(4));
    const ear = new Worker(EAR, { eval: true, workerData: { port, flag } });
    t.after(() => ear.terminate());
    await once(ear, 'message'); // it listens
    const { messenger } = await openA(t, `${HOST}:${port}`);

    messenger.send(['B'], HELLO);
    // This thread stands still from here on, as it would during an fsync.
    assert.notEqual(Atomics.wait(flag, 0, 0, 10_000), 'timed-out');
  });

  test('counts one datagram for a broadcast, and traces it once', async (t) => {
    const peer = await openPeer(t);
    const { messenger, events } = await openA(t, `${HOST}:${peer.port}`);
    messenger.send(['B'], HELLO);
    messenger.send(['B'], HELLO);
    const arrived = await peer.arrivals(2);
    assert.deepEqual(
      arrived.map((text) => JSON.parse(text).seq),
      [1, 2],
    );
    assert.deepEqual(
      events.map((event) => event.event === 'send' && [event.to, event.seq]),
      [
        [['B'], 1],
        [['B'], 2],
      ],
    );
  });

  test('knows peers by their address; all others may say what clients say', async (t) => {
    const peer = await openPeer(t);
    const client = await openPeer(t);
    const { port, events, received, seen } = await openA(t, `${HOST}:${peer.port}`);
    client.send(port, encodeDatagram(1, HELLO, 'A B'));
    client.send(port, encodeDatagram(2, CHOSEN));
    await seen('reject', 2);
    peer.send(port, encodeDatagram(3, { type: 'propose', value: 'x' }));
    peer.send(port, encodeDatagram(4, CHOSEN));
    await seen('reject', 4);
    client.send(port, encodeDatagram(5, { type: 'propose', value: 'x' }));
    client.send(port, encodeDatagram(6, { type: 'status', requestId: REQUEST_ID }));
    peer.send(port, encodeDatagram(7, HELLO, 'A B'));
    await seen('receive', 3);

    const from = `${HOST}:${client.port}`;
    const expected = [`${from}: propose`, `${from}: status`, 'B: sync_request'];
    assert.deepEqual(received.sort(), expected);
    const rejects = events.flatMap((event) => (event.event === 'reject' ? [event.why] : []));
    assert.deepEqual(rejects, [
      'only a server may say sync_request, and none is there',
      'only a server may say chosen, and none is there',
      'servers do not say propose to each other',
      'servers do not say chosen to each other',
    ]);
  });

  test('believes no server of another cluster, whatever its address, and says so', async (t) => {
    const peer = await openPeer(t);
    const stranger = await openPeer(t);
    const { port, events, received, seen } = await openA(t, `${HOST}:${peer.port}`);
    peer.send(port, encodeDatagram(1, HELLO, 'A B C'));
    await seen('reject', 1);
    stranger.send(port, encodeDatagram(2, HELLO, 'A B with leases'));
    await seen('reject', 2);
    peer.send(port, encodeDatagram(3, HELLO));
    await seen('reject', 3);
    assert.deepEqual(
      events.map((event) => event.event === 'reject' && [event.from, event.why]),
      [
        ['B', 'its cluster is A B C, ours is A B'],
        [`${HOST}:${stranger.port}`, 'its cluster is A B with leases, ours is A B'],
        ['B', 'it does not say of which cluster it is'],
      ],
    );
    assert.deepEqual(received, []);
  });

  test('names the cluster in what it sends to peers, not in what clients get', async (t) => {
    const peer = await openPeer(t);
    const client = await openPeer(t);
    const { messenger } = await openA(t, `${HOST}:${peer.port}`);
    messenger.send(['B'], HELLO);
    const [toPeer = ''] = await peer.arrivals(1);
    assert.deepEqual(JSON.parse(toPeer), { seq: 1, cluster: 'A B', ...HELLO });
    messenger.reply(`${HOST}:${client.port}`, CHOSEN);
    const [toClient = ''] = await client.arrivals(1);
    assert.deepEqual(JSON.parse(toClient), { seq: 2, ...CHOSEN });
  });

  test('answers a client where its question came from, and traces the answer', async (t) => {
    const client = await openPeer(t);
    const { messenger, events } = await openA(t, NOBODY);
    messenger.reply(`${HOST}:${client.port}`, CHOSEN);
    const [answer = ''] = await client.arrivals(1);
    assert.deepEqual(JSON.parse(answer), { seq: 1, ...CHOSEN });
    assert.deepEqual(
      events.map((event) => event.event === 'reply' && [event.to, event.seq, event.message]),
      [[`${HOST}:${client.port}`, 1, CHOSEN]],
    );
  });

  test('survives a client that is gone', async (t) => {
    const gone = await openPeer(t);
    await gone.close();
    const peer = await openPeer(t);
    const { messenger } = await openA(t, `${HOST}:${peer.port}`);
    messenger.reply(`${HOST}:${gone.port}`, CHOSEN);
    messenger.reply('255.255.255.255:1', CHOSEN);
    messenger.send(['B'], HELLO);
    assert.equal((await peer.arrivals(1)).length, 1);
  });

  test('traces what it drops on purpose', async (t) => {
    const faults = { ...NO_FAULTS, drop: 1 };
    const { messenger, events } = await openA(t, NOBODY, { faults });
    messenger.send(['B'], HELLO);
    assert.deepEqual(
      events.map(({ event }) => event),
      ['send', 'lost'],
    );
  });

  test('sends copies, each with a delay of its own, as the faults say', async (t) => {
    const faults = { drop: 0, duplicate: 1, minDelayMs: 10, maxDelayMs: 20 };
    const peer = await openPeer(t);
    const { messenger } = await openA(t, `${HOST}:${peer.port}`, { faults });
    messenger.send(['B'], HELLO);
    const [first, second] = await peer.arrivals(2);
    assert.deepEqual(first, second);
  });

  test('sends nothing that was delayed once it is closed', async (t) => {
    const faults = { ...NO_FAULTS, minDelayMs: 20, maxDelayMs: 20 };
    const peer = await openPeer(t);
    const { messenger } = await openA(t, `${HOST}:${peer.port}`, { faults });
    messenger.send(['B'], HELLO);
    messenger.close();
    messenger.send(['B'], HELLO);
    // What leaves after 20 ms does not arrive later than what leaves after 60.
    setTimeout(() => peer.send(peer.port, 'the end'), 60);
    assert.deepEqual(await peer.arrivals(1), ['the end']);
  });

  test('reaches a peer whose name becomes known only while it runs', async (t) => {
    const peer = await openPeer(t);
    const hosts: string[] = [];
    const lookup = async (host: string) => {
      if (host === HOST) return [HOST];
      if (hosts.length === 0) throw new Error('nobody knows it');
      return hosts;
    };
    const { messenger, events, seen } = await openA(t, `b.example:${peer.port}`, { lookup });
    messenger.send(['B'], HELLO);
    await seen('lost', 1);
    hosts.push(HOST);
    await seen('address', 1);
    messenger.send(['B'], HELLO);
    assert.equal((await peer.arrivals(1)).length, 1);
    const whys = events.flatMap((event) => ('why' in event ? [event.why] : []));
    const found = `server B is at ${HOST}:${peer.port}`;
    assert.deepEqual(whys, ['the host of server B is not found', found]);
  });

  test('believes a peer at its new address as soon as its name leads there', async (t) => {
    const peer = await openPeer(t);
    const hosts = ['192.0.2.1'];
    const lookup = async (host: string) => (host === HOST ? [HOST] : hosts);
    const { port, received, seen } = await openA(t, `b.example:${peer.port}`, { lookup });
    hosts[0] = HOST;
    peer.send(port, encodeDatagram(1, HELLO, 'A B'));
    await seen('reject', 1);
    await seen('address', 1);
    peer.send(port, encodeDatagram(2, HELLO, 'A B'));
    await seen('receive', 1);
    assert.deepEqual(received, ['B: sync_request']);
  });

  test('reaches a peer of the other family of addresses, or says that it does not', async (t) => {
    const [portOfA, portOfB] = [await freePort(), await freePort()];
    const cluster = parseCluster({ A: `${HOST}:${portOfA}`, B: `[::1]:${portOfB}` });
    const a = await openCluster(t, cluster);
    if (!(await hasIpv6())) {
      a.messenger.send(['B'], HELLO);
      await a.seen('lost', 1);
      const lost = a.events.find(({ event }) => event === 'lost');
      return assert.deepEqual(lost?.event === 'lost' && lost.to, ['B']);
    }
    const b = await openCluster(t, cluster, {}, 'B');
    a.messenger.send(['B'], HELLO);
    b.messenger.send(['A'], HELLO);
    await Promise.all([a.seen('receive', 1), b.seen('receive', 1)]);
    assert.deepEqual([a.received, b.received], [['B: sync_request'], ['A: sync_request']]);
  });

  test('believes a seal, wherever it comes from', async (t) => {
    const peer = await openPeer(t);
    const stranger = await openPeer(t);
    const protection = { key: KEY, trustsNetwork: false };
    const { port, received, seen, events } = await openA(t, `${HOST}:${peer.port}`, { protection });
    const envelope = sealer(KEY, 'B');
    stranger.send(port, envelope.seal('A', encodeDatagram(1, HELLO, 'A B')));
    const [greeting] = await stranger.datagrams(1);
    assert.ok(greeting);
    const opened = envelope.open(greeting, (name) => name === 'A');
    assert.ok('answers' in opened);
    for (const answer of opened.answers) stranger.send(port, answer);
    await seen('receive', 1);
    assert.deepEqual(received, ['B: sync_request']);

    stranger.send(port, encodeDatagram(2, HELLO, 'A B'));
    stranger.send(port, sealer(KEY, 'A').seal('A', encodeDatagram(3, HELLO, 'A B')));
    await seen('reject', 2);
    const whys = events.flatMap((event) => (event.event === 'reject' ? [event.why] : []));
    assert.deepEqual(whys, [
      'it is not sealed with our key',
      'who sealed it is not at this address',
    ]);
  });

  test('listens where it is told to, but not to strangers without a key', async (t) => {
    const port = await freePort();
    const peer = await openPeer(t);
    const cluster = parseCluster({ A: '192.0.2.1:1', B: `${HOST}:${peer.port}` });
    const { received, seen } = await openCluster(t, cluster, { listen: { host: HOST, port } });
    peer.send(port, encodeDatagram(1, HELLO, 'A B'));
    await seen('receive', 1);
    assert.deepEqual(received, ['B: sync_request']);

    for (const host of ['0.0.0.0', '::']) {
      const everywhere = openCluster(t, cluster, { listen: { host, port: 1_024 } });
      await assert.rejects(everywhere, /whoever reaches .* could change the value: .*--key-file/);
    }
    const protection = { key: KEY, trustsNetwork: false };
    const other = { host: '0.0.0.0', port: await freePort() };
    await openCluster(t, cluster, { listen: other, protection });
  });

  test('asks for room to send the largest message in', async (t) => {
    const socket = await openSocket({ host: HOST, port: 0 });
    t.after(() => socket.close());
    assert.ok(socket.getSendBufferSize() >= SEND_BUFFER_BYTES);
  });

  test('survives a datagram that the system will not send', async (t) => {
    // A broadcast needs a permission that nobody asked for.
    const { messenger, events, seen } = await openA(t, '255.255.255.255:1');
    messenger.send(['B'], HELLO);
    await seen('lost', 1);
    const lost = events.find(({ event }) => event === 'lost');
    assert.deepEqual(lost?.event === 'lost' && [lost.to, lost.seq], [['B'], 1]);
  });
});

suite('A throttle', () => {
  test('lets a few reports through, and counts the rest', () => {
    const told: string[] = [];
    let endOfWindow = () => {};
    const after = (_delayMs: number, act: () => void) => {
      endOfWindow = act;
      return { cancel: () => {} };
    };
    const throttle = new Throttle<{ why: string }>(2, after, ({ why }) => told.push(why));
    for (const why of ['1', '2', '3', '4', '5']) throttle.report({ why });
    assert.deepEqual(told, ['1', '2']);
    endOfWindow();
    assert.deepEqual(told, ['1', '2', '5 (and 2 more)']);
    throttle.report({ why: '6' });
    assert.equal(told.at(-1), '6');
    endOfWindow();
    assert.equal(told.length, 4);
  });
});

/** A thread that says when it listens, and raises the flag when something arrives. */
const EAR = `
  const { parentPort, workerData } = require('node:worker_threads');
  const socket = require('node:dgram').createSocket('udp4');
  socket.on('message', () => {
    Atomics.store(workerData.flag, 0, 1);
    Atomics.notify(workerData.flag, 0);
  });
  socket.bind(workerData.port, '127.0.0.1', () => parentPort.postMessage('listening'));
`;

/** A plain socket in the place of server B. */
async function openPeer(t: TestContext) {
  const socket = createSocket('udp4');
  const closed = once(socket, 'close');
  let isOpen = true;
  const close = () => {
    if (isOpen) socket.close();
    isOpen = false;
    return closed;
  };
  t.after(close);
  socket.bind(0, HOST);
  await once(socket, 'listening');
  const arrived: Buffer[] = [];
  socket.on('message', (bytes) => arrived.push(bytes));
  const datagrams = async (count: number) => {
    while (arrived.length < count) await once(socket, 'message');
    return arrived;
  };
  return {
    port: socket.address().port,
    close,
    send: (port: number, bytes: Uint8Array | string) => socket.send(bytes, port, HOST),
    datagrams,
    arrivals: async (count: number) => (await datagrams(count)).map(String),
  };
}

/** The messenger of a server A whose peer B is at this address, and what comes of it. */
async function openA(t: TestContext, addressOfB: string, options: Partial<MessengerOptions> = {}) {
  const port = await freePort();
  const cluster = parseCluster({ A: `${HOST}:${port}`, B: addressOfB });
  return { port, ...(await openCluster(t, cluster, options)) };
}

/** The messenger of a server of this cluster, and what comes of it. */
async function openCluster(
  t: TestContext,
  cluster: Cluster,
  options: Partial<MessengerOptions> = {},
  uid = 'A',
) {
  const events: TraceEvent[] = [];
  const news = new EventEmitter();
  const show = (event: TraceEvent) => {
    events.push(event);
    news.emit('event');
  };
  const turns = new Turns(uid, [{ show, endTurn: () => {} }], assert.ifError);
  const messenger = await UdpMessenger.open(uid, cluster, turns, { faults: NO_FAULTS, ...options });
  t.after(() => messenger.close());

  const received: string[] = [];
  messenger.deliverTo({
    cluster: 'A B',
    receive: (from, message) => received.push(`${from}: ${message.type}`),
    receiveFromClient: (client, message) => received.push(`${client}: ${message.type}`),
  });
  const seen = async (kind: TraceEvent['event'], count: number) => {
    while (events.filter(({ event }) => event === kind).length < count) await once(news, 'event');
  };
  return { messenger, events, received, seen };
}

test('a link is sent only where datagrams may be as long as it needs', () => {
  const id = 'A-0123abcd-1';
  assert.equal(isShortEnough({ update: 'x'.repeat(8_000), id }, 9_216), true);
  assert.equal(isShortEnough({ update: 'x'.repeat(9_000), id }, 9_216), false);
  assert.equal(isShortEnough({ update: '\0'.repeat(2_000), id }, 9_216), false);
  assert.equal(isShortEnough({ lease: 'A', id }, 100), true);
});
