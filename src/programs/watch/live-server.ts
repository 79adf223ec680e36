/**
 * Serves a live page on this machine, and sends what changes to all who have it open, as
 * server-sent events. Nobody can make it remember more than so much: of what was sent, only the
 * latest is kept, for those who come back after a moment; and who does not read is let go.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { LIVE_POLICY, livePage } from '../../diagram/live-page.ts';
import { changesIn, type LiveView, NOTHING_SEEN } from '../../diagram/live-view.ts';
import { describe, Failure } from '../../node/failure.ts';
import { LOOPBACK } from '../common/free-port.ts';

/** So much of what was sent is kept, and so much may wait for a reader. */
const MOST_CHARACTERS = 4_000_000;
const MOST_WAITING_BYTES = 16_000_000;
/** Proxies and browsers give up silent connections. */
const SIGN_OF_LIFE_EVERY_MS = 15_000;
const RETRY_AFTER_MS = 1_000;

interface Sent {
  readonly number: number;
  readonly text: string;
}

export class LiveServer {
  readonly #http: Server;
  readonly #page = livePage();
  /** Numbers of another run of this program mean nothing here. */
  readonly #run = randomBytes(4).toString('hex');
  readonly #readers = new Set<ServerResponse>();
  readonly #signsOfLife: NodeJS.Timeout;
  #view: LiveView = NOTHING_SEEN;
  #number = 0;
  #kept: Sent[] = [];
  #keptCharacters = 0;

  private constructor() {
    this.#http = createServer((request, response) => this.#answer(request, response));
    this.#signsOfLife = setInterval(() => this.#send(':\n\n'), SIGN_OF_LIFE_EVERY_MS);
  }

  /** `port` 0: any that is free. Throws a `Failure` if it cannot be had. */
  static async open(port: number): Promise<LiveServer> {
    const server = new LiveServer();
    await new Promise<void>((done, failed) => {
      server.#http.once('error', (error) => {
        clearInterval(server.#signsOfLife);
        failed(new Failure(`the page cannot be served at port ${port}: ${describe(error)}`));
      });
      server.#http.listen(port, LOOPBACK, done);
    });
    return server;
  }

  get address(): string {
    return `http://${LOOPBACK}:${this.#port}/`;
  }

  get hasReaders(): boolean {
    return this.#readers.size > 0;
  }

  /** From now on this is what the page shows. */
  show(view: LiveView): void {
    const changes = changesIn(this.#view, view);
    if (changes === null) return;
    this.#view = view;
    this.#number += 1;
    const text = this.#event('changes', changes);
    this.#keep({ number: this.#number, text });
    this.#send(text);
  }

  /** There is nothing more to show: the last words on all pages that are open, and on no other. */
  async end(sentence: string): Promise<void> {
    this.#send(`event: end\ndata: ${JSON.stringify(sentence)}\n\n`);
    await this.close();
  }

  async close(): Promise<void> {
    clearInterval(this.#signsOfLife);
    const closed = new Promise((done) => this.#http.close(done));
    for (const reader of this.#readers) reader.end();
    this.#http.closeIdleConnections();
    setTimeout(() => this.#http.closeAllConnections(), RETRY_AFTER_MS).unref();
    await closed;
  }

  get #port(): number {
    return (this.#http.address() as AddressInfo).port;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    // A page of somebody else, who has given his name our address, must not read what is here.
    const names = [LOOPBACK, 'localhost'].map((name) => `${name}:${this.#port}`);
    const { host = '', 'last-event-id': latest } = request.headers;
    if (!names.includes(host)) return refuse(response, 403, 'this is not the name of this page');
    if (request.method !== 'GET') return refuse(response, 405, 'this page can only be read');
    const { pathname } = new URL(request.url ?? '/', this.address);
    if (pathname === '/events') return this.#welcome(response, latest);
    if (pathname !== '/') return refuse(response, 404, 'there is nothing here');
    response.writeHead(200, {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': LIVE_POLICY,
      'cache-control': 'no-store',
    });
    response.end(this.#page);
  }

  /** `latest`: the id of the last event that it has had. */
  #welcome(response: ServerResponse, latest: string | string[] | undefined): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(`retry: ${RETRY_AFTER_MS}\n\n`);
    response.write(this.#missedSince(String(latest)) ?? this.#everything());
    this.#readers.add(response);
    response.once('close', () => this.#readers.delete(response));
    response.on('error', () => {}); // it is closed next
  }

  #everything(): string {
    const changes = changesIn(NOTHING_SEEN, this.#view) ?? { parts: {}, lists: {} };
    return this.#event('everything', changes);
  }

  /** What was sent after the event of this id; null: that is not known any more. */
  #missedSince(id: string): string | null {
    const [run, digits = ''] = id.split('-');
    const number = Number(digits);
    if (run !== this.#run || !Number.isSafeInteger(number) || number > this.#number) return null;
    const missed = this.#kept.filter((sent) => sent.number > number);
    if (missed.length !== this.#number - number) return null;
    return missed.map(({ text }) => text).join('');
  }

  #event(name: string, data: unknown): string {
    const id = `${this.#run}-${this.#number}`;
    return `id: ${id}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
  }

  #keep(sent: Sent): void {
    this.#kept.push(sent);
    this.#keptCharacters += sent.text.length;
    while (this.#keptCharacters > MOST_CHARACTERS) {
      this.#keptCharacters -= this.#kept.shift()?.text.length ?? 0;
    }
  }

  #send(text: string): void {
    for (const reader of this.#readers) {
      if (reader.writableLength > MOST_WAITING_BYTES) reader.destroy();
      else reader.write(text);
    }
  }
}

function refuse(response: ServerResponse, status: number, why: string): void {
  response.writeHead(status, { 'content-type': 'text/plain' }).end(`${why}\n`);
}
