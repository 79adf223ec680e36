/** `--trace FILE`: one line of JSON for each event, for the checker and for the diagram. */
import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readSync,
  renameSync,
  writeSync,
} from 'node:fs';
import type { Uid } from '../composable-paxos.ts';
import type { TraceEvent } from '../trace/events.ts';
import { Beginning } from '../trace/fold.ts';
import { describe, Failure } from './failure.ts';
import type { Sink } from './turns.ts';

/** What the name of a trace that was moved away ends in. */
export const OLDER_PIECE = '.1';

/** Longer than the longest line, which may be half: before it there is a whole one. */
const TAIL_BYTES = 1 << 18;

/**
 * Writes into the trace of a server what that could not tell itself: that it was killed. Who has
 * killed it, and has seen it end, calls this. Nothing is written if it had ended by itself.
 */
export function noteKill(path: string, server: Uid, nowMs: number): void {
  if (!existsSync(path)) return;
  const last = lastEventIn(path);
  if (last === null || ['stop', 'fail', 'crash'].includes(last.event)) return;
  const trace = new TraceFile(path);
  const at = Math.max(nowMs, last.at);
  trace.show({ at, server, turn: last.turn + 1, event: 'crash', where: 'now', lost: null });
  trace.close();
}

/** Null: there is none. What it wrote half does not count. */
function lastEventIn(path: string): TraceEvent | null {
  const file = openSync(path, 'r');
  try {
    const from = Math.max(0, fstatSync(file).size - TAIL_BYTES);
    const tail = Buffer.alloc(TAIL_BYTES);
    const lines = tail.toString('utf8', 0, readSync(file, tail, 0, TAIL_BYTES, from)).split('\n');
    const whole = lines.slice(0, -1).findLast((line) => line.endsWith('}'));
    return whole === undefined ? null : (JSON.parse(whole) as TraceEvent);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  } finally {
    closeSync(file);
  }
}

export class TraceFile implements Sink {
  readonly #path: string;
  readonly #mostBytes: number;
  #file: number;
  #bytes = 0;
  /** How a new file would begin. */
  readonly #beginning = new Beginning();
  #latest: TraceEvent | null = null;

  /**
   * Appends to the file at `path`, or begins it. Once it has `mostBytes` it becomes `path.1`, in
   * place of an older one, and a new one begins. Throws a `Failure` if that is impossible.
   */
  constructor(path: string, mostBytes = Number.POSITIVE_INFINITY) {
    this.#path = path;
    this.#mostBytes = mostBytes;
    try {
      this.#file = openSync(path, 'a+');
      this.#endCutLine();
      this.#bytes = fstatSync(this.#file).size;
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /** Written at once, so that not even a server that is killed leaves events untold. */
  show(event: TraceEvent): void {
    this.#latest = event;
    if (Number.isFinite(this.#mostBytes)) this.#beginning.follow(event);
    try {
      this.#write(event);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /** Between two turns a trace can be cut: what the server is then is all that is needed. */
  endTurn(): void {
    if (this.#bytes < this.#mostBytes || this.#latest === null) return;
    const resumed = this.#beginning.resume();
    if (resumed === null) return;
    const { at, server, turn } = this.#latest;
    try {
      renameSync(this.#path, this.#path + OLDER_PIECE);
      closeSync(this.#file);
      this.#file = openSync(this.#path, 'a+');
      this.#bytes = 0;
      this.#write({ at, server, turn, ...resumed });
    } catch (error) {
      throw this.#failure(error);
    }
  }

  close(): void {
    closeSync(this.#file);
  }

  #write(event: TraceEvent): void {
    const bytes = Buffer.from(`${JSON.stringify(event)}\n`);
    for (let written = 0; written < bytes.length; ) {
      written += writeSync(this.#file, bytes, written);
    }
    this.#bytes += bytes.length;
  }

  /** A server that was killed may have left half a line: ours must not become its other half. */
  #endCutLine(): void {
    const { size } = fstatSync(this.#file);
    const last = Buffer.alloc(1);
    if (size === 0 || readSync(this.#file, last, 0, 1, size - 1) === 0) return;
    if (last.toString() !== '\n') writeSync(this.#file, '\n');
  }

  #failure(error: unknown): Failure {
    const why = describe(error);
    return new Failure(
      `the trace file ${this.#path} cannot be written: ${why}; mend that, or leave --trace out`,
    );
  }
}
