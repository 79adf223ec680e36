/**
 * An etcd of three members on this machine, for comparison: as durable as the stores (it brings
 * its log to the disk before it answers, too), asked over the same kind of connections, and asked
 * where it leads.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Failure } from '../../node/failure.ts';
import { freePorts, LOOPBACK } from '../common/free-port.ts';
import { HttpClients, type HttpRequest } from './http-clients.ts';

const NAMES = ['A', 'B', 'C'] as const;
const LEADER_WITHIN_MS = 60_000;
const LOOK_AGAIN_MS = 100;

export function isEtcdInstalled(): boolean {
  return spawnSync('etcd', ['--version']).status === 0;
}

export function etcdVersion(): string {
  return spawnSync('etcd', ['--version']).stdout.toString().split('\n')[0] ?? '';
}

/** Starts it, with all that it writes in this directory; `started` hears of each process. */
export async function startEtcd(
  directory: string,
  started: (child: ChildProcess) => void,
): Promise<HttpClients> {
  mkdirSync(directory, { recursive: true });
  const ports = await freePorts(2 * NAMES.length);
  const urlOf = (index: number) => `http://${LOOPBACK}:${ports[index]}`;
  const members = NAMES.map((name, index) => `${name}=${urlOf(NAMES.length + index)}`).join(',');
  for (const [index, name] of NAMES.entries()) {
    const [client, peer] = [urlOf(index), urlOf(NAMES.length + index)];
    const flags = ['--name', name, '--data-dir', join(directory, name), '--log-level', 'error'];
    const urls = [
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
    ];
    const cluster = ['--initial-cluster', members, '--initial-cluster-state', 'new'];
    started(spawn('etcd', [...flags, ...urls, ...cluster], { stdio: 'ignore' }));
  }
  return leaderAt(ports.slice(0, NAMES.length));
}

interface Status {
  readonly leader?: string;
  readonly header?: { readonly member_id?: string };
}

/** Asks each of them who leads, until one says that it does itself. */
async function leaderAt(ports: readonly number[]): Promise<HttpClients> {
  for (let waitedMs = 0; waitedMs < LEADER_WITHIN_MS; waitedMs += LOOK_AGAIN_MS) {
    for (const port of ports) {
      const clients = new HttpClients(port);
      const status = { method: 'POST', path: '/v3/maintenance/status', body: '{}' };
      const answer = await clients.ask(status).catch(() => '{}'); // it may not be there yet
      const { leader, header } = JSON.parse(answer) as Status;
      if (leader !== undefined && leader === header?.member_id) return clients;
      clients.close();
    }
    await pause(LOOK_AGAIN_MS);
  }
  throw new Failure('etcd has no leader');
}

export function etcdPut(key: string, value: string): HttpRequest {
  const body = JSON.stringify({ key: inBase64(key), value: inBase64(value) });
  return { method: 'POST', path: '/v3/kv/put', body };
}

/** The newest value: etcd makes sure that its leader still leads. */
export function etcdGet(key: string): HttpRequest {
  return { method: 'POST', path: '/v3/kv/range', body: JSON.stringify({ key: inBase64(key) }) };
}

function inBase64(text: string): string {
  return Buffer.from(text).toString('base64');
}
