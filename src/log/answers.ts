/**
 * Which requests have had their effect in a store, and what came of them.
 *
 * The chain remembers a hundred clients, since all that it remembers goes into every `catchup`,
 * which is one datagram. A store tells nobody its state in one message, so it can remember many
 * more, and what they were answered: its own table decides what is new, and travels with its
 * snapshots.
 *
 * It is bounded in bytes, too: an answer has `MAX_ANSWER_LENGTH` characters at most, all of them
 * together take four million bytes. Who is forgotten when one more comes, and why nothing then
 * happens twice, is as `chain.ts` says of its hundred.
 */
import { partsOf, type RequestId, type Standing, standingBeside } from '../chain.ts';
import { MAX_ANSWER_LENGTH, PairsDigest } from './state-machine.ts';

/** So many clients are remembered. */
export const MAX_ANSWERED_CLIENTS = 10_000;

/** The latest request of a client that had an effect, where it had it, and what came of it. */
interface Answered {
  readonly number: number;
  readonly instanceNumber: number;
  readonly answer: string;
}

/** The same, as a piece of a snapshot. */
type AnsweredPiece = readonly [
  client: string,
  number: number,
  instanceNumber: number,
  answer: string,
];

/**
 * The latest request of each client, and what came of it. Part of the state of a store: servers
 * that have applied the same links remember the same, and have forgotten the same.
 */
export class Answers {
  readonly #mostClients: number;
  /** By client; who has been quiet for longest comes first. */
  readonly #known = new Map<string, Answered>();
  /** The last instance of which a request was forgotten; 0: none was. */
  #forgottenUpTo = 0;
  readonly #digest = new PairsDigest();

  constructor(mostClients: number) {
    this.#mostClients = mostClients;
  }

  /** How this request stands, by what is remembered here. Only a new one can take effect. */
  standingOf(request: RequestId): Standing {
    return standingBeside(this.#known.get(partsOf(request).client), this.#forgottenUpTo, request);
  }

  /** What came of the latest request of this client. */
  answerTo(request: RequestId): string | undefined {
    return this.#known.get(partsOf(request).client)?.answer;
  }

  /** The request has had its effect in this instance. */
  remember(request: RequestId, instanceNumber: number, answer: string): void {
    const { client, number } = partsOf(request);
    this.#forget(client);
    this.#put(client, { number, instanceNumber, answer });
    if (this.#known.size <= this.#mostClients) return;
    for (const [oldest, { instanceNumber: forgotten }] of this.#known) {
      this.#forget(oldest);
      return this.#forgetUpTo(forgotten);
    }
  }

  /** The table in pieces of JSON data, as it is now. */
  snapshot(): Iterable<unknown> {
    const known = [...this.#known].map(
      ([client, { number, instanceNumber, answer }]): AnsweredPiece => {
        return [client, number, instanceNumber, answer];
      },
    );
    return [this.#forgottenUpTo, ...known];
  }

  /** Takes over a piece of a snapshot. Throws, and has changed nothing, if it is none. */
  restore(piece: unknown): void {
    if (isWhole(piece)) return this.#forgetUpTo(piece);
    if (!isAnswered(piece)) throw new Error('it holds what is no answer');
    const [client, number, instanceNumber, answer] = piece;
    if (this.#known.has(client)) throw new Error('it holds two answers to one client');
    this.#put(client, { number, instanceNumber, answer });
  }

  /** Eight hexadecimal digits, as of a state machine. */
  get digest(): string {
    return this.#digest.toString();
  }

  #put(client: string, answered: Answered): void {
    this.#known.set(client, answered);
    this.#digest.add(client, wordsOf(answered));
  }

  #forget(client: string): void {
    const known = this.#known.get(client);
    if (known !== undefined) this.#digest.remove(client, wordsOf(known));
    this.#known.delete(client);
  }

  #forgetUpTo(instanceNumber: number): void {
    this.#digest.remove('', `${this.#forgottenUpTo}`);
    this.#digest.add('', `${instanceNumber}`);
    this.#forgottenUpTo = instanceNumber;
  }
}

function wordsOf({ number, instanceNumber, answer }: Answered): string {
  return `${number} ${instanceNumber} ${answer}`;
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isAnswered(piece: unknown): piece is AnsweredPiece {
  if (!Array.isArray(piece) || piece.length !== 4) return false;
  const [client, number, instanceNumber, answer] = piece;
  const isAnswer = typeof answer === 'string' && answer.length <= MAX_ANSWER_LENGTH;
  return typeof client === 'string' && isWhole(number) && isWhole(instanceNumber) && isAnswer;
}
