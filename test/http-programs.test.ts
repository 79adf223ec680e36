/** HTTP as a person meets it: three processes, keys by way of each, and one of them killed. */
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { LOOPBACK } from '../src/programs/common/free-port.ts';
import { assertNothingIsMissed, freeTcpPort, type HttpCluster, startHttp } from './http-cluster.ts';
import { prepareCluster, run, startCluster } from './processes.ts';

test('keys by way of every server, the master killed, watched throughout', (t) => {
  return assertNothingIsMissed(t, true);
});

test('the chapter shows what curl prints', async (t) => {
  const http = await startHttp(t, false);
  const chapter = readFileSync(join(import.meta.dirname, '../src/log/README.adoc'), 'utf8');
  const [, listing = ''] = /\.Keys over HTTP\n.*\n----\n([\s\S]*?)\n----/.exec(chapter) ?? [];
  const steps = listing.split(/^\$ /m).filter((step) => step !== '');
  assert.equal(steps.length, 4);
  for (const step of steps) {
    const [command = '', ...shown] = step.trim().split('\n');
    assert.equal(withoutIds(await curl(http, command)), withoutIds(shown.join('\n')), command);
  }

  const [, watched = ''] = /\$ curl -N '(?:.*)\n([\s\S]*?)\n----/.exec(chapter) ?? [];
  const response = await http.ask('C', '/watch?prefix=col&from=0');
  let text = '';
  const decoder = new TextDecoder();
  for await (const bytes of response.body ?? []) {
    text += decoder.decode(bytes);
    if (text.includes('"red"')) break;
  }
  assert.equal(text.trim(), watched.trim());
});

/** What a command of the book prints, by way of the server that it means. */
async function curl(http: HttpCluster, command: string): Promise<string> {
  const words = command.match(/'[^']*'|\S+/g)?.map((word) => word.replaceAll("'", '')) ?? [];
  const after = (flag: string) => words[words.indexOf(flag, 1) + 1] ?? '';
  const [, port, path = ''] = /^localhost:800([1-3])(.*)$/.exec(words.at(-1) ?? '') ?? [];
  const uid = 'ABC'[Number(port) - 1] ?? '';
  const [name = '', value = ''] = words.includes('-H') ? after('-H').split(': ') : [];
  const isPut = words.includes('-X');
  const put = { method: 'PUT', body: after('-d'), headers: name === '' ? {} : { [name]: value } };
  const response = await http.insist(uid, path, isPut ? put : {});
  return (await response.text()).trim();
}

function withoutIds(text: string): string {
  return text.replaceAll(/[0-9a-f]{16}-[0-9]+-[0-9]+/g, 'ID');
}

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
