/**
 * The layers of a replica as an onion that is cut in half, and a client's value on its way in. The
 * rings and the dots are those of the class itself: a layer takes part in a verb if it has a
 * method of that name.
 */
import { Acceptor, Learner, PaxosInstance, Proposer } from '../../composable-paxos.ts';
import type { Paints, Theme } from '../palette.ts';
import { drawHeadOf, drawLine, drawText, px } from '../svg.ts';
import { widthOf, wrap } from '../text.ts';
import { drawLines, figureOf, LINE_HEIGHT } from './figure.ts';

/** A class of a replica, the methods that it has itself, and what it does, in a few words. */
export interface Layer {
  readonly name: string;
  readonly methods: readonly string[];
  readonly does: string;
}

/**
 * The layers of a replica class from the outermost to the base, without a class that adds
 * nothing. `does` tells in a few words what each of them does.
 */
export function layersOf(
  replica: { readonly prototype: object },
  does: Readonly<Record<string, string>>,
): readonly Layer[] {
  const layers: Layer[] = [];
  let prototype = replica.prototype;
  while (prototype !== Object.prototype) {
    const { name } = prototype.constructor;
    const methods = Object.getOwnPropertyNames(prototype).filter((it) => it !== 'constructor');
    if (methods.length > 0) layers.push({ name, methods, does: does[name] ?? '' });
    prototype = Object.getPrototypeOf(prototype);
  }
  return layers;
}

/** A call on the way of a value: who makes it, and what it means. */
export interface Verb {
  readonly name: string;
  /** The layer whose method makes this call, and which: null for the client. */
  readonly by: { readonly layer: string; readonly method: string } | null;
  readonly words: string;
}

/** The way of a value up to the first message. */
export const VERBS: readonly Verb[] = [
  { name: 'submit', by: null, words: 'a client wants it' },
  { name: 'whyNot', by: { layer: 'UpdateQueue', method: 'submit' }, words: 'may we take it?' },
  { name: 'enqueue', by: { layer: 'UpdateQueue', method: 'submit' }, words: 'it waits in line' },
  { name: 'pursue', by: { layer: 'UpdateQueue', method: 'enqueue' }, words: 'is there work?' },
  {
    name: 'drive',
    by: { layer: 'BackoffResolution', method: 'pursue' },
    words: 'start a round, if we may',
  },
  { name: 'prepare', by: { layer: 'BackoffResolution', method: 'drive' }, words: 'first phase' },
  {
    name: 'ask',
    by: { layer: 'ReplicatedValue', method: 'prepare' },
    words: 'a question to all',
  },
];

const WIDTH = 900;
const LEFT = 20;
/** How much an inner ring is smaller on each side, and how high its band is. */
const INSET = 9;
const BAND = 48;
const TOP = 104;
const WORDS_WIDTH = 262;
const FIRST_X = 328;
const PITCH = 67;
const RIGHT = 805;
/** Where all calls come in. */
const ENTRY_Y = TOP - 16;
const CORE_HEIGHT = 34;
const SMALL = { sizePx: 10.5, isBold: false } as const;

/** The onion of these layers. */
export function layersFigure(layers: readonly Layer[], theme: Theme): string {
  const height = bottomOf(layers) + 74;
  const title = `The layers of a replica: ${layers.map(({ name }) => name).join(', ')}`;
  return figureOf(title, { width: WIDTH, height }, theme, (paints) => [
    ...layers.map((layer, depth) => drawRing(layer, depth, layers, paints)),
    drawCore(layers, paints),
    ...VERBS.map((verb, index) => drawVerb(verb, index, layers, paints)),
    drawWayOut(layers, paints),
    ...VERBS.map((verb, index) => drawDots(verb, index, layers, paints)),
    drawEnd(layers, paints),
  ]);
}

const topOf = (depth: number) => TOP + depth * BAND;
/** The middle line of a band, on which its dots lie. */
const middleOf = (depth: number) => topOf(depth) + BAND / 2;
const xOf = (index: number) => FIRST_X + index * PITCH;

function bottomOf({ length }: readonly Layer[]): number {
  return topOf(length) + CORE_HEIGHT + length * INSET;
}

function drawRing(
  { name, does }: Layer,
  depth: number,
  layers: readonly Layer[],
  paints: Paints,
): string {
  const [x, y] = [LEFT + depth * INSET, topOf(depth)];
  const width = RIGHT - LEFT - 2 * depth * INSET;
  const height = bottomOf(layers) - depth * INSET - y;
  const size = `width="${width}" height="${height}" rx="10"`;
  const paint = `fill="${paints.hue(0)}" fill-opacity="0.05" stroke="${paints.hue(0)}"`;
  const wordsX = LEFT + (layers.length - 1) * INSET + 12;
  const bold = { sizePx: 12, fill: paints.ink, isBold: true } as const;
  return [
    `<rect x="${x}" y="${y}" ${size} ${paint}/>`,
    drawText(name, wordsX, middleOf(depth) - 14, bold),
    drawLines(wrap(does, WORDS_WIDTH - wordsX + LEFT, SMALL), wordsX, middleOf(depth) + 1, {
      ...SMALL,
      fill: paints.ink,
    }),
  ].join('');
}

/** In the middle is what does not know of layers at all. */
function drawCore(layers: readonly Layer[], paints: Paints): string {
  const inset = LEFT + layers.length * INSET;
  const y = topOf(layers.length);
  const size = `width="${RIGHT + LEFT - 2 * inset}" height="${CORE_HEIGHT}" rx="8"`;
  const options = { sizePx: 11, fill: paints.onHue(0), isBold: true } as const;
  const roles = [Proposer, Acceptor, Learner].map(({ name }) => name.toLowerCase());
  const words = `${PaxosInstance.name}: ${roles.join(', ')}`;
  return (
    `<rect x="${inset}" y="${y}" ${size} fill="${paints.hue(0)}"/>` +
    drawText(words, inset + 12, y + CORE_HEIGHT / 2, options)
  );
}

/** How deep each layer lies that has a method of this name. */
function depthsOf({ name }: Verb, layers: readonly Layer[]): number[] {
  return layers.flatMap(({ methods }, depth) => (methods.includes(name) ? [depth] : []));
}

/** A call comes in from outside, and ends in the layer that declares it. */
function drawVerb(verb: Verb, index: number, layers: readonly Layer[], paints: Paints): string {
  const x = xOf(index);
  const deepest = depthsOf(verb, layers).at(-1);
  if (deepest === undefined) throw new Error(`no layer has a method ${verb.name}`);
  const [y1, y2] = [ENTRY_Y, middleOf(deepest)];
  const words = wrap(verb.words, PITCH - 4, SMALL);
  const middle = { anchor: 'middle', fill: paints.ink } as const;
  const wordsY = TOP - 34 - (words.length - 1) * SMALL.sizePx * LINE_HEIGHT;
  const entry = { x1: x, y1, x2: x, y2: TOP };
  return [
    drawText(verb.name, x, wordsY - 16, { ...middle, sizePx: 12, isBold: true }),
    drawLines(words, x, wordsY, { ...SMALL, ...middle }),
    verb.by === null ? drawClient(paints) : drawCaller(verb.by.layer, index, layers, paints),
    drawLine(x, y1, x, y2, paints.ink, 1.6, ''),
    drawHeadOf('full', entry, paints.ink, paints),
  ].join('');
}

/** Who takes part in a call; hollow where it ends. */
function drawDots(verb: Verb, index: number, layers: readonly Layer[], paints: Paints): string {
  const depths = depthsOf(verb, layers);
  const dots = depths.map((depth) => {
    const fill = depth === depths.at(-1) ? paints.background : paints.ink;
    return drawDot(xOf(index), middleOf(depth), fill, paints);
  });
  return dots.join('');
}

function drawDot(x: number, y: number, fill: string, { ink }: Paints): string {
  const place = `cx="${px(x)}" cy="${px(y)}" r="4.5"`;
  return `<circle ${place} fill="${fill}" stroke="${ink}" stroke-width="1.6"/>`;
}

function drawClient(paints: Paints): string {
  const [words, y] = ['a client: "hello"', ENTRY_Y];
  const left = LEFT + widthOf(words, { sizePx: 11, isBold: false }) + 8;
  return (
    drawText(words, LEFT, y, { sizePx: 11, fill: paints.ink }) +
    drawLine(left, y, FIRST_X, y, paints.ink, 1.6, '')
  );
}

/** From the dot that makes a call, out of the onion, and to where all calls come in. */
function drawCaller(
  layer: string,
  index: number,
  layers: readonly Layer[],
  paints: Paints,
): string {
  const y = middleOf(layers.findIndex(({ name }) => name === layer));
  const [x, bend] = [xOf(index - 1), xOf(index) - PITCH / 2];
  const path = `M${x} ${y}H${bend}V${ENTRY_Y}H${xOf(index)}`;
  const stroke = `stroke="${paints.quiet}" stroke-width="1.3" stroke-dasharray="3 3"`;
  return `<path d="${path}" fill="none" ${stroke}/>`;
}

/** The base sends what the last call asks, straight to the other servers. */
function drawWayOut(layers: readonly Layer[], paints: Paints): string {
  const y = middleOf(layers.length - 1);
  const arrow = { x1: xOf(VERBS.length - 1) + 5, y1: y, x2: RIGHT + 28, y2: y };
  const { hue } = paints;
  const options = { ...SMALL, fill: paints.ink } as const;
  return [
    drawLine(arrow.x1, y, arrow.x2 - 4, y, hue(0), 1.8, '5 3'),
    drawHeadOf('open', arrow, hue(0), paints),
    drawLines(['prepare', 'to all'], RIGHT + 34, y - 7, options),
  ].join('');
}

function drawEnd(layers: readonly Layer[], paints: Paints): string {
  const y = bottomOf(layers) + 22;
  const options = { sizePx: 11, fill: paints.ink } as const;
  return [
    drawDot(LEFT + 6, y, paints.ink, paints),
    drawText('does its part; super passes the call on', LEFT + 18, y, options),
    drawDot(LEFT + 300, y, paints.background, paints),
    drawText('declares the call: here it ends', LEFT + 312, y, options),
    drawLine(LEFT + 530, y, LEFT + 558, y, paints.quiet, 1.3, '3 3'),
    drawText('makes the next call', LEFT + 566, y, options),
    drawText(
      'Every call begins at the outermost layer again, also one that a layer deep inside makes.',
      LEFT,
      y + 26,
      { ...options, sizePx: 12 },
    ),
  ].join('');
}
