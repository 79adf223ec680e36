/**
 * The sixteen mistakes of the program that this one descends from. Each is put back, one at a time,
 * and the story or the check that covers it must notice. Where a mistake belongs to a program
 * and not to the protocol, its check stands elsewhere and is named here.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Link } from '../src/chain.ts';
import type { AcceptorState, Uid } from '../src/composable-paxos.ts';
import { PaxosInstance, Proposer } from '../src/composable-paxos.ts';
import type { Environment } from '../src/environment.ts';
import type { PeerMessage, Promised, Question } from '../src/messages.ts';
import { decodeDatagram, encodeDatagram, MAX_DATAGRAM_BYTES } from '../src/messages.ts';
import { ReplicatedValue } from '../src/replicated-value.ts';
import { BREAKS, NumberOneForAll } from '../src/simulation/broken/layers.ts';
import type { ReplicaClass } from '../src/simulation/machine.ts';
import { MasterReplica, PlainReplica } from '../src/simulation/replicas.ts';
import { type Told, tellStory } from '../src/simulation/story.ts';

type Broken = (right: ReplicaClass) => ReplicaClass;

/** The class of a break of the catalogue. */
function breakOf(name: string): Broken {
  const found = BREAKS.find((known) => known.name === name);
  assert.ok(found, `there is a break ${name}`);
  return () => found.replicaClass;
}

function violates(...invariants: number[]): (told: Told) => boolean {
  return ({ violations }) =>
    invariants.every((number) => violations.some(({ invariant }) => invariant === number));
}

/** The last `show` of a story: what every server has in the end. */
function lastShow({ text }: Told): string {
  return text.slice(text.lastIndexOf('show\n----\n'));
}

function endsOtherwise(broken: Told, right: Told): boolean {
  return lastShow(broken) !== lastShow(right);
}

/** 4: what a server says to itself goes over the network, too. */
function selfOverNetwork(right: ReplicaClass): ReplicaClass {
  return class SelfOverNetwork extends right {
    protected override ask(question: Question): void {
      this.environment.messenger.send([...this.peers, this.uid], question);
    }
  };
}

/** 10: that others are ahead is noticed by the poll alone. */
function pollOnly(right: ReplicaClass): ReplicaClass {
  return class PollOnly extends right {
    protected override receiveFromOtherInstance(_from: Uid, _message: PeerMessage): void {}
  };
}

/** 11: any nack ends the round, also one of a round before. */
class AnxiousProposer extends Proposer<Link> {
  override receiveNack(...[message]: Parameters<Proposer<Link>['receiveNack']>): boolean {
    const { proposalId } = this.state;
    return super.receiveNack(proposalId === null ? message : { ...message, proposalId });
  }
}

function anyNackStops(right: ReplicaClass): ReplicaClass {
  return class AnyNackStops extends right {
    protected override createInstance(restored: AcceptorState<Link>): PaxosInstance<Link> {
      const { acceptor, learner } = super.createInstance(restored);
      const proposer = new AnxiousProposer(this.uid, this.quorum, restored.promisedId);
      return new PaxosInstance(proposer, acceptor, learner);
    }
  };
}

/** 13: a server with leases does not understand a value that was proposed without them. */
function plainValueStalls(right: ReplicaClass): ReplicaClass {
  if (right !== MasterReplica) return right;
  return class PlainValueStalls extends right {
    protected override receivePromise(from: Uid, message: Promised): void {
      const value = message.lastAcceptedValue;
      if (value === null || 'lease' in value) super.receivePromise(from, message);
    }
  };
}

/** 14: a failed save is written down somewhere, and life goes on. */
function swallowedSave(right: ReplicaClass): ReplicaClass {
  return class SwallowedSave extends right {
    constructor(uid: Uid, uids: readonly Uid[], environment: Environment) {
      const { storage } = environment;
      const save: typeof storage.save = (state) => {
        try {
          storage.save(state);
        } catch {}
      };
      super(uid, uids, { ...environment, storage: { load: storage.load, save } });
    }
  };
}

const MISTAKES: readonly {
  readonly point: number;
  readonly mistake: string;
  readonly story: string;
  readonly broken: Broken;
  readonly isNoticed: (broken: Told, right: Told) => boolean;
}[] = [
  {
    point: 1,
    mistake: 'an accept leaves the old promise in place',
    story: '06-stale-promise',
    broken: breakOf('lax-acceptor'),
    isNoticed: violates(5),
  },
  {
    point: 2,
    mistake: 'a restarted proposer starts again at its first number',
    story: '07-no-id-twice',
    broken: breakOf('reused-id'),
    isNoticed: violates(4, 2),
  },
  {
    point: 3,
    mistake: 'a retransmission reads what is current when its timer fires',
    story: '14-retransmission',
    broken: breakOf('rebuilt-retransmission'),
    isNoticed: violates(9),
  },
  {
    point: 4,
    mistake: 'messages to oneself go over the network',
    story: '20-own-messages-are-never-lost',
    broken: selfOverNetwork,
    isNoticed: endsOtherwise,
  },
  {
    point: 5,
    mistake: 'a value is dropped when its instance chooses another one',
    story: '16-values-wait',
    broken: breakOf('forgetful-queue'),
    isNoticed: violates(9),
  },
  {
    point: 6,
    mistake: 'number 1 is used by whoever likes',
    story: '08-reserved-number',
    broken: (right) => class Broken extends NumberOneForAll(right) {},
    isNoticed: violates(4),
  },
  {
    point: 7,
    mistake: 'a lease counts from the attempt to renew it',
    story: '09-cut-off-master',
    broken: breakOf('lease-from-attempt'),
    isNoticed: violates(8),
  },
  {
    point: 8,
    mistake: 'a lease of unknown age binds nobody',
    story: '10-restarted-servers-keep-quiet',
    broken: breakOf('unknown-lease-is-free'),
    isNoticed: violates(8),
  },
  {
    point: 9,
    mistake: 'a timer says who is master',
    story: '12-paused-master',
    broken: breakOf('lease-by-timer'),
    isNoticed: violates(8),
  },
  {
    point: 10,
    mistake: 'only a poll notices that others are ahead',
    story: '05-laggard',
    broken: pollOnly,
    isNoticed: endsOtherwise,
  },
  {
    point: 11,
    mistake: 'a stale nack stops a running round',
    story: '17-stale-nack',
    broken: anyNackStops,
    isNoticed: endsOtherwise,
  },
  {
    point: 13,
    mistake: 'leases cannot finish a plain value',
    story: '18-leases-over-an-unfinished-value',
    broken: plainValueStalls,
    isNoticed: endsOtherwise,
  },
  {
    point: 14,
    mistake: 'a failed save is passed over',
    story: '19-failed-save',
    broken: swallowedSave,
    isNoticed: violates(6),
  },
];

for (const { point, mistake, story, broken, isNoticed } of MISTAKES) {
  test(`point ${point} is noticed if put back: ${mistake}`, () => {
    const text = readFileSync(new URL(`stories/${story}.txt`, import.meta.url), 'utf8');
    const right = tellStory(text);
    assert.deepEqual(right.violations, []);
    const told = tellStory(text, broken);
    const numbers = told.violations.map(({ invariant }) => invariant);
    assert.ok(isNoticed(told, right), `violated: ${numbers.join(', ') || 'nothing'}`);
  });
}

test('point 12: what fits into an accept alone is refused before it can do harm', () => {
  const update = 'x'.repeat(MAX_DATAGRAM_BYTES - 200);
  const id = 'A-0123abcd-1';
  const round = { instanceNumber: 1, proposalId: { number: 2 ** 47, uid: 'A' } };
  const accept = encodeDatagram(1, { type: 'accept', ...round, proposalValue: { update, id } });
  const lastAcceptedId = round.proposalId;
  const lastAcceptedValue = { update, id };
  const promise = { type: 'promise', ...round, lastAcceptedId, lastAcceptedValue } as const;
  // The original accepts this and can never tell anybody again what it has accepted.
  assert.ok(accept.length <= MAX_DATAGRAM_BYTES);
  assert.ok(encodeDatagram(1, promise).length > MAX_DATAGRAM_BYTES);
  assert.ok('rejected' in decodeDatagram(accept, ['A', 'B', 'C']));
});

test('point 15: a message of a peer needs numbers within bounds', () => {
  // That it must come from a peer's address is tested on a real socket: udp-messenger.test.ts.
  const sync = (instanceNumber: number) =>
    encodeDatagram(1, { type: 'sync_request', instanceNumber, digest: '01234567' });
  assert.ok('message' in decodeDatagram(sync(1_000_000), ['A', 'B', 'C']));
  for (const forged of [2 ** 49 + 1, 2 ** 53 - 1, 2 ** 60, -1, 0.5]) {
    assert.ok('rejected' in decodeDatagram(sync(forged), ['A', 'B', 'C']));
  }
});

test('point 16: a constructor only stores', () => {
  const untouchable = new Proxy({} as Environment, {
    get: (_, name) => assert.fail(`a constructor used environment.${String(name)}`),
  });
  for (const Replica of [ReplicatedValue, PlainReplica, MasterReplica]) {
    assert.equal(new Replica('A', ['A', 'B', 'C'], untouchable).instanceNumber, 1);
  }
});
