/**
 * Situations: what a run has been through, by name and number. A simulation that finds nothing
 * wrong says little unless one knows that it has been where things go wrong.
 */
import {
  askerOf,
  type ChainState,
  EMPTY_CHAIN,
  isUpdate,
  type Link,
  type LinkId,
  type RequestId,
  singlesOf,
} from '../chain.ts';
import { type ProposalId, quorumOf, type Uid } from '../composable-paxos.ts';
import type { TraceEvent } from '../trace/events.ts';
import { chainAfter, effectsOf } from '../trace/fold.ts';
import type { Operation } from '../trace/linearizability.ts';
import { FIRED } from './clients.ts';
import { CRASH_POINTS } from './machine.ts';

/** Situations that any run may get into. */
export const SITUATIONS = [
  'a value chosen',
  'a value chosen at the first attempt',
  'a duel of two',
  'a duel of three',
  'a nack to a prepare',
  'a nack at quorum',
  'a nack to the reserved number',
  'a stale nack',
  'a backoff',
  'a backoff of more than 100 ms',
  'a question asked again',
  'a silence that somebody ends',
  'a value finished by another server',
  'a value of our own found again',
  'two values accepted in one instance',
  'a chosen value that nobody has learned',
  'nothing to propose at quorum',
  'a catch-up',
  'a catch-up over ten links and more',
  'a datagram from an earlier run of its sender',
  'a restart',
  'a restart with a promise only',
  'a restart with an open accepted value',
  'no quorum running',
  'nobody running',
  'a failed save',
  'a lost disk',
  'a lost disk lost again',
  'a vote that has come back',
  ...CRASH_POINTS.map((point) => `a crash: ${point}` as const),
  'a clean stop',
  'a restart with other layers',
  'a value lost by a stop',
  'five values waiting at once',
  'a datagram lost',
  'a request answered',
  'a request let go of, chosen by way of another server',
  'a request let go of, of which nobody knows any more',
  'a request let go of, for which nobody asks any more',
  'a request found in the chain when asked again',
  'a request of unknown outcome that took effect',
  'a request of unknown outcome without effect',
  'a read through the chain',
  'reads that share a link',
  'a read of what may be old',
] as const;

/** Situations that need master leases. */
export const LEASE_SITUATIONS = [
  'a master',
  'a lease renewed',
  'another master than before',
  'a master that is one again after a restart',
  'a lease handed back',
  'a lease handed over',
  'a lease that runs out at its holder',
  'a master that learns of another',
  'a master that sleeps beyond its lease',
  'a lease of unknown age',
  'a promise withheld because of a lease',
  'a value refused by a server that is not master',
  'an update in one round trip',
  'a reserved number that did not win',
  'a client sent on to the master',
  'a read from memory',
  'an answer after a change of master',
] as const;

export type Situation = (typeof SITUATIONS)[number] | (typeof LEASE_SITUATIONS)[number];

/** What is remembered of an instance while it is young. */
interface Young {
  readonly preparers: Set<Uid>;
  /** By proposal: who has accepted it. */
  readonly accepters: Map<string, Set<Uid>>;
  readonly values: Set<LinkId>;
  isLearned: boolean;
  isChosen: boolean;
}

/** What is remembered of a server. */
interface Known {
  isRunning: boolean;
  hasRun: boolean;
  hasLeases: boolean;
  seq: number;
  seqAtStart: number;
  leads: ProposalId | null;
  lastEventAt: number;
  reignsUntil: number;
  instanceNumber: number;
  /** In which of its turns a client asked it for something. */
  askedIn: number;
  /** In which of its turns it last answered a read that went through the chain. */
  answeredReadIn: number;
}

export class Situations {
  readonly counts = new Map<Situation, number>();
  readonly #quorum: number;
  readonly #known: Map<Uid, Known>;
  readonly #young = new Map<number, Young>();
  /** The chain before each instance that somebody has come to. */
  readonly #chains = new Map<number, ChainState>();
  #lastMaster: Uid | null = null;
  readonly #withoutVote = new Set<Uid>();
  /** Who was master when a request was first heard of. */
  readonly #firstMasters = new Map<RequestId, Uid | null>();
  /** The values of requests that took effect. */
  readonly #effects = new Set<string>();

  constructor(uids: readonly Uid[]) {
    this.#quorum = quorumOf(uids.length);
    const stranger = (): Known => ({
      isRunning: false,
      hasRun: false,
      hasLeases: false,
      seq: 0,
      seqAtStart: 0,
      leads: null,
      lastEventAt: 0,
      reignsUntil: 0,
      instanceNumber: 1,
      askedIn: 0,
      answeredReadIn: 0,
    });
    this.#known = new Map(uids.map((uid) => [uid, stranger()]));
  }

  count(situation: Situation): number {
    return this.counts.get(situation) ?? 0;
  }

  /** The run is over: what clients know of it is not in the trace. */
  end(history: readonly Operation[]): void {
    for (const { client, op, outcome, value } of history) {
      if (op !== 'write' || outcome !== 'unknown' || value === null) continue;
      if (client === FIRED) continue;
      if (this.#effects.has(value)) this.#reached('a request of unknown outcome that took effect');
      else this.#reached('a request of unknown outcome without effect');
    }
  }

  observe(event: TraceEvent): void {
    const server = this.#known.get(event.server) as Known;
    this.#noticeSleep(event, server);
    server.lastEventAt = event.at;
    switch (event.event) {
      case 'send':
        return this.#send(event, server);
      case 'receive':
        return this.#receive(event, server);
      case 'reply':
        return this.#reply(event, server);
      case 'accept':
        return this.#accept(event);
      case 'lead':
        return this.#lead(event, server);
      case 'refused':
        return this.#refused(event, server);
      case 'chosen':
        return this.#chosen(event);
      case 'advance':
        return this.#advance(event, server);
      case 'start':
        return this.#start(event, server);
      case 'stop':
      case 'crash':
      case 'fail':
        return this.#end(event, server);
      case 'lease':
        return this.#lease(event, server);
      case 'rejoin':
        return this.#rejoin(event);
      default:
        return this.#others(event);
    }
  }

  #others(event: TraceEvent): void {
    switch (event.event) {
      case 'lost':
        return this.#reached('a datagram lost');
      case 'rest':
        return this.#reached('nothing to propose at quorum');
      case 'backoff':
        this.#reached('a backoff');
        if (event.delayMs > 100) this.#reached('a backoff of more than 100 ms');
        return;
      case 'timer':
        if (event.why.includes('again')) this.#reached('a question asked again');
        if (event.why.includes('silence')) this.#reached('a silence that somebody ends');
        return;
      case 'ignore':
        if (event.why.includes('lease')) this.#reached('a promise withheld because of a lease');
        return;
      case 'update':
        if (event.what === 'lost') this.#reached('a value lost by a stop');
        if (event.what === 'dropped') this.#letGo(event);
        if (event.what === 'queued' && event.waiting >= 5) {
          this.#reached('five values waiting at once');
        }
        if (event.what === 'refused' && event.why.includes('master')) {
          this.#reached('a value refused by a server that is not master');
        }
    }
  }

  #reached(situation: Situation): void {
    this.counts.set(situation, this.count(situation) + 1);
  }

  #instance(instanceNumber: number): Young {
    const known = this.#young.get(instanceNumber);
    if (known !== undefined) return known;
    const young: Young = {
      preparers: new Set(),
      accepters: new Map(),
      values: new Set(),
      isLearned: false,
      isChosen: false,
    };
    this.#young.set(instanceNumber, young);
    return young;
  }

  #send(event: TraceEvent & { event: 'send' }, server: Known): void {
    server.seq = event.seq;
    const { message } = event;
    if (message.type !== 'prepare') return;
    const { preparers } = this.#instance(message.instanceNumber);
    if (preparers.has(event.server)) return;
    preparers.add(event.server);
    if (preparers.size === 2) this.#reached('a duel of two');
    if (preparers.size === 3) this.#reached('a duel of three');
  }

  #receive(event: TraceEvent & { event: 'receive' }, server: Known): void {
    if (event.from === null) return this.#receiveFromClient(event, server);
    const sender = this.#known.get(event.from) as Known;
    if (event.seq <= sender.seqAtStart) {
      this.#reached('a datagram from an earlier run of its sender');
    }
    const { message } = event;
    if (message.type !== 'nack') return;
    const { leads } = this.#known.get(event.server) as Known;
    if (leads !== null && leads.number !== message.proposalId.number) this.#reached('a stale nack');
  }

  #receiveFromClient({ turn, message }: TraceEvent & { event: 'receive' }, server: Known): void {
    server.askedIn = turn;
    if (message.type !== 'request' || this.#firstMasters.has(message.requestId)) return;
    this.#firstMasters.set(message.requestId, this.#lastMaster);
  }

  #reply({ turn, message }: TraceEvent & { event: 'reply' }, server: Known): void {
    const isAtOnce = turn === server.askedIn;
    switch (message.type) {
      case 'chosen':
      case 'answered': {
        this.#reached('a request answered');
        if (isAtOnce) this.#reached('a request found in the chain when asked again');
        const first = this.#firstMasters.get(message.requestId) ?? this.#lastMaster;
        if (first !== this.#lastMaster) this.#reached('an answer after a change of master');
        return;
      }
      case 'value':
      case 'found':
        if (!message.isCurrent) return this.#reached('a read of what may be old');
        if (isAtOnce) return this.#reached('a read from memory');
        this.#reached('a read through the chain');
        if (turn === server.answeredReadIn) this.#reached('reads that share a link');
        server.answeredReadIn = turn;
        return;
      case 'refused':
        if (message.master !== null) this.#reached('a client sent on to the master');
        if (message.why.includes('handed back')) this.#reached('a lease handed over');
    }
  }

  #accept(event: TraceEvent & { event: 'accept' }): void {
    const { proposalId, value } = event;
    const instance = this.#instance(event.instanceNumber);
    const id = `${proposalId.number}${proposalId.uid}`;
    const accepters = instance.accepters.get(id) ?? new Set();
    instance.accepters.set(id, accepters.add(event.server));
    if (!instance.values.has(value.id) && instance.values.size === 1) {
      this.#reached('two values accepted in one instance');
    }
    instance.values.add(value.id);
    if (accepters.size >= this.#quorum) instance.isChosen = true;
  }

  #lead(event: TraceEvent & { event: 'lead' }, server: Known): void {
    server.leads = event.proposalId;
    const { bound } = event;
    if (bound === null) return;
    const isOurs = askerOf(bound) === event.server;
    this.#reached(isOurs ? 'a value of our own found again' : 'a value finished by another server');
    const { isChosen, isLearned } = this.#instance(event.instanceNumber);
    if (isChosen && !isLearned) this.#reached('a chosen value that nobody has learned');
  }

  #refused(event: TraceEvent & { event: 'refused' }, server: Known): void {
    const { leads } = server;
    const { number, uid } = event.proposalId;
    const didLead = leads !== null && leads.number === number && leads.uid === uid;
    this.#reached(didLead ? 'a nack at quorum' : 'a nack to a prepare');
    if (number === 1) this.#reached('a nack to the reserved number');
  }

  #chosen(event: TraceEvent & { event: 'chosen' }): void {
    const instance = this.#instance(event.instanceNumber);
    if (instance.isLearned) return;
    instance.isLearned = true;
    const { number } = event.proposalId;
    this.#reached('a value chosen');
    if (number === 2) this.#reached('a value chosen at the first attempt');
    if (number === 1 && singlesOf(event.value).some(isUpdate))
      this.#reached('an update in one round trip');
    const usedReserved = [...instance.accepters.keys()].some((id) => /^1[A-Z]/.test(id));
    if (number > 1 && usedReserved) this.#reached('a reserved number that did not win');
  }

  #advance(event: TraceEvent & { event: 'advance' }, server: Known): void {
    const links = event.instanceNumber - server.instanceNumber;
    server.instanceNumber = event.instanceNumber;
    server.leads = null;
    const before = this.#chains.get(event.instanceNumber - links) ?? EMPTY_CHAIN;
    const chain = this.#chains.get(event.instanceNumber) ?? chainAfter(before, event);
    this.#chains.set(event.instanceNumber, chain);
    if (event.link !== null) return this.#applied(event.link, event.instanceNumber - 1, before);
    this.#reached('a catch-up');
    if (links >= 10) this.#reached('a catch-up over ten links and more');
  }

  #applied(link: Link, instanceNumber: number, before: ChainState): void {
    const effects = effectsOf(link, instanceNumber, before);
    for (const one of effects) if ('request' in one) this.#effects.add(one.update);
  }

  #letGo({ why }: TraceEvent & { event: 'update' }): void {
    if (why.includes('instance')) {
      this.#reached('a request let go of, chosen by way of another server');
    }
    if (why.includes('nobody knows')) {
      this.#reached('a request let go of, of which nobody knows any more');
    }
    if (why.includes('for long')) {
      this.#reached('a request let go of, for which nobody asks any more');
    }
  }

  #start(event: TraceEvent & { event: 'start' }, server: Known): void {
    server.isRunning = true;
    server.instanceNumber = event.state.instanceNumber;
    server.seqAtStart = server.seq;
    const hadLeases = server.hasLeases;
    server.hasLeases = event.layers.includes('MasterLeases');
    if (!server.hasRun) {
      server.hasRun = true;
      return;
    }
    this.#reached('a restart');
    if (server.hasLeases !== hadLeases) this.#reached('a restart with other layers');
    const { promisedId, acceptedId } = event.state;
    if (acceptedId !== null) this.#reached('a restart with an open accepted value');
    else if (promisedId !== null) this.#reached('a restart with a promise only');
  }

  #end(event: TraceEvent, server: Known): void {
    server.isRunning = false;
    server.leads = null;
    server.reignsUntil = 0;
    if (event.event === 'stop') this.#reached('a clean stop');
    if (event.event === 'fail') this.#reached('a failed save');
    if (event.event === 'crash') this.#crash(event);
    const running = [...this.#known.values()].filter(({ isRunning }) => isRunning).length;
    if (running === this.#quorum - 1) this.#reached('no quorum running');
    if (running === 0) this.#reached('nobody running');
  }

  #crash({ where, lost, server }: TraceEvent & { event: 'crash' }): void {
    this.#reached(`a crash: ${where}` as Situation);
    if (lost !== 'disk') return;
    this.#reached('a lost disk');
    if (this.#withoutVote.has(server)) this.#reached('a lost disk lost again');
    this.#withoutVote.add(server);
  }

  #rejoin({ what, server }: TraceEvent & { event: 'rejoin' }): void {
    if (what !== 'voting') return;
    this.#withoutVote.delete(server);
    this.#reached('a vote that has come back');
  }

  #lease(event: TraceEvent & { event: 'lease' }, server: Known): void {
    const { what, holder } = event;
    const didReign = server.reignsUntil > 0;
    if (what === 'ours') {
      this.#reached(didReign ? 'a lease renewed' : 'a master');
      if (this.#lastMaster !== null && this.#lastMaster !== event.server) {
        this.#reached('another master than before');
      }
      if (this.#lastMaster === event.server && !didReign) {
        this.#reached('a master that is one again after a restart');
      }
      this.#lastMaster = event.server;
      server.reignsUntil = event.at + event.lastsMs;
      return;
    }
    if (what === 'wanted' || what === 'handing back') return;
    if (what === 'unknown') this.#reached('a lease of unknown age');
    if (what === 'over' && holder === null) this.#reached('a lease handed back');
    if (what === 'over' && holder === event.server) {
      this.#reached('a lease that runs out at its holder');
    }
    if (didReign && holder !== event.server) this.#reached('a master that learns of another');
    if (holder !== event.server) server.reignsUntil = 0;
  }

  #noticeSleep(event: TraceEvent, server: Known): void {
    const { reignsUntil, lastEventAt } = server;
    if (reignsUntil === 0 || event.at <= reignsUntil || lastEventAt > reignsUntil) return;
    // A master that is awake says something several times a second, or at its lease's end.
    if (event.at - lastEventAt > 6_000) this.#reached('a master that sleeps beyond its lease');
    if (event.at > reignsUntil + 500) server.reignsUntil = 0;
  }
}
