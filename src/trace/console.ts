/**
 * Terminal lines: one line an event, in fixed columns, at most 80 of them. Only what goes wrong may
 * take a few more lines, so that no word of it is cut off.
 *
 *     53:37.204 A ←B  promise  3.A  #3   2 of 3: I LEAD
 *     time      | |   verb     id   |    why
 *               server              instance
 *                 direction and peers: → to, ← from, · neither
 *
 * The same verb, id and instance stand on both ends of a message, so that lines can be matched
 * across terminals by eye.
 */
import type { Uid } from '../composable-paxos.ts';
import type { Message } from '../messages.ts';
import type { Stamp, TraceEvent } from './events.ts';
import { formatLine, formatLinesOfLayers, type Paint, type TimeStyle } from './line.ts';
import {
  type Occasion,
  type Saying,
  sayEvent,
  sayLost,
  sayMessage,
  sayReply,
  saySent,
} from './words.ts';

export { type Paint, plainPaint, type TimeStyle } from './line.ts';

export interface ConsoleOptions {
  readonly uids: readonly Uid[];
  /** Shows saves and all sync chatter, too. */
  readonly verbose: boolean;
  readonly paint: Paint;
  /** Minutes and seconds, unless said otherwise. */
  readonly time?: TimeStyle;
  /** Takes one line, without its end, of what the server of this stamp says. */
  readonly write: (line: string, stamp: Stamp) => void;
}

/** So many of the latest datagrams are remembered, to say what was in one that is lost. */
const REMEMBERED_DATAGRAMS = 256;

/** Which decision of the same turn says what became of a message. */
const CONSEQUENCES: Readonly<Record<Message['type'], readonly TraceEvent['event'][]>> = {
  propose: ['update'],
  prepare: ['promise', 'refuse', 'ignore'],
  promise: ['count', 'lead', 'ignore'],
  nack: ['refused', 'ignore'],
  accept: ['accept', 'refuse', 'ignore'],
  accepted: ['count', 'chosen', 'ignore'],
  sync_request: ['ignore'],
  catchup: ['advance', 'ignore'],
  links: ['advance', 'ignore'],
  snapshot_request: ['ignore'],
  snapshot_chunk: ['snapshot', 'ignore'],
  rejoin_request: ['ignore'],
  rejoin_answer: ['rejoin', 'ignore'],
  level_request: ['ignore'],
  level: ['ignore'],
  extent_request: ['ignore'],
  extent: ['ignore'],
  request: ['update', 'ignore'],
  read: ['ignore'],
  query: ['ignore'],
  quorum_query: ['ignore'],
  reach: ['ignore'],
  status: ['ignore'],
  transfer: ['ignore'],
  members: ['ignore'],
  change: ['ignore'],
  chosen: [],
  value: [],
  answered: [],
  found: [],
  reached: [],
  refused: [],
  status_report: [],
  transferred: [],
  members_report: [],
  changed: [],
};

/** A line that waits for the decision which says why. */
interface Held {
  readonly stamp: Stamp;
  readonly direction: string;
  readonly saying: Saying;
  readonly prefix: string;
  readonly occasion: Occasion;
  readonly consequences: readonly TraceEvent['event'][];
}

/** Shows the events of one server, or of a whole cluster, as they happen. */
export class ConsoleLines {
  readonly #options: ConsoleOptions;
  readonly #sent = new Map<string, Message>();
  #held: Held | null = null;
  /** Lines that belong behind the held one. */
  #behindHeld: { readonly line: string; readonly stamp: Stamp }[] = [];
  #latest: Stamp | null = null;
  // What has been said in the present turn.
  #isBound = false;
  #isChosen = false;

  constructor(options: ConsoleOptions) {
    this.#options = options;
  }

  /** Shows an event: at once, or with the decision that explains it, or not at all. */
  show(event: TraceEvent): void {
    if (event.server !== this.#latest?.server || event.turn !== this.#latest.turn) this.endTurn();
    this.#latest = event;
    switch (event.event) {
      case 'receive':
        return this.#showReceive(event, event.message);
      case 'recall':
        return this.#showReceive(event, event.question, 'kept: ');
      case 'send':
        return this.#showSend(event);
      case 'reply':
        return this.#showReply(event);
      case 'lost':
        return this.#showLost(event);
      case 'save':
        return this.#showBehindHeld(event, '·', sayEvent(event, null));
      default:
        return this.#showDecision(event);
    }
  }

  /** The turn is over: nothing more will be said about what was shown last. */
  endTurn(): void {
    this.#flush();
    this.#isBound = false;
    this.#isChosen = false;
  }

  /** `prefix`: what to say before anything that is said of it. */
  #showReceive(
    event: Extract<TraceEvent, { event: 'receive' | 'recall' }>,
    message: Message,
    prefix = '',
  ): void {
    const { from } = event;
    this.#hold({
      prefix,
      stamp: event,
      direction: `←${from ?? 'cl'}`,
      saying: sayMessage(message),
      occasion: message,
      consequences: CONSEQUENCES[message.type] ?? [],
    });
  }

  #showSend(event: Extract<TraceEvent, { event: 'send' }>): void {
    const { to, message } = event;
    this.#remember(event);
    const direction = `→${to.join('')}`;
    const held = this.#held;
    if (message.type === 'accepted' && held?.occasion === 'own answer') {
      this.#held = { ...held, direction };
      return;
    }
    this.#flush();
    this.#write(event, direction, saySent(message, this.#isBound));
  }

  #showReply(event: Extract<TraceEvent, { event: 'reply' }>): void {
    this.#flush();
    this.#write(event, '→cl', sayReply(event.message));
  }

  #showLost(event: Extract<TraceEvent, { event: 'lost' }>): void {
    const { server, to, seq, why } = event;
    // Told by its receiver, the number is not one of `server`'s own.
    const message = to.includes(server) ? undefined : this.#sent.get(`${server} ${seq}`);
    const lost = sayLost(message, seq, why);
    this.#showBehindHeld(event, `✗${to.join('')}`, lost);
  }

  #showDecision(event: TraceEvent): void {
    const held = this.#held;
    const isExplained = held?.consequences.includes(event.event) ?? false;
    const said = sayEvent(event, isExplained && held !== null ? held.occasion : null);
    if (isExplained && held !== null && said !== null) {
      const { proposalId, instanceNumber, verb } = held.saying;
      const before = held.prefix + (said.words.before ?? '');
      const words = { ...said.words, before };
      this.#held = { ...held, saying: { ...said, words, verb, proposalId, instanceNumber } };
    }
    this.#flush();
    if (this.#holdsOwnAnswer(event)) return;
    if (!isExplained && said !== null) this.#showByItself(event, said);
    if (event.event === 'lead') this.#isBound = event.bound !== null;
    if (event.event === 'chosen') this.#isChosen = true;
    if (event.event !== 'start') return;
    const { time, write } = this.#options;
    for (const line of formatLinesOfLayers(event.layers, time)) write(line, event);
  }

  /** A server answers its own questions, too. How much that counts for comes right after. */
  #holdsOwnAnswer(event: TraceEvent): boolean {
    const isPromise = event.event === 'promise' && event.to === event.server;
    if (!isPromise && event.event !== 'accept') return false;

    const { proposalId, instanceNumber } = event;
    const verb = isPromise ? 'promise' : 'accepted';
    const words = { before: 'my own' };
    this.#hold({
      stamp: event,
      direction: '·',
      saying: { verb, proposalId, instanceNumber, words, mood: 'plain', isChatter: false },
      prefix: '',
      occasion: 'own answer',
      consequences: CONSEQUENCES[verb],
    });
    return true;
  }

  #showByItself(event: TraceEvent, said: Saying): void {
    // That a value is chosen says all that follows from it.
    const isFollowing =
      (event.event === 'update' && event.what === 'chosen') ||
      (event.event === 'lease' && event.what === 'theirs');
    const isChatter = said.isChatter || (isFollowing && this.#isChosen);
    this.#write(event, this.#directionOf(event), { ...said, isChatter });
  }

  #directionOf(event: TraceEvent): string {
    if (event.event === 'fail' || event.event === 'crash') return '✗';
    if (event.event === 'differs') return `←${event.from}`;
    if (event.event !== 'reject') return '·';
    return this.#options.uids.includes(event.from) ? `←${event.from}` : '←?';
  }

  #hold(held: Held): void {
    this.#flush();
    this.#held = held;
  }

  #flush(): void {
    const held = this.#held;
    this.#held = null;
    if (held !== null) this.#write(held.stamp, held.direction, held.saying);
    for (const { line, stamp } of this.#behindHeld.splice(0)) this.#options.write(line, stamp);
  }

  #showBehindHeld(stamp: Stamp, direction: string, said: Saying | null): void {
    if (said === null || !this.#isShown(said)) return;
    const lines = this.#lines(stamp, direction, said);
    this.#behindHeld.push(...lines.map((line) => ({ line, stamp })));
    if (this.#held === null) this.#flush();
  }

  #remember({ server, seq, message }: Extract<TraceEvent, { event: 'send' }>): void {
    this.#sent.set(`${server} ${seq}`, message);
    if (this.#sent.size <= REMEMBERED_DATAGRAMS) return;
    for (const oldest of this.#sent.keys()) {
      this.#sent.delete(oldest);
      return;
    }
  }

  #isShown(said: Saying): boolean {
    return this.#options.verbose || !said.isChatter;
  }

  #write(stamp: Stamp, direction: string, said: Saying): void {
    if (!this.#isShown(said)) return;
    for (const line of this.#lines(stamp, direction, said)) this.#options.write(line, stamp);
  }

  #lines(stamp: Stamp, direction: string, said: Saying): string[] {
    const { paint, uids, time = 'short' } = this.#options;
    const tagColumns = 2 + Math.max(...uids.map(({ length }) => length), 1);
    const directionColumns = Math.max(3, uids.join('').length);
    return formatLine(stamp, direction, said, { paint, time, tagColumns, directionColumns });
  }
}
