/**
 * Clients inside a server: whoever asks over HTTP has a session here that asks for them, as
 * `client.ts` would, with the same ids, the same patience, and the same way to the master. Only
 * what it says to its own server takes no network.
 */
import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { RequestId } from '../../chain.ts';
import { ClientSession, type Inquiry, type Outcome } from '../../client-session.ts';
import { quorumOf, type Uid } from '../../composable-paxos.ts';
import { MAX_ANSWERED_CLIENTS } from '../../log/answers.ts';
import type { ClientMessage, Reply } from '../../messages.ts';

/** How an inquiry has ended, and the id of the request, if there was one. */
export type Ended = Outcome & { readonly requestId: RequestId | null };

type Hear = (from: Uid, reply: Reply) => boolean;

interface OpenSession {
  readonly session: ClientSession;
  /** Whom it asks. */
  readonly uids: readonly Uid[];
  /** Under which ids it asks now. */
  readonly ids: Set<RequestId>;
  requestId: RequestId | null;
}

export class InnerClients {
  readonly #uids: () => readonly Uid[];
  readonly #first: (mayMove: boolean) => Uid;
  readonly #reached: () => number | null;
  readonly #send: (to: Uid, message: ClientMessage) => void;
  /** Who asks nothing now, the latest last. The fewer clients, the longer each is remembered. */
  readonly #free: OpenSession[] = [];
  readonly #all = new Set<OpenSession>();
  readonly #hearing = new Map<RequestId, Hear>();
  #changing = 0;
  readonly #line: (() => void)[] = [];

  /**
   * `uids` tells who votes now, and tells the same list for as long as it is true.
   * `send` brings what they say to a server, this one or another one. `first` is whom they ask
   * first: this one, or whom it takes for the master if they may go there. `reached` tells how far
   * the chain is, if this one may say it: a master has come as far as anybody.
   */
  constructor(
    uids: () => readonly Uid[],
    first: (mayMove: boolean) => Uid,
    reached: () => number | null,
    send: (to: Uid, message: ClientMessage) => void,
  ) {
    this.#uids = uids;
    this.#first = first;
    this.#reached = reached;
    this.#send = send;
  }

  /** How many inquiries are under way. */
  get busy(): number {
    return this.#all.size - this.#free.length;
  }

  /** A server has answered. False: nobody here waits for it. */
  receive(from: Uid, reply: Reply): boolean {
    return this.#hearing.get(reply.requestId)?.(from, reply) ?? false;
  }

  /** Asks until there is an answer, or so long; others than this server only if `mayMove`. */
  async ask(inquiry: Inquiry, timeoutMs: number, mayMove = true): Promise<Ended> {
    if (inquiry.type !== 'request') return this.#askNow(inquiry, timeoutMs, mayMove);
    const { requestId = null } = inquiry;
    if (requestId !== null && this.#hearing.has(requestId)) {
      return { outcome: 'refused', lastWord: 'this request is under way here already', requestId };
    }
    const untilMs = performance.now() + timeoutMs;
    await this.#waitInLine();
    const leftMs = untilMs - performance.now();
    try {
      if (leftMs > 0) return await this.#askNow(inquiry, leftMs, mayMove);
      const lastWord = 'too many changes wait at this server';
      return { outcome: 'not asked', lastWord, requestId };
    } finally {
      this.#changing -= 1;
      this.#line.shift()?.();
    }
  }

  /** Which servers answer within so long, as soon as a quorum does. */
  reach(withinMs: number): Promise<ReadonlySet<Uid>> {
    const requestId = `${randomBytes(8).toString('hex')}-1-1`;
    const reached = new Set<Uid>();
    const uids = this.#uids();
    return new Promise((done) => {
      const end = () => {
        clearTimeout(timeout);
        this.#hearing.delete(requestId);
        done(reached);
      };
      const timeout = setTimeout(end, withinMs);
      this.#hearing.set(requestId, (from, { type }) => {
        if (type !== 'reached' || !uids.includes(from)) return false;
        reached.add(from);
        if (reached.size === quorumOf(uids.length)) end();
        return true;
      });
      for (const uid of uids) this.#send(uid, { type: 'reach', requestId });
    });
  }

  /** Gives up: what is asked now is never answered. */
  stop(): void {
    for (const { session } of this.#all) session.stop();
  }

  /**
   * A store remembers only so many clients, and whose request waits behind those of many others
   * may be forgotten before its turn. So no more ask at a time here than are remembered if all
   * servers have as many, and others come as well.
   */
  async #waitInLine(): Promise<void> {
    const most = Math.max(1, Math.floor(MAX_ANSWERED_CLIENTS / (this.#uids().length + 1)));
    if (this.#changing >= most) await new Promise<void>((next) => this.#line.push(next));
    this.#changing += 1;
  }

  #askNow(inquiry: Inquiry, timeoutMs: number, mayMove: boolean): Promise<Ended> {
    const open = this.#freeFor(this.#uids());
    open.requestId = null;
    return new Promise((done) => {
      const server = this.#first(mayMove);
      const options = { server, timeoutMs, mayMove, reached: this.#reached() };
      open.session.inquire(inquiry, options, (outcome) => {
        for (const id of open.ids) this.#hearing.delete(id);
        open.ids.clear();
        // Who does not know what became of a request asks for nothing else under its name: so
        // whoever has the id may still ask again.
        const isOver = outcome.outcome !== 'unknown' || inquiry.type !== 'request';
        if (isOver) this.#free.push(open);
        else this.#all.delete(open);
        done({ ...outcome, requestId: open.requestId });
      });
    });
  }

  /** Those that know only members of before are let go. */
  #freeFor(uids: readonly Uid[]): OpenSession {
    for (let open = this.#free.pop(); open !== undefined; open = this.#free.pop()) {
      if (open.uids === uids) return open;
      this.#all.delete(open);
    }
    return this.#open(uids);
  }

  #open(uids: readonly Uid[]): OpenSession {
    const session = new ClientSession(randomBytes(8).toString('hex'), uids, {
      after: (delayMs, act) => {
        const timeout = setTimeout(act, delayMs);
        return { cancel: () => clearTimeout(timeout) };
      },
      send: (to, message) => {
        if (message.type === 'propose') return; // it has no answer, and no session says it
        open.ids.add(message.requestId);
        this.#hearing.set(message.requestId, (from, reply) => session.receive(from, reply));
        if (message.type === 'request') open.requestId = message.requestId;
        this.#send(to, message);
      },
    });
    const open: OpenSession = { session, uids, ids: new Set(), requestId: null };
    this.#all.add(open);
    return open;
  }
}
