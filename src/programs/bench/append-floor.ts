/**
 * The floor of the benchmark of stores: what an update costs at least that is appended to a file
 * and brought to the disk at two of three servers, whatever the protocol.
 *
 * Whoever gets a `request` leads. What has come in while the disk was busy goes out together: as
 * one datagram to each of the others, and one line that is appended and brought to the disk, once.
 * The others do the same at the same time, and say so; the first word of one of them is enough.
 * Nothing is checked, counted or decided.
 *
 * `append-floor.ts <uid> <cluster file> <directory>`
 */
import { createSocket, type Socket } from 'node:dgram';
import { fdatasyncSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type Address, addressOf, readClusterFile } from '../../node/cluster-file.ts';
import { runProgram } from '../../node/program.ts';

/** A datagram holds no more. */
const MOST_BYTES = 60_000;

interface Said {
  readonly type: string;
  readonly requestId?: string;
  readonly value?: string;
  readonly batch?: number;
  readonly requests?: readonly (readonly [requestId: string, value: string])[];
}

class AppendFloor {
  readonly #peers: readonly Address[];
  readonly #socket: Socket;
  readonly #file: number;
  /** Who waits for the answer to which request, and what has come in since the last batch. */
  readonly #clients = new Map<string, Address>();
  #waiting: [string, string][] = [];
  /** The requests of each batch that nobody else has confirmed. */
  readonly #open = new Map<number, readonly (readonly [string, string])[]>();
  #batches = 0;

  constructor(peers: readonly Address[], socket: Socket, path: string) {
    this.#peers = peers;
    this.#socket = socket;
    this.#file = openSync(path, 'a', 0o600);
    socket.on('message', (bytes, { address: host, port }) => {
      const said = JSON.parse(bytes.toString()) as Said;
      if (said.type === 'request') return this.#lead(said, { host, port });
      if (said.type === 'accept') return this.#accept(bytes, said, { host, port });
      if (said.type === 'accepted') return this.#answer(said);
      socket.send(bytes, port, host); // to show that it is there
    });
  }

  #lead({ requestId = '', value = '' }: Said, client: Address): void {
    this.#clients.set(requestId, client);
    this.#waiting.push([requestId, value]);
    if (this.#waiting.length === 1) setImmediate(() => this.#sendBatch());
  }

  #sendBatch(): void {
    const requests: [string, string][] = [];
    let bytes = 0;
    while (this.#waiting.length > 0 && bytes < MOST_BYTES) {
      const [first] = this.#waiting.splice(0, 1);
      if (first === undefined) break;
      bytes += 2 * (first[0].length + first[1].length);
      requests.push(first);
    }
    this.#batches += 1;
    this.#open.set(this.#batches, requests);
    const accept = Buffer.from(JSON.stringify({ type: 'accept', batch: this.#batches, requests }));
    for (const { host, port } of this.#peers) this.#socket.send(accept, port, host);
    this.#append(accept);
    if (this.#waiting.length > 0) setImmediate(() => this.#sendBatch());
  }

  #accept(bytes: Buffer, { batch }: Said, { host, port }: Address): void {
    this.#append(bytes);
    this.#socket.send(JSON.stringify({ type: 'accepted', batch }), port, host);
  }

  #append(bytes: Uint8Array): void {
    writeSync(this.#file, bytes);
    fdatasyncSync(this.#file);
  }

  /** The first word of another one makes two of three. */
  #answer({ batch = 0 }: Said): void {
    const requests = this.#open.get(batch) ?? [];
    this.#open.delete(batch);
    for (const [requestId] of requests) {
      const client = this.#clients.get(requestId);
      if (client === undefined) continue; // it has asked twice
      this.#clients.delete(requestId);
      const answer = { type: 'answered', requestId, instanceNumber: batch, answer: 'ok' };
      this.#socket.send(JSON.stringify(answer), client.port, client.host);
    }
  }
}

await runProgram(async ([uid = '', clusterFile = '', directory = '']) => {
  const cluster = readClusterFile(clusterFile);
  const { host, port } = addressOf(cluster, uid);
  mkdirSync(directory, { recursive: true });
  const socket = createSocket({ type: 'udp4', lookup: (name, _o, done) => done(null, name, 4) });
  socket.bind(port, host);
  const peers = [...cluster].flatMap(([peer, address]) => (peer === uid ? [] : [address]));
  new AppendFloor(peers, socket, join(directory, `${uid}.appended`));
});
