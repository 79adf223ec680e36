/**
 * Three servers that answer over HTTP, as processes, and those who use them: one that writes, and
 * one that watches, at whichever server is there.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { TestContext } from 'node:test';
import type { Uid } from '../src/composable-paxos.ts';
import { freePort, LOOPBACK } from '../src/programs/common/free-port.ts';
import { type Cluster, prepareCluster, run } from './processes.ts';

export const UIDS = ['A', 'B', 'C'] as const;

/** A TCP port of this machine that nobody uses. */
export async function freeTcpPort(): Promise<number> {
  for (;;) {
    const port = await freePort();
    const server = createServer();
    const isFree = await new Promise<boolean>((answer) => {
      server.once('error', () => answer(false));
      server.listen(port, LOOPBACK, () => answer(true));
    });
    await new Promise((closed) => server.close(closed));
    if (isFree) return port;
  }
}

/** A cluster whose servers answer over HTTP, and where. */
export class HttpCluster {
  readonly cluster: Cluster;
  readonly #ports: ReadonlyMap<Uid, number>;

  constructor(cluster: Cluster, ports: ReadonlyMap<Uid, number>) {
    this.cluster = cluster;
    this.#ports = ports;
  }

  start(uid: Uid): Promise<void> {
    return this.cluster.server(uid).start('--http', `${this.#ports.get(uid)}`);
  }

  ask(uid: Uid, path: string, options: RequestInit = {}): Promise<Response> {
    return fetch(`http://${LOOPBACK}:${this.#ports.get(uid)}${path}`, options);
  }

  /** Asks until somebody knows. Only for what may be done twice. */
  async insist(uid: Uid, path: string, options: RequestInit = {}): Promise<Response> {
    for (;;) {
      const response = await this.ask(uid, path, options);
      if (response.status !== 503) return response;
      await response.text();
    }
  }

  /** Whom a server takes for the master; null: it knows of none. */
  async masterBy(uid: Uid): Promise<Uid | null> {
    return ((await (await this.ask(uid, '/status')).json()) as Status).master;
  }

  /** Waits until all take the same server for the master. */
  async master(uids: readonly Uid[] = UIDS): Promise<Uid> {
    for (;;) {
      const [first = null, ...others] = await Promise.all(uids.map((uid) => this.masterBy(uid)));
      if (first !== null && others.every((other) => other === first)) return first;
    }
  }

  /** What all links say that this server keeps, by instance. */
  async log(uid: Uid): Promise<Map<number, string>> {
    const log = new Map<number, string>();
    for (let from = 1; ; ) {
      const response = await this.ask(uid, `/log?from=${from}&limit=1000`);
      const { links } = (await response.json()) as Log;
      for (const { instance, link } of links) log.set(instance, JSON.stringify(link));
      if (links.length === 0) return log;
      from += links.length;
    }
  }
}

interface Log {
  readonly links: readonly { readonly instance: number; readonly link: object }[];
}

export async function startHttp(t: TestContext, master: boolean): Promise<HttpCluster> {
  const cluster = await prepareCluster(t, { master, flags: ['--store'] });
  const ports = new Map<Uid, number>();
  for (const uid of UIDS) ports.set(uid, await freeTcpPort());
  const http = new HttpCluster(cluster, ports);
  await Promise.all(UIDS.map((uid) => http.start(uid)));
  return http;
}

interface Told {
  readonly id: string;
  readonly value: string;
}

/** Watches at one server after the other, each time from where the last one has left off. */
class Watcher {
  readonly told: Told[] = [];
  readonly #http: HttpCluster;
  #lastId = '0';
  #look = () => {};

  constructor(http: HttpCluster) {
    this.#http = http;
  }

  /** Until the server goes away. */
  async watchAt(uid: Uid): Promise<void> {
    const headers = { 'last-event-id': this.#lastId };
    const response = await this.#http.ask(uid, '/watch', { headers });
    assert.equal(response.status, 200);
    const decoder = new TextDecoder();
    let rest = '';
    try {
      for await (const bytes of response.body ?? []) {
        const blocks = `${rest}${decoder.decode(bytes, { stream: true })}`.split('\n\n');
        rest = blocks.pop() ?? '';
        for (const block of blocks) this.#hear(block);
      }
    } catch {
      // It was killed.
    }
  }

  async until(value: string): Promise<void> {
    await new Promise<void>((done) => {
      this.#look = () => this.told.some((one) => one.value === value) && done();
      this.#look();
    });
  }

  #hear(block: string): void {
    const [, id] = /^id: (.*)$/m.exec(block) ?? [];
    const [, data] = /^data: (.*)$/m.exec(block) ?? [];
    this.#lastId = id ?? this.#lastId;
    if (id === undefined || data === undefined) return;
    this.told.push({ id, value: JSON.parse(data).value });
    this.#look();
  }
}

/** The ids that the changes of a log have as events. */
function changesIn(log: ReadonlyMap<number, string>): string[] {
  const requests = new Set<string>();
  return [...log].flatMap(([instance, text]) => {
    const link = JSON.parse(text);
    const singles: { readonly update?: string; readonly request: string }[] = link.batch ?? [link];
    const changes = singles.filter(({ update, request }) => {
      const isNew = update !== undefined && !requests.has(request);
      requests.add(request);
      return isNew;
    });
    return changes.map((_, index) => {
      return index === changes.length - 1 ? `${instance}` : `${instance}:${index + 1}`;
    });
  });
}

interface Page {
  readonly keys: readonly { readonly key: string; readonly value: string }[];
}

interface Status {
  readonly master: Uid | null;
}

/** Sets a key so often, one after the other, at any server that answers: each value once. */
async function write(http: HttpCluster, uids: readonly Uid[], count: number): Promise<void> {
  let [uid = 'A', ...others] = uids;
  for (let number = 1; number <= count; number += 1) {
    const id = `00000000000000aa-1-${number}`; // whoever asks again for the same change says so
    for (;;) {
      const options = { method: 'PUT', body: `${number}`, headers: { 'request-id': id } };
      const status = await http.ask(uid, '/kv/n', options).then(
        (response) => response.status,
        () => null,
      );
      if (status === 200) break;
      assert.ok(status === null || status === 503, `${status}`);
      if (status === null) [uid = 'A', ...others] = [...others, uid];
    }
  }
}

/**
 * Keys are set and read by way of each server, over HTTP and by `client.ts`. Then one server after
 * the other is killed, the master first, while somebody writes and somebody watches: every change
 * is told, in order, once.
 */
export async function assertNothingIsMissed(t: TestContext, master: boolean): Promise<void> {
  const http = await startHttp(t, master);
  const client = (...args: string[]) => {
    return run('client.ts', '--cluster', http.cluster.clusterFile, ...args);
  };
  for (const [index, uid] of UIDS.entries()) {
    const put = await http.insist(uid, `/kv/from${uid}`, { method: 'PUT', body: `${index}` });
    assert.equal(put.status, 200);
  }
  for (const uid of UIDS) {
    const { keys } = (await (await http.insist(uid, '/kv?prefix=from')).json()) as Page;
    assert.deepEqual(
      keys.map(({ key, value }) => [key, value]),
      [
        ['fromA', '0'],
        ['fromB', '1'],
        ['fromC', '2'],
      ],
    );
  }
  const set = await client('A', 'set color "dark blue"', '--wait');
  const [, instance] = /chosen in instance ([0-9]+)/.exec(set.stdout) ?? [];
  const color = await http.insist('B', '/kv/color');
  assert.deepEqual([color.headers.get('etag'), await color.text()], [`"${instance}"`, 'dark blue']);
  const headers = { 'if-match': `"${instance}"` };
  const swap = await http.insist('C', '/kv/color', { method: 'PUT', body: 'red', headers });
  assert.equal(swap.status, 200);
  const read = await client('A', '--read', 'get color');
  assert.match(read.stdout, /^"red", answered by [ABC]\n$/);

  const watcher = new Watcher(http);
  const victim = master ? await http.master() : 'A';
  const others = UIDS.filter((uid) => uid !== victim);
  const first = watcher.watchAt(victim);
  const writing = write(http, [...UIDS], 60);
  await watcher.until('20');
  await http.cluster.server(victim).kill();
  await first;
  const second = watcher.watchAt(others[0] ?? 'B');
  await writing;
  await watcher.until('60');
  await http.cluster.server(others[0] ?? 'B').kill();
  await second;
  await http.start(victim);
  const third = watcher.watchAt(victim);
  await http.insist(others[1] ?? 'C', '/kv/end', { method: 'PUT', body: 'end' });
  await watcher.until('end');
  await http.start(others[0] ?? 'B');

  const log = await http.log(others[1] ?? 'C');
  assert.deepEqual(
    watcher.told.map(({ id }) => id),
    changesIn(log),
  );
  for (const uid of UIDS) {
    const other = await http.log(uid);
    for (const [instance, text] of other) assert.equal(text, log.get(instance) ?? text);
  }
  await http.cluster.server(victim).interrupt();
  await third;
}
