/**
 * Stories: what the servers say in `stories/*.txt` is what they say today. With `REWRITE=1` the
 * files are written anew; read the difference before you believe it.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { tellStory } from '../src/simulation/story.ts';

const DIRECTORY = new URL('stories/', import.meta.url);
const STORIES = readdirSync(DIRECTORY).filter((name) => name.endsWith('.txt'));

for (const name of STORIES) {
  test(`story ${name}`, () => {
    const file = new URL(name, DIRECTORY);
    const story = readFileSync(file, 'utf8');
    const { text, violations } = tellStory(story);
    assert.deepEqual(violations, []);
    if (process.env['REWRITE'] === '1') writeFileSync(file, text);
    else assert.equal(text, story);
  });
}
