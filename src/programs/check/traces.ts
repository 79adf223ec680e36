/** Traces of real servers through the invariants, and what to say of what is found. */

import { Failure } from '../../node/failure.ts';
import type { TraceEvent } from '../../trace/events.ts';
import { INVARIANTS, Invariants, type Violation } from '../../trace/invariants.ts';
import type { Traces } from '../common/read-traces.ts';

/**
 * The first violation in these traces, or null. `isHealed`: the run ended in peace, so that the
 * servers that still run must be level. Throws a `Failure` at an event that is none.
 */
export function checkTraces(traces: Traces, isHealed: boolean): Violation | null {
  const invariants = new Invariants(traces.uids, traces.traced);
  for (const event of traces.events) {
    const violation = observe(invariants, event, traces);
    if (violation !== null) return violation;
  }
  return invariants.end(isHealed);
}

/** An event that lacks what its kind must have would otherwise end us without its place. */
function observe(invariants: Invariants, event: TraceEvent, traces: Traces): Violation | null {
  try {
    return invariants.observe(event);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new Failure(`${traces.placeOf(event)} is not what an event "${event.event}" must be`);
  }
}

/** The violation in a few lines: its invariant, and the event with its file and line. */
export function describeViolation(violation: Violation, traces: Traces): readonly string[] {
  const { invariant, event, why } = violation;
  const headline = headlineOf(invariant);
  if (event === null) return [headline, `  ${why}`];
  return [headline, `  ${traces.placeOf(event)}: ${why}`, `  ${JSON.stringify(event)}`];
}

/** Which invariant is violated, and what it says. */
export function headlineOf(invariant: number): string {
  const { name, sentence } = INVARIANTS[invariant - 1] ?? {};
  return `invariant ${invariant} is violated. ${name}: ${sentence}`;
}
