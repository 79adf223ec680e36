/**
 * How wide text is, and where it may be broken, without asking a browser. Widths are those of the
 * DejaVu Sans and Verdana family, the widest of the common ones, so that text which fits here fits
 * wherever it is shown.
 */
import { columnsOf, printable, shorten } from '../trace/printable.ts';
import { formatValue, type Words } from '../trace/words.ts';

export const FONT_FAMILY = "'DejaVu Sans', Verdana, 'Bitstream Vera Sans', sans-serif";

export interface TextStyle {
  readonly sizePx: number;
  readonly isBold: boolean;
}

/** In hundredths of the size of the font, from the space to the tilde. */
const WIDTHS = (
  '32 41 46 84 64 96 78 28 40 40 50 84 32 37 32 34 64 64 64 64 64 64 64 64 ' +
  '64 64 34 34 84 84 84 54 100 69 69 70 78 64 58 78 76 30 30 66 56 87 75 79 ' +
  '61 79 70 64 62 74 69 99 69 62 69 40 34 40 84 50 50 62 64 55 64 62 36 64 ' +
  '64 28 28 58 28 98 64 62 64 64 42 53 40 64 60 82 60 60 53 64 34 64 84'
).split(' ');
const BOLD_WIDTHS = (
  '35 46 53 84 70 101 88 31 46 46 53 84 38 42 38 37 70 70 70 70 70 70 70 70 ' +
  '70 70 40 40 84 84 84 59 100 78 77 74 84 69 69 83 84 38 38 78 64 100 84 86 ' +
  '74 86 78 73 69 82 78 111 78 73 73 46 37 46 84 50 50 68 72 60 72 68 44 72 ' +
  '72 35 35 67 35 105 72 69 72 72 50 60 48 72 66 93 65 66 59 72 37 72 84'
).split(' ');
const FIRST_CODE = 32;
const ARROW_OR_ELLIPSIS = 100;
/** Latin letters with accents, Greek, Cyrillic; everything else is taken to be square or wider. */
const ACCENTED = 70;
const LAST_ACCENTED = '\u052f';
const SQUARE = 100;
const WIDE = 140;

/** Of a text with other characters than these nobody knows the width before it is drawn. */
export function isMeasured(text: string): boolean {
  return /^[ -~→…]*$/.test(text);
}

/** At most so many pixels, for a text that is measured; an estimate for any other. */
export function widthOf(text: string, { sizePx, isBold }: TextStyle): number {
  let hundredths = 0;
  for (const character of text) hundredths += widthOfCharacter(character, isBold);
  return (hundredths * sizePx) / 100;
}

function widthOfCharacter(character: string, isBold: boolean): number {
  const width = (isBold ? BOLD_WIDTHS : WIDTHS)[(character.codePointAt(0) ?? 0) - FIRST_CODE];
  if (width !== undefined) return Number(width);
  if (character === '→' || character === '…') return ARROW_OR_ELLIPSIS;
  if (character <= LAST_ACCENTED) return ACCENTED;
  return columnsOf(character) > 1 ? WIDE : SQUARE;
}

/** The text in lines of at most so many pixels, broken at spaces where that is possible. */
export function wrap(text: string, maxPx: number, style: TextStyle): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (widthOf(longer, style) <= maxPx) {
      line = longer;
      continue;
    }
    if (line !== '') lines.push(line);
    const pieces = cut(word, maxPx, style);
    line = pieces.pop() ?? '';
    lines.push(...pieces);
  }
  return [...lines, line];
}

/** A word in pieces that fit, at least one character each. */
function cut(word: string, maxPx: number, style: TextStyle): string[] {
  const pieces: string[] = [];
  let piece = '';
  for (const character of word) {
    if (piece !== '' && widthOf(piece + character, style) > maxPx) {
      pieces.push(piece);
      piece = '';
    }
    piece += character;
  }
  return [...pieces, piece];
}

/** How many columns a value may take, tried one after the other until the words fit. */
const VALUE_COLUMNS = [32, 20, 12, 8] as const;
const SHORTEST_VALUE_COLUMNS = 8;
/** More than two lines are taken only when the words do not fit otherwise. */
const CALM_LINES = 2;
const MOST_LINES = 4;

/** Words in as few lines as they need; what does not fit even so is cut off with an ellipsis. */
export function fitWords(words: Words, maxPx: number, style: TextStyle): readonly string[] {
  for (const columns of words.value === undefined ? [0] : VALUE_COLUMNS) {
    const text = textOf(words, columns);
    if (wrap(text, maxPx, style).length <= CALM_LINES) return balance(text, maxPx, style);
  }
  const lines = wrap(textOf(words, SHORTEST_VALUE_COLUMNS), maxPx, style);
  if (lines.length <= MOST_LINES) return lines;
  const kept = lines.slice(0, MOST_LINES);
  return [...kept.slice(0, -1), withEllipsis(kept.at(-1) ?? '', maxPx, style)];
}

/** Words in one line, as much of the value as fits; cut off with an ellipsis if nothing does. */
export function fitLine(words: Words, maxPx: number, style: TextStyle): string {
  for (let columns: number = VALUE_COLUMNS[0]; columns > 0; columns -= 1) {
    const text = textOf(words, columns);
    if (widthOf(text, style) <= maxPx) return text;
  }
  return withEllipsis(textOf(words, 1), maxPx, style);
}

/** As few lines as possible, and none of them much shorter than the others. */
function balance(text: string, maxPx: number, style: TextStyle): readonly string[] {
  const few = wrap(text, maxPx, style);
  for (let px = maxPx / 2; px < maxPx; px += maxPx / 20) {
    const lines = wrap(text, px, style);
    if (lines.length === few.length) return lines;
  }
  return few;
}

function withEllipsis(line: string, maxPx: number, style: TextStyle): string {
  const kept = Array.from(line);
  while (kept.length > 0 && widthOf(`${kept.join('')}…`, style) > maxPx) kept.pop();
  return `${kept.join('')}…`;
}

/** Words as one text, in which a value takes at most so many columns; safe to be shown. */
export function textOf({ before = '', value, after = '' }: Words, valueColumns: number): string {
  const quote = (text: string) => `"${shorten(printable(text), valueColumns)}"`;
  const middle = value === undefined ? '' : formatValue(value, quote);
  return printable(before) + printable(middle) + printable(after);
}

/** What stands for a character that has a meaning in XML, or must not be there at all. */
const REPLACEMENTS: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text that can stand in XML and in HTML, within elements and within attributes. */
export function escapeXml(text: string): string {
  return printable(text).replace(/[&<>"'\ufffe\uffff]/g, (it) => REPLACEMENTS[it] ?? '\ufffd');
}
