/** The command line of `client.ts`. */
import type { KeyObject } from 'node:crypto';
import { Command } from 'commander';
import type { Uid } from '../../composable-paxos.ts';
import { encodedBytes, isValue, MAX_VALUE_BYTES, UID } from '../../messages.ts';
import type { Cluster } from '../../node/cluster-file.ts';
import { UsageError } from '../../node/failure.ts';
import { chosenCluster, parseArguments, wholeNumber } from '../../node/program.ts';
import { chosenKey, KEY_FILE_HELP } from '../../node/shared-key.ts';
import type { Holding } from './hold.ts';
import { HOLD_FOR_HELP, type HoldFlags, holdTaskOf, splitAtCommand } from './hold-options.ts';
import { type MembersFlags, type MembersTask, membersTaskOf } from './members-options.ts';

/** What the client is to do. */
export type Task =
  | { readonly kind: 'fire'; readonly value: string }
  | { readonly kind: 'set'; readonly value: string }
  /** Each line of standard input is a value. */
  | { readonly kind: 'lines'; readonly waits: boolean }
  | { readonly kind: 'read'; readonly isLocal: boolean }
  | { readonly kind: 'query'; readonly query: string; readonly way: ReadingWay }
  | { readonly kind: 'status' }
  | { readonly kind: 'transfer'; readonly to: Uid }
  | MembersTask
  | { readonly kind: 'watch' }
  | ({ readonly kind: 'hold' } & Holding)
  | { readonly kind: 'prompt' };

/** Through the chain or a master; of one server, perhaps stale; or by what a quorum says. */
export type ReadingWay = 'current' | 'local' | 'quorum';

/** Standard input: something to read lines from, or keys that a person sees, or does not see. */
export type Input = 'lines' | 'keys' | 'unseen keys';

export interface ClientOptions {
  readonly task: Task;
  /** Whom to ask first; null: whoever answers. */
  readonly server: Uid | null;
  readonly cluster: Cluster;
  readonly timeoutMs: number;
  readonly isJson: boolean;
  readonly isVerbose: boolean;
  readonly key: KeyObject | null;
}

/** Longer than it takes until a master that is lost, in whatever way, has a successor. */
export const TIMEOUT_MS = 35_000;
/** A server that runs says at once how it is. */
const STATUS_TIMEOUT_MS = 2_000;
/** Less than a round of `--watch`. */
const WATCH_TIMEOUT_MS = 900;
const LONGEST_TIMEOUT_MS = 3_600_000;
const DEFAULT_TIMEOUTS = `${TIMEOUT_MS}, for --status and --members ${STATUS_TIMEOUT_MS}`;
const LIMIT = `${MAX_VALUE_BYTES} bytes as JSON text in UTF-8`;

const HELP = `
Without --wait a value is fired and forgotten: watch the servers' terminals. With --wait the
client asks until it is answered, and goes to another server if need be. A value may
have up to ${LIMIT}. When the value is -, or when there is none
and standard input is no terminal, each line of standard input is a value.

Examples:
  node --import tsx client.ts A hello                      fire a value at A
  node --import tsx client.ts B "two words" --wait         wait until it is chosen, and say where
  node --import tsx client.ts --any hello --wait           whichever server answers
  node --import tsx client.ts A --read                     the value, and nothing newer was chosen
  node --import tsx client.ts A --read --local             what A has; it may be stale
  node --import tsx client.ts A 'set color "dark blue"' --wait   servers with --store: a command …
  node --import tsx client.ts A --read 'get color'         … and a query
  node --import tsx client.ts A --read --quorum 'get color'   … without a link (no --master)
  node --import tsx client.ts A --status --json            how A is
  node --import tsx client.ts --watch                      how all servers are, again and again
  node --import tsx client.ts A --watch                    how A is, again and again
  node --import tsx client.ts A --transfer B               with --master: B is to be master
  node --import tsx client.ts A --hold job -- ./backup.sh   servers with --store: run it while
                                     the lock "job" is held, in its environment LOCK_TOKEN
  node --import tsx client.ts --any --hold job --for 10000 --timeout 60000 -- sh -c 'echo leads'
  node --import tsx client.ts A --members                  servers with --members: who they are
  node --import tsx client.ts A --add D                    D, which has joined, gets a vote
  node --import tsx client.ts A --replace B=D,C=E          two go, and two take their places
  node --import tsx client.ts A                            type one value after the other
  echo hello | node --import tsx client.ts A --wait        each line is a value, one after the other
  node --import tsx client.ts A - < values.txt             the same, without waiting
  node --import tsx client.ts C -- --looks-like-an-option

Exit code: 0 done; 1 not known to be done (after --timeout it may still be done later);
2 wrong usage. With --hold that of the command (128 + n if signal n ended it), but 124 if the lock
was lost and the command ended for that; 125 if the lock was not got, and the command not run;
126 and 127 if it cannot be run.`;

/** Reads the arguments after the program's name. Throws a `UsageError`. */
export function readClientOptions(args: readonly string[], input: Input): ClientOptions {
  const command = new Command('client.ts')
    .description('Sets the replicated value, reads it, or asks servers how they are.')
    .argument('[uid]', 'the server to ask, like A or D2 (not with --any)')
    .argument('[value]', 'what the replicated value shall become; with --read, a query to a store')
    .option('--any', 'pick a server that answers')
    .option('--wait', 'wait until the value is chosen')
    .option('--read', 'read the value: nothing newer was chosen before')
    .option('--local', 'with --read: what this server has, at once, and perhaps stale')
    .option('--quorum', 'with --read and a query: a quorum says how far to wait, no link is made')
    .option('--status', 'ask the server how it is')
    .option('--watch', 'ask this server, or all, how they are, every second, until Ctrl-C')
    .option('--transfer <UID>', 'see to it that this server is master (servers with --master)')
    .option('--members', 'who the members are, and how far each is (servers with --members)')
    .option('--add <D>', 'give those a vote that have joined; D=host:port if one never did')
    .option('--remove <B>', 'these servers are to be members no more')
    .option('--replace <B=D>', 'both at once')
    .option('--force', 'with --add or --replace: even if a new one is not level')
    .option('--hold <NAME>', 'run a command, given behind --, for as long as this lock is held')
    .option('--for <MS>', HOLD_FOR_HELP)
    .option('--json', 'with --status, --watch or --members: JSON')
    .option('--timeout <MS>', `how long to wait (default: ${DEFAULT_TIMEOUTS})`)
    .option('--cluster <FILE>', 'JSON like {"A": "10.0.0.1:1234", …} (default: see config.ts)')
    .option('--key-file <FILE>', KEY_FILE_HELP)
    .option('-v, --verbose', 'tell what is ignored')
    .addHelpText('after', HELP);
  const [before, held] = splitAtCommand(args);
  const words = parseArguments(command, before);
  const options = command.opts<Flags>();

  const [uid, value] = options.any ? [undefined, ...words] : words;
  if (options.any) checkWordsWithAny(options, words);
  const task =
    holdTaskOf(options, held, value, isQuestion(options)) ?? taskOf(options, value, input);
  checkFlags(options, task, uid, input);
  if (value !== undefined) checkValue(value);
  const cluster = chosenCluster(options.cluster);
  if (uid !== undefined) checkUid(uid);
  if (task.kind === 'transfer') checkUid(task.to);
  return {
    task,
    server: uid ?? null,
    cluster,
    timeoutMs: timeoutOf(options.timeout, task),
    isJson: options.json === true,
    isVerbose: options.verbose === true,
    key: chosenKey(options.keyFile),
  };
}

/** The options as they were given. */
interface Flags extends MembersFlags, HoldFlags {
  readonly any?: true;
  readonly wait?: true;
  readonly read?: true;
  readonly local?: true;
  readonly quorum?: true;
  readonly status?: true;
  readonly watch?: true;
  readonly transfer?: string;
  readonly json?: true;
  readonly timeout?: string;
  readonly cluster?: string;
  readonly keyFile?: string;
  readonly verbose?: true;
}

function checkWordsWithAny(flags: Flags, words: readonly string[]): void {
  if (words.length > 1) {
    throw new UsageError('--any picks the server itself: give it only the value, and no server');
  }
  const [word] = words;
  if (word !== undefined && isQuestion(flags) && !flags.read) {
    const why = '--any picks the server itself, and a question has no value';
    throw new UsageError(`${why}: leave out ${JSON.stringify(word)}`);
  }
}

function isQuestion(flags: Flags): boolean {
  const { read, status, watch, transfer } = flags;
  const isAsked = read === true || status === true || watch === true;
  return isAsked || transfer !== undefined || membersTaskOf(flags) !== null;
}

function taskOf(flags: Flags, value: string | undefined, input: Input): Task {
  const { wait, read, local, status, watch, transfer } = flags;
  if (value !== undefined && isQuestion(flags) && !read) {
    throw new UsageError('either a value is set, or something is asked: not both at once');
  }
  const ofMembers = membersTaskOf(flags);
  if (ofMembers !== null) {
    const isMore = read || status || watch || transfer !== undefined;
    if (isMore) throw new UsageError('who the members are goes with no other question');
    return ofMembers;
  }
  if (read && (status || watch)) throw new UsageError('--read asks for the value only');
  if (transfer !== undefined) {
    if (read || status || watch) throw new UsageError('--transfer asks for nothing else');
    return { kind: 'transfer', to: transfer };
  }
  if (watch) return { kind: 'watch' };
  if (status) return { kind: 'status' };
  if (read && value !== undefined) {
    return { kind: 'query', query: value, way: wayOf(flags) };
  }
  if (read) return { kind: 'read', isLocal: local === true };
  const isMissing = value === undefined;
  if (value === '-' || (isMissing && input === 'lines'))
    return { kind: 'lines', waits: wait === true };
  if (isMissing) return { kind: 'prompt' };
  return { kind: wait ? 'set' : 'fire', value };
}

function wayOf({ local, quorum }: Flags): ReadingWay {
  if (local && quorum) throw new UsageError('--local asks one server, --quorum several: not both');
  if (local) return 'local';
  return quorum ? 'quorum' : 'current';
}

/** Flags that say nothing about this task are a misunderstanding, and not passed over. */
function checkFlags(flags: Flags, task: Task, uid: string | undefined, input: Input) {
  const { kind } = task;
  if (kind === 'prompt' && input !== 'keys') {
    throw new UsageError('there is no value: give one, or --read or --status; see --help');
  }
  if (flags.wait && kind !== 'set' && kind !== 'lines')
    throw new UsageError('--wait waits for a value: give one');
  if (flags.local && kind !== 'read' && kind !== 'query')
    throw new UsageError('--local goes with --read');
  if (flags.quorum && kind !== 'query')
    throw new UsageError('--quorum goes with --read and a query to a store');
  if (flags.json && kind !== 'status' && kind !== 'watch' && kind !== 'members') {
    throw new UsageError('--json goes with --status, --watch or --members');
  }
  if (flags.any && kind === 'watch') {
    throw new UsageError('--watch shows all servers, or the one that you name: leave out --any');
  }
  const waits = task.kind === 'lines' ? task.waits : kind !== 'fire';
  if (flags.timeout !== undefined && !waits) {
    throw new UsageError('--timeout goes with --wait: without it there is no answer');
  }
  const isAsked = ['read', 'query', 'status', 'transfer', 'members', 'change', 'hold'].includes(
    kind,
  );
  if (isAsked && uid === undefined && !flags.any) {
    throw new UsageError('no server is named: name one, or say --any');
  }
}

/** Whether there is such a server the chain knows, and not the cluster file. */
function checkUid(text: string): void {
  if (UID.test(text)) return;
  throw new UsageError(`a server is called like D or D2, not ${JSON.stringify(text)}`);
}

function checkValue(value: string): void {
  const why = whyNoValue(value);
  if (why !== null) throw new UsageError(why);
}

/** Why this cannot be a value, in one sentence; null: it can. */
export function whyNoValue(value: string): string | null {
  const bytes = encodedBytes(value);
  if (bytes > MAX_VALUE_BYTES) return `the value takes ${bytes} bytes, and the limit is ${LIMIT}`;
  return isValue(value, []) ? null : 'the value is not text that UTF-8 can carry';
}

function timeoutOf(text: string | undefined, { kind }: Task): number {
  if (text !== undefined) return wholeNumber('--timeout', text, 1, LONGEST_TIMEOUT_MS);
  if (kind === 'watch') return WATCH_TIMEOUT_MS;
  if (kind === 'hold') return Number.POSITIVE_INFINITY;
  return kind === 'status' || kind === 'members' ? STATUS_TIMEOUT_MS : TIMEOUT_MS;
}
