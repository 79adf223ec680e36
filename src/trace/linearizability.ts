/**
 * Linearizability: do the answers that clients got fit to *one* register, somewhere?
 *
 * Each operation takes a while, from its call to its return. A history is right if every operation
 * can be given one moment in between, so that in the order of these moments each read sees what
 * was written last (Herlihy and Wing, 1990). A write of which nobody knows the outcome has its
 * moment at any time after its call, or never; a read without an answer says nothing.
 *
 * The check goes through the history by time and puts everything off as long as it can (after
 * Lowe, "Testing for linearizability", 2017). A read of the present value has its moment at its
 * call; that can do no harm. Any other operation waits until it returns, and then has two ways:
 *
 *   - *Shown*: its moment is now. The register is replaced, and keeps the new value.
 *   - *Hidden*: its moment was right before the register was replaced for the last time, if it had
 *     been called by then. Its value was there for no time at all, so nothing else changes.
 *
 * Either way those who wait to read this value then have their moment, too. No right history is
 * missed: in its order, put off each change of the register until one of those who need it returns
 * (it is shown), or until the next change (it is hidden). And who is hidden can as well be hidden
 * at the *last* replacement: whoever waits now was waiting then, or was not yet called.
 *
 * A read needs a write. Of those that wait it takes the one that must return first, because the
 * other one can stand in for it later, but not the other way round. If none waits it takes one of
 * unknown outcome: these can be put off for ever, and differ only in their calls. So there is no
 * need to choose one; it is enough to *count* how many were taken, the earliest calls first. What
 * no read needs is never taken, and never happened.
 *
 * Shown or hidden? If nobody is to read the value any more, hidden is as good; if nobody is to
 * read the one that it would replace, shown is as good; and a way that leaves a read without any
 * write leads nowhere. If no value is written twice one of these always holds, and hundreds of
 * operations with dozens under way at a time take no time. Otherwise both ways are followed, but
 * none to which another one is as good in every respect: it has the same value (unless nobody is
 * to read that), replaced no earlier; the same writes wait, and no more reads; and it has taken no
 * more of the writes of unknown outcome, or has enough left for all reads to come.
 *
 * Still there are histories with more and more ways: the problem is NP-complete if values may be
 * written twice (Gibbons and Korach, "Testing shared memories", 1997). So only a number of them is
 * followed side by side. One that comes to the end is proof enough. If none does, and some had been
 * left out, nobody knows: the check says so, rather than to run for years.
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

/** How many possibilities are followed side by side. */
const MANY = 500;
/** … and how many, once so many have been compared with each other that it takes some seconds. */
const FEW = 20;
const MOST_COMPARISONS = 10_000_000;

/**
 * Thrown instead of a verdict: values were written again and again in such a way that there are
 * too many possibilities to try them all, and those that were tried did not fit.
 */
export class Undecided extends Error {
  override readonly name = 'Undecided';

  constructor() {
    super('undecided: the same values were written too often to try all possibilities');
  }
}

/**
 * Checks the history of one register that held nothing (null) at first. Returns null, or in one
 * sentence which operations contradict each other. Throws `Undecided`, after some seconds if it has
 * thousands of operations; that can only be if values are written more than once.
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

/** What the register may be like. */
interface Possibility {
  readonly value: string | null;
  /** When it was replaced for the last time. */
  readonly replacedMs: number;
  /** Which operations under way had their moment. */
  readonly done: Set<Operation>;
  /** How many writes of unknown outcome were taken, for values that are still to be read. */
  readonly taken: Map<string | null, number>;
  readonly latest: Step;
  /** A read is still to come of a value that nobody can write any more. */
  readonly isHopeless: boolean;
}

/** What is known of the operations with one value, at the present time of the sweep. */
interface OfValue {
  readsToCall: number;
  readsToReturn: number;
  writesToCall: number;
  /** When those writes were called of which nobody knows the outcome, in this order. */
  readonly unknownCalls: number[];
}

class Sweep {
  readonly #history: readonly Operation[];
  /** Only these count: what had, or may have had, an effect, and reads with an answer. */
  readonly #operations: readonly Operation[];
  readonly #values = new Map<string | null, OfValue>();
  /** What was called, and has yet to return. */
  readonly #underWay = new Set<Operation>();
  #possibilities: readonly Possibility[] = [
    {
      value: null,
      replacedMs: Number.NEGATIVE_INFINITY,
      done: new Set(),
      taken: new Map(),
      latest: { value: null, by: null, before: null },
      isHopeless: false,
    },
  ];
  #comparisons = 0;
  #areAllFollowed = true;

  constructor(history: readonly Operation[]) {
    this.#history = history;
    const reads = history.filter(({ op, outcome }) => op === 'read' && outcome === 'ok');
    const valuesRead = new Set(reads.map(({ value }) => value));
    const writes = history.filter(
      ({ op, outcome, value }) =>
        op === 'write' &&
        // What may never have happened and was never seen has not happened.
        (outcome === 'ok' || (outcome === 'unknown' && valuesRead.has(value))),
    );
    for (const { value } of reads) {
      this.#of(value).readsToCall += 1;
      this.#of(value).readsToReturn += 1;
    }
    for (const { value } of writes) this.#of(value).writesToCall += 1;
    this.#operations = [...reads, ...writes];
  }

  toTheEnd(): string | null {
    for (const { operation, isCall } of eventsOf(this.#operations)) {
      if (isCall) {
        this.#call(operation);
        continue;
      }
      const [first] = this.#possibilities;
      this.#return(operation);
      if (this.#possibilities.length > 0) continue;
      if (!this.#areAllFollowed) throw new Undecided();
      return this.#explain(operation, first?.latest ?? null);
    }
    return null;
  }

  #of(value: string | null): OfValue {
    const known = this.#values.get(value);
    if (known !== undefined) return known;
    const nothing = { readsToCall: 0, readsToReturn: 0, writesToCall: 0, unknownCalls: [] };
    this.#values.set(value, nothing);
    return nothing;
  }

  #call(operation: Operation): void {
    const { op, value, outcome, call } = operation;
    const ofValue = this.#of(value);
    if (op === 'write') ofValue.writesToCall -= 1;
    if (outcome === 'unknown') {
      ofValue.unknownCalls.push(call);
      return;
    }
    this.#underWay.add(operation);
    if (op === 'write') return;
    ofValue.readsToCall -= 1;
    for (const possibility of this.#possibilities) {
      if (possibility.value === value) possibility.done.add(operation);
    }
  }

  #return(operation: Operation): void {
    const all = this.#possibilities.flatMap((possibility) =>
      possibility.done.has(operation) ? [possibility] : this.#waysFor(operation, possibility),
    );
    this.#forget(operation, all);
    const hopeful = all.filter(({ isHopeless }) => !isHopeless);
    // Without hope, one is enough to see which read it is that fails.
    this.#possibilities = hopeful.length > 0 ? this.#bestOf(hopeful) : all.slice(0, 1);
  }

  #forget(operation: Operation, possibilities: readonly Possibility[]): void {
    const { op, value } = operation;
    this.#underWay.delete(operation);
    for (const { done } of possibilities) done.delete(operation);
    if (op === 'write') return;
    const ofValue = this.#of(value);
    ofValue.readsToReturn -= 1;
    if (ofValue.readsToReturn > 0) return;
    for (const { taken } of possibilities) taken.delete(value);
  }

  /** What the register may be like once `by`, which returns now, has had its moment. */
  #waysFor(by: Operation, from: Possibility): Possibility[] {
    const hidden = this.#hide(by, from);
    if (hidden !== null && !this.#isWanted(by.value, hidden)) return [hidden];
    const shown = this.#show(by, from);
    if (shown !== null && !this.#isWanted(from.value, from)) return [shown];
    return [shown, hidden].filter((possibility) => possibility !== null);
  }

  /** `by` had its moment right before the register was replaced for the last time. */
  #hide(by: Operation, from: Possibility): Possibility | null {
    if (by.call > from.replacedMs) return null;
    const to = this.#write(by, from, from.replacedMs);
    if (to === null) return null;
    return { ...to, isHopeless: from.isHopeless || this.#isLost(by.value, to) };
  }

  /** `by` has its moment now: the register is replaced, be it by the value that it has. */
  #show(by: Operation, from: Possibility): Possibility | null {
    const atMs = endOf(by);
    const to = this.#write(by, from, atMs);
    if (to === null) return null;
    const { value } = by;
    const isHopeless = from.isHopeless || (value !== from.value && this.#isLost(from.value, to));
    const latest = { value, by, before: from.latest };
    return { ...to, value, replacedMs: atMs, latest, isHopeless };
  }

  /** Writes the value of `by` at this time, for all who wait to read it then. Null: nobody can. */
  #write(by: Operation, from: Possibility, atMs: number): Possibility | null {
    const { value } = by;
    const open = this.#open(value, from).filter(({ call }) => call <= atMs);
    const seen = open.filter(({ op }) => op === 'read');
    const [first] = open.filter(({ op }) => op === 'write').sort(byReturn);
    const writer = by.op === 'write' ? by : first;
    if (writer !== undefined) return { ...from, done: new Set([...from.done, ...seen, writer]) };

    const count = from.taken.get(value) ?? 0;
    const unknownCall = this.#of(value).unknownCalls[count];
    if (unknownCall === undefined || unknownCall > atMs) return null;
    const taken = new Map(from.taken).set(value, count + 1);
    return { ...from, done: new Set([...from.done, ...seen]), taken };
  }

  /** The operations under way with this value that have not had their moment. */
  #open(value: string | null, { done }: Possibility): Operation[] {
    return [...this.#underWay].filter((one) => one.value === value && !done.has(one));
  }

  /** Is somebody still to read this value? */
  #isWanted(value: string | null, possibility: Possibility): boolean {
    if (this.#of(value).readsToCall > 0) return true;
    return this.#open(value, possibility).some(({ op }) => op === 'read');
  }

  /** Is somebody still to read this value, which nobody can write any more? */
  #isLost(value: string | null, possibility: Possibility): boolean {
    const { writesToCall, unknownCalls } = this.#of(value);
    if (writesToCall > 0 || unknownCalls.length > (possibility.taken.get(value) ?? 0)) return false;
    if (this.#open(value, possibility).some(({ op }) => op === 'write')) return false;
    return this.#isWanted(value, possibility);
  }

  /** Those of which no other one is as good in every respect. */
  #bestOf(possibilities: readonly Possibility[]): readonly Possibility[] {
    if (possibilities.length === 1) return possibilities;
    let best: Possibility[] = [];
    for (const one of possibilities) {
      if (best.some((other) => this.#isAsGood(other, one))) continue;
      best = best.filter((other) => !this.#isAsGood(one, other));
      best.push(one);
    }
    const most = this.#comparisons < MOST_COMPARISONS ? MANY : FEW;
    if (best.length <= most) return best;
    this.#areAllFollowed = false;
    return best.slice(0, most);
  }

  /** Does `one` fit to whatever is to come that `other` fits to? */
  #isAsGood(one: Possibility, other: Possibility): boolean {
    this.#comparisons += 1;
    const isWanted = this.#of(other.value).readsToCall > 0;
    if (isWanted && (one.value !== other.value || one.replacedMs < other.replacedMs)) return false;
    for (const operation of this.#underWay) {
      const isDone = one.done.has(operation);
      if (isDone === other.done.has(operation)) continue;
      // A write that waits may be of use, or in the way.
      if (operation.op === 'write' || !isDone) return false;
    }
    return this.#hasEnoughFor(one, other);
  }

  /** Has `one` at least as many writes of unknown outcome left, or one for each read to come? */
  #hasEnoughFor(one: Possibility, other: Possibility): boolean {
    for (const [value, count] of one.taken) {
      if (count <= (other.taken.get(value) ?? 0)) continue;
      const { unknownCalls, readsToReturn } = this.#of(value);
      const last = unknownCalls[count + readsToReturn - 1];
      if (last === undefined || last > one.replacedMs) return false;
    }
    return true;
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
    if (operation.outcome === 'unknown') return [call];
    return [call, { atMs: endOf(operation), operation, isCall: false }];
  });
  return events.sort((a, b) => a.atMs - b.atMs || Number(b.isCall) - Number(a.isCall));
}

/** When one with an answer must have had its moment. */
function endOf({ return: end }: Operation): number {
  return end ?? Number.POSITIVE_INFINITY;
}

function byReturn(a: Operation, b: Operation): number {
  return endOf(a) - endOf(b);
}

function byCall(a: Operation, b: Operation): number {
  return a.call - b.call;
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
