/** What stands above a diagram: what its marks mean, and the whole run in proportion to time. */

import type { Uid } from '../composable-paxos.ts';
import { kindOf } from './hiding.ts';
import type { Layout } from './layout.ts';
import type { Diagram, Stretch } from './model.ts';
import type { Paints } from './palette.ts';
import {
  drawCross,
  drawHeadOf,
  drawIcon,
  drawLine,
  drawText,
  fillOf,
  LINES,
  type Part,
  px,
} from './svg.ts';
import { widthOf } from './text.ts';

const SIZE_PX = 10.5;
const SAMPLE_PX = 34;
const ITEM_GAP_PX = 20;
const LINE_PX = 21;
const LEFT_PX = 20;

/** A sample, drawn around a middle line, and what it stands for. */
interface Item {
  readonly words: string;
  readonly draw: (x: number, y: number) => string;
  readonly width: number;
}

/** What the lines, stripes and marks mean; only those that appear in the picture. */
export function drawLegend(layout: Layout, paints: Paints): Part {
  const parts: string[] = [];
  let x = LEFT_PX;
  let y = 14;
  for (const { words, draw, width } of itemsFor(layout, paints)) {
    const wordsX = x + width + (width > 0 ? 7 : 0);
    const right = wordsX + widthOf(words, { sizePx: SIZE_PX, isBold: false });
    if (right > layout.width - LEFT_PX && x > LEFT_PX) {
      x = LEFT_PX;
      y += LINE_PX;
    }
    const shift = x + width + (width > 0 ? 7 : 0);
    const fill = width > 0 ? paints.ink : paints.quiet;
    parts.push(draw(x, y), drawText(words, shift, y, { sizePx: SIZE_PX, fill }));
    x = shift + widthOf(words, { sizePx: SIZE_PX, isBold: false }) + ITEM_GAP_PX;
  }
  return { svg: parts.join('\n'), height: y + 14 };
}

function itemsFor(layout: Layout, paints: Paints): Item[] {
  const { arrows } = layout;
  const types = new Set(arrows.map(({ arrow }) => arrow.type));
  const ends = new Set(arrows.map(({ arrow }) => arrow.end));
  const items: Item[] = [];
  const line = (type: keyof typeof LINES, words: string) =>
    items.push({ words, width: SAMPLE_PX, draw: (x, y) => sampleLine(type, x, y, layout, paints) });
  if (types.has('prepare') || types.has('promise')) line('prepare', 'prepare, promise');
  if (types.has('accept') || types.has('accepted')) line('accept', 'accept, accepted');
  if (types.has('nack')) line('nack', 'nack: refused');
  if ([...types].some((type) => kindOf(type) === 'catch-up')) line('catchup', 'catch-up');
  if (types.has('propose') || types.has('request')) line('propose', "a client's value");
  if (types.has('read') || types.has('query')) line('read', "a client's read");
  const answers = ['chosen', 'value', 'answered', 'found', 'refused', 'transferred'] as const;
  const answer = answers.find((type) => types.has(type));
  if (answer !== undefined) line(answer, 'its answer');
  if (ends.has('lost')) {
    const draw = (x: number, y: number) => drawCross(x + 5, y, paints.trouble);
    items.push({ words: 'lost', width: 10, draw });
  }
  if (ends.has('late')) {
    const draw = (x: number, y: number) =>
      `<g opacity="0.35">${drawLine(x, y, x + SAMPLE_PX, y, paints.quiet, 1.2, '')}</g>`;
    items.push({ words: 'came too late to count', width: SAMPLE_PX, draw });
  }
  if (ends.has('unknown')) {
    const draw = (x: number, y: number) =>
      `<g opacity="0.55">${drawLine(x, y, x + 20, y, paints.quiet, 1.8, '')}</g>`;
    items.push({ words: 'no trace of its arrival', width: 20, draw });
  }
  items.push(...stripeItems(layout, paints), ...iconItems(layout, paints));
  const { diagram } = layout;
  const isForAll = diagram.hued.length === diagram.uids.length;
  const words = `hue = owner of the proposal id${isForAll ? '' : ', grey for all others'}`;
  items.push({ words, width: 0, draw: () => '' });
  return items;
}

const OWNED: readonly string[] = ['prepare', 'promise', 'nack', 'accept', 'accepted'];

function sampleLine(
  type: keyof typeof LINES,
  x: number,
  y: number,
  { diagram }: Layout,
  paints: Paints,
): string {
  const { width, dash, head } = LINES[type];
  const isOwned = OWNED.includes(type) && diagram.hued.length > 0;
  const hue = isOwned ? paints.hue(0) : paints.quiet;
  const ends = { x1: x, y1: y, x2: x + SAMPLE_PX, y2: y };
  return (
    drawLine(ends.x1, y, ends.x2 - (head === 'open' ? 0 : 4), y, hue, width, dash) +
    drawHeadOf(head, ends, hue, paints)
  );
}

const CONDITIONS = [
  ['master', 'master'],
  ['candidate', 'candidate'],
  ['follows', 'knows of the lease'],
  ['down', 'down'],
] as const;

function stripeItems({ diagram }: Layout, paints: Paints): Item[] {
  const [uid = ''] = diagram.hued;
  return CONDITIONS.flatMap(([condition, words]) => {
    if (!diagram.stretches.some((stretch) => stretch.condition === condition)) return [];
    const sample = { uid, owner: uid, condition, fromRow: 0, toRow: 1 };
    const fill = fillOf(sample, diagram, paints);
    const draw = (x: number, y: number) =>
      `<rect x="${px(x)}" y="${px(y - 5)}" width="24" height="10" fill="${fill}"/>`;
    return [{ words, width: 24, draw }];
  });
}

function iconItems({ rows, diagram }: Layout, paints: Paints): Item[] {
  const icons = rows.flatMap(({ lines }) => lines.map(({ icon }) => icon));
  const items: Item[] = [];
  const square = icons.find((icon) => icon !== null && typeof icon === 'object');
  if (square !== undefined && square !== null && typeof square === 'object') {
    const draw = (x: number, y: number) => drawIcon(square, x + 8, y, diagram, paints);
    items.push({ words: `accepted in instance ${square.accepted}`, width: 16, draw });
  }
  if (icons.includes('star')) {
    const draw = (x: number, y: number) => drawIcon('star', x + 7, y, diagram, paints);
    items.push({ words: 'chosen, and known to be', width: 14, draw });
  }
  if (icons.includes('tick')) {
    const draw = (x: number, y: number) => drawIcon('tick', x + 7, y, diagram, paints);
    items.push({ words: 'known here, too', width: 14, draw });
  }
  return items;
}

const STRIP_LEFT_PX = 84;
const TICKS = 5;

/** The whole run in proportion to time. Nothing, if no time passed in it. */
export function drawOverview(layout: Layout, paints: Paints): Part {
  const { diagram, width, rows } = layout;
  const { durationMs, endMs, uids } = diagram;
  const startMs = endMs - durationMs;
  if (durationMs < 1 || rows.length === 0) return { svg: '', height: 0 };

  const pitch = uids.length > 5 ? 12 : 19;
  const right = width - 24;
  const xOf = (ms: number) =>
    STRIP_LEFT_PX + ((ms - startMs) / durationMs) * (right - STRIP_LEFT_PX);
  const bottom = 6 + uids.length * pitch;
  const parts = uids.map((uid, index) => {
    const y = 6 + (index + 0.5) * pitch;
    const options = { sizePx: uids.length > 5 ? 9.5 : 11, fill: paints.ink, isBold: true };
    return (
      drawText(uid.slice(0, 2), 62, y, options) +
      `<path d="M${STRIP_LEFT_PX} ${px(y)}H${px(right)}" stroke="${paints.guide}"/>` +
      drawStrip(uid, y, uids.length > 5 ? 7 : 10, diagram, paints, xOf)
    );
  });
  return {
    svg: [
      ...parts,
      ...drawWindow(layout, bottom, paints, xOf),
      drawTicks(bottom, diagram, paints, xOf),
    ].join('\n'),
    height: bottom + 26,
  };
}

type XOf = (ms: number) => number;

function drawStrip(
  uid: Uid,
  y: number,
  height: number,
  diagram: Diagram,
  paints: Paints,
  xOf: XOf,
): string {
  const { rows, stretches, endMs } = diagram;
  const msOf = (row: number) => rows[row - 1]?.atMs ?? endMs;
  const bar = (stretch: Stretch) => {
    const fill = fillOf(stretch, diagram, paints);
    if (fill === null) return '';
    const [x1, x2] = [xOf(msOf(stretch.fromRow)), xOf(msOf(stretch.toRow))];
    const high = stretch.condition === 'follows' ? height / 2 : height;
    const place = `x="${px(x1)}" y="${px(y - high / 2)}" height="${px(high)}"`;
    return `<rect ${place} width="${px(Math.max(1, x2 - x1))}" fill="${fill}"/>`;
  };
  const bars = stretches.filter((stretch) => stretch.uid === uid).map(bar);
  const stars = rows
    .filter((row) => row.uid === uid && row.phrases.some(({ icon }) => icon === 'star'))
    .map(({ atMs }) => drawIcon('star', xOf(atMs), y, diagram, paints));
  return [...bars, ...stars].join('');
}

/** Which part of the run the rows show, if it is not the whole. */
function drawWindow({ rows, diagram }: Layout, bottom: number, paints: Paints, xOf: XOf): string[] {
  if (rows.length === diagram.rows.length) return [];
  const [x1, x2] = [rows[0]?.row.atMs ?? 0, rows.at(-1)?.row.atMs ?? 0].map(xOf);
  const width = Math.max(2, (x2 ?? 0) - (x1 ?? 0));
  const place = `x="${px(x1 ?? 0)}" y="3" width="${px(width)}" height="${px(bottom - 1)}"`;
  return [`<rect ${place} fill="none" stroke="${paints.ink}" stroke-width="1.5" rx="3"/>`];
}

/** Round times. The first one has its unit, and the others if they are long. */
function drawTicks(y: number, { durationMs, endMs }: Diagram, paints: Paints, xOf: XOf): string {
  const step = roundStep(durationMs / TICKS);
  const firstMs = Math.ceil((endMs - durationMs) / step) * step;
  const parts: string[] = [];
  for (let ms = firstMs; ms <= endMs - 0.03 * durationMs; ms += step) {
    const x = xOf(ms);
    const words =
      step >= 600_000
        ? `${Math.round(ms / 60_000)} min`
        : step >= 1_000
          ? `${ms / 1_000} s`
          : ms === firstMs
            ? `${ms} ms`
            : `${ms}`;
    parts.push(`<path d="M${px(x)} ${px(y)}v4" stroke="${paints.quiet}"/>`);
    const anchor = x - STRIP_LEFT_PX < 1 ? 'start' : 'middle';
    parts.push(drawText(words, x, y + 12, { sizePx: 10, fill: paints.quiet, anchor }));
  }
  return parts.join('');
}

/** 1, 2 or 5 times a power of ten, at least 1. */
function roundStep(least: number): number {
  const power = 10 ** Math.max(0, Math.floor(Math.log10(least)));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= least) ?? 10;
  return factor * power;
}
