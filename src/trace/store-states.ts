/** Invariant 11 for stores: the state of all servers that have come equally far is the same. */
import type { StoreEvent, TraceEvent } from './events.ts';
import { RecentMap } from './recent.ts';

/** So many instances are remembered. */
const MOST_INSTANCES = 20_000;

export class StoreStates {
  /** The digest of the state right before an instance, where a command was applied before it. */
  readonly #digests = new RecentMap<number, string>(MOST_INSTANCES);
  readonly #answers = new RecentMap<number, string>(MOST_INSTANCES);

  /** What is wrong with what a store says of its state, in one sentence; or null. */
  observe(event: TraceEvent & StoreEvent): string | null {
    if (event.event === 'snapshot') return this.#snapshot(event);
    const { instanceNumber, digest } = event;
    const answers = event.answers.map((answer) => JSON.stringify(answer)).join(' ');
    const known = this.#answers.get(instanceNumber) ?? answers;
    this.#answers.set(instanceNumber, known);
    if (known !== answers) {
      const both = `${answers}, and somebody else said ${known}`;
      return `of what was commanded in instance ${instanceNumber} it says ${both}`;
    }
    return this.#compare(instanceNumber + 1, digest);
  }

  /** Links that are no commands change nothing: the state is that of the last one before. */
  #snapshot({ instanceNumber, digest, what }: StoreEvent & { event: 'snapshot' }): string | null {
    if (digest === null || what === 'reading') return null;
    for (let before = instanceNumber; before > 1; before -= 1) {
      if (this.#digests.has(before)) return this.#compare(before, digest);
    }
    return null;
  }

  #compare(instanceNumber: number, digest: string): string | null {
    const known = this.#digests.get(instanceNumber) ?? digest;
    this.#digests.set(instanceNumber, known);
    if (known === digest) return null;
    return `its state before instance ${instanceNumber} is ${digest}, and elsewhere it is ${known}`;
  }
}
