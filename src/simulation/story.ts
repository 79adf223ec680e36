/**
 * Stories: schedules written out step by step, with what the cluster then says.
 *
 * A story is a text of blocks. Lines that begin with `#` tell the reader what is going on. Then
 * comes a command, a line `----`, and every line that the servers print because of it:
 *
 *     # A asks all for a promise.
 *     submit A hello
 *     ----
 *     00:00.000 A →BC prepare …
 *
 * The network is driven by hand: what is sent stays in flight until the story delivers or drops
 * it. Time stands still until the story says `wait`. So a story is the same on every machine, and
 * a test runs its commands again and compares.
 *
 * The commands are listed below, in `COMMANDS`.
 */
import type { Change } from '../client-session.ts';
import type { Uid } from '../composable-paxos.ts';
import { preferring } from '../log/preference.ts';
import type { ClientMessage } from '../messages.ts';
import { ConsoleLines, plainPaint } from '../trace/console.ts';
import type { Stamp, TraceEvent } from '../trace/events.ts';
import { INVARIANTS, Invariants, type Violation } from '../trace/invariants.ts';
import { breakNamed, kindOf } from './broken/all.ts';
import { overstayersOf } from './clock-promises.ts';
import { SAVE_STEPS } from './disk.ts';
import { FORGERIES } from './forger.ts';
import { CRASH_POINTS, type CrashPoint, placesOf, type ReplicaClass } from './machine.ts';
import type { Datagram } from './network.ts';
import { type MasterReplica, membersReplicaOf, replicaOf } from './replicas.ts';
import { StoryClients } from './story-clients.ts';
import { valueIn, writtenComment, writtenLine } from './story-text.ts';
import { noteBelief, World } from './world.ts';

/**
 * How each command is written, and what it does: for people who ask for help. `A->BC accept`
 * stands for all datagrams in flight from A to B or C of that type; each part may be left out,
 * `all` stands for everything, and `A->B accept 2nd` is the second of those.
 */
export const COMMANDS: readonly (readonly [usage: string, does: string])[] = [
  [
    'cluster A B [of stores] [with leases [for B]] [with journals] [with members A] …',
    '… [clocks A 0.5 B 2] [seed 7]: the servers, none of them running yet, and the seed of chance',
  ],
  ['start A B C', 'starts servers; a crashed one goes on from its disk'],
  ['start C D of the cluster C D', 'the same with a cluster file that names only these'],
  [
    'submit A hello',
    "a client's value arrives at A (in it `\\u202e` is that character, `\\\\` is `\\`)",
  ],
  [
    'request A c1 hello',
    'client c1 asks A, and waits for an answer; the same value once more is the same request',
  ],
  ['query A c1 get color', 'client c1 asks the store A'],
  ['quorum-query A c1 get color', '… and a quorum shall say how far that is'],
  ['read A c1 [locally]', 'client c1 asks A for the value'],
  ['change A c1 remove B, vote D', 'client c1 asks A for other members; also join D, follow E'],
  ['transfer A c1 to B', 'client c1 asks A to see to it that B is master'],
  ['deliver A->BC accept', 'what matches arrives, oldest first'],
  ['deliver all', 'everything arrives, and what is sent in answer, until silence'],
  ['drop …', 'what matches is lost'],
  ['keep …', 'a copy of what matches is put aside …'],
  ['bring back …', '… and is in flight again: a duplicate, or very late'],
  ['hold back …', 'what matches itself is put aside, until it is brought back'],
  ['repeat …', 'what matches is in flight twice from now on'],
  ['cut A', 'from now on nothing gets to A or away from it …'],
  ['cut A->BC', '… nothing gets from A to B or C …'],
  ['cut AB|CDE', '… nothing gets from one group to the other; cuts add up …'],
  ['mend [A->BC]', '… and now everything does again, or what these links carry'],
  ['wait 1000', 'so many milliseconds pass (`wait 0.5`: half of one)'],
  ['crash A [at POINT] [with power cut]', 'kills A now, or at that point of its next turn'],
  ['lose disk A [at POINT]', '… and takes its state file away'],
  ['rejoin A', 'starts A again as with --rejoin'],
  ['flip a bit at A', 'the disk of A, which is down, holds something else now'],
  ['edit A hello', 'somebody puts another value into the file of A, which is down'],
  ['forge C->A prepare', 'somebody who is not C sends A this, with a huge number in it'],
  ['forge C->A leap', '… or a prepare with the largest number that A believes'],
  ['fail save A [at STEP]', 'the next save at A fails, at its first or at this step'],
  ['break quorum-of-one', 'servers that start from now on break this rule'],
  ['switch to leases / plain', 'servers that start from now on have, or do not have, leases'],
  ['stop A', 'a clean stop: queue and lease are brought in order first'],
  ['pause A / resume A', 'A stands still, as by Ctrl-Z'],
  ['sleep A / wake A', 'the whole machine stands still, its monotonic clock, too'],
  [
    'save takes 2000 at A',
    'each save at A takes so long; what it does then waits, and so does its next turn',
  ],
  ['set clock A by -5000', "somebody sets A's wall clock, in milliseconds"],
  ['disk A', 'what is on the disk of A'],
  ['in flight', 'lists what is under way'],
  ['show', 'what every server has'],
];

/** A clock runs so much too slow or too fast, at most. */
const MOST_TIMES_WRONG = 10;

/** Servers that break a rule may have something to say to each other for ever. */
const MOST_DELIVERIES = 1_000;

/** One command passes no more time than that: an address may tell a story, and nobody waits. */
const MOST_WAIT_MS = 3_600_000;

/** Of a cluster to which nothing is delivered, somebody has seen enough by then. */
const MOST_IN_FLIGHT = 2_000;

/** Copies of copies would soon be more than any memory holds. */
const MOST_COPIED = 1_000;

/** What a run of a story gave. */
export interface Told {
  /** The story again, with what the servers say now. */
  readonly text: string;
  /** Which invariants were violated, in order. */
  readonly violations: readonly Violation[];
  /** All that the servers traced. */
  readonly events: readonly TraceEvent[];
  /** By the last event of a turn: whether its server then believed itself master. */
  readonly beliefs: ReadonlyMap<TraceEvent, boolean>;
}

/**
 * Runs the commands of a story. `broken` makes another replica class of the right one, to see
 * whether the story notices. Throws, naming the line, if the story cannot be understood.
 */
export function tellStory(story: string, broken?: (right: ReplicaClass) => ReplicaClass): Told {
  const teller = new StoryTeller(broken);
  const lines: string[] = [];
  let isTold = false; // what follows a command is what it printed last time, up to an empty line
  for (const [index, raw] of story.trimEnd().split(/\r?\n/).entries()) {
    const line = raw.startsWith('#') ? writtenComment(raw) : writtenLine(raw);
    if (line === '') isTold = false;
    if (isTold) continue;
    lines.push(line);
    if (line === '' || line.startsWith('#')) continue;
    lines.push('----', ...obeyAt(index + 1, line, teller));
    isTold = true;
  }
  const { violations, events, beliefs } = teller;
  return { text: `${lines.join('\n').trimEnd()}\n`, violations, events, beliefs };
}

/** Those that speak of what the chain has made. */
const STATE_INVARIANTS = [2, 11];

function obeyAt(lineNumber: number, command: string, teller: StoryTeller): string[] {
  try {
    return teller.obey(command).map(({ text }) => text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`line ${lineNumber}: ${why}`, { cause: error });
  }
}

/** A line that a server printed in one of its turns; `stamp` null: it is about nobody's turn. */
export interface Line {
  readonly text: string;
  readonly stamp: Stamp | null;
}

const STORES = '(?: of stores)?';
const LEASES = '(?: with leases(?: for [A-Z])?)?';
const MEMBERS = '(?: with members(?: [A-Z])+)?';
const JOURNALS = '(?: with journals)?';
const CLOCKS = '(?: clocks(?: [A-Z] [0-9.]+)+)?';
const CLUSTER = new RegExp(
  `^cluster ((?:[A-Z] )*[A-Z])(${STORES}${LEASES}${JOURNALS}${MEMBERS}${CLOCKS})(?: seed (\\d+))?$`,
);

/** Carries out the commands of a story, one after the other. */
export class StoryTeller {
  readonly violations: Violation[] = [];
  readonly events: TraceEvent[] = [];
  /** By the last event of a turn: whether its server then believed itself master. */
  readonly beliefs = new Map<TraceEvent, boolean>();
  readonly #broken: (right: ReplicaClass) => ReplicaClass;
  #world: World | null = null;
  #isStore = false;
  #hasLeases = false;
  /** Who votes at first, if that changes; null: it does not. */
  #founders: readonly Uid[] | null = null;
  #preferred: Uid | null = null;
  #isEdited = false;
  #kept: Datagram[] = [];
  #cuts: [Uid, Uid][] = [];
  #said: Line[] = [];
  readonly #clients: StoryClients;
  readonly #turnEnded: () => void;
  #endTurn = () => {};

  /** `broken` makes another replica class of the right one; `turnEnded` hears of every turn. */
  constructor(
    broken: (right: ReplicaClass) => ReplicaClass = (right) => right,
    turnEnded: () => void = () => {},
  ) {
    this.#broken = broken;
    this.#turnEnded = turnEnded;
    this.#clients = new StoryClients(
      () => this.#the.nowMs,
      (why) => this.#wrong(9, why),
    );
  }

  /** The commands that the one carried out last consists of, one for each server or datagram. */
  readonly parts: string[] = [];

  /** The world of this story; null before its cluster is named. */
  get world(): World | null {
    return this.#world;
  }

  /** Whether its servers are stores. */
  get isStore(): boolean {
    return this.#isStore;
  }

  /** So many lines has the command printed that is being carried out, or was last. */
  get lineCount(): number {
    return this.#said.length;
  }

  /** Whether its members can be changed. */
  get hasMembers(): boolean {
    return this.#founders !== null;
  }

  /** What was put aside and not brought back, oldest first. */
  get kept(): readonly Datagram[] {
    return this.#kept;
  }

  /**
   * Carries out one command, and returns what was printed meanwhile. Throws an `Error` with one
   * plain sentence if that is no command, or not one for now. Then a part of it may have happened.
   */
  obey(command: string): readonly Line[] {
    this.#said = [];
    this.parts.length = 0;
    for (const [pattern, act] of this.#commands) {
      const match = pattern.exec(command);
      if (match === null) continue;
      act(match[1] ?? '', match[2] ?? '', match[3] ?? '');
      this.#endTurn();
      return this.#linesSaid();
    }
    throw new Error(`"${command}" is not a command of stories`);
  }

  /**
   * Lets time go on until a timer has made something happen that a server tells of, and returns the
   * command that does the same; null, and nothing has happened, if no timer runs. Most timers do
   * nothing that anybody would see; after so many of them it gives up.
   */
  waitForTimer(
    mostTimers = 200,
  ): { readonly command: string; readonly lines: readonly Line[] } | null {
    const world = this.#the;
    if (!Number.isFinite(world.nextAtMs)) return null;
    const startMs = world.nowMs;
    const told = this.events.length;
    this.#said = [];
    this.parts.length = 0;
    const isTold = () => this.events.slice(told).some(({ event }) => event !== 'save');
    const untilMs = startMs + MOST_WAIT_MS;
    for (let timer = 0; timer < mostTimers && !isTold(); timer += 1) {
      if (world.nextAtMs > untilMs || this.#isFull) break;
      world.step(world.nextAtMs);
    }
    const waitedMs = Math.min(MOST_WAIT_MS, Math.max(1, Math.ceil(world.nowMs - startMs)));
    this.#passTime(startMs + waitedMs);
    this.#endTurn();
    return { command: `wait ${waitedMs}`, lines: this.#linesSaid() };
  }

  #linesSaid(): readonly Line[] {
    return this.#said.map(({ text, stamp }) => ({ text: text.trimEnd(), stamp }));
  }

  #note(text: string): void {
    this.#said.push({ text, stamp: null });
  }

  readonly #commands: readonly [RegExp, (a: string, b: string, c: string) => void][] = [
    [CLUSTER, (...of) => this.#build(...of)],
    [
      /^start ([A-Z](?: [A-Z])*)(?: of the cluster ([A-Z](?: [A-Z])*))?$/,
      (uids, cluster) => this.#start(uids, cluster),
    ],
    [/^submit ([A-Z]) (.+)$/, (uid, value) => this.#submit(uid, value)],
    [/^request ([A-Z]) (c[0-9]) (.+)$/, (uid, c, value) => this.#request(uid, c, value)],
    [/^query ([A-Z]) (c[0-9]) (.+)$/, (uid, c, query) => this.#query(uid, c, query)],
    [/^quorum-query ([A-Z]) (c[0-9]) (.+)$/, (uid, c, query) => this.#quorumQuery(uid, c, query)],
    [/^read ([A-Z]) (c[0-9])( locally)?$/, (uid, c, local) => this.#read(uid, c, local)],
    [/^transfer ([A-Z]) (c[0-9]) to ([A-Z])$/, (uid, c, to) => this.#transfer(uid, c, to)],
    [/^change ([A-Z]) (c[0-9]) (.+)$/, (uid, c, change) => this.#change(uid, c, change)],
    [/^deliver all$/, () => this.#deliverAll()],
    [/^deliver (.+)$/, (what) => this.#take(what, (it) => this.#deliver(it))],
    [/^drop (.+)$/, (what) => this.#take(what, (it) => this.#the.lose(it, 'on the way'))],
    [/^keep (.+)$/, (what) => this.#keep(what)],
    [/^bring back (.+)$/, (what) => this.#bringBack(what)],
    [/^hold back (.+)$/, (what) => this.#take(what, (it) => this.#kept.push(it))],
    [/^repeat (.+)$/, (what) => this.#repeat(what)],
    [/^break ([a-z-]+)$/, (name) => this.#break(name)],
    [/^cut ([A-Z])$/, (uid) => this.#cutApart(uid, this.#the.uids.join('').replace(uid, ''))],
    [/^cut ([A-Z]+)\|([A-Z]+)$/, (left, right) => this.#cutApart(left, right)],
    [/^cut ([A-Z]+)->([A-Z]+)$/, (from, to) => this.#cut(from, to)],
    [/^mend(?: ([A-Z]+)->([A-Z]+))?$/, (from, to) => this.#mend(from, to)],
    [/^wait ([0-9]+(?:\.[0-9]+)?)$/, (ms) => this.#wait(Number(ms))],
    [/^crash ([A-Z])(?: at ([a-z ]+?))?( with power cut)?$/, (a, b, c) => this.#crash(a, b, c)],
    [/^lose disk ([A-Z])(?: at ([a-z ]+))?$/, (uid, at) => this.#at(uid).loseDisk(pointOf(at))],
    [/^rejoin ([A-Z])$/, (uid) => this.#at(uid).rejoin()],
    [/^fail save ([A-Z])(?: at ([a-z ]+))?$/, (uid, step) => this.#failSave(uid, step)],
    [/^flip a bit at ([A-Z])$/, (uid) => this.#at(uid).flipBit()],
    [/^edit ([A-Z]) (.+)$/, (uid, value) => this.#edit(uid, value)],
    [/^forge ([A-Z])->([A-Z]) ([a-z]+)$/, (from, to, type) => this.#forge(from, to, type)],
    [/^switch to (leases|plain)$/, (layers) => this.#switchTo(layers)],
    [/^stop ([A-Z])$/, (uid) => this.#stop(uid)],
    [/^pause ([A-Z])$/, (uid) => this.#at(uid).pause()],
    [/^resume ([A-Z])$/, (uid) => this.#at(uid).resume()],
    [/^sleep ([A-Z])$/, (uid) => this.#at(uid).sleep()],
    [/^wake ([A-Z])$/, (uid) => this.#at(uid).wake()],
    [/^save takes ([0-9]+(?:\.[0-9]+)?) at ([A-Z])$/, (ms, uid) => this.#slowDown(uid, Number(ms))],
    [/^set clock ([A-Z]) by (-?[0-9]+)$/, (a, ms) => this.#at(a).clock.setWallBy(Number(ms))],
    [/^disk ([A-Z])$/, (uid) => this.#note(`${uid} has ${this.#at(uid).disk.words}`)],
    [/^in flight$/, () => this.#listInFlight()],
    [/^show$/, () => this.#show()],
  ];

  #build(uids: string, kind: string, seed: string): void {
    const cluster = uids.split(' ');
    const clockRates = clockRatesIn(kind, cluster);
    const overstayers = overstayersOf({ uids: cluster, clockRates, actions: [], faults: [] });
    this.#isStore = kind.includes('of stores');
    this.#hasLeases = kind.includes('with leases');
    this.#founders = / with members((?: [A-Z])+)/.exec(kind)?.[1]?.trim().split(' ') ?? null;
    this.#preferred = / for ([A-Z])/.exec(kind)?.[1] ?? null;
    const write = (text: string, stamp: Stamp) => this.#said.push({ text, stamp });
    const console = new ConsoleLines({ uids: cluster, verbose: false, paint: plainPaint, write });
    this.#endTurn = () => console.endTurn();
    const clocks = { rates: clockRates, overstayers };
    const invariants = new Invariants(cluster, cluster, [], clocks);
    this.#world = new World({
      uids: cluster,
      founders: this.#founders ?? cluster,
      replicaClass: this.#replicaClass(this.#hasLeases),
      seed: seed === '' ? 'story' : seed,
      clockRates,
      overstayers,
      byHand: true,
      hasJournals: kind.includes('with journals'),
      trace: (event) => {
        this.events.push(event);
        console.show(event);
        const violation = invariants.observe(event);
        if (violation !== null) this.#found(violation);
      },
      wrong: (invariant, why) => this.#wrong(invariant, why),
      turnEnded: (uid) => {
        noteBelief(this.beliefs, this.events, this.#at(uid));
        this.#endTurn();
        this.#turnEnded();
      },
    });
  }

  /** Of each invariant the first violation is told. */
  #found(violation: Violation): void {
    const { invariant, why } = violation;
    // What a person has put there is no fault of the protocol.
    if (this.#isEdited && STATE_INVARIANTS.includes(invariant)) return;
    if (this.violations.some((known) => known.invariant === invariant)) return;
    this.violations.push(violation);
    this.#note(`✗ violates ${invariant}. ${nameOf(invariant)}: ${why}`);
  }

  /** What no trace can tell shows in what somebody does last. */
  #wrong(invariant: number, why: string): void {
    const sentence = INVARIANTS.find(({ number }) => number === invariant)?.sentence ?? why;
    this.#found({ invariant, sentence, event: this.events.at(-1) ?? null, why });
  }

  #replicaClass(hasLeases: boolean): ReplicaClass {
    const classOf = this.#founders === null ? replicaOf : membersReplicaOf;
    const right = this.#broken(classOf(this.#isStore, hasLeases));
    if (!hasLeases || this.#preferred === null) return right;
    return preferring(right as typeof MasterReplica, this.#preferred);
  }

  #switchTo(layers: string): void {
    this.#hasLeases = layers === 'leases';
    this.#the.replicaClass = this.#replicaClass(this.#hasLeases);
  }

  #break(name: string): void {
    const rule = breakNamed(name);
    if (rule === null) throw new Error(`no rule can be broken by the name of "${name}"`);
    const here = {
      store: this.#isStore,
      leases: this.#hasLeases,
      members: this.hasMembers,
      journal: this.#the.hasJournals,
    };
    if (kindOf(rule) !== kindOf(here)) {
      throw new Error(`${name} can be broken in a cluster of ${kindOf(rule)} only`);
    }
    this.#the.replicaClass = rule.replicaClass;
    this.#the.skippedSaveSteps = rule.skippedSaveSteps;
  }

  get #the(): World {
    if (this.#world === null) throw new Error('a story begins with `cluster`');
    return this.#world;
  }

  #at(uid: Uid) {
    return this.#the.machine(uid);
  }

  #start(named: string, cluster: string): void {
    // All of them are known, or none starts.
    const machines = named.split(' ').map((uid) => this.#at(uid));
    const of = cluster === '' ? '' : ` of the cluster ${cluster}`;
    for (const machine of machines) {
      this.parts.push(`start ${machine.uid}${of}`);
      machine.members = cluster === '' ? this.#the.founders : cluster.split(' ');
      machine.start();
    }
  }

  #deliver(datagram: Datagram): void {
    const { from, to, message } = datagram;
    this.parts.push(`deliver ${from ?? ''}->${to} ${message.type} 1st`);
    this.#the.deliver(datagram);
  }

  #edit(uid: Uid, written: string): void {
    this.#isEdited = true;
    this.#at(uid).edit(valueIn(written));
  }

  #forge(from: Uid, to: Uid, named: string): void {
    const type = FORGERIES.find((known) => known === named);
    if (type === undefined) throw new Error(`a forger sends ${FORGERIES.join(', ')}; not ${named}`);
    this.#the.forge(type, from, to);
  }

  #submit(uid: Uid, written: string): void {
    this.#fromClient(uid, { type: 'propose', value: valueIn(written) });
  }

  #request(uid: Uid, client: string, written: string): void {
    const value = valueIn(written);
    const requestId = this.#clients.requestId(client, value);
    this.#fromClient(uid, { type: 'request', requestId, value }, client);
  }

  #read(uid: Uid, client: string, locally: string): void {
    const requestId = this.#clients.requestId(client, null);
    this.#fromClient(uid, { type: 'read', requestId, isLocal: locally !== '' }, client);
  }

  #query(uid: Uid, client: string, written: string): void {
    const requestId = this.#clients.requestId(client, null);
    const query = valueIn(written);
    this.#fromClient(uid, { type: 'query', requestId, query, isLocal: false }, client);
  }

  #quorumQuery(uid: Uid, client: string, written: string): void {
    const requestId = this.#clients.requestId(client, null);
    const query = valueIn(written);
    this.#fromClient(uid, { type: 'quorum_query', requestId, query }, client);
  }

  #transfer(uid: Uid, client: string, to: Uid): void {
    const requestId = this.#clients.requestId(client, null);
    this.#fromClient(uid, { type: 'transfer', requestId, to }, client);
  }

  #change(uid: Uid, client: string, words: string): void {
    const requestId = this.#clients.requestId(client, words);
    this.#fromClient(uid, { type: 'change', requestId, ...changeIn(words) }, client);
  }

  #fromClient(uid: Uid, message: ClientMessage, client?: string): void {
    if (this.#at(uid).replica === null) this.#note('(nobody listens)');
    this.#clients.ask(client ?? null, message);
    if (client !== undefined) {
      this.#the.addClient(client, (_from, reply) => this.#clients.hear(reply));
    }
    this.#the.deliver({ from: null, to: uid, seq: 0, message, client });
  }

  #deliverAll(): void {
    while (this.#the.inFlight.length > 0 && this.parts.length < MOST_DELIVERIES) {
      this.#take('all', (it) => this.#deliver(it));
    }
    if (this.#the.inFlight.length > 0) this.#note('(and so on: what is left stays in flight)');
  }

  /** Takes all that is meant out of what is in flight now, one after the other. */
  #take(what: string, act: (datagram: Datagram) => void): void {
    for (const datagram of this.#meant(what)) {
      const { inFlight } = this.#the;
      inFlight.splice(inFlight.indexOf(datagram), 1);
      act(datagram);
    }
  }

  /** All that is meant of what is in flight, and leaves it there. */
  #meant(what: string): Datagram[] {
    const { inFlight } = this.#the;
    const isMeant = selector(what)(inFlight);
    if (isMeant.size === 0) this.#note('(nothing like that is in flight)');
    return inFlight.filter((_, place) => isMeant.has(place));
  }

  /** Cuts the links from each of these servers to each of those, beside what is cut already. */
  #cut(from: string, to: string): void {
    for (const uid of `${from}${to}`) this.#at(uid); // throws if there is none
    this.#cuts.push(...[...from].flatMap((a) => [...to].map((b): [Uid, Uid] => [a, b])));
    this.#the.network.cut(this.#cuts);
  }

  #cutApart(left: string, right: string): void {
    this.#cut(left, right);
    this.#cut(right, left);
  }

  /** Mends these links; all of them, if none is named. */
  #mend(from: string, to: string): void {
    const isMended = ([a, b]: [Uid, Uid]) => from === '' || (from.includes(a) && to.includes(b));
    this.#cuts = this.#cuts.filter((link) => !isMended(link));
    this.#the.network.cut(this.#cuts);
  }

  #wait(ms: number): void {
    if (ms > MOST_WAIT_MS) throw new Error('a `wait` is an hour at most, 3600000 milliseconds');
    this.#passTime(this.#the.nowMs + ms);
  }

  get #isFull(): boolean {
    return this.#the.inFlight.length >= MOST_IN_FLIGHT;
  }

  /** Time goes on until then, unless too much is under way by then. */
  #passTime(untilMs: number): void {
    while (!this.#isFull && this.#the.step(untilMs));
    if (!this.#isFull) return this.#the.runUntil(untilMs);
    const { length } = this.#the.inFlight;
    this.#note(
      `(${length} datagrams are in flight: no time passes until some arrive, or are lost)`,
    );
  }

  #slowDown(uid: Uid, saveMs: number): void {
    if (saveMs > MOST_WAIT_MS)
      throw new Error('a save takes an hour at most, 3600000 milliseconds');
    this.#at(uid).saveMs = saveMs;
  }

  #keep(what: string): void {
    this.#kept.push(...copiesFor(this.#kept, this.#meant(what)));
  }

  #repeat(what: string): void {
    const { inFlight } = this.#the;
    inFlight.push(...copiesFor(inFlight, this.#meant(what)));
  }

  #bringBack(what: string): void {
    const isMeant = selector(what)(this.#kept);
    if (isMeant.size === 0) this.#note('(nothing like that was put aside)');
    const { inFlight } = this.#the;
    inFlight.push(
      ...copiesFor(
        inFlight,
        this.#kept.filter((_, place) => isMeant.has(place)),
      ),
    );
    this.#kept = this.#kept.filter((_, place) => !isMeant.has(place));
  }

  #crash(uid: Uid, at: string, powerCut: string): void {
    this.#at(uid).crash(pointOf(at), powerCut !== '');
  }

  #failSave(uid: Uid, at: string): void {
    const step = SAVE_STEPS.find((known) => known === (at === '' ? 'write' : at));
    if (step === undefined) {
      throw new Error(`a save may fail at: ${SAVE_STEPS.join(', ')}; not at "${at}"`);
    }
    this.#at(uid).failNextSave(step);
  }

  #stop(uid: Uid): void {
    this.#at(uid).retire();
    this.#the.runUntil(this.#the.nowMs);
  }

  #listInFlight(): void {
    for (const { from, to, message } of this.#the.inFlight) {
      const id = 'proposalId' in message ? message.proposalId : null;
      const words = id === null ? [message.type] : [message.type, `${id.number}.${id.uid}`];
      this.#note(`${from ?? 'client'}->${to} ${words.join(' ')}`);
    }
    if (this.#the.inFlight.length === 0) this.#note('nothing');
  }

  #show(): void {
    for (const { uid, replica } of this.#the.machines.values()) {
      if (replica === null) {
        this.#note(`${uid} is down`);
        continue;
      }
      const { instanceNumber, chain, digest } = replica;
      const value = this.#isStore ? `state ${digest}` : JSON.stringify(chain.currentValue);
      this.#note(`${uid} #${instanceNumber} ${value}${replica.isMaster ? ' master' : ''}`);
    }
  }
}

/** `remove B, vote D, join E, follow F`; and `level or not`. */
function changeIn(words: string): Change {
  const parts = words.split(', ');
  const uidsOf = (what: string) =>
    parts.flatMap((part) => (part.startsWith(`${what} `) ? part.split(' ').slice(1) : []));
  const isForced = parts.includes('level or not');
  const vote = isForced
    ? placesOf(uidsOf('vote'))
    : Object.fromEntries(uidsOf('vote').map((uid) => [uid, null]));
  const [join, follow] = [placesOf(uidsOf('join')), placesOf(uidsOf('follow'))];
  return { remove: uidsOf('remove'), vote, join, follow, isForced };
}

/** `… clocks A 0.5 C 2`: local milliseconds per true one. */
function clockRatesIn(kind: string, cluster: readonly Uid[]): Readonly<Record<Uid, number>> {
  const named = [...kind.matchAll(/ ([A-Z]) ([0-9.]+)/g)].map(([, uid = '', text = '']) => {
    const rate = Number(text);
    if (!cluster.includes(uid)) throw new Error(`there is no server ${uid}`);
    if (rate >= 1 / MOST_TIMES_WRONG && rate <= MOST_TIMES_WRONG) return [uid, rate];
    throw new Error(`a clock runs at 0.1 to ${MOST_TIMES_WRONG} times the true rate, not ${text}`);
  });
  return Object.fromEntries(named);
}

/** Those that come to others, if that is not too many together. */
function copiesFor(others: readonly Datagram[], added: readonly Datagram[]): readonly Datagram[] {
  if (added.length === 0 || others.length + added.length <= MOST_COPIED) return added;
  throw new Error(`copies come to at most ${MOST_COPIED} datagrams in flight, or put aside`);
}

function pointOf(at: string): CrashPoint {
  const point = CRASH_POINTS.find((known) => known === (at === '' ? 'now' : at));
  if (point !== undefined) return point;
  throw new Error(`a crash may be at: ${CRASH_POINTS.join(', ')}; not at "${at}"`);
}

/**
 * `A->BC accept`, `A->B`, `->C`, `accept`, `all`, `A->B accept 2nd`: finds the places of those in
 * a list of datagrams that are meant.
 */
function selector(what: string): (datagrams: readonly Datagram[]) => ReadonlySet<number> {
  const shape = /^(?:all|(?:([A-Z]*)->([A-Z]*))?(?:^| |$)([a-z_]*))(?: ([1-9][0-9]*)[a-z]{2})?$/;
  const match = shape.exec(what);
  if (match === null) throw new Error(`"${what}" does not say which datagrams`);
  const [, from = '', to = '', type = '', ordinal] = match;
  const matches = (datagram: Datagram) =>
    (from === '' || (datagram.from !== null && from.includes(datagram.from))) &&
    (to === '' || to.includes(datagram.to)) &&
    (type === '' || datagram.message.type === type);
  return (datagrams) => {
    const places = datagrams.flatMap((datagram, place) => (matches(datagram) ? [place] : []));
    return new Set(ordinal === undefined ? places : places.slice(+ordinal - 1, +ordinal));
  };
}

function nameOf(invariant: number): string {
  return INVARIANTS.find(({ number }) => number === invariant)?.name ?? 'fail-stop';
}
