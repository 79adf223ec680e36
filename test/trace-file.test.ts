import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { EMPTY_CHAIN } from '../src/chain.ts';
import { UNTOUCHED } from '../src/composable-paxos.ts';
import { readServerOptions } from '../src/node/server-options.ts';
import { noteKill, TraceFile } from '../src/node/trace-file.ts';
import { checkTraces } from '../src/programs/check/traces.ts';
import { readTraces, TraceStream } from '../src/programs/common/read-traces.ts';
import { TraceReader } from '../src/programs/common/trace-reader.ts';
import { run } from '../src/simulation/run.ts';
import { drawSchedule } from '../src/simulation/schedule.ts';
import type { TraceEvent } from '../src/trace/events.ts';
import { UIDS } from './hand-made-run.ts';
import { temporaryDirectory } from './processes.ts';

const EVENT: TraceEvent = { at: 1, server: 'A', turn: 1, event: 'stop' };
const LINE = `${JSON.stringify(EVENT)}\n`;

function fileIn(t: TestContext): string {
  return join(temporaryDirectory(t), 'a.ndjson');
}

test('events are appended, and half a line that a killed server left stays by itself', (t) => {
  const path = fileIn(t);
  for (const [before, after] of [
    ['', LINE],
    [LINE, LINE + LINE],
    [`${LINE}{"at":2,"ser`, `${LINE}{"at":2,"ser\n${LINE}`],
  ] as const) {
    writeFileSync(path, before);
    new TraceFile(path).show(EVENT);
    assert.equal(readFileSync(path, 'utf8'), after);
  }
});

test('of a server that was killed somebody else writes down that, once', (t) => {
  const path = fileIn(t);
  noteKill(path, 'A', 5);
  assert.ok(!existsSync(path));
  const timer = { at: 9, server: 'A', turn: 7, event: 'reject', from: 'ü', why: '' };
  const line = `${JSON.stringify(timer)}\n`;
  const crash = '{"at":9,"server":"A","turn":8,"event":"crash","where":"now","lost":null}\n';
  for (const [before, after] of [
    ['', ''],
    ['{"at":2,"ser', '{"at":2,"ser'],
    [LINE, LINE],
    [line, line + crash],
    [`${LINE}${line}{"at":9,"ser`, `${LINE}${line}{"at":9,"ser\n${crash}`],
    [line + crash, line + crash],
  ] as const) {
    writeFileSync(path, before);
    noteKill(path, 'A', 5);
    assert.equal(readFileSync(path, 'utf8'), after);
    const { length } = new TraceReader(path).read();
    assert.equal(length, after.split('\n').filter((text) => text.endsWith('}')).length);
  }
});

test('a writer may be killed at any byte, twice over: all readers read the same', (t) => {
  const path = fileIn(t);
  const state = {
    uid: 'A',
    members: ['A'],
    instanceNumber: 1,
    votesFrom: 1,
    ...EMPTY_CHAIN,
    ...UNTOUCHED,
  };
  const begun = { uids: ['A'], layers: ['Base'], restored: false, state };
  const start: TraceEvent = { at: 1, server: 'A', turn: 1, event: 'start', ...begun };
  const said = { event: 'reject', from: 'ü', why: '"\n' } as const;
  const timer: TraceEvent = { at: 2, server: 'A', turn: 2, ...said };
  const write = () => {
    const file = new TraceFile(path);
    for (const event of [start, timer]) file.show(event);
  };
  write();
  const bytes = readFileSync(path);
  const wholeLines = (length: number) =>
    bytes.subarray(0, length).toString().split('\n').length - 1;
  for (let killed = 0; killed <= bytes.length; killed += 1) {
    writeFileSync(path, bytes.subarray(0, killed));
    const isEnded = killed > 0 && bytes[killed - 1] !== 10;
    const before = wholeLines(isEnded ? killed + 1 : killed); // a line may lack its end only
    // The next run is killed, too: before its first line, and in the middle of it.
    const ended = readFileSync(path).length + (isEnded ? 1 : 0);
    for (const more of [0, 1, 40]) {
      writeFileSync(path, bytes.subarray(0, killed));
      write();
      truncateSync(path, ended + more);
      write();
      const expected: readonly TraceEvent[] = [...[start, timer].slice(0, before), start, timer];
      assert.deepEqual(new TraceReader(path).read(), expected, `${killed} and ${more}`);
      assert.deepEqual(readTraces([path]).events, expected, `${killed} and ${more}`);
    }
  }
});

test('a reader that follows a trace reads on over the half line of a killed server', (t) => {
  const path = fileIn(t);
  new TraceFile(path).show({ ...EVENT, event: 'fail', why: 'first' });
  const reader = new TraceReader(path);
  assert.equal(reader.read().length, 1);
  writeFileSync(path, `${readFileSync(path, 'utf8')}{"at":7,"se`);
  assert.equal(reader.read().length, 1);
  new TraceFile(path).show({ ...EVENT, event: 'fail', why: 'again' });
  assert.equal(reader.read().length, 2);
});

test('a trace at its limit is moved away, and what begins then can be checked', (t) => {
  const directory = temporaryDirectory(t);
  const paths = UIDS.map((uid) => join(directory, `${uid}.ndjson`));
  const mostBytes = 20_000;
  const files = paths.map((path) => new TraceFile(path, mostBytes));
  const whole: TraceEvent[] = [];
  const schedule = drawSchedule(7, UIDS.length, 120, ['loss', 'delay', 'crashes']);
  run(schedule, { leases: true }, (event) => {
    const file = files[UIDS.indexOf(event.server)];
    const last = whole.findLast(({ server }) => server === event.server);
    if (last !== undefined && last.turn !== event.turn) file?.endTurn();
    whole.push(event);
    file?.show(event);
  });
  const stream = new TraceStream(paths);
  const { uids, traced, resumed } = stream;
  const recorded = { uids, traced, resumed, events: stream.events() };
  const { events, violation } = checkTraces(recorded, true);
  assert.ok(resumed.length > 0);
  assert.equal(violation, null);
  assert.ok(events < whole.length / 2 && events > 100, `${events} of ${whole.length}`);
  for (const path of paths) {
    assert.ok(existsSync(`${path}.1`));
    assert.ok(statSync(path).size < 2 * mostBytes);
    assert.equal(JSON.parse(readFileSync(path, 'utf8').split('\n')[0] ?? '').event, 'resume');
  }
  // What was moved away is read first; without it, the file is read from its own beginning.
  const longer = readTraces([paths[0] ?? '']).events.length;
  writeFileSync(`${paths[0]}.1`, '');
  assert.ok(readTraces([paths[0] ?? '']).events.length < longer);
});

test('--trace-limit is a number of megabytes of the trace', () => {
  const options = (...args: readonly string[]) => readServerOptions(['A', ...args]);
  assert.equal(options('--trace', 'a.ndjson').traceLimitBytes, Number.POSITIVE_INFINITY);
  assert.equal(options('--trace', 'a.ndjson', '--trace-limit', '5').traceLimitBytes, 5_000_000);
  assert.throws(() => options('--trace-limit', '5'), /^Error: --trace-limit is of use only/);
  assert.throws(() => options('--trace', 'a', '--trace-limit', '0'), /must be a whole number/);
});
