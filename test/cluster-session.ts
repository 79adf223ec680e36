/** `npm run cluster` in a process of its own, typed to and read. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { PATIENCE_MS } from './processes.ts';

export const CLUSTER = 'src/programs/cluster/cluster.ts';
export const UIDS = ['A', 'B', 'C'];
const PROJECT = join(import.meta.dirname, '..');

/** A cluster in a process of its own, whose standard input is in our hands. */
export class Session {
  text = '';
  readonly closed: Promise<number | null>;
  readonly #child: ChildProcess;
  readonly #heard: (() => void)[] = [];

  constructor(t: TestContext, command: readonly string[]) {
    const [program = '', ...args] = command;
    const { NO_COLOR: _no, FORCE_COLOR: _force, ...env } = process.env;
    env['TERM'] = 'xterm-256color'; // one that can do nothing completes nothing
    this.#child = spawn(program, args, { cwd: PROJECT, env, stdio: 'pipe' });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text) => {
        this.text += text;
        for (const wake of this.#heard.splice(0)) wake();
      });
    }
    this.closed = once(this.#child, 'close').then(([code]) => code);
    this.#child.stdin?.on('error', () => {});
    t.after(() => this.#child.kill('SIGKILL')); // and its servers end by themselves
  }

  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  endInput(): void {
    this.#child.stdin?.end();
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Waits until it has said so. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    const timeout = AbortSignal.timeout(PATIENCE_MS);
    const tooLate = once(timeout, 'abort').then(() => true);
    const isOver = this.closed.then(() => true);
    for (;;) {
      const found = pattern.exec(this.text);
      if (found !== null) return found;
      const heard = new Promise<false>((wake) => this.#heard.push(() => wake(false)));
      assert.ok(!(await Promise.race([heard, isOver, tooLate])), this.text);
    }
  }
}

export function startCluster(t: TestContext, ...args: readonly string[]): Session {
  return new Session(t, [process.execPath, '--import', 'tsx', CLUSTER, ...args]);
}
