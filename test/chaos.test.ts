/** npm run chaos: a slice of it, and that it tells what is wrong and leaves nothing behind. */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { appendFileSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { ChaosCluster } from '../src/programs/chaos/cluster.ts';
import { MembersChaos } from '../src/programs/chaos/members.ts';
import { drawPlan } from '../src/programs/chaos/plan.ts';
import { FAIR_WEATHER, UdpRelay } from '../src/programs/chaos/udp-relay.ts';
import { freePorts, LOOPBACK } from '../src/programs/common/free-port.ts';
import { readHistory } from '../src/programs/common/read-history.ts';
import { Random } from '../src/simulation/random.ts';
import { lostState } from '../src/state.ts';
import { findContradiction } from '../src/trace/linearizability.ts';
import {
  assertEndsBy,
  assertNothingIsLeft,
  countIn,
  directoryOf,
  startChaos,
  UIDS,
  untilKilled,
} from './chaos-program.ts';
import { run } from './processes.ts';

const SLICE_SECONDS = 10;

test('who is a member says the newest disk, and not that of one who was removed', async (t) => {
  const random = new Random(1, 'members');
  const calm = { drop: 0, duplicate: 0, minDelayMs: 0, maxDelayMs: 0 };
  const cluster = await ChaosCluster.prepare(['A', 'B', 'C'], ['--members'], calm, random);
  t.after(() => {
    cluster.relay.close();
    cluster.clear(false);
  });
  const ears = { tell: () => {}, count: () => {}, joined: () => {} };
  const members = await MembersChaos.open(cluster, random, ears);
  t.after(() => members.leave());
  const keep = (uid: string, instanceNumber: number, voters: readonly string[]) => {
    const member = { address: `${LOOPBACK}:1`, role: 'voting' } as const;
    const roster = Object.fromEntries(voters.map((voter) => [voter, member]));
    const membership = { since: instanceNumber - 1, used: [], by: '', members: roster };
    const state = { ...lostState(uid, ['A', 'B', 'C']), instanceNumber, membership };
    writeFileSync(join(cluster.directory, 'state', `${uid}.json`), JSON.stringify(state));
  };
  const left = () => cluster.servers.map(({ uid }) => uid);

  assert.deepEqual(await members.settle(0), []);
  assert.deepEqual(left(), ['A', 'B', 'C']); // nothing has changed so far
  keep('A', 190, ['A', 'C']);
  keep('B', 307, ['B', 'C']);
  keep('C', 200, ['A', 'C']);
  assert.deepEqual(await members.settle(0), []);
  assert.deepEqual(left(), ['B', 'C']);
  keep('C', 308, ['C']);
  members.forgetWhoLeft();
  assert.deepEqual(left(), ['C']);
});

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

  test('leaves nothing behind after SIGINT', async (t) => {
    await assertEndsBy(t, 'SIGINT', 130);
  });

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
