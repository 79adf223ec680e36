/** What a diagram leaves out, folds, and says beside its arrows. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { kindOf, without } from '../src/diagram/hiding.ts';
import { layOut, type PlacedLine, styleOf, timeOf } from '../src/diagram/layout.ts';
import { type Diagram, diagramOf } from '../src/diagram/model.ts';
import { pageOf } from '../src/diagram/page.ts';
import { literalPaints, THEMES } from '../src/diagram/palette.ts';
import { svgOf } from '../src/diagram/picture.ts';
import { textOf, widthOf } from '../src/diagram/text.ts';
import { drawOverview } from '../src/diagram/top.ts';
import { tellStory } from '../src/simulation/story.ts';
import { contrast, leastDistance } from './colour-vision.ts';
import { eventsOfStory, simulatedEvents } from './drawn-runs.ts';
import { HandMadeRun } from './hand-made-run.ts';

function whole(diagram: Diagram) {
  return layOut(diagram, { from: 1, to: diagram.rows.length });
}

function saidIn({ rows }: Diagram): string[] {
  return rows.flatMap(({ phrases }) => phrases.map(({ words }) => textOf(words, 40)));
}

/** A master that is cut off; its rule is to believe in a lease from the moment at which it asks. */
const TWO_MASTERS = `
cluster A B C with leases

break lease-from-attempt

start A B C

deliver all

wait 600

deliver all

cut C

wait 10600

deliver all

wait 1000

deliver all

wait 1000

deliver all
`;

interface Point {
  readonly x: number;
  readonly y: number;
}

interface Room {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** The small letters of a line. */
function boxOf(line: PlacedLine, side: 'left' | 'right', sizePx: number): Room {
  const width = widthOf(line.text, styleOf(line, sizePx));
  const left = side === 'left' ? line.x - width : line.x;
  return { left, right: left + width, top: line.y - sizePx / 3, bottom: line.y + sizePx / 3 };
}

/** Whether a line has a point within a box; so many are looked at. */
function crosses(from: Point, to: Point, { left, right, top, bottom }: Room): boolean {
  const points = Array.from({ length: 101 }, (_, part) => ({
    x: from.x + ((to.x - from.x) * part) / 100,
    y: from.y + ((to.y - from.y) * part) / 100,
  }));
  return points.some(({ x, y }) => x > left && x < right && y > top && y < bottom);
}

function numberIn([, number = '']: RegExpExecArray): number {
  return Number(number);
}

suite('A diagram', () => {
  test('shows what a replica believes, if that is known, and says nothing else', () => {
    const { events, beliefs, violations } = tellStory(TWO_MASTERS);
    assert.ok(violations.some(({ invariant }) => invariant === 8));
    const told = diagramOf(events, { violations });
    const believed = diagramOf(events, { violations, beliefs });
    assert.ok(saidIn(told).includes('lease over: MASTER NO MORE'));
    assert.ok(!saidIn(believed).includes('lease over: MASTER NO MORE'));
    assert.ok(saidIn(believed).includes('lease over, and it goes on as MASTER'));
    const row = believed.violations[0]?.row ?? 0;
    const masters = believed.stretches.filter(
      ({ condition, fromRow, toRow }) => condition === 'master' && fromRow <= row && row < toRow,
    );
    assert.equal(masters.length, 2);
  });

  test('draws the answers to clients as arrows, each once', () => {
    const events = simulatedEvents(3, 8);
    const replies = events.filter(
      ({ event, ...rest }) =>
        event === 'reply' && 'message' in rest && rest.message.type !== 'status_report',
    );
    const answers = diagramOf(events).arrows.filter(({ to }) => to === null);
    assert.ok(replies.length > 0);
    assert.equal(answers.length, replies.length);
  });

  test('lets arrows begin below the words of their row', () => {
    const { arrows, rows } = whole(diagramOf(simulatedEvents(5, 4)));
    const byNumber = new Map(rows.map((placed) => [placed.row.number, placed]));
    let towardsWords = 0;
    for (const { arrow, x1, x2, y1 } of arrows) {
      const start = byNumber.get(arrow.fromRow);
      if (arrow.from === null || start === undefined || start.lines.length === 0) continue;
      if (x2 > x1 !== (start.lane.side === 'right')) continue;
      towardsWords += 1;
      assert.ok(y1 > Math.max(...start.lines.map(({ y }) => y)), JSON.stringify(arrow));
    }
    assert.ok(towardsWords > 5);
  });

  test('lets no arrow run through the words of the rows at its ends, however narrow', () => {
    let round = 0;
    for (const events of [eventsOfStory('02-duel'), simulatedEvents(5, 4), simulatedEvents(9, 3)]) {
      const { arrows, rows, sizePx } = whole(diagramOf(events));
      for (const { arrow, x1, y1, x2, y2, bends } of arrows) {
        if (arrow.from === null || arrow.to === null) continue;
        const points = [{ x: x1, y: y1 }, ...bends, { x: x2, y: y2 }];
        round += bends.length > 0 ? 1 : 0;
        const ends = rows.filter(({ row }) => [arrow.fromRow, arrow.toRow].includes(row.number));
        const words = ends
          .filter(({ lane }) => [arrow.from, arrow.to].includes(lane.uid))
          .flatMap(({ lane, lines }) => lines.map((line) => boxOf(line, lane.side, sizePx)));
        for (const [index, to] of points.slice(1).entries()) {
          const from = points[index] as (typeof points)[number];
          for (const box of words) assert.ok(!crosses(from, to, box), JSON.stringify(arrow));
        }
      }
    }
    assert.ok(round > 50);
  });

  test('puts words on ground of their own, above all arrows', () => {
    const svg = svgOf(diagramOf(simulatedEvents(5, 4)), THEMES.light);
    const words = [...svg.matchAll(/data-lane="[A-E]"/g)].length;
    const grounds = [...svg.matchAll(/<rect [^>]*height="14" fill="#ffffff"\/>/g)].length;
    assert.ok(words > 50);
    assert.equal(grounds, words);
    assert.ok(svg.lastIndexOf('class="arrow"') < svg.indexOf('data-lane="A"'));
  });

  test('has a strip that shows just its time, also of a piece out of a run', () => {
    const events = simulatedEvents(3, 8);
    const middle = events.slice(events.length / 2);
    const past = { startMs: events[0]?.at ?? 0, standings: new Map(), chosenUpTo: 0 };
    const piece = diagramOf(middle, { past, uids: ['A', 'B', 'C'] });
    assert.ok(piece.endMs > piece.durationMs && piece.durationMs > 1_000);
    const layout = whole(piece);
    const { svg } = drawOverview(layout, literalPaints(THEMES.light));
    const places = [
      ...svg.matchAll(/(?:\bx="|translate\(|<path d="M)([0-9.-]+)(?![0-9.-]* -)/g),
    ].map(numberIn);
    assert.ok(places.length > 10);
    for (const x of places) assert.ok(x >= 62 && x <= layout.width - 24, `${x}`);
    const ticks = [...svg.matchAll(/>([0-9.]+) s</g)].map(numberIn);
    for (const seconds of ticks) {
      const atMs = seconds * 1_000;
      assert.ok(atMs >= piece.endMs - piece.durationMs && atMs <= piece.endMs, `${seconds}`);
    }
    assert.ok(ticks.length >= 2);
  });

  test('folds a series of repetitions from which nothing comes', () => {
    const story =
      'cluster A B C\n\nstart A B C\n\ndeliver all\n\ncut A\n\nsubmit A x\n\nwait 20000\n';
    const diagram = diagramOf(tellStory(story).events);
    const folded = diagram.rows.reduce((sum, { repeats }) => sum + repeats, 0);
    const again = saidIn(diagram).filter((words) => words.includes('again'));
    const last = diagramOf(tellStory(`${story}\nsubmit B y\n`).events);
    assert.ok(again.length <= 2, again.join('; '));
    assert.ok(last.rows.some(({ repeats }) => repeats >= 3) || folded >= 3);
    assert.match(svgOf(last, THEMES.light), />[0-9]+ times more, in vain, in [0-9.]+ s</);
  });

  test('says of a message that came too late which one it was, and why', () => {
    const diagram = diagramOf(eventsOfStory('01-first-round'));
    const late = diagram.rows.flatMap((row) => (row.late === null ? [] : [row.late]));
    assert.ok(late.some((words) => /^promise 2\.A from C comes too late: /.test(words)));
    assert.match(svgOf(diagram, THEMES.light), /<title>promise 2\.A from C comes too late/);
  });

  test('can do without kinds of arrows, and without servers; rows keep their numbers', () => {
    const diagram = diagramOf(eventsOfStory('02-duel'));
    const kinds = new Set(['phase 1'] as const);
    const less = without(diagram, { kinds, servers: new Set(['C']) });
    assert.ok(less.arrows.length > 0);
    for (const { type, from, to } of less.arrows) {
      assert.ok(kindOf(type) !== 'phase 1' && from !== 'C' && to !== 'C');
    }
    const { rows, lanes } = whole(less);
    assert.equal(lanes.length, 2);
    for (const { row } of rows) assert.equal(row, diagram.rows[row.number - 1]);
  });

  test('fits nine servers into 1,400 pixels', () => {
    assert.ok(whole(diagramOf(simulatedEvents(9, 4))).width <= 1_400);
  });

  test('has readable times beyond an hour, and room for them', () => {
    const { events } = new HandMadeRun().startAll().wait(3_723_004).tell('A', { event: 'stop' });
    const diagram = diagramOf(events);
    const late = timeOf(diagram, diagram.durationMs);
    assert.match(late, /^1:02:03\.0/);
    assert.match(svgOf(diagram, THEMES.light), new RegExp(`>${late}<`));
    assert.ok(whole(diagram).timesTo > 60);
    assert.match(svgOf(diagram, THEMES.light), />62 min of silence</);
  });

  test('does not go back in time with a clock that was asleep, and says so', () => {
    const run = new HandMadeRun(['A', 'B']).startAll().wait(7_200_000).tell('A', { event: 'stop' });
    const last = { ...run.last, at: 500, server: 'B' };
    const diagram = diagramOf([...run.events, last]);
    const times = diagram.rows.map(({ atMs }) => atMs);
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    );
    assert.ok(diagram.clocksDifferMs > 7_000_000);
    assert.match(pageOf(diagram), /Clocks of these servers differ by 1:59:59/);
    assert.doesNotMatch(pageOf(diagramOf(run.events)), /Clocks of these servers differ/);
  });

  test('tells round, promises, queue and lease on its cards', () => {
    const page = pageOf(diagramOf(eventsOfStory('11-lease-granted-renewed-handed-back')));
    for (const words of ['"round":"2.', '1 promised', '"queue":"empty"', '"leaseUntil":9']) {
      assert.ok(page.includes(words), words);
    }
  });

  test('keeps plum and black, and the greys, apart on white', () => {
    const { hues, ink, quiet, down, paleDown, background } = THEMES.light;
    const [, , plum = '', brown = ''] = hues;
    assert.ok(leastDistance(plum, ink) >= 29);
    assert.ok(leastDistance(down, paleDown) >= 20 && leastDistance(down, quiet) >= 25);
    assert.ok(leastDistance(brown, down) >= 20 && leastDistance(brown, quiet) >= 20);
    assert.ok(contrast(brown, background) >= 3);
  });
});
