/** npm run chaos: a slice of it, and that it tells what is wrong and leaves nothing behind. */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { appendFileSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { drawPlan, type PlannedFault } from '../src/programs/chaos/plan.ts';
import { FAIR_WEATHER, UdpRelay } from '../src/programs/chaos/udp-relay.ts';
import { freePorts, LOOPBACK } from '../src/programs/common/free-port.ts';
import { readHistory } from '../src/programs/common/read-history.ts';
import { Random } from '../src/simulation/random.ts';
import { findContradiction } from '../src/trace/linearizability.ts';
import { type Exit, PATIENCE_MS, Program, run } from './processes.ts';

const UIDS = ['A', 'B', 'C'];
const SLICE_SECONDS = 10;

suite('npm run chaos', { concurrency: true }, () => {
  test('finds no violation', async (t) => {
    const chaos = startChaos(t, '--seconds', `${SLICE_SECONDS}`, '--master');
    const exit = await chaos.end();
    t.diagnostic(exit.stdout.split('\n')[0] ?? '');
    assert.deepEqual([exit.code, exit.stderr], [0, ''], exit.stdout);
    assert.match(exit.stdout, /\nno violation\n$/);
    for (const what of ['writes answered', 'reads answered', 'values chosen']) {
      assert.ok(countIn(exit, what) > 0, exit.stdout);
    }
    assert.match(exit.stdout, / (?:unknown|refused)\): the answers are those of one register\n/);
    const faults = ['kills', 'clean stops', 'pauses', 'cuts', 'spells of bad weather'] as const;
    assert.ok(faults.some((name) => countIn(exit, name) > 0));
    await assertNothingIsLeft(exit.stdout);
  });

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

  test('names the invariant, the event, the seed and the files', async (t) => {
    const { chaos, directory, seed } = await untilKilled(t);
    for (const name of ['A.json', 'A.mark']) {
      rmSync(join(directory, 'state', name)); // it forgets what it has promised, and that it has
    }
    const { code, stdout } = await chaos.end();
    assert.equal(code, 1);
    assert.match(
      stdout,
      /\ninvariant 7 is violated\. The chain only grows: .*\n.*A\.ndjson:[0-9]+: /,
    );
    assert.match(stdout, /\n {2}.*\.ndjson:[0-9]+: server A, instance [0-9]+, at .*: start\n/);
    assert.match(stdout, new RegExp(`kept in ${directory}; .* --seed ${seed} `));
    assert.ok(existsSync(join(directory, 'A.ndjson')));
  });

  test('names an answer that cannot be, and keeps the history', async (t) => {
    const chaos = startChaos(t, '--servers', '1', '--seconds', '1');
    const directory = await directoryOf(t, chaos);
    const history = join(directory, 'history.ndjson');
    const late = 1e9; // when much has been written
    const lie = {
      client: 'liar',
      op: 'read',
      value: null,
      call: late,
      return: late,
      outcome: 'ok',
    };
    appendFileSync(history, `${JSON.stringify(lie)}\n`);
    const { code, stdout } = await chaos.end();
    assert.equal(code, 1);
    assert.match(stdout, /: the answers are not those of one register\ninvariant 9 is violated\. /);
    assert.match(stdout, /\n {2}the read of nothing by liar .* cannot come after the /);
    assert.doesNotMatch(stdout, /no violation/);

    assert.match(stdout, / npm run check -- .*A\.ndjson --history .*history\.ndjson\n/);
    const { operations } = readHistory([history]);
    assert.match(findContradiction(operations) ?? '', /^the read of nothing by liar /);
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

  for (const [signal, code] of [['SIGINT', 130] as const, ['SIGTERM', 143] as const]) {
    test(`leaves nothing behind after ${signal}`, async (t) => {
      const seed = seedOf(UIDS, 20, (fault) => fault.do === 'pause' && fault.forMs > 3_000);
      const chaos = startChaos(t, '--seconds', '20', '--seed', `${seed}`);
      await untilItSays(chaos, / pause [ABC]/);
      chaos.signal(signal);
      const exit = await chaos.end();
      assert.deepEqual([exit.code, exit.stderr], [code, '']);
      await assertNothingIsLeft(exit.stdout);
    });
  }

  test('knows its options', async () => {
    for (const args of [['--seconds', '0'], ['--servers', '10'], ['--seed', 'x'], ['--what']]) {
      const { code, stderr } = await run('src/programs/chaos/chaos.ts', ...args);
      assert.equal(code, 2);
      assert.match(stderr, /^error: .*\n$/);
    }
  });
});

suite('The plan of a chaos run', () => {
  const draw = (seed: number) => drawPlan(seed, UIDS, 60_000, true);

  test('is the same for the same seed, and another one for another', () => {
    assert.deepEqual(draw(7), draw(7));
    assert.notDeepEqual(draw(7), draw(8));
  });

  test('has a master killed, and one cut off and one asleep beyond its lease', () => {
    for (let seed = 1; seed <= 100; seed += 1) {
      const { faults } = draw(seed);
      const pieces = faults.filter(({ needsMaster }) => needsMaster);
      assert.deepEqual(pieces.map((piece) => piece.do).sort(), ['isolate', 'kill', 'pause']);
      for (const { do: what, forMs } of pieces) assert.ok(what === 'kill' || forMs > 11_000);
    }
  });

  test('does to one server alone only what needs no network', () => {
    const { faults } = drawPlan(7, ['A'], 60_000, false);
    const kinds = new Set(faults.map((fault) => fault.do));
    assert.deepEqual([...kinds].sort(), ['kill', 'kill all', 'pause', 'stop']);
  });

  test('lasts to its end, too, where nobody can cut anything', () => {
    for (const hasLeases of [false, true]) {
      for (let seed = 1; seed <= 30; seed += 1) {
        const { faults } = drawPlan(seed, UIDS, 60_000, hasLeases, false);
        const kinds = new Set(faults.map((fault) => fault.do));
        assert.deepEqual([...kinds].sort(), ['kill', 'kill all', 'pause', 'stop']);
        const lastMs = faults.reduce((sum, { afterMs }) => sum + afterMs, 0);
        assert.ok(lastMs > 40_000, `${seed}: ${lastMs}`);
      }
    }
  });
});

suite('The relay', () => {
  test('stands between two servers, and cuts each direction by itself', async (t) => {
    const [a, b] = [await openSocket(t), await openSocket(t)];
    const ports = new Map([
      ['A', a.address().port],
      ['B', b.address().port],
    ]);
    const relay = await UdpRelay.open(ports, new Random('a test'));
    t.after(() => relay.close());
    const whereAFindsB = portIn(relay.clusterOf('A')['B']);
    const whereBFindsA = portIn(relay.clusterOf('B')['A']);
    assert.equal(portIn(relay.clusterOf('A')['A']), ports.get('A'));

    a.send('one', whereAFindsB, LOOPBACK);
    assert.deepEqual(await arrival(b), ['one', whereBFindsA]);
    relay.cut([['A', 'B']]);
    a.send('lost', whereAFindsB, LOOPBACK);
    b.send('two', whereBFindsA, LOOPBACK);
    assert.deepEqual(await arrival(a), ['two', whereAFindsB]);
    assert.equal(relay.lost, 1);
    relay.mend([['A', 'B']]);
    const inA = await openSocket(t); // a client in the process of A
    inA.send('asked', whereAFindsB, LOOPBACK);
    const [asked, door] = await arrival(b);
    assert.equal(asked, 'asked');
    b.send('answered', door, LOOPBACK);
    assert.deepEqual(await arrival(inA), ['answered', whereAFindsB]);
    relay.weather = { ...FAIR_WEATHER, duplicate: 1, maxDelayMs: 1 };
    const copies = [arrival(b), arrival(b, 2)];
    a.send('three', whereAFindsB, LOOPBACK);
    assert.deepEqual(await Promise.all(copies), [
      ['three', whereBFindsA],
      ['three', whereBFindsA],
    ]);
  });
});

/** Runs chaos as a program. It gets a chance to clean up if the test fails. */
function startChaos(t: TestContext, ...args: readonly string[]): Program {
  const chaos = new Program('src/programs/chaos/chaos.ts', ['-v', ...args]);
  t.after(async () => {
    if (!chaos.hasEnded) chaos.signal('SIGTERM');
    await chaos.end();
  });
  return chaos;
}

/** One server that is killed and down for a while: time to lay hands on its files. */
async function untilKilled(t: TestContext) {
  const isLongKill = (fault: PlannedFault) => fault.do === 'kill' && fault.forMs > 2_000;
  const seed = seedOf(['A'], 12, isLongKill);
  const chaos = startChaos(t, '--servers', '1', '--seconds', '12', '--seed', `${seed}`);
  const directory = await directoryOf(t, chaos);
  await untilItSays(chaos, / A is down/);
  return { chaos, directory, seed };
}

/** Where its files are. They go away when the test ends. */
async function directoryOf(t: TestContext, chaos: Program): Promise<string> {
  const [, directory = ''] = await untilItSays(chaos, /all files are in (.*)\n/);
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A seed whose first fault is like this. */
function seedOf(
  uids: readonly string[],
  seconds: number,
  isWanted: (fault: PlannedFault) => boolean,
): number {
  for (let seed = 1; seed < 10_000; seed += 1) {
    const [first] = drawPlan(seed, uids, seconds * 1_000, false).faults;
    if (first !== undefined && isWanted(first)) return seed;
  }
  throw new Error('no seed begins like this');
}

async function untilItSays(program: Program, words: RegExp): Promise<RegExpExecArray> {
  return await new Promise((found, failed) => {
    const look = () => {
      const match = words.exec(program.stdout);
      if (match !== null) found(match);
    };
    program.onText(look);
    program.exited.then(({ stdout, stderr }) => failed(new Error(`${stdout}${stderr}`)));
    look();
  });
}

function countIn({ stdout }: Exit, name: string): number {
  return Number(new RegExp(`^ *([0-9]+) {2}${name}$`, 'm').exec(stdout)?.[1]);
}

/** No file, and no process: a server that lives, asleep or not, holds its port. */
async function assertNothingIsLeft(stdout: string): Promise<void> {
  const directory = /all files are in (.*)/.exec(stdout)?.[1] ?? '';
  assert.match(directory, /paxos-chaos-/);
  assert.ok(!existsSync(directory));
  const ports = [...stdout.matchAll(/listens on 127\.0\.0\.1:([0-9]+)/g)];
  assert.equal(ports.length, UIDS.length);
  for (const [, port] of ports) await untilFree(Number(port));
}

/** The system takes a moment to clear a killed process away. */
async function untilFree(port: number): Promise<void> {
  const untilMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const socket = createSocket('udp4');
    try {
      const bound = once(socket, 'listening');
      socket.bind({ port, address: LOOPBACK, exclusive: true });
      await bound;
      return;
    } catch (error) {
      if (performance.now() > untilMs) throw error;
      await sleep(20);
    } finally {
      socket.close();
    }
  }
}

async function openSocket(t: TestContext): Promise<Socket> {
  const [port] = await freePorts(1);
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  socket.bind(port, LOOPBACK);
  await once(socket, 'listening');
  return socket;
}

/** The text of a datagram, and the port that it comes from: the next one, or one after it. */
async function arrival(socket: Socket, nth = 1): Promise<[string, number]> {
  return await new Promise((arrived) => {
    let left = nth;
    const count = (bytes: Buffer, { port }: { port: number }) => {
      left -= 1;
      if (left > 0) return;
      socket.off('message', count);
      arrived([bytes.toString(), port]);
    };
    socket.on('message', count);
  });
}

function portIn(address: string | undefined): number {
  return Number(address?.split(':')[1]);
}
