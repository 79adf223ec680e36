/** `npm run exercises`: the exercises of all chapters as a sheet to be printed. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { describe, Failure } from '../../node/failure.ts';
import { parseArguments, runProgram } from '../../node/program.ts';
import { columnsOf, printable } from '../../trace/printable.ts';
import { type Chapter, chapterOf, type Exercise } from './chapter.ts';
import { plainText, plainWords } from './plain-text.ts';

const HELP = `
Without names of chapters it prints the exercises of all of them, in the order of the map in
README.adoc. Nothing that hides in an answer is printed, unless you ask for the teacher's copy.

Examples:
  npm run --silent exercises > sheet.txt
  npm run --silent exercises -- src/simulation/README.adoc | lp
  npm run --silent exercises -- --answers > for-the-teacher.txt`;

const PROJECT = join(import.meta.dirname, '..', '..', '..');
const FRONT_DOOR = 'README.adoc';
/** Where chapters stand, beside the front door. */
const ROOMS = ['src', 'test'];

const COLUMNS = 78;
const INDENT = '    ';
/** What a number says as well, bold or not, alone or with more behind it. */
const LABEL = /^(\*?)(?:Question|Exercise):(\*?) +/;
/** Room to write, below each question. */
const ROOM_LINES = 4;

/** All chapters: the front door, those that its map names, in that order, and then the others. */
function allChapters(): string[] {
  const found = ROOMS.flatMap((room) =>
    readdirSync(join(PROJECT, room), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.adoc'))
      .map((name) => join(room, name)),
  );
  const links = mapOf(read(join(PROJECT, FRONT_DOOR))).matchAll(/\b(?:link|xref):([^[#\s]+)/g);
  const named = [...links].map(([, path = '']) => path).filter((path) => found.includes(path));
  return [...new Set([FRONT_DOOR, ...named, ...found.toSorted()])];
}

/** The section of the front door that is a map of the chapters; all of it, if there is none. */
function mapOf(text: string): string {
  const [map] =
    /^==+ [^\n]*\b(?:[Mm]ap|[Cc]hapters)\b[\s\S]*?(?=^==+ |$(?![\s\S]))/m.exec(text) ?? [];
  return map ?? text;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Failure(`${path} cannot be read: ${describe(error)}`);
  }
}

/** The whole sheet in lines. */
function sheetOf(chapters: readonly Chapter[], withAnswers: boolean): string[] {
  const lines: string[] = [];
  let number = 0;
  for (const { title, exercises } of chapters) {
    if (exercises.length > 0) lines.push(...underlined(title, '='));
    for (const [index, exercise] of exercises.entries()) {
      number += 1;
      const { section } = exercise;
      const isNew = section !== exercises[index - 1]?.section;
      if (isNew && section !== '') lines.push(...underlined(section, '-'));
      lines.push(...linesOf(exercise, number, withAnswers));
    }
  }
  return lines;
}

function underlined(heading: string, line: string): string[] {
  const words = plainWords(heading);
  return [words, line.repeat(columnsOf(words)), ''];
}

function linesOf(exercise: Exercise, number: number, withAnswers: boolean): string[] {
  const columns = COLUMNS - INDENT.length;
  const indented = (line: string) => (line === '' ? '' : INDENT + line);
  const [label = '', ...more] = exercise.question;
  const unlabelled = label.replace(LABEL, (_, open, close) => (close === '' ? open : ''));
  const [first = '', ...others] = plainText([unlabelled, ...more], columns);
  const question = [`${number}.`.padEnd(INDENT.length) + first, ...others.map(indented)];
  if (!withAnswers) return [...question, ...Array(ROOM_LINES).fill(''), ''];
  const answer = plainText(['*Answer:*', ...exercise.answer], columns).map(indented);
  return [...question, '', ...answer, '', ''];
}

await runProgram(async (args) => {
  const command = new Command('npm run exercises --')
    .description('Prints the exercises of the chapters, without their answers.')
    .argument('[chapters...]', 'only these chapters')
    .option('--answers', "with the answers: the teacher's copy", false)
    .addHelpText('after', HELP);
  const named = parseArguments(command, args);
  const paths = named.length > 0 ? named : allChapters().map((name) => join(PROJECT, name));
  const chapters = paths.map((path) => chapterOf(read(path), path));
  if (chapters.every(({ exercises }) => exercises.length === 0)) {
    throw new Failure(`there is no exercise in ${paths.join(', ')}`);
  }
  const lines = sheetOf(chapters, command.opts()['answers']);
  console.log(lines.map(printable).join('\n').trimEnd());
});
