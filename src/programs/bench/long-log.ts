/**
 * What an update of a store costs when its log has been long for a long time: one server by itself,
 * in this process, with a disk that takes no time. It must not grow with the number of links.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Environment } from '../../environment.ts';
import { StoreReplica } from '../../log/replicas.ts';
import { Agenda } from '../../time/agenda.ts';

/** What was measured around one place in the log. */
export interface AtLength {
  readonly links: number;
  /** Time of the processor, which does not count when somebody else has it. */
  readonly microsecondsEach: number;
  readonly heapMegabytes: number;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const KEYS = 1_000;
const CLIENTS = 50;

/** Measures `window` updates up to each of these lengths of the log, in ascending order. */
export function measureLongLog(lengths: readonly number[], window: number): AtLength[] {
  const server = new OneStore();
  let links = 0;
  return lengths.map((length) => {
    for (; links < length - window; links += 1) server.update(links);
    const before = process.cpuUsage();
    for (; links < length; links += 1) server.update(links);
    const { user, system } = process.cpuUsage(before);
    collectGarbage();
    const heapMegabytes = process.memoryUsage().heapUsed / 1_000_000;
    return { links: server.links, microsecondsEach: (user + system) / window, heapMegabytes };
  });
}

class OneStore {
  readonly #agenda = new Agenda();
  readonly #replica: StoreReplica;
  #nowMs = 0;
  #answered = 0;

  constructor() {
    const environment: Environment = {
      clock: {
        now: () => this.#nowMs,
        wallNow: () => this.#nowMs,
        after: (delayMs, act) => {
          const entry = this.#agenda.add(this.#nowMs + delayMs, act);
          return {
            cancel: () => {
              entry.act = null;
            },
          };
        },
      },
      random: () => 0.5,
      messenger: {
        send: () => {},
        reply: () => {
          this.#answered += 1;
        },
        canCarry: () => true,
      },
      storage: { load: () => null, save: () => {} },
      trace: () => {},
    };
    this.#replica = new StoreReplica('A', ['A'], environment);
    this.#replica.start();
  }

  get links(): number {
    return this.#replica.instanceNumber - 1;
  }

  /** One update from its request to its answer. */
  update(n: number): void {
    const client = (n % CLIENTS).toString(16).padStart(16, '0');
    const requestId = `${client}-1-${Math.floor(n / CLIENTS) + 1}`;
    const value = `set key-${n % KEYS} value-${n}`;
    const before = this.#answered;
    this.#replica.receiveFromClient('client', { type: 'request', requestId, value });
    while (this.#answered === before) this.#turn();
  }

  #turn(): void {
    const entry = this.#agenda.take();
    if (entry === undefined) throw new Error('nothing is to happen, and nobody has answered');
    this.#nowMs = Math.max(this.#nowMs, entry.atMs);
    entry.act?.();
  }
}
