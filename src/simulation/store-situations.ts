/** Where a run of stores has been, beside the situations of every run. */
import type { Uid } from '../composable-paxos.ts';
import { wholeNumberOf } from '../log/state-machine.ts';
import type { StoreOperation } from '../log/store-history.ts';
import type { TraceEvent } from '../trace/events.ts';

const CHANGED = 'a change of what still was as it had been read';

export const STORE_SITUATIONS = [
  'a command applied',
  'a command that failed',
  'a query answered',
  'an answer remembered',
  'a snapshot taken',
  'a restart after a snapshot',
  'links for a laggard',
  'a snapshot for a laggard',
  'a part of a snapshot that no one waits for',
  'the reading of a snapshot begun anew',
  'links after a snapshot',
  'a snapshot after links',
  CHANGED,
  'a sum',
] as const;

export type StoreSituation = (typeof STORE_SITUATIONS)[number];

/** What is known of one server. */
interface Known {
  isReading: boolean;
  hasJumped: boolean;
  hasTaken: boolean;
  /** It has got nearer by links in this life. */
  hasReadLinks: boolean;
  /** In which turn it was asked for a change. */
  askedIn: number;
}

export class StoreSituations {
  readonly counts = new Map<StoreSituation, number>();
  readonly #known = new Map<Uid, Known>();

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
        if (/^there is no|^it is some/.test(event.answer)) this.#reached('a command that failed');
        return;
      case 'snapshot':
        return this.#snapshot(event, server);
      case 'receive':
        if (event.message.type === 'request') server.askedIn = event.turn;
        if (event.message.type !== 'links') return;
        this.#reached('links for a laggard');
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
    }
  }

  #snapshot({ what, instanceNumber }: TraceEvent & { event: 'snapshot' }, server: Known): void {
    switch (what) {
      case 'taken':
        server.hasTaken = true;
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
      isReading: false,
      hasJumped: false,
      hasTaken: false,
      hasReadLinks: false,
      askedIn: -1,
    };
    this.#known.set(uid, known);
    return known;
  }
}
