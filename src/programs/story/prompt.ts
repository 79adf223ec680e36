/** A prompt for the commands of a story, with what the servers say below each. */
import { existsSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { describe } from '../../node/failure.ts';
import { completionsOf } from '../../playground/completion.ts';
import { Session, type Step } from '../../playground/session.ts';
import { COMMANDS } from '../../simulation/story.ts';
import { printable } from '../../trace/printable.ts';

const PROMPT = 'story> ';
const GREETING = 'Begin with "cluster A B C" and "start A B C"; "help" lists all, Ctrl-D ends it.';

/** What the prompt itself understands. */
const OWN_COMMANDS: readonly (readonly [usage: string, does: string])[] = [
  ['undo', 'takes the last command back'],
  ['redo', 'does again what was taken back'],
  ['story', 'prints the story so far'],
  ['save FILE', 'writes it to a file, which must not exist yet'],
  ['help', 'lists the commands'],
];

/** Reads commands until the input ends. What cannot be done is said, and changes nothing. */
export async function promptForCommands(
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream,
): Promise<void> {
  const prompt = new Prompt();
  const completer = (line: string): [string[], string] => [[...prompt.complete(line)], line];
  const lines = createInterface({ input, output, prompt: PROMPT, completer });
  lines.on('SIGINT', () => lines.close());
  output.write(`${GREETING}\n`);
  lines.prompt();
  for await (const line of lines) {
    for (const said of prompt.obey(line.trim())) output.write(`${printable(said)}\n`);
    lines.prompt();
  }
  output.write('\n');
}

class Prompt {
  readonly #session = new Session();

  complete(line: string): readonly string[] {
    const own = OWN_COMMANDS.map(([usage]) => usage.replace('FILE', ''));
    return [
      ...completionsOf(line, this.#session.stage),
      ...own.filter((it) => it.startsWith(line)),
    ];
  }

  /** Does what was asked, and returns what to say. */
  obey(command: string): readonly string[] {
    try {
      return this.#obey(command);
    } catch (error) {
      return [describe(error)];
    }
  }

  #obey(command: string): readonly string[] {
    const session = this.#session;
    const [, file] = /^save (?!takes )(.+)$/.exec(command) ?? [];
    if (file !== undefined) return [this.#save(file)];
    switch (command) {
      case '':
        return [];
      case 'save':
        return ['save it where? "save FILE" writes the story to a file of that name'];
      case 'help':
        return listOf([...COMMANDS, ...OWN_COMMANDS]);
      case 'story':
        return session.story().trimEnd().split('\n');
      case 'undo':
        return [session.undo() ? `back before: ${this.#next}` : 'there is nothing to take back'];
      case 'redo':
        return this.#redo();
      default:
        return linesOf(session.do(command));
    }
  }

  get #next(): string {
    return this.#session.script[this.#session.steps.length]?.text ?? '';
  }

  #redo(): readonly string[] {
    const step = this.#session.redo();
    return step === null ? ['there is nothing to do again'] : linesOf(step);
  }

  #save(file: string): string {
    if (existsSync(file)) return `${file} exists: choose another name`;
    try {
      writeFileSync(file, this.#session.story());
    } catch (error) {
      return `the story cannot be written to ${file}: ${describe(error)}`;
    }
    return `the story is in ${file}`;
  }
}

function linesOf({ lines }: Step): readonly string[] {
  return lines.map(({ text }) => text);
}

function listOf(commands: readonly (readonly [usage: string, does: string])[]): readonly string[] {
  const width = Math.max(...commands.map(([usage]) => usage.length));
  return commands.map(([usage, does]) => `${usage.padEnd(width)}  ${does}`);
}
