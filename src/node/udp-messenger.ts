/**
 * The network of a real server: one UDP socket for everything that it sends and receives.
 *
 * Peers are known by the address that a datagram comes from. Whoever else sends something is a
 * client, and may say what clients say. With a shared key, every datagram is sealed as well. A
 * datagram between servers names the cluster of its sender, and a server that means another one
 * is not believed, whatever its address.
 */
import type { KeyObject } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import type { Uid } from '../composable-paxos.ts';
import type { ClientAddress, Messenger } from '../environment.ts';
import {
  type ClientMessage,
  decodeDatagram,
  encodeDatagram,
  isClientMessage,
  isPeerMessage,
  type Message,
  type PeerMessage,
  type Reply,
} from '../messages.ts';
import type { WorldEvent } from '../trace/events.ts';
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

/** Whoever gets what arrives: a replica. */
export interface Receiver {
  /** What it calls its cluster. */
  readonly cluster: string;
  receive(from: Uid, message: PeerMessage): void;
  receiveFromClient(client: ClientAddress, message: ClientMessage): void;
}

/** A burst of a few hundred datagrams must not be lost only because we are at the disk. */
const RECEIVE_BUFFER_BYTES = 4 * 1_024 * 1_024;
const BAD_NEWS_PER_SECOND = 10;

type Reject = Extract<WorldEvent, { event: 'reject' }>;
type Lost = Extract<WorldEvent, { event: 'lost' }>;

export class UdpMessenger implements Messenger {
  readonly #uids: readonly Uid[];
  /** Where each peer is, and the same the other way round. */
  readonly #addresses = new Map<Uid, Address>();
  readonly #peers = new Map<string, Uid>();
  readonly #socket: Socket;
  readonly #envelope: Envelope;
  readonly #faults: NetworkFaults;
  readonly #turns: Turns;
  readonly #delayed = new Set<NodeJS.Timeout>();
  readonly #rejects: Throttle<Reject>;
  readonly #losses: Throttle<Lost>;
  #receiver: Receiver | null = null;
  #seq = 0;
  #isClosed = false;

  private constructor(
    uid: Uid,
    addresses: ReadonlyMap<Uid, Address>,
    socket: Socket,
    envelope: Envelope,
    faults: NetworkFaults,
    turns: Turns,
  ) {
    this.#uids = [...addresses.keys()];
    for (const [peer, address] of addresses) {
      if (peer === uid) continue; // a server does not send to itself over the network
      this.#addresses.set(peer, address);
      this.#peers.set(formatAddress(address), peer);
    }
    this.#socket = socket;
    this.#envelope = envelope;
    this.#faults = faults;
    this.#turns = turns;
    const after = turns.after.bind(turns);
    const tell = turns.trace.bind(turns);
    this.#rejects = new Throttle<Reject>(BAD_NEWS_PER_SECOND, after, tell);
    this.#losses = new Throttle<Lost>(BAD_NEWS_PER_SECOND, after, tell);
  }

  /**
   * Binds the port of server `uid`, so that no second server can run under this uid here. Host
   * names are looked up now and never again. Throws a `Failure` with what to do next; a
   * `UsageError` if strangers could reach it and nothing would keep them out.
   */
  static async open(
    uid: Uid,
    cluster: Cluster,
    faults: NetworkFaults,
    turns: Turns,
    protection: Protection = NO_PROTECTION,
  ): Promise<UdpMessenger> {
    const { addresses, family } = await resolveHosts(uid, cluster);
    checkProtection(addressOf(addresses, uid), protection);
    // Node's own lookup answers on a later tick, and the fsync that may follow a `send` would
    // hold the datagram up. All hosts are addresses by now, so ours answers at once.
    const socket = createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      lookup: (host, _options, answer) => answer(null, host, family),
    });
    await bind(socket, addressOf(addresses, uid));
    const envelope = sealer(protection.key, uid);
    return new UdpMessenger(uid, addresses, socket, envelope, faults, turns);
  }

  /** From now on every datagram is a turn of `receiver`. */
  deliverTo(receiver: Receiver): void {
    this.#receiver = receiver;
    this.#socket.on('message', (bytes, { address: host, port }) => {
      this.#turns.run(() => this.#receive(receiver, bytes, { host, port }));
    });
    // The system's word that an earlier datagram found nobody: a datagram may be lost.
    this.#socket.on('error', (error) => {
      this.#turns.run(() => this.#reject('the network', describe(error)));
    });
  }

  send(to: readonly Uid[], message: PeerMessage): void {
    if (this.#isClosed) return;
    this.#seq += 1;
    const seq = this.#seq;
    const bytes = encodeDatagram(seq, message, this.#receiver?.cluster);
    this.#turns.trace({ event: 'send', to, seq, message });

    const dropped = to.filter(() => Math.random() < this.#faults.drop);
    if (dropped.length > 0) {
      this.#turns.trace({ event: 'lost', to: dropped, seq, why: 'dropped on purpose' });
    }
    for (const peer of to) {
      if (!dropped.includes(peer)) this.#sendCopies(peer, bytes, seq);
    }
  }

  reply(to: ClientAddress, message: Reply): void {
    if (this.#isClosed) return;
    this.#seq += 1;
    const seq = this.#seq;
    this.#turns.trace({ event: 'reply', to, seq, message });
    const [address = '', name = ''] = to.split('/');
    const { host, port } = splitAddress(address);
    const bytes = this.#envelope.seal(name, encodeDatagram(seq, message));
    this.#socket.send(bytes, port, host, (error) => {
      if (error === null) return;
      const why = `an answer to a client: ${describe(error)}`;
      this.#turns.run(() => this.#losses.report({ event: 'lost', to: [], seq, why }));
    });
  }

  /** Nothing is sent or received any more, not even what was delayed on purpose. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const timeout of this.#delayed) clearTimeout(timeout);
    this.#rejects.stop();
    this.#losses.stop();
    this.#socket.close();
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
    const address = this.#addresses.get(peer);
    if (address === undefined) throw new Error(`there is no peer ${peer}`);
    // Sealed only now, and each copy by itself: a seal is believed once, and not for ever.
    const sealed = this.#envelope.seal(peer, bytes);
    this.#socket.send(sealed, address.port, address.host, (error) => {
      if (error === null) return;
      const lost: Lost = { event: 'lost', to: [peer], seq, why: describe(error) };
      this.#turns.run(() => this.#losses.report(lost));
    });
  }

  #receive(receiver: Receiver, bytes: Uint8Array, source: Address): void {
    const address = formatAddress(source);
    const peer = this.#peers.get(address) ?? null;
    // A forger can leave the port out, and the system refuses to send anything there.
    if (source.port === 0) return this.#reject(address, 'nobody can be answered at port 0');
    const opened = this.#envelope.open(bytes, (name) =>
      peer === null ? isClientName(name) : name === peer,
    );
    if ('rejected' in opened) return this.#reject(peer ?? address, opened.rejected);
    if ('answers' in opened) return this.#sendBack(source, opened.answers);
    const decoded = decodeDatagram(opened.body, this.#uids, receiver.cluster);
    if ('rejected' in decoded) return this.#reject(peer ?? address, decoded.rejected);

    const { seq, message } = decoded;
    if (peer === null) {
      const client = opened.from === null ? address : `${address}/${opened.from}`;
      return this.#receiveFromClient(receiver, client, seq, message);
    }
    if (!isPeerMessage(message))
      return this.#reject(peer, `servers do not say ${message.type} to each other`);
    this.#turns.trace({ event: 'receive', from: peer, seq, message });
    receiver.receive(peer, message);
  }

  /** What the envelopes of both ends have to settle. If it gets lost, it comes up again. */
  #sendBack({ host, port }: Address, answers: readonly Uint8Array[]): void {
    for (const bytes of answers) this.#socket.send(bytes, port, host, () => {});
  }

  #receiveFromClient(
    receiver: Receiver,
    client: ClientAddress,
    seq: number,
    message: Message,
  ): void {
    if (!isClientMessage(message)) {
      return this.#reject(client, `only a server of this cluster may say ${message.type}`);
    }
    this.#turns.trace({ event: 'receive', from: null, seq, message });
    receiver.receiveFromClient(client, message);
  }

  #reject(from: string, why: string): void {
    this.#rejects.report({ event: 'reject', from, why });
  }
}

function checkProtection(address: Address, { key, trustsNetwork }: Protection): void {
  if (key !== null || trustsNetwork || isLoopback(address)) return;
  const where = formatAddress(address);
  const advice = 'give all servers and clients a key with --key-file, or say --trust-network';
  throw new UsageError(`whoever reaches ${where} could change the value: ${advice}`);
}

/** The cluster with IP addresses for names, all of the family that the server itself has. */
async function resolveHosts(
  uid: Uid,
  cluster: Cluster,
): Promise<{ addresses: Cluster; family: number }> {
  const { family } = await resolve(uid, addressOf(cluster, uid), 0);
  const addresses = new Map<Uid, Address>();
  const owners = new Map<string, Uid>();
  for (const [name, address] of cluster) {
    const resolved = await resolve(name, address, family);
    if (resolved.family !== family) {
      throw new Failure(`servers ${uid} and ${name} must both have IPv4 addresses, or both IPv6`);
    }
    const found = { host: canonicalHost(resolved.address), port: address.port };
    const other = owners.get(formatAddress(found));
    if (other !== undefined) {
      throw new Failure(`servers ${other} and ${name} have the same address after all`);
    }
    owners.set(formatAddress(found), name);
    addresses.set(name, found);
  }
  return { addresses, family };
}

async function resolve(uid: Uid, { host }: Address, family: number) {
  try {
    return await lookup(host, { family });
  } catch (error) {
    throw new Failure(`the host ${host} of server ${uid} is not found: ${describe(error)}`);
  }
}

async function bind(socket: Socket, address: Address): Promise<void> {
  try {
    await new Promise<void>((bound, failed) => {
      socket.once('error', failed);
      socket.bind({ address: address.host, port: address.port, exclusive: true }, () => {
        socket.off('error', failed);
        bound();
      });
    });
  } catch (error) {
    throw new Failure(whyNotBound(error, address));
  }
  try {
    socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
  } catch {
    // The system grants less. Datagrams may then be lost in a burst, as datagrams may.
  }
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
