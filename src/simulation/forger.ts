/**
 * A forger: somebody who can send a datagram from the address of a server, with numbers in it from
 * which there is no way on. Whoever can do that without the shared key can do worse; but a single
 * datagram must not stop a cluster for ever.
 */
import type { Uid } from '../composable-paxos.ts';
import { MAX_NUMBER, type PeerMessage } from '../messages.ts';
import type { ReplicatedValue } from '../replicated-value.ts';

export const FORGERIES = ['prepare', 'nack', 'catchup'] as const;
export type Forgery = (typeof FORGERIES)[number];

/** What the forger says to this server in the name of `from`. */
export function forge(type: Forgery, from: Uid, victim: ReplicatedValue): PeerMessage {
  const { instanceNumber, chain } = victim;
  const proposalId = { number: MAX_NUMBER, uid: from };
  switch (type) {
    case 'prepare':
      return { type, instanceNumber, proposalId };
    case 'nack':
      return { type, instanceNumber, proposalId, promisedProposalId: proposalId };
    case 'catchup':
      return { type, ...chain, instanceNumber: MAX_NUMBER };
  }
}
