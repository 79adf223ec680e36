/** What went wrong, for whoever asked: one sentence, as `application/problem+json` (RFC 9457). */
import { STATUS_CODES } from 'node:http';
import { printable } from '../../trace/printable.ts';

export interface ProblemParts {
  readonly headers?: Readonly<Record<string, string>>;
  /** What a program may want to read beside the sentence. */
  readonly more?: Readonly<Record<string, unknown>>;
  /** What follows on this connection cannot be believed, or is not wanted: it ends here. */
  readonly closes?: boolean;
}

/** Thrown by whoever cannot answer. `why` is for people. */
export class Problem extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly closes: boolean;
  readonly #more: Readonly<Record<string, unknown>>;

  constructor(status: number, why: string, parts: ProblemParts = {}) {
    super(why);
    const { headers = {}, more = {}, closes = false } = parts;
    this.status = status;
    this.headers = { 'content-type': 'application/problem+json', ...headers };
    this.closes = closes;
    this.#more = more;
  }

  get title(): string {
    return STATUS_CODES[this.status] ?? 'Problem';
  }

  /** The body. Text of others stands in it with everything written out that a terminal obeys. */
  get body(): string {
    const { title, status, message } = this;
    return `${JSON.stringify({ title, status, detail: printable(message), ...this.#more })}\n`;
  }
}
