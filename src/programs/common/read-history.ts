/** Reads what clients have recorded of what they asked and were told, one operation a line. */

import { Failure } from '../../node/failure.ts';
import { type Operation, wrongInOperation } from '../../trace/linearizability.ts';
import { JsonLines, readJsonLines } from './json-lines.ts';

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
  const lines = new JsonLines(path, 'client', null);
  const operations: Operation[] = [];
  for (const { value, number } of readJsonLines('the history', path, lines)) {
    const wrong = wrongInOperation(value);
    if (wrong !== null) {
      throw new Failure(`${path}:${number} is not an operation of a history: ${wrong}`);
    }
    operations.push(value as Operation);
  }
  remarks.push(...lines.remarks);
  return operations;
}
