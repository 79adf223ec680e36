/** A sample of small changes of the protocol, drawn anew each time: each of them is noticed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LONG_PATIENCE_MS, Program } from './processes.ts';

/** Those for which the list of what nobody notices is complete. */
const FILES = [
  'src/chain.ts',
  'src/client-answers.ts',
  'src/composable-paxos.ts',
  'src/rejoin-strategy.ts',
  'src/state.ts',
  'src/update-queue.ts',
];
const SAMPLE = '12';

test('whatever is changed is noticed, or explained', async (t) => {
  const mutate = 'src/programs/mutate/mutate.ts';
  const program = new Program(mutate, [...FILES, '--sample', SAMPLE]);
  const { code, stdout, stderr } = await program.end(LONG_PATIENCE_MS);
  t.diagnostic(stdout.split('\n')[0] ?? '');
  assert.deepEqual([code, stderr], [0, ''], stdout);
});
