/**
 * `--hold NAME -- COMMAND`: runs a command for as long as a lock is held, and no longer.
 *
 * The client counts the time of its lock from when it *sent* what took or renewed it, on its own
 * monotonic clock: that is over before it is over at any server. It renews when a third of the time
 * is over. If it does not hear that this was done, it ends the command in time, so that it is dead
 * before anybody else can have the lock: first with a SIGTERM, and at the very end with a SIGKILL.
 * That is as good as clocks are, and if this process itself stands still nobody ends anything. So
 * the command has `LOCK_TOKEN` in its environment, to be sent along with what it does.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { constants, hostname } from 'node:os';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import type { Inquiry, Outcome } from '../../client-session.ts';
import { DONE } from '../../log/key-value.ts';
import { tokenIn } from '../../log/locks.ts';
import { codeOf, describe, Failure } from '../../node/failure.ts';

/** What is to be done under which lock. */
export interface Holding {
  readonly name: string;
  readonly forMs: number;
  readonly command: readonly string[];
}

/** Asks servers until one answers, or for so long. */
export type Ask = (inquiry: Inquiry, timeoutMs: number) => Promise<Outcome>;

/** The lock was lost while the command ran, which was ended for that. */
export const LOST_EXIT_CODE = 124;
/** The command was not run: the lock was never got. */
const NEVER_GOT_EXIT_CODE = 125;
const [CANNOT_RUN, NOT_FOUND, BY_SIGNAL] = [126, 127, 128];

/** A command has so long to end in good order. */
const MOST_GRACE_MS = 2_000;
/** Whoever waits looks so often at what one server knows: that costs no link. */
const LOOK_EVERY_MS = 300;
/** Now and then it asks for the lock all the same: that server may know nothing of late. */
const ASK_EVERY_MS = 5_000;
const UNLOCK_WITHIN_MS = 3_000;

class NeverGot extends Failure {
  override readonly exitCode = NEVER_GOT_EXIT_CODE;
}

/** Returns the exit code of the command, or one that says why there is none. */
export async function hold(ask: Ask, holding: Holding, waitMs: number): Promise<number> {
  const lock = new HeldLock(ask, holding);
  await lock.take(performance.now() + waitMs);
  console.error(`holds ${holding.name} with token ${lock.token}`);
  const running = new Running(holding, lock.token);
  const keeping = new AbortController();
  const kept = keep(lock, running, keeping.signal);
  const code = await running.ended;
  keeping.abort();
  await kept;
  if (running.whyEnded === null) await lock.giveBack();
  else console.error(`error: ${holding.name} is lost: ${running.whyEnded}`);
  return running.whyEnded === null ? code : LOST_EXIT_CODE;
}

/** Renews the lock while the command runs, and ends it if that is not known to be done. */
async function keep(lock: HeldLock, running: Running, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && running.whyEnded === null) {
    running.endBy(lock.untilMs);
    await sleep(lock.renewAtMs - performance.now(), signal);
    if (signal.aborted) return;
    const lost = await lock.renew(running.graceMs);
    if (lost !== null) return running.end(lost);
  }
}

class HeldLock {
  readonly #ask: Ask;
  readonly #holding: Holding;
  /** Nobody else is called that. */
  readonly #owner = `${hostname().replaceAll(/[^!#-~]/g, '-')}`
    .slice(0, 40)
    .concat(`-${process.pid}-${randomBytes(4).toString('hex')}`);
  /** When that was sent by which we hold the lock; null: we do not. */
  #sentAtMs: number | null = null;
  #renewAtMs = 0;
  token = 0;

  constructor(ask: Ask, holding: Holding) {
    this.#ask = ask;
    this.#holding = holding;
  }

  /** From then on somebody else may have it. */
  get untilMs(): number {
    return (this.#sentAtMs ?? 0) + this.#holding.forMs;
  }

  get renewAtMs(): number {
    return this.#renewAtMs;
  }

  /** Waits until the lock is ours. Throws a `Failure` if that is not known by then. */
  async take(byMs: number): Promise<void> {
    const { name, forMs } = this.#holding;
    let said = '';
    for (;;) {
      this.#sentAtMs ??= performance.now(); // if nobody answers, we may have had it since then
      const left = Math.max(1, byMs - performance.now());
      const value = `lock ${name} ${this.#owner} ${forMs}`;
      const ended = await this.#ask({ type: 'request', value }, Math.min(left, forMs));
      const answer = answerIn(ended);
      const token = tokenIn(answer ?? '');
      if (token !== null) {
        this.token = token;
        this.#renewAtMs = this.#sentAtMs + forMs / 3;
        return;
      }
      if (ended.outcome === 'refused') throw new NeverGot(`refused for good: ${ended.lastWord}`);
      const last = 'lastWord' in ended ? ended.lastWord : (answer ?? '');
      if (performance.now() >= byMs)
        throw new NeverGot(`${name} was not got in time: ${said || last}`);
      if (answer !== said && answer !== null) console.error(`waits for ${name}: ${answer}`);
      said = answer ?? said;
      if (ended.outcome !== 'unknown') this.#sentAtMs = null;
      if (answer !== null) await this.#waitWhileHeld(byMs);
    }
  }

  /** Returns null, or why the lock is known to be lost. */
  async renew(graceMs: number): Promise<string | null> {
    const { name, forMs } = this.#holding;
    const sentAtMs = performance.now();
    const left = this.untilMs - graceMs - sentAtMs;
    const value = `renew ${name} ${this.token} ${forMs}`;
    const ended = await this.#ask(
      { type: 'request', value },
      Math.max(1, Math.min(left, forMs / 3)),
    );
    const answer = answerIn(ended);
    if (answer === DONE) {
      this.#sentAtMs = sentAtMs;
      this.#renewAtMs = sentAtMs + forMs / 3;
      return null;
    }
    if (answer !== null) return answer;
    if (ended.outcome === 'refused') return ended.lastWord;
    return left > 0 ? null : 'nobody has renewed it in time';
  }

  async giveBack(): Promise<void> {
    const { name } = this.#holding;
    const value = `unlock ${name} ${this.token}`;
    const answer = answerIn(await this.#ask({ type: 'request', value }, UNLOCK_WITHIN_MS));
    if (answer !== DONE) {
      console.error(`${name} is not known to be given back: it ends by itself (${answer})`);
    }
  }

  async #waitWhileHeld(byMs: number): Promise<void> {
    const query = `lock ${this.#holding.name}`;
    const untilMs = Math.min(byMs, performance.now() + ASK_EVERY_MS);
    while (performance.now() < untilMs) {
      await pause(LOOK_EVERY_MS * (0.5 + Math.random()));
      const ended = await this.#ask({ type: 'query', query, isLocal: true }, LOOK_EVERY_MS);
      const reply = ended.outcome === 'answered' ? ended.reply : null;
      if (reply?.type === 'found' && reply.found === null) return;
    }
  }
}

/** What a store has answered; null: nobody knows. */
function answerIn(ended: Outcome): string | null {
  const reply = ended.outcome === 'answered' ? ended.reply : null;
  return reply?.type === 'answered' ? reply.answer : null;
}

/** The command, and whatever it starts: a process group of its own, that ends together. */
class Running {
  readonly #child: ChildProcess;
  readonly graceMs: number;
  readonly ended: Promise<number>;
  /** Why it was ended before its time; null: it was not. */
  whyEnded: string | null = null;
  #timers: NodeJS.Timeout[] = [];

  constructor({ name, forMs, command }: Holding, token: number) {
    const [program = '', ...args] = command;
    const env = { ...process.env, LOCK_NAME: name, LOCK_TOKEN: `${token}` };
    this.graceMs = Math.min(MOST_GRACE_MS, forMs / 5);
    this.#child = spawn(program, args, { stdio: 'inherit', env, detached: true });
    const forward = (signal: NodeJS.Signals) => this.#kill(signal);
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
    for (const signal of signals) process.on(signal, forward);
    this.ended = new Promise((ended) => {
      const end = (code: number) => {
        this.#clear();
        for (const signal of signals) process.off(signal, forward);
        ended(code);
      };
      this.#child.once('error', (error) => {
        if (this.#child.pid !== undefined) return;
        console.error(`error: ${program} cannot be run: ${describe(error)}`);
        end(codeOf(error) === 'ENOENT' ? NOT_FOUND : CANNOT_RUN);
      });
      this.#child.once('exit', (code, signal) => {
        if (this.whyEnded !== null) this.#kill('SIGKILL'); // what it has left behind
        end(code ?? BY_SIGNAL + constants.signals[signal ?? 'SIGKILL']);
      });
    });
  }

  /** It will be dead at this time, unless this is called again. */
  endBy(atMs: number): void {
    if (this.whyEnded !== null) return;
    this.#clear();
    const leftMs = atMs - performance.now();
    const whyEnded = 'nobody has renewed it in time';
    this.#timers = [setTimeout(() => this.end(whyEnded), leftMs - this.graceMs)];
  }

  /** Ends it now. */
  end(why: string): void {
    if (this.whyEnded !== null) return;
    this.#clear();
    this.whyEnded = why;
    this.#kill('SIGTERM');
    this.#timers = [setTimeout(() => this.#kill('SIGKILL'), this.graceMs)];
  }

  #kill(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch (error) {
      if (codeOf(error) !== 'ESRCH') throw error; // nothing of it is left
    }
  }

  #clear(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }
}

async function sleep(delayMs: number, signal: AbortSignal): Promise<void> {
  await pause(Math.max(0, delayMs), undefined, { signal }).catch(() => {});
}
