/** Broken on purpose: stores that each break one rule of the log or of the state machine. */
import {
  type ClientLink,
  digestOf,
  isBatch,
  type Link,
  type LinkId,
  type RequestedLink,
  type RequestId,
  type Standing,
  singlesOf,
  type UpdateLink,
} from '../../chain.ts';
import type { Uid } from '../../composable-paxos.ts';
import type { Batches } from '../../log/batches.ts';
import type { Log } from '../../log/log.ts';
import type { QuorumReads } from '../../log/quorum-reads.ts';
import { mixedDigest, type SnapshotSource } from '../../log/snapshot.ts';
import type { Store, StorePiece } from '../../log/store.ts';
import type { PeerMessage, Question } from '../../messages.ts';
import type { Constructor } from '../../replicated-value.ts';
import { SmallStoreReplica } from '../replicas.ts';
import type { Break } from './layers.ts';

/** Snapshots that fit together, and in which some pieces are other ones, or none (null). */
export function OtherPieces<TBase extends Constructor<Store>>(
  Base: TBase,
  other: (piece: StorePiece) => StorePiece | null,
) {
  return class OtherPieces extends Base {
    protected override takeSnapshot(): SnapshotSource {
      const { head } = super.takeSnapshot();
      const pieces = [...this.takeState()].map(other).filter((piece) => piece !== null);
      const state = this.newState();
      for (const piece of pieces) state.add(piece);
      const digest = mixedDigest(digestOf(head.chain), state.digest);
      return { head: { ...head, digest }, pieces };
    }
  };
}

/** A snapshot that does not say which requests have had their effect. */
const withoutRequests = (piece: StorePiece) => (piece[0] === 'answers' ? null : piece);

/** One that does, and not what came of them. */
function withoutAnswers([of, piece]: StorePiece): StorePiece {
  return [of, of === 'answers' && Array.isArray(piece) ? [...piece.slice(0, 3), ''] : piece];
}

/** One that says what each key holds, and not since when. */
function withoutVersions([of, piece]: StorePiece): StorePiece {
  return [of, of === 'machine' && Array.isArray(piece) ? [...piece.slice(0, 2), '1'] : piece];
}

/** Writes down whatever the state is by the time that it is written. */
function SnapshotsOfLater<TBase extends Constructor<Store>>(Base: TBase) {
  return class SnapshotsOfLater extends Base {
    protected override *takeState(): Generator<StorePiece> {
      yield* super.takeState(); // which is called when the first piece is read
    }
  };
}

/** Takes somebody whom it has forgotten for somebody new. */
function ForgottenIsNew<TBase extends Constructor<Store>>(Base: TBase) {
  return class ForgottenIsNew extends Base {
    protected override standingOf(request: RequestId): Standing {
      const standing = super.standingOf(request);
      return standing === 'forgotten' ? 'new' : standing;
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

    protected override apply(link: Link, instanceNumber: number): void {
      if (!this.#isRead) super.apply(link, instanceNumber);
    }
  };
}

/** Closes its instances with links as they come, whichever instances they are of. */
function LinksAsTheyCome<TBase extends Constructor<Log>>(Base: TBase) {
  return class LinksAsTheyCome extends Base {
    override receive(from: Uid, message: PeerMessage): void {
      const { instanceNumber } = this;
      const hasGap = message.type === 'links' && message.first > instanceNumber;
      super.receive(from, hasGap ? { ...message, first: instanceNumber } : message);
    }
  };
}

/** Forgets links on disk as soon as the next snapshot is begun, and not when it is whole. */
function CutTooEarly<TBase extends Constructor<Log>>(Base: TBase) {
  return class CutTooEarly extends Base {
    #takenAt = 1;

    protected override takeSnapshot(): SnapshotSource {
      this.#takenAt = this.instanceNumber;
      return super.takeSnapshot();
    }

    protected override get kept() {
      const first = Math.max(this.#takenAt, this.firstKept);
      const links = this.linksFrom(first, this.instanceNumber - first) ?? [];
      return { ...super.kept, first, blocks: [], links };
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

    protected override apply(link: Link, instanceNumber: number): void {
      this.#isInBatch = isBatch(link);
      super.apply(link, instanceNumber);
    }

    protected override takesEffect(link: RequestedLink | UpdateLink): boolean {
      return this.#isInBatch || super.takesEffect(link);
    }

    protected override whyLetGo(): string | null {
      return null;
    }
  };
}

/** Carries out a request of a client that has gone on to a later one. */
function OvertakenRequests<TBase extends Constructor<Store>>(Base: TBase) {
  return class OvertakenRequests extends Base {
    protected override takesEffect(link: RequestedLink | UpdateLink): boolean {
      const isOvertaken = 'request' in link && this.standingOf(link.request) === 'overtaken';
      return isOvertaken || super.takesEffect(link);
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
    replicaClass: class BrokenReplica extends OtherPieces(SmallStoreReplica, withoutRequests) {},
  },
  {
    ...SOUND_REST,
    name: 'snapshot-without-answers',
    breaks: 'a snapshot does not say what came of the requests that it remembers',
    invariants: [11],
    replicaClass: class BrokenReplica extends OtherPieces(SmallStoreReplica, withoutAnswers) {},
  },
  {
    ...SOUND_REST,
    name: 'snapshot-of-later',
    breaks: 'a snapshot is written down from a state that has moved on meanwhile',
    invariants: [0, 10, 11],
    faults: ['crashes', 'rushes', 'loss'],
    replicaClass: class BrokenReplica extends SnapshotsOfLater(SmallStoreReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'forgotten-is-new',
    breaks: 'a request of a client that was forgotten is taken for a new one',
    invariants: [9],
    faults: ['crowds', 'lateness', 'duplication', 'loss'],
    firstSeed: 131,
    replicaClass: class BrokenReplica extends ForgottenIsNew(SmallStoreReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'snapshot-without-versions',
    breaks: 'a snapshot does not say in which instances its keys have changed',
    invariants: [11],
    replicaClass: class BrokenReplica extends OtherPieces(SmallStoreReplica, withoutVersions) {},
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
    name: 'links-as-they-come',
    breaks: 'a laggard closes its instances with links that come before their turn',
    invariants: [2, 11],
    replicaClass: class BrokenReplica extends LinksAsTheyCome(SmallStoreReplica) {},
  },
  {
    ...SOUND_REST,
    name: 'cut-too-early',
    breaks: 'the oldest links are forgotten on disk before the snapshot that they are in is there',
    invariants: [0],
    replicaClass: class BrokenReplica extends CutTooEarly(SmallStoreReplica) {},
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
];
