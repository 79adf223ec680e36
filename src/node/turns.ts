/**
 * Turns and trace: every datagram, timer and call from outside is one turn of the server; its
 * events carry the number of the turn. The first turn that fails is the last one (fail-stop).
 */
import { performance } from 'node:perf_hooks';
import type { Uid } from '../composable-paxos.ts';
import type { Timer } from '../environment.ts';
import { Agenda, type Entry } from '../time/agenda.ts';
import type { Decision, TraceEvent, WorldEvent } from '../trace/events.ts';
import { describe } from './failure.ts';

/** Something that shows or keeps events. */
export interface Sink {
  show(event: TraceEvent): void;
  /** The turn of the events shown last is over. */
  endTurn(): void;
}

export class Turns {
  readonly #server: Uid;
  readonly #sinks: readonly Sink[];
  readonly #failed: (error: unknown) => void;
  /** What waits for its time. */
  #agenda = new Agenda();
  /** How much of that was not called off. */
  #waiting = 0;
  #timeout: NodeJS.Timeout | undefined;
  #wakesAtMs = Number.POSITIVE_INFINITY;
  #number = 0;
  #isOver = false;

  /** `failed` is called at most once, when no turn will run any more. */
  constructor(server: Uid, sinks: readonly Sink[], failed: (error: unknown) => void) {
    this.#server = server;
    this.#sinks = sinks;
    this.#failed = failed;
  }

  /** Runs `act` as one turn. An exception out of it ends the server. */
  run(act: () => void): void {
    if (this.#isOver) return;
    this.#number += 1;
    try {
      act();
      this.#endTurn();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Runs `act` as a turn of its own, `delayMs` milliseconds from now or later. */
  after(delayMs: number, act: () => void): Timer {
    const entry = this.#agenda.add(performance.now() + delayMs, act);
    this.#waiting += 1;
    this.#sleep();
    return { cancel: this.#cancel.bind(this, entry) };
  }

  #cancel(entry: Entry): void {
    if (entry.act === null) return;
    entry.act = null;
    this.#endWait();
  }

  /** Whether anybody sees what is traced. If not, nobody need work it out. */
  get isWatched(): boolean {
    return this.#sinks.length > 0;
  }

  trace(event: Decision | WorldEvent): void {
    if (this.#isOver || !this.isWatched) return;
    const atUs = (performance.timeOrigin + performance.now()) * 1_000;
    const stamp = { at: Math.round(atUs) / 1_000, server: this.#server, turn: this.#number };
    for (const sink of this.#sinks) sink.show({ ...stamp, ...event });
  }

  /** Something went wrong that nobody foresaw. Nothing more happens in this server. */
  fail(error: unknown): void {
    if (this.#isOver) return;
    try {
      this.trace({ event: 'fail', why: describe(error) });
      this.#endTurn();
    } catch {
      // It may be the trace itself that failed. The error is told on stderr in any case.
    }
    this.end();
    this.#failed(error);
  }

  /** No turn runs any more, and nothing is traced. */
  end(): void {
    this.#isOver = true;
    clearTimeout(this.#timeout);
  }

  /**
   * One timer of the system serves all of ours. A replica calls nearly all of them off, several for
   * each message, and the system's own would cost it as much as reading the message does.
   */
  #sleep(): void {
    const { nextAtMs } = this.#agenda;
    if (this.#wakesAtMs <= nextAtMs) return;
    clearTimeout(this.#timeout);
    this.#wakesAtMs = nextAtMs;
    const sleepMs = Math.max(0, Math.ceil(nextAtMs - performance.now()));
    this.#timeout = setTimeout(() => this.#wake(), sleepMs);
  }

  #wake(): void {
    this.#wakesAtMs = Number.POSITIVE_INFINITY;
    // Node's timers may be early by a fraction of a millisecond. A lease would not be over yet.
    const now = performance.now();
    while (!this.#isOver && this.#agenda.nextAtMs <= now) {
      const entry = this.#agenda.take();
      const act = entry?.act ?? null;
      if (entry === undefined || act === null) continue;
      entry.act = null; // too late to cancel it
      this.#endWait();
      this.run(act);
    }
    if (!this.#isOver) this.#sleep();
  }

  #endWait(): void {
    this.#waiting -= 1;
    if (this.#waiting > 0) return;
    // Nothing keeps the process alive that was called off.
    clearTimeout(this.#timeout);
    this.#wakesAtMs = Number.POSITIVE_INFINITY;
    this.#agenda = new Agenda();
  }

  #endTurn(): void {
    for (const sink of this.#sinks) sink.endTurn();
  }
}
