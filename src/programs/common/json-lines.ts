/**
 * Files with one JSON text in each line, as they are when their writer may have been killed at any
 * byte. All who read traces and histories read them by this.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { describe, Failure } from '../../node/failure.ts';

const CHUNK_BYTES = 1 << 16;
const NEWLINE = 10;
/** Every line of a trace begins so. */
const BEGINNING = '{"at":';

/** What a line says, and the number of that line, from 1 on. */
export interface JsonLine {
  readonly value: unknown;
  readonly number: number;
}

/**
 * Tells whole lines from half ones. A killed writer leaves half a line at the end of its file. Its
 * next run ends that line, and may be killed before or while it writes its own first one; so there
 * may be several, but after them comes the beginning of a run. A line that is no JSON anywhere else
 * is not what a writer has written.
 */
export class JsonLines {
  readonly #path: string;
  readonly #begins: ((value: unknown) => boolean) | null;
  readonly #writer: string;
  #number = 0;
  /** The numbers of lines that are no JSON, and not explained yet. */
  #unexplained: number[] = [];
  readonly #remarks: string[] = [];

  /** `begins`: what a run begins with; null: the file is that of a single run of `writer`. */
  constructor(path: string, writer: string, begins: ((value: unknown) => boolean) | null) {
    this.#path = path;
    this.#writer = writer;
    this.#begins = begins;
  }

  /** Sentences about half lines. */
  get remarks(): readonly string[] {
    return this.#remarks;
  }

  /** Reads the next line, without its end; null: it says nothing. Throws a `Failure`. */
  read(text: string): JsonLine | null {
    this.#number += 1;
    if (text === '') return null;
    const value = parse(text);
    if (value === undefined) {
      if (this.#begins === null || !isHalf(text)) throw this.#notJson(this.#number);
      this.#unexplained.push(this.#number);
      return null;
    }
    const [first] = this.#unexplained;
    if (first !== undefined && this.#begins?.(value) !== true) throw this.#notJson(first);
    this.#explain();
    return { value, number: this.#number };
  }

  /** There is no more, but for `rest`, which has no end of a line. */
  end(rest: string): JsonLine | null {
    const line = rest === '' || parse(rest) !== undefined ? this.read(rest) : null;
    if (rest !== '' && line === null) this.#unexplained.push(this.#number + 1);
    this.#explain();
    return line;
  }

  #explain(): void {
    for (const number of this.#unexplained.splice(0)) {
      const place = `${this.#path}:${number}`;
      this.#remarks.push(
        `${place} is not a whole line: its ${this.#writer} was killed while it wrote`,
      );
    }
  }

  #notJson(number: number): Failure {
    return new Failure(`${this.#path}:${number} is not JSON`);
  }
}

/** The lines of a file, piece by piece, however long it is. Throws a `Failure`. */
export function* readJsonLines(what: string, path: string, lines: JsonLines): Generator<JsonLine> {
  let rest = Buffer.alloc(0);
  for (const chunk of chunksOf(what, path)) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let from = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, from)) {
      const line = lines.read(bytes.toString('utf8', from, end));
      if (line !== null) yield line;
      from = end + 1;
    }
    rest = Buffer.from(bytes.subarray(from));
  }
  const last = lines.end(rest.toString());
  if (last !== null) yield last;
}

function* chunksOf(what: string, path: string): Generator<Buffer> {
  const failure = (error: unknown) =>
    new Failure(`${what} ${path} cannot be read: ${describe(error)}`);
  const chunk = Buffer.alloc(CHUNK_BYTES);
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    throw failure(error);
  }
  try {
    for (;;) {
      let length: number;
      try {
        length = readSync(file, chunk);
      } catch (error) {
        throw failure(error);
      }
      if (length === 0) return;
      yield chunk.subarray(0, length);
    }
  } finally {
    closeSync(file);
  }
}

/** Whether this may be the beginning of a line as `TraceFile` writes it. */
function isHalf(text: string): boolean {
  return text.startsWith(BEGINNING) || BEGINNING.startsWith(text);
}

/** Undefined if the text is not JSON. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
