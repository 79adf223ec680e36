/**
 * A forger: somebody who can send a datagram from the address of a server, with numbers in it from
 * which there is no way on. Whoever can do that without the shared key can do worse; but a single
 * datagram must not stop a cluster for ever.
 */
import { RESERVED_NUMBER, type Uid } from '../composable-paxos.ts';
import { MAX_NUMBER, type PeerMessage } from '../messages.ts';
import { MAX_NUMBER_LEAP, type ReplicatedValue } from '../replicated-value.ts';

/** A `leap` is a prepare with the largest number that is believed: it may be sent again. */
export const FORGERIES = ['prepare', 'nack', 'catchup', 'leap'] as const;
export type Forgery = (typeof FORGERIES)[number];

/** What the forger says to this server in the name of `from`. */
export function forge(type: Forgery, from: Uid, victim: ReplicatedValue): PeerMessage {
  const { instanceNumber, chain } = victim;
  const proposalId = { number: MAX_NUMBER, uid: from };
  switch (type) {
    case 'prepare':
      return { type, instanceNumber, proposalId };
    case 'leap': {
      const highest = victim.acceptorState.promisedId?.number ?? RESERVED_NUMBER;
      const number = highest + MAX_NUMBER_LEAP;
      return { type: 'prepare', instanceNumber, proposalId: { number, uid: from } };
    }
    case 'nack':
      return { type, instanceNumber, proposalId, promisedProposalId: proposalId };
    case 'catchup':
      return { type, ...chain, instanceNumber: MAX_NUMBER };
  }
}
