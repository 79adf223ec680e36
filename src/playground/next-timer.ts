/** Waiting for the next timer, although most timers do nothing that anybody would see. */
import { Session } from './session.ts';

/** So many timers may run out unseen before this gives up. */
const MOST_TIMERS = 200;

/**
 * The command that lets time go on until a timer has made something happen that a server tells
 * of; null if no timer runs.
 */
export function waitForTimer(session: Session): string | null {
  const startMs = session.stage?.nowMs ?? 0;
  const copy = new Session(session.done);
  copy.goTo({ item: session.done.length, moment: Number.POSITIVE_INFINITY });
  let waitedMs = 0;
  for (let timer = 0; timer < MOST_TIMERS; timer += 1) {
    const { stage, moment } = copy;
    if (stage === null || stage.nextTimerMs === null) break;
    copy.do(`wait ${Math.max(1, Math.ceil(stage.nextTimerMs))}`);
    waitedMs = Math.ceil((copy.stage?.nowMs ?? startMs) - startMs);
    const told = copy.events.slice(moment.events);
    if (told.some(({ event }) => event !== 'save')) break;
  }
  return waitedMs > 0 ? `wait ${waitedMs}` : null;
}
