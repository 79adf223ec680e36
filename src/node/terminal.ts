/** Where the lines of a server go: its standard output, in colour if a person looks at it. */
import type { Uid } from '../composable-paxos.ts';
import { ConsoleLines, plainPaint } from '../trace/console.ts';
import type { Sink } from './turns.ts';

export interface TerminalOptions {
  readonly isVerbose: boolean;
  readonly isColoured: boolean;
}

export function terminal(uids: readonly Uid[], { isVerbose }: TerminalOptions): Sink {
  const write = (line: string) => process.stdout.write(`${line}\n`);
  return new ConsoleLines({ uids, verbose: isVerbose, paint: plainPaint, write });
}
