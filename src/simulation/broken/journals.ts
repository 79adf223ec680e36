/** Broken on purpose: servers whose journals are not written, or not read, as they must be. */
import { PlainReplica } from '../replicas.ts';
import type { Break } from './layers.ts';

const RIGHT_CODE = {
  leases: false,
  journal: true,
  servers: 3,
  replicaClass: PlainReplica,
};

/** Each is found by its first violation, as those of part I are. */
export const JOURNAL_BREAKS: readonly Break[] = [
  {
    ...RIGHT_CODE,
    name: 'said-before-sync',
    breaks: 'a line of the journal is written, and spoken of before it is on the disk',
    invariants: [6],
    faults: null,
    skippedSaveSteps: ['line sync'],
  },
  {
    ...RIGHT_CODE,
    name: 'begun-too-early',
    breaks: 'the journal begins anew before the state that it begins with is on the disk',
    invariants: [6],
    faults: null,
    skippedSaveSteps: ['sync'],
  },
  {
    ...RIGHT_CODE,
    name: 'read-before-sync',
    breaks: 'a line is read whose writer was killed before it was on the disk, and spoken of',
    invariants: [6],
    faults: ['crashes', 'loss', 'cuts'],
    skippedSaveSteps: ['load sync'],
  },
  {
    ...RIGHT_CODE,
    name: 'torn-line-kept',
    breaks: 'a torn line is not cut off, and the next one is written behind it',
    invariants: [10],
    faults: ['power', 'saves'],
    skippedSaveSteps: ['cut'],
  },
  {
    ...RIGHT_CODE,
    name: 'written-behind-room',
    breaks: 'who starts again writes the next line behind the zeros that are left, not over them',
    invariants: [5, 7, 10],
    faults: ['crashes', 'power', 'saves'],
    skippedSaveSteps: ['room'],
  },
  {
    ...RIGHT_CODE,
    name: 'hole-taken-for-bad',
    breaks: 'a last line whose end came to the disk before its middle is taken for a bad one',
    invariants: [10],
    faults: ['power', 'saves'],
    skippedSaveSteps: ['hole'],
  },
  {
    ...RIGHT_CODE,
    name: 'bad-line-cut-off',
    breaks: 'a line that is not what was written is taken for a torn one, with all behind it',
    invariants: [5, 7],
    faults: ['bit flips', 'crashes', 'loss'],
    skippedSaveSteps: ['bad line'],
  },
];
