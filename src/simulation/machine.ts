/**
 * One virtual machine with one server on it: its clock, its disk, and the process that may be
 * running, paused or dead. It gives the replica an environment, and it is where crashes strike:
 * in the middle of a save, between a save and the message that speaks of it, half-way through a
 * broadcast.
 *
 * A turn takes no time, unless the disk is slow. Then the code of the turn still runs at once, but
 * its clocks go on with every save, and what the turn does after a save is seen only when that
 * much time has passed; the next turn begins after the end of this one. A process that is killed
 * meanwhile has done what was seen until then, and its disk holds what it held before the save.
 */
import type { Uid } from '../composable-paxos.ts';
import type { ClientAddress, Environment, Timer } from '../environment.ts';
import {
  highestNumberIn,
  isClientMessage,
  isInstanceMessage,
  isPeerMessage,
  MAX_NUMBER,
  type Message,
  type PeerMessage,
  type Reply,
  wrongCluster,
} from '../messages.ts';
import type { ReplicatedValue } from '../replicated-value.ts';
import { lostState, type ServerState, STATE_IS_MISSING } from '../state.ts';
import type { Entry } from '../time/agenda.ts';
import {
  type Decision,
  type DiskLoss,
  savedEvent,
  type TraceEvent,
  type WorldEvent,
} from '../trace/events.ts';
import type { MachineClock } from './clock.ts';
import {
  Disk,
  type OpenDisk,
  SAVE_STEPS,
  type SaveStep,
  type Skippable,
  type Step,
  type VirtualDisk,
} from './disk.ts';
import { JournalDisk } from './journal-disk.ts';
import type { Datagram } from './network.ts';
import { Random } from './random.ts';

export type ReplicaClass = new (
  uid: Uid,
  uids: readonly Uid[],
  environment: Environment,
) => ReplicatedValue;

/**
 * Where a crash strikes: right before a step of the next save; after a save and before the first
 * message of that turn; when a broadcast has reached some of its receivers; at the end of a
 * turn; or at once, between two turns.
 */
export const CRASH_POINTS = [
  'now',
  ...SAVE_STEPS,
  'save and send',
  'half a broadcast',
  'end of turn',
] as const;
export type CrashPoint = (typeof CRASH_POINTS)[number];

/** What a crash takes: memory always, what the disk had not synced, or the whole state file. */
type Loss = 'memory' | 'unsynced' | 'disk';

/** As long as a real server is given to stop in order. */
const RETIRE_WITHIN_MS = 2_000;

/** What a machine needs of the world around it. */
export interface Surroundings {
  readonly seed: string | number;
  /** Whom all cluster files name. */
  readonly founders: readonly Uid[];
  /** What a server that starts is made of. */
  readonly replicaClass: ReplicaClass;
  readonly skippedSaveSteps: readonly Skippable[];
  /** Whether states are kept as journals. */
  readonly hasJournals: boolean;
  /** True time in milliseconds. */
  readonly nowMs: number;
  readonly trace: (event: TraceEvent) => void;
  later(delayMs: number, act: () => void): Entry;
  carry(datagram: Datagram): void;
  carryToClient(to: ClientAddress, answer: Answer): void;
  /** Hears of every message to peers right before it leaves. */
  beforeSend(machine: Machine, message: PeerMessage): void;
  afterTurn(machine: Machine): void;
  /** A replica died of an exception that no fault of the world explains. */
  failed(uid: Uid, error: unknown): void;
}

/** What a server sends to a client. */
export interface Answer {
  readonly from: Uid;
  readonly seq: number;
  readonly message: Reply;
}

/** Leaves a turn in the middle, as a crash does. */
class Crash extends Error {}

/** The disk says no. */
class DiskTrouble extends Error {}

export class Machine {
  readonly uid: Uid;
  readonly clock: MachineClock;
  readonly disk: VirtualDisk;
  /** So long does every save take from now on, in true milliseconds. */
  saveMs = 0;
  readonly #world: Surroundings;
  readonly #luck: Random;
  /** Whom its cluster file names. */
  members: readonly Uid[];
  /** What is started here, if not the same as elsewhere. */
  replicaClass: ReplicaClass | null = null;
  #replica: ReplicatedValue | null = null;
  #run = 0;
  #turn = 0;
  #seq = 0;
  /** How long the turn that runs now has taken so far; 0 outside of turns. */
  #tookMs = 0;
  /** A turn has run, but its last save would not be over yet. */
  #isSaving = false;
  /** How many pauses last, and whether the whole machine sleeps: the process stands still. */
  #pauses = 0;
  #isAsleep = false;
  /** What happens to a paused process waits until it goes on. */
  #held: (() => void)[] = [];
  #armed: { readonly point: CrashPoint; readonly loss: Loss; skip: number } | null = null;
  /** Where the next save fails, if it does. */
  #failingStep: SaveStep | null = null;
  #hasSaved = false;

  constructor(world: Surroundings, uid: Uid, clock: MachineClock) {
    this.uid = uid;
    this.clock = clock;
    this.#world = world;
    this.members = world.founders;
    this.disk = world.hasJournals ? new JournalDisk() : new Disk();
    this.#luck = new Random(world.seed, 'disk', uid);
  }

  /** Whether it has ended by itself: it is no member any more, and nobody needs it. */
  hasLeft = false;

  /** The running replica, or null when the process is down. */
  get replica(): ReplicatedValue | null {
    return this.#replica;
  }

  /** Starts the process, unless it runs. */
  start(): void {
    if (this.#replica !== null) return;
    this.hasLeft = false;
    this.wake(); // nobody starts a process on a machine that sleeps
    this.#run += 1;
    const replicaClass = this.replicaClass ?? this.#world.replicaClass;
    const replica = new replicaClass(this.uid, this.members, this.#environment());
    this.#replica = replica;
    this.turn(() => replica.start());
  }

  /** Starts the process as with `--rejoin`: if its state is lost, it begins with knowing that. */
  rejoin(): void {
    if (this.#replica !== null) return;
    if (this.disk.isLost) {
      const lost = lostState(this.uid, this.members);
      for (const { act } of this.disk.open([]).save(lost)) act();
    }
    this.start();
  }

  /** Whether its state is there, stays there, and gives it a vote. */
  get votes(): boolean {
    return this.disk.votes && this.#armed?.loss !== 'disk';
  }

  /** Ends the process in good order, after at most two seconds. */
  retire(): void {
    const run = this.#run;
    const stop = () => {
      if (run !== this.#run) return;
      this.turn(
        () => this.#replica?.stop(),
        () => this.#end(),
      );
    };
    this.turn(() => this.#replica?.retire(() => this.#world.later(0, stop)));
    this.#world.later(RETIRE_WITHIN_MS, stop);
  }

  /**
   * Kills the process at this point, after it has passed it `skip` times. A power cut takes what
   * the disk had not synced, too, and also where no process runs.
   */
  crash(point: CrashPoint, power: boolean, skip = 0): void {
    this.#crash(point, power ? 'unsynced' : 'memory', skip);
  }

  /** The same, and the state file is gone. */
  loseDisk(point: CrashPoint, skip = 0): void {
    this.#crash(point, 'disk', skip);
  }

  #crash(point: CrashPoint, loss: Loss, skip: number): void {
    if (this.#replica === null) {
      const lost = this.#lose(loss) ?? 'nothing';
      if (lost !== 'nothing') this.trace({ event: 'crash', where: 'now', lost });
      return;
    }
    if (point !== 'now') {
      this.#armed = { point, loss, skip };
      return;
    }
    this.#turn += 1;
    this.#die(point, loss);
  }

  /** While the process is down, a bit flips in its file. */
  flipBit(): void {
    if (this.#replica === null) this.disk.flipBit(this.#luck);
  }

  /** While the process is down, somebody puts another value into its file. */
  edit(currentValue: string): void {
    if (this.#replica === null) this.disk.edit(currentValue);
  }

  /** The next save fails at this step; what the steps before it did is done. */
  failNextSave(step: SaveStep): void {
    this.#failingStep = step;
  }

  /** The process stands still, as by SIGSTOP; both clocks go on. */
  pause(): void {
    if (this.#replica !== null) this.#pauses += 1;
  }

  resume(): void {
    this.#pauses = Math.max(0, this.#pauses - 1);
    this.#goOn();
  }

  /** The whole machine stands still, and its monotonic clock with it. */
  sleep(): void {
    if (this.#replica === null) return;
    this.#isAsleep = true;
    this.clock.sleep(this.#world.nowMs);
  }

  wake(): void {
    this.#isAsleep = false;
    this.clock.wake(this.#world.nowMs);
    this.#goOn();
  }

  /** Nothing more goes wrong here. */
  calmDown(): void {
    this.#armed = null;
    this.#failingStep = null;
    this.#pauses = 0;
    this.saveMs = 0;
    this.wake();
  }

  /** Whether the process runs, stands still, or is not there. */
  get condition(): 'down' | 'paused' | 'asleep' | 'running' {
    if (this.#replica === null) return 'down';
    if (this.#isAsleep) return 'asleep';
    return this.#pauses > 0 ? 'paused' : 'running';
  }

  /** At which point of its work it will be killed, if that was asked for. */
  get dies(): CrashPoint | null {
    return this.#armed?.point ?? null;
  }

  get #standsStill(): boolean {
    return this.#pauses > 0 || this.#isAsleep || this.#isSaving;
  }

  #goOn(): void {
    if (this.#standsStill) return;
    for (const act of this.#held.splice(0)) act();
  }

  /** A datagram arrives; as in a real server, it is looked at before the replica hears of it. */
  receive({ from, seq, message, cluster, client = '' }: Datagram): void {
    this.turn(() => {
      const why = from === null ? null : this.#whyNotBelieved(message, cluster);
      if (why !== null) return this.trace({ event: 'reject', from: from ?? client, why });
      this.trace({ event: 'receive', from, seq, message });
      if (isClientMessage(message)) this.#replica?.receiveFromClient(client, message);
      else if (from !== null && isPeerMessage(message)) this.#replica?.receive(from, message);
    });
  }

  #whyNotBelieved(message: Message, cluster: string | undefined): string | null {
    const stranger = wrongCluster(cluster, this.#replica?.cluster ?? '');
    return stranger ?? (fitsOnTheWire(message) ? null : 'its numbers are not what they must be');
  }

  /**
   * One turn of the process: it runs to its end, or the process dies in the middle of it. `after`
   * is called at its end.
   */
  turn(act: () => void, after: () => void = () => {}): void {
    if (this.#replica === null) return;
    if (this.#standsStill) {
      this.#held.push(() => this.turn(act, after));
      return;
    }
    this.#turn += 1;
    this.#hasSaved = false;
    let end = after;
    try {
      act();
      this.#strike('end of turn');
    } catch (error) {
      end = () => this.#endTurnBy(error);
    }
    const tookMs = this.#tookMs;
    this.#isSaving = tookMs > 0;
    this.#later(() => {
      this.#isSaving = false;
      end();
      this.#world.afterTurn(this);
      this.#goOn();
    });
    this.#tookMs = 0;
  }

  /** True while a turn is under way: whoever believes something now cannot act upon it. */
  get isSaving(): boolean {
    return this.#isSaving;
  }

  trace(event: Decision | WorldEvent): void {
    const at = this.#nowMs;
    const turn = this.#turn;
    this.#later(() => this.#world.trace({ at, server: this.uid, turn, ...event }));
    if (event.event === 'members' && event.what === 'left') this.#leave();
  }

  /** As a real server does, once it says that nobody needs it. */
  #leave(): void {
    const run = this.#run;
    this.#world.later(this.#tookMs, () => {
      if (run !== this.#run || this.#replica === null) return;
      this.hasLeft = true;
      this.retire();
    });
  }

  /** True time, as the code of the running turn sees it. */
  get #nowMs(): number {
    return this.#world.nowMs + this.#tookMs;
  }

  /** Does what the running turn does now: when the saves before it are over, if we still live. */
  #later(act: () => void): void {
    if (this.#tookMs === 0) return act();
    const replica = this.#replica;
    this.#world.later(this.#tookMs, () => {
      if (this.#replica === replica) act();
    });
  }

  #endTurnBy(error: unknown): void {
    if (error instanceof Crash) return this.#die(error.message, this.#armed?.loss ?? 'memory');
    this.trace({ event: 'fail', why: error instanceof Error ? error.message : String(error) });
    this.#end();
    if (!(error instanceof DiskTrouble)) this.#world.failed(this.uid, error);
  }

  #die(where: string, loss: Loss): void {
    const lost = this.#lose(loss);
    this.trace({ event: 'crash', where, lost });
    this.#end();
  }

  /** What the disk has lost by it; null: the power was not cut. */
  #lose(loss: Loss): DiskLoss | null {
    if (loss === 'memory') return null;
    if (loss === 'unsynced') return this.disk.powerCut(this.#luck.next());
    this.disk.lose();
    return 'disk';
  }

  #end(): void {
    this.#replica = null;
    this.#armed = null;
    this.#failingStep = null;
    this.#held = [];
    this.#pauses = 0;
    this.#isSaving = false;
  }

  #strike(point: CrashPoint): void {
    if (this.#armed?.point !== point) return;
    if (this.#armed.skip === 0) throw new Crash(point);
    this.#armed.skip -= 1;
  }

  #environment(): Environment {
    const world = this.#world;
    const chance = new Random(world.seed, 'chance', this.uid, this.#run);
    const disk = this.disk.open(world.skippedSaveSteps);
    return {
      clock: {
        now: () => this.clock.now(this.#nowMs),
        wallNow: () => this.clock.wallNow(this.#nowMs),
        after: (delayMs, act) => this.#after(delayMs, act),
      },
      random: () => chance.next(),
      places: placesOf(this.members),
      messenger: {
        send: (to, message) => this.#send(to, message),
        reply: (to, message) => this.#reply(to, message),
        canCarry: () => true,
      },
      storage: { load: () => this.#load(disk), save: (state) => this.#save(disk, state) },
      trace: (decision) => this.trace(decision),
    };
  }

  #after(delayMs: number, act: () => void): Timer {
    const world = this.#world;
    const run = this.#run;
    const dueMs = this.clock.now(this.#nowMs) + delayMs;
    let entry: Entry | null = null;
    const fire = () => {
      if (entry === null || run !== this.#run) return;
      const leftMs = dueMs - this.clock.now(world.nowMs);
      // A machine that has slept meanwhile is not there yet by its own clock.
      if (leftMs > 1e-6) {
        entry = world.later(leftMs / this.clock.rate, fire);
      } else if (this.#standsStill) {
        this.#held.push(fire);
      } else {
        this.turn(act);
      }
    };
    entry = world.later(this.#tookMs + delayMs / this.clock.rate, fire);
    return {
      cancel: () => {
        if (entry !== null) entry.act = null;
        entry = null;
      },
    };
  }

  #send(to: readonly Uid[], message: PeerMessage): void {
    if (this.#hasSaved) this.#strike('save and send');
    this.#seq += 1;
    this.#later(() => this.#world.beforeSend(this, message));
    this.trace({ event: 'send', to, seq: this.#seq, message });
    const cluster = this.#replica?.cluster ?? '';
    const seq = this.#seq;
    for (const [index, uid] of to.entries()) {
      if (index > 0) this.#strike('half a broadcast');
      this.#later(() => this.#world.carry({ from: this.uid, to: uid, seq, message, cluster }));
    }
  }

  #load(disk: OpenDisk): unknown {
    for (const step of disk.beforeLoad()) this.#do(step);
    if (this.disk.isLost) throw new DiskTrouble(STATE_IS_MISSING);
    try {
      return disk.load();
    } catch (error) {
      throw new DiskTrouble(error instanceof Error ? error.message : String(error));
    }
  }

  #reply(to: ClientAddress, message: Reply): void {
    if (this.#hasSaved) this.#strike('save and send');
    this.#seq += 1;
    const answer = { from: this.uid, seq: this.#seq, message };
    this.trace({ event: 'reply', to, seq: this.#seq, message });
    this.#later(() => this.#world.carryToClient(to, answer));
  }

  #save(disk: OpenDisk, state: ServerState): void {
    this.#tookMs += this.saveMs;
    for (const step of disk.save(state)) {
      if (step.step === this.#failingStep) {
        this.#doHalf(step);
        throw new DiskTrouble(`the state cannot be saved: ${step.step} fails`);
      }
      this.#do(step);
    }
    this.#hasSaved = true;
    this.trace(savedEvent(state));
  }

  #do(step: Step): void {
    try {
      this.#strike(step.step);
    } catch (crash) {
      this.#doHalf(step);
      throw crash;
    }
    if (this.#world.skippedSaveSteps.includes(step.name)) return;
    this.#later(step.act);
  }

  #doHalf({ actHalf }: Step): void {
    if (actHalf === undefined) return;
    const luck = this.#luck.next();
    this.#later(() => actHalf(luck));
  }
}

/** Where servers are in this world, which finds them by their names. */
export function placesOf(uids: readonly Uid[]): Record<Uid, string> {
  return Object.fromEntries(uids.map((uid) => [uid, `${uid.toLowerCase()}.example:1234`]));
}

/** A datagram cannot carry larger numbers. */
function fitsOnTheWire(message: Message): boolean {
  if (!isPeerMessage(message)) return true;
  const number = isInstanceMessage(message) ? highestNumberIn(message) : 0;
  return Math.max(number, message.instanceNumber) <= MAX_NUMBER;
}
