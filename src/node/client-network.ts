/**
 * How a client that waits speaks to the servers: one UDP socket. An answer counts only if it comes
 * from the address of a server, is what a server may say, and somebody waits for it; whatever else
 * arrives is ignored, and counted.
 */
import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import type { Uid } from '../composable-paxos.ts';
import {
  type ClientMessage,
  decodeDatagram,
  encodeDatagram,
  isReply,
  type Reply,
} from '../messages.ts';
import { type Address, type Cluster, canonicalHost, formatAddress } from './cluster-file.ts';
import { describe, Failure } from './failure.ts';
import type { Envelope } from './sealed-datagrams.ts';
import { Throttle } from './throttle.ts';

/** Hears an answer of a server. False: nobody waits for it. */
export type Listener = (from: Uid, reply: Reply) => boolean;

const NOTES_PER_SECOND = 1;

export class ClientNetwork {
  readonly uids: readonly Uid[];
  /** The servers that can be sent to. */
  readonly #addresses: ReadonlyMap<Uid, Address>;
  readonly #owners = new Map<string, Uid>();
  readonly #socket: Socket;
  readonly #envelope: Envelope;
  readonly #notes: Throttle<{ readonly why: string }>;
  readonly #listeners = new Set<Listener>();
  #seq = 0;
  #ignored = 0;
  #isClosed = false;

  private constructor(
    uids: readonly Uid[],
    addresses: ReadonlyMap<Uid, Address>,
    socket: Socket,
    envelope: Envelope,
    note: (why: string) => void,
  ) {
    this.uids = uids;
    this.#addresses = addresses;
    for (const [uid, address] of addresses) this.#owners.set(formatAddress(address), uid);
    this.#socket = socket;
    this.#envelope = envelope;
    const after = (delayMs: number, act: () => void) => {
      const timeout = setTimeout(act, delayMs);
      return { cancel: () => clearTimeout(timeout) };
    };
    this.#notes = new Throttle(NOTES_PER_SECOND, after, ({ why }) => note(why));
    socket.on('message', (bytes, { address: host, port }) => {
      this.#receive(bytes, { host, port });
    });
    socket.on('error', (error) => this.#ignore(`the network: ${describe(error)}`));
  }

  /**
   * Looks up the hosts of the servers, once. `note` hears, in single lines and not too often, of
   * whatever is ignored. Throws a `Failure` if none of the hosts is found.
   */
  static async open(
    cluster: Cluster,
    envelope: Envelope,
    note: (why: string) => void,
  ): Promise<ClientNetwork> {
    const { addresses, family } = await findHosts(cluster, note);
    const socket = createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      lookup: (host, _options, answer) => answer(null, host, family),
    });
    await new Promise<void>((bound, failed) => {
      socket.once('error', failed);
      socket.bind(0, () => {
        socket.off('error', failed);
        bound();
      });
    });
    return new ClientNetwork([...cluster.keys()], addresses, socket, envelope, note);
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
    const address = this.#addresses.get(to);
    if (address === undefined) return; // told when its host was looked up
    this.#seq += 1;
    this.#sendBytes(address, this.#envelope.seal(to, encodeDatagram(this.#seq, message)));
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#notes.stop();
    this.#socket.close();
  }

  #receive(bytes: Uint8Array, source: Address): void {
    const where = formatAddress(source);
    const from = this.#owners.get(where);
    if (from === undefined) return this.#ignore(`${where} is not the address of a server`);

    const opened = this.#envelope.open(bytes, (name) => name === from);
    if ('rejected' in opened) return this.#ignore(`${from}: ${opened.rejected}`);
    if ('answers' in opened) {
      for (const answer of opened.answers) this.#sendBytes(source, answer);
      return;
    }
    const decoded = decodeDatagram(opened.body, this.uids);
    if ('rejected' in decoded) return this.#ignore(`${from}: ${decoded.rejected}`);
    const { message } = decoded;
    if (!isReply(message)) return this.#ignore(`${from}: a server does not answer ${message.type}`);

    const isWanted = [...this.#listeners].some((listener) => listener(from, message));
    if (!isWanted) this.#ignore(`${from}: nobody waits for this ${message.type}`);
  }

  #sendBytes({ host, port }: Address, bytes: Uint8Array): void {
    if (this.#isClosed) return;
    this.#socket.send(bytes, port, host, (error) => {
      // The datagram is lost, as datagrams may be: whoever waits asks again.
      if (error !== null && !this.#isClosed) this.#notes.report({ why: describe(error) });
    });
  }

  #ignore(why: string): void {
    this.#ignored += 1;
    this.#notes.report({ why: `ignored: ${why}` });
  }
}

/** IP addresses for the names, all of one family. A server whose host is not found is left out. */
async function findHosts(
  cluster: Cluster,
  note: (why: string) => void,
): Promise<{ addresses: ReadonlyMap<Uid, Address>; family: number }> {
  const addresses = new Map<Uid, Address>();
  let family = 0;
  let last = '';
  for (const [uid, { host, port }] of cluster) {
    try {
      const found = await lookup(host, { family });
      family = found.family;
      addresses.set(uid, { host: canonicalHost(found.address), port });
    } catch (error) {
      last = `the host ${host} of server ${uid} is not found: ${describe(error)}`;
      note(last);
    }
  }
  if (addresses.size === 0) throw new Failure(last);
  return { addresses, family };
}
