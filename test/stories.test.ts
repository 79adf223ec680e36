/**
 * Stories: what the servers say in `stories/*.txt` is what they say today. With `REWRITE=1` the
 * files are written anew; read the difference before you believe it.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { StoryTeller, tellStory } from '../src/simulation/story.ts';

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

/** A cluster in which two messages are in flight. */
function tellerWith(kind = ''): StoryTeller {
  const teller = new StoryTeller();
  for (const command of [`cluster A B C${kind}`, 'start A B C', 'deliver all', 'submit A x']) {
    teller.obey(command);
  }
  return teller;
}

test('a command passes an hour at most, and says so', () => {
  const told = () => tellStory('cluster A B C\n\nstart A B C\n\nwait 9999999999999\n');
  assert.throws(told, /^Error: line 5: a `wait` is an hour at most, 3600000 milliseconds$/);
  const teller = tellerWith();
  const nowMs = teller.world?.nowMs ?? 0;
  assert.throws(() => teller.obey('wait 3600000.1'), /an hour at most/);
  assert.throws(() => teller.obey('save takes 3600001 at A'), /^Error: a save takes an hour/);
  assert.equal(teller.world?.nowMs, nowMs);
  teller.obey('drop all');
  for (const uid of 'ABC') teller.obey(`stop ${uid}`);
  teller.obey('wait 3600000');
  assert.equal(teller.world?.nowMs, nowMs + 3_600_000);
});

test('no time passes while thousands of datagrams are in flight, and that is said', () => {
  const teller = tellerWith(' with leases');
  const [line] = teller.obey('wait 3600000').slice(-1);
  assert.match(line?.text ?? '', /^\(20[0-9]{2} datagrams are in flight: no time passes until/);
  const nowMs = teller.world?.nowMs;
  teller.obey('wait 1000');
  assert.equal(teller.world?.nowMs, nowMs);
  assert.equal(teller.waitForTimer()?.command, 'wait 1');
  assert.equal(teller.world?.nowMs, nowMs);
  teller.obey('drop all');
  teller.obey('wait 1000');
  assert.equal(teller.world?.nowMs, (nowMs ?? 0) + 1_000);
});

test('a timer that comes after an hour or two is waited for in commands of an hour', () => {
  const teller = tellerWith(' with leases');
  for (const uid of 'ABC') teller.obey(`save takes 3600000 at ${uid}`);
  for (let time = 0; time < 5; time += 1) {
    const { command = '' } = teller.waitForTimer() ?? {};
    const [, ms] = /^wait ([0-9]+)$/.exec(command) ?? [];
    assert.ok(Number(ms) >= 1 && Number(ms) <= 3_600_000, command);
  }
});

test('copies of copies are a thousand at most, in flight and aside', () => {
  for (const command of ['repeat all', 'keep all']) {
    const teller = tellerWith();
    const all = () => teller.world?.inFlight.length ?? 0;
    const sentence = /^Error: copies come to at most 1000 datagrams in flight, or put aside$/;
    assert.throws(() => {
      for (let time = 0; time < 1_000; time += 1) teller.obey(command);
    }, sentence);
    const counts = [all(), teller.kept.length];
    assert.ok(Math.max(...counts) > 500 && Math.max(...counts) <= 1_000, `${counts}`);
    teller.obey('drop all');
    teller.obey('bring back all');
    assert.equal(all(), counts[1]);
  }
});
