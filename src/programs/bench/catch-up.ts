/**
 * `npm run bench -- --catch-up --delay 20`: how fast a store catches up, by links and by a
 * snapshot, where servers are far from each other, or near.
 *
 * Whoever asks for one datagram, and for the next one when it has come, waits for the way there
 * and back each time, however fast the network is. So each is measured with one datagram under way
 * at a time, and with as many as a store lets be.
 */
import { performance } from 'node:perf_hooks';
import type { Uid } from '../../composable-paxos.ts';
import { fill, InMemory, Stations } from './stations.ts';

const BYTES_IN_MEGABYTE = 1_000_000;

export interface CatchUpSettings {
  readonly keys: number;
  readonly valueLength: number;
  /** How late each datagram is. */
  readonly delayMs: number;
}

/** The lines of a table. */
export async function* benchCatchUp(settings: CatchUpSettings): AsyncGenerator<string> {
  const { keys, valueLength, delayMs } = settings;
  const number = keys.toLocaleString('en');
  yield `${number} keys of ${valueLength} characters, ${delayMs} ms from one server to another:`;
  yield rowOf('a store catches up', ['MB', 's', 'MB/s', 'beside one', 'longest turn']);
  for (const way of ['links', 'a snapshot'] as const) {
    const [one, many] = [await measure(settings, way, 1), await measure(settings, way, null)];
    const times = one.seconds / many.seconds;
    yield rowOf(`by ${way}, one datagram at a time`, [...one.cells, '', one.longest]);
    yield rowOf(`by ${way}`, [...many.cells, `${times.toFixed(1)} times`, many.longest]);
  }
}

async function measure(
  { keys, valueLength, delayMs }: CatchUpSettings,
  way: 'links' | 'a snapshot',
  window: number | null,
) {
  const stations = new Stations(delayMs);
  const start = (uid: Uid, keepLinks: number) =>
    stations.start(uid, keepLinks, new InMemory(), window);
  // Whoever keeps half of them takes a snapshot at the last one.
  const giver = start('A', way === 'links' ? keys : keys / 2);
  const isTaken =
    way === 'links' || giver.until((it) => it.event === 'snapshot' && it.what === 'taken');
  fill(giver, keys, valueLength);
  await isTaken;
  const startMs = performance.now();
  const laggard = start('B', keys); // it asks by itself
  await laggard.until((it) => it.event === 'advance' && it.instanceNumber === keys + 1);
  const seconds = (performance.now() - startMs) / 1_000;
  const megabytes = stations.bytesTo('B') / BYTES_IN_MEGABYTE;
  const { longestMs } = laggard.watch;
  for (const uid of ['A', 'B']) stations.stop(uid);
  const cells = [megabytes, seconds, megabytes / seconds].map((figure) => figure.toFixed(2));
  return { seconds, cells, longest: `${longestMs.toFixed(1)} ms` };
}

function rowOf(name: string, cells: readonly string[]): string {
  return name.padEnd(40) + cells.map((cell) => cell.padStart(14)).join('');
}
