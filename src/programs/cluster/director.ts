/** Does what is typed at the prompt of a cluster, and says what came of it. */
import type { Inquiry, Options } from '../../client-session.ts';
import type { Uid } from '../../composable-paxos.ts';
import { Asker } from '../../node/client-asker.ts';
import { ClientNetwork } from '../../node/client-network.ts';
import { addressOf } from '../../node/cluster-file.ts';
import { Failure } from '../../node/failure.ts';
import { fire } from '../../node/fire.ts';
import { UNSEALED } from '../../node/sealed-datagrams.ts';
import { printable } from '../../trace/printable.ts';
import { sayAnswer, sayStatus, sayStatusLine, sayUnknownFate } from '../client/words.ts';
import { COMMANDS, type Command, readCommand } from './commands.ts';
import type { LocalCluster } from './local-cluster.ts';

/** Longer than it takes until a master that is lost has a successor. */
const TIMEOUT_MS = 15_000;
/** A server that runs says at once how it is. */
const STATUS_TIMEOUT_MS = 1_000;
const COLUMNS = 79;

export class Director {
  readonly #cluster: LocalCluster;
  readonly #network: ClientNetwork;
  readonly #say: (line: string) => void;
  readonly #asking = new Set<Asker>();
  readonly #idle: Asker[] = [];

  private constructor(cluster: LocalCluster, network: ClientNetwork, say: (line: string) => void) {
    this.#cluster = cluster;
    this.#network = network;
    this.#say = say;
  }

  static async join(cluster: LocalCluster, say: (line: string) => void): Promise<Director> {
    const network = await ClientNetwork.open(cluster.addresses, UNSEALED, () => {});
    return new Director(cluster, network, say);
  }

  /** Does what a line says, and returns when it is done. `end` is for `quit`. */
  async obey(line: string, end: AbortController): Promise<void> {
    const command = readCommand(line, this.#cluster.uids);
    if (typeof command === 'string') return this.#tell(command);
    if (command.kind === 'quit') return end.abort();
    try {
      await this.#act(command);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.#tell(error.message);
    }
  }

  /** Gives up whatever was asked and is not answered. */
  leave(): void {
    for (const asker of this.#asking) asker.stop();
    this.#network.close();
  }

  async #act(command: Command): Promise<void> {
    switch (command.kind) {
      case 'fire':
        return this.#fire(command.server, command.value);
      case 'set':
        return this.#set(command.server, command.value);
      case 'read':
        return this.#read(command.server, command.isLocal);
      case 'status':
        return this.#status(command.server === null ? this.#cluster.uids : [command.server]);
      case 'cut':
        this.#cluster.cut(command.directions);
        return this.#tell('cut; "mend" mends it');
      case 'mend':
        this.#cluster.mend();
        return this.#tell('all links are whole, and nothing is lost');
      case 'loss':
        this.#cluster.lose(command.probability);
        return this.#tell(`datagrams between servers are lost with ${command.probability}`);
      case 'kill':
      case 'stop':
      case 'start':
      case 'restart':
        return this.#live(command.kind, command.server);
      case 'help':
        for (const [usage, does] of COMMANDS) this.#tell(`${usage.padEnd(14)} ${does}`);
    }
  }

  async #live(kind: 'kill' | 'stop' | 'start' | 'restart', uid: Uid): Promise<void> {
    const isRunning = this.#cluster.isRunning(uid);
    if ((kind === 'kill' || kind === 'stop') && !isRunning) {
      return this.#tell(`server ${uid} does not run; "start ${uid}" starts it`);
    }
    if (kind === 'start' && isRunning) return this.#tell(`server ${uid} runs already`);
    if (kind === 'kill') {
      await this.#cluster.kill(uid);
      return this.#tell(`server ${uid} was killed`);
    }
    if (isRunning) await this.#cluster.stop(uid);
    if (kind === 'stop') return this.#tell(`server ${uid} has stopped`);
    await this.#cluster.start(uid);
  }

  async #fire(server: Uid, value: string): Promise<void> {
    await fire(addressOf(this.#cluster.addresses, server), { type: 'propose', value });
  }

  async #set(server: Uid, value: string): Promise<void> {
    const inquiry = { type: 'request', value } as const;
    const options = { server, timeoutMs: TIMEOUT_MS, mayMove: true };
    this.#tell(`${value}: ${await this.#ask(inquiry, options, sayUnknownFate(value))}`);
  }

  async #read(server: Uid, isLocal: boolean): Promise<void> {
    const inquiry = { type: 'read', isLocal } as const;
    const options = { server, timeoutMs: TIMEOUT_MS, mayMove: !isLocal };
    this.#tell(await this.#ask(inquiry, options, 'the value is unknown'));
  }

  async #status(uids: readonly Uid[]): Promise<void> {
    const asked = uids.map(async (server) => {
      const options = { server, timeoutMs: STATUS_TIMEOUT_MS, mayMove: false };
      const ended = await this.#outcomeOf({ type: 'status' }, options);
      const reply = ended.outcome === 'answered' ? ended.reply : null;
      return reply?.type === 'status_report' ? reply : null;
    });
    for (const [index, report] of (await Promise.all(asked)).entries()) {
      const uid = uids[index] ?? '';
      if (uids.length > 1 || report === null) this.#tell(sayStatusLine([uid, report], COLUMNS));
      else for (const line of sayStatus(uid, report).split('\n')) this.#tell(line);
    }
  }

  async #ask(inquiry: Inquiry, options: Options, ifUnknown: string): Promise<string> {
    const ended = await this.#outcomeOf(inquiry, options);
    if (ended.outcome === 'answered') return sayAnswer(ended.server, ended.reply);
    if (ended.outcome === 'not asked') return 'no server has answered: nothing was asked for';
    return `after ${options.timeoutMs} ms ${ifUnknown} (${ended.lastWord})`;
  }

  async #outcomeOf(inquiry: Inquiry, options: Options): ReturnType<Asker['ask']> {
    const asker = this.#idle.pop() ?? new Asker(this.#network);
    this.#asking.add(asker);
    const outcome = await asker.ask(inquiry, options);
    this.#asking.delete(asker);
    this.#idle.push(asker);
    return outcome;
  }

  #tell(words: string): void {
    this.#say(printable(`-- ${words}`));
  }
}
