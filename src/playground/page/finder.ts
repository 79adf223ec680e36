/// <reference lib="dom" />
/**
 * Looking for a violation in a worker, so that the page can be used, and the search be ended,
 * meanwhile. The worker runs the program of this very page, which needs no second file.
 */
import { breakNamed } from '../../simulation/broken/all.ts';
import { type Found, trySeed } from '../find.ts';

/** How a search goes on. `found` null: so many seeds were tried in vain. */
export type News =
  | { readonly kind: 'seed' | 'fell'; readonly seed: number }
  | { readonly kind: 'found'; readonly found: Found | null; readonly seeds: number }
  | { readonly kind: 'failed'; readonly why: string };

const MOST_SEEDS = 5_000;
/** A violation that no story can tell is passed over, but not more of them than this. */
const MOST_UNTOLD = 8;
/** Whether a cluster gets well in time no story says, so the first one is as good as any. */
const HEALING = 10;
/** So often, in seeds, a search says where it is. */
const SAID_EVERY = 10;

/** Begins to look; returns what ends it. */
export function lookFor(name: string, hear: (news: News) => void): () => void {
  const program = document.getElementById('program')?.textContent ?? '';
  const address = URL.createObjectURL(new Blob([program], { type: 'text/javascript' }));
  const worker = new Worker(address);
  worker.addEventListener('message', ({ data }) => hear(data as News));
  worker.addEventListener('error', ({ message }) => hear({ kind: 'failed', why: message }));
  worker.postMessage(name);
  return () => {
    worker.terminate();
    URL.revokeObjectURL(address);
  };
}

/** What the worker does. */
export function findAsWorker(): void {
  addEventListener('message', ({ data }) => {
    const broken = breakNamed(data);
    const say = (news: News) => postMessage(news);
    if (broken === null) return say({ kind: 'failed', why: 'there is no such rule' });
    let untold: Found | null = null;
    let falls = 0;
    const mostFalls = broken.invariants.every((it) => it === HEALING) ? 1 : MOST_UNTOLD;
    for (let seed = 1; seed <= MOST_SEEDS && falls < mostFalls; seed += 1) {
      if (seed % SAID_EVERY === 1) say({ kind: 'seed', seed });
      const found = trySeed(broken, seed, () => say({ kind: 'fell', seed }));
      if (found === null) continue;
      if (found.story !== null) return say({ kind: 'found', found, seeds: seed });
      untold ??= found;
      falls += 1;
    }
    say({ kind: 'found', found: untold, seeds: MOST_SEEDS });
  });
}
