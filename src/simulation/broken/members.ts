/** Broken on purpose: clusters whose members change, that each break one rule of that. */
import { digestOf, type Roll } from '../../chain.ts';
import { quorumOf, type Uid } from '../../composable-paxos.ts';
import type { Members } from '../../log/members.ts';
import { MembersMasterReplica, MembersReplica } from '../../log/replicas.ts';
import { mixedDigest, type SnapshotSource } from '../../log/snapshot.ts';
import type { Store } from '../../log/store.ts';
import type { MasterLeases } from '../../master-strategy.ts';
import type { Constructor } from '../../replicated-value.ts';
import { SmallMembersStoreReplica } from '../replicas.ts';
import type { Break } from './layers.ts';

/** However many vote, a quorum is what it was in the beginning. */
function QuorumOfFounders<TBase extends Constructor<Members>>(Base: TBase) {
  return class QuorumOfFounders extends Base {
    override get quorum(): number {
      return quorumOf(this.founders.length);
    }
  };
}

/** Who votes is looked up when the server starts, and then it is remembered. */
function MembersOfYesterday<TBase extends Constructor<Members>>(Base: TBase) {
  return class MembersOfYesterday extends Base {
    #known: Roll | null = null;

    protected override get membersNow(): Roll {
      this.#known ??= super.membersNow;
      return this.#known;
    }
  };
}

/** Whoever hears what is said has a say. */
function EverybodyVotes<TBase extends Constructor<Members>>(Base: TBase) {
  return class EverybodyVotes extends Base {
    protected override counts(): boolean {
      return true;
    }
  };
}

/** A snapshot that does not say who the members are, and is right in itself. */
function SnapshotWithoutMembers<TBase extends Constructor<Store>>(Base: TBase) {
  return class SnapshotWithoutMembers extends Base {
    protected override takeSnapshot(): SnapshotSource {
      const { head } = super.takeSnapshot();
      const { membership: _, ...chain } = head.chain;
      const pieces = [...this.takeState()];
      const state = this.newState();
      for (const piece of pieces) state.add(piece);
      const digest = mixedDigest(digestOf(chain), state.digest);
      return { head: { ...head, chain, digest }, pieces };
    }
  };
}

/** The lease of one that is no member binds nobody. */
function LeaseEndsWithMember<TBase extends Constructor<MasterLeases>>(Base: TBase) {
  return class LeaseEndsWithMember extends Base {
    protected override get binding(): Uid | null {
      const holder = super.binding;
      return holder !== null && this.uids.includes(holder) ? holder : null;
    }
  };
}

/** A name that is free is given, whoever had it before. */
function NameGivenTwice<TBase extends Constructor<Members>>(Base: TBase) {
  return class NameGivenTwice extends Base {
    protected override get current() {
      const { members, of } = super.current;
      return { members, of, used: Object.keys(members) };
    }
  };
}

/** A change is answered as soon as it is chosen. */
function AnswersTooEarly<TBase extends Constructor<Members>>(Base: TBase) {
  return class AnswersTooEarly extends Base {
    protected override isPast(): boolean {
      return true;
    }
  };
}

const REST = { leases: false, members: true, servers: 3, faults: null, skippedSaveSteps: [] };

/** Each is found by its first violation, as those of part I are. */
export const MEMBERS_BREAKS: readonly Break[] = [
  {
    ...REST,
    name: 'quorum-of-founders',
    breaks: 'a quorum is what it was before the members changed',
    invariants: [10, 12],
    replicaClass: class BrokenReplica extends QuorumOfFounders(MembersReplica) {},
  },
  {
    ...REST,
    name: 'members-of-yesterday',
    breaks: 'who votes is not asked of the chain before each instance, but once',
    invariants: [5, 9, 10, 12],
    replicaClass: class BrokenReplica extends MembersOfYesterday(MembersReplica) {},
  },
  {
    ...REST,
    name: 'everybody-votes',
    breaks: 'who only listens promises and accepts, and is counted',
    invariants: [5],
    replicaClass: class BrokenReplica extends EverybodyVotes(MembersReplica) {},
  },
  {
    ...REST,
    store: true,
    name: 'snapshot-without-members',
    breaks: 'a snapshot does not say who the members are',
    invariants: [11],
    replicaClass: class BrokenReplica extends SnapshotWithoutMembers(SmallMembersStoreReplica) {},
  },
  {
    ...REST,
    leases: true,
    name: 'lease-ends-with-member',
    breaks: 'when a master is removed, the others do not wait for the end of its lease',
    invariants: [8, 9],
    replicaClass: class BrokenReplica extends LeaseEndsWithMember(MembersMasterReplica) {},
  },
  {
    ...REST,
    name: 'name-given-twice',
    breaks: 'the name of a server that is gone is given to another one, with an empty disk',
    invariants: [5, 10],
    replicaClass: class BrokenReplica extends NameGivenTwice(MembersReplica) {},
  },
  {
    ...REST,
    name: 'answers-too-early',
    breaks: 'a change is called done before a quorum of the new members has it on disk',
    invariants: [9],
    replicaClass: class BrokenReplica extends AnswersTooEarly(MembersReplica) {},
  },
];
