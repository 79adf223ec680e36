/** The live page in a real browser: rows come, it scrolls along, and it comes back by itself. */
import assert from 'node:assert/strict';
import { after, before, suite, type TestContext, test } from 'node:test';
import type { Page } from 'playwright-core';
import { LiveRun } from '../src/diagram/live-run.ts';
import { viewOf, viewWithoutRun } from '../src/diagram/live-view.ts';
import { diagramOf } from '../src/diagram/model.ts';
import { pageOf } from '../src/diagram/page.ts';
import { LiveServer } from '../src/programs/watch/live-server.ts';
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
} from './browser.ts';
import { eventsOfStory, simulatedEvents } from './drawn-runs.ts';
import { HandMadeRun, id, UIDS, update } from './hand-made-run.ts';

const MARKUP = '<img src=x onerror="document.title=1"><b>&amp;</b>';

/** A run, a server that shows it, and a page that has it open. */
class Show {
  readonly server: LiveServer;
  readonly page: Page;
  readonly errors: string[] = [];
  readonly asked: string[] = [];
  #live: LiveRun;

  private constructor(server: LiveServer, page: Page, mostEvents?: number) {
    this.server = server;
    this.page = page;
    this.#live = new LiveRun(UIDS, UIDS, [], mostEvents);
    page.on('pageerror', (error) => this.errors.push(error.message));
    page.on('console', (line) => line.type() === 'error' && this.errors.push(line.text()));
    page.on('request', (request) => this.asked.push(request.url()));
  }

  static async open(t: TestContext, mostEvents?: number, hash = ''): Promise<Show> {
    const server = await LiveServer.open(0);
    t.after(() => server.close());
    const show = new Show(server, await openPage(t), mostEvents);
    await show.page.goto(server.address + hash);
    return show;
  }

  get rows() {
    return this.#live.latest().diagram.rows.length;
  }

  /** Goes on with these events, and waits until the page shows them. */
  async take(events: readonly TraceEvent[], news = ''): Promise<void> {
    for (const event of events) this.#live.observe(event);
    const view = viewOf(this.#live.latest(), news);
    this.server.show(view);
    await this.has(`#rows[height="${view.parts['height']}"]`);
  }

  /** Waits until there is such an element. */
  has(selector: string): Promise<void> {
    return this.page.locator(selector).waitFor({ state: 'attached' });
  }

  text(selector: string): Promise<string> {
    return this.page.locator(selector).innerText();
  }

  isAtEnd(): Promise<boolean> {
    const end = 'document.documentElement.scrollHeight';
    return this.page.evaluate(`innerHeight + scrollY >= ${end} - 2`);
  }
}

suite('The live page in a browser', { skip }, () => {
  before(openBrowser);
  after(closeBrowser);

  test('shows what the diagram of the same run shows', async (t) => {
    const events = eventsOfStory('02-duel');
    const show = await Show.open(t);
    for (let from = 0; from < events.length; from += 7) {
      await show.take(events.slice(from, from + 7));
    }
    const diagram = diagramOf(events);
    await show.page.evaluate('window.scrollTo(0, 0)');
    const boxes = await boxesOf(show.page);
    assertInLanes(boxes, diagram);
    assertApart(boxes);

    const still = await openPage(t);
    await load(t, still, pageOf(diagram));
    const textsOf = (page: Page) => page.locator('#rows text').allInnerTexts();
    assert.deepEqual(await textsOf(show.page), await textsOf(still));
    const heads = (page: Page) => page.locator('#heads text').allInnerTexts();
    assert.deepEqual(await heads(show.page), await heads(still));
    assert.deepEqual(show.errors, []);
  });

  test('has the strip, hides what is not ticked, numbers rows, as others come', async (t) => {
    const events = simulatedEvents(3, 30);
    const show = await Show.open(t);
    await show.take(events.slice(0, 200));
    assert.ok((await show.page.locator('#top rect[fill]').count()) > 3);
    assert.ok((await show.page.locator('#legend text').count()) > 3);
    await show.page.uncheck('#shown input[value="phase 1"]');
    await show.page.selectOption('#column', 'number');
    await show.take(events.slice(200, 300));
    assert.equal(await show.page.locator('#rows .arrow[data-kind="phase 1"]:visible').count(), 0);
    assert.ok((await show.page.locator('#rows .arrow[data-kind="phase 2"]:visible').count()) > 3);
    const numbers = await show.page.locator('#rows .time').allTextContents();
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => `${index + 1}`),
    );
    assert.deepEqual(show.errors, []);
  });

  test('waits, says for what, and asks nobody but its server', async (t) => {
    const show = await Show.open(t);
    assert.equal(await show.page.title(), 'Waiting for the first event');
    show.server.show(viewWithoutRun('waiting for b.ndjson'));
    await show.has('#news:not(:empty)');
    assert.equal(await show.text('#news'), 'waiting for b.ndjson');
    await show.page.keyboard.press('j');
    await show.take(new HandMadeRun().startAll().events);
    assert.equal(await show.page.title(), 'Space-time diagram of A, B, C');
    assert.ok(show.asked.every((url) => url.startsWith(show.server.address)));
    assert.deepEqual(show.errors, []);
  });

  test('scrolls along, unless the reader has scrolled up', async (t) => {
    const events = simulatedEvents(3, 60);
    const show = await Show.open(t);
    await show.take(events.slice(0, 300));
    assert.ok(await show.isAtEnd());
    await show.take(events.slice(300, 400));
    assert.ok(await show.isAtEnd());
    assert.match(await show.text('#where'), new RegExp(`^row ${show.rows} `));
    assert.ok(await show.page.locator('#newest').isHidden());

    await show.page.evaluate('window.scrollTo(0, 200)');
    await show.page.locator('#newest').waitFor();
    await show.take(events.slice(400, 500));
    assert.equal(await show.page.evaluate('scrollY'), 200);
    await show.page.locator('#newest').press('Enter');
    assert.ok(await show.isAtEnd());
    await show.take(events.slice(500, 600));
    assert.ok(await show.isAtEnd());
    assert.deepEqual(show.errors, []);
  });

  test('what the reader looks at stays where it is when what came before goes', async (t) => {
    const events = simulatedEvents(3, 60);
    const show = await Show.open(t, 600);
    await show.take(events.slice(0, 590));
    const places = `[...document.querySelectorAll('#rows text:not(:empty)')]
      .map((it) => [it.lastChild.textContent, Math.round(it.getBoundingClientRect().top)])
      .filter(([text, top]) => top > 100 && top < 500 && text.length > 20)`;
    await show.page.evaluate(`window.scrollTo(0, document.documentElement.scrollHeight * 0.75)`);
    await show.page.locator('#newest').waitFor();
    const seen = await show.page.evaluate<[string, number][]>(places);
    assert.ok(seen.length > 3);
    await show.take(events.slice(590, 640));
    const now = await show.page.evaluate<[string, number][]>(places);
    assert.ok(now.filter((place) => seen.some((it) => `${it}` === `${place}`)).length > 3);
    assert.match(await show.text('#notice'), /^This is the latest part of the run: \d+ rows/);
    assert.deepEqual(show.errors, []);
  });

  test('violations appear, and keys lead to them', async (t) => {
    const run = new HandMadeRun().startAll();
    run.ask('A', update('x')).round(id(2, 'A'), update('x'));
    const show = await Show.open(t);
    await show.take(run.events);
    assert.ok(await show.page.locator('#violations').isHidden());
    const past = run.events.length;
    const wrong = { event: 'chosen', instanceNumber: 1, proposalId: id(2, 'A') } as const;
    run.tell('B', { ...wrong, value: update('y'), count: 2, servers: 3 });
    await show.take(run.events.slice(past));
    assert.equal(await show.text('#wrong'), 'An invariant is violated');
    await show.page.keyboard.press('n');
    assert.match(await show.text('#violation'), /^2\. Stability: /);
    assert.ok(await show.page.locator('text=VIOLATES 2: Stability').first().isVisible());
    assert.deepEqual(show.errors, []);
  });

  test('a chosen row stays chosen, and an address leads to one', async (t) => {
    const events = simulatedEvents(3, 60);
    const show = await Show.open(t, undefined, '#5');
    await show.take(events.slice(0, 300));
    assert.match(await show.text('#where'), /^row 5 /);
    await show.page.keyboard.press('j');
    await show.take(events.slice(300, 400));
    assert.match(await show.text('#where'), /^row 6 /);
    assert.equal(await show.page.evaluate('location.hash'), '#6');
    assert.deepEqual(show.errors, []);
  });

  test('whatever is in a value is text', async (t) => {
    const run = new HandMadeRun().startAll();
    run.ask('A', update(MARKUP)).round(id(2, 'A'), update(MARKUP));
    const show = await Show.open(t);
    await show.take(run.events, MARKUP);
    assert.equal(await show.page.locator('img, b').count(), 0);
    assert.equal(await show.text('#news'), MARKUP);
    assert.ok((await show.page.locator('#rows').textContent())?.includes(MARKUP.slice(0, 20)));
    assert.deepEqual(show.errors, []);
  });

  test('when its server is gone it says so, and goes on when it is back', async (t) => {
    const show = await Show.open(t);
    await show.take(new HandMadeRun().startAll().events, 'one');
    const port = Number(new URL(show.server.address).port);
    await show.server.close();
    await show.has('#connection:not(:empty)');
    assert.match(await show.text('#connection'), /^The server does not answer: trying again/);
    const again = await LiveServer.open(port);
    t.after(() => again.close());
    again.show(viewOf(liveRun().latest(), 'two'));
    await show.has('#news:text-is("two")');
    assert.equal(await show.text('#connection'), '');
    assert.equal(await show.text('#bad'), '');
    again.show(viewOf(liveRun().latest(), 'two', 'c.ndjson:7 is not JSON: …'));
    await show.has('#bad:text-is("c.ndjson:7 is not JSON: …")');
    await again.end('It ended: a.ndjson:1 is not JSON.');
    await show.has('#connection:not(:empty)');
    assert.equal(await show.text('#connection'), 'It ended: a.ndjson:1 is not JSON.');
  });
});

function liveRun(): LiveRun {
  const live = new LiveRun(UIDS, UIDS);
  for (const event of new HandMadeRun().startAll().events) live.observe(event);
  return live;
}
