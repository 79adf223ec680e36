/**
 * The text of a story, apart from what it prints: what is told to the reader, paragraph by
 * paragraph, and the commands in between. A story is read into this, and written out of it.
 */
import { writtenComment, writtenLine } from '../simulation/story-text.ts';

/** `#` lines that stand together are one paragraph; a `#` alone ends it, as an empty line does. */
export type Item =
  | { readonly kind: 'paragraph'; readonly text: string }
  | { readonly kind: 'command'; readonly text: string };

/** More commands than this are no story that anybody plays. */
export const MOST_COMMANDS = 10_000;
/** As wide as the lines of the stories in `test/stories/`. */
const PARAGRAPH_COLUMNS = 98;

/** Reads a story; what it printed last time is passed over. Throws an `Error` with a sentence. */
export function readScript(story: string): readonly Item[] {
  const items: Item[] = [];
  let paragraph: string[] = [];
  let isTold = false; // what follows a command is what it printed, up to an empty line
  const endParagraph = () => {
    if (paragraph.length > 0) items.push({ kind: 'paragraph', text: paragraph.join(' ') });
    paragraph = [];
  };
  for (const raw of story.split(/\r?\n/)) {
    const line = raw.startsWith('#') ? writtenComment(raw) : writtenLine(raw);
    if (line === '') {
      isTold = false;
      endParagraph();
    } else if (!isTold && line === '#') {
      endParagraph();
    } else if (!isTold && line.startsWith('#')) {
      paragraph.push(line.replace(/^#+ ?/, ''));
    } else if (!isTold && line !== '----') {
      endParagraph();
      items.push({ kind: 'command', text: line });
    } else {
      isTold = true;
    }
  }
  endParagraph();
  const commands = items.filter(({ kind }) => kind === 'command').length;
  if (commands === 0) throw new Error('this text has no command of a story');
  if (commands > MOST_COMMANDS) {
    throw new Error(`this story has ${commands} commands, and at most ${MOST_COMMANDS} are played`);
  }
  return items;
}

/** So many items at the beginning of both scripts are the same. */
export function sharedBy(one: readonly Item[], other: readonly Item[]): number {
  const isOther = ({ kind, text }: Item, index: number) =>
    other[index]?.kind !== kind || other[index]?.text !== text;
  const at = one.findIndex(isOther);
  return at < 0 ? one.length : at;
}

/** The story as text, without what it prints, or with what each of these items has printed. */
export function writeScript(
  items: readonly Item[],
  printed: ((index: number) => readonly string[]) | null = null,
): string {
  const blocks = items.map(({ kind, text }, index) => {
    if (kind === 'command') {
      const lines = printed === null ? [text] : [text, '----', ...printed(index)];
      return `${lines.join('\n')}\n`;
    }
    const isGoingOn = items[index + 1]?.kind === 'paragraph';
    return `${commentOf(text)}\n${isGoingOn ? '#' : ''}`;
  });
  return `${blocks.join('\n').trimEnd()}\n`;
}

/** A paragraph as the comment that tells it. */
export function commentOf(paragraph: string): string {
  const lines: string[] = [];
  let line = '#';
  for (const word of paragraph.split(/\s+/)) {
    if (line !== '#' && line.length + 1 + word.length > PARAGRAPH_COLUMNS) {
      lines.push(line);
      line = '#';
    }
    line += ` ${word}`;
  }
  return [...lines, line].join('\n');
}
