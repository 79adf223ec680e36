/**
 * What stands on the stage of the playground at one moment: a card for each server, with what it
 * believes and what is on its disk, and the messages that are under way. Plain data, taken from
 * the world and from what the servers have told.
 */
import type { ChainState, Link } from '../chain.ts';
import { compareProposalIds, type ProposalId, type Uid } from '../composable-paxos.ts';
import { ABSENT, type Standing } from '../diagram/lives.ts';
import { LEASE_WINDOW_MS } from '../master-strategy.ts';
import type { Message } from '../messages.ts';
import type { Datagram } from '../simulation/network.ts';
import type { World } from '../simulation/world.ts';

/** What a disk holds that no power cut can take away. */
export interface OnDisk {
  readonly instanceNumber: number;
  readonly promisedId: ProposalId | null;
  readonly acceptedId: ProposalId | null;
  readonly acceptedValue: Link | null;
}

export interface Card {
  readonly uid: Uid;
  readonly condition: 'absent' | 'down' | 'paused' | 'asleep' | 'running';
  /** It will be killed at that point of its next turn; null: it will not. */
  readonly dies: string | null;
  readonly instanceNumber: number;
  readonly promisedId: ProposalId | null;
  readonly acceptedId: ProposalId | null;
  readonly acceptedValue: Link | null;
  readonly currentValue: string | null;
  /** Its own round, how many have promised in it, and whether they are enough. */
  readonly round: ProposalId | null;
  readonly promises: number;
  readonly leads: boolean;
  readonly isMaster: boolean;
  /** Whom it takes for master; null: nobody. */
  readonly master: Uid | null;
  /** What is left of its own lease: 0 (nothing) to 1 (a whole window). */
  readonly leaseLeft: number;
  /** How many values and reads wait in its queue. */
  readonly waiting: number;
  /** Null: there is nothing on its disk. */
  readonly disk: OnDisk | null;
  /** False: it has promised or accepted more than what its disk would still know. */
  readonly isDurable: boolean;
  readonly membership: Membership;
}

/**
 * What a server is among the members, by what it knows itself: `passive` listens, and has no vote
 * (or none yet), `unknown` is in no cluster file, and has not heard that it was let in.
 */
export type Membership = 'voting' | 'passive' | 'removed' | 'unknown';

/** A message under way, or put aside. */
export interface Flight {
  /** Null: a client. */
  readonly from: Uid | null;
  readonly to: Uid;
  /** Which of its sender's datagrams it is; copies have the same number. */
  readonly seq: number;
  readonly message: Message;
  /** What a command calls it: `A->B accept 1st`. */
  readonly name: string;
}

export interface Stage {
  readonly uids: readonly Uid[];
  /** The servers are stores, and values are commands. */
  readonly isStore: boolean;
  /** Its members can be changed. */
  readonly hasMembers: boolean;
  readonly hasLeases: boolean;
  readonly hasJournals: boolean;
  readonly nowMs: number;
  readonly cards: readonly Card[];
  /** Oldest first. */
  readonly flights: readonly Flight[];
  /** What was put aside, oldest first. */
  readonly kept: readonly Flight[];
  /** Links that are cut, each in one direction. */
  readonly cuts: readonly (readonly [Uid, Uid])[];
  /** In how many milliseconds a timer runs out, if nothing else happens; null: none runs. */
  readonly nextTimerMs: number | null;
}

/** The stage now. `standings`: what each server has told of itself until now. */
export function stageOf(
  world: World,
  kept: readonly Datagram[],
  standings: ReadonlyMap<Uid, Standing>,
  { isStore, hasMembers }: Pick<Stage, 'isStore' | 'hasMembers'>,
): Stage {
  const { uids, nowMs, nextAtMs } = world;
  // Many moments are kept, and few of them are looked at.
  const [flying, aside] = [[...world.inFlight], [...kept]];
  let [flights, putAside]: (readonly Flight[] | null)[] = [null, null];
  const links = uids.flatMap((from) => uids.map((to) => [from, to] as const));
  const cards = uids.map((uid) => cardOf(world, uid, standings.get(uid) ?? ABSENT));
  return {
    uids,
    isStore,
    hasMembers,
    hasLeases: [...world.machines.values()].some(({ replica }) => replica?.hasLeases === true),
    hasJournals: world.hasJournals,
    nowMs,
    cards,
    get flights() {
      flights ??= flightsOf(flying);
      return flights;
    },
    get kept() {
      putAside ??= flightsOf(aside);
      return putAside;
    },
    cuts: links.filter(([from, to]) => from !== to && world.network.isCut(from, to)),
    nextTimerMs: Number.isFinite(nextAtMs) ? nextAtMs - nowMs : null,
  };
}

function cardOf(world: World, uid: Uid, standing: Standing): Card {
  const machine = world.machine(uid);
  const { replica } = machine;
  const { condition, holder, chain, ...told } = standing;
  const acceptor = replica?.acceptorState ?? null;
  const synced = machine.disk.synced;
  const disk = synced === null ? null : onDisk(synced);
  const isMaster = replica?.isMaster === true;
  return {
    ...told,
    ...acceptor,
    uid,
    currentValue: chain.currentValue,
    condition: condition === 'absent' ? 'absent' : machine.condition,
    dies: machine.dies,
    isMaster,
    master: isMaster ? uid : (replica?.master ?? null),
    leaseLeft: Math.min(1, (replica?.leaseLeftMs ?? 0) / LEASE_WINDOW_MS),
    waiting: replica?.waiting ?? 0,
    disk,
    isDurable: acceptor === null || isCovered(told.instanceNumber, acceptor, disk),
    membership: membershipOf(uid, replica?.chain ?? chain, machine.members),
  };
}

function membershipOf(uid: Uid, { membership }: ChainState, founders: readonly Uid[]): Membership {
  if (membership === undefined) return founders.includes(uid) ? 'voting' : 'unknown';
  const member = membership.members[uid];
  if (member !== undefined) return member.role === 'voting' ? 'voting' : 'passive';
  return membership.used.includes(uid) ? 'removed' : 'unknown';
}

function onDisk({ instanceNumber, promisedId, acceptedId, acceptedValue }: OnDisk): OnDisk {
  return { instanceNumber, promisedId, acceptedId, acceptedValue };
}

/** Whether the disk knows all that the acceptor has promised and accepted. */
function isCovered(
  instanceNumber: number,
  { promisedId, acceptedId }: Pick<OnDisk, 'promisedId' | 'acceptedId'>,
  disk: OnDisk | null,
): boolean {
  if (promisedId === null) return true;
  if (disk === null || disk.instanceNumber < instanceNumber) return false;
  return (
    disk.instanceNumber > instanceNumber ||
    (compareProposalIds(disk.promisedId, promisedId) >= 0 &&
      compareProposalIds(disk.acceptedId, acceptedId) >= 0)
  );
}

/** Each with the name by which a command finds it among the others. */
function flightsOf(datagrams: readonly Datagram[]): Flight[] {
  const counts = new Map<string, number>();
  return datagrams.map(({ from, to, seq, message }) => {
    const kind = `${from ?? ''}->${to} ${message.type}`;
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    return { from, to, seq, message, name: `${kind} ${ordinal(count)}` };
  });
}

/** 1st, 2nd, 3rd, 4th, … 11th, … 21st. */
export function ordinal(count: number): string {
  const isTeen = count % 100 >= 11 && count % 100 <= 13;
  const ending = isTeen ? 'th' : (['th', 'st', 'nd', 'rd'][count % 10] ?? 'th');
  return `${count}${ending}`;
}
