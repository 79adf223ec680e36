/**
 * The network of a real server: a UDP socket for everything that it sends and receives, and one
 * more if its peers have addresses of both families, IPv4 and IPv6.
 *
 * Peers are known by the address that a datagram comes from. Whoever else sends something is a
 * client, and may say what clients say. With a shared key, every datagram is sealed, and the
 * seal tells who sent it, wherever it comes from. A datagram between servers names the
 * cluster of its sender, and a server that means another one is not believed.
 */
import type { KeyObject } from 'node:crypto';
import type { Socket } from 'node:dgram';
import { setTimeout as pause } from 'node:timers/promises';
import { isBatch, isUpdate, type Link, type Roster } from '../chain.ts';
import type { Uid } from '../composable-paxos.ts';
import type { ClientAddress, Messenger } from '../environment.ts';
import {
  type ClientMessage,
  decodeDatagram,
  encodeDatagram,
  encodedBytes,
  isClientMessage,
  isPeerMessage,
  MAX_DATAGRAM_BYTES,
  type Message,
  type Names,
  type PeerMessage,
  type Reply,
} from '../messages.ts';
import type { WorldEvent } from '../trace/events.ts';
import { AddressBook, type AddressNews, type Lookup, systemLookup } from './address-book.ts';
import {
  type Address,
  addressOf,
  type Cluster,
  canonicalHost,
  formatAddress,
  splitAddress,
} from './cluster-file.ts';
import { codeOf, describe, Failure, UsageError } from './failure.ts';
import { type Envelope, isClientName, sealer } from './sealed-datagrams.ts';
import { isLoopback } from './shared-key.ts';
import { Throttle } from './throttle.ts';
import type { Turns } from './turns.ts';
import { type Family, familyOf, openSocket } from './udp-socket.ts';

/** How badly the datagrams to the peers fare, on purpose. */
export interface NetworkFaults {
  /** The probability that a datagram is lost, and that it is sent twice, from 0 to 1. */
  readonly drop: number;
  readonly duplicate: number;
  /** Every copy waits for a random time between these, in milliseconds. */
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
}

/** What keeps strangers out. */
export interface Protection {
  /** The key that servers and clients share; null: there is none. */
  readonly key: KeyObject | null;
  /** Without a key: may it listen where other machines can reach it? */
  readonly trustsNetwork: boolean;
}

const NO_PROTECTION: Protection = { key: null, trustsNetwork: false };

export interface MessengerOptions {
  readonly faults: NetworkFaults;
  readonly protection?: Protection;
  /** Where to listen, if that is not where the others send to; null: it is. */
  readonly listen?: Address | null;
  readonly lookup?: Lookup;
}

/** Whoever gets what arrives: a replica. */
export interface Receiver {
  /** What it calls its cluster, for good. */
  readonly cluster: string;
  /** Whom a datagram may name, if that is more than the cluster file does. */
  readonly names?: Names;
  /** Where the members are, if they may be elsewhere than the cluster file says. */
  readonly members?: Roster | null;
  receive(from: Uid, message: PeerMessage): void;
  receiveFromClient(client: ClientAddress, message: ClientMessage): void;
}

/** What an accept holds beside the value, and its seal, take less than this. */
const ROOM_BESIDE_VALUE_BYTES = 512;
const BAD_NEWS_PER_SECOND = 10;
const LOOKUP_PATIENCE_MS = 1_000;

type Reject = Extract<WorldEvent, { event: 'reject' }>;
type Lost = Extract<WorldEvent, { event: 'lost' }>;

export class UdpMessenger implements Messenger {
  readonly #uid: Uid;
  readonly #uids: readonly Uid[];
  /** The members that the book knows of. */
  #met: Roster | null = null;
  readonly #book: AddressBook;
  /** Where it listens, the address at which it must first of all. */
  readonly #own: readonly Address[];
  readonly #sockets = new Map<Family, Socket>();
  /** Some systems send no longer datagrams than this, though IP would carry them. */
  #longestBytes = Number.POSITIVE_INFINITY;
  /** The families of which there is no socket, and why. */
  readonly #failed = new Map<Family, string>();
  readonly #envelope: Envelope;
  readonly #faults: NetworkFaults;
  readonly #turns: Turns;
  readonly #delayed = new Set<NodeJS.Timeout>();
  readonly #rejects: Throttle<Reject>;
  readonly #losses: Throttle<Lost>;
  #receiver: Receiver | null = null;
  /** What the receiver calls its cluster: a text that is put together, for every datagram. */
  #cluster: string | null = null;
  #seq = 0;
  #isClosed = false;

  private constructor(
    uid: Uid,
    cluster: Cluster,
    own: readonly Address[],
    turns: Turns,
    { faults, protection = NO_PROTECTION, lookup = systemLookup }: MessengerOptions,
  ) {
    this.#uid = uid;
    this.#uids = [...cluster.keys()];
    this.#own = own;
    this.#envelope = sealer(protection.key, uid);
    this.#faults = faults;
    this.#turns = turns;
    const after = turns.after.bind(turns);
    // A server does not send to itself over the network.
    const peers = new Map([...cluster].filter(([peer]) => peer !== uid));
    const tell = (news: AddressNews) => turns.run(() => this.#hearNews(news));
    this.#book = new AddressBook(peers, { after, now: () => performance.now(), tell, lookup });
    const trace = turns.trace.bind(turns);
    this.#rejects = new Throttle<Reject>(BAD_NEWS_PER_SECOND, after, trace);
    this.#losses = new Throttle<Lost>(BAD_NEWS_PER_SECOND, after, trace);
  }

  /**
   * Binds the port of server `uid`, so that no second server can run under this uid here. Peers
   * whose names nobody knows yet are looked up again while it runs. Throws a `Failure` with what
   * to do next; a `UsageError` if strangers could reach it and nothing would keep them out.
   */
  static async open(
    uid: Uid,
    cluster: Cluster,
    turns: Turns,
    options: MessengerOptions,
  ): Promise<UdpMessenger> {
    const { protection = NO_PROTECTION, lookup = systemLookup } = options;
    const own = await ownAddresses(uid, options.listen ?? addressOf(cluster, uid), lookup);
    for (const address of own) checkProtection(address, protection);
    const messenger = new UdpMessenger(uid, cluster, own, turns, options);
    try {
      await messenger.#open();
    } catch (error) {
      messenger.close();
      throw error;
    }
    return messenger;
  }

  /** From now on every datagram is a turn of `receiver`. */
  deliverTo(receiver: Receiver): void {
    this.#receiver = receiver;
    this.#cluster = receiver.cluster;
    for (const socket of this.#sockets.values()) this.#listenTo(socket);
  }

  send(to: readonly Uid[], message: PeerMessage): void {
    if (this.#isClosed) return;
    this.#meetMembers();
    this.#seq += 1;
    const seq = this.#seq;
    const bytes = encodeDatagram(seq, message, this.#cluster);
    this.#turns.trace({ event: 'send', to, seq, message });

    const dropped = to.filter(() => Math.random() < this.#faults.drop);
    if (dropped.length > 0) {
      this.#turns.trace({ event: 'lost', to: dropped, seq, why: 'dropped on purpose' });
    }
    for (const peer of to) {
      if (!dropped.includes(peer)) this.#sendCopies(peer, bytes, seq);
    }
  }

  canCarry(link: Link): boolean {
    return this.#longestBytes >= MAX_DATAGRAM_BYTES || isShortEnough(link, this.#longestBytes);
  }

  reply(to: ClientAddress, message: Reply): void {
    if (this.#isClosed) return;
    this.#seq += 1;
    const seq = this.#seq;
    this.#turns.trace({ event: 'reply', to, seq, message });
    const [address = '', name = ''] = to.split('/');
    const { host, port } = splitAddress(address);
    const bytes = this.#envelope.seal(name, encodeDatagram(seq, message));
    this.#sendBytes({ host, port }, bytes, (why) => {
      this.#losses.report({ event: 'lost', to: [], seq, why: `an answer to a client: ${why}` });
    });
  }

  /** Nothing is sent or received any more, not even what was delayed on purpose. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const timeout of this.#delayed) clearTimeout(timeout);
    this.#rejects.stop();
    this.#losses.stop();
    this.#book.close();
    for (const socket of this.#sockets.values()) socket.close();
  }

  async #open(): Promise<void> {
    const [first] = this.#own;
    if (first === undefined) throw new Error('a server listens somewhere');
    try {
      await this.#openSocket(first);
    } catch (error) {
      throw new Failure(whyNotBound(error, first));
    }
    for (const other of this.#own.slice(1)) await this.#tryToOpen(other);
    await this.#openForPeers();
    // Names that take longer than this become known while the server runs.
    await Promise.race([this.#book.open(), pause(LOOKUP_PATIENCE_MS, null, { ref: false })]);
    await this.#openForPeers();
  }

  /** A socket for each family of which only the peers have addresses. */
  async #openForPeers(): Promise<void> {
    const [first] = this.#own;
    if (first === undefined) return;
    for (const family of new Set(this.#book.allAddresses.map(({ host }) => familyOf(host)))) {
      if (this.#sockets.has(family) || this.#failed.has(family)) continue;
      await this.#tryToOpen(twinOf(first, family));
    }
  }

  /** Whoever can be reached only by way of a socket that cannot be had counts as unreachable. */
  async #tryToOpen(address: Address): Promise<void> {
    const family = familyOf(address.host);
    if (this.#sockets.has(family)) return;
    try {
      await this.#openSocket(address);
    } catch (error) {
      this.#failed.set(family, whyNotBound(error, address));
    }
  }

  async #openSocket(address: Address): Promise<void> {
    const socket = await openSocket(address);
    if (this.#isClosed) return void socket.close();
    this.#sockets.set(familyOf(address.host), socket);
    this.#longestBytes = Math.min(this.#longestBytes, socket.getSendBufferSize());
    // The system's word that an earlier datagram found nobody: a datagram may be lost.
    socket.on('error', (error) => {
      this.#turns.run(() => this.#reject('the network', describe(error)));
    });
    this.#listenTo(socket);
  }

  #listenTo(socket: Socket): void {
    const receiver = this.#receiver;
    if (receiver === null) return;
    socket.on('message', (bytes, { address: host, port }) => {
      this.#turns.run(() => this.#receive(receiver, bytes, { host, port }));
    });
  }

  /** These servers are there, by the word of one that was asked. */
  meet(cluster: Cluster): void {
    for (const [uid, address] of cluster) if (uid !== this.#uid) this.#book.meet(uid, address);
    void this.#openForPeers();
  }

  /** What the chain says of addresses comes before what a file says. */
  #meetMembers(): void {
    const members = this.#receiver?.members ?? null;
    if (members === null || members === this.#met) return;
    this.#met = members;
    for (const [uid, { address }] of Object.entries(members)) {
      const { host, port } = splitAddress(address);
      if (uid !== this.#uid) this.#book.meet(uid, { host: canonicalHost(host), port });
    }
    void this.#openForPeers();
  }

  /** What is missing before the server starts is looked up, and told, again. */
  #hearNews({ peer, address, why, againMs }: AddressNews): void {
    const again = againMs === null ? '' : `; it is looked up again in ${againMs / 1_000} s`;
    const news = { event: 'address', peer, address, why: `${why}${again}` } as const;
    if (this.#receiver !== null) this.#turns.trace(news);
    void this.#openForPeers();
  }

  /** The first of its addresses that there is a socket for, of our own family if possible. */
  #addressOf(peer: Uid): Address | null {
    const addresses = this.#book.addressesOf(peer);
    const reachable = [...this.#sockets.keys()].flatMap((family) =>
      addresses.filter(({ host }) => familyOf(host) === family),
    );
    return reachable[0] ?? null;
  }

  #whyUnreachable(peer: Uid): string {
    const [address] = this.#book.addressesOf(peer);
    if (address === undefined) return `the host of server ${peer} is not found`;
    return this.#failed.get(familyOf(address.host)) ?? `there is no way to ${peer} yet`;
  }

  #sendCopies(peer: Uid, bytes: Uint8Array, seq: number): void {
    const { duplicate, minDelayMs, maxDelayMs } = this.#faults;
    const copies = Math.random() < duplicate ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      if (maxDelayMs === 0) {
        this.#sendNow(peer, bytes, seq);
        continue;
      }
      const delayMs = minDelayMs + Math.random() * (maxDelayMs - minDelayMs);
      const timeout = setTimeout(() => {
        this.#delayed.delete(timeout);
        this.#sendNow(peer, bytes, seq);
      }, delayMs);
      this.#delayed.add(timeout);
    }
  }

  #sendNow(peer: Uid, bytes: Uint8Array, seq: number): void {
    const lose = (why: string) => {
      this.#losses.report({ event: 'lost', to: [peer], seq, why });
    };
    const address = this.#addressOf(peer);
    if (address === null) return this.#later(() => lose(this.#whyUnreachable(peer)));
    // Sealed only now, and each copy by itself: a seal is believed once, and not for ever.
    this.#sendBytes(address, this.#envelope.seal(peer, bytes), lose);
  }

  /** `lose` hears, in a turn of its own, why the datagram certainly does not arrive. */
  #sendBytes({ host, port }: Address, bytes: Uint8Array, lose: (why: string) => void): void {
    const socket = this.#sockets.get(familyOf(host));
    if (socket === undefined) {
      return this.#later(() => lose(`there is no socket to reach ${host} from`));
    }
    socket.send(bytes, port, host, (error) => {
      if (error !== null) this.#turns.run(() => lose(describe(error)));
    });
  }

  #later(act: () => void): void {
    setImmediate(() => this.#turns.run(act));
  }

  #receive(receiver: Receiver, bytes: Uint8Array, source: Address): void {
    this.#meetMembers();
    const address = formatAddress(source);
    const owner = this.#book.ownerOf(address);
    // A forger can leave the port out, and the system refuses to send anything there.
    if (source.port === 0) return this.#reject(address, 'nobody can be answered at port 0');
    const opened = this.#envelope.open(bytes, (name) => {
      return this.#book.has(name) || (owner === null && isClientName(name));
    });
    if ('rejected' in opened) return this.#reject(owner ?? address, opened.rejected);
    if ('answers' in opened) return this.#sendBack(source, opened.answers);
    const decoded = decodeDatagram(opened.body, receiver.names ?? this.#uids, this.#cluster);
    if ('rejected' in decoded) return this.#reject(owner ?? address, decoded.rejected);

    const { seq, message } = decoded;
    const peer = this.#book.has(opened.from ?? '') ? opened.from : owner;
    if (peer === null) {
      const client = opened.from === null ? address : `${address}/${opened.from}`;
      return this.#receiveFromClient(receiver, client, seq, message);
    }
    if (!isPeerMessage(message))
      return this.#reject(peer, `servers do not say ${message.type} to each other`);
    this.#book.heard(peer);
    this.#turns.trace({ event: 'receive', from: peer, seq, message });
    receiver.receive(peer, message);
  }

  /** What the envelopes of both ends have to settle. If it gets lost, it comes up again. */
  #sendBack(to: Address, answers: readonly Uint8Array[]): void {
    for (const bytes of answers) this.#sendBytes(to, bytes, () => {});
  }

  #receiveFromClient(
    receiver: Receiver,
    client: ClientAddress,
    seq: number,
    message: Message,
  ): void {
    if (!isClientMessage(message)) {
      this.#book.doubt();
      return this.#reject(client, `only a server may say ${message.type}, and none is there`);
    }
    this.#turns.trace({ event: 'receive', from: null, seq, message });
    receiver.receiveFromClient(client, message);
  }

  #reject(from: string, why: string): void {
    this.#rejects.report({ event: 'reject', from, why });
  }
}

/** Whether an accept with this link fits into a datagram of so many bytes, sealed and all. */
export function isShortEnough(link: Link, longestBytes: number): boolean {
  const carried = isBatch(link) ? link.batch : isUpdate(link) ? link.update : null;
  return carried === null || encodedBytes(carried) + ROOM_BESIDE_VALUE_BYTES <= longestBytes;
}

function checkProtection(address: Address, { key, trustsNetwork }: Protection): void {
  if (key !== null || trustsNetwork || isLoopback(address)) return;
  const where = formatAddress(address);
  const advice = 'give all servers and clients a key with --key-file, or say --trust-network';
  throw new UsageError(`whoever reaches ${where} could change the value: ${advice}`);
}

/** Where a server is to listen, at most one address of each family. */
async function ownAddresses(uid: Uid, { host, port }: Address, lookup: Lookup): Promise<Address[]> {
  try {
    const found = await lookup(host);
    const hosts = found.map(canonicalHost);
    const first = hosts.filter((one, index) => {
      return hosts.findIndex((other) => familyOf(other) === familyOf(one)) === index;
    });
    return first.map((one) => ({ host: one, port }));
  } catch (error) {
    const advice = 'mend that, or say with --listen where it is to listen';
    throw new Failure(
      `the host ${host} of server ${uid} is not found: ${describe(error)}; ${advice}`,
    );
  }
}

/** The address of the other family that reaches as far as this one does. */
function twinOf(address: Address, family: Family): Address {
  const [loopback, everywhere] = family === 6 ? ['::1', '::'] : ['127.0.0.1', '0.0.0.0'];
  return { host: isLoopback(address) ? loopback : everywhere, port: address.port };
}

function whyNotBound(error: unknown, address: Address): string {
  const where = formatAddress(address);
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return `the address ${where} is in use: is this server running already?`;
    case 'EADDRNOTAVAIL':
      return `the address ${where} is not one of this machine: start this server on its own one`;
    case 'EACCES':
      return `this user may not listen on ${where}: choose a port above 1023 with --cluster`;
    default:
      return `it is impossible to listen on ${where}: ${describe(error)}`;
  }
}
