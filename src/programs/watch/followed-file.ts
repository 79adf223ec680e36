/** A trace file that still grows, or does not exist yet, and whatever takes its place. */
import { closeSync, fstatSync, openSync, readSync, type Stats, statSync } from 'node:fs';
import { codeOf, describe, Failure } from '../../node/failure.ts';
import { OLDER_PIECE } from '../../node/trace-file.ts';
import type { TraceEvent } from '../../trace/events.ts';
import { JsonLines } from '../common/json-lines.ts';
import { beginsRun, eventOf, piecesOf } from '../common/read-traces.ts';

const CHUNK_BYTES = 1 << 16;
const NEWLINE = 10;

/** A trace that cannot be followed, or not beside the others; the message says why. */
export class BadTrace extends Failure {
  readonly path: string;

  constructor(path: string, why: string) {
    super(why);
    this.path = path;
  }
}

/** Its events, one after the other. That it is done means only that there is no more for now. */
export class FollowedFile implements Iterator<TraceEvent> {
  readonly path: string;
  /** Why it must be read from its beginning once more, in a sentence; null: it need not. */
  whyAnew: string | null = null;
  /** An event has been read. */
  hasBegun = false;
  /** When events were read. */
  readonly readAtMs = new WeakMap<TraceEvent, number>();
  /** What has been read and has not had its turn. */
  #ahead: TraceEvent[] = [];
  #taken = 0;
  /** What comes before the file, and the file, as far as they are not open yet. */
  #pieces: string[] | null = null;
  #file: number | null = null;
  readonly #pastRemarks: string[] = [];
  #lines: JsonLines;
  #bytesRead = 0;
  #rest: Buffer = Buffer.alloc(0);
  readonly #now: () => number;
  readonly #chunk = Buffer.alloc(CHUNK_BYTES);

  constructor(path: string, now: () => number) {
    this.path = path;
    this.#now = now;
    this.#lines = new JsonLines(path, 'server', beginsRun);
  }

  /** Sentences about half lines. */
  get remarks(): readonly string[] {
    return [...this.#pastRemarks, ...this.#lines.remarks];
  }

  /** Throws a `BadTrace` that names the line, if it is no event. */
  next(): IteratorResult<TraceEvent, undefined> {
    while (this.#taken >= this.#ahead.length) {
      if (!this.#readOn()) return { done: true, value: undefined };
    }
    const value = this.#ahead[this.#taken] as TraceEvent;
    this.#taken += 1;
    return { done: false, value };
  }

  /** What comes next, up to so many events, and stays what comes next. */
  lookAhead(most: number): readonly TraceEvent[] {
    while (this.#ahead.length - this.#taken < most && this.#readOn());
    return this.#ahead.slice(this.#taken, this.#taken + most);
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  /** False: there is no more for now. */
  #readOn(): boolean {
    if (this.#taken > 0) {
      this.#ahead = this.#ahead.slice(this.#taken);
      this.#taken = 0;
    }
    if (this.whyAnew !== null) return false;
    try {
      if (this.#file === null && !this.#openNext()) return false;
      return this.#readChunk() || this.#goOnElsewhere();
    } catch (error) {
      throw error instanceof Failure ? new BadTrace(this.path, error.message) : error;
    }
  }

  /** Opens the next piece. False: there is none. */
  #openNext(): boolean {
    if (this.#pieces === null) {
      if (statOf(this.path) === null) return false;
      this.#pieces = piecesOf(this.path);
    }
    const path = this.#pieces.shift();
    if (path === undefined) return false;
    this.close();
    try {
      this.#file = openSync(path, 'r');
    } catch (error) {
      throw this.#failure(error);
    }
    this.#pastRemarks.push(...this.#lines.remarks);
    this.#lines = new JsonLines(path, 'server', beginsRun);
    this.#bytesRead = 0;
    this.#rest = Buffer.alloc(0);
    return true;
  }

  #readChunk(): boolean {
    const length = this.#read();
    if (length === 0) return false;
    this.#bytesRead += length;
    const bytes = Buffer.concat([this.#rest, this.#chunk.subarray(0, length)]);
    let from = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, from)) {
      this.#take(this.#lines.read(bytes.toString('utf8', from, end)));
      from = end + 1;
    }
    this.#rest = Buffer.from(bytes.subarray(from)); // the rest of its line is still to come
    return true;
  }

  #read(): number {
    if (this.#file === null) return 0;
    try {
      return readSync(this.#file, this.#chunk, 0, CHUNK_BYTES, this.#bytesRead);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  #take(line: ReturnType<JsonLines['read']>): void {
    if (line === null) return;
    const event = eventOf(line.value, `${this.path}:${line.number}`);
    this.hasBegun = true;
    this.readAtMs.set(event, this.#now());
    this.#ahead.push(event);
  }

  /** Here is no more. It goes on elsewhere if what is open is only what came before the file. */
  #goOnElsewhere(): boolean {
    if (this.#file === null) return false;
    const open = fstatSync(this.#file);
    if (open.size < this.#bytesRead) return this.#beginAnew('was cut short');
    const isLast = this.#pieces?.length === 0;
    if (isLast) {
      const now = statOf(this.path);
      if (now === null || isSame(now, open)) return false;
      const moved = statOf(this.path + OLDER_PIECE);
      if (moved === null || !isSame(moved, open)) return this.#beginAnew('is another file now');
      this.#pieces = [this.path];
    }
    // What was written between our last look and the moment at which the file was moved.
    if (this.#readChunk()) return true;
    this.#take(this.#lines.end(this.#rest.toString()));
    return this.#openNext();
  }

  #beginAnew(what: string): boolean {
    this.whyAnew = `${this.path} ${what}: it is read from its beginning`;
    return false;
  }

  #failure(error: unknown): Failure {
    return new Failure(`the trace ${this.path} cannot be read: ${describe(error)}`);
  }
}

/** Null: there is no such file. Throws a `Failure` if that cannot be told, or it is no file. */
function statOf(path: string): Stats | null {
  try {
    const stats = statSync(path);
    if (stats.isFile()) return stats;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw new Failure(`the trace ${path} cannot be read: ${describe(error)}`);
  }
  throw new Failure(`the trace ${path} cannot be read: it is not a file`);
}

/** What is there now, to be compared; null: nothing that could be read. */
export function statusOf(path: string): Stats | null {
  return statSync(path, { throwIfNoEntry: false }) ?? null;
}

/** Whether it is the file that it was, and nothing has been taken out of it. */
export function hasOnlyGrown(now: Stats, then: Stats): boolean {
  return isSame(now, then) && now.size >= then.size;
}

function isSame(one: Stats, other: Stats): boolean {
  return one.ino === other.ino && one.dev === other.dev;
}
