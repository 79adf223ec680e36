/// <reference lib="dom" />
/** Menus and dialogs. A menu stands beside what it belongs to; a dialog above everything. */
import { type Box, placeMenu } from '../places.ts';
import type { App, Menu } from './app.ts';
import { h } from './dom.ts';
import { button } from './side-view.ts';
import { byKey } from './stage-view.ts';

/** Addresses up to here are passed on whole by whatever passes addresses on. */
const MOST_SHARED = 8_000;
const MENU_PX = 246;
const AROUND_PX = 10;

export const KEYS: readonly (readonly [string, string])[] = [
  ['→', 'one step: the next of the story, the oldest message, or the next timer'],
  ['←', 'one moment back'],
  ['p', 'play, or pause'],
  ['a', 'deliver all'],
  ['t', 'wait for the next timer'],
  ['u', 'undo: take the last command back'],
  ['y', 'redo'],
  ['n', 'the next paragraph of the story'],
  ['Tab', 'the next server, link or message; Enter opens its menu'],
  ['d x 2 h', 'on a message: deliver, lose, send twice, keep back'],
  ['c i v', 'to the next chosen value, the next instance, the next violation'],
  ['↑ ↓ Enter', 'in the diagram and the terminal lines: another row or line; Enter goes there'],
  ['Esc', 'closes a menu'],
  ['?', 'these keys'],
];

export function openKeys(app: App): void {
  app.dialog = 'keys';
  app.changed();
}

function boxIn(stage: HTMLElement, element: Element): Box {
  const [outer, inner] = [stage.getBoundingClientRect(), element.getBoundingClientRect()];
  const { width, height } = inner;
  return {
    x: inner.left + width / 2 - outer.left,
    y: inner.top + height / 2 - outer.top,
    width,
    height,
  };
}

/** An entry is higher where it is meant for a finger. */
function entryPx(): number {
  return matchMedia('(max-width: 700px)').matches ? 36 : 27;
}

/** The open menu, beside the element that it belongs to. */
export function menuView(app: App, menu: Menu, stage: HTMLElement): HTMLElement {
  const owner = stage.querySelector(`[data-key="${CSS.escape(menu.owner)}"]`);
  const room = { width: stage.clientWidth, height: stage.clientHeight };
  const size = {
    width: MENU_PX,
    height: Math.min(AROUND_PX + entryPx() * menu.entries.length, room.height - AROUND_PX),
  };
  const cards = [...stage.querySelectorAll('.server')].map((it) => boxIn(stage, it));
  const centre = { x: room.width / 2, y: room.height / 2, width: 0, height: 0 };
  const beside = owner === null ? centre : boxIn(stage, owner);
  const { x, y, width, height } = placeMenu(size, beside, cards, room);
  const [left, top] = [x - width / 2, y - height / 2];
  return h(
    'div',
    {
      class: 'menu',
      role: 'menu',
      'aria-label': menu.title,
      style: `left:${left}px;top:${top}px;width:${width}px;max-height:${height}px`,
      onkeydown: (event: KeyboardEvent) => moveIn(app, menu, event),
    },
    ...menu.entries.map(({ label, key, act }, index) =>
      h(
        'button',
        { type: 'button', role: 'menuitem', 'data-key': `entry ${index}`, onclick: act },
        h('span', {}, label),
        key === undefined ? null : h('kbd', { 'aria-hidden': 'true' }, key),
      ),
    ),
  );
}

function moveIn(app: App, menu: Menu, event: KeyboardEvent): void {
  const items = [...(event.currentTarget as HTMLElement).querySelectorAll('button')];
  const at = items.indexOf(document.activeElement as HTMLButtonElement);
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key] ?? 0;
  if (event.key === 'Escape') {
    event.stopPropagation();
    closeMenu(app);
  } else if (step !== 0) {
    event.preventDefault();
    event.stopPropagation();
    items[(at + step + items.length) % items.length]?.focus();
  } else byKey(event, menu.entries);
}

/** Closes the menu; the focus goes back to what it belonged to. */
export function closeMenu(app: App): void {
  const owner = app.menu?.owner ?? '';
  app.menu = null;
  app.changed();
  document.querySelector<HTMLElement>(`[data-key="${CSS.escape(owner)}"]`)?.focus();
}

export function dialogView(app: App): HTMLElement | null {
  const { dialog } = app;
  if (dialog === null) return null;
  const close = button('Close', 'close', () => closeDialog(app));
  if (dialog === 'keys') {
    const rows = KEYS.map(([key, does]) =>
      h('tr', {}, h('th', { scope: 'row' }, key), h('td', {}, does)),
    );
    return frame('Keys', h('table', {}, ...rows), close);
  }
  const text = h('textarea', {
    'data-key': 'text',
    rows: 16,
    'aria-label': 'story',
    spellcheck: 'false',
  });
  (text as HTMLTextAreaElement).value = app.dialogText;
  text.addEventListener('input', () => {
    app.dialogText = (text as HTMLTextAreaElement).value;
  });
  if (dialog === 'paste') {
    const notice = h('p', { class: 'notice', role: 'status' }, app.notice);
    const play = button('Play it', 'play-it', () => void app.paste(app.dialogText), {
      class: 'strong',
    });
    return frame('Paste a story', text, notice, play, close);
  }
  const copy = button('Copy', 'copy-it', () => {
    const copied = navigator.clipboard?.writeText(app.dialogText);
    void copied?.catch(() => (text as HTMLTextAreaElement).select());
    (text as HTMLTextAreaElement).select();
  });
  text.setAttribute('readonly', '');
  const title = dialog === 'share' ? 'An address that plays this' : 'This run as a story';
  const isLong = dialog === 'share' && app.dialogText.length > MOST_SHARED;
  const { length } = app.dialogText;
  const limit = `It has ${length} characters: some programs cut such an address off.`;
  return frame(title, text, ...(isLong ? [h('p', { class: 'quiet' }, limit)] : []), copy, close);
}

export function closeDialog(app: App): void {
  app.dialog = null;
  app.notice = '';
  app.changed();
}

function frame(title: string, ...children: readonly HTMLElement[]): HTMLElement {
  return h(
    'dialog',
    { 'aria-label': title, 'data-key': 'dialog' },
    h('h2', {}, title),
    ...children,
  );
}
