/**
 * The disk of a real server: one JSON file, replaced as a whole and durably.
 *
 * A save writes a new file beside the old one, brings it to the disk, and renames it over the old
 * one. So there is always one whole file under the name. The directory is brought to the
 * disk, too: a rename that a power cut undoes would bring the old promise back. Windows refuses
 * that for directories; there a power cut, and nothing less, may undo the last save, and with it
 * a promise or an acceptance that others have counted.
 */
import * as nodeFs from 'node:fs';
import { constants } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Uid } from '../composable-paxos.ts';
import type { ServerState } from '../state.ts';
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
  > {
  /** Writes the bytes from there on, or only some of them, and says how many. */
  writeSync(file: number, bytes: Uint8Array, from: number): number;
}

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_DIRECTORY } = constants;
const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;

export class JsonStateFile {
  readonly path: string;
  readonly #temporaryPath: string;
  readonly #fs: FileSystem;
  readonly #platform: NodeJS.Platform;
  /** Kept open: bringing the directory to the disk is part of every save. */
  readonly #directory: number;

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
    this.#temporaryPath = `${this.path}.tmp`;
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
   * older state back. Throws an `Error` with one sentence.
   */
  load(): unknown {
    const bytes = this.#read();
    if (bytes === null) return null;
    if (bytes.length === 0) throw new Error('it is empty');
    // Who saved it may have been killed after the rename and before this.
    this.#syncDirectory(this.#directory);

    const state = parse(bytes);
    // A file that says `null` is not the same as no file at all.
    if (state === null) throw new Error('it does not hold a JSON object');
    return state;
  }

  /** Returns once the state would survive a power cut. Throws a `Failure` otherwise. */
  save(state: ServerState): void {
    try {
      this.#writeTemporary(Buffer.from(`${JSON.stringify(state)}\n`));
      this.#fs.renameSync(this.#temporaryPath, this.path);
      this.#syncDirectory(this.#directory);
    } catch (error) {
      const why = describe(error);
      throw new Failure(
        `the state file ${this.path} cannot be written: ${why}; mend that, then start it again`,
      );
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

  #read(): Buffer | null {
    let file: number;
    try {
      // O_NONBLOCK: to open a named pipe must not wait for somebody to write into it.
      file = this.#fs.openSync(this.path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null;
      if (codeOf(error) === 'ELOOP') throw new Error('it is a symbolic link');
      throw new Error(`it cannot be opened, ${describe(error)}`);
    }
    try {
      if (!this.#fs.fstatSync(file).isFile()) throw new Error('it is not a regular file');
      return this.#fs.readFileSync(file);
    } finally {
      this.#fs.closeSync(file);
    }
  }

  #writeTemporary(bytes: Uint8Array): void {
    const file = this.#createTemporary();
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
