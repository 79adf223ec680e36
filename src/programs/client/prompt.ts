/** A prompt: one value after the other, each with what became of it. */
import { createInterface, type Interface } from 'node:readline/promises';
import { Failure } from '../../node/failure.ts';
import { printable } from '../../trace/printable.ts';
import { whyNoValue } from './options.ts';
import { sayUnknownFate } from './words.ts';

const PROMPT = 'value> ';

/** Sets a value, and says what became of it. Throws a `Failure` if that is not known. */
type SetValue = (value: string) => Promise<string>;

/**
 * Reads values from `input`, line by line, and shows below each what `set` says of it. Arrow keys
 * bring back earlier ones. Ctrl-D ends it when there is an answer for all that was typed before;
 * Ctrl-C ends it at once. Throws a `Failure` if something is then not known to be done.
 */
export async function promptForValues(
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream,
  set: SetValue,
): Promise<void> {
  const lines = createInterface({ input, output, prompt: PROMPT });
  // After Ctrl-D the keys are no longer ours, and Ctrl-C is a signal.
  const interrupt = () => lines.emit('SIGINT');
  process.on('SIGINT', interrupt);
  try {
    await new Prompt(lines, output, set).run();
  } finally {
    process.off('SIGINT', interrupt);
    // Lines that wait can set even a closed input in motion again, and this process would not end.
    input.pause();
  }
}

class Prompt {
  readonly #lines: Interface;
  readonly #output: NodeJS.WritableStream;
  readonly #set: SetValue;
  readonly #interruption: Promise<null>;
  #isOpen = true;
  #isInterrupted = false;
  /** Nobody can type this value again. */
  #failure: Failure | null = null;
  #unsent = 0;

  constructor(lines: Interface, output: NodeJS.WritableStream, set: SetValue) {
    this.#lines = lines;
    this.#output = output;
    this.#set = set;
    lines.once('close', () => {
      this.#isOpen = false;
      output.write('\n');
    });
    this.#interruption = new Promise((settle) => {
      lines.on('SIGINT', () => {
        this.#isInterrupted = true;
        lines.close();
        settle(null);
      });
    });
  }

  async run(): Promise<void> {
    this.#lines.prompt();
    for await (const value of this.#lines) {
      if (value !== '') await this.#take(value);
      if (this.#isOpen) this.#lines.prompt();
    }
    const left = this.#failure === null ? [] : [this.#failure.message];
    if (this.#unsent > 0) left.push(`values that were typed but not sent: ${this.#unsent}`);
    if (left.length > 0) throw new Failure(left.join('; '));
  }

  async #take(value: string): Promise<void> {
    if (this.#isInterrupted || this.#failure !== null) {
      this.#unsent += 1;
      return;
    }
    try {
      this.#say(whyNoValue(value) ?? (await this.#outcomeOf(value)));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (this.#isOpen) this.#say(printable(error.message));
      else this.#failure = error;
    }
  }

  async #outcomeOf(value: string): Promise<string> {
    const said = await Promise.race([this.#set(value), this.#interruption]);
    if (said === null) throw new Failure(`given up: ${sayUnknownFate(value)}`);
    return said;
  }

  #say(words: string): void {
    this.#output.write(`${words}\n`);
  }
}
