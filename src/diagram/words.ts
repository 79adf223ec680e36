/**
 * What a diagram says beside a turn: a few short phrases, or nothing. Arrows and stripes show the
 * rest.
 */
import type { ProposalId, Uid } from '../composable-paxos.ts';
import { NOT_BELIEVED, type Promised } from '../messages.ts';
import type { TraceEvent } from '../trace/events.ts';
import { formatId, type Words } from '../trace/words.ts';
import type { Turn } from './turns.ts';

/** The number of the instance in a square in the hue of a proposal, a star, or a tick. */
export type Icon = { readonly accepted: number; readonly owner: Uid } | 'star' | 'tick';

/** `strong`: something is reached. `alarm`: a server is gone. `quiet`: good to know, no more. */
export type PhraseMood = 'plain' | 'strong' | 'trouble' | 'alarm' | 'quiet';

export interface Phrase {
  readonly icon: Icon | null;
  readonly words: Words;
  readonly mood: PhraseMood;
}

type Event<Name extends TraceEvent['event']> = Extract<TraceEvent, { event: Name }>;

/** Says what turns are about, in order: what was said before decides what is news. */
export class Narrator {
  readonly #started: Set<Uid>;
  readonly #chosen = new Set<number>();
  readonly #chosenUpTo: number;

  /** Who has started, and up to where it has been told what is chosen, before the first turn. */
  constructor(started: Iterable<Uid> = [], chosenUpTo = 0) {
    this.#started = new Set(started);
    this.#chosenUpTo = chosenUpTo;
  }

  /** `isMaster`: whether its server believes itself master after it; null: nobody knows. */
  tell(turn: Turn, isMaster: boolean | null = null): readonly Phrase[] {
    if (turn.events.length === 0) {
      return [alarm({ before: 'KILLED by now, without a last word' })];
    }
    const phrases: Phrase[] = [];
    for (const event of turn.events) {
      const phrase = this.#say(event, turn.events);
      if (phrase !== null) phrases.push(asBelieved(phrase, event, isMaster));
    }
    return phrases;
  }

  #say(event: TraceEvent, turn: readonly TraceEvent[]): Phrase | null {
    switch (event.event) {
      case 'start':
        return this.#sayStart(event);
      case 'chosen':
        return this.#sayChosen(event);
      case 'promise':
        return sayPromise(event, turn);
      case 'refuse':
        return sayRefuse(event);
      case 'accept':
        return sayAccept(event);
      case 'send':
        return saySend(event, turn);
      case 'update':
        return sayUpdate(event, turn);
      default:
        return sayOther(event, turn);
    }
  }

  #sayStart({ server, restored, state }: Event<'start'>): Phrase {
    const isAgain = this.#started.has(server);
    this.#started.add(server);
    if (!restored) return plain({ before: isAgain ? 'RESTART: its disk is empty' : 'starts' });
    const { instanceNumber, promisedId, acceptedId } = state;
    const what = isAgain ? 'RESTART from disk' : 'starts from disk';
    const promised = promisedId === null ? '' : `, promised ${formatId(promisedId)}`;
    const accepted = acceptedId === null ? '' : `, accepted ${formatId(acceptedId)}`;
    const words = { before: `${what}: at #${instanceNumber}${promised}${accepted}` };
    return { icon: null, words, mood: isAgain ? 'strong' : 'plain' };
  }

  /** Who finds out first gets the star; the others learn it. */
  #sayChosen({ instanceNumber, value }: Event<'chosen'>): Phrase {
    if (instanceNumber <= this.#chosenUpTo || this.#chosen.has(instanceNumber)) {
      return {
        icon: 'tick',
        words: { before: `learns #${instanceNumber} `, value },
        mood: 'plain',
      };
    }
    this.#chosen.add(instanceNumber);
    return { icon: 'star', words: { before: `#${instanceNumber} CHOSEN `, value }, mood: 'strong' };
  }
}

/** A broken server may go on as master when its lease is over, and is not told to be none. */
function asBelieved(phrase: Phrase, event: TraceEvent, isMaster: boolean | null): Phrase {
  if (event.event !== 'lease' || event.what !== 'over' || isMaster !== true) return phrase;
  return alarm({ before: 'lease over, and it goes on as MASTER' });
}

function plain(words: Words): Phrase {
  return { icon: null, words, mood: 'plain' };
}

function quiet(words: Words): Phrase {
  return { icon: null, words, mood: 'quiet' };
}

function alarm(words: Words): Phrase {
  return { icon: null, words, mood: 'alarm' };
}

/** `2.A in #1` */
function about(event: { readonly proposalId: ProposalId; readonly instanceNumber: number }) {
  return `${formatId(event.proposalId)} in #${event.instanceNumber}`;
}

/** Its own promise is the beginning of a round. */
function sayPromise(event: Event<'promise'>, turn: readonly TraceEvent[]): Phrase {
  if (event.to === event.server) return plain({ before: `prepares ${about(event)}` });
  const answer = turn.find(isPromise)?.message as Promised | undefined;
  const { lastAcceptedId = null, lastAcceptedValue = null } = answer ?? {};
  const before = `promises ${about(event)}`;
  if (lastAcceptedId === null || lastAcceptedValue === null) return plain({ before });
  return plain({ before: `${before}, has ${formatId(lastAcceptedId)} `, value: lastAcceptedValue });
}

function isPromise(event: TraceEvent): event is Event<'send'> {
  return event.event === 'send' && event.message.type === 'promise';
}

function sayRefuse(event: Event<'refuse'>): Phrase {
  const { to, server, promisedId } = event;
  const promised = formatId(promisedId);
  if (to === server) return plain({ before: `has promised ${promised}: no ${about(event)}` });
  return plain({ before: `refuses ${about(event)}, promised ${promised}` });
}

/** Its own proposal it has announced already, with the square beside it. */
function sayAccept({ server, from, instanceNumber, proposalId, value }: Event<'accept'>) {
  if (from === server) return null;
  const icon = { accepted: instanceNumber, owner: proposalId.uid };
  return { icon, words: { before: `accepts #${instanceNumber} `, value }, mood: 'plain' } as const;
}

/** A question that is only put again has been explained by its timer. */
function saySend({ server, message }: Event<'send'>, turn: readonly TraceEvent[]): Phrase | null {
  if (message.type !== 'accept') return null;
  const { instanceNumber, proposalId, proposalValue: value } = message;
  const ofThis = (it: TraceEvent) =>
    'instanceNumber' in it && it.instanceNumber === instanceNumber && it.server === server;
  const accepts = turn.some((it) => it.event === 'accept' && it.from === server && ofThis(it));
  const leads = turn.some((it) => it.event === 'lead' && ofThis(it));
  if (!accepts && !leads) return null;
  const icon = accepts ? { accepted: instanceNumber, owner: proposalId.uid } : null;
  return { icon, words: { before: `proposes #${instanceNumber} `, value }, mood: 'plain' };
}

function sayUpdate(event: Event<'update'>, turn: readonly TraceEvent[]): Phrase | null {
  const { what, value, waiting, why } = event;
  switch (what) {
    case 'queued': {
      const isPursued = turn.some(({ event: name }) => name === 'promise' || name === 'lead');
      if (isPursued) return null;
      const place = waiting > 1 ? `, number ${waiting} in line` : '';
      return quiet({ before: 'keeps ', value, after: ` waiting${place}` });
    }
    case 'refused':
      return { icon: null, words: { before: `no, ${why}: `, value }, mood: 'trouble' };
    case 'dropped':
      return quiet({ before: 'lets go of ', value, after: `: ${why}` });
    case 'lost':
      return { icon: null, words: { before: 'LOSES ', value, after: `: ${why}` }, mood: 'trouble' };
    default:
      return null;
  }
}

function sayOther(event: TraceEvent, turn: readonly TraceEvent[]): Phrase | null {
  switch (event.event) {
    case 'lead':
      return sayLead(event);
    case 'rest':
      return quiet({ before: `nothing to propose in #${event.instanceNumber}` });
    case 'advance':
      return sayAdvance(event);
    case 'refused':
      return event.from === event.server ? null : plain({ before: stepsDown(turn) });
    case 'backoff':
      return turn.some((it) => it.event === 'refused' && it.from !== it.server)
        ? null
        : plain({ before: `backs off ${formatWait(event.delayMs)}` });
    case 'ignore':
      if (event.why.startsWith(NOT_BELIEVED)) return alarm({ before: event.why });
      return isRefusal(event) ? quiet({ before: `no answer: ${event.why}` }) : null;
    case 'timer':
      return sayTimer(event, turn);
    case 'lease':
      return sayLease(event);
    case 'rejoin':
      return sayRejoin(event);
    case 'snapshot':
      return saySnapshot(event);
    case 'crash':
      return alarm({ before: `CRASH${whereOf(event)}: ${whatIsLost(event)}` });
    case 'fail':
      return alarm({ before: `FAILS: ${event.why}` });
    case 'stop':
      return plain({ before: 'stops in good order' });
    case 'reply':
      return sayReply(event, turn);
    case 'differs':
      return alarm({ before: `has another state than ${event.from}: one is wrong` });
    case 'address':
      return plain({ before: event.why });
    case 'reject':
      return { icon: null, words: { before: `rejects: ${event.why}` }, mood: 'trouble' };
    default:
      return null;
  }
}

function sayReply({ message }: Event<'reply'>, turn: readonly TraceEvent[]): Phrase | null {
  switch (message.type) {
    case 'chosen':
      return quiet({ before: `answers: chosen in #${message.instanceNumber}` });
    case 'value': {
      const after = message.isCurrent ? '' : ', may be old';
      const { value } = message;
      if (value === null) return quiet({ before: `answers: no value yet${after}` });
      return quiet({ before: 'answers ', value, after });
    }
    case 'answered':
      return quiet({ before: 'answers ', value: message.answer });
    case 'found': {
      const after = message.isCurrent ? '' : ', may be old';
      if (message.found === null) return quiet({ before: `answers: not there${after}` });
      return quiet({ before: 'answers ', value: message.found, after });
    }
    case 'reached':
      return quiet({ before: `answers: the chain is at #${message.instanceNumber}` });
    case 'refused':
      if (turn.some(({ event }) => event === 'update')) return null; // it has been said
      return { icon: null, words: { before: `no, ${message.why}` }, mood: 'trouble' };
    default:
      return null;
  }
}

/** A question that is put again is not a new one: neither promised nor accepted in this turn. */
function sayTimer({ why }: Event<'timer'>, turn: readonly TraceEvent[]): Phrase {
  const asked = turn.find(isSend)?.message.type;
  const isNew = turn.some(({ event }) => event === 'promise' || event === 'accept');
  return quiet({ before: asked === undefined || isNew ? why : `no quorum yet: ${asked} again` });
}

function isSend(event: TraceEvent): event is Event<'send'> {
  return event.event === 'send';
}

/** By its lease it need not ask first, and there is nothing to say but what it proposes. */
function sayLead({ proposalId, count, servers, bound }: Event<'lead'>): Phrase | null {
  if (count === 0) return null;
  const before = `${count} of ${servers}: LEADS ${formatId(proposalId)}`;
  const after = bound === null ? '' : ', must finish';
  return { icon: null, words: { before: before + after }, mood: 'strong' };
}

/** Moving on by a link has been said when it was chosen. */
function sayAdvance({ instanceNumber, chain }: Event<'advance'>): Phrase | null {
  if (chain === null) return null;
  const { currentValue: value } = chain;
  const words = { before: `jumps to #${instanceNumber}`, ...(value === null ? {} : { value }) };
  if (value !== null) words.before += ': ';
  return { icon: 'tick', words, mood: 'plain' };
}

function stepsDown(turn: readonly TraceEvent[]): string {
  const backoff = turn.find((it) => it.event === 'backoff');
  const wait = backoff === undefined ? '' : `, backs off ${formatWait(backoff.delayMs)}`;
  return `steps down${wait}`;
}

function formatWait(ms: number): string {
  return `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
}

function sayLease(event: Event<'lease'>): Phrase | null {
  const { server, what, holder, lastsMs } = event;
  const isMine = holder === server;
  switch (what) {
    case 'wanted':
      if (isMine) return plain({ before: 'asks for its lease again' });
      return plain({
        before: holder === null ? 'no master: stands' : `lease of ${holder} over: stands`,
      });
    case 'handing back':
      return plain({ before: 'hands its lease back' });
    case 'ours': {
      const words = { before: `MASTER for ${(lastsMs / 1_000).toFixed(1)} s` };
      return { icon: null, words, mood: 'strong' };
    }
    case 'unknown':
      return quiet({ before: isMine ? 'its lease may be over' : `${holder} may be master: waits` });
    case 'over':
      if (isMine)
        return { icon: null, words: { before: 'lease over: MASTER NO MORE' }, mood: 'strong' };
      return quiet({ before: 'no master any more' });
    default:
      return null;
  }
}

function sayRejoin({ what, votesFrom, answers, quorum }: Event<'rejoin'>): Phrase {
  switch (what) {
    case 'asking':
      return { icon: null, words: { before: 'LOST ITS VOTES: asks the others' }, mood: 'trouble' };
    case 'counting':
      return quiet({ before: `${answers} of ${quorum} others have told it` });
    case 'waiting':
      return plain({ before: `will vote from #${votesFrom} on` });
    case 'voting':
      return { icon: null, words: { before: 'has a VOTE again' }, mood: 'strong' };
  }
}

function saySnapshot({ what, instanceNumber, from }: Event<'snapshot'>): Phrase | null {
  switch (what) {
    case 'taken':
      return plain({ before: `takes a snapshot before #${instanceNumber}` });
    case 'reading':
      return plain({ before: `reads the snapshot of ${from}` });
    default:
      return null; // it starts, or jumps, and that is said
  }
}

/** Heard in time, and not answered for a reason; all other reasons are that it came too late. */
export function isRefusal({ why }: Event<'ignore'>): boolean {
  return why.includes('lease') || why.includes('votes');
}

function whatIsLost({ lost }: Event<'crash'>): string {
  switch (lost) {
    case 'save':
      return 'memory lost, and the latest save';
    case 'file':
      return 'memory lost, and the file is empty';
    case 'disk':
      return 'memory and disk lost';
    default:
      return 'memory lost, disk kept';
  }
}

function whereOf({ where }: Event<'crash'>): string {
  return where === 'now' ? '' : ` at ${where}`;
}
