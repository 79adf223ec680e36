/**
 * A network with an owner: every datagram between two servers passes through here, and here it can
 * be lost, late or doubled, and links can be cut, in one direction or both.
 *
 * Servers know their peers by source address, so the relay has one socket for each pair (X, Y):
 * there X finds Y. What arrives at it from X goes on to Y out of the socket where Y finds X. What
 * arrives from another port is of a client that lives in X: it goes on out of a socket of its own,
 * and whatever Y answers there comes back to that port.
 */
import type { Socket } from 'node:dgram';
import type { Uid } from '../../composable-paxos.ts';
import type { NetworkFaults } from '../../node/udp-messenger.ts';
import { openSocket } from '../../node/udp-socket.ts';
import type { Random } from '../../simulation/random.ts';
import { LOOPBACK } from '../common/free-port.ts';

/** From whom to whom. */
export type Direction = readonly [Uid, Uid];

export const FAIR_WEATHER: NetworkFaults = {
  drop: 0,
  duplicate: 0,
  minDelayMs: 0,
  maxDelayMs: 0,
};

export class UdpRelay {
  /** What the network does to every datagram. */
  weather: NetworkFaults = FAIR_WEATHER;
  /** How many datagrams did not get through. */
  lost = 0;
  readonly #ports: ReadonlyMap<Uid, number>;
  readonly #random: Random;
  readonly #sockets = new Map<string, Socket>();
  /** Those of clients, by the two servers and the client's port. */
  readonly #doors = new Map<string, Promise<Socket>>();
  /** How many cuts each direction has suffered that are not mended yet. */
  readonly #cuts = new Map<string, number>();
  readonly #delayed = new Set<NodeJS.Timeout>();
  #isClosed = false;

  private constructor(ports: ReadonlyMap<Uid, number>, random: Random) {
    this.#ports = ports;
    this.#random = random;
  }

  /** Stands between servers that listen on these ports of this machine. */
  static async open(ports: ReadonlyMap<Uid, number>, random: Random): Promise<UdpRelay> {
    const relay = new UdpRelay(ports, random);
    for (const uid of ports.keys()) {
      for (const peer of ports.keys()) if (peer !== uid) await relay.#openSocket(uid, peer);
    }
    return relay;
  }

  /** What the cluster file of server `uid` must say, so that all that it sends comes here. */
  clusterOf(uid: Uid): Readonly<Record<Uid, string>> {
    const portOf = (peer: Uid) =>
      peer === uid ? this.#ports.get(uid) : this.#socket(uid, peer).address().port;
    const addresses = [...this.#ports.keys()].map((peer) => [peer, `${LOOPBACK}:${portOf(peer)}`]);
    return Object.fromEntries(addresses);
  }

  /** Nothing gets through in these directions until `mend` was called as often as this. */
  cut(directions: readonly Direction[]): void {
    for (const [from, to] of directions) this.#countCut(nameOf(from, to), 1);
  }

  mend(directions: readonly Direction[]): void {
    for (const [from, to] of directions) this.#countCut(nameOf(from, to), -1);
  }

  close(): void {
    this.#isClosed = true;
    for (const timeout of this.#delayed) clearTimeout(timeout);
    for (const socket of this.#sockets.values()) socket.close();
    for (const door of this.#doors.values()) void door.then((socket) => socket.close());
  }

  async #openSocket(uid: Uid, peer: Uid): Promise<void> {
    const socket = await openSocket({ host: LOOPBACK, port: 0 });
    socket.on('error', () => {}); // a datagram was lost, as datagrams may be
    socket.on('message', (bytes, { port }) => {
      if (port === this.#ports.get(uid)) {
        return this.#pass(uid, peer, () => this.#deliver(uid, peer, bytes));
      }
      void this.#doorOf(uid, peer, port).then((door) => {
        if (this.#isClosed) return;
        this.#pass(uid, peer, () => this.#send(door, bytes, this.#ports.get(peer)));
      });
    });
    this.#sockets.set(nameOf(uid, peer), socket);
  }

  /** Out of which `peer` is asked by a client in the process of `uid`, and answers to it. */
  #doorOf(uid: Uid, peer: Uid, port: number): Promise<Socket> {
    const name = `${nameOf(uid, peer)} ${port}`;
    const known = this.#doors.get(name);
    if (known !== undefined) return known;
    const opened = openSocket({ host: LOOPBACK, port: 0 }).then((door) => {
      door.on('error', () => {});
      door.on('message', (bytes) => {
        this.#pass(peer, uid, () => this.#send(this.#socket(uid, peer), bytes, port));
      });
      return door;
    });
    this.#doors.set(name, opened);
    return opened;
  }

  #pass(from: Uid, to: Uid, deliver: () => void): void {
    const { drop, duplicate, minDelayMs, maxDelayMs } = this.weather;
    if (this.#isCut(from, to) || this.#random.chance(drop)) {
      this.lost += 1;
      return;
    }
    const copies = this.#random.chance(duplicate) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      if (maxDelayMs === 0) deliver();
      else this.#deliverLater(from, to, deliver, this.#random.between(minDelayMs, maxDelayMs));
    }
  }

  #deliverLater(from: Uid, to: Uid, deliver: () => void, delayMs: number): void {
    const timeout = setTimeout(() => {
      this.#delayed.delete(timeout);
      if (!this.#isCut(from, to)) return deliver();
      this.lost += 1;
    }, delayMs);
    this.#delayed.add(timeout);
  }

  #deliver(from: Uid, to: Uid, bytes: Uint8Array): void {
    this.#send(this.#socket(to, from), bytes, this.#ports.get(to));
  }

  #send(socket: Socket, bytes: Uint8Array, port = 0): void {
    socket.send(bytes, port, LOOPBACK, (error) => {
      if (error !== null) this.lost += 1;
    });
  }

  /** The socket where `uid` finds `peer`. */
  #socket(uid: Uid, peer: Uid): Socket {
    const socket = this.#sockets.get(nameOf(uid, peer));
    if (socket === undefined) throw new Error(`there is no link from ${uid} to ${peer}`);
    return socket;
  }

  #isCut(from: Uid, to: Uid): boolean {
    return (this.#cuts.get(nameOf(from, to)) ?? 0) > 0;
  }

  #countCut(name: string, more: number): void {
    this.#cuts.set(name, (this.#cuts.get(name) ?? 0) + more);
  }
}

function nameOf(from: Uid, to: Uid): string {
  return `${from}→${to}`;
}
