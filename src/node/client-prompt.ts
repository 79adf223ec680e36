/** A prompt: one value after the other, each with what became of it. */
import { createInterface } from 'node:readline/promises';
import { whyNoValue } from './client-options.ts';

const PROMPT = 'value> ';

/**
 * Reads values from `input`, line by line, until it ends (Ctrl-D), and shows below each what `set`
 * says of it. Arrow keys bring back earlier ones.
 */
export async function promptForValues(
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream,
  set: (value: string) => Promise<string>,
): Promise<void> {
  const lines = createInterface({ input, output, prompt: PROMPT });
  lines.prompt();
  for await (const value of lines) {
    if (value !== '') output.write(`${whyNoValue(value) ?? (await set(value))}\n`);
    lines.prompt();
  }
  output.write('\n');
}
