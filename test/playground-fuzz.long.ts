/** Somebody who clicks on anything in the playground: nothing breaks, and all is written down. */
import assert from 'node:assert/strict';
import { after, before, suite, type TestContext, test } from 'node:test';
import type { Page } from 'playwright-core';
import { Random } from '../src/simulation/random.ts';
import { tellStory } from '../src/simulation/story.ts';
import { closeBrowser, openBrowser, skip } from './browser.ts';
import { count, key, openPlayground, storyIn, tell } from './playground-page.ts';

const CLICKS = 300;
/** What begins anew, opens what covers the page, or plays on by itself, is left alone. */
const LEFT_ALONE = /^(?:copy|paste|share|keys|play|speed|servers|leases|rules|stories|goals|text)$/;

async function clickAnything(page: Page, random: Random): Promise<void> {
  const script = `[...document.querySelectorAll('[data-key]')]
    .filter((it) => it.matches('button:not(:disabled), .link')).map((it) => it.dataset.key)`;
  const names = ((await page.evaluate(script)) as string[]).filter((it) => !LEFT_ALONE.test(it));
  const name = random.pick(names);
  await page.locator(key(name)).first().dispatchEvent('click');
  assert.equal(await count(page, 'dialog'), 0);
}

function lineTextsOf(page: Page): Promise<string[]> {
  return page.locator('#log .line').allInnerTexts();
}

async function playAround(t: TestContext, servers: string, kind: string, seed: number) {
  const random = new Random(seed, 'clicks');
  const { page, errors } = await openPlayground(t);
  await page.selectOption(key('servers'), servers);
  await page.selectOption(key('leases'), kind);
  for (let click = 0; click < CLICKS; click += 1) await clickAnything(page, random);
  assert.deepEqual(errors, []);
  assert.equal(await count(page, '.violation'), 0);

  const story = await storyIn(page);
  const told = tellStory(story);
  assert.equal(told.text, story);
  assert.deepEqual(told.violations, []);
  await page.click(key('lines all servers'));
  const lines = await lineTextsOf(page);
  await tell(page, story);
  await page.waitForSelector('dialog', { state: 'detached' });
  assert.deepEqual(await lineTextsOf(page), lines);
}

suite('Anybody who clicks on anything in the playground', { skip }, () => {
  before(openBrowser);
  after(closeBrowser);

  for (const [servers, kind] of [
    ['3', 'plain'],
    ['3', 'leases'],
    ['5', 'leases'],
    ['9', 'plain'],
  ] as const) {
    for (let seed = 1; seed <= 2; seed += 1) {
      test(`${servers} servers, ${kind}, seed ${seed}`, (t) => playAround(t, servers, kind, seed));
    }
  }
});
