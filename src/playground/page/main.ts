/// <reference lib="dom" />
/** The page: puts the views together, and listens to keys. */
import { App, type Told } from './app.ts';
import { closeDialog, closeMenu, dialogView, menuView, noticeView } from './dialogs.ts';
import { h, replace } from './dom.ts';
import { diagramView, light, linesView } from './run-view.ts';
import { sideView } from './side-view.ts';
import { stageView } from './stage-view.ts';
import { topView } from './top-view.ts';

function part(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no ${id}`);
  return element;
}

const [top, side, stage, ask] = [part('top'), part('side'), part('stage'), part('ask')];
const [diagram, lines, dialogs] = [part('diagram'), part('lines'), part('dialogs')];
const stories = JSON.parse(part('stories').textContent ?? '[]') as readonly Told[];

let isDue = false;
let hadMenu: string | null = null;
let shownDialog: string | null = null;
const app: App = new App(stories, () => {
  if (isDue) return;
  isDue = true;
  queueMicrotask(render);
});

function render(): void {
  isDue = false;
  replace(top, ...topView(app));
  replace(side, ...sideView(app));
  const { clientWidth: width, clientHeight: height } = stage;
  replace(stage, ...stageView(app, { width, height }));
  renderMenu();
  renderAsk();
  replace(diagram, ...diagramView(app, diagram.clientWidth - 2));
  diagram.querySelector('.row.now')?.scrollIntoView({ block: 'nearest' });
  replace(lines, ...linesView(app));
  const log = lines.querySelector('.lines');
  if (log !== null) log.scrollTop = log.scrollHeight;
  renderDialog();
}

function renderMenu(): void {
  const { menu } = app;
  if (menu !== null) {
    const view = menuView(app, menu, stage);
    stage.append(view);
    if (hadMenu !== menu.owner) view.querySelector('button')?.focus();
  }
  hadMenu = menu?.owner ?? null;
}

/** The value for the next request stays as it is typed. */
function renderAsk(): void {
  const value = h('input', {
    id: 'value',
    'data-key': 'value',
    value: app.value,
    'aria-label': 'value',
    maxlength: 200,
  });
  value.addEventListener('input', () => {
    app.value = (value as HTMLInputElement).value;
  });
  const running = (app.stage?.cards ?? []).filter(({ condition }) => condition === 'running');
  const kept = app.stage?.kept ?? [];
  replace(
    ask,
    value,
    ...running.map(({ uid }) =>
      h(
        'button',
        {
          type: 'button',
          'data-key': `ask ${uid}`,
          onclick: () => app.act(`submit ${uid} ${app.value}`),
        },
        `Ask ${uid}`,
      ),
    ),
    ...kept.map(({ name }) =>
      h(
        'button',
        {
          type: 'button',
          class: 'kept',
          'data-key': `kept ${name}`,
          onclick: () => app.act(`bring back ${name}`),
        },
        `Bring back ${name}`,
      ),
    ),
    noticeView(app),
  );
}

function renderDialog(): void {
  if (app.dialog === shownDialog && app.dialog !== 'paste') return;
  const view = dialogView(app);
  const isNew = app.dialog !== shownDialog;
  shownDialog = app.dialog;
  replace(dialogs, view);
  if (!(view instanceof HTMLDialogElement)) return;
  view.addEventListener('cancel', (event) => {
    event.preventDefault();
    closeDialog(app);
  });
  view.showModal();
  if (isNew) view.querySelector<HTMLElement>('textarea, button')?.focus();
}

const KEYS: Readonly<Record<string, () => void>> = {
  ArrowRight: () => app.step(),
  ArrowLeft: () => app.back(),
  p: () => app.togglePlay(),
  a: () => app.deliverAll(),
  t: () => app.nextTimer(),
  u: () => app.undo(),
  y: () => app.redo(),
  n: () => app.nextParagraph(),
  '?': () => {
    app.dialog = 'keys';
    app.changed();
  },
};

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || app.dialog !== null) return;
  const { target } = event;
  if (target instanceof Element && target.matches('input, select, textarea')) return;
  if (event.key === 'Escape' && app.menu !== null) return closeMenu(app);
  if (event.defaultPrevented) return;
  const act = KEYS[event.key];
  if (act === undefined) return;
  event.preventDefault();
  act();
});
document.addEventListener('click', ({ target }) => {
  if (app.menu === null || !(target instanceof Element)) return;
  if (target.closest('.menu, [aria-haspopup]') === null && target.isConnected) {
    app.menu = null;
    app.changed();
  }
});
for (const place of [diagram, lines]) {
  place.addEventListener('mouseover', ({ target }) => light(document, target));
  place.addEventListener('mouseleave', () => light(document, null));
}
addEventListener('resize', () => app.changed());
addEventListener('hashchange', () => void app.open(location.hash.slice(1)));
render();
void app.open(location.hash.slice(1));
