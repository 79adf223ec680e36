/** The replicated value as a package: packed, installed elsewhere, compiled against, and run. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { promisify } from 'node:util';
import { temporaryDirectory } from './processes.ts';

const PROJECT = join(import.meta.dirname, '..');
const TSC = join(PROJECT, 'node_modules', '.bin', 'tsc');
const STRICT = { strict: true, module: 'nodenext', target: 'es2022', types: [] };

/** Runs a command in a directory, and gives back what it prints. */
async function runIn(cwd: string, command: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, { cwd });
  return stdout;
}

/** Compiles all that is in a directory; what the compiler says, if it is not content. */
async function compile(directory: string, options: object): Promise<string> {
  const compilerOptions = { ...STRICT, ...options };
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
  return runIn(directory, TSC).catch(({ stdout }) => String(stdout));
}

suite('The package', () => {
  test('is three replicas in somebody else’s program', async (t) => {
    const directory = temporaryDirectory(t);
    t.after(() => rmSync(join(PROJECT, 'dist'), { recursive: true, force: true }));
    const pack = ['pack', '--silent', '--pack-destination', directory];
    const file = (await runIn(PROJECT, 'npm', ...pack)).trim();
    writeFileSync(join(directory, 'package.json'), '{"type": "module"}');
    // What the programs need is of no use to whoever only imports it, and is not installed.
    const installed = join(directory, 'node_modules', 'multi-paxos-example');
    mkdirSync(installed, { recursive: true });
    await runIn(installed, 'tar', '-xzf', join(directory, file), '--strip-components=1');

    // The core needs nothing of whoever uses it.
    const core = join(directory, 'core.ts');
    const use = 'export const id: ProposalId = { number: 2, uid: "A" };';
    writeFileSync(
      core,
      `import type { ProposalId } from 'multi-paxos-example/composable-paxos';\n${use}`,
    );
    assert.equal(await compile(directory, { noEmit: true }), '');
    writeFileSync(core, readFileSync(core, 'utf8').replace('number: 2', 'number: "2"'));
    assert.match(await compile(directory, { noEmit: true }), /^core\.ts.*error TS2322/);
    rmSync(core);

    copyFileSync(join(PROJECT, 'test', 'three-replicas.ts'), join(directory, 'three.ts'));
    assert.equal(await compile(directory, { rewriteRelativeImportExtensions: true }), '');
    assert.deepEqual((await runIn(directory, process.execPath, 'three.js')).trim().split('\n'), [
      'B knows what is chosen',
      'C knows what is chosen',
      'A knows what is chosen',
      'A: hello',
      'B: hello',
      'C: hello',
    ]);
    assert.ok(readFileSync(join(directory, 'three.ts'), 'utf8').split('\n').length <= 41);
  });
});
