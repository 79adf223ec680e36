/** npm run chaos, for a minute each. Its seeds are new each time, and printed. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
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
