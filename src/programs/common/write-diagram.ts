/** Diagrams as files: a page for a browser (.html), or a picture for a document (.svg). */
import { writeFileSync } from 'node:fs';
import { extname } from 'node:path';
import type { Window } from '../../diagram/layout.ts';
import type { Diagram } from '../../diagram/model.ts';
import { pageOf } from '../../diagram/page.ts';
import { THEMES, type ThemeName } from '../../diagram/palette.ts';
import { defaultWindow, noticeOf, svgOf } from '../../diagram/picture.ts';
import { describe, Failure, UsageError } from '../../node/failure.ts';

/** Throws a `UsageError` unless a diagram can be written to a file of that name. */
export function checkDiagramFile(option: string, path: string): void {
  if (['.html', '.svg'].includes(extname(path))) return;
  throw new UsageError(`${option} must end in .html or .svg, not ${JSON.stringify(path)}`);
}

/**
 * Writes a diagram, and returns what to tell about it. `theme` null: as the reader of a page likes
 * it, and light for a picture. Throws a `Failure` if the file cannot be written.
 */
export function writeDiagram(
  path: string,
  diagram: Diagram,
  theme: ThemeName | null = null,
  window: Window = defaultWindow(diagram),
): string {
  const isPage = extname(path) === '.html';
  const text = isPage
    ? pageOf(diagram, theme, window)
    : svgOf(diagram, THEMES[theme ?? 'light'], window);
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw new Failure(`the diagram ${path} cannot be written: ${describe(error)}`);
  }
  const what = noticeOf(diagram, window) ?? `all ${diagram.rows.length} rows`;
  return `the diagram is in ${path}: ${what}`;
}
