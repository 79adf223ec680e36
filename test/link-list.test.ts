/** The list of links: it does what an array does, and what was kept of it does not change. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Link } from '../src/chain.ts';
import { LinkList } from '../src/log/link-list.ts';

function link(number: number): Link {
  return { update: 'x', id: `A-0123abcd-${number}` };
}

for (const blockLength of [1, 3, 1_000]) {
  test(`links come, are found, and are forgotten in blocks of ${blockLength}`, () => {
    const list = new LinkList(blockLength);
    let model: Link[] = [];
    for (let number = 1; number <= 40; number += 1) {
      list.push(link(number));
      model.push(link(number));
      if (number % 10 === 0) {
        const before = model.length;
        list.forget(7);
        model = model.slice(model.length - list.length);
        const forgotten = before - list.length;
        assert.ok(forgotten <= 7 && forgotten > 7 - blockLength);
      }
      assert.deepEqual(list.slice(0, 100), model);
      assert.deepEqual(list.slice(2, 3), model.slice(2, 5));
      assert.deepEqual(list.at(model.length - 1), model.at(-1));
      assert.equal(list.at(model.length), undefined);
    }
    list.forget(-1);
    assert.equal(list.length, model.length);
  });
}

test('what was kept stays as it was, and shares its full blocks with what is kept later', () => {
  const list = new LinkList(3);
  for (let number = 1; number <= 7; number += 1) list.push(link(number));
  const { kept } = list;
  const text = JSON.stringify(kept);
  for (let number = 8; number <= 12; number += 1) list.push(link(number));
  const later = list.kept;
  assert.equal(kept.blocks[1], later.blocks[1]);
  list.forget(6);
  assert.equal(JSON.stringify(kept), text);
  assert.deepEqual(new LinkList(5, later).slice(0, 100), new LinkList(3, later).slice(0, 100));
  assert.equal(new LinkList(5, later).length, 12);
});

test('blocks from the disk are kept as they are, if they are as long as new ones', () => {
  const list = new LinkList(3);
  for (let number = 1; number <= 8; number += 1) list.push(link(number));
  const { kept } = list;
  const again = new LinkList(3, kept);
  assert.equal(again.kept.blocks, kept.blocks);
  assert.deepEqual(again.kept, kept);
  again.push(link(9));
  assert.deepEqual(
    again.kept.blocks.map((block, index) => block === kept.blocks[index]),
    [true, true, false],
  );
  assert.equal(kept.blocks.length, 2);
  assert.deepEqual(new LinkList(4, kept).slice(0, 100), list.slice(0, 100));
});
