/**
 * Where things stand on the stage, in pixels: servers around an ellipse, and what is under way
 * beside its link, where it covers neither a server nor anything else.
 */
import type { Uid } from '../composable-paxos.ts';

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** `x` and `y` are its middle. */
export interface Box extends Point, Size {}

export interface Size {
  readonly width: number;
  readonly height: number;
}

const MARGIN = 8;
/** So far along its link, and so far to the side of it, a label would like to stand. */
const FORWARD = 0.55;
const ASIDE_PX = 16;
/** Between any two things, from the edge of the stage, and from one tried place to the next. */
const GAP_PX = 3;
const EDGE_PX = 4;
const SPOT_PX = 6;

/** How much a card says. */
export type Form = 'large' | 'medium' | 'small' | 'narrow';

/** How large the card of a server is, if there are so many on a stage of this size. */
export function cardSize(servers: number, { width, height }: Size): Size & { readonly form: Form } {
  const room = (most: number, share: number) => Math.min(most, Math.floor(share * width));
  const [large, medium] = [room(178, 0.4), room(150, 0.3)];
  if (servers <= 3 && large >= 150) return { width: large, height: 132, form: 'large' };
  if (servers <= 3) return { width: large, height: 114, form: 'medium' };
  if (servers <= 5 && medium >= 128) return { width: medium, height: 114, form: 'medium' };
  const small = servers <= 5 ? medium : room(124, 0.215);
  const form = small >= 104 ? 'small' : 'narrow';
  const low = Math.floor((servers <= 7 ? 0.18 : 0.165) * height);
  return { width: small, height: Math.min(82, low), form };
}

/** The middle of each card: the first on top, the others clockwise. */
export function placeCards(uids: readonly Uid[], stage: Size, card: Size): ReadonlyMap<Uid, Point> {
  const [rx, ry] = [(stage.width - card.width) / 2, (stage.height - card.height) / 2];
  const places = uids.map((uid, index) => {
    const angle = (2 * Math.PI * index) / uids.length - Math.PI / 2;
    const x = stage.width / 2 + (uids.length === 1 ? 0 : (rx - MARGIN) * Math.cos(angle));
    const y = stage.height / 2 + (uids.length === 1 ? 0 : (ry - MARGIN) * Math.sin(angle));
    return [uid, { x, y }] as const;
  });
  return new Map(spread(places, stage, card));
}

/** Cards of an ellipse that is flat at its top and bottom are pulled out to the edges. */
function spread(
  places: readonly (readonly [Uid, Point])[],
  stage: Size,
  card: Size,
): readonly (readonly [Uid, Point])[] {
  const bottom = Math.max(...places.map(([, { y }]) => y));
  const wanted = stage.height - card.height / 2 - MARGIN;
  const top = Math.min(...places.map(([, { y }]) => y));
  if (places.length < 2 || bottom <= top) return places;
  const scale = (wanted - top) / (bottom - top);
  return places.map(([uid, { x, y }]) => [uid, { x, y: top + (y - top) * scale }]);
}

/** What stands beside the way from one server to another, as large as its words. */
export interface Beside extends Size {
  readonly from: Uid;
  readonly to: Uid;
}

/**
 * Where it stands: at the free place that is nearest to its link, where it covers nothing of what
 * has its place already; null: there is no room left for it.
 */
export function placeBeside(
  label: Beside,
  cards: ReadonlyMap<Uid, Point>,
  taken: readonly Box[],
  stage: Size,
): Box | null {
  const link = linkOf(label, cards, stage);
  const { width, height } = label;
  let best: Box | null = null;
  let least = Number.POSITIVE_INFINITY;
  const [right, bottom] = [stage.width - width / 2 - EDGE_PX, stage.height - height / 2 - EDGE_PX];
  for (let x = width / 2 + EDGE_PX; x <= right; x += SPOT_PX) {
    for (let y = height / 2 + EDGE_PX; y <= bottom; y += SPOT_PX) {
      const box = { x, y, width, height };
      const far = distance(box, link.anchor) + distanceFromLine(box, link);
      if (far >= least || taken.some((other) => isTooNear(box, other))) continue;
      [best, least] = [box, far];
    }
  }
  return best;
}

/**
 * Where a menu of this size stands: at that side of its owner where it hides the least of the
 * cards, or all of them alike, below.
 */
export function placeMenu(menu: Size, owner: Box, cards: readonly Box[], stage: Size): Box {
  const across = (owner.width + menu.width) / 2 + MARGIN;
  const down = (owner.height + menu.height) / 2 + MARGIN;
  const sides = [
    { x: owner.x, y: owner.y + down },
    { x: owner.x, y: owner.y - down },
    { x: owner.x + across, y: owner.y },
    { x: owner.x - across, y: owner.y },
  ];
  const boxes = sides.map(({ x, y }) => ({
    x: within(x, menu.width, stage.width),
    y: within(y, menu.height, stage.height),
    ...menu,
  }));
  const hidden = (box: Box) => [owner, ...cards].reduce((sum, it) => sum + shared(box, it), 0);
  return boxes.reduce((best, box) => (hidden(box) < hidden(best) ? box : best));
}

/** The middle of something so long that it is within the room, at the beginning if it is not. */
function within(middle: number, length: number, room: number): number {
  return Math.max(length / 2 + EDGE_PX, Math.min(room - length / 2 - EDGE_PX, middle));
}

/** The area that is common to both. */
function shared(a: Box, b: Box): number {
  const x = (a.width + b.width) / 2 - Math.abs(a.x - b.x);
  const y = (a.height + b.height) / 2 - Math.abs(a.y - b.y);
  return Math.max(0, Math.min(x, a.width, b.width)) * Math.max(0, Math.min(y, a.height, b.height));
}

interface Link {
  readonly from: Point;
  readonly to: Point;
  /** Where on it, or rather beside it, a label would like to stand. */
  readonly anchor: Point;
}

/** A client stands nowhere: what comes from it comes from the middle of the stage. */
function linkOf({ from, to }: Beside, cards: ReadonlyMap<Uid, Point>, stage: Size): Link {
  const centre = { x: stage.width / 2, y: stage.height / 2 };
  const [a, b] = [cards.get(from) ?? centre, cards.get(to) ?? centre];
  const length = Math.hypot(b.x - a.x, b.y - a.y) || 1;
  const [nx, ny] = [-(b.y - a.y) / length, (b.x - a.x) / length];
  // A little nearer to the receiver, and to the side, so that both directions have their place.
  const [x, y] = [a.x + FORWARD * (b.x - a.x), a.y + FORWARD * (b.y - a.y)];
  return { from: a, to: b, anchor: { x: x + ASIDE_PX * nx, y: y + ASIDE_PX * ny } };
}

function distance(a: Point, b: Point): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}

function distanceFromLine(point: Point, { from, to }: Link): number {
  const squared = distance(from, to) ** 2 || 1;
  const along =
    ((point.x - from.x) * (to.x - from.x) + (point.y - from.y) * (to.y - from.y)) / squared;
  const share = Math.max(0, Math.min(1, along));
  const foot = { x: from.x + share * (to.x - from.x), y: from.y + share * (to.y - from.y) };
  return distance(point, foot);
}

/** Whether there is less than a small gap between the two. */
function isTooNear(a: Box, b: Box): boolean {
  return (
    Math.abs(a.x - b.x) < (a.width + b.width) / 2 + GAP_PX &&
    Math.abs(a.y - b.y) < (a.height + b.height) / 2 + GAP_PX
  );
}

/** By how much `box` has to move, the shorter way, to be free of `other`; zero if it is. */
export function overlap(box: Box, other: Box): Point {
  const x = (box.width + other.width) / 2 - Math.abs(box.x - other.x);
  const y = (box.height + other.height) / 2 - Math.abs(box.y - other.y);
  if (x <= 0 || y <= 0) return { x: 0, y: 0 };
  return x < y ? { x: box.x < other.x ? -x : x, y: 0 } : { x: 0, y: box.y < other.y ? -y : y };
}
