/**
 * All that a live page shows, as plain data that can be compared: a browser that has one view is
 * sent only what is different in the next one.
 */
import type { Violation } from '../trace/invariants.ts';
import { headlineOf, placeInRun } from '../trace/violation.ts';
import { layOut } from './layout.ts';
import type { LatestPart } from './live-run.ts';
import { boxesOf, cardOf, columnOf, dataOf, LEGEND_PX } from './page.ts';
import { pageStyle } from './page-style.ts';
import { variablePaints } from './palette.ts';
import { titleOf } from './picture.ts';
import { drawHead, drawLayers, drawPatterns, px } from './svg.ts';
import { drawLegend, drawOverview } from './top.ts';

const PAINTS = variablePaints();
const NO_PICTURE_PX = 760;

/** Texts and marks that stand for themselves, lists that grow. All marks are escaped. */
export interface LiveView {
  readonly parts: Readonly<Record<string, string>>;
  readonly lists: Readonly<Record<string, readonly unknown[]>>;
}

/** What is different in the next view. */
export interface Changes {
  readonly parts: Readonly<Record<string, string>>;
  readonly lists: Readonly<Record<string, ListChanges>>;
}

interface ListChanges {
  readonly length: number;
  /** Items that are new or different, each with its place. */
  readonly items: readonly (readonly [place: number, item: unknown])[];
}

/** What a browser has that has just opened the page. */
export const NOTHING_SEEN: LiveView = { parts: {}, lists: {} };

/** Nothing is known of the run yet. */
export function viewWithoutRun(news: string, bad = ''): LiveView {
  const style = pageStyle(NO_PICTURE_PX);
  const parts = { title: 'Waiting for the first event', style, news, bad, before: '0' };
  return { parts, lists: {} };
}

/** `news`: what else there is to tell, in a sentence or a few; `bad`: why traces are left out. */
export function viewOf(latest: LatestPart, news: string, bad = ''): LiveView {
  const { diagram, rowsBefore, earlier } = latest;
  const layout = layOut(diagram, { from: 1, to: diagram.rows.length });
  const overview = drawOverview(layout, PAINTS);
  const legend = drawLegend({ ...layout, width: LEGEND_PX }, PAINTS);
  const heads = drawHead(layout, PAINTS);
  const { violated, lanes, arrows, rows: turns } = drawLayers(layout, PAINTS, 'in each row');
  const { rows, standings, violations } = dataOf(layout);
  const parts = {
    title: titleOf(diagram),
    style: pageStyle(Math.ceil(layout.width)),
    news: [news, ...earlier.map(sayEarlier)].filter((text) => text !== '').join('\n'),
    bad,
    notice: rowsBefore === 0 ? '' : noticeOf(rowsBefore),
    width: px(layout.width),
    top: drawPatterns(diagram, PAINTS) + overview.svg,
    topHeight: px(overview.height),
    legend: legend.svg,
    legendWidth: px(LEGEND_PX),
    legendHeight: px(legend.height),
    heads: heads.svg,
    headsHeight: px(heads.height),
    height: px(layout.height),
    cards: diagram.uids.map((uid) => cardOf(uid, diagram.hued.indexOf(uid))).join(''),
    column: columnOf(diagram),
    boxes: boxesOf(diagram.uids),
    before: String(rowsBefore),
  };
  return { parts, lists: { violated, lanes, arrows, turns, rows, standings, violations } };
}

function noticeOf(rowsBefore: number): string {
  return `This is the latest part of the run: ${rowsBefore} rows before it are only in the traces.`;
}

function sayEarlier(violation: Violation): string {
  const where = placeInRun(violation);
  return `Before this part, ${headlineOf(violation.invariant)}. At ${where}: ${violation.why}.`;
}

/** What is different in `after`. Null: nothing is. */
export function changesIn(before: LiveView, after: LiveView): Changes | null {
  const parts: Record<string, string> = {};
  for (const [name, text] of Object.entries(after.parts)) {
    if (before.parts[name] !== text) parts[name] = text;
  }
  for (const name of Object.keys(before.parts)) if (!(name in after.parts)) parts[name] = '';

  const lists: Record<string, ListChanges> = {};
  for (const name of new Set([...Object.keys(before.lists), ...Object.keys(after.lists)])) {
    const changes = changesInList(before.lists[name] ?? [], after.lists[name] ?? []);
    if (changes !== null) lists[name] = changes;
  }
  const isAny = Object.keys(parts).length + Object.keys(lists).length > 0;
  return isAny ? { parts, lists } : null;
}

function changesInList(before: readonly unknown[], after: readonly unknown[]): ListChanges | null {
  const items = after.flatMap((item, place): (readonly [number, unknown])[] => {
    return isSame(before[place], item) ? [] : [[place, item]];
  });
  if (items.length === 0 && before.length === after.length) return null;
  return { length: after.length, items };
}

function isSame(a: unknown, b: unknown): boolean {
  if (typeof a === 'string' || typeof b === 'string') return a === b;
  return JSON.stringify(a) === JSON.stringify(b);
}
