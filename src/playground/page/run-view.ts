/// <reference lib="dom" />
/** The run so far: the space-time diagram beside the stage, and the terminal lines below it. */
import { layOut } from '../../diagram/layout.ts';
import { diagramOf } from '../../diagram/model.ts';
import { defaultWindow } from '../../diagram/picture.ts';
import { drawHead, drawPatterns, drawRows } from '../../diagram/svg.ts';
import type { TraceEvent } from '../../trace/events.ts';
import type { App } from './app.ts';
import { drawing, h, s } from './dom.ts';
import { PAINTS } from './hues.ts';

/** More lines than these are not shown, only the latest. */
const MOST_LINES = 300;

/** The turn of an event, as elements name it. */
function turnOf({ server, turn }: Pick<TraceEvent, 'server' | 'turn'>): string {
  return `${server} ${turn}`;
}

/** Goes to the end of the turn that somebody has clicked. */
function goToTurn(app: App, turn: string): void {
  const last = app.session.events.findLastIndex((event) => turnOf(event) === turn);
  const place = last < 0 ? null : app.session.placeOf(last);
  if (place !== null) app.goTo(place);
}

/** The diagram, as wide as there is room. */
export function diagramView(app: App, roomPx: number): Node[] {
  const { events, stage, violations } = app.session;
  if (stage === null || events.length === 0) return [];
  const diagram = diagramOf(events, { uids: stage.uids, traced: stage.uids, violations });
  const layout = layOut(diagram, defaultWindow(diagram), roomPx);
  const width = Math.ceil(layout.width);
  const head = drawHead(layout, PAINTS);
  const rows = drawRows(layout, PAINTS, false);
  const svg = drawing('rows', width, Math.ceil(rows.height), rows.svg);
  const now = events.at(-1);
  for (const { row, top, bottom } of layout.rows) {
    const turn = row.turn === null ? '' : `${row.uid} ${row.turn}`;
    const isNow = now !== undefined && turn === turnOf(now);
    svg.append(
      s('rect', {
        class: isNow ? 'row now' : 'row',
        x: 0,
        y: top,
        width,
        height: bottom - top,
        'data-turn': turn,
        onclick: () => goToTurn(app, turn),
      }),
    );
  }
  return [
    drawing('heads', width, Math.ceil(head.height), `${drawPatterns(diagram, PAINTS)}${head.svg}`),
    svg,
  ];
}

export function linesView(app: App): Node[] {
  const uids = app.stage?.uids ?? [];
  const last = app.session.events.at(-1);
  const lines = app.session.steps
    .flatMap((step) => step.lines)
    .filter(({ stamp }) => app.linesOf === null || stamp === null || stamp.server === app.linesOf)
    .slice(-MOST_LINES);
  const tab = (label: string, uid: string | null) =>
    h(
      'button',
      {
        type: 'button',
        'data-key': `lines ${label}`,
        'aria-pressed': app.linesOf === uid ? 'true' : 'false',
        onclick: () => {
          app.linesOf = uid;
          app.changed();
        },
      },
      label,
    );
  return [
    h('div', { class: 'buttons' }, tab('all servers', null), ...uids.map((uid) => tab(uid, uid))),
    h(
      'div',
      {
        class: 'lines',
        role: 'log',
        'aria-label': 'terminal lines',
        tabindex: 0,
        'data-key': 'log',
      },
      ...lines.map(({ text, stamp }) => {
        const turn = stamp === null ? '' : turnOf(stamp);
        const isNow = last !== undefined && turn === turnOf(last);
        const isTrouble = /^✗|✗|VIOLATES|violates/.test(text);
        return h(
          'div',
          {
            class: `line${isNow ? ' now' : ''}${isTrouble ? ' trouble' : ''}`,
            'data-turn': turn,
            onclick: () => goToTurn(app, turn),
          },
          text,
        );
      }),
    ),
  ];
}

/** Pointing at a line, a row or a server shows the others of the same turn. */
export function light(root: ParentNode, target: EventTarget | null): void {
  for (const lit of root.querySelectorAll('.lit')) lit.classList.remove('lit');
  const turn =
    target instanceof Element ? target.closest('[data-turn]')?.getAttribute('data-turn') : null;
  if (turn == null || turn === '') return;
  for (const same of root.querySelectorAll(`[data-turn="${CSS.escape(turn)}"]`))
    same.classList.add('lit');
  const server = root.querySelector(`[data-server="${CSS.escape(turn.split(' ')[0] ?? '')}"]`);
  server?.classList.add('lit');
}
