/** Runs to be drawn in tests. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../src/simulation/run.ts';
import { drawSchedule, type Fault } from '../src/simulation/schedule.ts';
import { tellStory } from '../src/simulation/story.ts';
import type { TraceEvent } from '../src/trace/events.ts';

const STORIES = join(import.meta.dirname, 'stories');

/** All stories. Their pictures are kept in `diagrams/`, for documents. */
export const STORY_NAMES = readdirSync(STORIES)
  .filter((name) => name.endsWith('.txt'))
  .map((name) => name.slice(0, -'.txt'.length));

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
