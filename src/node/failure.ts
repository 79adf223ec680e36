/**
 * How a program ends when it cannot go on: one plain sentence on stderr and an exit code, 2 for
 * a wrong usage, 1 for everything else.
 */
import { getSystemErrorMap } from 'node:util';
import { printable } from '../trace/printable.ts';

/** Something went wrong, and its message is all that a person needs to read about it. */
export class Failure extends Error {
  readonly exitCode: number = 1;
}

/** The program was called in a way that cannot be meant. */
export class UsageError extends Failure {
  override readonly exitCode = 2;
}

/** What an error says, in words: "no space left on device (ENOSPC)". */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { errno } = error as NodeJS.ErrnoException;
  const [code, words] = getSystemErrorMap().get(errno ?? 0) ?? [];
  return code === undefined ? error.message : `${words} (${code})`;
}

/** The `code` of a system error, `'ENOENT'` for example; null for any other error. */
export function codeOf(error: unknown): string | null {
  return error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? null) : null;
}

/** Says on stderr what went wrong, in one line, and returns the exit code that goes with it. */
export function complain(error: unknown): number {
  console.error(`error: ${printable(describe(error))}`);
  return error instanceof Failure ? error.exitCode : 1;
}
