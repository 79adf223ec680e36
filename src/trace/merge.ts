/**
 * Several traces as one: what the servers of a real run wrote, each by its own clock.
 */
import type { Message } from '../messages.ts';
import type { TraceEvent } from './events.ts';

/**
 * The events of all traces in one order. It goes by time (`at`), with two exceptions that tell more
 * than clocks do: the events of one trace keep their order, and nothing is received before it was
 * sent. So clocks that differ by a little do not turn cause and effect round.
 */
export function mergeTraces(traces: readonly (readonly TraceEvent[])[]): TraceEvent[] {
  return new Merge(traces).toTheEnd();
}

class Merge {
  readonly #traces: readonly (readonly TraceEvent[])[];
  /** For each trace, how many of its events have had their turn. */
  readonly #taken: number[];
  /** The datagrams that some trace tells the sending of, and that are not sent yet. */
  readonly #unsent = new Set<string>();
  readonly #merged: TraceEvent[] = [];

  constructor(traces: readonly (readonly TraceEvent[])[]) {
    this.#traces = traces;
    this.#taken = traces.map(() => 0);
    for (const event of traces.flat()) {
      if (event.event === 'send') this.#unsent.add(nameOf(event.server, event.seq, event.message));
    }
  }

  toTheEnd(): TraceEvent[] {
    for (;;) {
      const next = this.#earliest((event) => !this.#waits(event)) ?? this.#earliest(() => true);
      if (next === null) return this.#merged;
      this.#take(next);
    }
  }

  /** Which trace goes on with the earliest event of this kind; null: none does. */
  #earliest(isWanted: (event: TraceEvent) => boolean): number | null {
    let earliest: number | null = null;
    let atMs = Number.POSITIVE_INFINITY;
    for (const [index, trace] of this.#traces.entries()) {
      const event = trace[this.#taken[index] ?? 0];
      if (event === undefined || event.at >= atMs || !isWanted(event)) continue;
      earliest = index;
      atMs = event.at;
    }
    return earliest;
  }

  /** Numbers of datagrams begin anew with each run of a server: the first that fits is enough. */
  #waits(event: TraceEvent): boolean {
    if (event.event !== 'receive' || event.from === null) return false;
    return this.#unsent.has(nameOf(event.from, event.seq, event.message));
  }

  #take(index: number): void {
    const taken = this.#taken[index] ?? 0;
    const event = this.#traces[index]?.[taken];
    if (event === undefined) return;
    this.#taken[index] = taken + 1;
    this.#merged.push(event);
    if (event.event !== 'send') return;
    this.#unsent.delete(nameOf(event.server, event.seq, event.message));
  }
}

function nameOf(sender: string, seq: number, message: Message): string {
  const instanceNumber = 'instanceNumber' in message ? message.instanceNumber : 0;
  const id = 'proposalId' in message ? message.proposalId : null;
  return `${sender} ${seq} ${message.type} ${instanceNumber} ${id?.number}${id?.uid}`;
}
