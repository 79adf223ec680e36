/**
 * Clients in the virtual world: sessions as `client-session.ts` has them, over the same bad network
 * as the servers. They write values that nobody else writes, read, and remember what they were
 * told and when: a history, which must be that of *one* register, or of one store.
 *
 * Values that are fired and forgotten change the register, too. Each that arrives at a server may
 * take effect, once for every datagram, so each arrival counts as a write of unknown outcome.
 */
import { type ChainState, EMPTY_CHAIN, type RequestedLink, type RequestId } from '../chain.ts';
import { ClientSession, type Inquiry, type Options, type Outcome } from '../client-session.ts';
import { expiryIn } from '../log/locks.ts';
import {
  findStoreContradiction,
  firedAtStore,
  isOfOneKey,
  lineOf,
  type StoreOperation,
  storeOperationOf,
} from '../log/store-history.ts';
import type { AnsweredReply, ChosenReply, FoundReply, ValueReply } from '../messages.ts';
import type { TraceEvent } from '../trace/events.ts';
import { chainAfter, effectsOf } from '../trace/fold.ts';
import { type Asked, firedOf, operationOf } from '../trace/history.ts';
import { findContradiction, type Operation } from '../trace/linearizability.ts';
import { StoreQuestions, StoreTruth } from './store-clients.ts';
import type { World } from './world.ts';

/** What a client of this name is to ask, as soon as all it was given before has come to an end. */
export interface Asking {
  readonly client: string;
  readonly question: Asked;
  readonly options: Options;
}

/** Once nothing goes wrong any more, whoever is as patient as this must be answered … */
export const PATIENCE_MS = 10_000;
/** … but for those who ask so soon after the last fault that a lost lease may not be over yet. */
export const SETTLING_MS = 12_000;

/** The same, and what the servers are asked for it: a store wants commands and queries. */
interface Put extends Asking {
  readonly inquiry: Inquiry;
}

/** From when on whoever is so patient must be answered. */
export interface Peace {
  readonly peaceMs: number;
  readonly patienceMs: number;
  /** Whether they ask a store. */
  readonly isStore?: boolean;
}

type Wrong = (invariant: number, why: string) => void;

/** Who wrote, in a history, what was fired and forgotten. */
export const FIRED = 'fired';

/** The session of the client with this name (hexadecimal digits), as request ids spell it. */
export function sessionOf(client: string): string {
  return client.padStart(16, '0');
}

/** All clients of one run. */
export class Clients {
  readonly #world: World;
  readonly #peaceMs: number;
  readonly #patienceMs: number;
  readonly #wrong: Wrong;
  readonly #clients = new Map<string, Client>();
  readonly #history: Operation[] = [];
  readonly #toldByStore: StoreOperation[] = [];
  /** In which instance a request took effect. */
  readonly #effects = new Map<RequestId, number>();
  /** The chain of whoever is furthest. */
  #chain: ChainState = EMPTY_CHAIN;
  /** What must be true of a store; null: the servers are none. */
  readonly #truth: StoreTruth | null;
  readonly #questions = new StoreQuestions();
  /** Whether all servers have the layer for that, also one with other flags, by mistake. */
  #mayAskQuorum: boolean | null = null;
  #asked = 0;
  /** What the register held before each instance. */
  readonly #values = new Map<number, string | null>([[1, null]]);

  /** `wrong` hears which invariant is violated, and how. */
  constructor(world: World, { peaceMs, patienceMs, isStore = false }: Peace, wrong: Wrong) {
    this.#world = world;
    this.#truth = isStore ? new StoreTruth() : null;
    this.#peaceMs = peaceMs;
    this.#patienceMs = patienceMs;
    this.#wrong = wrong;
  }

  /** All that was asked until now. What still waits for its answer has an unknown outcome. */
  get history(): readonly Operation[] {
    if (this.#truth === null) {
      return [...this.#history, ...this.#open.flatMap((open) => this.#operationOf(...open))];
    }
    return this.storeHistory.map(({ line, answer, ...asked }) => {
      const isQuery = line.startsWith('get ');
      return { ...asked, op: isQuery ? 'read' : 'write', value: isQuery ? answer : line };
    });
  }

  /** The same of a store, with the answers. */
  get storeHistory(): readonly StoreOperation[] {
    return [...this.#toldByStore, ...this.#open.flatMap((open) => this.#storeOperationOf(...open))];
  }

  /** What is still waited for, as if it had just been given up. */
  get #open(): readonly (readonly [Put, number, number, Outcome])[] {
    const unknown = { outcome: 'unknown', lastWord: '' } as const;
    return [...this.#clients.values()].flatMap(({ open }) => {
      return open === null ? [] : [[open.put, open.call, open.call, unknown] as const];
    });
  }

  ask(asking: Asking): void {
    let client = this.#clients.get(asking.client);
    if (client === undefined) {
      client = new Client(asking.client, this.#world, {
        inquiry: (question) => this.#inquiry(question),
        ended: (...ended) => this.#ended(...ended),
      });
      this.#clients.set(asking.client, client);
    }
    client.ask(asking);
  }

  #inquiry({ client, question }: Asking): Inquiry {
    this.#asked += 1;
    if (this.#truth === null) return question;
    const seed = `${client} ${this.#asked}`;
    return this.#questions.inquiry(question, seed, this.#mayAskQuorum === true, client);
  }

  observe(event: TraceEvent): void {
    if (event.event === 'start' && this.#mayAskQuorum !== false) {
      this.#mayAskQuorum = event.layers.includes('QuorumReads');
    }
    if (event.event === 'advance') return this.#advance(event);
    const isExpiry = event.event === 'update' && event.what === 'queued' && isEnd(event.value);
    if (isExpiry) this.#toldByStore.push(firedAtStore(event.server, event.value, event.at));
    if (event.event !== 'receive' || event.message.type !== 'propose') return;
    const { value } = event.message;
    if (this.#truth === null) this.#history.push(firedOf(FIRED, value, event.at));
    else if (isOfOneKey(value)) this.#toldByStore.push(firedAtStore(FIRED, value, event.at));
  }

  /** The run is over: do all answers fit together? Null, or which of them do not. */
  finish(): string | null {
    const isStore = this.#truth !== null;
    return isStore ? findStoreContradiction(this.storeHistory) : findContradiction(this.history);
  }

  /** What of it belongs to the history: nothing, or one operation. */
  #operationOf({ client, question }: Put, ...when: [number, number, Outcome]): Operation[] {
    if (question.type === 'read' && question.isLocal) return []; // however old that is
    return [operationOf(client, question, ...when)];
  }

  #storeOperationOf({ client, inquiry }: Put, ...when: [number, number, Outcome]) {
    const line = lineOf(inquiry);
    return line === null ? [] : [storeOperationOf(client, line, ...when)];
  }

  /** A link was applied, or many: by the chain itself, what took effect where? */
  #advance(event: TraceEvent & { event: 'advance' }): void {
    const { instanceNumber, link } = event;
    const isNews = !this.#values.has(instanceNumber);
    if (!isNews) return;
    const before = this.#chain;
    this.#chain = chainAfter(before, event);
    this.#values.set(instanceNumber, this.#chain.currentValue);
    if (link === null) return;
    const effectIn = instanceNumber - 1;
    const effects = this.#truth?.apply(link, effectIn) ?? effectsOf(link, effectIn, before);
    for (const one of effects) if ('request' in one) this.#tookEffect(one, effectIn);
  }

  #tookEffect({ update, request }: RequestedLink, effectIn: number): void {
    const before = this.#effects.get(request);
    if (before !== undefined) {
      const both = `in instances ${before} and ${effectIn}`;
      this.#wrong(9, `the request of ${JSON.stringify(update)} took effect twice, ${both}`);
    }
    this.#effects.set(request, effectIn);
  }

  #ended(asking: Put, call: number, ended: Outcome): void {
    this.#note(asking, call, ended);
    if (ended.outcome !== 'answered') return this.#checkPatience(asking, call, ended.lastWord);
    const { reply } = ended;
    if (reply.type === 'chosen' || reply.type === 'answered') this.#checkChosen(asking, reply);
    if (reply.type === 'answered') this.#checkAnswer(asking, reply);
    if (reply.type === 'value') this.#checkValue(reply);
    if (reply.type === 'found') this.#checkFound(asking, reply);
  }

  #note(asking: Put, call: number, ended: Outcome): void {
    const { nowMs } = this.#world;
    if (this.#truth === null) {
      this.#history.push(...this.#operationOf(asking, call, nowMs, ended));
      return;
    }
    for (const operation of this.#storeOperationOf(asking, call, nowMs, ended)) {
      this.#toldByStore.push(operation);
      if (operation.outcome === 'ok') this.#questions.told(operation);
    }
  }

  #checkPatience({ client, options }: Asking, call: number, lastWord: string): void {
    if (options.timeoutMs < this.#patienceMs || call < this.#peaceMs) return;
    this.#wrong(10, `${client} had no answer in ${options.timeoutMs} ms: ${lastWord}`);
  }

  #checkChosen({ inquiry }: Put, reply: ChosenReply | AnsweredReply): void {
    if (inquiry.type !== 'request') return;
    const { instanceNumber, requestId } = reply;
    const effectIn = this.#effects.get(requestId);
    if (effectIn === instanceNumber) return;
    const truth = effectIn === undefined ? 'nowhere' : `in instance ${effectIn}`;
    const told = `was answered as chosen in instance ${instanceNumber}`;
    this.#wrong(9, `${JSON.stringify(inquiry.value)} ${told}, and took effect ${truth}`);
  }

  /** Asked for the first time or once more, the answer is the one that it had. */
  #checkAnswer({ inquiry }: Put, { answer, requestId }: AnsweredReply): void {
    if (inquiry.type !== 'request') return;
    const truth = this.#truth?.answerTo(requestId);
    if (truth === answer) return;
    const told = `was answered with ${JSON.stringify(answer)}`;
    this.#wrong(9, `${JSON.stringify(inquiry.value)} ${told}, and the answer is ${truth}`);
  }

  #checkFound({ inquiry }: Put, { found, instanceNumber }: FoundReply): void {
    if (!('query' in inquiry)) return;
    const truth = this.#truth?.found(inquiry.query, instanceNumber) ?? null;
    if (truth === found) return;
    const [told, right] = [found, truth].map((it) => JSON.stringify(it));
    const where = `before instance ${instanceNumber}`;
    this.#wrong(
      9,
      `to ${JSON.stringify(inquiry.query)} ${told} was told, and ${where} it is ${right}`,
    );
  }

  /** Even who tells an old value must tell the one that was there. */
  #checkValue({ value, instanceNumber }: ValueReply): void {
    const truth = this.#values.get(instanceNumber);
    if (truth === value) return;
    const told = `was told to be the value before instance ${instanceNumber}`;
    this.#wrong(9, `${JSON.stringify(value)} ${told}, and that is ${JSON.stringify(truth)}`);
  }
}

/** That the time of a lock is over, which servers say. */
function isEnd(value: string): boolean {
  return expiryIn(value) !== null;
}

/** Whoever wants to know of a client: what it is to ask just now, and how that ended. */
interface Ears {
  inquiry(asking: Asking): Inquiry;
  ended(put: Put, call: number, outcome: Outcome): void;
}

/** One client: asks one thing after the other. */
class Client {
  readonly #world: World;
  readonly #session: ClientSession;
  readonly #ears: Ears;
  readonly #waiting: Asking[] = [];
  #asked: { readonly put: Put; readonly call: number } | null = null;

  constructor(name: string, world: World, ears: Ears) {
    this.#world = world;
    this.#ears = ears;
    this.#session = new ClientSession(sessionOf(name), world.uids, {
      after: (delayMs, act) => {
        const entry = world.later(delayMs, act);
        return {
          cancel: () => {
            entry.act = null;
          },
        };
      },
      send: (to, message) => world.ask(name, to, message),
    });
    world.addClient(name, (from, reply) => this.#session.receive(from, reply));
  }

  /** What it has asked and was not answered yet. */
  get open(): { readonly put: Put; readonly call: number } | null {
    return this.#asked;
  }

  ask(asking: Asking): void {
    this.#waiting.push(asking);
    this.#next();
  }

  #next(): void {
    if (this.#asked !== null) return;
    const asking = this.#waiting.shift();
    if (asking === undefined) return;
    const put = { ...asking, inquiry: this.#ears.inquiry(asking) };
    const call = this.#world.nowMs;
    this.#asked = { put, call };
    this.#session.inquire(put.inquiry, put.options, (outcome) => {
      this.#asked = null;
      this.#ears.ended(put, call, outcome);
      this.#next();
    });
  }
}
