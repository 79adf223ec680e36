/**
 * The door for HTTP: it lets requests in, one after the other on each connection, and sees to it
 * that none takes more than its share, whoever it comes from and however slowly. What they ask
 * stands in `routes.ts`.
 *
 * A client may send its next request before it has the answer to the last one. What it asks must
 * take effect in that order, so the next is looked at when the last is answered, and not before.
 * After an answer that ends the connection nothing that is still waiting there is done.
 */
import {
  createServer,
  type IncomingMessage,
  type Server as NodeServer,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Uid } from '../../composable-paxos.ts';
import type { Messenger } from '../../environment.ts';
import type { ClientMessage, Reply } from '../../messages.ts';
import type { ReplicatedValue } from '../../replicated-value.ts';
import type { WorldEvent } from '../../trace/events.ts';
import { ClientNetwork } from '../client-network.ts';
import { type Address, type Cluster, formatAddress } from '../cluster-file.ts';
import { codeOf, describe, Failure } from '../failure.ts';
import { sealer } from '../sealed-datagrams.ts';
import { Throttle } from '../throttle.ts';
import type { Turns } from '../turns.ts';
import type { Protection } from '../udp-messenger.ts';
import { checkAsker, checkRequest, routeOf } from './admission.ts';
import type { Answer, Asking, Served } from './asking.ts';
import { Body, hasBody } from './body.ts';
import { InnerClients } from './inner-clients.ts';
import { unavailable } from './inquiries.ts';
import { Problem } from './problem.ts';
import { parseTarget, type Target } from './target.ts';

export interface HttpOptions {
  readonly address: Address;
  /** Whoever asks must have it; null: nobody needs one. */
  readonly token: string | null;
}

export interface Limits {
  readonly bodyBytes: number;
  /** The request line is one of them here. */
  readonly headerBytes: number;
  readonly connections: number;
  /** So many requests of a connection may wait for the one that is answered. */
  readonly pipelined: number;
  readonly watchers: number;
  /** All headers, and all of a request, are there within so long. */
  readonly headersMs: number;
  readonly requestMs: number;
  readonly lookEveryMs: number;
  /** A connection on which nothing moves is closed. */
  readonly idleMs: number;
  readonly keepAliveMs: number;
  readonly patienceMs: number;
  readonly heartbeatMs: number;
}

export const LIMITS: Limits = {
  bodyBytes: 32_768,
  headerBytes: 8_192,
  connections: 500,
  pipelined: 32,
  watchers: 100,
  headersMs: 10_000,
  requestMs: 20_000,
  lookEveryMs: 1_000,
  idleMs: 60_000,
  keepAliveMs: 30_000,
  patienceMs: 5_000,
  heartbeatMs: 15_000,
};

/** What the door knows of the server in which it is. */
export interface Inside {
  readonly uid: Uid;
  readonly cluster: Cluster;
  readonly protection: Protection;
  readonly turns: Turns;
}

/** Where its clients are, for the replica: no address of the network looks like this. */
const HTTP_CLIENT = 'http';
const BAD_NEWS_PER_SECOND = 10;
/** What Node says of a request that it cannot read. */
const UNREADABLE: ReadonlyMap<string | null, readonly [status: number, why: string]> = new Map([
  ['HPE_HEADER_OVERFLOW', [431, 'its headers are too long']],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', [413, 'its chunks say too much of themselves']],
  ['ERR_HTTP_REQUEST_TIMEOUT', [408, 'it has not come to its end in time']],
] as const);

/** Problems of which whoever looks after the server should hear, too. */
const REJECTED: ReadonlySet<number> = new Set([401, 403, 421, 500]);

type Reject = Extract<WorldEvent, { event: 'reject' }>;

/** A connection: what was asked there, and in which order. */
interface Line {
  /** Settled when all that was asked so far is answered. */
  last: Promise<void>;
  waiting: number;
  /** Nothing that comes later is listened to. */
  isDeaf: boolean;
  /** An answer has ended it. */
  isOver: boolean;
  /** What the latest request carries. */
  body: Body | null;
}

export class HttpDoor {
  readonly #options: HttpOptions;
  readonly #limits: Limits;
  readonly #turns: Turns;
  readonly #network: ClientNetwork;
  readonly #clients: InnerClients;
  readonly #http: NodeServer;
  readonly #lines = new WeakMap<Socket, Line>();
  readonly #sockets = new Set<Socket>();
  readonly #watchers = new Set<ServerResponse>();
  readonly #rejects: Throttle<Reject>;
  readonly #answered = new Map<string, number>();
  #rejected = 0;
  #replica: Served | null = null;
  #seq = 0;

  private constructor(
    options: HttpOptions,
    { uid, cluster, turns }: Inside,
    network: ClientNetwork,
    limits: Limits,
  ) {
    this.#options = options;
    this.#limits = limits;
    this.#turns = turns;
    this.#network = network;
    const first = (mayMove: boolean) => (mayMove ? (this.#replica?.master ?? uid) : uid);
    const named = [...cluster.keys()];
    const uids = () => this.#replica?.uids ?? named;
    const reached = () => {
      const replica = this.#replica;
      return replica?.master === uid ? replica.instanceNumber : null;
    };
    this.#clients = new InnerClients(uids, first, reached, (to, message) => {
      if (to === uid) this.#ask(message);
      else network.send(to, message);
    });
    network.listen((from, reply) => from !== uid && this.#clients.receive(from, reply));
    this.#rejects = new Throttle(BAD_NEWS_PER_SECOND, turns.after.bind(turns), (reject) => {
      turns.trace(reject);
    });
    this.#http = this.#createServer();
  }

  /** Binds its port. Nobody is answered before `serve`. Throws a `Failure` with what to do. */
  static async open(options: HttpOptions, inside: Inside, limits = LIMITS): Promise<HttpDoor> {
    const { cluster, protection } = inside;
    // One that is alone needs it, too: others may become members.
    const network = await ClientNetwork.open(cluster, sealer(protection.key), () => {});
    const door = new HttpDoor(options, inside, network, limits);
    try {
      await door.#listen();
    } catch (error) {
      network.close();
      throw error;
    }
    return door;
  }

  /** A messenger that brings answers to clients of this door here, and all else to `messenger`. */
  around(messenger: Messenger): Messenger {
    return {
      send: (to, message) => messenger.send(to, message),
      canCarry: (link) => messenger.canCarry(link),
      reply: (to, message) => {
        if (to === HTTP_CLIENT) this.#hear(message);
        else messenger.reply(to, message);
      },
    };
  }

  /** From now on requests are answered by what this replica knows, and can find out. */
  serve(replica: ReplicatedValue): void {
    if (!isServed(replica)) throw new Error('only a store can be asked over HTTP');
    this.#replica = replica;
  }

  get url(): string {
    const { address: host, port } = this.#http.address() as AddressInfo;
    return `http://${formatAddress({ host, port })}/`;
  }

  /** Lets nobody in any more, and tells watchers to go elsewhere. What was asked is answered. */
  retire(): void {
    this.#http.close();
    for (const response of this.#watchers) response.end();
  }

  /** Ends all at once. */
  close(): void {
    this.#http.close();
    for (const socket of this.#sockets) socket.destroy();
    this.#clients.stop();
    this.#network.close();
    this.#rejects.stop();
  }

  #createServer(): NodeServer {
    const { headerBytes, headersMs, requestMs, keepAliveMs, lookEveryMs } = this.#limits;
    const server = createServer({
      maxHeaderSize: headerBytes,
      headersTimeout: headersMs,
      requestTimeout: requestMs,
      keepAliveTimeout: keepAliveMs,
      connectionsCheckingInterval: lookEveryMs,
      requireHostHeader: false, // `checkHost` says it in words
      insecureHTTPParser: false,
    });
    server.maxHeadersCount = 0; // bounded by their bytes: those beyond it would not be seen
    server.maxConnections = this.#limits.connections;
    server.timeout = this.#limits.idleMs;
    server.on('request', (request, response) => this.#take(request, response, false));
    server.on('checkExpectation', (request, response) => this.#take(request, response, false));
    server.on('checkContinue', (request, response) => this.#take(request, response, true));
    server.on('clientError', (error, socket) => this.#misread(error, socket as Socket));
    server.on('connect', (_request, socket) => this.#refuseTunnel(socket as Socket));
    server.on('drop', (data) => {
      this.#reject(`${data?.remoteAddress}`, `${this.#limits.connections} are connected already`);
    });
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    return server;
  }

  async #listen(): Promise<void> {
    const { address } = this.#options;
    await new Promise<void>((listening, failed) => {
      this.#http.once('error', (error) => failed(new Failure(whyNotBound(error, address))));
      this.#http.listen(address.port, address.host, listening);
    });
    this.#http.removeAllListeners('error');
    this.#http.on('error', (error) => this.#reject('http', describe(error)));
  }

  // Between the door and the replica: as between a client and a server, but without a network.

  #ask(message: ClientMessage): void {
    this.#seq += 1;
    this.#turns.run(() => {
      this.#turns.trace({ event: 'receive', from: null, seq: this.#seq, message });
      this.#replica?.receiveFromClient(HTTP_CLIENT, message);
    });
  }

  /** The turn that answers has to end first. */
  #hear(message: Reply): void {
    this.#seq += 1;
    this.#turns.trace({ event: 'reply', to: HTTP_CLIENT, seq: this.#seq, message });
    const { uid } = this.#replica as Served;
    queueMicrotask(() => this.#clients.receive(uid, message));
  }

  // One connection.

  #lineOf(socket: Socket): Line {
    const known = this.#lines.get(socket);
    if (known !== undefined) return known;
    const rest = { waiting: 0, isDeaf: false, isOver: false, body: null };
    const line: Line = { last: Promise.resolve(), ...rest };
    this.#lines.set(socket, line);
    return line;
  }

  #take(request: IncomingMessage, response: ServerResponse, wantsContinue: boolean): void {
    const line = this.#lineOf(request.socket);
    if (line.isDeaf) return;
    const { bodyBytes, pipelined } = this.#limits;
    const isTooMuch = line.waiting > pipelined;
    if (isTooMuch) {
      line.isDeaf = true;
      request.socket.pause();
    }
    const body = new Body(request);
    line.body = body;
    line.waiting += 1;
    line.last = line.last.then(async () => {
      line.waiting -= 1;
      if (line.isOver || request.socket.destroyed) return;
      const why = isTooMuch ? 'too many requests wait on this connection' : null;
      const begin = () => wantsContinue && response.writeContinue();
      await this.#answer(request, response, line, () => body.read(bodyBytes, begin), why);
    });
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    line: Line,
    readBody: () => Promise<string>,
    whyNot: string | null,
  ): Promise<void> {
    let isRead = !hasBody(request);
    const read = () => {
      isRead = true;
      return readBody();
    };
    let label = 'none';
    let answer: Answer | Problem;
    try {
      if (whyNot !== null) throw new Problem(503, whyNot, { closes: true });
      const target = parseTarget(request.url ?? '');
      checkAsker(request, target, this.#options.token);
      const route = routeOf(request.method ?? '', target);
      label = route.path;
      checkRequest(request, target, route);
      answer = await route.answer(this.#asking(request, target, read));
    } catch (error) {
      const problem =
        error instanceof Problem ? error : new Problem(500, `it failed: ${describe(error)}`);
      answer = problem;
      if (REJECTED.has(problem.status)) this.#reject(addressOf(request.socket), problem.message);
    }
    // What Node has read behind a wish to speak something else is lost.
    const isLast = !isRead || request.headers.upgrade !== undefined;
    const closes = isLast || (answer instanceof Problem && answer.closes);
    if (closes) line.isDeaf = line.isOver = true;
    this.#count(request.method ?? '', label, answer.status);
    await this.#send(response, answer, closes);
  }

  #asking(request: IncomingMessage, target: Target, read: () => Promise<string>): Asking {
    const replica = this.#replica;
    if (replica === null) throw unavailable('this server has not started yet');
    const { patienceMs, heartbeatMs } = this.#limits;
    const counts = {
      answered: this.#answered,
      connections: this.#sockets.size,
      watchers: this.#watchers.size,
      rejected: this.#rejected,
    };
    const { path, query } = target;
    const { headers } = request;
    const [key, clients] = [path[1] ?? '', this.#clients];
    const times = { patienceMs, heartbeatMs };
    return { replica, clients, counts, ...times, key, query, headers, body: read };
  }

  /** Returns when the answer has left, or there is nobody left who wants it. */
  async #send(response: ServerResponse, answer: Answer | Problem, closes: boolean): Promise<void> {
    const { status, headers, body } = answer;
    const stream = answer instanceof Problem ? undefined : answer.stream;
    if (stream !== undefined && this.#watchers.size >= this.#limits.watchers) {
      return this.#send(response, unavailable(`${this.#watchers.size} watch already`), closes);
    }
    const gone = new Promise<void>((ended) => response.once('close', ended));
    const length = { 'content-length': `${Buffer.byteLength(body)}` };
    response.writeHead(status, {
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      ...headers,
      ...(stream === undefined && status !== 304 ? length : {}),
      ...(closes ? { connection: 'close' } : {}),
    });
    if (stream === undefined) {
      response.end(body);
      return gone;
    }
    this.#watchers.add(response);
    await stream(response);
    this.#watchers.delete(response);
  }

  /** What came is no HTTP, or not all of it came. What was asked before is answered first. */
  #misread(error: Error, socket: Socket): void {
    if (codeOf(error) === 'ECONNRESET' || !socket.writable) return void socket.destroy();
    const [status, why] = UNREADABLE.get(codeOf(error)) ?? [400, 'it is no HTTP that is read here'];
    const problem = new Problem(status, why, { closes: true });
    this.#reject(addressOf(socket), `${why} (${codeOf(error) ?? describe(error)})`);
    const line = this.#lineOf(socket);
    line.isDeaf = true;
    if (line.body?.isWhole === false) return line.body.fail(problem);
    this.#endWith(problem, socket, line);
  }

  /** Node hands over the whole connection, and looks after it no more. */
  #refuseTunnel(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    socket.setTimeout(this.#limits.idleMs, () => socket.destroy());
    const line = this.#lineOf(socket);
    line.isDeaf = true;
    this.#endWith(new Problem(405, 'no tunnel begins here', { closes: true }), socket, line);
  }

  #endWith(problem: Problem, socket: Socket, line: Line): void {
    line.last = line.last.then(() => {
      if (!line.isOver && socket.writable) socket.write(rawAnswer(problem));
      line.isOver = true;
      socket.destroySoon();
    });
  }

  #reject(from: string, why: string): void {
    this.#rejected += 1;
    this.#turns.run(() => this.#rejects.report({ event: 'reject', from, why: `HTTP: ${why}` }));
  }

  #count(method: string, route: string, status: number): void {
    const labels = `{method="${method}",route="${route}",status="${status}"}`;
    this.#answered.set(labels, (this.#answered.get(labels) ?? 0) + 1);
  }
}

function isServed(replica: ReplicatedValue): replica is ReplicatedValue & Served {
  return 'changesFrom' in replica;
}

function addressOf({ remoteAddress, remotePort }: Socket): string {
  if (remoteAddress === undefined || remotePort === undefined) return 'http';
  return formatAddress({ host: remoteAddress, port: remotePort });
}

function rawAnswer({ status, title, headers, body }: Problem): string {
  const length = { 'content-length': `${Buffer.byteLength(body)}`, connection: 'close' };
  const lines = Object.entries({ ...headers, ...length }).map(([name, is]) => `${name}: ${is}\r\n`);
  return `HTTP/1.1 ${status} ${title}\r\n${lines.join('')}\r\n${body}`;
}

function whyNotBound(error: unknown, address: Address): string {
  const where = formatAddress(address);
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return `the address ${where} is in use: choose another one with --http`;
    case 'EACCES':
      return `this user may not listen on ${where}: choose a port above 1023 with --http`;
    default:
      return `it is impossible to listen on ${where}: ${describe(error)}; choose another --http`;
  }
}
