/**
 * The cluster: which servers there are, and at which addresses. It is written as a JSON object,
 * `{"A": "10.0.0.1:1234", "B": "10.0.0.2:1234", "C": "three.example:1234"}`;
 * an IPv6 address stands in brackets, `"[fd00::1]:1234"`.
 */
import { readFileSync } from 'node:fs';
import { isIP, SocketAddress } from 'node:net';
import type { Uid } from '../composable-paxos.ts';
import { isRecord, UID } from '../messages.ts';
import { describe, UsageError } from './failure.ts';

export interface Address {
  /** A name, or an IP address in its shortest form. */
  readonly host: string;
  readonly port: number;
}

/** The servers in the order of their uids. */
export type Cluster = ReadonlyMap<Uid, Address>;

const MAX_SERVERS = 9;
/** An IPv6 address may name its zone, the interface behind which it is: `fe80::1%eth0`. */
const ADDRESS = /^(?:\[([0-9a-fA-F:.]+(?:%[A-Za-z0-9_.-]+)?)\]|([A-Za-z0-9_.-]+)):([0-9]{1,5})$/;
const EVERYWHERE = ['0.0.0.0', '::'];

/** Reads a cluster file. Throws a `UsageError` that names the file and what is wrong with it. */
export function readClusterFile(path: string): Cluster {
  try {
    return parseCluster(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    const why = error instanceof SyntaxError ? 'it is not JSON' : describe(error);
    throw new UsageError(`the cluster file ${path} cannot be used: ${why}`);
  }
}

/** Makes a cluster of what a file or `config.ts` says. Throws an `Error` with one sentence. */
export function parseCluster(written: unknown): Cluster {
  if (!isRecord(written)) throw new Error('it is not an object like {"A": "127.0.0.1:1234"}');
  const entries = Object.entries(written).sort();
  if (entries.length === 0) throw new Error('it names no server');
  if (entries.length > MAX_SERVERS) {
    throw new Error(`it names ${entries.length} servers, and ${MAX_SERVERS} are the most`);
  }
  const cluster = new Map<Uid, Address>();
  const owners = new Map<string, Uid>();
  for (const [uid, text] of entries) {
    if (!UID.test(uid)) {
      throw new Error(`a server is named by one capital letter, not ${JSON.stringify(uid)}`);
    }
    const address = parseAddress(`the address of ${uid}`, text);
    if (isEverywhere(address)) {
      const advice = `listen there with --listen ${text}`;
      throw new Error(
        `the address of ${uid} must be one that the others can send to, not ${text}; ${advice}`,
      );
    }
    const other = owners.get(formatAddress(address));
    if (other !== undefined) throw new Error(`${other} and ${uid} have the same address`);
    owners.set(formatAddress(address), uid);
    cluster.set(uid, address);
  }
  return cluster;
}

/** The address of one server. Throws a `UsageError` that names those that there are. */
export function addressOf(cluster: Cluster, uid: Uid): Address {
  const address = cluster.get(uid);
  if (address !== undefined) return address;
  const known = [...cluster.keys()].join(', ');
  throw new UsageError(`there is no server ${uid} in this cluster, only ${known}`);
}

/** `127.0.0.1:1234` or `[::1]:1234`. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The address that `formatAddress` wrote. */
export function splitAddress(formatted: string): Address {
  const colon = formatted.lastIndexOf(':');
  const isBracketed = formatted.startsWith('[');
  const host = isBracketed ? formatted.slice(1, colon - 1) : formatted.slice(0, colon);
  return { host, port: Number(formatted.slice(colon + 1)) };
}

/** An IP address in the one form that the system itself would give it; a name as it is. */
export function canonicalHost(host: string): string {
  const version = isIP(host);
  if (version === 0) return host.toLowerCase();
  const [address = '', zone] = host.split('%');
  const family = version === 6 ? 'ipv6' : 'ipv4';
  const shortest = new SocketAddress({ address, family }).address;
  return zone === undefined ? shortest : `${shortest}%${zone}`;
}

/** Does this address stand for all that a machine has? One can listen there, but not send to it. */
export function isEverywhere({ host }: Address): boolean {
  return EVERYWHERE.includes(host);
}

/** Reads an address; `whose` it is, for the `Error` with one sentence that it may throw. */
export function parseAddress(whose: string, text: unknown): Address {
  const [, ipv6, name, digits] = ADDRESS.exec(typeof text === 'string' ? text : '') ?? [];
  const host = ipv6 ?? name;
  const port = Number(digits);
  const isHost = host !== undefined && (ipv6 === undefined || isIP(ipv6) === 6);
  if (!isHost || port < 1 || port > 65_535) {
    const shown = JSON.stringify(text)?.slice(0, 60);
    throw new Error(`${whose} must be like 10.0.0.1:1234 or [::1]:1234, not ${shown}`);
  }
  return { host: canonicalHost(host), port };
}
