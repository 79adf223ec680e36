/** Traces of real servers through the invariants, and what to say of what is found. */
import type { Uid } from '../../composable-paxos.ts';
import type { ServerState } from '../../state.ts';
import type { TraceEvent } from '../../trace/events.ts';
import { Invariants, type Violation } from '../../trace/invariants.ts';
import { headlineOf, placeInRun } from '../../trace/violation.ts';

/** The events of a run, all at once or one after the other, and whose they are. */
export interface Recorded {
  /** Where traces begin that begin in the middle of the run. */
  readonly resumed: readonly ServerState[];
  readonly uids: readonly Uid[];
  readonly traced: readonly Uid[];
  readonly events: Iterable<TraceEvent>;
}

export interface Checked {
  /** The first one, or null. What comes after it is read, but not checked. */
  readonly violation: Violation | null;
  readonly events: number;
  /** What is not wrong, and yet not as it should be, in sentences. */
  readonly remarks: readonly string[];
}

/**
 * Puts traces through the invariants. `isHealed`: the run ended in peace, so that the servers that
 * still run must be level.
 */
export function checkTraces(
  { uids, traced, resumed, events }: Recorded,
  isHealed: boolean,
): Checked {
  const invariants = new Invariants(uids, traced, resumed);
  let violation: Violation | null = null;
  let count = 0;
  try {
    for (const event of events) {
      count += 1;
      violation ??= invariants.observe(event);
    }
  } catch (error) {
    if (violation === null) throw error; // a line that cannot be read hides none before it
  }
  violation ??= invariants.end(isHealed);
  return { violation, events: count, remarks: invariants.remarks };
}

/** The violation in a few lines: its invariant, where in the run, and what is wrong. */
export function describeViolation(
  violation: Violation,
  placeOf: (event: TraceEvent) => string,
): readonly string[] {
  const { event, why } = violation;
  const place = placeInRun(violation);
  const lines = [headlineOf(violation.invariant)];
  if (event !== null) lines.push(`  ${placeOf(event)}: ${place}`);
  return [...lines, `  ${why}`];
}
