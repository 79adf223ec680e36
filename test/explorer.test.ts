/** Every schedule of small worlds: with the right rules, and with each of the broken ones. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { BROKEN_RULES } from '../src/simulation/broken/roles.ts';
import {
  type Exploration,
  Explorer,
  type ExplorerOptions,
} from '../src/simulation/explorer/explorer.ts';

const SMALL = { servers: 3, proposers: 2, proposals: 1, crashes: 0 };

function explore(options: ExplorerOptions): Exploration {
  const exploration = new Explorer(options).explore();
  let step = exploration.next();
  while (step.done !== true) step = exploration.next();
  return step.value;
}

function tell(t: TestContext, { states, violation }: Exploration): void {
  t.diagnostic(`${states} states; ${violation?.why}`);
  for (const [i, [first, ...others]] of (violation?.schedule ?? []).entries()) {
    t.diagnostic([`${i + 1}. ${first}`, ...others].join(', '));
  }
}

/** [options, states, states in which a value is chosen] of worlds that are explored to the end. */
const WORLDS: readonly [ExplorerOptions, number, number][] = [
  [SMALL, 431, 241],
  [{ ...SMALL, crashes: 1 }, 1_630, 738],
  [{ ...SMALL, crashes: 2 }, 3_109, 1_289],
];

describe('the explorer, with the right rules', () => {
  for (const [options, states, chosen] of WORLDS) {
    const { proposers, proposals, crashes } = options;
    it(`finds nothing wrong: ${proposers} × ${proposals}, crashes: ${crashes}`, () => {
      const exploration = explore(options);
      assert.equal(exploration.violation, null);
      assert.equal(exploration.isComplete, true);
      assert.equal(exploration.states, states);
      assert.equal(exploration.chosen, chosen);
    });
  }

  it('sees everything that must not be missing', () => {
    const { sights } = explore({ ...SMALL, crashes: 1 });
    for (const [sight, steps] of Object.entries(sights)) assert.ok(steps > 0, sight);
  });

  it('reaches the same histories when it forgets nothing', () => {
    for (const options of [SMALL, { ...SMALL, crashes: 1 }]) {
      const tidy = explore(options);
      const untidy = explore({ ...options, isTidy: false });
      assert.ok(untidy.states > 10 * tidy.states);
      assert.equal(untidy.histories, tidy.histories);
      assert.equal(untidy.violation, null);
    }
  });

  it('gives up when it is told to', () => {
    const exploration = explore({ ...SMALL, maxStates: 100 });
    assert.equal(exploration.isComplete, false);
    assert.equal(exploration.violation, null);
    assert.ok(exploration.states >= 100 && exploration.frontier > 0);
  });

  it('refuses a world that cannot be', () => {
    assert.throws(() => new Explorer({ ...SMALL, proposers: 4 }), RangeError);
    assert.throws(() => new Explorer({ ...SMALL, crashes: Number.NaN }), RangeError);
  });
});

/** Breaks that show only when a proposer may try twice. */
const TWO_ROUNDS = ['reused-id'];

describe('the explorer, with a broken rule', () => {
  for (const rules of BROKEN_RULES) {
    // Nearly a million states: the simulator finds it, too, and sooner.
    if (rules.name === 'first-value') continue;
    it(`finds: ${rules.breaks}`, (t) => {
      const proposals = TWO_ROUNDS.includes(rules.name) ? 2 : 1;
      const exploration = explore({ ...SMALL, proposals, crashes: 1, rules });
      tell(t, exploration);
      assert.equal(exploration.violation?.invariant, rules.invariant);
    });
  }
});

/** [name, rounds of each proposer, crashes, steps]: how two values come to be chosen. */
const DISAGREEMENTS: readonly [string, number, number, number][] = [
  ['careless-acceptor', 1, 0, 8],
  ['lax-acceptor', 2, 0, 12],
  ['forgotten-promise', 1, 1, 9],
  ['reused-id', 2, 1, 8],
  ['save-after-sending', 1, 1, 8],
];

describe('a broken rule leads to disagreement in the end', () => {
  for (const [name, proposals, crashes, steps] of DISAGREEMENTS) {
    it(`${name}: in ${steps} steps`, (t) => {
      const rules = BROKEN_RULES.find((known) => known.name === name);
      assert.ok(rules !== undefined);
      const exploration = explore({ ...SMALL, proposals, crashes, rules, invariants: [1] });
      tell(t, exploration);
      assert.equal(exploration.violation?.schedule.length, steps);
    });
  }
});
