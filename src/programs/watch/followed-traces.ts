/**
 * The traces of a run that goes on: files that grow, one for each server or one for all of them.
 *
 * Nobody says beforehand which servers there are, and whose traces will come. So whenever a server
 * turns up that was not known, and whenever a file begins anew, all are read from their beginning
 * once more: files are patient.
 */
import type { Uid } from '../../composable-paxos.ts';
import { Failure } from '../../node/failure.ts';
import type { ServerState } from '../../state.ts';
import type { TraceEvent } from '../../trace/events.ts';
import { resumedIn } from '../../trace/invariants.ts';
import { Merge } from '../../trace/merge.ts';
import { BEFORE_START, MOST_LOOKED_AT, membersOf, peersIn } from '../common/read-traces.ts';
import { FollowedFile } from './followed-file.ts';

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
  #waitsFor = '';
  #waitsSinceMs = 0;

  /** `now`: the wall clock, by which events are stamped as well. */
  constructor(paths: readonly string[], follower: Follower, now: () => number = Date.now) {
    this.#paths = paths;
    this.#now = now;
    this.#follower = follower;
  }

  /** Reads up to so many events. True: there are more. Throws a `Failure` about a bad trace. */
  readOn(most: number): boolean {
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

  close(): void {
    for (const file of this.#files) file.close();
  }

  /** False: nothing is there yet. */
  #begin(): boolean {
    this.close();
    this.#begun.clear();
    this.#files = this.#paths.map((path) => new FollowedFile(path, this.#now));
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
    if (other !== path) throw new Failure(`both ${other} and ${path} are traces of ${server}`);
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

  /** A file does: nothing that was known of the run need be so any more. */
  #mustBeginAnew(): boolean {
    const file = this.#files.find(({ whyAnew }) => whyAnew !== null);
    if (file === undefined) return false;
    this.#follower.note(file.whyAnew ?? '');
    this.#members.clear();
    this.#traced.clear();
    this.#merge = null;
    return true;
  }

  #check(event: TraceEvent): void {
    const { server } = event;
    const path = this.#pathOf(event);
    if (this.#traced.get(server) !== path) {
      throw new Failure(`both ${this.#traced.get(server)} and ${path} are traces of ${server}`);
    }
    if (event.event === 'start' || event.event === 'resume') this.#begun.add(server);
    if (!this.#begun.has(server) && !BEFORE_START.includes(event.event)) {
      throw new Failure(`${path}: the start of server ${server} is missing`);
    }
    const stranger = peersIn(event).find((uid) => !this.#members.has(uid));
    if (stranger === undefined) return;
    const cluster = `the cluster is ${[...this.#members].sort().join(' ')}`;
    throw new Failure(`${path} speaks of server ${stranger}, and ${cluster}`);
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
