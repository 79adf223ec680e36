/** The clients of stories: what they are told must fit one register, at every answer. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { contradictedEvents } from '../src/playground/contradiction.ts';
import { trySeed } from '../src/playground/find.ts';
import { BREAKS } from '../src/simulation/broken/layers.ts';
import { tellStory } from '../src/simulation/story.ts';

/** "hello" is chosen; C has not heard of it. */
const CHOSEN = `
cluster A B C

BREAK

start A B C

deliver all

request A c1 hello

deliver A->B prepare

deliver B->A promise

deliver A->B accept

deliver B->A accepted
`;

function told(broken: string | null, ...commands: readonly string[]) {
  const rule = broken === null ? '' : `break ${broken}\n\n`;
  const begin = CHOSEN.trim().replace('BREAK\n\n', rule);
  return tellStory(`${begin}\n\n${commands.join('\n\n')}\n`);
}

suite('The clients of a story', () => {
  test('notice an old value that is told as the present one', () => {
    const { violations, text, events } = told('stale-reads', 'read C c2');
    assert.equal(violations[0]?.invariant, 9);
    assert.match(text, /✗ violates 9\. .* the read of nothing by c2 .* cannot come after/);
    const two = contradictedEvents(violations[0] as never, events);
    assert.deepEqual(
      two.map(({ event, server }) => `${event} ${server}`),
      ['reply A', 'reply C'],
    );
  });

  test('have nothing against a read of what is in memory, or of a value that is there', () => {
    assert.deepEqual(told('stale-reads', 'read C c2 locally').violations, []);
    assert.deepEqual(told('stale-reads', 'read A c2').violations, []);
    assert.deepEqual(told(null, 'read C c2', 'deliver all').violations, []);
  });

  test('take a value that was fired at any later time for possible', () => {
    const { violations } = told('stale-reads', 'submit C fired', 'deliver all', 'read A c2');
    assert.deepEqual(violations, []);
  });
});

suite('A violation that a seed finds', () => {
  for (const name of ['forgotten-promise', 'stale-reads', 'lease-from-attempt']) {
    test(`is told as a story: ${name}`, () => {
      const broken = BREAKS.find((known) => known.name === name);
      assert.ok(broken);
      let story: string | null = null;
      for (let seed = 1; story === null && seed < 200; seed += 1) {
        story = trySeed(broken, seed)?.story ?? null;
      }
      const { violations, events } = tellStory(story ?? '');
      const [violation] = violations;
      assert.ok(violation !== undefined && broken.invariants.includes(violation.invariant));
      const two = contradictedEvents(violation, events);
      assert.equal(two.length, 2, JSON.stringify(two));
    });
  }
});
