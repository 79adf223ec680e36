/**
 * A disk as a system shows it to a program: what is written is in memory, and comes to the disk by
 * sectors, in any order, when it is synced or before. After a power cut there is only what came
 * there. If a sync fails, the system says so once, and takes what it could not bring there for
 * clean: it goes on to show it, and the next sync says that all is well.
 */
import * as fs from 'node:fs';
import type { FileSystem } from '../src/node/state-directory.ts';
import type { Random } from '../src/simulation/random.ts';

const SECTOR_BYTES = 512;
const PLAIN_FILE = { isFile: () => true } as fs.Stats;

/** A file: what is seen of it, what is on the disk, and where these may differ. */
interface Inode {
  seen: Buffer;
  kept: Buffer;
  readonly dirty: Set<number>;
}

type Names = ReadonlyMap<string, Inode>;

/** The process ends in the middle of a call. */
export class Killed extends Error {}

export type Trouble = 'the power is cut' | 'it is killed' | 'it fails';

export class CachedDisk {
  /** The names that are seen, after each change of them since the last sync, the oldest first. */
  #names: Names[] = [new Map()];
  readonly #open = new Map<number, Inode | null>();
  #file = 100;
  /** After so many calls, of this or of any kind, that happens. */
  #after = Number.POSITIVE_INFINITY;
  #of: string | null = null;
  #trouble: Trouble = 'it fails';
  /** Whoever was killed does nothing more. */
  #isOver = false;
  /** In which calls there was what trouble. */
  readonly disturbed = new Set<string>();
  readonly #luck: Random;

  constructor(luck: Random) {
    this.#luck = luck;
  }

  /** In the call that comes after so many others, or so many of its kind, there is trouble. */
  disturb(trouble: Trouble, after: number, of: string | null = null): void {
    this.#after = after;
    this.#of = of;
    this.#trouble = trouble;
  }

  /** What a process would read now. */
  contentOf(path: string): Buffer {
    return this.#seen.get(path)?.seen ?? Buffer.alloc(0);
  }

  /** What is left: each sector that was not synced may have come to the disk, and each name. */
  cutPower(): void {
    const luck = this.#luck;
    this.kill();
    this.#names = [new Map(this.#names[luck.below(this.#names.length)])];
    for (const inode of new Set(this.#names[0]?.values())) {
      this.#bringSome(inode);
      inode.seen = Buffer.from(inode.kept);
    }
  }

  /** The process is killed: nothing is lost but what it had open. */
  kill(): void {
    this.#after = Number.POSITIVE_INFINITY;
    this.#isOver = false;
    this.#open.clear();
  }

  readonly system: FileSystem = {
    ...fs,
    mkdirSync: (() => undefined) as FileSystem['mkdirSync'],
    openSync: (path, flags = 0) => {
      if (!`${path}`.includes('.')) return this.#opened(null);
      const named = this.#seen.get(`${path}`);
      if ((Number(flags) & fs.constants.O_CREAT) === 0) {
        if (named === undefined) throw errorOf('ENOENT');
        return this.#opened(named);
      }
      if (named !== undefined) throw errorOf('EEXIST');
      this.#happens('open', () => {});
      const inode = { seen: Buffer.alloc(0), kept: Buffer.alloc(0), dirty: new Set<number>() };
      this.#rename((names) => names.set(`${path}`, inode));
      return this.#opened(inode);
    },
    closeSync: (file) => void this.#open.delete(file),
    fstatSync: (() => PLAIN_FILE) as unknown as FileSystem['fstatSync'],
    readFileSync: ((file: number) => Buffer.from(this.#inode(file).seen)) as never,
    readdirSync: (() => [...this.#seen.keys()].map((path) => path.split('/').at(-1))) as never,
    writeSync: (file, bytes, from, length, place) => {
      const inode = this.#inode(file);
      const write = (written: number) => {
        writeInto(inode, bytes.subarray(from, from + written), place);
        return written;
      };
      this.#happens('write', () => write(length >> 1));
      return write(length);
    },
    fsyncSync: (file) => this.#sync('fsync', file),
    fdatasyncSync: (file) => this.#sync('fdatasync', file),
    ftruncateSync: (file, length) => {
      this.#happens('truncate', () => {});
      const inode = this.#inode(file);
      inode.seen = inode.seen.subarray(0, length ?? 0);
      const last = sectorOf(length ?? 0);
      for (const sector of inode.dirty) if (sector > last) inode.dirty.delete(sector);
      inode.dirty.add(last);
    },
    renameSync: (from, to) => {
      this.#happens('rename', () => {});
      this.#rename((names) => {
        const inode = names.get(`${from}`);
        if (inode === undefined) throw errorOf('ENOENT');
        names.set(`${to}`, inode);
        names.delete(`${from}`);
      });
    },
    rmSync: (path) => {
      this.#happens('remove', () => {});
      this.#rename((names) => names.delete(`${path}`));
    },
  };

  get #seen(): Names {
    return this.#names.at(-1) as Names;
  }

  #rename(change: (names: Map<string, Inode>) => void): void {
    const names = new Map(this.#seen);
    change(names);
    this.#names.push(names);
  }

  #opened(inode: Inode | null): number {
    this.#file += 1;
    this.#open.set(this.#file, inode);
    return this.#file;
  }

  #inode(file: number): Inode {
    const inode = this.#open.get(file);
    if (inode === undefined || inode === null) throw errorOf('EBADF');
    return inode;
  }

  #bringSome(inode: Inode): void {
    const chance = this.#luck.pick([0, 0.5, 0.8, 1]);
    bringToDisk(
      inode,
      [...inode.dirty].filter(() => this.#luck.chance(chance)),
    );
    inode.dirty.clear();
  }

  /** A directory keeps what it could not bring to the disk: a file system stops there. */
  #sync(call: string, file: number): void {
    const inode = this.#open.get(file) ?? null;
    const fail = () => inode !== null && this.#bringSome(inode);
    this.#happens(inode === null ? `${call} directory` : call, fail);
    if (inode === null) this.#names.splice(0, this.#names.length - 1);
    else bringToDisk(inode, [...inode.dirty]);
    inode?.dirty.clear();
  }

  #happens(call: string, actHalf: () => void): void {
    if (this.#isOver) throw new Killed();
    if (this.#of !== null && this.#of !== call) return;
    this.#after -= 1;
    if (this.#after !== -1) return;
    this.disturbed.add(`${call}: ${this.#trouble}`);
    this.#isOver = this.#trouble !== 'it fails';
    if (call === 'write' || !this.#isOver) actHalf();
    if (this.#isOver) throw new Killed();
    throw errorOf(call === 'write' ? 'ENOSPC' : 'EIO');
  }
}

function sectorOf(place: number): number {
  return Math.floor(place / SECTOR_BYTES);
}

function writeInto(inode: Inode, bytes: Uint8Array, place: number): void {
  const end = place + bytes.length;
  if (inode.seen.length < end) {
    inode.seen = Buffer.concat([inode.seen, Buffer.alloc(end - inode.seen.length)]);
  }
  inode.seen.set(bytes, place);
  for (let at = sectorOf(place); at * SECTOR_BYTES < end; at += 1) inode.dirty.add(at);
}

/** What is in these sectors; a file that ends in one, or before it, ends there. */
function bringToDisk(inode: Inode, sectors: readonly number[]): void {
  const { seen } = inode;
  const end = (Math.max(-1, ...sectors) + 1) * SECTOR_BYTES;
  const length = end > seen.length ? seen.length : Math.max(inode.kept.length, end);
  if (sectors.length === 0) return;
  const kept = Buffer.alloc(length);
  inode.kept.copy(kept);
  for (const sector of sectors) {
    const from = sector * SECTOR_BYTES;
    kept.set(seen.subarray(from, from + SECTOR_BYTES), from);
  }
  inode.kept = kept;
}

function errorOf(code: string): Error {
  return Object.assign(new Error(code), { code, errno: code === 'ENOSPC' ? -28 : -5 });
}
