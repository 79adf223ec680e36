/**
 * Text for a terminal. What comes from the network is somebody else's text: it may hold control
 * characters that move the cursor, or marks that turn the direction of writing round. Everything
 * printed goes through `printable` first.
 */

/** Controls, DEL and C1; formats, bidi marks among them; lone surrogates; ends of lines. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** What takes two columns in a terminal: East Asian scripts and forms, and most pictures. */
const WIDE_SCRIPTS = /[\u1100-\u115f\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff]/u;
const WIDE_FORMS = /[\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u;
const WIDE_PICTURES = /[\u{16fe0}-\u{1b2ff}\u{1f000}-\u{3ffff}]|\p{Emoji_Presentation}/u;

/** The text with everything that a terminal could obey written out, as `\x1b` or `\u202e`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const code = character.codePointAt(0) ?? 0;
    if (code <= 0xff) return `\\x${code.toString(16).padStart(2, '0')}`;
    if (code <= 0xffff) return `\\u${code.toString(16).padStart(4, '0')}`;
    return `\\u{${code.toString(16)}}`;
  });
}

/** The text, cut off with an ellipsis if it would take more than so many columns. */
export function shorten(text: string, columns: number): string {
  let kept = '';
  let used = 0;
  for (const character of text) {
    const width = columnsOfCharacter(character);
    if (used + width > columns) return withEllipsis(kept, columns);
    kept += character;
    used += width;
  }
  return kept;
}

/** How many columns printable text takes, at most: a combining mark is counted as one. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const character of text) columns += columnsOfCharacter(character);
  return columns;
}

function columnsOfCharacter(character: string): number {
  if (character < '\u1100') return 1;
  const isWide = [WIDE_SCRIPTS, WIDE_FORMS, WIDE_PICTURES].some((wide) => wide.test(character));
  return isWide ? 2 : 1;
}

function withEllipsis(text: string, columns: number): string {
  const kept = Array.from(text);
  while (kept.length > 0 && columnsOf(kept.join('')) >= columns) kept.pop();
  return columns > 0 ? `${kept.join('')}…` : '';
}
