/**
 * The time line of a lease, with the numbers of `master-strategy.ts`: why the holder stops to
 * believe in it before anybody else may stand, and when it asks for the next one.
 */
import { HOLDER_WINDOW_MS, LEASE_WINDOW_MS, RENEW_AFTER_MS } from '../../master-strategy.ts';
import type { Paints, Theme } from '../palette.ts';
import { drawHeadOf, drawLine, drawText, px, rim } from '../svg.ts';
import { wrap } from '../text.ts';
import { drawBadge, drawLines, figureOf } from './figure.ts';

/** From the sending to the learning: in the picture, so that it can be seen. */
const LEARNED_AFTER_MS = 600;
const HOLDER = 0;
const OTHERS = ['B', 'C'];

const WIDTH = 880;
const LEFT = 112;
const PX_A_SECOND = 46;
const BAR = 26;
/** The middle lines of the bars: of the first lease, and of the next one. */
const ROWS = [
  { holderY: 78, othersY: 136 },
  { holderY: 226, othersY: 284 },
] as const;
const AXIS_Y = 322;
const HEIGHT = 398;
const LAST_TICK_MS = RENEW_AFTER_MS + LEASE_WINDOW_MS + 1_000;

/** By so much each of two clocks may be wrong before the margin is used up. */
const MOST_PERCENT = Math.round(50 * (1 - HOLDER_WINDOW_MS / LEASE_WINDOW_MS));

const xOf = (ms: number) => LEFT + (ms / 1_000) * PX_A_SECOND;
const seconds = (ms: number) => `${ms / 1_000} s`;
const HOLDER_WINDOW = seconds(HOLDER_WINDOW_MS);
const LEASE_WINDOW = seconds(LEASE_WINDOW_MS);

/** A lease, and its renewal half-way. */
export function leaseFigure(theme: Theme): string {
  const title = 'The time line of a lease and of its renewal';
  return figureOf(title, { width: WIDTH, height: HEIGHT }, theme, (paints) => [
    drawGrid(paints),
    drawRenewal(paints),
    ...ROWS.flatMap((_, index) => drawLease(index, paints)),
    drawEnd(paints),
  ]);
}

function drawGrid(paints: Paints): string {
  const parts: string[] = [];
  for (let ms = 0; ms <= LAST_TICK_MS; ms += 1_000) {
    const x = xOf(ms);
    parts.push(drawLine(x, 56, x, AXIS_Y, paints.guide, 1, ''));
    const words = ms === 0 ? '0 s' : String(ms / 1_000);
    const options = { sizePx: 10.5, fill: paints.quiet, anchor: 'middle' } as const;
    parts.push(drawText(words, x, AXIS_Y + 12, options));
  }
  return parts.join('');
}

/** What is said of the first lease and of the next: above it, in its bars, and after their ends. */
const WORDS = [
  {
    heading: `A lease: ${HOLDER_WINDOW} for its holder, ${LEASE_WINDOW} for the others`,
    headingX: LEFT,
    holder: `A is master: ${HOLDER_WINDOW}, counted from the sending`,
    others: `promise to nobody but A: ${LEASE_WINDOW}, counted from the learning`,
    after: ['in case a clock goes wrong', 'if not renewed, B or C may stand'],
  },
  {
    heading: `Half-way, after ${seconds(RENEW_AFTER_MS)}, A asks for the next one`,
    headingX: xOf(RENEW_AFTER_MS) + 10,
    holder: 'and so it is master without a gap',
    others: 'all count anew',
    after: [],
  },
] as const;

/** Two bars, and the message that ties them together. */
function drawLease(index: number, paints: Paints): string[] {
  const { holderY, othersY } = ROWS[index === 0 ? 0 : 1];
  const words = WORDS[index === 0 ? 0 : 1];
  const sentMs = index * RENEW_AFTER_MS;
  const learnedMs = sentMs + LEARNED_AFTER_MS;
  const holderEndMs = sentMs + HOLDER_WINDOW_MS;
  const othersEndMs = learnedMs + LEASE_WINDOW_MS;
  const hue = paints.hue(HOLDER);
  const solid = { fill: hue, stroke: hue, ink: paints.onHue(HOLDER) };
  const pale = { fill: paints.pale(HOLDER), stroke: hue, ink: paints.ink };
  const gap = { fill: paints.background, stroke: paints.quiet, ink: paints.ink, dash: '4 3' };
  const small = { sizePx: 11, fill: paints.ink, more: rim(paints) } as const;
  const arrow = {
    x1: xOf(sentMs),
    y1: holderY + BAR / 2,
    x2: xOf(learnedMs),
    y2: othersY - BAR / 2,
  };
  return [
    drawText(words.heading, words.headingX, holderY - 48, {
      sizePx: 12.5,
      fill: paints.ink,
      isBold: true,
      more: rim(paints),
    }),
    drawBadge('A', HOLDER, 34, holderY, paints),
    ...OTHERS.map((uid, place) => drawBadge(uid, place + 1, 34 + 34 * place, othersY, paints)),
    drawBar(sentMs, holderEndMs, holderY, words.holder, solid),
    drawBar(holderEndMs, othersEndMs, holderY, 'margin', gap),
    drawBar(learnedMs, othersEndMs, othersY, words.others, pale),
    ...[holderY, othersY].flatMap((y, place) => {
      const after = words.after[place];
      return after === undefined ? [] : [drawText(after, xOf(othersEndMs) + 8, y, small)];
    }),
    drawText('sent', xOf(sentMs) + 10, holderY - 21, { ...small, fill: paints.quiet }),
    drawText('learned', xOf(learnedMs), othersY + 22, { ...small, fill: paints.quiet }),
    drawLine(arrow.x1, arrow.y1, arrow.x2, arrow.y2, hue, 1.8, ''),
    drawHeadOf('full', arrow, hue, paints),
  ];
}

interface BarPaint {
  readonly fill: string;
  readonly stroke: string;
  readonly ink: string;
  readonly dash?: string;
}

function drawBar(fromMs: number, toMs: number, y: number, words: string, paint: BarPaint): string {
  const { fill, stroke, ink, dash } = paint;
  const [x1, x2] = [xOf(fromMs), xOf(toMs)];
  const dashed = dash === undefined ? '' : ` stroke-dasharray="${dash}"`;
  const place = `x="${px(x1)}" y="${px(y - BAR / 2)}" width="${px(x2 - x1)}" height="${BAR}"`;
  const bar = `<rect ${place} fill="${fill}" stroke="${stroke}"${dashed}/>`;
  return bar + drawText(words, x1 + 10, y, { sizePx: 11, fill: ink });
}

/** From the middle of the first lease to the beginning of the next one (the bars lie above it). */
function drawRenewal(paints: Paints): string {
  const x = xOf(RENEW_AFTER_MS);
  const [first, next] = ROWS;
  const [y1, y2] = [first.holderY - BAR / 2 - 8, next.holderY - BAR / 2];
  const arrow = { x1: x, y1, x2: x, y2 };
  const hue = paints.hue(HOLDER);
  return drawLine(x, y1, x, y2, hue, 1.5, '5 3') + drawHeadOf('open', arrow, hue, paints);
}

function drawEnd(paints: Paints): string {
  const words =
    'A counts from the sending, the others from the learning, which is later: so A stops first, ' +
    `whatever the network does, as long as no clock goes wrong by more than ${MOST_PERCENT} %. ` +
    'The way of the message is drawn longer than it is.';
  const lines = wrap(words, WIDTH - 40, { sizePx: 12, isBold: false });
  return drawLines(lines, 20, AXIS_Y + 42, { sizePx: 12, fill: paints.ink });
}
