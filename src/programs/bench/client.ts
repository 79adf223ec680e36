/** The clients of the benchmark: each asks for one thing at a time, and the next when it has it. */
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { RequestId } from '../../chain.ts';
import { type ClientMessage, encodeDatagram, type Reply } from '../../messages.ts';
import { Failure } from '../../node/failure.ts';
import { LOOPBACK } from '../common/free-port.ts';

const ASK_AGAIN_MS = 200;
/** Of a machine that is slow: as long as anything is answered, nobody gives up. */
const LONGEST_SILENCE_MS = 60_000;
const LOOK_AGAIN_MS = 1_000;

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
  readonly #asking = new Set<NodeJS.Timeout>();
  #heardAtMs = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (bytes) => {
      const reply = JSON.parse(bytes.toString()) as Reply;
      this.#heardAtMs = performance.now();
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
    const again = this.#askUntilStopped(bytes);
    try {
      return await this.#orGiveUp(answered);
    } finally {
      this.#stopAsking(again);
      this.#waiting.delete(requestId);
    }
  }

  /** `clients` ask, each as often, `count` times in all. Throws a `Failure` if one is refused. */
  async measure(clients: number, count: number, ask: Ask): Promise<Measured> {
    const eachMs: number[] = [];
    const startMs = performance.now();
    const turns = Math.ceil(count / clients);
    const all = Array.from({ length: clients }, (_, n) => this.#askInTurn(n, turns, ask, eachMs));
    await this.#orGiveUp(Promise.all(all));
    return { eachMs, allMs: performance.now() - startMs };
  }

  /** Whoever is still asking asks no more. */
  close(): void {
    for (const again of this.#asking) clearInterval(again);
    this.#socket.close();
  }

  /** Callbacks and no promises, so that the client itself costs as little as it can. */
  #askInTurn(client: number, turns: number, ask: Ask, eachMs: number[]): Promise<void> {
    return new Promise((done, failed) => {
      const askFor = (turn: number) => {
        if (turn === turns) return done();
        const requestId = nextId(client);
        const bytes = encodeDatagram(0, ask(requestId));
        const startMs = performance.now();
        this.#waiting.set(requestId, (reply) => {
          eachMs.push(performance.now() - startMs);
          this.#stopAsking(again);
          this.#waiting.delete(requestId);
          if (reply.type === 'refused') return failed(new Failure(`refused: ${reply.why}`));
          askFor(turn + 1);
        });
        const again = this.#askUntilStopped(bytes);
      };
      askFor(0);
    });
  }

  #askUntilStopped(bytes: Uint8Array): NodeJS.Timeout {
    const again = setInterval(() => this.#send(bytes), ASK_AGAIN_MS);
    this.#asking.add(again);
    this.#send(bytes);
    return again;
  }

  #stopAsking(again: NodeJS.Timeout): void {
    clearInterval(again);
    this.#asking.delete(again);
  }

  #send(bytes: Uint8Array): void {
    this.#socket.send(bytes, () => {});
  }

  /** What is awaited, unless there is no answer at all, to anything, for too long. */
  async #orGiveUp<T>(awaited: Promise<T>): Promise<T> {
    this.#heardAtMs = performance.now();
    let look: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, fail) => {
      look = setInterval(() => {
        if (performance.now() - this.#heardAtMs < LONGEST_SILENCE_MS) return;
        fail(new Failure(`no answer within ${LONGEST_SILENCE_MS / 1_000} s`));
      }, LOOK_AGAIN_MS);
    });
    try {
      return await Promise.race([awaited, silence]);
    } finally {
      clearInterval(look);
    }
  }
}

function nextId(client: number): RequestId {
  const name = `${RUN}${client.toString(16).padStart(4, '0')}`;
  const number = (numbers.get(name) ?? 0) + 1;
  numbers.set(name, number);
  return `${name}-1-${number}`; // so few clients are all remembered, since the beginning
}
