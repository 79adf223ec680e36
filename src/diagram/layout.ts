/**
 * Where everything stands in a diagram, in pixels: lanes from left to right, rows from top to
 * bottom, each as high as its words need. So no words ever meet: they stay in their lane and
 * in their row.
 *
 * With two or three servers the first one has its words on its left, and the others close to it.
 * With more, every lane has its words on the right, and the more lanes there are the narrower
 * they get: words are broken into lines then.
 */
import type { Uid } from '../composable-paxos.ts';
import type { Arrow, Diagram, Row } from './model.ts';
import { fitWords, type TextStyle, textOf, widthOf } from './text.ts';
import type { Icon, Phrase, PhraseMood } from './words.ts';

export interface Lane {
  readonly uid: Uid;
  readonly index: number;
  /** Where time runs down. */
  readonly x: number;
  /** Words stand beside it, on this side, and take this room. */
  readonly side: 'left' | 'right';
  readonly wordsFrom: number;
  readonly wordsTo: number;
}

export interface PlacedLine {
  readonly text: string;
  /** The words as they are, if the line does not show all of them. */
  readonly whole: string | null;
  readonly mood: PhraseMood;
  readonly icon: Icon | null;
  /** Where the icon's inner edge is, and the words'. */
  readonly iconX: number;
  readonly x: number;
  /** The middle of the line. */
  readonly y: number;
}

export interface PlacedRow {
  readonly row: Row;
  readonly lane: Lane;
  readonly top: number;
  readonly bottom: number;
  /** Where arrows leave and arrive. */
  readonly y: number;
  readonly lines: readonly PlacedLine[];
  /** The middle of the fold above it; null if there is none. */
  readonly foldY: number | null;
  /** What stands in the column of times: nothing new, nothing written. */
  readonly time: string | null;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface PlacedArrow {
  readonly arrow: Arrow;
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
  /** Where it turns, to get round the words that stand in its way; none: it is straight. */
  readonly bends: readonly Point[];
  /** Only its beginning, or only its end, is in the picture. */
  readonly isStub: boolean;
  /** Its end is in the picture, and it got there. */
  readonly arrives: boolean;
}

export interface Layout {
  readonly diagram: Diagram;
  readonly width: number;
  readonly lanes: readonly Lane[];
  /** Null without clients. */
  readonly clientX: number | null;
  readonly clientWordsTo: number;
  /** Where the column of times ends. */
  readonly timesTo: number;
  readonly sizePx: number;
  readonly rows: readonly PlacedRow[];
  readonly arrows: readonly PlacedArrow[];
  /** Of the part with the rows. */
  readonly height: number;
  /** Where a row begins in the picture: at its edge, if it is not in the picture at all. */
  yOf(row: number): number;
}

/** Which rows are drawn, the last one inclusive. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

/** Room for words beside a lane, for so many servers. */
const WORDS_PX = [0, 420, 290, 208, 184, 164, 146, 132, 124, 118];
const TIMES_TO = 50;
/** From the times to where clients are, and to the end of their room. */
const CLIENT_PX = 34;
const CLIENTS_PX = 118;
/** From a lane to its words, and from the words to the next lane. */
const BESIDE_PX = 19;
const GUTTER_PX = 36;
/** Between the first lane and the second, when words stand on the outer sides. */
const CLOSE_PX = 124;
const MARGIN_PX = 16;
const LEAST_WIDTH_PX = 760;
/** Many servers are drawn closer, if they do not fit into this. */
const MOST_WIDTH_PX = 1_400;
/** Where room is scarce: fewer pixels for clients and between lanes, and words break sooner. */
const NARROW = { clientsPx: 54, closePx: 72, gutterPx: 24, leastWordsPx: 76 };

const TOP_PX = 8;
const ROW_PX = 21;
const QUIET_ROW_PX = 13;
const LINE_PX = 15;
const ASKED_PX = 18;
const FOLD_PX = 26;

/** From a lane to the tip of an arrow, and to the mark of a lost one. */
const TIP_PX = 8;
const LOST_PX = 24;
const STUB_PX = 46;
const BEND_PX = 12;
const BELOW_PX = 2;
const ABOVE_PX = 1;
/** From words to what comes round them. */
const CLEAR_PX = 6;
/** From the line of the clients to the head of an answer. */
const ANSWER_PX = 4;

const ICON_GAP_PX = 4;

/** `roomPx`: the picture should not be wider than that, if its words can be broken so far. */
export function layOut(diagram: Diagram, window: Window, roomPx: number | null = null): Layout {
  const { uids, hasClients } = diagram;
  const timesTo = endOfTimes(diagram);
  const clientX = hasClients ? timesTo + CLIENT_PX : null;
  const lanes = placeLanes(uids, hasClients, timesTo, roomPx ?? MOST_WIDTH_PX);
  // What a client asks for stands above its row, where only lanes are in its way.
  const clientWordsTo = (lanes[0]?.x ?? timesTo + CLIENTS_PX) - BESIDE_PX;
  const sizePx = uids.length > 5 ? 11 : 12;
  const right = Math.max(...lanes.map(({ x, wordsTo }) => Math.max(x, wordsTo)), 0);
  const rows = placeRows(diagram, window, lanes, sizePx);
  const last = rows.at(-1);
  const height = (last?.bottom ?? TOP_PX) + 10;
  const byNumber = new Map(rows.map((placed) => [placed.row.number, placed]));
  const yOf = (row: number) => {
    if (row < window.from) return 0;
    return byNumber.get(row)?.y ?? height;
  };
  const arrows = diagram.arrows.flatMap((arrow) =>
    placeArrow(arrow, lanes, clientX ?? 0, byNumber, window, sizePx),
  );
  return {
    diagram,
    width: Math.max(right + MARGIN_PX, roomPx ?? LEAST_WIDTH_PX),
    lanes,
    clientX,
    clientWordsTo,
    timesTo,
    sizePx,
    rows,
    arrows,
    height,
    yOf,
  };
}

/** Times that are long take more room. */
function endOfTimes(diagram: Diagram): number {
  const { startMs, endMs } = diagram;
  const texts = [timeOf(diagram, endMs), clockOf(startMs)];
  const widths = texts.map((text) => widthOf(text, { sizePx: 10.5, isBold: false }));
  return Math.max(TIMES_TO, Math.ceil(Math.max(...widths)) + 10);
}

/** Earlier than this no server has told the time of day: it is a simulation's. */
const FIRST_DAY_MS = 1_000_000_000_000;

/** The time of day as servers tell it (UTC); empty: their time is none of any day. */
export function clockOf(ms: number): string {
  return ms < FIRST_DAY_MS ? '' : new Date(ms).toISOString().slice(11, 23);
}

/** From so many milliseconds on a run has times with hours, minutes and seconds. */
export const LONG_MS = 1_000_000;

/** What stands above the times. */
export function unitOf({ endMs }: Diagram): string {
  return endMs < LONG_MS ? 'ms' : 'time';
}

/** Milliseconds, or in a long run `1:02:03.004`. */
export function timeOf({ endMs }: Pick<Diagram, 'endMs'>, ms: number): string {
  const whole = Math.round(ms);
  if (endMs < LONG_MS) return String(whole);
  const seconds = Math.floor(whole / 1_000);
  const two = (part: number) => String(part).padStart(2, '0');
  const clock = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  const hours = Math.floor(seconds / 3_600);
  return `${hours}:${clock}.${String(whole % 1_000).padStart(3, '0')}`;
}

function placeLanes(
  uids: readonly Uid[],
  hasClients: boolean,
  timesTo: number,
  roomPx: number,
): Lane[] {
  const wide = WORDS_PX[uids.length] ?? WORDS_PX.at(-1) ?? 0;
  const gaps = {
    left: timesTo + (hasClients ? CLIENTS_PX : 0),
    closePx: CLOSE_PX,
    gutterPx: GUTTER_PX,
    words: wide,
  };
  const lanes = lanesWith(uids, gaps);
  const widthOfAll = (lanes.at(-1)?.wordsTo ?? 0) + MARGIN_PX;
  if (widthOfAll <= roomPx) return lanes;

  const { clientsPx, closePx, gutterPx, leastWordsPx } = NARROW;
  const narrow = { left: timesTo + (hasClients ? clientsPx : 0), closePx, gutterPx, words: 0 };
  const bare = (lanesWith(uids, narrow).at(-1)?.wordsTo ?? 0) + MARGIN_PX;
  const words = Math.min(wide, Math.max(leastWordsPx, (roomPx - bare) / uids.length));
  return lanesWith(uids, { ...narrow, words });
}

interface Gaps {
  /** What stands left of all lanes ends here. */
  readonly left: number;
  readonly closePx: number;
  readonly gutterPx: number;
  /** Room for words beside a lane. */
  readonly words: number;
}

function lanesWith(uids: readonly Uid[], { left, closePx, gutterPx, words }: Gaps): Lane[] {
  const isMirrored = uids.length === 2 || uids.length === 3;
  const lanes: Lane[] = [];
  let x = left + (isMirrored ? MARGIN_PX + words + BESIDE_PX : gutterPx);
  for (const [index, uid] of uids.entries()) {
    if (isMirrored && index === 0) {
      const wordsTo = x - BESIDE_PX;
      lanes.push({ uid, index, x, side: 'left', wordsFrom: wordsTo - words, wordsTo });
      x += closePx;
      continue;
    }
    const wordsFrom = x + BESIDE_PX;
    lanes.push({ uid, index, x, side: 'right', wordsFrom, wordsTo: wordsFrom + words });
    x = wordsFrom + words + gutterPx;
  }
  return lanes;
}

function placeRows(
  diagram: Diagram,
  window: Window,
  lanes: readonly Lane[],
  sizePx: number,
): PlacedRow[] {
  const placed: PlacedRow[] = [];
  let top = TOP_PX;
  let latest = '';
  for (const row of diagram.rows.slice(window.from - 1, window.to)) {
    const lane = lanes.find(({ uid }) => uid === row.uid);
    if (lane === undefined) continue;
    let foldY: number | null = null;
    if ((row.silenceMs > 0 || row.repeats > 0) && placed.length > 0) {
      foldY = top + FOLD_PX / 2;
      top += FOLD_PX;
    }
    const hasWords = row.phrases.length > 0;
    const middle = (hasWords ? ROW_PX : QUIET_ROW_PX) / 2;
    const y = top + (row.asked === null ? 0 : ASKED_PX) + middle;
    const lines = placeLines(row.phrases, lane, y, sizePx);
    const bottom = y + middle + LINE_PX * Math.max(0, lines.length - 1);
    const time = hasWords ? timeOf(diagram, row.atMs) : latest;
    placed.push({ row, lane, top, bottom, y, lines, foldY, time: time === latest ? null : time });
    latest = time;
    top = bottom;
  }
  return placed;
}

function placeLines(
  phrases: readonly Phrase[],
  lane: Lane,
  y: number,
  sizePx: number,
): PlacedLine[] {
  const lines: PlacedLine[] = [];
  for (const { icon, words, mood } of phrases) {
    const style = { sizePx, isBold: isBold(mood) };
    const room = lane.wordsTo - lane.wordsFrom;
    const iconPx = icon === null ? 0 : iconWidth(icon) + ICON_GAP_PX;
    const fitted = fitWords(words, room - iconPx, style);
    const whole = textOf(words, 1_000);
    const isWhole = fitted.join(' ') === whole;
    const away = lane.side === 'left' ? -1 : 1;
    const edge = lane.side === 'left' ? lane.wordsTo : lane.wordsFrom;
    for (const [index, text] of fitted.entries()) {
      lines.push({
        text,
        whole: isWhole ? null : whole,
        mood,
        icon: index === 0 ? icon : null,
        iconX: edge,
        x: edge + away * iconPx,
        y: y + LINE_PX * lines.length,
      });
    }
  }
  return lines;
}

/** How a line is set. */
export function styleOf({ mood }: PlacedLine, sizePx: number): TextStyle {
  return { sizePx, isBold: isBold(mood) };
}

export function isBold(mood: PhraseMood): boolean {
  return mood === 'strong' || mood === 'alarm';
}

const SQUARE_STYLE: TextStyle = { sizePx: 10, isBold: true };

export function iconWidth(icon: Icon): number {
  if (icon === 'star') return 14;
  if (icon === 'tick') return 11;
  return Math.max(14, Math.ceil(widthOf(String(icon.accepted), SQUARE_STYLE)) + 6);
}

/** The words of this row stand on this side of their lane: 1 is the right one. */
function hasWordsAt({ lines, lane }: PlacedRow, side: number): boolean {
  return lines.length > 0 && side > 0 === (lane.side === 'right');
}

/** An arrow towards the words of its row begins below them, and does not run through them. */
function leavesAt(row: PlacedRow, ahead: number): number {
  return hasWordsAt(row, ahead) ? row.bottom - BELOW_PX : row.y;
}

/** And one that comes from where they stand gets round them, above. */
function bendsOf(row: PlacedRow, ahead: number, sizePx: number): readonly Point[] {
  if (!hasWordsAt(row, -ahead)) return [];
  const { lane, lines, top } = row;
  const near = lane.x - ahead * (TIP_PX + BEND_PX);
  const lengths = lines.map((line) => {
    return Math.abs(line.x - lane.x) + widthOf(line.text, styleOf(line, sizePx));
  });
  const far = lane.x - ahead * (Math.max(...lengths) + CLEAR_PX);
  return [far, near].map((x) => ({ x, y: top + ABOVE_PX }));
}

function placeArrow(
  arrow: Arrow,
  lanes: readonly Lane[],
  clientX: number,
  rows: ReadonlyMap<number, PlacedRow>,
  window: Window,
  sizePx: number,
): PlacedArrow[] {
  const to = lanes.find(({ uid }) => uid === arrow.to);
  const from = lanes.find(({ uid }) => uid === arrow.from);
  const start = rows.get(arrow.fromRow);
  const end = rows.get(arrow.toRow);
  if (arrow.to === null) {
    if (from === undefined || start === undefined) return [];
    const y = start.bottom - 1;
    const ends = { x1: from.x - TIP_PX + 1, y1: y, x2: clientX + ANSWER_PX, y2: y };
    return [{ arrow, ...ends, bends: [], isStub: false, arrives: true }];
  }
  if (to === undefined) return [];
  if (arrow.from === null) {
    if (end === undefined) return [];
    const y1 = end.y - ASKED_PX + 6;
    const ends = { x1: clientX, y1, x2: to.x - TIP_PX, y2: end.y };
    const bends = to.side === 'left' ? [{ x: ends.x2 - BEND_PX, y: y1 }] : [];
    return [{ arrow, ...ends, bends, isStub: false, arrives: true }];
  }
  if (from === undefined) return [];

  const ahead = Math.sign(to.x - from.x);
  const x1 = from.x + ahead * (TIP_PX - 1);
  const startY = start === undefined ? 0 : leavesAt(start, ahead);
  if (arrow.end === 'unknown' || (arrow.end !== 'cut' && arrow.toRow > window.to)) {
    if (start === undefined) return [];
    const ends = { x1, y1: startY, x2: x1 + ahead * STUB_PX, y2: startY + QUIET_ROW_PX };
    return [{ arrow, ...ends, bends: [], isStub: true, arrives: false }];
  }
  if (end === undefined) return [];
  const isLost = arrow.end === 'lost';
  const x2 = to.x - ahead * (isLost ? LOST_PX : TIP_PX);
  const y2 = isLost ? end.bottom : end.y;
  if (arrow.end !== 'cut' && start !== undefined) {
    const bends = isLost ? [] : bendsOf(end, ahead, sizePx);
    const ends = { x1, y1: Math.min(startY, bends[0]?.y ?? y2), x2, y2 };
    return [{ arrow, ...ends, bends, isStub: false, arrives: !isLost }];
  }
  if (isLost) return [];
  const [, bend] = bendsOf(end, ahead, sizePx);
  const ends = { x1: x2 - ahead * STUB_PX, y1: bend?.y ?? y2 - QUIET_ROW_PX, x2, y2 };
  return [{ arrow, ...ends, bends: bend === undefined ? [] : [bend], isStub: true, arrives: true }];
}
