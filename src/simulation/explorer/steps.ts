/**
 * The steps of the explored world: what can happen to one server, and what comes of it. Every
 * memory and every message gets a small number; a step then is a few numbers, too, and is worked
 * out with the real classes only the first time that it is met.
 */
import { askerOf, type Link } from '../../chain.ts';
import {
  type AcceptedMessage,
  type AcceptorState,
  compareProposalIds,
  type Uid,
  UNTOUCHED,
} from '../../composable-paxos.ts';
import type { InstanceMessage } from '../../messages.ts';
import { Catalogue } from './catalogue.ts';
import {
  covers,
  type Effect,
  type ExploredServer,
  isDeafTo,
  type Memory,
  type Turn,
} from './server.ts';
import { effectText, idText, messageText, stateText } from './words.ts';

/** A rule that does not hold, by the number of its invariant. */
export interface Wrong {
  readonly invariant: number;
  readonly why: string;
}

/** What must not be missing in an exploration that deserves the name. */
export type Sight =
  | 'a nack'
  | 'a promise that names an accepted value'
  | 'a crash between save and send'
  | 'a value finished by another proposer';

/** A message that was sent once, and can arrive any number of times from then on. */
export interface Flight {
  readonly from: Uid;
  /** The servers that it can reach. None for an accepted: see `learner.ts`. */
  readonly to: readonly number[];
  readonly message: InstanceMessage;
  /** The one server that it can reach, if it is an answer. */
  readonly asker: number | null;
}

/** What one step leaves behind. */
export interface Outcome {
  /** The number of the server's memory. */
  readonly memory: number;
  /** The numbers of the flights that begin. */
  readonly sent: readonly number[];
  readonly isCrash: boolean;
  readonly sights: readonly Sight[];
  readonly wrongs: readonly Wrong[];
  /** What happens, and then what the server does about it. */
  readonly lines: readonly string[];
}

/** What can happen to a server, besides the arrival of a flight. */
export const START_ROUND = -1;
export const CRASH = -2;

export class ExploredSteps {
  readonly #servers: readonly ExploredServer[];
  readonly #memories: readonly Catalogue<Memory>[];
  readonly #flights = new Catalogue<Flight>();
  // By server, memory, and event or flight: both are filled as far as they were asked for.
  readonly #outcomes: Map<number, Outcome[]>[][];
  readonly #deaf: boolean[][][];

  constructor(servers: readonly ExploredServer[]) {
    this.#servers = servers;
    this.#memories = servers.map(() => new Catalogue<Memory>());
    this.#outcomes = servers.map(() => []);
    this.#deaf = servers.map(() => []);
  }

  /** The memories before anything has happened. */
  fresh(): number[] {
    return this.#servers.map((server, i) => this.#remember(i, server.fresh()));
  }

  flight(number: number): Flight {
    return this.#flights.item(number);
  }

  /** True if the flight can be forgotten: only one server could act on it, and it never will. */
  isIdle(flight: number, memories: readonly number[]): boolean {
    const { asker: server, message } = this.#flights.item(flight);
    if (server === null) return false;
    const memory = memories[server] as number;
    const ofServer = this.#deaf[server] as boolean[][];
    ofServer[memory] ??= [];
    const deaf = ofServer[memory];
    deaf[flight] ??= isDeafTo(this.#memory(server, memory), message);
    return deaf[flight];
  }

  /** All that may come of an event at this server: the whole turn, or a crash within it. */
  outcomes(server: number, memory: number, event: number): readonly Outcome[] {
    const ofServer = this.#outcomes[server] as Map<number, Outcome[]>[];
    ofServer[memory] ??= new Map();
    const known = ofServer[memory].get(event);
    if (known !== undefined) return known;
    const outcomes = this.#workOut(server, memory, event);
    ofServer[memory].set(event, outcomes);
    return outcomes;
  }

  #workOut(server: number, number: number, event: number): Outcome[] {
    const explored = this.#server(server);
    const { uid } = explored;
    const memory = this.#memory(server, number);
    if (event === CRASH) return this.#crash(server, number, memory, [], null, []);
    if (event === START_ROUND) {
      if (!explored.mayStartRound(memory)) return [];
      const turn = explored.startRound(memory);
      return this.#turn(server, number, turn, `${uid} starts a round`);
    }
    const { from, to, message } = this.flight(event);
    if (!to.includes(server)) return [];
    const turn = explored.receive(memory, from, message);
    return this.#turn(server, number, turn, `${uid} receives ${messageText(message)} from ${from}`);
  }

  /** The whole turn, and the turn cut short by a crash after each of its effects but the last. */
  #turn(server: number, number: number, { effects, after }: Turn, what: string): Outcome[] {
    const before = this.#memory(server, number);
    const memory = this.#remember(server, after);
    const sent = this.#sent(server, effects);
    if (memory === number && sent.length === 0) return [];

    const lines = [what, ...effects.map(effectText)];
    const whole = {
      memory,
      sent,
      isCrash: false,
      sights: this.#sights(server, effects),
      wrongs: this.#wrongsIn(server, before, effects),
      lines,
    };
    const crashes = effects.slice(1).flatMap((next, i) => {
      const cut = { ...before, roundsLeft: after.roundsLeft };
      const done = effects.slice(0, i + 1);
      return this.#crash(server, number, cut, done, next, lines.slice(0, i + 2));
    });
    return [whole, ...crashes];
  }

  /** A crash when `effects` have happened and `next` was still to come. */
  #crash(
    server: number,
    number: number,
    before: Memory,
    effects: readonly Effect[],
    next: Effect | null,
    lines: readonly string[],
  ): Outcome[] {
    const saved = effects.findLast((effect) => effect.kind === 'save');
    const disk = saved?.state ?? before.disk;
    const after = this.#server(server).restarted(disk, before.roundsLeft);
    if (after === null) return [];

    const memory = this.#remember(server, after);
    const sent = this.#sent(server, effects);
    // The same as before, but that one crash less may follow: it leads to nothing new.
    if (memory === number && sent.length === 0) return [];
    const isBetween = effects.at(-1)?.kind === 'save' && next?.kind === 'send';
    const wrongs = [
      ...this.#wrongsIn(server, before, effects),
      ...this.#wrongsAtRestart(server, disk, after.acceptor),
    ];
    const sights: Sight[] = isBetween ? ['a crash between save and send'] : [];
    const crash = `${this.#server(server).uid} crashes and restarts`;
    return [{ memory, sent, isCrash: true, sights, wrongs, lines: [...lines, crash] }];
  }

  /** What is in flight after these effects. What was accepted counts from its save on. */
  #sent(server: number, effects: readonly Effect[]): number[] {
    const sent = new Set<number>();
    for (const effect of effects) {
      const message = effect.kind === 'send' ? effect.message : acceptanceOf(effect.state);
      if (message === null) continue;
      const to = effect.kind === 'send' ? effect.to : [];
      sent.add(this.#fly(this.#server(server).uid, to, message));
    }
    return [...sent].sort((a, b) => a - b);
  }

  #fly(from: Uid, uids: readonly Uid[], message: InstanceMessage): number {
    const { type } = message;
    const isReceiver = ({ uid }: ExploredServer) => type !== 'accepted' && uids.includes(uid);
    const to = this.#servers.flatMap((server, i) => (isReceiver(server) ? [i] : []));
    // A nack counts the same, whoever says it.
    const speaker = type === 'nack' ? '' : from;
    const asker = type === 'promise' || type === 'nack' ? (to[0] ?? null) : null;
    const flight = { from, to, message, asker };
    return this.#flights.numberOf(flight, `${speaker} ${messageText(message)}`);
  }

  #remember(server: number, memory: Memory): number {
    return (this.#memories[server] as Catalogue<Memory>).numberOf(memory);
  }

  #memory(server: number, number: number): Memory {
    return (this.#memories[server] as Catalogue<Memory>).item(number);
  }

  #server(server: number): ExploredServer {
    return this.#servers[server] as ExploredServer;
  }

  #sights(server: number, effects: readonly Effect[]): Sight[] {
    const { uid } = this.#server(server);
    return effects.flatMap((effect): Sight[] => {
      if (effect.kind === 'save') return [];
      const { message } = effect;
      if (message.type === 'nack') return ['a nack'];
      if (message.type === 'promise' && message.lastAcceptedId !== null) {
        return ['a promise that names an accepted value'];
      }
      const isForeign = message.type === 'accept' && askerOf(message.proposalValue) !== uid;
      return isForeign ? ['a value finished by another proposer'] : [];
    });
  }

  #wrongsIn(server: number, before: Memory, effects: readonly Effect[]): Wrong[] {
    const { uid } = this.#server(server);
    let { disk } = before;
    return effects.flatMap((effect) => {
      if (effect.kind === 'send') return wrongsOfSend(uid, disk, effect.message);
      const saved = disk;
      disk = effect.state;
      return wrongsOfSave(uid, saved, disk);
    });
  }

  #wrongsAtRestart(
    server: number,
    disk: AcceptorState<Link>,
    acceptor: AcceptorState<Link>,
  ): Wrong[] {
    if (covers(acceptor, disk)) return [];
    const { uid } = this.#server(server);
    const why = `${uid} has saved ${stateText(disk)}, and restarts with ${stateText(acceptor)}`;
    return [{ invariant: 5, why }];
  }
}

/** The message that says what this state has accepted. */
function acceptanceOf({ acceptedId, acceptedValue }: AcceptorState<Link>) {
  if (acceptedId === null || acceptedValue === null) return null;
  const said: AcceptedMessage<Link> = {
    type: 'accepted',
    proposalId: acceptedId,
    proposalValue: acceptedValue,
  };
  return { ...said, instanceNumber: 1 };
}

function wrongsOfSave(uid: Uid, before: AcceptorState<Link>, after: AcceptorState<Link>): Wrong[] {
  if (!covers(after, before)) {
    return [{ invariant: 5, why: `${uid} saves ${stateText(after)} over ${stateText(before)}` }];
  }
  if (compareProposalIds(after.promisedId, after.acceptedId) >= 0) return [];
  const why = `${uid} saves ${idText(after.acceptedId)} as accepted, without having promised it`;
  return [{ invariant: 5, why }];
}

function wrongsOfSend(uid: Uid, disk: AcceptorState<Link>, message: InstanceMessage): Wrong[] {
  const { type, proposalId } = message;
  if (type !== 'promise' && type !== 'accepted') return [];
  const acceptedId = type === 'accepted' ? proposalId : message.lastAcceptedId;
  if (covers(disk, { ...UNTOUCHED, promisedId: proposalId, acceptedId })) return [];
  const why = `${uid} sends ${messageText(message)}, and its disk says ${stateText(disk)}`;
  return [{ invariant: 6, why }];
}
