/**
 * The rules of the house: who may import whom, what the protocol may touch, how the code looks,
 * and that layers in a wrong order do not even compile.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { ClientAnswers } from '../src/client-answers.ts';
import { Batches } from '../src/log/batches.ts';
import { Log } from '../src/log/log.ts';
import { Store } from '../src/log/store.ts';
import { Watch } from '../src/log/watch.ts';
import { MasterLeases } from '../src/master-strategy.ts';
import { Rejoin } from '../src/rejoin-strategy.ts';
import { ReplicatedValue } from '../src/replicated-value.ts';
import { BackoffResolution } from '../src/resolution-strategy.ts';
import { CatchUp } from '../src/sync-strategy.ts';
import { UpdateQueue } from '../src/update-queue.ts';

const PROJECT = join(import.meta.dirname, '..');

/** The layers, each with those other layers that it must sit above. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  'src/sync-strategy.ts': [],
  'src/resolution-strategy.ts': [],
  'src/update-queue.ts': ['src/resolution-strategy.ts'],
  'src/master-strategy.ts': ['src/update-queue.ts'],
  'src/client-answers.ts': ['src/update-queue.ts'],
  'src/rejoin-strategy.ts': ['src/update-queue.ts'],
};
const PROGRAMS = ['server.ts', 'client.ts'];

/** The sources directly in a directory of the project, as paths from there. */
function sourcesIn(directory: string): string[] {
  const names = readdirSync(join(PROJECT, directory));
  return names.filter((name) => name.endsWith('.ts')).map((name) => join(directory, name));
}

/** The sources below a directory of the project. */
function sourcesBelow(directory: string): string[] {
  const entries = readdirSync(join(PROJECT, directory), { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const below = folders.toSorted().flatMap((name) => sourcesBelow(join(directory, name)));
  return [...sourcesIn(directory), ...below];
}

const PROTOCOL = sourcesIn('src');
const HOUSE = sourcesBelow('src');
const ALL = [...HOUSE, ...sourcesIn('test'), ...sourcesIn('.')];
/** What touches the real world. All the rest must run in a browser, too. */
const REAL = /^src\/(?:node|programs)\//;
const PORTABLE = HOUSE.filter((path) => !REAL.test(path));
/** What touches a browser: it may wait, and nothing that is tested without one may be there. */
const BROWSER = /^src\/playground\/page\//;

/** What each folder of the house may import, beside itself and the protocol. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'src/time': [],
  'src/trace': [],
  'src/diagram': ['src/trace'],
  'src/log': ['src/time', 'src/trace'],
  'src/simulation': ['src/time', 'src/trace', 'src/log'],
  'src/playground': ['src/trace', 'src/diagram', 'src/simulation'],
  'src/node': ['src/time', 'src/trace', 'src/log'],
  'src/programs': [
    ...['src/node', 'src/time', 'src/trace', 'src/diagram', 'src/simulation', 'src/playground'],
    'src/log',
  ],
};

/** The room of the house in which a file stands: a folder directly below `src`, or `src`. */
function roomOf(path: string): string {
  return path.split('/').slice(0, -1).slice(0, 2).join('/');
}

function textOf(path: string): string {
  return readFileSync(join(PROJECT, path), 'utf8');
}

/** Comments may speak of whatever they like. */
function codeOf(path: string): string {
  return textOf(path)
    .replaceAll(/\/\*[\s\S]*?\*\//g, '')
    .replaceAll(/(^|\s)\/\/.*$/gm, '');
}

/** What a source imports, or exports again, types included: packages by name, files by path. */
function importsOf(path: string): string[] {
  const found = codeOf(path).matchAll(/\b(?:from|import)\s*\(?\s*'([^'\n]+)'/g);
  return [...found].map(([, name = '']) => {
    return name.startsWith('.') ? join(dirname(path), name) : name;
  });
}

/** Checks every line of some code; shows all that are wrong. */
function assertNoLine(paths: readonly string[], isWrong: (line: string) => boolean, what: string) {
  const wrong = paths.flatMap((path) =>
    textOf(path)
      .split('\n')
      .flatMap((line, index) => (isWrong(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
  );
  assert.deepEqual(wrong, [], what);
}

test('this test sees the sources and their imports', () => {
  assert.ok(PROTOCOL.length >= 10 && PORTABLE.length > PROTOCOL.length);
  assert.ok(importsOf('src/trace/words.ts').includes('src/chain.ts'));
  assert.ok(importsOf('src/node/chalk-paint.ts').includes('chalk'));
  assert.ok(importsOf('src/replicated-value.ts').includes('src/environment.ts'));
  for (const path of ALL) {
    for (const name of importsOf(path)) {
      assert.ok(!name.endsWith('.ts') || existsSync(join(PROJECT, name)), `${path}: ${name}`);
    }
  }
});

test('all but the real world runs in a browser', () => {
  for (const path of PORTABLE) {
    for (const name of importsOf(path)) {
      assert.ok(name.startsWith('src/') && !REAL.test(name), `${path} imports ${name}`);
    }
  }
});

test('every room of the house imports only what it may', () => {
  const rooms = new Set(HOUSE.map(roomOf).filter((room) => room !== 'src'));
  assert.deepEqual([...rooms].toSorted(), Object.keys(MAY_IMPORT).toSorted());
  for (const path of HOUSE.filter((path) => !PROTOCOL.includes(path))) {
    const may = ['src', roomOf(path), ...(MAY_IMPORT[roomOf(path)] ?? [])];
    for (const name of importsOf(path).filter((name) => name.startsWith('src/'))) {
      assert.ok(may.includes(roomOf(name)), `${path} imports ${name}`);
    }
  }
});

test('no file needs itself, by whatever way', () => {
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]): void => {
    assert.ok(!way.includes(path), [...way, path].join(' -> '));
    if (done.has(path)) return;
    for (const name of importsOf(path)) if (ALL.includes(name)) visit(name, [...way, path]);
    done.add(path);
  };
  for (const path of ALL) visit(path, []);
  assert.equal(done.size, ALL.length);
});

test('the core imports nothing, and the protocol nothing of the worlds that it runs in', () => {
  assert.deepEqual(importsOf('src/composable-paxos.ts'), []);
  for (const path of PROTOCOL) {
    for (const name of importsOf(path)) {
      const isItsOwn = PROTOCOL.includes(name) || name === 'src/trace/events.ts';
      assert.ok(isItsOwn, `${path} imports ${name}`);
    }
  }
});

test('a layer imports the base and the layers below it, and nothing else imports a layer', () => {
  const layers = PROTOCOL.filter((path) => textOf(path).includes('<TBase extends Constructor<'));
  assert.deepEqual(layers.toSorted(), Object.keys(LAYERS).toSorted());
  for (const path of PROTOCOL) {
    const imported = importsOf(path).filter((name) => name in LAYERS);
    assert.deepEqual(imported, LAYERS[path] ?? [], path);
    if (path in LAYERS) assert.ok(importsOf(path).includes('src/replicated-value.ts'), path);
  }
});

test('nothing imports a program', () => {
  for (const path of ALL) {
    for (const program of PROGRAMS) assert.ok(!importsOf(path).includes(program), path);
  }
});

test('only the real world touches clocks, chance, timers and the process', () => {
  const names = 'Date|performance|process|console\\.(log|warn|error|info)|Math\\.random|crypto';
  const calls = 'setTimeout|setInterval|setImmediate|queueMicrotask|fetch|require';
  const forbidden = new RegExp(`(?<![.#\\w])(?:(?:${names})\\b(?![:'])|(?:${calls})\\()`);
  assert.match('const now = Date.now();', forbidden);
  assert.match('const now = new Date();', forbidden);
  assert.match('setTimeout(act, 5);', forbidden);
  /** What a given time is called is arithmetic, and asks no clock. */
  const withoutArithmetic = (line: string) => line.replaceAll(/\bnew Date\((?=\w)/g, '(');
  for (const path of PORTABLE.filter((path) => !BROWSER.test(path))) {
    const wrong = codeOf(path)
      .split('\n')
      .filter((line) => forbidden.test(withoutArithmetic(line)));
    assert.deepEqual(wrong, [], path);
  }
});

test('nothing in the protocol waits', () => {
  for (const path of PROTOCOL) assert.doesNotMatch(codeOf(path), /\b(?:async|await)\b/, path);
});

test('lines have at most 100 columns', () => {
  assertNoLine(ALL, (line) => Array.from(line).length > 100, 'too long');
});

test('nothing is left for later, and no test is left out', () => {
  // Written apart, so that this file does not find itself.
  const later = new RegExp(['\\bTO', 'DO\\b|\\bFIX', 'ME\\b|\\bX', 'XX\\b'].join(''));
  const left = new RegExp(['\\.(?:sk', 'ip|on', 'ly|to', 'do)\\('].join(''));
  const option = new RegExp(['\\b(?:sk', 'ip|on', 'ly|to', 'do): true'].join(''));
  const isWrong = (line: string) => [later, left, option].some((pattern) => pattern.test(line));
  assertNoLine(ALL, isWrong, 'left for later');
});

test('functions have less than 70 lines', () => {
  const long = ALL.flatMap((path) => {
    const lines = textOf(path).split('\n');
    return lines.flatMap((line, index) => {
      const length = functionLength(lines, index);
      return length < 70 ? [] : [`${path}:${index + 1}: ${length} lines: ${line.trim()}`];
    });
  });
  assert.deepEqual(long, []);
});

/** How long the function is that begins in this line; 0 if none does. As biome lays code out. */
function functionLength(lines: readonly string[], start: number): number {
  const line = lines[start] ?? '';
  const isFunction = /^\s*(?:export )?(?:async )?function\b/.test(line);
  const isMethod =
    /^\s+(?:(?:override|protected|private|static|async|get|set) )*#?\w+(?:<.*>)?\(.*\{$/.test(
      line,
    ) && !/^\s+(?:if|for|while|switch|catch)\b/.test(line);
  // A suite is a list of tests.
  const isArrow = /=> \{$/.test(line) && !/^suite\(/.test(line);
  // A layer is a class in the shape of a function.
  const isLayer = /^\s*return (?:abstract )?class\b/.test(lines[start + 1] ?? '');
  if (isLayer || !(isFunction || isMethod || isArrow)) return 0;

  const indent = line.slice(0, line.length - line.trimStart().length);
  const end = lines.findIndex((later, index) => index > start && later.startsWith(`${indent}}`));
  return end - start + 1;
}

test('functions are measured as they are laid out', () => {
  const lines = ['  get x() {', '    if (y) {', '    }', '  }', 'function f(', '  a,', ') {', '}'];
  assert.equal(functionLength(lines, 0), 4);
  assert.equal(functionLength(lines, 1), 0);
  assert.equal(functionLength(lines, 4), 4);
  assert.equal(functionLength(['export function L(B) {', '  return class extends B {'], 0), 0);
});

test('layers in a wrong order do not compile', () => {
  // `tsc` fails if one of the lines below an expectation has no error.
  const Driven = BackoffResolution(CatchUp(ReplicatedValue));
  const wrong = [
    // @ts-expect-error a queue needs somebody who drives
    UpdateQueue(ReplicatedValue),
    // @ts-expect-error catching up is not driving
    UpdateQueue(CatchUp(ReplicatedValue)),
    // @ts-expect-error a master holds back the head of a queue
    MasterLeases(Driven),
    // @ts-expect-error what is answered has waited in a queue
    ClientAnswers(Driven),
    // @ts-expect-error who has no vote takes no values
    Rejoin(Driven),
    // @ts-expect-error nothing is below the base
    CatchUp(class {}),
    // @ts-expect-error who keeps the links must hear who is behind
    Log(ReplicatedValue),
    // @ts-expect-error a store needs every link
    Store(ClientAnswers(UpdateQueue(Driven))),
    // @ts-expect-error a store has answers
    Store(UpdateQueue(BackoffResolution(Log(CatchUp(ReplicatedValue))))),
    // @ts-expect-error only a store has changes to watch
    Watch(ClientAnswers(UpdateQueue(BackoffResolution(Log(CatchUp(ReplicatedValue)))))),
    // @ts-expect-error a batch is the beginning of a line
    Batches(Driven),
    // @ts-expect-error … and the line is below it
    UpdateQueue(Batches(ReplicatedValue)),
  ];
  const Queued = UpdateQueue(Driven);
  const right = [
    Rejoin(Queued),
    ClientAnswers(MasterLeases(Queued)),
    ClientAnswers(Queued),
    MasterLeases(Batches(Queued)),
    Batches(MasterLeases(Queued)),
    Queued,
  ];
  for (const layers of [...wrong, ...right]) assert.equal(typeof layers, 'function');
});
