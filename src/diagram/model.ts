/**
 * The space-time diagram of a run, before anything is drawn: rows from top to bottom, one lane for
 * each server, arrows between the lanes, and what goes on in them. A function of trace events
 * and of nothing else.
 *
 * A row is one turn of one server. Turns that show nothing have no row: neither has the sync
 * chatter of servers that are equally far.
 */
import { quorumOf, type Uid } from '../composable-paxos.ts';
import type { Message } from '../messages.ts';
import type { TraceEvent } from '../trace/events.ts';
import { INVARIANTS, Invariants, resumedIn, type Violation } from '../trace/invariants.ts';
import { formatId, type Words } from '../trace/words.ts';
import {
  ABSENT,
  type Condition,
  type Standing,
  standingAfter,
  standingAfterDeath,
  standingOfBelief,
} from './lives.ts';
import { MOST_HUES } from './palette.ts';
import { type Datagram, type Turn, type Turns, turnsOf } from './turns.ts';
import { isRefusal, Narrator, type Phrase } from './words.ts';

export interface Diagram {
  /** All servers of the cluster, in order. */
  readonly uids: readonly Uid[];
  /** Those that have a hue of their own: all, or if they are many the busiest owners. */
  readonly hued: readonly Uid[];
  /** Those whose events are known. */
  readonly traced: readonly Uid[];
  /** Clients take part. */
  readonly hasClients: boolean;
  readonly rows: readonly Row[];
  readonly arrows: readonly Arrow[];
  readonly stretches: readonly Stretch[];
  /** What a server is and has from a row on, in the order of the rows. */
  readonly standings: readonly StandingAt[];
  readonly violations: readonly ViolationAt[];
  /** When the first row happened, as servers tell time; and how long it is to the last one. */
  readonly startMs: number;
  readonly durationMs: number;
  /** When the last row happened, in milliseconds since the run began. */
  readonly endMs: number;
  /** So much the clocks of servers differ at least, if that is worth mentioning; else 0. */
  readonly clocksDifferMs: number;
}

export interface Row {
  /** From 1 on. */
  readonly number: number;
  readonly uid: Uid;
  /** Which turn of its server it is; null: a death, of which the server could tell nothing. */
  readonly turn: number | null;
  /** Milliseconds since the first row. */
  readonly atMs: number;
  /** So long nothing happened before this row. */
  readonly silenceMs: number;
  /** So often the row before this one was repeated, and nothing came of it. */
  readonly repeats: number;
  /** Which message came too late to count for anything, and why; null: none. */
  readonly late: string | null;
  readonly phrases: readonly Phrase[];
  /** What a client asked for, if that is what this row is about. */
  readonly asked: Words | null;
}

/**
 * `late`: it arrived and changed nothing. `unknown`: nobody tells what became of it. `cut`: the
 * sending is not in the trace.
 */
export type ArrowEnd = 'arrived' | 'late' | 'lost' | 'unknown' | 'cut';

export interface Arrow {
  readonly type: Message['type'];
  /** Null: a client. */
  readonly from: Uid | null;
  readonly to: Uid | null;
  /** The owner of the proposal; null if it belongs to none. */
  readonly owner: Uid | null;
  /** Rows. A lost datagram ends below its last row. */
  readonly fromRow: number;
  readonly toRow: number;
  readonly end: ArrowEnd;
}

/** A server is in some condition from one row to another, the last one exclusive. */
export interface Stretch {
  readonly uid: Uid;
  readonly condition: Condition;
  /** Whose hue it has. */
  readonly owner: Uid;
  readonly fromRow: number;
  readonly toRow: number;
}

export interface StandingAt {
  readonly row: number;
  readonly uid: Uid;
  readonly standing: Standing;
}

export interface ViolationAt {
  readonly row: number;
  readonly violation: Violation;
}

export interface DiagramOptions {
  /** All servers of the cluster, those whose events are known, and what is wrong in the run. */
  readonly uids?: readonly Uid[];
  readonly traced?: readonly Uid[];
  readonly violations?: readonly Violation[];
  /** Whether a server believed itself master after the turn that this event ends, if known. */
  readonly beliefs?: Beliefs;
  /** Who has a hue of its own; if nothing is said, all or the busiest. */
  readonly hued?: readonly Uid[];
  /** What was before these events, if they are a piece out of the middle of a run. */
  readonly past?: Past;
}

/** By the last event of a turn. */
export type Beliefs = ReadonlyMap<TraceEvent, boolean>;

/** What must be known of the beginning of a run to draw only what comes after it. */
export interface Past {
  /** When the run began. */
  readonly startMs: number;
  readonly standings: ReadonlyMap<Uid, Standing>;
  /** Up to this instance it has been told before what was chosen. */
  readonly chosenUpTo: number;
}

const NO_PAST = { standings: new Map<Uid, Standing>(), chosenUpTo: 0 };

/** A silence of so many milliseconds is folded. */
const SILENCE_MS = 100;
/** Whose clock is behind by more than that has not been late, but asleep. */
const CLOCKS_DIFFER_MS = 1_000;
/** A row that comes so often, one after the other, is folded. */
const LEAST_SERIES = 3;

/** The diagram of these events, which come in the order in which they happened. */
export function diagramOf(events: readonly TraceEvent[], options: DiagramOptions = {}): Diagram {
  const traced = options.traced ?? [...new Set(events.map(({ server }) => server))].sort();
  const uids = options.uids ?? serversIn(events);
  const violations = options.violations ?? violationsIn(events, uids, traced);
  const turns = turnsOf(events);
  const past = options.past ?? { ...NO_PAST, startMs: turns.turns[0]?.at ?? 0 };
  const beliefs = options.beliefs ?? new Map<TraceEvent, boolean>();
  const draft = new Draft(turns, violations, past, beliefs);
  const { rows, numberOf, arrows, clocksDifferMs } = draft;
  const endRow = rows.length + 1;
  const { stretches, standings } = livesOf(turns.turns, numberOf, endRow, past, beliefs);
  return {
    uids,
    hued: options.hued ?? huedOf(uids, arrows),
    traced,
    hasClients: arrows.some(({ from, to }) => from === null || to === null),
    rows,
    arrows,
    stretches,
    standings,
    violations: draft.violations,
    startMs: past.startMs,
    durationMs: (rows.at(-1)?.atMs ?? 0) - (rows[0]?.atMs ?? 0),
    endMs: rows.at(-1)?.atMs ?? 0,
    clocksDifferMs,
  };
}

function huedOf(uids: readonly Uid[], arrows: readonly Arrow[]): readonly Uid[] {
  if (uids.length <= MOST_HUES) return uids;
  const counts = new Map<Uid, number>();
  for (const { owner } of arrows) {
    if (owner !== null) counts.set(owner, (counts.get(owner) ?? 0) + 1);
  }
  const busiest = [...counts].sort(([, a], [, b]) => b - a).slice(0, MOST_HUES);
  return busiest.map(([uid]) => uid).sort();
}

/** Every server that is spoken of, in order. */
export function serversIn(events: readonly TraceEvent[]): Uid[] {
  const uids = new Set<Uid>();
  for (const event of events) {
    uids.add(event.server);
    if (event.event === 'send') for (const uid of event.to) uids.add(uid);
  }
  return [...uids].sort();
}

/** What is wrong in a run: of each invariant the first violation. */
export function violationsIn(
  events: readonly TraceEvent[],
  uids: readonly Uid[],
  traced: readonly Uid[],
): Violation[] {
  const invariants = new Invariants(uids, traced, resumedIn(events));
  const found = new Map<number, Violation>();
  for (const event of events) {
    const violation = invariants.observe(event);
    if (violation === null || found.has(violation.invariant)) continue;
    found.set(violation.invariant, violation);
  }
  return [...found.values()];
}

/** A turn that may become a row. */
interface Candidate {
  readonly turn: Turn;
  readonly phrases: Phrase[];
  isTouched: boolean;
  /** What it sends, and nobody receives, in words; null: it is touched in other ways, too. */
  vain: string | null;
}

/** Decides which turns become rows, and numbers them. */
class Draft {
  readonly rows: readonly Row[];
  readonly arrows: readonly Arrow[];
  readonly violations: readonly ViolationAt[];
  readonly #numbers = new Map<Turn, number>();
  readonly #withRow = new Set<Turn>();
  clocksDifferMs = 0;

  constructor(turns: Turns, violations: readonly Violation[], past: Past, beliefs: Beliefs) {
    const narrator = new Narrator(past.standings.keys(), past.chosenUpTo);
    const candidates = new Map<Turn, Candidate>();
    for (const turn of turns.turns) {
      const phrases = [...narrator.tell(turn, beliefOf(turn, beliefs))];
      candidates.set(turn, { turn, phrases, isTouched: false, vain: '' });
    }
    const last = turns.turns.at(-1);
    const marked = violations.flatMap((violation) => {
      const turn = (violation.event && turns.turnOf(violation.event)) ?? last;
      if (turn === undefined) return [];
      candidates.get(turn)?.phrases.push(sayViolation(violation));
      return [{ turn, violation }];
    });
    const datagrams = turns.datagrams.filter(isWorthAnArrow);
    for (const { sent, ended, end, message, to } of datagrams) {
      for (const turn of end === 'arrived' ? [sent, ended] : [sent]) {
        const candidate = turn === null ? undefined : candidates.get(turn);
        if (candidate === undefined) continue;
        candidate.isTouched = true;
        const isVain = end !== 'arrived' && candidate.vain !== null;
        candidate.vain = isVain ? `${candidate.vain} ${message.type} ${to}` : null;
      }
    }
    const folded = seriesIn([...candidates.values()].filter(isRow));
    this.rows = this.#number([...candidates.values()], past.startMs, folded);
    const shown = datagrams.filter(({ sent }) => sent === null || !folded.has(sent));
    const answers = turns.turns.flatMap((turn) => this.#answersIn(turn));
    this.arrows = [...shown.map((datagram) => this.#arrow(datagram)), ...answers];
    this.violations = marked
      .map(({ turn, violation }) => ({ row: this.numberOf(turn), violation }))
      .sort((a, b) => a.row - b.row);
  }

  /** The row of a turn, or of the next one that has a row. */
  readonly numberOf = (turn: Turn): number => this.#numbers.get(turn) ?? 1;

  /** A datagram may get lost while turns go on that have no row. */
  #lastRowUntil(turn: Turn): number {
    const number = this.numberOf(turn);
    return this.#withRow.has(turn) ? number : Math.max(1, number - 1);
  }

  #number(candidates: readonly Candidate[], startMs: number, folded: ReadonlySet<Turn>): Row[] {
    const rows: Row[] = [];
    let latestMs = candidates[0]?.turn.at ?? 0;
    let repeats = 0;
    for (const candidate of candidates) {
      const { turn, phrases } = candidate;
      this.#numbers.set(turn, rows.length + 1);
      if (folded.has(turn)) repeats += 1;
      if (!isRow(candidate) || folded.has(turn)) continue;
      this.#withRow.add(turn);
      const behindMs = latestMs - turn.at;
      if (behindMs > CLOCKS_DIFFER_MS) {
        this.clocksDifferMs = Math.max(this.clocksDifferMs, behindMs);
      }
      const silenceMs = Math.max(0, -behindMs);
      latestMs = Math.max(latestMs, turn.at);
      rows.push({
        number: rows.length + 1,
        uid: turn.server,
        turn: turn.events[0]?.turn ?? null,
        // Time does not go back in a picture, whatever a clock says that has been asleep.
        atMs: (behindMs > CLOCKS_DIFFER_MS ? latestMs : turn.at) - startMs,
        silenceMs: silenceMs >= SILENCE_MS ? silenceMs : 0,
        repeats,
        late: phrases.length === 0 ? lateIn(turn) : null,
        phrases,
        asked: askedIn(turn),
      });
      repeats = 0;
    }
    return rows;
  }

  /** Answers to clients, which nobody tells the arrival of. */
  #answersIn(turn: Turn): Arrow[] {
    if (!this.#withRow.has(turn)) return [];
    const row = this.numberOf(turn);
    return turn.events.flatMap((event): Arrow[] => {
      if (event.event !== 'reply' || event.message.type === 'status_report') return [];
      const ends = { fromRow: row, toRow: row, end: 'arrived' } as const;
      return [{ type: event.message.type, from: event.server, to: null, owner: null, ...ends }];
    });
  }

  #arrow({ message, from, to, sent, ended, end }: Datagram): Arrow {
    const toRow = this.#lastRowUntil(ended);
    const fromRow = sent === null ? toRow : this.numberOf(sent);
    const isCut = sent === null && from !== null;
    const arrival = end === 'arrived' && isLate(ended) ? 'late' : end;
    const owner = 'proposalId' in message ? message.proposalId.uid : null;
    return { type: message.type, from, to, owner, fromRow, toRow, end: isCut ? 'cut' : arrival };
  }
}

function isRow({ phrases, isTouched }: Candidate): boolean {
  return phrases.length > 0 || isTouched;
}

/** Of each series of equal rows, from which nothing arrives anywhere, all but the first. */
function seriesIn(rows: readonly Candidate[]): ReadonlySet<Turn> {
  const folded = new Set<Turn>();
  const keyOf = ({ turn, phrases, vain }: Candidate) =>
    vain === null || vain === '' ? null : `${turn.server} ${vain} ${JSON.stringify(phrases)}`;
  for (let from = 0, to = 0; from < rows.length; from = to) {
    const key = keyOf(rows[from] as Candidate);
    to = from + 1;
    while (key !== null && to < rows.length && keyOf(rows[to] as Candidate) === key) to += 1;
    if (to - from < LEAST_SERIES) continue;
    for (const { turn } of rows.slice(from + 1, to)) folded.add(turn);
  }
  return folded;
}

/** Null: nobody knows. */
function beliefOf({ events }: Turn, beliefs: Beliefs): boolean | null {
  const last = events.at(-1);
  return (last && beliefs.get(last)) ?? null;
}

function sayViolation({ invariant }: Violation): Phrase {
  const name = INVARIANTS.find(({ number }) => number === invariant)?.name ?? 'fail-stop';
  const words = { before: `VIOLATES ${invariant}: ${name}` };
  return { icon: null, words, mood: 'alarm' };
}

/** Servers that ask each other whether they are level, and are, would hide what happens. */
function isWorthAnArrow({ message, ended, end }: Datagram): boolean {
  if (message.type !== 'sync_request') return true;
  return end === 'arrived' && ended.events.some(({ event }) => event === 'send');
}

/** It came too late to count for anything. */
function isLate({ events }: Turn): boolean {
  const [, decision, more] = events;
  if (decision === undefined || more !== undefined) return false;
  if (decision.event === 'ignore') return !isRefusal(decision);
  if (decision.event !== 'count') return false;
  const { of, count, servers } = decision;
  return of === 'promise' ? count >= quorumOf(servers) : count === 0;
}

/** What came too late, and why, for who points at a row without words. */
function lateIn(turn: Turn): string | null {
  const [received, decision] = turn.events;
  if (received?.event !== 'receive' || decision === undefined || !isLate(turn)) return null;
  const { message, from } = received;
  const id = 'proposalId' in message ? ` ${formatId(message.proposalId)}` : '';
  const why = decision.event === 'ignore' ? decision.why : 'a quorum has been counted already';
  return `${message.type}${id} from ${from ?? 'a client'} comes too late: ${why}`;
}

function askedIn({ events }: Turn): Words | null {
  const [first] = events;
  if (first?.event !== 'receive') return null;
  const { message } = first;
  switch (message.type) {
    case 'propose':
    case 'request':
      return { before: '', value: message.value, after: '?' };
    case 'query':
    case 'quorum_query':
      return { before: '', value: message.query, after: '?' };
    case 'read':
      return { before: message.isLocal ? 'local read?' : 'read?' };
    case 'reach':
      return { before: 'how far?' };
    default:
      return null;
  }
}

/** What every server is and has, turn by turn; and the stretches that it stays in one condition. */
function livesOf(
  turns: readonly Turn[],
  numberOf: (turn: Turn) => number,
  endRow: number,
  past: Past,
  beliefs: Beliefs,
): { readonly stretches: readonly Stretch[]; readonly standings: readonly StandingAt[] } {
  const standings: StandingAt[] = [];
  const now = new Map<Uid, StandingAt>();
  for (const [uid, standing] of past.standings) {
    const at = { row: 1, uid, standing };
    now.set(uid, at);
    standings.push(at);
  }
  for (const turn of turns) {
    const { server: uid, events } = turn;
    const before = now.get(uid)?.standing ?? ABSENT;
    const told =
      events.length === 0 ? standingAfterDeath(before) : events.reduce(standingAfter, before);
    const standing = standingOfBelief(told, beliefOf(turn, beliefs));
    if (standing === before) continue;
    const at = { row: Math.min(numberOf(turn), endRow - 1), uid, standing };
    now.set(uid, at);
    standings.push(at);
  }
  return { stretches: stretchesOf(standings, endRow), standings };
}

function stretchesOf(standings: readonly StandingAt[], endRow: number): Stretch[] {
  const stretches: Stretch[] = [];
  const open = new Map<Uid, Omit<Stretch, 'toRow'>>();
  const close = (uid: Uid, toRow: number) => {
    const stretch = open.get(uid);
    if (stretch !== undefined && stretch.fromRow < toRow) stretches.push({ ...stretch, toRow });
  };
  for (const { row: fromRow, uid, standing } of standings) {
    const { condition, holder } = standing;
    const owner = condition === 'follows' && holder !== null ? holder : uid;
    const before = open.get(uid);
    if (before?.condition === condition && before.owner === owner) continue;
    close(uid, fromRow);
    open.set(uid, { uid, condition, owner, fromRow });
  }
  for (const uid of open.keys()) close(uid, endRow);
  return stretches;
}
