/**
 * The disk of a real server: one JSON file, replaced as a whole and durably.
 *
 * A save writes a new file beside the old one, brings it to the disk, and renames it over the old
 * one. So there is always one whole file under the name. The directory is brought to the
 * disk, too: a rename that a power cut undoes would bring the old promise back. Windows refuses
 * that for directories; there a power cut, and nothing less, may undo the last save, and with it
 * a promise or an acceptance that others have counted.
 *
 * The file begins with a checksum of the rest. Disks return other bytes than they were given, if
 * rarely, and a promise or a value that is not the one that was saved must not be gone on from.
 * Whoever edits the file on purpose takes the checksum out.
 *
 * Beside it lies a *mark*, made once, before the first save returns, and so before anything is said
 * that depends on it. If the file is missing one day, the mark tells that there was one.
 */
import { createHash } from 'node:crypto';
import * as nodeFs from 'node:fs';
import { constants } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { Uid } from '../composable-paxos.ts';
import { isRecord } from '../messages.ts';
import { lostState, type ServerState, STATE_IS_MISSING } from '../state.ts';
import { codeOf, describe, Failure } from './failure.ts';

/** What is needed of `node:fs`; a test puts a disk in its place that is full. */
export interface FileSystem
  extends Pick<
    typeof nodeFs,
    | 'openSync'
    | 'closeSync'
    | 'fstatSync'
    | 'readFileSync'
    | 'fsyncSync'
    | 'renameSync'
    | 'mkdirSync'
    | 'rmSync'
    | 'readdirSync'
  > {
  /** Writes the bytes from there on, or only some of them, and says how many. */
  writeSync(file: number, bytes: Uint8Array, from: number): number;
}

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_DIRECTORY } = constants;
const MARK = 'This server has kept a state here. If that is missing, see --rejoin.\n';
const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;
const CHECKSUM_DIGITS = 16;

export class JsonStateFile {
  readonly path: string;
  readonly #uid: Uid;
  readonly #temporaryPath: string;
  readonly #markPath: string;
  readonly #fs: FileSystem;
  readonly #platform: NodeJS.Platform;
  /** Kept open: bringing the directory to the disk is part of every save. */
  readonly #directory: number;
  #isMarked = false;

  /**
   * Opens, and if need be creates, the directory in which server `uid` keeps its state. Nothing
   * in it is changed. One server at a time may use it; the port that a server binds before it
   * comes here sees to that. Throws a `Failure` if the directory cannot be had.
   */
  constructor(
    directory: string,
    uid: Uid,
    fs: FileSystem = nodeFs,
    platform: NodeJS.Platform = process.platform,
  ) {
    this.path = join(directory, `${uid}.json`);
    this.#uid = uid;
    this.#temporaryPath = `${this.path}.tmp`;
    this.#markPath = join(directory, `${uid}.mark`);
    this.#fs = fs;
    this.#platform = platform;
    try {
      this.#createDirectory(resolve(directory));
      this.#directory = fs.openSync(directory, O_RDONLY | O_DIRECTORY);
    } catch (error) {
      const why = describe(error);
      throw new Failure(
        `the state directory ${directory} cannot be used: ${why}; choose one with --state-dir`,
      );
    }
  }

  /**
   * What was saved last, or null if nothing ever was; a power cut after this cannot bring an
   * older state back. Throws an `Error` with one sentence if there is none although there was, or
   * if it cannot be one, and a `Failure` if the system lets nobody at it.
   */
  load(): unknown {
    const bytes = this.#try('read', () => this.#read(this.path));
    if (bytes === null) {
      if (this.#try('read', () => this.#has(this.#markPath))) throw new Error(STATE_IS_MISSING);
      return null;
    }
    if (bytes.length === 0) throw new Error('it is empty');
    // Who saved it may have been killed after the rename and before this, or before the mark.
    this.#try('kept', () => {
      this.#syncDirectory(this.#directory);
      this.#mark();
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
    const checksum = checksumOf(state);
    this.#try('written', () => {
      this.#write(
        this.#createTemporary(),
        Buffer.from(`${JSON.stringify({ checksum, ...state })}\n`),
      );
      this.#fs.renameSync(this.#temporaryPath, this.path);
      this.#syncDirectory(this.#directory);
      this.#mark();
    });
  }

  /**
   * Makes a server that has lost its state begin with knowing so. Throws a `Failure`, and changes
   * nothing, if something has that name.
   */
  saveAsLost(members: readonly Uid[]): void {
    if (this.#has(this.path)) {
      const why = '--rejoin is for a server that has lost it';
      throw new Failure(`the state file ${this.path} is there, and ${why}: start it without`);
    }
    this.save(lostState(this.#uid, members));
  }

  /** What the system has to say against it becomes a `Failure`; other errors pass. */
  #try<Result>(done: string, act: () => Result): Result {
    try {
      return act();
    } catch (error) {
      if (codeOf(error) === null) throw error;
      const why = `cannot be ${done}: ${describe(error)}`;
      throw new Failure(`the state file ${this.path} ${why}; mend that, then start it again`);
    }
  }

  /** Its new names survive a power cut, wherever a system can promise that. */
  #syncDirectory(directory: number): void {
    try {
      this.#fs.fsyncSync(directory);
    } catch (error) {
      const isRefused = this.#platform === 'win32' && codeOf(error) === 'EPERM';
      if (!isRefused) throw error;
    }
  }

  #read(path: string): Buffer | null {
    let file: number;
    try {
      // O_NONBLOCK: to open a named pipe must not wait for somebody to write into it.
      file = this.#fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null; // anything else does not say that there is none
      if (codeOf(error) === 'ELOOP') throw new Error('it is a symbolic link');
      throw error;
    }
    try {
      if (!this.#fs.fstatSync(file).isFile()) throw new Error('it is not a regular file');
      return this.#fs.readFileSync(file);
    } finally {
      this.#fs.closeSync(file);
    }
  }

  #has(path: string): boolean {
    return this.#fs.readdirSync(dirname(path)).includes(basename(path));
  }

  #mark(): void {
    if (this.#isMarked) return;
    if (!this.#has(this.#markPath)) {
      const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
      this.#write(this.#fs.openSync(this.#markPath, flags, FILE_MODE), Buffer.from(MARK));
      this.#syncDirectory(this.#directory);
    }
    this.#isMarked = true;
  }

  /** Writes the bytes into a new file, brings them to the disk, and closes it. */
  #write(file: number, bytes: Uint8Array): void {
    try {
      for (let written = 0; written < bytes.length; ) {
        written += this.#fs.writeSync(file, bytes, written);
      }
      this.#fs.fsyncSync(file);
    } finally {
      this.#fs.closeSync(file);
    }
  }

  #createTemporary(): number {
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    try {
      return this.#fs.openSync(this.#temporaryPath, flags, FILE_MODE);
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
      // It is left over from a crash. It was never renamed, so nothing was said that is in it.
      this.#fs.rmSync(this.#temporaryPath);
      return this.#fs.openSync(this.#temporaryPath, flags, FILE_MODE);
    }
  }

  /** Every directory that got a new entry is brought to the disk. */
  #createDirectory(directory: string): void {
    const first = this.#fs.mkdirSync(directory, { recursive: true, mode: DIRECTORY_MODE });
    if (first === undefined) return;
    for (let made = directory; made.length >= first.length; made = dirname(made)) {
      const parent = this.#fs.openSync(dirname(made), O_RDONLY | O_DIRECTORY);
      this.#syncDirectory(parent);
      this.#fs.closeSync(parent);
    }
  }
}

/** The JSON text of what was read is that of what was written, its white space aside. */
function checksumOf(state: object): string {
  const digest = createHash('sha256').update(JSON.stringify(state)).digest('hex');
  return digest.slice(0, CHECKSUM_DIGITS);
}

/** What a save is not worth on this system, in a sentence for whoever starts a server; or null. */
export function whatMayBeLost(platform: NodeJS.Platform = process.platform): string | null {
  if (platform !== 'win32') return null;
  return 'on Windows a power cut may undo the last save: a promise may be forgotten then';
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new Error('it is not JSON in UTF-8');
  }
}
