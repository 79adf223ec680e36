/**
 * The checks that mutants have to pass, the cheapest first: those tests that run in one process,
 * and the simulator. The quick ones run together, in one process.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { Failure } from '../../node/failure.ts';
import { applied, type Mutant } from './mutants.ts';
import type { Job, Verdict } from './test-runner.ts';

export const PROJECT = join(import.meta.dirname, '..', '..', '..');
const TESTS = join(PROJECT, 'test');
/** Where the tests stand, for those that ask. */
const PLACE = pathToFileURL(join(TESTS, 'any.test.ts')).href;
const SEEDS = 'src/programs/mutate/seeds.ts';
const RUNNER = 'src/programs/mutate/test-runner.ts';
/** These start processes, browsers or HTTP servers, or load what cannot be bundled. */
const IS_OUTSIDE =
  /'\.\/(?:processes|browser|http-door)\.ts'|\/hold\.ts'|node:child_process|import\('/;
/** Two that look at sources. */
const OTHERS = ['architecture.test.ts', 'mutants.test.ts'];
/** One of the packages is CommonJS, which asks for its modules by `require`. */
const REQUIRE =
  'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);';
/** A mutant may run in circles: so it seems when it takes so much longer than the right code. */
const PATIENCE_FACTOR = 10;
const LEAST_PATIENCE_MS = 15_000;
/** What is left out if it is to be quick. */
const QUICK_MS = 100;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const MOST_MEMORY_MB = 2_000;

/** These take longest, and notice least that the others do not: each comes by itself, at last. */
const SLOW = [
  'test/turns.test.ts',
  'test/system-environment.test.ts',
  'test/console.test.ts',
  'test/guards.test.ts',
  'test/load.test.ts',
  'test/deviations.test.ts',
  SEEDS,
  'test/explorer.test.ts',
  'test/rejoin.test.ts',
  'test/simulation.test.ts',
  'test/invariants.test.ts',
  'test/linearizability.test.ts',
];

/** A slow file, and what it takes without a mutant; found out when one is first tried on it. */
interface Check {
  readonly name: string;
  tookMs: Promise<number> | null;
}

export class Checks {
  readonly #directory = mkdtempSync(join(tmpdir(), 'paxos-mutate-'));
  readonly #seeds: number;
  readonly #isQuick: boolean;
  readonly #children = new Set<ChildProcess>();
  /** Runners of the quick tests that have nothing to do. */
  readonly #idle: ChildProcess[] = [];
  /** For each source the quick tests that run it, those first that are most about it. */
  readonly #quick = new Map<string, readonly string[]>();
  readonly #slow: readonly Check[] = SLOW.map((name) => ({ name, tookMs: null }));
  readonly #reached = new Map<string, ReadonlySet<string>>();
  #files = 0;
  /** What each quick test takes without a mutant. */
  #costs: ReadonlyMap<string, number> = new Map();
  /** How many mutants each of them has noticed. */
  readonly #noticed = new Map<string, number>();

  /** `isQuick`: those that take longest are left out. */
  constructor(seeds: number, isQuick: boolean) {
    this.#seeds = seeds;
    this.#isQuick = isQuick;
  }

  /** Finds out which checks run these sources. Throws a `Failure` if a quick one fails alone. */
  async prepare(sources: readonly string[]): Promise<void> {
    const quick = testsInOneProcess().filter((name) => !SLOW.includes(name));
    for (const name of [...quick, ...(this.#isQuick ? [] : SLOW)]) {
      this.#reached.set(name, (await this.#bundle([name], null, 'esm')).reaches);
    }
    // The fewer files a test reaches, the more it is about each of them.
    const sizeOf = (name: string) => this.#reached.get(name)?.size ?? 0;
    for (const source of sources) {
      const names = quick
        .filter((name) => this.#reached.get(name)?.has(source) === true)
        .toSorted((a, b) => sizeOf(a) - sizeOf(b));
      this.#quick.set(source, names);
    }
    const runner = await this.#bundle([RUNNER], null, 'cjs');
    writeFileSync(join(this.#directory, 'runner.cjs'), runner.text);
    const { text } = await this.#bundle(quick, null, 'cjs');
    const { fault, costs } = await this.#judge({ script: text, order: null });
    this.#costs = costs;
    if (fault !== null) throw new Failure(`a test fails without a mutant: ${fault}`);
  }

  /** What notices the mutant first, in words; null if nothing does. */
  async whoNotices(mutant: Mutant): Promise<string | null> {
    const names = this.#quick.get(mutant.file) ?? [];
    const own = names.filter((name) => isNamedAfter(mutant.file, name));
    for (const some of [own, names]) {
      const fault = some.length === 0 ? null : await this.#quickFault(some, mutant);
      if (fault !== null) return fault;
    }
    for (const check of this.#slow) {
      if (this.#reached.get(check.name)?.has(mutant.file) !== true) continue;
      check.tookMs ??= this.#timeWithoutMutant(check.name);
      const patienceMs = Math.max(LEAST_PATIENCE_MS, PATIENCE_FACTOR * (await check.tookMs));
      const fault = await this.#slowFault(check.name, mutant, patienceMs);
      if (fault !== null) return `${check.name}: ${fault}`;
    }
    return null;
  }

  async #quickFault(names: readonly string[], mutant: Mutant): Promise<string | null> {
    const built = await this.#bundle(names, mutant, 'cjs').catch(() => null);
    if (built === null) return 'it cannot be built';
    const { fault } = await this.#judge({ script: built.text, order: this.#order() });
    if (fault !== null) this.#noticed.set(fault, 1 + (this.#noticed.get(fault) ?? 0));
    return fault;
  }

  async #timeWithoutMutant(name: string): Promise<number> {
    const startedMs = performance.now();
    const fault = await this.#slowFault(name, null, LONGEST_TIMER_MS);
    if (fault !== null) throw new Failure(`${name} fails without a mutant: ${fault}`);
    return performance.now() - startedMs;
  }

  /** What those of the quick tests take that are not left out. */
  get #costsOfThese(): readonly (readonly [string, number])[] {
    return [...this.#costs].filter(([, ms]) => !this.#isQuick || ms <= QUICK_MS);
  }

  /** What a single one of them may take. */
  get #patienceMs(): number {
    const mostMs = Math.max(...this.#costsOfThese.map(([, ms]) => ms));
    return Math.max(LEAST_PATIENCE_MS, PATIENCE_FACTOR * mostMs);
  }

  /** The quickest go first, and even before these go such as have noticed other mutants. */
  #order(): readonly string[] {
    const rankOf = ([name, ms]: readonly [string, number]) =>
      ms / (1 + (this.#noticed.get(name) ?? 0));
    const those = this.#costsOfThese.toSorted((a, b) => rankOf(a) - rankOf(b));
    return those.map(([name]) => name);
  }

  /** What the tests find that run one after the other in one process. */
  async #judge(job: Job): Promise<Verdict> {
    const runner = this.#idle.pop() ?? this.#newRunner();
    // A test that takes longer may never end; nobody knows yet how long the right code takes.
    const mostMs = job.order === null ? LONGEST_TIMER_MS : this.#patienceMs;
    const late = setTimeout(() => runner.kill('SIGKILL'), mostMs);
    const isGoingOn = () => late.refresh();
    runner.stdout?.on('data', isGoingOn);
    runner.send(job);
    const verdict = await Promise.race([
      once(runner, 'message').then(([said]) => said as Verdict),
      once(runner, 'exit').then(() => ({ fault: 'it does not end', costs: new Map() })),
    ]);
    clearTimeout(late);
    runner.stdout?.off('data', isGoingOn);
    if (this.#children.has(runner)) this.#idle.push(runner);
    return verdict;
  }

  #newRunner(): ChildProcess {
    const runner = fork(join(this.#directory, 'runner.cjs'), {
      cwd: PROJECT,
      execArgv: [`--max-old-space-size=${MOST_MEMORY_MB}`],
      serialization: 'advanced', // for maps
      stdio: ['ignore', 'pipe', 'ignore', 'ipc'],
    });
    this.#children.add(runner);
    runner.setMaxListeners(0); // for each mutant somebody waits for its end
    runner.on('exit', () => this.#children.delete(runner));
    return runner;
  }

  /** Ends all that runs, and leaves nothing behind. */
  end(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** A script of these files, with the mutant in it. */
  async #bundle(names: readonly string[], mutant: Mutant | null, format: 'esm' | 'cjs') {
    const contents = names.map((name) => `import './${name}';`).join('\n');
    const { metafile, outputFiles } = await build({
      absWorkingDir: PROJECT,
      stdin: { contents, resolveDir: PROJECT },
      write: false,
      bundle: true,
      platform: 'node',
      format,
      target: 'node20',
      keepNames: true, // the layers tell their names
      banner: format === 'esm' ? { js: REQUIRE } : {},
      metafile: true,
      logLevel: 'error',
      define: {
        'import.meta.url': JSON.stringify(PLACE),
        'import.meta.dirname': JSON.stringify(TESTS),
      },
      plugins: mutant === null ? [] : [putIn(mutant)],
    });
    return { text: outputFiles[0]?.text ?? '', reaches: new Set(Object.keys(metafile.inputs)) };
  }

  /** The first fault that a slow check finds, in its own words; null if it finds none. */
  async #slowFault(name: string, mutant: Mutant | null, patienceMs: number) {
    this.#files += 1;
    const file = join(this.#directory, `${this.#files}.mjs`);
    writeFileSync(file, (await this.#bundle([name], mutant, 'esm')).text);
    const fault = await this.#faultOf(name, file, patienceMs);
    rmSync(file);
    return fault;
  }

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
    const timeout = setTimeout(() => {
      isLate = true;
      child.kill('SIGKILL');
    }, patienceMs);
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

/** Most is noticed by the test that is about this very source. */
function isNamedAfter(source: string, test: string): boolean {
  return basename(source).startsWith(basename(test, '.test.ts'));
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
