/** What `client.ts` can do: fire a value, wait for one, read, ask servers how they are. */
import { randomInt } from 'node:crypto';
import { createInterface } from 'node:readline';
import type { Inquiry, Options } from '../../client-session.ts';
import type { Uid } from '../../composable-paxos.ts';
import type { StatusReply } from '../../messages.ts';
import { Asker } from '../../node/client-asker.ts';
import { ClientNetwork } from '../../node/client-network.ts';
import { addressOf } from '../../node/cluster-file.ts';
import { Failure, UsageError } from '../../node/failure.ts';
import { fire } from '../../node/fire.ts';
import { sealer } from '../../node/sealed-datagrams.ts';
import { printable } from '../../trace/printable.ts';
import { hold } from './hold.ts';
import { type ClientOptions, type ReadingWay, whyNoValue } from './options.ts';
import { promptForValues } from './prompt.ts';
import { WaitingLine } from './waiting-line.ts';
import { watch } from './watch.ts';
import {
  membersJson,
  type Report,
  sayAnswer,
  sayMembers,
  sayStatus,
  sayUnknownFate,
  statusJson,
} from './words.ts';

/** So long `--any` looks for a server that is up. */
const FIND_WITHIN_MS = 2_000;

const UNKNOWN_CHANGE = 'it is unknown whether the members are changed: see --members';

/** Does what the command line says. Throws a `Failure` if it is not known to be done. */
export async function runClient(options: ClientOptions): Promise<void> {
  const { task, server, cluster, key } = options;
  const isKnown = server === null || cluster.has(server);
  if (task.kind === 'fire' && server !== null && isKnown) {
    return fireAt(server, task.value, options);
  }
  const note = (why: string) => {
    if (options.isVerbose) console.error(printable(why));
  };
  const network = await ClientNetwork.open(cluster, sealer(key), note);
  try {
    await new Client(await withAllNamed(options, network), network).run();
  } finally {
    if (network.ignored > 0) note(`ignored ${network.ignored} datagrams in all`);
    network.close();
  }
}

/** The cluster file is only where to ask first: whoever else is named, the chain may know. */
async function withAllNamed(
  options: ClientOptions,
  network: ClientNetwork,
): Promise<ClientOptions> {
  const { server, task } = options;
  const cluster = new Map(options.cluster);
  for (const uid of [server, task.kind === 'transfer' ? task.to : null]) {
    if (uid === null || cluster.has(uid)) continue;
    const address = await network.find(uid, FIND_WITHIN_MS);
    if (address !== null) cluster.set(uid, address);
    else {
      const known = [...options.cluster.keys()].join(', ');
      throw new Failure(`there is no server ${uid} in the cluster file, and ${known} know of none`);
    }
  }
  return { ...options, cluster };
}

class Client {
  readonly #options: ClientOptions;
  readonly #network: ClientNetwork;
  readonly #asker: Asker;
  readonly #waiting = new WaitingLine(process.stderr);
  /** Who answered last: it is up, and the master if there is one. */
  #answeredLast: Uid | null = null;

  constructor(options: ClientOptions, network: ClientNetwork) {
    this.#options = options;
    this.#network = network;
    this.#asker = new Asker(network, (to, message) => this.#waiting.show(to, message));
  }

  async run(): Promise<void> {
    const { task } = this.#options;
    switch (task.kind) {
      case 'fire':
        return this.#fireAt(this.#options.server ?? (await this.#findServer()), task.value);
      case 'set':
        return console.log(await this.#set(task.value));
      case 'lines':
        return this.#setLines(task.waits);
      case 'read':
        return console.log(await this.#read(task.isLocal));
      case 'query':
        return console.log(await this.#query(task.query, task.way));
      case 'status':
        return console.log(await this.#status());
      case 'transfer':
        return console.log(await this.#transfer(task.to));
      case 'members':
        return console.log(await this.#members());
      case 'change':
        return console.log(
          await this.#ask({ type: 'change', ...task.change }, true, UNKNOWN_CHANGE),
        );
      case 'hold':
        process.exitCode = await hold(this.#askFor, task, this.#options.timeoutMs);
        return;
      case 'watch':
        return this.#watch();
      case 'prompt':
        return this.#prompt();
    }
  }

  /** One that is up, and the master if there is one. */
  async #findServer(): Promise<Uid> {
    const [server, { master }] = await this.#askStatus(FIND_WITHIN_MS);
    return master ?? server;
  }

  async #fireAt(server: Uid, value: string): Promise<void> {
    const { cluster } = this.#options;
    const address = cluster.get(server) ?? (await this.#network.find(server, FIND_WITHIN_MS));
    if (address === null) throw new Failure(`nobody tells where server ${server} is`);
    await fireAt(server, value, { ...this.#options, cluster: new Map([[server, address]]) });
  }

  /** Each line of standard input is a value: one after the other, until one fails. */
  async #setLines(waits: boolean): Promise<void> {
    const server = waits ? null : (this.#options.server ?? (await this.#findServer()));
    let number = 0;
    let values = 0;
    for await (const value of createInterface({ input: process.stdin })) {
      number += 1;
      if (value === '') continue;
      values += 1;
      try {
        const why = whyNoValue(value);
        if (why !== null) throw new Failure(why);
        if (server !== null) await this.#fireAt(server, value);
        else console.log(await this.#set(value));
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        throw new Failure(`line ${number}: ${error.message}; what follows was not sent`);
      }
    }
    if (values > 0) return;
    const why = 'there is no value, and standard input holds none';
    throw new UsageError(`${why}: give one, or --read or --status; see --help`);
  }

  #set(value: string): Promise<string> {
    return this.#ask({ type: 'request', value }, true, sayUnknownFate(value));
  }

  #read(isLocal: boolean): Promise<string> {
    const mayMove = !isLocal || this.#options.server === null;
    return this.#ask({ type: 'read', isLocal }, mayMove, 'the value is unknown');
  }

  #query(query: string, way: ReadingWay): Promise<string> {
    const isLocal = way === 'local';
    const mayMove = !isLocal || this.#options.server === null;
    const inquiry: Inquiry =
      way === 'quorum' ? { type: 'quorum_query', query } : { type: 'query', query, isLocal };
    return this.#ask(inquiry, mayMove, 'the answer is unknown');
  }

  #transfer(to: Uid): Promise<string> {
    return this.#ask({ type: 'transfer', to }, true, `${to} is not master yet`);
  }

  async #members(): Promise<string> {
    const { server, timeoutMs, isJson } = this.#options;
    const ended = await this.#asker.ask(
      { type: 'members' },
      this.#from(server === null, timeoutMs),
    );
    this.#waiting.clear();
    if (ended.outcome === 'answered' && ended.reply.type === 'members_report') {
      const said = [ended.server, ended.reply] as const;
      return isJson ? membersJson(...said) : sayMembers(...said);
    }
    const who = server === null ? 'no server has' : `server ${server} has not`;
    throw new Failure(`${who} answered within ${timeoutMs} ms: is it started with --members?`);
  }

  async #ask(question: Inquiry, mayMove: boolean, ifUnknown: string): Promise<string> {
    const { timeoutMs } = this.#options;
    const ended = await this.#asker.ask(question, this.#from(mayMove, timeoutMs));
    this.#waiting.clear();
    if (ended.outcome === 'answered') {
      this.#answeredLast = ended.server;
      return sayAnswer(ended.server, ended.reply);
    }
    if (ended.outcome === 'not asked') {
      throw new Failure(`no server has answered within ${timeoutMs} ms: nothing was asked for`);
    }
    if (ended.outcome === 'refused') throw new Failure(`refused for good: ${ended.lastWord}`);
    throw new Failure(`after ${timeoutMs} ms ${ifUnknown} (${ended.lastWord})`);
  }

  readonly #askFor = async (inquiry: Inquiry, timeoutMs: number) => {
    const ended = await this.#asker.ask(inquiry, this.#from(true, timeoutMs));
    this.#waiting.clear();
    if (ended.outcome === 'answered') this.#answeredLast = ended.server;
    return ended;
  };

  async #status(): Promise<string> {
    const [server, report] = await this.#askStatus(this.#options.timeoutMs);
    return this.#options.isJson ? statusJson([server, report]) : sayStatus(server, report);
  }

  async #askStatus(timeoutMs: number): Promise<readonly [Uid, StatusReply]> {
    const { server } = this.#options;
    const options = this.#from(server === null, timeoutMs);
    const [from, report] = await reportOf(this.#asker, options);
    this.#waiting.clear();
    if (report !== null) return [from, report];
    const who = server === null ? 'no server has' : `server ${server} has not`;
    throw new Failure(`${who} answered within ${timeoutMs} ms: is it started?`);
  }

  async #watch(): Promise<void> {
    const { server: only, cluster, timeoutMs, isJson } = this.#options;
    const uids = only === null ? [...cluster.keys()] : [only];
    const askers = uids.map((uid) => [uid, new Asker(this.#network)] as const);
    const ask = () => {
      const options = { timeoutMs, mayMove: false };
      const asked = askers.map(([server, asker]) => reportOf(asker, { ...options, server }));
      return Promise.all(asked);
    };
    const end = new AbortController();
    process.once('SIGINT', () => end.abort());
    process.stdout.once('error', () => end.abort());
    await watch(ask, process.stdout, isJson, end.signal);
    for (const [, asker] of askers) asker.stop();
  }

  #prompt(): Promise<void> {
    return promptForValues(process.stdin, process.stdout, (value) => this.#set(value));
  }

  #from(mayMove: boolean, timeoutMs: number): Options {
    const { cluster, server } = this.#options;
    const uids = [...cluster.keys()];
    const anybody = uids[randomInt(uids.length)] ?? '';
    const first = (mayMove ? this.#answeredLast : null) ?? server ?? anybody;
    return { server: first, timeoutMs, mayMove };
  }
}

function fireAt(uid: Uid, value: string, { cluster, key }: ClientOptions): Promise<void> {
  const sharing = key === null ? null : { uid, key };
  return fire(addressOf(cluster, uid), { type: 'propose', value }, sharing);
}

async function reportOf(asker: Asker, options: Options): Promise<Report> {
  const ended = await asker.ask({ type: 'status' }, options);
  const reply = ended.outcome === 'answered' ? ended.reply : null;
  if (ended.outcome !== 'answered' || reply?.type !== 'status_report') {
    return [options.server, null];
  }
  return [ended.server, reply];
}
