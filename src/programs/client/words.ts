/** What a client tells a person, or a program, about the answers that it gets. */
import type { Uid } from '../../composable-paxos.ts';
import type {
  AnsweredReply,
  ChosenReply,
  FoundReply,
  LogReport,
  MembersReply,
  ReignReport,
  Reply,
  StatusReply,
  ValueReply,
} from '../../messages.ts';
import { printable, shorten } from '../../trace/printable.ts';
import { formatId } from '../../trace/words.ts';

/** A server, and how it is; null: it has not answered. */
export type Report = readonly [Uid, StatusReply | null];

/** How the answer to a value or a read reads. */
export function sayAnswer(server: Uid, reply: Reply): string {
  if (reply.type === 'chosen') return sayChosen(server, reply);
  if (reply.type === 'value') return sayValue(server, reply);
  if (reply.type === 'answered') return sayAnswered(server, reply);
  if (reply.type === 'found') return sayFound(server, reply);
  if (reply.type === 'transferred') {
    return `${server} is master, for ${duration(reply.leaseLeftMs)} if it is not renewed`;
  }
  if (reply.type === 'changed') {
    return `done in instance ${reply.instanceNumber}, and a quorum of the members has it on disk`;
  }
  throw new Error(`${reply.type} answers neither a value nor a read`);
}

function sayChosen(server: Uid, { instanceNumber }: ChosenReply): string {
  return `chosen in instance ${instanceNumber}, answered by ${server}`;
}

function sayAnswered(server: Uid, { answer, instanceNumber }: AnsweredReply): string {
  return `${quoted(answer)}, chosen in instance ${instanceNumber}, answered by ${server}`;
}

function sayFound(server: Uid, { found, isCurrent, instanceNumber }: FoundReply): string {
  const said = found === null ? 'there is nothing' : quoted(found);
  if (isCurrent) return `${said}, answered by ${server}`;
  return `${said} at ${server}, in instance ${instanceNumber}; it may be stale`;
}

function sayValue(server: Uid, { value, isCurrent, instanceNumber }: ValueReply): string {
  const said = value === null ? 'there is no value yet' : `${quoted(value)} is the value`;
  if (isCurrent) return `${said}, answered by ${server}`;
  return `${said} at ${server}, in instance ${instanceNumber}; it may be stale`;
}

/** What can be said of a value when the time is up: not that it failed. */
export function sayUnknownFate(value: string): string {
  return `the outcome is unknown: ${nameValue(value, 40)} may have been chosen, or may be later`;
}

/** A value in quotes, cut off if it is long. */
function nameValue(value: string, columns: number): string {
  return `"${shorten(printable(value), columns)}"`;
}

/** Who the members are, one a line. */
export function sayMembers(server: Uid, { instanceNumber, members }: MembersReply): string {
  const lines = Object.entries(members).map(([uid, { address, role, open }]) => {
    const far = open === null ? 'does not answer' : `#${open}`;
    return `  ${uid.padEnd(5)} ${role.padEnd(8)} ${(address ?? '').padEnd(22)} ${far}`;
  });
  return [`server ${server} is at #${instanceNumber}, and these are the members`, ...lines].join(
    '\n',
  );
}

/** The same for a program. */
export function membersJson(server: Uid, report: MembersReply): string {
  const { instanceNumber, members } = report;
  return toJson({ server, instanceNumber, members });
}

/** How a server is, over several lines. */
export function sayStatus(server: Uid, report: StatusReply): string {
  const { instanceNumber, value, waiting, uptimeMs } = report;
  const held = value === null ? 'none yet' : quoted(value);
  const lines: (readonly [string, string])[] = [
    ['instance', `${instanceNumber} is open`],
    ...(report.log === null ? [['value', held] as const] : sayLog(report.log, instanceNumber)),
    ['promised', idOr(report.promisedId, 'nothing yet')],
    ['accepted', idOr(report.acceptedId, 'nothing yet')],
    ['master', sayMaster(server, report)],
    ['queue', waiting === 0 ? 'nothing waits' : `${waiting} ${waiting === 1 ? 'waits' : 'wait'}`],
    ['heard', sayHeard(report, ' ago') || 'there is no other server'],
    ['up', `for ${duration(uptimeMs)}`],
  ];
  const told = lines.map(([name, words]) => `  ${name.padEnd(9)} ${words}`);
  return [`server ${server}`, ...told].join('\n');
}

/** What a store keeps. */
function sayLog(log: LogReport, instanceNumber: number): [string, string][] {
  const { firstKept, snapshotAt, digest, size } = log;
  const links =
    firstKept === instanceNumber ? 'no links' : `links ${firstKept} to ${instanceNumber - 1}`;
  return [
    ['log', `${links}, a snapshot of all before instance ${snapshotAt}`],
    ['state', `${size}, digest ${digest}`],
  ];
}

/** How a server is, in one line of at most so many columns. */
export function sayStatusLine([server, report]: Report, columns: number): string {
  if (report === null) return `${server}  does not answer`;
  const { instanceNumber, value, promisedId, acceptedId, waiting, uptimeMs } = report;
  const parts = [
    `#${instanceNumber}`.padEnd(6),
    `promised ${idOr(promisedId, '-')}`.padEnd(13),
    `accepted ${idOr(acceptedId, '-')}`.padEnd(13),
    shortMaster(server, report).padEnd(14),
    `${waiting} wait`.padEnd(7),
    `up ${duration(uptimeMs)}`.padEnd(10),
    report.log?.size ?? (value === null ? 'no value' : quoted(value)),
  ];
  return shorten(`${server}  ${parts.join(' ')}`, columns);
}

/** How all servers are, in one line. */
export function sayRound(reports: readonly Report[]): string {
  const told = reports.map(([server, report]) => {
    if (report === null) return `${server} does not answer`;
    const held = report.value === null ? 'no value' : nameValue(report.value, 20);
    const value = report.log === null ? held : `${report.log.size}, ${report.log.digest}`;
    const isMaster = report.hasLeases && report.master === server;
    const leads = isMaster ? ` ${shortMaster(server, report)}` : '';
    return `${server} #${report.instanceNumber} ${value}${leads}`;
  });
  return told.join(' | ');
}

/** The same for a program: plain ASCII, so that no terminal obeys what is in a value. */
export function statusJson([server, report]: Report): string {
  if (report === null) return toJson({ server, isAnswered: false });
  const { type: _type, requestId: _requestId, ...fields } = report;
  return toJson({ server, isAnswered: true, ...fields });
}

function toJson(content: object): string {
  return JSON.stringify(content).replaceAll(/[^ -~]/g, (unit) => {
    return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

function quoted(value: string): string {
  return `"${printable(value)}"`;
}

function idOr(id: StatusReply['promisedId'], otherwise: string): string {
  return id === null ? otherwise : formatId(id);
}

function sayMaster(server: Uid, { hasLeases, master, leaseLeftMs, reign }: StatusReply): string {
  if (!hasLeases) return 'none: any server proposes';
  if (master === null) return 'none that it knows of';
  const who = master === server ? `itself, for ${duration(leaseLeftMs)} more` : master;
  return reign === null ? who : `${who}, ${sayReign(reign)}`;
}

/** Since when a server leads, as far as another one can tell. */
function sayReign({ since, forMs }: ReignReport): string {
  if (since === null) return `for ${duration(forMs)} or longer`;
  return `since instance ${since}, ${duration(forMs)} ago`;
}

function shortMaster(server: Uid, { hasLeases, master, reign }: StatusReply): string {
  if (!hasLeases) return 'no masters';
  if (master === null) return 'no master';
  const who = master === server ? 'master' : `master ${master}`;
  return reign === null ? who : `${who} ${duration(reign.forMs)}`;
}

function sayHeard({ heardMs }: StatusReply, ago: string): string {
  return Object.entries(heardMs)
    .map(([uid, ms]) => `${uid} ${ms === null ? 'never' : `${duration(ms)}${ago}`}`)
    .join(', ');
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

function duration(ms: number): string {
  if (ms < 10 * SECOND_MS) return `${(ms / SECOND_MS).toFixed(1)} s`;
  if (ms < 2 * MINUTE_MS) return `${Math.round(ms / SECOND_MS)} s`;
  if (ms < 2 * HOUR_MS) return `${Math.round(ms / MINUTE_MS)} min`;
  return `${Math.round(ms / HOUR_MS)} h`;
}
