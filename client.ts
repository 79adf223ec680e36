/**
 * The client: sets the replicated value, reads it, asks servers how they are.
 *
 *   node --import tsx client.ts A hello           fires a value: watch the servers' terminals
 *   node --import tsx client.ts A hello --wait    waits until it is chosen
 *   node --import tsx client.ts --help            all the rest
 *
 * How a client waits, and why it may ask again without doing harm, stands in
 * `src/client-session.ts`. What is here of the real world is in `src/programs/client/`.
 */

import { runProgram } from './src/node/program.ts';
import { readClientOptions } from './src/programs/client/options.ts';
import { runClient } from './src/programs/client/tasks.ts';

await runProgram(async (args) => {
  const isTerminal = process.stdout.isTTY === true;
  const input = process.stdin.isTTY !== true ? 'lines' : isTerminal ? 'keys' : 'unseen keys';
  await runClient(readClientOptions(args, input));
});
