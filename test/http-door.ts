/**
 * A server with a door for HTTP, in the process of the test: a real replica, alone in its cluster
 * or cut off from the others, and requests to it, well-formed ones and any bytes at all.
 */
import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { connect, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { TestContext } from 'node:test';
import type { Uid } from '../src/composable-paxos.ts';
import type { Environment } from '../src/environment.ts';
import { StoreReplica } from '../src/log/replicas.ts';
import { Watch } from '../src/log/watch.ts';
import type { Served } from '../src/node/http/asking.ts';
import { HttpDoor, LIMITS, type Limits } from '../src/node/http/door.ts';
import { ROUTES } from '../src/node/http/routes.ts';
import { Turns } from '../src/node/turns.ts';
import { freePort, LOOPBACK } from '../src/programs/common/free-port.ts';
import type { ReplicatedValue } from '../src/replicated-value.ts';
import { SmallStoreReplica } from '../src/simulation/replicas.ts';
import type { ServerState } from '../src/state.ts';
import type { TraceEvent } from '../src/trace/events.ts';

/** What a server with `--http` is. */
export class WatchedStore extends Watch(StoreReplica) {}

/** The same, with few links, and snapshots in short parts. */
export class SmallWatchedStore extends Watch(SmallStoreReplica) {}

type Replica = ReplicatedValue & Served;
type StoreClass = new (uid: Uid, uids: readonly Uid[], environment: Environment) => Replica;

export interface DoorOptions {
  readonly uids?: readonly Uid[];
  readonly token?: string | null;
  readonly limits?: Partial<Limits>;
  readonly replicaClass?: StoreClass;
  /** Nobody is behind the door yet. */
  readonly isClosed?: boolean;
}

export interface Answered {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  /** The text, if it is JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: whatever the body says
  readonly json: any;
}

/** Which statuses the routes have answered with, in all tests of this process: `GET /kv 200`. */
export const SEEN = new Set<string>();

export class DoorInTest {
  readonly events: TraceEvent[] = [];
  readonly door: HttpDoor;
  readonly replica: Replica;
  readonly turns: Turns;

  constructor(door: HttpDoor, replica: Replica, turns: Turns, events: TraceEvent[]) {
    this.door = door;
    this.replica = replica;
    this.turns = turns;
    this.events = events;
  }

  get port(): number {
    return Number(new URL(this.door.url).port);
  }

  /** Sends a request, on a connection of its own, and reads all of the answer. */
  async ask(
    method: string,
    path: string,
    headers: OutgoingHttpHeaders = {},
    body?: string | Buffer,
  ): Promise<Answered> {
    const response = await this.open(method, path, headers, body);
    let text = '';
    for await (const piece of response.setEncoding('utf8')) text += piece;
    return answered(response, text);
  }

  /** The same, but the body of the answer is still to be read. */
  open(
    method: string,
    path: string,
    headers: OutgoingHttpHeaders = {},
    body?: string | Buffer,
  ): Promise<IncomingMessage> {
    return new Promise((done, failed) => {
      const options = { host: LOOPBACK, port: this.port, method, path, headers, agent: false };
      const request = httpRequest(options, (response) => {
        const route = `${method === 'HEAD' ? 'GET' : method} ${templateOf(path)}`;
        SEEN.add(`${route} ${response.statusCode}`);
        done(response);
      });
      request.once('error', failed);
      request.end(body);
    });
  }

  /** Sends these bytes, and returns all that came back when the server has ended the connection. */
  async raw(...pieces: readonly (string | Buffer)[]): Promise<string> {
    const connection = this.connect();
    for (const piece of pieces) connection.socket.write(piece);
    await connection.closed;
    return connection.text();
  }

  connect(): Connection {
    return new Connection(this.port);
  }

  /** One command after the other, each in an instance of its own. */
  async set(...pairs: readonly (readonly [key: string, value: string])[]): Promise<void> {
    for (const [key, value] of pairs) {
      const { status } = await this.ask('PUT', `/kv/${encodeURIComponent(key)}`, {}, value);
      if (status !== 200) throw new Error(`${status}`);
    }
  }

  /** What is said of those who were not believed. */
  get rejects(): string[] {
    return this.events.flatMap((event) => (event.event === 'reject' ? [event.why] : []));
  }
}

/** A connection for bytes of any kind. */
export class Connection {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  #text = '';
  #look = () => {};

  constructor(port: number) {
    this.socket = connect(port, LOOPBACK);
    this.socket.setEncoding('utf8').on('data', (piece) => {
      this.#text += piece;
      this.#look();
    });
    this.socket.on('error', () => {}); // the server may end it while we still write
    this.closed = new Promise((done) => this.socket.once('close', () => done()));
    this.socket.once('close', () => this.#look());
  }

  text(): string {
    return this.#text;
  }

  /** Waits until what came back matches; throws if it ends before that. */
  async until(pattern: RegExp): Promise<string> {
    await new Promise<void>((done, failed) => {
      this.#look = () => {
        if (pattern.test(this.#text)) done();
        else if (this.socket.closed) failed(new Error(`it ended: ${this.#text}`));
      };
      this.#look();
    });
    return this.#text;
  }
}

/** A store in memory, with a door; it goes away when the test ends. */
export async function openDoor(
  t: TestContext,
  { uids = ['A'], token = null, limits = {}, ...rest }: DoorOptions = {},
): Promise<DoorInTest> {
  const { replicaClass = WatchedStore, isClosed = false } = rest;
  const ports = await Promise.all(uids.map(() => freePort()));
  const cluster = new Map(
    uids.map((uid, index) => [uid, { host: LOOPBACK, port: ports[index] ?? 0 }]),
  );
  const events: TraceEvent[] = [];
  let failure: unknown = null;
  const sink = { show: (event: TraceEvent) => events.push(event), endTurn: () => {} };
  const turns = new Turns('A', [sink], (error) => {
    failure = error;
  });
  const inside = { uid: 'A', cluster, protection: { key: null, trustsNetwork: false }, turns };
  const address = { host: LOOPBACK, port: 0 };
  const door = await HttpDoor.open({ address, token }, inside, { ...LIMITS, ...limits });
  const replica = new replicaClass('A', uids, environmentOf(door, turns));
  turns.run(() => replica.start());
  if (!isClosed) door.serve(replica);
  t.after(() => {
    turns.run(() => replica.stop());
    turns.end();
    door.close();
    if (failure !== null) throw failure;
  });
  return new DoorInTest(door, replica, turns, events);
}

/** The others, if there are any, are never heard. */
function environmentOf(door: HttpDoor, turns: Turns): Environment {
  let saved: ServerState | null = null;
  return {
    clock: {
      now: () => performance.now(),
      wallNow: () => Date.now(),
      after: (delayMs, act) => turns.after(delayMs, act),
    },
    random: () => Math.random(),
    messenger: door.around({ send: () => {}, reply: () => {}, canCarry: () => true }),
    storage: {
      load: () => saved,
      save: (state) => {
        saved = state;
      },
    },
    trace: (event) => turns.trace(event),
  };
}

function answered({ statusCode: status = 0, headers }: IncomingMessage, text: string): Answered {
  const isJson = /json$/.test(headers['content-type'] ?? '') && text !== '';
  return { status, headers, text, json: isJson ? JSON.parse(text) : null };
}

function templateOf(path: string): string {
  const [plain = ''] = path.split('?');
  const template = plain
    .replace(/^\/kv\/[^/]*$/, '/kv/{key}')
    .replace(/^\/locks\/[^/]*$/, '/locks/{name}');
  return ROUTES.some((route) => route.path === template) ? template : 'none';
}
