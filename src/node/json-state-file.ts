/**
 * The disk of a real server: one JSON file, replaced as a whole and durably, see
 * `state-directory.ts`.
 *
 * The file begins with a checksum of the rest. Disks return other bytes than they were given, if
 * rarely, and a promise or a value that is not the one that was saved must not be gone on from.
 * Whoever edits the file on purpose takes the checksum out.
 */
import { createHash } from 'node:crypto';
import * as nodeFs from 'node:fs';
import { join } from 'node:path';
import type { Uid } from '../composable-paxos.ts';
import { isRecord } from '../messages.ts';
import { lostState, MustStop, type ServerState } from '../state.ts';
import { attempt, type FileSystem, StateDirectory, type StateFile } from './state-directory.ts';

const CHECKSUM_DIGITS = 16;

export class JsonStateFile implements StateFile {
  readonly path: string;
  readonly takesOver = null;
  readonly #uid: Uid;
  readonly #directory: StateDirectory;
  /** Where a server keeps its state that has gone over to a journal. */
  readonly #journalPath: string;

  /** The file of server `uid` in this directory. Throws a `Failure` if that cannot be had. */
  constructor(
    directory: string,
    uid: Uid,
    fs: FileSystem = nodeFs,
    platform: NodeJS.Platform = process.platform,
  ) {
    this.path = join(directory, `${uid}.json`);
    this.#journalPath = join(directory, `${uid}.journal`);
    this.#uid = uid;
    this.#directory = new StateDirectory(directory, uid, fs, platform);
  }

  /**
   * What was saved last, or null if nothing ever was; a power cut after this cannot bring an
   * older state back. Throws an `Error` with one sentence if there is none although there was, or
   * if it cannot be one, and a `Failure` if the system lets nobody at it.
   */
  load(): unknown {
    const directory = this.#directory;
    const [bytes, hasJournal] = attempt(this.path, 'read', () => {
      return [directory.read(this.path), directory.has(this.#journalPath)] as const;
    });
    if (hasJournal) {
      const advice = 'start it with --journal, or with --store if it is that of a store';
      throw new MustStop(`${this.#journalPath} has taken its place: ${advice}`);
    }
    if (bytes === null) {
      attempt(this.path, 'read', () => directory.checkNeverUsed());
      return null;
    }
    if (bytes.length === 0) throw new Error('it is empty');
    // Who saved it may have been killed after the rename and before this, or before the mark.
    attempt(this.path, 'kept', () => {
      directory.sync();
      directory.mark();
    });

    const stored = parse(bytes);
    // A file that says `null` is not the same as no file at all.
    if (!isRecord(stored)) throw new Error('it does not hold a JSON object');
    const { checksum, ...state } = stored;
    // One from before there were checksums has none; the next save adds it.
    if (checksum === undefined || checksum === checksumOf(state)) return state;
    throw new Error('its checksum is wrong: what it holds is not what was saved');
  }

  /** Returns once the state would survive a power cut. Throws a `Failure` otherwise. */
  save(state: ServerState): void {
    const bytes = Buffer.from(`${JSON.stringify({ checksum: checksumOf(state), ...state })}\n`);
    attempt(this.path, 'written', () => {
      this.#directory.replace(this.path, bytes);
      this.#directory.mark();
    });
  }

  /** A file like this replaces none of the other kind. */
  settle(): void {}

  saveAsLost(members: readonly Uid[]): void {
    this.#directory.checkLost(this.path, this.#journalPath);
    this.save(lostState(this.#uid, members));
  }
}

/** The JSON text of what was read is that of what was written, its white space aside. */
function checksumOf(state: object): string {
  const digest = createHash('sha256').update(JSON.stringify(state)).digest('hex');
  return digest.slice(0, CHECKSUM_DIGITS);
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new Error('it is not JSON in UTF-8');
  }
}
