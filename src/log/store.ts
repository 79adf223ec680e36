/**
 * The store: what do the values mean?
 *
 * They are commands to a state machine, and this layer applies each of them once, in the order of
 * the chain, at every server. "Once" needs no new thought: a request that is chosen a second time
 * changes nothing, as `chain.ts` says. What came of it the first time is kept beside the table of
 * requests, for the same clients and for as long as these: so a client whose answer was lost asks
 * again, and gets the *same* answer, of whichever server, even if the state has long moved on.
 *
 * What is no command is refused before it is proposed. A command that fails is in the chain, and
 * that it failed is its answer. A query goes the way of a read: a master answers from memory, and
 * without masters it is answered when a link that changes nothing has marked its moment.
 */
import {
  applyLink,
  type ChainState,
  isUpdate,
  type Link,
  partsOf,
  type RequestedLink,
  type RequestId,
  singlesOf,
  standingOf,
  type UpdateLink,
} from '../chain.ts';
import type { ClientAnswers } from '../client-answers.ts';
import type { ClientAddress } from '../environment.ts';
import { type ClientMessage, isRecord, type Reply } from '../messages.ts';
import type { Constructor } from '../replicated-value.ts';
import { KeyValue } from './key-value.ts';
import type { Log } from './log.ts';
import { type Change, MAX_ANSWER_LENGTH, PairsDigest, type StateMachine } from './state-machine.ts';

/** See `quorum-reads.ts`, a layer that servers with masters do without. */
const WHY_NO_QUORUM =
  'a quorum may know of more than the master, which answers from memory: read without --quorum';

/** What came of the latest request of a client. */
interface Answer {
  readonly number: number;
  readonly answer: string;
}

/** The state of a store, as a snapshot carries it. */
interface StoreState {
  readonly machine: unknown;
  readonly answers: readonly (readonly [client: string, number: number, answer: string])[];
}

/**
 * Applies every update that takes effect to a state machine, remembers the answers, and answers
 * queries. Sits above the log, which brings it every link, and above the answers to clients.
 */
export function Store<TBase extends Constructor<ClientAnswers & Log>>(Base: TBase) {
  return class Store extends Base {
    #machine!: StateMachine; // from `start` on
    /** By client, in the order of the chain's table of requests. */
    #answers = new Map<string, Answer>();
    #answersDigest = new PairsDigest();
    /** What clients ask whose reads are under way. Bounded as these are. */
    readonly #queries = new Map<RequestId, string>();

    /** The machine before its first command. */
    protected createMachine(): StateMachine {
      return new KeyValue();
    }

    /** Whoever takes the values for something else must not be believed. */
    override get cluster(): string {
      return `${super.cluster} with a store`;
    }

    /** Two that are equally far must have made the same of it. */
    override get digest(): string {
      return mixed(super.digest, this.stateDigest);
    }

    protected override get stateDigest(): string {
      return mixed(this.#machine.digest, `${this.#answersDigest}`);
    }

    protected override restore(kept: unknown): void {
      this.#machine = this.createMachine();
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
        const answer = this.#answers.get(partsOf(requestId).client)?.answer ?? '';
        return { type: 'answered', requestId, instanceNumber, answer };
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

    protected override apply(link: Link, instanceNumber: number, before: ChainState): void {
      super.apply(link, instanceNumber, before);
      const answers: string[] = [];
      let chain = before;
      for (const one of singlesOf(link)) {
        const hasEffect = isUpdate(one) && this.takesEffect(one, chain);
        chain = applyLink(chain, one, instanceNumber);
        if (hasEffect) answers.push(this.#carryOut(one, instanceNumber, chain));
      }
      if (answers.length === 0 || !this.isRunning) return; // it was said in an earlier life
      const digest = this.stateDigest;
      this.environment.trace({ event: 'apply', instanceNumber, answers, digest });
    }

    /** A command has changed this. */
    protected changed(_changes: readonly Change[]): void {}

    /** A request takes effect where it is chosen for the first time. */
    protected takesEffect(link: UpdateLink | RequestedLink, before: ChainState): boolean {
      return !('request' in link) || standingOf(before, link.request) === 'new';
    }

    #carryOut(link: UpdateLink | RequestedLink, instanceNumber: number, after: ChainState): string {
      const answer = this.#machine.apply(link.update, instanceNumber);
      this.changed(this.#machine.changes ?? []);
      if ('request' in link) this.#remember(link.request, answer, after);
      return answer;
    }

    /** Whom the chain forgets is forgotten here. */
    #remember(request: RequestId, answer: string, { requests }: ChainState): void {
      const { client, number } = partsOf(request);
      this.#forget(client);
      this.#answers.set(client, { number, answer });
      this.#answersDigest.add(client, `${number} ${answer}`);
      for (const oldest of this.#answers.keys()) {
        if (this.#answers.size <= requests.length) return;
        this.#forget(oldest);
      }
    }

    #forget(client: string): void {
      const known = this.#answers.get(client);
      if (known === undefined) return;
      this.#answersDigest.remove(client, `${known.number} ${known.answer}`);
      this.#answers.delete(client);
    }

    protected override takeState(): StoreState {
      const answers = [...this.#answers].map(
        ([client, { number, answer }]) => [client, number, answer] as const,
      );
      return { machine: this.#machine.snapshot(), answers };
    }

    protected override bringState(state: unknown): void {
      if (!isStoreState(state)) throw new Error('it is not the state of a store');
      const machine = this.createMachine();
      machine.restore(state.machine);
      this.#machine = machine;
      this.#answers = new Map();
      this.#answersDigest = new PairsDigest();
      for (const [client, number, answer] of state.answers) {
        this.#answers.set(client, { number, answer });
        this.#answersDigest.add(client, `${number} ${answer}`);
      }
    }
  };
}

export type Store = InstanceType<ReturnType<typeof Store<Constructor<ClientAnswers & Log>>>>;

/** One digest of two. */
function mixed(a: string, b: string): string {
  const both = Number.parseInt(a, 16) ^ Number.parseInt(b, 16);
  return (both >>> 0).toString(16).padStart(8, '0');
}

function isStoreState(state: unknown): state is StoreState {
  if (!isRecord(state) || !('machine' in state)) return false;
  const { answers } = state;
  return Array.isArray(answers) && answers.every(isAnswer);
}

function isAnswer(entry: unknown): boolean {
  if (!Array.isArray(entry) || entry.length !== 3) return false;
  const [client, number, answer] = entry;
  return (
    typeof client === 'string' &&
    Number.isSafeInteger(number) &&
    typeof answer === 'string' &&
    answer.length <= MAX_ANSWER_LENGTH
  );
}
