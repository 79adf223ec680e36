/**
 * Finding a violation: seeds are run in the simulator until one falls, its schedule is cut down,
 * and what is left is written out as a story, every arrival a command.
 *
 * The story runs in a world that is driven by hand, but with the same chance: the seed is the same,
 * so the same timers run out at the same times. What cannot be said in a story is left out from the
 * beginning; what it says less exactly (a crash at the third of several points) may make it end
 * otherwise. Then there is no story, and whoever asked is told the seed.
 */
import type { Change } from '../client-session.ts';
import type { Uid } from '../composable-paxos.ts';
import type { Break } from '../simulation/broken/layers.ts';
import { drawMembersSchedule } from '../simulation/members-schedule.ts';
import { minimise } from '../simulation/minimise.ts';
import { run, type Variant } from '../simulation/run.ts';
import { type Action, drawSchedule, type Schedule } from '../simulation/schedule.ts';
import { StoryTeller } from '../simulation/story.ts';
import { writtenValue } from '../simulation/story-text.ts';
import type { TraceEvent } from '../trace/events.ts';
import { readScript, writeScript } from './script.ts';
import { ordinal } from './stage.ts';

const SECONDS = 60;

export interface Found {
  readonly seed: number;
  readonly invariant: number;
  readonly why: string;
  /** Null: this run cannot be told as a story. */
  readonly story: string | null;
}

/**
 * Runs one seed with a broken rule; null: nothing is violated that this rule guards. `fell` hears
 * that something is, before its schedule is cut down, which may take longer than all before.
 */
export function trySeed(broken: Break, seed: number, fell = () => {}): Found | null {
  const { leases, store = false, members = false, journal, servers, faults, invariants } = broken;
  const { replicaClass, skippedSaveSteps } = broken;
  const journals = journal === undefined ? {} : { journal };
  const rest = { broken: () => replicaClass, skippedSaveSteps, ...journals };
  const variant: Variant = { leases, store, members, ...rest };
  const whole = members
    ? drawMembersSchedule(seed, servers, SECONDS)
    : drawSchedule(seed, servers, SECONDS, faults);
  const violationOf = (schedule: Schedule) => {
    const { violation } = run(schedule, variant);
    return violation !== null && invariants.includes(violation.invariant) ? violation : null;
  };
  const schedule = tellable(whole);
  const told = violationOf(schedule);
  // It may take just what no story can say.
  const isLess = schedule.actions.length < whole.actions.length;
  const violation = told ?? (isLess ? violationOf(whole) : null);
  if (violation === null) return null;
  fell();
  const { invariant, why } = violation;
  if (told === null) return { seed, invariant, why, story: null };
  const least = minimise(schedule, variant, invariant);
  const story = upToViolation(storyOf(least, variant, broken.name), invariants);
  return { seed, invariant, why, story };
}

/** As much of a story as it takes to violate one of these; null: it does not. */
function upToViolation(story: string, invariants: readonly number[]): string | null {
  const teller = new StoryTeller();
  const items = readScript(story);
  for (const [index, { text }] of items.entries()) {
    teller.obey(text);
    if (teller.violations.some(({ invariant }) => invariants.includes(invariant))) {
      return writeScript(items.slice(0, index + 1));
    }
  }
  return null;
}

/** The schedule without what no story can say: servers that are bad for ever from some event on. */
function tellable(schedule: Schedule): Schedule {
  const actions = schedule.actions.filter((action) => action.do !== 'spoil');
  return { ...schedule, actions };
}

/** What the run of a schedule does, as the commands of a story. */
export function storyOf(schedule: Schedule, variant: Variant, broken: string | null): string {
  const writer = new Writer(schedule, variant, broken);
  const events: TraceEvent[] = [];
  run(schedule, variant, (event) => events.push(event));
  writer.write(events);
  return writer.text;
}

interface Flying {
  readonly from: Uid;
  readonly to: Uid;
  readonly seq: number;
  readonly type: string;
}

/** Actions that a story has words for; what the network does shows in what arrives. */
const ACTIONS: { readonly [Do in Action['do']]?: (action: Action & { do: Do }) => string } = {
  pause: ({ uid }) => `pause ${uid}`,
  sleep: ({ uid }) => `sleep ${uid}`,
  'set clock': ({ uid, byMs }) => `set clock ${uid} by ${Math.round(byMs)}`,
  stop: ({ uid }) => `stop ${uid}`,
  'fail save': ({ uid, step }) => `fail save ${uid} at ${step}`,
  'flip bit': ({ uid }) => `flip a bit at ${uid}`,
  forge: ({ from, to, type }) => `forge ${from}->${to} ${type}`,
};
/** So that a bit is flipped after its server has been killed, which the same action does. */
const SHORTLY_AFTER_MS = 0.001;

type Crash = TraceEvent & { readonly event: 'crash' };

function sayCrash({ server, where, lost }: Crash): string {
  const at = where === 'now' ? '' : ` at ${where}`;
  if (lost === 'disk') return `lose disk ${server}${at}`;
  return `crash ${server}${at}${lost === null ? '' : ' with power cut'}`;
}

class Writer {
  readonly #commands: string[];
  readonly #leases: boolean;
  readonly #broken: string | null;
  readonly #withoutDisk = new Set<Uid>();
  #flying: Flying[] = [];
  #nowMs = 0;
  readonly #clients = new Map<string, string>();
  /** What is due apart from what the servers tell, earliest first. */
  readonly #actions: { readonly atMs: number; readonly command: string }[];

  constructor(schedule: Schedule, variant: Variant, broken: string | null) {
    const { leases, store, journal } = variant;
    const { seed, uids, founders, actions, clockRates, saveMs } = schedule;
    this.#leases = leases;
    this.#broken = broken;
    const rates = uids.filter((uid) => (clockRates[uid] ?? 1) !== 1);
    const kind = [
      ...(store === true ? ['of stores'] : []),
      ...(leases ? ['with leases'] : []),
      ...(journal === true ? ['with journals'] : []),
      ...(founders === undefined ? [] : ['with members', ...founders]),
      ...(rates.length > 0 ? ['clocks', ...rates.map((uid) => `${uid} ${clockRates[uid]}`)] : []),
    ];
    const slow = uids.filter((uid) => (saveMs[uid] ?? 0) > 0);
    this.#commands = [
      ['cluster', ...uids, ...kind, `seed ${seed}`].join(' '),
      ...(broken === null ? [] : [`break ${broken}`]),
      ...slow.map((uid) => `save takes ${saveMs[uid]} at ${uid}`),
    ];
    const planned = actions.flatMap((action) => {
      const say = ACTIONS[action.do] as ((action: Action) => string) | undefined;
      const atMs = action.atMs + (action.do === 'flip bit' ? SHORTLY_AFTER_MS : 0);
      return say === undefined ? [] : [{ atMs, command: say(action) }];
    });
    const ends = actions.flatMap((action) => {
      if (action.do === 'pause')
        return [{ atMs: action.atMs + action.forMs, command: `resume ${action.uid}` }];
      if (action.do === 'sleep')
        return [{ atMs: action.atMs + action.forMs, command: `wake ${action.uid}` }];
      return [];
    });
    this.#actions = [...planned, ...ends].sort((a, b) => a.atMs - b.atMs);
  }

  get text(): string {
    return `${this.#commands.join('\n\n')}\n`;
  }

  write(events: readonly TraceEvent[]): void {
    const arrivals = new Map<string, number>();
    const crashes = crashesIn(events);
    for (const event of events) {
      if (event.event !== 'receive' || event.from === null) continue;
      const key = `${event.from}${event.server}${event.seq}`;
      arrivals.set(key, (arrivals.get(key) ?? 0) + 1);
    }
    let turn = '';
    for (const event of events) {
      const name = `${event.server} ${event.turn}`;
      const isNewTurn = name !== turn;
      turn = name;
      if (isNewTurn) this.#beginTurn(event, crashes.get(name) ?? null);
      if (event.event === 'send') {
        for (const to of event.to) {
          const { seq, server: from, message } = event;
          this.#flying.push({ from, to, seq, type: message.type });
          const copies = (arrivals.get(`${from}${to}${seq}`) ?? 0) - 1;
          for (let copy = 0; copy < copies; copy += 1) this.#repeat(from, to, message.type);
        }
      }
    }
  }

  /** What makes this turn happen. Copies are made as soon as their original is sent. */
  #repeats: string[] = [];

  #repeat(from: Uid, to: Uid, type: string): void {
    const last = this.#flying.filter((it) => it.from === from && it.to === to && it.type === type);
    this.#repeats.push(`repeat ${from}->${to} ${type} ${ordinal(last.length)}`);
    const [copied] = last.slice(-1);
    if (copied !== undefined) this.#flying.push(copied);
  }

  #beginTurn(event: TraceEvent, dies: Crash | null): void {
    this.#commands.push(...this.#repeats.splice(0));
    this.#actUntil(event.at);
    this.#waitUntil(event.at);
    const crash = event.event === 'crash' ? event : dies;
    if (crash?.lost === 'disk') this.#withoutDisk.add(event.server);
    if (crash !== null) this.#commands.push(sayCrash(crash));
    if (event.event === 'start') this.#start(event);
    if (event.event === 'receive') this.#deliver(event);
  }

  /** With the layers that it had then, which need not be those of its cluster. */
  #start({ server, layers }: TraceEvent & { event: 'start' }): void {
    const hasLeases = layers.includes('MasterLeases');
    const named = (leases: boolean) => `switch to ${leases ? 'leases' : 'plain'}`;
    const isOther = hasLeases !== this.#leases;
    if (isOther) this.#commands.push(named(hasLeases));
    this.#commands.push(`${this.#withoutDisk.delete(server) ? 'rejoin' : 'start'} ${server}`);
    if (!isOther) return;
    this.#commands.push(named(this.#leases));
    if (this.#broken !== null) this.#commands.push(`break ${this.#broken}`);
  }

  #deliver({ server: to, from, seq, message }: TraceEvent & { event: 'receive' }): void {
    if (from === null) {
      const asked = this.#asked(to, message);
      if (asked !== null) this.#commands.push(asked);
      return;
    }
    const { type } = message;
    const alike = this.#flying.filter((it) => it.from === from && it.to === to && it.type === type);
    const place = alike.findIndex((it) => it.seq === seq);
    const flying = alike[place];
    if (flying === undefined) return;
    this.#commands.push(`deliver ${from}->${to} ${type} ${ordinal(place + 1)}`);
    this.#flying.splice(this.#flying.indexOf(flying), 1);
  }

  #asked(to: Uid, message: (TraceEvent & { event: 'receive' })['message']): string | null {
    switch (message.type) {
      case 'propose':
        return `submit ${to} ${writtenValue(message.value)}`;
      case 'request':
        return `request ${to} ${this.#client(message.requestId)} ${writtenValue(message.value)}`;
      case 'read':
        return `read ${to} ${this.#client(message.requestId)}${message.isLocal ? ' locally' : ''}`;
      case 'query':
        // What the store has by itself takes no part in anything.
        if (message.isLocal) return null;
        return `query ${to} ${this.#client(message.requestId)} ${writtenValue(message.query)}`;
      case 'transfer':
        return `transfer ${to} ${this.#client(message.requestId)} to ${message.to}`;
      case 'change':
        return `change ${to} ${this.#client(message.requestId)} ${wordsOf(message)}`;
      default:
        return null;
    }
  }

  #client(requestId: string): string {
    const session = requestId.split('-')[0] ?? '';
    const known = this.#clients.get(session) ?? `c${(this.#clients.size % 9) + 1}`;
    this.#clients.set(session, known);
    return known;
  }

  #actUntil(atMs: number): void {
    for (
      let next = this.#actions[0];
      next !== undefined && next.atMs <= atMs;
      next = this.#actions[0]
    ) {
      this.#waitUntil(next.atMs);
      this.#commands.push(next.command);
      this.#actions.shift();
    }
  }

  #waitUntil(atMs: number): void {
    if (atMs <= this.#nowMs) return;
    const waitMs = Math.ceil((atMs - this.#nowMs) * 1_000) / 1_000;
    this.#commands.push(`wait ${waitMs}`);
    this.#nowMs += waitMs;
  }
}

/** What a client wants of the members, in the words of a story. */
function wordsOf({ remove, vote, join, follow, isForced }: Change): string {
  const named = { join, vote, follow };
  return [
    ...(remove.length === 0 ? [] : [`remove ${remove.join(' ')}`]),
    ...Object.entries(named)
      .filter(([, places]) => Object.keys(places).length > 0)
      .map(([what, places]) => `${what} ${Object.keys(places).join(' ')}`),
    ...(isForced ? ['level or not'] : []),
  ].join(', ');
}

/** In which turns a server was killed. One that is down may lose more, but dies once. */
function crashesIn(events: readonly TraceEvent[]): ReadonlyMap<string, Crash> {
  const crashes = new Map<string, Crash>();
  for (const event of events) {
    const name = `${event.server} ${event.turn}`;
    if (event.event === 'crash' && !crashes.has(name)) crashes.set(name, event);
  }
  return crashes;
}
