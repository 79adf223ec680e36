/** Mutants: what they are made of, and the list of those that nobody notices. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { applied, formatSurvivors, parseSurvivors } from '../src/programs/mutate/mutants.ts';
import { mutantsOf } from '../src/programs/mutate/operators.ts';

const PROJECT = join(import.meta.dirname, '..');
const LIST = readFileSync(join(PROJECT, 'test', 'mutants.txt'), 'utf8');
const BY_HAND = readFileSync(join(PROJECT, 'test', 'mutants-by-hand.txt'), 'utf8');
const SURVIVORS = parseSurvivors(LIST);

test('each mutant that nobody notices still fits the source, and has a reason', () => {
  for (const survivor of SURVIVORS) {
    const text = readFileSync(join(PROJECT, survivor.file), 'utf8');
    assert.notEqual(applied(survivor, text), text);
    assert.ok(survivor.reason.length > 10, `${survivor.before.join(' ')}: why may that be so?`);
  }
});

test('each mistake that is tried by hand still fits the source', () => {
  for (const mistake of parseSurvivors(BY_HAND)) {
    const text = readFileSync(join(PROJECT, mistake.file), 'utf8');
    assert.notEqual(applied(mistake, text), text);
  }
});

test('the list is as `npm run mutate -- --write` writes it', () => {
  assert.equal(formatSurvivors(SURVIVORS), LIST);
});

/** The changes of a source, each without what stays as it is. */
function changesOf(text: string): readonly string[] {
  return mutantsOf('a.ts', text).map(({ before, after }) => {
    const isNew = (line: string, index: number) => line !== before[index];
    return after.filter(isNew).join(' ').trim();
  });
}

test('a condition holds always, never, without one of its parts, and the other way round', () => {
  const text = 'function f(a: number, b: boolean) {\n  if (a < 5 && !b) return a;\n  g();\n}\n';
  assert.deepEqual(changesOf(text).toSorted(), [
    '',
    '',
    'g(); if (a < 5 && !b) return a;',
    'if (!b) return a;',
    'if (a < 5 && b) return a;',
    'if (a < 5 || !b) return a;',
    'if (a < 5) return a;',
    'if (a <= 5 && !b) return a;',
    'if (true) return a;',
  ]);
});

test('a choice is made one way, and a function does nothing', () => {
  assert.deepEqual(changesOf('export const f = (a: boolean) => (a ? g() : h());\n'), [
    'export const f = (a: boolean) => ( true ? g() : h());',
    'export const f = (a: boolean) => ( false ? g() : h());',
  ]);
  const bodies = changesOf('export function f(): boolean {\n  return g();\n}\n');
  assert.ok(bodies.includes('export function f(): boolean { return true;'));
});

test('a check of a field lets everything pass', () => {
  assert.deepEqual(changesOf('export const f = { a: isUid, b: orNull(isLink) };\n'), [
    'export const f = { a: () => true, b: orNull(isLink) };',
    'export const f = { a: isUid, b: orNull(() => true) };',
  ]);
});

test('words and types are let be', () => {
  const text = [
    '// a < b',
    "type A = 'x < y' | 0;",
    'interface B {',
    '  readonly c: 1 | 2;',
    '}',
    "const d = 'a === b';",
    '',
  ];
  assert.deepEqual(mutantsOf('a.ts', text.join('\n')), []);
});

test('a line that stands in several places is named together with its neighbours', () => {
  const text = 'function f() {\n  g();\n  h();\n  g();\n}\n';
  const mutants = mutantsOf('a.ts', text);
  assert.deepEqual(
    mutants.map((mutant) =>
      applied(mutant, text)
        .match(/[gh](?=\(\))/g)
        ?.join(''),
    ),
    ['hgg', 'hg', 'ggh', 'gg', 'gh'],
  );
  assert.throws(() => applied({ file: 'a.ts', before: ['g();'], after: [''] }, text), /2 times/);
  assert.throws(() => applied({ file: 'a.ts', before: ['i();'], after: [''] }, text), /nowhere/);
});
