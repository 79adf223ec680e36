/** HTTP for longer: servers without masters that are killed, and floods. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertNothingIsMissed } from './http-cluster.ts';
import { openDoor } from './http-door.ts';

test('keys by way of every server without a master, one killed, watched throughout', (t) => {
  return assertNothingIsMissed(t, false);
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
