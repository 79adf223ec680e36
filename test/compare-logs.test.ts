/** The logs of stores side by side: out of traces, out of state files, and what differs in them. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import type { Link } from '../src/chain.ts';
import { compareLogs, ToldLog } from '../src/log/compare-logs.ts';
import { StoreReplica } from '../src/log/replicas.ts';
import { type SnapshotSource, SnapshotWriter } from '../src/log/snapshot.ts';
import { MAX_PART } from '../src/messages.ts';
import { JsonStateFile } from '../src/node/json-state-file.ts';
import { compareLogFiles } from '../src/programs/check/logs.ts';
import { run as runSchedule } from '../src/simulation/run.ts';
import { drawSchedule } from '../src/simulation/schedule.ts';
import type { TraceEvent } from '../src/trace/events.ts';
import { OneReplica } from './one-replica.ts';
import { run, temporaryDirectory } from './processes.ts';

const UIDS = ['A', 'B', 'C'];

function link(n: number, update = `add n ${n}`): Link {
  return { update, id: `A-00000000-${n}` };
}

function links(count: number): Link[] {
  return Array.from({ length: count }, (_, index) => link(index + 1));
}

/** What a store tells that reads these links. */
function toldBy(name: string, all: readonly Link[]): ToldLog {
  const { decisions } = storeAfter(name, all);
  const log = new ToldLog(name);
  for (const decision of decisions) log.observe(decision);
  return log;
}

function storeAfter(uid: string, all: readonly Link[]): OneReplica {
  const one = new OneReplica(StoreReplica, [uid, ...UIDS.filter((other) => other !== uid)]);
  one.replica.start();
  const message = { type: 'links', instanceNumber: all.length + 1, first: 1, links: all } as const;
  one.replica.receive(uid === 'A' ? 'B' : 'A', message);
  one.wait(200); // until it has been saved
  return one;
}

/** State files of A, B and C, which have read these links. */
function storedIn(t: TestContext, read: readonly (readonly Link[])[]): string {
  const directory = temporaryDirectory(t);
  for (const [index, all] of read.entries()) {
    const uid = UIDS[index] ?? '';
    const { saved } = storeAfter(uid, all);
    if (saved !== null) new JsonStateFile(directory, uid).save(saved);
  }
  return directory;
}

suite('Logs side by side', () => {
  test('are the same, and level', () => {
    const { isSame, isLevel, sentence } = compareLogs(UIDS.map((uid) => toldBy(uid, links(5))));
    assert.deepEqual([isSame, isLevel], [true, true]);
    assert.match(sentence, /^A, B, C have the same log and the same state: .* instance 6, digest /);
  });

  test('are the same, and one is behind', () => {
    assert.deepEqual(compareLogs([toldBy('A', links(5)), toldBy('B', links(3))]), {
      isSame: true,
      isLevel: false,
      sentence: 'A, B have told nothing different, but B at 4 is behind 6',
    });
  });

  test('differ in the first link that is another one', () => {
    const other = [...links(2), link(7, 'set k "x y"'), link(8)];
    assert.deepEqual(compareLogs([toldBy('A', links(4)), toldBy('B', other)]), {
      isSame: false,
      isLevel: false,
      sentence:
        'in instance 3 A has "add n 3" (A-00000000-3), ' +
        'and B has "set k \\"x y\\"" (A-00000000-7)',
    });
  });

  test('differ in what was made of them, even if one has told it later', () => {
    const [one, other] = [toldBy('A', links(4)), toldBy('B', links(4))];
    other.observe({
      event: 'apply',
      instanceNumber: 4,
      requests: [null],
      answers: ['11'],
      digest: '01234567',
    });
    const { isSame, sentence } = compareLogs([one, other]);
    assert.equal(isSame, false);
    assert.match(sentence, /^the state before instance 5 is [0-9a-f]{8} at A, and 01234567 at B$/);
  });

  test('differ if a server says two things of one instance', () => {
    const log = toldBy('A', links(4));
    const digest = '01234567';
    log.observe({ event: 'advance', instanceNumber: 3, link: link(9), chain: null, digest });
    const { isSame, sentence } = compareLogs([log, toldBy('B', links(4))]);
    assert.equal(isSame, false);
    assert.match(sentence, /^A says that in instance 2 was once "add n 2" .*, and once "add n 9" /);
  });
});

suite('npm run check -- --store', () => {
  test('compares state files, and lets one that is behind read on', (t) => {
    const level = compareLogFiles([storedIn(t, [links(5), links(5), links(5)])]);
    assert.match(level.sentence, /^A, B, C have the same log and the same state/);
    const late = compareLogFiles([storedIn(t, [links(5), links(2), links(5)])]);
    assert.equal(late.sentence, 'A, B, C have told nothing different, but B at 3 is behind 6');
    const other = [...links(4), link(7)];
    const differ = compareLogFiles([storedIn(t, [links(5), links(4), other])]);
    assert.match(differ.sentence, /^in instance 5 [AB] has "add n 5" .*, and C has "add n 7" /);
  });

  test('notices a state that its links do not make', (t) => {
    const directory = storedIn(t, [links(5), links(3)]);
    const { saved } = storeAfter('B', [link(1, 'add n 2'), ...links(3).slice(1)]);
    const { saved: right } = storeAfter('B', links(3));
    assert.ok(saved !== null && right !== null);
    const kept = { first: 4, blocks: [], links: [], snapshot: snapshotAfter(saved) };
    new JsonStateFile(directory, 'B').save({ ...right, kept });
    const { isSame, sentence } = compareLogFiles([directory]);
    assert.match(sentence, /^the state before instance [0-9]+ is .* at A, and .* at B$/);
    assert.equal(isSame, false);
  });

  test('compares the traces of a run with all its restarts and snapshots', async (t) => {
    const events: TraceEvent[] = [];
    const faults = ['loss', 'delay', 'duplication', 'crashes', 'stops'] as const;
    runSchedule(drawSchedule(7, 3, 60, faults), { leases: false, store: true }, (event) => {
      events.push(event);
    });
    const directory = temporaryDirectory(t);
    for (const uid of UIDS) {
      const lines = events.filter(({ server }) => server === uid).map((it) => JSON.stringify(it));
      writeFileSync(join(directory, `${uid}.ndjson`), `${lines.join('\n')}\n`);
    }
    const { code, stdout, stderr } = await run('src/programs/check/check.ts', '--store', directory);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^A, B, C have the same log and the same state: /);
  });

  test('says what it cannot compare', async (t) => {
    const directory = temporaryDirectory(t);
    const stateless = await run('src/programs/check/check.ts', '--store', directory);
    assert.deepEqual(
      [stateless.code, stateless.stderr],
      [1, 'error: logs are compared, and there are not two of them here\n'],
    );
    writeFileSync(join(directory, 'A.json'), '{"uid":"A"}');
    assert.throws(() => compareLogFiles([directory]), /A\.json cannot be used: /);
    assert.throws(() => compareLogFiles([join(directory, 'b')]), /b cannot be read: /);
    writeFileSync(join(directory, 'A.mark'), '');
    assert.throws(() => compareLogFiles([join(directory, 'A.mark')]), /is neither a trace nor/);
  });
});

/** Of the state that this server has come to. */
function snapshotAfter(saved: { readonly kept?: unknown }): unknown {
  const restored = new OneReplica(StoreReplica, ['B', 'A', 'C'], saved as OneReplica['saved']);
  restored.replica.start();
  const { replica } = restored as unknown as { replica: { takeSnapshot(): SnapshotSource } };
  return new SnapshotWriter(replica.takeSnapshot(), MAX_PART).write(Number.POSITIVE_INFINITY);
}
