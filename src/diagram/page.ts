/**
 * A diagram as one page of HTML: a picture, and a panel that says what every server has promised,
 * accepted and believes at the row under the cursor. It needs nothing else and asks for nothing
 * else, and is light or dark as its reader likes it.
 */
import type { Uid } from '../composable-paxos.ts';
import { INVARIANTS } from '../trace/invariants.ts';
import { formatId } from '../trace/words.ts';
import { type Layout, layOut, type PlacedRow } from './layout.ts';
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
    `<aside><div id="panel">\n${panelOf(diagram, noticeOf(diagram, window))}\n</div></aside>`,
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

function drawPicture(layout: Layout): string {
  const { width, diagram } = layout;
  const legend = drawLegend(layout, PAINTS);
  const overview = drawOverview(layout, PAINTS);
  const top: Part = {
    svg:
      `${drawPatterns(diagram, PAINTS)}${legend.svg}` +
      `<g transform="translate(0 ${px(legend.height)})">${overview.svg}</g>`,
    height: legend.height + overview.height,
  };
  const rows = drawRows(layout, PAINTS, true);
  const cursor = `<rect id="cursor" width="${px(width)}" visibility="hidden"/>`;
  const svg = (id: string, part: Part) =>
    `<svg id="${id}" width="${px(width)}" height="${px(part.height)}" ` +
    `font-family="${FONT_FAMILY}">\n${part.svg}\n</svg>`;
  return `<div>\n${svg('top', top)}\n${svg('heads', drawHead(layout, PAINTS))}\n${svg('rows', {
    ...rows,
    svg: `${cursor}\n${rows.svg}`,
  })}\n</div>`;
}

function panelOf(diagram: Diagram, notice: string | null): string {
  const { uids, hued, violations } = diagram;
  const keys = '<kbd>j</kbd> next row, <kbd>k</kbd> the one before, or point at one';
  const many = violations.length === 1 ? 'An invariant is' : `${violations.length} invariants are`;
  const wrong = [
    `<div id="violations"><p>${many} violated</p>`,
    '<button type="button" value="1">next <kbd>n</kbd></button>',
    '<button type="button" value="-1">before <kbd>p</kbd></button>',
    '<p id="violation"></p></div>',
  ];
  const limits = `The picture shows ${notice}: at most ${MOST_ROWS}, unless more are asked for.`;
  return [
    `<h1>${escapeXml(titleOf(diagram))}</h1>`,
    `<p class="quiet">${keys}</p>`,
    ...(notice === null ? [] : [`<p class="notice">${escapeXml(limits)}</p>`]),
    ...(violations.length === 0 ? [] : wrong),
    '<p id="where"></p>',
    '<div id="servers">',
    ...uids.map((uid) => cardOf(uid, hued.indexOf(uid))),
    '</div>',
  ].join('\n');
}

const FIELDS = ['instance', 'promised', 'accepted', 'value'] as const;

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
    rows: rows.map(dataOfRow),
    standings: [
      ...diagram.uids.map((uid) => ({ row: 0, uid, standing: ABSENT })),
      ...diagram.standings,
    ]
      .filter(({ row }) => row <= last)
      .map(({ row, uid, standing }) => ({ row, server: uid, ...describe(uid, standing) })),
    violations: diagram.violations.map(({ row, violation }) => {
      const { invariant, sentence, why } = violation;
      const name = INVARIANTS.find(({ number }) => number === invariant)?.name ?? 'fail-stop';
      return { row, words: `${invariant}. ${name}: ${sentence}. Here ${why}.` };
    }),
  };
}

function dataOfRow({ row, top, bottom }: PlacedRow) {
  const { number, uid: server, atMs, phrases, asked } = row;
  const question = asked === null ? [] : [`is asked ${textOf(asked, VALUE_COLUMNS)}`];
  const told = phrases.map((phrase) => textOf(phrase.words, VALUE_COLUMNS));
  const words = [...question, ...told].join('; ');
  return { number, server, ms: Math.round(atMs), top, bottom, words };
}

/** What a server has, in words. */
function describe(uid: Uid, standing: Standing) {
  const { instanceNumber, promisedId, acceptedId, acceptedValue, chain } = standing;
  const { currentValue } = chain;
  const accepted =
    acceptedId === null || acceptedValue === null
      ? 'nothing'
      : textOf({ before: `${formatId(acceptedId)} `, value: acceptedValue }, VALUE_COLUMNS);
  return {
    belief: beliefOf(uid, standing),
    instance: `#${instanceNumber} is open`,
    promised: promisedId === null ? 'nothing' : formatId(promisedId),
    accepted,
    value: currentValue === null ? 'none yet' : textOf({ value: currentValue }, VALUE_COLUMNS),
  };
}

function beliefOf(uid: Uid, { condition, holder, round, leads }: Standing): string {
  if (condition === 'absent') return 'nothing known yet';
  if (condition === 'down') return 'down';
  const about = round === null ? '' : `${leads ? 'leads' : 'asks with'} ${formatId(round)}`;
  if (holder === uid) return about === '' ? 'is master' : `is master, ${about}`;
  if (about !== '') return about;
  return holder === null ? 'idle' : `takes ${holder} for master`;
}

/** JSON that can stand within a script element. */
export function toJson(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}
