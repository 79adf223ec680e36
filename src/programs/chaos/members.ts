/**
 * Members that come and go in a chaos run, one change after the other, while others kill and pause
 * whoever is there. A change may fail then: nobody may be there to make it. What must hold is that
 * whoever is removed ends by itself, and that everything else goes on as if nothing had been.
 */
import type { Membership } from '../../chain.ts';
import type { Uid } from '../../composable-paxos.ts';
import type { Places } from '../../messages.ts';
import { Asker } from '../../node/client-asker.ts';
import { ClientNetwork } from '../../node/client-network.ts';
import { UNSEALED } from '../../node/sealed-datagrams.ts';
import type { Random } from '../../simulation/random.ts';
import { type ChaosCluster, type ChaosServer, waitUntil } from './cluster.ts';

type Kind = 'add' | 'remove' | 'replace';

/** What becomes of it, for the last lines of a run. */
export type MembersCount =
  | 'servers that joined'
  | 'servers that could not join'
  | 'changes of members'
  | 'changes of members given up';

/** Who wants to know what happens. */
interface Ears {
  tell(what: string): void;
  count(what: MembersCount): void;
  /** This one has joined: clients may ask it, too. */
  joined(uid: Uid): void;
}

const FEWEST_VOTERS = 2;
const MOST_VOTERS = 6;
const SHORTEST_REST_MS = 500;
const LONGEST_REST_MS = 4_000;
const CHANGE_WITHIN_MS = 15_000;
/** Names for all who come after the founders. */
const NAMES = ['', '2', '3', '4', '5', '6', '7'].flatMap((n) => [...'ABCDEFGHI'].map((a) => a + n));

export class MembersChaos {
  readonly #cluster: ChaosCluster;
  readonly #founders: readonly Uid[];
  readonly #random: Random;
  readonly #ears: Ears;
  readonly #network: ClientNetwork;
  readonly #asker: Asker;
  #named: number;

  private constructor(cluster: ChaosCluster, random: Random, ears: Ears, network: ClientNetwork) {
    this.#cluster = cluster;
    this.#random = random;
    this.#ears = ears;
    this.#network = network;
    this.#asker = new Asker(network);
    this.#founders = cluster.servers.map(({ uid }) => uid);
    this.#named = this.#founders.length;
  }

  static async open(cluster: ChaosCluster, random: Random, ears: Ears): Promise<MembersChaos> {
    const network = await ClientNetwork.open(cluster.addresses, UNSEALED, () => {});
    return new MembersChaos(cluster, random, ears, network);
  }

  /** One change after the other, until that is enough. */
  async changeUntil(isEnough: () => boolean): Promise<void> {
    while (!isEnough()) {
      const restMs = this.#random.between(SHORTEST_REST_MS, LONGEST_REST_MS);
      if (await waitUntil(isEnough, restMs)) return;
      await this.#change(this.#voters);
    }
  }

  /** Waits until all who were removed have ended. Returns those that still run, killed by now. */
  async settle(patienceMs: number): Promise<readonly Uid[]> {
    const late = () => this.#removed.filter((one) => one.isRunning && isToldEnough(one));
    await waitUntil(() => late().length === 0, patienceMs);
    const left = late().map(({ uid }) => uid);
    // Whoever was down too long is a stranger to all, and nobody can tell it.
    await Promise.all(this.#removed.map((server) => server.kill()));
    this.forgetWhoLeft();
    return left;
  }

  /** Whoever was removed and has ended is gone. A change that was given up may still come. */
  forgetWhoLeft(): void {
    for (const server of this.#removed) server.isGone ||= !server.isRunning;
  }

  leave(): void {
    this.#asker.stop();
    this.#network.close();
  }

  /**
   * The members by the newest chain on any disk; null before the first change. No server is asked:
   * one that was removed while it was down would answer with the members of long ago.
   */
  get #membership(): Membership | null {
    const states = this.#cluster.servers.flatMap(({ state }) => state ?? []);
    const [newest] = states.sort((a, b) => b.instanceNumber - a.instanceNumber);
    return newest?.membership ?? null;
  }

  get #removed(): readonly ChaosServer[] {
    const members = this.#membership?.members;
    if (members === undefined) return [];
    return this.#cluster.servers.filter(({ uid }) => !(uid in members));
  }

  get #voters(): readonly Uid[] {
    const members = this.#membership?.members;
    if (members === undefined) return this.#founders;
    return Object.keys(members).filter((uid) => members[uid]?.role === 'voting');
  }

  async #change(voters: readonly Uid[]): Promise<void> {
    const kinds: readonly Kind[] = [
      ...(voters.length < MOST_VOTERS ? ['add' as const] : []),
      ...(voters.length > FEWEST_VOTERS ? ['remove' as const] : []),
      'replace',
    ];
    const kind = this.#random.pick(kinds);
    const goes = kind === 'add' ? null : this.#random.pick(voters);
    const comes = kind === 'remove' ? null : await this.#newcomer();
    if (kind !== 'remove' && comes === null) return;
    this.#ears.tell(`${kind} ${[goes, comes?.uid].filter((uid) => uid).join(' by ')}`);
    await this.#ask(goes, comes);
  }

  /** A new server, which has been let in; null: it has not. */
  async #newcomer(): Promise<ChaosServer | null> {
    const uid = NAMES[this.#named];
    this.#named += 1;
    const others = this.#cluster.servers.filter(({ isTaken, isRunning }) => !isTaken && isRunning);
    if (uid === undefined || others.length === 0) return null;
    const server = await this.#cluster.newcomer(uid, this.#random.pick(others));
    server.isTaken = true;
    const isIn = await server.join();
    server.isTaken = false;
    this.#ears.count(isIn ? 'servers that joined' : 'servers that could not join');
    if (!isIn) return null;
    this.#cluster.add(server);
    this.#ears.joined(uid);
    return server;
  }

  async #ask(goes: Uid | null, comes: ChaosServer | null): Promise<void> {
    if (goes !== null) this.#cluster.server(goes).mayLeave = true;
    const vote: Places = comes === null ? {} : { [comes.uid]: null };
    const remove = goes === null ? [] : [goes];
    const change = { remove, vote, join: {}, follow: {}, isForced: false };
    const server = this.#random.pick(this.#cluster.servers).uid;
    const options = { server, timeoutMs: CHANGE_WITHIN_MS, mayMove: true };
    const ended = await this.#asker.ask({ type: 'change', ...change }, options);
    if (ended.outcome === 'answered') return this.#ears.count('changes of members');
    this.#ears.count('changes of members given up');
  }
}

/** Whether it has what it must have to end: its removal, and that anything was chosen after it. */
function isToldEnough({ uid, state }: ChaosServer): boolean {
  const { membership, instanceNumber = 0 } = state ?? {};
  if (membership === undefined || uid in membership.members) return false;
  return instanceNumber > membership.since + 1;
}
