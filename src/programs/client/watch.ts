/** How all servers are, again and again: in place on a terminal, else one line a round. */
import { clearScreenDown, cursorTo, moveCursor } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { type Report, sayRound, sayStatusLine, statusJson } from './words.ts';

const ROUND_MS = 1_000;

/** Where the rounds are shown. */
export interface Screen {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Asks and shows, round after round, until `signal` says that it is enough. */
export async function watch(
  ask: () => Promise<readonly Report[]>,
  screen: Screen & NodeJS.WritableStream,
  isJson: boolean,
  signal: AbortSignal,
): Promise<void> {
  let isFirst = true;
  while (!signal.aborted) {
    const next = pause(ROUND_MS, undefined, { signal }).catch(() => {});
    const reports = await Promise.race([ask(), aborted(signal)]);
    if (reports === null) return;
    if (isJson) screen.write(`[${reports.map(statusJson).join(',')}]\n`);
    else if (screen.isTTY !== true) screen.write(`${sayRound(reports)}\n`);
    else showInPlace(reports, screen, isFirst);
    isFirst = false;
    await next;
  }
}

function showInPlace(
  reports: readonly Report[],
  screen: Screen & NodeJS.WritableStream,
  isFirst: boolean,
): void {
  const lines = [
    'Ctrl-C ends',
    ...reports.map((report) => sayStatusLine(report, columnsOf(screen))),
  ];
  if (!isFirst) {
    moveCursor(screen, 0, -lines.length);
    cursorTo(screen, 0);
    clearScreenDown(screen);
  }
  screen.write(`${lines.join('\n')}\n`);
}

/**
 * The last column is left free: some terminals would begin a new line there. A terminal that does
 * not know how wide it is says 0.
 */
function columnsOf({ columns }: Screen): number {
  return (columns || 80) - 1;
}

function aborted(signal: AbortSignal): Promise<null> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(null), { once: true });
  });
}
