/**
 * Why a chosen value stays chosen. A and B have accepted a value; C asks for promises, and whoever
 * it hears, one of them was there. What each says is said by the acceptors and the proposer of
 * `composable-paxos.ts` themselves.
 */
import {
  type AcceptMessage,
  Acceptor,
  Proposer,
  quorumOf,
  type Uid,
} from '../../composable-paxos.ts';
import { formatId } from '../../trace/words.ts';
import type { Paints, Theme } from '../palette.ts';
import { drawLine, drawText, px } from '../svg.ts';
import { widthOf, wrap } from '../text.ts';
import { drawBadge, drawLines, figureOf } from './figure.ts';

const SERVERS: readonly Uid[] = ['A', 'B', 'C'];
const VALUE = 'hello';
const OTHER = 'other';
/** Who has accepted the value, and who asks afterwards. */
const ACCEPTED_BY: readonly Uid[] = ['A', 'B'];
const ASKER = 'C';

/** One of the ways in which the asker can get its quorum of promises. */
export interface Way {
  readonly promisedBy: readonly Uid[];
  /** What each of these says in its promise. */
  readonly words: readonly string[];
  /** Who has accepted the value and has promised. */
  readonly shared: readonly Uid[];
  readonly mustPropose: string;
}

/** What happens, for every quorum that the asker can hear. */
export function waysOf(): readonly Way[] {
  return groupsOf(quorumOf(SERVERS.length), SERVERS).map(wayThrough);
}

/** All groups of so many servers. */
function groupsOf(size: number, servers: readonly Uid[]): readonly (readonly Uid[])[] {
  if (size === 0) return [[]];
  return servers.flatMap((uid, index) => {
    const others = groupsOf(size - 1, servers.slice(index + 1));
    return others.map((group) => [uid, ...group]);
  });
}

function wayThrough(promisedBy: readonly Uid[]): Way {
  const acceptors = new Map(SERVERS.map((uid) => [uid, new Acceptor<string>()]));
  for (const uid of ACCEPTED_BY) acceptors.get(uid)?.receiveAccept(firstAccept());

  const proposer = new Proposer<string>(ASKER, quorumOf(SERVERS.length), null);
  const prepare = proposer.prepare();
  const words = promisedBy.map((uid) => {
    const answer = acceptors.get(uid)?.receivePrepare(prepare);
    if (answer?.type !== 'promise') throw new Error(`${uid} does not promise`);
    proposer.receivePromise(uid, answer);
    const { lastAcceptedId: id, lastAcceptedValue: value } = answer;
    return id === null
      ? 'I have accepted nothing'
      : `I have accepted "${value}" under ${formatId(id)}`;
  });
  const mustPropose = proposer.accept(OTHER)?.proposalValue ?? '';
  const shared = promisedBy.filter((uid) => ACCEPTED_BY.includes(uid));
  return { promisedBy, words, shared, mustPropose };
}

/** What A has asked, with promises of all. */
function firstAccept(): AcceptMessage<string> {
  const [first = ''] = ACCEPTED_BY;
  const proposer = new Proposer<string>(first, quorumOf(SERVERS.length), null);
  const prepare = proposer.prepare();
  for (const uid of SERVERS) {
    const answer = new Acceptor<string>().receivePrepare(prepare);
    if (answer.type === 'promise') proposer.receivePromise(uid, answer);
  }
  const accept = proposer.accept(VALUE);
  if (accept === null) throw new Error(`${first} has nothing to propose`);
  return accept;
}

const MARGIN = 20;
const PANEL = { width: 278, gap: 13, top: 54, height: 284 };
/** Where the servers stand in a panel. */
const PLACES: Readonly<Record<Uid, { readonly x: number; readonly y: number }>> = {
  A: { x: 74, y: 72 },
  B: { x: 204, y: 72 },
  C: { x: 139, y: 156 },
};
const ACCEPTED_PX = 24;
const PROMISED_PX = 31;
const SHARED_PX = 19;
const WORDS_TOP = 212;
const WORDS_PITCH = 22;
const SMALL = { sizePx: 11, isBold: false } as const;

const WIDTH = 2 * MARGIN + SERVERS.length * PANEL.width + (SERVERS.length - 1) * PANEL.gap;
const HEIGHT = PANEL.top + PANEL.height + 58;

/** Three ways to a quorum of promises, and no fourth. */
export function quorumsFigure(theme: Theme): string {
  const title = 'Any two quorums share a server, which tells what was accepted';
  return figureOf(title, { width: WIDTH, height: HEIGHT }, theme, (paints) => [
    drawKey(paints),
    ...waysOf().map((way, index) => {
      const left = MARGIN + index * (PANEL.width + PANEL.gap);
      const place = `transform="translate(${px(left)} ${PANEL.top})"`;
      return `<g ${place}>\n${drawWay(way, paints).join('\n')}\n</g>`;
    }),
    drawEnd(paints),
  ]);
}

const hueOf = (uid: Uid) => SERVERS.indexOf(uid);

/** What the marks mean. */
function drawKey(paints: Paints): string {
  const [first = ''] = ACCEPTED_BY;
  const id = formatId(firstAccept().proposalId);
  const y = 28;
  let x = MARGIN;
  const parts: string[] = [];
  const item = (width: number, draw: string, words: string) => {
    parts.push(draw, drawText(words, x + width + 8, y, { sizePx: 11, fill: paints.ink }));
    x += width + 8 + widthOf(words, SMALL) + 26;
  };
  const pill = (width: number) => ({ x: x + width / 2, y, length: width - 16, radius: 8 });
  item(40, drawAccepted(pill(40), first, paints), `accepted "${VALUE}" under ${id}: chosen`);
  item(40, drawPromised(pill(40), paints), `then promised to ${ASKER}: a quorum, too`);
  item(18, drawShared(x + 9, y, 8, paints), 'in both: it must tell');
  return parts.join('');
}

function drawWay({ promisedBy, words, shared, mustPropose }: Way, paints: Paints): string[] {
  const size = `width="${PANEL.width}" height="${PANEL.height}" rx="8"`;
  const heading = `${ASKER} hears ${promisedBy.join(' and ')}`;
  const bold = { fill: paints.ink, isBold: true } as const;
  const mark = (uid: Uid) => {
    const { x = 0, y = 0 } = PLACES[uid] ?? {};
    const ring = shared.includes(uid) ? drawShared(x, y, SHARED_PX, paints) : '';
    return ring + drawBadge(uid, hueOf(uid), x, y, paints);
  };
  return [
    `<rect x="0.5" y="0.5" ${size} fill="none" stroke="${paints.guide}"/>`,
    drawText(heading, 16, 20, { ...bold, sizePx: 12.5 }),
    drawAccepted(around(ACCEPTED_BY, ACCEPTED_PX), ACCEPTED_BY[0] ?? '', paints),
    drawPromised(around(promisedBy, PROMISED_PX), paints),
    ...SERVERS.map(mark),
    ...promisedBy.map((uid, index) => {
      const y = WORDS_TOP + index * WORDS_PITCH;
      const isBold = shared.includes(uid);
      const fill = isBold ? paints.ink : paints.quiet;
      const said = `${uid}: ${words[index] ?? ''}`;
      return drawText(said, 16, y, { sizePx: 11, fill, isBold });
    }),
    drawLine(16, WORDS_TOP + 40, PANEL.width - 16, WORDS_TOP + 40, paints.guide, 1, ''),
    drawText(`so ${ASKER} has to propose "${mustPropose}"`, 16, WORDS_TOP + 58, {
      ...bold,
      sizePx: 12.5,
    }),
  ];
}

function drawEnd(paints: Paints): string {
  const words =
    `There is no fourth way. Two of three and two of three share a server, and in its promise it ` +
    `says what it has accepted. So ${ASKER} cannot get "${OTHER}" chosen, whatever was lost.`;
  const style = { sizePx: 12.5, fill: paints.ink } as const;
  const lines = wrap(words, WIDTH - 2 * MARGIN, { sizePx: 12.5, isBold: false });
  return drawLines(lines, MARGIN, PANEL.top + PANEL.height + 24, style);
}

/** A stadium: around a point, so long between the middles of its round ends, turned. */
interface Pill {
  readonly x: number;
  readonly y: number;
  readonly length: number;
  readonly radius: number;
  readonly degrees?: number;
}

/** The pill around two servers. */
function around(uids: readonly Uid[], radius: number): Pill {
  const [from, to] = uids.map((uid) => PLACES[uid]);
  if (from === undefined || to === undefined) throw new Error('a quorum of three has two servers');
  return {
    x: (from.x + to.x) / 2,
    y: (from.y + to.y) / 2,
    length: Math.hypot(to.x - from.x, to.y - from.y),
    radius,
    degrees: (Math.atan2(to.y - from.y, to.x - from.x) * 180) / Math.PI,
  };
}

function drawPill({ x, y, length, radius, degrees = 0 }: Pill, paint: string): string {
  const [left, width] = [x - length / 2 - radius, length + 2 * radius];
  const size = `width="${px(width)}" height="${px(2 * radius)}" rx="${px(radius)}"`;
  const turned = degrees === 0 ? '' : ` transform="rotate(${px(degrees)} ${px(x)} ${px(y)})"`;
  return `<rect x="${px(left)}" y="${px(y - radius)}" ${size} ${paint}${turned}/>`;
}

function drawAccepted(pill: Pill, owner: Uid, paints: Paints): string {
  const [pale, hue] = [paints.pale(hueOf(owner)), paints.hue(hueOf(owner))];
  return drawPill(pill, `fill="${pale}" stroke="${hue}" stroke-width="2"`);
}

/** Dashed, as the messages of the first phase are in diagrams. */
function drawPromised(pill: Pill, paints: Paints): string {
  const hue = paints.hue(hueOf(ASKER));
  return drawPill(pill, `fill="none" stroke="${hue}" stroke-width="2" stroke-dasharray="6 4"`);
}

function drawShared(x: number, y: number, radius: number, paints: Paints): string {
  const place = `cx="${px(x)}" cy="${px(y)}" r="${px(radius)}"`;
  return `<circle ${place} fill="${paints.background}" stroke="${paints.ink}" stroke-width="2.5"/>`;
}
