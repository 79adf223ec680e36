/** Journals as a person meets them: servers that keep them, and the program that prints them. */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { crc32 } from 'node:zlib';
import { JournalFile } from '../src/node/journal-file.ts';
import { checkTraces } from '../src/programs/check/traces.ts';
import {
  type Cluster,
  prepareCluster,
  run,
  startCluster,
  temporaryDirectory,
} from './processes.ts';
import { statesOfAStore } from './states-of-a-store.ts';

const PRINTER = 'src/programs/journal.ts';

function journalOf(cluster: Cluster, uid: string): string {
  return join(cluster.stateDirectory, `${uid}.journal`);
}

/** What it says if it is started now, which it cannot be. */
async function whyNot(cluster: Cluster, uid: string, ...flags: string[]): Promise<string> {
  const exit = await run('server.ts', ...cluster.server(uid).commandLine(...flags));
  assert.equal(exit.code, 1, exit.stderr);
  assert.match(exit.stderr, /^error: .*\n$/);
  return exit.stderr;
}

suite('A server with a journal', () => {
  test('comes back with all that it has said, wherever it was killed', async (t) => {
    const cluster = await startCluster(t, { flags: ['--journal'] });
    for (let round = 1; round <= 4; round += 1) {
      const from = cluster.server('C').events.length;
      for (let n = 1; n <= 20; n += 1) await cluster.propose('A', `${round}-${n}`);
      // Killed while it saves: it has saved this often, and goes on to.
      await cluster.server('C').waitFor('some saves', () => {
        const saves = cluster.server('C').events.slice(from);
        return saves.filter(({ event }) => event === 'save').length >= 5 * round;
      });
      await cluster.server('C').kill();
      await cluster.server('C').start();
    }
    await cluster.propose('B', 'the last');
    for (const server of cluster.servers) {
      await server.waitForEvent('the last value', (event) => {
        return event.event === 'advance' && JSON.stringify(event).includes('the last');
      });
    }
    await cluster.kill();
    const events = cluster.servers
      .flatMap((server) => [...server.events])
      .toSorted((a, b) => a.at - b.at);
    const { uids } = cluster;
    const checked = checkTraces({ uids, traced: uids, resumed: [], events }, false);
    assert.equal(checked.violation, null);
    for (const uid of uids) {
      const { code, stdout } = await run(PRINTER, journalOf(cluster, uid));
      assert.equal(code, 0);
      assert.match(stdout, /\n {2}instance {2}[0-9]+ is open\n/);
      assert.equal(existsSync(cluster.server(uid).stateFile), false);
    }
  });

  test('does not start from a bad line, or from the journal of another one', async (t) => {
    const cluster = await startCluster(t, { flags: ['--journal'] });
    await cluster.propose('A', 'hello');
    for (const server of cluster.servers) {
      await server.waitForEvent('the value', ({ event }) => event === 'advance');
    }
    for (const uid of ['A', 'B', 'C']) await cluster.server(uid).interrupt();

    const path = journalOf(cluster, 'A');
    const bytes = readFileSync(path);
    truncateSync(path, bytes.indexOf(0) - 5); // torn; the zeros are room for more
    await cluster.server('A').start();
    await cluster.server('A').kill();

    writeFileSync(path, bytes.toString().replace('"instanceNumber":1', '"instanceNumber":3'));
    const advice = 'it was left as it is, and an older copy of it would be as bad as none: move it';
    const bad = await whyNot(cluster, 'A');
    assert.ok(bad.includes(`A.journal cannot be used: line 1 is not what was written; ${advice}`));

    copyFileSync(journalOf(cluster, 'B'), path);
    assert.match(
      await whyNot(cluster, 'A'),
      /A\.journal cannot be used: it belongs to server "B";/,
    );

    const other = join(cluster.directory, 'other.json');
    writeFileSync(other, JSON.stringify({ B: '127.0.0.1:1', C: '127.0.0.1:2' }));
    const ofOthers = await run(
      'server.ts',
      ...cluster.server('B').commandLine('--cluster', other, '--trust-network'),
    );
    assert.match(
      ofOthers.stderr,
      /B\.journal cannot be used: its state is of cluster A B C, not B C/,
    );
  });

  test('takes over what it has kept before, and says so; there is no way back', async (t) => {
    const cluster = await prepareCluster(t, { uids: ['A'] });
    const server = cluster.server('A');
    await server.start();
    await cluster.propose('A', 'hello');
    await server.waitFor('the value', () => server.state?.currentValue === 'hello');
    await server.interrupt();
    const path = server.stateFile;
    const before = readFileSync(path);
    await server.start('--journal');
    const says = /the state in .*A\.json goes over to .*A\.journal with the next save\n/;
    await server.waitFor('what it says', () => says.test(server.program.stdout));
    await cluster.propose('A', 'once more');
    await server.waitFor('its journal', () => existsSync(journalOf(cluster, 'A')));
    await server.interrupt();
    assert.equal(server.state, null);
    assert.match(
      await whyNot(cluster, 'A'),
      /A\.journal has taken its place: start it with --jour/,
    );
    writeFileSync(path, before); // as if it had been killed before this was gone
    assert.match(await whyNot(cluster, 'A', '--store'), /it was made without --store/);
    assert.equal(existsSync(path), true);
    await server.start('--journal');
    await server.waitFor('one state', () => !existsSync(path));
  });
});

suite('npm run journal', () => {
  function journal(t: Parameters<typeof temporaryDirectory>[0]): { path: string; bytes: Buffer } {
    const file = new JournalFile(temporaryDirectory(t), 'A');
    for (const state of statesOfAStore(5)) file.save(state);
    const bytes = readFileSync(file.path);
    return { path: file.path, bytes: bytes.subarray(0, bytes.indexOf(0)) };
  }

  /** With one more line, whose checksum is right. */
  function withForged(bytes: Buffer, body: object): Buffer {
    const lines = bytes.toString().split('\n');
    const before = /"checksum":"([0-9a-f]{8})"/.exec(lines.at(-2) ?? '')?.[1] ?? '';
    const rest = JSON.stringify({ entry: lines.length, ...body }).slice(1);
    const checksum = crc32(rest, Number.parseInt(before, 16)).toString(16).padStart(8, '0');
    return Buffer.concat([bytes, Buffer.from(`{"checksum":"${checksum}",${rest}\n`)]);
  }

  test('prints a line for each, and what they make', async (t) => {
    const { path } = journal(t);
    const { code, stdout, stderr } = await run(PRINTER, path);
    assert.deepEqual([code, stderr], [0, '']);
    const lines = stdout.split('\n');
    assert.match(lines[1] ?? '', /^ {5}1 +[0-9,]+ +#2 {2}- {9}- +a whole state: here it begins$/);
    assert.match(
      lines[2] ?? '',
      /^ {5}2 +[0-9]+ +#3 +requests \+1, kept\.(?:blocks|links) \+1, currentValue "set key2/,
    );
    assert.match(stdout, /\n {2}log {7}a snapshot of instance 1, links 1 to 5\n$/);
    for (const line of lines) assert.ok([...line].length <= 120, line);
  });

  test('says what is wrong with a bad one, in one sentence', async (t) => {
    const { path, bytes } = journal(t);
    const print = async (content: Uint8Array) => {
      writeFileSync(path, content);
      return run(PRINTER, path);
    };
    const torn = await print(bytes.subarray(0, -7));
    assert.equal(torn.code, 0);
    assert.match(
      torn.stdout,
      /note: [0-9]+ bytes behind that are of a line that was never written/,
    );
    const bad = await print(Buffer.from(bytes.toString().replace('add visits 3', 'add visits 4')));
    assert.equal(bad.code, 1);
    assert.match(
      bad.stderr,
      /^error: .* cannot be used: line 3 is not what was written; no server/,
    );
    assert.match(bad.stdout, /\n {5}2 .*\n$/);
    const forged = await print(withForged(bytes, { unset: 'all' }));
    assert.match(forged.stderr, /^error: .* cannot be used: line [0-9]+ says what no journal can/);
    const empty = await print(Buffer.alloc(0));
    assert.deepEqual([empty.code, /is empty\n$/.test(empty.stderr)], [1, true]);
    assert.equal((await run(PRINTER)).code, 2);
    assert.match((await run(PRINTER, '--help')).stdout, /npm run journal -- state\/A\.journal/);
    assert.match(
      (await run(PRINTER, join(path, 'x'))).stderr,
      /^error: the journal .* cannot be read/,
    );
  });
});
