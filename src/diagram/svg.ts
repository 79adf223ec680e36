/**
 * A laid out diagram as SVG text: lanes and stripes first, then arrows, then what is written. The
 * words stand on the colour of the background, so that arrows pass behind them.
 */
import type { Uid } from '../composable-paxos.ts';
import type { Words } from '../trace/words.ts';
import { kindOf } from './hiding.ts';
import {
  iconWidth,
  type Layout,
  type PlacedArrow,
  type PlacedLine,
  type PlacedRow,
  type Point,
  styleOf,
  unitOf,
} from './layout.ts';
import type { Arrow, Diagram, Row, Stretch } from './model.ts';
import type { Paints } from './palette.ts';
import { escapeXml, fitLine, isMeasured, textOf, widthOf } from './text.ts';
import type { Icon } from './words.ts';

/** A part of a picture: its elements, and how high it is. */
export interface Part {
  readonly svg: string;
  readonly height: number;
}

/** A number as short as it may be: a tenth of a pixel is fine enough. */
export function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}

export interface TextOptions {
  readonly sizePx: number;
  readonly fill: string;
  readonly isBold?: boolean;
  readonly anchor?: 'start' | 'middle' | 'end';
  /** More attributes, already escaped. */
  readonly more?: string;
  /** Shown when the reader points at it. */
  readonly title?: string | null;
}

/** Text around the middle line `y`. One whose width is not known is made to be as we think. */
export function drawText(text: string, x: number, y: number, options: TextOptions): string {
  const { sizePx, fill, isBold: bold = false, anchor = 'start', more = '', title = null } = options;
  const weight = bold ? ' font-weight="bold"' : '';
  const anchored = anchor === 'start' ? '' : ` text-anchor="${anchor}"`;
  const width = widthOf(text, { sizePx, isBold: bold });
  const forced = isMeasured(text)
    ? ''
    : ` textLength="${px(width)}" lengthAdjust="spacingAndGlyphs"`;
  const place = `x="${px(x)}" y="${px(y + sizePx * 0.36)}" font-size="${sizePx}"`;
  const tip = title === null ? '' : `<title>${escapeXml(title)}</title>`;
  const attributes = `${place} fill="${fill}"${weight}${anchored}${forced}${more}`;
  return `<text ${attributes}>${tip}${escapeXml(text)}</text>`;
}

/** What all pictures need: the hatches. `prefix` keeps those of two pictures apart. */
export function drawPatterns({ uids, hued }: Diagram, paints: Paints): string {
  const places = new Set(uids.map((uid) => hued.indexOf(uid)));
  const hatches = [...places].map((place) =>
    hatch(`hatch${place}`, paints.pale(place), paints.hue(place)),
  );
  return `<defs>${hatches.join('')}${hatch('hatchDown', paints.paleDown, paints.down)}</defs>`;
}

function hatch(id: string, below: string, line: string): string {
  const attributes = `id="${id}" patternUnits="userSpaceOnUse" width="5" height="5"`;
  return (
    `<pattern ${attributes} patternTransform="rotate(45)"><rect width="5" height="5" ` +
    `fill="${below}"/><rect width="1.6" height="5" fill="${line}"/></pattern>`
  );
}

/** What a stretch of a lane is filled with; null: it is not a stripe. */
export function fillOf({ condition, owner }: Stretch, { hued }: Diagram, paints: Paints) {
  const index = hued.indexOf(owner);
  switch (condition) {
    case 'master':
      return paints.hue(index);
    case 'candidate':
      return `url(#hatch${index})`;
    case 'follows':
      return paints.pale(index);
    case 'down':
      return 'url(#hatchDown)';
    default:
      return null;
  }
}

/** The heads of the lanes. */
export function drawHead(
  { lanes, clientX, timesTo, diagram, width }: Layout,
  paints: Paints,
): Part {
  const quiet = { sizePx: 11, fill: paints.quiet };
  const parts = [drawText(unitOf(diagram), timesTo - 4, 20, { ...quiet, anchor: 'end' })];
  if (clientX !== null) parts.push(drawText('client', clientX - 14, 20, quiet));
  for (const { uid, x } of lanes) {
    const index = diagram.hued.indexOf(uid);
    const isTraced = diagram.traced.includes(uid);
    const fill = isTraced ? paints.hue(index) : paints.paleDown;
    const place = `x="${px(x - 14)}" y="8" width="28" height="24" rx="5"`;
    parts.push(`<rect ${place} fill="${fill}"/>`);
    const ink = isTraced ? paints.onHue(index) : paints.quiet;
    const options = { sizePx: 15, fill: ink, isBold: true, anchor: 'middle' } as const;
    parts.push(drawText(uid.slice(0, 2), x, 20, options));
    if (isTraced) continue;
    parts.push(drawText('no trace', x + 20, 20, quiet));
  }
  parts.push(`<path d="M20 39.5H${px(width - 16)}" stroke="${paints.guide}"/>`);
  return { svg: parts.join('\n'), height: 40 };
}

/**
 * What stands in the column of times: texts as they are, or one in each row, so that a script can
 * put something else there; or that, and times are links to their rows.
 */
export type Column = 'texts' | 'in each row' | 'links';

/** Everything below the heads. */
export function drawRows(layout: Layout, paints: Paints, column: Column): Part {
  const { violated, lanes, arrows, rows } = drawLayers(layout, paints, column);
  const svg = [...lanes, ...arrows, ...rows, ...violated].join('\n');
  return { svg, height: layout.height };
}

/** The same piece by piece, from the back to the front. */
export function drawLayers(layout: Layout, paints: Paints, column: Column) {
  return {
    lanes: drawLanes(layout, paints),
    arrows: layout.arrows.map((arrow) => drawArrow(arrow, layout, paints)),
    rows: layout.rows.map((row) => drawRow(row, layout, paints, column)),
    violated: drawViolated(layout, paints),
  };
}

/** A tint over rows in which an invariant is violated. */
function drawViolated({ rows, diagram, width }: Layout, paints: Paints): string[] {
  return rows.flatMap(({ row, top, bottom }) => {
    if (!diagram.violations.some((violated) => violated.row === row.number)) return [];
    const place = `y="${px(top)}" width="${px(width)}" height="${px(bottom - top)}"`;
    return [`<rect ${place} fill="${paints.trouble}" opacity="0.12" pointer-events="none"/>`];
  });
}

const STRIPE_PX = { master: 11, candidate: 11, follows: 7, down: 13, idle: 0, absent: 0 } as const;

function drawLanes(layout: Layout, paints: Paints): string[] {
  const { lanes, diagram, height, clientX, yOf } = layout;
  const parts: string[] = [];
  if (clientX !== null) {
    parts.push(`<path d="M${clientX} 0V${px(height)}" stroke="${paints.guide}"/>`);
  }
  for (const { uid, x } of lanes) {
    const stretches = diagram.stretches.filter((stretch) => stretch.uid === uid);
    const first = stretches.find(({ condition }) => condition !== 'absent')?.fromRow;
    const top = first === undefined || first <= 1 ? 0 : yOf(first);
    parts.push(
      `<path d="M${px(x)} ${px(top)}V${px(height)}" stroke="${paints.quiet}" ` +
        'stroke-dasharray="1 3"/>',
    );
    for (const stretch of stretches) {
      const fill = fillOf(stretch, diagram, paints);
      const [y1, y2] = [yOf(stretch.fromRow), yOf(stretch.toRow)];
      if (fill === null || y2 <= y1) continue;
      const width = STRIPE_PX[stretch.condition];
      const place = `x="${px(x - width / 2)}" y="${px(y1)}"`;
      const size = `width="${width}" height="${px(y2 - y1)}"`;
      const of = `data-of="${escapeXml(uid)}"`;
      parts.push(`<rect ${place} ${size} ${of} fill="${fill}"/>`);
      if (stretch.condition !== 'follows') continue;
      const hue = hueOf(stretch.owner, diagram, paints);
      parts.push(`<path d="M${px(x)} ${px(y1)}V${px(y2)}" stroke="${hue}"/>`);
    }
  }
  return parts;
}

function hueOf(uid: Uid | null, { hued }: Diagram, paints: Paints): string {
  return uid === null ? paints.quiet : paints.hue(hued.indexOf(uid));
}

/** How the line of a message looks, and its head. */
export const LINES = {
  prepare: { width: 1.5, dash: '5 3', head: 'open' },
  promise: { width: 1.5, dash: '5 3', head: 'open' },
  nack: { width: 1.5, dash: '5 3', head: 'bar' },
  accept: { width: 2.5, dash: '', head: 'full' },
  accepted: { width: 1.8, dash: '', head: 'full' },
  catchup: { width: 1.2, dash: '1.5 3', head: 'diamond' },
  sync_request: { width: 1.2, dash: '1.5 3', head: 'open' },
  links: { width: 1.2, dash: '1.5 3', head: 'diamond' },
  snapshot_request: { width: 1.2, dash: '1.5 3', head: 'open' },
  snapshot_chunk: { width: 1.2, dash: '1.5 3', head: 'diamond' },
  rejoin_request: { width: 1.2, dash: '1.5 3', head: 'open' },
  rejoin_answer: { width: 1.2, dash: '1.5 3', head: 'open' },
  level_request: { width: 1.2, dash: '1.5 3', head: 'open' },
  level: { width: 1.2, dash: '1.5 3', head: 'open' },
  extent_request: { width: 1.2, dash: '1.5 3', head: 'open' },
  extent: { width: 1.2, dash: '1.5 3', head: 'open' },
  propose: { width: 1.1, dash: '', head: 'full' },
  request: { width: 1.1, dash: '', head: 'full' },
  read: { width: 1.1, dash: '1.5 3', head: 'full' },
  query: { width: 1.1, dash: '1.5 3', head: 'full' },
  quorum_query: { width: 1.1, dash: '1.5 3', head: 'full' },
  reach: { width: 1.1, dash: '1.5 3', head: 'open' },
  status: { width: 1.1, dash: '1.5 3', head: 'open' },
  chosen: { width: 1.1, dash: '', head: 'full' },
  value: { width: 1.1, dash: '1.5 3', head: 'full' },
  answered: { width: 1.1, dash: '', head: 'full' },
  found: { width: 1.1, dash: '1.5 3', head: 'full' },
  reached: { width: 1.1, dash: '1.5 3', head: 'open' },
  refused: { width: 1.1, dash: '', head: 'bar' },
  status_report: { width: 1.1, dash: '1.5 3', head: 'open' },
  transfer: { width: 1.1, dash: '', head: 'open' },
  transferred: { width: 1.1, dash: '', head: 'full' },
  members: { width: 1.1, dash: '1.5 3', head: 'open' },
  members_report: { width: 1.1, dash: '1.5 3', head: 'open' },
  change: { width: 1.1, dash: '', head: 'open' },
  changed: { width: 1.1, dash: '', head: 'full' },
} as const satisfies Record<Arrow['type'], { width: number; dash: string; head: string }>;

type Head = (typeof LINES)[Arrow['type']]['head'];

const FAINT = 0.28;
const FADED = 0.55;

function drawArrow(placed: PlacedArrow, { diagram }: Layout, paints: Paints): string {
  const { arrow, x1, y1, x2, y2, bends, isStub } = placed;
  const { type, owner, end, fromRow, toRow } = arrow;
  const style = LINES[type] ?? LINES.propose;
  const hue = hueOf(owner, diagram, paints);
  const opacity = end === 'late' ? FAINT : end === 'lost' || isStub ? FADED : 1;
  const width = end === 'late' ? Math.min(style.width, 1.2) : style.width;
  const ends = [arrow.from, arrow.to].filter((uid) => uid !== null).map(escapeXml);
  const rows =
    ` data-from="${fromRow}" data-to="${toRow}" data-kind="${kindOf(type)}"` +
    ` data-between="${ends.join(' ')}"`;
  const faint = opacity === 1 ? '' : ` opacity="${opacity}"`;
  const last = bends.at(-1) ?? { x: x1, y: y1 };
  const line = drawPath([{ x: x1, y: y1 }, ...bends, { x: x2, y: y2 }], hue, width, style.dash);
  const direction = { x1: last.x, y1: last.y, x2, y2 };
  const head = placed.arrives ? drawHeadOf(style.head, direction, hue, paints) : '';
  const group = `<g class="arrow"${rows}><g${faint}>${line}${head}</g>`;
  return `${group}${end === 'lost' ? drawCross(x2, y2, paints.trouble) : ''}</g>`;
}

export function drawLine(
  x1: number,
  y1: number,
  x2: number,
  y2: number,
  stroke: string,
  width: number,
  dash: string,
): string {
  const ends = [
    { x: x1, y: y1 },
    { x: x2, y: y2 },
  ];
  return drawPath(ends, stroke, width, dash);
}

function drawPath(points: readonly Point[], stroke: string, width: number, dash: string): string {
  const dashed = dash === '' ? '' : ` stroke-dasharray="${dash}"`;
  const path = `M${points.map(({ x, y }) => `${px(x)} ${px(y)}`).join('L')}`;
  return `<path d="${path}" fill="none" stroke="${stroke}" stroke-width="${width}"${dashed}/>`;
}

export function drawCross(x: number, y: number, stroke: string): string {
  const [left, right, top, bottom] = [x - 3.5, x + 3.5, y - 3.5, y + 3.5].map(px);
  const path = `M${left} ${top}L${right} ${bottom}M${right} ${top}L${left} ${bottom}`;
  return `<path d="${path}" stroke="${stroke}" stroke-width="2"/>`;
}

/** The head of an arrow, turned into its direction. */
export function drawHeadOf(
  head: Head,
  { x1, y1, x2, y2 }: Pick<PlacedArrow, 'x1' | 'y1' | 'x2' | 'y2'>,
  hue: string,
  paints: Paints,
): string {
  const degrees = (Math.atan2(y2 - y1, x2 - x1) * 180) / Math.PI;
  const place = `transform="translate(${px(x2)} ${px(y2)}) rotate(${px(degrees)})"`;
  switch (head) {
    case 'open':
      return `<path d="M-6 -4L0 0L-6 4" fill="none" stroke="${hue}" stroke-width="1.6" ${place}/>`;
    case 'full':
      return `<path d="M-8 -3.5L0 0L-8 3.5Z" fill="${hue}" ${place}/>`;
    case 'diamond':
      return `<path d="M-9 0L-4.5 -3.5L0 0L-4.5 3.5Z" fill="${hue}" ${place}/>`;
    case 'bar':
      return `<path d="M-1 -5.5V5.5" stroke="${paints.trouble}" stroke-width="2.4" ${place}/>`;
  }
}

function drawRow(placed: PlacedRow, layout: Layout, paints: Paints, column: Column): string {
  const { row, y, lines, foldY, lane, time } = placed;
  const parts: string[] = [];
  if (foldY !== null) parts.push(drawFold(foldY, row, layout.width, paints));
  if (time !== null || column !== 'texts') {
    const more = column === 'texts' ? '' : ' class="time"';
    const options = { sizePx: 10.5, fill: paints.quiet, anchor: 'end', more } as const;
    const drawn = drawText(time ?? '', layout.timesTo - 4, y, options);
    parts.push(
      column === 'links' && time !== null ? `<a href="#${row.number}">${drawn}</a>` : drawn,
    );
  }
  if (row.asked !== null) parts.push(drawAsked(placed, row.asked, layout, paints));
  const dot =
    lines.length > 0
      ? `r="4.5" fill="${paints.background}" stroke="${paints.ink}" stroke-width="1.6"`
      : `r="2" fill="${paints.quiet}"`;
  const tip = row.late === null ? '' : `<title>${escapeXml(row.late)}</title>`;
  const of = `data-of="${escapeXml(lane.uid)}"`;
  parts.push(`<circle cx="${px(lane.x)}" cy="${px(y)}" ${of} ${dot}>${tip}</circle>`);
  for (const line of lines) parts.push(drawWords(line, placed, layout, paints));
  return parts.join('\n');
}

function drawAsked(placed: PlacedRow, asked: Words, layout: Layout, paints: Paints): string {
  const x = layout.clientX ?? 0;
  const y = placed.y - 12;
  const room = layout.clientWordsTo - x - 8;
  const text = fitLine(asked, room, { sizePx: 11, isBold: true });
  const dot = `<circle cx="${px(x)}" cy="${px(y)}" r="3.5" fill="${paints.quiet}"/>`;
  const more = `${rim(paints)} data-lane="client"`;
  const whole = textOf(asked, 1_000);
  const title = text === whole ? null : whole;
  const options = { sizePx: 11, fill: paints.ink, isBold: true, more, title };
  return dot + drawText(text, x + 8, y - 6, options);
}

const FOLD_STEP_PX = 12;

function drawFold(y: number, row: Row, width: number, paints: Paints): string {
  const words = wordsOfFold(row);
  const style = { sizePx: 10.5, isBold: false };
  const left = 20 + widthOf(words, style) + 8;
  const steps = Math.floor((width - 16 - left) / FOLD_STEP_PX);
  const zigzag = Array.from({ length: steps }, (_, step) => (step % 2 === 0 ? -8 : 8));
  const path = `M${px(left)} ${px(y + 4)}${zigzag.map((dy) => `l${FOLD_STEP_PX} ${dy}`).join('')}`;
  const drawn = drawText(words, 20, y, { ...style, fill: paints.quiet, more: rim(paints) });
  return `<path d="${path}" fill="none" stroke="${paints.guide}"/>${drawn}`;
}

function wordsOfFold({ silenceMs, repeats }: Row): string {
  if (repeats === 0) return `${formatSilence(silenceMs)} of silence`;
  const often = `${repeats} times more, in vain`;
  return silenceMs > 0 ? `${often}, in ${formatSilence(silenceMs)}` : often;
}

function formatSilence(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 600_000) return `${(ms / 1_000).toFixed(1)} s`;
  return ms < 36_000_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}

/** Words that stand alone are drawn with a rim, which hides what passes behind them. */
export function rim({ background }: Paints): string {
  return ` paint-order="stroke" stroke="${background}" stroke-width="4" stroke-linejoin="round"`;
}

/** Words are of this height, with a little room beside them. */
const GROUND_PX = 14;
const BESIDE_WORDS_PX = 3;

function drawWords(line: PlacedLine, placed: PlacedRow, layout: Layout, paints: Paints): string {
  const { text, whole, mood, icon, iconX, x, y } = line;
  const { lane } = placed;
  const fills = {
    plain: paints.ink,
    strong: paints.ink,
    trouble: paints.trouble,
    alarm: paints.trouble,
    quiet: paints.quiet,
  };
  const of = ` data-lane="${escapeXml(lane.uid)}"`;
  const style = styleOf(line, layout.sizePx);
  const drawn = drawText(text, x, y, {
    ...style,
    fill: fills[mood],
    anchor: lane.side === 'left' ? 'end' : 'start',
    more: of,
    title: whole,
  });
  // What passes behind the words does not run through them.
  const away = lane.side === 'left' ? -1 : 1;
  const near = (icon === null ? x : iconX) - away * BESIDE_WORDS_PX;
  const far = x + away * (widthOf(text, style) + BESIDE_WORDS_PX);
  const place = `x="${px(Math.min(near, far))}" y="${px(y - GROUND_PX / 2)}"`;
  const size = `width="${px(Math.abs(far - near))}" height="${GROUND_PX}"`;
  const ground = `<rect ${place} ${size} fill="${paints.background}"/>`;
  const middle = iconX + (away * (icon === null ? 0 : iconWidth(icon))) / 2;
  const sign = icon === null ? '' : drawIcon(icon, middle, y, layout.diagram, paints);
  return `<g data-of="${escapeXml(lane.uid)}">${ground}${sign}</g>${drawn}`;
}

const STAR = 'M0 -7L1.7 -2.3L6.7 -2.2L2.7 0.9L4.1 5.7L0 2.9L-4.1 5.7L-2.7 0.9L-6.7 -2.2L-1.7 -2.3Z';
const TICK = 'M-4.5 0.5L-1.5 4L4.5 -4.5';

/** An icon around a point. */
export function drawIcon(
  icon: Icon,
  x: number,
  y: number,
  diagram: Diagram,
  paints: Paints,
): string {
  const place = `transform="translate(${px(x)} ${px(y)})"`;
  const edge = `stroke="${paints.background}" stroke-width="1.5" paint-order="stroke"`;
  if (icon === 'star') return `<path d="${STAR}" fill="${paints.ink}" ${edge} ${place}/>`;
  if (icon === 'tick') {
    return `<path d="${TICK}" fill="none" stroke="${paints.ink}" stroke-width="1.8" ${place}/>`;
  }
  const width = iconWidth(icon);
  const hue = hueOf(icon.owner, diagram, paints);
  const pale = paints.pale(diagram.hued.indexOf(icon.owner));
  const size = `x="${px(x - width / 2)}" y="${px(y - 7)}" width="${width}" height="14" rx="2.5"`;
  const options = { sizePx: 10, fill: paints.ink, isBold: true, anchor: 'middle' } as const;
  return (
    `<rect ${size} fill="${pale}" stroke="${hue}" stroke-width="1.5"/>` +
    drawText(String(icon.accepted), x, y, options)
  );
}
