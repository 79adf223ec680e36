/**
 * Batches: can one instance carry many?
 *
 * A link of the chain takes a round trip and a save at each server, however little is in it. So
 * while one is under way others come, and wait; and the more of them wait, the longer does each.
 * But nothing says that a link is one change: it may be all that waits by now, in the order in
 * which it came, as much of it as fits into a datagram. Nobody waits for more to come: one that is
 * alone goes alone, and at once. The busier a server is, the more an instance carries.
 *
 * To whoever applies it a batch is its links one after the other, each of which counts by itself:
 * one may be a request that has had its effect before, and then changes nothing, as always. All
 * replicas understand that, with this layer or without; it only makes batches.
 *
 * Three things bound a batch, beside the room in a datagram:
 *
 *   1. *It is the beginning of the line, without a gap.* The chain names the last of it, and that
 *      tells that all up to there are in the chain, even to whoever reads a snapshot. So where
 *      somebody waits who needs no instance any more, a batch ends; that one is let go of next.
 *   2. *Of each client it has one request.* The chain remembers the latest only, and its answer. Of
 *      two the first would be overtaken before it could be answered.
 *   3. *It has no more than are remembered*, for the same reason.
 */
import { type BatchLink, type ClientLink, type Link, type LinkId, partsOf } from '../chain.ts';
import { encodedBytes, MAX_BATCH_BYTES, MAX_IN_BATCH } from '../messages.ts';
import type { Constructor } from '../replicated-value.ts';
import type { UpdateQueue, Waiting } from '../update-queue.ts';

/** Proposes what waits together. Sits above the queue, of whose line it takes the beginning. */
export function Batches<TBase extends Constructor<UpdateQueue>>(Base: TBase) {
  return class Batches extends Base {
    /** How much room a batch may take on the wire. */
    protected get batchBytes(): number {
      return MAX_BATCH_BYTES;
    }

    protected override nextLink(): Link | null {
      const head = super.nextLink();
      if (head !== this.line[0]) return head; // something else goes first
      const { messenger } = this.environment;
      for (let mostBytes = this.batchBytes; ; mostBytes /= 2) {
        const batch = this.gather(mostBytes);
        if (batch.length < 2) return head;
        const link: BatchLink = { batch, id: this.newLinkId() };
        if (messenger.canCarry(link)) return link; // some systems take only short datagrams
      }
    }

    /** As many from the head of the line on as may be proposed together. */
    protected gather(mostBytes: number): readonly ClientLink[] {
      const batch: ClientLink[] = [];
      const clients = new Set<string>();
      let bytes = '[]'.length;
      for (const link of this.line.slice(0, MAX_IN_BATCH)) {
        bytes += encodedBytes([link]) - '[]'.length + ','.length;
        if (bytes - ','.length > mostBytes || this.whyLetGo(link) !== null) break;
        const client = clientOf(link);
        if (client !== null && clients.has(client)) break;
        if (client !== null) clients.add(client);
        batch.push(link);
      }
      return batch;
    }

    /** All up to the one that the chain names: no batch has more, and none has a gap. */
    protected override inChain(latestId: LinkId): number {
      return this.line.slice(0, MAX_IN_BATCH).findIndex(({ id }) => id === latestId) + 1;
    }
  };
}

function clientOf(link: Waiting): string | null {
  return 'request' in link ? partsOf(link.request).client : null;
}

export type Batches = InstanceType<ReturnType<typeof Batches<Constructor<UpdateQueue>>>>;
