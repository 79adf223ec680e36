/**
 * `npm run demo -- --store`: three stores as real processes on this machine. Keys are set and read
 * through all of them; one is killed twice, and misses a few changes, and then thousands. What the
 * servers do is told here in lines that begin with `--`; they are too many to print their own.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Uid } from '../../composable-paxos.ts';
import { Asker } from '../../node/client-asker.ts';
import { ClientNetwork } from '../../node/client-network.ts';
import { Failure } from '../../node/failure.ts';
import { UNSEALED } from '../../node/sealed-datagrams.ts';
import type { TraceEvent } from '../../trace/events.ts';
import { compareLogFiles } from '../check/logs.ts';
import { freePort, LOOPBACK } from '../common/free-port.ts';
import type { Stage } from './stage.ts';
import { bold, heading, say } from './words.ts';

const FLAGS = ['--store', '--quiet'] as const;
const FEW_CHANGES = 100;
const MANY_CHANGES = 3_000;
/** So many clients change something at the same time. */
const CROWD = 32;
const KEYS = 1_000;
const PATIENCE_MS = 60_000;
const LOOK_AGAIN_MS = 50;

export class StoreDemo {
  readonly #stage: Stage;
  readonly #httpPorts = new Map<Uid, number>();
  #changes = 0;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  async play(): Promise<void> {
    await heading('Three stores start, each a process of its own');
    await Promise.all(this.#stage.uids.map((uid) => this.#start(uid)));

    await heading('Keys are set through one store, and read through the others');
    await this.#stage.runClient('A', 'set color "dark blue"', '--wait');
    await this.#stage.runClient('B', '--read', 'get color');
    await this.#stage.runClient('C', 'add visits 1', '--wait');
    await this.#stage.runClient('A', 'add visits 1', '--wait');
    await this.#stage.runClient('B', 'swap color red green', '--wait');
    await this.#stage.runClient('C', '--read', 'keys');

    await heading('The same over HTTP: each store has a port for it, and any of them will do');
    await this.#http('A', 'GET', 'color');
    await this.#http('B', 'PUT', 'color', 'green');
    await this.#http('C', 'GET', 'color');

    await this.#lose('C', FEW_CHANGES);
    await this.#lose('C', MANY_CHANGES);
    await this.#compare();
  }

  /** One is killed, the others go on without it, and it comes back. */
  async #lose(lost: Uid, changes: number): Promise<void> {
    const many = changes > FEW_CHANGES ? 'thousands of' : 'some';
    await heading(`${lost} is killed with SIGKILL; ${many} changes without it`);
    await this.#stage.kill(lost);
    const reached = await this.#changeMany('A', changes);

    await heading(`${lost} starts again, hears where the others are, and reads what it has missed`);
    await this.#startAgain(lost, reached);
  }

  async #start(uid: Uid): Promise<void> {
    await this.#stage.start(uid, ...FLAGS, '--http', `${await this.#httpPortOf(uid)}`);
  }

  /** The same after a restart. */
  async #httpPortOf(uid: Uid): Promise<number> {
    const port = this.#httpPorts.get(uid) ?? (await freePort());
    this.#httpPorts.set(uid, port);
    return port;
  }

  /** Says how it is asked, asks it, and shows the answer. */
  async #http(uid: Uid, method: 'GET' | 'PUT', key: string, body?: string): Promise<void> {
    const url = `http://${LOOPBACK}:${await this.#httpPortOf(uid)}/kv/${key}`;
    say(`$ curl ${body === undefined ? '' : `-X ${method} -d ${body} `}${url}`);
    const reply = await fetch(url, body === undefined ? { method } : { method, body });
    const text = (await reply.text()).trim();
    if (!reply.ok) throw new Failure(`${url} was answered with ${reply.status}: ${text}`);
    console.log(text);
  }

  /** Waits until it is as far as the others were, and says how it has got there. */
  async #startAgain(uid: Uid, reached: number): Promise<void> {
    const past = this.#stage.eventsOf(uid).length;
    await this.#start(uid);
    const fresh = () => this.#stage.eventsOf(uid).slice(past);
    const level = await this.#stage.waitFor(`${uid} to catch up`, () => {
      return fresh().find((one) => one.event === 'advance' && one.instanceNumber >= reached);
    });
    const [start] = fresh();
    for (const line of wayOf(uid, fresh())) say(line);
    say(`${uid} was level ${Math.ceil(level.at - (start?.at ?? 0))} ms after its start`);
  }

  /** A crowd of clients changes keys, and waits for each answer. Returns how far the log is. */
  async #changeMany(server: Uid, count: number): Promise<number> {
    const network = await ClientNetwork.open(this.#stage.addresses, UNSEALED, () => {});
    const [startMs, until] = [performance.now(), this.#changes + count];
    let reached = 1;
    const change = async () => {
      const asker = new Asker(network);
      while (this.#changes < until) {
        this.#changes += 1;
        const value = `set key-${this.#changes % KEYS} ${this.#changes}`;
        const options = { server, timeoutMs: PATIENCE_MS, mayMove: true };
        const ended = await asker.ask({ type: 'request', value }, options);
        if (ended.outcome !== 'answered') throw new Failure(`no answer: ${ended.lastWord}`);
        const { reply } = ended;
        if (reply.type === 'answered') reached = Math.max(reached, reply.instanceNumber + 1);
      }
    };
    try {
      await Promise.all(Array.from({ length: CROWD }, change));
    } finally {
      network.close();
    }
    const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
    const speed = Math.round((1_000 * count) / (performance.now() - startMs));
    say(`${CROWD} clients have changed ${count} keys in ${seconds} s, ${speed} a second`);
    say(`the log is at instance ${reached}`);
    return reached;
  }

  /** The last act. What is compared is what they have on their disks. */
  async #compare(): Promise<void> {
    await heading('What the three have on their disks, side by side');
    let { sentence, isLevel } = compareLogFiles([this.#stage.stateDirectory]);
    const untilMs = performance.now() + PATIENCE_MS;
    while (!isLevel && performance.now() < untilMs) {
      await pause(LOOK_AGAIN_MS);
      ({ sentence, isLevel } = compareLogFiles([this.#stage.stateDirectory]));
    }
    await this.#stage.clear();
    if (!isLevel) throw new Failure(`they are not level: ${sentence}`);
    console.log(bold(`${sentence}.`));
  }
}

/** How a server that was behind has caught up, by what it has traced. */
function wayOf(uid: Uid, events: readonly TraceEvent[]): string[] {
  const came: string[] = [];
  let links = 0;
  let parts = 0;
  for (const event of events) {
    if (event.event === 'advance' && event.link !== null) links += 1;
    if (event.event === 'receive' && event.message.type === 'snapshot_chunk') parts += 1;
    if (event.event !== 'snapshot') continue;
    const { what, instanceNumber, from } = event;
    if (what === 'restored')
      came.push(`${uid} had on its disk all before instance ${instanceNumber}`);
    if (what !== 'installed') continue;
    const snapshot = `it took over the snapshot of ${from}, of all before ${instanceNumber}`;
    came.push(`${snapshot}, in ${parts} part${parts === 1 ? '' : 's'}`);
    links = 0;
  }
  return [...came, `it read ${links} links, one after the other`];
}
