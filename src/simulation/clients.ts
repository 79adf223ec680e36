/**
 * Clients in the virtual world: sessions as `client-session.ts` has them, over the same bad network
 * as the servers. They write values that nobody else writes, read, and remember what they were
 * told and when: a history, which must be that of *one* register.
 *
 * Values that are fired and forgotten change the register, too. Each that arrives at a server may
 * take effect, once for every datagram, so each arrival counts as a write of unknown outcome.
 */
import { type ChainState, EMPTY_CHAIN } from '../chain.ts';
import { ClientSession, type Options, type Outcome } from '../client-session.ts';
import type { ChosenReply, ValueReply } from '../messages.ts';
import type { TraceEvent } from '../trace/events.ts';
import { chainAfter } from '../trace/fold.ts';
import { type Asked, firedOf, operationOf } from '../trace/history.ts';
import { findContradiction, type Operation } from '../trace/linearizability.ts';
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

/** From when on whoever is so patient must be answered. */
export interface Peace {
  readonly peaceMs: number;
  readonly patienceMs: number;
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
  /** In which instance the value of a request took effect. */
  readonly #effects = new Map<string, number>();
  /** The chain of whoever is furthest. */
  #chain: ChainState = EMPTY_CHAIN;
  /** What the register held before each instance. */
  readonly #values = new Map<number, string | null>([[1, null]]);

  /** `wrong` hears which invariant is violated, and how. */
  constructor(world: World, { peaceMs, patienceMs }: Peace, wrong: Wrong) {
    this.#world = world;
    this.#peaceMs = peaceMs;
    this.#patienceMs = patienceMs;
    this.#wrong = wrong;
  }

  /** All that was asked until now. What still waits for its answer has an unknown outcome. */
  get history(): readonly Operation[] {
    const open = [...this.#clients.values()].flatMap(({ open }) => (open === null ? [] : [open]));
    return [...this.#history, ...open];
  }

  ask(asking: Asking): void {
    let client = this.#clients.get(asking.client);
    if (client === undefined) {
      client = new Client(asking.client, this.#world, (...ended) => this.#ended(...ended));
      this.#clients.set(asking.client, client);
    }
    client.ask(asking);
  }

  observe(event: TraceEvent): void {
    if (event.event === 'advance') return this.#advance(event);
    if (event.event !== 'receive' || event.message.type !== 'propose') return;
    const { value } = event.message;
    this.#history.push(firedOf(FIRED, value, event.at));
  }

  /** The run is over: do all answers fit together? Null, or which of them do not. */
  finish(): string | null {
    return findContradiction(this.history);
  }

  /** A link was applied, or many: by the chain itself, what took effect where? */
  #advance(event: TraceEvent & { event: 'advance' }): void {
    const { instanceNumber, link } = event;
    const isNews = !this.#values.has(instanceNumber);
    if (!isNews) return;
    this.#chain = chainAfter(this.#chain, event);
    this.#values.set(instanceNumber, this.#chain.currentValue);
    if (link === null || !('request' in link)) return;
    const effectIn = this.#chain.requests.at(-1)?.instanceNumber;
    if (effectIn !== instanceNumber - 1) return;
    const before = this.#effects.get(link.update);
    if (before !== undefined) {
      const both = `in instances ${before} and ${effectIn}`;
      this.#wrong(9, `the request of ${JSON.stringify(link.update)} took effect twice, ${both}`);
    }
    this.#effects.set(link.update, effectIn);
  }

  #ended(asking: Asking, call: number, ended: Outcome): void {
    const { client, question } = asking;
    if (!isLocal(asking)) {
      this.#history.push(operationOf(client, question, call, this.#world.nowMs, ended));
    }
    if (ended.outcome !== 'answered') return this.#checkPatience(asking, call, ended.lastWord);
    const { reply } = ended;
    if (reply.type === 'chosen') this.#checkChosen(asking, reply);
    if (reply.type === 'value') this.#checkValue(reply);
  }

  #checkPatience({ client, options }: Asking, call: number, lastWord: string): void {
    if (options.timeoutMs < this.#patienceMs || call < this.#peaceMs) return;
    this.#wrong(10, `${client} had no answer in ${options.timeoutMs} ms: ${lastWord}`);
  }

  #checkChosen({ question }: Asking, { instanceNumber }: ChosenReply): void {
    if (question.type !== 'request') return;
    const effectIn = this.#effects.get(question.value);
    if (effectIn === instanceNumber) return;
    const truth = effectIn === undefined ? 'nowhere' : `in instance ${effectIn}`;
    const told = `was answered as chosen in instance ${instanceNumber}`;
    this.#wrong(9, `${JSON.stringify(question.value)} ${told}, and took effect ${truth}`);
  }

  /** Even who tells an old value must tell the one that was there. */
  #checkValue({ value, instanceNumber }: ValueReply): void {
    const truth = this.#values.get(instanceNumber);
    if (truth === value) return;
    const told = `was told to be the value before instance ${instanceNumber}`;
    this.#wrong(9, `${JSON.stringify(value)} ${told}, and that is ${JSON.stringify(truth)}`);
  }
}

/** One client: asks one thing after the other. */
class Client {
  readonly #world: World;
  readonly #session: ClientSession;
  readonly #ended: (asking: Asking, call: number, outcome: Outcome) => void;
  readonly #waiting: Asking[] = [];
  #asked: { readonly asking: Asking; readonly call: number } | null = null;

  constructor(
    name: string,
    world: World,
    ended: (asking: Asking, call: number, outcome: Outcome) => void,
  ) {
    this.#world = world;
    this.#ended = ended;
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
  get open(): Operation | null {
    if (this.#asked === null || isLocal(this.#asked.asking)) return null;
    const { asking, call } = this.#asked;
    const unknown = { outcome: 'unknown', lastWord: '' } as const;
    return operationOf(asking.client, asking.question, call, call, unknown);
  }

  ask(asking: Asking): void {
    this.#waiting.push(asking);
    this.#next();
  }

  #next(): void {
    if (this.#asked !== null) return;
    const asking = this.#waiting.shift();
    if (asking === undefined) return;
    const call = this.#world.nowMs;
    this.#asked = { asking, call };
    this.#session.inquire(asking.question, asking.options, (outcome) => {
      this.#asked = null;
      this.#ended(asking, call, outcome);
      this.#next();
    });
  }
}

/** What may be told from memory, however old that is, has no place in a history. */
function isLocal({ question }: Asking): boolean {
  return question.type === 'read' && question.isLocal;
}
