/** `npm run story`: a story told anew, or a prompt at which one is made. */
import { readFileSync } from 'node:fs';
import { text as textOf } from 'node:stream/consumers';
import { Command } from 'commander';
import { diagramOf } from '../../diagram/model.ts';
import { describe, Failure } from '../../node/failure.ts';
import { parseArguments, runProgram } from '../../node/program.ts';
import { readScript } from '../../playground/script.ts';
import { tellStory } from '../../simulation/story.ts';
import { printable } from '../../trace/printable.ts';
import { checkDiagramFile, writeDiagram } from '../common/write-diagram.ts';
import { promptForCommands } from './prompt.ts';

const HELP = `
With a file (or -, for standard input) it runs the commands of a story, and prints the story with
what the servers say now. Without one it asks for commands, one by one; Tab completes them.

Examples:
  npm run story -- test/stories/02-duel.txt
  npm run story -- test/stories/02-duel.txt --diagram duel.html
  npm run story
  printf 'cluster A B C\\n\\nstart A B C\\n' | npm run story -- -`;

await runProgram(async (args) => {
  const command = new Command('story')
    .description('Runs a story, command by command, and prints what the servers say.')
    .argument('[file]', 'a story as in test/stories/, or - for standard input')
    .option('--diagram <FILE>', 'also draws it: a page (.html) or a picture (.svg)')
    .addHelpText('after', HELP);
  const [file] = parseArguments(command, args);
  const { diagram } = command.opts<{ diagram?: string }>();
  if (diagram !== undefined) checkDiagramFile('--diagram', diagram);

  if (file === undefined) return promptForCommands(process.stdin, process.stdout);
  const story = file === '-' ? await textOf(process.stdin) : read(file);
  const { text, events, violations, beliefs } = tell(story);
  process.stdout.write(text.split('\n').map(printable).join('\n'));
  if (diagram !== undefined) {
    console.error(printable(writeDiagram(diagram, diagramOf(events, { violations, beliefs }))));
  }
});

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Failure(`the story ${file} cannot be read: ${describe(error)}`);
  }
}

function tell(story: string) {
  try {
    readScript(story); // says in a sentence that a text is no story at all
    return tellStory(story);
  } catch (error) {
    throw new Failure(describe(error));
  }
}
