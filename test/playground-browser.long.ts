/**
 * The playground in a real browser: every control by mouse, by keyboard and by touch, what its
 * address may say, and that nothing that is typed into it is ever taken for markup.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, suite, test } from 'node:test';
import axe from 'axe-core';
import type { Page } from 'playwright-core';
import { tellStory } from '../src/simulation/story.ts';
import { closeBrowser, openBrowser, skip } from './browser.ts';
import { count, fill, key, openPlayground, storyIn, tell } from './playground-page.ts';

/** The page, which is sent and stored as it is. */
const MOST_CHARACTERS = 400_000;
/** A laptop takes a tenth of that; here other tests are at work at the same time. */
const MOST_START_MS = 5_000;
/** Where letters are letters. */
const TEXTS = ['seed', 'value'];
const PHONE = { width: 390, height: 844 };

/** Brings the first value about by what is under way, wave by wave. */
async function deliverWave(page: Page, type: string): Promise<void> {
  const chips = page.locator(`.chip.${type}`);
  for (let left = await chips.count(); left > 0; left -= 1) {
    await chips.first().focus();
    await page.keyboard.press('d');
  }
}

async function violationsOfAxe(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe.source);
  const script = `axe.run().then(({ violations }) => violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html }) => id + ': ' + html.slice(0, 120))))`;
  return page.evaluate(script);
}

/** Of all messages and counters on the stage: which stands upon another, or upon a server. */
function coveredOn(page: Page): Promise<readonly string[]> {
  return page.evaluate(`(() => {
    const boxesOf = (selector) => [...document.querySelectorAll(selector)].map((it) => {
      const { left, right, top, bottom } = it.getBoundingClientRect();
      return { name: it.dataset.key, left, right, top, bottom };
    });
    const isOver = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.5 &&
      Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 0.5;
    const messages = boxesOf('#stage .chip, #stage .more');
    const all = [...boxesOf('#stage .server'), ...messages];
    return messages.flatMap((a, index) => all.flatMap((b) =>
      b !== a && !messages.slice(0, index).includes(b) && isOver(a, b)
        ? [a.name + ' upon ' + b.name] : []));
  })()`);
}

suite('The playground in a browser', { skip }, () => {
  before(openBrowser);
  after(closeBrowser);

  test('is small, starts soon, and asks for nothing', async (t) => {
    const requests: string[] = [];
    const { page, errors, text } = await openPlayground(t, {
      prepare: (fresh) => fresh.on('request', (request) => requests.push(request.url())),
    });
    assert.ok(text.length < MOST_CHARACTERS, `${text.length} characters`);
    const startMs = Number(await page.evaluate('performance.now()'));
    assert.ok(startMs < MOST_START_MS, `${startMs} ms`);
    await page.click(key('deliver-all'));
    await page.click(key('play'));
    await page.click(key('play'));
    const others = requests.filter((url) => !/^(?:file|data|blob):/.test(url));
    assert.deepEqual([others, errors], [[], []]);
  });

  test('gets a value chosen by keyboard alone', async (t) => {
    const { page, errors } = await openPlayground(t);
    await page.focus(key('ask A'));
    await page.keyboard.press('Enter');
    for (const type of ['prepare', 'promise', 'accept', 'accepted']) await deliverWave(page, type);
    const values = await page.locator('.fact.value').allInnerTexts();
    assert.deepEqual(
      values.map((value) => value.replaceAll(/\s+/g, ' ')),
      Array(3).fill('value "hello"'),
    );
    assert.match(await storyIn(page), /deliver A->B prepare 1st[\s\S]*CHOSEN/);
    assert.deepEqual(errors, []);
  });

  test('has all of its controls within reach of the tabulator', async (t) => {
    const { page } = await openPlayground(t, { hash: '#at=02-duel:6' });
    const reached = new Set<string>();
    for (let step = 0; step < 120; step += 1) {
      await page.keyboard.press('Tab');
      reached.add(String(await page.evaluate('document.activeElement?.dataset?.key')));
    }
    const all = (await page.evaluate(
      `[...document.querySelectorAll('[data-key]:not(:disabled)')].map((it) => it.dataset.key)`,
    )) as string[];
    assert.ok(all.length > 40, `${all.length}`);
    assert.deepEqual(
      all.filter((name) => !reached.has(name)),
      [],
    );
  });

  test('does by its keys what its buttons do', async (t) => {
    const { page } = await openPlayground(t);
    const events = () => page.locator('#log .line').count();
    const before = await events();
    await page.click(key('ask A'));
    await page.keyboard.press('ArrowRight');
    assert.ok((await events()) > before);
    await page.keyboard.press('a');
    assert.equal(await count(page, '.chip'), 0);
    const place = await page.innerText('output');
    await page.keyboard.press('ArrowLeft');
    assert.notEqual(await page.innerText('output'), place);
    await page.keyboard.press('ArrowRight');
    assert.equal(await page.innerText('output'), place);
    await page.keyboard.press('u');
    await page.keyboard.press('y');
    assert.equal(await page.innerText('output'), place);
    await page.keyboard.press('c');
    assert.match(await page.innerText('.line.now >> nth=-1'), /CHOSEN/);
    await page.keyboard.press('?');
    await page.waitForSelector('dialog[open]');
    await page.keyboard.press('Escape');
    assert.equal(await count(page, 'dialog[open]'), 0);
  });

  test('opens menus by mouse: messages, links, servers', async (t) => {
    const { page, errors } = await openPlayground(t);
    const choose = async (owner: string, entry: string) => {
      await page.click(key(owner), { force: owner.startsWith('link') });
      await page.click(`.menu button >> text=${entry}`);
    };
    await page.click(key('ask A'));
    await choose('flight A->B prepare 1st', 'Send twice');
    assert.equal(await count(page, '.chip'), 3);
    await choose('flight A->B prepare 1st', 'Keep back');
    await choose('flight A->B prepare 1st', 'Lose');
    assert.equal(await count(page, '.chip'), 1);
    await page.click(key('kept A->B prepare 1st'));
    assert.equal(await count(page, '.chip'), 2);
    await choose('flight A->B prepare 1st', 'Deliver');
    await choose('server C', 'Crash now');
    assert.match(await page.innerText(key('server C')), /down/);
    await choose('server C', 'Start');
    await choose('server B', 'Pause');
    assert.match(await page.innerText(key('server B')), /paused/);
    await page.focus(key('link AC'));
    await page.keyboard.press('Enter');
    await page.click('.menu button >> text=Cut both ways');
    assert.equal(await count(page, '.link.cut'), 1);
    await page.focus(key('link AC'));
    await page.keyboard.press('m');
    assert.equal(await count(page, '.link.cut, .link.half'), 0);
    await page.keyboard.press('u');
    assert.equal(await count(page, '.link.cut'), 1, 'it was one command');
    await page.keyboard.press('y');
    const story = await storyIn(page);
    for (const command of ['repeat A->B', 'hold back A->B', 'drop A->B', 'crash C', 'pause B']) {
      assert.ok(story.includes(`\n${command}`), command);
    }
    assert.equal(tellStory(story).text, story);
    assert.deepEqual(errors, []);
  });

  test('delivers a message that is dragged onto its server, and no other way', async (t) => {
    const { page } = await openPlayground(t);
    await page.click(key('ask A'));
    const middleOf = async (name: string) => {
      const box = await page.locator(key(name)).boundingBox();
      assert.ok(box);
      return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    };
    const drag = async (to: string) => {
      const [from, there] = [await middleOf('flight A->B prepare 1st'), await middleOf(to)];
      await page.mouse.move(from.x, from.y);
      await page.mouse.down();
      await page.mouse.move(there.x, there.y, { steps: 5 });
      await page.mouse.up();
    };
    await drag('server C');
    await page.waitForSelector('.chip.dragged', { state: 'detached' });
    assert.equal(await count(page, '.chip.prepare'), 2);
    await drag('server B');
    await page.waitForSelector('.chip.promise');
    assert.equal(await count(page, '.menu'), 0);
  });

  test('can be played with a finger on a phone, and is no wider than that', async (t) => {
    const { page } = await openPlayground(t, { viewport: PHONE, hasTouch: true });
    await page.tap(key('ask A'));
    await page.tap(key('flight A->B prepare 1st'));
    await page.tap('.menu button >> nth=0');
    assert.equal(await count(page, '.chip.promise'), 1);
    assert.ok(Number(await page.evaluate('document.documentElement.scrollWidth')) <= PHONE.width);
  });

  test('shows line, row and server of one turn together', async (t) => {
    const { page } = await openPlayground(t);
    await page.click(key('ask A'));
    await page.hover('.line.now >> nth=-1');
    assert.equal(await count(page, '.row.lit'), 1);
    assert.equal(await count(page, '.server.lit'), 1);
    await page.hover('.chip >> nth=0');
    assert.ok((await count(page, '.line.lit')) > 0);
    await page.focus('#log');
    const place = await page.innerText('output');
    for (let step = 0; step < 5; step += 1) await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Enter');
    assert.notEqual(await page.innerText('output'), place);
  });

  test('shows row, line and server of one turn together by keyboard, and goes there', async (t) => {
    const { page } = await openPlayground(t, { hash: '#at=02-duel:30' });
    await page.focus(key('rows'));
    const place = await page.innerText('output');
    for (let step = 0; step < 4; step += 1) await page.keyboard.press('ArrowUp');
    assert.equal(await count(page, '.row.lit'), 1);
    assert.equal(await count(page, '.server.lit'), 1);
    assert.ok((await count(page, '.line.lit')) > 0);
    const id = await page.locator(key('rows')).getAttribute('aria-activedescendant');
    assert.equal(await page.locator('.row.lit').getAttribute('id'), id);
    const turn = await page.locator('.row.lit').getAttribute('data-turn');
    await page.keyboard.press('Enter');
    assert.notEqual(await page.innerText('output'), place);
    assert.equal(await page.locator('.row.now').getAttribute('data-turn'), turn);
    await page.keyboard.press('ArrowUp'); // it has kept the focus
    await page.keyboard.press('ArrowUp');
    assert.equal(await count(page, '.row.lit'), 1);
  });

  test('has its letters wherever the focus is, but in a text', async (t) => {
    const { page, errors } = await openPlayground(t, { hash: '#at=02-duel:30' });
    const names =
      (await page.evaluate(`[...document.querySelectorAll('input, select, .line, button')]
      .filter((it) => it.dataset.key !== undefined && !it.matches(':disabled, .server, .chip'))
      .map((it) => it.dataset.key)`)) as string[];
    const [texts, others] = [names.filter((name) => TEXTS.includes(name)), names.slice()];
    assert.ok(others.length > 30 && texts.length === TEXTS.length);
    for (const name of others) {
      await page.click(key('copy'));
      const before = await page.inputValue('dialog textarea');
      await page.click(key('close'));
      await page.focus(key(name));
      const events = await page.innerText('output');
      await page.keyboard.press('t');
      const isDone = (await page.innerText('output')) !== events;
      assert.equal(isDone, !TEXTS.includes(name), `t on ${name}`);
      assert.equal(
        await page.evaluate('document.activeElement?.dataset?.key'),
        name,
        'the focus stays',
      );
      if (isDone) await page.keyboard.press('u');
      else await page.keyboard.press('Backspace');
      assert.equal(await storyIn(page), before, `u on ${name}`);
    }
    assert.deepEqual(errors, []);
  });

  test('leaves the arrows to the tape and to lists', async (t) => {
    const { page } = await openPlayground(t, { hash: '#at=02-duel:30' });
    await page.focus(key('tape'));
    const place = await page.innerText('output');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowRight');
    assert.equal(await page.innerText('output'), place);
    const story = await storyIn(page);
    await page.focus(key('speed'));
    await page.keyboard.press('ArrowRight');
    assert.equal(await storyIn(page), story);
  });

  test('covers no server and no message by another, on any screen', async (t) => {
    const sizes = [
      [1280, 720],
      [1440, 900],
      [360, 640],
    ] as const;
    for (const [width, height] of sizes) {
      const { page } = await openPlayground(t, { viewport: { width, height } });
      for (const servers of ['3', '5', '7', '9']) {
        await page.selectOption(key('servers'), servers);
        for (const uid of 'AB') await page.click(key(`ask ${uid}`));
        for (let step = 0; step < 18; step += 1) {
          await page.keyboard.press('ArrowRight');
          if (step % 3 > 0) continue;
          const where = `${servers} servers at ${width}×${height}, step ${step}`;
          assert.deepEqual(await coveredOn(page), [], where);
        }
      }
      const across = Number(await page.evaluate('document.documentElement.scrollWidth'));
      assert.ok(across <= width, `${across} of ${width}`);
    }
  });

  test('opens what it only counts: of a link, and of all others', async (t) => {
    const { page } = await openPlayground(t, { viewport: { width: 1_280, height: 720 } });
    await page.selectOption(key('servers'), '9');
    for (const uid of 'ABCDEFGHI') await page.click(key(`ask ${uid}`));
    assert.match(await page.innerText(key('more')), /^\+[0-9]+ more$/);
    assert.deepEqual(await coveredOn(page), []);
    await page.click(key('more'));
    const entries = await count(page, '.menu button');
    await page.click('.menu button >> nth=0');
    await page.click('.menu button >> text=Deliver');
    await page.click(key('more'));
    assert.ok(entries > 10);
    assert.match(await storyIn(page), /\ndeliver [A-I]->[A-I] prepare 1st\n/);
  });

  test('tells servers with a vote from others, and changes the members', async (t) => {
    const { page } = await openPlayground(t);
    await tell(page, 'cluster A B C D with members A B C\n\nstart A B C D\n\ndeliver all\n');
    await page.waitForSelector(key('server D'));
    assert.match(await page.innerText(key('server D')), /no member/);
    const choose = async (entry: string) => {
      await page.click(key('server D'));
      await page.click(`.menu button >> text=${entry}`);
      await page.click(key('deliver-all'));
      await page.click(key('ask A'));
      await page.click(key('deliver-all'));
    };
    await choose('Let it join');
    assert.match(await page.innerText(key('server D')), /no vote/);
    await choose('Give it a vote');
    await choose('Give it a vote');
    assert.equal(await count(page, '.server.voting'), 4);
    await choose('Remove it');
    assert.match(await page.innerText(key('server D')), /removed/);
    assert.deepEqual(await violationsOfAxe(page), []);
  });

  test('goes anywhere on its tape, and hides parts of its diagram', async (t) => {
    const { page } = await openPlayground(t, { hash: '#at=02-duel:30' });
    const tape = page.locator(key('tape'));
    await tape.fill('4');
    assert.match(await page.innerText('output'), /^moment 5 of /);
    await tape.focus();
    await page.keyboard.press('End');
    const arrows = await count(page, '#rows .arrow');
    await page.uncheck(key('show phase 1'));
    assert.ok((await count(page, '#rows .arrow')) < arrows);
    await page.uncheck(key('show C'));
    assert.equal(await count(page, '#heads > rect'), 2);
  });

  test('narrates stories, lets a reader leave them, and come back', async (t) => {
    const { page } = await openPlayground(t, { hash: '#at=03-orphan' });
    const story = readFileSync(new URL('stories/03-orphan.txt', import.meta.url), 'utf8');
    assert.match(await page.innerText('.narration'), /paragraph 1 of 4/);
    await page.click(key('next-paragraph'));
    await page.click(key('ask C'));
    assert.match(await page.innerText('.narration'), /off the story/);
    await page.click(key('back-to-story'));
    assert.doesNotMatch(await page.innerText('.narration'), /off the story/);
    assert.equal(await count(page, '.branch'), 1);
    while (await page.isEnabled(key('next-paragraph'))) await page.keyboard.press('n');
    const words = (text: string) => text.split(/[\s#]+/);
    assert.deepEqual(words(await storyIn(page)), words(story));
  });

  test("keeps a run of one's own when something else is chosen", async (t) => {
    const { page, errors } = await openPlayground(t);
    await page.click(key('ask B'));
    await page.click(key('deliver-all'));
    const story = await storyIn(page);
    await page.selectOption(key('stories'), '02-duel');
    await page.selectOption(key('servers'), '5');
    await page.selectOption(key('goals'), 'two-values');
    assert.equal(await count(page, '.branch'), 1);
    await page.click('.branch');
    assert.equal(await storyIn(page), story);
    assert.equal(await page.inputValue(key('servers')), '3');
    assert.equal(await page.inputValue(key('goals')), '');
    assert.deepEqual(errors, []);
  });

  test('shares a story, and plays what was shared or pasted', async (t) => {
    const { page } = await openPlayground(t);
    await page.click(key('ask B'));
    await page.click(key('deliver-all'));
    const story = await storyIn(page);
    await page.click(key('share'));
    const address = await page.inputValue('dialog textarea');
    const { page: other } = await openPlayground(t, { hash: address.slice(address.indexOf('#')) });
    await other.waitForSelector('#log .line >> nth=10');
    assert.equal(await storyIn(other), story);
    await tell(other, '# Two.\n\ncluster A B\n\nstart A B\n');
    assert.equal(await count(other, '.server'), 2);
  });

  test('says in a sentence what it cannot play, and loses nothing', async (t) => {
    const { page, errors } = await openPlayground(t, { hash: '#story=eJwBAAD' });
    assert.match(await page.innerText('#notice'), /cut off or damaged/);
    await page.evaluate("location.hash = '#at=99-nothing'");
    await page.waitForSelector('#notice >> text=/99-nothing/');
    await page.click(key('ask A'));
    const story = await storyIn(page);
    const bad = ['', 'no story', 'cluster A B C\n\ndance', 'wait 1\n\n'.repeat(10_001)];
    for (const text of bad) {
      await page.click(key('paste'));
      await fill(page, text);
      await page.click(key('play-it'));
      await page.waitForSelector('dialog .notice >> text=/./');
      await page.click(key('close'));
    }
    assert.equal(await storyIn(page), story);
    assert.deepEqual(errors, []);
  });

  test('plays a very long story bit by bit', async (t) => {
    const { page } = await openPlayground(t);
    // What is said meanwhile may be gone before anybody looks.
    await page.evaluate(() => {
      const said: string[] = [];
      Reflect.set(globalThis, 'said', said);
      new MutationObserver(() => {
        said.push(document.querySelector('dialog .notice')?.textContent ?? '');
      }).observe(document.body, { subtree: true, childList: true, characterData: true });
    });
    await tell(
      page,
      `cluster A B C\n\nstart A B C\n\n${'submit A v\n\ndrop all\n\n'.repeat(1_500)}`,
    );
    await page.waitForSelector('dialog', { state: 'detached' });
    const said = await page.evaluate(() => Reflect.get(globalThis, 'said') as string[]);
    assert.ok(said.some((words) => words.startsWith('playing: ')));
    assert.ok((await count(page, '#log .line')) <= 300);
    assert.ok((await count(page, '#rows .row')) <= 300);
  });

  test('takes whatever is in a value for text', async (t) => {
    const { page, errors } = await openPlayground(t);
    const hostile = '<img src=x onerror="document.title=1"><script>document.title=2</script>&amp;';
    await page.fill('#value', hostile);
    await page.click(key('ask A'));
    await page.click(key('deliver-all'));
    await page.click(key('server A'));
    assert.equal(await count(page, 'img, #stage script, #run script, #lines script'), 0);
    assert.equal(await page.title(), 'Paxos playground');
    assert.ok((await page.innerText('#log')).includes('<img src=x onerror='));
    assert.deepEqual(errors, []);
  });

  test('checks a goal, gives hints, and says what has been understood', async (t) => {
    const { page } = await openPlayground(t, { hash: '#goal=forgotten-promise' });
    await page.click(key('hint'));
    assert.equal(await count(page, '.hint'), 1);
    await page.click(key('ask A'));
    assert.match(await page.innerText('.goal .reached'), /^✓ Reached\. A rename is durable/);
  });

  test('names what is violated, and the events that contradict each other', async (t) => {
    const { page } = await openPlayground(t, { hash: '#break=quorum-of-one' });
    await page.fill('#value', 'mine');
    await page.click(key('ask A'));
    await page.fill('#value', 'yours');
    await page.click(key('ask B'));
    for (const name of ['A->C accept 1st', 'B->C accept 1st']) {
      await page.focus(key(`flight ${name}`));
      await page.keyboard.press('d');
    }
    const panel = await page.innerText('.violation');
    assert.match(panel, /✗ 1\. Agreement[\s\S]*at most one value is ever chosen[\s\S]*Here /);
    assert.equal(await count(page, '.row.violated'), 2);
    await page.click(key('violated 0'));
    assert.doesNotMatch(await page.innerText('#told'), /✗ 1\. Agreement: violated/);
    await page.keyboard.press('v');
    assert.match(await page.innerText('#told'), /✗ 1\. Agreement: violated/);
  });

  test('finds a violation by itself, and can be stopped', async (t) => {
    const { page, errors } = await openPlayground(t, { hash: '#break=forgotten-promise' });
    await page.click(key('find'));
    await page.waitForSelector('.violation');
    assert.match(await page.innerText('#notice'), /^seed [0-9]+ violates it: here as a story/);
    const story = await storyIn(page);
    assert.match(story, /^break forgotten-promise$/m);
    assert.equal(tellStory(story).violations[0]?.invariant, 5);

    await page.selectOption(key('rules'), 'promises-to-anybody');
    await page.click(key('find'));
    await page.click(key('stop-finding'));
    assert.equal(await count(page, key('find')), 1);
    await page.click(key('find'));
    await page.selectOption(key('rules'), '');
    assert.equal(await count(page, key('stop-finding')), 0);
    assert.deepEqual(errors, []);
  });

  test('is accessible: light, dark, with a menu, a dialog, a violation, a master', async (t) => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const { page } = await openPlayground(t, { colorScheme, hash: '#break=quorum-of-one' });
      await page.click(key('ask A'));
      await page.click(key('ask B'));
      assert.deepEqual(await violationsOfAxe(page), [], colorScheme);
      await page.click(key('server C'));
      assert.deepEqual(await violationsOfAxe(page), [], `${colorScheme}, menu`);
      await page.keyboard.press('Escape');
      await page.click(key('keys'));
      assert.deepEqual(await violationsOfAxe(page), [], `${colorScheme}, dialog`);
      const hash = '#at=12-paused-master:15';
      const { page: story } = await openPlayground(t, { colorScheme, hash });
      assert.ok((await count(story, '.server.master')) > 0);
      assert.deepEqual(await violationsOfAxe(story), [], `${colorScheme}, master`);
    }
  });

  test('changes from light to dark', async (t) => {
    const { page } = await openPlayground(t, { colorScheme: 'light' });
    const background = () => page.evaluate('getComputedStyle(document.body).backgroundColor');
    assert.equal(await background(), 'rgb(255, 255, 255)');
    await page.click(key('theme'));
    assert.notEqual(await background(), 'rgb(255, 255, 255)');
  });

  test('plays by itself, and stops where it is told to', async (t) => {
    const { page } = await openPlayground(t);
    await page.selectOption(key('speed'), '5');
    await page.check(key('stop chosen'));
    await page.click(key('ask A'));
    await page.click(key('play'));
    await page.waitForSelector('#notice >> text=/^stopped: chosen/');
    assert.match(await page.innerText(key('play')), /Play/);
  });

  test('plays what is told moment by moment, and stops at the very one', async (t) => {
    const { page } = await openPlayground(t);
    const commands = ['cluster A B C', 'start A B C', 'submit A v', 'deliver all', 'submit B w'];
    await tell(page, commands.join('\n\n'));
    await page.waitForSelector('dialog', { state: 'detached' });
    await page.locator(key('tape')).fill('3');
    await page.selectOption(key('speed'), '5');
    await page.check(key('stop chosen'));
    await page.click(key('play'));
    await page.waitForSelector('#notice >> text=/^stopped: chosen/');
    assert.match(await page.innerText('.line >> nth=-1'), /CHOSEN$/);
  });

  test('says that it cannot be copied in the middle of what nobody can cut', async (t) => {
    const { page, errors } = await openPlayground(t);
    const begin = 'cluster A B C\n\nstart A B C\n\npause A\n\nsubmit B v\n\nsubmit C w\n\n';
    await tell(page, `${begin}deliver all\n\nwait 3000\n\nresume A\n`);
    await page.waitForSelector('dialog', { state: 'detached' });
    await page.keyboard.press('ArrowLeft');
    await page.click(key('copy'));
    await page.waitForSelector('#notice >> text=/^no story can say so much/');
    assert.equal(await count(page, 'dialog'), 0);
    assert.match(await storyIn(page), /^resume A$/m);
    assert.deepEqual(errors, []);
  });

  test('knows which rule a command has broken, and a seed from a word', async (t) => {
    const { page } = await openPlayground(t);
    await page.fill('#value', 'break quorum-of-one');
    await page.click(key('command'));
    assert.equal(await page.inputValue(key('rules')), 'quorum-of-one');
    assert.equal(await page.inputValue('#value'), 'hello');
    const story = await storyIn(page);
    await page.fill(key('seed'), 'seven');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#notice >> text=/not "seven"$/');
    assert.equal(await page.inputValue(key('seed')), '');
    assert.equal(await storyIn(page), story);
  });
});
