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
 * Commands (`A->BC accept` stands for all datagrams in flight from A to B or C of that type; each
 * part may be left out, `all` stands for everything):
 *
 *     cluster A B C [with leases]    the servers of this story, none of them running yet
 *     start A B C                    starts servers; a crashed one goes on from its disk
 *     start C D of the cluster C D   the same with a cluster file that names only these
 *     submit A hello                 a client's value arrives at A
 *     request A c1 hello             client c1 asks A, and waits for an answer; the same value once
 *                                    more is the same request, asked again
 *     read A c1 [locally]            client c1 asks A for the value
 *     transfer A c1 to B             client c1 asks A to see to it that B is master
 *     deliver A->BC accept           what matches arrives, oldest first
 *     deliver all                    everything arrives, and what is sent in answer, until silence
 *     drop …                         what matches is lost
 *     keep …                         a copy of what matches is put aside …
 *     bring back …                   … and is in flight again: a duplicate, or very late
 *     cut A                          from now on nothing gets to A or away from it …
 *     cut A->BC                      … nothing gets from A to B or C …
 *     cut AB|CDE                     … nothing gets from one group to the other; cuts add up …
 *     mend                           … and now everything does again
 *     wait 1000                      so many milliseconds pass
 *     crash A [at POINT] [with power cut]   kills A now, or at that point of its next turn …
 *     lose disk A [at POINT]         … and takes its state file away
 *     rejoin A                       starts A again as with --rejoin
 *     fail save A [at STEP]          the next save at A fails, at its first or at this step
 *     flip a bit at A                the disk of A, which is down, holds something else now
 *     edit A hello                   somebody puts another value into the file of A, which is down
 *     forge C->A prepare             somebody who is not C sends A this, with a huge number in it
 *     forge C->A leap                … or a prepare with the largest number that A believes
 *     switch to leases / plain       servers that start from now on have, or do not have, leases
 *     stop A                         a clean stop: queue and lease are brought in order first
 *     pause A / resume A             the process stands still, as by Ctrl-Z
 *     sleep A / wake A               the whole machine stands still, its monotonic clock, too
 *     save takes 2000 at A           from now on each save at A takes so many milliseconds; what
 *                                    it does after a save waits for it, and so does its next turn
 *     set clock A by -5000           somebody sets A's wall clock, in milliseconds
 *     in flight                      lists what is under way
 *     show                           what every server has
 */
import type { RequestId } from '../chain.ts';
import type { Uid } from '../composable-paxos.ts';
import type { ClientMessage } from '../messages.ts';
import { ConsoleLines, plainPaint } from '../trace/console.ts';
import type { TraceEvent } from '../trace/events.ts';
import { Invariants, type Violation } from '../trace/invariants.ts';
import { sessionOf } from './clients.ts';
import { SAVE_STEPS } from './disk.ts';
import { FORGERIES } from './forger.ts';
import { CRASH_POINTS, type CrashPoint, type ReplicaClass } from './machine.ts';
import type { Datagram } from './network.ts';
import { MasterReplica, PlainReplica } from './replicas.ts';
import { World } from './world.ts';

/** What a run of a story gave. */
export interface Told {
  /** The story again, with what the servers say now. */
  readonly text: string;
  /** Which invariants were violated, in order. */
  readonly violations: readonly Violation[];
  /** All that the servers traced. */
  readonly events: readonly TraceEvent[];
}

/**
 * Runs the commands of a story. `broken` makes another replica class of the right one, to see
 * whether the story notices. Throws, naming the line, if the story cannot be understood.
 */
export function tellStory(
  story: string,
  broken: (right: ReplicaClass) => ReplicaClass = (right) => right,
): Told {
  const teller = new StoryTeller(broken);
  const lines: string[] = [];
  let isTold = false; // what follows a command is what it printed last time, up to an empty line
  for (const [index, line] of story.trimEnd().split('\n').entries()) {
    if (line === '') isTold = false;
    if (isTold) continue;
    lines.push(line);
    if (line === '' || line.startsWith('#')) continue;
    lines.push('----', ...teller.obey(line, index + 1));
    isTold = true;
  }
  const { violations, events } = teller;
  return { text: `${lines.join('\n').trimEnd()}\n`, violations, events };
}

/** Those that speak of what the chain has made. */
const STATE_INVARIANTS = [2, 11];

interface Asked {
  readonly requestId: RequestId;
  readonly number: number;
  readonly value: string | null;
}

class StoryTeller {
  readonly violations: Violation[] = [];
  readonly events: TraceEvent[] = [];
  readonly #broken: (right: ReplicaClass) => ReplicaClass;
  #world: World | null = null;
  #isEdited = false;
  #kept: Datagram[] = [];
  #cuts: [Uid, Uid][] = [];
  #said: string[] = [];
  /** What each client asked last; `value` null: it read. */
  readonly #asked = new Map<string, Asked>();
  #endTurn = () => {};

  constructor(broken: (right: ReplicaClass) => ReplicaClass) {
    this.#broken = broken;
  }

  /** Carries out one command, and returns what was printed meanwhile. */
  obey(command: string, lineNumber: number): string[] {
    this.#said = [];
    for (const [pattern, act] of this.#commands) {
      const match = pattern.exec(command);
      if (match === null) continue;
      act(match[1] ?? '', match[2] ?? '', match[3] ?? '');
      this.#endTurn();
      return this.#said.map((line) => line.trimEnd());
    }
    throw new Error(`line ${lineNumber}: "${command}" is not a command of stories`);
  }

  readonly #commands: readonly [RegExp, (a: string, b: string, c: string) => void][] = [
    [/^cluster ([A-Z](?: [A-Z])*)( with leases)?$/, (uids, leases) => this.#build(uids, leases)],
    [
      /^start ([A-Z](?: [A-Z])*)(?: of the cluster ([A-Z](?: [A-Z])*))?$/,
      (uids, cluster) => this.#start(uids, cluster),
    ],
    [/^submit ([A-Z]) (.+)$/, (uid, value) => this.#submit(uid, value)],
    [/^request ([A-Z]) (c[0-9]) (.+)$/, (uid, c, value) => this.#request(uid, c, value)],
    [/^read ([A-Z]) (c[0-9])( locally)?$/, (uid, c, local) => this.#read(uid, c, local)],
    [/^transfer ([A-Z]) (c[0-9]) to ([A-Z])$/, (uid, c, to) => this.#transfer(uid, c, to)],
    [/^deliver all$/, () => this.#deliverAll()],
    [/^deliver (.+)$/, (what) => this.#take(what, (it) => this.#the.deliver(it))],
    [/^drop (.+)$/, (what) => this.#take(what, (it) => this.#the.lose(it, 'on the way'))],
    [/^keep (.+)$/, (what) => this.#keep(what)],
    [/^bring back (.+)$/, (what) => this.#bringBack(what)],
    [/^cut ([A-Z])$/, (uid) => this.#cutApart(uid, this.#the.uids.join('').replace(uid, ''))],
    [/^cut ([A-Z]+)\|([A-Z]+)$/, (left, right) => this.#cutApart(left, right)],
    [/^cut ([A-Z]+)->([A-Z]+)$/, (from, to) => this.#cut(from, to)],
    [/^mend$/, () => this.#mend()],
    [/^wait ([0-9]+)$/, (ms) => this.#the.runUntil(this.#the.nowMs + Number(ms))],
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
    [/^save takes ([0-9]+) at ([A-Z])$/, (ms, uid) => this.#slowDown(uid, Number(ms))],
    [/^set clock ([A-Z]) by (-?[0-9]+)$/, (a, ms) => this.#at(a).clock.setWallBy(Number(ms))],
    [/^in flight$/, () => this.#listInFlight()],
    [/^show$/, () => this.#show()],
  ];

  #build(uids: string, leases: string): void {
    const cluster = uids.split(' ');
    const write = (line: string) => this.#said.push(line);
    const console = new ConsoleLines({ uids: cluster, verbose: false, paint: plainPaint, write });
    this.#endTurn = () => console.endTurn();
    const invariants = new Invariants(cluster);
    const found = (violation: Violation) => {
      // What a person has put there is no fault of the protocol.
      if (this.#isEdited && STATE_INVARIANTS.includes(violation.invariant)) return;
      if (!this.violations.some(({ invariant }) => invariant === violation.invariant)) {
        this.violations.push(violation);
      }
    };
    this.#world = new World({
      uids: cluster,
      replicaClass: this.#replicaClass(leases !== ''),
      seed: 'story',
      byHand: true,
      trace: (event) => {
        this.events.push(event);
        console.show(event);
        const violation = invariants.observe(event);
        if (violation !== null) found(violation);
      },
      wrong: (invariant, why) => found({ invariant, sentence: why, event: null, why }),
      turnEnded: this.#endTurn,
    });
  }

  #replicaClass(hasLeases: boolean): ReplicaClass {
    return this.#broken(hasLeases ? MasterReplica : PlainReplica);
  }

  #switchTo(layers: string): void {
    this.#the.replicaClass = this.#replicaClass(layers === 'leases');
  }

  get #the(): World {
    if (this.#world === null) throw new Error('a story begins with `cluster`');
    return this.#world;
  }

  #at(uid: Uid) {
    return this.#the.machine(uid);
  }

  #start(uids: string, cluster: string): void {
    for (const uid of uids.split(' ')) {
      const machine = this.#at(uid);
      machine.members = cluster === '' ? this.#the.uids : cluster.split(' ');
      machine.start();
    }
  }

  #edit(uid: Uid, value: string): void {
    this.#isEdited = true;
    this.#at(uid).edit(value);
  }

  #forge(from: Uid, to: Uid, named: string): void {
    const type = FORGERIES.find((known) => known === named);
    if (type === undefined) throw new Error(`a forger sends ${FORGERIES.join(', ')}; not ${named}`);
    this.#the.forge(type, from, to);
  }

  #submit(uid: Uid, value: string): void {
    this.#fromClient(uid, { type: 'propose', value });
  }

  #request(uid: Uid, client: string, value: string): void {
    const again = this.#asked.get(client);
    const isAgain = again?.value === value;
    const requestId = isAgain ? again.requestId : this.#nextRequest(client, value);
    this.#fromClient(uid, { type: 'request', requestId, value }, client);
  }

  #read(uid: Uid, client: string, locally: string): void {
    const requestId = this.#nextRequest(client, null);
    this.#fromClient(uid, { type: 'read', requestId, isLocal: locally !== '' }, client);
  }

  #transfer(uid: Uid, client: string, to: Uid): void {
    const requestId = this.#nextRequest(client, null);
    this.#fromClient(uid, { type: 'transfer', requestId, to }, client);
  }

  /** Like a session, a client of a story counts what it asks. */
  #nextRequest(client: string, value: string | null): RequestId {
    const number = (this.#asked.get(client)?.number ?? 0) + 1;
    const requestId = `${sessionOf(client)}-1-${number}`;
    this.#asked.set(client, { requestId, number, value });
    return requestId;
  }

  #fromClient(uid: Uid, message: ClientMessage, client?: string): void {
    if (this.#at(uid).replica === null) this.#said.push('(nobody listens)');
    this.#the.deliver({ from: null, to: uid, seq: 0, message, client });
  }

  #deliverAll(): void {
    while (this.#the.inFlight.length > 0) this.#take('all', (it) => this.#the.deliver(it));
  }

  /** Takes all that matches out of what is in flight now. */
  #take(what: string, act: (datagram: Datagram) => void): void {
    const matches = matcher(what);
    const taken = this.#the.inFlight.filter(matches);
    const left = this.#the.inFlight.filter((datagram) => !matches(datagram));
    this.#the.inFlight.splice(0, Number.POSITIVE_INFINITY, ...left);
    if (taken.length === 0) this.#said.push('(nothing like that is in flight)');
    for (const datagram of taken) act(datagram);
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

  #mend(): void {
    this.#cuts = [];
    this.#the.network.cut([]);
  }

  #slowDown(uid: Uid, saveMs: number): void {
    this.#at(uid).saveMs = saveMs;
  }

  #keep(what: string): void {
    this.#kept.push(...this.#the.inFlight.filter(matcher(what)));
  }

  #bringBack(what: string): void {
    const back = this.#kept.filter(matcher(what));
    if (back.length === 0) this.#said.push('(nothing like that was put aside)');
    this.#the.inFlight.push(...back);
    this.#kept = this.#kept.filter((datagram) => !back.includes(datagram));
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
      this.#said.push(`${from ?? 'client'}->${to} ${words.join(' ')}`);
    }
    if (this.#the.inFlight.length === 0) this.#said.push('nothing');
  }

  #show(): void {
    for (const { uid, replica } of this.#the.machines.values()) {
      if (replica === null) {
        this.#said.push(`${uid} is down`);
        continue;
      }
      const { instanceNumber, chain } = replica;
      const value = JSON.stringify(chain.currentValue);
      this.#said.push(`${uid} #${instanceNumber} ${value}${replica.isMaster ? ' master' : ''}`);
    }
  }
}

function pointOf(at: string): CrashPoint {
  const point = CRASH_POINTS.find((known) => known === (at === '' ? 'now' : at));
  if (point !== undefined) return point;
  throw new Error(`a crash may be at: ${CRASH_POINTS.join(', ')}; not at "${at}"`);
}

/** `A->BC accept`, `A->B`, `->C`, `accept`, `all`: a question to ask of a datagram. */
function matcher(what: string): (datagram: Datagram) => boolean {
  const match = /^(?:all|(?:([A-Z]*)->([A-Z]*))?(?:^| |$)([a-z_]*))$/.exec(what);
  if (match === null) throw new Error(`"${what}" does not say which datagrams`);
  const [, from = '', to = '', type = ''] = match;
  return (datagram) =>
    (from === '' || (datagram.from !== null && from.includes(datagram.from))) &&
    (to === '' || to.includes(datagram.to)) &&
    (type === '' || datagram.message.type === type);
}
