/** The style sheet of a diagram's page, without its colours. */
import { FONT_FAMILY } from './text.ts';

/** `pictureWidth` in pixels: beside it stands the panel, or below it where there is no room. */
export function pageStyle(pictureWidth: number): string {
  return `
* { box-sizing: border-box; }
html { background: var(--background); color: var(--ink); }
body { margin: 0; font: 13px/1.45 ${FONT_FAMILY}; }
main { display: grid; grid-template-columns: ${pictureWidth}px minmax(250px, 330px); }
svg { display: block; }
#shown label { display: inline-block; margin-right: 6px; white-space: nowrap; }
#shown input { vertical-align: -2px; margin: 0 3px 0 0; }
#fold { float: right; display: none; }
.folded #more { display: none; }
#legend { position: sticky; bottom: 0; background: var(--background); }
.across.heads { position: sticky; top: 0; z-index: 1; background: var(--background); }
#rows { cursor: crosshair; }
:focus-visible { outline: 3px solid var(--hue0); outline-offset: -3px; }
#cursor { fill: var(--ink); opacity: 0.07; pointer-events: none; }
.arrow.touched path { stroke-width: 3.2px; }
.arrow.touched > g { opacity: 1; }
a { color: inherit; }
a:hover text { text-decoration: underline; }
aside { padding: 12px 16px; border-left: 1px solid var(--guide); }
#panel { position: sticky; top: 12px; max-height: calc(100vh - 24px); overflow: auto; }
h1 { font-size: 14px; margin: 0 0 4px; }
p { margin: 0 0 8px; }
.quiet, dt { color: var(--quiet); }
#violations { border: 2px solid var(--trouble); border-radius: 6px; padding: 6px 10px;
  margin: 8px 0; }
#violations p { margin: 0 0 4px; color: var(--trouble); font-weight: bold;
  overflow-wrap: anywhere; }
button { font: inherit; color: inherit; background: none; border: 1px solid var(--quiet);
  border-radius: 4px; padding: 1px 8px; margin-right: 6px; cursor: pointer; }
kbd { font: inherit; border: 1px solid var(--guide); border-radius: 3px; padding: 0 4px; }
#where { font-weight: bold; margin-top: 8px; overflow-wrap: anywhere; }
#servers { display: grid; grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)); gap: 8px; }
.server { border: 1px solid var(--guide); border-radius: 6px; padding: 4px 8px; }
.server.acting { border-color: var(--ink); }
.server h2 { font-size: 13px; margin: 0; display: flex; gap: 8px; align-items: center; }
.tag { display: inline-block; min-width: 20px; text-align: center; border-radius: 4px; }
dl { display: grid; grid-template-columns: 68px 1fr; margin: 2px 0 0; }
dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: ${pictureWidth + 260}px) {
  main { display: block; padding-bottom: 42vh; }
  .across { overflow: hidden; }
  .across.rows { overflow-x: auto; }
  #fold { display: block; }
  .folded main { padding-bottom: 90px; }
  aside { position: fixed; left: 0; right: 0; bottom: 0; max-height: 40vh; overflow: auto;
    z-index: 2; background: var(--background); border-left: 0; border-top: 1px solid var(--guide); }
  #panel { position: static; max-height: none; }
}
`;
}
