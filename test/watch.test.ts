/** Traces that grow, followed: what comes in which order, and what is shown of it. */
import assert from 'node:assert/strict';
import { appendFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { LiveRun } from '../src/diagram/live-run.ts';
import {
  type Changes,
  changesIn,
  type LiveView,
  NOTHING_SEEN,
  viewOf,
  viewWithoutRun,
} from '../src/diagram/live-view.ts';
import { diagramOf } from '../src/diagram/model.ts';
import { pageOf } from '../src/diagram/page.ts';
import { TraceFile } from '../src/node/trace-file.ts';
import { FollowedTraces } from '../src/programs/watch/followed-traces.ts';
import { LiveServer } from '../src/programs/watch/live-server.ts';
import { Random } from '../src/simulation/random.ts';
import type { TraceEvent } from '../src/trace/events.ts';
import { mergeTraces } from '../src/trace/merge.ts';
import { eventsOfStory, simulatedEvents } from './drawn-runs.ts';
import { HandMadeRun, id, update } from './hand-made-run.ts';
import { Program, run, temporaryDirectory } from './processes.ts';

const WATCH = 'src/programs/watch/watch.ts';
const UIDS = ['A', 'B', 'C'];

function lineOf(event: TraceEvent): string {
  return `${JSON.stringify(event)}\n`;
}

/** Who follows some files, and what he has got since the last beginning. */
class Reader {
  events: TraceEvent[] = [];
  traced: readonly string[] = [];
  uids: readonly string[] = [];
  begun = 0;
  readonly notes: string[] = [];
  readonly leftOut: string[] = [];
  readonly traces: FollowedTraces;

  constructor(t: TestContext, paths: readonly string[], now?: () => number) {
    const begin = (uids: readonly string[], traced: readonly string[]) => {
      this.begun += 1;
      this.events = [];
      this.uids = uids;
      this.traced = traced;
    };
    const take = (event: TraceEvent) => this.events.push(event);
    const note = (sentence: string) => this.notes.push(sentence);
    const leaveOut = (sentence: string) => this.leftOut.push(sentence);
    this.traces = new FollowedTraces(paths, { begin, take, note, leaveOut }, now);
    t.after(() => this.traces.close());
  }

  readOn(): this {
    while (this.traces.readOn(100));
    return this;
  }
}

function filesIn(t: TestContext): string[] {
  const directory = temporaryDirectory(t);
  return UIDS.map((uid) => join(directory, `${uid}.ndjson`));
}

suite('Traces that grow', () => {
  test('are read in the order in which all happened, whatever is written when', (t) => {
    const events = simulatedEvents(3, 10);
    const paths = filesIn(t);
    let nowMs = 0;
    const reader = new Reader(t, paths, () => nowMs);
    const random = new Random(1, 'watch');
    for (const event of events) {
      const path = paths[UIDS.indexOf(event.server)] ?? '';
      const line = lineOf(event);
      const half = random.below(line.length);
      nowMs = event.at;
      appendFileSync(path, line.slice(0, half));
      if (random.chance(0.3)) reader.readOn();
      appendFileSync(path, line.slice(half));
    }
    nowMs += 1_000;
    reader.readOn();
    const traces = UIDS.map((uid) => events.filter(({ server }) => server === uid));
    assert.deepEqual(reader.events, mergeTraces(traces));
    assert.deepEqual([reader.uids, reader.traced], [UIDS, UIDS]);
  });

  test('an event waits a moment for what another trace may still tell', (t) => {
    const events = new HandMadeRun().startAll().ask('A', update('x')).events;
    const [a = '', b = ''] = filesIn(t);
    let nowMs = 10_000;
    const reader = new Reader(t, [a, b], () => nowMs);
    const [first, second] = events.filter(({ server }) => server !== 'C');
    assert.ok(first !== undefined && second !== undefined);
    writeFileSync(b, lineOf({ ...second, at: nowMs }));
    assert.deepEqual(reader.readOn().events, []);
    writeFileSync(a, lineOf({ ...first, at: nowMs - 1 }));
    nowMs += 500;
    const servers = reader.readOn().events.map(({ server }) => server);
    assert.deepEqual(servers, [first.server, second.server]);
  });

  test('a file that does not exist is waited for, and half a line too', (t) => {
    const { events } = new HandMadeRun(['A']).startAll().ask('A', update('x'));
    const path = filesIn(t)[0] ?? '';
    const reader = new Reader(t, [path]);
    assert.deepEqual(reader.readOn().begun, 0);
    const text = events.map(lineOf).join('');
    writeFileSync(path, text.slice(0, 20));
    assert.equal(reader.readOn().begun, 0);
    appendFileSync(path, text.slice(20, -10));
    assert.deepEqual(reader.readOn().events, events.slice(0, -1));
    appendFileSync(path, text.slice(-10));
    assert.deepEqual(reader.readOn().events, events);
    assert.deepEqual([reader.begun, reader.notes], [1, []]);
  });

  test('a file that is cut short or replaced is begun anew, with a word', (t) => {
    const { events } = new HandMadeRun(['A']).startAll().ask('A', update('x'));
    const path = filesIn(t)[0] ?? '';
    writeFileSync(path, events.map(lineOf).join(''));
    const reader = new Reader(t, [path]).readOn();
    assert.equal(reader.events.length, events.length);
    writeFileSync(path, events.slice(0, 2).map(lineOf).join(''));
    assert.deepEqual(reader.readOn().events, events.slice(0, 2));
    assert.match(reader.notes[0] ?? '', /A\.ndjson was cut short: it is read from its beginning$/);

    rmSync(path);
    assert.deepEqual(reader.readOn().events, events.slice(0, 2));
    writeFileSync(path, events.map(lineOf).join(''));
    assert.deepEqual(reader.readOn().events, events);
    assert.match(reader.notes[1] ?? '', /A\.ndjson is another file now/);
    assert.equal(reader.notes.length, 2);
  });

  test('a trace that is moved away because it is large goes on in the new one', (t) => {
    const events = simulatedEvents(3, 20).filter(({ server }) => server === 'A');
    const path = filesIn(t)[0] ?? '';
    const reader = new Reader(t, [path]);
    const file = new TraceFile(path, 8_000);
    for (const event of events) {
      file.show(event);
      file.endTurn();
      if (event.turn % 5 === 0) reader.readOn();
    }
    reader.readOn();
    const told = reader.events.filter(({ event }) => event !== 'resume');
    assert.ok(told.length < reader.events.length, 'it was moved');
    assert.deepEqual(told, events);
    assert.deepEqual([reader.begun, reader.notes], [1, []]);
    renameSync(path, `${path}.2`);
    assert.deepEqual(reader.readOn().notes, []);
  });

  test('a server that turns up later is known from the beginning', (t) => {
    const { events } = new HandMadeRun().startAll();
    const paths = filesIn(t);
    const reader = new Reader(t, paths);
    for (const [index, path] of paths.entries()) {
      writeFileSync(path, lineOf(events[index] as TraceEvent));
      reader.readOn();
      assert.deepEqual(reader.events, events.slice(0, index + 1));
      assert.deepEqual([reader.uids, reader.traced], [UIDS, UIDS.slice(0, index + 1)]);
    }
  });

  test('what is no trace, or of two runs, is left out, with a sentence', (t) => {
    const paths = filesIn(t);
    const [a = '', b = ''] = paths;
    const { events } = new HandMadeRun().startAll().ask('A', update('x'));
    const text = events.map(lineOf).join('');
    for (const [inA, inB, why] of [
      ['hello\n', '', /A\.ndjson:1 is not JSON: this trace is left out as a whole/],
      ['{"at": 1}\n', '', /A\.ndjson:1 is not an event of a trace: .+: this trace is left out/],
      [text, text, /^both \S+A\.ndjson and \S+B\.ndjson are traces of A: this trace is left out/],
      [lineOf(events.at(-1) as TraceEvent), '', /A\.ndjson: the start of server A is missing: /],
    ] as const) {
      writeFileSync(a, inA);
      writeFileSync(b, inB);
      const reader = new Reader(t, [a, b]).readOn();
      assert.equal(reader.leftOut.length, 1);
      assert.match(reader.leftOut[0] ?? '', why);
      assert.deepEqual(reader.traces.leftOut, reader.leftOut);
    }
    const reader = new Reader(t, [temporaryDirectory(t), b]).readOn();
    assert.match(reader.leftOut[0] ?? '', /not a file: this trace is left out/);
  });

  test('the last trace that is left cannot be left out', (t) => {
    const [a = '', b = ''] = filesIn(t);
    for (const path of [a, b]) writeFileSync(path, 'hello\n');
    const message = /^\S+B\.ndjson:1 is not JSON$/;
    assert.throws(() => new Reader(t, [a, b]).readOn(), { message });
    assert.throws(() => new Reader(t, [temporaryDirectory(t)]).readOn(), { message: /not a file/ });
  });

  test('a trace with a bad line is left out as a whole, and the others are checked on', (t) => {
    const events = simulatedEvents(3, 30);
    const paths = filesIn(t);
    const of = (uid: string) => events.filter(({ server }) => server === uid).map(lineOf);
    for (const [index, uid] of UIDS.entries()) {
      const lines = of(uid);
      const half = Math.floor(lines.length / 2);
      const bad = uid === 'C' ? [...lines.slice(0, half), 'oops\n', ...lines.slice(half)] : lines;
      writeFileSync(paths[index] ?? '', bad.join(''));
    }
    const line = Math.floor(of('C').length / 2) + 1;
    const reader = new Reader(t, paths).readOn();
    const start = `C.ndjson:${line} is not JSON: this trace is left out as a whole`;
    assert.ok(reader.leftOut.length === 1 && reader.leftOut[0]?.includes(start), reader.leftOut[0]);
    const left = ['A', 'B'].map((uid) => events.filter(({ server }) => server === uid));
    assert.deepEqual(reader.events, mergeTraces(left));
    assert.deepEqual([reader.uids, reader.traced], [UIDS, ['A', 'B']]);
    const live = new LiveRun(reader.uids, reader.traced);
    assert.deepEqual(
      reader.events.map((event) => live.observe(event)).filter((it) => it !== null),
      [],
    );

    appendFileSync(paths[2] ?? '', of('C')[0] ?? '');
    assert.deepEqual(reader.readOn().traces.leftOut, reader.leftOut);
    rmSync(paths[2] ?? '');
    writeFileSync(paths[2] ?? '', of('C').join(''));
    assert.deepEqual(reader.readOn().traces.leftOut, []);
    assert.match(reader.notes.at(-1) ?? '', /C\.ndjson is another file now: it is read again$/);
    assert.equal(reader.events.length, events.length);
  });
});

suite('A run that goes on', () => {
  test('looks as if it had been drawn as a whole', () => {
    for (const name of ['02-duel', '11-lease-granted-renewed-handed-back']) {
      const events = eventsOfStory(name);
      const live = liveRunOf(events);
      assert.deepEqual(live.latest().diagram, diagramOf(events), name);
    }
  });

  test('keeps only the latest part, and says what went wrong before', () => {
    const run = new HandMadeRun().startAll();
    run.ask('A', update('x')).round(id(2, 'A'), update('x'));
    const wrong = { event: 'chosen', instanceNumber: 1, proposalId: id(2, 'A') } as const;
    run.tell('B', { ...wrong, value: update('y'), count: 2, servers: 3 });
    const live = new LiveRun(UIDS, UIDS, [], 100);
    const violated = run.events.flatMap((event) => live.observe(event)?.invariant ?? []);
    assert.deepEqual(violated, [2]);
    assert.equal(live.latest().diagram.violations.length, 1);

    for (let turn = 0; turn < 1_000; turn += 1) {
      live.observe({ ...run.last, turn: 1_000 + turn, event: 'timer', instanceNumber: 2, why: '' });
    }
    const { diagram, rowsBefore, earlier } = live.latest();
    assert.ok(diagram.rows.length <= 100 && rowsBefore > 0);
    assert.deepEqual([diagram.violations.length, earlier.length], [0, 1]);
    assert.equal(diagram.standings.find(({ uid }) => uid === 'A')?.standing.condition, 'idle');
    const news = viewOf(live.latest(), 'hello').parts['news'] ?? '';
    assert.match(news, /^hello\nBefore this part, invariant 2 is violated\. Stability: .*server B/);
  });

  test('rows keep their numbers when those before them go', () => {
    const events = simulatedEvents(3, 60);
    const rows = diagramOf(events, { uids: UIDS, traced: UIDS, violations: [] }).rows;
    const { diagram, rowsBefore } = liveRunOf(events, 400).latest();
    const last = diagram.rows.at(-1);
    assert.ok(rowsBefore > 100 && last !== undefined);
    assert.equal(last.atMs, rows.at(-1)?.atMs);
    // What is in flight when a part is let go has a row on both sides, or on none.
    const off = Math.abs(rowsBefore + diagram.rows.length - rows.length);
    assert.ok(off <= rows.length / 20, `${off} of ${rows.length}`);
  });

  test('what changes is what a browser lacks', () => {
    const events = simulatedEvents(3, 20);
    const live = new LiveRun(UIDS, UIDS, [], 300);
    const seen = new Seen();
    let view: LiveView = NOTHING_SEEN;
    for (const [index, event] of events.entries()) {
      live.observe(event);
      if (index % 37 !== 0) continue;
      const next = index === 0 ? viewWithoutRun('soon') : viewOf(live.latest(), '');
      const changes = changesIn(view, next);
      if (changes !== null) seen.take(changes);
      view = next;
      assert.deepEqual(withoutEmpty(seen), withoutEmpty(view));
    }
    assert.equal(changesIn(view, view), null);
  });

  test('a static page has the same pieces', () => {
    const events = eventsOfStory('02-duel');
    const page = pageOf(diagramOf(events));
    const { lists, parts } = viewOf(liveRunOf(events).latest(), '');
    for (const piece of [lists['arrows'], lists['lanes'], [parts['heads']]].flat()) {
      assert.ok(page.includes(String(piece)));
    }
  });
});

function liveRunOf(events: readonly TraceEvent[], most?: number): LiveRun {
  const live = new LiveRun(UIDS, UIDS, [], most);
  for (const event of events) live.observe(event);
  return live;
}

/** A view, put together from changes as a browser does. */
class Seen implements LiveView {
  readonly parts: Record<string, string> = {};
  readonly lists: Record<string, unknown[]> = {};

  take({ parts, lists }: Changes): void {
    Object.assign(this.parts, parts);
    for (const [name, { length, items }] of Object.entries(lists)) {
      this.lists[name] ??= [];
      const list = this.lists[name];
      for (const [place, item] of items) list[place] = item;
      list.length = length;
    }
  }
}

/** On a page, nothing is the same as what was never there. */
function withoutEmpty({ parts, lists }: LiveView) {
  const isFull = ([, it]: readonly [string, { readonly length: number }]) => it.length > 0;
  return [Object.entries(parts), Object.entries(lists)].map((entries) =>
    Object.fromEntries(entries.filter(isFull)),
  );
}

suite('The server of a live page', () => {
  test('serves a page that may ask nobody else, to this machine under its own name', async (t) => {
    const server = await serverFor(t);
    const page = await ask(server.address);
    assert.equal(page.status, 200);
    assert.match(page.text, /^<!doctype html>/);
    assert.match(String(page.policy), /^default-src 'none'; .*connect-src 'self'$/);
    assert.ok(page.text.includes(`content="${page.policy}"`));
    assert.equal((await ask(`${server.address}other`)).status, 404);
    assert.equal((await ask(server.address, { method: 'POST' })).status, 405);
    const headers = { host: 'attacker.example' };
    assert.equal((await ask(`${server.address}events`, { headers })).status, 403);
  });

  test('sends everything, then what changes, and later what was missed', async (t) => {
    const server = await serverFor(t);
    server.show(viewWithoutRun('one'));
    const first = new Events(server.address);
    const [everything] = await first.next(1);
    assert.equal(everything?.name, 'everything');
    assert.equal(everything?.data.parts.news, 'one');
    assert.ok(server.hasReaders);
    server.show(viewWithoutRun('two'));
    const [change] = await first.next(1);
    assert.deepEqual([change?.name, change?.data.parts], ['changes', { news: 'two' }]);
    first.close();

    server.show(viewWithoutRun('three'));
    server.show(viewWithoutRun('four'));
    const second = new Events(server.address, change?.id);
    const missed = await second.next(2);
    assert.deepEqual(
      missed.map(({ name, data }) => [name, data.parts.news]),
      [
        ['changes', 'three'],
        ['changes', 'four'],
      ],
    );
    second.close();

    for (const unknown of ['', 'hello', '00000000-1', `${change?.id}9`]) {
      const third = new Events(server.address, unknown);
      const [again] = await third.next(1);
      assert.deepEqual([again?.name, again?.data.parts.news], ['everything', 'four'], unknown);
      third.close();
    }
  });

  test('forgets what was sent long ago: who has missed that gets everything', async (t) => {
    const server = await serverFor(t);
    server.show(viewWithoutRun('one'));
    const first = new Events(server.address);
    const [everything] = await first.next(1);
    first.close();
    for (const letter of 'abc') server.show(viewWithoutRun(letter.repeat(1_900_000)));
    const second = new Events(server.address, everything?.id);
    assert.equal((await second.next(1))[0]?.name, 'everything');
    second.close();
  });

  test('says in a sentence that its port is taken', async (t) => {
    const port = Number(new URL((await serverFor(t)).address).port);
    const message = new RegExp(
      `^the page cannot be served at port ${port}: address already in use`,
    );
    await assert.rejects(LiveServer.open(port), { message });
  });
});

async function serverFor(t: TestContext): Promise<LiveServer> {
  const server = await LiveServer.open(0);
  t.after(() => server.close());
  return server;
}

/** Node's own `fetch` would not lie about the name of the host. */
function ask(address: string, options: { method?: string; headers?: Record<string, string> } = {}) {
  return new Promise<{ status: number | undefined; policy: unknown; text: string }>((done) => {
    const asked = request(address, options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (more) => {
        text += more;
      });
      const policy = response.headers['content-security-policy'];
      response.once('end', () => done({ status: response.statusCode, policy, text }));
    });
    asked.end();
  });
}

interface SentEvent {
  readonly id: string;
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: it is looked at, and no more
  readonly data: any;
}

/** Server-sent events, as a browser reads them. */
class Events {
  #text = '';
  #got: SentEvent[] = [];
  #wake: () => void = () => {};
  readonly #request: ReturnType<typeof request>;

  constructor(address: string, latest?: string) {
    const headers = latest === undefined ? {} : { 'last-event-id': latest };
    this.#request = request(`${address}events`, { headers }, (response) => {
      response.setEncoding('utf8').on('data', (text) => this.#read(text));
      response.on('error', () => {});
    });
    this.#request.on('error', () => {});
    this.#request.end();
  }

  async next(count: number): Promise<SentEvent[]> {
    while (this.#got.length < count) {
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
    }
    return this.#got.splice(0, count);
  }

  close(): void {
    this.#request.destroy();
  }

  #read(text: string): void {
    const blocks = (this.#text + text).split('\n\n');
    this.#text = blocks.pop() ?? '';
    for (const block of blocks) {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1] ?? '';
      if (field('event') === '') continue;
      this.#got.push({ id: field('id'), name: field('event'), data: JSON.parse(field('data')) });
    }
    this.#wake();
  }
}

suite('npm run watch', { concurrency: true }, () => {
  test('shows a run while it goes on, and ends with Ctrl-C', async (t) => {
    const [path = ''] = filesIn(t);
    const program = new Program(WATCH, [path]);
    t.after(() => program.signal('SIGKILL'));
    const address = await addressOf(program);
    const events = new Events(address);
    const run = new HandMadeRun().startAll();
    const text = () => run.events.map(lineOf).join('');
    writeFileSync(path, text());
    await untilRows(events, 3);
    run.ask('A', update('x')).round(id(2, 'A'), update('x'));
    writeFileSync(path, text());
    await untilRows(events, diagramOf(run.events).rows.length);
    program.signal('SIGINT');
    const { code, stderr } = await program.end();
    assert.deepEqual([code, stderr], [0, '']);
  });

  test('tells of a violation as soon as it is in the trace', async (t) => {
    const [path = ''] = filesIn(t);
    const run = new HandMadeRun().startAll();
    run.ask('A', update('x')).round(id(2, 'A'), update('x'));
    const wrong = { event: 'chosen', instanceNumber: 1, proposalId: id(2, 'A') } as const;
    run.tell('B', { ...wrong, value: update('y'), count: 2, servers: 3 });
    const program = new Program(WATCH, [path]);
    t.after(() => program.signal('SIGKILL'));
    await addressOf(program);
    writeFileSync(path, run.events.map(lineOf).join(''));
    await untilSaid(program, /^invariant 2 is violated\. Stability/m);
    program.signal('SIGTERM');
    assert.equal((await program.end()).code, 0);
  });

  test('says of whom nothing is heard, which whoever is killed cannot say itself', async (t) => {
    const [path = ''] = filesIn(t);
    const run = new HandMadeRun().startAll();
    run.tell('A', { event: 'stop' });
    const program = new Program(WATCH, [path]);
    t.after(() => program.signal('SIGKILL'));
    const events = new Events(await addressOf(program));
    const agoMs = Date.now() - 60_000;
    writeFileSync(path, run.events.map((it) => lineOf({ ...it, at: agoMs + it.at })).join(''));
    let news = '';
    while (news === '') {
      const [sent] = await events.next(1);
      news = sent?.data.parts?.news ?? '';
    }
    const silent = 'nothing heard of B, C for 25 s: killed, paused, or without its trace.';
    assert.equal(news, silent);
  });

  test('what cannot be followed is told in a sentence, here and on the page', async (t) => {
    const [path = ''] = filesIn(t);
    const program = new Program(WATCH, [path]);
    t.after(() => program.signal('SIGKILL'));
    const events = new Events(await addressOf(program));
    await events.next(1);
    writeFileSync(path, 'hello\n');
    let last: SentEvent | undefined;
    do [last] = await events.next(1);
    while (last?.name !== 'end');
    assert.match(last.data, /^It ended: \S+A\.ndjson:1 is not JSON\.$/);
    const { code, stderr } = await program.end();
    assert.equal(code, 1);
    assert.match(stderr, /^error: \S+A\.ndjson:1 is not JSON\n$/);
  });

  test('bad usage is told in a sentence', async () => {
    for (const [args, why] of [
      [[], /^error: missing required argument 'traces'; see --help\n$/],
      [['a', 'a'], /^error: a trace is given twice\n$/],
      [['a', '--port', '70000'], /^error: --port must be/],
    ] as const) {
      const { code, stderr } = await run(WATCH, ...args);
      assert.equal(code, 2);
      assert.match(stderr, why);
    }
    const help = await run(WATCH, '--help');
    assert.match(help.stdout, /Examples:\n {2}npm run watch -- a\.ndjson/);
  });
});

async function untilSaid(program: Program, pattern: RegExp): Promise<string> {
  const found = () => pattern.exec(program.stdout);
  await new Promise<void>((said) => {
    program.onText(() => found() !== null && said());
    if (found() !== null) said();
    void program.exited.then(() => said());
  });
  const [text] = found() ?? assert.fail(`it said ${program.stdout}${program.stderr}`);
  return text;
}

async function addressOf(program: Program): Promise<string> {
  return (await untilSaid(program, /http:\S+/)).trim();
}

async function untilRows(events: Events, rows: number): Promise<void> {
  for (;;) {
    const [event] = await events.next(1);
    if (event?.data.lists.rows?.length === rows) return;
  }
}
