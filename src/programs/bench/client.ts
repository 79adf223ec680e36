/** The clients of the benchmark: each asks for one thing at a time, and the next when it has it. */
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import type { RequestId } from '../../chain.ts';
import { type ClientMessage, encodeDatagram, type Reply } from '../../messages.ts';
import { Failure } from '../../node/failure.ts';
import { LOOPBACK } from '../common/free-port.ts';

const ASK_AGAIN_MS = 200;
const PATIENCE_MS = 30_000;

/** How long each thing took, in milliseconds, and all of them together. */
export interface Measured {
  readonly eachMs: readonly number[];
  readonly allMs: number;
}

/** What is asked for: the message for an id. */
export type Ask = (requestId: RequestId) => ClientMessage;

/** Tells the clients of this run from those of every other one. */
const RUN = randomBytes(6).toString('hex');
/** The number of each client's latest request, so that none is asked twice. */
const numbers = new Map<string, number>();

/** A port of a server, and the clients that wait in front of it. */
export class BenchClients {
  readonly #socket: Socket;
  /** What to do with the answer to each request. */
  readonly #waiting = new Map<RequestId, (reply: Reply) => void>();

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (bytes) => {
      const reply = JSON.parse(bytes.toString()) as Reply;
      this.#waiting.get(reply.requestId)?.(reply);
    });
    socket.on('error', () => {}); // nobody is there yet; it is asked again
  }

  static async connect(port: number): Promise<BenchClients> {
    const socket = createSocket('udp4');
    socket.connect(port, LOOPBACK);
    await once(socket, 'connect');
    return new BenchClients(socket);
  }

  /** Asks until there is an answer, whatever it is. Throws a `Failure` after a while. */
  async answerTo(ask: Ask): Promise<Reply> {
    const requestId = nextId(0);
    const bytes = encodeDatagram(0, ask(requestId));
    const answered = new Promise<Reply>((answer) => this.#waiting.set(requestId, answer));
    const again = setInterval(() => this.#send(bytes), ASK_AGAIN_MS);
    this.#send(bytes);
    try {
      return await orGiveUp(answered);
    } finally {
      clearInterval(again);
      this.#waiting.delete(requestId);
    }
  }

  /** `clients` ask, each as often, `count` times in all. Throws a `Failure` if one is refused. */
  async measure(clients: number, count: number, ask: Ask): Promise<Measured> {
    const eachMs: number[] = [];
    const startMs = performance.now();
    const turns = Math.ceil(count / clients);
    const all = Array.from({ length: clients }, (_, n) => this.#askInTurn(n, turns, ask, eachMs));
    await orGiveUp(Promise.all(all));
    return { eachMs, allMs: performance.now() - startMs };
  }

  close(): void {
    this.#socket.close();
  }

  /** Callbacks and no promises, so that the client itself costs as little as it can. */
  #askInTurn(client: number, turns: number, ask: Ask, eachMs: number[]): Promise<void> {
    return new Promise((done, failed) => {
      const askFor = (turn: number) => {
        if (turn === turns) return done();
        const requestId = nextId(client);
        const bytes = encodeDatagram(0, ask(requestId));
        const again = setInterval(() => this.#send(bytes), ASK_AGAIN_MS);
        const startMs = performance.now();
        this.#waiting.set(requestId, (reply) => {
          eachMs.push(performance.now() - startMs);
          clearInterval(again);
          this.#waiting.delete(requestId);
          if (reply.type === 'refused') return failed(new Failure(`refused: ${reply.why}`));
          askFor(turn + 1);
        });
        this.#send(bytes);
      };
      askFor(0);
    });
  }

  #send(bytes: Uint8Array): void {
    this.#socket.send(bytes, () => {});
  }
}

async function orGiveUp<T>(awaited: Promise<T>): Promise<T> {
  const over = new AbortController();
  const late = pause(PATIENCE_MS, null, { signal: over.signal }).then(() => {
    throw new Failure(`no answer within ${PATIENCE_MS / 1_000} s`);
  });
  late.catch(() => {}); // it is called off
  try {
    return await Promise.race([awaited, late]);
  } finally {
    over.abort();
  }
}

function nextId(client: number): RequestId {
  const name = `${RUN}${client.toString(16).padStart(4, '0')}`;
  const number = (numbers.get(name) ?? 0) + 1;
  numbers.set(name, number);
  return `${name}-1-${number}`; // so few clients are all remembered, since the beginning
}
