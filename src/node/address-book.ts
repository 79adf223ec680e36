/**
 * Where the servers of a cluster are. The cluster file gives them hosts, and a host may be a name:
 * one that nobody knows yet, or one that means another machine tomorrow. So names are looked up
 * again while the program runs: what is unknown, after ever longer waits, and what is known, once
 * its server has been silent for long, or when somebody unknown speaks like a server.
 */
import { lookup as lookUpHost } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Uid } from '../composable-paxos.ts';
import type { Timer } from '../environment.ts';
import { type Address, type Cluster, canonicalHost, formatAddress } from './cluster-file.ts';
import { describe } from './failure.ts';
import { isLoopback } from './shared-key.ts';
import { familyOf } from './udp-socket.ts';

/** All IP addresses of a host, the preferred one first. Throws if there is none. */
export type Lookup = (host: string) => Promise<readonly string[]>;

/** What has become known of a server: where it is, or, with null, why that cannot be told. */
export interface AddressNews {
  readonly peer: Uid;
  readonly address: string | null;
  readonly why: string;
  /** When it is looked up again; null: not before it has been silent for long. */
  readonly againMs: number | null;
}

export interface BookOptions {
  readonly after: (delayMs: number, act: () => void) => Timer;
  readonly now: () => number;
  /** Hears what a person should know. */
  readonly tell: (news: AddressNews) => void;
  readonly lookup?: Lookup;
}

export const FIRST_WAIT_MS = 1_000;
export const LONGEST_WAIT_MS = 60_000;
/** A server that lives is heard more often than this. */
export const SILENT_AFTER_MS = 15_000;
/** However many strangers speak. */
export const DOUBT_AGAIN_AFTER_MS = 5_000;

interface Entry {
  readonly uid: Uid;
  readonly host: string;
  readonly port: number;
  addresses: readonly Address[];
  /** What its latest look-up has found, which another server may keep it from having. */
  found: readonly string[];
  heardAtMs: number;
  waitMs: number;
  timer: Timer | null;
  isBeingLookedUp: boolean;
}

export class AddressBook {
  readonly #entries = new Map<Uid, Entry>();
  readonly #options: BookOptions;
  readonly #lookup: Lookup;
  #owners: ReadonlyMap<string, Uid> = new Map();
  #doubtedAtMs = Number.NEGATIVE_INFINITY;
  #isClosed = false;

  /** A book of these servers. Nothing is looked up before `open`. */
  constructor(servers: Cluster, options: BookOptions) {
    this.#options = options;
    this.#lookup = options.lookup ?? systemLookup;
    for (const [uid, address] of servers) this.#entries.set(uid, entryOf(uid, address));
    this.#index();
  }

  /** This server is there from now on, whatever was known of it or of that address before. */
  meet(uid: Uid, address: Address): void {
    const known = this.#entries.get(uid);
    if (known?.host === address.host && known.port === address.port) return;
    known?.timer?.cancel();
    const entry = entryOf(uid, address);
    this.#entries.set(uid, entry);
    this.#takeFromOthers(entry);
    this.#index();
    if (entry.addresses.length === 0) void this.#lookUp(entry);
  }

  /** Looks all names up, once now, and from then on as often as it takes. Never throws. */
  async open(): Promise<void> {
    const named = [...this.#entries.values()].filter(({ host }) => isIP(host) === 0);
    await Promise.all(named.map((entry) => this.#lookUp(entry)));
  }

  /** Nothing is looked up any more. */
  close(): void {
    this.#isClosed = true;
    for (const { timer } of this.#entries.values()) timer?.cancel();
  }

  /** Where a server may be, the likeliest address first; empty: nobody knows. */
  addressesOf(uid: Uid): readonly Address[] {
    return this.#entries.get(uid)?.addresses ?? [];
  }

  /** Is there a server of this name? */
  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** Everything that is known now. */
  get allAddresses(): readonly Address[] {
    return [...this.#entries.values()].flatMap(({ addresses }) => addresses);
  }

  /** Whose address this is, written as by `formatAddress`; null: of no server. */
  ownerOf(address: string): Uid | null {
    return this.#owners.get(address) ?? null;
  }

  /** A server has spoken: it is where it was thought to be. */
  heard(uid: Uid): void {
    const entry = this.#entries.get(uid);
    if (entry === undefined) return;
    entry.heardAtMs = this.#options.now();
    entry.waitMs = FIRST_WAIT_MS;
  }

  /** Somebody unknown speaks like a server: it may be one whose name leads elsewhere by now. */
  doubt(): void {
    const now = this.#options.now();
    if (now < this.#doubtedAtMs + DOUBT_AGAIN_AFTER_MS) return;
    this.#doubtedAtMs = now;
    void this.open();
  }

  async #lookUp(entry: Entry): Promise<void> {
    if (entry.isBeingLookedUp) return;
    entry.isBeingLookedUp = true;
    try {
      const hosts = await this.#lookup(entry.host);
      if (!this.#isClosed) this.#learn(entry, hosts);
    } catch (error) {
      if (!this.#isClosed) this.#missed(entry, describe(error));
    }
    entry.isBeingLookedUp = false;
    if (!this.#isClosed) this.#lookUpLater(entry);
  }

  #lookUpLater(entry: Entry): void {
    const isKnown = entry.addresses.length > 0;
    const waitMs = waitMsOf(entry);
    entry.waitMs = Math.min(2 * entry.waitMs, LONGEST_WAIT_MS);
    entry.timer?.cancel();
    entry.timer = this.#options.after(waitMs, () => {
      const silentMs = this.#options.now() - entry.heardAtMs;
      if (isKnown && silentMs < SILENT_AFTER_MS) return this.#lookUpLater(entry);
      void this.#lookUp(entry);
    });
  }

  #learn(entry: Entry, hosts: readonly string[]): void {
    const { uid, port } = entry;
    const found = hosts.map((one) => ({ host: canonicalHost(one), port }));
    entry.found = found.map(formatAddress);
    const free = found.filter((address) => !this.#isTaken(formatAddress(address), uid));
    const [first] = free;
    if (first === undefined) {
      const where = entry.found.join(' ');
      return this.#missed(entry, `it would be at ${where}, and another server is there`);
    }
    const before = entry.addresses.map(formatAddress);
    entry.addresses = free;
    this.#takeFromOthers(entry);
    this.#index();
    const isNew = !before.includes(formatAddress(first));
    if (!isNew) return;
    const address = formatAddress(first);
    const was = before.length === 0 ? '' : `, no longer at ${before.join(' ')}`;
    const why = `server ${uid} is at ${address}${was}`;
    this.#options.tell({ peer: uid, address, why, againMs: null });
  }

  /** What was known before stays the best that is known. */
  #missed(entry: Entry, why: string): void {
    const { uid: peer, host } = entry;
    const what = `the host ${host} of server ${peer} is not found: ${why}`;
    this.#options.tell({ peer, address: null, why: what, againMs: waitMsOf(entry) });
  }

  /** Does another server have this address? Not one that its own name leads to elsewhere by now. */
  #isTaken(address: string, uid: Uid): boolean {
    return [...this.#entries.values()].some((other) => {
      const isThere = other.addresses.some((one) => formatAddress(one) === address);
      return other.uid !== uid && isThere && other.found.includes(address);
    });
  }

  #takeFromOthers({ uid, addresses }: Entry): void {
    const taken = addresses.map(formatAddress);
    for (const other of this.#entries.values()) {
      if (other.uid === uid) continue;
      other.addresses = other.addresses.filter((one) => !taken.includes(formatAddress(one)));
    }
  }

  /**
   * Whoever is at the loopback address of one family speaks to the other family from the
   * loopback address of that one, with the same port.
   */
  #index(): void {
    const owners = new Map<string, Uid>();
    const entries = [...this.#entries.values()];
    for (const { uid, addresses } of entries) {
      for (const { host, port } of addresses.filter(isLoopback)) {
        const other = familyOf(host) === 4 ? '::1' : '127.0.0.1';
        owners.set(formatAddress({ host: other, port }), uid);
      }
    }
    for (const { uid, addresses } of entries) {
      for (const address of addresses) owners.set(formatAddress(address), uid);
    }
    this.#owners = owners;
  }
}

function entryOf(uid: Uid, { host, port }: Address): Entry {
  const addresses = isIP(host) === 0 ? [] : [{ host, port }];
  const [heardAtMs, waitMs] = [Number.NEGATIVE_INFINITY, FIRST_WAIT_MS];
  const found = addresses.map(formatAddress);
  const rest = { addresses, found, heardAtMs, waitMs, timer: null, isBeingLookedUp: false };
  return { uid, host, port, ...rest };
}

/** A known server gets the time to speak before it is looked up again; others do not need it. */
function waitMsOf({ addresses, waitMs }: Entry): number {
  return addresses.length > 0 ? Math.max(SILENT_AFTER_MS, waitMs) : waitMs;
}

/** Asks the system. */
export async function systemLookup(host: string): Promise<readonly string[]> {
  const found = await lookUpHost(host, { all: true });
  return [...new Set(found.map(({ address }) => address))];
}
