import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { performance } from 'node:perf_hooks';
import { suite, test } from 'node:test';
import { Turns } from '../src/node/turns.ts';
import type { TraceEvent } from '../src/trace/events.ts';

suite('Turns', () => {
  test('stamp what happens in them with their number, the server and the time', () => {
    const { turns, events } = recorded();
    const before = Date.now();
    turns.run(() => {
      turns.trace({ event: 'stop' });
      turns.trace({ event: 'stop' });
    });
    turns.run(() => turns.trace({ event: 'stop' }));
    assert.deepEqual(
      events.map(({ server, turn }) => [server, turn]),
      [
        ['A', 1],
        ['A', 1],
        ['A', 2],
      ],
    );
    for (const { at } of events) {
      assert.ok(Math.abs(at - before) < 5_000, 'milliseconds since 1970');
      assert.equal(at, Math.round(at * 1_000) / 1_000, 'to the microsecond');
    }
  });

  test('end with the first that fails, be it a timer: it is traced, and told once', async () => {
    const { turns, events, failure } = recorded();
    turns.after(1, () => {
      throw new Error('a bug');
    });
    turns.after(2, () => assert.fail('a turn after the last one'));
    assert.equal((await failure).message, 'a bug');
    turns.run(() => assert.fail('a turn after the last one'));
    turns.trace({ event: 'stop' });
    turns.fail(new Error('another one'));
    assert.deepEqual(
      events.map((event) => event.event === 'fail' && event.why),
      ['a bug'],
    );
  });

  test('end, too, when it is the trace that fails', async () => {
    const failed: unknown[] = [];
    const show = () => {
      throw new Error('the disk is full');
    };
    const sink = { show, endTurn: () => {} };
    const turns = new Turns('A', [sink], (error) => failed.push(error));
    turns.run(() => turns.trace({ event: 'stop' }));
    assert.deepEqual(failed.map(String), ['Error: the disk is full']);
  });

  test('that wait for their time never come too early', async () => {
    const { turns } = recorded();
    const delays = Array.from({ length: 50 }, (_, index) => 1 + index / 7);
    const wakeUps = delays.map((delayMs) => {
      const startedMs = performance.now();
      return new Promise<number>((woken) => {
        turns.after(delayMs, () => woken(performance.now() - startedMs - delayMs));
      });
    });
    for (const lateMs of await Promise.all(wakeUps)) assert.ok(lateMs >= 0);
  });

  test('that wait come in time also where the timers of the system are early', async (t) => {
    const real = globalThis.setTimeout;
    const early = (act: () => void, delayMs: number) => real(act, delayMs / 2);
    t.mock.method(globalThis, 'setTimeout', early as typeof setTimeout);
    const { turns } = recorded();
    const startedMs = performance.now();
    const lateMs = await new Promise<number>((woken) => {
      turns.after(60, () => woken(performance.now() - startedMs - 60));
    });
    assert.ok(lateMs >= 0, `${lateMs}`);
  });

  test('that are cancelled do not come', async () => {
    const { turns } = recorded();
    const cancelled = turns.after(1, () => assert.fail('it was cancelled'));
    cancelled.cancel();
    cancelled.cancel();
    await new Promise<void>((done) => {
      turns.after(5, done);
    });
  });
});

function recorded() {
  const events: TraceEvent[] = [];
  const sink = { show: (event: TraceEvent) => events.push(event), endTurn: () => {} };
  const failures = new EventEmitter();
  const failure = once(failures, 'failure').then(([error]): Error => error);
  const turns = new Turns('A', [sink], (error) => failures.emit('failure', error));
  return { turns, events, failure };
}
