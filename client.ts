/**
 * Fires a new value at one server: `npx tsx client.ts A hello`. There is no answer: watch the
 * servers' terminals.
 */
import { Command } from 'commander';
import { encodedBytes, isValue, MAX_VALUE_BYTES } from './src/messages.ts';
import { addressOf } from './src/node/cluster-file.ts';
import { UsageError } from './src/node/failure.ts';
import { fire } from './src/node/fire.ts';
import { chosenCluster, parseArguments, runProgram } from './src/node/program.ts';

const LIMIT = `${MAX_VALUE_BYTES} bytes as JSON text in UTF-8`;

const HELP = `
A value may have up to ${LIMIT}.

Examples:
  npx tsx client.ts A hello
  npx tsx client.ts B "two words"
  npx tsx client.ts C -- --looks-like-an-option`;

await runProgram(async (args) => {
  const command = new Command('client.ts')
    .description('Fires a new value at one server.')
    .argument('<uid>', 'the server to ask: one capital letter')
    .argument('<value>', 'what the replicated value shall become')
    .option('--cluster <FILE>', 'JSON like {"A": "10.0.0.1:1234", …} (default: see config.ts)')
    .addHelpText('after', HELP);
  const [uid = '', value = ''] = parseArguments(command, args);

  const address = addressOf(chosenCluster(command.opts()['cluster']), uid);
  checkValue(value);
  await fire(address, { type: 'propose', value });
});

function checkValue(value: string): void {
  const bytes = encodedBytes(value);
  if (bytes > MAX_VALUE_BYTES) {
    throw new UsageError(`the value takes ${bytes} bytes, and the limit is ${LIMIT}`);
  }
  if (!isValue(value, [])) throw new UsageError('the value is not text that UTF-8 can carry');
}
