/// <reference lib="dom" />
/** The run so far: the space-time diagram beside the stage, and the terminal lines below it. */
import { ARROW_KINDS, without } from '../../diagram/hiding.ts';
import { type Layout, layOut } from '../../diagram/layout.ts';
import { diagramOf } from '../../diagram/model.ts';
import { drawHead, drawPatterns, drawRows } from '../../diagram/svg.ts';
import { textOf } from '../../diagram/text.ts';
import { drawLegend } from '../../diagram/top.ts';
import { turnOf } from '../labels.ts';
import type { App } from './app.ts';
import { drawing, h, s } from './dom.ts';
import { huedOf, PAINTS } from './hues.ts';
import { button } from './side-view.ts';
import { checkbox } from './top-view.ts';

/** Of a long run only the end is shown: so many lines, rows, and events to make them of. */
const MOST_LINES = 300;
const MOST_ROWS = 300;
/** Drawing is what a step costs: so many rows are drawn, until somebody asks for more. */
const FEW_ROWS = 60;
const MOST_EVENTS = 4_000;

/** What the diagram shows, and what not. */
export function optionsView(app: App): Node[] {
  const { kinds, servers } = app.hidden;
  const toggled = <T>(set: ReadonlySet<T>, one: T): ReadonlySet<T> => {
    const others = [...set].filter((it) => it !== one);
    return new Set(set.has(one) ? others : [...others, one]);
  };
  const uids = app.stage?.uids ?? [];
  return [
    h('span', {}, 'show'),
    ...ARROW_KINDS.map((kind) =>
      checkbox(`show ${kind}`, kind, !kinds.has(kind), () =>
        app.hide({ kinds: toggled(kinds, kind), servers }),
      ),
    ),
    ...(uids.length < 2 ? [] : uids).map((uid) =>
      checkbox(`show ${uid}`, uid, !servers.has(uid), () =>
        app.hide({ kinds, servers: toggled(servers, uid) }),
      ),
    ),
  ];
}

/** The diagram, as wide as there is room. */
export function diagramView(app: App, roomPx: number): Node[] {
  const { events: all, stage, violations, beliefs } = app.session;
  if (stage === null || all.length === 0) return [];
  const events = all.slice(-MOST_EVENTS);
  const known = violations.filter(({ event }) => event !== null && events.includes(event));
  const { uids } = stage;
  const options = { uids, traced: uids, violations: known, beliefs, hued: huedOf(stage) };
  const whole = diagramOf(events, options);
  const diagram = without(whole, app.hidden);
  const to = diagram.rows.length;
  const most = app.isDrawnFar ? MOST_ROWS : FEW_ROWS;
  const layout = layOut(diagram, { from: Math.max(1, to - most + 1), to }, roomPx);
  const width = Math.ceil(layout.width);
  const head = drawHead(layout, PAINTS);
  const rows = drawRows(layout, PAINTS, 'texts');
  const legend = drawLegend(layout, PAINTS);
  const svg = drawing('rows', width, Math.ceil(rows.height), rows.svg);
  svg.append(rowsOf(app, layout, width));
  const isCut = events.length < all.length || layout.rows.length < to;
  const patterns = drawPatterns(diagram, PAINTS);
  const more = app.isDrawnFar ? null : button('Draw more of it', 'draw-more', () => app.drawFar());
  return [
    ...(isCut
      ? [h('p', { class: 'quiet' }, 'Only the end of this long run is drawn. ', more)]
      : []),
    drawing('heads', width, Math.ceil(head.height), `${patterns}${head.svg}`),
    svg,
    drawing('legend', width, Math.ceil(legend.height), legend.svg),
  ];
}

/** What is pointed at, and clicked, above the rows of the drawing. */
function rowsOf(app: App, { rows }: Layout, width: number): SVGElement {
  const latest = app.session.events.at(-1);
  const wrong = app.violated.map(turnOf);
  const named = rows.map(({ row }) => (row.turn === null ? '' : `${row.uid} ${row.turn}`));
  // The latest turn may have no row of its own: it shows nothing, or is one of a series.
  const isThere = latest !== undefined && named.includes(turnOf(latest));
  const now = isThere ? turnOf(latest) : named.at(-1);
  const shown = rows.map(({ row, top, bottom }, index) => {
    const turn = named[index] ?? '';
    const isNow = turn === now;
    const tip = row.late === null ? null : s('title', {}, row.late);
    return s(
      'rect',
      {
        id: `row-${row.number}`,
        class: `row${isNow ? ' now' : ''}${wrong.includes(turn) ? ' violated' : ''}`,
        role: 'option',
        'aria-selected': isNow ? 'true' : 'false',
        'aria-label': [row.uid, ...row.phrases.map(({ words }) => textOf(words, 40))].join(' '),
        x: 0,
        y: top,
        width,
        height: bottom - top,
        'data-turn': turn,
        onclick: () => app.goToTurn(turn),
      },
      tip,
    );
  });
  const list = s('g', { role: 'listbox', tabindex: 0, 'data-key': 'rows', 'aria-label': 'rows' });
  list.append(...shown);
  list.addEventListener('keydown', (event) => moveIn(app, list, event));
  return list;
}

/** Brings the row of now into sight. */
export function scrollToNow(diagram: HTMLElement): void {
  const now = diagram.querySelector('.row.now');
  if (now !== null) scrollToRow(diagram, now);
}

/** Scrolls nothing but the diagram. */
function scrollToRow(diagram: Element, element: Element): void {
  const row = element.getBoundingClientRect();
  const { top, bottom } = diagram.getBoundingClientRect();
  const heads = diagram.querySelector('#heads')?.clientHeight ?? 0;
  const legend = diagram.querySelector('#legend')?.clientHeight ?? 0;
  const below = row.bottom - (bottom - legend);
  const above = row.top - (top + heads);
  if (below > 0) diagram.scrollTop += below;
  else if (above < 0) diagram.scrollTop += above;
}

/** Whose lines are shown. */
export function tabsView(app: App): Node[] {
  const tab = (label: string, uid: string | null) =>
    button(label, `lines ${label}`, () => app.showLinesOf(uid), {
      'aria-pressed': app.linesOf === uid ? 'true' : 'false',
    });
  return [tab('all servers', null), ...(app.stage?.uids ?? []).map((uid) => tab(uid, uid))];
}

/** The terminal lines, as the servers print them. */
export function linesView(app: App): Node[] {
  const last = app.session.events.at(-1);
  const wrong = app.violated.map(turnOf);
  const isShown = (server: string | undefined) =>
    app.linesOf === null || server === undefined || server === app.linesOf;
  const lines = app.session.lines.filter(({ stamp }) => isShown(stamp?.server)).slice(-MOST_LINES);
  return lines.map(({ text, stamp }, index) => {
    const turn = stamp === null ? '' : turnOf(stamp);
    const isNow = last !== undefined && turn === turnOf(last);
    const isTrouble = /✗|VIOLATES|violates/.test(text);
    const classes = [
      'line',
      ...(isNow ? ['now'] : []),
      ...(isTrouble ? ['trouble'] : []),
      ...(wrong.includes(turn) ? ['violated'] : []),
    ];
    return h(
      'div',
      {
        id: `line-${index}`,
        class: classes.join(' '),
        role: 'option',
        'aria-selected': isNow ? 'true' : 'false',
        'data-turn': turn,
        onclick: () => app.goToTurn(turn),
      },
      text,
    );
  });
}

/** The arrow keys choose a line, or a row, and Enter goes there. */
export function moveIn(app: App, list: Element, event: KeyboardEvent): void {
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key] ?? 0;
  if (step === 0 && event.key !== 'Enter') return;
  event.preventDefault();
  const items = [...list.querySelectorAll('[role=option]')];
  const active = items.findIndex(({ id }) => id === list.getAttribute('aria-activedescendant'));
  if (step === 0) {
    const turn = items[active]?.getAttribute('data-turn');
    if (turn != null) app.goToTurn(turn);
    return;
  }
  const from = active < 0 ? items.length - (step > 0 ? 1 : 0) : active;
  const item = items[Math.max(0, Math.min(items.length - 1, from + step))];
  if (item === undefined) return;
  list.setAttribute('aria-activedescendant', item.id);
  const diagram = item.closest('#diagram');
  if (diagram === null) item.scrollIntoView({ block: 'nearest' });
  else scrollToRow(diagram, item);
  light(document, item);
}

/** Pointing at a line, a row, a message or a server shows the others of the same turn. */
export function light(root: ParentNode, target: EventTarget | null): void {
  for (const lit of root.querySelectorAll('.lit')) lit.classList.remove('lit');
  const turn =
    target instanceof Element ? target.closest('[data-turn]')?.getAttribute('data-turn') : null;
  if (turn == null || turn === '') return;
  for (const same of root.querySelectorAll(`[data-turn="${CSS.escape(turn)}"]`)) {
    same.classList.add('lit');
  }
  const server = root.querySelector(`[data-server="${CSS.escape(turn.split(' ')[0] ?? '')}"]`);
  server?.classList.add('lit');
}
