/** What a store with few links saves, one state after the other, as it carries out commands. */
import { SmallStoreReplica } from '../src/simulation/replicas.ts';
import type { ServerState } from '../src/state.ts';
import { OneReplica } from './one-replica.ts';

/** The states after so many commands; each shares with the one before what is still the same. */
export function statesOfAStore(commands: number): ServerState[] {
  const one = new OneReplica(SmallStoreReplica, ['A']);
  one.replica.start();
  const states: ServerState[] = [];
  for (let number = 1; number <= commands; number += 1) {
    const client = (number % 50).toString(16).padStart(16, '0');
    const requestId = `${client}-1-${number}`;
    const value = number % 3 === 0 ? `add visits ${number}` : `set key${number % 5} "ä ${number}"`;
    one.replica.receiveFromClient('', { type: 'request', requestId, value });
    one.wait(1_000);
    if (one.saved !== null && one.saved !== states.at(-1)) states.push(one.saved);
  }
  return states;
}
