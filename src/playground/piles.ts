/**
 * Which messages under way are shown on the stage, and where: those of a link in a pile beside it,
 * oldest first. Few are shown with all that they carry. The more there are, the less is said of
 * each, and what finds no room at all is counted, and stands on a menu. Nothing ever covers a
 * server or anything else here, however many there are: a stage that hides what its servers believe
 * teaches nothing.
 */
import type { Uid } from '../composable-paxos.ts';
import { widthOf } from '../diagram/text.ts';
import { wordsOn } from './labels.ts';
import { type Beside, type Box, type Point, placeBeside, type Size } from './places.ts';
import type { Flight, Stage } from './stage.ts';

/** A message, and what stands below it, together. */
export const ROW_PX = 28;
/** What is around the words of a message, and what counts those that are not shown. */
const AROUND_PX = 28;
const COUNT_PX = 40;
const MOST_PX = 230;
const OTHERS = { width: 104, height: 26 };
const CUT = { width: 62, height: 18 };
/** The words about a cut link stand on it, or nowhere. */
const NEAR_PX = 60;
const WORDS = { sizePx: 12, isBold: false };

/** How much is shown: so many messages of a link, with or without what they carry. */
interface Detail {
  readonly most: number;
  readonly isBrief: boolean;
}

const LEAST_DETAIL: Detail = { most: 1, isBrief: true };
/** From the most to the least. */
const DETAILS: readonly Detail[] = [
  { most: 3, isBrief: false },
  { most: 2, isBrief: false },
  { most: 1, isBrief: false },
  LEAST_DETAIL,
];

/** A pile that has no place yet. */
interface Sized extends Size {
  readonly from: Uid | null;
  readonly to: Uid;
  /** Oldest first. */
  readonly shown: readonly Flight[];
  /** What is only counted. */
  readonly rest: readonly Flight[];
}

/** What is under way on one link in one direction. */
export type Pile = Sized & Box;

export interface Piles {
  readonly piles: readonly Pile[];
  /** Without what they carry. */
  readonly isBrief: boolean;
  /** What has no room beside its own link, and where that is said; null: there is nothing. */
  readonly others: { readonly flights: readonly Flight[]; readonly at: Box } | null;
  /** Where it is said that a link is cut, as far as there is room: by its two ends. */
  readonly cuts: ReadonlyMap<string, Box>;
}

/** Everything between the cards. `cards`: their middles, all of them of this size. */
export function pilesOn(
  { flights, cuts }: Pick<Stage, 'flights' | 'cuts'>,
  cards: ReadonlyMap<Uid, Point>,
  card: Size,
  stage: Size,
): Piles {
  const obstacles = [...cards.values()].map((at) => ({ ...at, ...card }));
  const place: Place = (label, taken) => placeBeside(label, cards, taken, stage);
  const links = groupsOf(flights);
  const free = areaOf([stage]) - areaOf(obstacles);
  for (const detail of DETAILS) {
    const sized = links.map((flights) => sizedPile(flights, detail, stage));
    if (areaOf(sized) > free) continue;
    const piles = placePiles(sized, obstacles, place);
    if (piles.length < links.length) continue;
    const said = placeCuts(cuts, cards, [...obstacles, ...piles], place);
    return { piles, isBrief: detail.isBrief, others: null, cuts: said };
  }
  return crowd(links, stage, obstacles, place);
}

type Place = (label: Beside, taken: readonly Box[]) => Box | null;

/** More than there is room for: the oldest are shown, the others counted in the middle. */
function crowd(
  links: readonly (readonly Flight[])[],
  stage: Size,
  obstacles: readonly Box[],
  place: Place,
): Piles {
  const at = place({ from: '', to: '', ...OTHERS }, obstacles);
  const taken = at === null ? obstacles : [...obstacles, at];
  const sized = links.map((flights) => sizedPile(flights, LEAST_DETAIL, stage));
  const piles = placePiles(sized, taken, place);
  const flights = links.slice(piles.length).flat();
  const others = at === null ? null : { flights, at };
  return { piles, isBrief: true, others, cuts: new Map() };
}

/** What is under way on one link in one direction, oldest first. */
function groupsOf(flights: readonly Flight[]): readonly (readonly Flight[])[] {
  const groups = new Map<string, Flight[]>();
  for (const flight of flights) {
    const key = `${flight.from} ${flight.to}`;
    groups.set(key, [...(groups.get(key) ?? []), flight]);
  }
  return [...groups.values()];
}

function sizedPile(flights: readonly Flight[], { most, isBrief }: Detail, stage: Size): Sized {
  const [shown, rest] = [flights.slice(0, most), flights.slice(most)];
  const { from, to } = flights[0] as Flight;
  const widths = shown.map((flight) => widthOf(wordsOn(flight, isBrief), WORDS) + AROUND_PX);
  const width = Math.min(stage.width - 16, MOST_PX, Math.max(...widths));
  const counted = rest.length > 0 ? COUNT_PX : 0;
  return {
    from,
    to,
    shown,
    rest,
    width: Math.ceil(width) + counted,
    height: shown.length * ROW_PX,
  };
}

/** In this order, up to the first one that there is no room for. */
function placePiles(
  piles: readonly Sized[],
  obstacles: readonly Box[],
  place: Place,
): readonly Pile[] {
  const placed: Pile[] = [];
  for (const pile of piles) {
    const box = place({ ...pile, from: pile.from ?? '' }, [...obstacles, ...placed]);
    if (box === null) return placed;
    placed.push({ ...pile, ...box });
  }
  return placed;
}

function areaOf(boxes: readonly Size[]): number {
  return boxes.reduce((sum, { width, height }) => sum + width * height, 0);
}

function placeCuts(
  cuts: Stage['cuts'],
  cards: ReadonlyMap<Uid, Point>,
  obstacles: readonly Box[],
  place: Place,
): ReadonlyMap<string, Box> {
  const placed = new Map<string, Box>();
  for (const [from, to] of cuts) {
    const ends = [from, to].toSorted();
    const [a, b] = ends.map((uid) => cards.get(uid));
    if (a === undefined || b === undefined || placed.has(ends.join(''))) continue;
    const label = { from: ends[0] ?? '', to: ends[1] ?? '', ...CUT };
    const box = place(label, [...obstacles, ...placed.values()]);
    const middle = { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
    const far =
      box === null ? Number.POSITIVE_INFINITY : Math.hypot(box.x - middle.x, box.y - middle.y);
    if (box !== null && far < NEAR_PX) placed.set(ends.join(''), box);
  }
  return placed;
}
