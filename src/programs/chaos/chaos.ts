/**
 * `npm run chaos`: real servers under every fault. Their traces go through the invariants, and what
 * their clients were told must be what one register did.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { isUpdate, singlesOf } from '../../chain.ts';
import type { Uid } from '../../composable-paxos.ts';
import { compareLogs } from '../../log/compare-logs.ts';
import { changesOf, findWatchContradiction, missingIn } from '../../log/watch-history.ts';
import { LEASE_WINDOW_MS } from '../../master-strategy.ts';
import { complain, Failure } from '../../node/failure.ts';
import { fire } from '../../node/fire.ts';
import { parseArguments, runProgram, wholeNumber } from '../../node/program.ts';
import { Random } from '../../simulation/random.ts';
import { StoreQuestions } from '../../simulation/store-clients.ts';
import { INVARIANTS, type Violation } from '../../trace/invariants.ts';
import { printable } from '../../trace/printable.ts';
import { type CheckedHistory, checkHistory } from '../check/history.ts';
import { compareLogFiles } from '../check/logs.ts';
import { checkTraces, describeViolation } from '../check/traces.ts';
import { LOOPBACK } from '../common/free-port.ts';
import { readTraces, type Traces } from '../common/read-traces.ts';
import { WaitingClient } from './clients.ts';
import { ChaosCluster, type ChaosServer, PROBE_COMMAND, waitUntil } from './cluster.ts';
import { HttpChaosClient } from './http-client.ts';
import { MembersChaos, type MembersCount } from './members.ts';
import { drawPlan, type Plan, type PlannedFault, type Victim, type Way } from './plan.ts';
import { type Direction, FAIR_WEATHER } from './udp-relay.ts';
import { ChaosWatcher, WATCHED } from './watcher.ts';

interface Options {
  readonly seed: number;
  readonly seconds: number;
  readonly uids: readonly Uid[];
  readonly hasLeases: boolean;
  readonly isStore: boolean;
  readonly hasMembers: boolean;
  readonly isVerbose: boolean;
}

type ChaosClient = WaitingClient | HttpChaosClient;

const HELP = `
Starts a cluster on free ports of this machine, and kills, stops, pauses and isolates its servers.
Meanwhile some clients write, read and wait for the answers, and others fire values and forget
them. Then all is mended: within 15 s, with leases within 25 s, all who wait must be answered, and
as soon after that the servers must be level. In the end the traces of the servers are checked
against the invariants, and what clients asked and were told as the history of one register. With
--store the clients set, count, compare and delete, some of them over HTTP, what they are told must
be what one store answers, and the logs of all servers are compared, those on their disks, too. And
some watch: each goes from one server to another, and must be told every change of the log, once
and in order, or that it has to read all keys anew. With --members servers join, are replaced and
removed meanwhile, and whoever is removed must end by itself; nothing is cut then, and nobody asks
or watches over HTTP.

The seed fixes the schedule of the faults. What comes of it depends on the machine: no two runs of
real processes are the same. (npm run simulate repeats itself.)

A machine that is busy with something else may need longer. So it gets four times as long before
anything is called wrong. If that was enough, the run says "too slow here", and for how long this
program itself was kept waiting: run it again when nothing else runs, and it must not say so.

Exit code 1: an invariant was violated, or a server failed. Traces and history are kept then.

Examples:
  npm run chaos -- --seconds 60
  npm run chaos -- --seconds 60 --master --seed 7 -v
  npm run chaos -- --seconds 60 --store --master
  npm run chaos -- --seconds 60 --members --store`;

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
const EXIT_CODE_OF_SIGNAL = 128;

const LOOK_INTERVAL_MS = 25;
const WAITING_CLIENTS = 4;
/** So many more ask stores over HTTP. */
const HTTP_CLIENTS = 2;
/** What watchers want to hear of: two of all keys, and one of those that begin so. */
const WATCHED_PREFIXES = ['', '', 'r'];
/** So few links that many a laggard, and many a watcher, lacks what is kept no more. */
const KEEP_LINKS = ['--keep-links', '10'];
/** So many answers each of them must get when all is mended. */
const HEALED_ANSWERS = 4;

const FIRING_CLIENTS = 2;
/** One that fires waits so long for its value to be chosen, and then fires the next one anyway. */
const FIRING_PATIENCE_MS = 500;
const LONGEST_REST_MS = 100;
const BURST = 10;

const HEALING_MS = 15_000;
/** A lease that nobody knows the age of must be waited out first. */
const HEALING_WITH_LEASES_MS = HEALING_MS + LEASE_WINDOW_MS;
/** A machine that has too much to do gets so many times that long, to tell it from a fault. */
const SLOW_FACTOR = 4;
const PROBE_INTERVAL_MS = 1_000;
const PROBE = 'healed';
/** A fault that needs a master waits for one, but not for ever. */
const MASTER_PATIENCE_MS = 1.5 * LEASE_WINDOW_MS;

/** What a run counts, as its last lines say it. */
const COUNTS = [
  'writes answered',
  'reads answered',
  'questions given up',
  'values fired',
  'values fired at nobody',
  'values chosen',
  'kills',
  'clean stops',
  'restarts',
  'pauses',
  'cuts',
  'spells of bad weather',
  'datagrams lost by the relay',
  'events traced',
] as const;
const COUNTS_OF_MASTERS = [
  'changes of master',
  'masters killed',
  'masters stopped',
  'masters paused beyond their lease',
  'masters cut off beyond their lease',
] as const;
const COUNTS_OF_MEMBERS: readonly MembersCount[] = [
  'servers that joined',
  'servers that could not join',
  'changes of members',
  'changes of members given up',
];
type Count = (typeof COUNTS | typeof COUNTS_OF_MASTERS | typeof WATCHED)[number] | MembersCount;

class Chaos {
  readonly #options: Options;
  readonly #plan: Plan;
  readonly #cluster: ChaosCluster;
  readonly #clients: readonly ChaosClient[];
  readonly #watchers: readonly ChaosWatcher[];
  readonly #counts: Map<Count, number>;
  readonly #startedMs = performance.now();
  /** No fault goes on: either the time is over, or something has failed. */
  #isCalm = false;
  #failure: Failure | null = null;
  #isKept = false;
  #members: MembersChaos | null = null;
  /** For how long this program itself was kept waiting at most, while all had to heal. */
  #laterByMs = 0;
  #lookedAtMs = performance.now();

  private constructor(
    options: Options,
    plan: Plan,
    cluster: ChaosCluster,
    clients: readonly ChaosClient[],
    watchers: readonly ChaosWatcher[],
  ) {
    this.#options = options;
    this.#plan = plan;
    this.#cluster = cluster;
    this.#clients = clients;
    this.#watchers = watchers;
    const counts = [
      ...COUNTS,
      ...(options.hasLeases ? COUNTS_OF_MASTERS : []),
      ...(watchers.length > 0 ? WATCHED : []),
      ...(options.hasMembers ? COUNTS_OF_MEMBERS : []),
    ];
    this.#counts = new Map(counts.map((name) => [name, 0]));
    cluster.whenFailed = (failure) => this.#fail(failure);
    process.on('exit', () => cluster.clear(this.#isKept));
    for (const [signal, number] of Object.entries(SIGNALS)) {
      process.on(signal, () => process.exit(EXIT_CODE_OF_SIGNAL + number));
    }
  }

  static async prepare(options: Options): Promise<Chaos> {
    const { seed, seconds, uids, hasLeases, isStore, hasMembers } = options;
    const plan = drawPlan(seed, uids, seconds * 1_000, hasLeases, !hasMembers);
    const random = new Random(seed, 'relay');
    const layers = [
      ...(hasLeases ? ['--master'] : []),
      ...(isStore ? ['--store', ...KEEP_LINKS] : []),
      ...(hasMembers ? ['--members'] : []),
    ];
    const cluster = await ChaosCluster.prepare(uids, layers, plan.serverFaults, random);
    const { addresses, history } = cluster;
    const questions = isStore ? new StoreQuestions() : null;
    const clients = Array.from({ length: WAITING_CLIENTS }, (_, index) => {
      const name = `client ${index + 1}`;
      return WaitingClient.join(addresses, {
        ...{ name, history, questions, mayAskQuorum: !hasLeases },
        random: new Random(seed, name),
      });
    });
    const overHttp = questions === null || hasMembers ? 0 : HTTP_CLIENTS;
    const httpPorts = new Map(cluster.servers.map(({ uid, httpPort }) => [uid, httpPort]));
    const others = Array.from({ length: overHttp }, (_, index) => {
      const name = `http ${index + 1}`;
      const random = new Random(seed, name);
      return new HttpChaosClient(name, httpPorts, history, random, questions as StoreQuestions);
    });
    const watchers = (isStore && !hasMembers ? WATCHED_PREFIXES : []).map((prefix, index) => {
      const name = `watcher ${index + 1}`;
      return new ChaosWatcher(name, prefix, httpPorts, new Random(seed, name));
    });
    return new Chaos(
      options,
      plan,
      cluster,
      [...(await Promise.all(clients)), ...others],
      watchers,
    );
  }

  /** The whole run. False if something was wrong with it. */
  async toTheEnd(): Promise<boolean> {
    this.#describe();
    const watch = setInterval(() => this.#look(), LOOK_INTERVAL_MS);
    await this.#ofAll((server) => server.start());
    const load = [
      ...this.#clients.map((client) => client.askUntil(() => this.#isCalm)),
      ...Array.from({ length: FIRING_CLIENTS }, (_, index) => this.#fireOn(`hasty ${index + 1}`)),
    ];
    const watching = this.#watchers.map((one) => one.watch());
    const changes = this.#options.hasMembers ? this.#changeMembers() : null;
    await this.#rage();
    await Promise.all([...load, changes]);
    const atTheEnd = await this.#heal();
    for (const one of this.#watchers) one.leave();
    await Promise.all(watching);
    this.#progress('stop all servers');
    if (this.#failure === null) await this.#ofAll((server) => server.stop());
    await this.#ofAll((server) => server.kill()); // whatever still runs
    clearInterval(watch);
    for (const client of this.#clients) client.leave();
    this.#members?.leave();
    this.#cluster.relay.close();
    return this.#judge(atTheEnd);
  }

  async #changeMembers(): Promise<void> {
    this.#members = await MembersChaos.open(
      this.#cluster,
      new Random(this.#options.seed, 'members'),
      {
        tell: (what) => this.#progress(what),
        count: (what) => this.#count(what),
        joined: (uid) => {
          for (const client of this.#clients) if (client instanceof WaitingClient) client.meet(uid);
        },
      },
    );
    await this.#members.changeUntil(() => this.#isCalm);
  }

  /** Whoever was removed must end by itself, however often it was killed in between. */
  async #letGo(patienceMs: number): Promise<Violation | null> {
    if (this.#members === null || this.#failure !== null) return null;
    const left = await this.#members.settle(SLOW_FACTOR * patienceMs);
    return left.length === 0 ? null : notHealed(`${left.join(', ')} was removed, and still runs`);
  }

  #look(): void {
    const now = performance.now();
    const laterByMs = now - this.#lookedAtMs - LOOK_INTERVAL_MS;
    if (this.#isCalm) this.#laterByMs = Math.max(this.#laterByMs, laterByMs);
    this.#lookedAtMs = now;
    this.#cluster.readOn();
  }

  #describe(): void {
    const { seed, seconds, uids, hasLeases, isStore, isVerbose } = this.#options;
    const layers = hasLeases ? 'with master leases' : 'without leases';
    const kind = isStore ? 'stores' : 'servers';
    say(`${uids.length} ${kind} ${layers}, ${seconds} s of faults, seed ${seed}`);
    const { drop, duplicate, maxDelayMs } = this.#plan.serverFaults;
    const [lost, twice] = [drop, duplicate].map((share) => `${Math.round(100 * share)} %`);
    say(`their datagrams: ${lost} lost, ${twice} sent twice, up to ${maxDelayMs} ms late`);
    if (!isVerbose) return;
    say(`all files are in ${this.#cluster.directory}`);
    for (const { uid, port } of this.#cluster.servers) {
      say(`server ${uid} listens on ${LOOPBACK}:${port}`);
    }
  }

  // The faults.

  /** Lets all planned faults happen, until the time is over, and puts everything right again. */
  async #rage(): Promise<void> {
    const running: Promise<void>[] = [];
    const endMs = performance.now() + this.#options.seconds * 1_000;
    for (const fault of this.#plan.faults) {
      await this.#rest(Math.min(fault.afterMs, endMs - performance.now()));
      if (fault.needsMaster) await this.#waitForMaster(endMs);
      if (this.#isCalm || performance.now() >= endMs) break;
      running.push(this.#commit(fault));
    }
    await this.#rest(endMs - performance.now());
    this.#isCalm = true;
    await Promise.all(running);
  }

  async #waitForMaster(endMs: number): Promise<void> {
    const patienceMs = Math.min(MASTER_PATIENCE_MS, endMs - performance.now());
    const hasMaster = () => this.#isCalm || this.#cluster.master?.isTaken === false;
    await waitUntil(hasMaster, patienceMs);
  }

  async #commit(fault: PlannedFault): Promise<void> {
    const { forMs } = fault;
    switch (fault.do) {
      case 'kill':
      case 'stop':
      case 'pause':
        return await this.#seize(fault.do, fault.victim, forMs);
      case 'isolate':
        return await this.#isolate(fault.victim, fault.way, forMs);
      case 'cut': {
        const names = fault.directions.map((direction) => direction.join('→')).join(' ');
        this.#progress(`cut ${names} for ${inSeconds(forMs)}`);
        await this.#cut(fault.directions, forMs);
        return;
      }
      case 'weather':
        return await this.#worsen(fault.weather, forMs);
      case 'kill all':
        return await this.#killAll(forMs);
    }
  }

  /** Does something to the process of a server, unless something has been done to it already. */
  async #seize(what: 'kill' | 'stop' | 'pause', victim: Victim, forMs: number): Promise<void> {
    const server = this.#find(victim);
    if (server.isTaken) return this.#detail(`leave ${server.uid} alone, it has enough trouble`);
    server.isTaken = true;
    this.#progress(`${what} ${this.#nameOf(server)} for ${inSeconds(forMs)}`);
    const isMaster = server === this.#cluster.master;
    if (what === 'pause') await this.#pause(server, isMaster, forMs);
    else await this.#end(server, what, isMaster, forMs);
    server.isTaken = false;
  }

  async #pause(server: ChaosServer, isMaster: boolean, forMs: number): Promise<void> {
    this.#count('pauses');
    server.pause();
    const pausedMs = await this.#rest(forMs);
    server.wake();
    if (isMaster && pausedMs > LEASE_WINDOW_MS) this.#count('masters paused beyond their lease');
    this.#detail(`${server.uid} goes on`);
  }

  async #end(
    server: ChaosServer,
    how: 'kill' | 'stop',
    isMaster: boolean,
    forMs: number,
  ): Promise<void> {
    this.#count(how === 'kill' ? 'kills' : 'clean stops');
    if (isMaster) this.#count(how === 'kill' ? 'masters killed' : 'masters stopped');
    await (how === 'kill' ? server.kill() : server.stop());
    this.#detail(`${server.uid} is down`);
    await this.#rest(forMs);
    await this.#restart(server);
  }

  async #killAll(forMs: number): Promise<void> {
    const servers = this.#cluster.servers.filter(({ isTaken }) => !isTaken);
    if (servers.length === 0) return this.#detail('leave all alone, they have enough trouble');
    this.#progress(`kill ${servers.map(({ uid }) => uid).join(' and ')} for ${inSeconds(forMs)}`);
    const kill = async (server: ChaosServer) => {
      server.isTaken = true;
      await this.#end(server, 'kill', server === this.#cluster.master, forMs);
      server.isTaken = false;
    };
    await Promise.all(servers.map(kill));
  }

  async #restart(server: ChaosServer): Promise<void> {
    if (this.#failure !== null) return;
    this.#count('restarts');
    await server.start();
    this.#detail(`${server.uid} runs again`);
  }

  async #isolate(victim: Victim, way: Way, forMs: number): Promise<void> {
    const server = this.#find(victim);
    const isMaster = server === this.#cluster.master;
    const ways = { in: 'to', out: 'from', both: 'to and from' };
    this.#progress(`cut all ${ways[way]} ${this.#nameOf(server)} for ${inSeconds(forMs)}`);
    const peers = this.#options.uids.filter((uid) => uid !== server.uid);
    const directions = peers.flatMap((peer): Direction[] => [
      ...(way === 'out' ? [] : [[peer, server.uid] as const]),
      ...(way === 'in' ? [] : [[server.uid, peer] as const]),
    ]);
    const cutMs = await this.#cut(directions, forMs);
    if (isMaster && cutMs > LEASE_WINDOW_MS) this.#count('masters cut off beyond their lease');
  }

  async #cut(directions: readonly Direction[], forMs: number): Promise<number> {
    this.#count('cuts');
    this.#cluster.relay.cut(directions);
    const restedMs = await this.#rest(forMs);
    this.#cluster.relay.mend(directions);
    this.#detail('a cut is mended');
    return restedMs;
  }

  async #worsen(weather: typeof FAIR_WEATHER, forMs: number): Promise<void> {
    this.#count('spells of bad weather');
    const drop = Math.round(100 * weather.drop);
    const delayMs = Math.round(weather.maxDelayMs);
    this.#progress(`lose ${drop} %, up to ${delayMs} ms late, for ${inSeconds(forMs)}`);
    const { relay } = this.#cluster;
    relay.weather = weather;
    await this.#rest(forMs);
    if (relay.weather === weather) relay.weather = FAIR_WEATHER;
    this.#detail('the weather is fair again');
  }

  #find({ uid, orMaster }: Victim): ChaosServer {
    const { master } = this.#cluster;
    if (orMaster && master !== null && !master.isTaken) return master;
    const { servers } = this.#cluster;
    const index = this.#options.uids.indexOf(uid) % servers.length;
    return servers[index] ?? this.#cluster.server(uid);
  }

  #nameOf(server: ChaosServer): string {
    return server === this.#cluster.master ? `${server.uid}, the master,` : server.uid;
  }

  /** Waits, but not beyond the end of the faults. Returns for how long, in milliseconds. */
  async #rest(forMs: number): Promise<number> {
    const sinceMs = performance.now();
    await waitUntil(() => this.#isCalm, forMs);
    return performance.now() - sinceMs;
  }

  async #ofAll(act: (server: ChaosServer) => Promise<void>): Promise<void> {
    await Promise.all(this.#cluster.servers.map(act));
  }

  #fail(failure: Failure): void {
    this.#failure ??= failure;
    this.#isCalm = true;
  }

  // The load, and the healing.

  /** Fires, waits a little, fires. Now and then it is in a hurry. */
  async #fireOn(client: string): Promise<void> {
    const random = new Random(this.#options.seed, client);
    for (let n = 1; !this.#isCalm; n += 1) {
      const { master, servers } = this.#cluster;
      const server = master !== null && random.chance(0.8) ? master : random.pick(servers);
      const copies = random.chance(0.05) ? BURST : 1;
      const values = Array.from({ length: copies }, (_, index) =>
        this.#toFire(`${client}: ${n}.${index}`),
      );
      await Promise.all(values.map((value) => this.#fire(client, server, value)));
      const isChosen = () => values.every((value) => this.#cluster.chosen.has(value));
      await waitUntil(() => this.#isCalm || isChosen(), FIRING_PATIENCE_MS);
      await sleep(random.between(0, LONGEST_REST_MS));
    }
  }

  /** The value, or the command that it stands for: who fires only sets what others only read. */
  #toFire(value: string): string {
    return this.#options.isStore ? `set r${value.length % 3} ${JSON.stringify(value)}` : value;
  }

  async #fire(client: string, { port }: ChaosServer, value: string): Promise<void> {
    this.#count('values fired');
    this.#cluster.history.addFired(client, value, this.#options.isStore);
    try {
      await fire({ host: LOOPBACK, port }, { type: 'propose', value });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.#count('values fired at nobody');
    }
  }

  /** All is mended: the load goes on for a while, then the servers get level, then all read. */
  async #heal(): Promise<Violation | null> {
    this.#progress('all is mended');
    const patienceMs = this.#options.hasLeases ? HEALING_WITH_LEASES_MS : HEALING_MS;
    return (
      (await this.#answerAll(patienceMs)) ??
      (await this.#letGo(patienceMs)) ??
      (await this.#getLevel(patienceMs)) ??
      (await this.#readAtLast(patienceMs)) ??
      (await this.#watchToTheEnd(patienceMs))
    );
  }

  /** Whoever asks must soon be answered again. */
  async #answerAll(patienceMs: number): Promise<Violation | null> {
    const sinceMs = performance.now();
    const untilMs = sinceMs + SLOW_FACTOR * patienceMs;
    const isOver = () => this.#failure !== null || performance.now() > untilMs;
    const slow = await Promise.all(
      this.#clients.map(async (client) => {
        const enough = client.answered + HEALED_ANSWERS;
        await client.askUntil(() => isOver() || client.answered >= enough);
        return client.answered < enough ? client : null;
      }),
    );
    this.#saySlow('answer all', performance.now() - sinceMs, patienceMs);
    return this.#unanswered(slow);
  }

  /** The servers must soon be level, at a value that was fired after all was mended. */
  async #getLevel(patienceMs: number): Promise<Violation | null> {
    if (this.#failure !== null) return null;
    this.#progress('all are answered; the servers must get level');
    const { isStore } = this.#cluster;
    const isOver = () => this.#failure !== null || this.#cluster.isLevelAt(PROBE);
    const sinceMs = performance.now();
    for (let n = 1; performance.now() - sinceMs < SLOW_FACTOR * patienceMs; n += 1) {
      this.#members?.forgetWhoLeft();
      const { servers } = this.#cluster;
      const probes = servers.map((server) =>
        this.#fire('probe', server, `${isStore ? PROBE_COMMAND : PROBE} ${server.uid}${n}`),
      );
      await Promise.all(probes);
      if (!(await waitUntil(isOver, PROBE_INTERVAL_MS))) continue;
      if (this.#failure === null) {
        this.#progress(`they are level after ${inSeconds(performance.now() - sinceMs)}`);
        this.#saySlow('get level', performance.now() - sinceMs, patienceMs);
      }
      return null;
    }
    const { servers } = this.#cluster;
    return isStore
      ? notHealed(compareLogs(servers.map(({ log }) => log)).sentence)
      : notLevel(servers);
  }

  /** A write that got lost may show only now. */
  async #readAtLast(timeoutMs: number): Promise<Violation | null> {
    if (this.#failure !== null) return null;
    this.#progress('all clients read once more');
    const slow = await Promise.all(
      this.#clients.map(async (client) =>
        (await client.read(SLOW_FACTOR * timeoutMs)) ? null : client,
      ),
    );
    return this.#unanswered(slow);
  }

  /** What all servers know must soon be told to all who watch, too. */
  async #watchToTheEnd(patienceMs: number): Promise<Violation | null> {
    if (this.#failure !== null || this.#watchers.length === 0) return null;
    this.#progress('all who watch are told the rest');
    const sinceMs = performance.now();
    const changes = changesOf(this.#cluster.links);
    const late = () => this.#watchers.find((one) => missingIn(one, changes) !== null);
    const isOver = () => this.#failure !== null || late() === undefined;
    await waitUntil(isOver, SLOW_FACTOR * patienceMs);
    const one = this.#failure === null ? late() : undefined;
    if (one !== undefined) {
      return notHealed(`${one.name} is not told of the change ${missingIn(one, changes)?.id}`);
    }
    this.#saySlow('tell them', performance.now() - sinceMs, patienceMs);
    return null;
  }

  /** It did come to pass, and so it is no fault of the protocol that it took long. */
  #saySlow(what: string, tookMs: number, patienceMs: number): void {
    if (tookMs <= patienceMs || tookMs > SLOW_FACTOR * patienceMs) return;
    const took = `to ${what} took ${inSeconds(tookMs)}, and ${inSeconds(patienceMs)} should do`;
    const late = `this program itself was kept waiting for up to ${inSeconds(this.#laterByMs)}`;
    say(`too slow here: ${took}; ${late}. Run it again when nothing else runs on this machine.`);
  }

  #unanswered(clients: readonly (ChaosClient | null)[]): Violation | null {
    const client = clients.find((one) => one !== null);
    if (client === undefined || client === null || this.#failure !== null) return null;
    return notHealed(`${client.name} is not answered: ${client.lastWord}`);
  }

  // The end.

  #judge(atTheEnd: Violation | null): boolean {
    const { everybody, relay, directory, history } = this.#cluster;
    this.#isKept = true; // should anything be wrong with the traces themselves
    const files = everybody.map(({ traceFile }) => traceFile).filter((file) => existsSync(file));
    const traces = readTraces(files);
    // What went wrong first tells more than what came of it, or that a server failed over it.
    const checked = checkTraces(traces, false);
    const different = this.#options.isStore ? this.#compareLogs(files) : null;
    const violation = checked.violation ?? different ?? this.#checkWatched() ?? atTheEnd;
    const told = checkHistory([history.path]);
    this.#countTraced(traces);
    this.#countAsked(told);
    this.#counts.set('datagrams lost by the relay', relay.lost);
    for (const [name, number] of this.#counts) say(`${String(number).padStart(8)}  ${name}`);
    for (const line of told.lines) say(line);
    for (const remark of checked.remarks) say(`note: ${remark}`);
    if (violation !== null) {
      for (const line of describeViolation(violation, traces.placeOf)) say(line);
    }
    if (this.#failure !== null) complain(this.#failure);
    this.#isKept = violation !== null || !told.isRight || this.#failure !== null;
    if (!this.#isKept) {
      say('no violation');
      return true;
    }
    say(`all files are kept in ${directory}; ${this.#command()}`);
    say(`check them again: npm run check -- ${files.join(' ')} --history ${history.path}`);
    return false;
  }

  /** What the servers have told of their logs, and what they have kept of them. */
  #compareLogs(traceFiles: readonly string[]): Violation | null {
    const states = join(this.#cluster.directory, 'state');
    const { uids, hasMembers } = this.#options;
    const onDisk = hasMembers ? [] : [[states]];
    for (const paths of uids.length > 1 ? [traceFiles, ...onDisk] : []) {
      const { isSame, sentence } = compareLogFiles(paths);
      say(`${paths === traceFiles ? 'as told' : 'on disk'}: ${sentence}`);
      if (!isSame) return violationOf(11, sentence);
    }
    return null;
  }

  /** What watchers were told, and whether it is what all servers together tell of their log. */
  #checkWatched(): Violation | null {
    if (this.#watchers.length === 0 || this.#failure !== null) return null;
    this.#cluster.readOn();
    const changes = changesOf(this.#cluster.links);
    for (const one of this.#watchers) {
      for (const [name, number] of one.counts) this.#count(name, number);
      const contradiction = findWatchContradiction(one, changes);
      if (contradiction === null) continue;
      const notes = join(this.#cluster.directory, 'watched.json');
      writeFileSync(notes, JSON.stringify(one.notes));
      return violationOf(9, `${contradiction}: ${notes}`);
    }
    say(
      `${this.#watchers.length} watchers were told what the log says, of ${changes.length} changes`,
    );
    return null;
  }

  #countTraced({ events }: Traces): void {
    const chosen = new Set<string>();
    let master: Uid | null = null;
    let changes = 0;
    for (const event of events) {
      if (event.event === 'chosen') {
        for (const { id } of singlesOf(event.value).filter(isUpdate)) chosen.add(id);
      }
      if (event.event !== 'lease' || event.what !== 'ours') continue;
      if (master !== null && master !== event.server) changes += 1;
      master = event.server;
    }
    this.#counts.set('values chosen', chosen.size);
    if (this.#options.hasLeases) this.#counts.set('changes of master', changes);
    this.#counts.set('events traced', events.length);
  }

  #countAsked({ operations, ofStore }: CheckedHistory): void {
    const clients = this.#clients.map(({ name }) => name);
    const writes = operations.map((one) => ({ ...one, isWrite: one.op === 'write' }));
    const changes = ofStore.map((one) => ({ ...one, isWrite: !one.line.startsWith('get') }));
    for (const { client, isWrite, outcome } of [...writes, ...changes]) {
      if (outcome === 'ok') this.#count(isWrite ? 'writes answered' : 'reads answered');
      else if (clients.includes(client)) this.#count('questions given up');
    }
  }

  #command(): string {
    const { seed, seconds, uids, hasLeases, isStore, hasMembers } = this.#options;
    const flags = `--seed ${seed} --seconds ${seconds} --servers ${uids.length}`;
    const members = hasMembers ? ' --members' : '';
    const layers = `${hasLeases ? ' --master' : ''}${isStore ? ' --store' : ''}${members}`;
    return `the same faults again: npm run chaos -- ${flags}${layers}`;
  }

  #count(name: Count, more = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + more);
  }

  /** One line of what happens now, with how far the load has come. */
  #progress(what: string): void {
    const fired = this.#counts.get('values fired') ?? 0;
    const answered = this.#clients.reduce((sum, client) => sum + client.answered, 0);
    say(`${this.#now()}  ${what.padEnd(46)}  answered ${answered}, fired ${fired}`);
  }

  #detail(what: string): void {
    if (this.#options.isVerbose) say(`${this.#now()}    ${what}`);
  }

  #now(): string {
    return inSeconds(performance.now() - this.#startedMs).padStart(7);
  }
}

function notLevel(servers: readonly ChaosServer[]): Violation {
  const places = servers.map(({ uid, state }) => {
    const { instanceNumber, currentValue } = state ?? {};
    return `${uid} at instance ${instanceNumber} with ${JSON.stringify(currentValue)}`;
  });
  return notHealed(`they are not level: ${places.join(', ')}`);
}

function notHealed(what: string): Violation {
  return violationOf(10, `long after all was mended ${what}`);
}

function violationOf(invariant: number, why: string): Violation {
  const sentence = INVARIANTS.find(({ number }) => number === invariant)?.sentence ?? '';
  return { invariant, sentence, event: null, why };
}

function inSeconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

function say(line: string): void {
  console.log(printable(line));
}

function readOptions(args: readonly string[]): Options {
  const command = new Command('npm run chaos --')
    .description('Real servers, real clients, a network that fails, processes that are killed.')
    .option('--seconds <N>', 'how long faults happen', '30')
    .option('--servers <N>', 'how many servers, 1 to 9', '3')
    .option('--master', 'with master leases')
    .option('--store', 'stores, and clients that ask them')
    .option('--members', 'servers join, are replaced and removed; and nothing is cut')
    .option('--seed <N>', 'the schedule of the faults (default: a new one)')
    .option('-v, --verbose', 'say also when a fault is over, and where the files are')
    .addHelpText('after', HELP);
  parseArguments(command, args);
  const options = command.opts();
  const seed = options['seed'] ?? `${Math.floor(Math.random() * 1e9)}`;
  return {
    seed: wholeNumber('--seed', seed, 0, Number.MAX_SAFE_INTEGER),
    seconds: wholeNumber('--seconds', options['seconds'], 1, 600),
    uids: [...'ABCDEFGHI'].slice(0, wholeNumber('--servers', options['servers'], 1, 9)),
    hasLeases: options['master'] === true,
    isStore: options['store'] === true,
    hasMembers: options['members'] === true,
    isVerbose: options['verbose'] === true,
  };
}

await runProgram(async (args) => {
  const chaos = await Chaos.prepare(readOptions(args));
  process.exitCode = (await chaos.toTheEnd()) ? 0 : 1;
});
