/** HTTP for longer: servers that are killed, a master that is paused, and floods. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertNothingIsMissed, startHttp, UIDS } from './http-cluster.ts';
import { openDoor } from './http-door.ts';
import { sendBytes } from './processes.ts';

test('keys by way of every server without a master, one killed, watched throughout', (t) => {
  return assertNothingIsMissed(t, false);
});

test('a master that was paused tells nothing of before, and changes nothing', async (t) => {
  const http = await startHttp(t, true);
  const old = await http.master();
  const [other = 'B'] = UIDS.filter((uid) => uid !== old);
  const before = await http.insist(old, '/kv/k', { method: 'PUT', body: 'old' });
  const stale = { 'if-match': `${before.headers.get('etag')}` };
  const { program, port } = http.cluster.server(old);
  program.signal('SIGSTOP');
  // No news wait for it: nobody reads its socket, so that is full at some time.
  for (let count = 0; count < 20; count += 1) await sendBytes(port, Buffer.alloc(60_000));

  const after = await http.insist(other, '/kv/k', { method: 'PUT', body: 'new' });
  const tag = after.headers.get('etag');
  assert.deepEqual([after.status, tag === stale['if-match']], [200, false]);
  const idOf = (number: number) => `00000000000000${number}0-1-1`;
  const ask = (number: number) => {
    const headers = { ...stale, 'request-id': idOf(number) };
    return [
      http.ask(old, '/kv/k'),
      http.ask(old, '/kv?prefix=k'),
      http.ask(old, '/kv/k', { headers: { 'if-none-match': stale['if-match'] } }),
      http.ask(old, '/kv/k', { method: 'PUT', body: `late ${number}`, headers }),
    ];
  };
  // They wait in its sockets: whatever it knows when it wakes up, they are the first to ask.
  const asked = ask(1);
  for (const answer of asked) void answer.catch(() => {});
  assert.notEqual(await http.masterBy(other), old);
  program.signal('SIGCONT');
  for (const [index, answer] of (await Promise.all([...asked, ...ask(2)])).entries()) {
    const [isPut, text] = [index % 4 === 3, await answer.text()];
    if (answer.status === 503) {
      assert.ok(!isPut || /"outcome":"(unknown|no effect)"/.test(text), text);
      assert.equal(answer.headers.get('retry-after'), '1');
    } else if (isPut) assert.equal(answer.status, 412, text);
    else assert.match(`${answer.status} ${text}`, /^200 (new$|.*"value":"new")/);
  }
  // Whatever was not known then is known now.
  for (const number of [1, 2]) {
    const headers = { ...stale, 'request-id': idOf(number) };
    const put = { method: 'PUT', body: `late ${number}`, headers };
    assert.equal((await http.insist(other, '/kv/k', put)).status, 412);
  }
  for (const uid of UIDS) {
    const now = await http.insist(uid, '/kv/k');
    assert.deepEqual([await now.text(), now.headers.get('etag')], ['new', tag]);
  }
});

test('a flood of requests on many connections takes no more memory than it may', async (t) => {
  const at = await openDoor(t, { limits: { connections: 50 } });
  const flood = 'GET /kv HTTP/1.1\r\nhost: localhost\r\n\r\n'.repeat(3_000);
  const before = process.memoryUsage().rss;
  for (let round = 0; round < 3; round += 1) {
    const answers = await Promise.all(Array.from({ length: 10 }, () => at.raw(flood)));
    // Whoever is cut off while it still writes may never read the last of it.
    for (const answer of answers) assert.ok(answer.split('HTTP/1.1 ').length <= 35);
  }
  assert.ok(process.memoryUsage().rss - before < 400_000_000);
  assert.equal((await at.ask('GET', '/health')).status, 200);
});

test('a request with any byte of its head broken is none', async (t) => {
  const at = await openDoor(t);
  const head = 'PUT /kv/a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\n';
  const before = at.replica.digest;
  for (let index = 0; index < head.length; index += 1) {
    for (const byte of [0x00, 0x01, 0x1b, 0x7f, 0xff]) {
      const bytes = Buffer.from(`${head}value`);
      bytes[index] = byte;
      const connection = at.connect();
      connection.socket.end(bytes);
      await connection.closed;
      const [, status = '400'] = /^HTTP\/1\.1 ([0-9]{3}) /.exec(connection.text()) ?? [];
      const where = `${byte} in place of ${JSON.stringify(head[index])} at ${index}`;
      assert.match(status, /^4/, where);
      assert.equal(at.replica.digest, before, where);
    }
  }
});
