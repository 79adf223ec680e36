/** Reads what `--trace FILE` has written, one event a line, whatever became of its writer. */
import { existsSync } from 'node:fs';
import type { Uid } from '../../composable-paxos.ts';
import { isRecord } from '../../messages.ts';
import { Failure } from '../../node/failure.ts';
import { OLDER_PIECE } from '../../node/trace-file.ts';
import type { ServerState } from '../../state.ts';
import type { TraceEvent } from '../../trace/events.ts';
import { isOfOlderForm, wrongInEvent } from '../../trace/guards.ts';
import { resumedIn } from '../../trace/invariants.ts';
import { mergeStreams } from '../../trace/merge.ts';
import { JsonLines, readJsonLines } from './json-lines.ts';

/** The traces of a run. */
export interface Traces {
  /** All events in the order in which they happened. */
  readonly events: readonly TraceEvent[];
  /** Every server of the cluster, and those whose events are here. */
  readonly uids: readonly Uid[];
  readonly traced: readonly Uid[];
  /** Where traces begin that begin in the middle of the run. */
  readonly resumed: readonly ServerState[];
  /** Sentences about lines that a killed server did not end, and about traces of other runs. */
  readonly remarks: readonly string[];
  /** Where an event was read: `a.ndjson:12`. */
  placeOf(event: TraceEvent): string;
}

/** What may be told by a server that has not begun. */
export const BEFORE_START = ['start', 'resume', 'fail', 'lost', 'reject', 'address'];

/** All servers of a file have told something before so many events of it. */
export const MOST_LOOKED_AT = 1_000;

/** Reads the traces of one run. Throws a `Failure` that names the file and the line. */
export function readTraces(paths: readonly string[]): Traces {
  const stream = new TraceStream(paths);
  const { uids, traced, resumed } = stream;
  const events = [...stream.events()];
  const { remarks } = stream;
  return { events, uids, traced, resumed, remarks, placeOf: (it) => stream.placeOf(it) };
}

/** Whether a run of a server begins with this line, or is ended there by who has killed it. */
export function beginsRun(line: unknown): boolean {
  return isRecord(line) && [...BEFORE_START, 'crash'].some((event) => event === line['event']);
}

/**
 * The traces of one run, read one event after the other: what has been read is kept nowhere, so
 * they may be as long as they like.
 */
export class TraceStream {
  readonly uids: readonly Uid[];
  readonly traced: readonly Uid[];
  readonly resumed: readonly ServerState[];
  readonly #traces: readonly Trace[];
  #isRead = false;

  /** Throws a `Failure` that names the file and the line. */
  constructor(paths: readonly string[]) {
    this.#traces = paths.map((path) => new Trace(path, this));
    for (const trace of this.#traces) trace.lookAhead();
    const begun = this.#traces.flatMap(({ first }) => first.flatMap(membersOf));
    const traced = this.#traces.flatMap(({ first }) => first.map(({ server }) => server));
    this.traced = [...new Set(traced)].sort();
    this.resumed = resumedIn(this.#traces.flatMap(({ first }) => first));
    this.uids = [...new Set([...begun, ...traced])].sort();
  }

  /** All events in the order in which they happened. To be called once. Throws a `Failure`. */
  *events(): Generator<TraceEvent> {
    yield* mergeStreams(this.#traces.map((trace) => trace.events()));
    this.#isRead = true;
  }

  /** Sentences about what has been read until now. */
  get remarks(): readonly string[] {
    const remarks = this.#traces.flatMap(({ remarks }) => remarks);
    const later = this.resumed.map(({ uid }) => uid).join(', ');
    if (later !== '')
      remarks.push(
        `the trace of ${later} begins in the middle: nothing is said of what was before`,
      );
    return this.#isRead ? [...remarks, ...remarkOnTimes(this.#traces)] : remarks;
  }

  /** Where an event was read: `a.ndjson:12`. */
  placeOf(event: TraceEvent): string {
    for (const trace of this.#traces) {
      const place = trace.placeOf(event);
      if (place !== null) return place;
    }
    return '?';
  }

  /** Throws unless this event may stand in this trace. `begun`: who has begun in it. */
  check(event: TraceEvent, trace: Trace, begun: Set<Uid>): void {
    const { server } = event;
    const place = trace.placeOf(event);
    const other = this.#traces.some((one) => one !== trace && one.tellsOf(server));
    if (other) throw new Failure(`${place}: server ${server} has another trace, too`);
    if (event.event === 'start' || event.event === 'resume') begun.add(server);
    if (!begun.has(server) && !BEFORE_START.includes(event.event)) {
      throw new Failure(`${place}: the start of server ${server} is missing before this event`);
    }
    if (this.uids === undefined) return; // while looking ahead
    const strangers = [server, ...peersIn(event)].filter((uid) => !this.uids.includes(uid));
    if (strangers.length > 0) {
      const cluster = `the cluster is ${this.uids.join(' ')}`;
      throw new Failure(`${place} speaks of server ${strangers[0]}, and ${cluster}`);
    }
    if (!this.traced.includes(server)) {
      throw new Failure(`${place}: server ${server} begins in the middle of another one's trace`);
    }
  }
}

/** One trace: a file, and what was moved out of it when it grew too large. */
class Trace {
  readonly path: string;
  /** The first events. */
  readonly first: TraceEvent[] = [];
  fromMs = Number.POSITIVE_INFINITY;
  toMs = Number.NEGATIVE_INFINITY;
  readonly #stream: TraceStream;
  readonly #places = new WeakMap<TraceEvent, string>();
  readonly #servers = new Set<Uid>();
  readonly #rest: Generator<TraceEvent>;
  readonly #pieces: JsonLines[] = [];

  constructor(path: string, stream: TraceStream) {
    this.path = path;
    this.#stream = stream;
    this.#rest = this.#read();
  }

  get remarks(): readonly string[] {
    return this.#pieces.flatMap(({ remarks }) => remarks);
  }

  tellsOf(server: Uid): boolean {
    return this.#servers.has(server);
  }

  placeOf(event: TraceEvent): string | null {
    return this.#places.get(event) ?? null;
  }

  /** Reads so far that all its servers have told something. */
  lookAhead(): void {
    const expected = () => new Set(this.first.flatMap(membersOf)).size;
    while (this.first.length < MOST_LOOKED_AT) {
      const { value, done = false } = this.#rest.next();
      if (done) return;
      this.first.push(value);
      if (this.#servers.size === expected()) return;
    }
  }

  *events(): Generator<TraceEvent> {
    for (const event of this.first.splice(0)) yield event;
    yield* this.#rest;
  }

  *#read(): Generator<TraceEvent> {
    const begun = new Set<Uid>();
    for (const path of piecesOf(this.path)) {
      const lines = new JsonLines(path, 'server', beginsRun);
      this.#pieces.push(lines);
      for (const { value, number } of readJsonLines('the trace', path, lines)) {
        const event = eventOf(value, `${path}:${number}`);
        this.#places.set(event, `${path}:${number}`);
        this.#servers.add(event.server);
        this.fromMs = Math.min(this.fromMs, event.at);
        this.toMs = Math.max(this.toMs, event.at);
        this.#stream.check(event, this, begun);
        yield event;
      }
    }
  }
}

/** What was moved out of the file comes before it, if the file goes on with something. */
export function piecesOf(path: string): string[] {
  const older = path + OLDER_PIECE;
  if (!existsSync(older)) return [path];
  const lines = new JsonLines(path, 'server', beginsRun);
  for (const { value } of readJsonLines('the trace', path, lines)) {
    if (!isRecord(value)) break;
    if (value['event'] === 'resume' || value['restored'] === true) return [older, path];
    if (value['event'] === 'start') break;
  }
  return [path];
}

/** Throws a `Failure` that names this place, unless the line is an event. */
export function eventOf(line: unknown, place: string): TraceEvent {
  const wrong = wrongInEvent(line);
  if (wrong === null) return line as TraceEvent;
  if (isOfOlderForm(line)) {
    throw new Failure(
      `${place} is of an older form: read this trace with the version that wrote it`,
    );
  }
  throw new Failure(`${place} is not an event of a trace: ${wrong}`);
}

/** The servers of the cluster, if this event names them. */
export function membersOf(event: TraceEvent): readonly Uid[] {
  return event.event === 'start' || event.event === 'resume' ? event.uids : [];
}

/** The other servers that it names. */
export function peersIn(event: TraceEvent): readonly Uid[] {
  return event.event === 'send' ? event.to : membersOf(event);
}

/** Servers of one run live at the same time, though not all of them from beginning to end. */
function remarkOnTimes(traces: readonly Trace[]): string[] {
  const told = traces.filter(({ fromMs, toMs }) => fromMs <= toMs);
  if (told.length < 2) return [];
  const alone = told.filter((one) => !told.some((other) => other !== one && overlap(one, other)));
  if (alone.length === 0) return [];
  const names = alone.map(({ path }) => path).join(', ');
  return [`the time of ${names} is in no other trace: are all of one run?`];
}

function overlap(one: Trace, other: Trace): boolean {
  return one.fromMs <= other.toMs && other.fromMs <= one.toMs;
}
