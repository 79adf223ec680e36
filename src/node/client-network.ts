/**
 * How a client that waits speaks to the servers: a UDP socket for each family of addresses, IPv4
 * and IPv6, that they have. An answer counts only if it comes from a server, by its seal or, where
 * there is no key, by its address; is what a server may say, and somebody waits for it. Whatever
 * else arrives is ignored, and counted.
 */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:dgram';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import type { Uid } from '../composable-paxos.ts';
import {
  ANY_UID,
  type ClientMessage,
  decodeDatagram,
  encodeDatagram,
  isReply,
  type MembersReply,
  type Reply,
} from '../messages.ts';
import { AddressBook, type Lookup, systemLookup } from './address-book.ts';
import {
  type Address,
  type Cluster,
  canonicalHost,
  formatAddress,
  splitAddress,
} from './cluster-file.ts';
import { describe, Failure } from './failure.ts';
import type { Envelope } from './sealed-datagrams.ts';
import { Throttle } from './throttle.ts';
import { type Family, familyOf, openSocket } from './udp-socket.ts';

/** Hears an answer of a server. False: nobody waits for it. */
export type Listener = (from: Uid, reply: Reply) => boolean;

const NOTES_PER_SECOND = 1;
const ASK_AGAIN_AFTER_MS = 100;

export class ClientNetwork {
  /** All servers that it knows of: more, once it has learned of them. */
  readonly uids: Uid[];
  readonly #places: Map<Uid, Address>;
  readonly #book: AddressBook;
  readonly #sockets = new Map<Family, Socket>();
  readonly #envelope: Envelope;
  readonly #notes: Throttle<{ readonly why: string }>;
  readonly #listeners = new Set<Listener>();
  /** Why the last server that was not found was not. */
  #missing = '';
  /** Under this it asks who the members are, when it needs to know. */
  readonly #requestId = `${randomBytes(8).toString('hex')}-1-1`;
  #seq = 0;
  #ignored = 0;
  #isClosed = false;

  private constructor(
    cluster: Cluster,
    envelope: Envelope,
    note: (why: string) => void,
    lookup: Lookup,
  ) {
    this.uids = [...cluster.keys()];
    this.#places = new Map(cluster);
    this.#envelope = envelope;
    const now = () => performance.now();
    this.#notes = new Throttle(NOTES_PER_SECOND, after, ({ why }) => note(why));
    this.#book = new AddressBook(cluster, {
      after,
      now,
      lookup,
      tell: ({ address, why }) => {
        if (address === null) this.#missing = why;
        note(why);
        void this.#openSockets();
      },
    });
  }

  /**
   * Looks up the hosts of the servers, those that are not found again and again. `note` hears, in
   * single lines and not too often, of whatever is ignored. Throws a `Failure` if none is found.
   */
  static async open(
    cluster: Cluster,
    envelope: Envelope,
    note: (why: string) => void,
    lookup: Lookup = systemLookup,
  ): Promise<ClientNetwork> {
    const network = new ClientNetwork(cluster, envelope, note, lookup);
    await network.#book.open();
    await network.#openSockets();
    if (network.#book.allAddresses.length > 0) return network;
    network.close();
    throw new Failure(network.#missing);
  }

  /** How many datagrams were ignored so far. */
  get ignored(): number {
    return this.#ignored;
  }

  listen(listener: Listener): void {
    this.#listeners.add(listener);
  }

  /** That this returns does not mean that it arrives. */
  send(to: Uid, message: ClientMessage): void {
    if (!this.#book.has(to)) return this.#askForMembers();
    const address = this.#book.addressesOf(to).find(({ host }) => this.#socketFor(host));
    if (address === undefined) return; // told when its host was looked up
    this.#seq += 1;
    this.#sendBytes(address, this.#envelope.seal(to, encodeDatagram(this.#seq, message)));
  }

  /** Where this server is, by the cluster file or by those who are in it; null: nobody tells. */
  async find(uid: Uid, timeoutMs: number): Promise<Address | null> {
    const untilMs = performance.now() + timeoutMs;
    while (!this.#places.has(uid) && performance.now() < untilMs) {
      this.#askForMembers();
      await pause(ASK_AGAIN_AFTER_MS);
    }
    return this.#places.get(uid) ?? null;
  }

  /** Somebody was named whom the cluster file does not know: those who are in it may. */
  #askForMembers(): void {
    for (const uid of this.uids) this.send(uid, { type: 'members', requestId: this.#requestId });
  }

  #learn({ members }: MembersReply): void {
    for (const [uid, { address }] of Object.entries(members)) {
      if (address === null) continue;
      const { host, port } = splitAddress(address);
      const place = { host: canonicalHost(host), port };
      this.#places.set(uid, place);
      this.#book.meet(uid, place);
      if (!this.uids.includes(uid)) this.uids.push(uid);
    }
    void this.#openSockets();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#notes.stop();
    this.#book.close();
    for (const socket of this.#sockets.values()) socket.close();
  }

  async #openSockets(): Promise<void> {
    for (const { host } of this.#book.allAddresses) {
      const family = familyOf(host);
      if (!this.#sockets.has(family)) await this.#openSocket(family);
    }
  }

  async #openSocket(family: Family): Promise<void> {
    let socket: Socket;
    try {
      socket = await openSocket({ host: family === 6 ? '::' : '0.0.0.0', port: 0 });
    } catch (error) {
      return this.#notes.report({ why: `there is no IPv${family} here: ${describe(error)}` });
    }
    if (this.#isClosed || this.#sockets.has(family)) return void socket.close();
    this.#sockets.set(family, socket);
    socket.on('message', (bytes, { address: host, port }) => {
      this.#receive(bytes, { host, port });
    });
    socket.on('error', (error) => this.#ignore(`the network: ${describe(error)}`));
  }

  #socketFor(host: string): Socket | undefined {
    return this.#sockets.get(familyOf(host));
  }

  #receive(bytes: Uint8Array, source: Address): void {
    const where = formatAddress(source);
    const owner = this.#book.ownerOf(where);
    const opened = this.#envelope.open(bytes, (name) => this.#book.has(name));
    if ('rejected' in opened) return this.#ignore(`${owner ?? where}: ${opened.rejected}`);
    if ('answers' in opened) {
      for (const answer of opened.answers) this.#sendBytes(source, answer);
      return;
    }
    const from = opened.from ?? owner; // a seal tells who it is, wherever it comes from
    if (from === null) return this.#ignore(`${where} is not the address of a server`);
    const decoded = decodeDatagram(opened.body, ANY_UID);
    if ('rejected' in decoded) return this.#ignore(`${from}: ${decoded.rejected}`);
    const { message } = decoded;
    if (!isReply(message)) return this.#ignore(`${from}: a server does not answer ${message.type}`);

    this.#book.heard(from);
    if (message.type === 'members_report') {
      this.#learn(message);
      if (message.requestId === this.#requestId) return;
    }
    const isWanted = [...this.#listeners].some((listener) => listener(from, message));
    if (!isWanted) this.#ignore(`${from}: nobody waits for this ${message.type}`);
  }

  #sendBytes({ host, port }: Address, bytes: Uint8Array): void {
    if (this.#isClosed) return;
    this.#socketFor(host)?.send(bytes, port, host, (error) => {
      // The datagram is lost, as datagrams may be: whoever waits asks again.
      if (error !== null && !this.#isClosed) this.#notes.report({ why: describe(error) });
    });
  }

  #ignore(why: string): void {
    this.#ignored += 1;
    this.#notes.report({ why: `ignored: ${why}` });
  }
}

/** A wait does not keep a client alive that has nothing else to do. */
function after(delayMs: number, act: () => void) {
  const timeout = setTimeout(act, delayMs).unref();
  return { cancel: () => clearTimeout(timeout) };
}
