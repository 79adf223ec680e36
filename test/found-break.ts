/** A rule that is broken on purpose, and the seed that shows it. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { type Break, MOST_SEEDS_FOR_A_BREAK } from '../src/simulation/broken/layers.ts';
import { minimise } from '../src/simulation/minimise.ts';
import { run, type Variant } from '../src/simulation/run.ts';
import type { Schedule } from '../src/simulation/schedule.ts';

/** The first seed that violates anything violates what it must, and so does the least of it. */
export function assertFound(
  t: TestContext,
  { invariants, replicaClass, firstSeed = 1, ...more }: Break,
  draw: (seed: number) => Schedule,
): void {
  const variant: Variant = { ...more, broken: () => replicaClass };
  for (let seed = firstSeed; seed <= MOST_SEEDS_FOR_A_BREAK; seed += 1) {
    const schedule = draw(seed);
    const { violation } = run(schedule, variant);
    if (violation === null) continue;
    t.diagnostic(`seed ${seed}: ${violation.why}`);
    assert.ok(invariants.includes(violation.invariant), `${violation.invariant}`);
    const least = minimise(schedule, variant, violation.invariant);
    assert.ok(least.actions.length < schedule.actions.length);
    assert.equal(run(least, variant).violation?.invariant, violation.invariant);
    return;
  }
  assert.fail(`not found in ${MOST_SEEDS_FOR_A_BREAK} seeds`);
}
