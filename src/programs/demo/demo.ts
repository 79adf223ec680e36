/**
 * `npm run demo`: three servers, a client and two crashes, as real processes on this machine. Most
 * of what is to be seen the servers print themselves; the demo adds a heading to each act, and a
 * few words in lines that begin with `--`.
 */
import { isDeepStrictEqual } from 'node:util';
import { Command } from 'commander';
import { chainOf } from '../../chain.ts';
import type { Uid } from '../../composable-paxos.ts';
import { diagramOf } from '../../diagram/model.ts';
import { LEASE_WINDOW_MS } from '../../master-strategy.ts';
import { Failure, UsageError } from '../../node/failure.ts';
import { parseArguments, runProgram } from '../../node/program.ts';
import type { ServerState } from '../../state.ts';
import type { TraceEvent } from '../../trace/events.ts';
import { mergeTraces } from '../../trace/merge.ts';
import { checkDiagramFile, writeDiagram } from '../common/write-diagram.ts';
import { Stage } from './stage.ts';
import { StoreDemo } from './store-demo.ts';
import { bold, heading, say } from './words.ts';

const UIDS: readonly Uid[] = ['A', 'B', 'C'];
const DEADLINE_MS = 600_000;
const COUNTDOWN_MS = 2_000;
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
const EXIT_CODE_OF_SIGNAL = 128;

const HELP = `
It takes some 25 seconds, and so it does with --store: then the servers are stores, of part II.
All that it writes is in a temporary directory, which is removed in the end. Exit code 0 means
that the state files of all servers agreed.`;

/** What a state file says of the chain. What an acceptor promised may differ from the others. */
type Level = Pick<ServerState, 'instanceNumber' | 'currentValue' | 'lease' | 'latestUpdateIds'>;

class Demo {
  readonly #stage: Stage;
  readonly #diagramFile: string | null;

  /** `diagramFile`: where a picture of all that happened goes. */
  constructor(stage: Stage, diagramFile: string | null) {
    this.#stage = stage;
    this.#diagramFile = diagramFile;
  }

  async play(): Promise<void> {
    await this.#begin();
    await this.#loseOne('B', 'A', 'C');
    await this.#electMaster();
    await this.#loseMaster();
    await this.#compare();
  }

  async #begin(): Promise<void> {
    await heading('Three servers start, each a process of its own');
    await this.#startAll();

    await heading('A client fires two values');
    await this.#fire('A', 'hello');
    await this.#fire('B', 'two words');
  }

  async #loseOne(lost: Uid, one: Uid, other: Uid): Promise<void> {
    await heading(`Server ${lost} is killed with SIGKILL; two of three are a quorum, and go on`);
    await this.#stage.kill(lost);
    await this.#fire(one, `without ${lost}`);
    await this.#fire(other, `still without ${lost}`);

    await heading(`${lost} starts again, hears where the others are, and catches up`);
    await this.#startAgain(lost);
  }

  async #electMaster(): Promise<void> {
    await heading('All stop, and start again on the same state, with --master');
    await Promise.all(UIDS.map((uid) => this.#stage.stop(uid)));
    await this.#startAll('--master');
    const master = await this.#newMaster();

    await heading(`${master} is master: it needs one round trip, and only it may propose`);
    await this.#fire(master, 'by the master');
    await this.#fireInVain(other(this.#stage.running, master), 'past the master');
  }

  async #loseMaster(): Promise<void> {
    const old = await this.#newMaster();
    await heading(`The master, ${old}, is killed; the others must wait until its lease is over`);
    await this.#stage.kill(old);
    const window = `${LEASE_WINDOW_MS / 1_000} s`;
    say(`Neither can know that ${old} is dead. For ${window} from when they heard of its lease`);
    say('last, they promise nothing to anybody else. Until then there is no master:');
    await this.#fireInVain(other(this.#stage.running, old), 'too early');
    const master = await this.#withCountdown(() => this.#newMaster());

    await heading(`${master} is master now; ${old} comes back, and catches up`);
    await this.#fire(master, 'by the next master');
    await this.#startAgain(old, '--master');
    await this.#fire(master, 'the end');
  }

  /** The last act. The files are read at a moment at which they agree, if there is one. */
  async #compare(): Promise<void> {
    await heading('What the three state files say of the chain');
    const levels = await this.#levels();
    const traces = UIDS.map((uid) => this.#stage.eventsOf(uid));
    await this.#stage.clear(); // nothing is printed into what comes now
    for (const [index, level] of levels.entries()) show(`${UIDS[index]}.json`, level);
    const [{ instanceNumber, currentValue } = NOWHERE] = levels;
    if (this.#diagramFile !== null) {
      say(writeDiagram(this.#diagramFile, diagramOf(mergeTraces(traces), { uids: UIDS })));
    }
    const where = `they are at instance ${instanceNumber}`;
    const what = `the value is ${JSON.stringify(currentValue)}`;
    console.log(bold(`All three servers agree: ${where}, and ${what}.`));
  }

  async #startAll(...flags: readonly string[]): Promise<void> {
    await Promise.all(UIDS.map((uid) => this.#stage.start(uid, ...flags)));
  }

  /** Starts one that was killed, waits until it is level with the others, and says how soon. */
  async #startAgain(uid: Uid, ...flags: readonly string[]): Promise<void> {
    const past = this.#stage.eventsOf(uid).length;
    await this.#stage.start(uid, ...flags);
    const first = (name: TraceEvent['event']) => () => {
      return this.#stage
        .eventsOf(uid)
        .slice(past)
        .find(({ event }) => event === name);
    };
    const start = await this.#stage.waitFor(`${uid} to start`, first('start'));
    const advance = await this.#stage.waitFor(`${uid} to catch up`, first('advance'));
    await this.#levels();
    say(`${uid} was level ${Math.ceil(advance.at - start.at)} ms after its start`);
  }

  /** Fires a value, and waits until it is everywhere. */
  async #fire(uid: Uid, value: string): Promise<void> {
    await this.#runClient(uid, value);
    await this.#levels(value);
  }

  /** Fires a value at a server that will refuse it, and waits until it does. */
  async #fireInVain(uid: Uid, value: string): Promise<void> {
    const past = this.#stage.eventsOf(uid).length;
    await this.#runClient(uid, value);
    await this.#stage.waitFor(`${uid} to refuse ${JSON.stringify(value)}`, () => {
      const events = this.#stage.eventsOf(uid).slice(past);
      return events.some((event) => event.event === 'update' && event.what === 'refused');
    });
  }

  async #runClient(uid: Uid, value: string): Promise<void> {
    await this.#stage.runClient(uid, value);
  }

  /** Waits until the files of all servers that run agree, on this value if one is given. */
  #levels(value?: string): Promise<readonly Level[]> {
    const { running } = this.#stage;
    const read = () => running.map((uid) => levelOf(this.#stage.stateOf(uid)));
    const what = value === undefined ? '' : ` on ${JSON.stringify(value)}`;
    return this.#stage.waitFor(
      `${running.join(', ')} to agree${what}`,
      () => {
        const levels = read();
        const isThere = value === undefined || levels[0]?.currentValue === value;
        return isThere && levels.every((level) => isDeepStrictEqual(level, levels[0])) && levels;
      },
      () => `: their state files say ${JSON.stringify(read())}`,
    );
  }

  /** Waits until a server that runs has a lease of its own on disk. */
  #newMaster(): Promise<Uid> {
    const { running } = this.#stage;
    return this.#stage.waitFor('a master', () => {
      return running.find((uid) => this.#stage.stateOf(uid)?.lease?.holder === uid);
    });
  }

  /** Says from time to time, until `wait` is over, how long the lease still binds. */
  async #withCountdown<T>(wait: () => Promise<T>): Promise<T> {
    const leases = this.#stage.running.flatMap((uid) => {
      const events = this.#stage.eventsOf(uid);
      return events.filter((event) => event.event === 'lease' && event.what === 'theirs');
    });
    const overMs = Math.max(...leases.map(({ at }) => at)) + LEASE_WINDOW_MS;
    const countdown = setInterval(() => {
      const leftSeconds = Math.round((overMs - Date.now()) / 1_000);
      if (leftSeconds > 0) say(`the lease binds for another ${leftSeconds} s`);
    }, COUNTDOWN_MS);
    try {
      return await wait();
    } finally {
      clearInterval(countdown);
    }
  }
}

/** The demo is to end early, by a signal. */
class Interruption extends Failure {
  override readonly exitCode: number;

  constructor(signal: string, number: number) {
    super(`the demo ends early, by ${signal}`);
    this.exitCode = EXIT_CODE_OF_SIGNAL + number;
  }
}

/** Rejects when the demo must not go on. */
function trouble(): Promise<never> {
  return new Promise((_, giveUp) => {
    for (const [signal, number] of Object.entries(SIGNALS)) {
      process.on(signal, () => giveUp(new Interruption(signal, number)));
    }
    process.on('uncaughtException', giveUp);
    process.stdout.on('error', () => giveUp(new Failure('nobody reads the demo any more')));
    const tooLate = `the demo is not over after ${DEADLINE_MS / 1_000} s: is the machine too busy?`;
    setTimeout(() => giveUp(new Failure(tooLate)), DEADLINE_MS).unref();
  });
}

const NOWHERE: Level = { instanceNumber: 1, currentValue: null, lease: null, latestUpdateIds: {} };

/** A server that has saved nothing is where every server begins. */
function levelOf(state: ServerState | null): Level {
  return state === null ? NOWHERE : { instanceNumber: state.instanceNumber, ...chainOf(state) };
}

/** One of these servers, but not that one. */
function other(uids: readonly Uid[], not: Uid): Uid {
  return uids.find((uid) => uid !== not) ?? not;
}

function show(file: string, level: Level): void {
  const { instanceNumber, currentValue, lease, latestUpdateIds } = level;
  const value = JSON.stringify(currentValue);
  const ids = Object.values(latestUpdateIds).sort().join(' ');
  say(`${file}  instanceNumber ${instanceNumber}, currentValue ${value}, lease ${lease?.id}`);
  say(`${' '.repeat(file.length)}  latestUpdateIds ${ids}`);
}

await runProgram(async (args) => {
  const command = new Command('demo')
    .description('Three servers, a client and two crashes, as real processes on this machine.')
    .option('--store', 'three stores: one misses some changes, and then thousands')
    .option('--diagram <FILE>', 'draw what happened: .html or .svg')
    .addHelpText('after', HELP);
  parseArguments(command, args);
  const { diagram: diagramFile = null, store: isStore = false } = command.opts();
  if (isStore && diagramFile !== null) {
    throw new UsageError(
      '--diagram is not for --store: that would be a picture of thousands of rounds',
    );
  }
  if (diagramFile !== null) checkDiagramFile('--diagram', diagramFile);

  const stage = await Stage.set(UIDS);
  try {
    const demo = isStore ? new StoreDemo(stage) : new Demo(stage, diagramFile);
    await Promise.race([demo.play(), trouble()]);
  } finally {
    await stage.clear();
  }
});
