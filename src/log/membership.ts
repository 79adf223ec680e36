/** What becomes of the members when a client wants them changed: a question without time. */
import type { Member, MembersLink, Roster } from '../chain.ts';
import type { Uid } from '../composable-paxos.ts';
import { type ChangeMessage, MAX_OTHERS, MAX_USED, MAX_VOTERS } from '../messages.ts';

type After = Pick<MembersLink, 'members' | 'used'>;

/** The members after this change, or, in one sentence, why it cannot be. */
export function changed(before: After, change: ChangeMessage): After | string {
  const members = new Map<Uid, Member>(Object.entries(before.members));
  for (const uid of change.remove) {
    if (!members.delete(uid)) return `there is no member ${uid}`;
  }
  for (const [uid, place] of Object.entries(change.vote)) {
    const member = voterOf(uid, place, before, change);
    if (typeof member === 'string') return member;
    members.set(uid, member);
  }
  for (const [role, places] of [
    ['joining', change.join] as const,
    ['passive', change.follow] as const,
  ]) {
    for (const [uid, address] of Object.entries(places)) {
      const known = members.get(uid);
      // Who has no state asks to be let in, once more if need be. That it has had no vote so far,
      // and so has forgotten none, no server knows by itself: that this link is chosen says it.
      const isSame = known?.role === role && known.address === address;
      const why = isSame ? null : whyNotNew(uid, address, before.used);
      if (why !== null) return why;
      members.set(uid, { address: address ?? '', role });
    }
  }
  const used = [...new Set([...before.used, ...members.keys()])];
  const why = whyNot(members, used, before.members);
  return why ?? { members: Object.fromEntries(members), used };
}

/** Who has joined may vote; who has not, only if somebody insists. */
function voterOf(
  uid: Uid,
  address: string | null,
  { members, used }: After,
  { isForced }: ChangeMessage,
): Member | string {
  const known = members[uid];
  if (known === undefined) {
    const why = whyNotNew(uid, address, used);
    if (why !== null) return why;
    if (isForced) return { address: address ?? '', role: 'voting' };
    return `${uid} has not joined: start it with --join first`;
  }
  if (known.role === 'voting') return `${uid} votes already`;
  if (known.role === 'passive') return `${uid} is passive for ever: let it join under a new name`;
  if (address !== null && address !== known.address) return `${uid} is at ${known.address}`;
  return { ...known, role: 'voting' };
}

/** A name is given once. */
function whyNotNew(uid: Uid, address: string | null, used: readonly Uid[]): string | null {
  if (used.includes(uid))
    return `the name ${uid} was given before: take a new one, like ${uid[0]}2`;
  return address === null ? `nobody knows where ${uid} is: say ${uid}=host:port` : null;
}

function whyNot(
  members: ReadonlyMap<Uid, Member>,
  used: readonly Uid[],
  before: Roster,
): string | null {
  const voters = [...members.values()].filter(({ role }) => role === 'voting').length;
  if (voters === 0) return 'the last server that votes cannot be removed';
  if (voters > MAX_VOTERS) return `no more than ${MAX_VOTERS} may vote`;
  if (members.size - voters > MAX_OTHERS) return `no more than ${MAX_OTHERS} may follow`;
  if (used.length > MAX_USED) return `no more than ${MAX_USED} names can be given`;
  const owners = new Map<string, Uid>();
  for (const [uid, { address }] of members) {
    const owner = owners.get(address);
    if (owner !== undefined) {
      const [known, other] = owner in before ? [owner, uid] : [uid, owner];
      return `${address} is the address of ${known} already, and cannot be that of ${other}`;
    }
    owners.set(address, uid);
  }
  return null;
}
