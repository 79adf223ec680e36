/** A diagram as one SVG picture with literal colours, to be put into a document. */
import { layOut, type Window } from './layout.ts';
import type { Diagram } from './model.ts';
import { literalPaints, type Theme } from './palette.ts';
import { drawHead, drawPatterns, drawRows, drawText, type Part, px } from './svg.ts';
import { escapeXml, FONT_FAMILY } from './text.ts';
import { drawLegend, drawOverview } from './top.ts';

/** More rows than these are drawn only if somebody asks for them. */
export const MOST_ROWS = 2_000;

/**
 * Which rows are drawn if nobody says: all, or as many as a browser shows at once. If something is
 * wrong in the run, then those around the first violation.
 */
export function defaultWindow({ rows, violations }: Diagram): Window {
  const last = rows.length;
  if (last <= MOST_ROWS) return { from: 1, to: last };
  const wrong = violations[0]?.row ?? 1;
  const from = Math.max(1, Math.min(wrong - MOST_ROWS / 2, last - MOST_ROWS + 1));
  return { from, to: from + MOST_ROWS - 1 };
}

/** What to tell about a picture that shows only a part of its run; null if it shows all. */
export function noticeOf({ rows }: Diagram, { from, to }: Window): string | null {
  if (from === 1 && to === rows.length) return null;
  return `rows ${from} to ${to} of ${rows.length}`;
}

/** Whose diagram this is, in words. */
export function titleOf({ uids }: Diagram): string {
  return `Space-time diagram of ${uids.join(', ')}`;
}

/** The whole picture as the text of an SVG file. */
export function svgOf(diagram: Diagram, theme: Theme, window = defaultWindow(diagram)): string {
  const layout = layOut(diagram, window);
  const paints = literalPaints(theme);
  const notice = noticeOf(diagram, window);
  const told: Part = {
    svg: drawText(notice ?? '', 20, 10, { sizePx: 11, fill: paints.quiet }),
    height: 20,
  };
  const parts = [
    drawLegend(layout, paints),
    drawOverview(layout, paints),
    ...(notice === null ? [] : [told]),
    drawHead(layout, paints),
    drawRows(layout, paints, 'texts'),
  ];
  let top = 8;
  const placed = parts.map(({ svg, height }) => {
    const group = `<g transform="translate(0 ${px(top)})">\n${svg}\n</g>`;
    top += height;
    return group;
  });
  const [width, height] = [layout.width, top].map(Math.ceil);
  const title = escapeXml(titleOf(diagram));
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ` +
      `viewBox="0 0 ${width} ${height}" role="img" font-family="${FONT_FAMILY}">`,
    `<title>${title}</title>`,
    drawPatterns(diagram, paints),
    `<rect width="${width}" height="${height}" fill="${paints.background}"/>`,
    ...placed,
    '</svg>',
  ].join('\n')}\n`;
}
