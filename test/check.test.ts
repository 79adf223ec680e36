import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { readTraces } from '../src/programs/common/read-traces.ts';
import { run as runSchedule } from '../src/simulation/run.ts';
import { drawSchedule } from '../src/simulation/schedule.ts';
import type { TraceEvent } from '../src/trace/events.ts';
import { Invariants } from '../src/trace/invariants.ts';
import { mergeTraces } from '../src/trace/merge.ts';
import { HandMadeRun, id, UIDS, update } from './hand-made-run.ts';
import { type Exit, run, temporaryDirectory } from './processes.ts';

const X = update('x');

function afterX(): HandMadeRun {
  return new HandMadeRun().startAll().ask('A', X).round(id(2, 'A'), X);
}

/** What each server of a simulated run has told, with crashes, losses and leases in it. */
function simulatedTraces(): TraceEvent[][] {
  const faults = ['loss', 'delay', 'duplication', 'crashes', 'stops'] as const;
  const events: TraceEvent[] = [];
  const schedule = drawSchedule(7, UIDS.length, 30, faults);
  const { violation } = runSchedule(schedule, { leases: true }, (event) => events.push(event));
  assert.equal(violation, null);
  return split(events);
}

function split(events: readonly TraceEvent[]): TraceEvent[][] {
  return UIDS.map((uid) => events.filter(({ server }) => server === uid));
}

function write(t: TestContext, texts: readonly string[]): string[] {
  const directory = temporaryDirectory(t);
  return texts.map((text, index) => {
    const path = join(directory, `${'abc'[index]}.ndjson`);
    writeFileSync(path, text);
    return path;
  });
}

function writeTraces(t: TestContext, traces: readonly (readonly TraceEvent[])[]): string[] {
  return write(t, traces.map(asText));
}

function asText(events: readonly TraceEvent[]): string {
  return events.map((event) => `${JSON.stringify(event)}\n`).join('');
}

function check(...args: readonly string[]): Promise<Exit> {
  return run('src/programs/check/check.ts', ...args);
}

suite('npm run check', () => {
  test('finds nothing wrong in a run that keeps all rules', async (t) => {
    const { code, stdout, stderr } = await check('--healed', ...writeTraces(t, simulatedTraces()));
    assert.equal(stderr, '');
    assert.match(stdout, /^[0-9]+ events of A, B, C: all twelve invariants hold\n$/);
    assert.equal(code, 0);
  });

  test('names the invariant, the place and the event that violates it', async (t) => {
    const made = afterX().ask('B', update('y\u202e', 'B'));
    made.sayUpdate('B', 'chosen', update('y\u202e', 'B'), -1);
    const paths = writeTraces(t, split(made.events));
    const { code, stdout } = await check(...paths);
    const [first, second, third] = stdout.split('\n');
    assert.equal(
      first,
      'invariant 9 is violated. No answer is a lie: ' +
        'an update answered as chosen is in the chain, exactly once',
    );
    const line = split(made.events)[1]?.length;
    const place = 'server B, instance 2, at 00:00.0';
    assert.ok(second?.startsWith(`  ${paths[1]}:${line}: ${place}`), second);
    assert.match(second ?? '', /[0-9]{2}: update$/);
    assert.equal(third, '  the chain does not have it, or not that often');
    assert.equal(code, 1);
  });

  test('says when servers that still run are not level, if the run ended in peace', async (t) => {
    const made = new HandMadeRun().startAll().ask('A', X).round(id(2, 'A'), X, ['A', 'B']);
    const paths = writeTraces(t, split(made.events));
    assert.match((await check(...paths)).stdout, /: all invariants but 10 hold\n$/);
    const { code, stdout } = await check('--healed', ...paths);
    assert.match(stdout, /^invariant 10 is violated/);
    assert.match(stdout, /at the end A at instance 2 and C at 1 are not level/);
    assert.equal(code, 1);
  });

  test('says what it leaves out where a trace is missing', async (t) => {
    const [a = '', , c = ''] = writeTraces(t, simulatedTraces());
    const { code, stdout } = await check(a, c);
    assert.match(stdout, /^note: there is no trace of B: 1, 2, 3 and 9 are checked only in part\n/);
    assert.match(stdout, /[0-9]+ events of A, C: all invariants but 10 hold\n$/);
    assert.equal(code, 0);
  });

  test('goes on over the half line of a killed server, and says so', async (t) => {
    const [a, b, c] = split(afterX().events).map(asText);
    const paths = write(t, [a ?? '', b ?? '', `${c}{"at":99,"server":"C","tu`]);
    const { code, stdout } = await check(...paths);
    assert.match(stdout, /^note: .*c\.ndjson:[0-9]+ is not a whole line: its server was killed/);
    assert.match(stdout, /: all invariants but 10 hold\n$/);
    assert.equal(code, 0);
  });

  test('checks what clients were told', async (t) => {
    const schedule = drawSchedule(3, UIDS.length, 30, []);
    const { history } = runSchedule(schedule, { leases: false });
    const asLines = (lines: readonly unknown[]) =>
      lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    const [path = ''] = write(t, [`${asLines(history)}{"client":`]);
    const right = await check('--history', path);
    assert.equal(right.stderr, '');
    assert.match(right.stdout, /^note: .*a\.ndjson:[0-9]+ is not a whole line: its client was/);
    const [, size = ''] = right.stdout.split('\n');
    assert.match(
      size,
      /^[0-9]+ operations of [0-9]+ clients \([0-9]+ answered, [0-9]+ unknown\): /,
    );
    assert.match(right.stdout, /: the answers are those of one register\n$/);
    assert.equal(right.code, 0);

    const atLastMs = 1 + Math.max(...history.map((one) => one.return ?? one.call));
    const ok = { outcome: 'ok', call: atLastMs, return: atLastMs + 1 } as const;
    const lie = { client: 'c\u202e', op: 'read', value: null, ...ok } as const;
    const [wrongPath = '', more = ''] = write(t, [asLines(history), asLines([lie])]);
    const wrong = await check('--history', wrongPath, more);
    assert.match(
      wrong.stdout,
      /: the answers are not those of one register\ninvariant 9 is violated\. No answer is a lie: /,
    );
    assert.match(wrong.stdout, /\n {2}the read of nothing by c\\u202e \[.* cannot come after the /);
    assert.equal(wrong.code, 1);
  });

  test('ends with one sentence about a history that it cannot use', async (t) => {
    const [notJson = '', noOperation = ''] = write(t, ['{"client":\n{}\n', '{"client":"c"}\n']);
    const bad = await check('--history', notJson);
    assert.equal(bad.stderr, `error: ${notJson}:1 is not JSON\n`);
    assert.equal(bad.code, 1);
    const worse = await check('--history', noOperation);
    const why = 'op is neither "write" nor "read"';
    assert.equal(
      worse.stderr,
      `error: ${noOperation}:1 is not an operation of a history: ${why}\n`,
    );
    assert.equal(worse.code, 1);
  });

  test('ends with one sentence about what it cannot use', async (t) => {
    const [path = ''] = write(t, ['{"at":1\n{}\n']);
    const bad = await check(path);
    assert.equal(bad.stderr, `error: ${path}:1 is not JSON\n`);
    assert.equal(bad.code, 1);

    const none = await check();
    assert.match(none.stderr, /^error: missing required argument 'traces'; see --help\n$/);
    assert.equal(none.code, 2);
  });

  test('ends with one sentence about an event that lacks what its kind must have', async (t) => {
    const [path = ''] = write(t, [
      `${asText(afterX().events)}{"at":99,"server":"A","turn":9,"event":"save"}\n`,
    ]);
    const line = afterX().events.length + 1;
    const { code, stderr } = await check(path);
    assert.equal(
      stderr,
      `error: ${path}:${line} is not an event of a trace: of its "save" instanceNumber is missing` +
        '\n',
    );
    assert.equal(code, 1);
  });
});

suite('The reader of traces', () => {
  const start = asText(new HandMadeRun(['A']).startAll().events);

  const refused: readonly [string, string, RegExp][] = [
    ['a line that is not JSON', `${start}\nhello\n`, /a\.ndjson:3 is not JSON$/],
    ['a half line in the middle', `${start}{"at":\n${start}x\n`, /a\.ndjson:4 is not JSON$/],
    ['a half line before anything but a start', `{"at":\n{"at":2}\n`, /:1 is not JSON$/],
    ['a line that is no object', 'null\n', /:1 is not an event of a trace: it is not an object$/],
    [
      'an event without a time',
      '{"at":"1"}\n',
      /:1 .*: at, its time, is not a number of milliseconds$/,
    ],
    ['an event without a server', '{"at":1}\n', /:1 .*: server is not a name$/],
    ['an event without a turn', '{"at":1,"server":"A"}\n', /:1 .*: turn is not a whole number$/],
    ['an event without a kind', '{"at":1,"server":"A","turn":1}\n', /:1 .*: event is not a name$/],
    [
      'a message to nobody',
      `${start}{"at":1,"server":"A","turn":1,"event":"send"}\n`,
      /:2 .*: of its "send" to is missing$/,
    ],
    [
      'a trace without its beginning',
      '{"at":1,"server":"A","turn":1,"event":"stop"}\n',
      /:1: the start of server A is missing before this event$/,
    ],
  ];
  for (const [what, text, sentence] of refused) {
    test(`refuses ${what}`, (t) => {
      assert.throws(() => readTraces(write(t, [text])), sentence);
    });
  }

  test('refuses two traces of one server', (t) => {
    const paths = write(t, [start, start]);
    assert.throws(() => readTraces(paths), /b\.ndjson:1: server A has another trace, too$/);
  });

  test('refuses a file that is not there', (t) => {
    const missing = join(temporaryDirectory(t), 'none.ndjson');
    assert.throws(() => readTraces([missing]), /the trace .*none\.ndjson cannot be read: no such/);
  });

  test('remarks that a trace seems to be of another run: its time is that of no other', (t) => {
    const traces = simulatedTraces();
    const lateBy = (ms: number, trace: readonly TraceEvent[] = []) =>
      trace.map((event) => ({ ...event, at: event.at + ms }));
    assert.deepEqual(readTraces(writeTraces(t, traces)).remarks, []);
    const day = 86_400_000;
    const [a = [], b = [], c = []] = traces;
    const [one] = readTraces(writeTraces(t, [a, lateBy(day, b), c])).remarks;
    assert.match(
      one ?? '',
      /^the time of \S+b\.ndjson is in no other trace: are all of one run\?$/,
    );
    const { remarks } = readTraces(writeTraces(t, [a, lateBy(day, b), []]));
    assert.equal(remarks.length, 1);
    assert.match(remarks[0] ?? '', /^the time of \S+a\.ndjson, \S+b\.ndjson is in no other/);
    assert.deepEqual(readTraces(writeTraces(t, [a, []])).remarks, []);
  });

  test('leaves out a half line before the next start', (t) => {
    const { events, remarks } = readTraces(write(t, [`${start}{"at":\n${start}`]));
    assert.equal(events.length, 2);
    assert.equal(remarks.length, 1);
  });

  test('says of a trace that an older version wrote that it is one', (t) => {
    const [event] = new HandMadeRun(['A']).startAll().events;
    const { uids: _, ...older } = event as TraceEvent & { event: 'start' };
    const [path = ''] = write(t, [`${JSON.stringify(older)}\n`]);
    assert.throws(() => readTraces([path]), /:1 is of an older form: read this trace with the ver/);
  });

  test('refuses a server that is not in the cluster', (t) => {
    const stranger = new HandMadeRun(['A', 'B']).startAll().sendPrepare('A', id(2, 'A'));
    const [a = '', b = ''] = split(stranger.events).map(asText);
    const alone = a.replaceAll('"uids":["A","B"]', '"uids":["A"]');
    assert.throws(
      () => readTraces(write(t, [alone])),
      /:2 speaks of server B, and the cluster is A$/,
    );
    assert.equal(readTraces(write(t, [alone, b])).events.length, 3);
  });
});

suite('Merging traces', () => {
  const isWhole = (merged: readonly TraceEvent[], traces: readonly (readonly TraceEvent[])[]) =>
    assert.deepEqual(split(merged), traces);

  test('goes by time, and keeps the order of each trace', () => {
    const traces = simulatedTraces();
    const merged = mergeTraces(traces);
    isWhole(merged, traces);
    for (const [index, { at }] of merged.entries()) assert.ok(at >= (merged[index - 1]?.at ?? 0));
  });

  test('lets nothing arrive before it was sent, though a clock is wrong', () => {
    const traces = simulatedTraces().map((trace, index) =>
      trace.map((event) => ({ ...event, at: event.at + 300 * index })),
    );
    const merged = mergeTraces(traces);
    isWhole(merged, traces);
    const invariants = new Invariants(UIDS);
    for (const event of merged) assert.equal(invariants.observe(event), null);
  });

  test('comes to an end where what arrives is sent later in the same trace', () => {
    const [a = [], b = []] = split(afterX().events);
    const message = { type: 'sync_request', instanceNumber: 2, digest: '01234567' } as const;
    const heard = { event: 'receive', from: 'B', seq: 99, message } as const;
    const sent = { event: 'send', to: ['B'], seq: 99, message } as const;
    const stamp = { at: 99, turn: 99 };
    // Each server hears what the other one says only afterwards: no order is right.
    const one = [...a, { ...stamp, server: 'A', ...heard }, { ...stamp, server: 'A', ...sent }];
    const other: TraceEvent[] = [
      ...b,
      { ...stamp, server: 'B', ...heard, from: 'A' },
      { ...stamp, server: 'B', ...sent, to: ['A'] },
    ];
    assert.equal(mergeTraces([one, other]).length, one.length + other.length);
  });
});
