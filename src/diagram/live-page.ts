/**
 * A diagram's page for a run that goes on: what it shows comes later, as events of the server that
 * it was loaded from. Of nobody else it asks for anything.
 */
import { LIVE_SCRIPT } from './live-script.ts';
import { coloursFor, pictureOf, toJson } from './page.ts';
import { PAGE_SCRIPT } from './page-script.ts';
import { FONT_FAMILY } from './text.ts';

/** As a diagram's, and it may ask the server that it comes from. */
export const LIVE_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; " +
  "connect-src 'self'";

const STYLE = `
#newest { position: fixed; left: 16px; bottom: 16px; z-index: 3; padding: 4px 12px;
  background: var(--ink); color: var(--background); border-radius: 14px; text-decoration: none; }
[hidden] { display: none !important; }
#news, #bad, #notice { white-space: pre-line; overflow-wrap: anywhere; }
#bad, #connection { color: var(--trouble); font-weight: bold; overflow-wrap: anywhere; }
`;

const PANEL = `
<h1 id="title">Waiting for the first event</h1>
<button type="button" id="fold" aria-expanded="true">fold</button>
<p id="connection" role="status"></p>
<p id="bad" role="status"></p>
<p id="where"></p>
<div id="more">
<p class="quiet"><kbd>j</kbd> next row, <kbd>k</kbd> the one before, or point at one</p>
<p id="news" role="status"></p>
<p id="notice" class="notice"></p>
<div id="violations" hidden><p id="wrong"></p>
<button type="button" data-jump="1">next <kbd>n</kbd></button>
<button type="button" data-jump="-1">before <kbd>p</kbd></button>
<p id="violation"></p></div>
<p><button type="button" data-jump="chosen">next chosen value <kbd>c</kbd></button>
<button type="button" data-jump="instance">next instance <kbd>i</kbd></button></p>
<div id="columns"></div>
<p id="shown"></p>
<div id="servers"></div>`;

const PICTURE = ['lanes', 'arrows', 'turns', 'violated'].map((name) => `<g id="${name}"></g>`);

/** The whole page. It asks for `events` beside its own address. */
export function livePage(): string {
  const svg = (id: string, inner: string) =>
    `<svg id="${id}" width="0" height="0" font-family="${FONT_FAMILY}">${inner}</svg>`;
  const cursor = '<rect id="cursor" visibility="hidden"/>';
  return `${[
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${LIVE_POLICY}">`,
    '<meta name="viewport" content="width=device-width">',
    '<link rel="icon" href="data:,">',
    '<title>Waiting for the first event</title>',
    `<style>${coloursFor(null)}${STYLE}</style>`,
    '<style id="style"></style>',
    '</head>',
    '<body>',
    '<main>',
    pictureOf(svg('top', ''), svg('heads', ''), svg('rows', PICTURE.join('') + cursor)),
    `<aside><div id="panel">${PANEL}\n${svg('legend', '')}\n</div></div></aside>`,
    '</main>',
    '<a id="newest" href="#newest" hidden>to the newest row</a>',
    `<script type="application/json" id="data">${toJson(NO_DATA)}</script>`,
    `<script type="module">${PAGE_SCRIPT}${LIVE_SCRIPT}</script>`,
    '</body>',
    '</html>',
  ].join('\n')}\n`;
}

const NO_DATA = { rows: [], standings: [], violations: [], before: 0 };
