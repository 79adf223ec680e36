/**
 * The virtual world: machines, a network between them, and one true time that jumps from event
 * to event. No real time passes, nothing here is left to chance that the seed does not fix: one
 * seed is one run, event by event.
 *
 * The world knows what no trace can tell, what is really on the disks and who believes to be
 * master at one and the same moment, and reports what is wrong there itself.
 */
import { compareProposalIds, type Uid } from '../composable-paxos.ts';
import type { ClientAddress } from '../environment.ts';
import type { ClientMessage, PeerMessage, Reply } from '../messages.ts';
import { MustStop } from '../state.ts';
import { Agenda, type Entry } from '../time/agenda.ts';
import type { TraceEvent } from '../trace/events.ts';
import { MachineClock } from './clock.ts';
import type { Skippable } from './disk.ts';
import { type Forgery, forge } from './forger.ts';
import { type Answer, Machine, type ReplicaClass, type Surroundings } from './machine.ts';
import { type Datagram, Network } from './network.ts';

/** Where answers to clients go, as far as the network is concerned. */
const CLIENT = '0';

export interface WorldOptions {
  readonly uids: readonly Uid[];
  /** Whom all cluster files name, if that is not all. */
  readonly founders?: readonly Uid[];
  readonly replicaClass: ReplicaClass;
  readonly seed: string | number;
  /** Hears every event, in order. */
  readonly trace: (event: TraceEvent) => void;
  /** Hears of what only the world can see: which invariant is violated, and how. */
  readonly wrong: (invariant: number, why: string) => void;
  /** Hears when a turn of this server is over. */
  readonly turnEnded?: (uid: Uid) => void;
  /** Local milliseconds per true millisecond of each machine; 1 where nothing is said. */
  readonly clockRates?: Readonly<Record<Uid, number>>;
  /** Who may believe to be master for longer than others wait, since its clocks are too bad. */
  readonly overstayers?: ReadonlySet<Uid>;
  /** True: nothing arrives by itself; `inFlight` waits for somebody to deliver it. */
  readonly byHand?: boolean;
  /** Steps of a save that these machines leave out, to see what becomes of it. */
  readonly skippedSaveSteps?: readonly Skippable[];
  /** Whether states are kept as journals; or else as files that are replaced. */
  readonly hasJournals?: boolean;
}

/** Notes, by the last event of the turn that ends, whether a server believes itself master. */
export function noteBelief(
  beliefs: Map<TraceEvent, boolean>,
  events: readonly TraceEvent[],
  { uid, replica }: Machine,
): void {
  const last = events.findLast(({ server, event }) => server === uid && event !== 'lost');
  if (last !== undefined) beliefs.set(last, replica?.isMaster === true);
}

export class World implements Surroundings {
  readonly seed: string | number;
  readonly uids: readonly Uid[];
  readonly founders: readonly Uid[];
  /** What a server that starts is made of. */
  replicaClass: ReplicaClass;
  skippedSaveSteps: readonly Skippable[];
  readonly hasJournals: boolean;
  readonly network: Network;
  readonly machines: ReadonlyMap<Uid, Machine>;
  /** What is under way, oldest first, when the network is driven by hand. */
  readonly inFlight: Datagram[] = [];
  readonly trace: (event: TraceEvent) => void;
  readonly #wrong: (invariant: number, why: string) => void;
  readonly #turnEnded: (uid: Uid) => void;
  readonly #byHand: boolean;
  readonly #overstayers: ReadonlySet<Uid>;
  readonly #agenda = new Agenda();
  #nowMs = 0;
  readonly #clients = new Map<ClientAddress, (from: Uid, message: Reply) => void>();
  #clientSeq = 0;

  constructor(options: WorldOptions) {
    this.seed = options.seed;
    this.uids = options.uids;
    this.founders = options.founders ?? options.uids;
    this.replicaClass = options.replicaClass;
    this.skippedSaveSteps = options.skippedSaveSteps ?? [];
    this.hasJournals = options.hasJournals ?? false;
    this.trace = options.trace;
    this.#wrong = options.wrong;
    this.#turnEnded = options.turnEnded ?? (() => {});
    this.#byHand = options.byHand ?? false;
    this.#overstayers = options.overstayers ?? new Set();
    this.network = new Network(options.seed);
    const machine = (uid: Uid) =>
      new Machine(this, uid, new MachineClock(options.clockRates?.[uid] ?? 1));
    this.machines = new Map(options.uids.map((uid) => [uid, machine(uid)]));
  }

  /** True time in milliseconds since the world began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** The machine of this uid. Throws if there is none. */
  machine(uid: Uid): Machine {
    const machine = this.machines.get(uid);
    if (machine === undefined) throw new Error(`there is no server ${uid}`);
    return machine;
  }

  later(delayMs: number, act: () => void): Entry {
    return this.#agenda.add(this.#nowMs + delayMs, act);
  }

  /** When the next thing happens by itself, in true time; infinity: nothing will. */
  get nextAtMs(): number {
    return this.#agenda.nextAtMs;
  }

  /** Lets the next thing happen, if it is due until then; false: nothing is. */
  step(untilMs: number): boolean {
    if (this.#agenda.nextAtMs > untilMs) return false;
    const entry = this.#agenda.take();
    if (entry === undefined || entry.act === null) return false;
    this.#nowMs = entry.atMs;
    entry.act();
    return true;
  }

  /** Lets everything happen that is due until then. */
  runUntil(untilMs: number): void {
    while (this.step(untilMs));
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  /** From now on answers to this client are handed to `hear`. */
  addClient(address: ClientAddress, hear: (from: Uid, message: Reply) => void): void {
    this.#clients.set(address, hear);
  }

  /** A client sends something to a server, and can be answered at its address. */
  ask(client: ClientAddress, to: Uid, message: ClientMessage): void {
    this.#clientSeq += 1;
    this.carry({ from: null, to, seq: this.#clientSeq, message, client });
  }

  /** The network takes an answer to a client. */
  carryToClient(to: ClientAddress, { from, seq, message }: Answer): void {
    const hear = this.#clients.get(to);
    if (hear === undefined) return;
    if (this.#byHand) return hear(from, message);
    // Of all the luck of datagrams this has its own part: no server's uid is CLIENT.
    const delays = this.network.delays({ from, to: CLIENT, seq, message });
    for (const delayMs of delays) this.later(delayMs, () => hear(from, message));
  }

  /** A client fires a value at a server. */
  submit(to: Uid, value: string): void {
    this.#clientSeq += 1;
    this.carry({ from: null, to, seq: this.#clientSeq, message: { type: 'propose', value } });
  }

  /** Somebody sends a datagram to a server from the address of another one. */
  forge(type: Forgery, from: Uid, to: Uid): void {
    const { replica } = this.machine(to);
    if (replica === null || from === to) return;
    const message = forge(type, from, replica);
    this.deliver({ from, to, seq: 0, message, cluster: replica.cluster });
  }

  /** The network takes a datagram. */
  carry(datagram: Datagram): void {
    if (this.#byHand) {
      if (this.network.isCut(datagram.from, datagram.to)) this.lose(datagram, 'the link is cut');
      else this.inFlight.push(datagram);
      return;
    }
    const delays = this.network.delays(datagram);
    if (delays.length === 0) this.lose(datagram, 'on the way');
    for (const delayMs of delays) this.later(delayMs, () => this.deliver(datagram));
  }

  /** A datagram arrives; it is lost if nobody runs there. */
  deliver(datagram: Datagram): void {
    const machine = this.machine(datagram.to);
    if (machine.replica === null) return this.lose(datagram, 'nobody listens');
    machine.receive(datagram);
  }

  lose({ from, to, seq }: Datagram, why: string): void {
    if (from !== null) this.machine(from).trace({ event: 'lost', to: [to], seq, why });
  }

  // What machines report, and what the world sees when it looks for itself.

  /** A replica died of an exception that no fault of the world explains. */
  failed(uid: Uid, error: unknown): void {
    // In a story somebody may have edited a file; else nothing gives a server a reason to stop.
    if (this.#byHand && error instanceof MustStop) return;
    const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#wrong(0, `server ${uid} failed: ${why}`);
  }

  /** Whoever speaks must have on disk what it speaks of, where no power cut can reach it. */
  beforeSend({ uid, disk }: Machine, message: PeerMessage): void {
    const { type } = message;
    if (type !== 'promise' && type !== 'accepted' && type !== 'prepare') return;
    const { synced } = disk;
    const isCovered =
      synced !== null &&
      (synced.instanceNumber > message.instanceNumber ||
        (synced.instanceNumber === message.instanceNumber &&
          compareProposalIds(
            type === 'accepted' ? synced.acceptedId : synced.promisedId,
            message.proposalId,
          ) >= 0));
    if (!isCovered) this.#wrong(6, `server ${uid} sends ${type} before its disk holds it`);
  }

  /** No two at once may believe themselves master. Belief begins in a turn of the believer. */
  afterTurn(machine: Machine): void {
    this.#turnEnded(machine.uid);
    if (machine.replica?.isMaster !== true || this.#overstayers.has(machine.uid)) return;
    for (const other of this.machines.values()) {
      if (other === machine || other.isSaving) continue; // its own turn will end, and ask
      if (this.#overstayers.has(other.uid)) continue;
      if (other.replica?.isMaster === true) {
        this.#wrong(8, `servers ${machine.uid} and ${other.uid} are both master`);
      }
    }
  }
}
