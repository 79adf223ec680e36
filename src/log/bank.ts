/** A second state machine, to show what all of them have in common: a small bank. */
import {
  type Form,
  matchForm,
  PairsDigest,
  type StateMachine,
  wholeNumberOf,
} from './state-machine.ts';

const COMMANDS: readonly Form[] = [
  'open ACCOUNT',
  'deposit ACCOUNT AMOUNT',
  'transfer FROM TO AMOUNT',
];
const QUERIES: readonly Form[] = ['balance ACCOUNT', 'total'];

const MAX_NAME_LENGTH = 60;

/**
 * Accounts with whole amounts in them. A transfer that would overdraw its account does not happen,
 * whichever server it came by and however many others came at the same time: they are applied one
 * after the other, by all servers in the same order, and each finds what those before it have left.
 */
export class Bank implements StateMachine {
  readonly #balances = new Map<string, number>();
  readonly #digest = new PairsDigest();
  #total = 0;

  whyNoCommand(line: string): string | null {
    const match = matchForm(line, COMMANDS);
    if ('why' in match) return match.why;
    const [verb, ...others] = match.words;
    const names = verb === 'open' ? others : others.slice(0, -1);
    if (names.some((name) => name === '' || name.length > MAX_NAME_LENGTH)) {
      return `the name of an account has 1 to ${MAX_NAME_LENGTH} characters`;
    }
    const amount = verb === 'open' ? 1 : wholeNumberOf(others.at(-1) ?? '');
    return amount === null || amount < 1 ? 'an amount is a whole number from 1 on' : null;
  }

  whyNoQuery(line: string): string | null {
    const match = matchForm(line, QUERIES);
    return 'why' in match ? match.why : null;
  }

  apply(line: string): string {
    const why = this.whyNoCommand(line);
    const match = matchForm(line, COMMANDS);
    if (why !== null || 'why' in match) return why ?? '';
    const [verb, ...others] = match.words;
    const [first = '', second = ''] = others;
    const amount = wholeNumberOf(others.at(-1) ?? '') ?? 0;
    switch (verb) {
      case 'open':
        return this.#open(first);
      case 'deposit':
        return this.#deposit(first, amount);
      default: // transfer
        return this.#transfer(first, second, amount);
    }
  }

  query(line: string): string | null {
    const match = matchForm(line, QUERIES);
    if ('why' in match) return match.why;
    const [verb, account = ''] = match.words;
    if (verb === 'total') return String(this.#total);
    const balance = this.#balances.get(account);
    return balance === undefined ? null : String(balance);
  }

  /** A bank is small: here it is a copy that does not change any more. */
  snapshot(): Iterable<unknown> {
    return [...this.#balances];
  }

  restore(piece: unknown): void {
    if (!isBalance(piece)) throw new Error('it holds what is no balance');
    const [account, balance] = piece;
    if (this.#balances.has(account)) throw new Error('it holds an account twice');
    this.#set(account, balance);
  }

  get size(): string {
    return `${this.#balances.size} accounts`;
  }

  get digest(): string {
    return this.#digest.toString();
  }

  /** Nothing else changes a balance: what is known of all of them goes along. */
  #set(account: string, balance: number): void {
    const before = this.#balances.get(account);
    if (before !== undefined) this.#digest.remove(account, `${before}`);
    this.#balances.set(account, balance);
    this.#digest.add(account, `${balance}`);
    this.#total += balance - (before ?? 0);
  }

  #open(account: string): string {
    if (this.#balances.has(account)) return 'there is one of that name already';
    this.#set(account, 0);
    return 'ok';
  }

  #deposit(account: string, amount: number): string {
    const balance = this.#balances.get(account);
    if (balance === undefined) return 'there is no such account';
    if (!Number.isSafeInteger(this.#total + amount)) return 'that is more than there is';
    this.#set(account, balance + amount);
    return String(balance + amount);
  }

  #transfer(from: string, to: string, amount: number): string {
    const has = this.#balances.get(from);
    if (has === undefined || !this.#balances.has(to)) return 'there is no such account';
    if (has < amount) return `it would be overdrawn: it has ${has}`;
    this.#set(from, has - amount);
    this.#set(to, (this.#balances.get(to) ?? 0) + amount);
    return 'ok';
  }
}

function isBalance(entry: unknown): entry is [string, number] {
  if (!Array.isArray(entry) || entry.length !== 2) return false;
  const [account, balance] = entry;
  return typeof account === 'string' && Number.isSafeInteger(balance) && balance >= 0;
}
