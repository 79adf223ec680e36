/** `--trace FILE`: one line of JSON for each event, for the checker and for the diagram. */
import { fstatSync, openSync, readSync, writeSync } from 'node:fs';
import type { TraceEvent } from '../trace/events.ts';
import { describe, Failure } from './failure.ts';
import type { Sink } from './turns.ts';

export class TraceFile implements Sink {
  readonly #path: string;
  readonly #file: number;

  /** Appends to the file at `path`, or begins it. Throws a `Failure` if that is impossible. */
  constructor(path: string) {
    this.#path = path;
    try {
      this.#file = openSync(path, 'a+');
      this.#endCutLine();
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /** Written at once, so that not even a server that is killed leaves events untold. */
  show(event: TraceEvent): void {
    const bytes = Buffer.from(`${JSON.stringify(event)}\n`);
    try {
      for (let written = 0; written < bytes.length; ) {
        written += writeSync(this.#file, bytes, written);
      }
    } catch (error) {
      throw this.#failure(error);
    }
  }

  endTurn(): void {}

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
