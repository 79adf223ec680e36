/// <reference lib="dom" />
/** The left side: the story and its paragraphs, goals, invariants, and what was left behind. */
import type { TraceEvent } from '../../trace/events.ts';
import { INVARIANTS } from '../../trace/invariants.ts';
import type { Goal } from '../goal.ts';
import { GOALS } from '../goals.ts';
import { sharedBy } from '../script.ts';
import type { App } from './app.ts';
import { h, type Props } from './dom.ts';

/** A button with words on it. */
export function button(
  label: string,
  key: string,
  act: () => void,
  props: Props = {},
): HTMLElement {
  return h('button', { type: 'button', 'data-key': key, onclick: act, ...props }, label);
}

export function sideView(app: App): (Node | null)[] {
  return [
    violationView(app),
    app.story === null ? null : narrationView(app),
    ...(app.goal === null ? [] : [goalView(app, app.goal)]),
    ...(app.goal === null && app.story === null ? [ownView()] : []),
    h(
      'div',
      { class: 'buttons' },
      button('Copy as story', 'copy', () => app.copy()),
      button('Paste a story', 'paste', () => {
        app.dialog = 'paste';
        app.dialogText = '';
        app.changed();
      }),
    ),
    findView(app),
    branchesView(app),
    invariantsView(app),
  ];
}

function pick(
  label: string,
  key: string,
  options: readonly (readonly [string, string])[],
  chosen: string,
  act: (value: string) => void,
): HTMLElement {
  return h(
    'label',
    { class: 'pick' },
    h('span', {}, label),
    h(
      'select',
      {
        'data-key': key,
        onchange: (event: Event) => act((event.target as HTMLSelectElement).value),
      },
      ...options.map(([value, words]) => h('option', { value, selected: value === chosen }, words)),
    ),
  );
}

/** The menus of stories and goals. */
export function pickView(app: App): Node[] {
  const stories = app.stories.map(({ name }) => [name, titleOf(name)] as const);
  const goals = GOALS.map(
    ({ name, title, level }) => [name, `${'•'.repeat(level)} ${title}`] as const,
  );
  return [
    pick('Story', 'stories', [['', 'none'], ...stories], app.story?.name ?? '', (name) => {
      const story = app.stories.find((known) => known.name === name);
      if (story === undefined) app.begin(app.choice);
      else app.tell(story);
    }),
    pick('Goal', 'goals', [['', 'none'], ...goals], app.goal?.name ?? '', (name) => {
      const goal = GOALS.find((known) => known.name === name);
      if (goal === undefined) app.begin(app.choice);
      else app.aimAt(goal);
    }),
  ];
}

/** Where a rule is broken: looks for a run in which that shows. */
function findView(app: App): HTMLElement | null {
  const { broken } = app.choice;
  const { search } = app;
  if (search !== null) {
    const doing = search.hasFallen
      ? `seed ${search.seed} violates it; cutting it down …`
      : `seed ${search.seed} …`;
    return h(
      'section',
      { class: 'goal', 'aria-label': 'search' },
      h('p', { role: 'status' }, `Looking for a violation: ${doing}`),
      button('Stop looking', 'stop-finding', () => app.stopLooking()),
    );
  }
  if (broken === null) return null;
  return h(
    'section',
    { class: 'goal', 'aria-label': 'broken rule' },
    h('p', {}, h('b', {}, broken.name), `: ${broken.breaks}.`),
    button('Find a violation for me', 'find', () => app.lookForViolation()),
  );
}

/** What is wrong, in words, and which events contradict each other. */
function violationView(app: App): HTMLElement | null {
  const violation = app.session.violations.at(-1);
  if (violation === undefined) return null;
  const { invariant, sentence, why } = violation;
  const name = INVARIANTS.find(({ number }) => number === invariant)?.name ?? 'fail-stop';
  const events = app.violated.map((event, index) => {
    const words = lineOf(app, event) ?? event.event;
    const which = app.violated.length === 1 ? 'here' : index === 0 ? 'first' : 'and then';
    return button(`${which}: ${words}`, `violated ${index}`, () => app.goToEvent(event), {
      class: 'branch',
      title: words,
    });
  });
  return h(
    'section',
    { class: 'violation', 'aria-label': 'violation' },
    h('p', { role: 'alert' }, h('b', {}, `✗ ${invariant}. ${name}`)),
    h('p', {}, `It must hold: ${sentence}. Here ${why}.`),
    ...events,
  );
}

/** The terminal line in which a server told of an event, or of something else in its turn. */
function lineOf(app: App, { server, turn }: TraceEvent): string | null {
  const line = app.session.lines.find(
    ({ stamp }) => stamp?.server === server && stamp.turn === turn,
  );
  return line?.text.replace(/ +/g, ' ') ?? null;
}

/** `02-duel` is told as "2. duel". */
function titleOf(name: string): string {
  const [, number = '', words = name] = /^0*([0-9]+)-(.*)$/.exec(name) ?? [];
  return `${number}. ${words.replaceAll('-', ' ')}`;
}

function narrationView(app: App): HTMLElement {
  const { session } = app;
  const { item } = session.place;
  const told = session.script
    .slice(0, item)
    .flatMap(({ kind, text }) => (kind === 'paragraph' ? [text] : []));
  const left = session.script.slice(item).filter(({ kind }) => kind === 'paragraph').length;
  const now = told.length - 1;
  const isOver = !session.hasNext;
  return h(
    'div',
    { class: 'narration' },
    h('p', { class: 'quiet' }, `paragraph ${told.length} of ${told.length + left}`),
    ...told.map((text, index) =>
      h('p', index === now ? { class: 'now', 'aria-live': 'polite' } : {}, text),
    ),
    app.isOffStory
      ? h(
          'p',
          { class: 'quiet' },
          'You are off the story. Whatever you do is written down as one of your own.',
        )
      : null,
    h(
      'div',
      { class: 'buttons' },
      app.isOffStory
        ? button('Back to the story', 'back-to-story', () => app.backToStory())
        : button(isOver ? 'The end' : 'Next', 'next-paragraph', () => app.nextParagraph(), {
            disabled: isOver,
            class: 'strong',
          }),
    ),
  );
}

function ownView(): HTMLElement {
  return h(
    'p',
    { class: 'quiet' },
    'Click a server, a message or a link. Whatever you do is written down as a story.',
  );
}

function goalView(app: App, goal: Goal): HTMLElement {
  const hints = goal.hints.slice(0, app.hintsShown);
  return h(
    'section',
    { class: 'goal', 'aria-label': 'goal' },
    h('p', {}, h('b', {}, goal.title)),
    h('p', {}, goal.task),
    ...hints.map((hint) => h('p', { class: 'hint' }, hint)),
    app.isAtGoal
      ? h('p', { class: 'reached', role: 'status' }, `✓ Reached. ${goal.lesson}`)
      : app.hintsShown < goal.hints.length
        ? button('A hint', 'hint', () => {
            app.hintsShown += 1;
            app.changed();
          })
        : null,
    button('Begin again', 'goal-again', () => app.aimAt(goal)),
  );
}

function branchesView(app: App): HTMLElement | null {
  const { branches } = app.session;
  if (branches.length === 0) return null;
  return h(
    'section',
    { 'aria-label': 'what was left behind' },
    h('h2', {}, 'Left behind'),
    ...branches.map((branch, index) => {
      const at = sharedBy(branch.script, app.session.script);
      const rest = branch.script.slice(at);
      const first = rest.find(({ kind }) => kind === 'command')?.text ?? 'words';
      const words =
        rest.length === 0 ? `only the first ${at}` : `${rest.length} after ${at}: ${first} …`;
      return button(words, `branch ${index}`, () => app.switchTo(branch), { class: 'branch' });
    }),
  );
}

/** Nobody can say that it holds while faults may still come. */
const HEALING = 10;

function invariantsView(app: App): HTMLElement {
  const wrong = new Set(app.session.violations.map(({ invariant }) => invariant));
  return h(
    'section',
    { 'aria-label': 'invariants' },
    h('h2', {}, 'Invariants, checked after every event'),
    h(
      'ol',
      { class: 'invariants' },
      ...INVARIANTS.map(({ number, name, sentence }) => {
        const isWrong = wrong.has(number);
        const isOpen = number === HEALING;
        const mark = isWrong ? '✗ ' : isOpen ? '· ' : '✓ ';
        const more = isWrong ? ': violated' : isOpen ? ' (once faults end)' : '';
        return h(
          'li',
          { class: isWrong ? 'wrong' : isOpen ? 'quiet' : 'good', title: sentence },
          h('span', { 'aria-hidden': 'true' }, mark),
          `${number}. ${name}${more}`,
        );
      }),
    ),
  );
}
