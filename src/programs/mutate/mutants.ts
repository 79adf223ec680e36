/**
 * Mutants: small changes of the code, each of which some check should notice. And the list of those
 * that none notices, as a file for people: a reason for each, above its lines.
 */
import { Failure } from '../../node/failure.ts';

/** Some lines of a file, and those that take their place. Indentation does not matter. */
export interface Mutant {
  readonly file: string;
  readonly before: readonly string[];
  readonly after: readonly string[];
}

/** A mutant that no check notices, and why that is no fault of the checks. */
export interface Survivor extends Mutant {
  readonly reason: string;
}

/** The text of the file with the mutant in it. Throws unless its lines stand there exactly once. */
export function applied({ file, before, after }: Mutant, text: string): string {
  const lines = text.split('\n');
  const [start, ...more] = placesOf(before, lines);
  if (start === undefined || more.length > 0) {
    const count = start === undefined ? 'nowhere' : `${1 + more.length} times`;
    throw new Failure(`"${before.join(' ')}" stands ${count} in ${file}, not once`);
  }
  return [...lines.slice(0, start), ...after, ...lines.slice(start + before.length)].join('\n');
}

/** The indexes at which such lines begin. */
export function placesOf(wanted: readonly string[], lines: readonly string[]): readonly number[] {
  const trimmed = lines.map((line) => line.trim());
  return trimmed.flatMap((_, start) => {
    const isHere = wanted.every((line, offset) => trimmed[start + offset] === line);
    return isHere ? [start] : [];
  });
}

/** The same change of the same lines has the same name. */
export function nameOf({ file, before, after }: Mutant): string {
  return [
    `== ${file}`,
    ...before.map((line) => `- ${line}`),
    ...after.map((line) => `+ ${line}`),
  ].join('\n');
}

/** Reads a list as `formatSurvivors` writes it. */
export function parseSurvivors(text: string): readonly Survivor[] {
  const [, ...sections] = text.split(/^== /m);
  return sections.map((section) => {
    const [file = '', ...lines] = section.split('\n');
    const those = (mark: string) =>
      lines.flatMap((line) => (line.startsWith(mark) ? [line.slice(mark.length).trim()] : []));
    return { file, reason: those('# ').join(' '), before: those('- '), after: those('+ ') };
  });
}

const HEAD = `\
Small changes of src/*.ts that no check of "npm run mutate" notices, each with the reason why
that may be so. With --write it takes out what is noticed, and adds what is not, without a reason:
find a check that notices, or take the line away, or say why neither is needed.
`;

export function formatSurvivors(survivors: readonly Survivor[]): string {
  const sections = survivors.map((survivor) => {
    const [heading = '', ...change] = nameOf(survivor).split('\n');
    return [heading, ...wrapped(survivor.reason), ...change, ''].join('\n');
  });
  return [HEAD, ...sections].join('\n');
}

function wrapped(reason: string): readonly string[] {
  if (reason === '') return [];
  return (reason.match(/.{1,96}(?:\s|$)/g) ?? []).map((line) => `# ${line.trim()}`);
}
