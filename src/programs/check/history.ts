/** What clients were told, checked as the history of one register or store; what to say of it. */
import { findStoreContradiction, type StoreOperation } from '../../log/store-history.ts';
import { findContradiction, type Operation } from '../../trace/linearizability.ts';
import { headlineOf } from '../../trace/violation.ts';
import { readHistory } from '../common/read-history.ts';

/** No answer is a lie, and neither is one that says what the value was long ago. */
const INVARIANT = 9;

export interface CheckedHistory {
  readonly operations: readonly Operation[];
  readonly ofStore: readonly StoreOperation[];
  readonly isRight: boolean;
  /** What to say of it, in single lines. */
  readonly lines: readonly string[];
}

/** Checks the files of one history together. Throws a `Failure` that names the file and line. */
export function checkHistory(paths: readonly string[]): CheckedHistory {
  const { operations, ofStore, remarks } = readHistory(paths);
  const contradiction = findContradiction(operations) ?? findStoreContradiction(ofStore);
  const isRight = contradiction === null;
  const kind = ofStore.length > 0 ? 'store' : 'register';
  const verdict = `the answers are ${isRight ? '' : 'not '}those of one ${kind}`;
  const lines = [
    ...remarks.map((remark) => `note: ${remark}`),
    `${sizeOf([...operations, ...ofStore])}: ${verdict}`,
    ...(isRight ? [] : [headlineOf(INVARIANT), `  ${contradiction}`]),
  ];
  return { operations, ofStore, isRight, lines };
}

/** "12 operations of 3 clients (10 answered, 2 unknown)" */
function sizeOf(operations: readonly Pick<Operation, 'client' | 'outcome'>[]): string {
  const clients = new Set(operations.map(({ client }) => client)).size;
  const count = (wanted: Operation['outcome']) =>
    operations.filter(({ outcome }) => outcome === wanted).length;
  const refused = count('refused');
  const outcomes = [
    `${count('ok')} answered`,
    `${count('unknown')} unknown`,
    ...(refused === 0 ? [] : [`${refused} refused`]),
  ];
  return `${operations.length} operations of ${clients} clients (${outcomes.join(', ')})`;
}
