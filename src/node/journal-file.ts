/**
 * The disk of a real server, of the other kind: a file that grows by a line with every save, see
 * `log/journal.ts`.
 *
 * A save writes one line and waits once for the disk: for its bytes, by `fdatasync`, since nothing
 * else of the file has changed that anybody needs. Not even its length: a file system keeps that
 * elsewhere, and to bring it to the disk as well, for a few hundred bytes, takes it as long again.
 * So the file has room before it is needed, zeros, and most lines are written over some of them.
 * After a crash they are what a torn line may look like, and are cut off as one.
 *
 * Only while the journal begins anew does a save write to another file, too. When all of that is on
 * the disk it is renamed, and the directory is brought to the disk. You can read it: `cat`, or
 * `npm run journal -- FILE`.
 *
 * A server that has kept a JSON file goes over to a journal: it begins with what that file says,
 * and its first save begins the journal and takes the file away, in this order. If it is killed in
 * between, both are there, and the journal counts: its next run takes the file away, once it has
 * found that the journal is its own, and before it answers anybody. So an older state is believed
 * never again, not even when somebody removes the journal. There is no way back.
 */
import * as nodeFs from 'node:fs';
import { join } from 'node:path';
import type { Uid } from '../composable-paxos.ts';
import { Journal, NEWLINE, type Piece } from '../log/journal.ts';
import { lostState, type ServerState } from '../state.ts';
import { JsonStateFile } from './json-state-file.ts';
import { attempt, type FileSystem, StateDirectory, type StateFile } from './state-directory.ts';

/** So much room is made when there is none left: that takes a millisecond or two. */
const ROOM_BYTES = 512 * 1_024;
/** So much of a new journal may wait for the disk, to be brought there at once. */
const MOST_UNSYNCED_BYTES = 512 * 1_024;

export class JournalFile implements StateFile {
  readonly path: string;
  readonly #uid: Uid;
  readonly #fs: FileSystem;
  readonly #directory: StateDirectory;
  readonly #old: JsonStateFile;
  readonly #journal: Journal;
  /** The file, open; null: there is none yet. */
  #file: number | null = null;
  /** Where its lines end, and the room behind them. */
  #end = 0;
  #roomUntil = 0;
  /** The one that is to take its place, if one is being written. */
  #next: number | null = null;
  #nextEnd = 0;
  #nextSynced = 0;
  #takesOver = false;
  /** Whether it is known that there is no file of the other kind any more. */
  #isOnlyOne = false;

  /**
   * The journal of server `uid` in this directory; `limits` are those of a `Journal`. Throws a
   * `Failure` if the directory cannot be had.
   */
  constructor(
    directory: string,
    uid: Uid,
    fs: FileSystem = nodeFs,
    platform: NodeJS.Platform = process.platform,
    limits: readonly [limitBytes?: number, pieceBytes?: number] = [],
  ) {
    this.path = join(directory, `${uid}.journal`);
    this.#uid = uid;
    this.#fs = fs;
    this.#old = new JsonStateFile(directory, uid, fs, platform);
    this.#directory = new StateDirectory(directory, uid, fs, platform);
    this.#journal = new Journal(...limits);
  }

  get takesOver(): string | null {
    return this.#takesOver ? this.#old.path : null;
  }

  /**
   * What was saved last, or null if nothing ever was; a power cut after this cannot bring an
   * older state back. A last line that was never written to its end is cut off. Throws an `Error`
   * with one sentence if there is no journal although there was, or if it is not what was written,
   * and a `Failure` if the system lets nobody at it.
   */
  load(): unknown {
    const bytes = attempt(this.path, 'read', () => this.#directory.read(this.path));
    if (bytes === null) {
      const state = this.#old.load();
      this.#takesOver = state !== null;
      return state;
    }
    const { state, soundBytes } = this.#journal.load(bytes);
    attempt(this.path, 'kept', () => {
      const file = this.#open();
      if (soundBytes < bytes.length) this.#fs.ftruncateSync(file, soundBytes);
      this.#end = this.#roomUntil = soundBytes;
      // Who wrote it may have been killed before it was on the disk, or had its name, or its mark.
      this.#writeLastLine(file, bytes.subarray(0, soundBytes));
      this.#fs.fdatasyncSync(file);
      this.#directory.sync();
      this.#directory.mark();
    });
    return state;
  }

  /**
   * Returns once the state would survive a power cut. Throws a `Failure` otherwise: then the server
   * must stop, and a save must not be tried again.
   */
  save(state: ServerState): void {
    const { line, piece } = this.#journal.save(state);
    attempt(this.path, 'written', () => {
      if (line !== null) this.#append(line);
      if (piece !== null) this.#begin(piece);
      this.#endOther();
    });
  }

  settle(): void {
    if (this.#file !== null) attempt(this.path, 'kept', () => this.#endOther());
  }

  saveAsLost(members: readonly Uid[]): void {
    this.#directory.checkLost(this.path, this.#old.path);
    this.save(lostState(this.#uid, members));
  }

  /**
   * The system may say once that bytes have not come to the disk, go on to show them to whoever
   * reads the file, and say at the next time of asking that all is well ("fsyncgate"). So nobody
   * asks again: the server stops, and the next run of it writes the last line anew, before it
   * believes it. All before that line are on the disk, or it would not have been begun.
   */
  #writeLastLine(file: number, bytes: Uint8Array): void {
    const from = bytes.lastIndexOf(NEWLINE, -2) + 1;
    this.#directory.write(file, bytes.subarray(from), from);
  }

  #append(line: Uint8Array): void {
    const file = this.#file ?? this.#open();
    if (this.#end + line.length > this.#roomUntil) this.#makeRoom(file, line.length);
    this.#directory.write(file, line, this.#end);
    this.#fs.fdatasyncSync(file);
    this.#end += line.length;
  }

  /** The zeros come to the disk with the line that is written over them. */
  #makeRoom(file: number, bytes: number): void {
    const room = new Uint8Array(bytes + ROOM_BYTES);
    this.#directory.write(file, room, this.#end);
    this.#roomUntil = this.#end + room.length;
  }

  #begin({ bytes, isFirst, isLast }: Piece): void {
    if (isFirst) this.#openNext();
    const next = this.#next as number;
    this.#directory.write(next, bytes, this.#nextEnd);
    this.#nextEnd += bytes.length;
    // Nobody needs it before it is whole. But to bring a large one to the disk takes a long turn.
    if (isLast || this.#nextEnd - this.#nextSynced >= MOST_UNSYNCED_BYTES) {
      this.#fs.fsyncSync(next);
      this.#nextSynced = this.#nextEnd;
    }
    if (!isLast) return;
    if (this.#file !== null) this.#fs.closeSync(this.#file); // Windows replaces no open file
    this.#directory.rename(this.path);
    this.#file = next;
    this.#end = this.#roomUntil = this.#nextEnd;
    this.#next = null;
  }

  #openNext(): void {
    if (this.#next !== null) this.#fs.closeSync(this.#next);
    this.#next = this.#directory.createTemporary(this.path);
    this.#nextEnd = this.#nextSynced = 0;
  }

  #open(): number {
    this.#file = this.#directory.openToWrite(this.path);
    return this.#file;
  }

  /** There is a journal: from now on that is known, and it is the only state, durably. */
  #endOther(): void {
    if (this.#isOnlyOne) return;
    this.#directory.mark();
    if (this.#directory.has(this.#old.path)) {
      this.#fs.rmSync(this.#old.path);
      this.#directory.sync();
    }
    this.#takesOver = false;
    this.#isOnlyOne = true;
  }
}
