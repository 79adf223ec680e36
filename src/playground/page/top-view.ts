/// <reference lib="dom" />
/** The bar on top: steps, the tape, and which cluster and which rules. */
import { BREAKS } from '../../simulation/broken/layers.ts';
import { STOPS } from '../autopilot.ts';
import { type Strip, tapeOf } from '../tape.ts';
import { type App, SPEEDS } from './app.ts';
import { h, s } from './dom.ts';
import { hueOf } from './hues.ts';
import { button } from './side-view.ts';

export function topView(app: App): Node[] {
  const { isPlaying } = app;
  return [
    h('h1', {}, 'Paxos playground'),
    h(
      'div',
      { class: 'buttons', role: 'toolbar', 'aria-label': 'time' },
      button('◀ Back', 'back', () => app.back(), { title: 'left arrow' }),
      button('Step ▶', 'step', () => app.step(), { class: 'strong', title: 'right arrow' }),
      button(isPlaying ? '❚❚ Pause' : '▶ Play', 'play', () => app.togglePlay(), { title: 'p' }),
      select(
        app,
        'speed',
        'speed',
        SPEEDS.map((speed) => [`${speed}`, `${speed}×`]),
        `${app.speed}`,
        (value) => {
          app.speed = Number(value);
        },
      ),
      button('Deliver all', 'deliver-all', () => app.deliverAll(), { title: 'a' }),
      button('Next timer', 'next-timer', () => app.nextTimer(), { title: 't' }),
      button('Undo', 'undo', () => app.undo(), { title: 'u' }),
      button('Redo', 'redo', () => app.redo(), { title: 'y' }),
    ),
    tapeView(app),
    h(
      'div',
      { class: 'buttons' },
      ...choices(app),
      button('Share', 'share', () => void app.share().catch((error: unknown) => app.say(error))),
      button(
        'Keys',
        'keys',
        () => {
          app.dialog = 'keys';
          app.changed();
        },
        { title: '?' },
      ),
      button('◐', 'theme', toggleTheme, { 'aria-label': 'light or dark' }),
    ),
    stopsView(app),
  ];
}

function toggleTheme(): void {
  const root = document.documentElement;
  const isDark = matchMedia('(prefers-color-scheme: dark)').matches;
  const now = root.dataset['theme'] ?? (isDark ? 'dark' : 'light');
  root.dataset['theme'] = now === 'dark' ? 'light' : 'dark';
}

function select(
  app: App,
  key: string,
  label: string,
  options: readonly (readonly [string, string])[],
  chosen: string,
  act: (value: string) => void,
): HTMLElement {
  return h(
    'select',
    {
      'data-key': key,
      'aria-label': label,
      onchange: (event: Event) => {
        act((event.target as HTMLSelectElement).value);
        app.changed();
      },
    },
    ...options.map(([value, words]) => h('option', { value, selected: value === chosen }, words)),
  );
}

function choices(app: App): HTMLElement[] {
  const { choice } = app;
  const counts = Array.from(
    { length: 9 },
    (_, index) => [`${index + 1}`, `${index + 1} server${index === 0 ? '' : 's'}`] as const,
  );
  const kinds = [
    ['plain', 'without master'],
    ['leases', 'with master'],
  ] as const;
  const rules = [
    ['', 'all rules on'],
    ...BREAKS.map(({ name }) => [name, `broken: ${name}`] as const),
  ] as const;
  return [
    select(app, 'servers', 'how many servers', counts, `${choice.servers}`, (value) =>
      app.begin({ ...choice, broken: null, servers: Number(value) }),
    ),
    select(
      app,
      'leases',
      'with or without a master',
      kinds,
      choice.leases ? 'leases' : 'plain',
      (value) => app.begin({ ...choice, broken: null, leases: value === 'leases' }),
    ),
    select(app, 'rules', 'which rule is broken', rules, choice.broken?.name ?? '', (value) =>
      app.begin({ ...choice, broken: BREAKS.find(({ name }) => name === value) ?? null }),
    ),
  ];
}

function stopsView(app: App): HTMLElement {
  return h(
    'div',
    { class: 'stops', role: 'group', 'aria-label': 'stop playing at' },
    h('span', {}, 'stop at'),
    ...STOPS.map((stop) =>
      h(
        'label',
        {},
        h('input', {
          type: 'checkbox',
          'data-key': `stop ${stop}`,
          checked: app.stops.has(stop),
          onchange: () => {
            if (!app.stops.delete(stop)) app.stops.add(stop);
          },
        }),
        {
          chosen: 'a chosen value',
          nack: 'a refusal',
          master: 'a new master',
          violation: 'a violation',
        }[stop],
      ),
    ),
  );
}

/** All moments from left to right, a strip for each server, and a handle. */
function tapeView(app: App): HTMLElement {
  const { places, now, strips } = tapeOf(app.session);
  const last = Math.max(1, places.length - 1);
  const said = `moment ${now + 1} of ${places.length} · ${clockOf(app.stage?.nowMs ?? 0)}`;
  return h(
    'div',
    { class: 'tape' },
    s(
      'svg',
      { viewBox: `0 0 ${last} 100`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
      ...strips.map((strip) => stripView(app, strip, strips.length)),
    ),
    h('input', {
      type: 'range',
      min: 0,
      max: last,
      value: now,
      'data-key': 'tape',
      'aria-label': 'tape',
      'aria-valuetext': said,
      oninput: (event: Event) => {
        const place = places[Number((event.target as HTMLInputElement).value)];
        if (place !== undefined) app.goTo(place);
      },
    }),
    h('output', {}, said),
  );
}

function stripView(app: App, { uid, lane, from, to, kind }: Strip, _all: number): SVGElement {
  const servers = app.stage?.uids.length ?? 1;
  const height = 100 / servers;
  const fill = kind === 'down' || app.stage === null ? 'var(--down)' : hueOf(app.stage, uid);
  const opacity = { down: 0.6, calm: 0.25, candidate: 0.6, master: 1 }[kind];
  return s('rect', {
    x: from,
    y: lane * height + 2,
    width: to - from,
    height: height - 4,
    fill,
    opacity,
  });
}

/** `00:04.506` */
export function clockOf(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  const parts = [Math.floor(seconds / 60), seconds % 60].map((part) =>
    String(part).padStart(2, '0'),
  );
  return `${parts.join(':')}.${String(Math.floor(ms % 1_000)).padStart(3, '0')}`;
}
