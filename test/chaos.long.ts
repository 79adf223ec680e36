/** npm run chaos, for a minute each, with new seeds, which it prints; and where it must fail. */
import assert from 'node:assert/strict';
import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { assertEndsBy, directoryOf, startChaos, untilKilled } from './chaos-program.ts';
import { LONG_PATIENCE_MS, Program } from './processes.ts';

const SECONDS = '60';

suite('A minute of chaos', () => {
  for (const flags of [
    [],
    ['--master'],
    ['--servers', '5'],
    ['--servers', '5', '--master'],
    ['--store'],
    ['--store', '--master'],
    ['--members'],
    ['--members', '--store', '--master'],
  ]) {
    test(`finds no violation ${flags.join(' ')}`, async (t) => {
      const chaos = new Program('src/programs/chaos/chaos.ts', ['--seconds', SECONDS, ...flags]);
      t.after(async () => {
        if (!chaos.hasEnded) chaos.signal('SIGTERM');
        await chaos.end();
      });
      const { code, stdout, stderr } = await chaos.end(LONG_PATIENCE_MS);
      t.diagnostic(stdout.split('\n')[0] ?? '');
      assert.deepEqual([code, stderr], [0, ''], stdout);
      assert.match(stdout, /\nno violation\n$/);
      if (flags.includes('--members')) {
        assert.match(stdout, /^ *[1-9][0-9]* {2}changes of members$/m);
        return;
      }
      if (!flags.includes('--store')) return;
      assert.match(stdout, /: the answers are those of one store\n/);
      assert.match(stdout, /^as told: A, B, C have /m);
      assert.match(stdout, /^on disk: A, B, C have /m);
    });
  }
});

suite('Chaos that does not end well', () => {
  test('names what a store cannot have answered', async (t) => {
    const chaos = startChaos(t, '--servers', '1', '--seconds', '1', '--store');
    const directory = await directoryOf(t, chaos);
    const lie = { client: 'liar', line: 'add n0 1', answer: '-7', call: 1e9, return: 1e9 };
    const history = join(directory, 'history.ndjson');
    appendFileSync(history, `${JSON.stringify({ ...lie, outcome: 'ok' })}\n`);
    const { code, stdout } = await chaos.end();
    assert.equal(code, 1);
    assert.match(stdout, /: the answers are not those of one store\ninvariant 9 is violated\. /);
    assert.match(stdout, /\n {2}of key "n0" the answer "-7" to "add n0 1" by liar .* cannot be: /);
  });

  test('fails when a server refuses to restart', async (t) => {
    const { chaos, directory } = await untilKilled(t);
    writeFileSync(join(directory, 'state', 'A.json'), 'not a state');
    const { code, stdout, stderr } = await chaos.end();
    assert.equal(code, 1);
    assert.match(stderr, /^error: server A ended by itself with 1: error: .* cannot be used/);
    assert.doesNotMatch(stdout, /no violation/);
    assert.ok(existsSync(join(directory, 'A.ndjson')));
  });

  test('leaves nothing behind after SIGTERM', async (t) => {
    await assertEndsBy(t, 'SIGTERM', 143);
  });
});
