/** A diagram without what its reader does not want to see: kinds of arrows, or single servers. */
import type { Uid } from '../composable-paxos.ts';
import type { Arrow, Diagram } from './model.ts';

/** Kinds of arrows that can be hidden together, by the words for them. */
export const ARROW_KINDS = ['phase 1', 'phase 2', 'refusals', 'catch-up', 'clients'] as const;
export type ArrowKind = (typeof ARROW_KINDS)[number];

/** What a message is about. */
export function kindOf(type: Arrow['type']): ArrowKind {
  switch (type) {
    case 'prepare':
    case 'promise':
      return 'phase 1';
    case 'accept':
    case 'accepted':
      return 'phase 2';
    case 'nack':
      return 'refusals';
    case 'sync_request':
    case 'catchup':
    case 'links':
    case 'snapshot_request':
    case 'snapshot_chunk':
    case 'rejoin_request':
    case 'rejoin_answer':
      return 'catch-up';
    default:
      return 'clients';
  }
}

export interface Hidden {
  readonly kinds: ReadonlySet<ArrowKind>;
  readonly servers: ReadonlySet<Uid>;
}

/** The same run; of rows and arrows only what may be seen is left. Rows keep their numbers. */
export function without(diagram: Diagram, { kinds, servers }: Hidden): Diagram {
  const isSeen = ({ type, from, to }: Arrow) =>
    !kinds.has(kindOf(type)) && ![from, to].some((uid) => uid !== null && servers.has(uid));
  return {
    ...diagram,
    uids: diagram.uids.filter((uid) => !servers.has(uid)),
    arrows: diagram.arrows.filter(isSeen),
  };
}
