/**
 * Schedules: what is done to a cluster, and when, as a list of plain actions. A schedule is drawn
 * from a seed before the run begins, and a list can be cut down: what is left of a failing
 * one when nothing more can be taken away is the story of the failure.
 *
 * Every seed draws its own mix of faults ("swarm testing", Groce et al., 2012): a run in which
 * everything happens at once hides the failures that need one kind of fault to be absent.
 */
import { MAX_REMEMBERED_CLIENTS } from '../chain.ts';
import type { Uid } from '../composable-paxos.ts';
import { LOOK_EVERY_MS } from '../master-strategy.ts';
import { type Asking, PATIENCE_MS, SETTLING_MS } from './clients.ts';
import { SAVE_STEPS, type SaveStep } from './disk.ts';
import { FORGERIES, type Forgery } from './forger.ts';
import { CRASH_POINTS, type CrashPoint } from './machine.ts';
import { type Conditions, FAIR_WEATHER, SLOW_WEATHER } from './network.ts';
import { Random } from './random.ts';

export type Action = { readonly atMs: number } & (
  | { readonly do: 'submit'; readonly to: Uid; readonly value: string }
  | ({ readonly do: 'ask' } & Asking)
  | {
      readonly do: 'crash';
      readonly uid: Uid;
      readonly point: CrashPoint;
      readonly power: boolean;
      /** How many times the point is passed before. */
      readonly skip: number;
      readonly downMs: number;
    }
  | {
      readonly do: 'lose disk';
      readonly uid: Uid;
      readonly point: CrashPoint;
      readonly skip: number;
      readonly downMs: number;
    }
  | {
      readonly do: 'fail save';
      readonly uid: Uid;
      readonly step: SaveStep;
      readonly downMs: number;
    }
  | { readonly do: 'flip bit'; readonly uid: Uid; readonly downMs: number }
  | { readonly do: 'forge'; readonly type: Forgery; readonly from: Uid; readonly to: Uid }
  | { readonly do: 'stop'; readonly uid: Uid; readonly downMs: number }
  | { readonly do: 'pause'; readonly uid: Uid; readonly forMs: number }
  | { readonly do: 'sleep'; readonly uid: Uid; readonly forMs: number }
  | { readonly do: 'set clock'; readonly uid: Uid; readonly byMs: number }
  /** A client wants `to` to be master, and says so to this server. */
  | { readonly do: 'transfer'; readonly uid: Uid; readonly to: Uid }
  /** A client asks this server first for other members, in some way that then makes sense. */
  | { readonly do: 'change'; readonly uid: Uid; readonly luck: number }
  /** All servers are killed, and start with master leases, or without, if they had them. */
  | { readonly do: 'switch'; readonly forMs: number }
  | { readonly do: 'cut'; readonly links: readonly (readonly [Uid, Uid])[]; readonly forMs: number }
  | { readonly do: 'weather'; readonly conditions: Partial<Conditions>; readonly forMs: number }
  | ({
      readonly do: 'spoil';
      readonly uid: Uid;
      /** It goes bad when it leads a round next, right before it asks the others to accept. */
      readonly asItLeads: boolean;
    } & Affliction)
);

/** What may be wrong with a server for ever. */
export type Affliction =
  | { readonly how: 'down'; readonly point: CrashPoint; readonly skip: number }
  | { readonly how: 'cut off' | 'deaf' | 'mute' | 'paused' | 'slow network' }
  /** Only this one still hears it, and it hears nobody. */
  | { readonly how: 'heard by one'; readonly by: Uid }
  | { readonly how: 'slow disk'; readonly saveMs: number };

/** Kinds of fault, each of which a seed may or may not have in its mix. */
export const FAULTS = [
  'loss',
  'duplication',
  'delay',
  'lateness',
  'cuts',
  'crashes',
  'power',
  'saves',
  'stops',
  'pauses',
  'sleeps',
  'clocks',
  'drift',
  'wild clocks',
  'transfers',
  'switches',
  'crowds',
  'rushes',
  'bad minority',
  'slow disks',
  'slow network',
  'lost disks',
  'bit flips',
  'forgeries',
  'mixed flags',
] as const;
export type Fault = (typeof FAULTS)[number];

export interface Schedule {
  readonly seed: number;
  readonly uids: readonly Uid[];
  /** Who votes until the members change, if that is not all. */
  readonly founders?: readonly Uid[];
  readonly clockRates: Readonly<Record<Uid, number>>;
  readonly faults: readonly Fault[];
  /** Started with leases where the others have none, or the other way round, until all heals. */
  readonly mistaken: readonly Uid[];
  readonly actions: readonly Action[];
  /** How the network is when nothing is wrong with it. */
  readonly climate: Conditions;
  /** How long a save takes, where that is worth mentioning. */
  readonly saveMs: Readonly<Record<Uid, number>>;
  /** From here on nothing goes wrong any more, but for servers that are spoiled for ever … */
  readonly healMs: number;
  /** … from here on a client that is as patient as `patienceMs` must be answered … */
  readonly peaceMs: number;
  readonly patienceMs: number;
  /** … by now whoever waited must have been served, and new values are fired … */
  readonly probeMs: number;
  /** … and by then everything must be level. */
  readonly endMs: number;
}

/** How far a clock may be off the true rate: the promise about leases holds up to this. */
export const MAX_DRIFT = 0.05;

/** By then a server that is awake has looked at its clocks, however slow they are … */
const LOOKED_AFTER_MS = 5 * LOOK_EVERY_MS;
/** … and where it may have to wait for its disk. */
const LOOKED_AFTER_SAVES_MS = 10_000;

const CROWD = MAX_REMEMBERED_CLIENTS + 10;
/** So many clients ask so much in a rush, each as fast as it is answered. */
const RUSH = 8;
const ASKED_IN_RUSH = 12;

/** Faults end after this share of the run; the rest is for healing. */
const FAULTY_SHARE = 0.5;
/** New values come after this share of the time for healing. */
const PROBE_SHARE = 0.75;
/** The others may have to wait for a master until the lease of a lost one is over, and renewed. */
const MINORITY_MS = 40_000;
/** A round of four saves or messages takes seconds; what had come to wait meanwhile, minutes. */
const SLOW_MS = 150_000;
/** Whoever waits in a slow cluster waits for several rounds of others. */
const SLOW_PATIENCE_MS = 60_000;
/**
 * So much longer takes the healing of lost disks. A server is as good as down until it has its vote
 * again, and if it is the one that the chain names as master, its lease must run out first.
 */
const LOST_DISK_MS = 30_000;
/** A clean stop may take so long, and none begins later than this before the healing. */
const STOP_MS = 2_500;

/**
 * Draws a schedule: `servers` servers for `seconds` virtual seconds. `faults` null: the mix, too,
 * is drawn from the seed.
 */
export function drawSchedule(
  seed: number,
  servers: number,
  seconds: number,
  faults: readonly Fault[] | null,
): Schedule {
  const uids = [...'ABCDEFGHI'].slice(0, servers);
  const mix = new Random(seed, 'mix');
  const drawn = faults ?? withoutContradiction(FAULTS.filter((fault) => mix.chance(oddsOf(fault))));
  const healMs = seconds * 1_000 * FAULTY_SHARE;
  const times = drawTimes(drawn, seconds * 1_000);
  const drift = new Random(seed, 'drift');
  const wild = drawn.includes('wild clocks') ? drawWild(new Random(seed, 'wild'), uids) : [];
  const rate = (uid: Uid) => {
    if (wild.includes(uid)) return 10 ** drift.between(-0.6, 0.6);
    return drawn.includes('drift') ? drift.between(1 - MAX_DRIFT, 1 + MAX_DRIFT) : 1;
  };
  const clockRates = Object.fromEntries(uids.map((uid) => [uid, rate(uid)]));
  const all = drawn.flatMap((fault) => drawFaults[fault](new Random(seed, fault), uids, healMs));
  // Only a mix with wild clocks has what leases cannot bear.
  const mayBeBlind = drawn.includes('wild clocks');
  const wrong = mayBeBlind ? all : all.filter((action) => !isBlindSetting(action, all, drawn));
  const asked = [
    ...drawLoad(seed, uids, healMs, isSlow(drawn)),
    ...drawClients(new Random(seed, 'clients'), uids, times, isSlow(drawn)),
  ];
  const lost = wrong.flatMap((action) => (isLost(action) ? [action.uid] : []));
  const useful = uids.filter((uid) => !lost.includes(uid));
  const flags = new Random(seed, 'flags');
  const mistaken = drawn.includes('mixed flags') ? uids.filter(() => flags.chance(0.5)) : [];
  const actions = [
    ...withQuietEnd(new Random(seed, 'quiet'), asked, wrong),
    ...drawProbes(new Random(seed, 'probes'), useful, times),
    ...wrong,
  ].sort((a, b) => a.atMs - b.atMs);
  const climate = drawn.includes('slow network') ? SLOW_WEATHER : FAIR_WEATHER;
  const saveMs = drawn.includes('slow disks') ? drawSaves(new Random(seed, 'disks'), uids) : {};
  return { seed, uids, clockRates, faults: drawn, mistaken, actions, climate, saveMs, ...times };
}

type Times = Pick<Schedule, 'healMs' | 'peaceMs' | 'patienceMs' | 'probeMs' | 'endMs'>;

/**
 * Once a minority has gone bad, most seeds leave the others alone: whoever is stuck is not
 * to be helped by what clients ask.
 */
function withQuietEnd(
  random: Random,
  asked: readonly Action[],
  wrong: readonly Action[],
): readonly Action[] {
  const spoilMs = wrong.find((action) => action.do === 'spoil')?.atMs;
  if (spoilMs === undefined || random.chance(0.3)) return asked;
  return asked.filter(({ atMs }) => atMs < spoilMs);
}

/** When what is to happen: a run of so many milliseconds, and longer if that takes its time. */
function drawTimes(faults: readonly Fault[], lengthMs: number): Times {
  const healMs = lengthMs * FAULTY_SHARE;
  const slowMs = isSlow(faults) ? SLOW_MS : 0;
  const minorityMs = faults.includes('bad minority') ? MINORITY_MS : 0;
  const moreMs = slowMs + minorityMs + (faults.includes('lost disks') ? LOST_DISK_MS : 0);
  const probeMs = healMs + PROBE_SHARE * (lengthMs - healMs) + moreMs;
  return {
    healMs,
    peaceMs: healMs + SETTLING_MS + moreMs,
    patienceMs: isSlow(faults) ? SLOW_PATIENCE_MS : PATIENCE_MS,
    probeMs,
    endMs: lengthMs + 1.5 * moreMs,
  };
}

function isSlow(faults: readonly Fault[]): boolean {
  return faults.includes('slow disks') || faults.includes('slow network');
}

/** A wall clock is set back, and its server may not see it before its machine sleeps. */
export function isBlindSetting(
  action: Action,
  actions: readonly Action[],
  faults: readonly Fault[],
): action is Action & { do: 'set clock' } {
  if (action.do !== 'set clock' || action.byMs >= 0) return false;
  const isSlow = faults.includes('slow disks') || faults.includes('bad minority');
  const lookedAfterMs = isSlow ? LOOKED_AFTER_SAVES_MS : LOOKED_AFTER_MS;
  return actions.some(
    (other) =>
      (other.do === 'sleep' || other.do === 'pause') &&
      other.uid === action.uid &&
      action.atMs >= other.atMs - lookedAfterMs &&
      action.atMs <= other.atMs + other.forMs + lookedAfterMs,
  );
}

function oddsOf(fault: Fault): number {
  if (fault === 'crowds') return 0.05; // there is much to do in these
  if (['rushes', 'slow disks', 'slow network'].includes(fault)) return 0.1; // and in these
  if (fault === 'mixed flags') return 0.1; // and little in these
  return fault === 'wild clocks' || fault === 'switches' ? 0.15 : 0.45;
}

/** In half of these mixes one clock is wild among good ones. */
function drawWild(random: Random, uids: readonly Uid[]): readonly Uid[] {
  const count = random.chance(0.5) ? 1 : 1 + random.below(uids.length);
  const first = random.below(uids.length);
  return [...uids.slice(first), ...uids.slice(0, first)].slice(0, count);
}

/**
 * Where all is slow, a crowd waits for ever, and so do those who rush. And whoever has lost its
 * disk needs a quorum of the others, who may be no more than that once a minority has gone bad.
 */
function withoutContradiction(faults: readonly Fault[]): readonly Fault[] {
  const isOut = (fault: Fault) =>
    (isSlow(faults) && (fault === 'crowds' || fault === 'rushes')) ||
    (faults.includes('bad minority') && fault === 'lost disks');
  return faults.filter((fault) => !isOut(fault));
}

const PROBE = 'healed-';

/** True of the values that are fired last, when all has been well for a while. */
export function isProbe(value: string): boolean {
  return value.startsWith(PROBE);
}

/** Values from clients, in bursts and singly, while faults rage. */
function drawLoad(seed: number, uids: readonly Uid[], healMs: number, isSlow: boolean): Action[] {
  const random = new Random(seed, 'load');
  const favourite = random.chance(0.5) ? random.pick(uids) : null;
  const count = isSlow ? 3 + random.below(6) : 10 + random.below(40);
  const actions: Action[] = [];
  let atMs = 0;
  for (let n = 1; n <= count; n += 1) {
    if (!random.chance(0.4)) atMs = random.between(0, healMs);
    const to = favourite !== null && random.chance(0.8) ? favourite : random.pick(uids);
    actions.push({ atMs, do: 'submit', to, value: `v${n}` });
  }
  return actions;
}

/**
 * The healed cluster hears of something new, so that everybody notices who is behind: all at once,
 * so that they hinder each other, or one by one, so that nobody is helped by the others' rounds.
 */
function drawProbes(random: Random, uids: readonly Uid[], { probeMs, endMs }: Times): Action[] {
  const gapMs = random.chance(0.5) ? 0 : (endMs - probeMs) / 3 / uids.length;
  return uids.map((to, index) => ({
    atMs: probeMs + index * gapMs,
    do: 'submit',
    to,
    value: PROBE + to,
  }));
}

function drawSaves(random: Random, uids: readonly Uid[]): Record<Uid, number> {
  const share = random.pick([0.3, 1]);
  const slow = uids.filter(() => random.chance(share));
  return Object.fromEntries(slow.map((uid) => [uid, random.between(500, 2_000)]));
}

/** Clients that wait for answers; some seeds have none. */
function drawClients(
  random: Random,
  uids: readonly Uid[],
  { healMs, peaceMs, patienceMs, probeMs }: Times,
  isSlow: boolean,
): Action[] {
  // Whoever asks again every moment clogs a cluster that needs seconds for an answer.
  const count = isSlow || random.chance(0.3) ? 0 : 1 + random.below(4);
  const names = Array.from({ length: count }, (_, index) => `c${index + 1}`);
  return names.flatMap((client): Action[] => {
    const asked = drawClient(client, random, uids, healMs);
    // A last read, long after all is healed, sees what has become of everything.
    const atMs = Math.max(peaceMs, probeMs - patienceMs);
    const options = { server: random.pick(uids), timeoutMs: patienceMs, mayMove: true };
    const question = { type: 'read', isLocal: false } as const;
    return [...asked, { atMs, do: 'ask', client, question, options }];
  });
}

/** What one client asks: at once after its last answer, or when it comes to think of it. */
function drawClient(
  client: string,
  random: Random,
  uids: readonly Uid[],
  healMs: number,
): Action[] {
  const favourite = random.chance(0.5) ? random.pick(uids) : null;
  const timeoutMs = 10 ** random.between(2.3, 3.9);
  const mayMove = random.chance(0.8);
  let atMs = random.between(0, healMs);
  return Array.from({ length: 4 + random.below(12) }, (_, n): Action => {
    if (!random.chance(0.4)) atMs = random.between(0, healMs);
    const options = { server: favourite ?? random.pick(uids), timeoutMs, mayMove };
    const question = drawQuestion(random, `${client}-${n + 1}`);
    return { atMs, do: 'ask', client, question, options };
  });
}

/** More clients come than the chain remembers, each for a single value. */
function drawCrowd(random: Random, uids: readonly Uid[], healMs: number): Action[] {
  const startMs = random.between(0, healMs / 2);
  return Array.from({ length: CROWD }, (_, n): Action => {
    const atMs = startMs + random.between(0, healMs / 4);
    const client = `d${n + 1}`;
    const options = { server: random.pick(uids), timeoutMs: 5_000, mayMove: true };
    return { atMs, do: 'ask', client, question: { type: 'request', value: client }, options };
  });
}

/** Several clients write and read at once, at all servers, without a pause. */
function drawRush(random: Random, uids: readonly Uid[], healMs: number): Action[] {
  const startMs = random.between(0, 0.8 * healMs);
  const clients = Array.from({ length: RUSH }, (_, index) => `e${index + 1}`);
  return clients.flatMap((client) => {
    const options = { server: random.pick(uids), timeoutMs: 5_000, mayMove: true };
    return Array.from({ length: ASKED_IN_RUSH }, (_, n): Action => {
      const question = drawQuestion(random, `${client}-${n + 1}`);
      return { atMs: startMs, do: 'ask', client, question, options };
    });
  });
}

function drawQuestion(random: Random, value: string): Asking['question'] {
  if (random.chance(0.5)) return { type: 'request', value };
  return { type: 'read', isLocal: random.chance(0.2) };
}

type Draw = (random: Random, uids: readonly Uid[], healMs: number) => Action[];

/** `count` to `2 * count` actions, at random times while faults rage. */
function several(count: number, random: Random, healMs: number, draw: (atMs: number) => Action) {
  const times = Array.from({ length: count + random.below(count + 1) }, () =>
    random.between(0, healMs),
  );
  return times.map(draw);
}

/** Weather for a while; of what it does not speak it changes nothing. */
function weather(random: Random, healMs: number, draw: () => Partial<Conditions>): Action[] {
  return several(2, random, healMs, (atMs) => ({
    atMs,
    do: 'weather',
    conditions: draw(),
    forMs: random.between(1_000, healMs - atMs + 1_000),
  }));
}

const drawFaults: Readonly<Record<Fault, Draw>> = {
  loss: (random, _, healMs) =>
    weather(random, healMs, () => ({ drop: random.between(0.02, random.chance(0.3) ? 0.6 : 0.3) })),
  duplication: (random, _, healMs) =>
    weather(random, healMs, () => ({ duplicate: random.between(0.05, 0.5) })),
  delay: (random, _, healMs) =>
    weather(random, healMs, () => ({ maxDelayMs: 10 ** random.between(0.5, 2.8) })),
  lateness: (random, _, healMs) =>
    weather(random, healMs, () => ({
      late: random.between(0.01, 0.2),
      lateMs: 10 ** random.between(2, 4.2),
    })),
  cuts: (random, uids, healMs) =>
    several(3, random, healMs, (atMs) => ({
      atMs,
      do: 'cut',
      links: drawCut(random, uids),
      forMs: 10 ** random.between(2, 4.3),
    })),
  crashes: (random, uids, healMs) =>
    several(4, random, healMs, (atMs) => drawCrash(random, uids, atMs, false)),
  power: (random, uids, healMs) =>
    several(4, random, healMs, (atMs) => drawCrash(random, uids, atMs, true)),
  saves: (random, uids, healMs) =>
    several(1, random, healMs, (atMs) => ({
      atMs,
      do: 'fail save',
      uid: random.pick(uids),
      step: random.pick(SAVE_STEPS),
      downMs: drawDownMs(random),
    })),
  stops: (random, uids, healMs) =>
    several(2, random, Math.max(0, healMs - STOP_MS), (atMs) => ({
      atMs,
      do: 'stop',
      uid: random.pick(uids),
      downMs: STOP_MS + drawDownMs(random),
    })),
  pauses: (random, uids, healMs) =>
    several(2, random, healMs, (atMs) => ({
      atMs,
      do: 'pause',
      uid: random.pick(uids),
      forMs: 10 ** random.between(1.5, 4.2),
    })),
  sleeps: (random, uids, healMs) =>
    several(1, random, healMs, (atMs) => ({
      atMs,
      do: 'sleep',
      uid: random.pick(uids),
      forMs: 10 ** random.between(2, 4.3),
    })),
  clocks: (random, uids, healMs) =>
    several(3, random, healMs, (atMs) => ({
      atMs,
      do: 'set clock',
      uid: random.pick(uids),
      byMs: random.between(-1, 1) * 10 ** random.between(1, 5),
    })),
  drift: () => [],
  'wild clocks': () => [],
  transfers: (random, uids, healMs) =>
    several(4, random, healMs, (atMs) => ({
      atMs,
      do: 'transfer',
      uid: random.pick(uids),
      to: random.pick(uids),
    })),
  switches: (random, _, healMs) =>
    several(1, random, healMs, (atMs) => ({
      atMs,
      do: 'switch',
      forMs: 10 ** random.between(2, 4.3),
    })),
  crowds: drawCrowd,
  rushes: drawRush,
  'bad minority': drawMinority,
  'slow disks': () => [],
  'slow network': () => [],
  'lost disks': (random, uids, healMs) =>
    several(2, random, healMs, (atMs) => ({
      atMs,
      do: 'lose disk',
      uid: random.pick(uids),
      point: random.pick(CRASH_POINTS),
      skip: random.below(3),
      downMs: drawDownMs(random),
    })),
  'mixed flags': () => [],
  'bit flips': (random, uids, healMs) =>
    several(1, random, healMs, (atMs) => ({
      atMs,
      do: 'flip bit',
      uid: random.pick(uids),
      downMs: drawDownMs(random),
    })),
  forgeries: (random, uids, healMs) =>
    several(2, random, healMs, (atMs) => ({
      atMs,
      do: 'forge',
      type: random.pick(FORGERIES),
      from: random.pick(uids),
      to: random.pick(uids),
    })),
};

/** Whether this makes a server of no use to anybody; one that is only slow may even be master. */
function isLost(action: Action): action is Action & { do: 'spoil' } {
  return action.do === 'spoil' && action.how !== 'slow disk' && action.how !== 'slow network';
}

/**
 * Fewer than half of the servers get something that never gets better, in the middle of a round:
 * just before, values are fired at them, and often some links are cut until all else is healed.
 */
function drawMinority(random: Random, uids: readonly Uid[], healMs: number): Action[] {
  const most = Math.floor((uids.length - 1) / 2);
  if (most === 0) return [];
  const bad = new Set<Uid>();
  const count = 1 + random.below(most);
  while (bad.size < count) bad.add(random.pick(uids));
  const roundMs = 10 ** random.between(0.3, 3.7); // as long as a round may take, slow ones, too
  const middleMs = Math.max(roundMs, healMs * random.between(0.5, 1));
  const spoils = [...bad].map((uid): Action => {
    const others = uids.filter((other) => other !== uid);
    const asItLeads = random.chance(0.5);
    const atMs = asItLeads ? middleMs - roundMs : middleMs;
    return { atMs, do: 'spoil', uid, asItLeads, ...drawAffliction(random, others) };
  });
  const askers = [random.pick([...bad]), ...(random.chance(0.4) ? [random.pick(uids)] : [])];
  const values = askers.map((to, index): Action => {
    const atMs = middleMs - random.between(0, roundMs);
    return { atMs, do: 'submit', to, value: `middle-${index}` };
  });
  const atMs = middleMs - random.between(0, roundMs);
  const links = drawCut(random, uids);
  const cut: Action = { atMs, do: 'cut', links, forMs: healMs - atMs };
  return [...values, ...(random.chance(0.4) ? [cut] : []), ...spoils];
}

function drawAffliction(random: Random, others: readonly Uid[]): Affliction {
  const how = random.pick([
    'down',
    'cut off',
    'deaf',
    'mute',
    'heard by one',
    'paused',
    'slow disk',
    'slow network',
  ] as const);
  if (how === 'down')
    return { how, point: random.pick(CRASH_POINTS.slice(1)), skip: random.below(3) };
  if (how === 'heard by one') return { how, by: random.pick(others) };
  if (how === 'slow disk') return { how, saveMs: random.between(500, 2_000) };
  return { how };
}

function drawCrash(random: Random, uids: readonly Uid[], atMs: number, mayCut: boolean): Action {
  return {
    atMs,
    do: 'crash',
    uid: random.pick(uids),
    point: random.pick(CRASH_POINTS),
    power: mayCut && random.chance(0.7),
    skip: random.below(3),
    downMs: drawDownMs(random),
  };
}

/** Some come back before anybody notices, some only after a lease has run out. */
function drawDownMs(random: Random): number {
  return 10 ** random.between(0.5, 4.2);
}

/** One direction of one link, one server from all others, or a partition into two. */
function drawCut(random: Random, uids: readonly Uid[]): [Uid, Uid][] {
  const isLeft = new Map(uids.map((uid) => [uid, random.chance(0.5)]));
  const loner = random.pick(uids);
  const kind = random.below(3);
  const pairs = uids.flatMap((a) => uids.filter((b) => b !== a).map((b): [Uid, Uid] => [a, b]));
  if (kind === 0) return pairs.length === 0 ? [] : [random.pick(pairs)];
  if (kind === 1) return pairs.filter(([a, b]) => a === loner || b === loner);
  return pairs.filter(([a, b]) => isLeft.get(a) !== isLeft.get(b));
}
