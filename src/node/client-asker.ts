/** A client session on the real network, for those who can `await`. */
import { randomBytes } from 'node:crypto';
import { ClientSession, type Inquiry, type Options, type Outcome } from '../client-session.ts';
import type { Uid } from '../composable-paxos.ts';
import type { ClientMessage } from '../messages.ts';
import type { ClientNetwork } from './client-network.ts';

/** Asks one thing at a time. */
export class Asker {
  readonly #session: ClientSession;

  /** `asking` hears of everything that is asked, and of whom. */
  constructor(
    network: ClientNetwork,
    asking: (to: Uid, message: ClientMessage) => void = () => {},
  ) {
    this.#session = new ClientSession(randomBytes(8).toString('hex'), network.uids, {
      after: (delayMs, act) => {
        const timeout = setTimeout(act, delayMs);
        return { cancel: () => clearTimeout(timeout) };
      },
      send: (to, message) => {
        asking(to, message);
        network.send(to, message);
      },
    });
    network.listen((from, reply) => this.#session.receive(from, reply));
  }

  ask(question: Inquiry, options: Options): Promise<Outcome> {
    return new Promise((done) => this.#session.inquire(question, options, done));
  }

  /** Gives up: what was asked last is never answered. */
  stop(): void {
    this.#session.stop();
  }
}
