/** The page of the playground, around its program: what stands where, and how it looks. */
import { declareVariables, THEMES, type ThemeName } from '../diagram/palette.ts';
import { FONT_FAMILY } from '../diagram/text.ts';

/** `program`: the bundled script. `stories`: those of the project, packed. */
export function playgroundPage(program: string, stories: string): string {
  return `${[
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    // Whatever a story may hold, this page loads nothing. A blob is its own script, as a worker.
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; worker-src blob:; ' +
      "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">",
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<link rel="icon" href="data:,">',
    '<title>Paxos playground</title>',
    `<style>${COLOURS}${STYLE}</style>`,
    '</head>',
    '<body>',
    ...PLACES,
    '<div id="dialogs"></div>',
    `<script type="text/plain" id="stories">${stories}</script>`,
    `<script id="program">${inScript(program)}</script>`,
    '</body>',
    '</html>',
  ].join('\n')}\n`;
}

/** What stands where; all of it is filled in by the program. */
const PLACES = [
  '<header id="top">',
  '<h1>Paxos playground</h1>',
  '<div id="time" class="buttons" role="toolbar" aria-label="time"></div>',
  '<div id="tape" class="tape"></div>',
  '<div id="choices" class="buttons"></div>',
  '<div id="stops" class="stops" role="group" aria-label="stop playing at"></div>',
  '</header>',
  '<main>',
  '<div id="side"><div id="pick"></div><div id="told"></div></div>',
  '<div id="middle">',
  '<div id="stage" role="group" aria-label="stage" tabindex="-1"></div>',
  '<div id="ask">',
  '<input id="value" data-key="value" aria-label="value" maxlength="200" value="hello">',
  '<span id="askers" class="buttons"></span>',
  '<p id="notice" class="notice" role="status"></p>',
  '</div></div>',
  '<div id="run">',
  '<div id="options" class="stops" role="group" aria-label="what the diagram shows"></div>',
  '<div id="diagram" role="group" aria-label="space-time diagram"></div>',
  '</div>',
  '</main>',
  '<footer id="lines"><div id="tabs" class="buttons"></div>',
  '<div id="log" class="lines" role="listbox" aria-label="terminal lines" tabindex="0"></div>',
  '</footer>',
];

/** A text that can stand within a script element: neither ends it nor begins a comment there. */
function inScript(text: string): string {
  return text.replaceAll(/<(?=!--|\/?script)/gi, '\\x3c');
}

function coloursOf(name: ThemeName): string {
  return `color-scheme: ${name}; ${declareVariables(THEMES[name])}`;
}

/** `--label`: quiet words that are readable on the pale form of every hue, 4.5:1 and better. */
const COLOURS = `
:root { ${coloursOf('light')} --panel: #f4f7f9; --strong: #1a1a1a; --onStrong: #ffffff;
  --good: #05683b; --label: #505050; }
@media (prefers-color-scheme: dark) { :root { ${coloursOf('dark')} --panel: #1b2024;
  --strong: #eceff1;
  --onStrong: #14181b; --good: #7fd6a4; --label: #c4cacd; } }
:root[data-theme=light] { ${coloursOf('light')} --panel: #f4f7f9; --strong: #1a1a1a;
  --onStrong: #ffffff; --good: #05683b; --label: #505050; }
:root[data-theme=dark] { ${coloursOf('dark')} --panel: #1b2024; --strong: #eceff1;
  --onStrong: #14181b; --good: #7fd6a4; --label: #c4cacd; }
`;

const STYLE = `
* { box-sizing: border-box; }
html, body { height: 100%; }
body { margin: 0; display: grid; grid-template-columns: minmax(0, 1fr);
  grid-template-rows: auto minmax(0, 1fr) clamp(120px, 19vh, 168px);
  background: var(--background);
  color: var(--ink); font: 13px/1.4 ${FONT_FAMILY}; }
h1 { font-size: 14px; margin: 0 6px 0 0; white-space: nowrap; }
h2 { font-size: 12px; margin: 14px 0 4px; color: var(--quiet); }
p { margin: 0 0 8px; overflow-wrap: anywhere; }
.quiet { color: var(--quiet); }
button, select, input, textarea { font: inherit; color: inherit; background: var(--background);
  border: 1px solid var(--quiet); border-radius: 6px; padding: 4px 9px; max-width: 100%; }
button { cursor: pointer; }
button:disabled { opacity: 0.6; cursor: default; }
button.strong { background: var(--strong); color: var(--onStrong); border-color: var(--strong); }
:focus-visible { outline: 3px solid var(--hue0); outline-offset: 1px; }
.buttons { display: flex; flex-wrap: wrap; gap: 5px; align-items: center; }
#top { display: flex; flex-wrap: wrap; gap: 6px 12px; align-items: center; padding: 7px 12px;
  border-bottom: 1px solid var(--guide); }
.tape { flex: 1 1 240px; display: grid; grid-template-columns: minmax(60px, 1fr) auto;
  gap: 0 10px; align-items: center; }
.strips { grid-area: 1 / 1; height: 26px; background: var(--panel); border-radius: 3px; }
.strips svg { display: block; width: 100%; height: 26px; }
.tape input { grid-area: 1 / 1; width: 100%; margin: 0; padding: 0; border: 0; background: none;
  height: 26px;
  appearance: none; -webkit-appearance: none; cursor: pointer; }
.tape input::-webkit-slider-thumb { -webkit-appearance: none; width: 3px; height: 30px;
  background: var(--ink); }
.tape input::-moz-range-thumb { width: 3px; height: 30px; background: var(--ink); border: 0;
  border-radius: 0; }
.tape input::-moz-range-track { background: none; }
.tape output { white-space: nowrap; font-variant-numeric: tabular-nums; }
.stops { display: flex; flex-wrap: wrap; gap: 2px 10px; color: var(--quiet); font-size: 12px; }
.stops label { display: flex; gap: 4px; align-items: center; }
.stops input { margin: 0; }
main { display: grid; grid-template-columns: 240px minmax(400px, 1fr) minmax(400px, 1.05fr);
  min-height: 0; }
#side .buttons { margin: 6px 0; }
#side { overflow: auto; padding: 10px 14px; border-right: 1px solid var(--guide); }
.pick { display: grid; grid-template-columns: 44px 1fr; align-items: center; margin-bottom: 6px;
  color: var(--quiet); }
.pick select { color: var(--ink); min-width: 0; }
.narration .now { border-left: 3px solid var(--hue0); background: var(--panel);
  margin: 0 -8px 8px; padding: 6px 8px; }
.goal { border: 1px solid var(--guide); border-radius: 6px; padding: 8px 10px; margin: 6px 0; }
.goal button { margin-right: 6px; }
.hint { color: var(--quiet); }
.reached { color: var(--good); font-weight: bold; }
.branch { display: block; width: 100%; text-align: left; margin-bottom: 4px; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; }
.invariants { margin: 0; padding: 0; list-style: none; }
.invariants .good span { color: var(--good); }
.invariants .wrong { color: var(--trouble); font-weight: bold; }
#middle { display: grid; grid-template-rows: minmax(0, 1fr) auto; min-width: 0;
  background: var(--panel); }
#stage { position: relative; overflow: hidden; min-height: 340px; }
#ask { display: flex; flex-wrap: wrap; gap: 5px; align-items: center; padding: 8px 12px; }
#ask input { flex: 1 1 90px; min-width: 80px; max-width: 150px; }
#askers { flex: 0 1 auto; }
.seed { width: 4.5em; }
#ask .asker { min-width: 32px; }
.notice { margin: 0; color: var(--trouble); font-weight: bold; }
.kept { border-style: dashed; }
.empty { padding: 20px; }
.links { position: absolute; inset: 0; }
.link { cursor: pointer; }
.link .target { stroke: transparent; stroke-width: 18px; }
.link .shown { stroke: var(--quiet); stroke-width: 1.5px; opacity: 0.6; }
.link:hover .shown, .link:focus .shown { stroke-width: 4px; opacity: 1; }
.link:focus { outline: none; }
.link:focus-visible .shown { stroke: var(--hue0); stroke-width: 5px; }
.link.cut .shown, .link.half .shown { stroke: var(--trouble); stroke-dasharray: 2 6; opacity: 1; }
.link .said { fill: var(--trouble); font-size: 12px; text-anchor: middle; paint-order: stroke;
  stroke: var(--panel); stroke-width: 4px; }
.server { position: absolute; padding: 6px 9px; text-align: left; border: 2px solid var(--guide);
  border-radius: 8px;
  overflow: hidden; display: flex; flex-direction: column; gap: 1px; font-size: 12px;
  line-height: 1.25; }
.server.candidate { border-color: var(--hue);
  background: repeating-linear-gradient(135deg, var(--background) 0 9px, var(--pale) 9px 18px); }
.server.master { border-color: var(--hue); background: var(--pale); }
.server.down, .server.absent, .server.paused, .server.asleep { border-style: dashed;
  background: repeating-linear-gradient(135deg, var(--background) 0 7px,
  var(--paleDown) 7px 14px); }
.server.passive { border-style: double; border-width: 4px; padding: 4px 7px; }
.server.unknown { border-style: dotted; }
.server.removed { border-style: dotted; border-color: var(--quiet); }
.server.lit { outline: 3px solid var(--hue); }
.headline { display: flex; gap: 6px; align-items: center; min-width: 0; }
.headline b { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; flex: 1; }
.tag { min-width: 20px; text-align: center; border-radius: 4px; font-weight: bold;
  border: 2px solid var(--hue); background: var(--hue); color: var(--onHue); line-height: 1.1; }
.passive .tag, .unknown .tag, .removed .tag { background: var(--background); color: var(--ink); }
.unknown .tag { border-style: dashed; }
.removed .tag { text-decoration: line-through; }
.fact { display: grid; grid-template-columns: 62px minmax(0, 1fr); }
.fact i { font-style: normal; color: var(--label); }
.fact span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.fact.value span { font-weight: bold; }
.fact.good span { color: var(--good); }
.large .fact.disk:not(.good) span, .down .fact.disk span { white-space: normal; }
.lease circle { fill: none; stroke-width: 4px; stroke: var(--guide); }
.lease .left { stroke: var(--hue); transform: rotate(-90deg); transform-origin: 9px 9px; }
.pile { position: absolute; display: flex; flex-direction: column; gap: 2px; }
.pile .last { display: flex; gap: 4px; }
.pile .last .chip { flex: 1; }
.chip { height: 26px; min-width: 0; min-height: 0; padding: 0 8px; border: 2px solid var(--quiet);
  border-radius: 13px; font-size: 12px; line-height: 20px;
  white-space: nowrap; overflow: hidden; text-overflow: ellipsis; text-align: left; }
.chip.prepare, .chip.promise { border-style: dashed; }
.chip.nack { border-style: dotted; }
.chip .to { color: var(--quiet); }
.more { font-size: 12px; height: 26px; min-height: 0; min-width: 36px; padding: 0 6px;
  border-style: dotted; border-width: 2px; border-radius: 13px; line-height: 20px; }
.more.apart { position: absolute; }
.server.small, .server.narrow { font-size: 11px; padding: 4px 6px; gap: 0; }
.small .fact { grid-template-columns: 34px minmax(0, 1fr); }
.narrow .fact { grid-template-columns: minmax(0, 1fr); }
.narrow .fact.open { grid-template-columns: auto minmax(0, 1fr); gap: 4px; }
.small .tag, .narrow .tag { min-width: 16px; }
.narrow .headline { gap: 3px; }
.narrow .fact:not(.open) i { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.chip { touch-action: none; }
.chip.lit { box-shadow: 0 0 0 3px var(--guide); }
.chip.dragged { z-index: 6; cursor: grabbing; }
.violation { border: 2px solid var(--trouble); border-radius: 6px; padding: 8px 10px;
  margin: 0 0 10px; }
.violation p:first-child { color: var(--trouble); }
.violation .branch { white-space: normal; font-size: 12px; }
.menu { position: absolute; z-index: 5; width: 246px; overflow: auto;
  background: var(--background); border: 1px solid var(--quiet);
  border-radius: 8px; box-shadow: 0 6px 20px #0004; padding: 4px; }
.menu button { display: flex; justify-content: space-between; gap: 8px; width: 100%; border: 0;
  text-align: left; overflow: hidden; }
.menu button span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.menu button:hover, .menu button:focus { background: var(--panel); }
kbd { font: inherit; color: var(--quiet); }
#run { display: grid; grid-template-rows: auto minmax(0, 1fr); min-width: 0; min-height: 0;
  border-left: 1px solid var(--guide); }
#diagram { overflow: auto; position: relative; }
#diagram svg { display: block; }
#heads { position: sticky; top: 0; z-index: 1; background: var(--background); }
#legend { position: sticky; bottom: 0; background: var(--background); }
#rows .row { fill: transparent; cursor: pointer; }
#rows .row.now { fill: var(--hue0); opacity: 0.1; }
#rows .row.lit { fill: var(--ink); opacity: 0.1; }
#rows [role=listbox]:focus-visible { outline-offset: -3px; }
#rows [role=listbox]:focus-visible .row.lit { opacity: 0.2; }
#rows .row.violated { stroke: var(--trouble); stroke-width: 2px; }
.line.violated { box-shadow: inset 3px 0 var(--trouble); }
#options { padding: 5px 10px; border-bottom: 1px solid var(--guide); }
#lines { border-top: 1px solid var(--guide); display: grid;
  grid-template-rows: auto minmax(0, 1fr); padding: 6px 12px; min-width: 0; }
#lines [aria-pressed=true] { background: var(--strong); color: var(--onStrong); }
.lines { overflow: auto; font: 12px/1.45 'DejaVu Sans Mono', Menlo, Consolas, monospace;
  margin-top: 4px; }
.line { white-space: pre; cursor: pointer; padding: 0 4px; }
.line.now { background: var(--panel); font-weight: bold; }
.line.lit { background: var(--guide); }
.line.trouble { color: var(--trouble); }
dialog { width: min(760px, 94vw); max-height: 90vh; border: 1px solid var(--quiet);
  border-radius: 10px;
  background: var(--background); color: var(--ink); }
dialog::backdrop { background: #0006; }
dialog h2 { font-size: 15px; color: var(--ink); margin: 0 0 8px; }
dialog textarea { width: 100%; font: 12px/1.4 'DejaVu Sans Mono', monospace; }
dialog button { margin: 6px 6px 0 0; }
th { text-align: left; padding-right: 16px; white-space: nowrap; vertical-align: top; }
@media (max-width: 1100px) {
  main { grid-template-columns: 240px minmax(0, 1fr); }
  #run { grid-column: 1 / -1; border-left: 0; border-top: 1px solid var(--guide); }
  #diagram { max-height: 60vh; }
  body { height: auto; grid-template-rows: auto auto 220px; }
  #stage { height: 560px; }
}
@media (max-width: 700px) {
  main { display: flex; flex-direction: column; }
  #middle { order: -1; }
  #side { border-right: 0; border-top: 1px solid var(--guide); }
  #stage { height: 520px; }
  button, select { min-height: 34px; }
}
@media (prefers-reduced-motion: no-preference) { .chip, .pile {
  transition: left 0.15s, top 0.15s; } }
`;
