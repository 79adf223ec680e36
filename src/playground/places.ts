/**
 * Where things stand on the stage, in pixels: servers around an ellipse, and on every link a pile
 * of the messages that are under way there, pushed aside until none covers a server or another.
 */
import type { Uid } from '../composable-paxos.ts';

export interface Box {
  /** The middle. */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

const MARGIN = 8;
/** How far out of the straight line between two servers a pile begins, to the side. */
const ASIDE = 14;
/** In so many small steps piles make room for each other. */
const STEPS = 120;
const SPOT_PX = 6;

/** How large the card of a server is, if there are so many on a stage of this size. */
export function cardSize(servers: number, { width }: Size): Size {
  if (servers <= 3) return { width: Math.min(178, Math.floor(0.36 * width)), height: 132 };
  if (servers <= 5) return { width: Math.min(158, Math.floor(0.3 * width)), height: 132 };
  return { width: Math.min(120, Math.floor(0.215 * width)), height: 78 };
}

/** The middle of each card: the first on top, the others clockwise. */
export function placeCards(
  uids: readonly Uid[],
  stage: Size,
  card: Size,
): ReadonlyMap<Uid, { readonly x: number; readonly y: number }> {
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
  places: readonly (readonly [Uid, { readonly x: number; readonly y: number }])[],
  stage: Size,
  card: Size,
): readonly (readonly [Uid, { readonly x: number; readonly y: number }])[] {
  const bottom = Math.max(...places.map(([, { y }]) => y));
  const wanted = stage.height - card.height / 2 - MARGIN;
  const top = Math.min(...places.map(([, { y }]) => y));
  if (places.length < 2 || bottom <= top) return places;
  const scale = (wanted - top) / (bottom - top);
  return places.map(([uid, { x, y }]) => [uid, { x, y: top + (y - top) * scale }]);
}

/** A pile of messages on the way from one server to another, as large as its labels. */
export interface Pile extends Size {
  readonly from: Uid;
  readonly to: Uid;
}

/** Where each pile stands. */
export function placePiles(
  piles: readonly Pile[],
  cards: ReadonlyMap<Uid, { readonly x: number; readonly y: number }>,
  card: Size,
  stage: Size,
): readonly Box[] {
  const obstacles = [...cards.values()].map((place) => ({ ...place, ...card }));
  const centre = { x: stage.width / 2, y: stage.height / 2 };
  const anchors = piles.map(({ from, to }) => {
    const [a, b] = [cards.get(from) ?? centre, cards.get(to) ?? centre];
    const length = Math.hypot(b.x - a.x, b.y - a.y) || 1;
    const [nx, ny] = [-(b.y - a.y) / length, (b.x - a.x) / length];
    // A little nearer to the receiver, and towards the middle of the stage, where there is room.
    const [x, y] = [a.x + 0.55 * (b.x - a.x), a.y + 0.55 * (b.y - a.y)];
    return {
      x: x + 0.12 * (centre.x - x) + ASIDE * nx,
      y: y + 0.12 * (centre.y - y) + ASIDE * ny,
    };
  });
  const boxes = piles.map(({ width, height }, index) => ({
    ...(anchors[index] ?? centre),
    width: width + MARGIN,
    height: height + MARGIN,
  }));
  for (let step = 0; step < STEPS; step += 1) relax(boxes, anchors, obstacles, stage);
  settle(boxes, obstacles, stage);
  return boxes.map(({ x, y, width, height }) => {
    return { x, y, width: width - MARGIN, height: height - MARGIN };
  });
}

type Movable = { -readonly [Key in keyof Box]: Box[Key] };

function relax(
  boxes: Movable[],
  anchors: readonly { readonly x: number; readonly y: number }[],
  obstacles: readonly Box[],
  stage: Size,
): void {
  for (const [index, box] of boxes.entries()) {
    const anchor = anchors[index] ?? box;
    box.x += 0.05 * (anchor.x - box.x);
    box.y += 0.05 * (anchor.y - box.y);
    for (const other of boxes.slice(0, index)) {
      const push = overlap(box, other);
      move(box, push, 0.5);
      move(other, push, -0.5);
    }
  }
  for (const box of boxes) {
    for (const obstacle of obstacles) move(box, overlap(box, obstacle), 1);
    // Between two servers that stand too close for it there is no way but towards the middle.
    const isStuck = obstacles.some((obstacle) => isOver(box, obstacle));
    if (isStuck) box.y += box.y > stage.height / 2 ? -box.height / 4 : box.height / 4;
    box.x = clamp(box.x, box.width / 2, stage.width - box.width / 2);
    box.y = clamp(box.y, box.height / 2, stage.height - box.height / 2);
  }
}

/** What still lies upon another goes to the nearest place that is free, if there is one. */
function settle(boxes: readonly Movable[], obstacles: readonly Box[], stage: Size): void {
  for (const [index, box] of boxes.entries()) {
    const others = [...obstacles, ...boxes.slice(0, index)];
    const isFree = (at: Box) => !others.some((other) => isOver(at, other));
    if (isFree(box)) continue;
    const spots = spotsFor(box, stage).filter(isFree);
    const distance = ({ x, y }: Box) => Math.hypot(x - box.x, y - box.y);
    const [nearest] = spots.sort((a, b) => distance(a) - distance(b));
    if (nearest !== undefined) Object.assign(box, nearest);
  }
}

/** Places all over the stage. */
function spotsFor({ width, height }: Size, stage: Size): Box[] {
  const spots: Box[] = [];
  for (let x = width / 2; x <= stage.width - width / 2; x += SPOT_PX) {
    for (let y = height / 2; y <= stage.height - height / 2; y += SPOT_PX) {
      spots.push({ x, y, width, height });
    }
  }
  return spots;
}

function move(box: Movable, by: { readonly x: number; readonly y: number }, share: number): void {
  box.x += share * by.x;
  box.y += share * by.y;
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}

function isOver(box: Box, other: Box): boolean {
  const { x, y } = overlap(box, other);
  return x !== 0 || y !== 0;
}

/** By how much `box` has to move, the shorter way, to be free of `other`; zero if it is. */
export function overlap(box: Box, other: Box): { readonly x: number; readonly y: number } {
  const x = (box.width + other.width) / 2 - Math.abs(box.x - other.x);
  const y = (box.height + other.height) / 2 - Math.abs(box.y - other.y);
  if (x <= 0 || y <= 0) return { x: 0, y: 0 };
  return x < y ? { x: box.x < other.x ? -x : x, y: 0 } : { x: 0, y: box.y < other.y ? -y : y };
}
