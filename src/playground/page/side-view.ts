/// <reference lib="dom" />
/** The left side: the story and its paragraphs, goals, invariants, and what was left behind. */
import { INVARIANTS } from '../../trace/invariants.ts';
import { GOALS, type Goal } from '../goals.ts';
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
    storyView(app),
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

function storyView(app: App): HTMLElement {
  const stories = app.stories.map(({ name }) => [name, titleOf(name)] as const);
  const goals = GOALS.map(
    ({ name, title, level }) => [name, `${'•'.repeat(level)} ${title}`] as const,
  );
  return h(
    'section',
    { 'aria-label': 'stories and goals' },
    pick('Story', 'stories', [['', 'none'], ...stories], app.story?.name ?? '', (name) => {
      const story = app.stories.find((known) => known.name === name);
      if (story !== undefined) app.tell(story);
    }),
    pick('Goal', 'goals', [['', 'none'], ...goals], app.goal?.name ?? '', (name) => {
      const goal = GOALS.find((known) => known.name === name);
      if (goal !== undefined) app.aimAt(goal);
    }),
    app.story === null ? null : narrationView(app),
  );
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
      const first = branch.tail.find(({ kind }) => kind === 'command')?.text ?? 'words';
      const words = `${branch.tail.length} after ${branch.at}: ${first} …`;
      return button(
        words,
        `branch ${index}`,
        () => {
          app.session.switchTo(branch);
          app.changed();
        },
        { class: 'branch' },
      );
    }),
  );
}

function invariantsView(app: App): HTMLElement {
  const wrong = new Map(
    app.session.violations.map((violation) => [violation.invariant, violation]),
  );
  return h(
    'section',
    { 'aria-label': 'invariants' },
    h('h2', {}, 'Invariants, checked after every event'),
    h(
      'ol',
      { class: 'invariants' },
      ...INVARIANTS.map(({ number, name, sentence }) => {
        const violation = wrong.get(number);
        const isWrong = violation !== undefined;
        return h(
          'li',
          { class: isWrong ? 'wrong' : 'good', title: sentence },
          h('span', { 'aria-hidden': 'true' }, isWrong ? '✗ ' : '✓ '),
          `${name}`,
          isWrong ? h('p', { role: 'alert' }, `${sentence}. Here ${violation.why}.`) : null,
        );
      }),
    ),
  );
}
