/** Runs to be drawn in tests. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../src/simulation/run.ts';
import { drawSchedule, type Fault } from '../src/simulation/schedule.ts';
import { tellStory } from '../src/simulation/story.ts';
import type { TraceEvent } from '../src/trace/events.ts';

const STORIES = join(import.meta.dirname, 'stories');

export const STORY_NAMES = readdirSync(STORIES)
  .filter((name) => name.endsWith('.txt'))
  .map((name) => name.slice(0, -'.txt'.length));

/** The stories whose pictures are kept in `diagrams/`, for documents. */
export const DRAWN_STORIES = [
  '01-first-round',
  '02-duel',
  '03-orphan',
  '04-crash-after-accept',
  '05-laggard',
  '06-stale-promise',
  '08-reserved-number',
  '09-cut-off-master',
  '11-lease-granted-renewed-handed-back',
  '13-durable-before-it-is-read',
  '16-values-wait',
  '19-failed-save',
  '22-a-read-through-the-chain',
];

/** What the servers of a story trace, from its first command to its last. */
export function eventsOfStory(name: string): readonly TraceEvent[] {
  return tellStory(readFileSync(join(STORIES, `${name}.txt`), 'utf8')).events;
}

const FAULTS: readonly Fault[] = ['loss', 'delay', 'duplication', 'crashes', 'stops'];

/** A simulated run of so many servers, with faults of several kinds, the same every time. */
export function simulatedEvents(servers: number, seconds: number): TraceEvent[] {
  const events: TraceEvent[] = [];
  const schedule = drawSchedule(3, servers, seconds, FAULTS);
  run(schedule, { leases: servers !== 2 }, (event) => events.push(event));
  return events;
}
