/**
 * Where the lines of a server go: its standard output, in colour if a person looks at it.
 *
 * A terminal may stop reading: somebody presses Ctrl-S, scrolls back, or the shell at its other end
 * hangs. A server must not stop with it. So writing never waits: what the terminal does not take
 * is kept for a while, and when that is too much, lines are dropped and counted, and the count
 * is told.
 */
import { isatty } from 'node:tty';
import type { Uid } from '../composable-paxos.ts';
import { ConsoleLines, plainPaint, type TimeStyle } from '../trace/console.ts';
import { chalkPaint } from './chalk-paint.ts';
import type { Sink } from './turns.ts';

export interface TerminalOptions {
  readonly isVerbose: boolean;
  readonly isColoured: boolean;
  readonly time: TimeStyle;
}

/** So much may wait for a terminal that does not read: some 800 lines. */
const MAX_WAITING_BYTES = 64 * 1_024;
/** A server that ends gives its terminal so long to take the last lines. */
const LAST_WORDS_WITHIN_MS = 200;

/** What is needed of a stream to show lines on it. */
export interface LineStream {
  write(text: string, written?: () => void): boolean;
  once(event: 'drain', act: () => void): unknown;
  readonly writableLength: number;
}

export function terminal(uids: readonly Uid[], options: TerminalOptions, lines: Lines): Sink {
  const paint = wantsColour(options) ? chalkPaint(uids) : plainPaint;
  const { isVerbose: verbose, time } = options;
  return new ConsoleLines({ uids, verbose, time, paint, write: (line) => lines.write(line) });
}

/** Lines on a stream that may stop taking them. */
export class Lines {
  readonly #stream: LineStream;
  #dropped = 0;

  constructor(stream: LineStream) {
    this.#stream = stream;
  }

  /** Shows a line now, or when the stream takes it, or never; and does not wait. */
  write(line: string): void {
    if (this.#dropped === 0 && this.#stream.writableLength < MAX_WAITING_BYTES) {
      this.#stream.write(`${line}\n`);
      return;
    }
    if (this.#dropped === 0) this.#stream.once('drain', () => this.#tellDropped());
    this.#dropped += 1;
  }

  /** Calls `done` once all that was written is shown, or will not be soon. */
  end(done: () => void): void {
    let isOver = false;
    const end = () => {
      if (!isOver) done();
      isOver = true;
    };
    setTimeout(end, LAST_WORDS_WITHIN_MS);
    this.#stream.write('', end);
  }

  #tellDropped(): void {
    const [lines, were] = this.#dropped === 1 ? ['line', 'was'] : ['lines', 'were'];
    const words = `-- ${this.#dropped} ${lines} ${were} not shown: nobody read them --`;
    this.#dropped = 0;
    this.#stream.write(`${words}\n`);
  }
}

/**
 * From now on neither of these ever waits for whoever reads it. Node makes writing to a terminal
 * wait, on purpose, and has no other way to ask for the opposite.
 */
export function neverWaitFor(...streams: readonly NodeJS.WriteStream[]): void {
  for (const stream of streams) {
    const { _handle } = stream as { _handle?: { setBlocking?(isBlocking: boolean): unknown } };
    if (stream.isTTY) _handle?.setBlocking?.(false);
  }
}

/**
 * Ends this process, which began with these file descriptors as terminals. Node would abort on its
 * way out if one is gone that it wants to restore.
 */
export function exitFrom(terminals: readonly number[]): void {
  if (terminals.every(isatty)) process.exit(0);
  process.removeAllListeners('SIGHUP');
  process.kill(process.pid, 'SIGHUP');
}

/**
 * Colour is for terminals, and only where neither `--no-color` nor NO_COLOR forbids it. FORCE_COLOR
 * asks for it everywhere else, too, or with 0 nowhere, and goes before NO_COLOR, as in Node itself.
 */
export function wantsColour(
  { isColoured }: Pick<TerminalOptions, 'isColoured'>,
  isTerminal = process.stdout.isTTY,
  env: Readonly<Record<string, string | undefined>> = process.env,
): boolean {
  const { NO_COLOR: forbidden = '', FORCE_COLOR: forced } = env;
  if (!isColoured) return false;
  if (forced !== undefined) return !['0', 'false'].includes(forced);
  return isTerminal && forbidden === '';
}
