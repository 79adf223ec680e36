/**
 * Trace events as turns and datagrams, the raw material of a diagram: who did something, in which
 * order, and which datagram came from where. Positions are places in the order of the events.
 */
import type { Uid } from '../composable-paxos.ts';
import type { Message } from '../messages.ts';
import type { TraceEvent } from '../trace/events.ts';

/** What one datagram, one timer or one call from outside caused at one server. */
export interface Turn {
  /** Its place among all turns: whole numbers, but for the deaths put in between. */
  readonly position: number;
  /** Milliseconds. */
  readonly at: number;
  readonly server: Uid;
  /** None if this is a death: a server that was killed cannot tell. */
  readonly events: readonly TraceEvent[];
}

/** One datagram on its way to one server, or one copy of it. */
export interface Datagram {
  readonly message: Message;
  /** Null: a client, or the sending is not in the trace. */
  readonly from: Uid | null;
  readonly to: Uid;
  readonly sent: Turn | null;
  /** The turn that it caused; for a lost one, the last turn before it got lost. */
  readonly ended: Turn;
  readonly end: 'arrived' | 'lost' | 'unknown';
}

export interface Turns {
  /** In order. */
  readonly turns: readonly Turn[];
  readonly datagrams: readonly Datagram[];
  turnOf(event: TraceEvent): Turn | undefined;
}

/** Groups the events of a run, which come in the order in which they happened. */
export function turnsOf(events: readonly TraceEvent[]): Turns {
  const grouping = new Grouping();
  for (const event of events) grouping.add(event);
  return grouping.result();
}

type Event<Name extends TraceEvent['event']> = Extract<TraceEvent, { event: Name }>;

interface GrowingTurn extends Turn {
  readonly events: TraceEvent[];
}

/** A datagram to one server of which nothing has been heard yet, or which has arrived before. */
interface Sent {
  readonly event: Event<'send'>;
  readonly to: Uid;
  readonly turn: Turn;
  isSettled: boolean;
}

/** One life of a server, from one start to the next. */
interface Life {
  readonly number: number;
  lastTurn: Turn | null;
  hasEnded: boolean;
}

class Grouping {
  readonly #turns: GrowingTurn[] = [];
  readonly #turnsByName = new Map<string, GrowingTurn>();
  readonly #turnOfEvent = new Map<TraceEvent, Turn>();
  readonly #lives = new Map<Uid, Life>();
  readonly #sent: Sent[] = [];
  readonly #sentByName = new Map<string, Sent>();
  readonly #datagrams: Datagram[] = [];
  readonly #downtimes: { readonly uid: Uid; readonly from: number; to: number }[] = [];
  /** Starts of servers whose life before had no end: they were killed in between. */
  readonly #unexplained: { readonly uid: Uid; readonly last: Turn | null; readonly start: Turn }[] =
    [];

  add(event: TraceEvent): void {
    if (event.event === 'lost') return this.#lose(event);
    const before = this.#lives.get(event.server);
    if (event.event === 'start') this.#beginLife(event);
    const turn = this.#turnOf(event);
    turn.events.push(event);
    this.#turnOfEvent.set(event, turn);
    const life = this.#life(event.server);
    life.lastTurn = turn;
    if (event.event === 'send') return this.#send(event, turn);
    if (event.event === 'receive') return this.#receive(event, turn);
    if (event.event === 'start') this.#checkEnd(event, before, turn);
    if (!['stop', 'crash', 'fail'].includes(event.event)) return;
    life.hasEnded = true;
    this.#downtimes.push({ uid: event.server, from: turn.position, to: Number.POSITIVE_INFINITY });
  }

  result(): Turns {
    const deaths = this.#unexplained.map(({ uid, last, start }) => this.#death(uid, last, start));
    const turns = [...this.#turns, ...deaths].sort((a, b) => a.position - b.position);
    for (const { event, to, turn, isSettled } of this.#sent) {
      if (isSettled) continue;
      const end = this.#isDown(to, turn) ? 'lost' : 'unknown';
      const { server: from, message } = event;
      this.#datagrams.push({ message, from, to, sent: turn, ended: turn, end });
    }
    return {
      turns,
      datagrams: this.#datagrams,
      turnOf: (event) => this.#turnOfEvent.get(event),
    };
  }

  #life(uid: Uid): Life {
    let life = this.#lives.get(uid);
    if (life === undefined) {
      life = { number: 0, lastTurn: null, hasEnded: true };
      this.#lives.set(uid, life);
    }
    return life;
  }

  #beginLife({ server }: TraceEvent): void {
    const { number } = this.#life(server);
    this.#lives.set(server, { number: number + 1, lastTurn: null, hasEnded: false });
  }

  #checkEnd({ server: uid }: TraceEvent, before: Life | undefined, start: Turn): void {
    const downtime = this.#downtimes.findLast((known) => known.uid === uid);
    if (downtime !== undefined) downtime.to = Math.min(downtime.to, start.position);
    if (before === undefined || before.hasEnded) return;
    this.#unexplained.push({ uid, last: before.lastTurn, start });
  }

  #isDown(uid: Uid, { position }: Turn): boolean {
    return this.#downtimes.some((down) => {
      return down.uid === uid && down.from <= position && position < down.to;
    });
  }

  /** The numbers of turns begin anew with each life of a server. */
  #turnOf({ server, turn, at }: TraceEvent): GrowingTurn {
    const name = `${server} ${this.#life(server).number} ${turn}`;
    let found = this.#turnsByName.get(name);
    if (found === undefined) {
      found = { position: this.#turns.length, at, server, events: [] };
      this.#turns.push(found);
      this.#turnsByName.set(name, found);
    }
    return found;
  }

  #send(event: Event<'send'>, turn: Turn): void {
    for (const to of event.to) {
      const sent = { event, to, turn, isSettled: false };
      this.#sent.push(sent);
      // A number that was used before belongs to an earlier life: the latest is meant from here on.
      this.#sentByName.set(nameOf(event.server, event.seq, to), sent);
    }
  }

  #receive({ server: to, from, seq, message }: Event<'receive'>, turn: Turn): void {
    const sent = from === null ? undefined : this.#sentByName.get(nameOf(from, seq, to));
    const isSame = sent !== undefined && isSameMessage(sent.event.message, message);
    if (isSame) sent.isSettled = true;
    const origin = isSame ? sent.turn : null;
    this.#datagrams.push({ message, from, to, sent: origin, ended: turn, end: 'arrived' });
  }

  #lose(event: Event<'lost'>): void {
    const { server, seq } = event;
    const ended = this.#turns.at(-1);
    for (const to of event.to) {
      // A receiver may tell that it dropped one, but not by a number of its own.
      const sent = to === server ? undefined : this.#sentByName.get(nameOf(server, seq, to));
      if (sent === undefined || ended === undefined) continue;
      sent.isSettled = true;
      const { message } = sent.event;
      this.#datagrams.push({ message, from: server, to, sent: sent.turn, ended, end: 'lost' });
      this.#turnOfEvent.set(event, sent.turn);
    }
  }

  /** It died between its last sign of life and its next start: before it missed a datagram. */
  #death(server: Uid, last: Turn | null, start: Turn): Turn {
    const missed = this.#sent.find(
      ({ to, turn, isSettled }) =>
        to === server &&
        !isSettled &&
        turn.position > (last?.position ?? -1) &&
        turn.position < start.position,
    );
    const position = missed === undefined ? start.position - 0.5 : missed.turn.position + 0.5;
    this.#downtimes.push({ uid: server, from: Math.floor(position), to: start.position });
    return { position, at: missed?.turn.at ?? start.at, server, events: [] };
  }
}

function nameOf(sender: Uid, seq: number, receiver: Uid): string {
  return `${sender} ${seq} ${receiver}`;
}

/** The same number may be that of another datagram, of another life of the sender. */
function isSameMessage(a: Message, b: Message): boolean {
  return a.type === b.type && placeOf(a) === placeOf(b);
}

/** Which instance and which proposal a message is about. */
function placeOf(message: Message): string {
  const instanceNumber = 'instanceNumber' in message ? message.instanceNumber : 0;
  const id = 'proposalId' in message ? message.proposalId : null;
  return `${instanceNumber} ${id?.number} ${id?.uid}`;
}
