/**
 * What a watcher was told, and whether that is what the log says: every change after the place from
 * which it watched, in order, none left out and none twice, by however many servers it was told.
 *
 * The log says it by way of one machine that carries out all links, each request once. No code of
 * those who keep changes and tell them is used here.
 */
import { isUpdate, type Link, singlesOf } from '../chain.ts';
import { Answers, MAX_ANSWERED_CLIENTS } from './answers.ts';
import { KeyValue } from './key-value.ts';
import type { Change } from './state-machine.ts';

/** One change of the log, and the id of its event. */
export interface LoggedChange extends Change {
  /** `17`: the last one of instance 17; `17:2`: the second one, and there are more. */
  readonly id: string;
  readonly instanceNumber: number;
}

/** What a key holds. */
export interface KeptKey {
  readonly key: string;
  readonly value: string;
  readonly version: string;
}

/** What a watcher noted, one after the other. */
export type WatchNote =
  /** It has read all its keys, as they were after this instance, and watches from there. */
  | { readonly note: 'read'; readonly upTo: number; readonly keys: readonly KeptKey[] }
  | { readonly note: 'change'; readonly change: LoggedChange }
  /** It was told that all changes of instances up to this one are told. */
  | { readonly note: 'all told'; readonly upTo: number };

/** A watcher begins with what is there before the first instance: nothing. */
export interface Watched {
  readonly name: string;
  readonly prefix: string;
  readonly notes: readonly WatchNote[];
}

/**
 * All changes that these links have made, in order. Throws an `Error` with one sentence if one of
 * them is missing.
 */
export function changesOf(links: ReadonlyMap<number, Link>): LoggedChange[] {
  const machine = new KeyValue();
  const answers = new Answers(MAX_ANSWERED_CLIENTS);
  const all: LoggedChange[] = [];
  for (let instanceNumber = 1; instanceNumber <= links.size; instanceNumber += 1) {
    const link = links.get(instanceNumber);
    if (link === undefined)
      throw new Error(`nobody tells of the link of instance ${instanceNumber}`);
    const changes: Change[] = [];
    for (const one of singlesOf(link).filter(isUpdate)) {
      const request = 'request' in one ? one.request : null;
      if (request !== null && answers.standingOf(request) !== 'new') continue;
      const answer = machine.apply(one.update, instanceNumber);
      changes.push(...machine.changes);
      if (request !== null) answers.remember(request, instanceNumber, answer);
    }
    for (const [index, change] of changes.entries()) {
      const isLast = index === changes.length - 1;
      const id = isLast ? `${instanceNumber}` : `${instanceNumber}:${index + 1}`;
      all.push({ ...change, id, instanceNumber });
    }
  }
  return all;
}

/**
 * The first thing in which this watcher was not told what the log says, in a few words; null: there
 * is none. The watcher need not have come to the end of the log: see `missingIn`.
 */
export function findWatchContradiction(
  watched: Watched,
  changes: readonly LoggedChange[],
): string | null {
  return followed(watched, changes).wrong;
}

/** What comes next in the log, and was not told yet; null: nothing does, or all is wrong by now. */
export function missingIn(watched: Watched, changes: readonly LoggedChange[]): LoggedChange | null {
  return followed(watched, changes).next;
}

interface Followed {
  readonly wrong: string | null;
  readonly next: LoggedChange | null;
}

function followed({ name, prefix, notes }: Watched, changes: readonly LoggedChange[]): Followed {
  const its = changes.filter(({ key }) => key.startsWith(prefix));
  let told = 0; // so many of them
  for (const note of notes) {
    const wrong = whatIsWrong(note, its, told);
    if (wrong !== null) return { wrong: `${name} ${wrong}`, next: null };
    if (note.note === 'change') told += 1;
    if (note.note === 'read') told = countUpTo(its, note.upTo);
  }
  return { wrong: null, next: its[told] ?? null };
}

function whatIsWrong(note: WatchNote, its: readonly LoggedChange[], told: number): string | null {
  const next = its[told];
  if (note.note === 'change') {
    const { change } = note;
    if (next !== undefined && isSame(change, next)) return null;
    const place = its.findIndex((one) => isSame(one, change));
    if (place < 0) return `was told ${nameOf(change)}, and that is not in the log`;
    if (place < told) return `was told ${nameOf(change)} twice, or too late`;
    return `was told ${nameOf(change)} before ${nameOf(next as LoggedChange)}`;
  }
  const { upTo } = note;
  if (note.note === 'all told') {
    const isMissing = next !== undefined && next.instanceNumber <= upTo;
    return isMissing ? `was never told ${nameOf(next)}, though all up to ${upTo} is told` : null;
  }
  const known = its[told - 1];
  if (known !== undefined && known.instanceNumber > upTo) {
    return `read the keys of ${upTo} after it was told ${nameOf(known)}`;
  }
  return wrongInKeys(note.keys, its.slice(0, countUpTo(its, upTo)), upTo);
}

function wrongInKeys(
  keys: readonly KeptKey[],
  its: readonly LoggedChange[],
  upTo: number,
): string | null {
  const held = new Map(its.map((change) => [change.key, change]));
  for (const { key, value, version } of keys) {
    const right = held.get(key);
    if (right?.value !== value || right.version !== version) {
      return `read that ${key} is ${JSON.stringify(value)} after ${upTo}, and it is not`;
    }
    held.delete(key);
  }
  const left = [...held.values()].find(({ value }) => value !== null);
  return left === undefined ? null : `read no ${left.key} after ${upTo}, and there is one`;
}

function countUpTo(its: readonly LoggedChange[], upTo: number): number {
  const after = its.findIndex(({ instanceNumber }) => instanceNumber > upTo);
  return after < 0 ? its.length : after;
}

function isSame(one: LoggedChange, other: LoggedChange): boolean {
  return (
    one.id === other.id &&
    one.instanceNumber === other.instanceNumber &&
    one.key === other.key &&
    one.value === other.value &&
    one.version === other.version
  );
}

function nameOf({ id, key, value, version }: LoggedChange): string {
  const what = value === null ? `delete ${key}` : `set ${key} ${JSON.stringify(value)}`;
  return `"${what}" (${id}, version ${version})`;
}
