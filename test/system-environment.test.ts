/** The clocks of a real server. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { JsonStateFile } from '../src/node/json-state-file.ts';
import { SystemEnvironment } from '../src/node/system-environment.ts';
import { Turns } from '../src/node/turns.ts';

const HOUR_MS = 3_600_000;

suite('The clocks of a real server', () => {
  test('are two: when somebody sets the wall clock, the other one goes on', (t) => {
    const turns = new Turns('A', [], (error) => assert.fail(String(error)));
    const messenger = { send: () => {}, reply: () => {}, canCarry: () => true };
    const { clock } = new SystemEnvironment(turns, messenger, new JsonStateFile('nowhere', 'A'));
    const realNow = Date.now;
    const [startedMs, wallStartedMs] = [clock.now(), clock.wallNow()];
    for (const byMs of [HOUR_MS, -HOUR_MS]) {
      t.mock.method(Date, 'now', () => realNow() + byMs);
      const passedMs = clock.now() - startedMs;
      assert.ok(passedMs >= 0 && passedMs < HOUR_MS / 2, `${passedMs}`);
      const wallPassedMs = clock.wallNow() - wallStartedMs;
      assert.ok(Math.abs(wallPassedMs - byMs) < HOUR_MS / 2, `${wallPassedMs}`);
    }
  });
});
