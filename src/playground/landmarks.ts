/** What a reader wants to go to next in a long run. */
import type { TraceEvent } from '../trace/events.ts';
import type { Place, Session } from './session.ts';

export type Landmark = 'chosen' | 'instance' | 'violation';

/** The next one after the moment that is shown, or else the first one; null: there is none. */
export function landmarkAfter(session: Session, landmark: Landmark): Place | null {
  const { allEvents, moment } = session;
  const places = indicesOf(session, landmark, allEvents);
  const next = places.find((index) => index >= moment.events) ?? places[0];
  return next === undefined ? null : session.placeOf(next);
}

function indicesOf(session: Session, landmark: Landmark, events: readonly TraceEvent[]): number[] {
  if (landmark === 'violation') {
    return session.allViolations
      .map(({ event }) => (event === null ? -1 : events.lastIndexOf(event)))
      .filter((index) => index >= 0)
      .sort((a, b) => a - b);
  }
  const seen = new Set<number>();
  return events.flatMap((event, index) => {
    const isOne = event.event === (landmark === 'chosen' ? 'chosen' : 'advance');
    if (!isOne || !('instanceNumber' in event) || seen.has(event.instanceNumber)) return [];
    seen.add(event.instanceNumber);
    return [index];
  });
}
