/**
 * The exercises of a chapter. Each has an answer that is hidden until the reader clicks on it: a
 * block that says `[%collapsible]`. Its question is the title of that block, as in
 * `.Question: Why two clocks?`; or the title is only `.Answer`, and the question is what stands
 * before it, from `Exercise` on.
 */
import { Failure } from '../../node/failure.ts';

/** A question and its answer, both as lines of AsciiDoc. */
export interface Exercise {
  /** The heading under which it stands. */
  readonly section: string;
  readonly question: readonly string[];
  readonly answer: readonly string[];
}

export interface Chapter {
  readonly title: string;
  readonly exercises: readonly Exercise[];
}

const HIDDEN = /^\[[^\]]*%collapsible/;
const ATTRIBUTES = /^\[.*\]$/;
const TITLE = /^\.(?=[^. ])/;
const HEADING = /^=+ (?=\S)/;
/** The beginning of a question, as a paragraph, a title of a block or a heading. */
const EXERCISE = /^(?:=+ |\.|\*|_)*Exercise\b/;
const LISTING = /^(?:-{4,}|\.{4,}|\+{4,})$/;
const EXAMPLE = /^={4,}$/;

/** All exercises of a chapter, in their order. Throws a `Failure` if one has no question. */
export function chapterOf(text: string, path: string): Chapter {
  const lines = text.split(/\r?\n/);
  const exercises: Exercise[] = [];
  let [title, section] = [path, ''];
  /** Nothing before this line belongs to the next exercise. */
  let from = 0;
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? '';
    if (LISTING.test(line)) {
      index = endOf(line, index, lines, path);
    } else if (HEADING.test(line)) {
      const words = line.replace(HEADING, '');
      if (line.startsWith('= ')) title = words;
      else if (!EXERCISE.test(line)) section = words;
    } else if (HIDDEN.test(line)) {
      const { answer, end } = answerAt(index, lines, path);
      exercises.push({ section, question: questionBefore(index, from, lines, path), answer });
      index = end;
      from = end + 1;
    }
  }
  return { title, exercises };
}

/** The line that ends the block that begins with `fence`. */
function endOf(fence: string, start: number, lines: readonly string[], path: string): number {
  const end = lines.indexOf(fence, start + 1);
  if (end === -1) throw new Failure(`${path}:${start + 1}: this block has no end`);
  return end;
}

function answerAt(hidden: number, lines: readonly string[], path: string) {
  const start = hidden + 1;
  const fence = lines[start] ?? '';
  if (!EXAMPLE.test(fence)) {
    throw new Failure(`${path}:${hidden + 1}: there is no answer between ==== and ====`);
  }
  const end = endOf(fence, start, lines, path);
  return { answer: lines.slice(start + 1, end), end };
}

function questionBefore(hidden: number, from: number, lines: readonly string[], path: string) {
  let index = hidden - 1;
  while (index >= from && ATTRIBUTES.test(lines[index] ?? '')) index -= 1;
  const title = lines[index] ?? '';
  const isTitled = index >= from && TITLE.test(title);
  if (isTitled && !/^\.(?:The )?[Aa]nswer/.test(title)) return [title.replace(TITLE, '')];

  const end = isTitled ? index : index + 1;
  const start = lines.slice(from, end).findLastIndex((line) => EXERCISE.test(line));
  if (start === -1) throw new Failure(`${path}:${hidden + 1}: this answer has no question`);
  const question = lines.slice(from + start, end).filter((line) => !EXAMPLE.test(line));
  return question.map((line, place) => (place === 0 ? line.replace(/^(?:=+ |\.)/, '') : line));
}
