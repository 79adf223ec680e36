/**
 * What a chaos run does to its cluster, drawn from a seed before it begins: which faults, in which
 * order, for how long. Most of them come one after the other, some before the last one is over.
 */
import type { Uid } from '../../composable-paxos.ts';
import { LEASE_WINDOW_MS, STAND_WITHIN_MS } from '../../master-strategy.ts';
import type { NetworkFaults } from '../../node/udp-messenger.ts';
import { Random } from '../../simulation/random.ts';
import type { Direction } from './udp-relay.ts';

/** Whom a fault befalls: this server, or rather the master, if one is known then. */
export interface Victim {
  readonly uid: Uid;
  readonly orMaster: boolean;
}

/** Which datagrams of a server get lost: those to it, those from it, or both. */
export type Way = 'in' | 'out' | 'both';

/** It begins `afterMs` after the one before it has begun, and lasts for `forMs`. */
export type PlannedFault = {
  readonly afterMs: number;
  readonly forMs: number;
  /** It is worth waiting until there is a master that it can befall. */
  readonly needsMaster: boolean;
} & (
  | { readonly do: 'kill' | 'stop' | 'pause'; readonly victim: Victim }
  | { readonly do: 'isolate'; readonly victim: Victim; readonly way: Way }
  | { readonly do: 'cut'; readonly directions: readonly Direction[] }
  | { readonly do: 'kill all' }
  | { readonly do: 'weather'; readonly weather: NetworkFaults }
);

export interface Plan {
  /** How badly the datagrams of every server fare from the beginning to the end. */
  readonly serverFaults: NetworkFaults;
  readonly faults: readonly PlannedFault[];
}

type Deed<Fault = PlannedFault> = Fault extends unknown
  ? Omit<Fault, 'afterMs' | 'forMs' | 'needsMaster'>
  : never;

/** Each is drawn once, in random order, before any is drawn again. */
const DECK = [
  'kill',
  'kill',
  'stop',
  'pause',
  'pause',
  'isolate',
  'isolate',
  'cut',
  'partition',
  'weather',
  'kill all',
] as const;
type Card = (typeof DECK)[number];

const SHORTEST_FAULT_MS = 100;
const LONGEST_FAULT_MS = 6_000;
const SHORTEST_GAP_MS = 300;
const LONGEST_GAP_MS = 1_500;
const HOW_OFTEN_APART = 0.7;

/** A run of this length has time for what befalls a master until long after its lease. */
const SET_PIECES_FROM_MS = 45_000;
/** At which share of the run each of them comes up. */
const SET_PIECES_AT = [0.08, 0.36, 0.64] as const;
/** By then the others have waited the lease out, and one of them is master. */
const BEYOND_LEASE_MS = LEASE_WINDOW_MS + STAND_WITHIN_MS;
const ELECTION_MS = 1_000;

/** What only a network with an owner can do. */
const OF_RELAY: readonly PlannedFault['do'][] = ['isolate', 'cut', 'weather'];

/** Draws the plan of a run of `endMs` milliseconds. The same seed makes the same plan. */
export function drawPlan(
  seed: number,
  uids: readonly Uid[],
  endMs: number,
  hasLeases: boolean,
  hasRelay = true,
): Plan {
  const ways = new Random(seed, 'servers');
  const serverFaults = {
    drop: ways.chance(0.7) ? ways.between(0, 0.1) : 0,
    duplicate: ways.chance(0.7) ? ways.between(0, 0.2) : 0,
    minDelayMs: 0,
    maxDelayMs: ways.chance(0.7) ? Math.round(ways.between(1, 40)) : 0,
  };
  const faults = new FaultPlan(new Random(seed, 'faults'), uids, endMs, hasLeases).draw();
  const isPossible = ({ do: what }: PlannedFault) => hasRelay || !OF_RELAY.includes(what);
  return { serverFaults, faults: faults.filter(isPossible) };
}

class FaultPlan {
  readonly #random: Random;
  readonly #uids: readonly Uid[];
  readonly #endMs: number;
  readonly #hasLeases: boolean;
  readonly #faults: PlannedFault[] = [];
  #deck: Card[] = [];
  #atMs = 0;
  /** From the beginning of the last fault to that of the next one. */
  #waitMs = 0;

  constructor(random: Random, uids: readonly Uid[], endMs: number, hasLeases: boolean) {
    this.#random = random;
    this.#uids = uids;
    this.#endMs = endMs;
    this.#hasLeases = hasLeases;
  }

  draw(): readonly PlannedFault[] {
    const hasTime = this.#hasLeases && this.#endMs >= SET_PIECES_FROM_MS;
    const pieces = hasTime ? this.#drawSetPieces() : [];
    this.#waitMs = this.#gapMs();
    while (this.#atMs + this.#waitMs < this.#endMs) {
      const share = SET_PIECES_AT[SET_PIECES_AT.length - pieces.length] ?? 1;
      const piece = this.#atMs < share * this.#endMs ? undefined : pieces.shift();
      if (piece === undefined) this.#addCard(this.#nextCard());
      else this.#add(piece, this.#setPieceMs(piece), true);
    }
    return this.#faults;
  }

  /** What is known to have gone wrong with masters: killed, cut off, asleep beyond the lease. */
  #drawSetPieces(): Deed[] {
    const victim = () => ({ uid: this.#random.pick(this.#uids), orMaster: true });
    return shuffled(this.#random, [
      { do: 'kill', victim: victim() },
      { do: 'pause', victim: victim() },
      { do: 'isolate', victim: victim(), way: 'both' },
    ] as const);
  }

  #setPieceMs({ do: what }: Deed): number {
    if (what === 'kill') return this.#random.between(ELECTION_MS, 4 * ELECTION_MS);
    return BEYOND_LEASE_MS + this.#random.between(0.5, 1.5) * ELECTION_MS;
  }

  #nextCard(): Card {
    if (this.#deck.length === 0) {
      const isAlone = this.#uids.length === 1;
      const needsPeers: readonly Card[] = ['isolate', 'cut', 'partition', 'weather'];
      const deck = DECK.filter((card) => !isAlone || !needsPeers.includes(card));
      this.#deck = shuffled(this.#random, deck);
    }
    return this.#deck.pop() ?? 'kill';
  }

  #addCard(card: Card): void {
    const random = this.#random;
    // Short and long ones, and most of them short; in a short run no long ones.
    const longestMs = Math.min(LONGEST_FAULT_MS, this.#endMs / 4);
    const forMs = SHORTEST_FAULT_MS * (longestMs / SHORTEST_FAULT_MS) ** random.next();
    this.#add(this.#deedOf(card), forMs, false);
  }

  #deedOf(card: Card): Deed {
    const random = this.#random;
    const victim = { uid: random.pick(this.#uids), orMaster: random.chance(0.5) };
    switch (card) {
      case 'kill':
      case 'stop':
      case 'pause':
        return { do: card, victim };
      case 'isolate':
        return { do: card, victim, way: random.pick(['in', 'out', 'both']) };
      case 'cut':
        return { do: 'cut', directions: [random.pick(this.#directions())] };
      case 'partition':
        return { do: 'cut', directions: this.#drawPartition() };
      case 'kill all':
        return { do: card };
      case 'weather':
        return { do: card, weather: drawWeather(random) };
    }
  }

  #directions(): Direction[] {
    const uids = this.#uids;
    return uids.flatMap((a) => uids.filter((b) => b !== a).map((b): Direction => [a, b]));
  }

  /** Two groups, and nothing between them. */
  #drawPartition(): readonly Direction[] {
    const order = shuffled(this.#random, this.#uids);
    const group = order.slice(0, 1 + this.#random.below(order.length - 1));
    return this.#directions().filter(([a, b]) => group.includes(a) !== group.includes(b));
  }

  #add(deed: Deed, forMs: number, needsMaster: boolean): void {
    this.#faults.push({ ...deed, afterMs: this.#waitMs, forMs, needsMaster });
    this.#atMs += this.#waitMs;
    const isApart = needsMaster || this.#random.chance(HOW_OFTEN_APART);
    this.#waitMs = (isApart ? forMs : 0) + this.#gapMs();
  }

  #gapMs(): number {
    return this.#random.between(SHORTEST_GAP_MS, LONGEST_GAP_MS);
  }
}

function drawWeather(random: Random): NetworkFaults {
  return {
    drop: random.between(0, 0.5),
    duplicate: random.between(0, 0.5),
    minDelayMs: 0,
    maxDelayMs: 10 ** random.between(0.5, 2.5),
  };
}

function shuffled<T>(random: Random, cards: readonly T[]): T[] {
  const keyed = cards.map((card) => ({ card, key: random.next() }));
  return keyed.sort((a, b) => a.key - b.key).map(({ card }) => card);
}
