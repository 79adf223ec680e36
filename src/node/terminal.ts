/** Where the lines of a server go: its standard output, in colour if a person looks at it. */
import type { Uid } from '../composable-paxos.ts';
import { ConsoleLines, plainPaint } from '../trace/console.ts';
import { chalkPaint } from './chalk-paint.ts';
import type { Sink } from './turns.ts';

export interface TerminalOptions {
  readonly isVerbose: boolean;
  readonly isColoured: boolean;
}

export function terminal(uids: readonly Uid[], options: TerminalOptions): Sink {
  const paint = wantsColour(options) ? chalkPaint(uids) : plainPaint;
  const write = (line: string) => process.stdout.write(`${line}\n`);
  return new ConsoleLines({ uids, verbose: options.isVerbose, paint, write });
}

/** Colour is for terminals, and only where neither `--no-color` nor NO_COLOR forbids it. */
export function wantsColour(
  { isColoured }: Pick<TerminalOptions, 'isColoured'>,
  isTerminal = process.stdout.isTTY,
  forbidden = process.env['NO_COLOR'] ?? '',
): boolean {
  return isColoured && isTerminal && forbidden === '';
}
