/** Which cluster a story has, and which rule is broken there. */
import { BREAKS, type Break } from '../simulation/broken/layers.ts';
import type { Item } from './script.ts';

export interface Choice {
  readonly servers: number;
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
    leases: cluster.includes(' with leases'),
    broken: BREAKS.find((known) => known.name === name) ?? null,
  };
}
