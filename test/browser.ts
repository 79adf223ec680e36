/** A real browser for tests: Chromium, at /usr/bin/chromium or where the variable CHROMIUM says. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { layOut } from '../src/diagram/layout.ts';
import type { Diagram } from '../src/diagram/model.ts';
import { PATIENCE_MS, temporaryDirectory } from './processes.ts';

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
/** Why the tests with a browser are left out, or false. */
export const skip = existsSync(CHROMIUM) ? false : `there is no Chromium at ${CHROMIUM}`;
export const WIDE = { width: 1_500, height: 900 };
/** So much may two boxes share, in pixels: boxes of text reach beyond what is seen of them. */
const TOUCH_PX = 1;

/** A text as the browser sets it, and the lane that its words belong to. */
interface Box {
  readonly text: string;
  readonly lane: string | null;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

let browser: Browser;

export async function openBrowser(): Promise<void> {
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
}

export async function closeBrowser(): Promise<void> {
  await browser.close();
}

export async function openPage(
  t: TestContext,
  options: Parameters<Browser['newPage']>[0] = {},
): Promise<Page> {
  const page = await browser.newPage({ viewport: WIDE, ...options });
  page.setDefaultTimeout(PATIENCE_MS);
  t.after(() => page.close());
  return page;
}

export async function load(t: TestContext, page: Page, html: string, hash = ''): Promise<void> {
  const file = join(temporaryDirectory(t), 'diagram.html');
  writeFileSync(file, html);
  await page.goto(`${pathToFileURL(file)}${hash}`);
}

/** All texts of the picture on the page, but for its legend, relative to its left edge. */
export function boxesOf(page: Page): Promise<Box[]> {
  // This runs in the browser: as text, since the types of a browser are not those of a server.
  const texts = 'svg:not(#legend) text:not(:empty)';
  return page.evaluate(`[...document.querySelectorAll('${texts}')].map((element) => {
    const { left, right, top, bottom } = element.getBoundingClientRect();
    const edge = element.ownerSVGElement.getBoundingClientRect().left;
    const text = element.lastChild.textContent;
    const lane = element.dataset.lane ?? null;
    return { text, lane, left: left - edge, right: right - edge, top, bottom };
  })`);
}

export function assertInLanes(boxes: readonly Box[], diagram: Diagram): void {
  const layout = layOut(diagram, { from: 1, to: diagram.rows.length });
  const rooms = new Map(layout.lanes.map((lane) => [lane.uid, lane]));
  const client = { wordsFrom: layout.clientX ?? 0, wordsTo: layout.clientWordsTo };
  for (const { text, lane, left, right } of boxes) {
    assert.ok(left >= 0 && right <= layout.width, `${text} is outside of the picture`);
    if (lane === null) continue;
    const room = lane === 'client' ? client : rooms.get(lane);
    assert.ok(room !== undefined);
    const isInside = left >= room.wordsFrom - TOUCH_PX && right <= room.wordsTo + TOUCH_PX;
    const where = `from ${left} to ${right}, not ${room.wordsFrom} to ${room.wordsTo}`;
    assert.ok(isInside, `${text} is not in lane ${lane}: ${where}`);
  }
}

export function assertApart(boxes: readonly Box[]): void {
  const ordered = boxes.toSorted((a, b) => a.top - b.top);
  for (const [index, a] of ordered.entries()) {
    for (const b of ordered.slice(index + 1)) {
      if (b.top >= a.bottom - TOUCH_PX) break;
      const isApart = a.left >= b.right - TOUCH_PX || b.left >= a.right - TOUCH_PX;
      assert.ok(isApart, `"${a.text}" and "${b.text}" overlap`);
    }
  }
}

/** Asserts that nothing of a picture is outside of it, not even a line or its head. */
export async function assertWithin(page: Page): Promise<void> {
  const outside = await page.evaluate(`[...document.querySelectorAll('svg')].flatMap((picture) => {
    const room = picture.getBoundingClientRect();
    const shapes = [...picture.querySelectorAll('text, path, rect, circle')];
    return shapes.filter((shape) => {
      const { left, right, top, bottom } = shape.getBoundingClientRect();
      const isIn = left >= room.left && right <= room.right && top >= room.top;
      return !isIn || bottom > room.bottom;
    }).map((shape) => shape.outerHTML);
  })`);
  assert.deepEqual(outside, []);
}
