/**
 * How a story is written so that it can be printed, copied and read again, whatever is in its
 * values. In a value `\u202e` and `\x00` are the characters of these codes, as terminals show them
 * (compare `printable`), and `\\` is a backslash. A backslash before anything else is just that.
 */
import { printable } from '../trace/printable.ts';

const ESCAPES = /\\(?:\\|x([0-9a-f]{2})|u([0-9a-f]{4})|u\{([0-9a-f]{1,5}|10[0-9a-f]{4})\})/g;
const UNPRINTABLE = /(\\\\)|(\\?)([\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}])/gu;

/** A line of a story as it is written: what a terminal could obey is written out. */
export function writtenLine(line: string): string {
  const text = line.trimEnd();
  // A backslash that stands before such a character must not swallow what is written for it.
  return text.replace(UNPRINTABLE, (_, pair: string | undefined, slash: string, it: string) =>
    pair === undefined ? `${slash}${slash}${printable(it)}` : pair,
  );
}

/** The same of a comment, which means nothing but its words. */
export function writtenComment(line: string): string {
  return printable(line.replaceAll('\t', ' ').trimEnd());
}

/** A value as a command names it; `valueIn` gives it back, whatever is in it. */
export function writtenValue(value: string): string {
  // Spaces at an end of a line are nobody's.
  const text = value
    .replaceAll('\\', '\\\\')
    .replace(/^\s+|\s+$/gu, (spaces) =>
      spaces.replace(/\s/gu, (space) => `\\u${space.charCodeAt(0).toString(16).padStart(4, '0')}`),
    );
  return printable(text);
}

/** What the value in a command stands for. */
export function valueIn(written: string): string {
  return written.replace(ESCAPES, (_, ...codes: readonly (string | undefined)[]) => {
    const code = codes.slice(0, 3).find((it) => it !== undefined);
    return code === undefined ? '\\' : String.fromCodePoint(Number.parseInt(code, 16));
  });
}
