/**
 * A piece out of the middle of traces that are too long to be drawn, or kept in memory, as a whole.
 */
import type { Uid } from '../../composable-paxos.ts';
import { ABSENT, type Standing, standingAfter } from '../../diagram/lives.ts';
import type { DiagramOptions, Past } from '../../diagram/model.ts';
import type { TraceEvent } from '../../trace/events.ts';
import { Invariants, type Violation } from '../../trace/invariants.ts';
import type { TraceStream } from './read-traces.ts';

/** So much before and after is read as well, for arrows that begin or end there. */
const MARGIN_MS = 2_000;

export interface Piece {
  readonly events: readonly TraceEvent[];
  readonly options: DiagramOptions & { readonly past: Past };
  /** What went wrong before the piece. */
  readonly earlier: readonly Violation[];
}

/** What lies between two times since the beginning of the run; all before it is only followed. */
export function pieceOf(stream: TraceStream, fromMs: number, toMs: number): Piece {
  const { uids, traced, resumed } = stream;
  const invariants = new Invariants(uids, traced, resumed);
  const standings = new Map<Uid, Standing>();
  const events: TraceEvent[] = [];
  const found = new Map<number, Violation>();
  let startMs: number | null = null;
  let chosenUpTo = 0;
  for (const event of stream.events()) {
    startMs ??= event.at;
    if (event.at > startMs + toMs + MARGIN_MS) break;
    const violation = invariants.observe(event);
    if (violation !== null && !found.has(violation.invariant)) {
      found.set(violation.invariant, violation);
    }
    if (event.at >= startMs + fromMs - MARGIN_MS) {
      events.push(event);
    } else {
      standings.set(event.server, standingAfter(standings.get(event.server) ?? ABSENT, event));
      if (event.event === 'chosen') chosenUpTo = Math.max(chosenUpTo, event.instanceNumber);
    }
  }
  const [first] = events;
  const isEarlier = ({ event }: Violation) =>
    event !== null && first !== undefined && event.at < first.at;
  const all = [...found.values()];
  const violations = all.filter((violation) => !isEarlier(violation));
  const past = { startMs: startMs ?? 0, standings, chosenUpTo };
  return { events, options: { uids, traced, violations, past }, earlier: all.filter(isEarlier) };
}
