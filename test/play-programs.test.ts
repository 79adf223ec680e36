/** `npm run play` and `npm run story`, as a person runs them. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text as textOf } from 'node:stream/consumers';
import { suite, type TestContext, test } from 'node:test';
import { promptForCommands } from '../src/programs/story/prompt.ts';
import { tellStory } from '../src/simulation/story.ts';
import { Program, run, temporaryDirectory } from './processes.ts';

const STORY = 'src/programs/story/story.ts';
const PLAY = 'src/programs/play/play.ts';
const DUEL = 'test/stories/02-duel.txt';

/** What the prompt says to these lines. */
async function prompted(...lines: readonly string[]): Promise<string> {
  const output = new PassThrough();
  const said = textOf(output);
  await promptForCommands(Readable.from(`${lines.join('\n')}\n`), output);
  output.end();
  return said;
}

suite('npm run story', { concurrency: true }, () => {
  test('tells a story anew, and draws it', async (t: TestContext) => {
    const picture = join(temporaryDirectory(t), 'duel.svg');
    const { code, stdout } = await run(STORY, DUEL, '--diagram', picture);
    assert.deepEqual([code, stdout], [0, readFileSync(DUEL, 'utf8')]);
    assert.match(readFileSync(picture, 'utf8'), /^<svg /);
  });

  test('says in a sentence what it cannot tell', async (t: TestContext) => {
    const directory = temporaryDirectory(t);
    const bad = { 'words.txt': '# only words\n', 'dance.txt': 'cluster A\n\ndance\n' };
    const said = { 'words.txt': /has no command/, 'dance.txt': /^error: line 3: "dance" is not/ };
    for (const name of ['words.txt', 'dance.txt'] as const) {
      const file = join(directory, name);
      writeFileSync(file, bad[name]);
      const { code, stdout, stderr } = await run(STORY, file);
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, said[name]);
    }
    const { code, stderr } = await run(STORY, join(directory, 'nothing.txt'));
    assert.equal(code, 1);
    assert.match(stderr, /^error: the story .* cannot be read: /);
  });

  test('asks for commands, takes them back, and saves them', async (t: TestContext) => {
    const file = join(temporaryDirectory(t), 'mine.txt');
    const lines = ['cluster A B', 'start A B', 'dance', 'submit A x', 'undo', 'redo', 'help'];
    const more = [`save ${file}/below`, 'save', 'save takes 5 at A', 'undo'];
    const said = await prompted(...lines, `save ${file}`, `save ${file}`, 'redo', ...more);
    assert.match(said, /"dance" is not a command of stories/);
    assert.match(said, /A ←cl propose[\s\S]*back before: submit A x[\s\S]*A ←cl propose/);
    assert.ok(said.includes(`the story is in ${file}`));
    assert.ok(said.includes(`${file} exists: choose another name`));
    assert.ok(said.includes(`the story cannot be written to ${file}/below: `));
    assert.match(said, /save it where\? "save FILE"/);
    assert.match(said, /there is nothing to do again/);
    const saved = readFileSync(file, 'utf8');
    assert.match(saved, /^submit A x$/m);
    assert.equal(tellStory(saved).text, saved);
  });
});

suite('npm run play', { concurrency: true }, () => {
  test('writes one page', async (t: TestContext) => {
    const file = join(temporaryDirectory(t), 'playground.html');
    const { code, stdout } = await run(PLAY, '--output', file);
    assert.equal(code, 0);
    assert.match(stdout, /^the playground is in .*playground\.html: [0-9]+ kB$/m);
    assert.match(readFileSync(file, 'utf8'), /^<!doctype html>\n/);
    const nowhere = join(file, 'below');
    const failed = await run(PLAY, '--output', nowhere);
    assert.deepEqual([failed.code, existsSync(nowhere)], [1, false]);
    assert.match(failed.stderr, /^error: the playground .* cannot be written: /);
  });

  test('serves it on loopback, until it is ended', async (t: TestContext) => {
    const program = new Program(PLAY, []);
    t.after(() => program.signal('SIGKILL'));
    const isServed = new Promise<void>((served) => {
      program.onText(() => program.stdout.includes('Ctrl-C') && served());
    });
    await Promise.race([isServed, program.exited]);
    const [address = ''] = /http:\/\/127\.0\.0\.1:[0-9]+\//.exec(program.stdout) ?? [];
    const page = await fetch(address);
    assert.equal(page.status, 200);
    assert.match(await page.text(), /<title>Paxos playground<\/title>/);
    assert.equal((await fetch(`${address}package.json`)).status, 404);
    program.signal('SIGINT');
    assert.equal((await program.end()).code, 0);
  });

  test('does not take a port that is none', async () => {
    const { code, stderr } = await run(PLAY, '--port', '70000');
    assert.equal(code, 2);
    assert.match(stderr, /^error: --port /);
  });
});
