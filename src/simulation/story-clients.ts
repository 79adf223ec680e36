/**
 * The clients of a story: what they ask and are told is a history, and at every answer it must
 * still be one of *one* register. Compare `clients.ts`, where they ask by themselves.
 *
 * Time stands still while a story is told, so what comes later in it has a later time here, by so
 * little that nobody sees it.
 */
import type { RequestId } from '../chain.ts';
import type { ClientMessage, Reply } from '../messages.ts';
import { firedOf, operationOf } from '../trace/history.ts';
import { findContradiction, type Operation, Undecided } from '../trace/linearizability.ts';
import { FIRED, sessionOf } from './clients.ts';

const A_MOMENT_MS = 1e-6;

interface Asked {
  readonly requestId: RequestId;
  readonly number: number;
  readonly value: string | null;
}

export class StoryClients {
  readonly #nowMs: () => number;
  readonly #contradiction: (why: string) => void;
  /** What each client asked last; `value` null: it was not for a value. */
  readonly #asked = new Map<string, Asked>();
  /** By request; what was fired and forgotten has a place of its own. */
  readonly #history = new Map<string, Operation>();
  #moments = 0;

  /** `contradiction` hears why the answers until now do not fit together, each time anew. */
  constructor(nowMs: () => number, contradiction: (why: string) => void) {
    this.#nowMs = nowMs;
    this.#contradiction = contradiction;
  }

  /** The id of what a client asks now: the same value once more is the same request. */
  requestId(client: string, value: string | null): RequestId {
    const last = this.#asked.get(client);
    if (last !== undefined && value !== null && last.value === value) return last.requestId;
    const number = (last?.number ?? 0) + 1;
    const requestId = `${sessionOf(client)}-1-${number}`;
    this.#asked.set(client, { requestId, number, value });
    return requestId;
  }

  /** A client has sent this; null: one that does not wait for an answer. */
  ask(client: string | null, message: ClientMessage): void {
    const call = this.#moment();
    if (message.type === 'propose') {
      this.#history.set(`${FIRED} ${call}`, firedOf(FIRED, message.value, call));
    }
    if (client === null || (message.type !== 'request' && message.type !== 'read')) return;
    if (message.type === 'read' && message.isLocal) return; // it may be told anything that was
    if (this.#history.has(message.requestId)) return;
    const open = { outcome: 'unknown', lastWord: '' } as const;
    this.#history.set(message.requestId, operationOf(client, message, call, call, open));
  }

  /** A client is told this. */
  hear(reply: Reply): void {
    const known = this.#history.get(reply.requestId);
    if (known === undefined || known.return !== null) return;
    if (reply.type !== 'chosen' && reply.type !== 'value') return;
    const value = reply.type === 'value' ? reply.value : known.value;
    const answered = { ...known, value, return: this.#moment(), outcome: 'ok' } as const;
    this.#history.set(reply.requestId, answered);
    const why = contradictionIn([...this.#history.values()]);
    if (why !== null) this.#contradiction(why);
  }

  #moment(): number {
    this.#moments += 1;
    return this.#nowMs() + this.#moments * A_MOMENT_MS;
  }
}

function contradictionIn(history: readonly Operation[]): string | null {
  try {
    return findContradiction(history);
  } catch (error) {
    if (error instanceof Undecided) return null; // too many ways to follow: nothing is proved
    throw error;
  }
}
