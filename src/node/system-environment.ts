/** The world of a real server: system clocks, chance, a UDP socket, a file. */
import { performance } from 'node:perf_hooks';
import type { Uid } from '../composable-paxos.ts';
import type { Clock, Environment, Messenger, Storage } from '../environment.ts';
import { type Decision, savedEvent } from '../trace/events.ts';
import { type Cluster, formatAddress } from './cluster-file.ts';
import type { StateFile } from './state-directory.ts';
import type { Turns } from './turns.ts';

export class SystemEnvironment implements Environment {
  readonly clock: Clock;
  readonly messenger: Messenger;
  readonly storage: Storage;
  readonly places: Readonly<Record<Uid, string>>;
  readonly #turns: Turns;

  constructor(turns: Turns, messenger: Messenger, file: StateFile, cluster: Cluster = new Map()) {
    const places = [...cluster].map(([uid, address]) => [uid, formatAddress(address)]);
    this.places = Object.fromEntries(places);
    this.clock = {
      now: () => performance.now(),
      wallNow: () => Date.now(),
      after: (delayMs, act) => turns.after(delayMs, act),
    };
    this.messenger = messenger;
    this.storage = {
      load: () => file.load(),
      save: (state) => {
        file.save(state);
        if (turns.isWatched) turns.trace(savedEvent(state));
      },
    };
    this.#turns = turns;
  }

  random(): number {
    return Math.random();
  }

  trace(decision: Decision): void {
    this.#turns.trace(decision);
  }
}
