/**
 * Trace events: everything worth seeing, as plain data. The terminal lines, the diagram and the
 * invariants are functions of these events and of nothing else, so they work on a simulated run
 * and on a real one alike. In a file, an event is one line of JSON.
 *
 * An event says what has changed, not all that is: the chain, which may be long, stands in it only
 * where nobody could work it out (see `chainAfter` in `fold.ts`). Everywhere else its digest does,
 * so that whoever works it out can tell whether it came to the same.
 */
import { type ChainState, digestOf, type Link, type LinkId, type RequestId } from '../chain.ts';
import type { AcceptorState, ProposalId, Uid } from '../composable-paxos.ts';
import type { Message, PeerMessage, Question, Reply } from '../messages.ts';
import type { ServerState } from '../state.ts';

/** What a replica decides, traced by the replica and its layers. */
export type Decision =
  | StoreEvent
  | MembersEvent
  /** It runs, in a cluster of `uids`. `layers` is the chain of classes from the outside in. */
  | {
      readonly event: 'start';
      readonly uids: readonly Uid[];
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
  /** Another server is in the same instance, with another state: one of the two is wrong. */
  | { readonly event: 'differs'; readonly from: Uid; readonly instanceNumber: number }
  /** It moved on: to the next instance by `link`, or by catch-up over all between to `chain`. */
  | {
      readonly event: 'advance';
      readonly instanceNumber: number;
      readonly link: Link | null;
      /** Null if it moved on by a link. */
      readonly chain: ChainState | null;
      readonly digest: string;
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
  /** What came before its time is taken up now. */
  | { readonly event: 'recall'; readonly from: Uid; readonly question: Question }
  /** A timer ran out. */
  | { readonly event: 'timer'; readonly instanceNumber: number; readonly why: string }
  /**
   * A client's value was taken, refused, found in the chain, given up by a stop, or `dropped`: it
   * needs no instance any more.
   */
  | {
      readonly event: 'update';
      readonly what: 'queued' | 'refused' | 'chosen' | 'dropped' | 'lost';
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
    }
  /**
   * It has lost its votes. `asking`: it asks others which instance is open at theirs. `counting`:
   * so many `answers`, too few. `waiting`: until instance `votesFrom`. `voting`: it is there.
   */
  | {
      readonly event: 'rejoin';
      readonly what: 'asking' | 'counting' | 'waiting' | 'voting';
      readonly instanceNumber: number;
      readonly votesFrom: number | null;
      readonly answers: number;
      readonly quorum: number;
    };

/** What becomes of the members, traced by the layer of that name. */
export interface MembersEvent {
  readonly event: 'members';
  /**
   * `changed`: they are these from this instance on. `overtaken`: what a client asked for here
   * comes too late. `past`: a quorum of the new ones knows of the change that was asked for here.
   * `removed`: this server is none any more. `left`: and they can do without it.
   */
  readonly what: 'changed' | 'overtaken' | 'past' | 'removed' | 'left';
  readonly instanceNumber: number;
  readonly voters: readonly Uid[];
  readonly others: readonly Uid[];
}

/** What a store does with the chain, traced by its layers. Its state is known by its digest. */
export type StoreEvent =
  /** Commands took effect in this instance, in this order: one, or those of a batch. */
  | {
      readonly event: 'apply';
      readonly instanceNumber: number;
      /** By which each was asked; null: by somebody who does not wait. */
      readonly requests: readonly (RequestId | null)[];
      readonly answers: readonly string[];
      readonly digest: string;
    }
  /**
   * Of the state before this instance: `taken` of its own, `restored` from its own disk, or
   * `installed`, one of another server. `reading`: it begins to pull one from `from`.
   */
  | {
      readonly event: 'snapshot';
      readonly what: 'taken' | 'restored' | 'reading' | 'installed';
      readonly instanceNumber: number;
      readonly from: Uid | null;
      readonly digest: string | null;
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
  /** The state is durable: what the acceptor holds, and the chain of this digest before it. */
  | ({
      readonly event: 'save';
      readonly instanceNumber: number;
      /** From which instance on it has a vote; null: it does not know yet. */
      readonly votesFrom: number | null;
      readonly digest: string;
    } & AcceptorState<Link>)
  /** Its trace was begun anew while it ran on: all before is in another file, or in none. */
  | {
      readonly event: 'resume';
      readonly uids: readonly Uid[];
      readonly layers: readonly string[];
      readonly state: ServerState;
    }
  /** The server stops itself, because it cannot go on rightly. */
  | { readonly event: 'fail'; readonly why: string }
  /** The server was killed, `where` in its work, as only a simulation knows; else `now`. */
  | {
      readonly event: 'crash';
      readonly where: string;
      /** What its disk has lost, if the power went, too; null: the disk is as it was. */
      readonly lost: DiskLoss | null;
    };

/**
 * `save`: the latest, which was not yet synced to its end. `file`: all that was in the file.
 * `disk`: the file itself.
 */
export type DiskLoss = 'nothing' | 'save' | 'file' | 'disk';

/** Who, when (milliseconds), and in which turn of that server. */
export interface Stamp {
  readonly at: number;
  readonly server: Uid;
  readonly turn: number;
}

export type TraceEvent = Stamp & (Decision | WorldEvent);

/** What is traced when this state is durable. */
export function savedEvent(state: ServerState): WorldEvent {
  const { instanceNumber, votesFrom, promisedId, acceptedId, acceptedValue } = state;
  const acceptor = { promisedId, acceptedId, acceptedValue };
  return { event: 'save', instanceNumber, votesFrom, digest: digestOf(state), ...acceptor };
}
