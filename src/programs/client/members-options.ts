/** The options of `client.ts` that speak of the members: what is to become of them. */
import type { Change } from '../../client-session.ts';
import type { Uid } from '../../composable-paxos.ts';
import { type Places, UID } from '../../messages.ts';
import { formatAddress, parseAddress } from '../../node/cluster-file.ts';
import { describe, UsageError } from '../../node/failure.ts';

export interface MembersFlags {
  readonly members?: true;
  readonly add?: string;
  readonly remove?: string;
  readonly replace?: string;
  readonly force?: true;
}

export type MembersTask =
  | { readonly kind: 'members' }
  | { readonly kind: 'change'; readonly change: Change };

/** What is asked of the members; null: nothing is. Throws a `UsageError`. */
export function membersTaskOf(flags: MembersFlags): MembersTask | null {
  const { members, add, remove, replace, force } = flags;
  const isChange = add !== undefined || remove !== undefined || replace !== undefined;
  if (members && isChange) throw new UsageError('--members asks who they are, and changes nothing');
  if (force && !isChange) throw new UsageError('--force goes with --add or --replace');
  if (members) return { kind: 'members' };
  if (!isChange) return null;
  const pairs = (replace?.split(',') ?? []).map((pair) => pairIn(pair));
  const added = [...(add?.split(',') ?? []), ...pairs.map(([, comes]) => comes)].map(placeIn);
  const removed = [...(remove?.split(',') ?? []), ...pairs.map(([goes]) => goes)].map(uidIn);
  if (new Set(added.map(([uid]) => uid)).size < added.length || hasTwice(removed)) {
    throw new UsageError('one server is named twice');
  }
  const vote: Places = Object.fromEntries(added);
  const change = { remove: removed, vote, join: {}, follow: {}, isForced: force === true };
  return { kind: 'change', change };
}

function hasTwice(uids: readonly Uid[]): boolean {
  return new Set(uids).size < uids.length;
}

/** `B=D` or `B=D=10.0.0.4:1234`: who goes, and who comes. */
function pairIn(text: string): readonly [goes: string, comes: string] {
  const [goes = '', ...comes] = text.split('=');
  if (comes.length > 0) return [goes, comes.join('=')];
  throw new UsageError(`--replace must be like B=D, not ${JSON.stringify(text)}`);
}

/** `D` or `D=10.0.0.4:1234`. */
function placeIn(text: string): readonly [Uid, string | null] {
  const [uid = '', address] = text.split('=');
  if (address === undefined) return [uidIn(uid), null];
  try {
    return [uidIn(uid), formatAddress(parseAddress(`the address of ${uid}`, address))];
  } catch (error) {
    throw new UsageError(describe(error));
  }
}

function uidIn(text: string): Uid {
  if (UID.test(text)) return text;
  throw new UsageError(`a server is called like D or D2, not ${JSON.stringify(text)}`);
}
