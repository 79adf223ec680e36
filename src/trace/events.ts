/**
 * Trace events: everything worth seeing, as plain data. The terminal lines, the diagram and the
 * invariants are functions of these events and of nothing else, so they work on a simulated run
 * and on a real one alike. In a file, an event is one line of JSON.
 */
import type { ChainState, Link, LinkId } from '../chain.ts';
import type { ProposalId, Uid } from '../composable-paxos.ts';
import type { Message, PeerMessage, Reply } from '../messages.ts';
import type { ServerState } from '../state.ts';

/** What a replica decides, traced by the replica and its layers. */
export type Decision =
  /** It runs. `layers` is the chain of classes from the outside in. */
  | {
      readonly event: 'start';
      readonly layers: readonly string[];
      readonly restored: boolean;
      readonly state: ServerState;
    }
  /** It stopped in good order. */
  | { readonly event: 'stop' }
  /** Its acceptor promised. */
  | {
      readonly event: 'promise';
      readonly to: Uid;
      readonly instanceNumber: number;
      readonly proposalId: ProposalId;
    }
  /** Its acceptor refused, because of what it promised before. */
  | {
      readonly event: 'refuse';
      readonly to: Uid;
      readonly instanceNumber: number;
      readonly proposalId: ProposalId;
      readonly promisedId: ProposalId;
    }
  /** Its acceptor accepted. */
  | {
      readonly event: 'accept';
      readonly from: Uid;
      readonly instanceNumber: number;
      readonly proposalId: ProposalId;
      readonly value: Link;
    }
  /** A promise, or an accepted, was counted, and it was not yet enough. */
  | {
      readonly event: 'count';
      readonly of: 'promise' | 'accepted';
      readonly instanceNumber: number;
      readonly proposalId: ProposalId;
      readonly count: number;
      readonly servers: number;
    }
  /** A quorum promised (or the number was reserved for it): it may ask to accept now. */
  | {
      readonly event: 'lead';
      readonly instanceNumber: number;
      readonly proposalId: ProposalId;
      readonly count: number;
      readonly servers: number;
      /** A value that may be chosen already and must be finished; null: it is free to choose. */
      readonly bound: Link | null;
    }
  /** It leads, found nothing to finish, and has nothing to propose. */
  | { readonly event: 'rest'; readonly instanceNumber: number; readonly proposalId: ProposalId }
  /** A quorum accepted. */
  | {
      readonly event: 'chosen';
      readonly instanceNumber: number;
      readonly proposalId: ProposalId;
      readonly value: Link;
      readonly count: number;
      readonly servers: number;
    }
  /** It moved on: to the next instance with `link`, or with null by catch-up over all between. */
  | {
      readonly event: 'advance';
      readonly instanceNumber: number;
      readonly link: Link | null;
      readonly chain: ChainState;
    }
  /** A round of its own was refused. */
  | {
      readonly event: 'refused';
      readonly from: Uid;
      readonly instanceNumber: number;
      readonly proposalId: ProposalId;
      readonly promisedId: ProposalId;
    }
  /** It waits before it tries again. */
  | { readonly event: 'backoff'; readonly instanceNumber: number; readonly delayMs: number }
  /** A message changed nothing. */
  | { readonly event: 'ignore'; readonly instanceNumber: number; readonly why: string }
  /** A timer ran out. */
  | { readonly event: 'timer'; readonly instanceNumber: number; readonly why: string }
  /** A client's value was taken, refused, found in the chain, or given up by a stop. */
  | {
      readonly event: 'update';
      readonly what: 'queued' | 'refused' | 'chosen' | 'lost';
      readonly value: string;
      /** The id under which it is proposed; null if it never is. */
      readonly id: LinkId | null;
      readonly waiting: number;
      readonly why: string;
    }
  /**
   * `wanted`: it asks for a lease. `ours`: it is master for `lastsMs` from now. `theirs`: somebody
   * else may be. `unknown`: somebody may be, since when it cannot tell. `over`: nobody is.
   */
  | {
      readonly event: 'lease';
      readonly what: 'wanted' | 'handing back' | 'ours' | 'theirs' | 'unknown' | 'over';
      readonly holder: Uid | null;
      readonly instanceNumber: number;
      readonly lastsMs: number;
    };

/** What happens between a replica and its world, traced by the world. */
export type WorldEvent =
  | {
      readonly event: 'send';
      readonly to: readonly Uid[];
      readonly seq: number;
      readonly message: PeerMessage;
    }
  /** An answer to a client. */
  | {
      readonly event: 'reply';
      readonly to: string;
      readonly seq: number;
      readonly message: Reply;
    }
  /** `from` null: a client. */
  | {
      readonly event: 'receive';
      readonly from: Uid | null;
      readonly seq: number;
      readonly message: Message;
    }
  /** A datagram that was not believed. `from` is a uid or an address. */
  | { readonly event: 'reject'; readonly from: string; readonly why: string }
  /** What became known of where a peer is; `address` null: nobody knows, or not any more. */
  | {
      readonly event: 'address';
      readonly peer: Uid;
      readonly address: string | null;
      readonly why: string;
    }
  /** A datagram that certainly did not arrive. */
  | {
      readonly event: 'lost';
      readonly to: readonly Uid[];
      readonly seq: number;
      readonly why: string;
    }
  /** The state is durable. */
  | { readonly event: 'save'; readonly state: ServerState }
  /** The server stops itself, because it cannot go on rightly. */
  | { readonly event: 'fail'; readonly why: string }
  /** The server was killed, `where` in its work; only a simulation can know. */
  | { readonly event: 'crash'; readonly where: string };

/** Who, when (milliseconds), and in which turn of that server. */
export interface Stamp {
  readonly at: number;
  readonly server: Uid;
  readonly turn: number;
}

export type TraceEvent = Stamp & (Decision | WorldEvent);
