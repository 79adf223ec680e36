/** What a goal is, and what it may look at. */
import type { TraceEvent } from '../trace/events.ts';
import type { Session } from './session.ts';

/** What a goal may look at. */
export type Played = Pick<Session, 'events' | 'violations' | 'stage' | 'steps'>;

export interface Goal {
  readonly name: string;
  /** 1: a minute, 2: five, 3: more. */
  readonly level: 1 | 2 | 3;
  readonly title: string;
  readonly task: string;
  /** From a nudge to nearly all of it. */
  readonly hints: readonly string[];
  /** What has been understood by then. */
  readonly lesson: string;
  /** Where it begins. */
  readonly story: string;
  readonly isReached: (played: Played) => boolean;
}

/** All events of this kind. */
export type EventOf<Kind extends TraceEvent['event']> = Extract<TraceEvent, { event: Kind }>;

export function all<Kind extends TraceEvent['event']>(
  { events }: Played,
  kind: Kind,
): EventOf<Kind>[] {
  return events.filter((event): event is EventOf<Kind> => event.event === kind);
}
