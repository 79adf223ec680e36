/**
 * Several traces as one: what the servers of a real run wrote, each by its own clock.
 */
import type { Uid } from '../composable-paxos.ts';
import type { Message } from '../messages.ts';
import type { TraceEvent } from './events.ts';
import { RecentMap } from './recent.ts';

/** So many events of a trace are read ahead to find out whether something is still to be sent. */
const MOST_READ_AHEAD = 10_000;
/** So many datagrams are remembered to have been sent. */
const MOST_SENT = 20_000;

/**
 * The events of all traces in one order. It goes by time (`at`), with two exceptions that tell more
 * than clocks do: the events of one trace keep their order, and nothing is received before it was
 * sent. So clocks that differ by a little do not turn cause and effect round.
 */
export function mergeTraces(traces: readonly (readonly TraceEvent[])[]): TraceEvent[] {
  return [...mergeStreams(traces.map((trace) => trace.values()))];
}

/** The same of traces that are read one event after the other, however long they are. */
export function mergeStreams(traces: readonly Iterator<TraceEvent>[]): Generator<TraceEvent> {
  return new Merge(traces).all();
}

/** A trace, and what has been read of it and has not had its turn. */
class Source {
  readonly #trace: Iterator<TraceEvent>;
  #ahead: TraceEvent[] = [];
  #taken = 0;

  constructor(trace: Iterator<TraceEvent>) {
    this.#trace = trace;
  }

  get next(): TraceEvent | undefined {
    return this.#ahead[this.#taken];
  }

  get readAhead(): number {
    return this.#ahead.length - this.#taken;
  }

  /** Reads one more event; undefined: there is none, or none yet. */
  read(): TraceEvent | undefined {
    const { value, done = false } = this.#trace.next();
    if (done) return undefined;
    this.#ahead.push(value);
    return value;
  }

  take(): void {
    this.#taken += 1;
    if (this.#taken < 1_000 && this.#taken < this.#ahead.length) return;
    this.#ahead = this.#ahead.slice(this.#taken);
    this.#taken = 0;
  }
}

/**
 * The same of traces that still grow: a trace that has said that it is done may go on later. An
 * event that another trace could still precede goes out once it `isSettled`.
 */
export class Merge {
  readonly #isSettled: (event: TraceEvent) => boolean;
  readonly #sources: readonly Source[];
  readonly #sourceOf = new Map<Uid, Source>();
  /** The datagrams of which the sending has been read and has not had its turn. */
  readonly #unsent = new Set<string>();
  readonly #sent = new RecentMap<string, true>(MOST_SENT);

  constructor(
    traces: readonly Iterator<TraceEvent>[],
    isSettled: (event: TraceEvent) => boolean = () => true,
  ) {
    this.#isSettled = isSettled;
    this.#sources = traces.map((trace) => new Source(trace));
  }

  *all(): Generator<TraceEvent> {
    for (let event = this.next(); event !== undefined; event = this.next()) yield event;
  }

  /** Undefined: there is none, or none yet. */
  next(): TraceEvent | undefined {
    let isAnyShort = false;
    for (const source of this.#sources) {
      if (source.next === undefined && !this.#read(source)) isAnyShort = true;
    }
    const ready = this.#earliest((event) => !this.#waits(event));
    const source = ready ?? this.#earliest(() => true);
    const event = source?.next;
    if (source === null || event === undefined) return undefined;
    if ((isAnyShort || ready === null) && !this.#isSettled(event)) return undefined;
    source.take();
    if (event.event === 'send') this.#leaves(nameOf(event.server, event.seq, event.message));
    return event;
  }

  #read(source: Source): boolean {
    const event = source.read();
    if (event === undefined) return false;
    if (!this.#sourceOf.has(event.server)) this.#sourceOf.set(event.server, source);
    if (event.event === 'send') this.#unsent.add(nameOf(event.server, event.seq, event.message));
    return true;
  }

  #leaves(name: string): void {
    this.#unsent.delete(name);
    this.#sent.set(name, true);
  }

  /** Which trace goes on with the earliest event of this kind; null: none does. */
  #earliest(isWanted: (event: TraceEvent) => boolean): Source | null {
    let earliest: Source | null = null;
    let atMs = Number.POSITIVE_INFINITY;
    for (const source of this.#sources) {
      const event = source.next;
      if (event === undefined || event.at >= atMs || !isWanted(event)) continue;
      earliest = source;
      atMs = event.at;
    }
    return earliest;
  }

  /**
   * Whether it arrives before some trace has come to its sending. Numbers of datagrams begin anew
   * with each run of a server: the first that fits is enough.
   */
  #waits(event: TraceEvent): boolean {
    if (event.event !== 'receive' || event.from === null) return false;
    const name = nameOf(event.from, event.seq, event.message);
    if (this.#unsent.has(name)) return true;
    const source = this.#sourceOf.get(event.from);
    if (source === undefined || this.#sent.has(name)) return false;
    while (source.readAhead < MOST_READ_AHEAD && this.#read(source)) {
      if (this.#unsent.has(name)) return true;
    }
    return !this.#isSettled(event);
  }
}

function nameOf(sender: Uid, seq: number, message: Message): string {
  const instanceNumber = 'instanceNumber' in message ? message.instanceNumber : 0;
  const id = 'proposalId' in message ? message.proposalId : null;
  return `${sender} ${seq} ${message.type} ${instanceNumber} ${id?.number}${id?.uid}`;
}
