/**
 * The checks that mutants have to pass, the cheapest first: those tests that run in one process,
 * and the simulator. Each is one file of JavaScript for each mutant, in a process of its own.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { Failure } from '../../node/failure.ts';
import { applied, type Mutant } from './mutants.ts';

export const PROJECT = join(import.meta.dirname, '..', '..', '..');
const TESTS = join(PROJECT, 'test');
const SEEDS = 'src/programs/mutate/seeds.ts';
/** These start processes or browsers, or load what cannot be bundled. */
const IS_OUTSIDE = /'\.\/(?:processes|browser)\.ts'|node:child_process|import\('/;
/** Two that look at sources, and one whose subject is rules that are wrong already. */
const OTHERS = ['architecture.test.ts', 'mutants.test.ts', 'breaks.test.ts'];
/** One of the packages is CommonJS, which asks for its modules by `require`. */
const REQUIRE =
  'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);';
/** A mutant may run in circles: so it seems when it takes so much longer than the right code. */
const PATIENCE_FACTOR = 10;
const LEAST_PATIENCE_MS = 15_000;
const MOST_MEMORY_MB = 2_000;

interface Check {
  readonly name: string;
  /** The sources that it runs, as paths from the project. */
  readonly reaches: ReadonlySet<string>;
  readonly tookMs: number;
}

export class Checks {
  readonly #directory = mkdtempSync(join(tmpdir(), 'paxos-mutate-'));
  readonly #seeds: number;
  readonly #children = new Set<ChildProcess>();
  #checks: readonly Check[] = [];
  #files = 0;

  constructor(seeds: number) {
    this.#seeds = seeds;
  }

  /** Finds the checks, and how long each takes. Throws a `Failure` if one fails by itself. */
  async prepare(): Promise<void> {
    const checks: Check[] = [];
    for (const name of [...testsInOneProcess(), SEEDS]) {
      const { file, reaches } = await this.#bundle(name, null);
      const startedMs = performance.now();
      const fault = await this.#faultOf(name, file, Number.POSITIVE_INFINITY);
      if (fault !== null) throw new Failure(`${name} does not pass without a mutant: ${fault}`);
      checks.push({ name, reaches, tookMs: performance.now() - startedMs });
    }
    this.#checks = checks.toSorted((a, b) => a.tookMs - b.tookMs);
  }

  /** What notices the mutant first, in words; null if nothing does. */
  async whoNotices(mutant: Mutant): Promise<string | null> {
    for (const { name, reaches, tookMs } of this.#checks) {
      if (!reaches.has(mutant.file)) continue;
      const { file } = await this.#bundle(name, mutant);
      const patienceMs = Math.max(LEAST_PATIENCE_MS, PATIENCE_FACTOR * tookMs);
      const fault = await this.#faultOf(name, file, patienceMs);
      rmSync(file);
      if (fault !== null) return `${name}: ${fault}`;
    }
    return null;
  }

  /** Ends all that runs, and leaves nothing behind. */
  end(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #bundle(name: string, mutant: Mutant | null) {
    this.#files += 1;
    const file = join(this.#directory, `${this.#files}.mjs`);
    const place = pathToFileURL(join(PROJECT, name));
    const { metafile } = await build({
      absWorkingDir: PROJECT,
      entryPoints: [name],
      outfile: file,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      keepNames: true, // the layers tell their names
      banner: { js: REQUIRE },
      metafile: true,
      define: {
        'import.meta.url': JSON.stringify(place.href),
        'import.meta.dirname': JSON.stringify(TESTS),
      },
      plugins: mutant === null ? [] : [putIn(mutant)],
    });
    return { file, reaches: new Set(Object.keys(metafile.inputs)) };
  }

  /** The first fault that a check finds, in its own words; null if it finds none. */
  async #faultOf(name: string, file: string, patienceMs: number): Promise<string | null> {
    const flags = ['--test-reporter=tap', `--max-old-space-size=${MOST_MEMORY_MB}`];
    const args = name === SEEDS ? [`${this.#seeds}`] : [];
    const { NODE_TEST_CONTEXT: _none, REWRITE: _neither, ...env } = process.env;
    const child = spawn(process.execPath, [...flags, file, ...args], {
      cwd: PROJECT,
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    this.#children.add(child);
    let said = '';
    let isLate = false;
    const timeout = setTimeout(
      () => {
        isLate = true;
        child.kill('SIGKILL');
      },
      Math.min(patienceMs, 2 ** 31 - 1),
    );
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (firstFault(said) !== null) child.kill('SIGKILL');
    });
    const [code] = await once(child, 'close');
    clearTimeout(timeout);
    this.#children.delete(child);
    if (code === 0) return null;
    return firstFault(said) ?? (isLate ? 'it does not end' : `it ends with ${code}`);
  }
}

function firstFault(said: string): string | null {
  return /^ *not ok [0-9]* ?- (.*)\n/m.exec(said)?.[1] ?? null;
}

function testsInOneProcess(): readonly string[] {
  return readdirSync(TESTS).flatMap((name) => {
    if (!name.endsWith('.test.ts') || OTHERS.includes(name)) return [];
    return IS_OUTSIDE.test(readFileSync(join(TESTS, name), 'utf8')) ? [] : [`test/${name}`];
  });
}

/** Lets the bundler read the mutant in the place of its file. */
function putIn(mutant: Mutant): Plugin {
  const path = join(PROJECT, mutant.file);
  return {
    name: 'mutant',
    setup: ({ onLoad }) => {
      onLoad({ filter: /\.ts$/ }, (file) => {
        if (file.path !== path) return null;
        return { contents: applied(mutant, readFileSync(path, 'utf8')), loader: 'ts' };
      });
    },
  };
}
