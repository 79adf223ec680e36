/** HTTP at a server: every route, and everything that it answers, the bad as well as the good. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { ROUTES } from '../src/node/http/routes.ts';
import { wrongInEvent } from '../src/trace/guards.ts';
import { openDoor, SEEN, SmallWatchedStore, WatchedStore } from './http-door.ts';

/** Three servers, of which only this one is there. */
const ALONE = { uids: ['A', 'B', 'C'], limits: { patienceMs: 600 } };

suite('locks', () => {
  test('a lock is taken, renewed, given back; its tag is its token', async (t) => {
    const at = await openDoor(t);
    const [mine, theirs] = ['/locks/job?owner=alice&ms=30000', '/locks/job?owner=bob&ms=30000'];
    assert.equal((await at.ask('GET', '/locks/job')).status, 404);
    const taken = await at.ask('POST', mine);
    const tag = `${taken.headers['etag']}`;
    assert.deepEqual([taken.status, taken.json.owner], [201, 'alice']);
    assert.equal(tag, `"${taken.json.token}"`);
    const again = await at.ask('POST', mine);
    assert.deepEqual([again.status, again.headers['etag']], [200, tag]);
    const held = await at.ask('POST', theirs);
    assert.deepEqual([held.status, held.json.owner], [409, 'alice']);
    assert.equal(held.json.detail, `held by alice, token ${taken.json.token}`);

    const renewed = await at.ask('POST', '/locks/job?ms=5000', { 'if-match': tag });
    assert.deepEqual([renewed.status, renewed.headers['etag']], [200, tag]);
    const got = await at.ask('GET', '/locks/job');
    const { name, owner, token, ms, since } = got.json;
    assert.deepEqual([name, owner, ms, got.headers['etag']], ['job', 'alice', 5_000, tag]);
    assert.ok(token === taken.json.token && since === renewed.json.since && since > token);

    const old = { 'if-match': '"999"' };
    assert.equal((await at.ask('POST', '/locks/job?ms=5000', old)).status, 412);
    assert.equal((await at.ask('DELETE', '/locks/job', old)).status, 412);
    assert.equal((await at.ask('DELETE', '/locks/job', { 'if-match': tag })).status, 200);
    assert.equal((await at.ask('DELETE', '/locks/job', { 'if-match': tag })).status, 404);
    const next = await at.ask('POST', theirs);
    assert.ok(next.status === 201 && next.json.token > token);
  });

  test('a change of a key may ask for a token', async (t) => {
    const at = await openDoor(t);
    await at.set(['a', '1']);
    const { token } = (await at.ask('POST', '/locks/job?owner=alice&ms=30000')).json;
    const put = (number: number) =>
      at.ask('PUT', `/kv/page?lock=job&token=${number}`, {}, `by ${number}`);
    assert.equal((await put(token)).status, 200);
    const late = await put(token - 1);
    assert.deepEqual([late.status, late.json.detail], [412, `held by alice, token ${token}`]);
    assert.equal((await at.ask('DELETE', `/kv/page?lock=other&token=${token}`)).status, 412);
    assert.equal((await at.ask('GET', '/kv/page')).text, `by ${token}`);
    assert.equal((await at.ask('DELETE', `/kv/page?lock=job&token=${token}`)).status, 200);
  });

  test('whoever asks again is told the same; for something else under that id, that', async (t) => {
    const at = await openDoor(t);
    const id = { 'request-id': '00000000000000aa-1-1' };
    const first = await at.ask('POST', '/locks/job?owner=alice&ms=30000', id);
    const again = await at.ask('POST', '/locks/job?owner=alice&ms=30000', id);
    assert.deepEqual(again.json, first.json);
    const other = await at.ask('DELETE', '/locks/job', { ...id, 'if-match': '"1"' });
    assert.equal(other.status, 409);
  });

  test('what makes no sense changes nothing', async (t) => {
    const at = await openDoor(t);
    const before = at.replica.digest;
    const wrong: [why: RegExp, method: string, path: string, headers?: Record<string, string>][] = [
      [/has 1 to 64 printable/, 'POST', '/locks/job?ms=5000'],
      [/has 1 to 64 printable/, 'POST', `/locks/${'x'.repeat(65)}?owner=a&ms=5000`],
      [/has 1 to 64 printable/, 'POST', '/locks/a%20b?owner=a&ms=5000'],
      [/has 1 to 64 printable/, 'GET', '/locks/a%20b'],
      [/held for 100 to 86400000 ms/, 'POST', '/locks/job?owner=a'],
      [/held for 100 to 86400000 ms/, 'POST', '/locks/job?owner=a&ms=0'],
      [/held for 100 to 86400000 ms/, 'POST', '/locks/job?owner=a&ms=31536000000'],
      [/If-Match is one token/, 'POST', '/locks/job?ms=5000', { 'if-match': '*' }],
      [/shows its token/, 'DELETE', '/locks/job'],
      [/lock and token go together/, 'DELETE', '/kv/a?lock=job'],
      [/a token is the number/, 'DELETE', '/kv/a?lock=job&token=x'],
      [/one of them is enough/, 'DELETE', '/kv/a?lock=job&token=1', { 'if-match': '"1"' }],
    ];
    for (const [why, method, path, headers] of wrong) {
      const answer = await at.ask(method, path, headers);
      assert.deepEqual([answer.status, path], [400, path]);
      assert.match(answer.json.detail, why);
    }
    assert.equal(at.replica.digest, before);
  });
});

suite('keys', () => {
  test('a key is set, read, deleted; its tag is the instance of its latest change', async (t) => {
    const at = await openDoor(t);
    const none = await at.ask('GET', '/kv/color');
    assert.deepEqual([none.status, none.json.detail], [404, 'there is no such key']);
    assert.equal(none.headers['content-type'], 'application/problem+json');

    const put = await at.ask('PUT', '/kv/color', {}, 'dark "blue"\n');
    assert.equal(put.status, 200);
    const { instance, version } = put.json;
    assert.deepEqual([put.headers['etag'], version], [`"${instance}"`, `${instance}`]);
    const got = await at.ask('GET', '/kv/color');
    assert.deepEqual([got.status, got.text], [200, 'dark "blue"\n']);
    assert.deepEqual(
      [got.headers['etag'], got.headers['content-type']],
      [`"${instance}"`, 'text/plain; charset=utf-8'],
    );
    assert.equal(Number(got.headers['paxos-instance']) >= instance, true);

    const head = await at.ask('HEAD', '/kv/color');
    assert.deepEqual([head.status, head.text, head.headers['content-length']], [200, '', '12']);
    const local = await at.ask('GET', '/kv/color?local');
    assert.deepEqual([local.status, local.text], [200, 'dark "blue"\n']);

    const gone = await at.ask('DELETE', '/kv/color');
    assert.deepEqual([gone.status, gone.json.version], [200, null]);
    assert.equal((await at.ask('DELETE', '/kv/color')).status, 404);
    assert.equal((await at.ask('GET', '/kv/color?local=true')).status, 404);
  });

  test('keys and values are any text', async (t) => {
    const at = await openDoor(t);
    const texts = [
      'a b',
      'a/b',
      '"',
      '\\',
      '__proto__',
      'if',
      'é☃𝒳',
      '…',
      '\u0000',
      '%',
      '\n',
      '.',
    ];
    for (const text of [...texts, 'x'.repeat(200)]) {
      const path = `/kv/${encodeURIComponent(text)}`;
      assert.equal((await at.ask('PUT', path, {}, text)).status, 200, text);
      assert.equal((await at.ask('GET', path)).text, text);
    }
    assert.equal((await at.ask('PUT', '/kv/empty', {}, '')).status, 200);
    const empty = await at.ask('GET', '/kv/empty');
    assert.deepEqual([empty.status, empty.text], [200, '']);
    const mark = await at.ask('PUT', '/kv/mark', {}, Buffer.from('\ufeffx'));
    assert.equal(mark.status, 200);
    assert.equal((await at.ask('GET', '/kv/mark')).headers['content-length'], '4');
  });

  test('a change under a condition happens if it is met, and says 412 if not', async (t) => {
    const at = await openDoor(t);
    const put = (headers: Record<string, string>) => at.ask('PUT', '/kv/a', headers, 'x');
    const drop = (headers: Record<string, string>) => at.ask('DELETE', '/kv/a', headers);
    assert.equal((await put({ 'if-match': '*' })).status, 412);
    assert.equal((await put({ 'if-match': '"1"' })).json.detail, 'there is no such key');
    const first = await put({ 'if-none-match': '*' });
    assert.equal(first.status, 201);
    const tag = `${first.headers['etag']}`;
    const again = await put({ 'if-none-match': '*' });
    assert.deepEqual(
      [again.status, again.json.detail],
      [412, `it was changed in ${tag.slice(1, -1)}`],
    );
    const second = await put({ 'if-match': tag });
    assert.equal(second.status, 200);
    for (const stale of [tag, `W/${second.headers['etag']}`, '"x"', '""']) {
      assert.equal((await put({ 'if-match': stale })).status, 412, stale);
      assert.equal((await drop({ 'if-match': stale })).status, 412, stale);
    }
    const many = `"x,y", ,${tag} ,${second.headers['etag']},`;
    const third = await put({ 'if-match': many });
    assert.equal(third.status, 200);
    assert.equal((await drop({ 'if-match': `${third.headers['etag']}` })).status, 200);
    assert.equal((await drop({ 'if-match': '*' })).status, 412);
  });

  test('who has the newest version already is told so', async (t) => {
    const at = await openDoor(t);
    await at.set(['a', '1']);
    const { headers } = await at.ask('GET', '/kv/a');
    const tag = `${headers['etag']}`;
    for (const [given, status] of [
      [{ 'if-none-match': tag }, 304],
      [{ 'if-none-match': `"0", W/${tag}` }, 304],
      [{ 'if-none-match': '*' }, 304],
      [{ 'if-none-match': '"0"' }, 200],
      [{ 'if-match': tag }, 200],
      [{ 'if-match': '"0"' }, 412],
      [{ 'if-match': '*' }, 200],
    ] as const) {
      const answer = await at.ask('GET', '/kv/a', given);
      assert.deepEqual([answer.status, answer.text], [status, status === 200 ? '1' : answer.text]);
      if (status === 304) assert.deepEqual([answer.text, answer.headers['etag']], ['', tag]);
    }
    assert.equal((await at.ask('GET', '/kv/b', { 'if-match': '*' })).status, 412);
  });

  test('keys are listed page by page', async (t) => {
    const at = await openDoor(t);
    await at.set(['b', '1'], ['a b', '2'], ['ba', ''], ['c', '4'], ['…', '5']);
    const all = await at.ask('GET', '/kv');
    assert.deepEqual(
      all.json.keys.map(({ key, value }: { key: string; value: string }) => [key, value]),
      [
        ['a b', '2'],
        ['b', '1'],
        ['ba', ''],
        ['c', '4'],
        ['…', '5'],
      ],
    );
    assert.deepEqual([all.json.next, all.json.instance >= 5], [null, true]);
    const keysOf = (path: string) =>
      at.ask('GET', path).then(({ json }) => {
        return [json.keys.map(({ key }: { key: string }) => key), json.next];
      });
    assert.deepEqual(await keysOf('/kv?prefix=b'), [['b', 'ba'], null]);
    assert.deepEqual(await keysOf('/kv?limit=2'), [['a b', 'b'], 'b']);
    assert.deepEqual(await keysOf('/kv?limit=2&after=b'), [['ba', 'c'], 'c']);
    assert.deepEqual(await keysOf('/kv?limit=2&after=c&local'), [['…'], null]);
    assert.deepEqual(await keysOf('/kv?prefix=a+b'), [['a b'], null]);
    assert.deepEqual(await keysOf('/kv?prefix=a%20'), [['a b'], null]);
    assert.deepEqual(await keysOf('/kv?prefix=x'), [[], null]);
  });
});

suite('what is wrong is said', () => {
  test('in one sentence, with the right status, and nothing is changed', async (t) => {
    const at = await openDoor(t);
    await at.set(['a', '1']);
    const before = at.replica.digest;
    const long = 'x'.repeat(201);
    const wrong: [number, RegExp, string, string, Record<string, string>?, string?][] = [
      [400, /1 to 200 characters/, 'GET', '/kv/'],
      [400, /1 to 200 characters/, 'PUT', `/kv/${long}`, {}, 'x'],
      [400, /1 to 200 characters/, 'DELETE', `/kv/${long}`],
      [400, /a % is not followed/, 'GET', '/kv/%ZZ'],
      [400, /a % is not followed/, 'GET', '/kv/%C3'],
      [400, /a % is not followed/, 'GET', '/kv/%ED%A0%80'],
      [400, /a % is not followed/, 'GET', '/kv?prefix=%'],
      [400, /printable ASCII/, 'GET', '/kv/a#b'],
      [400, /no HTTP that is read here/, 'GET', '/kv/\u00e9'],
      [400, /printable ASCII/, 'OPTIONS', '*'],
      [400, /"local" twice/, 'GET', '/kv/a?local&local'],
      [400, /local is true or false/, 'GET', '/kv/a?local=no'],
      [400, /it knows local behind the \?, and not "x"/, 'GET', '/kv/a?x=1'],
      [400, /it knows lock, token behind/, 'PUT', '/kv/a?local', {}, 'x'],
      [400, /limit is a whole number/, 'GET', '/kv?limit=0'],
      [400, /limit is a whole number/, 'GET', '/kv?limit=1001'],
      [400, /limit is a whole number/, 'GET', '/kv?limit=1e2'],
      [400, /from is the number/, 'GET', '/log?from=0'],
      [400, /from is the number/, 'GET', '/log?from=999999999999999999'],
      [400, /from is the number of an instance/, 'GET', '/watch?from=-1'],
      [400, /Last-Event-ID is the number/, 'GET', '/watch', { 'last-event-id': 'x' }],
      [400, /both If-Match/, 'PUT', '/kv/a', { 'if-match': '*', 'if-none-match': '*' }, 'x'],
      [400, /If-None-Match is \*/, 'PUT', '/kv/a', { 'if-none-match': '"1"' }, 'x'],
      [400, /tags in quotes/, 'PUT', '/kv/a', { 'if-match': '1' }, 'x'],
      [400, /tags in quotes/, 'PUT', '/kv/a', { 'if-match': '"1" "2"' }, 'x'],
      [400, /tags in quotes/, 'PUT', '/kv/a', { 'if-match': '"1", "' }, 'x'],
      [400, /tags in quotes/, 'PUT', '/kv/a', { 'if-match': ', ,' }, 'x'],
      [400, /tags in quotes/, 'GET', '/kv/a', { 'if-none-match': 'x' }],
      [400, /not there cannot/, 'DELETE', '/kv/a', { 'if-none-match': '*' }],
      [400, /Request-Id is 16 hexadecimal/, 'PUT', '/kv/a', { 'request-id': 'x' }, 'x'],
      [400, /GET carries nothing/, 'GET', '/kv/a', { 'content-length': '1' }, 'x'],
      [400, /DELETE carries nothing/, 'DELETE', '/kv/a', { 'content-length': '1' }, 'x'],
      [404, /nothing here: see \/openapi.json/, 'GET', '/'],
      [404, /nothing here/, 'GET', '/KV/a'],
      [404, /nothing here/, 'PUT', '//kv/a', {}, 'x'],
      [404, /in a key \/ is written %2F/, 'GET', '/kv/a/b'],
      [405, /what can be done here is GET, PUT, DELETE/, 'POST', '/kv/a', {}, 'x'],
      [405, /is GET$/, 'PUT', '/kv', {}, 'x'],
      [405, /is GET$/, 'HEAD', '/watch'],
      [413, /32768 bytes at most/, 'PUT', '/kv/a', {}, 'x'.repeat(32_769)],
      [413, /it takes 32780 bytes/, 'PUT', '/kv/a', {}, ' '.repeat(32_768)],
      [415, /not encoded/, 'PUT', '/kv/a', { 'content-encoding': 'gzip' }, 'x'],
      [421, /localhost/, 'GET', '/kv/a', { host: 'evil.example' }],
      [421, /localhost/, 'GET', '/kv/a', { host: 'localhost.evil.example:8001' }],
    ];
    for (const [status, why, method, path, headers, body] of wrong) {
      const answer = await at.ask(method, path, headers, body);
      assert.ok(method === 'HEAD' || answer.json !== null, `${method} ${path}: ${answer.text}`);
      const { title, detail } = method === 'HEAD' ? { title: 'x', detail: 'is GET' } : answer.json;
      assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
      assert.equal(answer.headers['content-type'], 'application/problem+json', path);
      assert.match(detail, why);
      assert.ok(title.length > 0 && !detail.includes('\n'));
    }
    const bad = await at.ask('PUT', '/kv/a', {}, Buffer.from([0xff]));
    assert.deepEqual([bad.status, bad.json.detail], [400, 'a value is text in UTF-8']);
    assert.equal((await at.ask('POST', '/kv/a')).headers['allow'], 'GET, PUT, DELETE');
    assert.equal((await at.ask('GET', '/kv/a', { host: '127.0.0.1:1' })).status, 200);
    assert.equal(at.replica.digest, before);
  });

  test('the longest keys are stored, listed, and read again', async (t) => {
    const at = await openDoor(t);
    const keys = ['\0'.repeat(200), 'x'.repeat(200), '\u{1f600}'.repeat(100)];
    await at.set(...keys.map((key): [string, string] => [key, '\0'.repeat(100)]));
    for (const key of keys) {
      assert.equal((await at.ask('GET', `/kv/${encodeURIComponent(key)}`)).text, '\0'.repeat(100));
      const one = await at.ask('GET', `/kv?prefix=${encodeURIComponent(key)}`);
      assert.deepEqual([one.json.keys[0].key, one.json.keys.length], [key, 1]);
    }
  });

  test('the longest value that fits is stored, and read again', async (t) => {
    const at = await openDoor(t);
    const [plain, spaces] = ['x'.repeat(32_768 - 8), ' '.repeat(32_768 - 12)];
    for (const value of [plain, spaces]) {
      assert.equal((await at.ask('PUT', '/kv/a', {}, value)).status, 200);
      assert.equal((await at.ask('GET', '/kv/a')).text, value);
      assert.equal((await at.ask('PUT', '/kv/a', {}, `${value}x`)).status, 413);
      assert.equal((await at.ask('GET', '/kv')).json.keys[0].value, value);
    }
  });

  test('that nobody knows is 503, with what may still happen', async (t) => {
    const at = await openDoor(t, ALONE);
    for (const path of ['/kv/a', '/kv', '/health']) {
      const { status, headers, json } = await at.ask('GET', path);
      assert.deepEqual([status, headers['retry-after']], [503, '1'], path);
      assert.match(json.detail, /^(nobody knows within 600 ms \(|1 of 3 servers answer, and that)/);
    }
    const put = await at.ask('PUT', '/kv/a', {}, 'x');
    assert.deepEqual([put.status, put.json.outcome], [503, 'unknown']);
    assert.match(
      put.json.detail,
      /^after 600 ms the outcome is unknown \(.*\): ask again with its/,
    );
    assert.equal(put.headers['request-id'], put.json.requestId);
    const drop = await at.ask('DELETE', '/kv/a');
    assert.equal(drop.json.outcome, 'unknown');
    // Under the name of the first one nothing else is asked, or nobody could ask for it again.
    assert.notEqual(drop.json.requestId.slice(0, 16), put.json.requestId.slice(0, 16));
    // What a server knows by itself it still tells.
    assert.equal((await at.ask('GET', '/kv/a?local')).status, 404);
    assert.equal((await at.ask('GET', '/status')).json.waiting > 0, true);
  });

  test('before the server has started it can do nothing', async (t) => {
    const at = await openDoor(t, { isClosed: true });
    const { status, json } = await at.ask('GET', '/kv/a');
    assert.deepEqual([status, json.detail], [503, 'this server has not started yet']);
  });

  test('a change that cannot even be asked for has no effect, and says so', async (t) => {
    const at = await openDoor(t, { ...ALONE, limits: { patienceMs: 200 } });
    const changes = Array.from({ length: 60 }, () => at.ask('PUT', '/kv/a', {}, 'x'));
    const outcomes = (await Promise.all(changes)).map(({ json }) => json.outcome);
    assert.ok(outcomes.includes('no effect'));
  });
});

suite('asking again', () => {
  test('under the same id brings the same answer, and changes nothing', async (t) => {
    const at = await openDoor(t, { limits: { patienceMs: 500 } });
    const id = '00000000000000aa-1-1';
    const one = await at.ask('PUT', '/kv/a', { 'request-id': id }, '1');
    assert.equal(one.headers['request-id'], id);
    await at.set(['a', '2']);
    const two = await at.ask('PUT', '/kv/a', { 'request-id': id }, '1');
    assert.deepEqual([two.status, two.json], [200, one.json]);
    assert.equal((await at.ask('GET', '/kv/a')).text, '2');

    const ids = { 'request-id': '00000000000000aa-1-2', 'if-match': '"1000"' };
    for (let time = 0; time < 2; time += 1) {
      const { status } = await at.ask('PUT', '/kv/a', ids, '3');
      assert.equal(status, 412);
    }
    // Its client has gone on to something else: it waits for that no more.
    const late = await at.ask('PUT', '/kv/a', { 'request-id': id }, '1');
    assert.deepEqual([late.status, late.json.outcome], [503, 'unknown']);
  });

  test('when others came in between, and nobody knows any more, says that', async (t) => {
    const at = await openDoor(t, { replicaClass: TwoClients, limits: { patienceMs: 500 } });
    const put = (client: string) => {
      return at.ask('PUT', '/kv/a', { 'request-id': `00000000000000${client}-1-1` }, client);
    };
    for (const client of ['aa', 'bb', 'cc']) assert.equal((await put(client)).status, 200);
    const before = at.replica.digest;
    // Whether it had its effect, as that of aa, or never, as that of dd: it has none now.
    for (const client of ['aa', 'dd']) {
      const { status, headers, json } = await put(client);
      assert.deepEqual([status, json.outcome, headers['retry-after']], [503, 'unknown', '1']);
      assert.match(json.detail, /the outcome is unknown \(A says: too many others came in between/);
      assert.equal(headers['request-id'], `00000000000000${client}-1-1`);
    }
    assert.equal(at.replica.digest, before);
    assert.equal((await put('cc')).status, 200);
  });

  test('under the id of something else is a conflict', async (t) => {
    const at = await openDoor(t);
    const headers = { 'request-id': '00000000000000aa-1-1' };
    const value = 'add visits 4';
    const { requestId } = { requestId: headers['request-id'] };
    at.turns.run(() => {
      at.replica.receiveFromClient('nobody', { type: 'request', requestId, value });
    });
    const put = await at.ask('PUT', '/kv/visits', headers, '1');
    assert.deepEqual([put.status, put.json.detail], [409, 'this request was another one: 4']);
    assert.equal((await at.ask('DELETE', '/kv/visits', headers)).status, 409);
  });

  test('while it is under way is a conflict', async (t) => {
    const at = await openDoor(t, ALONE);
    const ask = () => at.ask('PUT', '/kv/a', { 'request-id': '00000000000000aa-1-1' }, '1');
    const [one, two] = await Promise.all([ask(), ask()]);
    assert.deepEqual([one.status, two.status].sort(), [409, 503]);
    assert.equal((await ask()).status, 503);
  });
});

suite('the rest', () => {
  test('the log is told as far as it is kept', async (t) => {
    const at = await openDoor(t, { replicaClass: SmallWatchedStore });
    for (let number = 1; number <= 10; number += 1) await at.set(['a', `${number}`]);
    const { instanceNumber: open, firstKept } = at.replica;
    assert.ok(firstKept > 1);
    const { json } = await at.ask('GET', '/log');
    assert.deepEqual([json.server, json.firstKept, json.open], ['A', firstKept, open]);
    assert.equal(json.links.length, open - firstKept);
    assert.deepEqual(json.links.at(-1).link.update, 'set a 10');
    const part = await at.ask('GET', `/log?from=${firstKept + 1}&limit=1`);
    assert.deepEqual(part.json.links, json.links.slice(1, 2));
    const gone = await at.ask('GET', `/log?from=${firstKept - 1}`);
    assert.deepEqual([gone.status, gone.json.firstKept], [410, firstKept]);
    assert.deepEqual((await at.ask('GET', `/log?from=${open + 5}`)).json.links, []);
  });

  test('a page of the log is no longer than can be carried', async (t) => {
    const at = await openDoor(t);
    const value = 'x'.repeat(32_000);
    for (let number = 1; number <= 40; number += 1) await at.set(['a', value]);
    const { text, json } = await at.ask('GET', '/log?limit=1000');
    assert.ok(text.length < 1_100_000 && json.links.length < 35);
  });

  test('status, metrics and health', async (t) => {
    const at = await openDoor(t);
    await at.set(['a', '1']);
    const { json } = await at.ask('GET', '/status');
    const { instanceNumber, digest } = at.replica;
    assert.deepEqual(
      [json.server, json.cluster, json.instanceNumber, json.log.digest, json.log.size],
      ['A', 'A with a store', instanceNumber, digest, '1 key'],
    );
    assert.deepEqual((await at.ask('GET', '/health')).json, { server: 'A', reached: ['A'] });
    const { text, headers } = await at.ask('GET', '/metrics');
    assert.equal(headers['content-type'], 'text/plain; version=0.0.4');
    const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    for (const sample of samples) assert.match(sample, /^[a-z_]+(\{[^ ]*\})? [0-9.]+$/);
    assert.ok(samples.includes(`paxos_open_instance ${instanceNumber}`));
    const put = 'paxos_http_requests_total{method="PUT",route="/kv/{key}",status="200"} 1';
    assert.ok(samples.includes(put));
    assert.ok(samples.includes('paxos_http_connections 1')); // this one
  });

  test('health is that of those who vote now, not of those who were there first', async (t) => {
    const at = await openDoor(t, ALONE);
    const { status, json } = await at.ask('GET', '/health');
    assert.deepEqual([status, json.detail.slice(0, 21)], [503, '1 of 3 servers answer']);
    Object.defineProperty(at.replica, 'uids', { value: ['A'], configurable: true });
    assert.deepEqual((await at.ask('GET', '/health')).json, { server: 'A', reached: ['A'] });
    Object.defineProperty(at.replica, 'uids', { value: ['D'] });
    assert.equal(
      (await at.ask('GET', '/health')).json.detail.slice(0, 21),
      '0 of 1 servers answer',
    );
  });

  test('what HTTP does is traced as what clients do', async (t) => {
    const at = await openDoor(t);
    await at.set(['a', '1']);
    const told = at.events.flatMap((event) => {
      if (event.event !== 'receive' && event.event !== 'reply') return [];
      return [`${event.event} ${event.message.type}`];
    });
    assert.deepEqual(told, ['receive reach', 'reply reached', 'receive request', 'reply answered']);
    for (const event of at.events) assert.equal(wrongInEvent(event), null);
  });
});

suite('who may ask', () => {
  const token = 'correct horse battery'.replaceAll(' ', '-');

  test('with a token only who has it, by whatever name', async (t) => {
    const at = await openDoor(t, { token });
    const right = { authorization: `Bearer ${token}` };
    for (const path of ['/kv/a', '/health', '/metrics', '/nowhere', '/watch']) {
      for (const authorization of ['', `Bearer ${token}x`, 'Bearer', `Basic ${token}`]) {
        const { status, headers } = await at.ask('GET', path, { authorization });
        assert.deepEqual([status, headers['www-authenticate']], [401, 'Bearer'], path);
      }
    }
    assert.equal((await at.ask('PUT', '/kv/a', {}, 'x')).status, 401);
    assert.equal((await at.ask('PUT', '/kv/a', right, 'x')).status, 200);
    assert.equal((await at.ask('GET', '/kv/a', { ...right, host: 'a.example' })).text, 'x');
    assert.ok(at.rejects.some((why) => /^HTTP: a token is needed/.test(why)));
    assert.ok(!JSON.stringify(at.events).includes(token));
  });

  test('without one nobody comes in by the name of another machine', async (t) => {
    const at = await openDoor(t);
    const { port } = at;
    for (const host of ['localhost', `127.0.0.1:${port}`, `[::1]:${port}`, 'LOCALHOST:1']) {
      assert.equal((await at.ask('GET', '/health', { host })).status, 200, host);
    }
    for (const host of ['a.example', '10.0.0.1', '127.0.0.1.a.example', 'localhost@a']) {
      assert.equal((await at.ask('GET', '/health', { host })).status, 421, host);
    }
    const proxied = await at.raw(
      `GET http://a.example/health HTTP/1.1\r\nhost: localhost\r\n\r\n${END}`,
    );
    assert.match(proxied, /^HTTP\/1.1 421 /);
  });
});

test('without a token a page of another site can have nothing done', async (t) => {
  const at = await openDoor(t);
  const take = (headers: Record<string, string>) => {
    return at.ask('POST', '/locks/job?owner=page&ms=5000', headers);
  };
  for (const origin of ['http://a.example', 'null', 'http://localhost.a.example', 'a:localhost']) {
    const { status, json } = await take({ origin });
    assert.deepEqual([status, json.title], [403, 'Forbidden'], origin);
  }
  assert.equal((await take({ 'sec-fetch-site': 'cross-site' })).status, 403);
  assert.equal((await at.ask('GET', '/watch', { origin: 'null' })).status, 403);
  assert.ok(
    at.rejects.every((why) => why === 'HTTP: without a token no page of another site may ask'),
  );
  assert.equal(at.rejects.length, 6);
  assert.equal((await at.ask('GET', '/locks/job')).status, 404);
  for (const origin of ['http://[::1]:8001', 'https://127.0.0.1', `http://localhost:${at.port}`]) {
    assert.equal((await at.ask('GET', '/health', { origin })).status, 200, origin);
  }
  const own = { origin: 'http://localhost:3000', 'sec-fetch-site': 'same-site' };
  assert.equal((await take(own)).status, 201);
  const guarded = await openDoor(t, { token: 'x'.repeat(20) });
  const authorization = `Bearer ${'x'.repeat(20)}`;
  const asked = await guarded.ask('GET', '/kv', { authorization, origin: 'http://a.example' });
  assert.equal(asked.status, 200);
});

const END = 'GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n';

suite('the description', () => {
  const text = readFileSync(join(import.meta.dirname, '../src/node/http/openapi.json'), 'utf8');
  const description = JSON.parse(text);

  test('names the routes that there are, and what stands behind the ?', async (t) => {
    const at = await openDoor(t);
    assert.deepEqual((await at.ask('GET', '/openapi.json')).json, description);
    const described = Object.entries<Record<string, Described>>(description.paths).flatMap(
      ([path, methods]) =>
        Object.entries(methods).flatMap(([method, { parameters = [] }]) => {
          if (method === 'parameters') return [];
          const query = parameters.filter((one) => one.in === 'query').map(({ name }) => name);
          return [{ method: method.toUpperCase(), path, query: query.sort() }];
        }),
    );
    const routes = ROUTES.map(({ method, path, query }) => {
      return { method, path, query: [...query].sort() };
    });
    const sorted = (all: object[]) => all.map((one) => JSON.stringify(one)).sort();
    assert.deepEqual(sorted(described), sorted(routes));
  });

  test('says all that a status says, each thing once', async (t) => {
    const at = await openDoor(t);
    const { json } = await at.ask('GET', '/status');
    const { Status } = description.components.schemas;
    for (const [told, { required, properties }] of [
      [json, Status],
      [json.log, Status.properties.log],
    ]) {
      const names = Object.keys(told).sort();
      assert.deepEqual([...required].sort(), names);
      assert.deepEqual(Object.keys(properties).sort(), names);
    }
    const isTwice = (name: string) => name in json.log;
    assert.deepEqual(Object.keys(json).filter(isTwice), []);
  });

  test('leads nowhere where there is nothing', () => {
    const references = [...text.matchAll(/"\$ref": "#\/([^"]+)"/g)].map(([, path = '']) => path);
    assert.ok(references.length > 20);
    for (const path of references) {
      const found = path.split('/').reduce((at, name) => at?.[name], description);
      assert.ok(found, path);
    }
  });

  test('names every status that any request was answered with, and no other', async (t) => {
    const at = await openDoor(t, { replicaClass: OneChange });
    await at.set(['a', '1'], ['a', '2']);
    assert.equal((await at.ask('GET', '/watch?from=0')).status, 410);
    const watching = await at.open('GET', '/watch');
    assert.equal(watching.statusCode, 200);
    watching.destroy();
    const described = Object.entries<Record<string, Described>>(description.paths).flatMap(
      ([path, methods]) =>
        Object.entries(methods).flatMap(([method, { responses = {} }]) =>
          Object.keys(responses).map((status) => `${method.toUpperCase()} ${path} ${status}`),
        ),
    );
    const isOfRoute = (seen: string) => !/ none | 405$/.test(seen);
    for (const seen of [...SEEN].filter(isOfRoute)) assert.ok(described.includes(seen), seen);
    // These any route may give: they are seen at some.
    const unseen = described.filter(
      (one) => !SEEN.has(one) && !/ (400|401|403|408|417|421|503)$/.test(one),
    );
    assert.deepEqual(unseen, []);
  });
});

/** Knows of the latest change only. */
class OneChange extends SmallWatchedStore {
  protected override get keepChanges(): number {
    return 1;
  }
}

/** Remembers the requests of two clients. */
class TwoClients extends WatchedStore {
  protected override get mostClients(): number {
    return 2;
  }
}

interface Described {
  readonly parameters?: readonly { readonly in: string; readonly name: string }[];
  readonly responses?: object;
}
