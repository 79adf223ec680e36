/**
 * What the figures have in common: a picture with literal colours around its parts. A figure says
 * one thing of the protocol, and draws it from what the code does, so that it cannot become
 * untrue unnoticed.
 */
import { literalPaints, type Paints, type Theme } from '../palette.ts';
import { drawText, px } from '../svg.ts';
import { escapeXml, FONT_FAMILY } from '../text.ts';

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A figure as the text of an SVG file. `draw` makes its parts, from the back to the front. */
export function figureOf(
  title: string,
  { width, height }: Size,
  theme: Theme,
  draw: (paints: Paints) => readonly string[],
): string {
  const paints = literalPaints(theme);
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ` +
      `viewBox="0 0 ${width} ${height}" role="img" font-family="${FONT_FAMILY}">`,
    `<title>${escapeXml(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="${paints.background}"/>`,
    ...draw(paints),
    '</svg>',
  ].join('\n')}\n`;
}

/** The badge of a server around a point, as at the head of its lane. */
export function drawBadge(uid: string, hue: number, x: number, y: number, paints: Paints): string {
  const place = `x="${px(x - 14)}" y="${px(y - 12)}" width="28" height="24" rx="5"`;
  const options = { sizePx: 15, fill: paints.onHue(hue), isBold: true, anchor: 'middle' } as const;
  return `<rect ${place} fill="${paints.hue(hue)}"/>${drawText(uid, x, y, options)}`;
}

/** Lines of text below each other, the first one around the middle line `y`. */
export function drawLines(
  lines: readonly string[],
  x: number,
  y: number,
  options: Parameters<typeof drawText>[3],
): string {
  const pitch = options.sizePx * LINE_HEIGHT;
  return lines.map((line, index) => drawText(line, x, y + index * pitch, options)).join('');
}

export const LINE_HEIGHT = 1.3;
