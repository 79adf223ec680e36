/** `npm run diagram`: recorded traces as a space-time diagram. */
import { statSync } from 'node:fs';
import { Command } from 'commander';
import type { Window } from '../diagram/layout.ts';
import { type Diagram, diagramOf } from '../diagram/model.ts';
import type { ThemeName } from '../diagram/palette.ts';
import { defaultWindow, MOST_ROWS } from '../diagram/picture.ts';
import { Failure, UsageError } from '../node/failure.ts';
import { parseArguments, runProgram } from '../node/program.ts';
import { printable } from '../trace/printable.ts';
import { headlineOf, placeInRun } from '../trace/violation.ts';
import { pieceOf } from './common/piece-of-traces.ts';
import { readTraces, TraceStream } from './common/read-traces.ts';
import { checkDiagramFile, writeDiagram } from './common/write-diagram.ts';

const HELP = `
Give the traces of all servers of one run (server.ts --trace FILE), each with all its restarts.

--from and --to are numbers of rows, as the page shows them, or times since the first row such
as 1500ms or 2.5s. Without them at most ${MOST_ROWS} rows are drawn: the first ones, or those around
the first violation of an invariant. Of long traces (more than 64 MB) only a piece is read and
drawn: say from which time to which.

Examples:
  npm run diagram -- a.ndjson b.ndjson c.ndjson
  npm run diagram -- a.ndjson b.ndjson c.ndjson -o run.svg --theme dark
  npm run diagram -- a.ndjson b.ndjson c.ndjson --from 2s --to 3.5s`;

/** Traces that are longer are not kept in memory as a whole. */
const MOST_BYTES = 64_000_000;

const UNITS_MS = { ms: 1, s: 1_000 } as const;

/** The first row at or after a place, or the last one at or before it; there may be none. */
function rowAt(option: string, text: string, { rows }: Diagram, isEnd: boolean): number {
  const [, digits = '', unit] = /^([0-9]+(?:\.[0-9]+)?)(ms|s)?$/.exec(text) ?? [];
  if (digits === '' || (unit === undefined && digits.includes('.'))) {
    const wanted = 'a number of a row, or a time like 1500ms or 2.5s';
    throw new UsageError(`${option} must be ${wanted}, not ${JSON.stringify(text)}`);
  }
  if (unit === undefined) return Number(digits);
  const atMs = Number(digits) * UNITS_MS[unit as keyof typeof UNITS_MS];
  if (isEnd) return rows.filter((row) => row.atMs <= atMs).length;
  const before = rows.filter((row) => row.atMs < atMs).length;
  return before + 1;
}

function drawAll(paths: readonly string[]): Diagram {
  const { events, uids, traced, remarks } = readTraces(paths);
  for (const remark of remarks) say(`note: ${remark}`);
  if (events.length === 0) throw new Failure('these traces are empty: there is nothing to draw');
  return diagramOf(events, { uids, traced });
}

/** Long traces: only what is drawn is kept. */
function drawPiece(paths: readonly string[], from = '', to = ''): Diagram {
  const [fromMs, toMs] = [from, to].map(timeOf);
  if (fromMs === undefined || toMs === undefined) {
    const size = `${Math.round(bytesOf(paths) / 1e6)} MB`;
    throw new UsageError(`these are ${size} of traces: say by --from 20s --to 25s what to draw`);
  }
  const stream = new TraceStream(paths);
  const { events, options, earlier } = pieceOf(stream, fromMs, toMs);
  for (const remark of stream.remarks) say(`note: ${remark}`);
  for (const violation of earlier) {
    say(`before that ${headlineOf(violation.invariant)}`);
    say(`  ${placeInRun(violation)}: ${violation.why}`);
  }
  if (events.length === 0) throw new UsageError(`nothing happened from ${from} to ${to}`);
  return diagramOf(events, options);
}

function bytesOf(paths: readonly string[]): number {
  return paths.reduce(
    (sum, path) => sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}

/** A time like 1500ms or 2.5s in milliseconds; undefined if it is none. */
function timeOf(text: string): number | undefined {
  const [, digits, unit] = /^([0-9]+(?:\.[0-9]+)?)(ms|s)$/.exec(text) ?? [];
  return digits === undefined
    ? undefined
    : Number(digits) * UNITS_MS[unit as keyof typeof UNITS_MS];
}

function windowOf(diagram: Diagram, from: string | undefined, to: string | undefined): Window {
  if (from === undefined && to === undefined) return defaultWindow(diagram);
  const last = diagram.rows.length;
  const first = from === undefined ? 1 : Math.max(1, rowAt('--from', from, diagram, false));
  const end = to === undefined ? last : Math.min(last, rowAt('--to', to, diagram, true));
  if (first > end) {
    const run = `the run has ${last} rows in ${Math.round(diagram.durationMs)} ms`;
    throw new UsageError(
      `there is no row from ${from ?? 'the first'} to ${to ?? 'the last'}: ${run}`,
    );
  }
  // Whoever names both ends knows what comes.
  const isOpen = from === undefined || to === undefined;
  if (!isOpen || end - first < MOST_ROWS) return { from: first, to: end };
  return from === undefined
    ? { from: end - MOST_ROWS + 1, to: end }
    : { from: first, to: first + MOST_ROWS - 1 };
}

function themeOf(name: string | undefined): ThemeName | null {
  if (name === undefined) return null;
  if (name === 'light' || name === 'dark') return name;
  throw new UsageError(`--theme must be light or dark, not ${JSON.stringify(name)}`);
}

await runProgram(async (args) => {
  const command = new Command('diagram')
    .description('Draws the space-time diagram of a run from its traces.')
    .argument('<traces...>', 'files with one event of JSON in each line')
    .option('-o, --output <FILE>', 'a page (.html) or a picture (.svg)', 'diagram.html')
    .option('--from <PLACE>', 'the first row that is drawn')
    .option('--to <PLACE>', 'the last one')
    .option('--theme <NAME>', 'light or dark (a page follows its reader, a picture is light)')
    .addHelpText('after', HELP);
  const paths = parseArguments(command, args);
  const { output, from, to, theme } = command.opts();
  checkDiagramFile('--output', output);
  const themeName = themeOf(theme);

  const diagram = bytesOf(paths) > MOST_BYTES ? drawPiece(paths, from, to) : drawAll(paths);
  for (const { row, violation } of diagram.violations) {
    say(`row ${row}: invariant ${violation.invariant} is violated: ${violation.why}`);
  }
  const window = windowOf(diagram, from, to);
  say(writeDiagram(output, diagram, themeName, window));
  if (window.to - window.from + 1 < diagram.rows.length && from === undefined && to === undefined) {
    say(`note: at most ${MOST_ROWS} rows are drawn, unless --from and --to ask for more`);
  }
});

function say(line: string): void {
  console.log(printable(line));
}
