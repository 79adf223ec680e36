/**
 * `npm run bench -- --restart`: how long a store takes to go on from a large journal: to read it,
 * and to make its state out of it once more. Nobody is served meanwhile.
 */
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { Environment } from '../../environment.ts';
import { keeping, StoreReplica } from '../../log/replicas.ts';
import { JournalFile } from '../../node/journal-file.ts';
import type { ServerState } from '../../state.ts';
import { OneStore } from './long-log.ts';

/** It is saved after so many updates, so that the journal has many lines and is soon made. */
const SAVE_EVERY = 100;
const BYTES_IN_MEGABYTE = 1_000_000;

/** What a store has on its disk. */
interface Kind {
  readonly what: string;
  readonly keys: number;
  /** So many links are kept; null: as many as always. */
  readonly keepLinks: number | null;
}

/** The lines of a table: stores of this size, in this directory. */
export function* benchRestarts(parent: string, size: number): Generator<string> {
  const number = size.toLocaleString('en');
  const kinds: readonly Kind[] = [
    { what: `${number} links kept, 1,000 keys`, keys: 1_000, keepLinks: size },
    { what: `${number} keys`, keys: size, keepLinks: null },
  ];
  yield rowOf('a store starts again with', ['journal', 'read in', 'made again in', 'together']);
  for (const kind of kinds) yield measure(parent, size, kind);
}

function measure(parent: string, size: number, { what, keys, keepLinks }: Kind): string {
  mkdirSync(parent, { recursive: true });
  const directory = mkdtempSync(join(parent, 'restart-'));
  try {
    const links = fill(directory, size, keys, keepLinks);
    const startMs = performance.now();
    const file = new JournalFile(directory, 'A');
    const state = file.load();
    const readMs = performance.now();
    const replica = new (keeping(StoreReplica, keepLinks))('A', ['A'], startingFrom(state));
    replica.start();
    const endMs = performance.now();
    if (replica.instanceNumber !== links + 1) throw new Error('it has not come to its end');
    const megabytes = statSync(file.path).size / BYTES_IN_MEGABYTE;
    return rowOf(what, [
      `${megabytes.toFixed(1)} MB`,
      ...[readMs - startMs, endMs - readMs, endMs - startMs].map((ms) => `${ms.toFixed(0)} ms`),
    ]);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Makes the journal of a store, and says how many links it has seen. */
function fill(directory: string, links: number, keys: number, keepLinks: number | null): number {
  const file = new JournalFile(directory, 'A');
  const server = new OneStore({ keys, keepLinks });
  for (let n = 0; n < links; n += 1) {
    server.update(n);
    if (n % SAVE_EVERY === 0) file.save(server.saved as ServerState);
  }
  server.stop();
  file.save(server.saved as ServerState);
  return server.links;
}

function startingFrom(state: unknown): Environment {
  return {
    clock: { now: () => 0, wallNow: () => 0, after: () => ({ cancel: () => {} }) },
    random: () => 0.5,
    messenger: { send: () => {}, reply: () => {}, canCarry: () => true },
    storage: { load: () => state, save: () => {} },
    trace: () => {},
  };
}

function rowOf(name: string, cells: readonly string[]): string {
  return name.padEnd(36) + cells.map((cell) => cell.padStart(15)).join('');
}
