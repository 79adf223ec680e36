/**
 * The store: what do the values mean?
 *
 * They are commands to a state machine, and this layer applies each of them once, in the order of
 * the chain, at every server. "Once" needs no new thought: a request that is chosen a second time
 * changes nothing, as `chain.ts` says. Here a table of ten thousand clients tells which those are,
 * and what came of each the first time (see `answers.ts`): so a client whose answer was lost asks
 * again, and gets the *same* answer, of whichever server, even if the state has long moved on.
 *
 * What is no command is refused before it is proposed. A command that fails is in the chain, and
 * that it failed is its answer. A query goes the way of a read: a master answers from memory, and
 * without masters it is answered when a link that changes nothing has marked its moment.
 */
import {
  isUpdate,
  type Link,
  type RequestedLink,
  type RequestId,
  type Standing,
  singlesOf,
  type UpdateLink,
} from '../chain.ts';
import type { ClientAnswers } from '../client-answers.ts';
import type { ClientAddress } from '../environment.ts';
import type { ClientMessage, Reply } from '../messages.ts';
import type { Constructor } from '../replicated-value.ts';
import { Answers, MAX_ANSWERED_CLIENTS } from './answers.ts';
import { KeyValue } from './key-value.ts';
import type { Log } from './log.ts';
import { mixedDigest, type NewState } from './snapshot.ts';
import type { Tree } from './sorted-map.ts';
import type { Change, Lock, StateMachine } from './state-machine.ts';

/** See `quorum-reads.ts`, a layer that servers with masters do without. */
const WHY_NO_QUORUM =
  'a quorum may know of more than the master, which answers from memory: read without --quorum';

/**
 * Applies every update that takes effect to a state machine, remembers the answers, and answers
 * queries. Sits above the log, which brings it every link, and above the answers to clients.
 */
export function Store<TBase extends Constructor<ClientAnswers & Log>>(Base: TBase) {
  return class Store extends Base {
    #machine!: StateMachine; // from `start` on
    #answers!: Answers; // the same
    /** What clients ask whose reads are under way. Bounded as these are. */
    readonly #queries = new Map<RequestId, string>();

    /** The machine before its first command. */
    protected createMachine(): StateMachine {
      return new KeyValue();
    }

    /** The locks that clients hold: see `lock-expiry.ts`. */
    protected get locks(): Tree<Lock> {
      return this.#machine.locks ?? null;
    }

    /** How many clients are remembered. */
    protected get mostClients(): number {
      return MAX_ANSWERED_CLIENTS;
    }

    /** Whoever takes the values for something else must not be believed. */
    override get cluster(): string {
      return `${super.cluster} with a store`;
    }

    protected override get stateDigest(): string {
      return mixedDigest(this.#machine.digest, this.#answers.digest);
    }

    protected override restore(kept: unknown): void {
      this.#machine = this.createMachine();
      this.#answers = new Answers(this.mostClients);
      super.restore(kept);
    }

    override submit(value: string): void {
      const why = this.#machine.whyNoCommand(value);
      if (why !== null) return this.turnAway(value, why);
      super.submit(value);
    }

    override receiveFromClient(client: ClientAddress, message: ClientMessage): void {
      if (message.type === 'request') {
        const why = this.#machine.whyNoCommand(message.value);
        if (why !== null) this.turnAway(message.value, why);
        if (why !== null) return this.#refuse(client, message.requestId, why);
      }
      if (message.type === 'quorum_query') {
        return this.#refuse(client, message.requestId, WHY_NO_QUORUM);
      }
      if (message.type !== 'query') return super.receiveFromClient(client, message);

      const { requestId, query, isLocal } = message;
      const why = this.#machine.whyNoQuery(query);
      if (why !== null) return this.#refuse(client, requestId, why);
      this.#queries.set(requestId, query);
      super.receiveFromClient(client, { type: 'read', requestId, isLocal });
    }

    /** That a request is chosen means an answer here, and a read means a query. */
    protected override reply(client: ClientAddress, message: Reply): void {
      super.reply(client, this.#inOurWords(message));
      this.#queries.delete(message.requestId);
    }

    #inOurWords(message: Reply): Reply {
      const { requestId } = message;
      if (message.type === 'chosen') {
        const { instanceNumber } = message;
        const answer = this.#answers.answerTo(requestId) ?? '';
        return { type: 'answered', requestId, instanceNumber, answer };
      }
      if (message.type === 'status_report') {
        const { firstKept, snapshotAt, digest } = this;
        const { size } = this.#machine;
        // The latest command is not what a store holds, and may have failed.
        return { ...message, value: null, log: { firstKept, snapshotAt, digest, size } };
      }
      const query = this.#queries.get(requestId);
      if (message.type !== 'value' || query === undefined) return message;
      const { instanceNumber, isCurrent } = message;
      const found = this.#machine.query(query);
      return { type: 'found', requestId, instanceNumber, found, isCurrent };
    }

    #refuse(client: ClientAddress, requestId: RequestId, why: string): void {
      this.reply(client, { type: 'refused', requestId, why, master: null, isFinal: true });
    }

    /** This table, and not that of the chain, says what is new. */
    protected override standingOf(request: RequestId): Standing {
      return this.#answers.standingOf(request);
    }

    protected override apply(link: Link, instanceNumber: number): void {
      super.apply(link, instanceNumber);
      const answers: string[] = [];
      const requests: (RequestId | null)[] = [];
      for (const one of singlesOf(link)) {
        if (!isUpdate(one) || !this.takesEffect(one)) continue;
        answers.push(this.#carryOut(one, instanceNumber));
        requests.push('request' in one ? one.request : null);
      }
      if (answers.length === 0 || !this.isRunning) return; // it was said in an earlier life
      const digest = this.stateDigest;
      this.environment.trace({ event: 'apply', instanceNumber, requests, answers, digest });
    }

    /** A command has changed this. */
    protected changed(_changes: readonly Change[]): void {}

    #carryOut(link: UpdateLink | RequestedLink, instanceNumber: number): string {
      const answer = this.#machine.apply(link.update, instanceNumber);
      this.changed(this.#machine.changes ?? []);
      if ('request' in link) this.#answers.remember(link.request, instanceNumber, answer);
      return answer;
    }

    /** A request that is chosen once more, or that may have been forgotten, changes nothing. */
    protected takesEffect(link: UpdateLink | RequestedLink): boolean {
      return !('request' in link) || this.standingOf(link.request) === 'new';
    }

    protected override takeState(): Iterable<StorePiece> {
      return piecesOf(this.#answers.snapshot(), this.#machine.snapshot());
    }

    protected override newState(): NewState {
      const machine = this.createMachine();
      const answers = new Answers(this.mostClients);
      return {
        get digest() {
          return mixedDigest(machine.digest, answers.digest);
        },
        add(piece) {
          const [of, what] = storePiece(piece);
          (of === 'machine' ? machine : answers).restore(what);
        },
        use: () => {
          this.#machine = machine;
          this.#answers = answers;
        },
      };
    }
  };
}

export type Store = InstanceType<ReturnType<typeof Store<Constructor<ClientAnswers & Log>>>>;

/** A piece of the state of a store, as a snapshot carries it. */
export type StorePiece = readonly [of: 'answers' | 'machine', piece: unknown];

/** Both have been taken when this is called, and are read later. */
function* piecesOf(answers: Iterable<unknown>, machine: Iterable<unknown>): Generator<StorePiece> {
  for (const piece of answers) yield ['answers', piece];
  for (const piece of machine) yield ['machine', piece];
}

function storePiece(piece: unknown): StorePiece {
  const isOne =
    Array.isArray(piece) &&
    piece.length === 2 &&
    (piece[0] === 'answers' || piece[0] === 'machine');
  if (!isOne) throw new Error('it holds what is no piece of a store');
  return piece as unknown as StorePiece;
}
