/**
 * A sample of small changes of the protocol: each of them is noticed. Always the same one: what
 * survives of another is for whoever runs `npm run mutate`, and no surprise for anybody else.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LONG_PATIENCE_MS, Program } from './processes.ts';

/** All of their changes were tried, and what nobody notices is listed. */
const FILES = [
  'src/chain.ts',
  'src/client-answers.ts',
  'src/client-session.ts',
  'src/composable-paxos.ts',
  'src/master-strategy.ts',
  'src/messages.ts',
  'src/rejoin-strategy.ts',
  'src/replicated-value.ts',
  'src/resolution-strategy.ts',
  'src/state.ts',
  'src/sync-strategy.ts',
  'src/update-queue.ts',
];
const SAMPLE = ['--sample', '12', '--seed', '1'];

test('whatever is changed is noticed, or explained', async (t) => {
  const mutate = 'src/programs/mutate/mutate.ts';
  const program = new Program(mutate, [...FILES, ...SAMPLE]);
  const { code, stdout, stderr } = await program.end(LONG_PATIENCE_MS);
  t.diagnostic(stdout.split('\n')[0] ?? '');
  assert.deepEqual([code, stderr], [0, ''], stdout);
});
