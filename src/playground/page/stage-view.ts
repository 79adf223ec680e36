/// <reference lib="dom" />
/** The stage: servers, links, and messages under way, each with a menu of what can be done. */
import { SAVE_STEPS } from '../../simulation/disk.ts';
import { CRASH_POINTS } from '../../simulation/machine.ts';
import { formatId } from '../../trace/words.ts';
import {
  beliefOf,
  idOrNothing,
  labelOf,
  membersChanges,
  severalChanges,
  shortValue,
  turnOf,
  wayOf,
  wordsOn,
} from '../labels.ts';
import { type Pile, type Piles, pilesOn } from '../piles.ts';
import { type Box, cardSize, type Form, placeCards, type Size } from '../places.ts';
import type { Card, Flight, Stage } from '../stage.ts';
import type { App, Entry, Menu } from './app.ts';
import { h, type Props, s } from './dom.ts';
import { hueOf, onHueOf, paleOf } from './hues.ts';

/** Everything on the stage, for a place of this size. */
export function stageView(app: App, size: Size): Node[] {
  const { stage } = app;
  if (stage === null) {
    const how = app.session.hasNext ? 'go on with the story' : 'choose one above, or a story';
    return [h('p', { class: 'empty' }, `No cluster yet: ${how}.`)];
  }
  const card = cardSize(stage.uids.length, size);
  const places = placeCards(stage.uids, size, card);
  const { piles, isBrief, others, cuts } = pilesOn(stage, places, card, size);
  return [
    linksView(app, stage, places, cuts, size),
    ...stage.cards.map((it) => {
      const { x, y } = places.get(it.uid) ?? { x: 0, y: 0 };
      return cardView(app, stage, it, { x, y, ...card });
    }),
    ...piles.map((pile) => pileView(app, stage, pile, isBrief)),
    others === null ? null : othersView(app, others.flights, others.at),
  ].filter((view) => view !== null);
}

function placed({ x, y, width, height }: Box): string {
  return `left:${x - width / 2}px;top:${y - height / 2}px;width:${width}px;height:${height}px`;
}

function pileView(app: App, stage: Stage, pile: Pile, isBrief: boolean): HTMLElement {
  const { shown, rest, from, to } = pile;
  const link = `${from ?? ''}${to}`;
  const where = `from ${from ?? 'a client'} to ${to}`;
  const count = `+${rest.length}`;
  const more = rest.length === 0 ? null : moreView(app, rest, `more ${link}`, count, where, {});
  return h(
    'div',
    { class: 'pile', style: placed(pile) },
    ...shown.map((flight, index) => {
      const chip = flightView(app, stage, flight, isBrief);
      return index < shown.length - 1 ? chip : h('div', { class: 'last' }, chip, more);
    }),
  );
}

/** What has no room beside its link. */
function othersView(app: App, flights: readonly Flight[], at: Box): HTMLElement {
  const style = { class: 'more apart', style: placed(at) };
  return moreView(app, flights, 'more', `+${flights.length} more`, 'on other links', style);
}

/** What there is no room for has a menu, each entry of which opens that of its message. */
function moreView(
  app: App,
  hidden: readonly Flight[],
  owner: string,
  count: string,
  where: string,
  style: Props,
): HTMLElement {
  const entries = hidden.map((flight) => ({
    label: wordsOn(flight),
    act: () => open(app, flightMenu(app, flight, owner)),
  }));
  return h(
    'button',
    {
      class: 'more',
      ...style,
      type: 'button',
      'data-key': owner,
      'aria-haspopup': 'menu',
      'aria-label': `${hidden.length} more messages ${where}`,
      onclick: () => open(app, { title: `${hidden.length} more ${where}`, owner, entries }),
    },
    count,
  );
}

function flightView(app: App, stage: Stage, flight: Flight, isBrief: boolean): HTMLElement {
  const { type, id, carries } = labelOf(flight);
  const owner = 'proposalId' in flight.message ? flight.message.proposalId.uid : null;
  const key = `flight ${flight.name}`;
  const menu = () => flightMenu(app, flight, key);
  return h(
    'button',
    {
      type: 'button',
      class: `chip ${flight.message.type}`,
      'data-key': key,
      'data-flight': flight.name,
      'data-to': flight.to,
      'data-turn': turnOfSending(app, flight),
      'aria-haspopup': 'menu',
      style: owner === null ? '' : `border-color:${hueOf(stage, owner)}`,
      title: wordsOn(flight),
      onclick: () => open(app, menu()),
      onkeydown: (event: KeyboardEvent) => byKey(event, menu().entries),
    },
    `${type} `,
    id === '' ? null : h('b', {}, `${id} `),
    carries === '' || isBrief ? null : `${carries} `,
    h('span', { class: 'to' }, wayOf(flight)),
  );
}

/** The turn in which a message was sent; empty: nobody knows. */
function turnOfSending(app: App, { from, seq }: Flight): string {
  const sent = app.session.events.findLast(
    (event) => event.event === 'send' && event.server === from && event.seq === seq,
  );
  return sent === undefined ? '' : turnOf(sent);
}

function flightMenu(app: App, { name }: Flight, owner: string): Menu {
  return {
    title: name,
    owner,
    entries: [
      { label: 'Deliver', key: 'd', act: () => app.act(`deliver ${name}`) },
      { label: 'Lose', key: 'x', act: () => app.act(`drop ${name}`) },
      { label: 'Send twice', key: '2', act: () => app.act(`repeat ${name}`) },
      { label: 'Keep back', key: 'h', act: () => app.act(`hold back ${name}`) },
    ],
  };
}

/** Opens a menu, or closes it if it is open already. */
export function open(app: App, menu: Menu): void {
  const isOpen = app.menu?.owner === menu.owner && app.menu.title === menu.title;
  app.menu = isOpen ? null : menu;
  app.changed();
}

/** Does what this key stands for among these entries. */
export function byKey(event: KeyboardEvent, entries: readonly Entry[]): void {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const entry = entries.find(({ key }) => key === event.key);
  if (entry === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  entry.act();
}

function linksView(
  app: App,
  { uids, cuts }: Stage,
  places: ReturnType<typeof placeCards>,
  said: Piles['cuts'],
  { width, height }: Size,
): SVGElement {
  const pairs = uids.flatMap((a, index) => uids.slice(index + 1).map((b) => [a, b] as const));
  const isCut = (a: string, b: string) => cuts.some(([from, to]) => from === a && to === b);
  const links = pairs.map(([a, b]) => {
    const [from, to] = [places.get(a), places.get(b)];
    const state =
      isCut(a, b) && isCut(b, a) ? 'cut' : isCut(a, b) || isCut(b, a) ? 'half' : 'whole';
    const line = { x1: from?.x ?? 0, y1: from?.y ?? 0, x2: to?.x ?? 0, y2: to?.y ?? 0 };
    const words = {
      cut: 'cut both ways',
      half: isCut(a, b) ? `cut from ${a} to ${b}` : `cut from ${b} to ${a}`,
      whole: 'whole',
    };
    const key = `link ${a}${b}`;
    const menu = (): Menu => linkMenu(app, a, b, state, key);
    const at = said.get([a, b].toSorted().join(''));
    return s(
      'g',
      {
        class: `link ${state}`,
        role: 'button',
        tabindex: 0,
        'data-key': key,
        'aria-haspopup': 'menu',
        'aria-label': `link between ${a} and ${b}, ${words[state]}`,
        onclick: () => open(app, menu()),
        onkeydown: (event: KeyboardEvent) => {
          if (event.key !== 'Enter' && event.key !== ' ') return byKey(event, menu().entries);
          event.preventDefault();
          open(app, menu());
        },
      },
      s('line', { ...line, class: 'target' }),
      s('line', { ...line, class: 'shown' }),
      at === undefined || state === 'whole'
        ? null
        : s(
            'text',
            { x: at.x, y: at.y + 4, class: 'said' },
            state === 'cut' ? '✗ cut' : `✗ ${words.half.slice('cut from '.length)}`,
          ),
    );
  });
  return s('svg', { class: 'links', width, height }, ...links);
}

function linkMenu(app: App, a: string, b: string, state: string, owner: string): Menu {
  const entry = (label: string, key: string, command: string): Entry => ({
    label,
    key,
    act: () => app.act(command),
  });
  return {
    title: `link ${a}–${b}`,
    owner,
    entries: [
      entry(`Cut both ways`, 'x', `cut ${a}|${b}`),
      entry(`Cut ${a} → ${b}`, '1', `cut ${a}->${b}`),
      entry(`Cut ${b} → ${a}`, '2', `cut ${b}->${a}`),
      ...(state === 'whole' ? [] : [entry('Mend', 'm', `mend ${a}${b}->${a}${b}`)]),
    ],
  };
}

function cardView(
  app: App,
  stage: Stage,
  card: Card,
  box: Box & { readonly form: Form },
): HTMLElement {
  const { uid, condition, membership } = card;
  const { form } = box;
  const key = `server ${uid}`;
  const isActive = condition === 'running';
  const role = card.isMaster ? 'master' : card.round !== null ? 'candidate' : 'calm';
  const menu = () => serverMenu(app, stage, card, key);
  const voters = stage.cards.filter((it) => it.membership === 'voting').length;
  const belief = beliefOf(card, voters);
  return h(
    'button',
    {
      type: 'button',
      class: `server ${condition} ${role} ${membership} ${form}`,
      'data-key': key,
      'data-server': uid,
      'data-turn': latestTurnOf(app, uid),
      'aria-haspopup': 'menu',
      title: `${uid}: ${belief}`,
      style:
        `${placed(box)};--hue:${hueOf(stage, uid)};--pale:${paleOf(stage, uid)};` +
        `--onHue:${onHueOf(stage, uid)}`,
      onclick: () => open(app, menu()),
      onkeydown: (event: KeyboardEvent) => byKey(event, menu().entries),
    },
    h(
      'span',
      { class: 'headline' },
      h('span', { class: 'tag' }, uid),
      h('b', {}, isTight(form) ? belief.replace(/^asks /, '') : belief),
      card.leaseLeft > 0 ? leaseRing(card) : null,
    ),
    ...(isActive ? rowsOf(card, form) : []),
    diskRow(card, form),
  );
}

/** What it has done last; empty: nothing. */
function latestTurnOf(app: App, uid: string): string {
  const latest = app.session.events.findLast(({ server }) => server === uid);
  return latest === undefined ? '' : turnOf(latest);
}

function leaseRing({ leaseLeft }: Card): SVGElement {
  const round = 2 * Math.PI * 7;
  const left = `${Math.round(100 * leaseLeft)} % of its lease are left`;
  return s(
    'svg',
    {
      class: 'lease',
      width: 18,
      height: 18,
      viewBox: '0 0 18 18',
      role: 'img',
      'aria-label': left,
    },
    s('circle', { cx: 9, cy: 9, r: 7, class: 'whole' }),
    s('circle', {
      cx: 9,
      cy: 9,
      r: 7,
      class: 'left',
      'stroke-dasharray': `${leaseLeft * round} ${round}`,
    }),
  );
}

function row(name: string, value: string, extra = ''): HTMLElement {
  return h('span', { class: `fact ${extra}` }, h('i', {}, name), h('span', {}, value));
}

/** It has room for the least only. */
function isTight(form: Form): boolean {
  return form === 'small' || form === 'narrow';
}

function rowsOf(card: Card, form: Form): HTMLElement[] {
  const { instanceNumber, promisedId, acceptedId, acceptedValue, currentValue, waiting } = card;
  const accepted =
    acceptedId === null || acceptedValue === null
      ? 'nothing'
      : `${shortValue(acceptedValue)} ${formatId(acceptedId)}`;
  const value = row(
    'value',
    currentValue === null ? 'none' : JSON.stringify(currentValue),
    'value',
  );
  const queue = waiting > 0 ? [row('queue', `${waiting} waiting`)] : [];
  if (isTight(form)) {
    const promised = promisedId === null ? '' : `≥ ${formatId(promisedId)}`;
    const waits = waiting > 0 && form === 'small' ? `, +${waiting}` : '';
    const open = row(`#${instanceNumber}`, `${promised}${waits}`, 'open');
    return [value, open, ...(acceptedId === null ? [] : [row('acc', accepted, 'open')])];
  }
  const promised = idOrNothing(promisedId);
  if (form === 'medium') {
    const inInstance = `#${instanceNumber}: ${promisedId === null ? 'none' : promised}`;
    return [value, row('promised', inInstance), row('accepted', accepted), ...queue];
  }
  const open = row('instance', `#${instanceNumber}`);
  return [value, open, row('promised', promised), row('accepted', accepted), ...queue];
}

function diskRow({ condition, disk, isDurable }: Card, form: Form): HTMLElement {
  if (condition === 'running' && isDurable) {
    return row('disk', form === 'narrow' ? 'disk ✓' : 'level ✓', 'disk good');
  }
  if (disk === null) return row('disk', 'empty', 'disk');
  const { instanceNumber, promisedId, acceptedId, acceptedValue } = disk;
  const accepted =
    acceptedId === null || acceptedValue === null
      ? ''
      : `, accepted ${shortValue(acceptedValue)} ${formatId(acceptedId)}`;
  const what = `#${instanceNumber}, promised ${idOrNothing(promisedId)}${accepted}`;
  return row('disk', condition === 'running' ? `behind: ${what}` : what, 'disk');
}

/** What can be done to a server. */
function serverMenu(app: App, stage: Stage, card: Card, owner: string): Menu {
  const { uid, condition, isMaster } = card;
  const { uids } = stage;
  const entry = (label: string, command: string, key?: string): Entry => ({
    label,
    ...(key === undefined ? {} : { key }),
    act: () => app.act(command),
  });
  const clock = [
    entry('Set its clock back by 2 s', `set clock ${uid} by -2000`),
    entry('Set its clock ahead by 2 s', `set clock ${uid} by 2000`),
    { label: 'Set its clock by …', act: () => app.compose(`set clock ${uid} by -60000`) },
  ];
  const power = entry('Power cut', `crash ${uid} with power cut`, 'P');
  const entries: Record<Card['condition'], readonly Entry[]> = {
    absent: [entry('Start', `start ${uid}`, 's')],
    down: [
      entry('Start', `start ${uid}`, 's'),
      entry('Start as with --rejoin', `rejoin ${uid}`, 'j'),
      entry('Take its disk away', `lose disk ${uid}`),
      power,
      ...clock,
    ],
    paused: [
      entry('Go on', `resume ${uid}`, 's'),
      entry('Crash now', `crash ${uid}`, 'x'),
      power,
      ...clock,
    ],
    asleep: [
      entry('Wake up', `wake ${uid}`, 's'),
      entry('Crash now', `crash ${uid}`, 'x'),
      power,
      ...clock,
    ],
    running: [
      entry(`Ask for ${JSON.stringify(app.wanted)}`, `submit ${uid} ${app.wanted}`, 'a'),
      entry(`Ask for it, and wait (client c1)`, `request ${uid} c1 ${app.wanted}`, 'w'),
      ...(app.stage?.isStore === true
        ? [entry('Get color (client c2)', `query ${uid} c2 get color`, 'r')]
        : [
            entry('Read (client c2)', `read ${uid} c2`, 'r'),
            entry('Read what it has in memory', `read ${uid} c2 locally`),
          ]),
      entry('Crash now', `crash ${uid}`, 'x'),
      power,
      ...CRASH_POINTS.filter((point) => point !== 'now').map((point) => {
        const where = (SAVE_STEPS as readonly string[]).includes(point)
          ? `before: ${point}`
          : `at: ${point}`;
        return entry(`Crash ${where}`, `crash ${uid} at ${point}`);
      }),
      entry('Let its next save fail', `fail save ${uid}`),
      entry('Pause', `pause ${uid}`, 'z'),
      entry('Put its machine to sleep', `sleep ${uid}`),
      entry('Stop in order', `stop ${uid}`, 't'),
      ...(isMaster ? uids.filter((other) => other !== uid) : []).map((other) =>
        entry(`Hand its lease to ${other}`, `transfer ${uid} c3 to ${other}`),
      ),
      entry('Cut it off', `cut ${uid}`, 'c'),
      ...clock,
    ],
  };
  return {
    title: `server ${uid}`,
    owner,
    entries: [...entries[condition], ...membersEntries(app, stage, card)],
  };
}

/** How a server may become a member, or be none any more. */
function membersEntries(app: App, stage: Stage, card: Card): readonly Entry[] {
  const changes = membersChanges(stage, card);
  if (changes.length === 0) return [];
  return [
    ...changes.map(({ label, command }) => ({ label, act: () => app.act(command) })),
    { label: 'Change several at once …', act: () => app.compose(severalChanges(stage)) },
  ];
}
