/** A server that has lost its disk votes again, and never where it has voted before. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { suite, test } from 'node:test';
import { safeInstance } from '../src/rejoin-strategy.ts';
import { exploreRejoin, type RejoinWorld } from '../src/simulation/explorer/rejoin.ts';
import { MasterReplica } from '../src/simulation/replicas.ts';
import { tellStory } from '../src/simulation/story.ts';

const SMALL: RejoinWorld = { servers: 3, instances: 3, losses: 1 };
const sooner =
  (by: number) =>
  (opened: readonly number[], quorum: number): number | null => {
    const safe = safeInstance(opened, quorum);
    return safe === null ? null : safe - by;
  };

suite('All that can happen to lost disks', () => {
  test('with the right rule all is well', () => {
    const { returns, violation } = exploreRejoin(SMALL);
    assert.equal(violation, null);
    assert.ok(returns > 10_000);
  });

  const broken: readonly [string, Partial<RejoinWorld>, number][] = [
    ['votes in the highest instance that is open elsewhere', { safe: sooner(2) }, 4],
    ['votes in the one after it', { safe: sooner(1) }, 7],
    ['asks one less', { safe: (opened, quorum) => safeInstance(opened, quorum - 1) }, 10],
    ['asks itself', { asksItself: true }, 11],
    ['counts answers to an earlier life', { oldAnswersCount: true, losses: 2 }, 15],
    ['is answered by one that has no vote, either', { allAnswer: true, losses: 2 }, 12],
  ];
  for (const [what, change, steps] of broken) {
    test(`it votes twice if it ${what}, after ${steps} steps`, (t) => {
      const { violation } = exploreRejoin({ ...SMALL, ...change });
      t.diagnostic(`${violation?.join(', ')}`);
      assert.equal(violation?.length, steps);
    });
  }
});

test('to vote in the instance after the highest leads to two chosen values', () => {
  const file = new URL('stories/36-the-instance-after-the-next.txt', import.meta.url);
  const story = readFileSync(file, 'utf8');
  class TooSoon extends MasterReplica {
    protected override safeInstance(opened: readonly number[]): number | null {
      return sooner(1)(opened, this.quorum);
    }
  }
  const { violations } = tellStory(story, () => TooSoon);
  assert.deepEqual(
    violations.map(({ invariant }) => invariant),
    [5, 1, 2, 11],
  );
});
