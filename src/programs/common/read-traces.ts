/** Reads what `--trace FILE` has written, one event a line, whatever became of its writer. */
import { readFileSync } from 'node:fs';
import type { Uid } from '../../composable-paxos.ts';
import { isRecord } from '../../messages.ts';
import { describe, Failure } from '../../node/failure.ts';
import type { TraceEvent } from '../../trace/events.ts';
import { mergeTraces } from '../../trace/merge.ts';

/** The traces of a run. */
export interface Traces {
  /** All events in the order in which they happened. */
  readonly events: readonly TraceEvent[];
  /** Every server that is spoken of, and those whose events are here. */
  readonly uids: readonly Uid[];
  readonly traced: readonly Uid[];
  /** Sentences about lines that a killed server did not end, and about traces of other runs. */
  readonly remarks: readonly string[];
  /** Where an event was read: `a.ndjson:12`. */
  placeOf(event: TraceEvent): string;
}

/** What may be told by a server that has not begun. */
const BEFORE_START = ['start', 'fail', 'lost', 'reject'];

/** Reads the traces of one run. Throws a `Failure` that names the file and the line. */
export function readTraces(paths: readonly string[]): Traces {
  const places = new Map<TraceEvent, string>();
  const remarks: string[] = [];
  const traces = paths.map((path) => readTrace(path, places, remarks));
  checkBeginnings(traces, places);
  remarks.push(...remarkOnTimes(paths, traces));
  const uids = new Set<Uid>();
  const traced = new Set<Uid>();
  for (const event of traces.flat()) {
    uids.add(event.server);
    traced.add(event.server);
    if (event.event === 'send') for (const uid of event.to) uids.add(uid);
  }
  return {
    events: mergeTraces(traces),
    uids: [...uids].sort(),
    traced: [...traced].sort(),
    remarks,
    placeOf: (event) => places.get(event) ?? '?',
  };
}

function readTrace(
  path: string,
  places: Map<TraceEvent, string>,
  remarks: string[],
): readonly TraceEvent[] {
  const lines = readLines('the trace', path);
  const events: TraceEvent[] = [];
  for (const [index, line] of lines.entries()) {
    if (line === '') continue;
    const place = `${path}:${index + 1}`;
    const event = parse(line);
    if (event === undefined) {
      if (!isCut(lines, index)) throw new Failure(`${place} is not JSON`);
      remarks.push(`${place} is not a whole line: its server was killed while it wrote`);
      continue;
    }
    const wrong = wrongPart(event);
    if (wrong !== null) throw new Failure(`${place} is not an event of a trace: ${wrong}`);
    events.push(event as TraceEvent);
    places.set(event as TraceEvent, place);
  }
  return events;
}

/** The lines of a file; `what` it is, if it cannot be read. Throws a `Failure`. */
export function readLines(what: string, path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch (error) {
    throw new Failure(`${what} ${path} cannot be read: ${describe(error)}`);
  }
}

/** A killed server leaves half a line: at the end, or before the start of its next run. */
function isCut(lines: readonly string[], index: number): boolean {
  const next = lines[index + 1];
  if (next === undefined) return true;
  const event = parse(next);
  return isRecord(event) && event['event'] === 'start';
}

/** Undefined if the line is not JSON. */
export function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function wrongPart(event: unknown): string | null {
  if (!isRecord(event)) return 'it is not an object';
  const { at, server, turn, event: name } = event;
  if (typeof at !== 'number') return 'at, its time, is not a number';
  if (typeof server !== 'string') return 'server is not a name';
  if (typeof turn !== 'number') return 'turn is not a number';
  if (typeof name !== 'string') return 'event is not a name';
  if (name !== 'send') return null;
  return Array.isArray(event['to']) && isRecord(event['message']) ? null : 'nothing is sent';
}

interface Span {
  readonly path: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Servers of one run live at the same time, though not all of them from beginning to end. */
function remarkOnTimes(
  paths: readonly string[],
  traces: readonly (readonly TraceEvent[])[],
): string[] {
  const spans = traces.flatMap((trace, index) => spanOf(paths[index] ?? '?', trace));
  if (spans.length < 2) return [];
  const alone = spans.filter((one) => !spans.some((other) => other !== one && overlap(one, other)));
  if (alone.length === 0) return [];
  const names = alone.map(({ path }) => path).join(', ');
  return [`the time of ${names} is in no other trace: are all of one run?`];
}

function spanOf(path: string, trace: readonly TraceEvent[]): Span[] {
  if (trace.length === 0) return [];
  const fromMs = trace.reduce((least, { at }) => Math.min(least, at), Number.POSITIVE_INFINITY);
  const toMs = trace.reduce((most, { at }) => Math.max(most, at), Number.NEGATIVE_INFINITY);
  return [{ path, fromMs, toMs }];
}

function overlap(one: Span, other: Span): boolean {
  return one.fromMs <= other.toMs && other.fromMs <= one.toMs;
}

/** Each server has one trace, and it must tell with what state the server began. */
function checkBeginnings(
  traces: readonly (readonly TraceEvent[])[],
  places: ReadonlyMap<TraceEvent, string>,
): void {
  const traceOf = new Map<Uid, readonly TraceEvent[]>();
  const begun = new Set<Uid>();
  for (const trace of traces) {
    for (const event of trace) {
      const { server } = event;
      const place = places.get(event);
      const other = traceOf.get(server) ?? trace;
      if (other !== trace) throw new Failure(`${place}: server ${server} has another trace, too`);
      traceOf.set(server, trace);
      if (event.event === 'start') begun.add(server);
      if (begun.has(server) || BEFORE_START.includes(event.event)) continue;
      throw new Failure(`${place}: the start of server ${server} is missing before this event`);
    }
  }
}
