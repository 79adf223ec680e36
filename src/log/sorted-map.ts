/**
 * A map that never changes: who sets a key in it gets another map, and the first one is still what
 * it was. So a snapshot of the whole state is a reference, and can be written down at leisure while
 * commands go on. Nothing is copied for that but the way from the root to the key, some twenty
 * steps among a hundred thousand keys: all the rest is shared.
 *
 * It is a search tree that keeps its balance by weight (Nievergelt and Reingold, 1972): no half of
 * a tree has more than three times as many keys as the other one. The keys are in order, so those
 * with a prefix are found without looking at the others; and every tree knows how many it has.
 */
export interface SortedMap<Value> {
  readonly size: number;
  readonly key: string;
  readonly value: Value;
  readonly left: Tree<Value>;
  readonly right: Tree<Value>;
}

/** Null: there are no keys. */
export type Tree<Value> = SortedMap<Value> | null;

/** One side may be so many times as heavy as the other one … */
const HEAVIER = 3;
/** … and its inner half so many times as heavy as the outer one; else two turns are needed. */
const INNER = 2;

/** How many keys there are. */
export function sizeOf(tree: Tree<unknown>): number {
  return tree?.size ?? 0;
}

/** What the key holds; undefined: there is no such key. */
export function valueIn<Value>(tree: Tree<Value>, key: string): Value | undefined {
  let at = tree;
  while (at !== null && at.key !== key) at = key < at.key ? at.left : at.right;
  return at?.value;
}

/** The map in which the key holds this. */
export function withKey<Value>(tree: Tree<Value>, key: string, value: Value): SortedMap<Value> {
  if (tree === null) return mapOf(key, value, null, null);
  const { left, right } = tree;
  if (key < tree.key) return balanced(tree, withKey(left, key, value), right);
  if (key > tree.key) return balanced(tree, left, withKey(right, key, value));
  return mapOf(key, value, left, right);
}

/** The map in which there is no such key. */
export function withoutKey<Value>(tree: Tree<Value>, key: string): Tree<Value> {
  if (tree === null) return null;
  const { left, right } = tree;
  if (key < tree.key) return balanced(tree, withoutKey(left, key), right);
  if (key > tree.key) return balanced(tree, left, withoutKey(right, key));
  if (left === null || right === null) return left ?? right;
  const next = firstOf(right);
  return balanced(next, left, withoutKey(right, next.key));
}

/** Keys and what they hold, in order, from the first one on that is not before `from`. */
export function* entriesFrom<Value>(tree: Tree<Value>, from = ''): Generator<[string, Value]> {
  const later: SortedMap<Value>[] = [];
  let at = tree;
  for (;;) {
    while (at !== null) {
      if (at.key >= from) later.push(at);
      at = at.key < from ? at.right : at.left;
    }
    const next = later.pop();
    if (next === undefined) return;
    yield [next.key, next.value];
    at = next.right;
  }
}

/** How many keys begin with this. */
export function countOf(tree: Tree<unknown>, prefix: string): number {
  const before = countWhile(tree, (key) => key < prefix);
  return countWhile(tree, (key) => key < prefix || key.startsWith(prefix)) - before;
}

/** How many keys are so. That must be true of all up to one of them, and of none after it. */
function countWhile(tree: Tree<unknown>, isSo: (key: string) => boolean): number {
  let count = 0;
  let at = tree;
  while (at !== null) {
    const counts = isSo(at.key);
    if (counts) count += sizeOf(at.left) + 1;
    at = counts ? at.right : at.left;
  }
  return count;
}

function mapOf<Value>(
  key: string,
  value: Value,
  left: Tree<Value>,
  right: Tree<Value>,
): SortedMap<Value> {
  return { size: sizeOf(left) + 1 + sizeOf(right), key, value, left, right };
}

/** This key between two sides, one of which has won or lost a key: turned if need be. */
function balanced<Value>(
  { key, value }: SortedMap<Value>,
  left: Tree<Value>,
  right: Tree<Value>,
): SortedMap<Value> {
  const [lefts, rights] = [sizeOf(left), sizeOf(right)];
  const isSmall = lefts + rights <= 1;
  if (!isSmall && right !== null && rights > HEAVIER * lefts) {
    if (right.left === null || sizeOf(right.left) < INNER * sizeOf(right.right)) {
      return mapOf(right.key, right.value, mapOf(key, value, left, right.left), right.right);
    }
    const { left: inner } = right;
    const outer = mapOf(right.key, right.value, inner.right, right.right);
    return mapOf(inner.key, inner.value, mapOf(key, value, left, inner.left), outer);
  }
  if (!isSmall && left !== null && lefts > HEAVIER * rights) {
    if (left.right === null || sizeOf(left.right) < INNER * sizeOf(left.left)) {
      return mapOf(left.key, left.value, left.left, mapOf(key, value, left.right, right));
    }
    const { right: inner } = left;
    const outer = mapOf(left.key, left.value, left.left, inner.left);
    return mapOf(inner.key, inner.value, outer, mapOf(key, value, inner.right, right));
  }
  return mapOf(key, value, left, right);
}

function firstOf<Value>(tree: SortedMap<Value>): SortedMap<Value> {
  let at = tree;
  while (at.left !== null) at = at.left;
  return at;
}
