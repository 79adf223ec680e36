/**
 * The layout of a terminal line: what stands in which column, and what gets which colour.
 */
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

/** No line takes more columns than this. */
export const LINE_COLUMNS = 80;
const TIME_COLUMNS = 9;
const TAG_COLUMNS = 3;
const VERB_COLUMNS = 8;
const ID_COLUMNS = 4;
const INSTANCE_COLUMNS = 4;
/** A value may be shortened to make room for the words around it, but not beyond this. */
const VALUE_COLUMNS_AT_LEAST = 8;

/** One line; `directionColumns` is the width of its third column. */
export function formatLine(
  { at, server }: Stamp,
  direction: string,
  said: Saying,
  paint: Paint,
  directionColumns: number,
): string {
  const { verb, proposalId, instanceNumber, mood } = said;
  const id = proposalId === null ? '' : formatId(proposalId);
  const instance = instanceNumber === null ? '' : `#${instanceNumber}`;
  const hue = (text: string) => (proposalId === null ? text : paint.id(proposalId.uid, text));

  const verbAt = TIME_COLUMNS + TAG_COLUMNS + directionColumns + 1;
  const idAt = verbAt + VERB_COLUMNS + 1;
  const instanceAt = idAt + ID_COLUMNS + 1;
  const wordsAt = instanceAt + INSTANCE_COLUMNS + 1;

  const head = layOut([
    { at: 0, text: formatTime(at), paint: asIs },
    { at: TIME_COLUMNS, text: ` ${server} `, paint: (text) => paint.tag(server, text) },
    { at: TIME_COLUMNS + TAG_COLUMNS, text: direction, paint: asIs },
    { at: verbAt, text: verb, paint: mood === 'trouble' ? paint.trouble : hue },
    { at: idAt, text: id, paint: hue },
    { at: instanceAt, text: instance, paint: asIs },
  ]);
  const isAlone = id === '' && instance === '';
  // Long words of a line without id and instance get the room of the two empty columns.
  const isLong = leastColumnsOf(said.words) > LINE_COLUMNS - wordsAt;
  const start = startOf(isAlone && isLong ? idAt : wordsAt, head.columns);
  const words = formatWords(said.words, LINE_COLUMNS - start).trimEnd();
  if (words === '') return head.text;
  const gap = ' '.repeat(start - head.columns);
  return `${head.text}${gap}${mood === 'plain' ? words : paint[mood](words)}`;
}

/** The architecture of a server, below the time of its start, in as many lines as it takes. */
export function formatLinesOfLayers(layers: readonly string[]): string[] {
  const indent = ' '.repeat(TIME_COLUMNS + 1);
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
  return columnsOf(before + after) + (value === undefined ? 0 : VALUE_COLUMNS_AT_LEAST);
}

function formatWords({ before = '', value, after = '' }: Words, columns: number): string {
  if (value === undefined) return shorten(printable(before + after), columns);
  const left = columns - columnsOf(before) - columnsOf(after);
  const room = Math.max(VALUE_COLUMNS_AT_LEAST, left) - 2;
  const text = formatValue(value, (unquoted) => `"${shorten(printable(unquoted), room)}"`);
  return shorten(printable(before) + text + printable(after), columns);
}

/** Minutes, seconds and milliseconds: what terminals side by side can be matched by. */
export function formatTime(at: number): string {
  const ms = Math.floor(at);
  const minutes = Math.floor(ms / 60_000) % 60;
  const seconds = Math.floor(ms / 1_000) % 60;
  const [mm, ss] = [minutes, seconds].map((part) => String(part).padStart(2, '0'));
  return `${mm}:${ss}.${String(ms % 1_000).padStart(3, '0')}`;
}
