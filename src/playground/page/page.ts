/// <reference lib="dom" />
/** The page: puts the views together, and listens to keys. */
import { unpacked } from '../share.ts';
import { App, type Told } from './app.ts';
import { closeDialog, closeMenu, dialogView, menuView, openKeys } from './dialogs.ts';
import { h, replace, replaceIfNew } from './dom.ts';
import { makeDraggable } from './drag.ts';
import {
  diagramView,
  light,
  linesView,
  moveIn,
  optionsView,
  scrollToNow,
  tabsView,
} from './run-view.ts';
import { button, pickView, sideView } from './side-view.ts';
import { stageView } from './stage-view.ts';
import { Tape } from './tape-view.ts';
import { choicesView, stopsView, timeView } from './top-view.ts';

function part(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no ${id}`);
  return element;
}

export async function showPage(): Promise<void> {
  const packedStories = part('stories').textContent ?? '';
  const stories = JSON.parse(await unpacked(packedStories)) as readonly Told[];
  let isDue = false;
  let isPressed = false;
  const render = () => {
    // What somebody presses must still be there when it is let go: only then it is clicked.
    if (!isDue || isPressed) return;
    isDue = false;
    page.render();
  };
  const app: App = new App(stories, () => {
    isDue = true;
    queueMicrotask(render);
  });
  document.addEventListener('pointerdown', () => {
    isPressed = true;
  });
  for (const type of ['pointerup', 'pointercancel'] as const) {
    addEventListener(type, () => {
      isPressed = false;
      setTimeout(render); // behind the click
    });
  }
  const page = new Page(app);
  page.render();
  page.listen();
  void app.open(location.hash.slice(1));
}

/** Boxes, lists and the tape have no use for letters; lists and the tape have one for arrows. */
const TEXTS = 'textarea, input:not([type=checkbox], [type=range])';

/** Whether what has the focus does something of its own with this key. */
function isTakenBy(target: EventTarget | null, key: string): boolean {
  if (!(target instanceof Element)) return false;
  const isArrow = key === 'ArrowLeft' || key === 'ArrowRight';
  return target.matches(TEXTS) || (isArrow && target.matches('select, [type=range]'));
}

class Page {
  readonly #app: App;
  readonly #stage = part('stage');
  readonly #diagram = part('diagram');
  readonly #log = part('log');
  readonly #value = part('value') as HTMLInputElement;
  readonly #tape: Tape;
  #menuOf: string | null = null;
  #dialog: string | null = null;

  constructor(app: App) {
    this.#app = app;
    this.#tape = new Tape(app, part('tape'));
  }

  render(): void {
    const app = this.#app;
    const { choice, stops, story, goal, isPlaying, speed, linesOf } = app;
    // What a reader may hold open is left alone as long as it says the same.
    replaceIfNew(part('time'), [isPlaying, speed], () => timeView(app));
    replaceIfNew(part('choices'), [choice], () => choicesView(app));
    replaceIfNew(part('stops'), [...stops], () => stopsView(app));
    replaceIfNew(part('pick'), [story?.name, goal?.name], () => pickView(app));
    this.#tape.render();
    replace(part('told'), ...sideView(app));
    this.#renderAsk(); // takes its room from the stage
    this.#renderStage();
    const uids = app.stage?.uids ?? [];
    replaceIfNew(part('options'), [uids.join(), app.hidden], () => optionsView(app));
    this.#renderRun();
    replaceIfNew(part('tabs'), [uids.join(), linesOf], () => tabsView(app));
    this.#renderDialog();
  }

  listen(): void {
    const app = this.#app;
    this.#value.addEventListener('input', () => {
      app.value = this.#value.value;
    });
    document.addEventListener('keydown', (event) => this.#press(event));
    document.addEventListener('click', ({ target }) => this.#clickElsewhere(target));
    for (const type of ['mouseover', 'focusin'] as const) {
      document.addEventListener(type, ({ target }) => light(document, target));
    }
    this.#log.addEventListener('keydown', (event) => moveIn(app, this.#log, event));
    makeDraggable(
      this.#stage,
      (flight) => app.act(`deliver ${flight}`),
      () => app.changed(),
    );
    addEventListener('resize', () => app.changed());
    addEventListener('hashchange', () => void app.open(location.hash.slice(1)));
  }

  #renderStage(): void {
    const app = this.#app;
    const stage = this.#stage;
    const hadFocus = stage.contains(document.activeElement);
    const { clientWidth: width, clientHeight: height } = stage;
    replace(stage, ...stageView(app, { width, height }));
    const { menu } = app;
    if (menu !== null) {
      const view = menuView(app, menu, stage);
      stage.append(view);
      if (this.#menuOf !== menu.owner) view.querySelector('button')?.focus();
    }
    this.#menuOf = menu?.owner ?? null;
    // What had the focus may be gone: a message was delivered, say. Then the next one has it.
    if (!hadFocus || stage.contains(document.activeElement)) return;
    (stage.querySelector<HTMLElement>('.chip') ?? stage).focus({ preventScroll: true });
  }

  #renderAsk(): void {
    const app = this.#app;
    if (this.#value.value !== app.value) this.#value.value = app.value;
    const running = (app.stage?.cards ?? []).filter(({ condition }) => condition === 'running');
    const kept = app.stage?.kept ?? [];
    const ask = (words: string, label: string, key: string, style: string, command: () => string) =>
      h(
        'button',
        {
          type: 'button',
          'data-key': key,
          'aria-label': label,
          class: style,
          onclick: () => app.act(command()),
        },
        words,
      );
    replace(
      part('askers'),
      ...(running.length === 0 ? [] : [h('span', { 'aria-hidden': 'true' }, 'ask')]),
      ...running.map(({ uid }) =>
        ask(uid, `Ask ${uid}`, `ask ${uid}`, 'asker', () => `submit ${uid} ${app.wanted}`),
      ),
      button('as a command', 'command', () => app.actAsTyped()),
      ...kept.map(({ name }) => {
        const label = `Bring back ${name}`;
        return ask(label, label, `kept ${name}`, 'kept', () => `bring back ${name}`);
      }),
    );
    for (const notice of document.querySelectorAll('.notice')) {
      if (notice.textContent !== app.notice) notice.textContent = app.notice;
    }
  }

  #renderRun(): void {
    const app = this.#app;
    const { events } = app.session;
    const room = this.#diagram.clientWidth - 2;
    const latest = events.at(-1) ?? null;
    replaceIfNew(
      this.#diagram,
      [events.length, latest, room, app.hidden, app.violated, app.isDrawnFar],
      () => diagramView(app, room),
      () => scrollToNow(this.#diagram),
    );
    const { item, moment } = app.session.place;
    const lines = [item, moment, app.linesOf, latest, app.violated];
    replaceIfNew(
      this.#log,
      lines,
      () => linesView(app),
      () => {
        this.#log.scrollTop = this.#log.scrollHeight;
      },
    );
  }

  #renderDialog(): void {
    const { dialog } = this.#app;
    if (dialog === this.#dialog) return;
    this.#dialog = dialog;
    const view = dialogView(this.#app);
    replace(part('dialogs'), view);
    if (!(view instanceof HTMLDialogElement)) return;
    view.addEventListener('cancel', (event) => {
      event.preventDefault();
      closeDialog(this.#app);
    });
    view.showModal();
    view.querySelector<HTMLElement>('textarea, button')?.focus();
  }

  readonly #keys: Readonly<Record<string, () => void>> = {
    ArrowRight: () => this.#app.step(),
    ArrowLeft: () => this.#app.back(),
    p: () => this.#app.togglePlay(),
    a: () => this.#app.deliverAll(),
    t: () => this.#app.nextTimer(),
    u: () => this.#app.undo(),
    y: () => this.#app.redo(),
    n: () => this.#app.nextParagraph(),
    c: () => this.#app.jump('chosen'),
    i: () => this.#app.jump('instance'),
    v: () => this.#app.jump('violation'),
    '?': () => openKeys(this.#app),
  };

  #press(event: KeyboardEvent): void {
    const app = this.#app;
    if (event.ctrlKey || event.altKey || event.metaKey || app.dialog !== null) return;
    if (event.key === 'Escape' && app.menu !== null) return closeMenu(app);
    if (event.defaultPrevented || isTakenBy(event.target, event.key)) return;
    const act = this.#keys[event.key];
    if (act === undefined) return;
    event.preventDefault();
    act();
  }

  #clickElsewhere(target: EventTarget | null): void {
    const app = this.#app;
    if (app.menu === null || !(target instanceof Element) || !target.isConnected) return;
    if (target.closest('.menu, [aria-haspopup]') !== null) return;
    app.menu = null;
    app.changed();
  }
}
