/**
 * The playground where a run is long: a step back on the page itself, and what takes long. All is
 * measured as processor time of the page, against what it takes to play the whole run.
 */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { Page } from 'playwright-core';
import { Session } from '../src/playground/session.ts';
import { Random } from '../src/simulation/random.ts';
import { closeBrowser, openBrowser, skip } from './browser.ts';
import { openPlayground, tell } from './playground-page.ts';

/** A run of so many commands, all of them deliveries and values. */
function longStory(commands: number): string {
  const session = new Session();
  for (const command of ['cluster A B C', 'start A B C', 'deliver all']) session.do(command);
  const random = new Random('long');
  while (session.script.length < commands) {
    const [flight] = session.stage?.flights ?? [];
    const asked = `submit ${random.pick(['A', 'B', 'C'])} v`;
    session.do(flight === undefined ? asked : `deliver ${flight.name}`);
  }
  return session.script.map(({ text }) => text).join('\n\n');
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
});
