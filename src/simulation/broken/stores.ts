/** Broken on purpose: stores that each break one rule of the log or of the state machine. */
import {
  type ChainState,
  type ClientLink,
  isBatch,
  type Link,
  type LinkId,
  type RequestedLink,
  singlesOf,
  standingOf,
  type UpdateLink,
} from '../../chain.ts';
import type { Uid } from '../../composable-paxos.ts';
import type { Batches } from '../../log/batches.ts';
import type { Log, Snapshot } from '../../log/log.ts';
import { QuorumReads } from '../../log/quorum-reads.ts';
import type { Store } from '../../log/store.ts';
import type { PeerMessage, Question } from '../../messages.ts';
import type { Constructor } from '../../replicated-value.ts';
import { SmallMasterStoreReplica, SmallStoreReplica } from '../replicas.ts';
import type { Break } from './layers.ts';

/** A snapshot that does not say which requests have had their effect. */
function SnapshotWithoutRequests<TBase extends Constructor<Log>>(Base: TBase) {
  return class SnapshotWithoutRequests extends Base {
    protected override takeSnapshot(): Snapshot {
      const snapshot = super.takeSnapshot();
      return { ...snapshot, chain: { ...snapshot.chain, requests: [] } };
    }
  };
}

/** A snapshot that has the machine in it, and not the answers. */
function SnapshotWithoutAnswers<TBase extends Constructor<Store>>(Base: TBase) {
  return class SnapshotWithoutAnswers extends Base {
    protected override takeState() {
      return { ...super.takeState(), answers: [] };
    }
  };
}

/** A snapshot that says what each key holds, and not since when. */
function SnapshotWithoutVersions<TBase extends Constructor<Store>>(Base: TBase) {
  return class SnapshotWithoutVersions extends Base {
    protected override takeState() {
      const state = super.takeState();
      const entries = state.machine as readonly (readonly string[])[];
      return { ...state, machine: entries.map(([key, value]) => [key, value, '1']) };
    }
  };
}

/** Takes a snapshot for news, wherever it is itself. */
function OlderSnapshots<TBase extends Constructor<Log>>(Base: TBase) {
  return class OlderSnapshots extends Base {
    protected override isNews(): boolean {
      return true;
    }
  };
}

/** A request that is chosen twice is carried out twice. */
function AppliesTwice<TBase extends Constructor<Store>>(Base: TBase) {
  return class AppliesTwice extends Base {
    protected override takesEffect(): boolean {
      return true;
    }

    protected override whyLetGo(): string | null {
      return null;
    }
  };
}

/** Gets to where the others are, and does not mind what the links on the way have made. */
function JumpsOverLinks<TBase extends Constructor<Store>>(Base: TBase) {
  return class JumpsOverLinks extends Base {
    #isRead = false;

    override receive(from: Uid, message: PeerMessage): void {
      this.#isRead = message.type === 'links';
      super.receive(from, message);
      this.#isRead = false;
    }

    protected override apply(link: Link, instanceNumber: number, before: ChainState): void {
      if (!this.#isRead) super.apply(link, instanceNumber, before);
    }
  };
}

/** Leaves out of a batch who needs no instance, and takes all up to its last for done. */
function BatchesWithGaps<TBase extends Constructor<Batches>>(Base: TBase) {
  return class BatchesWithGaps extends Base {
    protected override gather(mostBytes: number): readonly ClientLink[] {
      const [head, ...others] = super.gather(mostBytes);
      if (head === undefined) return [];
      const later = this.line.slice(1 + others.length, 3 + others.length);
      return [head, ...others, ...later.filter((link) => this.whyLetGo(link) === null)];
    }
  };
}

/** Takes what it proposed last for what is chosen, if the chain names any of it. */
function LongerBatchDone<TBase extends Constructor<Batches>>(Base: TBase) {
  return class LongerBatchDone extends Base {
    #proposed = 1;

    protected override ask(question: Question): void {
      if (question.type === 'accept') {
        this.#proposed = singlesOf(question.proposalValue).length;
      }
      super.ask(question);
    }

    protected override inChain(latestId: LinkId): number {
      return super.inChain(latestId) === 0 ? 0 : this.#proposed;
    }
  };
}

/** Asks the table of requests about links only, and not about what is in a batch. */
function BatchesTwice<TBase extends Constructor<Store>>(Base: TBase) {
  return class BatchesTwice extends Base {
    #isInBatch = false;

    protected override apply(link: Link, instanceNumber: number, before: ChainState): void {
      this.#isInBatch = isBatch(link);
      super.apply(link, instanceNumber, before);
    }

    protected override takesEffect(link: RequestedLink | UpdateLink, before: ChainState): boolean {
      return this.#isInBatch || super.takesEffect(link, before);
    }

    protected override whyLetGo(): string | null {
      return null;
    }
  };
}

/** Carries out a request of a client that has gone on to a later one. */
function OvertakenRequests<TBase extends Constructor<Store>>(Base: TBase) {
  return class OvertakenRequests extends Base {
    protected override takesEffect(link: RequestedLink | UpdateLink, before: ChainState): boolean {
      const isOvertaken = 'request' in link && standingOf(before, link.request) === 'overtaken';
      return isOvertaken || super.takesEffect(link, before);
    }

    protected override whyLetGo(): string | null {
      return null;
    }
  };
}

/** Takes the word of one server for that of a quorum. */
function ExtentOfOne<TBase extends Constructor<QuorumReads>>(Base: TBase) {
  return class ExtentOfOne extends Base {
    protected override get extentsWanted(): number {
      return 1;
    }
  };
}

const SOUND_REST = {
  leases: false,
  store: true,
  servers: 3,
  faults: null,
  skippedSaveSteps: [],
};

/** Each is found by its first violation, as those of part I are. */
export const STORE_BREAKS: readonly Break[] = [
  {
    ...SOUND_REST,
    name: 'snapshot-without-requests',
    breaks: 'a snapshot does not say which requests have taken effect',
    invariants: [11],
    replicaClass: class BrokenReplica extends SnapshotWithoutRequests(SmallStoreReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'snapshot-without-answers',
    breaks: 'a snapshot does not say what came of the requests that it remembers',
    invariants: [11],
    replicaClass: class BrokenReplica extends SnapshotWithoutAnswers(SmallStoreReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'snapshot-without-versions',
    breaks: 'a snapshot does not say in which instances its keys have changed',
    invariants: [11],
    replicaClass: class BrokenReplica extends SnapshotWithoutVersions(SmallStoreReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'older-snapshot',
    breaks: 'a snapshot is installed by one that is further already',
    invariants: [0, 7, 11],
    replicaClass: class BrokenReplica extends OlderSnapshots(SmallStoreReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'applies-twice',
    breaks: 'a command whose request is chosen twice is carried out twice',
    invariants: [9],
    faults: ['loss', 'lateness', 'cuts'],
    replicaClass: class BrokenReplica extends AppliesTwice(SmallStoreReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'jumps-over-links',
    breaks: 'a laggard closes its instances, and does not carry out what was chosen in them',
    invariants: [11],
    replicaClass: class BrokenReplica extends JumpsOverLinks(SmallStoreReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'batch-with-gaps',
    breaks: 'a batch leaves some out, and all up to its last are taken for done',
    invariants: [9],
    faults: ['rushes', 'loss', 'lateness'],
    replicaClass: class BrokenReplica extends BatchesWithGaps(SmallStoreReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'longer-batch-done',
    breaks: 'a batch is taken for done when a shorter one of before was finished',
    invariants: [9],
    faults: ['rushes', 'loss', 'lateness', 'cuts'],
    replicaClass: class BrokenReplica extends LongerBatchDone(SmallStoreReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'batches-twice',
    breaks: 'a request that is in two batches is carried out twice',
    invariants: [9],
    faults: ['rushes', 'loss', 'lateness'],
    replicaClass: class BrokenReplica extends BatchesTwice(SmallStoreReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'overtaken-request',
    breaks: 'a request is carried out after a later one of its client',
    invariants: [9],
    faults: ['loss', 'lateness', 'cuts'],
    replicaClass: class BrokenReplica extends OvertakenRequests(SmallStoreReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'extent-of-one',
    breaks: 'whoever reads by a quorum is content with how far one server is',
    invariants: [9],
    replicaClass: class BrokenReplica extends ExtentOfOne(SmallStoreReplica) {},
  },
  {
    ...SOUND_REST,
    leases: true,
    name: 'quorum-reads-beside-masters',
    breaks: 'a quorum is asked how far it is while a master answers from memory',
    invariants: [9],
    faults: ['lateness', 'cuts', 'loss'],
    replicaClass: class BrokenReplica extends QuorumReads(SmallMasterStoreReplica) {},
  },
];
