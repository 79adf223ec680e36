/** The options of `client.ts` that speak of holding a lock while a command runs. */
import { isLockName, MOST_LOCK_MS } from '../../log/locks.ts';
import { UsageError } from '../../node/failure.ts';
import { wholeNumber } from '../../node/program.ts';
import type { Holding } from './hold.ts';

export interface HoldFlags {
  readonly hold?: string;
  readonly for?: string;
  readonly wait?: true;
}

const FOR_MS = 30_000;
/** Less leaves no time to renew it. */
const LEAST_FOR_MS = 1_000;

export const HOLD_FOR_HELP = `with --hold: for so long, unless it is renewed (default: ${FOR_MS})`;

/** With --hold all behind the first -- is the command, whatever it looks like. */
export function splitAtCommand(
  args: readonly string[],
): readonly [readonly string[], readonly string[] | null] {
  const at = args.indexOf('--');
  const before = at < 0 ? args : args.slice(0, at);
  if (!before.some((arg) => arg === '--hold' || arg.startsWith('--hold='))) return [args, null];
  return [before, at < 0 ? [] : args.slice(at + 1)];
}

/** What is to be done under a lock; null: nothing is. Throws a `UsageError`. */
export function holdTaskOf(
  { hold: name, for: forMs, wait }: HoldFlags,
  command: readonly string[] | null,
  value: string | undefined,
  isQuestion: boolean,
): ({ readonly kind: 'hold' } & Holding) | null {
  if (name === undefined) {
    if (forMs !== undefined) throw new UsageError('--for goes with --hold');
    return null;
  }
  if (value !== undefined || wait || isQuestion) {
    throw new UsageError('--hold runs a command, and neither sets nor asks for anything');
  }
  if (command === null || command.length === 0) {
    throw new UsageError('--hold wants a command behind --, as in --hold job -- ./backup.sh');
  }
  if (!isLockName(name)) {
    const why = 'the name of a lock has 1 to 64 printable ASCII characters, no space and no quote';
    throw new UsageError(`${why}, not ${JSON.stringify(name)}`);
  }
  const ms = forMs === undefined ? FOR_MS : wholeNumber('--for', forMs, LEAST_FOR_MS, MOST_LOCK_MS);
  return { kind: 'hold', name, forMs: ms, command };
}
