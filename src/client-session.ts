/**
 * A client that waits: it asks until it is answered, of whichever server will answer, and says
 * honestly when it does not know.
 *
 * A datagram may be lost on the way there or back, and a server may be down, or not the master. A
 * silent server is asked again, then the next one; a server that is not master says who is. All the
 * time the request keeps its id, so asking again does no harm. When the time is up the outcome
 * is *unknown*, not failed: the request may be in the chain, or get there later.
 *
 * Before it asks for a change, it asks any server how far the chain has come, and puts the answer
 * into the id: so that whoever meets the request much later can tell how old it is.
 *
 * Like a replica, a session touches the world only through what it is given.
 */
import type { RequestId } from './chain.ts';
import type { Uid } from './composable-paxos.ts';
import type { Timer } from './environment.ts';
import type { ClientMessage, RefusedReply, Reply } from './messages.ts';

/** A server that has been silent for so long is asked again; and after that, another one. */
export const ASK_AGAIN_MS = 300;
const ASKED_BEFORE_NEXT = 2;

/** Which reply answers which question. Any server may also refuse. */
const ANSWERS: Readonly<Record<Question['type'], Reply['type']>> = {
  request: 'chosen',
  read: 'value',
  status: 'status_report',
};

/** What a session says to servers. */
type Asked = Exclude<ClientMessage, { type: 'propose' }>;

/** Every chain has come this far. */
const FIRST_INSTANCE = 1;

export interface ClientWorld {
  /** Calls `act` after so many milliseconds. */
  after(delayMs: number, act: () => void): Timer;
  send(to: Uid, message: ClientMessage): void;
}

/** How an operation ended. */
export type Outcome =
  | { readonly outcome: 'answered'; readonly server: Uid; readonly reply: Reply }
  | { readonly outcome: 'unknown'; readonly lastWord: string };

/** What can be asked, but for the id under which the session asks it. */
export type Question =
  | { readonly type: 'request'; readonly value: string }
  | { readonly type: 'read'; readonly isLocal: boolean }
  | { readonly type: 'status' };

export interface Options {
  readonly server: Uid;
  readonly timeoutMs: number;
  /** False: only this server is asked, again and again. */
  readonly mayMove: boolean;
}

export class ClientSession {
  readonly #client: string;
  readonly #uids: readonly Uid[];
  readonly #world: ClientWorld;
  #number = 0;
  #operation: Operation | null = null;

  /** `client`: 16 hexadecimal digits, different for every session that there ever is. */
  constructor(client: string, uids: readonly Uid[], world: ClientWorld) {
    this.#client = client;
    this.#uids = uids;
    this.#world = world;
  }

  /** Asks, and calls `done` once. Throws if the last question is still open. */
  ask(question: Question, options: Options, done: (outcome: Outcome) => void): void {
    if (this.#operation !== null) throw new Error('a session asks one thing at a time');
    const newId = (since: number) => this.#newId(since);
    const operation = { question, newId, options, uids: this.#uids, world: this.#world };
    this.#operation = new Operation(operation, (outcome) => {
      this.#operation = null;
      done(outcome);
    });
    this.#operation.begin();
  }

  /** An answer has come. False: nobody waits for it, and it is passed over. */
  receive(from: Uid, reply: Reply): boolean {
    return this.#operation?.receive(from, reply) ?? false;
  }

  /** Gives up at once; `done` of the open question is not called. */
  stop(): void {
    this.#operation?.stop();
    this.#operation = null;
  }

  #newId(since: number): RequestId {
    this.#number += 1;
    return `${this.#client}-${since}-${this.#number}`;
  }
}

/** What an operation needs. */
interface Operating {
  readonly question: Question;
  readonly newId: (since: number) => RequestId;
  readonly options: Options;
  readonly uids: readonly Uid[];
  readonly world: ClientWorld;
}

class Operation {
  readonly #question: Question;
  readonly #newId: (since: number) => RequestId;
  readonly #options: Options;
  readonly #uids: readonly Uid[];
  readonly #world: ClientWorld;
  readonly #done: (outcome: Outcome) => void;
  /** What we ask now. */
  #message: Asked;
  /** Whom we have asked: nobody else's answer counts. */
  readonly #asked = new Set<Uid>();
  #server: Uid;
  #timesAsked = 0;
  /** How often we have gone where a server sent us, since we last waited in vain. */
  #redirects = 0;
  #askAgain: Timer | null = null;
  #giveUp: Timer | null = null;
  #lastWord = 'no server has answered';

  constructor(operating: Operating, done: (outcome: Outcome) => void) {
    const { question, newId, options, uids, world } = operating;
    this.#question = question;
    this.#newId = newId;
    this.#options = options;
    this.#uids = uids;
    this.#world = world;
    this.#done = done;
    this.#server = options.server;
    // How far is the chain? A local read is answered by whichever server hears it.
    const first =
      question.type === 'request' ? ({ type: 'read', isLocal: true } as const) : question;
    this.#message = { ...first, requestId: newId(FIRST_INSTANCE) };
  }

  begin(): void {
    this.#giveUp = this.#world.after(this.#options.timeoutMs, () => {
      this.#end({ outcome: 'unknown', lastWord: this.#lastWord });
    });
    this.#askNow();
  }

  receive(from: Uid, reply: Reply): boolean {
    if (reply.requestId !== this.#message.requestId || !this.#asked.has(from)) return false;
    if (reply.type === 'refused') {
      this.#refused(from, reply);
      return true;
    }
    if (!this.#isAnswer(reply)) return false;
    if (this.#question.type === 'request' && reply.type === 'value') {
      this.#request(this.#question, reply.instanceNumber);
    } else {
      this.#end({ outcome: 'answered', server: from, reply });
    }
    return true;
  }

  /** We know how far the chain is: now the request itself, under one id for all that comes. */
  #request(question: Question & { readonly type: 'request' }, since: number): void {
    this.#message = { ...question, requestId: this.#newId(since) };
    this.#timesAsked = 0;
    this.#askNow();
  }

  #isAnswer(reply: Reply): boolean {
    const message = this.#message;
    if (reply.type !== ANSWERS[message.type]) return false;
    const isLocal = message.type === 'read' && message.isLocal;
    // Who asked for the newest value is not content with one that may be old.
    return reply.type !== 'value' || reply.isCurrent || isLocal;
  }

  #refused(from: Uid, { why, master }: RefusedReply): void {
    this.#lastWord = `${from} says: ${why}`;
    // Only the word of the one whom we ask now counts: we have left an older one behind.
    if (from !== this.#server || !this.#options.mayMove) return;
    if (master === null || master === from) return; // we ask again by ourselves, a little later
    // Servers that are not level may send us to each other, in circles.
    if (this.#redirects >= this.#uids.length) return;
    this.#redirects += 1;
    this.#moveTo(master);
    this.#askNow();
  }

  stop(): void {
    this.#askAgain?.cancel();
    this.#giveUp?.cancel();
  }

  #askNow(): void {
    this.#askAgain?.cancel();
    this.#timesAsked += 1;
    this.#asked.add(this.#server);
    this.#world.send(this.#server, this.#message);
    this.#askAgain = this.#world.after(ASK_AGAIN_MS, () => this.#askAnew());
  }

  /** We have waited in vain. */
  #askAnew(): void {
    const wasInCircles = this.#redirects >= this.#uids.length;
    const isEnough = this.#timesAsked >= ASKED_BEFORE_NEXT || wasInCircles;
    if (this.#options.mayMove && isEnough) this.#moveOn();
    this.#redirects = 0;
    this.#askNow();
  }

  #moveOn(): void {
    const next = (this.#uids.indexOf(this.#server) + 1) % this.#uids.length;
    this.#moveTo(this.#uids[next] ?? this.#server);
  }

  #moveTo(server: Uid): void {
    this.#server = server;
    this.#timesAsked = 0;
  }

  #end(outcome: Outcome): void {
    this.stop();
    this.#done(outcome);
  }
}
