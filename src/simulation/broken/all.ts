/**
 * All that can be broken on purpose in a story, too. Journals want a disk of their own kind; rules
 * of members, and of locks, are broken by `npm run simulate` only.
 */
import { BREAKS, type Break } from './layers.ts';
import { STORE_BREAKS } from './stores.ts';

export const ALL_BREAKS: readonly Break[] = [...BREAKS, ...STORE_BREAKS];

/** The rule of that name; null: there is none. */
export function breakNamed(name: string | undefined): Break | null {
  return ALL_BREAKS.find((known) => known.name === name) ?? null;
}

/** Where a rule can be broken: `stores with leases`, say. */
export function kindOf({ store = false, leases }: Pick<Break, 'store' | 'leases'>): string {
  return `${store ? 'stores' : 'servers'} ${leases ? 'with' : 'without'} leases`;
}
