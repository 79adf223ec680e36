/**
 * `ClientSession`, a client that waits: it asks until it is answered, by whichever server will, and
 * says honestly when it does not know. (Another one would ask all servers at once, and make all
 * of them work.)
 *
 * A datagram may be lost on the way there or back, and a server may be down, or not the master. A
 * silent server is asked again, then the next one; a server that is not master says who is. All the
 * time the request keeps its id, so asking again does no harm. But it makes work, for one server
 * more each time, and who is silent may only be slow: so the client waits longer and longer before
 * it asks again. When the time is up the outcome is *unknown*, not failed: the request may be in
 * the chain, or get there later.
 *
 * Before it asks for a change, it asks the servers how far the chain has come, and puts the answer
 * into the id: so that whoever meets the request much later can tell how old it is.
 *
 * Like a replica, a session touches the world only through what it is given.
 */
import type { RequestId } from './chain.ts';
import { quorumOf, type Uid } from './composable-paxos.ts';
import type { Timer } from './environment.ts';
import type { ChangeMessage, ClientMessage, RefusedReply, Reply } from './messages.ts';

/** A server that has been silent for so long is asked again; and after that, another one … */
export const ASK_AGAIN_MS = 300;
/** … after twice as long each time, up to this. */
export const LONGEST_ASK_AGAIN_MS = 4_000;
const ASKED_BEFORE_NEXT = 2;

/** Which reply answers which inquiry. Any server may also refuse. */
const ANSWERS: Readonly<Record<Inquiry['type'], readonly Reply['type'][]>> = {
  request: ['chosen', 'answered'],
  read: ['value'],
  query: ['found'],
  quorum_query: ['found'],
  status: ['status_report'],
  transfer: ['transferred'],
  members: ['members_report'],
  change: ['changed'],
};

/** What a session says to servers. */
type Asked = Exclude<ClientMessage, { type: 'propose' | 'reach' }>;

/** Every chain has come this far. */
const FIRST_INSTANCE = 1;

/** All that a session is given. */
export interface ClientWorld {
  /** Calls `act` after so many milliseconds. */
  after(delayMs: number, act: () => void): Timer;
  send(to: Uid, message: ClientMessage): void;
}

/** How an operation ended. */
export type Outcome =
  | { readonly outcome: 'answered'; readonly server: Uid; readonly reply: Reply }
  | { readonly outcome: 'unknown'; readonly lastWord: string }
  /** Neither this server nor another one will do it. */
  | { readonly outcome: 'refused'; readonly lastWord: string }
  /** Nobody answered before the request itself had left: it has no effect, now or later. */
  | { readonly outcome: 'not asked'; readonly lastWord: string };

/** What a client wants to know or to have, but for the id under which the session asks for it. */
export type Inquiry =
  /** With an id it is a request that was asked before, and whose outcome is unknown. */
  | { readonly type: 'request'; readonly value: string; readonly requestId?: RequestId }
  | { readonly type: 'read'; readonly isLocal: boolean }
  | { readonly type: 'query'; readonly query: string; readonly isLocal: boolean }
  | { readonly type: 'quorum_query'; readonly query: string }
  | { readonly type: 'status' }
  | { readonly type: 'transfer'; readonly to: Uid }
  | { readonly type: 'members' }
  | ({ readonly type: 'change' } & Change);

/** What is to become of the members: see `ChangeMessage`. */
export type Change = Omit<ChangeMessage, 'type' | 'requestId'>;

/** Whom an inquiry asks, and for how long. */
export interface Options {
  readonly server: Uid;
  readonly timeoutMs: number;
  /** False: only this server is asked, again and again. */
  readonly mayMove: boolean;
  /** An instance that the chain has come to, if that is known: then nobody is asked for it. */
  readonly reached?: number | null;
}

const NO_ANSWER = 'no server has answered';

/** One conversation with the servers. */
interface Step {
  begin(): void;
  /** False: that is no answer to this. */
  receive(from: Uid, reply: Reply): boolean;
  stop(): void;
  /** How the inquiry ended if nothing more comes; left out: nothing was asked for so far. */
  readonly givenUp?: Outcome;
}

/**
 * A client and its questions, one at a time. Whoever has it brings it what servers reply, and ends
 * it with `stop`.
 */
export class ClientSession {
  readonly #client: string;
  readonly #uids: readonly Uid[];
  readonly #world: ClientWorld;
  #number = 0;
  #step: Step | null = null;
  #giveUp: Timer | null = null;

  /** `client`: 16 hexadecimal digits, different for every session that there ever is. */
  constructor(client: string, uids: readonly Uid[], world: ClientWorld) {
    this.#client = client;
    this.#uids = uids;
    this.#world = world;
  }

  /** Begins an inquiry, and calls `done` once. Throws if the last one is still open. */
  inquire(inquiry: Inquiry, options: Options, done: (outcome: Outcome) => void): void {
    if (this.#step !== null) throw new Error('a session asks one thing at a time');
    const end = (outcome: Outcome) => {
      this.stop();
      done(outcome);
    };
    this.#giveUp = this.#world.after(options.timeoutMs, () => {
      end(this.#step?.givenUp ?? { outcome: 'not asked', lastWord: NO_ANSWER });
    });
    const operate = (since: number) => {
      const message = { requestId: this.#newId(since), ...inquiry };
      this.#begin(new Operation(message, options, this.#uids, this.#world, end));
    };
    if (inquiry.type !== 'request' || 'requestId' in inquiry) return operate(FIRST_INSTANCE);
    const { reached = null } = options;
    if (reached !== null) return operate(reached);
    const uids = options.mayMove ? this.#uids : [options.server];
    this.#begin(new Survey(this.#newId(FIRST_INSTANCE), uids, this.#world, operate));
  }

  /** An answer has come. False: nobody waits for it, and it is passed over. */
  receive(from: Uid, reply: Reply): boolean {
    return this.#step?.receive(from, reply) ?? false;
  }

  /** Gives up at once; `done` of an open inquiry is not called. */
  stop(): void {
    this.#giveUp?.cancel();
    this.#step?.stop();
    this.#step = null;
  }

  #begin(step: Step): void {
    this.#step = step;
    step.begin();
  }

  #newId(since: number): RequestId {
    this.#number += 1;
    return `${this.#client}-${since}-${this.#number}`;
  }
}

/**
 * How far is the chain? Every server tells from its memory. Whatever is chosen by now, a member of
 * any quorum has accepted it, and has come at least that far; so has the highest answer of a
 * quorum. When no quorum answers, those who do are enough: a number that is too low does no harm.
 * It makes the request look older than it is, so that it may be taken for one that is forgotten,
 * which takes no effect; and never for a new one when it is not.
 */
class Survey implements Step {
  readonly #requestId: RequestId;
  readonly #uids: readonly Uid[];
  readonly #world: ClientWorld;
  readonly #done: (reached: number) => void;
  readonly #reached = new Map<Uid, number>();
  #askAgain: Timer | null = null;
  #askAgainMs = ASK_AGAIN_MS;

  constructor(
    requestId: RequestId,
    uids: readonly Uid[],
    world: ClientWorld,
    done: (reached: number) => void,
  ) {
    this.#requestId = requestId;
    this.#uids = uids;
    this.#world = world;
    this.#done = done;
  }

  begin(): void {
    const message = { type: 'reach', requestId: this.#requestId } as const;
    for (const uid of this.#uids) this.#world.send(uid, message);
    this.#askAgain = this.#world.after(this.#askAgainMs, () => {
      if (this.#reached.size > 0) this.#end();
      else this.begin();
    });
    this.#askAgainMs = longerThan(this.#askAgainMs);
  }

  receive(from: Uid, reply: Reply): boolean {
    if (reply.requestId !== this.#requestId || !this.#uids.includes(from)) return false;
    if (reply.type !== 'reached') return false;
    this.#reached.set(from, reply.instanceNumber);
    if (this.#reached.size >= quorumOf(this.#uids.length)) this.#end();
    return true;
  }

  stop(): void {
    this.#askAgain?.cancel();
  }

  #end(): void {
    this.stop();
    this.#done(Math.max(...this.#reached.values()));
  }
}

function longerThan(waitMs: number): number {
  return Math.min(2 * waitMs, LONGEST_ASK_AGAIN_MS);
}

/** The inquiry itself, under one id from beginning to end. */
class Operation implements Step {
  readonly #message: Asked;
  readonly #options: Options;
  readonly #uids: readonly Uid[];
  readonly #world: ClientWorld;
  readonly #done: (outcome: Outcome) => void;
  /** Whom we have asked: nobody else's answer counts. */
  readonly #asked = new Set<Uid>();
  #server: Uid;
  #timesAsked = 0;
  /** How often we have gone where a server sent us, since we last waited in vain. */
  #redirects = 0;
  #askAgain: Timer | null = null;
  #askAgainMs = ASK_AGAIN_MS;
  #lastWord = NO_ANSWER;

  constructor(
    message: Asked,
    options: Options,
    uids: readonly Uid[],
    world: ClientWorld,
    done: (outcome: Outcome) => void,
  ) {
    this.#message = message;
    this.#options = options;
    this.#uids = uids;
    this.#world = world;
    this.#done = done;
    this.#server = options.server;
  }

  get givenUp(): Outcome {
    return { outcome: 'unknown', lastWord: this.#lastWord };
  }

  begin(): void {
    this.#askNow();
  }

  receive(from: Uid, reply: Reply): boolean {
    if (reply.requestId !== this.#message.requestId || !this.#asked.has(from)) return false;
    if (reply.type === 'refused') {
      this.#refused(from, reply);
      return true;
    }
    if (!this.#isAnswer(reply)) return false;
    this.#done({ outcome: 'answered', server: from, reply });
    return true;
  }

  #isAnswer(reply: Reply): boolean {
    const message = this.#message;
    if (!ANSWERS[message.type].includes(reply.type)) return false;
    const isLocal = 'isLocal' in message && message.isLocal;
    // Who asked for the newest value is not content with one that may be old.
    return !('isCurrent' in reply) || reply.isCurrent || isLocal;
  }

  #refused(from: Uid, { why, master, isFinal }: RefusedReply): void {
    this.#lastWord = `${from} says: ${why}`;
    if (isFinal) return this.#done({ outcome: 'refused', lastWord: this.#lastWord });
    // Only the word of the one whom we ask now counts: we have left an older one behind.
    if (from !== this.#server) return;
    // Nothing of ours waits there, so that nobody is troubled if we ask again soon.
    this.#askAgainMs = ASK_AGAIN_MS;
    this.#askAgainLater();
    if (!this.#options.mayMove || master === null || master === from) return;
    // Servers that are not level may send us to each other, in circles.
    if (this.#redirects >= this.#uids.length) return;
    this.#redirects += 1;
    this.#moveTo(master);
    this.#askNow();
  }

  stop(): void {
    this.#askAgain?.cancel();
  }

  #askNow(): void {
    this.#timesAsked += 1;
    this.#asked.add(this.#server);
    this.#world.send(this.#server, this.#message);
    this.#askAgainLater();
  }

  #askAgainLater(): void {
    this.#askAgain?.cancel();
    this.#askAgain = this.#world.after(this.#askAgainMs, () => this.#askAnew());
  }

  /** We have waited in vain. */
  #askAnew(): void {
    const wasInCircles = this.#redirects >= this.#uids.length;
    const isEnough = this.#timesAsked >= ASKED_BEFORE_NEXT || wasInCircles;
    if (this.#options.mayMove && isEnough) this.#moveOn();
    this.#redirects = 0;
    this.#askAgainMs = longerThan(this.#askAgainMs);
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
}
