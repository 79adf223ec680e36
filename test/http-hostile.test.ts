/** Hostile HTTP: slow, huge, half, in bulk, or meant to be read in two ways: nothing comes of it */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type DoorInTest, openDoor } from './http-door.ts';

const HOST = 'host: localhost\r\n';
const CHUNKED = 'transfer-encoding: chunked\r\n';
/** The beginning of a change. */
const PUT_A = `PUT /kv/a HTTP/1.1\r\n${HOST}`;
const LAST = `GET /health HTTP/1.1\r\n${HOST}connection: close\r\n\r\n`;

function put(key: string, value: string, headers = ''): string {
  const length = `content-length: ${value.length}`;
  return `PUT /kv/${key} HTTP/1.1\r\n${HOST}${headers}${length}\r\n\r\n${value}`;
}

/** The statuses that came back, in order. */
function statusesIn(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.1 ([0-9]{3}) /g)].map(([, status]) => Number(status));
}

/** That the server is well, and no key is there but these. */
async function assertWell(at: DoorInTest, ...keys: readonly string[]): Promise<void> {
  const { status, json } = await at.ask('GET', '/kv');
  assert.equal(status, 200);
  assert.deepEqual(
    json.keys.map(({ key }: { key: string }) => key),
    keys,
  );
}

suite('what is no HTTP', () => {
  const wrong: Readonly<Record<string, readonly [status: number, text: string | Buffer]>> = {
    'no request line': [400, 'hello\r\n\r\n'],
    'only bytes': [400, Buffer.from([0, 1, 2, 255, 13, 10, 13, 10])],
    TLS: [400, Buffer.from('160301020001000001fc0303', 'hex')],
    'HTTP/2': [400, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    'HTTP/0.9': [400, 'GET /kv/a\r\n'],
    'another version': [400, `GET /kv/a HTTP/3.7\r\n${HOST}\r\n`],
    'an unknown method': [400, `BREW /kv/a HTTP/1.1\r\n${HOST}\r\n`],
    'a NUL in the target': [400, `GET /kv/a\0b HTTP/1.1\r\n${HOST}\r\n`],
    'a NUL in a header': [400, `GET /kv/a HTTP/1.1\r\n${HOST}x: \0\r\n\r\n`],
    'a space in the target': [400, `GET /kv/a b HTTP/1.1\r\n${HOST}\r\n`],
    'a header without a name': [400, `GET /kv/a HTTP/1.1\r\n${HOST}: x\r\n\r\n`],
    'a space before a colon': [400, `${PUT_A}content-length : 1\r\n\r\nx`],
    'a folded header': [400, `${PUT_A}x: y\r\n ${CHUNKED}\r\n`],
    'a lone CR': [400, `GET /kv/a HTTP/1.1\r\n${HOST}x: a\rcontent-length: 5\r\n\r\n`],
    'no host': [400, 'GET /kv/a HTTP/1.1\r\n\r\n'],
    'two hosts': [400, `GET /kv/a HTTP/1.1\r\n${HOST}${HOST}\r\n`],
    'a length and chunks': [400, `${PUT_A}content-length: 4\r\n${CHUNKED}\r\n0\r\n\r\n`],
    'chunks and a length': [400, `${PUT_A}${CHUNKED}content-length: 4\r\n\r\n0\r\n\r\n`],
    'two lengths': [400, `${PUT_A}content-length: 1\r\ncontent-length: 2\r\n\r\nxy`],
    'a length twice': [400, `${PUT_A}content-length: 1, 1\r\n\r\nx`],
    'a negative length': [400, `${PUT_A}content-length: -1\r\n\r\nx`],
    'a length with a sign': [400, `${PUT_A}content-length: +1\r\n\r\nx`],
    'a hexadecimal length': [400, `${PUT_A}content-length: 0x1\r\n\r\nx`],
    'a length beyond all numbers': [400, `${PUT_A}content-length: 99999999999999999999\r\n\r\nx`],
    'an encoding that is not chunked': [
      400,
      `${PUT_A}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n`,
    ],
    'chunked, and something after it': [
      400,
      `${PUT_A}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
    ],
    'chunks of something else': [400, `${PUT_A}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
    'chunks of an old client': [
      400,
      `PUT /kv/a HTTP/1.0\r\n${HOST}connection: keep-alive\r\n${CHUNKED}\r\n0\r\n\r\n`,
    ],
    'a version that is not spoken in this way': [505, `GET /kv/a HTTP/2.0\r\n${HOST}\r\n`],
    'a version of before': [505, `GET /kv/a HTTP/0.9\r\n${HOST}\r\n`],
    'a part of a value': [400, `${PUT_A}content-range: bytes 0-0/5\r\ncontent-length: 1\r\n\r\nx`],
    'an expectation of something': [417, `${PUT_A}expect: x\r\ncontent-length: 1\r\n\r\nx`],
    'one expectation too many': [
      417,
      `${PUT_A}expect: 100-continue, x\r\ncontent-length: 1\r\n\r\nx`,
    ],
    'a tunnel': [405, 'CONNECT localhost:1 HTTP/1.1\r\n\r\n'],
    'a chunk that is longer than it says': [400, `${PUT_A}${CHUNKED}\r\n1\r\nxy\r\n0\r\n\r\n`],
    'a chunk of no length': [400, `${PUT_A}${CHUNKED}\r\nz\r\nx\r\n0\r\n\r\n`],
    'headers that are too long': [
      431,
      `GET /kv/a HTTP/1.1\r\n${HOST}x: ${'y'.repeat(9_000)}\r\n\r\n`,
    ],
    'a target that is too long': [431, `GET /kv/${'a'.repeat(9_000)} HTTP/1.1\r\n${HOST}\r\n`],
    'very many headers': [431, `GET /kv/a HTTP/1.1\r\n${HOST}${'x: y\r\n'.repeat(5_000)}\r\n`],
    'a body that is announced too long': [413, `${PUT_A}content-length: 40000\r\n\r\n`],
    'a body that is too long, and asks first': [
      413,
      `${PUT_A}expect: 100-continue\r\ncontent-length: 40000\r\n\r\n`,
    ],
    'a chunked body that is too long': [413, `${PUT_A}${CHUNKED}\r\n9000\r\n${'x'.repeat(0x9000)}`],
    'chunks that say too much of themselves': [
      413,
      `${PUT_A}${CHUNKED}\r\n1;${'x'.repeat(20_000)}\r\nx\r\n`,
    ],
  };

  for (const [what, [status, text]] of Object.entries(wrong)) {
    test(`${what}: ${status}, and the connection ends`, async (t) => {
      const at = await openDoor(t);
      const answer = await at.raw(text, put('smuggled', 'x'), LAST);
      assert.deepEqual(statusesIn(answer), [status], answer);
      assert.match(answer, /\r\ncontent-type: application\/problem\+json\r\n/);
      assert.match(answer, /\r\nconnection: close\r\n/i);
      await assertWell(at);
    });
  }
});

suite('what is slow, or never comes', () => {
  const limits = { headersMs: 200, requestMs: 400, lookEveryMs: 50 };

  test('a connection that says nothing is closed', async (t) => {
    const at = await openDoor(t, { limits });
    const connection = at.connect();
    await connection.closed;
    assert.deepEqual(statusesIn(connection.text()), [408]);
    await assertWell(at);
  });

  test('headers that come byte by byte are waited for only so long', async (t) => {
    const at = await openDoor(t, { limits });
    const connection = at.connect();
    const { socket, closed } = connection;
    socket.write('GET /kv/a HTTP/1.1\r\nx: ');
    const drip = setInterval(() => socket.write('x'), 20);
    await closed;
    clearInterval(drip);
    assert.deepEqual(statusesIn(connection.text()), [408]);
  });

  for (const headers of ['content-length: 1000\r\n', 'transfer-encoding: chunked\r\n']) {
    test(`nor for a body that comes byte by byte: ${headers.trim()}`, async (t) => {
      const at = await openDoor(t, { limits });
      const connection = at.connect();
      const { socket, closed } = connection;
      socket.write(`${PUT_A}${headers}\r\n`);
      const drip = setInterval(() => socket.write('1\r\nx\r\n'), 20);
      await closed;
      clearInterval(drip);
      assert.deepEqual(statusesIn(connection.text()), [408]);
      await assertWell(at);
    });
  }

  test('half a request is none', async (t) => {
    const at = await openDoor(t);
    const whole = put('a', 'value');
    for (let bytes = 1; bytes < whole.length; bytes += 7) {
      const { socket, closed } = at.connect();
      socket.end(whole.slice(0, bytes));
      await closed;
    }
    await assertWell(at);
  });

  test('an answer that nobody reads does not wait for ever', async (t) => {
    const at = await openDoor(t, { limits: { idleMs: 2_000 } });
    for (let number = 1; number <= 40; number += 1) await at.set(['a', 'x'.repeat(32_000)]);
    const deaf = at.connect();
    deaf.socket.pause();
    for (let time = 0; time < 30; time += 1) {
      deaf.socket.write(`GET /log?limit=1000 HTTP/1.1\r\n${HOST}\r\n`);
    }
    // Of one that was to be a tunnel Node itself looks after nothing any more.
    const tunnel = at.connect();
    tunnel.socket.pause();
    const some = `GET /log?limit=1000 HTTP/1.1\r\n${HOST}\r\n`.repeat(20);
    tunnel.socket.write(`${some}CONNECT localhost:1 HTTP/1.1\r\n\r\n`);
    await assertWell(at, 'a');
    while (!(await at.ask('GET', '/metrics')).text.includes('paxos_http_connections 1\n'));
    deaf.socket.destroy();
    tunnel.socket.destroy();
  });
});

suite('what comes in bulk', () => {
  test('requests that are sent at once take effect, and are answered, in order', async (t) => {
    const at = await openDoor(t);
    const values = Array.from({ length: 20 }, (_, index) => `${index}`);
    const answer = await at.raw(`${values.map((value) => put('a', value)).join('')}${LAST}`);
    assert.deepEqual(statusesIn(answer), Array(21).fill(200));
    // A look at what is here is quicker than a change, and waits for it all the same.
    const look = `GET /kv/b?local HTTP/1.1\r\n${HOST}\r\n`;
    assert.deepEqual(statusesIn(await at.raw(`${put('b', '1')}${look}${LAST}`)), [200, 200, 200]);
    const { json } = await at.ask('GET', '/log');
    const updates = json.links.flatMap(
      ({ link }: { link: { update?: string } }) => link.update ?? [],
    );
    assert.deepEqual(updates, [...values.map((value) => `set a ${value}`), 'set b 1']);
  });

  test('an answer is not mixed up with what is wrong behind it', async (t) => {
    const at = await openDoor(t);
    for (const wrong of [
      'nonsense\r\n\r\n',
      `PUT /kv/b HTTP/1.1\r\n${HOST}content-length: x\r\n\r\n`,
      'CONNECT localhost:1 HTTP/1.1\r\n\r\n',
    ]) {
      const answer = await at.raw(`${put('a', '1')}${put('a', '2')}${wrong}${put('b', '3')}`);
      assert.deepEqual(statusesIn(answer), [200, 200, wrong.startsWith('CONNECT') ? 405 : 400]);
    }
    await assertWell(at, 'a');
  });

  test('what is behind an answer that ends the connection is not done', async (t) => {
    const at = await openDoor(t);
    const early = `PUT /kv/%ZZ HTTP/1.1\r\n${HOST}content-length: 3\r\n\r\nxyz`;
    const answer = await at.raw(`${put('a', '1')}${early}${put('b', '2')}`);
    assert.deepEqual(statusesIn(answer), [200, 400]);
    const closing = put('c', '1', 'connection: close\r\n');
    assert.deepEqual(statusesIn(await at.raw(`${closing}${put('d', '1')}`)), [200]);
    await assertWell(at, 'a', 'c');
  });

  test('more than a few at once are too many', async (t) => {
    const at = await openDoor(t, { limits: { pipelined: 3 } });
    const one = `GET /health HTTP/1.1\r\n${HOST}\r\n`;
    const answer = await at.raw(one.repeat(500));
    const statuses = statusesIn(answer);
    assert.deepEqual([statuses.at(-1), statuses.length < 10], [503, true]);
    assert.match(answer, /too many requests wait on this connection/);
  });

  test('more connections than there may be are not let in', async (t) => {
    const at = await openDoor(t, { limits: { connections: 3 } });
    const held = [at.connect(), at.connect(), at.connect()];
    for (const { socket } of held) socket.write('GET');
    while (at.rejects.length === 0) {
      const { closed, socket } = at.connect();
      const timer = setTimeout(() => socket.destroy(), 200);
      await closed;
      clearTimeout(timer);
    }
    assert.match(at.rejects.join(), /HTTP: 3 are connected already/);
    for (const { socket, closed } of held) {
      socket.destroy();
      await closed;
    }
    for (;;) {
      const isIn = await at.ask('GET', '/health').then(
        ({ status }) => status === 200,
        () => false,
      );
      if (isIn) break;
    }
  });
});

suite('what is unusual, and right', () => {
  test('a body in chunks, with trailers, and one that asks first', async (t) => {
    const at = await openDoor(t);
    const pieces = '1\r\nx\r\n2;e=1\r\nyz\r\n0\r\nt: u\r\n\r\n';
    const chunks = `${PUT_A}${CHUNKED}\r\n${pieces}`;
    assert.deepEqual(statusesIn(await at.raw(`${chunks}${LAST}`)), [200, 200]);
    assert.equal((await at.ask('GET', '/kv/a')).text, 'xyz');
    const connection = at.connect();
    const { socket, closed } = connection;
    socket.write(`${PUT_A}expect: 100-continue\r\ncontent-length: 2\r\n\r\n`);
    await connection.until(/^HTTP\/1\.1 100 Continue\r\n/);
    socket.write(`hi${LAST}`);
    await closed;
    assert.equal((await at.ask('GET', '/kv/a')).text, 'hi');
  });

  test('an old client, a proxy, an upgrade that nobody offers', async (t) => {
    const at = await openDoor(t);
    await at.set(['a', '1']);
    assert.match(await at.raw('GET /kv/a HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 200 [\s\S]*\r\n\r\n1$/);
    const proxied = await at.raw(`GET http://localhost/kv/a HTTP/1.1\r\n${HOST}\r\n${LAST}`);
    assert.deepEqual(statusesIn(proxied), [200, 200]);
    const wish = 'connection: upgrade, close\r\nupgrade: websocket\r\n\r\n';
    const upgrade = `GET /kv/a HTTP/1.1\r\n${HOST}${wish}`;
    assert.deepEqual(statusesIn(await at.raw(upgrade)), [200]);
    await assertWell(at, 'a');
  });

  test('what is behind a wish to speak something else is not done in part', async (t) => {
    const at = await openDoor(t);
    const wish = 'connection: upgrade\r\nupgrade: h2c\r\n';
    assert.deepEqual(statusesIn(await at.raw(`${put('a', '1', wish)}${put('b', '1')}`)), [200]);
    assert.equal((await at.ask('GET', '/kv/a')).text, '1');
    await assertWell(at, 'a');
  });

  test('what is told of strangers is little, and nothing that a terminal obeys', async (t) => {
    const at = await openDoor(t);
    for (let time = 0; time < 50; time += 1) await at.raw('\u001b[2J\r\n\r\n');
    for (let time = 0; time < 5; time += 1) await at.ask('GET', '/', { host: 'a\u00a0b' });
    assert.ok(at.rejects.length <= 25);
    for (const why of at.rejects) assert.match(why, /^[ -~]+$/);
  });
});
