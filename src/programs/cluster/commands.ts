/** What can be typed at the prompt of a cluster, what it means, and how it goes on. */
import type { Uid } from '../../composable-paxos.ts';
import type { Direction } from '../chaos/udp-relay.ts';
import { whyNoValue } from '../client/options.ts';

export type Command =
  | { readonly kind: 'fire' | 'set'; readonly server: Uid; readonly value: string }
  | { readonly kind: 'read'; readonly server: Uid; readonly isLocal: boolean }
  /** `server` null: all. */
  | { readonly kind: 'status'; readonly server: Uid | null }
  | { readonly kind: 'kill' | 'stop' | 'start' | 'restart'; readonly server: Uid }
  | { readonly kind: 'cut'; readonly directions: readonly Direction[] }
  | { readonly kind: 'loss'; readonly probability: number }
  | { readonly kind: 'mend' | 'help' | 'quit' };

/** What can be typed, and what it does; as `help` lists it. */
export const COMMANDS: readonly (readonly [usage: string, does: string])[] = [
  ['fire A hello', 'fires a value at A, and forgets it'],
  ['set A hello', 'the same, and tells when it is chosen (also: request)'],
  ['read A', 'the value, and nothing newer was chosen (read A local: what A has)'],
  ['status [A]', 'how A is, or how all are'],
  ['kill B', 'ends B with SIGKILL, in the middle of whatever it does'],
  ['stop B', 'ends B in good order, as Ctrl-C does'],
  ['start B', 'starts B again, on the state that it has saved'],
  ['restart B', 'the same, and stops it before if it runs'],
  ['cut A', 'from now on no peer hears A, nor A a peer; clients still reach A …'],
  ['cut A->BC', '… or nothing gets from A to B or C …'],
  ['cut A|BC', '… or nothing gets from one group to the other; cuts add up'],
  ['mend', 'mends all that is cut, and ends the loss'],
  ['loss 0.2', 'every datagram between servers is lost with this probability'],
  ['help', 'lists the commands'],
  ['quit', 'ends the servers and this program (also: Ctrl-C, Ctrl-D)'],
];

const WORDS = ['fire', 'set', 'request', 'read', 'status', 'kill', 'stop', 'start', 'restart'];
const OTHER_WORDS = ['cut', 'mend', 'loss', 'help', 'quit'];
const ALL_WORDS = [...WORDS, ...OTHER_WORDS];

/** Reads a line. What cannot be meant is a string: why not, in a sentence. */
export function readCommand(line: string, uids: readonly Uid[]): Command | string {
  const [, word = '', rest = ''] = /^(\S+)\s*(.*)$/su.exec(line.trim()) ?? [];
  switch (word) {
    case 'fire':
      return readValue('fire', rest, uids);
    case 'set':
    case 'request':
      return readValue('set', rest, uids);
    case 'read':
      return readQuestion(rest, uids);
    case 'status':
      return rest === '' ? { kind: 'status', server: null } : onServer('status', rest, uids);
    case 'kill':
    case 'stop':
    case 'start':
    case 'restart':
      return onServer(word, rest, uids);
    case 'cut':
      return readCut(rest, uids);
    case 'loss':
      return readLoss(rest);
    case 'mend':
    case 'help':
    case 'quit':
      return rest === '' ? { kind: word } : `"${word}" takes nothing behind it`;
    default:
      return `there is no command "${word}"; "help" lists all`;
  }
}

function readValue(kind: 'fire' | 'set', rest: string, uids: readonly Uid[]): Command | string {
  const [, server = '', value = ''] = /^(\S+)\s*(.*)$/su.exec(rest) ?? [];
  if (!uids.includes(server)) return noServer(kind, server, uids);
  if (value === '') return `"${kind} ${server}" needs a value, like "${kind} ${server} hello"`;
  const meant = withoutQuotes(value);
  return whyNoValue(meant) ?? { kind, server, value: meant };
}

/** Whoever is used to a shell puts what has gaps into quotes. */
function withoutQuotes(text: string): string {
  if (!/^".*"$/s.test(text)) return text;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'string' ? value : text;
  } catch {
    return text;
  }
}

function readQuestion(rest: string, uids: readonly Uid[]): Command | string {
  const [server = '', local, ...more] = rest.split(/\s+/);
  if (!uids.includes(server)) return noServer('read', server, uids);
  if (more.length > 0 || (local !== undefined && local !== 'local')) {
    return '"read" takes a server, and perhaps "local": it asks for the value';
  }
  return { kind: 'read', server, isLocal: local === 'local' };
}

function onServer<Kind extends 'status' | 'kill' | 'stop' | 'start' | 'restart'>(
  kind: Kind,
  server: string,
  uids: readonly Uid[],
) {
  return uids.includes(server) ? { kind, server } : noServer(kind, server, uids);
}

function noServer(word: string, server: string, uids: readonly Uid[]): string {
  const known = uids.join(', ');
  if (server === '') return `"${word}" needs a server, like "${word} ${uids[0]}"`;
  return `there is no server ${JSON.stringify(server)} in this cluster, only ${known}`;
}

function readCut(rest: string, uids: readonly Uid[]): Command | string {
  const [, left = '', sign = '|', right = others(left, uids)] =
    /^([A-Z]+)(?:(\||->)([A-Z]+))?$/.exec(rest.replaceAll(/\s/g, '')) ?? [];
  if (left === '') return '"cut" is followed by A, A->BC or A|BC';
  const named = [...left, ...right];
  const stranger = named.find((uid) => !uids.includes(uid));
  if (stranger !== undefined) return noServer('cut', stranger, uids);
  if (new Set(named).size < named.length) return 'a server stands on one side of a cut, once';
  const there = [...left].flatMap((a) => [...right].map((b): Direction => [a, b]));
  const back = there.map(([a, b]): Direction => [b, a]);
  return { kind: 'cut', directions: sign === '->' ? there : [...there, ...back] };
}

function others(group: string, uids: readonly Uid[]): string {
  return uids.filter((uid) => !group.includes(uid)).join('');
}

function readLoss(rest: string): Command | string {
  const probability = Number(rest);
  if (/^\d*\.?\d+$/.test(rest) && probability <= 1) return { kind: 'loss', probability };
  return '"loss" is followed by a probability from 0 to 1, like 0.2';
}

/** All lines that this one may become, by one word more. */
export function completionsOf(line: string, uids: readonly Uid[]): readonly string[] {
  const [, word = '', gap = '', rest = ''] = /^(\S*)(\s*)(.*)$/su.exec(line) ?? [];
  if (gap === '') return ALL_WORDS.filter((it) => it.startsWith(word)).map((it) => withGap(it));
  const isOnServer = WORDS.includes(word);
  const hasMore = ['fire', 'set', 'request'].includes(word);
  const places = isOnServer
    ? uids.map((uid) => (hasMore ? `${uid} ` : uid))
    : word === 'cut'
      ? uids.flatMap((uid) => [`${uid}|${others(uid, uids)}`, `${uid}->${others(uid, uids)}`])
      : [];
  const wanted = word === 'read' ? [...places, ...uids.map((uid) => `${uid} local`)] : places;
  return wanted.filter((it) => it.startsWith(rest)).map((it) => `${word} ${it}`);
}

function withGap(word: string): string {
  return ['mend', 'help', 'quit'].includes(word) ? word : `${word} `;
}
