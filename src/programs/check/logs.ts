/** The logs of stores, out of their traces or their state files, and what to say of them. */
import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Link } from '../../chain.ts';
import type { Uid } from '../../composable-paxos.ts';
import type { Environment } from '../../environment.ts';
import { type Comparison, compareLogs, ToldLog } from '../../log/compare-logs.ts';
import type { LinkBlocks } from '../../log/link-list.ts';
import { StoreReplica } from '../../log/replicas.ts';
import { isRecord } from '../../messages.ts';
import { describe, Failure } from '../../node/failure.ts';
import { JsonStateFile } from '../../node/json-state-file.ts';
import { stateOnDisk } from '../../node/state-on-disk.ts';
import { readTraces } from '../common/read-traces.ts';

const TRACE = /\.ndjson$/;
const STATE = /^([A-Z][0-9]*)\.(?:json|journal)$/;

/** Compares what these files say, or those of these directories. Throws a `Failure`. */
export function compareLogFiles(paths: readonly string[]): Comparison {
  const files = paths.flatMap(filesIn);
  const traces = files.filter((path) => TRACE.test(path));
  const states = files.filter((path) => !TRACE.test(path));
  const logs = [...(traces.length > 0 ? tracedLogs(traces) : []), ...storedLogs(states)];
  if (logs.length < 2) throw new Failure('logs are compared, and there are not two of them here');
  return compareLogs(logs);
}

function filesIn(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    const all = readdirSync(path);
    // Where both are there, the journal counts.
    const isLeft = (name: string) => all.includes(name.replace(/\.json$/, '.journal'));
    const names = all.filter(
      (name) =>
        TRACE.test(name) || (STATE.test(name) && (!name.endsWith('.json') || !isLeft(name))),
    );
    return names.sort().map((name) => join(path, name));
  } catch (error) {
    throw new Failure(`${path} cannot be read: ${describe(error)}`);
  }
}

function tracedLogs(paths: readonly string[]): ToldLog[] {
  const { events, traced } = readTraces(paths);
  const logs = new Map(traced.map((uid) => [uid, new ToldLog(uid)]));
  for (const event of events) logs.get(event.server)?.observe(event);
  const logged = [...logs.values()];
  if (logged.some(({ states }) => states.size > 0)) return logged;
  throw new Failure('these are no traces of stores: start the servers with --store');
}

/** Each server reads what it has kept, and then, if it is behind, the links of one that is not. */
function storedLogs(paths: readonly string[]): ToldLog[] {
  const stored = paths.map((path) => new StoredLog(path));
  for (const one of stored) for (const other of stored) one.readOn(other);
  return stored.map(({ log }) => log);
}

/** A server that is started on a copy of its state, and can neither say nor save anything. */
class StoredLog {
  readonly log: ToldLog;
  readonly #replica: StoreReplica;
  /** Where it was when it was started. */
  readonly #end: number;

  constructor(path: string) {
    const [, uid = ''] = STATE.exec(basename(path)) ?? [];
    if (uid === '') throw new Failure(`${path} is neither a trace nor the state of a server`);
    this.log = new ToldLog(uid);
    try {
      const state = loadedFrom(path, uid);
      const { members, kept } = isRecord(state) ? state : {};
      const uids = Array.isArray(members) ? members : [uid];
      this.#replica = new StoreReplica(
        uid,
        uids,
        silent(state, (event) => this.log.observe(event)),
      );
      this.#replica.start();
      const { first, blocks, links } = kept as { first: number } & LinkBlocks;
      for (const [index, link] of [...blocks, links].flat().entries()) {
        this.log.links.set(first + index, link);
      }
    } catch (error) {
      throw new Failure(`${path} cannot be used: ${describe(error)}`);
    }
    this.#end = this.#replica.instanceNumber;
  }

  /** As a laggard does. Where it was remains what it has come to by itself. */
  readOn(other: StoredLog): void {
    const { instanceNumber } = this.#replica;
    const links: Link[] = [];
    for (let n = instanceNumber; other.log.links.has(n); n += 1) {
      links.push(other.log.links.get(n) as Link);
    }
    if (other === this || links.length === 0) return;
    const from: Uid = other.log.name;
    this.#replica.receive(from, { type: 'links', instanceNumber, first: instanceNumber, links });
    this.log.end = this.#end;
  }
}

/** Only looks: a server may run on a journal meanwhile. */
function loadedFrom(path: string, uid: Uid): unknown {
  const isJournal = path.endsWith('.journal');
  return isJournal ? stateOnDisk(dirname(path), uid) : new JsonStateFile(dirname(path), uid).load();
}

function silent(state: unknown, trace: Environment['trace']): Environment {
  return {
    clock: { now: () => 0, wallNow: () => 0, after: () => ({ cancel: () => {} }) },
    random: () => 0,
    messenger: { send: () => {}, reply: () => {}, canCarry: () => true },
    storage: { load: () => state, save: () => {} },
    trace,
  };
}
