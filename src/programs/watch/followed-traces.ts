/**
 * The traces of a run that goes on: files that grow, one for each server or one for all of them.
 *
 * Nobody says beforehand which servers there are, and whose traces will come. So whenever a server
 * turns up that was not known, and whenever a file begins anew, all are read from their beginning
 * once more: files are patient.
 *
 * A trace with a line that is none is left out as a whole, as if it had not been given. To skip the
 * line, or to stop there, would be to take a trace with a gap for all that its server did: what
 * was chosen with its help would look as if it had not been. A server without a trace is nothing
 * new, and the invariants say of it only what the other traces tell.
 */
import type { Stats } from 'node:fs';
import type { Uid } from '../../composable-paxos.ts';
import type { ServerState } from '../../state.ts';
import type { TraceEvent } from '../../trace/events.ts';
import { resumedIn } from '../../trace/invariants.ts';
import { Merge } from '../../trace/merge.ts';
import { BEFORE_START, MOST_LOOKED_AT, membersOf, peersIn } from '../common/read-traces.ts';
import { BadTrace, FollowedFile, hasOnlyGrown, statusOf } from './followed-file.ts';

/** So long nobody wonders that a trace is empty. */
const PATIENCE_MS = 1_000;
/** What is so old has been written by everybody to whom it happened before. */
const SETTLED_AFTER_MS = 150;

export interface Follower {
  /** From its beginning. Of these servers it is, these are traced, and these begin later. */
  begin(uids: readonly Uid[], traced: readonly Uid[], resumed: readonly ServerState[]): void;
  /** In the order in which they happened. */
  take(event: TraceEvent): void;
  note(sentence: string): void;
  /** A trace is left out: what was taken until now is void, and all begins anew. */
  leaveOut(sentence: string): void;
}

/** Why a trace is left out, and what was there then. */
interface LeftOut {
  readonly sentence: string;
  readonly was: Stats | null;
}

export class FollowedTraces {
  readonly #paths: readonly string[];
  readonly #follower: Follower;
  readonly #now: () => number;
  #files: FollowedFile[] = [];
  #merge: Merge | null = null;
  /** All that has been heard of, whichever time it was. */
  readonly #members = new Set<Uid>();
  readonly #traced = new Map<Uid, string>();
  readonly #begun = new Set<Uid>();
  readonly #told = new Set<string>();
  readonly #leftOut = new Map<string, LeftOut>();
  #waitsFor = '';
  #waitsSinceMs = 0;

  /** `now`: the wall clock, by which events are stamped as well. */
  constructor(paths: readonly string[], follower: Follower, now: () => number = Date.now) {
    this.#paths = paths;
    this.#now = now;
    this.#follower = follower;
  }

  /** Sentences about traces that are left out. */
  get leftOut(): readonly string[] {
    return [...this.#leftOut.values()].map(({ sentence }) => sentence);
  }

  /**
   * Reads up to so many events. True: there are more. A bad trace is left out; if it is the last
   * one, this throws a `BadTrace`.
   */
  readOn(most: number): boolean {
    try {
      return this.#takeBack() || this.#readOn(most);
    } catch (error) {
      if (!(error instanceof BadTrace)) throw error;
      this.#leaveOut(error);
      return true;
    }
  }

  close(): void {
    for (const file of this.#files) file.close();
  }

  #readOn(most: number): boolean {
    this.#tellWaiting();
    if (this.#merge === null && !this.#begin()) return false;
    for (let count = 0; count < most; count += 1) {
      const event = this.#merge?.next();
      if (this.#mustBeginAnew()) return true;
      if (event === undefined) {
        this.#tellRemarks();
        return false;
      }
      if (this.#isNews(event)) {
        this.#merge = null;
        return true;
      }
      this.#check(event);
      this.#follower.take(event);
    }
    return true;
  }

  #leaveOut(bad: BadTrace): void {
    const { path, message } = bad;
    if (this.#leftOut.size === this.#paths.length - 1) throw bad;
    const sentence =
      `${message}: this trace is left out as a whole, since what has a gap cannot be checked; ` +
      'the others are followed on';
    this.#leftOut.set(path, { sentence, was: statusOf(path) });
    this.#forget();
    this.#follower.leaveOut(sentence);
  }

  /** A trace that was left out is another file now, and gets another chance. */
  #takeBack(): boolean {
    const back = [...this.#leftOut].filter(([path, { was }]) => {
      const now = statusOf(path);
      return now?.isFile() === true && (was === null || !hasOnlyGrown(now, was));
    });
    for (const [path] of back) {
      this.#leftOut.delete(path);
      this.#forget();
      this.#follower.note(`${path} is another file now: it is read again`);
    }
    return back.length > 0;
  }

  /** Nothing that was known of the run need be so any more. */
  #forget(): void {
    this.#members.clear();
    this.#traced.clear();
    this.#merge = null;
  }

  /** False: nothing is there yet. */
  #begin(): boolean {
    this.close();
    this.#begun.clear();
    const paths = this.#paths.filter((path) => !this.#leftOut.has(path));
    this.#files = paths.map((path) => new FollowedFile(path, this.#now));
    const first = this.#files.flatMap((file) => {
      const events = file.lookAhead(MOST_LOOKED_AT);
      for (const event of events) this.#learn(event, file.path);
      return events;
    });
    if (this.#members.size === 0) return false;
    const traced = [...this.#traced.keys()].sort();
    this.#follower.begin([...this.#members].sort(), traced, resumedIn(first));
    this.#merge = new Merge(this.#files, (event) => this.#isSettled(event));
    return true;
  }

  #learn(event: TraceEvent, path: string): void {
    const { server } = event;
    const other = this.#traced.get(server) ?? path;
    if (other !== path)
      throw new BadTrace(path, `both ${other} and ${path} are traces of ${server}`);
    this.#traced.set(server, path);
    for (const uid of [server, ...membersOf(event)]) this.#members.add(uid);
  }

  /** A server that was not known turns up. */
  #isNews(event: TraceEvent): boolean {
    const { server } = event;
    const isKnown =
      this.#traced.has(server) && membersOf(event).every((it) => this.#members.has(it));
    if (isKnown) return false;
    this.#learn(event, this.#pathOf(event));
    return true;
  }

  #pathOf(event: TraceEvent): string {
    return this.#files.find(({ readAtMs }) => readAtMs.has(event))?.path ?? '?';
  }

  /** A file does. */
  #mustBeginAnew(): boolean {
    const file = this.#files.find(({ whyAnew }) => whyAnew !== null);
    if (file === undefined) return false;
    this.#follower.note(file.whyAnew ?? '');
    this.#forget();
    return true;
  }

  #check(event: TraceEvent): void {
    const { server } = event;
    const path = this.#pathOf(event);
    if (this.#traced.get(server) !== path) {
      const both = `both ${this.#traced.get(server)} and ${path}`;
      throw new BadTrace(path, `${both} are traces of ${server}`);
    }
    if (event.event === 'start' || event.event === 'resume') this.#begun.add(server);
    if (!this.#begun.has(server) && !BEFORE_START.includes(event.event)) {
      throw new BadTrace(path, `${path}: the start of server ${server} is missing`);
    }
    const stranger = peersIn(event).find((uid) => !this.#members.has(uid));
    if (stranger === undefined) return;
    const cluster = `the cluster is ${[...this.#members].sort().join(' ')}`;
    throw new BadTrace(path, `${path} speaks of server ${stranger}, and ${cluster}`);
  }

  #isSettled(event: TraceEvent): boolean {
    const readAtMs = this.#files.map((file) => file.readAtMs.get(event)).find((at) => at);
    return Math.min(event.at, readAtMs ?? event.at) + SETTLED_AFTER_MS <= this.#now();
  }

  #tellWaiting(): void {
    const missing = this.#files.filter(({ hasBegun }) => !hasBegun).map(({ path }) => path);
    const waitsFor = missing.join(', ');
    if (waitsFor !== this.#waitsFor) this.#waitsSinceMs = performance.now();
    this.#waitsFor = waitsFor;
    const sentence = `waiting for the first event in ${waitsFor}`;
    const isLong = performance.now() - this.#waitsSinceMs > PATIENCE_MS;
    if (waitsFor === '' || !isLong || this.#told.has(sentence)) return;
    this.#told.add(sentence);
    this.#follower.note(sentence);
  }

  #tellRemarks(): void {
    for (const remark of this.#files.flatMap(({ remarks }) => remarks)) {
      if (!this.#told.has(remark)) this.#follower.note(remark);
      this.#told.add(remark);
    }
  }
}
