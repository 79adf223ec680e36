/**
 * A diagram as one page of HTML: a picture, and a panel that says what every server has promised,
 * accepted and believes at the row under the cursor. It needs nothing else and asks for nothing
 * else, and is light or dark as its reader likes it.
 */
import type { Uid } from '../composable-paxos.ts';
import { INVARIANTS } from '../trace/invariants.ts';
import { formatId } from '../trace/words.ts';
import { ARROW_KINDS } from './hiding.ts';
import { clockOf, type Layout, LONG_MS, layOut, type PlacedRow, timeOf } from './layout.ts';
import { ABSENT, type Standing } from './lives.ts';
import type { Diagram } from './model.ts';
import { PAGE_SCRIPT } from './page-script.ts';
import { pageStyle } from './page-style.ts';
import { declareVariables, THEMES, type ThemeName, variablePaints } from './palette.ts';
import { defaultWindow, MOST_ROWS, noticeOf, titleOf } from './picture.ts';
import { drawHead, drawPatterns, drawRows, type Part, px } from './svg.ts';
import { escapeXml, FONT_FAMILY, textOf } from './text.ts';
import { drawLegend, drawOverview } from './top.ts';

const PAINTS = variablePaints();
/** A longer value is cut off in the panel. */
const VALUE_COLUMNS = 200;

/** The whole page. `theme` null: as the reader likes it. */
export function pageOf(
  diagram: Diagram,
  theme: ThemeName | null = null,
  window = defaultWindow(diagram),
): string {
  const layout = layOut(diagram, window);
  const title = escapeXml(titleOf(diagram));
  return `${[
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    // Whatever a trace may hold, this page loads nothing.
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; ' +
      "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">",
    '<meta name="viewport" content="width=device-width">',
    '<link rel="icon" href="data:,">',
    `<title>${title}</title>`,
    `<style>${coloursFor(theme)}${pageStyle(Math.ceil(layout.width))}</style>`,
    '</head>',
    '<body>',
    '<main>',
    drawPicture(layout),
    `<aside><div id="panel">\n${panelOf(layout, noticeOf(diagram, window))}\n</div></aside>`,
    '</main>',
    `<script type="application/json" id="data">${toJson(dataOf(layout))}</script>`,
    `<script type="module">${PAGE_SCRIPT}</script>`,
    '</body>',
    '</html>',
  ].join('\n')}\n`;
}

/** The colours of a page. `theme` null: as the reader likes it. */
export function coloursFor(theme: ThemeName | null): string {
  const colours = (name: ThemeName) =>
    `:root { color-scheme: ${name}; ${declareVariables(THEMES[name])} }`;
  if (theme !== null) return colours(theme);
  return `${colours('light')}\n@media (prefers-color-scheme: dark) { ${colours('dark')} }`;
}

/** The parts of the picture: each is scrolled sideways in its own box where it has no room. */
export function pictureOf(top: string, heads: string, rows: string): string {
  return [
    '<div id="picture">',
    `<div class="across">${top}</div>`,
    `<div class="across heads">${heads}</div>`,
    `<div class="across rows" tabindex="0" role="group" aria-label="rows">${rows}</div>`,
    '</div>',
  ].join('\n');
}

function drawPicture(layout: Layout): string {
  const { width, diagram } = layout;
  const overview = drawOverview(layout, PAINTS);
  const patterns = drawPatterns(diagram, PAINTS);
  const top: Part = { svg: `${patterns}${overview.svg}`, height: overview.height };
  const rows = drawRows(layout, PAINTS, 'links');
  const cursor = `<rect id="cursor" width="${px(width)}" visibility="hidden"/>`;
  const heads = svgElement('heads', width, drawHead(layout, PAINTS));
  const withCursor = { ...rows, svg: `${rows.svg}\n${cursor}` };
  const picture = svgElement('rows', width, withCursor);
  return pictureOf(svgElement('top', width, top), heads, picture);
}

function svgElement(id: string, width: number, part: Part): string {
  return (
    `<svg id="${id}" width="${px(width)}" height="${px(part.height)}" ` +
    `font-family="${FONT_FAMILY}">\n${part.svg}\n</svg>`
  );
}

/** So wide is the legend, which stays in sight. */
export const LEGEND_PX = 290;

function panelOf(layout: Layout, notice: string | null): string {
  const { diagram } = layout;
  const { uids, hued, violations, clocksDifferMs } = diagram;
  const keys =
    '<kbd>j</kbd> <kbd>k</kbd> next row and the one before, or point at one; ' +
    'a click, and it stays, until <kbd>Esc</kbd>';
  const jumps = [
    '<button type="button" data-jump="chosen">next chosen value <kbd>c</kbd></button>',
    '<button type="button" data-jump="instance">next instance <kbd>i</kbd></button>',
  ];
  const differ =
    `Clocks of these servers differ by ${timeOf(diagram, clocksDifferMs)} at least: ` +
    'times are those of the clock that is ahead.';
  const many = violations.length === 1 ? 'An invariant is' : `${violations.length} invariants are`;
  const wrong = [
    `<div id="violations"><p>${many} violated</p>`,
    '<button type="button" data-jump="1">next <kbd>n</kbd></button>',
    '<button type="button" data-jump="-1">before <kbd>p</kbd></button>',
    '<p id="violation"></p></div>',
  ];
  const limits = `The picture shows ${notice}: at most ${MOST_ROWS}, unless more are asked for.`;
  return [
    `<h1>${escapeXml(titleOf(diagram))}</h1>`,
    '<button type="button" id="fold" aria-expanded="true">fold</button>',
    '<p id="where" aria-live="polite"></p>',
    '<div id="more">',
    `<p class="quiet">${keys}</p>`,
    `<p>${jumps.join('')}</p>`,
    ...(clocksDifferMs > 0 ? [`<p class="notice">${escapeXml(differ)}</p>`] : []),
    ...(notice === null ? [] : [`<p class="notice">${escapeXml(limits)}</p>`]),
    ...(violations.length === 0 ? [] : wrong),
    columnOf(diagram),
    `<p id="shown">${boxesOf(uids)}</p>`,
    '<div id="servers">',
    ...uids.map((uid) => cardOf(uid, hued.indexOf(uid))),
    '</div>',
    svgElement('legend', LEGEND_PX, drawLegend({ ...layout, width: LEGEND_PX }, PAINTS)),
    '</div>',
  ].join('\n');
}

/** What the rows have at their left edge. Servers of a simulation know no time of day. */
export function columnOf({ startMs }: Pick<Diagram, 'startMs'>): string {
  const choices = [
    'time since the first',
    ...(clockOf(startMs) === '' ? [] : ['time of day (UTC)']),
  ];
  const options = [...choices, 'number'].map((words) => `<option>${words}</option>`);
  return `<p><label>rows by <select id="column">${options.join('')}</select></label></p>`;
}

/** What can be hidden. */
export function boxesOf(uids: readonly Uid[]): string {
  return `show ${[...ARROW_KINDS, ...uids].map(boxOf).join(' ')}`;
}

/** Ticked: arrows of this kind are shown, or whatever this server does. */
function boxOf(what: string): string {
  const value = escapeXml(what);
  return `<label><input type="checkbox" value="${value}" checked>${value}</label>`;
}

const FIELDS = ['instance', 'round', 'promised', 'accepted', 'value', 'queue', 'lease'] as const;

/** What a server has is shown here. */
export function cardOf(uid: Uid, index: number): string {
  const colours = `background: var(--hue${index}); color: var(--onHue${index})`;
  const rows = FIELDS.map((field) => `<dt>${field}</dt><dd data-field="${field}"></dd>`);
  return (
    `<section class="server" data-server="${escapeXml(uid)}"><h2>` +
    `<span class="tag" style="${colours}">${escapeXml(uid.slice(0, 2))}</span>` +
    `<span data-field="belief"></span></h2><dl>${rows.join('')}</dl></section>`
  );
}

/** What the script needs to know; all of it is shown as text. */
export function dataOf({ diagram, rows }: Layout) {
  const last = rows.at(-1)?.row.number ?? 0;
  return {
    rows: rows.map((placed) => dataOfRow(placed, diagram)),
    kinds: ARROW_KINDS,
    standings: [
      ...diagram.uids.map((uid) => ({ row: 0, uid, standing: ABSENT })),
      ...diagram.standings,
    ]
      .filter(({ row }) => row <= last)
      .map(({ row, uid, standing }) => ({ row, server: uid, ...describe(standing) })),
    violations: diagram.violations.map(({ row, violation }) => {
      const { invariant, sentence, why } = violation;
      const name = INVARIANTS.find(({ number }) => number === invariant)?.name ?? 'fail-stop';
      return { row, words: `${invariant}. ${name}: ${sentence}. Here ${why}.` };
    }),
  };
}

function dataOfRow({ row, top, bottom, time: short }: PlacedRow, diagram: Diagram) {
  const { number, uid: server, atMs, phrases, asked, late } = row;
  const question = asked === null ? [] : [`is asked ${textOf(asked, VALUE_COLUMNS)}`];
  const told = phrases.map((phrase) => textOf(phrase.words, VALUE_COLUMNS));
  const words = [...question, ...told, ...(late === null ? [] : [late])].join('; ');
  const marks = phrases.flatMap(({ icon }) => (icon === 'star' ? ['chosen'] : []));
  const time = diagram.endMs < LONG_MS ? `${Math.round(atMs)} ms` : timeOf(diagram, atMs);
  const at = diagram.startMs + atMs;
  const clock = clockOf(at);
  return { number, server, time, short, at, clock, top, bottom, words, marks };
}

/** What a server has, in words. */
function describe(standing: Standing) {
  const { round, promises, leads, waiting, leaseUntilMs } = standing;
  const { instanceNumber, promisedId, acceptedId, acceptedValue, chain } = standing;
  const { currentValue } = chain;
  const accepted =
    acceptedId === null || acceptedValue === null
      ? 'nothing'
      : textOf({ before: `${formatId(acceptedId)} `, value: acceptedValue }, VALUE_COLUMNS);
  return {
    belief: beliefOf(standing),
    instance: `#${instanceNumber} is open`,
    number: instanceNumber,
    round:
      round === null
        ? 'none'
        : `${formatId(round)}: ${leads ? 'leads' : 'asks'}, ${promises} promised`,
    queue: waiting === 0 ? 'empty' : `${waiting} waiting`,
    leaseUntil: leaseUntilMs,
    promised: promisedId === null ? 'nothing' : formatId(promisedId),
    accepted,
    value: currentValue === null ? 'none yet' : textOf({ value: currentValue }, VALUE_COLUMNS),
  };
}

function beliefOf({ condition, holder, round, leads }: Standing): string {
  if (condition === 'absent') return 'nothing known yet';
  if (condition === 'down') return 'down';
  const about = round === null ? '' : `${leads ? 'leads' : 'asks with'} ${formatId(round)}`;
  if (condition === 'master') return about === '' ? 'is master' : `is master, ${about}`;
  if (about !== '') return about;
  return holder === null ? 'idle' : `takes ${holder} for master`;
}

/** JSON that can stand within a script element. */
export function toJson(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}
