/**
 * A run: one schedule on one world, with all invariants after every event.
 */
import { isUpdate, singlesOf } from '../chain.ts';
import { quorumOf, type Uid } from '../composable-paxos.ts';
import type { StoreOperation } from '../log/store-history.ts';
import type { TraceEvent } from '../trace/events.ts';
import { INVARIANTS, Invariants, type Violation } from '../trace/invariants.ts';
import type { Operation } from '../trace/linearizability.ts';
import { Clients, PATIENCE_MS, sessionOf } from './clients.ts';
import { hasTrueQuorum, overstayersOf } from './clock-promises.ts';
import type { Skippable } from './disk.ts';
import type { Machine, ReplicaClass } from './machine.ts';
import { hasQuorumOfDisks, loseDiskOfAny, MembersClients, newestRoll } from './members-clients.ts';
import type { Conditions } from './network.ts';
import { membersReplicaOf, replicaOf } from './replicas.ts';
import { type Action, type Affliction, isProbe, type Schedule } from './schedule.ts';
import { commandOf } from './store-clients.ts';
import { World } from './world.ts';

/** How a run differs from the plain one with the right rules. */
export interface Variant {
  readonly leases: boolean;
  /** Whether the servers are stores, of part II. */
  readonly store?: boolean;
  /** Whether their members change, as `drawMembersSchedule` has it. */
  readonly members?: boolean;
  /** Whether they keep journals; if nothing is said, stores do. */
  readonly journal?: boolean;
  /** Makes a broken replica class of the right one. */
  readonly broken?: (right: ReplicaClass) => ReplicaClass;
  readonly skippedSaveSteps?: readonly Skippable[];
}

export interface Outcome {
  /** The first violation; the run ended with it. */
  readonly violation: Violation | null;
  /** How many trace events the run had. */
  readonly events: number;
  /** What clients asked and were told; nothing if the schedule has none. */
  readonly history: readonly Operation[];
  /** The same if the servers are stores, with what these answered. */
  readonly storeHistory: readonly StoreOperation[];
}

/**
 * Runs a schedule to its end, or to the first violation. `listen` hears every event, `turnEnded` of
 * every turn.
 */
export function run(
  schedule: Schedule,
  variant: Variant,
  listen: (event: TraceEvent, world: World) => void = () => {},
  turnEnded: (machine: Machine) => void = () => {},
): Outcome {
  return new Run(schedule, variant, listen, turnEnded).toTheEnd();
}

/** How long after the end the servers may take to be level in one and the same moment. */
const LEVEL_WITHIN_MS = 2_000;
/** … and where a link of the chain takes seconds. */
const SLOW_LEVEL_WITHIN_MS = 20_000;

/** How long a server is down if its schedule does not say, since it was minimised, say. */
const DEFAULT_DOWN_MS = 1_000;

class Run {
  readonly #schedule: Schedule;
  readonly #leases: boolean;
  readonly #isStore: boolean;
  /** What the servers are made of, and what they are made of for a while. */
  readonly #own: ReplicaClass;
  readonly #other: ReplicaClass;
  readonly #overstayers: ReadonlySet<Uid>;
  readonly #world: World;
  readonly #invariants: Invariants;
  readonly #clients: Clients | null;
  readonly #membersClients: MembersClients;
  readonly #downMs = new Map<Uid, number>();
  readonly #weather = new Set<Partial<Conditions>>();
  readonly #cuts = new Set<readonly (readonly [Uid, Uid])[]>();
  /** What goes bad as soon as it leads. */
  readonly #doomed = new Map<Uid, Affliction>();
  /** What never gets better. */
  readonly #spoiled = new Map<Uid, Affliction>();
  /** What is fired last, as it is chosen. */
  readonly #probes = new Set<string>();
  readonly #probesChosen = new Set<string>();
  #transfers = 0;
  /** Which servers take the values that are fired last: who has no vote yet refuses them. */
  #takers: ReadonlySet<Uid> = new Set();
  #events = 0;
  #lastEvent: TraceEvent | null = null;
  #violation: Violation | null = null;

  constructor(
    schedule: Schedule,
    variant: Variant,
    listen: (event: TraceEvent, world: World) => void,
    turnEnded: (machine: Machine) => void,
  ) {
    const { uids, seed, clockRates, actions, saveMs, mistaken } = schedule;
    const { store = false, members = false, journal = store, leases } = variant;
    const classOf = members ? membersReplicaOf : replicaOf;
    const [right, other] = [classOf(store, leases), classOf(store, !leases)];
    const { founders = uids } = schedule;
    this.#isStore = store;
    this.#schedule = schedule;
    this.#leases = variant.leases;
    this.#own = variant.broken?.(right) ?? right;
    this.#other = variant.broken?.(other) ?? other;
    this.#overstayers = overstayersOf(schedule);
    const clocks = { rates: clockRates, overstayers: this.#overstayers };
    this.#invariants = new Invariants(uids, uids, [], clocks);
    this.#world = new World({
      uids,
      founders,
      seed,
      clockRates,
      overstayers: this.#overstayers,
      replicaClass: this.#own,
      skippedSaveSteps: variant.skippedSaveSteps ?? [],
      hasJournals: journal,
      trace: (event) => {
        this.#observe(event);
        listen(event, this.#world);
      },
      wrong: (invariant, why) => this.#foundByLooking(invariant, why),
      turnEnded: (uid) => turnEnded(this.#world.machine(uid)),
    });
    this.#membersClients = new MembersClients(this.#world);
    for (const uid of mistaken) this.#world.machine(uid).replicaClass = other;
    this.#clients = actions.some((action) => action.do === 'ask')
      ? new Clients(this.#world, { ...schedule, isStore: this.#isStore }, (invariant, why) =>
          this.#foundByLooking(invariant, why),
        )
      : null;
    for (const uid of uids) this.#world.machine(uid).saveMs = saveMs[uid] ?? 0;
    this.#renewNetwork();
  }

  toTheEnd(): Outcome {
    const world = this.#world;
    const { actions, uids, healMs, probeMs, endMs } = this.#schedule;
    for (const uid of uids) world.machine(uid).start();
    for (const action of actions) world.later(action.atMs, () => this.#do(action));
    world.later(healMs, () => this.#heal());
    world.later(probeMs, () => {
      this.#checkServed();
      // Who was away while it was removed, and knows nobody who stays, still believes in its vote.
      const { voters } = newestRoll(world);
      this.#takers = new Set(voters.filter((uid) => world.machine(uid).replica?.votes === true));
    });
    while (this.#violation === null && world.step(endMs));
    // Masters renew their leases for ever: wait for a moment in which nothing is under way.
    const isSlow = this.#schedule.patienceMs > PATIENCE_MS;
    const atLastMs = endMs + (isSlow ? SLOW_LEVEL_WITHIN_MS : LEVEL_WITHIN_MS);
    while (this.#violation === null && !this.#isLevel() && world.step(atLastMs));
    if (this.#violation === null) this.#checkHealed();
    if (this.#violation === null) this.#checkAnswers();
    const { history = [], storeHistory = [] } = this.#clients ?? {};
    return { violation: this.#violation, events: this.#events, history, storeHistory };
  }

  /** Those who must be served, be level, and have a master, whatever the others do. */
  get #good(): readonly Uid[] {
    const { voters, others } = newestRoll(this.#world);
    return [...voters, ...others].filter((uid) => !this.#spoiled.has(uid));
  }

  #isLevel(): boolean {
    const machines = this.#good.map((uid) => this.#world.machine(uid));
    if (machines.some(({ isSaving }) => isSaving)) return false; // more has happened than was seen
    return new Set(machines.map(({ replica }) => replica?.instanceNumber)).size === 1;
  }

  #observe(event: TraceEvent): void {
    this.#events += 1;
    this.#lastEvent = event;
    const violation = this.#invariants.observe(event);
    if (violation !== null) this.#found(violation);
    this.#clients?.observe(event);
    const doom = event.event === 'lead' ? this.#doomed.get(event.server) : undefined;
    if (doom !== undefined) this.#spoil(event.server, doom);
    if (event.event === 'chosen') {
      const updates = singlesOf(event.value).filter(isUpdate);
      for (const { update } of updates) {
        if (this.#probes.has(update)) this.#probesChosen.add(update);
      }
    }
    if (!['crash', 'fail', 'stop'].includes(event.event)) return;
    const isGone = event.event === 'crash' && event.lost === 'disk' && this.#hasMembers;
    if (isGone) this.#spoiled.set(event.server, { how: 'down', point: 'now', skip: 0 });
    // A copy of what was saved last is put back.
    if (event.event === 'fail') this.#world.machine(event.server).disk.mend();
    if (event.event === 'stop' && this.#world.machine(event.server).hasLeft) return;
    const downMs = this.#downMs.get(event.server) ?? DEFAULT_DOWN_MS;
    this.#world.later(downMs, () => this.#start(event.server));
  }

  #resume(uid: Uid): void {
    if (this.#spoiled.get(uid)?.how !== 'paused') this.#world.machine(uid).resume();
  }

  #start(uid: Uid): void {
    const how = this.#spoiled.get(uid)?.how;
    if (how !== 'down' && how !== 'paused') this.#world.machine(uid).rejoin();
  }

  #found(violation: Violation): void {
    const isHopeless = !hasTrueQuorum(this.#schedule) || !this.#hasQuorumOfDisks;
    const isExcused = violation.invariant === 10 && isHopeless;
    if (!isExcused) this.#violation ??= violation;
  }

  /** Where members change, nobody who has lost its disk comes back. */
  get #hasQuorumOfDisks(): boolean {
    return !this.#hasMembers || hasQuorumOfDisks(this.#world);
  }

  get #hasMembers(): boolean {
    return this.#schedule.founders !== undefined;
  }

  /** The world itself shows what no trace can. */
  #foundByLooking(invariant: number, why: string, event = this.#lastEvent): void {
    const known = INVARIANTS.find(({ number }) => number === invariant);
    const sentence = known?.sentence ?? 'a server stops only when its disk fails';
    this.#found({ invariant, sentence, event, why });
  }

  #do(action: Action): void {
    const world = this.#world;
    if (action.do === 'submit') return this.#submit(action.to, action.value);
    if (action.do === 'ask') return this.#clients?.ask(action);
    if (action.do === 'weather') {
      return this.#forAWhile(this.#weather, action.conditions, action.forMs);
    }
    if (action.do === 'cut') return this.#forAWhile(this.#cuts, action.links, action.forMs);
    if (action.do === 'switch') return this.#switchForAWhile(action.forMs);
    if (action.do === 'transfer') return this.#transfer(action.uid, action.to);
    if (action.do === 'change') return this.#membersClients.ask(action.uid, action.luck);
    if (action.do === 'spoil') {
      if (!action.asItLeads) return this.#spoil(action.uid, action);
      this.#doomed.set(action.uid, action);
      return;
    }

    if (action.do === 'forge') return world.forge(action.type, action.from, action.to);

    const machine = world.machine(action.uid);
    switch (action.do) {
      case 'crash':
        this.#downMs.set(action.uid, action.downMs);
        return machine.crash(action.point, action.power, action.skip);
      case 'lose disk':
        if (this.#hasMembers) return loseDiskOfAny(world, action.uid);
        if (!this.#maySpare(machine)) return;
        this.#downMs.set(action.uid, action.downMs);
        return machine.loseDisk(action.point, action.skip);
      case 'fail save':
        this.#downMs.set(action.uid, action.downMs);
        return machine.failNextSave(action.step);
      case 'flip bit':
        this.#downMs.set(action.uid, action.downMs);
        machine.crash('now', false);
        return machine.flipBit();
      case 'stop':
        this.#downMs.set(action.uid, action.downMs);
        return machine.retire();
      case 'pause':
        machine.pause();
        world.later(action.forMs, () => this.#resume(action.uid));
        return;
      case 'sleep':
        machine.sleep();
        world.later(action.forMs, () => machine.wake());
        return;
      case 'set clock':
        return machine.clock.setWallBy(action.byMs);
    }
  }

  #submit(to: Uid, value: string): void {
    const update = this.#isStore ? commandOf(value) : value;
    if (isProbe(value)) this.#probes.add(update);
    this.#world.submit(to, update);
  }

  /** Of a majority without a vote none gets it back. Who has none can lose no more. */
  #maySpare(machine: Machine): boolean {
    const { uids } = this.#schedule;
    const machines = [...this.#world.machines.values()];
    const voters = machines.filter((other) => other !== machine && other.votes).length;
    return voters >= quorumOf(uids.length);
  }

  #forAWhile<T>(active: Set<T>, one: T, forMs: number): void {
    active.add(one);
    this.#renewNetwork();
    this.#world.later(forMs, () => {
      active.delete(one);
      this.#renewNetwork();
    });
  }

  #switchForAWhile(forMs: number): void {
    this.#switchTo(this.#other);
    this.#world.later(forMs, () => this.#switchTo(this.#own));
  }

  /** All at once: no two servers of different layers ever run at the same time. */
  #switchTo(replicaClass: ReplicaClass): void {
    if (this.#world.replicaClass === replicaClass) return;
    this.#world.replicaClass = replicaClass;
    for (const machine of this.#world.machines.values()) machine.crash('now', false);
  }

  /** Nobody waits for the answer. */
  #transfer(uid: Uid, to: Uid): void {
    this.#transfers += 1;
    const requestId = `${sessionOf('f')}-1-${this.#transfers}`;
    this.#world.ask('', uid, { type: 'transfer', requestId, to });
  }

  #spoil(uid: Uid, affliction: Affliction): void {
    const { network } = this.#world;
    this.#doomed.delete(uid);
    const machine = this.#world.machine(uid);
    this.#spoiled.set(uid, affliction);
    if (affliction.how === 'down') machine.crash(affliction.point, false, affliction.skip);
    if (affliction.how === 'paused') machine.pause();
    if (affliction.how === 'slow disk') machine.saveMs = affliction.saveMs;
    if (affliction.how === 'slow network') network.slowUids.add(uid);
    this.#renewNetwork();
  }

  #renewNetwork(): void {
    const { network, uids } = this.#world;
    const { climate } = this.#schedule;
    network.conditions = Object.assign({}, climate, ...this.#weather);
    const spoiled = [...this.#spoiled].flatMap(([uid, how]) => spoiledLinks(uid, how, uids));
    network.cut([...[...this.#cuts].flat(), ...spoiled]);
  }

  /** Ends what is to end: whoever is down comes back, whoever stands still goes on. */
  #heal(): void {
    for (const [uid, affliction] of this.#doomed) this.#spoil(uid, affliction);
    this.#weather.clear();
    this.#cuts.clear();
    this.#renewNetwork();
    this.#switchTo(this.#own);
    const machines = [...this.#world.machines.values()];
    // Flags are mended once all who have wrong ones are stopped: one that stands still, too.
    const mistaken = machines.filter(({ replicaClass }) => replicaClass !== null);
    for (const machine of mistaken) machine.crash('now', false);
    for (const machine of mistaken) machine.replicaClass = null;
    for (const machine of machines) {
      if (this.#spoiled.get(machine.uid)?.how === 'paused') continue;
      machine.calmDown();
      machine.disk.mend();
      if (this.#spoiled.get(machine.uid)?.how === 'down') machine.crash('now', false);
      this.#start(machine.uid);
    }
  }

  /** Invariant 9, as far as only clients can see it. */
  #checkAnswers(): void {
    // With two masters at once, which such clocks may bring about, one may read an old value.
    const hasMasters =
      this.#leases || this.#schedule.actions.some(({ do: what }) => what === 'switch');
    const mayReadOld = hasMasters && this.#overstayers.size > 0;
    const contradiction = this.#clients?.finish() ?? null;
    if (contradiction === null || mayReadOld) return;
    this.#foundByLooking(9, contradiction, null);
  }

  /** All has been well for a while: whoever waited has been served, and there is a master. */
  #checkServed(): void {
    for (const uid of this.#good) {
      const { replica } = this.#world.machine(uid);
      if (replica === null) {
        this.#foundByLooking(10, `server ${uid} is down`);
        continue;
      }
      const { waiting } = replica;
      if (waiting !== 0)
        this.#foundByLooking(10, `at server ${uid} ${waiting} values or reads still wait`);
      // With leases there is always something under way.
      const isOpen = !this.#leases && replica.acceptorState.acceptedValue !== null;
      if (isOpen) this.#foundByLooking(10, `server ${uid} has accepted what nobody finishes`);
    }
    const machines = [...this.#world.machines.values()];
    const hasMaster = machines.some(({ replica }) => replica?.isMaster === true);
    if (this.#leases && !hasMaster) this.#foundByLooking(10, 'nobody is master');
  }

  /** Everybody is level, and the values that were fired last are chosen. */
  #checkHealed(): void {
    const violation = this.#invariants.end(true, this.#good);
    if (violation !== null) this.#found(violation);
    this.#checkServed();
    const { voters } = newestRoll(this.#world);
    for (const uid of this.#good.filter((one) => voters.includes(one))) {
      if (this.#world.machine(uid).replica?.votes === true) continue;
      this.#foundByLooking(10, `server ${uid} has no vote again`);
    }
    const fired = this.#schedule.actions.filter(
      (action) =>
        action.do === 'submit' &&
        isProbe(action.value) &&
        !this.#spoiled.has(action.to) &&
        this.#takers.has(action.to),
    );
    const least = this.#leases ? 1 : fired.length; // only the master takes them
    const found = this.#probesChosen.size;
    if (found < least) this.#foundByLooking(10, `of the values fired last ${found} are chosen`);
  }
}

/** The links that something wrong with a server cuts for ever. */
function spoiledLinks(uid: Uid, affliction: Affliction, uids: readonly Uid[]): [Uid, Uid][] {
  const others = uids.filter((other) => other !== uid);
  const away = others.map((other): [Uid, Uid] => [uid, other]);
  const here = others.map((other): [Uid, Uid] => [other, uid]);
  switch (affliction.how) {
    case 'cut off':
      return [...away, ...here];
    case 'deaf':
      return here;
    case 'mute':
      return away;
    case 'heard by one':
      return [...here, ...away.filter(([, other]) => other !== affliction.by)];
    default:
      return [];
  }
}
