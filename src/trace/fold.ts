/** What can be worked out of the events of a server, one after the other. */
import {
  applyLink,
  type ChainState,
  chainOf,
  isUpdate,
  type Link,
  type RequestedLink,
  singlesOf,
  standingOf,
  type UpdateLink,
} from '../chain.ts';
import { UNTOUCHED } from '../composable-paxos.ts';
import type { ServerState } from '../state.ts';
import type { TraceEvent, WorldEvent } from './events.ts';

/** The chain of a server after this event of it; `before` it was that. */
export function chainAfter(before: ChainState, event: TraceEvent): ChainState {
  if (event.event === 'start' || event.event === 'resume') return chainOf(event.state);
  if (event.event !== 'advance') return before;
  const { instanceNumber, link, chain } = event;
  return link === null ? (chain ?? before) : applyLink(before, link, instanceNumber - 1);
}

/** Those updates of a link that take effect, in their order; `before` it the chain was that. */
export function effectsOf(
  link: Link,
  instanceNumber: number,
  before: ChainState,
): readonly (UpdateLink | RequestedLink)[] {
  let chain = before;
  return singlesOf(link).filter((one) => {
    const isNew = !('request' in one) || standingOf(chain, one.request) === 'new';
    chain = applyLink(chain, one, instanceNumber);
    return isNew && isUpdate(one);
  }) as (UpdateLink | RequestedLink)[];
}

/** Follows the events of one server, to tell how a trace must begin that begins after them. */
export class Beginning {
  #start: (TraceEvent & { event: 'start' | 'resume' }) | null = null;
  #state: ServerState | null = null;

  follow(event: TraceEvent): void {
    if (event.event === 'start' || event.event === 'resume') {
      this.#start = event;
      this.#state = event.state;
    }
    if (this.#state === null) return;
    if (event.event === 'advance') {
      const { instanceNumber } = event;
      const chain = chainAfter(chainOf(this.#state), event);
      this.#state = { ...this.#state, instanceNumber, ...chain, ...UNTOUCHED };
    }
    if (event.event !== 'save') return;
    const { votesFrom, promisedId, acceptedId, acceptedValue } = event;
    this.#state = { ...this.#state, votesFrom, promisedId, acceptedId, acceptedValue };
  }

  /** The first event of a trace that begins now; null if the server has not started yet. */
  resume(): WorldEvent | null {
    if (this.#start === null || this.#state === null) return null;
    const { uids, layers } = this.#start;
    return { event: 'resume', uids, layers, state: this.#state };
  }
}
