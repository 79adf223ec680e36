/** The life of one real server: from its port and its files to the signal that ends it. */
import { isatty } from 'node:tty';
import type { ClientAnswers } from '../client-answers.ts';
import { quorumOf, type Uid } from '../composable-paxos.ts';
import type { Environment } from '../environment.ts';
import { preferring } from '../log/preference.ts';
import type { Store } from '../log/store.ts';
import { LeaderTracking } from '../log/tracking.ts';
import { Watch } from '../log/watch.ts';
import type { MasterLeases } from '../master-strategy.ts';
import { isRecord } from '../messages.ts';
import type { Constructor, ReplicatedValue } from '../replicated-value.ts';
import { MustStop, STATE_IS_MISSING } from '../state.ts';
import { type Address, addressOf, formatAddress, parseAddress } from './cluster-file.ts';
import { complain, describe, Failure } from './failure.ts';
import { HttpDoor } from './http/door.ts';
import { type Joined, join } from './join.ts';
import { JournalFile } from './journal-file.ts';
import { JsonStateFile } from './json-state-file.ts';
import type { ServerOptions } from './server-options.ts';
import { type StateFile, whatMayBeLost } from './state-directory.ts';
import { stateOnDisk } from './state-on-disk.ts';
import { SystemEnvironment } from './system-environment.ts';
import { exitFrom, Lines, neverWaitFor, terminal } from './terminal.ts';
import { TraceFile } from './trace-file.ts';
import { type Sink, Turns } from './turns.ts';
import { UdpMessenger } from './udp-messenger.ts';

/** How long a server that was asked to stop may take to bring its affairs in order. */
const RETIRE_WITHIN_MS = 2_000;
const EXIT_CODE_OF_SIGNAL = 128;
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

export type ReplicaClass = new (
  uid: Uid,
  uids: readonly Uid[],
  environment: Environment,
) => ReplicatedValue;

type WithLeases = Constructor<MasterLeases & ClientAnswers>;

/** Where there are masters, the server says since when, and knows whom it prefers. */
function led(Replica: WithLeases, preferred: Uid | null): ReplicaClass {
  const Tracking = LeaderTracking(Replica);
  return preferred === null ? Tracking : preferring(Tracking, preferred);
}

/**
 * Starts a replica of this class as server `options.uid`, and returns when it runs. It ends the
 * process by itself: after a signal, or when something fails. Throws a `Failure` if the server
 * cannot even begin. The port comes first: whoever has it is the only one at the state file.
 */
export async function runServer(given: ServerOptions, Replica: ReplicaClass): Promise<void> {
  const { uid } = given;
  const place = given.cluster.get(uid) ?? whereItWas(given);
  const own = given.listen ?? place;
  const options = { ...given, cluster: new Map([...given.cluster, [uid, place]]) };
  neverWaitFor(process.stdout, process.stderr);
  const lines = new Lines(process.stdout);
  const named = [...options.cluster.keys()];
  const sinks: Sink[] = options.isQuiet ? [] : [terminal(named, options, lines)];
  let leave = () => {};
  if (options.hasMembers) sinks.push(whoLeaves(() => leave()));
  const { traceFile, traceLimitBytes } = options;
  if (traceFile !== null) sinks.push(new TraceFile(traceFile, traceLimitBytes));

  let messenger: UdpMessenger | null = null;
  const turns = new Turns(uid, sinks, (error) => {
    messenger?.close();
    if (options.isVerbose && !(error instanceof Failure)) console.error(error);
    process.exit(complain(new Failure(`server ${uid} stops: ${describe(error)}`)));
  });
  process.on('uncaughtException', (error) => turns.fail(error));

  messenger = await UdpMessenger.open(uid, options.cluster, turns, options);
  const door = options.http && (await HttpDoor.open(options.http, { ...options, turns }));
  const File = options.hasJournal ? JournalFile : JsonStateFile;
  const file = new File(options.stateDirectory, uid);
  const { founders, cluster } = await whoTheOthersAre(options, file, own);
  messenger.meet(cluster);
  if (options.rejoins) file.saveAsLost(founders);
  const { preferred } = options;
  const Led = options.isMaster ? led(Replica as WithLeases, preferred) : Replica;
  const Own = door === null ? Led : Watch(Led as Constructor<Store>);
  const network = door?.around(messenger) ?? messenger;
  const replica = new Own(uid, founders, new SystemEnvironment(turns, network, file, cluster));
  const address = formatAddress(own);
  lines.write(`server ${uid} listens on ${address} and keeps ${file.path}`);
  if (door !== null) lines.write(`server ${uid} answers HTTP at ${door.url}`);
  const risk = whatMayBeLost();
  if (risk !== null) lines.write(risk);
  messenger.deliverTo(replica);
  leave = stopOnSignal(turns, replica, messenger, lines, door);
  turns.run(() => startFrom(file, replica));
  door?.serve(replica);
  if (file.takesOver === null) return;
  lines.write(`the state in ${file.takesOver} goes over to ${file.path} with the next save`);
}

function storedBy(file: StateFile): Record<string, unknown> | null {
  const stored = loadFrom(file);
  return isRecord(stored) ? stored : null;
}

function loadFrom(file: StateFile): unknown {
  try {
    return file.load();
  } catch (error) {
    const advice = 'let another server take its place: client.ts A --replace';
    if (error instanceof Failure) throw error;
    throw new Failure(`its state file ${file.path} cannot be used: ${describe(error)}; ${advice}`);
  }
}

/** A server that is in no cluster file knows it from the chain, and so from its disk. */
function whereItWas({ uid, cluster, hasMembers, stateDirectory }: ServerOptions): Address {
  if (!hasMembers) return addressOf(cluster, uid);
  let address: string | undefined;
  try {
    address = stateOnDisk(stateDirectory, uid)?.membership?.members[uid]?.address;
  } catch (error) {
    throw new Failure(`the state of server ${uid} cannot be used: ${describe(error)}`);
  }
  if (address !== undefined) return parseAddress(`the address of ${uid} on its disk`, address);
  const why = `server ${uid} is not in the cluster file, and was no member before`;
  throw new Failure(`${why}: start it with --join and --listen`);
}

/** What the cluster file says, until the chain does: then the disk knows. */
async function whoTheOthersAre(
  options: ServerOptions,
  file: StateFile,
  own: Address,
): Promise<Joined> {
  const { cluster, join: asked } = options;
  const stored = options.hasMembers ? storedBy(file) : null;
  if (stored === null && asked !== null) return join(options, own);
  const knows = stored !== null && (asked !== null || isRecord(stored['membership']));
  if (!knows) return { founders: [...cluster.keys()], cluster };
  const { members } = stored;
  return { founders: Array.isArray(members) ? members : [], cluster };
}

/** A server that is no member any more ends by itself, once nobody needs it. */
function whoLeaves(leave: () => void): Sink {
  return {
    show: (event) => {
      if (event.event === 'members' && event.what === 'left') setImmediate(leave);
    },
    endTurn: () => {},
  };
}

function startFrom(file: StateFile, replica: ReplicatedValue): void {
  try {
    replica.start();
    file.settle();
  } catch (error) {
    if (error instanceof Failure) throw error;
    if (error instanceof MustStop) {
      throw new Failure(`its state file ${file.path} cannot be used: ${error.message}`);
    }
    const why = describe(error);
    const advice = adviceAfter(why, replica);
    throw new Failure(`its state file ${file.path} cannot be used: ${why}; ${advice}`);
  }
}

/** What to do without a state file. An older copy of it is no help: it has forgotten, too. */
function adviceAfter(why: string, { uids, peers, members }: ReplicatedValue): string {
  const isMissing = why === STATE_IS_MISSING;
  const anew = 'to begin anew, stop all servers and remove the state of each (rm -r state)';
  const left = isMissing ? '' : 'it was left as it is, and ';
  const copy = `${left}an older copy of it would be as bad as none`;
  if (members !== null) return `${copy}: let another one take its place, client.ts A --replace`;
  if (quorumOf(uids.length) > peers.length) return `${copy}: ${anew}`;
  return `${copy}: ${isMissing ? '' : 'move it away, and '}start it with --rejoin, or, ${anew}`;
}

/**
 * The first signal, or a reader of our lines that goes away, stops in order; the second kills. What
 * it returns does what the first one does.
 */
function stopOnSignal(
  turns: Turns,
  replica: ReplicatedValue,
  messenger: UdpMessenger,
  lines: Lines,
  door: HttpDoor | null,
): () => void {
  let isStopping = false;
  const terminals = [0, 1, 2].filter(isatty);
  const stop = () => {
    turns.run(() => replica.stop());
    turns.end();
    messenger.close();
    door?.close();
    lines.end(() => exitFrom(terminals));
  };
  const retire = () => {
    isStopping = true;
    lines.write('stopping in good order; Ctrl-C again stops at once');
    door?.retire();
    turns.after(RETIRE_WITHIN_MS, () => setImmediate(stop));
    turns.run(() => replica.retire(() => setImmediate(stop)));
  };
  for (const [signal, number] of Object.entries(SIGNALS)) {
    process.on(signal, () => {
      const isHangUp = signal === 'SIGHUP';
      // It says that the terminal is closed. A server that has none was started to outlive it, as
      // `nohup` does; and Node has undone by now what `nohup` asks of the system.
      if (isHangUp && terminals.length === 0) return;
      if (!isStopping) return retire();
      // A terminal that closes sends one by itself, and its shell another.
      if (!isHangUp) process.exit(EXIT_CODE_OF_SIGNAL + number);
    });
  }
  process.stdout.on('error', () => {
    if (!isStopping) retire();
  });
  process.stderr.on('error', () => {}); // there is nobody left to tell
  return () => {
    lines.write(`server ${replica.uid} is no member any more, and ends`);
    if (!isStopping) retire();
  };
}
