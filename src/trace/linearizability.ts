/**
 * Linearizability: do the answers that clients got fit to *one* register, somewhere?
 *
 * Each operation takes a while, from its call to its return. A history is right if every operation
 * can be given one moment in between, so that in the order of these moments each read sees what
 * was written last (Herlihy and Wing, 1990). A write of which nobody knows the outcome has its
 * moment at any time after its call, or never; a read without an answer says nothing.
 *
 * The check goes through the history by time and puts everything off as long as it can (after
 * Lowe, "Testing for linearizability", 2017). At its return an operation must have had its moment:
 *
 *   - A read of the present value has its moment at once; that can do no harm.
 *   - Any other one *forces* the register to another value. Nobody sees a value any more that is
 *     replaced, so this is the last chance for those who are under way. A write of which no
 *     read is still to come slips in right before, with those who read it now.
 *
 * If no value is written twice, nothing is left to choose, and hundreds of operations with dozens
 * under way at a time take no time. A value that is written more than once leaves a choice,
 * whether one of its writes slips in or is kept for a read to come: then each possibility is
 * followed, and those that come to the same are taken together.
 */
import { isRecord } from '../messages.ts';

/** One operation of a history; in a file, one line of JSON. */
export interface Operation {
  readonly client: string;
  readonly op: 'write' | 'read';
  /** What was written or read; null: nothing had been written yet, or the read has no answer. */
  readonly value: string | null;
  /** When it began and ended, in milliseconds; it has no end if its outcome is unknown. */
  readonly call: number;
  readonly return: number | null;
  /** `refused`: it certainly had no effect. */
  readonly outcome: 'ok' | 'unknown' | 'refused';
}

/** What is wrong with something that should be an operation, in a few words; null: nothing. */
export function wrongInOperation(value: unknown): string | null {
  if (!isRecord(value)) return 'it is not an object';
  const { client, op, value: text, call, return: end, outcome } = value;
  if (typeof client !== 'string') return 'client is not a name';
  if (op !== 'write' && op !== 'read') return 'op is neither "write" nor "read"';
  if (typeof text !== 'string' && (text !== null || op === 'write')) return 'value is not a text';
  if (typeof call !== 'number') return 'call is not a time';
  if (outcome !== 'ok' && outcome !== 'unknown' && outcome !== 'refused') {
    return 'outcome is neither "ok" nor "unknown" nor "refused"';
  }
  if (end === null) return outcome === 'ok' ? 'it is ok and does not return' : null;
  if (typeof end !== 'number') return 'return is not a time';
  return end < call ? 'it returns before its call' : null;
}

/**
 * Checks the history of one register that held nothing (null) at first. Returns null, or in one
 * sentence which operations contradict each other.
 */
export function findContradiction(history: readonly Operation[]): string | null {
  return new Sweep(history).toTheEnd();
}

/** The register was forced to a value because `by` had to return; the first one has no reason. */
interface Step {
  readonly value: string | null;
  readonly by: Operation | null;
  readonly before: Step | null;
}

/** What the register may be like: its value, and which operations under way had their moment. */
interface Possibility {
  readonly value: string | null;
  readonly done: Set<Operation>;
  readonly latest: Step;
}

class Sweep {
  readonly #history: readonly Operation[];
  /** Only these count: what had, or may have had, an effect, and reads with an answer. */
  readonly #operations: readonly Operation[];
  readonly #numbers: ReadonlyMap<Operation, number>;
  /** How often a value is written, and how many of its reads are still to be called. */
  readonly #writes = new Map<string | null, number>();
  readonly #readsToCome = new Map<string | null, number>();
  readonly #underWay = new Set<Operation>();
  #possibilities: Possibility[] = [
    { value: null, done: new Set(), latest: { value: null, by: null, before: null } },
  ];

  constructor(history: readonly Operation[]) {
    this.#history = history;
    const reads = history.filter(({ op, outcome }) => op === 'read' && outcome === 'ok');
    for (const { value } of reads) increase(this.#readsToCome, value);
    const writes = history.filter(
      ({ op, outcome, value }) =>
        op === 'write' &&
        // What may never have happened and was never seen has not happened.
        (outcome === 'ok' || (outcome === 'unknown' && this.#readsToCome.has(value))),
    );
    for (const { value } of writes) increase(this.#writes, value);
    this.#operations = [...reads, ...writes];
    this.#numbers = new Map(this.#operations.map((operation, index) => [operation, index]));
  }

  toTheEnd(): string | null {
    for (const { operation, isCall } of eventsOf(this.#operations)) {
      if (isCall) {
        this.#call(operation);
        continue;
      }
      const [first] = this.#possibilities;
      this.#possibilities = this.#return(operation);
      if (this.#possibilities.length === 0) return this.#explain(operation, first?.latest ?? null);
    }
    return null;
  }

  #call(operation: Operation): void {
    this.#underWay.add(operation);
    if (operation.op === 'write') return;
    increase(this.#readsToCome, operation.value, -1);
    for (const { value, done } of this.#possibilities) {
      if (value === operation.value) done.add(operation);
    }
  }

  #return(operation: Operation): Possibility[] {
    const possibilities = this.#possibilities.flatMap((possibility) =>
      possibility.done.has(operation) ? [possibility] : this.#force(operation, possibility),
    );
    this.#underWay.delete(operation);
    for (const { done } of possibilities) done.delete(operation);
    return possibilities.length > 1 ? this.#withoutTwins(possibilities) : possibilities;
  }

  /** All that the register may be like once `by` has had its moment, which is now. */
  #force(by: Operation, { done, latest }: Possibility): Possibility[] {
    const { value } = by;
    const writes = [...this.#underWay].filter(({ op }) => op === 'write');
    const open = writes.filter((write) => !done.has(write)).sort(byReturn);
    const writer = by.op === 'write' ? by : open.find((write) => write.value === value);
    if (writer === undefined) return [];

    const others = open.filter((write) => write !== writer);
    return this.#waysToSlipIn(others).map((before) => {
      const values = new Set([value, ...before.map((write) => write.value)]);
      const seen = [...this.#underWay].filter(({ op, value: read }) => {
        return op === 'read' && values.has(read);
      });
      const step = { value, by, before: latest };
      return { value, done: new Set([...done, ...before, ...seen, writer]), latest: step };
    });
  }

  /** Which of these writes may have their moment right before the register is replaced. */
  #waysToSlipIn(writes: readonly Operation[]): readonly (readonly Operation[])[] {
    let ways: (readonly Operation[])[] = [[]];
    for (const value of new Set(writes.map((write) => write.value))) {
      const alike = writes.filter((write) => write.value === value);
      const isStillRead = (this.#readsToCome.get(value) ?? 0) > 0;
      if (isStillRead && this.#writes.get(value) === 1) continue; // who would read it then?
      const least = isStillRead ? 0 : alike.length;
      const counts = Array.from({ length: alike.length + 1 - least }, (_, index) => least + index);
      // Of writes that are alike the one that must return first goes first.
      ways = ways.flatMap((way) => counts.map((count) => [...way, ...alike.slice(0, count)]));
    }
    return ways;
  }

  #withoutTwins(possibilities: readonly Possibility[]): Possibility[] {
    const different = new Map<string, Possibility>();
    for (const possibility of possibilities) {
      const { value, done } = possibility;
      const numbers = [...done].map((operation) => this.#numbers.get(operation) ?? 0);
      const key = JSON.stringify([value, numbers.sort((a, b) => a - b)]);
      if (!different.has(key)) different.set(key, possibility);
    }
    return [...different.values()];
  }

  /** A write can always have its moment, so it is a read that cannot. */
  #explain(read: Operation, latest: Step | null): string {
    const value = quote(read.value);
    let replaced: Step | null = null;
    let step = latest;
    while (step !== null && step.value !== read.value) {
      replaced = step;
      step = step.before;
    }
    if (step !== null && replaced !== null) return this.#explainStale(read, step, replaced);

    const writes = this.#history.filter(({ op, value: v }) => op === 'write' && v === read.value);
    const [first] = writes.filter(({ outcome }) => outcome !== 'refused').sort(byCall);
    if (writes.length === 0) return `${describe(read)} cannot be: nobody wrote ${value}`;
    if (first === undefined) return `${describe(read)} cannot be: every write of it was refused`;
    if (first.call > (read.return ?? 0)) {
      return `${describe(read)} cannot come before ${describe(first)}`;
    }
    return `${describe(read)} cannot be: every write of ${value} was overwritten by then`;
  }

  #explainStale(read: Operation, there: Step, replaced: Step): string {
    const value = quote(read.value);
    const since = there.by === null ? 'at first' : `at the latest with ${describe(there.by)}`;
    const words = `the register held ${value} ${since}`;
    const later = replaced.by === null ? '' : describe(replaced.by);
    const why = this.#whyNotBefore(there, replaced);
    return `${describe(read)} cannot come after ${later}: ${words}${why}`;
  }

  /** Why the value that came later did not come earlier, if `replaced.by` does not show it. */
  #whyNotBefore(there: Step, replaced: Step): string {
    const thereMs = there.by?.return ?? Number.NEGATIVE_INFINITY;
    if (replaced.by === null || replaced.by.call > thereMs) return '';
    const witness = this.#operations.find(
      ({ value, call }) => value === replaced.value && call > thereMs,
    );
    return witness === undefined ? '' : `, and ${quote(replaced.value)} with ${describe(witness)}`;
  }
}

interface Event {
  readonly atMs: number;
  readonly operation: Operation;
  readonly isCall: boolean;
}

/** Calls and returns by time. At the same time calls come first: then neither was earlier. */
function eventsOf(operations: readonly Operation[]): Event[] {
  const events = operations.flatMap((operation): Event[] => {
    const call = { atMs: operation.call, operation, isCall: true };
    if (operation.outcome !== 'ok') return [call];
    return [call, { atMs: endOf(operation), operation, isCall: false }];
  });
  return events.sort((a, b) => a.atMs - b.atMs || Number(b.isCall) - Number(a.isCall));
}

/** When it must have had its moment. */
function endOf({ outcome, return: end }: Operation): number {
  return outcome === 'ok' && end !== null ? end : Number.MAX_VALUE;
}

function byReturn(a: Operation, b: Operation): number {
  return endOf(a) - endOf(b);
}

function byCall(a: Operation, b: Operation): number {
  return a.call - b.call;
}

function increase(counts: Map<string | null, number>, value: string | null, by = 1): void {
  counts.set(value, (counts.get(value) ?? 0) + by);
}

/** The read of "v7" by c2 [12..13.5] */
function describe({ op, value, client, call, return: end }: Operation): string {
  const until = end === null ? '?' : shortNumber(end);
  return `the ${op} of ${quote(value)} by ${client} [${shortNumber(call)}..${until}]`;
}

const SHOWN_CHARACTERS = 40;

function quote(value: string | null): string {
  if (value === null) return 'nothing';
  const characters = Array.from(value);
  if (characters.length <= SHOWN_CHARACTERS) return JSON.stringify(value);
  return JSON.stringify(`${characters.slice(0, SHOWN_CHARACTERS).join('')}…`);
}

function shortNumber(ms: number): string {
  return String(Math.round(ms * 1_000) / 1_000);
}
