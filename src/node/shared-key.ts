/** Where a program gets the key from that it shares with the servers. It is never printed. */
import type { KeyObject } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { Address } from './cluster-file.ts';
import { describe, UsageError } from './failure.ts';
import { keyOf, MIN_KEY_BYTES } from './sealed-datagrams.ts';

/** How the programs describe their option `--key-file <FILE>`. */
export const KEY_FILE_HELP = `the shared key, ${MIN_KEY_BYTES} bytes or more, in a file that only \
you may read; without this flag the environment variable PAXOS_KEY counts`;

/** More than any key needs. */
const MAX_KEY_FILE_BYTES = 4_096;
/** The bits of a file's mode that let others than its owner do something with it. */
const OTHERS = 0o077;

/**
 * The key in `file`, without the end of its line, or else in the environment variable PAXOS_KEY;
 * null if there is neither. Throws a `UsageError` if it cannot be had, is too short, or is open to
 * others: an empty key may be a mishap, and is not the same as none.
 */
export function chosenKey(file: string | undefined, env = process.env): KeyObject | null {
  const text = env['PAXOS_KEY'];
  if (file !== undefined) return readKey(`the key file ${file}`, () => secretIn(file));
  if (text === undefined) return null;
  return readKey('the key in PAXOS_KEY', () => Buffer.from(text));
}

/** Does this IP address belong to the machine alone? */
export function isLoopback({ host }: Pick<Address, 'host'>): boolean {
  return host === '::1' || /^127\.[0-9.]+$/.test(host);
}

function readKey(what: string, read: () => Uint8Array): KeyObject {
  try {
    return keyOf(read());
  } catch (error) {
    throw new UsageError(`${what} cannot be used: ${describe(error)}`);
  }
}

/**
 * What is in a file that only its owner may use. An editor, or `echo`, ends the line; that is no
 * part of it. Throws an `Error` with one sentence.
 */
export function secretIn(file: string): Buffer {
  checkFile(file);
  const bytes = readFileSync(file);
  const end = bytes.at(-1) === 0x0a ? (bytes.at(-2) === 0x0d ? -2 : -1) : bytes.length;
  return bytes.subarray(0, end);
}

/** Throws an `Error` with one sentence before something is read that never ends. */
function checkFile(file: string): void {
  const stats = statSync(file);
  if (!stats.isFile()) throw new Error('it is not a regular file');
  if (stats.size > MAX_KEY_FILE_BYTES) {
    throw new Error(`it has ${stats.size} bytes, and ${MAX_KEY_FILE_BYTES} are the most`);
  }
  // Windows keeps its permissions elsewhere.
  if (process.platform !== 'win32' && (stats.mode & OTHERS) !== 0) {
    throw new Error(`others may use it, too: chmod 600 ${file}`);
  }
}
