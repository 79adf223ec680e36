/**
 * Clients that change the members, in the virtual world: each asks for one change that makes sense
 * when it asks, though it may not any more when it is heard.
 */
import { type Roll, rollOf } from '../chain.ts';
import { type Change, ClientSession } from '../client-session.ts';
import { quorumOf, type Uid } from '../composable-paxos.ts';
import { sessionOf } from './clients.ts';
import { placesOf } from './machine.ts';
import { Random } from './random.ts';
import type { World } from './world.ts';

const TIMEOUT_MS = 8_000;
const NOTHING: Change = { remove: [], vote: {}, join: {}, follow: {}, isForced: false };

/** Who the members are by now, as whoever is furthest knows. */
export function newestRoll({
  machines,
  founders,
}: World): Roll & { readonly used: readonly Uid[] } {
  const replicas = [...machines.values()].flatMap(({ replica }) => replica ?? []);
  const farthest = Math.max(...replicas.map(({ instanceNumber }) => instanceNumber));
  const first = replicas.find(({ instanceNumber }) => instanceNumber === farthest);
  const membership = first?.chain.membership;
  return { ...rollOf(membership, founders), used: membership?.used ?? founders };
}

export class MembersClients {
  readonly #world: World;
  #asked = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** A client comes that asks this server first; `luck` tells for what. */
  ask(server: Uid, luck: number): void {
    this.#asked += 1;
    const change = changeFor(this.#world, new Random('change', luck));
    if (change === null) return;
    const name = `a${this.#asked}`;
    const world = this.#world;
    const session = new ClientSession(sessionOf(name), world.uids, {
      after: (delayMs, act) => {
        const entry = world.later(delayMs, act);
        return {
          cancel: () => {
            entry.act = null;
          },
        };
      },
      send: (to, message) => world.ask(name, to, message),
    });
    world.addClient(name, (from, reply) => session.receive(from, reply));
    const options = { server, timeoutMs: TIMEOUT_MS, mayMove: true };
    session.inquire({ type: 'change', ...change }, options, () => {});
  }
}

/**
 * Whether this server may lose its disk, by the rules of this world: it votes; nobody else has lost
 * one; and of the others who vote a quorum is past the change that made them what they are. Whoever
 * goes on before a change is answered may lose with the next disk what was chosen.
 */
function mayLoseDisk(world: World, uid: Uid): boolean {
  const { voters, membership } = newestRoll(world);
  const machines = [...world.machines.values()];
  if (!voters.includes(uid) || machines.some(({ disk }) => disk.isLost)) return false;
  const past = voters.filter((one) => {
    const { synced } = world.machine(one).disk;
    return synced !== null && synced.instanceNumber > (membership?.since ?? 0);
  });
  const others = past.filter((one) => one !== uid);
  return others.length < past.length && others.length >= quorumOf(voters.length);
}

/** The disk of this server is lost, or of another one, if any may lose it. */
export function loseDiskOfAny(world: World, first: Uid): void {
  const uid = [first, ...world.uids].find((one) => mayLoseDisk(world, one));
  if (uid !== undefined) world.machine(uid).loseDisk('now');
}

/** Whether a quorum of those who vote has a disk: nothing heals without. */
export function hasQuorumOfDisks(world: World): boolean {
  const { voters } = newestRoll(world);
  const kept = voters.filter((uid) => !world.machine(uid).disk.isLost);
  return kept.length >= quorumOf(voters.length);
}

/** A change that makes sense now; null: none does. */
function changeFor(world: World, random: Random): Change | null {
  const { voters, others, used, membership } = newestRoll(world);
  const isMember = (uid: Uid) => voters.includes(uid) || others.includes(uid);
  // Some do not know that a name is given once.
  const mayErr = random.chance(0.2);
  const fresh = world.uids.filter((uid) => (mayErr ? !isMember(uid) : !used.includes(uid)));
  const joining = others.filter((uid) => membership?.members[uid]?.role === 'joining');
  const isForced = random.chance(0.2);
  const one = (uids: readonly Uid[]) => (uids.length === 0 ? [] : [random.pick(uids)]);
  const placed = (uids: readonly Uid[]) => placesOf(uids);
  const known = (uids: readonly Uid[]) => Object.fromEntries(uids.map((uid) => [uid, null]));
  // Nobody wants anything else until a lost one has its successor.
  const lost = voters.filter((uid) => world.machine(uid).disk.isLost);
  if (lost.length > 0) {
    if (joining.length > 0) return { ...NOTHING, remove: lost, vote: known(one(joining)) };
    if (!isForced) return fresh.length === 0 ? null : { ...NOTHING, join: placed(one(fresh)) };
    return { ...NOTHING, remove: lost, vote: placed(one(fresh)), isForced };
  }
  switch (random.below(6)) {
    case 0:
    case 1:
      if (fresh.length === 0) return null;
      if (random.chance(0.15)) return { ...NOTHING, follow: placed(one(fresh)) };
      return { ...NOTHING, join: placed(one(fresh)) };
    case 2:
      if (isForced) return { ...NOTHING, vote: placed(one(fresh)), isForced };
      return joining.length === 0 ? null : { ...NOTHING, vote: known(one(joining)) };
    case 3:
      return { ...NOTHING, remove: one(random.chance(0.2) ? others : voters) };
    case 4:
      if (isForced) return { ...NOTHING, remove: one(voters), vote: placed(one(fresh)), isForced };
      return { ...NOTHING, remove: one(voters), vote: known(one(joining)) };
    default:
      return joining.length === 0 ? null : { ...NOTHING, remove: voters, vote: known(joining) };
  }
}
