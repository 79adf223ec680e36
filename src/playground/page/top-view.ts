/// <reference lib="dom" />
/** The bar on top: steps, the tape, and which cluster and which rules. */
import { ALL_BREAKS, breakNamed } from '../../simulation/broken/all.ts';
import { STOPS, type Stop } from '../autopilot.ts';
import { type App, SPEEDS } from './app.ts';
import { openKeys } from './dialogs.ts';
import { h } from './dom.ts';
import { button } from './side-view.ts';

/** The buttons of time. */
export function timeView(app: App): Node[] {
  const { isPlaying } = app;
  const play = isPlaying ? '❚❚ Pause' : '▶ Play';
  const speeds = SPEEDS.map((speed) => [`${speed}`, `${speed}×`] as const);
  return [
    button('◀ Back', 'back', () => app.back(), { title: 'left arrow' }),
    button('Step ▶', 'step', () => app.step(), { class: 'strong', title: 'right arrow' }),
    button(play, 'play', () => app.togglePlay(), { title: 'p' }),
    select(app, 'speed', 'speed', speeds, `${app.speed}`, (value) => {
      app.speed = Number(value);
    }),
    button('Deliver all', 'deliver-all', () => app.deliverAll(), { title: 'a' }),
    button('Next timer', 'next-timer', () => app.nextTimer(), { title: 't' }),
    button('Undo', 'undo', () => app.undo(), { title: 'u' }),
    button('Redo', 'redo', () => app.redo(), { title: 'y' }),
  ];
}

/** Which cluster, which rules; and what concerns the page as a whole. */
export function choicesView(app: App): Node[] {
  return [
    ...choices(app),
    button('Share', 'share', () => void app.share().catch((error: unknown) => app.say(error))),
    button('Keys', 'keys', () => openKeys(app), { title: '?' }),
    button('◐', 'theme', toggleTheme, { 'aria-label': 'light or dark' }),
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
    ['store', 'stores without master'],
    ['store leases', 'stores with master'],
    ['members', 'members change'],
    ['leases members', 'members change, with master'],
    ['store members', 'stores, members change'],
    ['store leases members', 'stores with master, members change'],
  ] as const;
  const words = ['store', 'leases', 'members'] as const;
  const layers = words.filter((word) => choice[word]).join(' ');
  const kind = layers === '' ? 'plain' : layers;
  const rules = [
    ['', 'all rules on'],
    ...ALL_BREAKS.map(({ name }) => [name, `broken: ${name}`] as const),
  ] as const;
  return [
    select(app, 'servers', 'how many servers', counts, `${choice.servers}`, (value) =>
      app.begin({ ...choice, broken: null, servers: Number(value) }),
    ),
    select(app, 'leases', 'with or without a master', kinds, kind, (value) => {
      const [store, leases, members] = words.map((word) => value.includes(word));
      const layers = { store: store === true, leases: leases === true, members: members === true };
      app.begin({ ...choice, ...layers, broken: null });
    }),
    select(app, 'rules', 'which rule is broken', rules, choice.broken?.name ?? '', (value) =>
      app.begin({ ...choice, broken: breakNamed(value) }),
    ),
    seedView(app),
  ];
}

/** Whoever begins with the same seed, and plays, sees the same. */
function seedView(app: App): HTMLElement {
  const { choice } = app;
  const begin = (event: Event) => {
    const input = event.target as HTMLInputElement;
    const typed = input.value.trim();
    if (/^[0-9]*$/.test(typed)) return app.begin({ ...choice, seed: typed === '' ? null : typed });
    input.value = choice.seed ?? '';
    app.say(`a seed is a number, and not "${typed}"`);
  };
  return h('input', {
    class: 'seed',
    'data-key': 'seed',
    'aria-label': 'seed of chance: timers and delays',
    title: 'the seed of chance: timers and delays',
    placeholder: 'seed',
    inputmode: 'numeric',
    maxlength: 9,
    value: choice.seed ?? '',
    onchange: begin,
  });
}

const STOP_WORDS: Readonly<Record<Stop, string>> = {
  chosen: 'a chosen value',
  nack: 'a refusal',
  master: 'a new master',
  violation: 'a violation',
};

/** At what a play stops by itself. */
export function stopsView(app: App): Node[] {
  const box = (stop: Stop) =>
    checkbox(`stop ${stop}`, STOP_WORDS[stop], app.stops.has(stop), () => {
      if (!app.stops.delete(stop)) app.stops.add(stop);
    });
  return [h('span', {}, 'stop at'), ...STOPS.map(box)];
}

/** A box to be ticked, with its words. */
export function checkbox(
  key: string,
  words: string,
  isChecked: boolean,
  act: () => void,
): HTMLElement {
  const props = { type: 'checkbox', 'data-key': key, checked: isChecked, onchange: act };
  return h('label', {}, h('input', props), words);
}
