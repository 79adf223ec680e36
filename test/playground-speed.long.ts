/**
 * The playground where a run is long: a step back on the page itself, and what takes long. All is
 * measured as processor time of the page, against what it takes to play the whole run.
 */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { Page } from 'playwright-core';
import { Random } from '../src/simulation/random.ts';
import { StoryTeller } from '../src/simulation/story.ts';
import { closeBrowser, openBrowser, skip } from './browser.ts';
import { key, openPlayground, tell } from './playground-page.ts';

/** A run of so many commands, all of them deliveries and values. */
function longStory(commands: number): string {
  const teller = new StoryTeller();
  const script = ['cluster A B C', 'start A B C', 'deliver all'];
  for (const command of script) teller.obey(command);
  const random = new Random('long');
  while (script.length < commands) {
    const [first] = teller.world?.inFlight ?? [];
    const command =
      first === undefined
        ? `submit ${random.pick(['A', 'B', 'C'])} v`
        : `deliver ${first.from}->${first.to} ${first.message.type} 1st`;
    teller.obey(command);
    script.push(command);
  }
  return script.join('\n\n');
}

/** How much processor time the page takes for this, in milliseconds. */
async function costOf(page: Page, act: () => Promise<unknown>): Promise<number> {
  const client = await page.context().newCDPSession(page);
  await client.send('Performance.enable', { timeDomain: 'threadTicks' });
  const spent = async () => {
    const { metrics } = await client.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'TaskDuration')?.value ?? 0;
  };
  const begin = await spent();
  await act();
  await page.evaluate('new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)))');
  const costMs = 1_000 * ((await spent()) - begin);
  await client.detach();
  return costMs;
}

suite('A long run in the playground', { skip }, () => {
  before(openBrowser);
  after(closeBrowser);

  test('one step back costs little of what it costs to play the run', async (t) => {
    const { page, errors } = await openPlayground(t);
    const playMs = await costOf(page, async () => {
      await tell(page, longStory(500));
      await page.waitForSelector('dialog[open]', { state: 'detached' });
    });
    const steps: number[] = [];
    for (let step = 0; step < 8; step += 1) {
      steps.push(await costOf(page, () => page.keyboard.press('ArrowLeft')));
    }
    const typical = steps.toSorted((a, b) => a - b)[3] ?? 0;
    // Where all of the diagram is drawn anew, it is two fifths and more.
    assert.ok(typical < playMs / 3, `${steps.map(Math.round)} ms; to play it ${playMs} ms`);
    assert.deepEqual(errors, []);
  });

  /** The longest time for which the page hears nobody while this is done. */
  async function deafMs(page: Page, act: () => Promise<unknown>): Promise<number> {
    await page.evaluate(`{
      window.deafMs = 0;
      let last = performance.now();
      const look = () => {
        const now = performance.now();
        window.deafMs = Math.max(window.deafMs, now - last);
        last = now;
        window.looking = setTimeout(look);
      };
      look();
    }`);
    await act();
    return Number(await page.evaluate('clearTimeout(window.looking), window.deafMs'));
  }

  test('who acts after an undo in a story of thousands can use the page meanwhile', async (t) => {
    const { page, errors } = await openPlayground(t);
    const begin = performance.now();
    await tell(page, longStory(4_000));
    await page.waitForSelector('dialog[open]', { state: 'detached' });
    const playMs = performance.now() - begin;
    await page.keyboard.press('u');
    const actMs = await deafMs(page, async () => {
      await page.click(key('ask B'));
      await page.waitForSelector('.branch');
    });
    const before = await page.innerText('output');
    const undoMs = await deafMs(page, async () => {
      await page.keyboard.press('u');
      await page.locator('output', { hasNotText: before }).waitFor();
    });
    const waitMs = await deafMs(page, async () => {
      await tell(page, 'cluster A B C with leases\n\nstart A B C\n\ndeliver all\n\nwait 3600000');
      await page.waitForSelector('dialog[open]', { state: 'detached' });
    });
    assert.match(await page.innerText('.line >> nth=-1'), /datagrams are in flight/);
    for (const ms of [actMs, undoMs, waitMs]) {
      assert.ok(ms < playMs / 4, `${[actMs, undoMs, waitMs]} ms; to play it ${playMs} ms`);
    }
    assert.deepEqual(errors, []);
  });
});
