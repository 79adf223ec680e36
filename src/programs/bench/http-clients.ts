/** Clients that ask over HTTP, each over a connection of its own that stays open. */
import { Agent, request } from 'node:http';
import { Failure } from '../../node/failure.ts';
import { LOOPBACK } from '../common/free-port.ts';
import type { Measured } from './client.ts';

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const PATIENCE_MS = 60_000;

export class HttpClients {
  readonly #port: number;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });

  constructor(port: number) {
    this.#port = port;
  }

  /** The body of the answer. Throws a `Failure` if it is none of success, or too late. */
  ask({ method, path, headers = {}, body = '' }: HttpRequest): Promise<string> {
    return new Promise((answer, fail) => {
      const asked = request(
        {
          ...{ host: LOOPBACK, port: this.#port, agent: this.#agent, method, path },
          headers: { ...headers, 'content-length': Buffer.byteLength(body) },
          timeout: PATIENCE_MS,
        },
        (reply) => {
          let text = '';
          reply.setEncoding('utf8');
          reply.on('data', (piece: string) => {
            text += piece;
          });
          reply.on('end', () => {
            const { statusCode = 0 } = reply;
            if (statusCode >= 200 && statusCode < 300) return answer(text);
            fail(new Failure(`${method} ${path} was answered with ${statusCode}: ${text}`));
          });
        },
      );
      asked.on('timeout', () => asked.destroy(new Error('it takes too long')));
      asked.on('error', (error) => fail(new Failure(`${method} ${path}: ${error.message}`)));
      asked.end(body);
    });
  }

  /** `clients` ask, `count` times in all. Throws a `Failure` if one has no success. */
  async measure(
    clients: number,
    count: number,
    ask: (n: number) => HttpRequest,
  ): Promise<Measured> {
    const eachMs: number[] = [];
    const startMs = performance.now();
    const turns = Math.ceil(count / clients);
    const askInTurn = async (client: number) => {
      for (let turn = 0; turn < turns; turn += 1) {
        const sinceMs = performance.now();
        await this.ask(ask(client * turns + turn));
        eachMs.push(performance.now() - sinceMs);
      }
    };
    await Promise.all(Array.from({ length: clients }, (_, client) => askInTurn(client)));
    return { eachMs, allMs: performance.now() - startMs };
  }

  close(): void {
    this.#agent.destroy();
  }
}
