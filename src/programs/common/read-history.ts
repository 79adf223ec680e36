/** Reads what clients have recorded of what they asked and were told, one operation a line. */
import { type StoreOperation, wrongInStoreOperation } from '../../log/store-history.ts';
import { isRecord } from '../../messages.ts';
import { Failure } from '../../node/failure.ts';
import { type Operation, wrongInOperation } from '../../trace/linearizability.ts';
import { JsonLines, readJsonLines } from './json-lines.ts';

/** What clients asked one register, or one store, and what they were told. */
export interface History {
  readonly operations: readonly Operation[];
  readonly ofStore: readonly StoreOperation[];
  /** Sentences about lines that were left out. */
  readonly remarks: readonly string[];
}

/** Reads the files of one history. Throws a `Failure` that names the file and the line. */
export function readHistory(paths: readonly string[]): History {
  const operations: Operation[] = [];
  const ofStore: StoreOperation[] = [];
  const remarks: string[] = [];
  for (const path of paths) {
    const lines = new JsonLines(path, 'client', null);
    for (const { value, number } of readJsonLines('the history', path, lines)) {
      const place = `${path}:${number}`;
      const isOfStore = isRecord(value) && 'line' in value;
      const wrong = isOfStore ? wrongInStoreOperation(value) : wrongInOperation(value);
      if (wrong !== null) throw new Failure(`${place} is not an operation of a history: ${wrong}`);
      if (isOfStore) ofStore.push(value as unknown as StoreOperation);
      else operations.push(value as Operation);
      const isMixed = operations.length > 0 && ofStore.length > 0;
      if (isMixed) throw new Failure(`${place} is not of the same kind as those before it`);
    }
    remarks.push(...lines.remarks);
  }
  return { operations, ofStore, remarks };
}
