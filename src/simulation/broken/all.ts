/** All that can be broken on purpose, in a story, too. */
import { JOURNAL_BREAKS } from './journals.ts';
import { BREAKS, type Break } from './layers.ts';
import { LOCK_BREAKS } from './locks.ts';
import { MEMBERS_BREAKS } from './members.ts';
import { STORE_BREAKS } from './stores.ts';

export const ALL_BREAKS: readonly Break[] = [
  ...BREAKS,
  ...STORE_BREAKS,
  ...LOCK_BREAKS,
  ...JOURNAL_BREAKS,
  ...MEMBERS_BREAKS,
];

/** The rule of that name; null: there is none. */
export function breakNamed(name: string | undefined): Break | null {
  return ALL_BREAKS.find((known) => known.name === name) ?? null;
}

/** Where a rule can be broken: `stores with leases`, say. */
export function kindOf({
  store = false,
  leases,
  members = false,
  journal = false,
}: Pick<Break, 'store' | 'leases' | 'members' | 'journal'>): string {
  // What is broken of stores shows with any disk.
  const journals = journal && !store ? ', with journals' : '';
  const changing = members ? ', whose members change' : '';
  const servers = store ? 'stores' : 'servers';
  return `${servers} ${leases ? 'with' : 'without'} leases${journals}${changing}`;
}
