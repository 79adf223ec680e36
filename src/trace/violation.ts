/** How a violation is told: its number, name and sentence, and where in the run it happened. */
import { INVARIANTS, instanceOf, type Violation } from './invariants.ts';
import { formatTime } from './line.ts';
import { formatId } from './words.ts';

/** Which invariant is violated, and what it says. */
export function headlineOf(invariant: number): string {
  const { name, sentence } = INVARIANTS[invariant - 1] ?? FAIL_STOP;
  const number = invariant > 0 ? `invariant ${invariant}` : 'what comes before all invariants';
  return `${number} is violated. ${name}: ${sentence}`;
}

/** The simulator counts it as number 0. */
const FAIL_STOP = { name: 'Fail-stop', sentence: 'a server stops only when its disk fails' };

/** "server B, instance 7, at 00:12.345: accept 3.A"; or that it is about the end of the run. */
export function placeInRun({ event, instanceNumber }: Violation): string {
  if (event === null) return 'at the end of the run';
  const { server, at } = event;
  const message = 'message' in event ? event.message : null;
  const what = message === null ? event.event : `${event.event} ${message.type}`;
  const about = 'proposalId' in event ? event : message;
  const hasId = about !== null && 'proposalId' in about;
  const id = hasId ? ` ${formatId(about.proposalId)}` : '';
  const where = instanceNumber ?? instanceOf(event);
  const instance = where === null ? '' : `, instance ${where}`;
  return `server ${server}${instance}, at ${formatTime(at)}: ${what}${id}`;
}
