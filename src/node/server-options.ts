/** The command line of `server.ts`. */
import { Command } from 'commander';
import { DEFAULT_STATE_DIR } from '../../config.ts';
import { quorumOf, type Uid } from '../composable-paxos.ts';
import { UID } from '../messages.ts';
import type { TimeStyle } from '../trace/console.ts';
import {
  type Address,
  addressOf,
  type Cluster,
  isEverywhere,
  parseAddress,
} from './cluster-file.ts';
import { describe, UsageError } from './failure.ts';
import type { HttpOptions } from './http/door.ts';
import { httpOptionsOf, TOKEN_FILE_HELP } from './http/options.ts';
import { chosenCluster, parseArguments, wholeNumber } from './program.ts';
import { chosenKey, KEY_FILE_HELP } from './shared-key.ts';
import type { NetworkFaults, Protection } from './udp-messenger.ts';

export interface ServerOptions {
  readonly uid: Uid;
  readonly isMaster: boolean;
  /** Its values are commands to a state machine, see `log/`. */
  readonly isStore: boolean;
  /** Its state is kept as a journal: a save writes only what is new. */
  readonly hasJournal: boolean;
  /** How many links its log keeps at least; null: as many as it does by itself. */
  readonly keepLinks: number | null;
  /** Who should be master, if that can be; null: all are equal. */
  readonly preferred: Uid | null;
  /** Its members may change, see `log/members.ts`. */
  readonly hasMembers: boolean;
  /** Whom it asks to be let in; null: it is in the cluster file. */
  readonly join: Uid | null;
  /** It never votes. */
  readonly isPassive: boolean;
  /** It has lost its state, and knows it. */
  readonly rejoins: boolean;
  readonly cluster: Cluster;
  /** Where it listens, if that is not the address that the others use; null: it is. */
  readonly listen: Address | null;
  readonly stateDirectory: string;
  readonly traceFile: string | null;
  /** From this size on a new trace file is begun. */
  readonly traceLimitBytes: number;
  readonly faults: NetworkFaults;
  readonly protection: Protection;
  /** Where it answers over HTTP; null: nowhere. */
  readonly http: HttpOptions | null;
  readonly isVerbose: boolean;
  readonly isQuiet: boolean;
  readonly isColoured: boolean;
  readonly time: TimeStyle;
}

const LONGEST_DELAY_MS = 60_000;
const MOST_MEGABYTES = 1_000_000;
const MOST_LINKS = 1_000_000;
const BYTES_IN_MEGABYTE = 1_000_000;

const EXAMPLES = `
Examples:
  node --import tsx server.ts A
  node --import tsx server.ts B --master --state-dir /var/lib/paxos
  node --import tsx server.ts A --store --state-dir stores --http 8001
  node --import tsx server.ts B --journal
  node --import tsx server.ts C --master --prefer B        say so to all servers
  node --import tsx server.ts A --members
  node --import tsx server.ts D --join A=127.0.0.1:1234 --listen 127.0.0.1:1237
  node --import tsx server.ts D --members                  once it was let in
  node --import tsx server.ts C --drop 0.2 --duplicate 0.1 --delay 0-50 --trace c.ndjson

Ctrl-C stops the server in order, a second one at once.`;

/** Reads the arguments after the program's name. Throws a `UsageError`. */
export function readServerOptions(args: readonly string[]): ServerOptions {
  const command = new Command('server.ts')
    .description('One server of the cluster. Start each in a terminal of its own.')
    .argument('<uid>', 'which server this is, like A or D2')
    .option('--master', 'elect a master, and let only it propose (all servers or none)')
    .option('--store', 'be a database: its values are commands (all servers or none)')
    .option('--journal', 'keep the state as a journal, as --store does: a save writes what is new')
    .option('--keep-links <N>', 'of a store: so many links are kept at least (default: 10000)')
    .option('--prefer <UID>', 'with --master: hand the lease to this server when it is level')
    .option('--members', 'let the members change while the cluster runs (all servers or none)')
    .option('--join <A=ADDRESS>', 'be let into the cluster of this server; needs --listen')
    .option('--passive', 'with --join: follow, and never vote')
    .option('--cluster <FILE>', 'JSON like {"A": "10.0.0.1:1234", …} (default: see config.ts)')
    .option('--listen <ADDRESS>', 'listen at 0.0.0.0:1234, say, and not where the others send to')
    .option('--state-dir <DIR>', 'where the state is kept', DEFAULT_STATE_DIR)
    .option('--rejoin', 'the state of this server is lost: listen first, and vote when it is safe')
    .option('--trace <FILE>', 'append every event to this file, one line of JSON each')
    .option('--trace-limit <MB>', 'at this size the file becomes FILE.1, and a new one begins')
    .option('--drop <P>', 'lose a datagram to a peer with this probability', '0')
    .option('--duplicate <P>', 'send a datagram to a peer twice with this probability', '0')
    .option('--delay <MIN-MAX>', 'hold datagrams to peers back, in milliseconds', '0-0')
    .option('--key-file <FILE>', KEY_FILE_HELP)
    .option('--http <ADDRESS>', 'answer over HTTP at this port, or at HOST:PORT (with --store)')
    .option('--http-token-file <FILE>', TOKEN_FILE_HELP)
    .option('--trust-network', 'without a key: let other machines reach this server all the same')
    .option('-v, --verbose', 'show all events, not only those that tell the story')
    .option('-q, --quiet', 'show no events at all: making their lines takes time')
    .option('--time <STYLE>', 'short: minutes and seconds; full: date and time of day', 'short')
    .option('--no-color', 'plain text (also: NO_COLOR; the opposite: FORCE_COLOR)')
    .addHelpText('after', EXAMPLES);
  const [uid = ''] = parseArguments(command, args);
  const options = command.opts();

  const listen = listenAt(options['listen']);
  const asked = whomToJoin(uid, options['join'], listen);
  const cluster = asked ?? chosenCluster(options['cluster']);
  // A member that is not in the cluster file has on its disk where it is.
  if (options['members'] !== true || !UID.test(uid)) addressOf(cluster, uid);
  const rejoins = options['rejoin'] === true;
  if (rejoins) checkQuorumOfOthers(cluster.size);
  return {
    uid,
    isMaster: options['master'] === true,
    isStore: options['store'] === true,
    hasJournal: options['journal'] === true || options['store'] === true,
    keepLinks: keepLinksOf(options['store'], options['keepLinks']),
    preferred: preferredOf(options['prefer'], options['master'] === true, cluster),
    ...membersOptionsOf(options, asked),
    rejoins,
    cluster,
    listen,
    stateDirectory: options['stateDir'],
    traceFile: options['trace'] ?? null,
    traceLimitBytes: traceLimitOf(options['trace'], options['traceLimit']),
    faults: faultsOf(options),
    protection: {
      key: chosenKey(options['keyFile']),
      trustsNetwork: options['trustNetwork'] === true,
    },
    http: httpOptionsOf(options['http'], options['httpTokenFile'], options['store'] === true),
    isVerbose: options['verbose'] === true,
    isQuiet: options['quiet'] === true,
    isColoured: options['color'] === true,
    time: timeStyleOf(options['time']),
  };
}

function traceLimitOf(file: string | undefined, megabytes: string | undefined): number {
  if (megabytes === undefined) return Number.POSITIVE_INFINITY;
  if (file === undefined) throw new UsageError('--trace-limit is of use only with --trace');
  return wholeNumber('--trace-limit', megabytes, 1, MOST_MEGABYTES) * BYTES_IN_MEGABYTE;
}

function keepLinksOf(isStore: true | undefined, links: string | undefined): number | null {
  if (links === undefined) return null;
  if (isStore !== true) throw new UsageError('--keep-links is of use only with --store');
  return wholeNumber('--keep-links', links, 1, MOST_LINKS);
}

function preferredOf(uid: string | undefined, isMaster: boolean, cluster: Cluster): Uid | null {
  if (uid === undefined) return null;
  if (!isMaster) throw new UsageError('--prefer goes with --master: without it nobody leads');
  addressOf(cluster, uid);
  return uid;
}

const WHY_NO_REJOIN =
  'with --members nobody knows whom to ask: let another server take its place, with ' +
  'client.ts A --replace';
const WHY_NO_PASSIVE = '--passive goes with --join: whoever is in the cluster file votes';

function membersOptionsOf(
  flags: Readonly<Record<string, unknown>>,
  asked: Cluster | null,
): Pick<ServerOptions, 'hasMembers' | 'join' | 'isPassive'> {
  const hasMembers = flags['members'] === true || asked !== null;
  const isPassive = flags['passive'] === true;
  if (hasMembers && flags['rejoin'] === true) throw new UsageError(WHY_NO_REJOIN);
  if (isPassive && asked === null) throw new UsageError(WHY_NO_PASSIVE);
  return { hasMembers, join: [...(asked?.keys() ?? [])][0] ?? null, isPassive };
}

/** The server that is asked, first, and this one; null: it need not ask. */
function whomToJoin(uid: Uid, text: string | undefined, listen: Address | null): Cluster | null {
  if (text === undefined) return null;
  if (!UID.test(uid)) throw new UsageError(`a server is called like D or D2, not ${uid}`);
  const [asked = '', address] = text.split('=');
  if (!UID.test(asked) || asked === uid) {
    throw new UsageError(`--join must be like A=10.0.0.1:1234, not ${JSON.stringify(text)}`);
  }
  if (listen === null || isEverywhere(listen)) {
    throw new UsageError('--join needs --listen with an address that the others can send to');
  }
  try {
    return new Map([
      [asked, parseAddress('the address in --join', address)],
      [uid, listen],
    ]);
  } catch (error) {
    throw new UsageError(describe(error));
  }
}

function checkQuorumOfOthers(servers: number): void {
  if (quorumOf(servers) < servers) return;
  const others = servers === 1 ? 'it has no others' : 'one other server is none';
  throw new UsageError(`--rejoin must ask a quorum of the others, and in this cluster ${others}`);
}

function listenAt(text: string | undefined): Address | null {
  try {
    return text === undefined ? null : parseAddress('--listen', text);
  } catch (error) {
    throw new UsageError(describe(error));
  }
}

function timeStyleOf(text: string): TimeStyle {
  if (text === 'short' || text === 'full') return text;
  throw new UsageError(`--time must be short or full, not ${JSON.stringify(text)}`);
}

function faultsOf(flags: Readonly<Record<string, string>>): NetworkFaults {
  const [minDelayMs, maxDelayMs] = delayOf(flags['delay'] ?? '');
  return {
    drop: probabilityOf('--drop', flags['drop'] ?? ''),
    duplicate: probabilityOf('--duplicate', flags['duplicate'] ?? ''),
    minDelayMs,
    maxDelayMs,
  };
}

function probabilityOf(option: string, text: string): number {
  if (/^(0|1|[01]?\.[0-9]+)$/.test(text) && Number(text) <= 1) return Number(text);
  throw new UsageError(`${option} must be a number from 0 to 1, not ${JSON.stringify(text)}`);
}

function delayOf(text: string): [number, number] {
  const [, from, to] = /^([0-9]{1,6})-([0-9]{1,6})$/.exec(text) ?? [];
  const [minMs, maxMs] = [Number(from), Number(to)];
  if (minMs <= maxMs && maxMs <= LONGEST_DELAY_MS) return [minMs, maxMs];
  const wanted = `two whole numbers of milliseconds like 0-50, up to ${LONGEST_DELAY_MS}`;
  throw new UsageError(`--delay must be ${wanted}, not ${JSON.stringify(text)}`);
}
