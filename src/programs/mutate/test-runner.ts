/**
 * Runs tests over and over, so that not every time a process has to start: what it is given is one
 * script of all of them. It answers with the name of the first that fails, or null, and with what
 * each took.
 */
import { createRequire } from 'node:module';

export interface Job {
  /** Given the runner as what `require` finds, it registers its tests. */
  readonly script: string;
  /** What each test takes without a mutant, in milliseconds: the quickest go first. */
  readonly costs: ReadonlyMap<string, number>;
  /** Those that take longer are left out. */
  readonly mostMs: number;
}

export interface Verdict {
  readonly fault: string | null;
  readonly costs: ReadonlyMap<string, number>;
}

type Act = (context: object) => unknown;

const requireBuiltIn = createRequire(import.meta.url);
const CONTEXT = { diagnostic: () => {} };

async function judge({ script, costs, mostMs }: Job): Promise<Verdict> {
  const tests: { readonly name: string; readonly act: Act }[] = [];
  const runner = {
    test: (name: string, act: Act) => tests.push({ name, act }),
    suite: (_name: string, act: () => void) => act(),
  };
  const requireHere = (name: string) => (name === 'node:test' ? runner : requireBuiltIn(name));
  const took = new Map<string, number>();
  try {
    new Function('require', 'module', script)(requireHere, {});
  } catch (error) {
    return { fault: `it does not start: ${error}`, costs: took };
  }
  const costOf = (name: string) => costs.get(name) ?? 0;
  const chosen = tests.filter(({ name }) => costOf(name) <= mostMs);
  for (const { name, act } of chosen.toSorted((a, b) => costOf(a.name) - costOf(b.name))) {
    const startedMs = performance.now();
    try {
      await act(CONTEXT);
    } catch {
      return { fault: name, costs: took };
    }
    took.set(name, performance.now() - startedMs);
  }
  return { fault: null, costs: took };
}

process.on('message', async (job: Job) => process.send?.(await judge(job)));
process.on('disconnect', () => process.exit());
