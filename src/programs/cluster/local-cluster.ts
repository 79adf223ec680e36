/**
 * A cluster on this machine: its servers are processes, a relay between them can cut and lose, and
 * all that they write is in one directory. Closing it leaves no process behind.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import chalk from 'chalk';
import type { Uid } from '../../composable-paxos.ts';
import {
  addressOf,
  type Cluster,
  formatAddress,
  parseCluster,
  readClusterFile,
} from '../../node/cluster-file.ts';
import { describe, Failure, UsageError } from '../../node/failure.ts';
import { noteKill } from '../../node/trace-file.ts';
import { openSocket } from '../../node/udp-socket.ts';
import { Random } from '../../simulation/random.ts';
import { type Direction, FAIR_WEATHER, UdpRelay } from '../chaos/udp-relay.ts';
import { freePorts, LOOPBACK } from '../common/free-port.ts';
import { ServerProcess } from '../common/server-process.ts';

/** A server that is told to stop brings its affairs in order within two seconds. */
const STOP_WITHIN_MS = 5_000;

export interface LocalClusterOptions {
  readonly uids: readonly Uid[];
  /** Further flags of every server. */
  readonly flags: readonly string[];
  /** Null: a temporary one, which goes away in the end. */
  readonly directory: string | null;
  readonly isColoured: boolean;
}

export class LocalCluster {
  readonly uids: readonly Uid[];
  readonly directory: string;
  /** Where clients find the servers. */
  readonly addresses: Cluster;
  readonly #isTemporary: boolean;
  readonly #relay: UdpRelay;
  readonly #servers: ReadonlyMap<Uid, ServerProcess>;
  readonly #say: (line: string) => void;
  #cuts: Direction[] = [];

  private constructor(
    directory: string,
    addresses: Cluster,
    relay: UdpRelay,
    options: LocalClusterOptions,
    say: (line: string) => void,
  ) {
    this.#say = say;
    this.uids = options.uids;
    this.directory = directory;
    this.addresses = addresses;
    this.#isTemporary = options.directory === null;
    this.#relay = relay;
    const colour = options.isColoured ? { FORCE_COLOR: String(chalk.level) } : { NO_COLOR: '1' };
    const env = { FORCE_COLOR: undefined, NO_COLOR: undefined, ...colour };
    const server = (uid: Uid) =>
      new ServerProcess(
        [...argumentsOf(uid, directory), ...options.flags],
        {
          said: (line, isComplaint) => say(isComplaint ? `${uid}: ${line}` : line),
          ended: (how) => {
            say(`server ${uid} has ended by itself with ${how}`);
            // Somebody else may have killed it.
            if (typeof how === 'string') this.#noteKill(uid);
          },
        },
        env,
      );
    this.#servers = new Map(options.uids.map((uid) => [uid, server(uid)]));
  }

  /** Prepares a cluster. No server is started yet. Throws a `Failure` if it cannot be had. */
  static async prepare(
    options: LocalClusterOptions,
    say: (line: string) => void,
  ): Promise<LocalCluster> {
    const directory = directoryFor(options.directory);
    const addresses = await addressesIn(directory, options.uids);
    const ports = new Map([...addresses].map(([uid, { port }]) => [uid, port]));
    const relay = await UdpRelay.open(ports, new Random(Math.floor(Math.random() * 1e9), 'relay'));
    for (const uid of options.uids) {
      writeFileSync(
        join(directory, `cluster-of-${uid}.json`),
        JSON.stringify(relay.clusterOf(uid)),
      );
    }
    return new LocalCluster(directory, addresses, relay, options, say);
  }

  get clusterFile(): string {
    return join(this.directory, 'cluster.json');
  }

  get traceFiles(): readonly string[] {
    return this.uids.map((uid) => traceFileOf(uid, this.directory));
  }

  isRunning(uid: Uid): boolean {
    return this.#server(uid).isRunning;
  }

  start(uid: Uid): Promise<void> {
    return this.#server(uid).start();
  }

  async kill(uid: Uid): Promise<void> {
    await this.#server(uid).kill();
    this.#noteKill(uid);
  }

  /** In good order; after a while, all the same. */
  async stop(uid: Uid): Promise<void> {
    const server = this.#server(uid);
    if ((await server.stop(STOP_WITHIN_MS)) === null) await this.kill(uid);
  }

  cut(directions: readonly Direction[]): void {
    this.#relay.cut(directions);
    this.#cuts.push(...directions);
  }

  mend(): void {
    this.#relay.mend(this.#cuts);
    this.#cuts = [];
    this.lose(0);
  }

  /** From now on every datagram between servers is lost with this probability. */
  lose(probability: number): void {
    this.#relay.weather = { ...FAIR_WEATHER, drop: probability };
  }

  /** Stops all servers, and removes what they have written if nobody has named the directory. */
  async close(): Promise<void> {
    await Promise.all(this.uids.map((uid) => this.stop(uid)));
    this.#relay.close();
    this.closeNow();
  }

  /** Kills all that runs. */
  closeNow(): void {
    for (const server of this.#servers.values()) server.killNow();
    // A killed server may be in the middle of writing.
    if (this.#isTemporary) rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  #noteKill(uid: Uid): void {
    try {
      noteKill(traceFileOf(uid, this.directory), uid, Date.now());
    } catch (error) {
      this.#say(`the trace of ${uid} does not tell that it was killed: ${describe(error)}`);
    }
  }

  #server(uid: Uid): ServerProcess {
    const server = this.#servers.get(uid);
    if (server === undefined) throw new Error(`there is no server ${uid}`);
    return server;
  }
}

function traceFileOf(uid: Uid, directory: string): string {
  return join(directory, `${uid}.ndjson`);
}

function argumentsOf(uid: Uid, directory: string): string[] {
  const files = ['--state-dir', join(directory, 'state'), '--trace', traceFileOf(uid, directory)];
  return [uid, '--cluster', join(directory, `cluster-of-${uid}.json`), ...files];
}

function directoryFor(wanted: string | null): string {
  if (wanted === null) return mkdtempSync(join(tmpdir(), 'paxos-cluster-'));
  const directory = resolve(wanted);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new Failure(`the directory ${directory} cannot be used: ${describe(error)}`);
  }
  return directory;
}

/** Those of the last time: so nobody else can run on the same state meanwhile. */
async function addressesIn(directory: string, uids: readonly Uid[]): Promise<Cluster> {
  const file = join(directory, 'cluster.json');
  if (!existsSync(file)) {
    const ports = await freePorts(uids.length);
    const written = uids.map((uid, index) => [uid, `${LOOPBACK}:${ports[index]}`]);
    const cluster = Object.fromEntries(written);
    writeFileSync(file, JSON.stringify(cluster));
    return parseCluster(cluster);
  }
  const cluster = readClusterFile(file);
  const known = [...cluster.keys()].join(' ');
  if (known !== uids.join(' ')) {
    throw new UsageError(`${directory} belongs to a cluster of ${known}: take another directory`);
  }
  for (const uid of uids) {
    const address = addressOf(cluster, uid);
    try {
      (await openSocket(address)).close();
    } catch {
      const where = `${formatAddress(address)}, the address of ${uid} in ${file}`;
      throw new Failure(`${where}, is in use: does this cluster run already?`);
    }
  }
  return cluster;
}
