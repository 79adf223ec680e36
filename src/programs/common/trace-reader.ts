/** Following servers that run by what they trace, for those who started them: demo and tests. */
import { closeSync, existsSync, fstatSync, openSync, readSync, watch } from 'node:fs';
import type { TraceEvent } from '../../trace/events.ts';
import { JsonLines } from './json-lines.ts';
import { beginsRun } from './read-traces.ts';

/** Watching files is a hint only: at the latest after so long, whoever waits looks again. */
const LOOK_AGAIN_MS = 200;

/** Reads a trace file as it grows. */
export class TraceReader {
  readonly #path: string;
  readonly #lines: JsonLines;
  #events: TraceEvent[] = [];
  #bytesRead = 0;

  constructor(path: string) {
    this.#path = path;
    this.#lines = new JsonLines(path, 'server', beginsRun);
  }

  read(): readonly TraceEvent[] {
    const fresh = this.#readOn();
    const whole = fresh.subarray(0, fresh.lastIndexOf('\n') + 1); // the last line may be half done
    this.#bytesRead += whole.length;
    if (whole.length === 0) return this.#events;
    for (const text of whole.toString().slice(0, -1).split('\n')) {
      const line = this.#lines.read(text);
      if (line !== null) this.#events.push(line.value as TraceEvent);
    }
    return this.#events;
  }

  #readOn(): Buffer {
    if (!existsSync(this.#path)) return Buffer.alloc(0);
    const file = openSync(this.#path, 'r');
    try {
      const bytes = Buffer.alloc(fstatSync(file).size - this.#bytesRead);
      return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, this.#bytesRead));
    } finally {
      closeSync(file);
    }
  }
}

/** Rings when something may have changed, for those who wait. */
export class Bell {
  #waiting: (() => void)[] = [];
  #watchers: { close(): void }[] = [];

  watch(directory: string): void {
    this.#watchers.push(watch(directory, () => this.ring()));
  }

  ring(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async waitFor<T>(
    what: string,
    condition: () => T | false | null | undefined,
    hint: () => string,
    patienceMs: number,
  ): Promise<T> {
    const untilMs = performance.now() + patienceMs;
    for (;;) {
      const found = condition();
      if (found !== false && found !== null && found !== undefined) return found;
      if (performance.now() > untilMs) {
        throw new Error(`waited in vain for ${what}${hint()}`);
      }
      await this.#rung();
    }
  }

  close(): void {
    for (const watcher of this.#watchers) watcher.close();
  }

  async #rung(): Promise<void> {
    await new Promise<void>((wake) => {
      const timeout = setTimeout(wake, LOOK_AGAIN_MS);
      this.#waiting.push(() => {
        clearTimeout(timeout);
        wake();
      });
    });
  }
}
