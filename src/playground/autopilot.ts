/**
 * Playing by itself: whatever is under way arrives after a delay that a seed draws, timers run out
 * in between, and all of it is written down as the commands that a person would have given.
 */
import type { Uid } from '../composable-paxos.ts';
import { Random } from '../simulation/random.ts';
import type { TraceEvent } from '../trace/events.ts';
import type { Flight, Stage } from './stage.ts';

export interface Delays {
  readonly minMs: number;
  readonly maxMs: number;
}

const DELAYS: Delays = { minMs: 20, maxMs: 80 };

export class Autopilot {
  readonly #seed: string | number;
  readonly #delays: Delays;
  /** When what is under way arrives, by true time. */
  #dueMs = new Map<string, number>();

  constructor(seed: string | number, delays: Delays = DELAYS) {
    this.#seed = seed;
    this.#delays = delays;
  }

  /**
   * The commands for what happens next: time passes, a datagram arrives, or both; none if nothing
   * is under way and no timer runs.
   */
  next(stage: Stage): readonly string[] {
    const { flights, nowMs, nextTimerMs } = stage;
    this.#draw(flights, nowMs);
    const dueMs = (flight: Flight) => this.#dueMs.get(keyOf(flight)) ?? nowMs;
    const [first] = flights.toSorted((a, b) => dueMs(a) - dueMs(b));
    const timerMs = nextTimerMs === null ? Number.POSITIVE_INFINITY : Math.ceil(nextTimerMs);
    const waitMs = first === undefined ? timerMs : Math.ceil(dueMs(first) - nowMs);
    if (first === undefined || timerMs < waitMs) {
      return Number.isFinite(timerMs) ? [`wait ${timerMs}`] : [];
    }
    const deliver = `deliver ${first.name}`;
    return waitMs > 0 ? [`wait ${waitMs}`, deliver] : [deliver];
  }

  #draw(flights: readonly Flight[], nowMs: number): void {
    const { minMs, maxMs } = this.#delays;
    const dueMs = new Map<string, number>();
    for (const flight of flights) {
      const key = keyOf(flight);
      // Of one seed a message has one delay, whoever looks at it when.
      const random = () => new Random(this.#seed, 'autopilot', key);
      const drawn = () => nowMs + Math.round(random().between(minMs, maxMs));
      dueMs.set(key, this.#dueMs.get(key) ?? drawn());
    }
    this.#dueMs = dueMs;
  }
}

function keyOf({ from, to, seq }: Flight): string {
  return `${from ?? ''}->${to} ${seq}`;
}

/** What somebody who watches may want to stop at. */
export const STOPS = ['chosen', 'nack', 'master', 'violation'] as const;
export type Stop = (typeof STOPS)[number];

/** Which of these a server has told of in these events, and who; null: none. */
export function stopIn(
  events: readonly TraceEvent[],
  stops: ReadonlySet<Stop>,
): { readonly stop: Stop; readonly server: Uid } | null {
  for (const event of events) {
    const stop = stopOf(event);
    if (stop !== null && stops.has(stop)) return { stop, server: event.server };
  }
  return null;
}

function stopOf(event: TraceEvent): Stop | null {
  if (event.event === 'chosen') return 'chosen';
  if (event.event === 'refused') return 'nack';
  return event.event === 'lease' && event.what === 'ours' ? 'master' : null;
}
