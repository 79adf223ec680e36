/**
 * The figures: drawn from what the code does. The pictures in `pictures/*.svg` are written anew
 * with `REWRITE=1`; look at them before you believe them.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { after, before, suite, test } from 'node:test';
import { layersFigure, layersOf, VERBS } from '../src/diagram/figures/layers.ts';
import { leaseFigure } from '../src/diagram/figures/lease.ts';
import { quorumsFigure, waysOf } from '../src/diagram/figures/quorums.ts';
import { THEMES, type Theme } from '../src/diagram/palette.ts';
import { HOLDER_WINDOW_MS, LEASE_WINDOW_MS, RENEW_AFTER_MS } from '../src/master-strategy.ts';
import { MasterReplica, PlainReplica } from '../src/simulation/replicas.ts';
import {
  assertApart,
  assertWithin,
  boxesOf,
  closeBrowser,
  load,
  openBrowser,
  openPage,
  skip,
} from './browser.ts';

const SERVER = readFileSync(new URL('../server.ts', import.meta.url), 'utf8');
/** What the header of `server.ts` says of each layer. */
const DOES = Object.fromEntries(
  [...SERVER.matchAll(/^ \* {3}- `(\w+)` +(.+)$/gm)].map(([, name = '', does = '']) => [
    name,
    does,
  ]),
);
const LAYERS = layersOf(MasterReplica, DOES);

const FIGURES: Readonly<Record<string, (theme: Theme) => string>> = {
  layers: (theme) => layersFigure(LAYERS, theme),
  lease: leaseFigure,
  quorums: quorumsFigure,
};
const NAMES = Object.keys(FIGURES);
const THEME_NAMES = ['dark', 'light'] as const;

function draw(name: string, theme: (typeof THEME_NAMES)[number]): string {
  return FIGURES[name]?.(THEMES[theme]) ?? '';
}

/** What is written in a picture. */
function textsOf(svg: string): string[] {
  return [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text = '']) =>
    text.replaceAll('&quot;', '"').replaceAll('&#39;', "'"),
  );
}

suite('A figure', () => {
  for (const name of NAMES) {
    test(`is kept, light and dark: ${name}`, () => {
      for (const theme of THEME_NAMES) {
        const file = new URL(`pictures/${name}-${theme}.svg`, import.meta.url);
        const svg = draw(name, theme);
        if (process.env['REWRITE'] === '1') writeFileSync(file, svg);
        else assert.equal(svg, readFileSync(file, 'utf8'));
      }
    });

    test(`is literal, and the same but for its colours: ${name}`, () => {
      const [dark, light] = THEME_NAMES.map((theme) => draw(name, theme));
      assert.ok(dark !== undefined && light !== undefined);
      assert.match(light, new RegExp(`fill="${THEMES.light.background}"`));
      const colourless = (svg: string) => svg.replaceAll(/#[0-9a-f]{6}/g, '#');
      assert.equal(colourless(dark), colourless(light));
      const inside = light.replace('http://www.w3.org/2000/svg', '');
      assert.doesNotMatch(inside, /https?:|var\(|url\(|<style|<script|href|NaN|undefined/);
    });
  }

  test('is there for each picture that is kept', () => {
    const kept = readdirSync(new URL('pictures/', import.meta.url));
    const expected = NAMES.flatMap((name) => THEME_NAMES.map((theme) => `${name}-${theme}.svg`));
    assert.deepEqual(kept.toSorted(), expected);
  });
});

suite('The quorums', () => {
  const ways = waysOf();

  test('are all that there are, and none is without a witness', () => {
    assert.deepEqual(
      ways.map(({ promisedBy, shared }) => `${promisedBy.join('')}: ${shared.join('')}`),
      ['AB: AB', 'AC: A', 'BC: B'],
    );
  });

  test('make the asker propose what was chosen', () => {
    for (const { promisedBy, words, shared, mustPropose } of ways) {
      assert.equal(mustPropose, 'hello');
      for (const [index, uid] of promisedBy.entries()) {
        const told = shared.includes(uid) ? /"hello" under 2\.A/ : /nothing/;
        assert.match(words[index] ?? '', told);
      }
    }
  });
});

suite('The layers', () => {
  test('are those of the class line, each with what server.ts says of it', () => {
    const names = LAYERS.map(({ name }) => name);
    const [line = ''] = /class MasterReplica extends ([\s\S]+?) \{\}/.exec(SERVER)?.slice(1) ?? [];
    assert.deepEqual(line.match(/\w+/g), names);
    for (const { name, does } of LAYERS) assert.notEqual(does, '', name);
    assert.equal(layersOf(PlainReplica, DOES).length, names.length - 1);
  });

  test('make the calls that are drawn', () => {
    const prototypes = new Map<string, object>();
    let prototype: object = MasterReplica.prototype;
    for (; prototype !== Object.prototype; prototype = Object.getPrototypeOf(prototype)) {
      prototypes.set(prototype.constructor.name, prototype);
    }
    for (const [index, { name, by }] of VERBS.entries()) {
      if (by === null) continue;
      const made = Object.getOwnPropertyDescriptor(prototypes.get(by.layer), by.method)?.value;
      assert.ok(String(made).includes(`this.${name}(`), `${by.layer}.${by.method}: ${name}`);
      // The line begins at a dot of the column before it.
      const caller = LAYERS.find((layer) => layer.name === by.layer);
      assert.ok(caller?.methods.includes(VERBS[index - 1]?.name ?? ''), name);
    }
  });
});

test('The time line of a lease has the numbers of the code', () => {
  const said = textsOf(draw('lease', 'light')).join(' ');
  for (const ms of [HOLDER_WINDOW_MS, LEASE_WINDOW_MS, RENEW_AFTER_MS]) {
    assert.match(said, new RegExp(`\\b${ms / 1_000} s`));
  }
});

suite('In a browser', { skip }, () => {
  before(openBrowser);
  after(closeBrowser);

  for (const name of NAMES) {
    for (const theme of THEME_NAMES) {
      test(`no words cover others, and all are in the picture: ${name}, ${theme}`, async (t) => {
        const page = await openPage(t);
        const svg = draw(name, theme);
        await load(t, page, `<!doctype html><meta charset="utf-8">${svg}`);
        const boxes = await boxesOf(page);
        assert.equal(boxes.length, textsOf(svg).length);
        assertApart(boxes);
        await assertWithin(page);
      });
    }
  }
});
