/** How a server gets into a cluster that runs: as a client it asks to be let in. */
import type { Outcome } from '../client-session.ts';
import type { Uid } from '../composable-paxos.ts';
import { clusterName, type MembersReply } from '../messages.ts';
import { Asker } from './client-asker.ts';
import { ClientNetwork } from './client-network.ts';
import { type Address, type Cluster, formatAddress, parseAddress } from './cluster-file.ts';
import { Failure } from './failure.ts';
import { sealer } from './sealed-datagrams.ts';
import type { ServerOptions } from './server-options.ts';

const FIND_WITHIN_MS = 5_000;
const JOIN_WITHIN_MS = 35_000;

/** What a server must know before it begins. */
export interface Joined {
  /** Who voted at the very beginning: after them the cluster is called. */
  readonly founders: readonly Uid[];
  /** Where the members are, and this server. */
  readonly cluster: Cluster;
}

/**
 * Asks the server that `--join` names to let this one in, to vote one day, or to follow for ever.
 * Returns when a quorum knows of it. Throws a `Failure`, with what to do, if it is not let in.
 */
export async function join(options: ServerOptions, own: Address): Promise<Joined> {
  const { uid, cluster } = options;
  const key = sealer(options.protection.key);
  const note = () => {};
  const network = await ClientNetwork.open(
    new Map([...cluster].filter(([to]) => to !== uid)),
    key,
    note,
  );
  try {
    const asker = new Asker(network);
    const report = await whoIsThere(asker, options);
    const founders = foundersOf(report, options);
    const known = report.members[uid];
    if (known?.role === 'voting' || (known !== undefined && known.address !== formatAddress(own))) {
      const why = `the name ${uid} is given already, and here is no state of it`;
      throw new Failure(`${why}: join under a new name, like ${uid[0]}2`);
    }
    // What the asked server knows may be of long ago: this one may have voted since, and have lost
    // its disk. So the chain itself has to let it in, again if it was cut off the last time.
    await enter(asker, options, own);
    const places = Object.entries(report.members).flatMap(([member, { address }]) =>
      address === null ? [] : [[member, parseAddress(member, address)] as const],
    );
    return { founders, cluster: new Map([...cluster, ...places, [uid, own]]) };
  } finally {
    network.close();
  }
}

async function whoIsThere(asker: Asker, { join }: ServerOptions): Promise<MembersReply> {
  const server = join ?? '';
  const question = { server, timeoutMs: FIND_WITHIN_MS, mayMove: false };
  const ended = await asker.ask({ type: 'members' }, question);
  if (ended.outcome === 'answered' && ended.reply.type === 'members_report') return ended.reply;
  const within = `server ${server} has not said who the members are within ${FIND_WITHIN_MS} ms`;
  throw new Failure(`${within}: is it started, with --members, and with the same key?`);
}

function foundersOf({ clusterName: name }: MembersReply, options: ServerOptions): readonly Uid[] {
  const founders = (name.split(' with ')[0] ?? '').split(' ');
  const { isMaster, isStore } = options;
  const store = isStore ? ' with a store' : '';
  const ours = `${clusterName(founders, isMaster)}${store} with members`;
  if (name === ours) return founders;
  const advice = 'start this one with the same of --master and --store';
  throw new Failure(`that cluster is ${name}, and this server would be of ${ours}: ${advice}`);
}

async function enter(asker: Asker, options: ServerOptions, own: Address): Promise<void> {
  const { uid, isPassive, join } = options;
  const place = { [uid]: formatAddress(own) };
  const change = {
    ...{ remove: [], vote: {}, isForced: false },
    join: isPassive ? {} : place,
    follow: isPassive ? place : {},
  };
  const question = { server: join ?? '', timeoutMs: JOIN_WITHIN_MS, mayMove: true };
  const ended = await asker.ask({ type: 'change', ...change }, question);
  if (ended.outcome !== 'answered') throw new Failure(`server ${uid} is not let in: ${why(ended)}`);
}

function why(ended: Exclude<Outcome, { outcome: 'answered' }>): string {
  if (ended.outcome === 'refused') return ended.lastWord;
  return `no quorum has said yes within ${JOIN_WITHIN_MS} ms (${ended.lastWord})`;
}
