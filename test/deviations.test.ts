/** Whole replicas under all schedules with one surprise, where these are few. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { MembersReplica } from '../src/log/replicas.ts';
import { scenarioOf } from '../src/programs/explore/deviations.ts';
import { MEMBERS_BREAKS } from '../src/simulation/broken/members.ts';
import { type Scenario, search } from '../src/simulation/explorer/deviations.ts';
import { placesOf } from '../src/simulation/machine.ts';

/** A and B vote, and C gets a vote while A and B are asked for values. */
const FROM_TWO_TO_THREE: Scenario = {
  uids: ['A', 'B', 'C'],
  founders: ['A', 'B'],
  change: { remove: [], vote: placesOf(['C']), join: {}, follow: {}, isForced: true },
  replicaClass: MembersReplica,
  calmMs: 1,
  askedFirst: [
    ['A', 'one'],
    ['B', 'two'],
  ],
  steps: 60,
};

suite('few deviations', () => {
  test('two members become three: whoever is killed, whatever is lost, at any step', () => {
    const found = search(FROM_TWO_TO_THREE, 1, 10_000);
    assert.equal(found.violation, null);
    assert.deepEqual(found.runs, [1, 529]);
    assert.ok(found.chosen > 3 * 530);
    assert.equal(found.completeUpTo, 1);
  });

  test('… and with the quorum of two something goes wrong', () => {
    const broken = MEMBERS_BREAKS.find(({ name }) => name === 'quorum-of-founders');
    assert.ok(broken);
    const { replicaClass } = broken;
    const grown = { ...FROM_TWO_TO_THREE, founders: ['A'], replicaClass };
    assert.ok(search(grown, 1, 10_000).violation);
  });

  for (const [breakName, most] of [
    ['save-after-sending', 0],
    ['forgetful-queue', 0],
    ['forgotten-promise', 1],
  ] as const) {
    test(`${breakName} is found with ${most} deviations`, () => {
      const options = {
        leases: false,
        isStore: false,
        breakName,
        deviations: most,
        maxRuns: 100_000,
      };
      const found = search(scenarioOf(options), most, options.maxRuns);
      assert.ok(found.violation);
      assert.equal(found.deviations.length, most);
    });
  }
});
