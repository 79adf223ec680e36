/** What a server has on its disk, for whoever only wants to look. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Uid } from '../composable-paxos.ts';
import { Journal } from '../log/journal.ts';
import type { ServerState } from '../state.ts';

/**
 * The state of server `uid` in this directory, in whichever kind of file; null if there is none.
 * The server may run meanwhile. Nothing is checked but what reading takes, and nothing changes.
 */
export function stateOnDisk(directory: string, uid: Uid): ServerState | null {
  const journal = join(directory, `${uid}.journal`);
  if (existsSync(journal)) return new Journal().load(readFileSync(journal)).state as ServerState;
  const file = join(directory, `${uid}.json`);
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : null;
}
