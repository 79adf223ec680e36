/**
 * What clients of a store ask in a simulation, and what they must be told.
 *
 * The values of a schedule become commands: some set what others read, key by key, so that each key
 * is a register with a history of its own; the others count, compare and delete. What these must be
 * answered is found out by a machine beside all servers, which applies what was chosen, once.
 */
import { isUpdate, type Link, type RequestedLink, singlesOf, type UpdateLink } from '../chain.ts';
import type { Inquiry } from '../client-session.ts';
import { Answers } from '../log/answers.ts';
import { KeyValue } from '../log/key-value.ts';
import type { Asked } from '../trace/history.ts';
import { hashText } from './random.ts';
import { FEW_CLIENTS } from './replicas.ts';

/** Keys that are set and read, and nothing else. */
const REGISTERS = ['r0', 'r1', 'r2'] as const;

/** The command that stands for this value of a schedule: no two values have the same. */
export function commandOf(value: string): string {
  const hash = hashText(value) >>> 0;
  const key = `s${hash % 2}`;
  switch (hash % 8) {
    case 0:
      return `add ${key} ${hash}`;
    case 1:
      return `swap ${key} ${hash % 100} ${JSON.stringify(value)}`;
    case 2:
      return `set "${key}" ${JSON.stringify(`${value} é`)} if ${conditionOf(hash)}`;
    default:
      return `set ${REGISTERS[hash % 3]} ${value}`;
  }
}

/** Often met, and often not. */
function conditionOf(hash: number): string {
  return ['any', 'none', '1,2,3,4,5,6,7,8,9'][hash % 3] ?? 'any';
}

/**
 * The question to a store that stands for this one of a schedule; `seed` picks the key and, where
 * a quorum may be asked, whether it is.
 */
export function storeQuestion(question: Asked, seed: string, mayAskQuorum: boolean): Inquiry {
  if (question.type === 'request') return { type: 'request', value: commandOf(question.value) };
  const { isLocal } = question;
  const hash = hashText(seed) >>> 0;
  const query = `get ${REGISTERS[hash % 3]}`;
  if (mayAskQuorum && !isLocal && hash % 2 === 0) return { type: 'quorum_query', query };
  return { type: 'query', query, isLocal };
}

/** Which register this command sets, to what; or which one this query reads. */
export function registerOf(line: string): { readonly key: string; readonly value: string } | null {
  const [verb, key = '', value = ''] = line.split(' ');
  const isRegister = (verb === 'set' || verb === 'get') && REGISTERS.some((one) => one === key);
  return isRegister ? { key, value } : null;
}

/** What is true of a store, by what was chosen. */
export class StoreTruth {
  readonly #machine = new KeyValue();
  readonly #requests = new Answers(FEW_CLIENTS);
  readonly #answers = new Map<string, string>();
  /** The state before each instance, as a snapshot of the machine. */
  readonly #states = new Map<number, readonly unknown[]>();

  /**
   * This link was chosen. In order, each once. Returns what took effect of it: by a table of
   * requests beside those of all servers, and not by that of the chain, which is smaller.
   */
  apply(link: Link, instanceNumber: number): readonly (UpdateLink | RequestedLink)[] {
    if (!this.#states.has(1)) this.#states.set(1, [...this.#machine.snapshot()]);
    const effects = singlesOf(link)
      .filter(isUpdate)
      .filter((one) => this.#carryOut(one, instanceNumber));
    this.#states.set(instanceNumber + 1, [...this.#machine.snapshot()]);
    return effects;
  }

  /** Returns whether it had an effect. */
  #carryOut(link: UpdateLink | RequestedLink, instanceNumber: number): boolean {
    if ('request' in link && this.#requests.standingOf(link.request) !== 'new') return false;
    const answer = this.#machine.apply(link.update, instanceNumber);
    this.#answers.set(link.update, answer);
    if ('request' in link) this.#requests.remember(link.request, instanceNumber, answer);
    return true;
  }

  /** The answer to a command, if it has taken effect. */
  answerTo(command: string): string | undefined {
    return this.#answers.get(command);
  }

  /** What a query finds before this instance. */
  found(query: string, instanceNumber: number): string | null {
    const machine = new KeyValue();
    for (const piece of this.#states.get(instanceNumber) ?? []) machine.restore(piece);
    return machine.query(query);
  }
}
