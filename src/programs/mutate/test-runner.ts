/**
 * Runs tests over and over, so that not every time a process has to start: what it is given is one
 * script of all of them. It answers with the name of the first that fails, or null, and with what
 * each took; before each it prints a point.
 */
import { writeSync } from 'node:fs';
import { createRequire } from 'node:module';

export interface Job {
  /** Given the runner as what `require` finds, it registers its tests. */
  readonly script: string;
  /** The names of those to run, in this order; null: all, as they come. */
  readonly order: readonly string[] | null;
}

export interface Verdict {
  readonly fault: string | null;
  /** What each test took, in milliseconds. */
  readonly costs: ReadonlyMap<string, number>;
}

type Act = (context: object) => unknown;

const requireBuiltIn = createRequire(import.meta.url);
const STDOUT = 1;
const CONTEXT = { diagnostic: () => {} };

async function judge({ script, order }: Job): Promise<Verdict> {
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
  const ranks = new Map(order?.map((name, rank) => [name, rank]));
  const rankOf = ({ name }: { name: string }) => ranks.get(name) ?? -1;
  const chosen = order === null ? tests : tests.filter(({ name }) => ranks.has(name));
  for (const { name, act } of chosen.toSorted((a, b) => rankOf(a) - rankOf(b))) {
    writeSync(STDOUT, '.'); // for whoever waits: the one before has come to an end
    const before = process.cpuUsage();
    try {
      await act(CONTEXT);
    } catch {
      return { fault: name, costs: took };
    }
    const { user, system } = process.cpuUsage(before); // however busy the machine is
    took.set(name, (user + system) / 1_000);
  }
  return { fault: null, costs: took };
}

process.on('message', async (job: Job) => process.send?.(await judge(job)));
process.on('disconnect', () => process.exit());
