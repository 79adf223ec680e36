/**
 * A run that goes on, of which only the latest part is kept. What came before is followed and let
 * go, so that the memory this takes does not grow with the run.
 */
import type { Uid } from '../composable-paxos.ts';
import type { ServerState } from '../state.ts';
import type { TraceEvent } from '../trace/events.ts';
import { Invariants, type Violation } from '../trace/invariants.ts';
import { ABSENT, type Standing, standingAfter } from './lives.ts';
import { type Diagram, type DiagramOptions, diagramOf, type Past } from './model.ts';

/** When more events are kept than these, half of them are let go. */
const MOST_EVENTS = 4_000;

/** The latest part of a run. */
export interface LatestPart {
  readonly diagram: Diagram;
  /** So many rows were before it. */
  readonly rowsBefore: number;
  /** What went wrong before it. */
  readonly earlier: readonly Violation[];
}

export class LiveRun {
  readonly #servers: Pick<Required<DiagramOptions>, 'uids' | 'traced'>;
  readonly #mostEvents: number;
  readonly #invariants: Invariants;
  /** Of each invariant the first violation. */
  readonly #violations = new Map<number, Violation>();
  readonly #earlier: Violation[] = [];
  readonly #standings = new Map<Uid, Standing>();
  #events: TraceEvent[] = [];
  #startMs: number | null = null;
  #chosenUpTo = 0;
  #rowsBefore = 0;

  /** The same servers and states as `Invariants` takes. */
  constructor(
    uids: readonly Uid[],
    traced: readonly Uid[],
    resumed: readonly ServerState[] = [],
    mostEvents = MOST_EVENTS,
  ) {
    this.#servers = { uids, traced };
    this.#mostEvents = mostEvents;
    this.#invariants = new Invariants(uids, traced, resumed);
  }

  /** There is one server only, to whom nobody talks. */
  get isAlone(): boolean {
    return this.#servers.uids.length < 2;
  }

  /** Takes the next event. Returns what it violates, the first time that it is violated. */
  observe(event: TraceEvent): Violation | null {
    this.#startMs ??= event.at;
    this.#events.push(event);
    const violation = this.#invariants.observe(event);
    const isNew = violation !== null && !this.#violations.has(violation.invariant);
    if (isNew) this.#violations.set(violation.invariant, violation);
    if (this.#events.length > this.#mostEvents) this.#letGo(this.#mostEvents / 2);
    return isNew ? violation : null;
  }

  latest(): LatestPart {
    return {
      diagram: this.#draw(this.#events),
      rowsBefore: this.#rowsBefore,
      earlier: [...this.#earlier],
    };
  }

  get #past(): Past {
    const standings = new Map(this.#standings);
    return { startMs: this.#startMs ?? 0, standings, chosenUpTo: this.#chosenUpTo };
  }

  #draw(events: readonly TraceEvent[]): Diagram {
    const isLater = (violation: Violation) => !this.#earlier.includes(violation);
    const violations = [...this.#violations.values()].filter(isLater);
    return diagramOf(events, { ...this.#servers, violations, past: this.#past });
  }

  #letGo(count: number): void {
    const gone = new Set(this.#events.slice(0, count));
    this.#rowsBefore += this.#draw([...gone]).rows.length;
    this.#events = this.#events.slice(count);
    for (const violation of this.#violations.values()) {
      if (violation.event !== null && gone.has(violation.event)) this.#earlier.push(violation);
    }
    for (const event of gone) {
      const { server } = event;
      this.#standings.set(server, standingAfter(this.#standings.get(server) ?? ABSENT, event));
      if (event.event === 'chosen') {
        this.#chosenUpTo = Math.max(this.#chosenUpTo, event.instanceNumber);
      }
    }
  }
}
