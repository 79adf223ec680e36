/**
 * The clients of a chaos run, and their history: what each asked and was told, and when, which must
 * be what *one* register did.
 *
 * Those who wait ask one thing after the other, as `client.ts` does. They reach every server
 * directly, also one that is cut off from its peers, since that is where an old value could be
 * read. Their datagrams fare badly enough: they die with a server that is killed, and wait
 * in front of one that is paused until their clients have long asked elsewhere.
 *
 * Others fire values and forget them. These change the register as well, so each is in the
 * history, noted before it leaves, as a write whose outcome nobody knows.
 */
import { appendFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Outcome } from '../../client-session.ts';
import type { Uid } from '../../composable-paxos.ts';
import {
  firedAtStore,
  lineOf,
  type StoreOperation,
  storeOperationOf,
} from '../../log/store-history.ts';
import { Asker } from '../../node/client-asker.ts';
import { ClientNetwork } from '../../node/client-network.ts';
import type { Cluster } from '../../node/cluster-file.ts';
import { UNSEALED } from '../../node/sealed-datagrams.ts';
import type { Random } from '../../simulation/random.ts';
import type { StoreQuestions } from '../../simulation/store-clients.ts';
import { type Asked, firedOf, operationOf } from '../../trace/history.ts';
import type { Operation } from '../../trace/linearizability.ts';

/** Some time out before a failed server is back or a lost lease is over, and some do not. */
const SHORTEST_TIMEOUT_MS = 300;
const LONGEST_TIMEOUT_MS = 3_000;
const MEET_WITHIN_MS = 2_000;
/**
 * Between two questions of a client. It keeps the longest run below some 50,000 operations, and
 * these are checked in seconds, since no value is ever written twice.
 */
const LONGEST_REST_MS = 100;

/** Keeps what clients ask and are told, one operation a line, by the clock of this process. */
export class HistoryFile {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
    writeFileSync(path, '');
  }

  /** Whole microseconds. Whatever falls into the same one counts as simultaneous: that is safe. */
  get nowMs(): number {
    return Math.round(performance.now() * 1_000) / 1_000;
  }

  add(operation: Operation | StoreOperation): void {
    appendFileSync(this.path, `${JSON.stringify(operation)}\n`);
  }

  /** To be called before the value is sent, or the command. */
  addFired(client: string, value: string, isCommand: boolean): void {
    this.add((isCommand ? firedAtStore : firedOf)(client, value, this.nowMs));
  }
}

/** Who it is, and where it notes what it was told. */
interface Newcomer {
  readonly name: string;
  readonly history: HistoryFile;
  readonly random: Random;
  readonly questions: StoreQuestions | null;
  /** Whether the servers read by a quorum if they are asked to. */
  readonly mayAskQuorum: boolean;
}

/** One client: asks one thing at a time. */
export class WaitingClient {
  readonly name: string;
  /** So many of its questions were answered. */
  answered = 0;
  /** What it heard last before it gave a question up. */
  lastWord = '';
  readonly #network: ClientNetwork;
  readonly #asker: Asker;
  readonly #history: HistoryFile;
  readonly #random: Random;
  /** What it asks a store instead; null: the servers are none. */
  readonly #questions: StoreQuestions | null;
  readonly #mayAskQuorum: boolean;
  #written = 0;
  #asked = 0;

  private constructor(network: ClientNetwork, newcomer: Newcomer) {
    const { name, history, random, questions, mayAskQuorum } = newcomer;
    this.name = name;
    this.#mayAskQuorum = mayAskQuorum;
    this.#network = network;
    this.#asker = new Asker(network);
    this.#history = history;
    this.#random = random;
    this.#questions = questions;
  }

  static async join(cluster: Cluster, newcomer: Newcomer): Promise<WaitingClient> {
    const network = await ClientNetwork.open(cluster, UNSEALED, () => {});
    return new WaitingClient(network, newcomer);
  }

  /** Asks one thing after the other, each for a few seconds at most, until that is enough. */
  async askUntil(isEnough: () => boolean): Promise<void> {
    const random = this.#random;
    while (!isEnough()) {
      const timeoutMs = random.between(SHORTEST_TIMEOUT_MS, LONGEST_TIMEOUT_MS);
      await (random.chance(0.5) ? this.#write(timeoutMs) : this.read(timeoutMs));
      await sleep(random.between(0, LONGEST_REST_MS));
    }
  }

  /** True if it was answered. */
  read(timeoutMs: number): Promise<boolean> {
    return this.#ask({ type: 'read', isLocal: false }, timeoutMs);
  }

  /** A server has joined: it finds out where it is. */
  meet(uid: Uid): void {
    void this.#network.find(uid, MEET_WITHIN_MS);
  }

  leave(): void {
    this.#asker.stop();
    this.#network.close();
  }

  /** Writes what nobody else has ever written. */
  #write(timeoutMs: number): Promise<boolean> {
    this.#written += 1;
    return this.#ask({ type: 'request', value: `${this.name}: ${this.#written}` }, timeoutMs);
  }

  async #ask(question: Asked, timeoutMs: number): Promise<boolean> {
    const server = this.#random.pick(this.#network.uids);
    const call = this.#history.nowMs;
    this.#asked += 1;
    const seed = `${this.name} ${this.#asked}`;
    const inquiry = this.#questions?.inquiry(question, seed, this.#mayAskQuorum) ?? question;
    const ended = await this.#asker.ask(inquiry, { server, timeoutMs, mayMove: true });
    const line = lineOf(inquiry);
    if (this.#questions === null) {
      this.#history.add(operationOf(this.name, question, call, this.#history.nowMs, ended));
    } else if (line !== null) this.#noteLine(line, call, ended);
    if (ended.outcome === 'answered') this.answered += 1;
    else this.lastWord = ended.lastWord;
    return ended.outcome === 'answered';
  }

  #noteLine(line: string, call: number, ended: Outcome): void {
    const operation = storeOperationOf(this.name, line, call, this.#history.nowMs, ended);
    this.#history.add(operation);
    if (operation.outcome === 'ok') this.#questions?.told(operation);
  }
}
