/** npm run chaos as a program whose files we lay hands on. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { drawPlan, type PlannedFault } from '../src/programs/chaos/plan.ts';
import { LOOPBACK } from '../src/programs/common/free-port.ts';
import { type Exit, PATIENCE_MS, Program } from './processes.ts';

export const UIDS = ['A', 'B', 'C'];

/** Runs chaos as a program. It gets a chance to clean up if the test fails. */
export function startChaos(t: TestContext, ...args: readonly string[]): Program {
  const chaos = new Program('src/programs/chaos/chaos.ts', ['-v', ...args]);
  t.after(async () => {
    if (!chaos.hasEnded) chaos.signal('SIGTERM');
    await chaos.end();
  });
  return chaos;
}

/** One server that is killed and down for a while: time to lay hands on its files. */
export async function untilKilled(t: TestContext) {
  const isLongKill = (fault: PlannedFault) => fault.do === 'kill' && fault.forMs > 2_000;
  const seed = seedOf(['A'], 12, isLongKill);
  const chaos = startChaos(t, '--servers', '1', '--seconds', '12', '--seed', `${seed}`);
  const directory = await directoryOf(t, chaos);
  await untilItSays(chaos, / A is down/);
  return { chaos, directory, seed };
}

/** Where its files are. They go away when the test ends. */
export async function directoryOf(t: TestContext, chaos: Program): Promise<string> {
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

export function countIn({ stdout }: Exit, name: string): number {
  return Number(new RegExp(`^ *([0-9]+) {2}${name}$`, 'm').exec(stdout)?.[1]);
}

/** A signal ends it in the middle of a fault, and nothing of it is left. */
export async function assertEndsBy(
  t: TestContext,
  signal: NodeJS.Signals,
  code: number,
): Promise<void> {
  const seed = seedOf(UIDS, 20, (fault) => fault.do === 'pause' && fault.forMs > 3_000);
  const chaos = startChaos(t, '--seconds', '20', '--seed', `${seed}`);
  await untilItSays(chaos, / pause [ABC]/);
  chaos.signal(signal);
  const exit = await chaos.end();
  assert.deepEqual([exit.code, exit.stderr], [code, '']);
  await assertNothingIsLeft(exit.stdout);
}

/** No file, and no process: a server that lives, asleep or not, holds its port. */
export async function assertNothingIsLeft(stdout: string): Promise<void> {
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
