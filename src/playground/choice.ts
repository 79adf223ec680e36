/** Which cluster a story has, and which rule is broken there. */
import { breakNamed } from '../simulation/broken/all.ts';
import type { Break } from '../simulation/broken/layers.ts';
import type { Item } from './script.ts';

export interface Choice {
  readonly servers: number;
  readonly store: boolean;
  readonly leases: boolean;
  readonly broken: Break | null;
}

/** Null: the script names no cluster. */
export function choiceIn(script: readonly Item[]): Choice | null {
  const commands = script.flatMap(({ kind, text }) => (kind === 'command' ? [text] : []));
  const cluster = commands.find((text) => text.startsWith('cluster '));
  if (cluster === undefined) return null;
  const [, uids = ''] = /^cluster ((?:[A-Z] ?)+)/.exec(cluster) ?? [];
  const name = commands.findLast((text) => text.startsWith('break '))?.slice('break '.length);
  return {
    servers: uids.trim().split(' ').length,
    store: cluster.includes(' of stores'),
    leases: cluster.includes(' with leases'),
    broken: breakNamed(name),
  };
}
