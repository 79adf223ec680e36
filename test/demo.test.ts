/** `npm run demo`, as a person runs it: to its end, or not so far. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { Program, run } from './processes.ts';

const DEMO = 'src/programs/demo/demo.ts';
// How often a lease is renewed meanwhile depends on how busy the machine is.
const AGREEMENT =
  /^All three servers agree: they are at instance \d\d, and the value is "the end"\.$/;

function startDemo(t: TestContext): Program {
  const demo = new Program(DEMO, []);
  t.after(async () => {
    demo.signal('SIGTERM');
    await demo.end();
  });
  return demo;
}

/**
 * Its servers print where the demo prints. So when all that was printed has been read to its end,
 * which is what `end` waits for, no server is left.
 */
function assertNoFilesLeft({ stdout }: Program): void {
  const [, stateFile = ''] = /keeps (\S+)/.exec(stdout) ?? [];
  const directory = dirname(dirname(stateFile));
  assert.match(directory, /paxos-demo-/);
  assert.ok(!existsSync(directory), directory);
}

suite('The demo', { concurrency: true }, () => {
  test('ends with three state files that agree, and leaves nothing behind', async (t) => {
    const demo = startDemo(t);
    const { code, stdout, stderr } = await demo.end();
    assert.deepEqual([code, stderr], [0, ''], stdout);
    assert.match(stdout.trimEnd().split('\n').at(-1) ?? '', AGREEMENT);

    const headings = stdout.match(/^== \d\. .* ==$/gm) ?? [];
    assert.equal(headings.length, 9);
    assert.equal(stdout.match(/^-- [A-C] was level \d+ ms after its start$/gm)?.length, 2);
    assert.ok(!stdout.includes('\u001b'));
    assertNoFilesLeft(demo);
  });

  test('ends at once when it is asked to, and leaves nothing behind', async (t) => {
    const demo = startDemo(t);
    const isChosen = new Promise<void>((chosen) => {
      demo.onText(() => demo.stdout.includes('"hello" is CHOSEN') && chosen());
    });
    await Promise.race([isChosen, demo.exited]);
    demo.signal('SIGINT');
    const { code, stderr } = await demo.end();
    assert.deepEqual([code, stderr], [130, 'error: the demo ends early, by SIGINT\n']);
    assertNoFilesLeft(demo);
  });

  test('takes no arguments', async () => {
    const { code, stderr } = await run(DEMO, 'quickly');
    assert.equal(code, 2);
    assert.match(stderr, /^error: too many arguments/);
  });
});
