/**
 * Linearizability of anything that has a *model*: a state, and what each operation answers in it.
 *
 * `linearizability.ts` knows one register, and is quick with any number of writes that nobody waits
 * for. This knows whatever a model says, and must try more. It goes through the history by time and
 * keeps what the object *may* be like: its state, and which of those under way have had their
 * moment. An operation gets its moment when it returns, at the latest; right before it, any others
 * that are under way may get theirs, in any order that fits to their answers ("just-in-time
 * linearization": Lowe, "Testing for linearizability", 2017). Four things keep that small:
 *
 *   - What was answered without changing anything has its moment as soon as its answer fits: that
 *     can do no harm.
 *   - What *overwrites* leaves the same state whatever was before. One that is overwritten at once
 *     is seen by nobody: it is *hidden*, and need not be thought of before it returns; then it is
 *     enough that since its call there was an overwriting at all.
 *   - One of unknown outcome may have its moment at any time, or never. So of two possibilities
 *     that are otherwise the same the one is enough that has taken fewer of these.
 *   - Equal operations of unknown outcome are only counted.
 *
 * Still there may be too many. Then some are left out, and if none of the others comes to the end,
 * nobody knows: `Undecided`.
 */
import { Undecided } from './linearizability.ts';

/** What the operations of every history have. */
export interface Timed {
  readonly client: string;
  /** When it began and ended, in milliseconds; it has no end if its outcome is unknown. */
  readonly call: number;
  readonly return: number | null;
  /** `refused`: it certainly had no effect. */
  readonly outcome: 'ok' | 'unknown' | 'refused';
}

/** What is checked against: it says of each state what may come of an operation there. */
export interface Model<TOperation extends Timed> {
  readonly initial: string | null;
  /**
   * The state after this operation; undefined if in this state it would have been answered
   * otherwise. To one of unknown outcome, any answer fits.
   */
  after(state: string | null, operation: TOperation): string | null | undefined;
  /** False: with this answer, or without one, it can have changed nothing, whatever the state. */
  mayChange(operation: TOperation): boolean;
  /** True: its answer, and the state after it, are the same whatever the state was. */
  overwrites(operation: TOperation): boolean;
  /** What was asked, in words: two with the same ones do the same. */
  nameOf(operation: TOperation): string;
  /** A state, in words. */
  nameOfState(state: string | null): string;
}

/** What the object may be like at some moment. */
interface Possibility<TOperation> {
  readonly state: string | null;
  /** Which operations under way have had their moment. */
  readonly done: ReadonlySet<TOperation>;
  /** How many of unknown outcome have, by their names. */
  readonly taken: ReadonlyMap<string, number>;
  /** When something was overwritten for the last time. */
  readonly overwrittenMs: number;
  /** What has just overwritten was not seen by anybody yet: who overwrites it now hides it. */
  readonly isUnseen: boolean;
}

/** So many possibilities are followed side by side … */
const MANY = 500;
/** … and so many steps are tried in all, which takes some seconds. */
const MOST_STEPS = 1_000_000;
const SHOWN_STATES = 3;

/**
 * Returns null if the history is one of this model, or in one sentence which answer cannot be.
 * Throws `Undecided` if there is too much to try.
 */
export function findContradictionWith<TOperation extends Timed>(
  model: Model<TOperation>,
  history: readonly TOperation[],
): string | null {
  return new Search(model).toTheEnd(history);
}

class Search<TOperation extends Timed> {
  readonly #model: Model<TOperation>;
  /** Those with an answer that were called, and have yet to return; numbered. */
  readonly #underWay = new Map<TOperation, number>();
  /** Those of unknown outcome that were called, and how many are equal to them. */
  readonly #unknown = new Map<string, { readonly operation: TOperation; count: number }>();
  #possibilities: readonly Possibility<TOperation>[];
  #numbered = 0;
  #steps = 0;
  #nowMs = Number.NEGATIVE_INFINITY;
  #areAllFollowed = true;

  constructor(model: Model<TOperation>) {
    this.#model = model;
    const nothing = { done: new Set<TOperation>(), taken: new Map<string, number>() };
    const never = { overwrittenMs: Number.NEGATIVE_INFINITY, isUnseen: false };
    this.#possibilities = [{ state: model.initial, ...nothing, ...never }];
  }

  toTheEnd(history: readonly TOperation[]): string | null {
    for (const { atMs, operation, isCall } of this.#eventsOf(history)) {
      this.#nowMs = atMs;
      if (isCall) {
        this.#call(operation);
        continue;
      }
      const before = this.#possibilities;
      this.#return(operation);
      if (this.#possibilities.length > 0) continue;
      if (!this.#areAllFollowed) throw new Undecided();
      return this.#explain(operation, before);
    }
    return null;
  }

  /** Calls and returns by time. At the same time calls come first: then neither was earlier. */
  #eventsOf(history: readonly TOperation[]) {
    const counts = history.filter(({ outcome }) => outcome !== 'refused');
    const events = counts.flatMap((operation) => {
      const call = { atMs: operation.call, operation, isCall: true };
      if (operation.outcome === 'ok') {
        return [call, { atMs: operation.return ?? Infinity, operation, isCall: false }];
      }
      return this.#model.mayChange(operation) ? [call] : [];
    });
    return events.sort((a, b) => a.atMs - b.atMs || Number(b.isCall) - Number(a.isCall));
  }

  #call(operation: TOperation): void {
    if (operation.outcome === 'ok') {
      this.#numbered += 1;
      this.#underWay.set(operation, this.#numbered);
      this.#possibilities = this.#possibilities.map((one) => this.#settle(one));
      return;
    }
    const name = this.#model.nameOf(operation);
    const equal = this.#unknown.get(name) ?? { operation, count: 0 };
    equal.count += 1;
    this.#unknown.set(name, equal);
  }

  #return(operation: TOperation): void {
    const kept = new Frontier<TOperation>((one) => this.#keyOf(one));
    for (const from of this.#possibilities) {
      for (const to of from.done.has(operation) ? [from] : this.#waysFor(operation, from)) {
        const done = new Set(to.done);
        done.delete(operation);
        kept.add({ ...to, done, isUnseen: false });
      }
    }
    this.#underWay.delete(operation);
    if (kept.all.length > MANY) this.#areAllFollowed = false;
    this.#possibilities = kept.all.slice(0, MANY);
  }

  /** What may be once `by` has had its moment, after whichever others. */
  #waysFor(by: TOperation, from: Possibility<TOperation>): Possibility<TOperation>[] {
    const isHidden =
      this.#model.overwrites(by) &&
      by.call <= from.overwrittenMs &&
      this.#model.after(from.state, by) !== undefined;
    const ways: Possibility<TOperation>[] = isHidden ? [from] : [];
    const seen = new Frontier<TOperation>((one) => this.#keyOf(one));
    seen.add(from);
    for (const one of seen) {
      const last = this.#take(by, one);
      if (last !== null) ways.push(last);
      if (this.#steps > MOST_STEPS) this.#areAllFollowed = false;
      if (this.#steps > MOST_STEPS) break;
      for (const next of this.#nextOf(by, one)) {
        if (next.done.has(by)) ways.push(next);
        else seen.add(next);
      }
    }
    return ways;
  }

  /** One more of the others has its moment. */
  #nextOf(by: TOperation, one: Possibility<TOperation>): Possibility<TOperation>[] {
    const next: (Possibility<TOperation> | null)[] = [];
    for (const operation of this.#underWay.keys()) {
      if (operation !== by && !one.done.has(operation)) next.push(this.#take(operation, one));
    }
    for (const [name, { operation, count }] of this.#unknown) {
      const taken = one.taken.get(name) ?? 0;
      if (taken === count) continue;
      const to = this.#take(operation, one);
      if (to !== null) next.push({ ...to, taken: new Map(one.taken).set(name, taken + 1) });
    }
    return next.filter((to) => to !== null);
  }

  /** This operation has its moment; null: it would have been answered otherwise. */
  #take(operation: TOperation, one: Possibility<TOperation>): Possibility<TOperation> | null {
    this.#steps += 1;
    const isUnseen = this.#model.overwrites(operation);
    if (one.isUnseen && isUnseen) return null;
    const state = this.#model.after(one.state, operation);
    if (state === undefined) return null;
    const isKnown = operation.outcome === 'ok';
    const done = isKnown ? new Set(one.done).add(operation) : one.done;
    const overwrittenMs = isUnseen ? this.#nowMs : one.overwrittenMs;
    return this.#settle({ ...one, state, done, overwrittenMs, isUnseen });
  }

  /** Whoever was answered so, and changes nothing, has its moment now. */
  #settle(one: Possibility<TOperation>): Possibility<TOperation> {
    const model = this.#model;
    const seen = [...this.#underWay.keys()].filter((operation) => {
      const isOpen = !one.done.has(operation) && !model.mayChange(operation);
      return isOpen && model.after(one.state, operation) !== undefined;
    });
    if (seen.length === 0) return one;
    return { ...one, done: new Set([...one.done, ...seen]), isUnseen: false };
  }

  #keyOf({ state, done }: Possibility<TOperation>): string {
    const numbers = [...done].map((operation) => this.#underWay.get(operation) ?? 0);
    return `${numbers.sort((a, b) => a - b)} ${JSON.stringify(state)}`;
  }

  #explain(operation: TOperation, before: readonly Possibility<TOperation>[]): string {
    const { client, call, return: end } = operation;
    const states = [...new Set(before.map(({ state }) => this.#model.nameOfState(state)))];
    const more = states.length > SHOWN_STATES ? ', or something else' : '';
    const held = states.slice(0, SHOWN_STATES).join(', or ') + more;
    const name = this.#model.nameOf(operation);
    const when = `[${shortNumber(call)}..${end === null ? '?' : shortNumber(end)}]`;
    return `${name} by ${client} ${when} cannot be: there was ${held}`;
  }
}

/** Possibilities of which none is as good as another one. */
class Frontier<TOperation> {
  readonly #keyOf: (one: Possibility<TOperation>) => string;
  readonly #byKey = new Map<string, Possibility<TOperation>[]>();
  readonly all: Possibility<TOperation>[] = [];

  constructor(keyOf: (one: Possibility<TOperation>) => string) {
    this.#keyOf = keyOf;
  }

  add(one: Possibility<TOperation>): void {
    const key = this.#keyOf(one);
    const alike = this.#byKey.get(key) ?? [];
    if (alike.some((other) => isAsGood(other, one))) return;
    alike.push(one);
    this.#byKey.set(key, alike);
    this.all.push(one);
  }

  /** Those too that are added meanwhile. */
  [Symbol.iterator](): Iterator<Possibility<TOperation>> {
    return this.all[Symbol.iterator]();
  }
}

/** Does `one` fit to whatever is to come that `other` fits to, if they are alike in the rest? */
function isAsGood<TOperation>(
  one: Possibility<TOperation>,
  other: Possibility<TOperation>,
): boolean {
  if (one.isUnseen && !other.isUnseen) return false;
  return one.overwrittenMs >= other.overwrittenMs && isWithin(one.taken, other.taken);
}

/** Has `some` taken no more of anything than `others`? */
function isWithin(some: ReadonlyMap<string, number>, others: ReadonlyMap<string, number>): boolean {
  for (const [name, count] of some) if (count > (others.get(name) ?? 0)) return false;
  return true;
}

function shortNumber(ms: number): string {
  return String(Math.round(ms * 1_000) / 1_000);
}
