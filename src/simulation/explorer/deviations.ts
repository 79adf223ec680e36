/**
 * One level above the explorer: whole replicas, with their layers, timers and disks, under every
 * schedule that departs from the ordinary at most `d` times.
 *
 * The ordinary schedule delivers datagrams in the order in which they were sent, and lets a timer
 * run out when nothing is under way. At every step something else may happen instead: a datagram
 * is overtaken, lost or doubled, a timer runs out early, a server is killed and comes back. To
 * try everything at every step is hopeless, but most faults need only a few such surprises, at
 * the right moments ("delay-bounded scheduling", Emmi, Qadeer and Rakamarić, 2011).
 *
 * A schedule is the list of its deviations. It is run from the beginning, which also shows at
 * which steps it could be made to deviate once more.
 */
import type { Change } from '../../client-session.ts';
import type { Uid } from '../../composable-paxos.ts';
import { INVARIANTS, Invariants, type Violation } from '../../trace/invariants.ts';
import { sessionOf } from '../clients.ts';
import type { CrashPoint, ReplicaClass } from '../machine.ts';
import { World } from '../world.ts';

/** At this step, this instead of the ordinary: an index into what is possible there. */
export interface Deviation {
  readonly step: number;
  readonly choice: number;
  /** For people. */
  readonly what: string;
}

export interface Scenario {
  readonly uids: readonly Uid[];
  /** Who votes at first, if that is not all; then the first of them is asked for `change`. */
  readonly founders?: readonly Uid[];
  readonly change?: Change;
  readonly replicaClass: ReplicaClass;
  /** Everything before this happens undisturbed: for a first master to be elected. */
  readonly calmMs: number;
  /** Who is asked for which value when the calm is over; null: whoever is master. */
  readonly askedFirst: readonly (readonly [Uid | null, string])[];
  /** Deviations happen in this many steps; then the run goes on in order until it is level. */
  readonly steps: number;
}

export interface Search {
  /** How many schedules were run with exactly so many deviations. */
  readonly runs: readonly number[];
  /** The number of deviations up to which every schedule was run. */
  readonly completeUpTo: number;
  readonly violation: Violation | null;
  /** The schedule of the violation. */
  readonly deviations: readonly Deviation[];
  /** How many values were chosen in all runs: a search that chooses nothing shows nothing. */
  readonly chosen: number;
}

/** How many datagrams may overtake the oldest. */
const OVERTAKERS = 2;
/** Where a server may be killed: between two turns, and between a save and what it says of it. */
const KILLS: readonly CrashPoint[] = ['now', 'save and send'];
/** Virtual time within which a run must be level after its last deviation. */
const LEVEL_WITHIN_MS = 40_000;

/**
 * Runs all schedules with no deviation, then all with one, and so on up to `most`, but not more
 * than `maxRuns` in all. Stops at the first violation. `progress` hears of every run.
 */
export function search(
  scenario: Scenario,
  most: number,
  maxRuns: number,
  progress: (deviations: number, runs: number, left: number) => void = () => {},
): Search {
  const runs: number[] = [];
  let chosen = 0;
  let total = 0;
  let generation: Deviation[][] = [[]];
  for (let count = 0; count <= most; count += 1) {
    const next: Deviation[][] = [];
    runs.push(0);
    for (const [index, deviations] of generation.entries()) {
      if (total === maxRuns) {
        return { runs, completeUpTo: count - 1, violation: null, deviations: [], chosen };
      }
      total += 1;
      runs[count] = index + 1;
      progress(count, total, generation.length - index - 1);
      const outcome = new DeviantRun(scenario, deviations).toTheEnd();
      chosen += outcome.chosen;
      const { violation } = outcome;
      if (violation !== null)
        return { runs, completeUpTo: count - 1, violation, deviations, chosen };
      if (count < most) next.push(...outcome.further.map((one) => [...deviations, one]));
    }
    generation = next;
  }
  return { runs, completeUpTo: most, violation: null, deviations: [], chosen };
}

interface Possibility {
  readonly what: string;
  readonly act: () => void;
}

class DeviantRun {
  readonly #scenario: Scenario;
  readonly #planned: ReadonlyMap<number, Deviation>;
  readonly #lastPlanned: number;
  readonly #world: World;
  readonly #invariants: Invariants;
  readonly #further: Deviation[] = [];
  #violation: Violation | null = null;
  #chosen = 0;
  #events = 0;
  #wasKilled = false;

  constructor(scenario: Scenario, deviations: readonly Deviation[]) {
    this.#scenario = scenario;
    this.#planned = new Map(deviations.map((one) => [one.step, one]));
    this.#lastPlanned = deviations.at(-1)?.step ?? -1;
    this.#invariants = new Invariants(scenario.uids);
    this.#world = new World({
      uids: scenario.uids,
      founders: scenario.founders ?? scenario.uids,
      replicaClass: scenario.replicaClass,
      seed: 'deviations',
      byHand: true,
      trace: (event) => {
        this.#events += 1;
        this.#violation ??= this.#invariants.observe(event);
        if (event.event === 'chosen') this.#chosen += 1;
        if (event.event === 'crash') this.#startAgain(event.server);
      },
      wrong: (invariant, why) => this.#found(invariant, why),
    });
  }

  toTheEnd() {
    const { uids, calmMs, askedFirst, steps, change } = this.#scenario;
    for (const uid of uids) this.#world.machine(uid).start();
    while (this.#world.nowMs < calmMs) this.#ordinary(calmMs);
    for (const [uid, value] of askedFirst) {
      const message = { type: 'propose', value } as const;
      const to = uid ?? this.#master();
      this.#world.machine(to).receive({ from: null, to, seq: 0, message });
    }
    if (change !== undefined) this.#ask(change);
    for (let step = 0; step < steps && this.#violation === null; step += 1) this.#step(step);
    this.#getLevel();
    return { violation: this.#violation, further: this.#further, chosen: this.#chosen };
  }

  #ask(change: Change): void {
    const [to = ''] = this.#world.founders;
    const requestId = `${sessionOf('a')}-1-1`;
    const message = { type: 'change', requestId, ...change } as const;
    this.#world.machine(to).receive({ from: null, to, seq: 0, message });
  }

  #step(step: number): void {
    const planned = this.#planned.get(step);
    if (planned === undefined && step <= this.#lastPlanned) return this.#ordinary();
    const possible = this.#possibilities();
    if (planned !== undefined) return possible[planned.choice]?.act();
    for (const [choice, { what }] of possible.entries()) this.#further.push({ step, choice, what });
    this.#ordinary();
  }

  /** The oldest datagram arrives; or, if nothing is under way, the next timer runs out. */
  #ordinary(untilMs = Number.POSITIVE_INFINITY): void {
    const oldest = this.#world.inFlight.shift();
    if (oldest !== undefined) return this.#world.deliver(oldest);
    if (!this.#nextTimer(untilMs)) this.#world.runUntil(untilMs);
  }

  /** The next timer runs out that does anything: a mere look at the clocks is no step. */
  #nextTimer(untilMs = Number.POSITIVE_INFINITY): boolean {
    const before = this.#events;
    while (this.#world.step(untilMs)) if (this.#events > before) return true;
    return false;
  }

  /** Everything that might happen now instead of the ordinary. */
  #possibilities(): Possibility[] {
    const world = this.#world;
    const possible: Possibility[] = [];
    const [oldest] = world.inFlight;
    if (oldest !== undefined) {
      const name = `${oldest.message.type} ${oldest.from}->${oldest.to}`;
      possible.push({ what: `${name} is lost`, act: () => void world.inFlight.shift() });
      possible.push({ what: `${name} is doubled`, act: () => world.deliver(oldest) });
      possible.push({ what: `a timer before ${name}`, act: () => void this.#nextTimer() });
    }
    for (let index = 1; index <= OVERTAKERS; index += 1) {
      const later = world.inFlight[index];
      if (later === undefined) break;
      const what = `${later.message.type} ${later.from}->${later.to} overtakes ${index}`;
      possible.push({ what, act: () => this.#deliverFromInside(index) });
    }
    for (const { uid, replica } of world.machines.values()) {
      for (const point of replica === null ? [] : KILLS) {
        const act = () => world.machine(uid).crash(point, true);
        possible.push({ what: `${uid} is killed: ${point}`, act });
      }
    }
    return possible;
  }

  #deliverFromInside(index: number): void {
    const [datagram] = this.#world.inFlight.splice(index, 1);
    if (datagram !== undefined) this.#world.deliver(datagram);
  }

  #startAgain(uid: Uid): void {
    this.#wasKilled = true;
    this.#world.later(1, () => this.#world.machine(uid).start());
  }

  #master(): Uid {
    for (const { uid, replica } of this.#world.machines.values()) {
      if (replica?.isMaster === true) return uid;
    }
    throw new Error('nobody became master while all was calm');
  }

  /** In order, until all servers stand at the same instance and nobody has anything to do. */
  #getLevel(): void {
    for (const machine of this.#world.machines.values()) machine.calmDown();
    const untilMs = this.#world.nowMs + LEVEL_WITHIN_MS;
    while (this.#violation === null && !this.#isLevel()) {
      if (this.#world.nowMs >= untilMs) this.#found(10, 'the servers do not get level');
      else this.#ordinary(untilMs);
    }
    this.#violation ??= this.#invariants.end(true);
    if (this.#wasKilled || this.#violation !== null) return;
    const isAnyChosen = [...this.#world.machines.values()].every(
      ({ replica }) => replica?.chain.currentValue !== null,
    );
    if (!isAnyChosen) this.#found(10, 'nobody was killed, and no value was chosen');
  }

  #isLevel(): boolean {
    if (this.#world.inFlight.length > 0) return false;
    const replicas = [...this.#world.machines.values()].map(({ replica }) => replica);
    return (
      new Set(replicas.map((replica) => replica?.instanceNumber)).size === 1 &&
      replicas.every((replica) => replica?.acceptorState.acceptedValue === null) &&
      replicas.every((replica) => replica?.waiting === 0)
    );
  }

  #found(invariant: number, why: string): void {
    const sentence = INVARIANTS.find(({ number }) => number === invariant)?.sentence ?? why;
    this.#violation ??= { invariant, sentence, event: null, why };
  }
}
