/**
 * The directory in which a server keeps its state, in whichever kind of file.
 *
 * A file that takes the place of another one is written under another name, brought to the disk,
 * and renamed. So there is always one whole file under the name. The directory is brought to the
 * disk, too: a rename that a power cut undoes would bring the old promise back. Windows refuses
 * that for directories; there a power cut, and nothing less, may undo the last save, and with it
 * a promise or an acceptance that others have counted.
 *
 * Beside the file lies a *mark*, made once, before the first save returns, and so before anything
 * is said that depends on it. If the file is missing one day, the mark tells that there was one.
 */
import type * as nodeFs from 'node:fs';
import { constants } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { Uid } from '../composable-paxos.ts';
import type { Storage } from '../environment.ts';
import { STATE_IS_MISSING } from '../state.ts';
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
    | 'fdatasyncSync'
    | 'ftruncateSync'
    | 'renameSync'
    | 'mkdirSync'
    | 'rmSync'
    | 'readdirSync'
  > {
  /** Writes so many of the bytes, or only some, to this place, and says how many. */
  writeSync(file: number, bytes: Uint8Array, from: number, length: number, place: number): number;
}

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL } = constants;
const { O_NOFOLLOW, O_NONBLOCK, O_DIRECTORY } = constants;
const MARK = 'This server has kept a state here. If that is missing, see --rejoin.\n';
const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;

/** Where a real server keeps its state. */
export interface StateFile extends Storage {
  readonly path: string;
  /** A file of the other kind whose state the next save takes over; null: there is none. */
  readonly takesOver: string | null;
  /**
   * Whoever has loaded it goes on from it, and answers nobody before this returns: a file of the
   * other kind, which it has replaced, is taken away. Throws a `Failure` if that cannot be.
   */
  settle(): void;
  /**
   * Makes a server that has lost its state begin with knowing so. Throws a `Failure`, and changes
   * nothing, if it is there.
   */
  saveAsLost(members: readonly Uid[]): void;
}

export class StateDirectory {
  readonly path: string;
  readonly #markPath: string;
  readonly #fs: FileSystem;
  readonly #platform: NodeJS.Platform;
  /** Kept open: bringing the directory to the disk is part of many saves. */
  readonly #directory: number;
  #isMarked = false;

  /**
   * Opens, and if need be creates, the directory in which server `uid` keeps its state. Nothing
   * in it is changed. One server at a time may use it; the port that a server binds before it
   * comes here sees to that. Throws a `Failure` if the directory cannot be had.
   */
  constructor(path: string, uid: Uid, fs: FileSystem, platform: NodeJS.Platform) {
    this.path = path;
    this.#markPath = join(path, `${uid}.mark`);
    this.#fs = fs;
    this.#platform = platform;
    try {
      this.#createDirectory(resolve(path));
      this.#directory = fs.openSync(path, O_RDONLY | O_DIRECTORY);
    } catch (error) {
      const why = describe(error);
      throw new Failure(
        `the state directory ${path} cannot be used: ${why}; choose one with --state-dir`,
      );
    }
  }

  /** All that the file holds; null: there is none. Throws an `Error` if it is no plain file. */
  read(path: string): Buffer | null {
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

  has(path: string): boolean {
    return this.#fs.readdirSync(dirname(path)).includes(basename(path));
  }

  /** Throws a `Failure` if one of these files is there: a state that is there is not lost. */
  checkLost(...paths: readonly string[]): void {
    const path = paths.find((known) => this.has(known));
    if (path === undefined) return;
    const why = '--rejoin is for a server that has lost it';
    throw new Failure(`the state file ${path} is there, and ${why}: start it without`);
  }

  /** Throws, with one sentence, if a state was kept here once: its file is missing. */
  checkNeverUsed(): void {
    if (this.has(this.#markPath)) throw new Error(STATE_IS_MISSING);
  }

  /** These bytes take the place of the file, durably; but there must be a mark, too. */
  replace(path: string, bytes: Uint8Array): void {
    this.#writeAndClose(this.createTemporary(path), bytes);
    this.rename(path);
  }

  /** What is in its temporary file takes the place of the file; that must be on the disk. */
  rename(path: string): void {
    this.#fs.renameSync(`${path}.tmp`, path);
    this.sync();
  }

  /** Opens a new and empty temporary file that may take the place of this one. */
  createTemporary(path: string): number {
    const temporaryPath = `${path}.tmp`;
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    try {
      return this.#fs.openSync(temporaryPath, flags, FILE_MODE);
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
      // It is left over from a crash. It was never renamed, so nothing was said that is in it.
      this.#fs.rmSync(temporaryPath);
      return this.#fs.openSync(temporaryPath, flags, FILE_MODE);
    }
  }

  /** Opens the file, which is there, to write more into it. */
  openToWrite(path: string): number {
    return this.#fs.openSync(path, O_WRONLY | O_NOFOLLOW);
  }

  /** Writes all of the bytes, from this place in the file on. */
  write(file: number, bytes: Uint8Array, place: number): void {
    for (let written = 0; written < bytes.length; ) {
      const left = bytes.length - written;
      written += this.#fs.writeSync(file, bytes, written, left, place + written);
    }
  }

  /** Its new names survive a power cut, wherever a system can promise that. */
  sync(directory = this.#directory): void {
    try {
      this.#fs.fsyncSync(directory);
    } catch (error) {
      const isRefused = this.#platform === 'win32' && codeOf(error) === 'EPERM';
      if (!isRefused) throw error;
    }
  }

  /** Makes the mark, if it is not there. */
  mark(): void {
    if (this.#isMarked) return;
    if (!this.has(this.#markPath)) {
      const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
      this.#writeAndClose(this.#fs.openSync(this.#markPath, flags, FILE_MODE), Buffer.from(MARK));
      this.sync();
    }
    this.#isMarked = true;
  }

  /** Writes the bytes into a new file, brings them to the disk, and closes it. */
  #writeAndClose(file: number, bytes: Uint8Array): void {
    try {
      this.write(file, bytes, 0);
      this.#fs.fsyncSync(file);
    } finally {
      this.#fs.closeSync(file);
    }
  }

  /** Every directory that got a new entry is brought to the disk. */
  #createDirectory(directory: string): void {
    const first = this.#fs.mkdirSync(directory, { recursive: true, mode: DIRECTORY_MODE });
    if (first === undefined) return;
    for (let made = directory; made.length >= first.length; made = dirname(made)) {
      const parent = this.#fs.openSync(dirname(made), O_RDONLY | O_DIRECTORY);
      this.sync(parent);
      this.#fs.closeSync(parent);
    }
  }
}

/** What the system has to say against it becomes a `Failure`; other errors pass. */
export function attempt<Result>(path: string, done: string, act: () => Result): Result {
  try {
    return act();
  } catch (error) {
    if (codeOf(error) === null) throw error;
    const why = `cannot be ${done}: ${describe(error)}`;
    throw new Failure(`the state file ${path} ${why}; mend that, then start it again`);
  }
}

/** What a save is not worth on this system, in a sentence for whoever starts a server; or null. */
export function whatMayBeLost(platform: NodeJS.Platform = process.platform): string | null {
  if (platform !== 'win32') return null;
  return 'on Windows a power cut may undo the last save: a promise may be forgotten then';
}
