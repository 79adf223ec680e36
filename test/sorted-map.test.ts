/** The map behind the keys: it does what an object does, in order, and never changes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  countOf,
  entriesFrom,
  sizeOf,
  type Tree,
  valueIn,
  withKey,
  withoutKey,
} from '../src/log/sorted-map.ts';
import { Random } from '../src/simulation/random.ts';

/** The longest way from the root to a key; and that every tree knows its size. */
function depthOf(tree: Tree<unknown>): number {
  if (tree === null) return 0;
  assert.equal(tree.size, sizeOf(tree.left) + 1 + sizeOf(tree.right));
  return 1 + Math.max(depthOf(tree.left), depthOf(tree.right));
}

function mapOfAll(keys: Iterable<string>): Tree<string> {
  let tree: Tree<string> = null;
  for (const key of keys) tree = withKey(tree, key, `of ${key}`);
  return tree;
}

test('it holds what was put into it and not taken out again', () => {
  const random = new Random('sorted-map', 'fuzz');
  const model = new Map<string, number>();
  let tree: Tree<number> = null;
  for (let step = 0; step < 20_000; step += 1) {
    const key = `${Math.floor(random.next() * 300)}`;
    if (random.chance(0.55)) {
      tree = withKey(tree, key, step);
      model.set(key, step);
    } else {
      tree = withoutKey(tree, key);
      model.delete(key);
    }
    assert.equal(valueIn(tree, key), model.get(key));
    assert.equal(sizeOf(tree), model.size);
    if (step % 500 > 0) continue;
    const sorted = [...model].sort(([a], [b]) => (a < b ? -1 : 1));
    assert.deepEqual([...entriesFrom(tree)], sorted);
    assert.deepEqual(
      [...entriesFrom(tree, key)],
      sorted.filter(([one]) => one >= key),
    );
    const withPrefix = sorted.filter(([one]) => one.startsWith('12')).length;
    assert.equal(countOf(tree, '12'), withPrefix);
    assert.ok(depthOf(tree) <= 2.5 * Math.log2(model.size + 1) + 1);
  }
});

test('keys that come in order do not make it a list, nor do those that go', () => {
  const keys = Array.from({ length: 20_000 }, (_, index) => String(index).padStart(5, '0'));
  let tree = mapOfAll(keys);
  assert.ok(depthOf(tree) < 36, `${depthOf(tree)}`);
  for (const key of keys.slice(0, 19_000)) tree = withoutKey(tree, key);
  assert.ok(depthOf(tree) < 25, `${depthOf(tree)}`);
  assert.deepEqual(
    [...entriesFrom(tree)].map(([key]) => key),
    keys.slice(19_000),
  );
});

test('who holds a map goes on to hold what it was', () => {
  const before = mapOfAll(['b', 'a', 'd', 'c', '__proto__']);
  const entries = [...entriesFrom(before)];
  const reading = entriesFrom(before);
  const first = reading.next().value;
  let after = before;
  for (const [key] of entries) after = withoutKey(withKey(after, `${key}!`, 'new'), key);
  assert.deepEqual([...entriesFrom(before)], entries);
  assert.deepEqual([first, ...reading], entries);
  assert.equal(sizeOf(after), entries.length);
  assert.equal(countOf(after, ''), entries.length);
  assert.equal(withoutKey(null, 'a'), null);
});
