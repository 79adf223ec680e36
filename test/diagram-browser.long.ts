/** Diagrams of runs that nobody has seen, in a browser, and somebody who presses any key. */
import assert from 'node:assert/strict';
import { after, before, suite, type TestContext, test } from 'node:test';
import type { Page } from 'playwright-core';
import { diagramOf } from '../src/diagram/model.ts';
import { pageOf } from '../src/diagram/page.ts';
import { Random } from '../src/simulation/random.ts';
import { run } from '../src/simulation/run.ts';
import { drawSchedule } from '../src/simulation/schedule.ts';
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

const SLICE_MS = 60_000;
const KEYS = ['j', 'k', 'n', 'p', 'x', 'ArrowDown', 'ArrowUp', 'Home', 'End', 'Escape', 'Tab'];
const KEYS_IN_A_ROW = 50;

suite('Any diagram in a browser', { skip }, () => {
  before(openBrowser);
  after(closeBrowser);

  test('has every text in its lane, and nothing goes wrong whatever is pressed', async (t) => {
    const firstSeed = Math.floor(Math.random() * 1e9);
    const page = await openPage(t);
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    const startedMs = performance.now();
    let seed = firstSeed;
    do {
      try {
        await lookAndPlay(t, page, seed);
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
      assert.deepEqual(errors, [], `seed ${seed}`);
      seed += 1;
    } while (performance.now() - startedMs < SLICE_MS);
    t.diagnostic(`${seed - firstSeed} seeds from ${firstSeed} on`);
  });
});

async function lookAndPlay(t: TestContext, page: Page, seed: number): Promise<void> {
  const random = new Random(seed, 'browser');
  const diagram = diagramOf(anyEvents(random, seed));
  await load(t, page, pageOf(diagram));
  const boxes = await boxesOf(page); // before the keys scroll it below its heads
  assertInLanes(boxes, diagram);
  assertApart(boxes);
  for (let count = 0; count < KEYS_IN_A_ROW; count += 1) {
    await page.keyboard.press(random.pick(KEYS));
  }
}

/** The first events of a run of a cluster of any size, with all that may happen to it. */
function anyEvents(random: Random, seed: number): readonly TraceEvent[] {
  const events: TraceEvent[] = [];
  const servers = 1 + random.below(9);
  const leases = random.chance(0.5);
  const most = 1 + random.below(400);
  run(drawSchedule(seed, servers, 10, null), { leases }, (event) => events.push(event));
  return events.slice(0, most);
}
