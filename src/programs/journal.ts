/** `npm run journal`: the journal of a server for people, and what is wrong with a bad one. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import type { Link } from '../chain.ts';
import type { ProposalId } from '../composable-paxos.ts';
import { type Change, type Entry, entriesOf, impossible, stateAfter } from '../log/journal.ts';
import { isRecord } from '../messages.ts';
import { describe, Failure } from '../node/failure.ts';
import { parseArguments, runProgram } from '../node/program.ts';
import { readServerState, type ServerState } from '../state.ts';
import { columnsOf, printable, shorten } from '../trace/printable.ts';
import { formatId, formatValue } from '../trace/words.ts';

const HELP = `
Each line of a journal says what a save has changed. At the end stands the state that all of them
make, which is what the server goes on from. The exit code is 1 if one of the lines is not what was
written: no server starts from that.

Examples:
  npm run journal -- state/A.journal
  npm run journal -- state/A.journal | tail -20`;

const WIDTHS = [6, 9, 8, 8, 24] as const;
const VALUE_WIDTH = 18;
const COLUMNS = 120;

type Fields = Readonly<Record<string, unknown>>;

function contentOf(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Failure(`the journal ${path} cannot be read: ${describe(error)}`);
  }
}

/** Prints all lines that are as they were written. Throws a `Failure` at one that is not. */
function show(path: string, bytes: Uint8Array): { state: object; soundBytes: number } {
  let state: object | null = null;
  let soundBytes = 0;
  try {
    for (const entry of entriesOf(bytes)) {
      say(cellsIn(entry, entry.endsAt - soundBytes));
      state = stateAfter(state, entry);
      soundBytes = entry.endsAt;
    }
    if (state !== null) return { state, soundBytes };
  } catch (error) {
    const advice = 'no server starts from it, and an older copy would be as bad as none';
    throw new Failure(`the journal ${path} cannot be used: ${describe(error)}; ${advice}`);
  }
  throw new Failure(`the journal ${path} is empty`);
}

/** One line of the table. Ends where a terminal may end. */
function say(cells: readonly string[]): void {
  const padded = cells.map((cell, index) => {
    const width = WIDTHS[index] ?? 0;
    const text = shorten(printable(cell), width === 0 ? COLUMNS : width);
    const space = ' '.repeat(Math.max(0, width - columnsOf(text)));
    return index < 3 ? space + text : text + space; // numbers on the right
  });
  console.log(shorten(padded.join('  '), COLUMNS).trimEnd());
}

/** Throws, with one sentence, if there is no saying what is new by it. */
function cellsIn(entry: Entry, bytes: number): string[] {
  try {
    return cellsOf(entry, bytes);
  } catch {
    throw impossible(entry.entry);
  }
}

function cellsOf({ entry, state, change, isPart }: Entry, bytes: number): string[] {
  const isWhole = isRecord(state);
  const set: Fields = isWhole ? state : (change.set ?? {});
  const { instanceNumber, promisedId, acceptedId, acceptedValue } = set;
  const news = isWhole
    ? `a whole state: here it begins${isPart ? ', and goes on' : ''}`
    : newsOf(change, '').join(', ');
  return [
    `${entry}`,
    bytes.toLocaleString('en'),
    instanceNumber === undefined ? '' : `#${instanceNumber}`,
    idOf(promisedId),
    `${idOf(acceptedId)} ${linkOf(acceptedValue)}`.trim(),
    news,
  ];
}

const IN_COLUMNS = ['instanceNumber', 'promisedId', 'acceptedId', 'acceptedValue'];

/** What else is new, by its place in the state. */
function newsOf(change: Change, place: string): string[] {
  if ('cut' in change || 'add' in change) {
    const gone = (change.cut ?? []).reduce((sum, [, count]) => sum + count, 0);
    const added = change.add?.length ?? 0;
    return [`${place}${added > 0 ? ` +${added}` : ''}${gone > 0 ? ` -${gone}` : ''}`];
  }
  const {
    move = {},
    set = {},
    unset = [],
    in: inside = {},
  } = change as Exclude<Change, { cut?: unknown }>;
  const below = (key: string) => (place === '' ? key : `${place}.${key}`);
  const others = Object.entries(set).filter(([key]) => !IN_COLUMNS.includes(key));
  return [
    ...Object.entries(move).map(([key, from]) => `${below(key)} is what was ${below(from)}`),
    ...Object.entries(inside).flatMap(([key, one]) => newsOf(one, below(key))),
    ...others.map(([key, value]) => `${below(key)}${briefly(value)}`),
    ...unset.map((key) => `no ${below(key)}`),
  ];
}

/** A short value is shown, of a long one only that it is another. */
function briefly(value: unknown): string {
  const isShort = value === null || typeof value !== 'object';
  return isShort ? ` ${shorten(JSON.stringify(value), VALUE_WIDTH)}` : '';
}

function idOf(id: unknown): string {
  if (id === undefined) return '';
  return isRecord(id) ? formatId(id as unknown as ProposalId) : '-';
}

function linkOf(link: unknown): string {
  return isRecord(link) ? formatValue(link as unknown as Link, JSON.stringify) : '';
}

/** The state that all lines make. Throws a `Failure` if it is not that of a server. */
function summaryOf(path: string, stored: object): string[] {
  const { uid, members } = stored as ServerState;
  let state: ServerState;
  try {
    state = readServerState(stored, uid, members);
  } catch (error) {
    throw new Failure(`the state that ${path} makes cannot be used: ${describe(error)}`);
  }
  const { promisedId, acceptedId, acceptedValue, votesFrom, lease } = state;
  const votes = votesFrom === null ? 'none: it has lost its state' : `from instance ${votesFrom}`;
  const accepted = acceptedId === null ? 'nothing' : `${idOf(acceptedId)} ${linkOf(acceptedValue)}`;
  return [
    `server ${uid} of cluster ${members.join(' ')}`,
    `  instance  ${state.instanceNumber} is open`,
    `  value     ${state.currentValue === null ? 'none' : JSON.stringify(state.currentValue)}`,
    `  promised  ${promisedId === null ? 'nothing' : idOf(promisedId)}`,
    `  accepted  ${accepted}`,
    `  lease     ${lease === null ? 'of nobody' : `of ${lease.holder}`}`,
    `  votes     ${votes}`,
    `  clients   ${state.requests.length} are remembered`,
    ...logOf((stored as { kept?: unknown }).kept),
  ];
}

/** What a store keeps beside it. */
function logOf(kept: unknown): string[] {
  if (!isRecord(kept) || !isRecord(kept['snapshot']) || !Array.isArray(kept['links'])) return [];
  const { snapshot, first, blocks, links } = kept;
  const count = [...(Array.isArray(blocks) ? blocks : []), links].flat().length;
  const last = Number(first) + count - 1;
  const which = count === 0 ? 'no links' : `links ${first} to ${last}`;
  return [`  log       a snapshot of instance ${snapshot['instanceNumber']}, ${which}`];
}

await runProgram(async (args) => {
  const command = new Command('journal')
    .description('Prints the journal of a server (server.ts --journal, or --store), line by line.')
    .argument('<file>', 'the journal, <state-dir>/<uid>.journal')
    .addHelpText('after', HELP);
  const [path = ''] = parseArguments(command, args);
  const bytes = contentOf(path);
  say(['line', 'bytes', 'open', 'promised', 'accepted', 'what else is new']);
  const { state, soundBytes } = show(path, bytes);
  const behind = bytes.subarray(soundBytes);
  const left = behind.findLastIndex((byte) => byte !== 0) + 1; // zeros are room for more
  for (const line of summaryOf(path, state)) console.log(printable(line));
  if (left === 0) return;
  console.log(`note: ${left} bytes behind that are of a line that was never written to its end.`);
  console.log('Nothing was said that depends on it: the server cuts it off when it starts.');
});
