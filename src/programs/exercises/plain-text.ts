/** AsciiDoc as plain text, as far as the exercises need it: for a printer, or to be read aloud. */
import { columnsOf } from '../../trace/printable.ts';

const FENCE = /^(?:-{4,}|\.{4,}|\+{4,}|={4,}|\|={3,})$/;
const BLOCK_TITLE = /^\.(?=[^. ])/;
const LEFT_OUT = /^(?:\[.*\]|\/\/.*|\+)$/;
const ITEM = /^(?:[*.-]+|[0-9]+\.) +/;

/** The lines of a text, none of them longer than so many columns, but for listings. */
export function plainText(lines: readonly string[], columns: number): string[] {
  const out: string[] = [];
  let paragraph: string[] = [];
  const flush = () => {
    if (paragraph.length > 0)
      out.push(...wrapColumns(plainWords(paragraph.join(' ')), columns), '');
    paragraph = [];
  };
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? '';
    if (FENCE.test(line)) {
      flush();
      const end = lines.indexOf(line, index + 1);
      const shown = lines.slice(index + 1, end === -1 ? lines.length : end);
      out.push(...shown.map((it) => (it === '' ? '' : `    ${it}`)), '');
      index += shown.length + 1;
    } else if (line === '' || LEFT_OUT.test(line)) {
      flush();
    } else if (BLOCK_TITLE.test(line)) {
      flush();
      out.push(`${plainWords(line.slice(1))}:`, '');
    } else if (line.startsWith('image::')) {
      flush();
      out.push(line.replace(/^image::(.*?)\[.*$/, '(see $1)'), '');
    } else {
      if (ITEM.test(line)) flush();
      paragraph.push(line.replace(/^\*+ /, '- '));
    }
  }
  flush();
  return out.slice(0, out.findLastIndex((line) => line !== '') + 1);
}

/** Words without the marks of AsciiDoc; what stands in the letters of code keeps its own. */
export function plainWords(text: string): string {
  const parts = text.split(/(`\+.+?\+`|`[^`]+`)/);
  return parts.map((part, index) => (index % 2 === 0 ? unmark(part) : uncode(part))).join('');
}

/** A line of a terminal or a command is quoted, since nothing else tells where it ends. */
function uncode(marked: string): string {
  const code = marked.replace(/^`\+?/, '').replace(/\+?`$/, '');
  if (!code.includes(' ')) return code;
  return code.includes('"') ? `'${code}'` : `"${code}"`;
}

function unmark(text: string): string {
  return text
    .replaceAll(/<<[^,>]+,([^>]+)>>/g, '$1')
    .replaceAll(/\b(?:link|xref):[^[\s]+\[([^\]]*)\]/g, '$1')
    .replaceAll(/(https?:\/\/[^[\s]+)\[([^\]]*)\]/g, '$2 ($1)')
    .replaceAll(/(?<![\w*])\*(?=\S)(.*?\S)\*(?![\w*])/g, '$1')
    .replaceAll(/(?<!\w)_(?=\S)(.*?\S)_(?!\w)/g, '$1')
    .replaceAll(/\^(\w+)\^/g, '$1');
}

/** The text in lines of at most so many columns, unless a word is longer. */
function wrapColumns(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line !== '' && columnsOf(longer) > columns) lines.push(line);
    line = line !== '' && columnsOf(longer) > columns ? word : longer;
  }
  return [...lines, line];
}
