/// <reference lib="dom" />
/** The tape on top: all moments from left to right, a strip for each server, and a handle. */

import { clockOf } from '../labels.ts';
import type { Step } from '../session.ts';
import { nowIn, type Strip, type Tape as TapeData, tapeOf } from '../tape.ts';
import type { App } from './app.ts';
import { h, replaceIfNew, s } from './dom.ts';
import { hueOf } from './hues.ts';

/** The handle is made once: it would be lost to whoever drags it if it were made anew. */
export class Tape {
  readonly #app: App;
  readonly #strips = h('div', { class: 'strips' });
  readonly #handle: HTMLInputElement;
  readonly #said = h('output', {});
  #tape: TapeData = { places: [{ item: 0, moment: 0 }], now: 0, strips: [] };
  /** What the tape ends with: it is the same tape as long as that is the same. */
  #last: Step | undefined;

  constructor(app: App, place: HTMLElement) {
    this.#app = app;
    const oninput = () => this.#goTo(Number(this.#handle.value));
    const props = { type: 'range', min: 0, 'data-key': 'tape', 'aria-label': 'tape', oninput };
    this.#handle = h('input', props) as HTMLInputElement;
    place.append(this.#strips, this.#handle, this.#said);
  }

  render(): void {
    const { session, stage } = this.#app;
    const last = session.known.at(-1);
    if (last !== this.#last) this.#tape = tapeOf(session);
    this.#last = last;
    const { places } = this.#tape;
    const now = nowIn(places, session.place);
    const said = `moment ${now + 1} of ${places.length} · ${clockOf(stage?.nowMs ?? 0)}`;
    this.#handle.max = String(Math.max(1, places.length - 1));
    this.#handle.value = String(now);
    this.#handle.setAttribute('aria-valuetext', said);
    this.#said.textContent = said;
    replaceIfNew(this.#strips, [places.length, last, stage?.uids.length], () => [this.#draw()]);
  }

  #goTo(index: number): void {
    const place = this.#tape.places[index];
    if (place !== undefined) this.#app.goTo(place);
  }

  #draw(): SVGElement {
    const { places, strips } = this.#tape;
    const box = `0 0 ${Math.max(1, places.length - 1)} 100`;
    return s(
      'svg',
      { viewBox: box, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
      ...strips.map((strip) => this.#strip(strip)),
    );
  }

  #strip({ uid, lane, from, to, kind }: Strip): SVGElement {
    const { stage } = this.#app;
    const height = 100 / (stage?.uids.length ?? 1);
    const isGrey = kind === 'down' || stage === null;
    return s('rect', {
      x: from,
      y: lane * height + 2,
      width: to - from,
      height: height - 4,
      fill: isGrey ? 'var(--down)' : hueOf(stage, uid),
      opacity: { down: 0.6, calm: 0.25, candidate: 0.6, master: 1 }[kind],
    });
  }
}
