/**
 * Programs of this project as one file of JavaScript each. The tests start them hundreds of times,
 * and most of what a start costs by way of tsx is tsx; it makes the same JavaScript.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { buildSync } from 'esbuild';

const PROJECT = join(import.meta.dirname, '..');
/** Those that do not ask where their own file is, in order to start others. */
const OFTEN_STARTED: ReadonlySet<string> = new Set([
  'server.ts',
  'client.ts',
  'src/programs/check/check.ts',
  'src/programs/diagram.ts',
  'src/programs/explore/explore.ts',
  'src/programs/simulate.ts',
]);
/** One of the packages is CommonJS, which asks for its modules by `require`. */
const REQUIRE =
  'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);';

let directory: string | null = null;
const built = new Map<string, string>();

/** What to hand to `node` to run this program of the project. */
export function argumentsFor(file: string): readonly string[] {
  if (!OFTEN_STARTED.has(file)) return ['--import', 'tsx', file];
  const known = built.get(file) ?? build(file);
  built.set(file, known);
  return [known];
}

function build(file: string): string {
  const outfile = join(temporaryDirectory(), `${basename(file, '.ts')}.mjs`);
  buildSync({
    entryPoints: [join(PROJECT, file)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    keepNames: true, // as tsx does: the layers tell their names
    banner: { js: REQUIRE },
  });
  return outfile;
}

/** It goes away with this process. */
function temporaryDirectory(): string {
  if (directory !== null) return directory;
  const made = mkdtempSync(join(tmpdir(), 'paxos-programs-'));
  process.once('exit', () => rmSync(made, { recursive: true, force: true }));
  directory = made;
  return made;
}
