/**
 * The space-time diagram in a real browser: where its words stand, and what its page does.
 */
import assert from 'node:assert/strict';
import { after, before, suite, type TestContext, test } from 'node:test';
import type { Page } from 'playwright-core';
import { layOut } from '../src/diagram/layout.ts';
import { type Diagram, diagramOf } from '../src/diagram/model.ts';
import { pageOf } from '../src/diagram/page.ts';
import { THEMES } from '../src/diagram/palette.ts';
import { MOST_ROWS, svgOf } from '../src/diagram/picture.ts';
import type { TraceEvent } from '../src/trace/events.ts';
import {
  assertApart,
  assertInLanes,
  boxesOf,
  closeBrowser,
  load,
  openBrowser,
  openPage,
  skip,
  WIDE,
} from './browser.ts';
import { eventsOfStory, STORY_NAMES, simulatedEvents } from './drawn-runs.ts';
import { HandMadeRun } from './hand-made-run.ts';

/** As the smallest page takes, whatever the machine. Measured: less than twice as long. */
const MOST_TIMES_AS_LONG = 10;

/** Opens a page from disk, as a reader does. */
async function openDiagram(
  t: TestContext,
  diagram: Diagram,
  { hash = '', ...options }: { hash?: string; colorScheme?: 'light' | 'dark' } = {},
): Promise<Page> {
  const page = await openPage(t, options);
  await load(t, page, pageOf(diagram), hash);
  return page;
}

/** Playwright's own way of waiting evaluates in the page, which lets nobody do that. */
async function untilTrue(page: Page, condition: string): Promise<void> {
  await page.evaluate(`new Promise((done) => {
    const look = () => (${condition} ? done() : requestAnimationFrame(look));
    look();
  })`);
}

function textOf(page: Page, selector: string): Promise<string> {
  return page.locator(selector).innerText();
}

/** Asked of the page itself: `page.url()` hears of a change a moment later. */
function hashOf(page: Page): Promise<string> {
  return page.evaluate('location.hash');
}

/** Values of all kinds of scripts, and much too long. */
function withStrangeValues(): readonly TraceEvent[] {
  const values = [
    '漢字かな交じり文'.repeat(9),
    'שלום עולם',
    '👩‍👩‍👧‍👦🎉🎉🎉',
    'é́́́́',
    '﷽﷽﷽',
    'W'.repeat(900),
    '   ',
  ];
  const run = new HandMadeRun().startAll();
  for (const value of values) {
    for (const uid of ['A', 'B', 'C']) {
      run.tell(uid, { event: 'receive', from: null, seq: 1, message: { type: 'propose', value } });
      const why = 'there is no master';
      const turn = { ...run.last };
      const refused = {
        event: 'update',
        what: 'refused',
        value,
        id: null,
        waiting: 0,
        why,
      } as const;
      run.events.push({ at: turn.at, server: uid, turn: turn.turn, ...refused });
    }
  }
  return run.events;
}

/** A is asked for these values, and says nothing. */
function askedFor(...values: readonly string[]): readonly TraceEvent[] {
  const run = new HandMadeRun().startAll();
  for (const value of values) {
    run.tell('A', { event: 'receive', from: null, seq: 1, message: { type: 'propose', value } });
  }
  return run.events;
}

suite('A diagram in a browser', { skip }, () => {
  before(openBrowser);
  after(closeBrowser);

  test('has every text in its lane, and none upon another: the stories', async (t) => {
    const page = await openPage(t);
    for (const name of STORY_NAMES) {
      const diagram = diagramOf(eventsOfStory(name));
      await load(t, page, pageOf(diagram));
      const boxes = await boxesOf(page);
      assert.ok(boxes.length > 10, name);
      assertInLanes(boxes, diagram);
      assertApart(boxes);
    }
  });

  test('and with one to nine servers', async (t) => {
    const page = await openPage(t);
    for (let servers = 1; servers <= 9; servers += 1) {
      const diagram = diagramOf(simulatedEvents(servers, 4));
      await load(t, page, pageOf(diagram));
      const boxes = await boxesOf(page);
      assertInLanes(boxes, diagram);
      assertApart(boxes);
    }
  });

  test('and with values in every script', async (t) => {
    const diagram = diagramOf(withStrangeValues());
    const page = await openDiagram(t, diagram);
    const boxes = await boxesOf(page);
    assertInLanes(boxes, diagram);
    assertApart(boxes);
  });

  test('is well-formed as a picture of its own', async (t) => {
    const page = await openPage(t);
    for (const events of [eventsOfStory('02-duel'), withStrangeValues(), simulatedEvents(5, 3)]) {
      const svg = svgOf(diagramOf(events), THEMES.light);
      const parse = `new DOMParser().parseFromString(${JSON.stringify(svg)}, 'image/svg+xml')`;
      const isWrong = await page.evaluate(`${parse}.querySelector('parsererror') !== null`);
      assert.equal(isWrong, false);
    }
  });

  test('moves its cursor by j and k, and says what every server has', async (t) => {
    const page = await openDiagram(t, diagramOf(eventsOfStory('04-crash-after-accept')));
    assert.match(await textOf(page, '#where'), /^row 1 · 0 ms · A: starts$/);
    for (let count = 0; count < 4; count += 1) await page.keyboard.press('j');
    assert.match(await textOf(page, '#where'), /^row 5 · 0 ms · B: promises 2\.A in #1$/);
    assert.equal(await hashOf(page), '#5');
    await page.keyboard.press('k');
    assert.match(
      await textOf(page, '#where'),
      /^row 4 · 0 ms · A: is asked "fragile"\?; prepares 2\.A in #1$/,
    );

    for (let count = 0; count < 2; count += 1) await page.keyboard.press('j');
    const [a, b, c] = await page.locator('.server').allInnerTexts();
    assert.match(
      a ?? '',
      /leads 2\.A[\s\S]*#1 is open[\s\S]*2\.A[\s\S]*2\.A "fragile"[\s\S]*none yet/,
    );
    assert.match(b ?? '', /idle[\s\S]*promised\s+2\.A[\s\S]*accepted\s+nothing/);
    assert.match(c ?? '', /idle[\s\S]*promised\s+nothing/);
  });

  test('moves its cursor with the mouse, and lights up what arrives and leaves', async (t) => {
    const diagram = diagramOf(eventsOfStory('02-duel'));
    const page = await openDiagram(t, diagram);
    const { rows } = layOut(diagram, { from: 1, to: diagram.rows.length });
    const placed = rows[6];
    assert.ok(placed);
    await page.hover('#rows', { position: { x: 300, y: placed.y } });
    assert.match(await textOf(page, '#where'), /^row 7 /);
    const touched = diagram.arrows.filter(({ fromRow, toRow }) => fromRow === 7 || toRow === 7);
    assert.equal(await page.locator('.arrow.touched').count(), touched.length);
    assert.equal(await hashOf(page), '');
    await page.click('#rows', { position: { x: 300, y: placed.y } });
    assert.equal(await hashOf(page), '#7');
  });

  test('opens at the row that its address names, and brings it into sight', async (t) => {
    const diagram = diagramOf(eventsOfStory('09-cut-off-master'));
    const page = await openDiagram(t, diagram, { hash: '#40' });
    assert.match(await textOf(page, '#where'), /^row 40 /);
    const box = await page.locator('#cursor').boundingBox();
    assert.ok(box !== null && box.y > 0 && box.y + box.height < WIDE.height);
    await page.evaluate("location.hash = '#2'");
    await untilTrue(page, "document.getElementById('where').innerText.startsWith('row 2 ')");
  });

  test('opens at its first row if its address names none', async (t) => {
    for (const hash of ['#1.5', '#0', '#-3', '#9999', '#row', '#%20', '#']) {
      const page = await openPage(t);
      const errors: string[] = [];
      page.on('pageerror', (error) => errors.push(error.message));
      await load(t, page, pageOf(diagramOf(eventsOfStory('02-duel'))), hash);
      assert.match(await textOf(page, '#where'), /^row 1 /, hash);
      await page.keyboard.press('j');
      assert.match(await textOf(page, '#where'), /^row 2 /, hash);
      assert.deepEqual(errors, [], hash);
    }
  });

  test('says what a client asks for, whole if there is room, and beside the row', async (t) => {
    const diagram = diagramOf(askedFor('without a master', 'w'.repeat(150)));
    const page = await openDiagram(t, diagram);
    const [short, long] = (await boxesOf(page)).filter(({ lane }) => lane === 'client');
    assert.equal(short?.text, '"without a master"?');
    assert.match(long?.text ?? '', /^"w+…"\?$/);
    const tips = await page.locator('[data-lane="client"] title').allTextContents();
    assert.deepEqual(tips, [`"${'w'.repeat(150)}"?`]);
    for (let count = 0; count < 3; count += 1) await page.keyboard.press('j');
    assert.match(await textOf(page, '#where'), /^row 4 · 3 ms · A: is asked "without a master"\?$/);
  });

  test('jumps to what is wrong, by key and by button', async (t) => {
    const events = simulatedEvents(3, 8);
    const violations = [0.3, 0.6].map((part, index) => {
      const event = events[Math.floor(events.length * part)] ?? null;
      return { invariant: index + 1, sentence: 'so it must be', event, why: '<b>it is not</b>' };
    });
    const diagram = diagramOf(events, { violations });
    const [first, second] = diagram.violations;
    const page = await openDiagram(t, diagram);
    assert.match(await textOf(page, '#where'), new RegExp(`^row ${first?.row} `));
    assert.match(await textOf(page, '#violation'), /1\. Agreement: .*<b>it is not<\/b>/);
    const box = await page.locator('#cursor').boundingBox();
    assert.ok(box !== null && box.y > 0 && box.y + box.height < WIDE.height);
    await page.click('[data-jump="1"]');
    assert.equal(await hashOf(page), `#${second?.row}`);
    await page.keyboard.press('p');
    assert.equal(await hashOf(page), `#${first?.row}`);
    await page.keyboard.press('n');
    assert.equal(await hashOf(page), `#${second?.row}`);

    const elsewhere = await openDiagram(t, diagram, { hash: '#2' });
    assert.match(await textOf(elsewhere, '#where'), /^row 2 /);
  });

  test('keeps a row that was clicked, until Escape, and follows who scrolls', async (t) => {
    const diagram = diagramOf(eventsOfStory('09-cut-off-master'));
    const page = await openDiagram(t, diagram);
    const { rows } = layOut(diagram, { from: 1, to: diagram.rows.length });
    await page.click('#rows', { position: { x: 300, y: rows[4]?.y ?? 0 } });
    await page.hover('#rows', { position: { x: 300, y: rows[9]?.y ?? 0 } });
    assert.match(await textOf(page, '#where'), /^row 5 /);
    await page.keyboard.press('Escape');
    await page.hover('#rows', { position: { x: 310, y: rows[9]?.y ?? 0 } });
    assert.match(await textOf(page, '#where'), /^row 10 /);
    await page.mouse.wheel(0, 400);
    await page.waitForSelector('#where >> text=/^row (?:[2-9][0-9]|1[1-9]) /');
  });

  test('goes on to the next chosen value and instance, by key and by button', async (t) => {
    const page = await openDiagram(t, diagramOf(eventsOfStory('14-retransmission')));
    await page.keyboard.press('c');
    assert.match(await textOf(page, '#where'), /#1 CHOSEN/);
    await page.click('[data-jump="chosen"]');
    assert.match(await textOf(page, '#where'), /#2 CHOSEN/);
    await page.keyboard.press('c');
    assert.match(await textOf(page, '#where'), /#1 CHOSEN/);
    const first = await textOf(page, '#where');
    await page.keyboard.press('i');
    assert.notEqual(await textOf(page, '#where'), first);
  });

  test('hides kinds of arrows and single servers', async (t) => {
    const page = await openDiagram(t, diagramOf(eventsOfStory('02-duel')));
    const seen = () => page.locator('#rows .arrow:visible').count();
    const all = await seen();
    await page.uncheck('#shown input[value="phase 1"]');
    const fewer = await seen();
    assert.ok(fewer < all);
    await page.uncheck('#shown input[value="C"]');
    assert.ok((await seen()) < fewer);
    assert.equal(await page.locator('#rows [data-of="C"]:visible').count(), 0);
    await page.check('#shown input[value="phase 1"]');
    await page.check('#shown input[value="C"]');
    assert.equal(await seen(), all);
  });

  test('names its rows by time, by number, and by the time of day if there is any', async (t) => {
    const times = (page: Page) => page.locator('#rows .time:not(:empty)').allTextContents();
    const simulated = await openDiagram(t, diagramOf(eventsOfStory('02-duel')));
    assert.deepEqual(await simulated.locator('#column option').allTextContents(), [
      'time since the first',
      'number',
    ]);
    const before = await times(simulated);
    await simulated.selectOption('#column', 'number');
    const numbers = await times(simulated);
    assert.deepEqual(numbers.slice(0, 3), ['1', '2', '3']);
    assert.equal(numbers.length, await simulated.locator('#rows circle[data-of]').count());
    await simulated.selectOption('#column', 'time since the first');
    assert.deepEqual(await times(simulated), before);

    const atNoon = Date.UTC(2026, 0, 1, 12);
    const real = eventsOfStory('02-duel').map((event) => ({ ...event, at: event.at + atNoon }));
    const diagram = diagramOf(real);
    const page = await openDiagram(t, diagram);
    await page.selectOption('#column', 'time of day (UTC)');
    assert.equal((await times(page))[0], '12:00:00.000');
    const boxes = await boxesOf(page);
    assertInLanes(boxes, diagram);
    assertApart(boxes);
  });

  test('shows its lanes on a phone, and its panel folded', async (t) => {
    const viewport = { width: 390, height: 844 };
    const page = await openPage(t, { viewport });
    await load(t, page, pageOf(diagramOf(eventsOfStory('02-duel'))));
    const panel = await page.locator('aside').boundingBox();
    assert.ok(panel !== null && panel.height < viewport.height / 4);
    for (const lane of [0, 1]) {
      const head = await page.locator('#heads rect').nth(lane).boundingBox();
      assert.ok(head !== null && head.x > 0 && head.x + head.width < viewport.width);
    }
    await page.click('#fold');
    assert.equal(await page.locator('.server:visible').count(), 3);

    // It is scrolled sideways in its own box, with its heads, and the page is not.
    const widthOfPage = 'document.documentElement.scrollWidth';
    assert.ok(Number(await page.evaluate(widthOfPage)) <= viewport.width);
    const places = `['heads', 'rows'].map((id) => document.getElementById(id)
      .getBoundingClientRect().left)`;
    await page.evaluate(`document.querySelector('.across.rows').scrollLeft = 100`);
    await untilTrue(page, `document.querySelector('.across.heads').scrollLeft === 100`);
    assert.deepEqual(await page.evaluate(places), [-100, -100]);
  });

  test('lets who comes to its rows by the tabulator move on by the arrow keys', async (t) => {
    const page = await openDiagram(t, diagramOf(eventsOfStory('02-duel')));
    await page.focus('.across.rows');
    for (const key of ['ArrowDown', 'ArrowDown', 'ArrowUp', 'ArrowDown']) {
      await page.keyboard.press(key);
    }
    assert.match(await textOf(page, '#where'), /^row 3 /);
    assert.equal(await hashOf(page), '#3');
    await page.focus('#column'); // which has a use for arrow keys of its own
    await page.keyboard.press('ArrowDown');
    assert.match(await textOf(page, '#where'), /^row 3 /);
  });

  test('asks for nothing, and nothing goes wrong in it', async (t) => {
    const page = await openPage(t);
    const requests: string[] = [];
    const errors: string[] = [];
    page.on('request', (request) => requests.push(request.url()));
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (message) => errors.push(message.text()));
    await load(t, page, pageOf(diagramOf(withStrangeValues())));
    for (const key of ['j', 'j', 'k', 'n', 'p', 'x']) await page.keyboard.press(key);
    const others = requests.filter((url) => !url.endsWith('diagram.html') && url !== 'data:,');
    assert.deepEqual([others, errors], [[], []]);
  });

  test('is dark for who likes it dark', async (t) => {
    const diagram = diagramOf(eventsOfStory('02-duel'));
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await openDiagram(t, diagram, { colorScheme });
      const colour = (selector: string, property: string) =>
        page.evaluate(`getComputedStyle(document.querySelector('${selector}')).${property}`);
      const { background, hues } = THEMES[colorScheme];
      assert.equal(await colour('html', 'backgroundColor'), rgb(background));
      assert.equal(await colour('#heads rect', 'fill'), rgb(hues[0] ?? ''));
    }
  });

  test('keeps its panel in sight where there is little room', async (t) => {
    const page = await openDiagram(t, diagramOf(eventsOfStory('02-duel')));
    await page.setViewportSize({ width: 900, height: 700 });
    for (let count = 0; count < 30; count += 1) await page.keyboard.press('j');
    const panel = await page.locator('aside').boundingBox();
    const cursor = await page.locator('#cursor').boundingBox();
    assert.ok(panel !== null && cursor !== null);
    assert.ok(panel.y + panel.height <= 701 && cursor.y > 0 && cursor.y < panel.y);
  });

  test('is there soon, if it has as many rows as are drawn at once', async (t) => {
    const [large, small] = [
      diagramOf(simulatedEvents(9, 90)),
      diagramOf(eventsOfStory('01-first-round')),
    ];
    assert.ok(large.rows.length > MOST_ROWS, `${large.rows.length} rows`);
    const largeMs = await firstDrawnMs(t, pageOf(large));
    const smallMs = await firstDrawnMs(t, pageOf(small));
    t.diagnostic(`first drawn after ${Math.round(largeMs)} ms, a small one ${Math.round(smallMs)}`);
    assert.ok(largeMs < MOST_TIMES_AS_LONG * smallMs);
  });
});

/** After how long a page is first seen, at the best of three times. */
async function firstDrawnMs(t: TestContext, html: string): Promise<number> {
  const times: number[] = [];
  for (let count = 0; count < 3; count += 1) {
    const page = await openPage(t);
    await load(t, page, html);
    times.push(
      await page.evaluate(`new Promise((seen) => new PerformanceObserver((list) => {
        seen(list.getEntries()[0].startTime);
      }).observe({ type: 'paint', buffered: true }))`),
    );
  }
  return Math.min(...times);
}

function rgb(colour: string): string {
  const channels = [1, 3, 5].map((start) => Number.parseInt(colour.slice(start, start + 2), 16));
  return `rgb(${channels.join(', ')})`;
}
