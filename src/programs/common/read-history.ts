/** Reads what clients have recorded of what they asked and were told, one operation a line. */

import { Failure } from '../../node/failure.ts';
import { type Operation, wrongInOperation } from '../../trace/linearizability.ts';
import { parse, readLines } from './read-traces.ts';

/** What clients asked one register, and what they were told. */
export interface History {
  readonly operations: readonly Operation[];
  /** Sentences about lines that were left out. */
  readonly remarks: readonly string[];
}

/** Reads the files of one history. Throws a `Failure` that names the file and the line. */
export function readHistory(paths: readonly string[]): History {
  const remarks: string[] = [];
  const operations = paths.flatMap((path) => readFile(path, remarks));
  return { operations, remarks };
}

function readFile(path: string, remarks: string[]): Operation[] {
  const lines = readLines('the history', path);
  return lines.flatMap((line, index) => {
    if (line === '') return [];
    const place = `${path}:${index + 1}`;
    const operation = parse(line);
    if (operation === undefined) {
      // Whole lines have an end, so the last piece of the file is what was cut.
      if (index !== lines.length - 1) throw new Failure(`${place} is not JSON`);
      remarks.push(`${place} is not a whole line: its client was killed while it wrote`);
      return [];
    }
    const wrong = wrongInOperation(operation);
    if (wrong !== null) throw new Failure(`${place} is not an operation of a history: ${wrong}`);
    return [operation as Operation];
  });
}
