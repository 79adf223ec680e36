/** Names of servers: looked up again, and never in the way of those that are known. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { suite, test } from 'node:test';
import {
  AddressBook,
  DOUBT_AGAIN_AFTER_MS,
  LONGEST_WAIT_MS,
  type Lookup,
  SILENT_AFTER_MS,
} from '../src/node/address-book.ts';
import { type Cluster, formatAddress, parseCluster } from '../src/node/cluster-file.ts';
import { LOOPBACK } from '../src/programs/common/free-port.ts';
import { Agenda } from '../src/time/agenda.ts';
import { hasIpv6, prepareCluster, run } from './processes.ts';

/** A book with names and a clock of its own. `hosts` may be changed; an empty list: not found. */
function openBook(cluster: Cluster, hosts: Record<string, readonly string[]>) {
  const agenda = new Agenda();
  let nowMs = 0;
  const lookups: [number, string][] = [];
  const told: string[] = [];
  const lookup: Lookup = async (host) => {
    lookups.push([nowMs, host]);
    const found = hosts[host] ?? [];
    if (found.length === 0) throw new Error('nobody knows it');
    return found;
  };
  const book = new AddressBook(cluster, {
    lookup,
    now: () => nowMs,
    after: (delayMs, act) => {
      const entry = agenda.add(nowMs + delayMs, act);
      return {
        cancel: () => {
          entry.act = null;
        },
      };
    },
    tell: ({ why, againMs }) => told.push(againMs === null ? why : `${why} (${againMs})`),
  });
  /** Lets time go by, and whoever waits for a name have it. */
  const pass = async (ms: number) => {
    const untilMs = nowMs + ms;
    while (agenda.nextAtMs <= untilMs) {
      nowMs = agenda.nextAtMs;
      agenda.take()?.act?.();
      await new Promise(setImmediate);
    }
    nowMs = untilMs;
  };
  const at = (uid: string) => book.addressesOf(uid).map(formatAddress);
  return { book, lookups, told, pass, at };
}

const NAMES = parseCluster({ B: 'b.example:1', C: 'c.example:2' });

suite('A cluster of real servers', () => {
  test('goes on without a server whose name nobody knows, and names it', async (t) => {
    const cluster = await prepareCluster(t);
    const [a, b] = [cluster.server('A'), cluster.server('B')];
    const hosts = { A: `${LOOPBACK}:${a.port}`, B: `${LOOPBACK}:${b.port}`, C: 'c.invalid:1' };
    writeFileSync(cluster.clusterFile, JSON.stringify(hosts));
    await Promise.all([a.start(), b.start()]);
    const flags = ['--wait', '--cluster', cluster.clusterFile];
    const { code, stdout } = await run('client.ts', 'A', 'hello', ...flags);
    assert.equal(code, 0);
    assert.match(stdout, /^chosen in instance/);
    await a.waitForEvent('news of C', (event) => event.event === 'address' && event.peer === 'C');
    const { stdout: lines } = await a.interrupt();
    const unwrapped = lines.replaceAll(/\n {10}(?=\S)/g, ' ');
    assert.match(unwrapped, /✗C .* the host of server C is not found/);
    assert.match(
      unwrapped,
      / address .*the host c\.invalid of server C is not found: .* in [0-9]+ s/,
    );
  });

  test('may have addresses of both families, also for a client that waits', async (t) => {
    const cluster = await prepareCluster(t);
    const [a, b, c] = cluster.servers.map(({ port }) => port);
    const ofC = (await hasIpv6()) ? '[::1]' : LOOPBACK;
    const hosts = { A: `${LOOPBACK}:${a}`, B: `localhost:${b}`, C: `${ofC}:${c}` };
    writeFileSync(cluster.clusterFile, JSON.stringify(hosts));
    await cluster.start();
    const flags = ['--wait', '--cluster', cluster.clusterFile];
    const { stdout } = await run('client.ts', 'C', 'hello', ...flags);
    assert.match(stdout, /^chosen in instance [0-9]+, answered by C/);
    await cluster.waitFor('agreement', () => cluster.agreesOn('hello'));
  });
});

suite('An address book', () => {
  test('has addresses at once, and looks up none of them', async () => {
    const cluster = parseCluster({ B: '10.0.0.2:1', C: '[fd00::3]:2' });
    const { book, lookups, at, pass } = openBook(cluster, {});
    await book.open();
    await pass(10 * LONGEST_WAIT_MS);
    assert.deepEqual([at('B'), at('C'), lookups], [['10.0.0.2:1'], ['[fd00::3]:2'], []]);
    assert.equal(book.ownerOf('[fd00::3]:2'), 'C');
    assert.equal(book.ownerOf('[fd00::3]:1'), null);
  });

  test('knows all addresses of a name, of both families', async () => {
    const { book, at } = openBook(NAMES, { 'b.example': ['10.0.0.2', 'FD00::2'] });
    await book.open();
    assert.deepEqual(at('B'), ['10.0.0.2:1', '[fd00::2]:1']);
    assert.deepEqual([book.ownerOf('10.0.0.2:1'), book.ownerOf('[fd00::2]:1')], ['B', 'B']);
  });

  test('looks up again what nobody knows, after ever longer waits, and says so', async () => {
    const hosts: Record<string, string[]> = { 'b.example': ['10.0.0.2'] };
    const { book, lookups, told, pass, at } = openBook(NAMES, hosts);
    await book.open();
    assert.deepEqual([at('B'), at('C')], [['10.0.0.2:1'], []]);
    await pass(200_000);
    const timesOfC = lookups.flatMap(([atMs, host]) =>
      host === 'c.example' ? [atMs / 1_000] : [],
    );
    assert.deepEqual(timesOfC, [0, 1, 3, 7, 15, 31, 63, 123, 183]);
    const miss = 'the host c.example of server C is not found: nobody knows it';
    assert.deepEqual(told.slice(1, 4), [`${miss} (1000)`, `${miss} (2000)`, `${miss} (4000)`]);

    hosts['c.example'] = ['10.0.0.3'];
    await pass(LONGEST_WAIT_MS);
    assert.deepEqual(at('C'), ['10.0.0.3:2']);
    assert.equal(told.at(-1), 'server C is at 10.0.0.3:2');
  });

  test('looks up who has been silent for long, and finds them elsewhere', async () => {
    const hosts: Record<string, string[]> = {
      'b.example': ['10.0.0.2'],
      'c.example': ['10.0.0.3'],
    };
    const { book, told, pass, at } = openBook(NAMES, hosts);
    await book.open();
    hosts['b.example'] = ['10.0.0.9'];
    hosts['c.example'] = ['10.0.0.8'];
    for (let second = 0; second < 100; second += 1) {
      book.heard('C');
      await pass(1_000);
    }
    assert.deepEqual([at('B'), at('C')], [['10.0.0.9:1'], ['10.0.0.3:2']]);
    assert.equal(told.at(-1), 'server B is at 10.0.0.9:1, no longer at 10.0.0.2:1');
    assert.deepEqual([book.ownerOf('10.0.0.9:1'), book.ownerOf('10.0.0.2:1')], ['B', null]);
    await pass(2 * SILENT_AFTER_MS);
    assert.deepEqual(at('C'), ['10.0.0.8:2']);
  });

  test('looks all names up when a stranger speaks like a server, but seldom', async () => {
    const { book, lookups, pass } = openBook(NAMES, { 'b.example': ['10.0.0.2'] });
    await book.open();
    await pass(100);
    const before = lookups.length;
    for (let n = 0; n < 100; n += 1) book.doubt();
    await pass(1);
    assert.deepEqual(lookups.slice(before), [
      [100, 'b.example'],
      [100, 'c.example'],
    ]);
    await pass(DOUBT_AGAIN_AFTER_MS);
    const again = lookups.length;
    book.doubt();
    assert.equal(lookups.length, again + 2);
  });

  test('keeps what it knows of a name that is not found any more', async () => {
    const hosts: Record<string, string[]> = {
      'b.example': ['10.0.0.2'],
      'c.example': ['10.0.0.3'],
    };
    const { book, told, pass, at } = openBook(NAMES, hosts);
    await book.open();
    hosts['b.example'] = [];
    await pass(SILENT_AFTER_MS);
    assert.deepEqual(at('B'), ['10.0.0.2:1']);
    assert.match(told.at(-1) ?? '', /^the host b\.example of server B is not found: /);
  });

  test('notices that two servers have swapped places', async () => {
    const cluster = parseCluster({ B: 'b.example:1', C: 'c.example:1' });
    const hosts: Record<string, string[]> = {
      'b.example': ['10.0.0.2'],
      'c.example': ['10.0.0.3'],
    };
    const { book, pass, at } = openBook(cluster, hosts);
    await book.open();
    [hosts['b.example'], hosts['c.example']] = [['10.0.0.3'], ['10.0.0.2']];
    await pass(4 * SILENT_AFTER_MS);
    assert.deepEqual([at('B'), at('C')], [['10.0.0.3:1'], ['10.0.0.2:1']]);
    assert.equal(book.ownerOf('10.0.0.2:1'), 'C');
  });

  test('does not take one server for another', async () => {
    const cluster = parseCluster({ B: 'b.example:1', C: 'c.example:1' });
    const hosts: Record<string, string[]> = {
      'b.example': ['10.0.0.2'],
      'c.example': ['10.0.0.2'],
    };
    const { book, told, pass, at } = openBook(cluster, hosts);
    await book.open();
    assert.deepEqual([at('B'), at('C')], [['10.0.0.2:1'], []]);
    assert.match(told.at(-1) ?? '', /server C is not found: .*10\.0\.0\.2:1, and another server/);
    hosts['b.example'] = ['10.0.0.7'];
    await pass(2 * LONGEST_WAIT_MS);
    assert.deepEqual([at('B'), at('C')], [['10.0.0.7:1'], ['10.0.0.2:1']]);
  });

  test('knows a server of this machine by the loopback address of the other family', async () => {
    const cluster = parseCluster({
      A: '127.0.0.1:1',
      B: '[::1]:2',
      C: '[::1]:3',
      D: '127.0.0.1:3',
    });
    const { book } = openBook(cluster, {});
    const owners = ['[::1]:1', '127.0.0.1:2', '[::1]:3', '127.0.0.1:3'].map((at) => {
      return book.ownerOf(at);
    });
    assert.deepEqual(owners, ['A', 'B', 'C', 'D']);
  });

  test('that is closed looks nothing up, and says nothing', async () => {
    const { book, lookups, told, pass } = openBook(NAMES, {});
    const opened = book.open();
    book.close();
    await opened;
    await pass(10 * LONGEST_WAIT_MS);
    assert.deepEqual([lookups.length, told], [2, []]);
  });
});
