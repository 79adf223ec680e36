/**
 * Which mutants a source has: the classical ones, made from its text. What they do is read off the
 * JavaScript that comes of it, so that a change of a type or of a comment is none.
 */
import { transformSync } from 'esbuild';
import { applied, type Mutant, placesOf } from './mutants.ts';

/** The characters from `start` up to, not including, `end` are replaced. */
interface Edit {
  readonly start: number;
  readonly end: number;
  readonly by: string;
}

const SWAPS: readonly (readonly [RegExp, string])[] = [
  [/(?<=\s)<(?=\s)/g, '<='],
  [/(?<=\s)<=(?=\s)/g, '<'],
  [/(?<=\s)>(?=\s)/g, '>='],
  [/(?<=\s)>=(?=\s)/g, '>'],
  [/===/g, '!=='],
  [/!==/g, '==='],
  [/&&/g, '||'],
  [/\|\|/g, '&&'],
  [/(?<=\s)\+(?=\s)/g, '-'],
  [/(?<=\s)-(?=\s)/g, '+'],
  [/\+=/g, '-='],
  [/\bMath\.max\b/g, 'Math.min'],
  [/\bMath\.min\b/g, 'Math.max'],
  [/(?<![\w)\]!])!(?=[\w(#])/g, ''],
  [/\btrue\b/g, 'false'],
  [/\bfalse\b/g, 'true'],
  [/(?<![\w.#])0(?![\w.])/g, '1'],
  [/(?<![\w.#])1(?![\w.])/g, '2'],
  [/(?<![\w.#])2(?![\w.])/g, '3'],
  [/(?<![\w.#])2(?![\w.])/g, '1'],
  [/\b[A-Z_]+_MS\b/g, '0 * $&'],
  [/\b[A-Z_]+_MS\b/g, '100 * $&'],
  [/\bMath\.m(?:ax|in)\([^(),]+, /g, '('],
  [/(?<=: |orNull\()is[A-Z]\w*(?=[,)\s])/g, '() => true'],
  [/\bpromisedId\b/g, 'acceptedId'],
  [/\bacceptedId\b/g, 'promisedId'],
  [/\bisMaster\b/g, 'leaseLeftMs > 0'],
  [/\bleaseLeftMs > 0/g, 'isMaster'],
];

/** All mutants of a source. None of them says the same as the source, nor as another one. */
export function mutantsOf(file: string, text: string): readonly Mutant[] {
  const code = withoutWords(text);
  const edits = [
    ...swaps(code),
    ...withoutStatements(code),
    ...inAnotherOrder(code, text),
    ...conditions(code, text),
    ...choices(code),
    ...emptyBodies(code),
  ];
  const seen = new Set([scriptOf(text)]);
  return edits
    .toSorted((a, b) => a.start - b.start)
    .flatMap((edit) => {
      const mutant = mutantOf(file, text, edit);
      const script = scriptOf(applied(mutant, text));
      if (script === null || seen.has(script)) return [];
      seen.add(script);
      return [mutant];
    });
}

/** What a source does, without its types and its layout; null if it is none. */
function scriptOf(text: string): string | null {
  try {
    const layout = { minifyWhitespace: true, minifySyntax: true };
    return transformSync(text, { loader: 'ts', logLevel: 'silent', ...layout }).code;
  } catch {
    return null;
  }
}

/** The lines that an edit touches, and as many around them as it takes to name them. */
function mutantOf(file: string, text: string, { start, end, by }: Edit): Mutant {
  const lines = text.split('\n');
  const lineAt = (index: number) => text.slice(0, index).split('\n').length - 1;
  let [from, to] = [lineAt(start), lineAt(end)];
  const changed = `${text.slice(0, start)}${by}${text.slice(end)}`.split('\n');
  const added = changed.length - lines.length;
  const trimmed = (all: readonly string[], until: number) => {
    return all.slice(from, until + 1).map((line) => line.trim());
  };
  while (placesOf(trimmed(lines, to), lines).length > 1) {
    if (from > 0) from -= 1;
    else to += 1;
  }
  return { file, before: trimmed(lines, to), after: trimmed(changed, to + added) };
}

/** The text with blanks for all that stands in comments and between quotes. */
function withoutWords(text: string): string {
  const words =
    /\/\*[\s\S]*?\*\/|\/\/.*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g;
  return text.replaceAll(words, (found) => found.replaceAll(/[^\n]/g, ' '));
}

function swaps(code: string): readonly Edit[] {
  return SWAPS.flatMap(([wanted, by]) => {
    return [...code.matchAll(wanted)].map(({ 0: found, index }) => {
      return { start: index, end: index + found.length, by: by.replace('$&', found) };
    });
  });
}

/** The beginning of a field of a class. */
const DECLARES = /^(?:protected )?(?:readonly )?#?\w+!?: /;

/** Every statement but a declaration, and but a block, is left out. */
function withoutStatements(code: string): readonly Edit[] {
  const starts = code.matchAll(
    /(?<=[;{})]\s*\n\s*)(?:return|throw|if|await|this|super|[#\w.]+)\b/g,
  );
  return [...starts].flatMap(({ 0: word, index: start }) => {
    if (/^(?:const|let|export|import|type|override|protected|readonly|else)$/.test(word)) return [];
    if (DECLARES.test(code.slice(start))) return [];
    const end = endOfStatement(code, start);
    return end === null ? [] : [{ start, end, by: '' }];
  });
}

/** Two statements, a line each, change places. */
function inAnotherOrder(code: string, text: string): readonly Edit[] {
  const starts = code.matchAll(/(?<=\n)( +)(?=\S.*;\n\1\S.*;\n)/g);
  return [...starts].flatMap(({ index: start }) => {
    const middle = text.indexOf('\n', start) + 1;
    const end = text.indexOf('\n', middle) + 1;
    const [first, second] = [text.slice(start, middle), text.slice(middle, end)];
    const lines = [first.trim(), second.trim()] as const;
    if (areApart(...lines)) return [];
    const isDeclared = lines.some((line) => {
      return /^(?:const|let|return|throw)\b/.test(line) || DECLARES.test(line);
    });
    return isDeclared ? [] : [{ start, end: end - 1, by: `${second}${first.trimEnd()}` }];
  });
}

/**
 * In whose order nothing lies: two values that are kept, neither of which is made of the other one;
 * two guards; a word of what happens, before it or after it.
 */
function areApart(first: string, second: string): boolean {
  if (IS_GUARD.test(first) && IS_GUARD.test(second)) return true;
  if (IS_WORD.test(first) || IS_WORD.test(second)) return true;
  const [a, b] = [first, second].map((line) => /^([\w.#]+) = (.*);$/.exec(line));
  if (a?.[1] === undefined || b?.[1] === undefined) return false;
  return !a[2]?.includes(b[1]) && !b[2]?.includes(a[1]) && a[1] !== b[1];
}

const IS_GUARD = /^if .*\b(?:return|throw)\b/;
const IS_WORD = /^(?:if \(.*\) )?this\.(?:#say|ignore|environment\.trace)\(/;

/** Behind its semicolon; null if it has a block of its own. */
function endOfStatement(code: string, start: number): number | null {
  let depth = 0;
  for (let at = start; at < code.length; at += 1) {
    const character = code.charAt(at);
    const isBlock = character === '{' && !/(?:[=?:(,>[]|return)\s*$/.test(code.slice(start, at));
    if (depth < 0 || (depth === 0 && isBlock)) return null;
    if ('([{'.includes(character)) depth += 1;
    if (')]}'.includes(character)) depth -= 1;
    if (character === ';' && depth === 0) return at + 1;
  }
  return null;
}

/** A condition always holds, or never, or without one of its parts. So does what is returned. */
function conditions(code: string, text: string): readonly Edit[] {
  const ofIfs = [...code.matchAll(/\bif \(/g)].flatMap(({ 0: found, index }) => {
    const start = index + found.length;
    const end = endOfExpression(code, start);
    return ['true', 'false', ...withoutParts(code, text, start, end)].map((by) => {
      return { start, end, by };
    });
  });
  const ofReturns = [...code.matchAll(/\breturn |(?<==>) |(?<= =)\s/g)].flatMap(
    ({ 0: found, index }) => {
      const start = index + found.length;
      const end = endOfExpression(code, start);
      return withoutParts(code, text, start, end).map((by) => ({ start, end, by }));
    },
  );
  return [...ofIfs, ...ofReturns];
}

/** Up to where an expression goes: to what closes a bracket that it did not open, or divides. */
function endOfExpression(code: string, start: number): number {
  let depth = 0;
  for (let at = start; at < code.length; at += 1) {
    const character = code.charAt(at);
    if (depth === 0 && ')]},;'.includes(character)) return at;
    if ('([{'.includes(character)) depth += 1;
    if (')]}'.includes(character)) depth -= 1;
  }
  return code.length;
}

/** The expression without each of the parts that `&&` or `||` joins, if it is nothing else. */
function withoutParts(code: string, text: string, start: number, end: number): readonly string[] {
  for (const operator of ['||', '&&']) {
    const cuts: number[] = [];
    let depth = 0;
    for (let at = start; at < end; at += 1) {
      if ('([{'.includes(code.charAt(at))) depth += 1;
      if (')]}'.includes(code.charAt(at))) depth -= 1;
      if (depth === 0 && /[?]\s/.test(code.slice(at, at + 2))) return [];
      if (depth === 0 && code.startsWith(operator, at)) cuts.push(at);
    }
    if (cuts.length === 0) continue;
    const starts = [start, ...cuts.map((at) => at + operator.length)];
    const parts = starts.map((from, n) => text.slice(from, cuts[n] ?? end).trim());
    return parts.map((_, left) => parts.filter((_part, n) => n !== left).join(` ${operator} `));
  }
  return [];
}

/** What stands before a question mark always holds, or never. */
function choices(code: string): readonly Edit[] {
  return [...code.matchAll(/\s\? /g)].flatMap(({ index: end }) => {
    let start = end;
    for (let depth = 0; start > 0; start -= 1) {
      const before = code.slice(Math.max(0, start - 8), start);
      const isStart = /(?:[([{,;]|\s=|=>|\breturn)\s*$/.test(before) && code.charAt(start) !== '=';
      if (depth === 0 && isStart) break;
      if (')]}'.includes(code.charAt(start - 1))) depth += 1;
      if ('([{'.includes(code.charAt(start - 1))) depth -= 1;
    }
    return ['true', 'false'].map((by) => ({ start, end, by: ` ${by}` }));
  });
}

/** A function does nothing, and says nothing but yes or no. */
function emptyBodies(code: string): readonly Edit[] {
  return [...code.matchAll(/\): (void|boolean) \{(?=\n)/g)].flatMap(
    ({ 0: found, 1: type, index }) => {
      const start = index + found.length;
      const answers = type === 'void' ? [''] : [' true', ' false'];
      return answers.map((answer) => ({ start, end: start, by: ` return${answer};` }));
    },
  );
}
