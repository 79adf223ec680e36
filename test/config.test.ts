import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { DEFAULT_CLUSTER } from '../config.ts';
import { addressOf, parseCluster, readClusterFile } from '../src/node/cluster-file.ts';
import { UsageError } from '../src/node/failure.ts';
import { readServerOptions } from '../src/node/server-options.ts';
import { wantsColour } from '../src/node/terminal.ts';
import { temporaryDirectory } from './processes.ts';

suite('A cluster', () => {
  test('of config.ts is three servers on this machine', () => {
    const cluster = parseCluster(DEFAULT_CLUSTER);
    assert.deepEqual([...cluster.keys()], ['A', 'B', 'C']);
    assert.deepEqual(cluster.get('C'), { host: '127.0.0.1', port: 1236 });
  });

  test('may have one server or nine, with names, IPv4 and IPv6 addresses', () => {
    assert.equal(parseCluster({ Q: 'three.example:1' }).get('Q')?.host, 'three.example');
    assert.deepEqual(parseCluster({ Q: '[0:0::1]:65535' }).get('Q'), { host: '::1', port: 65_535 });
    assert.equal(parseCluster(servers(9)).size, 9);
    const linkLocal = parseCluster({ Q: '[FE80::0:1%eth0]:1234' }).get('Q');
    assert.deepEqual(linkLocal, { host: 'fe80::1%eth0', port: 1_234 });
  });

  test('is shown by an example with which a server can start', () => {
    const source = readFileSync(new URL('../src/node/cluster-file.ts', import.meta.url), 'utf8');
    const [, example = ''] = /`(\{"A": [^`]+\})`/.exec(source) ?? [];
    const hosts = [...parseCluster(JSON.parse(example.replaceAll('\n *', ''))).values()];
    const families = new Set(hosts.map(({ host }) => isIP(host)));
    assert.deepEqual(families, new Set([4, 0])); // and a name, which may have an address of it
  });

  test('has its servers in the order of their names, however it is written', () => {
    assert.deepEqual([...parseCluster({ B: 'b:1', A: 'a:1' }).keys()], ['A', 'B']);
  });

  const bad: [string, unknown, RegExp][] = [
    ['is not an object', ['127.0.0.1:1234'], /not an object/],
    ['is null', null, /not an object/],
    ['is empty', {}, /names no server/],
    ['has ten servers', servers(10), /10 servers, and 9 are the most/],
    ['has a uid of two letters', { AB: 'a:1' }, /one capital letter, not "AB"/],
    ['has a small letter', { a: 'a:1' }, /one capital letter, not "a"/],
    ['has a uid called __proto__', JSON.parse('{"__proto__": "a:1"}'), /not "__proto__"/],
    ['has a number for an address', { A: 1234 }, /address of A must be .* not 1234/],
    ['has no port', { A: '10.0.0.1' }, /address of A/],
    ['has port 0', { A: '10.0.0.1:0' }, /address of A/],
    ['has a port too high', { A: '10.0.0.1:65536' }, /address of A/],
    ['has a bare IPv6 address', { A: '::1:1234' }, /address of A/],
    ['has a bad IPv6 address', { A: '[1::2::3]:1234' }, /address of A/],
    ['has a zone without a name', { A: '[fe80::1%]:1234' }, /address of A/],
    ['has an address to nowhere', { A: '0.0.0.0:1234' }, /others can send to/],
    ['has one address twice', { A: '[::1]:1', B: '[0:0::1]:1' }, /A and B have the same address/],
  ];
  for (const [what, written, says] of bad) {
    test(`that ${what} is refused`, () => {
      assert.throws(() => parseCluster(written), says);
    });
  }

  test('without the server that is asked for says which ones it has', () => {
    const ask = () => addressOf(parseCluster(servers(2)), 'X');
    assert.throws(ask, /there is no server X in this cluster, only A, B/);
  });
});

suite('A cluster file', () => {
  const refusals: [string, string, RegExp][] = [
    ['is not JSON', '{"A": ', /cannot be used: it is not JSON/],
    ['is not a cluster', '[]', /cannot be used: it is not an object/],
  ];
  for (const [what, text, says] of refusals) {
    test(`that ${what} is named in the refusal`, (t) => {
      const file = join(temporaryDirectory(t), 'cluster.json');
      writeFileSync(file, text);
      assert.throws(() => readClusterFile(file), isUsageError(says));
      assert.throws(() => readClusterFile(file), /cluster\.json/);
    });
  }

  test('that does not exist is a wrong usage', () => {
    const read = () => readClusterFile('no-such-file.json');
    assert.throws(read, isUsageError(/no-such-file\.json .* no such file or directory/));
  });
});

suite('The options of a server', () => {
  test('have defaults that do no harm', () => {
    const options = readServerOptions(['A']);
    assert.equal(options.uid, 'A');
    assert.equal(options.isMaster, false);
    assert.equal(options.rejoins, false);
    assert.equal(options.traceFile, null);
    assert.deepEqual(options.faults, { drop: 0, duplicate: 0, minDelayMs: 0, maxDelayMs: 0 });
  });

  test('may say where to listen, which is anywhere', () => {
    assert.equal(readServerOptions(['A']).listen, null);
    const { listen } = readServerOptions(['A', '--listen', '[::]:1234']);
    assert.deepEqual(listen, { host: '::', port: 1_234 });
  });

  test('are all understood', () => {
    const faults = ['--drop', '0.25', '--duplicate', '1', '--delay', '5-50'];
    const options = readServerOptions(['B', '--master', '-v', '--no-color', ...faults]);
    assert.deepEqual(options.faults, { drop: 0.25, duplicate: 1, minDelayMs: 5, maxDelayMs: 50 });
    assert.deepEqual(
      [options.isMaster, options.isVerbose, options.isColoured],
      [true, true, false],
    );
  });

  test('ask for colour only where it is wanted, and only on a terminal', () => {
    const options = readServerOptions(['A']);
    assert.equal(wantsColour(options, true, {}), true);
    assert.equal(wantsColour(options, false, {}), false);
    assert.equal(wantsColour(options, true, { NO_COLOR: '1' }), false);
    assert.equal(wantsColour(options, true, { NO_COLOR: '' }), true);
    assert.equal(wantsColour(options, false, { FORCE_COLOR: '1', NO_COLOR: '1' }), true);
    assert.equal(wantsColour(options, true, { FORCE_COLOR: '0' }), false);
    const never = readServerOptions(['A', '--no-color']);
    assert.equal(wantsColour(never, true, { FORCE_COLOR: '1' }), false);
  });

  test('let a server rejoin where a quorum of others can be', (t) => {
    for (const [count, others] of [
      [1, /it has no others$/],
      [2, /one other server is none$/],
      [3, null],
    ] as const) {
      const file = join(temporaryDirectory(t), 'cluster.json');
      writeFileSync(file, JSON.stringify(servers(count)));
      const read = () => readServerOptions(['A', '--rejoin', '--cluster', file, '--trust-network']);
      if (others === null) assert.equal(read().rejoins, true);
      else assert.throws(read, isUsageError(others));
    }
  });

  const bad: [string[], RegExp][] = [
    [[], /missing required argument 'uid'/],
    [['X'], /no server X in this cluster, only A, B, C/],
    [['A', 'B'], /too many arguments/],
    [['A', '--frobnicate'], /unknown option '--frobnicate'/],
    [['A', '--trace'], /argument missing/],
    [['A', '--drop', '1.1'], /--drop must be a number from 0 to 1, not "1.1"/],
    [['A', '--drop=-0.1'], /--drop must be/],
    [['A', '--drop', ''], /--drop must be/],
    [['A', '--drop', '0x1'], /--drop must be/],
    [['A', '--duplicate', 'often'], /--duplicate must be/],
    [['A', '--listen', '1234'], /--listen must be like 10\.0\.0\.1:1234 or .*, not "1234"/],
    [['A', '--time', 'long'], /--time must be short or full, not "long"/],
    [['A', '--keep-links', '9'], /--keep-links is of use only with --store/],
    [['A', '--store', '--keep-links', '0'], /--keep-links must be .*, not "0"/],
    [['A', '--store', '--keep-links', 'all'], /--keep-links must be .*, not "all"/],
    [['A', '--delay', '50'], /--delay must be two whole numbers/],
    [['A', '--delay', '50-5'], /--delay must be/],
    [['A', '--delay', '0-60001'], /up to 60000/],
  ];
  for (const [args, says] of bad) {
    test(`refuse ${JSON.stringify(args)} in one sentence`, () => {
      assert.throws(() => readServerOptions(args), isUsageError(says));
    });
  }
});

function servers(count: number): Record<string, string> {
  const uids = [...'ABCDEFGHIJ'].slice(0, count);
  return Object.fromEntries(uids.map((uid, index) => [uid, `10.0.0.1:${index + 1}`]));
}

function isUsageError(says: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof UsageError);
    assert.equal(error.exitCode, 2);
    assert.match(error.message, says);
    assert.doesNotMatch(error.message, /\n/);
    return true;
  };
}

test('--prefer names a server of the cluster, and goes with --master', () => {
  const options = (...args: string[]) => readServerOptions(['A', ...args]);
  assert.equal(options('--master', '--prefer', 'B').preferred, 'B');
  assert.equal(options('--master').preferred, null);
  assert.throws(() => options('--prefer', 'B'), /^Error: --prefer goes with --master/);
  assert.throws(() => options('--master', '--prefer', 'X'), /X/);
});

test('a store keeps a journal, and with --journal everybody does', () => {
  const hasJournal = (...args: string[]) => readServerOptions(['A', ...args]).hasJournal;
  assert.deepEqual(
    [hasJournal(), hasJournal('--store'), hasJournal('--journal')],
    [false, true, true],
  );
});
