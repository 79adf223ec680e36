/** The text that a request carries, and no more of it than may be. */
import type { IncomingMessage } from 'node:http';
import { Problem } from './problem.ts';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Does this request carry anything? */
export function hasBody({ headers }: IncomingMessage): boolean {
  return 'transfer-encoding' in headers || (headers['content-length'] ?? '0') !== '0';
}

/** A body that is read, once: to its end, or until somebody knows why not. */
export class Body {
  readonly #request: IncomingMessage;
  readonly #pieces: Buffer[] = [];
  #bytes = 0;
  #problem: Problem | null = null;
  #failed: (problem: Problem) => void = () => {};

  constructor(request: IncomingMessage) {
    this.#request = request;
  }

  /** Has all of it come? */
  get isWhole(): boolean {
    return this.#request.complete;
  }

  /**
   * Its text; throws a `Problem` if there are more bytes, or they are none. `begin` is called when
   * it is worth sending.
   */
  async read(mostBytes: number, begin: () => void): Promise<string> {
    const request = this.#request;
    const tooLong = () =>
      new Problem(413, `a value has ${mostBytes} bytes at most`, { closes: true });
    if (Number(request.headers['content-length'] ?? 0) > mostBytes) throw tooLong();
    if (this.#problem !== null) throw this.#problem;
    begin();
    await new Promise<void>((read, failed) => {
      this.#failed = failed;
      request.on('data', (piece: Buffer) => {
        this.#bytes += piece.length;
        if (this.#bytes > mostBytes) this.fail(tooLong());
        else this.#pieces.push(piece);
      });
      request.once('end', read);
      request.once('close', () => {
        if (request.complete) return; // every request is closed in the end
        failed(new Problem(400, 'its end is missing', { closes: true }));
      });
    });
    try {
      return decoder.decode(Buffer.concat(this.#pieces));
    } catch {
      throw new Problem(400, 'a value is text in UTF-8');
    }
  }

  /** Nothing more of it is wanted, or will come. */
  fail(problem: Problem): void {
    this.#request.removeAllListeners('data');
    this.#request.pause();
    this.#problem = problem;
    this.#failed(problem);
  }
}
