/** Each rule of a store, of locks, or of a journal that is broken on purpose is found. */
import { test } from 'node:test';
import { JOURNAL_BREAKS } from '../src/simulation/broken/journals.ts';
import { LOCK_BREAKS } from '../src/simulation/broken/locks.ts';
import { STORE_BREAKS } from '../src/simulation/broken/stores.ts';
import { drawSchedule } from '../src/simulation/schedule.ts';
import { assertFound } from './found-break.ts';

const SECONDS = 60;

for (const one of [...STORE_BREAKS, ...LOCK_BREAKS, ...JOURNAL_BREAKS]) {
  test(`broken on purpose is found: ${one.breaks} (${one.name})`, (t) => {
    assertFound(t, one, (seed) => drawSchedule(seed, one.servers, SECONDS, one.faults));
  });
}
