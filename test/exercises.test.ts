/** The exercise sheet: every exercise of every chapter is on it, and no answer. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { chapterOf } from '../src/programs/exercises/chapter.ts';
import { plainText, plainWords } from '../src/programs/exercises/plain-text.ts';
import { run, temporaryDirectory } from './processes.ts';

const PROGRAM = 'src/programs/exercises/exercises.ts';
const PROJECT = join(import.meta.dirname, '..');
const CHAPTERS = [
  'README.adoc',
  ...['src', 'test'].flatMap((room) =>
    readdirSync(join(PROJECT, room), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.adoc'))
      .map((name) => join(room, name)),
  ),
].map((path) => join(PROJECT, path));
const textOf = (path: string) => readFileSync(path, 'utf8');
const EXERCISES = CHAPTERS.flatMap((path) => chapterOf(textOf(path), path).exercises);

const sentencesOf = (lines: readonly string[]) => words(plainText(lines, 1_000).join(' '));
const words = (text: string) => text.replaceAll(/\s+/g, ' ').trim();

/** A chapter with two exercises, one of each form. */
const CHAPTER = `= A chapter
== One section
*Not an exercise.*

.Question: Why *two* \`clocks\`?
[%collapsible#q-clocks]
====
The first answer has a listing:

[source,ts]
----
const answer = 42;
----
====

== Another section

What stands here is no part of it.

*Exercise: Twice* _(5 minutes, easy)_ Say \`+npm run x+\` in <<here,this place>>.
What happens?

----
a listing of the question
----

.Answer
[%collapsible]
====
The second answer.
====
`;

function chapterFile(t: TestContext, text: string): string {
  const file = join(temporaryDirectory(t), 'chapter.adoc');
  writeFileSync(file, text);
  return file;
}

suite('The exercises of a chapter', () => {
  test('are all found, with what belongs to them', () => {
    const { title, exercises } = chapterOf(CHAPTER, 'x');
    assert.equal(title, 'A chapter');
    assert.deepEqual(
      exercises.map(({ section }) => section),
      ['One section', 'Another section'],
    );
    const [first, second] = exercises;
    assert.deepEqual(first?.question, ['Question: Why *two* `clocks`?']);
    assert.ok(second?.question.includes('a listing of the question'));
    assert.deepEqual(second?.answer, ['The second answer.']);
  });

  test('have questions, or it is said which has none', () => {
    const alone = '= X\n\n*Exercise:* One?\n\n.Answer\n[%collapsible]\n====\nYes.\n====\n\n';
    assert.equal(chapterOf(alone, 'x').exercises.length, 1);
    const again = `${alone}.Answer\n[%collapsible]\n====\nNo.\n====\n`;
    assert.throws(() => chapterOf(again, 'x'), /x:12: this answer has no question/);
    const open = '.Question: Why?\n[%collapsible]\n====\nBecause.\n';
    assert.throws(() => chapterOf(open, 'x'), /x:3: this block has no end/);
    assert.throws(() => chapterOf(`${open}\n----\n`, 'x'), /x:3: this block has no end/);
    const bare = '.Question: Why?\n[%collapsible]\nBecause.\n';
    assert.throws(() => chapterOf(bare, 'x'), /x:2: there is no answer between/);
  });

  test('are as many in the book as it hides answers', () => {
    const hidden = CHAPTERS.map((path) => textOf(path).match(/^\[%collapsible/gm)?.length ?? 0);
    assert.equal(
      EXERCISES.length,
      hidden.reduce((sum, count) => sum + count, 0),
    );
    assert.ok(EXERCISES.length >= 30);
  });
});

suite('Plain text', () => {
  test('has no marks, but quotes round what would have no end', () => {
    const marked = 'A *bold* _word_, `code`, `+#49+`, `I LEAD`, <<x,a link>>, P1^a^, 2 * 3 * 4';
    assert.equal(plainWords(marked), 'A bold word, code, #49, "I LEAD", a link, P1a, 2 * 3 * 4');
    assert.equal(plainWords('link:src/README.adoc#x[there], `say "x"`'), `there, 'say "x"'`);
    assert.equal(plainWords('https://x.org["A page"]'), '"A page" (https://x.org)');
    assert.equal(plainWords('`snake_case` and `a_b`'), 'snake_case and a_b');
  });

  test('is wrapped, but for listings', () => {
    const listing = `const long = ${'x'.repeat(50)};`;
    const lines = ['one two', 'three', '', '[source,ts]', '----', listing, '----', '* four', '* 5'];
    assert.deepEqual(plainText(lines, 8), [
      'one two',
      'three',
      '',
      `    ${listing}`,
      '',
      '- four',
      '',
      '- 5',
    ]);
  });
});

suite('npm run exercises', { concurrency: true }, () => {
  test('prints every exercise of every chapter, and no answer', async () => {
    const { code, stdout, stderr } = await run(PROGRAM);
    assert.deepEqual([code, stderr], [0, '']);
    const numbers = [...stdout.matchAll(/^([0-9]+)\.\s/gm)].map(([, number]) => Number(number));
    assert.deepEqual(
      numbers,
      EXERCISES.map((_, index) => index + 1),
    );
    const sheet = words(stdout);
    for (const { question, answer } of EXERCISES) {
      const asked = sentencesOf(question).replace(/^(?:Question|Exercise): /, '');
      assert.ok(sheet.includes(asked), asked);
      for (const line of sentencesOf(answer).split(/(?<=[.:?;]) /)) {
        assert.ok(line.length < 12 || !sheet.includes(line), line);
      }
    }
    for (const line of stdout.split('\n')) assert.ok(line.length <= 78 || line.startsWith('    '));
  });

  test('prints the answers for the teacher', async () => {
    const { code, stdout } = await run(PROGRAM, '--answers');
    assert.equal(code, 0);
    const sheet = words(stdout);
    for (const { answer } of EXERCISES) assert.ok(sheet.includes(sentencesOf(answer)));
  });

  test('prints one chapter, as a person reads it', async (t) => {
    const { stdout } = await run(PROGRAM, chapterFile(t, CHAPTER));
    assert.match(
      stdout,
      /^A chapter\n=========\n\nOne section\n-----------\n\n1\. +Why two clocks\?\n/,
    );
    assert.match(
      stdout,
      /^2\. +Twice \(5 minutes, easy\) Say "npm run x" in this place\. What happens\?$/m,
    );
    assert.match(stdout, /^ +a listing of the question$/m);
    assert.doesNotMatch(stdout, /answer|42|no part/i);
    const { stdout: withAnswers } = await run(PROGRAM, '--answers', chapterFile(t, CHAPTER));
    assert.match(withAnswers, /^ +const answer = 42;$/m);
    assert.match(withAnswers, /^ {4}Answer: The second answer\.$/m);
  });

  test('says what it cannot do, and how it is called', async (t) => {
    const none = await run(PROGRAM, chapterFile(t, '= A chapter\n\nNothing is asked.\n'));
    assert.deepEqual([none.code, none.stdout], [1, '']);
    assert.match(none.stderr, /^error: there is no exercise in \S+chapter\.adoc\n$/);
    const missing = await run(PROGRAM, 'nowhere.adoc');
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /^error: nowhere\.adoc cannot be read: no such file/);
    assert.equal((await run(PROGRAM, '--solutions')).code, 2);
    assert.match((await run(PROGRAM, '--help')).stdout, /Examples:\n +npm run --silent exercises/);
  });
});
