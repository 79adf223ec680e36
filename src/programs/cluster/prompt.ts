/** A prompt below lines that come at any time: they are put above what is being typed. */
import { clearScreenDown, cursorTo, moveCursor } from 'node:readline';
import { createInterface, type Interface } from 'node:readline/promises';
import { type LineStream, Lines } from '../../node/terminal.ts';

export interface PromptOptions {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream & LineStream;
  /** A person types here, and sees the prompt. */
  readonly isTerminal: boolean;
  /** All lines that this one may become. */
  readonly complete: (line: string) => readonly string[];
}

const PROMPT = 'cluster> ';

export class Prompt {
  readonly #options: PromptOptions;
  readonly #lines: Lines;
  #interface: Interface | null = null;

  constructor(options: PromptOptions) {
    this.#options = options;
    this.#lines = new Lines(options.output);
  }

  /** Shows a line, now. */
  say(line: string): void {
    const { output, isTerminal } = this.#options;
    const prompt = isTerminal ? this.#interface : null;
    if (prompt !== null) {
      moveCursor(output, 0, -prompt.getCursorPos().rows);
      cursorTo(output, 0);
      clearScreenDown(output);
    }
    this.#lines.write(line);
    prompt?.prompt(true);
  }

  /**
   * Hands every line that is typed to `obey`, until the input ends or `signal` says that it is
   * enough. A person need not wait until it has done what it was told; a script does.
   */
  async run(obey: (line: string) => Promise<void>, signal: AbortSignal): Promise<void> {
    const { input, output, isTerminal, complete } = this.#options;
    const completer = (line: string): [string[], string] => [[...complete(line)], line];
    const lines = createInterface({
      input,
      ...(isTerminal ? { output, completer, terminal: true } : {}),
      prompt: isTerminal ? PROMPT : '',
      signal,
    });
    this.#interface = lines;
    const isOver = new Promise<void>((over) => {
      signal.addEventListener('abort', () => over(), { once: true });
    });
    lines.on('SIGINT', () => lines.close());
    let isGone = false; // the terminal was closed
    input.on('error', () => {
      isGone = true;
    });
    lines.once('close', () => {
      this.#interface = null;
    });
    try {
      if (isTerminal) lines.prompt();
      for await (const line of lines) {
        if (signal.aborted) break;
        const done = line.trim() === '' ? null : obey(line);
        if (!isTerminal) await Promise.race([done, isOver]);
        else if (this.#interface !== null) lines.prompt();
      }
    } catch (error) {
      if (!isGone) throw error;
    } finally {
      lines.close();
      input.pause();
    }
  }
}
