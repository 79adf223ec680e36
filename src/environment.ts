/**
 * What a replica asks of its world. It touches nothing else: no system clock, no chance, no
 * socket, no file. In `node/` these are the real ones, in `simulation/` virtual ones, and a
 * replica cannot tell the difference.
 *
 * One datagram, one timer, one call from outside is one *turn*: it runs to its end before the
 * next one starts. An exception that leaves a turn ends the server (fail-stop), and nothing
 * that depended on a failed save is sent.
 */
import type { Link } from './chain.ts';
import type { Uid } from './composable-paxos.ts';
import type { PeerMessage, Reply } from './messages.ts';
import type { ServerState } from './state.ts';
import type { Decision } from './trace/events.ts';

/** Something that will happen later, unless it is cancelled. Cancelling twice does no harm. */
export interface Timer {
  cancel(): void;
}

/** Two clocks, and timers on the first of them. */
export interface Clock {
  /** Milliseconds that never go backwards, for durations. They may stop while a laptop sleeps. */
  now(): number;
  /** Milliseconds of the wall clock. They go on during sleep, and may jump either way. */
  wallNow(): number;
  /** Calls `act` in a turn of its own, `delayMs` milliseconds from now or later. */
  after(delayMs: number, act: () => void): Timer;
}

/** Where a client's message came from: whoever brought it can also bring back the answer. */
export type ClientAddress = string;

/** What leaves a replica. What comes in is brought to it by calls. */
export interface Messenger {
  /** Sends one datagram to each of `to`. Each may be lost, delayed, repeated or overtaken. */
  send(to: readonly Uid[], message: PeerMessage): void;
  /** Whether an accept with this link can leave at all: some systems take only short datagrams. */
  canCarry(link: Link): boolean;
  /** Sends one datagram to a client, which may be gone by now. */
  reply(to: ClientAddress, message: Reply): void;
}

/** The disk of one replica. */
export interface Storage {
  /**
   * What was saved last, or null if nothing ever was. Returns only once that would survive a
   * power cut: a process that was killed in the middle of `save` may have left a state that can be
   * read, and would still be gone after a power cut.
   * Throws if the state cannot be read, and if it is missing although there was one.
   */
  load(): unknown;
  /** Returns only once the state would survive a power cut. Throws if it cannot promise that. */
  save(state: ServerState): void;
}

/** All that a replica is given. */
export interface Environment {
  readonly clock: Clock;
  /** A number from 0 up to, not including, 1. */
  random(): number;
  readonly messenger: Messenger;
  readonly storage: Storage;
  /** Where servers are, before the chain says so: those of the cluster file. */
  readonly places?: Readonly<Record<Uid, string>>;
  /** Makes a decision visible. What is sent, received and saved is traced by the environment. */
  trace(decision: Decision): void;
}
