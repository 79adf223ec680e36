/** Where the lines of a server go: its standard output, in colour if a person looks at it. */
import type { Uid } from '../composable-paxos.ts';
import type { TraceEvent } from '../trace/events.ts';
import type { Sink } from './turns.ts';

export function terminal(_uids: readonly Uid[], _options: { readonly isVerbose: boolean }): Sink {
  return {
    show: (event: TraceEvent) => process.stdout.write(`${JSON.stringify(event)}\n`),
    endTurn: () => {},
  };
}
