/** Where a run of stores has been, beside the situations of every run. */
import type { Uid } from '../composable-paxos.ts';
import type { TraceEvent } from '../trace/events.ts';

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
] as const;

export type StoreSituation = (typeof STORE_SITUATIONS)[number];

/** What is known of one server. */
interface Known {
  /** Which instance is open at it. */
  instanceNumber: number;
  isReading: boolean;
  hasJumped: boolean;
  hasTaken: boolean;
  /** In which turn it was asked for a change. */
  askedIn: number;
}

export class StoreSituations {
  readonly counts = new Map<StoreSituation, number>();
  readonly #known = new Map<Uid, Known>();

  observe(event: TraceEvent): void {
    const server = this.#of(event.server);
    switch (event.event) {
      case 'apply':
        this.#reached('a command applied');
        if (/^there is no|^it is some/.test(event.answer)) this.#reached('a command that failed');
        return;
      case 'advance':
        server.instanceNumber = event.instanceNumber;
        return;
      case 'snapshot':
        return this.#snapshot(event, server);
      case 'receive':
        if (event.message.type === 'request') server.askedIn = event.turn;
        if (event.message.type !== 'links') return;
        this.#reached('links for a laggard');
        if (server.hasJumped) this.#reached('links after a snapshot');
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
        return this.#reached('a snapshot for a laggard');
      case 'restored':
        server.isReading = server.hasJumped = false;
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
      askedIn: -1,
    };
    this.#known.set(uid, known);
    return known;
  }
}
