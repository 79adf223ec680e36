/** A server in a process of its own, in all its lives. It does not outlive who starts it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const PROJECT = join(import.meta.dirname, '..', '..', '..');
const LEASH = './src/programs/common/leash.ts';

/** What its owner wants to hear of it. */
export interface ServerEars {
  /** A line that it says; `isComplaint`: on stderr. */
  said(line: string, isComplaint: boolean): void;
  /** It has ended without having been told to, with this exit code or signal. */
  ended(how: number | NodeJS.Signals | null): void;
}

export class ServerProcess {
  readonly #args: readonly string[];
  readonly #env: NodeJS.ProcessEnv;
  readonly #ears: ServerEars;
  #child: ChildProcess | null = null;
  /** It was told to end, so its end is nothing to speak of. */
  #isToEnd = false;

  /** `args` are those of `server.ts`; `env` is added to the environment. */
  constructor(args: readonly string[], ears: ServerEars, env: NodeJS.ProcessEnv = {}) {
    // Whoever starts servers here fires at them as well, and what he fires is not sealed.
    const { PAXOS_KEY: _none, ...ours } = process.env;
    this.#args = args;
    this.#env = { ...ours, ...env };
    this.#ears = ears;
  }

  get isRunning(): boolean {
    return this.#child !== null && !hasEnded(this.#child);
  }

  /** Starts it, and waits until it has said something, or has ended. */
  async start(): Promise<void> {
    const node = ['--import', 'tsx', '--import', LEASH, 'server.ts'];
    const child = spawn(process.execPath, [...node, ...this.#args], {
      cwd: PROJECT,
      env: this.#env,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#isToEnd = false;
    const hasSpoken = once(child.stdout, 'data');
    for (const from of ['stdout', 'stderr'] as const) {
      const lines = createInterface({ input: child[from] });
      lines.on('line', (line) => this.#ears.said(line, from === 'stderr'));
    }
    const hasClosed = once(child, 'close').then(() => {
      if (child === this.#child && !this.#isToEnd) {
        this.#ears.ended(child.exitCode ?? child.signalCode);
      }
    });
    await Promise.race([hasSpoken, hasClosed]);
  }

  /** Ends it in the middle of whatever it does, asleep or not, and waits until it is gone. */
  async kill(): Promise<void> {
    this.killNow();
    if (this.#child !== null) await untilEnded(this.#child);
  }

  /** The same, without waiting. */
  killNow(): void {
    this.#isToEnd = true;
    this.#child?.kill('SIGKILL');
  }

  /**
   * Ends it as Ctrl-C does, and returns its exit code or signal once it is gone. Null: it is not
   * after so long.
   */
  async stop(patienceMs: number): Promise<number | NodeJS.Signals | null> {
    const child = this.#child;
    if (child === null) return 0;
    if (!hasEnded(child)) {
      this.#isToEnd = true;
      child.kill('SIGINT');
      const patience = new AbortController();
      const timeout = setTimeout(() => patience.abort(), patienceMs);
      const { signal } = patience;
      await once(child, 'exit', { signal }).catch(() => {});
      clearTimeout(timeout);
    }
    return child.exitCode ?? child.signalCode;
  }

  /** Stops its process as if the machine were asleep, until `wake`. */
  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  wake(): void {
    this.#child?.kill('SIGCONT');
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function untilEnded(child: ChildProcess): Promise<void> {
  if (!hasEnded(child)) await once(child, 'exit');
}
