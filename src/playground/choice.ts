/** Which cluster a story has, and which rule is broken there. */
import { breakNamed } from '../simulation/broken/all.ts';
import type { Break } from '../simulation/broken/layers.ts';
import type { Item } from './script.ts';

export interface Choice {
  readonly servers: number;
  readonly store: boolean;
  readonly leases: boolean;
  /** So many servers vote at first, and a few more are there; or else all do, for ever. */
  readonly members: boolean;
  /** The seed of chance, in timers and in delays; null: one that is not said. */
  readonly seed: string | null;
  readonly broken: Break | null;
}

/** Null: the script names no cluster. */
export function choiceIn(script: readonly Item[]): Choice | null {
  const commands = script.flatMap(({ kind, text }) => (kind === 'command' ? [text] : []));
  const cluster = commands.find((text) => text.startsWith('cluster '));
  if (cluster === undefined) return null;
  const [, uids = ''] = /^cluster ((?:[A-Z] ?)+)/.exec(cluster) ?? [];
  const [, founders = null] = / with members((?: [A-Z])+)/.exec(cluster) ?? [];
  const name = commands.findLast((text) => text.startsWith('break '))?.slice('break '.length);
  return {
    servers: (founders ?? uids).trim().split(' ').length,
    store: cluster.includes(' of stores'),
    leases: cluster.includes(' with leases'),
    members: founders !== null,
    seed: / seed ([0-9]+)$/.exec(cluster)?.[1] ?? null,
    broken: breakNamed(name),
  };
}

/** So many servers more than vote at first stand by where members change. */
const STANDING_BY = 2;
const NAMES = 'ABCDEFGHI';

/** The commands that begin such a cluster, in which nothing has happened yet. */
export function commandsOf(choice: Choice): readonly string[] {
  const { broken, seed } = choice;
  const kind = broken ?? choice;
  const founders = [...NAMES].slice(0, kind.servers);
  const all = [...NAMES].slice(0, kind.servers + (kind.members === true ? STANDING_BY : 0));
  const cluster = [
    `cluster ${all.join(' ')}`,
    ...(kind.store === true ? ['of stores'] : []),
    ...(kind.leases ? ['with leases'] : []),
    ...(broken?.journal === true ? ['with journals'] : []),
    ...(kind.members === true ? [`with members ${founders.join(' ')}`] : []),
    ...(seed === null ? [] : [`seed ${seed}`]),
  ];
  return [
    cluster.join(' '),
    ...(broken === null ? [] : [`break ${broken.name}`]),
    `start ${all.join(' ')}`,
    'deliver all',
  ];
}
