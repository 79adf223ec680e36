/** The page of the playground for tests in a browser, built once. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { buildPlayground } from '../src/programs/play/build.ts';
import { openPage } from './browser.ts';
import { temporaryDirectory } from './processes.ts';

let built: Promise<string> | null = null;

export interface PageOptions extends NonNullable<Parameters<typeof openPage>[1]> {
  readonly hash?: string;
  /** Does something with the page before it is loaded. */
  readonly prepare?: (page: Page) => void;
}

/** Opens the page from disk, as a reader does who has copied it. */
export async function openPlayground(
  t: TestContext,
  { hash = '', prepare = () => {}, ...options }: PageOptions = {},
): Promise<{ readonly page: Page; readonly errors: string[]; readonly text: string }> {
  built ??= buildPlayground();
  const text = await built;
  const page = await openPage(t, options);
  const errors: string[] = [];
  page.on('pageerror', ({ message }) => errors.push(message));
  page.on('console', (message) => errors.push(message.text()));
  prepare(page);
  const file = join(temporaryDirectory(t), 'playground.html');
  writeFileSync(file, text);
  await page.goto(`${pathToFileURL(file)}${hash}`);
  await page.waitForSelector('.invariants');
  return { page, errors, text };
}

/** What a control is called on the page. */
export function key(name: string): string {
  return `[data-key="${name}"]`;
}

export function count(page: Page, selector: string): Promise<number> {
  return page.locator(selector).count();
}

/** The run as the page writes it down. */
export async function storyIn(page: Page): Promise<string> {
  await page.click(key('copy'));
  const story = await page.inputValue('dialog textarea');
  await page.click(key('close'));
  return story;
}

/** At once, as a paste does; typing a long text would take long. */
export async function fill(page: Page, story: string): Promise<void> {
  const text = page.locator('dialog textarea');
  await text.evaluate((element, value) => {
    (element as unknown as { value: string }).value = value;
  }, story);
  await text.dispatchEvent('input');
}

/** Pastes a story, and plays it. */
export async function tell(page: Page, story: string): Promise<void> {
  await page.click(key('paste'));
  await fill(page, story);
  await page.click(key('play-it'));
}
