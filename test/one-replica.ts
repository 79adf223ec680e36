/** One replica in the hands of a test: what it sends is kept, and its time passes when told to. */
import type { Link } from '../src/chain.ts';
import type { Uid } from '../src/composable-paxos.ts';
import type { Environment } from '../src/environment.ts';
import type { PeerMessage, Reply } from '../src/messages.ts';
import type { ReplicaClass } from '../src/simulation/machine.ts';
import type { ServerState } from '../src/state.ts';
import { Agenda, type Entry } from '../src/time/agenda.ts';
import type { Decision } from '../src/trace/events.ts';

export class OneReplica {
  readonly sent: PeerMessage[] = [];
  /** To whom the latest of these went. */
  sentTo: readonly Uid[] = [];
  readonly replies: Reply[] = [];
  readonly decisions: Decision[] = [];
  /** What it has set to happen and not called off. */
  readonly timers = new Set<Entry>();
  readonly replica: InstanceType<ReplicaClass>;
  saved: ServerState | null;
  nowMs = 0;
  isDiskFull = false;
  /** Hears of every save. */
  onSave = (_state: ServerState): void => {};
  saveTakesMs = 0;
  /** What its next question to chance is answered. */
  luck = 0;
  canCarry = (_link: Link): boolean => true;
  readonly #agenda = new Agenda();

  constructor(replicaClass: ReplicaClass, uids: readonly Uid[], saved: ServerState | null = null) {
    this.saved = saved;
    const environment: Environment = {
      clock: {
        now: () => this.nowMs,
        wallNow: () => this.nowMs,
        after: (delayMs, act) => this.#after(delayMs, act),
      },
      random: () => this.luck,
      messenger: {
        send: (to, message) => {
          this.sent.push(message);
          this.sentTo = to;
        },
        reply: (_client, message) => this.replies.push(message),
        canCarry: (link) => this.canCarry(link),
      },
      storage: {
        load: () => this.saved,
        save: (state) => {
          if (this.isDiskFull) throw new Error('no space left');
          this.saved = state;
          this.onSave(state);
          this.nowMs += this.saveTakesMs;
        },
      },
      trace: (decision) => this.decisions.push(decision),
    };
    this.replica = new replicaClass(uids[0] ?? 'A', uids, environment);
  }

  /** Lets so much time pass, and returns what was sent meanwhile. */
  wait(ms: number): readonly PeerMessage[] {
    const before = this.sent.length;
    const untilMs = this.nowMs + ms;
    while (this.#agenda.nextAtMs <= untilMs) {
      const entry = this.#agenda.take() as Entry;
      this.nowMs = entry.atMs;
      this.timers.delete(entry);
      entry.act?.();
    }
    this.nowMs = untilMs;
    return this.sent.slice(before);
  }

  /** What it sent last of this type. */
  lastSent<Type extends PeerMessage['type']>(type: Type): PeerMessage & { type: Type } {
    const found = this.sent.filter((message) => message.type === type).at(-1);
    if (found === undefined) throw new Error(`no ${type} was sent`);
    return found as PeerMessage & { type: Type };
  }

  #after(delayMs: number, act: () => void) {
    const entry = this.#agenda.add(this.nowMs + delayMs, act);
    this.timers.add(entry);
    return {
      cancel: () => {
        entry.act = null;
        this.timers.delete(entry);
      },
    };
  }
}
