/**
 * The space-time diagram: what becomes of the events of a run, without a browser. The pictures
 * in `diagrams/*.svg` are written anew with `REWRITE=1`; look at them before you believe them.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import type { Uid } from '../src/composable-paxos.ts';
import { type Diagram, diagramOf, type Row } from '../src/diagram/model.ts';
import { pageOf } from '../src/diagram/page.ts';
import { literalPaints, MOST_HUES, THEMES } from '../src/diagram/palette.ts';
import { defaultWindow, MOST_ROWS, noticeOf, svgOf } from '../src/diagram/picture.ts';
import { fitLine, fitWords, textOf, widthOf, wrap } from '../src/diagram/text.ts';
import type { PeerMessage } from '../src/messages.ts';
import { pieceOf } from '../src/programs/common/piece-of-traces.ts';
import { readTraces, TraceStream } from '../src/programs/common/read-traces.ts';
import { contrast, leastDistanceWithin } from './colour-vision.ts';
import { eventsOfStory, STORY_NAMES, simulatedEvents } from './drawn-runs.ts';
import { HandMadeRun, id, update } from './hand-made-run.ts';
import { type Exit, run, temporaryDirectory } from './processes.ts';

const X = update('x');
const NASTY = '</text></script><script>alert(1)</script>&"\'\u001b[2J\u202e\uffff';

function prepare(number: number): PeerMessage {
  return { type: 'prepare', instanceNumber: 1, proposalId: id(number, 'A') };
}

/** A and B run; their lives can be told. */
function twoServers(): HandMadeRun {
  return new HandMadeRun(['A', 'B']).startAll();
}

/** Arrows in short: `A2>B4 prepare arrived`, from row 2 of A to row 4 of B. */
function arrowsOf({ arrows }: Diagram): string[] {
  return arrows.map(({ from, fromRow, to, toRow, type, end }) => {
    return `${from ?? 'client'}${fromRow}>${to}${toRow} ${type} ${end}`;
  });
}

function wordsOf({ phrases }: Row): string {
  return phrases.map(({ words }) => textOf(words, 40)).join('; ');
}

function rowSaying(diagram: Diagram, words: RegExp): Row {
  const row = diagram.rows.find((candidate) => words.test(wordsOf(candidate)));
  assert.ok(row, `no row says ${words}: ${diagram.rows.map(wordsOf).join(' | ')}`);
  return row;
}

/** In which conditions a server is, one after the other. */
function conditionsOf({ stretches }: Diagram, uid: Uid): string[] {
  return stretches.filter((it) => it.uid === uid).map(({ condition }) => condition);
}

suite('A diagram as a picture', () => {
  for (const name of STORY_NAMES) {
    test(`of story ${name}, light and dark`, () => {
      const diagram = diagramOf(eventsOfStory(name));
      for (const theme of ['light', 'dark'] as const) {
        const file = new URL(`diagrams/${name}-${theme}.svg`, import.meta.url);
        const svg = svgOf(diagram, THEMES[theme]);
        if (process.env['REWRITE'] === '1') writeFileSync(file, svg);
        else assert.equal(svg, readFileSync(file, 'utf8'));
      }
    });
  }

  test('is there for each of these stories, and for no other', () => {
    const expected = STORY_NAMES.flatMap((name) => [`${name}-dark.svg`, `${name}-light.svg`]);
    const pictures = readdirSync(new URL('diagrams/', import.meta.url));
    assert.deepEqual(pictures.toSorted(), expected.toSorted());
  });

  test('is drawn of every story and of up to nine servers', () => {
    for (const name of STORY_NAMES) assertHasNoHoles(eventsOfStory(name), !EDITED.includes(name));
    for (let servers = 1; servers <= 9; servers += 1) assertHasNoHoles(simulatedEvents(servers, 5));
  });

  test('is literal: it refers to nothing outside, nor to a style sheet', () => {
    const svg = svgOf(diagramOf(eventsOfStory('02-duel')), THEMES.light);
    assert.doesNotMatch(svg.replace('http://www.w3.org/2000/svg', ''), /https?:|var\(|class="[^a]/);
    assert.doesNotMatch(svg, /url\((?!#)|<style|<script|href/);
  });
});

/** In these stories a person edits a file, and so breaks what the protocol would not. */
const EDITED = ['48-a-state-of-its-own', '82-two-wrong-of-five'];

function assertHasNoHoles(events: Parameters<typeof diagramOf>[0], isRight = true): void {
  const svg = svgOf(diagramOf(events), THEMES.light);
  assert.doesNotMatch(svg, /NaN|undefined|null|Infinity/);
  assert.equal(svg.includes('VIOLATES'), !isRight);
}

suite('An arrow', () => {
  test('goes from where a datagram was sent to where it arrived', () => {
    const diagram = diagramOf(
      twoServers()
        .tell('A', { event: 'send', to: ['B'], seq: 7, message: prepare(2) })
        .tell('B', { event: 'receive', from: 'A', seq: 7, message: prepare(2) }).events,
    );
    assert.deepEqual(arrowsOf(diagram), ['A3>B4 prepare arrived']);
    assert.equal(diagram.arrows[0]?.owner, 'A');
  });

  test('is drawn for each copy, and for each receiver of a broadcast', () => {
    const { events } = new HandMadeRun()
      .startAll()
      .tell('A', { event: 'send', to: ['B', 'C'], seq: 1, message: prepare(2) })
      .tell('C', { event: 'receive', from: 'A', seq: 1, message: prepare(2) })
      .tell('B', { event: 'receive', from: 'A', seq: 1, message: prepare(2) })
      .tell('B', { event: 'receive', from: 'A', seq: 1, message: prepare(2) });
    const expected = ['A4>C5 prepare arrived', 'A4>B6 prepare arrived', 'A4>B7 prepare arrived'];
    assert.deepEqual(arrowsOf(diagramOf(events)), expected);
  });

  test('begins at the latest life of a sender that counts anew, if it can be that one', () => {
    const { events } = twoServers()
      .tell('A', { event: 'send', to: ['B'], seq: 1, message: prepare(2) })
      .tell('B', { event: 'receive', from: 'A', seq: 1, message: prepare(2) })
      .tell('A', { event: 'stop' })
      .start('A')
      .tell('A', { event: 'send', to: ['B'], seq: 1, message: prepare(3) })
      .tell('B', { event: 'receive', from: 'A', seq: 1, message: prepare(3) })
      .tell('B', { event: 'receive', from: 'A', seq: 1, message: prepare(9) });
    const expected = ['A3>B4 prepare arrived', 'A7>B8 prepare arrived', 'A9>B9 prepare cut'];
    assert.deepEqual(arrowsOf(diagramOf(events)), expected);
  });

  test('ends at a cross when it is lost, below the rows that came meanwhile', () => {
    const { events } = twoServers()
      .tell('A', { event: 'send', to: ['B'], seq: 1, message: prepare(2) })
      .tell('B', { event: 'stop' })
      .tell('A', { event: 'lost', to: ['B'], seq: 1, why: 'nobody listens' });
    assert.deepEqual(arrowsOf(diagramOf(events)), ['A3>B4 prepare lost']);
  });

  test('just begins when nobody tells what became of it', () => {
    const { events } = twoServers().tell('A', {
      event: 'send',
      to: ['B'],
      seq: 1,
      message: prepare(2),
    });
    assert.deepEqual(arrowsOf(diagramOf(events)), ['A3>B3 prepare unknown']);
  });

  test('is late when what it brought counts for nothing', () => {
    const diagram = diagramOf(eventsOfStory('01-first-round'));
    assert.deepEqual(new Set(diagram.arrows.map(({ end }) => end)), new Set(['arrived', 'late']));
    const late = diagram.arrows.filter(({ end }) => end === 'late');
    for (const { toRow } of late) assert.deepEqual(diagram.rows[toRow - 1]?.phrases, []);
  });

  test('is not drawn for the chatter of servers that are equally far', () => {
    const message = { type: 'sync_request', instanceNumber: 1, digest: '01234567' } as const;
    const run = twoServers().tell('A', { event: 'send', to: ['B'], seq: 1, message });
    run.tell('B', { event: 'receive', from: 'A', seq: 1, message });
    const { arrows, rows } = diagramOf(run.events);
    assert.deepEqual([arrows.length, rows.length], [0, 2]);
  });

  test('is drawn exactly once for everything that was received', () => {
    for (const servers of [3, 5]) {
      const events = simulatedEvents(servers, 8);
      const received = events.filter(({ event }) => event === 'receive').length;
      const ended = diagramOf(events).arrows.filter(
        ({ end, to }) => to !== null && ['arrived', 'late'].includes(end),
      );
      const chatter = events.filter(
        (event) => event.event === 'receive' && event.message.type === 'sync_request',
      ).length;
      assert.ok(ended.length <= received && ended.length >= received - chatter);
    }
  });
});

suite('A row', () => {
  test('is a turn that shows something; what happened before it in silence is folded', () => {
    const { events } = twoServers().wait(171).tell('A', { event: 'stop' });
    const [, , last] = diagramOf(events).rows;
    assert.equal(last?.silenceMs, 172);
    assert.match(svgOf(diagramOf(events), THEMES.light), />172 ms of silence</);
  });

  test('says what was promised, refused, accepted, chosen and learned', () => {
    const diagram = diagramOf(eventsOfStory('02-duel'));
    const said = [
      /^prepares 2\.A in #1$/,
      /^promises 2\.A in #1$/,
      /^2 of 3: LEADS 2\.A; proposes #1 "apple"$/,
      /^refuses 2\.A in #1, promised 2\.B$/,
      /^steps down, backs off 1\.9 ms$/,
      /^promises 2\.B in #1, has 2\.A "apple"$/,
      /^accepts #1 "banana"$/,
      /^#1 CHOSEN "banana"$/,
      /^learns #1 "banana"/,
    ];
    for (const words of said) rowSaying(diagram, words);
  });

  test('stars a value at the server that finds out first, and nowhere else', () => {
    const { rows } = diagramOf(eventsOfStory('02-duel'));
    const starred = rows.filter(({ phrases }) => phrases.some(({ icon }) => icon === 'star'));
    assert.deepEqual(starred.map(wordsOf), ['#1 CHOSEN "banana"', '#2 CHOSEN "apple"']);
  });

  test('marks what is wrong in the run', () => {
    const { events } = twoServers().tell('A', {
      event: 'advance',
      instanceNumber: 9,
      link: X,
      chain: null,
      digest: '00000000',
    });
    const diagram = diagramOf(events);
    const [violated] = diagram.violations;
    assert.ok(violated);
    assert.match(wordsOf(diagram.rows[violated.row - 1] as Row), /VIOLATES \d+: /);
    assert.match(pageOf(diagram), /An invariant is violated/);
  });
});

suite('A piece out of the middle of a run', () => {
  test('has the rows that it has in the whole', (t) => {
    const events = simulatedEvents(3, 30);
    const path = join(temporaryDirectory(t), 'run.ndjson');
    writeFileSync(path, events.map((event) => `${JSON.stringify(event)}\n`).join(''));
    const [fromMs, toMs] = [12_000, 20_000];
    const told = ({ rows }: Diagram) =>
      rows
        .filter(({ atMs }) => atMs >= fromMs && atMs <= toMs)
        .map((row) => `${row.uid} ${row.atMs.toFixed(3)} ${wordsOf(row)}`);
    const whole = diagramOf(events);
    const piece = pieceOf(new TraceStream([path]), fromMs, toMs);
    assert.ok(piece.events.length < events.length / 2);
    const drawn = diagramOf(piece.events, piece.options);
    assert.ok(told(whole).length > 20);
    assert.deepEqual(told(drawn), told(whole));
    const before = new Map(whole.standings.map(({ uid, standing }) => [uid, standing]));
    assert.deepEqual([...before.keys()].sort(), drawn.uids);
    assert.deepEqual(piece.earlier, []);
  });

  test('is preceded by what went wrong before it', (t) => {
    const { events } = twoServers().tell('A', {
      event: 'advance',
      instanceNumber: 9,
      link: X,
      chain: null,
      digest: '00000000',
    });
    const later = events.map((event) => ({ ...event, at: event.at + 60_000 }));
    const path = join(temporaryDirectory(t), 'run.ndjson');
    writeFileSync(path, [...events, ...later].map((it) => `${JSON.stringify(it)}\n`).join(''));
    const { earlier, events: drawn } = pieceOf(new TraceStream([path]), 59_000, 70_000);
    assert.equal(earlier.length, 1);
    assert.equal(drawn.length, later.length);
  });
});

suite('The legend', () => {
  test('says what the lines of clients mean, if there are any', () => {
    const svg = (name: string) => svgOf(diagramOf(eventsOfStory(name)), THEMES.light);
    const both = svg('22-a-read-through-the-chain');
    assert.match(both, />a client&#39;s value</);
    assert.match(both, />a client&#39;s read</);
    assert.doesNotMatch(svg('01-first-round'), />a client&#39;s read</);
    const { events } = twoServers();
    assert.doesNotMatch(svgOf(diagramOf(events), THEMES.light), />a client/);
  });
});

suite('The stripe of a lane', () => {
  test('shows candidates, masters, who knows of the lease, and who is down', () => {
    const diagram = diagramOf(eventsOfStory('09-cut-off-master'));
    assert.deepEqual(conditionsOf(diagram, 'A').slice(0, 4), [
      'idle',
      'candidate',
      'master',
      'candidate',
    ]);
    assert.ok(conditionsOf(diagram, 'C').includes('follows'));
    const crashed = conditionsOf(diagramOf(eventsOfStory('04-crash-after-accept')), 'C');
    assert.deepEqual(crashed.slice(0, 3), ['idle', 'down', 'idle']);
  });

  test('shows that a server was killed, from the first datagram that it misses', () => {
    const { events } = twoServers()
      .tell('A', { event: 'send', to: ['B'], seq: 1, message: prepare(2) })
      .tell('A', { event: 'stop' })
      .start('B');
    const diagram = diagramOf(events);
    assert.deepEqual(conditionsOf(diagram, 'B'), ['idle', 'down', 'idle']);
    assert.equal(rowSaying(diagram, /^KILLED/).number, 4);
    assert.deepEqual(arrowsOf(diagram), ['A3>B3 prepare lost']);
  });
});

suite('Text from the network', () => {
  const events = twoServers()
    .tell('A', {
      event: 'receive',
      from: null,
      seq: 1,
      message: { type: 'propose', value: NASTY },
    })
    .tell('A', {
      event: 'update',
      what: 'refused',
      value: NASTY,
      id: null,
      waiting: 0,
      why: NASTY,
    }).events;
  const diagram = diagramOf(events);

  test('is only text in a picture', () => {
    const svg = svgOf(diagram, THEMES.light);
    assert.doesNotMatch(svg, /<script|\p{Cc}(?<!\n)|\u202e|\uffff|<\/text><\//u);
    assert.match(svg, /&lt;\/text&gt;/);
    assert.equal(svg.match(/<text/g)?.length, svg.match(/<\/text>/g)?.length);
  });

  test('is only text in a page', () => {
    const page = pageOf(diagram);
    assert.equal(page.match(/<script/g)?.length, 2);
    assert.equal(page.match(/<\/script>/g)?.length, 2);
    assert.doesNotMatch(page, /alert\(1\)<\/script|\p{Cc}(?<!\n)|\u202e/u);
  });

  test('does not grow beyond the room that there is', () => {
    const style = { sizePx: 12, isBold: false };
    for (const value of ['w'.repeat(32_000), '漢'.repeat(500), 'a b '.repeat(500), NASTY]) {
      const lines = fitWords({ before: 'accepts #1 ', value }, 120, style);
      assert.ok(lines.length <= 4);
      for (const line of lines) assert.ok(widthOf(line, style) <= 120, line);
      assert.ok(widthOf(fitLine({ value, after: '?' }, 76, style), style) <= 76);
    }
    assert.deepEqual(wrap('one two', 1_000, style), ['one two']);
  });
});

suite('A page', () => {
  const page = pageOf(diagramOf(eventsOfStory('09-cut-off-master')));

  test('refers to nothing outside of itself', () => {
    assert.doesNotMatch(
      page,
      /https?:|\bsrc=|@import|url\((?!#)|<link (?!rel="icon" href="data:,")/,
    );
    for (const [, href = ''] of page.matchAll(/href="([^"]*)"/g))
      assert.match(href, /^(#|data:,$)/);
    assert.match(page, /default-src 'none'/);
  });

  test('is light or dark as its reader likes it, or as it is told to be', () => {
    assert.match(page, /prefers-color-scheme: dark/);
    assert.match(page, new RegExp(`--background: ${THEMES.light.background}`));
    assert.match(page, new RegExp(`--background: ${THEMES.dark.background}`));
    const dark = pageOf(diagramOf(eventsOfStory('01-first-round')), 'dark');
    assert.doesNotMatch(dark, /prefers-color-scheme|--background: #ffffff/);
  });
});

suite('A large diagram', () => {
  const rows = Array.from({ length: 5_000 }, (_, index): Row => {
    const nothing = { silenceMs: 0, repeats: 0, late: null, phrases: [], asked: null };
    return { number: index + 1, uid: 'A', turn: index + 1, atMs: index, ...nothing };
  });
  const diagram: Diagram = { ...diagramOf(twoServers().events), rows };

  test('is drawn in part, and says so', () => {
    const window = defaultWindow(diagram);
    assert.deepEqual(window, { from: 1, to: MOST_ROWS });
    assert.equal(noticeOf(diagram, window), 'rows 1 to 2000 of 5000');
    assert.equal(noticeOf(diagram, { from: 1, to: 5_000 }), null);
    assert.match(svgOf(diagram, THEMES.light), />rows 1 to 2000 of 5000</);
  });

  test('shows what is wrong, wherever it is', () => {
    const violation = { invariant: 1, sentence: 's', event: null, why: 'w' };
    for (const row of [1, 1_500, 3_000, 5_000]) {
      const { from, to } = defaultWindow({ ...diagram, violations: [{ row, violation }] });
      assert.ok(from >= 1 && to <= 5_000 && to - from === MOST_ROWS - 1);
      assert.ok(from <= row && row <= to);
    }
  });
});

suite('The hues', () => {
  test('go to all servers, or if these are many to the busiest owners of proposals', () => {
    assert.deepEqual(diagramOf(simulatedEvents(3, 5)).hued, ['A', 'B', 'C']);
    const { uids, hued, arrows } = diagramOf(simulatedEvents(9, 5));
    const owned = (uid: Uid) => arrows.filter(({ owner }) => owner === uid).length;
    const others = uids.filter((uid) => !hued.includes(uid));
    assert.ok(hued.length > 0 && hued.length <= MOST_HUES);
    assert.ok(Math.min(...hued.map(owned)) > 0);
    assert.ok(Math.min(...hued.map(owned)) >= Math.max(...others.map(owned)));
  });

  for (const theme of ['light', 'dark'] as const) {
    const { hues, background, ink, quiet, trouble } = THEMES[theme];

    test(`keep apart for all eyes: ${theme}`, () => {
      assert.equal(hues.length, MOST_HUES);
      assert.ok(leastDistanceWithin(hues) >= 40);
    });

    test(`stand out, and so does what is written: ${theme}`, () => {
      for (const hue of hues) assert.ok(contrast(hue, background) >= 3, hue);
      for (const text of [ink, quiet, trouble]) assert.ok(contrast(text, background) >= 4.5, text);
      const { onHue } = literalPaints(THEMES[theme]);
      for (const [index, hue] of hues.entries()) assert.ok(contrast(hue, onHue(index)) >= 3, hue);
    });
  }
});

function diagramProgram(...args: readonly string[]): Promise<Exit> {
  return run('src/programs/diagram.ts', ...args);
}

/** The traces of a run as files. */
function writeTraces(t: TestContext): { readonly directory: string; readonly files: string[] } {
  const directory = temporaryDirectory(t);
  const events = simulatedEvents(3, 5);
  const files = ['A', 'B', 'C'].map((uid) => {
    const file = join(directory, `${uid}.ndjson`);
    const lines = events.filter(({ server }) => server === uid).map((it) => JSON.stringify(it));
    writeFileSync(file, `${lines.join('\n')}\n`);
    return file;
  });
  return { directory, files };
}

suite('npm run diagram', { concurrency: true }, () => {
  test('writes a page, or a picture, of all or of a part', async (t) => {
    const { directory, files } = writeTraces(t);
    const [page, picture] = ['run.html', 'run.svg'].map((name) => join(directory, name));
    assert.ok(page !== undefined && picture !== undefined);
    const whole = await diagramProgram(...files, '-o', page);
    assert.deepEqual([whole.code, whole.stderr], [0, '']);
    assert.match(whole.stdout, /^the diagram is in .*run\.html: all \d+ rows\n$/);
    assert.match(readFileSync(page, 'utf8'), /^<!doctype html>/);

    const part = ['--from', '10', '--to', '4s', '--theme', 'dark', '-o', picture];
    const { code, stdout } = await diagramProgram(...files, ...part);
    assert.equal(code, 0);
    assert.match(stdout, /run\.svg: rows 10 to \d+ of \d+\n$/);
    assert.ok(readFileSync(picture, 'utf8').includes(THEMES.dark.background));
  });

  test('says what it cannot do', async (t) => {
    const { directory, files } = writeTraces(t);
    const wrong: [readonly string[], number, RegExp][] = [
      [[], 2, /missing required argument/],
      [[...files, '-o', join(directory, 'x.png')], 2, /must end in \.html or \.svg/],
      [[...files, '--from', 'soon'], 2, /--from must be/],
      [[...files, '--from', '9', '--to', '3'], 2, /no row from 9 to 3/],
      [[...files, '--from', '9999'], 2, /no row from 9999 to the last: the run has \d+ rows in/],
      [[...files, '--from', '99s'], 2, /no row from 99s to the last/],
      [[...files, '--from', '9999', '--to', '9999'], 2, /no row from 9999 to 9999/],
      [[...files, '--to', '0'], 2, /no row from the first to 0/],
      [[...files, '--theme', 'grey'], 2, /light or dark/],
      [[join(directory, 'nothing.ndjson')], 1, /cannot be read/],
      [[...files, '-o', join(directory, 'no', 'x.svg')], 1, /cannot be written/],
    ];
    for (const [args, code, why] of wrong) {
      const exit = await diagramProgram(...args);
      assert.equal(exit.code, code, exit.stderr);
      assert.match(exit.stderr, why);
    }
  });

  test('is there for a simulated run, too, and for the run of a violation', async (t) => {
    const directory = temporaryDirectory(t);
    const [page, broken, trace] = ['run.html', 'broken.html', 'violation.ndjson'].map((name) =>
      join(directory, name),
    );
    assert.ok(page !== undefined && broken !== undefined && trace !== undefined);
    const simulate = (...args: readonly string[]) => run('src/programs/simulate.ts', ...args);
    const whole = join(directory, 'run.ndjson');
    const seed = ['--seed', '42', '--seconds', '5', '--diagram', page, '--trace', whole];
    const right = await simulate(...seed);
    assert.equal(right.code, 0, right.stderr);
    const { events, uids } = readTraces([whole]);
    assert.deepEqual(uids, ['A', 'B', 'C']);
    assert.match(right.stdout, new RegExp(`run\\.ndjson: ${events.length} events$`, 'm'));
    assert.match(right.stdout, /^the diagram is in .*run\.html: all \d+ rows$/m);
    assert.doesNotMatch(readFileSync(page, 'utf8'), /VIOLATES/);

    const flags = ['--break', 'first-value', '--trace', trace, '--diagram', broken];
    const { code } = await simulate(...flags);
    assert.equal(code, 1);
    assert.match(readFileSync(broken, 'utf8'), />VIOLATES 12: Bound</);
  });

  test('is refused by simulator and demo under another ending', async () => {
    for (const program of ['src/programs/simulate.ts', 'src/programs/demo/demo.ts']) {
      const { code, stderr } = await run(program, '--diagram', 'run.png');
      assert.equal(code, 2);
      assert.match(stderr, /--diagram must end in \.html or \.svg/);
    }
  });
});
