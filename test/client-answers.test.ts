/** What becomes of those who wait at a server, when it jumps over what they wait for. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type ChainState, EMPTY_CHAIN } from '../src/chain.ts';
import { UNTOUCHED } from '../src/composable-paxos.ts';
import type { Environment } from '../src/environment.ts';
import type { ClientMessage, Reply } from '../src/messages.ts';
import { PlainReplica } from '../src/simulation/replicas.ts';

const CLIENT = 'ffffffffffffffff';
const OTHER = '0123456789abcdef';

/** A server C that has heard of nobody, and hears of many links at once. */
class Scene {
  readonly replies: Reply[] = [];
  readonly #replica: PlainReplica;

  constructor(chain: Partial<ChainState>) {
    const state = { uid: 'C', instanceNumber: 3, ...EMPTY_CHAIN, ...chain, ...UNTOUCHED };
    this.#replica = new PlainReplica('C', ['A', 'B', 'C'], this.#environment(state));
    this.#replica.start();
  }

  hear(message: ClientMessage): this {
    this.#replica.receiveFromClient('a client', message);
    return this;
  }

  jump(instanceNumber: number, chain: Partial<ChainState>): this {
    this.#replica.receive('A', { type: 'catchup', instanceNumber, ...EMPTY_CHAIN, ...chain });
    return this;
  }

  get waiting(): number {
    return this.#replica.waiting;
  }

  #environment(state: unknown): Environment {
    return {
      clock: { now: () => 0, wallNow: () => 0, after: () => ({ cancel: () => {} }) },
      random: () => 0.5,
      messenger: { send: () => {}, reply: (_to, message) => this.replies.push(message) },
      storage: { load: () => state, save: () => {} },
      trace: () => {},
    };
  }
}

const requestId = `${CLIENT}-3-1`;
const request = { type: 'request', requestId, value: 'x' } as const;

suite('A server jumps,', () => {
  test('and a request that was chosen on the way is answered', () => {
    const chosen = { client: CLIENT, number: 1, instanceNumber: 4 };
    const scene = new Scene({}).hear(request).jump(9, { requests: [chosen] });
    assert.deepEqual(scene.replies, [{ type: 'chosen', requestId, instanceNumber: 4 }]);
  });

  test('and of one that may have been forgotten on the way nobody knows', () => {
    const scene = new Scene({}).hear(request).jump(200, { forgottenUpTo: 99 });
    assert.equal(scene.replies.length, 1);
    assert.match(JSON.stringify(scene.replies), /"refused".*nobody knows any more/);
  });

  test('and one that is newer than all that was forgotten waits on', () => {
    const scene = new Scene({}).hear(request).jump(9, { forgottenUpTo: 2 });
    assert.deepEqual([scene.replies, scene.waiting], [[], 1]);
  });

  test('and a read waits on, whatever was forgotten', () => {
    const read = { type: 'read', requestId: `${OTHER}-1-1`, isLocal: false } as const;
    const scene = new Scene({ forgottenUpTo: 2 }).hear(read).jump(200, { forgottenUpTo: 99 });
    assert.deepEqual([scene.replies, scene.waiting], [[], 1]);
    assert.equal(scene.hear(read).waiting, 1, 'asked again, it is not in line a second time');
  });
});
