/** Where a run of stores has been, beside the situations of every run. */
import { askerOf, isBatch, type Link } from '../chain.ts';
import type { Uid } from '../composable-paxos.ts';
import { wholeNumberOf } from '../log/state-machine.ts';
import type { StoreOperation } from '../log/store-history.ts';
import { encodedBytes } from '../messages.ts';
import type { TraceEvent } from '../trace/events.ts';
import { SMALL_BATCH_BYTES } from './replicas.ts';

const CHANGED = 'a change of what still was as it had been read';

export const STORE_SITUATIONS = [
  'a command applied',
  'a command that failed',
  'a query answered',
  'an answer remembered',
  'a snapshot taken',
  'a link chosen while a snapshot was written',
  'a restart after a snapshot',
  'links for a laggard',
  'a snapshot for a laggard',
  'a part of a snapshot that no one waits for',
  'the reading of a snapshot begun anew',
  'links after a snapshot',
  'a snapshot after links',
  CHANGED,
  'a sum',
  'a batch chosen',
  'a batch of five and more',
  'a batch with no room for all',
  'a batch with a read in it',
  'a batch finished by another server',
  'a batch among the links for a laggard',
] as const;

export type StoreSituation = (typeof STORE_SITUATIONS)[number];

/** What is known of one server. */
interface Known {
  /** Which instance is open at it. */
  instanceNumber: number;
  isReading: boolean;
  hasJumped: boolean;
  hasTaken: boolean;
  /** It has got nearer by links in this life. */
  hasReadLinks: boolean;
  /** In which turn it was asked for a change. */
  askedIn: number;
  /** How many values wait at it. */
  waiting: number;
}

/** Where less room is left, the next command does not fit. */
const FULL_FROM_BYTES = SMALL_BATCH_BYTES - 100;

export class StoreSituations {
  readonly counts = new Map<StoreSituation, number>();
  readonly #known = new Map<Uid, Known>();
  /** The last instance in which a batch was chosen. */
  #batchIn = 0;

  /** What clients asked and were told in the whole run. */
  end(history: readonly StoreOperation[]): void {
    for (const { line, answer } of history) {
      if (line.startsWith('swap') && answer === 'ok') this.#reached(CHANGED);
      if (line.startsWith('add') && wholeNumberOf(answer ?? '') !== null) this.#reached('a sum');
    }
  }

  observe(event: TraceEvent): void {
    const server = this.#of(event.server);
    switch (event.event) {
      case 'apply':
        this.#reached('a command applied');
        if (event.answers.some(hasFailed)) this.#reached('a command that failed');
        return;
      case 'snapshot':
        return this.#snapshot(event, server);
      case 'receive':
        if (event.message.type === 'request') server.askedIn = event.turn;
        if (event.message.type !== 'links') return;
        this.#reached('links for a laggard');
        if (event.message.links.some(isBatch)) {
          this.#reached('a batch among the links for a laggard');
        }
        if (server.hasJumped) this.#reached('links after a snapshot');
        server.hasReadLinks = true;
        return;
      case 'ignore':
        if (!event.why.includes('waiting for this part')) return;
        return this.#reached('a part of a snapshot that no one waits for');
      case 'reply':
        if (event.message.type === 'found') this.#reached('a query answered');
        if (event.message.type !== 'answered' || server.askedIn !== event.turn) return;
        return this.#reached('an answer remembered');
      default:
        return this.#observeBatches(event, server);
    }
  }

  #observeBatches(event: TraceEvent, server: Known): void {
    switch (event.event) {
      case 'start':
        server.waiting = 0;
        return;
      case 'update':
        server.waiting = event.waiting;
        return;
      case 'send':
        if (event.message.type === 'accept') this.#proposed(event.message.proposalValue, server);
        return;
      case 'lead':
        if (event.bound === null || !isBatch(event.bound)) return;
        if (askerOf(event.bound) === event.server) return;
        return this.#reached('a batch finished by another server');
      case 'advance':
        server.instanceNumber = event.instanceNumber;
        return this.#advanced(event);
    }
  }

  #proposed(link: Link, { waiting }: Known): void {
    if (!isBatch(link) || encodedBytes(link.batch) < FULL_FROM_BYTES) return;
    if (link.batch.length < waiting) this.#reached('a batch with no room for all');
  }

  #advanced({ link, instanceNumber }: TraceEvent & { event: 'advance' }): void {
    if (link === null || !isBatch(link) || instanceNumber <= this.#batchIn) return;
    const { batch } = link;
    this.#batchIn = instanceNumber;
    this.#reached('a batch chosen');
    if (batch.length >= 5) this.#reached('a batch of five and more');
    if (batch.some((one) => 'read' in one)) this.#reached('a batch with a read in it');
  }

  #snapshot({ what, instanceNumber }: TraceEvent & { event: 'snapshot' }, server: Known): void {
    switch (what) {
      case 'taken':
        server.hasTaken = true;
        if (instanceNumber < server.instanceNumber) {
          this.#reached('a link chosen while a snapshot was written');
        }
        return this.#reached('a snapshot taken');
      case 'reading':
        if (server.isReading) this.#reached('the reading of a snapshot begun anew');
        server.isReading = true;
        return;
      case 'installed':
        server.isReading = false;
        server.hasJumped = true;
        if (server.hasReadLinks) this.#reached('a snapshot after links');
        return this.#reached('a snapshot for a laggard');
      case 'restored':
        server.isReading = server.hasJumped = server.hasReadLinks = false;
        if (server.hasTaken && instanceNumber > 1) this.#reached('a restart after a snapshot');
    }
  }

  #reached(situation: StoreSituation): void {
    this.counts.set(situation, (this.counts.get(situation) ?? 0) + 1);
  }

  #of(uid: Uid): Known {
    const known = this.#known.get(uid) ?? {
      instanceNumber: 1,
      isReading: false,
      hasJumped: false,
      hasTaken: false,
      hasReadLinks: false,
      askedIn: -1,
      waiting: 0,
    };
    this.#known.set(uid, known);
    return known;
  }
}

function hasFailed(answer: string): boolean {
  return /^there is no|^it is some/.test(answer);
}
