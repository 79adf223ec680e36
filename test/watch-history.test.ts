/** What watchers were told is compared with the log: nothing that is wrong with it passes. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Link, RequestId } from '../src/chain.ts';
import {
  changesOf,
  findWatchContradiction,
  type LoggedChange,
  missingIn,
  type Watched,
  type WatchNote,
} from '../src/log/watch-history.ts';

let ids = 0;
function update(line: string): Link {
  ids += 1;
  return { update: line, id: `A-0123abcd-${ids}` };
}

function request(of: RequestId, line: string): Link {
  return { ...update(line), request: of } as Link;
}

const C1 = '00000000000000c1-1-1' as RequestId;
const LINKS: readonly Link[] = [
  update('set color blue'),
  { batch: [update('add n 1'), update('add n 1'), update('set r0 x')], id: 'B-0123abcd-1' } as Link,
  update('swap color red green'), // fails
  request(C1, 'add n 5'),
  { lease: 'A', id: 'A-0123abcd-99' } as Link,
  request(C1, 'add n 5'), // once more, and changes nothing
  update('delete color'),
  update('set r1 y'),
];
const CHANGES = changesOf(new Map(LINKS.map((link, index) => [index + 1, link])));

function watched(notes: readonly WatchNote[], prefix = ''): Watched {
  return { name: 'w', prefix, notes };
}

function told(changes: readonly (LoggedChange | undefined)[]): WatchNote[] {
  return changes.map((change) => ({ note: 'change', change: change as LoggedChange }));
}

const ALL = told(CHANGES);

/** Why these notes are not what the log says; null: they are. */
function wrongIn(notes: readonly WatchNote[], prefix?: string): string | null {
  return findWatchContradiction(watched(notes, prefix), CHANGES);
}

suite('The changes of a log', () => {
  test('are those that took effect, each request once, with the ids of their events', () => {
    assert.deepEqual(
      CHANGES.map(({ id, key, value, version }) => `${id} ${key} ${value} ${version}`),
      [
        '1 color blue 1',
        '2:1 n 1 2',
        '2:2 n 2 2.2',
        '2 r0 x 2',
        '4 n 7 4',
        '7 color null 7',
        '8 r1 y 8',
      ],
    );
  });

  test('are not known where a link is missing', () => {
    const holed = new Map(LINKS.map((link, index) => [index + 1, link]));
    holed.delete(3);
    assert.throws(() => changesOf(holed), { message: /link of instance 3/ });
  });
});

suite('What a watcher was told', () => {
  test('is right if it is every change in order, or the beginning of that', () => {
    for (let count = 0; count <= ALL.length; count += 1) {
      const notes = ALL.slice(0, count);
      assert.equal(wrongIn(notes), null);
      assert.deepEqual(missingIn(watched(notes), CHANGES), CHANGES[count] ?? null);
    }
    assert.equal(
      wrongIn([...ALL.slice(0, 5), { note: 'all told', upTo: 6 }, ...ALL.slice(5)]),
      null,
    );
    const some = CHANGES.filter(({ key }) => key.startsWith('r'));
    assert.equal(wrongIn([...told(some), { note: 'all told', upTo: 100 }], 'r'), null);
  });

  test('is wrong whatever one change is left out, told twice, overtaken, or another one', () => {
    for (let at = 0; at < ALL.length; at += 1) {
      const one = ALL.slice(at, at + 1);
      const [before, after] = [ALL.slice(0, at), ALL.slice(at + 1)];
      const end: WatchNote = { note: 'all told', upTo: LINKS.length };
      assert.match(
        wrongIn([...before, ...after, end]) ?? '',
        /^w was (?:told .* before|never told)/,
      );
      assert.match(wrongIn([...before, ...one, ...one, ...after]) ?? '', /^w was told .* twice/);
      if (after.length > 0) {
        const overtaken = [...before, ...after.slice(0, 1), ...one, ...after.slice(1)];
        assert.match(wrongIn(overtaken) ?? '', /^w was told .* before "/);
      }
      for (const wrong of [
        { id: '9' },
        { instanceNumber: 3 },
        { key: 'x' },
        { value: 'other' },
        { version: '5' },
      ]) {
        const other = { ...(CHANGES[at] as LoggedChange), ...wrong };
        const notes = [...before, ...told([other]), ...after];
        assert.match(wrongIn(notes) ?? '', /^w was told .*, and that is not in the log$/);
      }
    }
  });

  test('goes on from keys that were read, if they were those', () => {
    const keys = [
      { key: 'color', value: 'blue', version: '1' },
      { key: 'n', value: '7', version: '4' },
      { key: 'r0', value: 'x', version: '2' },
    ];
    const read = (upTo: number, held = keys): WatchNote => ({ note: 'read', upTo, keys: held });
    const rest = ALL.slice(5);
    assert.equal(wrongIn([...ALL.slice(0, 2), read(5), ...rest]), null);
    assert.match(wrongIn([read(5), ...ALL.slice(4)]) ?? '', /twice, or too late$/);
    assert.match(wrongIn([read(5), ...ALL.slice(6)]) ?? '', /before "delete color"/);
    assert.match(
      wrongIn([...ALL, read(5)]) ?? '',
      /^w read the keys of 5 after it was told "set r1/,
    );
    assert.match(wrongIn([read(5, keys.slice(1)), ...rest]) ?? '', /^w read no color after 5/);
    assert.match(wrongIn([read(8), ...rest]) ?? '', /^w read that color is "blue" after 8, and it/);
    const other = keys.map((one) => ({ ...one, version: '1' }));
    assert.match(wrongIn([read(5, other), ...rest]) ?? '', /^w read that n is "7" after 5, and it/);
  });
});
