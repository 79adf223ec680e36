/** HTTP as a person meets it: three processes, keys by way of each, and one of them killed. */
import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { LOOPBACK } from '../src/programs/common/free-port.ts';
import { assertNothingIsMissed, freeTcpPort } from './http-cluster.ts';
import { prepareCluster, run, startCluster } from './processes.ts';

test('keys by way of every server, the master killed, watched throughout', (t) => {
  return assertNothingIsMissed(t, true);
});

test('a start that cannot be meant is one sentence', async (t) => {
  const cluster = await prepareCluster(t, { uids: ['A'] });
  const file = join(cluster.directory, 'token');
  writeFileSync(file, 'too-short\n', { mode: 0o600 });
  const spaces = join(cluster.directory, 'spaces');
  writeFileSync(spaces, 'many words of a token\n', { mode: 0o600 });
  const open = join(cluster.directory, 'open');
  writeFileSync(open, 'long-enough-for-a-token\n');
  chmodSync(open, 0o644);
  const starts: readonly (readonly [string[], RegExp])[] = [
    [['--http', '8001'], /^error: --http asks for keys, and needs --store\n$/],
    [['--store', '--http', '0'], /--http must be like 10\.0\.0\.1:1234/],
    [['--store', '--http', 'x'], /--http must be like 10\.0\.0\.1:1234/],
    [['--store', '--http-token-file', file], /of use only with --http\n$/],
    [['--store', '--http', '0.0.0.0:8001'], /^error: whoever reaches 0\.0\.0\.0:8001 could change/],
    [['--store', '--http', '[::]:8001'], /give HTTP clients a token with --http-token-file\n$/],
    [['--store', '--http', 'a.example:1'], /whoever reaches a\.example:1 could change/],
    [['--store', '--http', '8001', '--http-token-file', file], /has 9 characters, and 16 are the/],
    [['--store', '--http', '8001', '--http-token-file', spaces], /what no header can carry/],
    [['--store', '--http', '8001', '--http-token-file', open], /others may use it, too: chmod/],
    [['--store', '--http', '8001', '--http-token-file', `${file}x`], /no such file/],
  ];
  for (const [flags, says] of starts) {
    const exit = await run('server.ts', ...cluster.server('A').commandLine(...flags));
    assert.equal(exit.code, 2, flags.join(' '));
    assert.match(exit.stderr, says);
    assert.equal(exit.stderr.split('\n').length, 2);
  }
});

test('a port that is taken, and one that strangers reach with a token', async (t) => {
  const taken = createServer();
  const port = await freeTcpPort();
  await new Promise<void>((listening) => taken.listen(port, LOOPBACK, listening));
  t.after(() => taken.close());
  const cluster = await startCluster(t, { uids: ['A'], flags: ['--store'] });
  await cluster.server('A').interrupt();
  const flags = cluster.server('A').commandLine('--http', `${port}`);
  const exit = await run('server.ts', ...flags);
  assert.deepEqual([exit.code, exit.stdout], [1, '']);
  assert.match(exit.stderr, /is in use: choose another one with --http\n$/);

  const token = 'long-enough-for-a-token';
  const file = join(cluster.directory, 'token');
  writeFileSync(file, `${token}\n`, { mode: 0o600 });
  const free = await freeTcpPort();
  await cluster.server('A').start('--http', `0.0.0.0:${free}`, '--http-token-file', file);
  const ask = (headers: Record<string, string>) =>
    fetch(`http://${LOOPBACK}:${free}/health`, { headers });
  assert.equal((await ask({})).status, 401);
  assert.equal((await ask({ authorization: `Bearer ${token}` })).status, 200);
  const { code, stdout } = await cluster.server('A').interrupt();
  assert.equal(code, 0);
  assert.match(stdout, new RegExp(`\nserver A answers HTTP at http://0\\.0\\.0\\.0:${free}/\n`));
  assert.ok(!stdout.includes(token));
});
