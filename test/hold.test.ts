/** `client.ts --hold`: real commands, and a store that is only played. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Inquiry, Outcome } from '../src/client-session.ts';
import { KeyValue } from '../src/log/key-value.ts';
import { type Ask, hold, LOST_EXIT_CODE } from '../src/programs/client/hold.ts';
import { readClientOptions } from '../src/programs/client/options.ts';

const UNKNOWN = { outcome: 'unknown', lastWord: 'no server has answered' } as const;

/** One machine that answers at once, unless `silent` says so. */
class Played {
  readonly machine = new KeyValue();
  readonly lines: string[] = [];
  silent: (line: string) => boolean = () => false;

  readonly ask: Ask = async (inquiry: Inquiry, timeoutMs: number): Promise<Outcome> => {
    const line = inquiry.type === 'request' ? inquiry.value : 'query' in inquiry && inquiry.query;
    if (line === false) throw new Error('it asks for something else');
    this.lines.push(line);
    if (this.silent(line)) {
      await new Promise((later) => setTimeout(later, timeoutMs));
      return UNKNOWN;
    }
    const instanceNumber = this.lines.length;
    const of = { requestId: '0000000000000001-1-1', instanceNumber };
    if (inquiry.type !== 'request') {
      const found = this.machine.query(line);
      const reply = { type: 'found', ...of, found, isCurrent: false } as const;
      return { outcome: 'answered', server: 'A', reply };
    }
    const answer = this.machine.apply(line, instanceNumber);
    return { outcome: 'answered', server: 'A', reply: { type: 'answered', ...of, answer } };
  };

  /** How often somebody has asked so. */
  count(verb: string): number {
    return this.lines.filter((line) => line.startsWith(`${verb} `)).length;
  }
}

function quiet(t: TestContext): string[] {
  const said: string[] = [];
  t.mock.method(console, 'error', (line: string) => said.push(line));
  return said;
}

const sh = (script: string) => ['sh', '-c', script];

test('a command runs with the token, is renewed for, and its exit code is told', async (t) => {
  const said = quiet(t);
  const directory = mkdtempSync(join(tmpdir(), 'hold-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const played = new Played();
  const file = join(directory, 'out');
  const command = sh(`echo "$LOCK_NAME $LOCK_TOKEN" > ${file}; sleep 0.5; exit 7`);
  assert.equal(await hold(played.ask, { name: 'job', forMs: 600, command }, 1_000), 7);
  assert.equal(readFileSync(file, 'utf8'), 'job 1\n');
  assert.ok(played.count('renew') >= 1);
  assert.equal(played.machine.query('lock job'), null);
  assert.deepEqual(said, ['holds job with token 1']);
});

test('a command is ended when its lock is lost, and what it has started with it', async (t) => {
  const said = quiet(t);
  const played = new Played();
  played.silent = (line) => {
    if (line.startsWith('renew')) played.machine.apply(`unlock job 1`, 100);
    return false;
  };
  const holding = { name: 'job', forMs: 300, command: sh('sleep 60 & wait') };
  assert.equal(await hold(played.ask, holding, 1_000), LOST_EXIT_CODE);
  assert.equal(said.at(-1), 'error: job is lost: the lock is not held');
  assert.equal(played.count('unlock'), 0);
});

test('if nobody answers a command is dead in time, even one that does not want to', async (t) => {
  const said = quiet(t);
  const played = new Played();
  played.silent = (line) => line.startsWith('renew');
  const beganMs = performance.now();
  const holding = {
    name: 'job',
    forMs: 1_000,
    command: sh('trap "" TERM; sleep 60 & wait; sleep 60'),
  };
  assert.equal(await hold(played.ask, holding, 1_000), LOST_EXIT_CODE);
  const tookMs = performance.now() - beganMs;
  assert.ok(tookMs > 700, `${tookMs}`);
  assert.match(`${said.at(-1)}`, /nobody has renewed it in time$/);
});

test('a client without an answer has its lock since it first asked', async (t) => {
  quiet(t);
  const played = new Played();
  played.silent = (line) => {
    const isFirst = line.startsWith('lock') && played.count('lock') === 1;
    if (isFirst) played.machine.apply(line, 1); // it is done, and nobody hears of it
    return isFirst;
  };
  const holding = { name: 'job', forMs: 300, command: sh('exit 0') };
  assert.equal(await hold(played.ask, holding, 5_000), 0);
  assert.equal(played.count('lock'), 2);
  assert.equal(played.machine.query('lock job'), null);
});

test('an answer that comes late counts for nothing: it asks anew', async (t) => {
  quiet(t);
  const played = new Played();
  played.silent = (line) => {
    const isFirst = line.startsWith('lock') && played.count('lock') === 1;
    const untilMs = performance.now() + (isFirst ? 150 : 0);
    while (performance.now() < untilMs); // the whole process stands still
    return false;
  };
  const holding = { name: 'job', forMs: 300, command: sh('exit 0') };
  assert.equal(await hold(played.ask, holding, 5_000), 0);
  assert.equal(played.count('lock'), 2);
});

test('when a command has ended, what it has left behind ends, too', async (t) => {
  quiet(t);
  const directory = mkdtempSync(join(tmpdir(), 'hold-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'left behind');
  const command = sh(`(sleep 0.2; touch '${file}') &`);
  assert.equal(await hold(new Played().ask, { name: 'job', forMs: 1_000, command }, 1_000), 0);
  await new Promise((later) => setTimeout(later, 500));
  assert.equal(existsSync(file), false);
});

test('whoever waits gets the lock when it is free, and is told if it never is', async (t) => {
  const said = quiet(t);
  const played = new Played();
  played.machine.apply('lock job bob 5000', 1);
  const command = sh('exit 0');
  const never = hold(played.ask, { name: 'job', forMs: 1_000, command }, 400);
  await assert.rejects(never, { exitCode: 125, message: /not got in time: held by bob, token 1/ });
  assert.equal(said[0], 'waits for job: held by bob, token 1');
  setTimeout(() => played.machine.apply('unlock job 1', 1_000), 300);
  assert.equal(await hold(played.ask, { name: 'job', forMs: 1_000, command }, 5_000), 0);
});

test('a command that cannot be run says so, and the lock is given back', async (t) => {
  const said = quiet(t);
  const played = new Played();
  const holding = { name: 'job', forMs: 1_000, command: ['/there/is/no/such/command'] };
  assert.equal(await hold(played.ask, holding, 1_000), 127);
  assert.match(`${said[1]}`, /^error: .* cannot be run: no such file or directory/);
  assert.equal(played.machine.query('lock job'), null);
});

test('how --hold is written, and what is wrong about it', () => {
  const read = (...args: string[]) => readClientOptions(args, 'keys').task;
  assert.deepEqual(read('A', '--hold', 'job', '--', 'echo', '--', '--wait'), {
    kind: 'hold',
    name: 'job',
    forMs: 30_000,
    command: ['echo', '--', '--wait'],
  });
  assert.deepEqual(read('--any', '--hold=job', '--for', '2000', '--', 'true'), {
    kind: 'hold',
    name: 'job',
    forMs: 2_000,
    command: ['true'],
  });
  const wrong: readonly [RegExp, ...string[]][] = [
    [/wants a command/, 'A', '--hold', 'job'],
    [/wants a command/, 'A', '--hold', 'job', '--'],
    [/neither sets nor asks/, 'A', 'value', '--hold', 'job', '--', 'true'],
    [/neither sets nor asks/, 'A', '--hold', 'job', '--read', '--', 'true'],
    [/1 to 64/, 'A', '--hold', 'a b', '--', 'true'],
    [/1 to 64/, 'A', '--hold', 'x'.repeat(65), '--', 'true'],
    [/from 1000 to 86400000/, 'A', '--hold', 'job', '--for', '0', '--', 'true'],
    [/from 1000 to 86400000/, 'A', '--hold', 'job', '--for', '31536000000', '--', 'true'],
    [/--for goes with --hold/, 'A', 'value', '--for', '5000'],
    [/no server is named/, '--hold', 'job', '--', 'true'],
  ];
  for (const [why, ...args] of wrong) assert.throws(() => read(...args), why);
});
