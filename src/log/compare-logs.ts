/**
 * Have all servers the same log, and have they made the same of it? Out of what each of them has
 * told: the links by which it advanced, and the digests of its state on the way.
 */
import type { Link } from '../chain.ts';
import type { Decision, TraceEvent } from '../trace/events.ts';
import { formatValue } from '../trace/words.ts';

/** What one server has told of its log. */
export class ToldLog {
  readonly name: string;
  /** The links that it has told, by their instances. */
  readonly links = new Map<number, Link>();
  /** Digests of its state right before an instance. */
  readonly states = new Map<number, string>();
  /** The instance that it has open. */
  end = 1;
  /** What it has told in two ways, in one sentence; null: nothing. */
  contradiction: string | null = null;

  constructor(name: string) {
    this.name = name;
  }

  /** Takes note of what an event tells of links and states. The events come in their order. */
  observe(event: Decision | TraceEvent): void {
    if (event.event === 'apply') return this.#state(event.instanceNumber + 1, event.digest);
    if (event.event === 'snapshot') {
      const { what, instanceNumber, digest } = event;
      if (what === 'reading') return;
      this.end = Math.max(this.end, instanceNumber);
      if (digest !== null) this.#state(instanceNumber, digest);
    }
    if (event.event !== 'advance') return;
    this.end = Math.max(this.end, event.instanceNumber);
    if (event.link !== null) this.#link(event.instanceNumber - 1, event.link);
  }

  /** The digest before this instance; null: it has not told, or not enough. */
  stateAt(instanceNumber: number): string | null {
    for (let before = instanceNumber; before > 0; before -= 1) {
      const digest = this.states.get(before);
      if (digest !== undefined) return digest;
      if (!this.links.has(before - 1)) return null; // what was told last holds up to here
    }
    return null;
  }

  #link(instanceNumber: number, link: Link): void {
    const known = this.links.get(instanceNumber);
    this.links.set(instanceNumber, link);
    if (known === undefined || isSame(known, link)) return;
    const both = `${nameOf(known)}, and once ${nameOf(link)}`;
    this.contradiction ??= `${this.name} says that in instance ${instanceNumber} was once ${both}`;
  }

  /** Several commands of one link are told one by one: the last one counts. */
  #state(instanceNumber: number, digest: string): void {
    this.states.set(instanceNumber, digest);
  }
}

/** How the logs of several servers compare. */
export interface Comparison {
  /** Nothing that two of them have told is different. */
  readonly isSame: boolean;
  /** … and all have come equally far. */
  readonly isLevel: boolean;
  readonly sentence: string;
}

/** Compares them two by two, and says in one sentence what differs first, or how far they are. */
export function compareLogs(logs: readonly ToldLog[]): Comparison {
  const wrong = { isSame: false, isLevel: false };
  for (const { contradiction } of logs) {
    if (contradiction !== null) return { ...wrong, sentence: contradiction };
  }
  const differences = logs.flatMap((one, index) =>
    logs.slice(index + 1).flatMap((other) => differencesOf(one, other)),
  );
  const [first] = differences.sort((a, b) => a.instanceNumber - b.instanceNumber);
  if (first !== undefined) return { ...wrong, sentence: first.sentence };

  const names = logs.map(({ name }) => name).join(', ');
  const end = Math.max(...logs.map((log) => log.end));
  const late = logs.filter((log) => log.end < end);
  if (late.length === 0) {
    const digest = logs.map((log) => log.stateAt(end)).find((state) => state !== null);
    const sentence = `${names} have the same log and the same state: they are at instance ${end}`;
    return { isSame: true, isLevel: true, sentence: `${sentence}, digest ${digest ?? 'unknown'}` };
  }
  const behind = late.map(({ name, end: at }) => `${name} at ${at}`).join(', ');
  const sentence = `${names} have told nothing different, but ${behind} is behind ${end}`;
  return { isSame: true, isLevel: false, sentence };
}

interface Difference {
  readonly instanceNumber: number;
  readonly sentence: string;
}

function differencesOf(one: ToldLog, other: ToldLog): Difference[] {
  return [differentLink(one, other), differentState(one, other)].filter((found) => found !== null);
}

function differentLink(one: ToldLog, other: ToldLog): Difference | null {
  for (const [instanceNumber, link] of [...one.links].sort(([a], [b]) => a - b)) {
    const theirs = other.links.get(instanceNumber);
    if (theirs === undefined || isSame(link, theirs)) continue;
    const both = `${one.name} has ${nameOf(link)}, and ${other.name} has ${nameOf(theirs)}`;
    return { instanceNumber, sentence: `in instance ${instanceNumber} ${both}` };
  }
  return null;
}

function differentState(one: ToldLog, other: ToldLog): Difference | null {
  const told = new Set([...one.states.keys(), ...other.states.keys()]);
  for (const instanceNumber of [...told].sort((a, b) => a - b)) {
    const [ours, theirs] = [one.stateAt(instanceNumber), other.stateAt(instanceNumber)];
    if (ours === null || theirs === null || ours === theirs) continue;
    const digests = `${ours} at ${one.name}, and ${theirs} at ${other.name}`;
    return {
      instanceNumber,
      sentence: `the state before instance ${instanceNumber} is ${digests}`,
    };
  }
  return null;
}

/** Whatever the order of its fields. */
function isSame(one: Link, other: Link): boolean {
  return keyOf(one) === keyOf(other);
}

function keyOf(link: Link): string {
  return JSON.stringify(Object.entries(link).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function nameOf(link: Link): string {
  return `${formatValue(link, (text) => JSON.stringify(text))} (${link.id})`;
}
