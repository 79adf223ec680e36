/**
 * The layout of a terminal line: what stands in which column, and what gets which colour.
 */
import { isBatch, type Link } from '../chain.ts';
import type { Uid } from '../composable-paxos.ts';
import type { Stamp } from './events.ts';
import { columnsOf, printable, shorten } from './printable.ts';
import { formatId, formatLayers, formatValue, type Saying, type Words } from './words.ts';

/** Colour only decorates: each function gives the text back with at most colour codes added. */
export interface Paint {
  /** The mark of the server that prints. */
  tag(uid: Uid, text: string): string;
  /** Whatever belongs to a proposal, in the hue of its owner. */
  id(uid: Uid, text: string): string;
  trouble(text: string): string;
  quorum(text: string): string;
  dim(text: string): string;
}

/** No colour at all: for files, pipes, and those who want none. */
export const plainPaint: Paint = {
  tag: (_uid, text) => text,
  id: (_uid, text) => text,
  trouble: (text) => text,
  quorum: (text) => text,
  dim: (text) => text,
};

/** How a line tells the time. */
export type TimeStyle = keyof typeof TIMES;

/** The columns of the time, the gap behind it included, and what stands there. */
const TIMES = {
  /** Minutes, seconds and milliseconds: what terminals side by side can be matched by. */
  short: { columns: 9, format: (at: number) => `${isoTime(at).slice(14, 23)}` },
  /** Date and time of day, everywhere that of Greenwich: for what is kept, or compared. */
  full: { columns: 24, format: isoTime },
} as const;

/** No line takes more columns than this, and what a longer time takes. */
export const LINE_COLUMNS = 80;
const VERB_COLUMNS = 8;
const ID_COLUMNS = 4;
const INSTANCE_COLUMNS = 4;
/** A value may be shortened to make room for the words around it, but not beyond this. */
const VALUE_COLUMNS_AT_LEAST = 8;
/** What goes wrong is told whole, in a few lines if it must be. */
const MAX_LINES_OF_TROUBLE = 4;

export interface LineOptions {
  readonly paint: Paint;
  readonly time: TimeStyle;
  /** The widths of the second and the third column. */
  readonly tagColumns: number;
  readonly directionColumns: number;
}

/** One line; or, if something went wrong that takes more words than fit in it, a few. */
export function formatLine(
  { at, server }: Stamp,
  direction: string,
  said: Saying,
  { paint, time, tagColumns, directionColumns }: LineOptions,
): string[] {
  const { verb, proposalId, instanceNumber, mood } = said;
  const id = proposalId === null ? '' : formatId(proposalId);
  const instance = instanceNumber === null ? '' : `#${instanceNumber}`;
  const hue = (text: string) => (proposalId === null ? text : paint.id(proposalId.uid, text));

  const tagAt = TIMES[time].columns;
  const lineColumns = LINE_COLUMNS + tagAt - TIMES.short.columns;
  const verbAt = tagAt + tagColumns + directionColumns + 1;
  const idAt = verbAt + VERB_COLUMNS + 1;
  const instanceAt = idAt + ID_COLUMNS + 1;
  const wordsAt = instanceAt + INSTANCE_COLUMNS + 1;

  const head = layOut([
    { at: 0, text: TIMES[time].format(at), paint: asIs },
    { at: tagAt, text: ` ${server} `, paint: (text) => paint.tag(server, text) },
    { at: tagAt + tagColumns, text: direction, paint: asIs },
    { at: verbAt, text: verb, paint: mood === 'trouble' ? paint.trouble : hue },
    { at: idAt, text: id, paint: hue },
    { at: instanceAt, text: instance, paint: asIs },
  ]);
  const isAlone = id === '' && instance === '';
  // Long words of a line without id and instance get the room of the two empty columns.
  const isLong = leastColumnsOf(said.words) > lineColumns - wordsAt;
  const start = startOf(isAlone && isLong ? idAt : wordsAt, head.columns);
  const inMood = (text: string) => (mood === 'plain' ? text : paint[mood](text));
  const indent = tagAt + 1;
  const isCut = mood === 'trouble' && leastColumnsOf(said.words) > lineColumns - start;
  const [words = '', ...more] = isCut
    ? wrap(said.words, lineColumns - start, lineColumns - indent)
    : [formatWords(said.words, lineColumns - start).trimEnd()];
  const gap = ' '.repeat(start - head.columns);
  const first = words === '' ? head.text : `${head.text}${gap}${inMood(words)}`;
  return [first, ...more.map((text) => ' '.repeat(indent) + inMood(text))];
}

/** The architecture of a server, below the time of its start, in as many lines as it takes. */
export function formatLinesOfLayers(
  layers: readonly string[],
  time: TimeStyle = 'short',
): string[] {
  const indent = ' '.repeat(TIMES[time].columns + 1);
  const lines: string[] = [];
  let line = '';
  for (const part of printable(formatLayers(layers)).split(/(?<=\()/)) {
    if (line !== '' && indent.length + line.length + part.length > LINE_COLUMNS) {
      lines.push(indent + line);
      line = '  ';
    }
    line += part;
  }
  return [...lines, indent + line].map((text) => shorten(text, LINE_COLUMNS));
}

interface Cell {
  readonly at: number;
  readonly text: string;
  readonly paint: (text: string) => string;
}

function asIs(text: string): string {
  return text;
}

/** Puts every text into its column, and empty ones nowhere. */
function layOut(cells: readonly Cell[]): { readonly text: string; readonly columns: number } {
  let text = '';
  let columns = 0;
  for (const cell of cells) {
    if (cell.text === '') continue;
    const start = startOf(cell.at, columns);
    text += ' '.repeat(start - columns) + cell.paint(cell.text);
    columns = start + columnsOf(cell.text);
  }
  return { text, columns };
}

/** Its own column, or one beyond a neighbour that is too wide. */
function startOf(at: number, columns: number): number {
  return at >= columns ? at : columns + 1;
}

function leastColumnsOf({ before = '', value, after = '' }: Words): number {
  const { beside, least } = value === undefined ? NO_ROOM : roomFor(value);
  return columnsOf(before + after) + beside + least;
}

const NO_ROOM = { beside: 0, least: 0 };

/** What a value takes besides its text, and the least that must be left of that. */
function roomFor(value: Link | string): { readonly beside: number; readonly least: number } {
  if (typeof value === 'string' || !isBatch(value)) {
    return { beside: 0, least: VALUE_COLUMNS_AT_LEAST };
  }
  return { beside: columnsOf(`${formatValue(value, () => '')}: `), least: 0 };
}

function formatWords({ before = '', value, after = '' }: Words, columns: number): string {
  if (value === undefined) return shorten(printable(before + after), columns);
  const { beside, least } = roomFor(value);
  const left = columns - columnsOf(before) - columnsOf(after) - beside;
  const room = Math.max(least, left) - 2;
  const quoted = (text: string) => (room < 1 ? '' : `"${shorten(printable(text), room)}"`);
  const text = formatValue(value, quoted);
  return shorten(printable(before) + text + printable(after), columns);
}

/** All the words, in as many lines as they need; only a value is shortened. */
function wrap(words: Words, firstColumns: number, columns: number): string[] {
  const lines = [''];
  for (const word of formatWords(words, leastColumnsOf(words)).split(' ')) {
    const last = lines.length - 1;
    const longer = lines[last] === '' ? word : `${lines[last]} ${word}`;
    const fits = columnsOf(longer) <= (last === 0 ? firstColumns : columns);
    if (fits || lines.length === MAX_LINES_OF_TROUBLE) lines[last] = longer;
    else lines.push(word);
  }
  return lines.map((line, index) => shorten(line, index === 0 ? firstColumns : columns));
}

/** Minutes, seconds and milliseconds: what terminals side by side can be matched by. */
export function formatTime(at: number): string {
  return TIMES.short.format(at);
}

function isoTime(at: number): string {
  return new Date(Math.floor(at)).toISOString();
}
