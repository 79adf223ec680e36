/** What becomes of requests that are asked more than once, and of clients that are forgotten. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import {
  applyLink,
  type ChainState,
  digestOf,
  EMPTY_CHAIN,
  MAX_REMEMBERED_CLIENTS,
  type RequestId,
  standingOf,
} from '../src/chain.ts';

/** A chain that grows by one request after the other. */
class Chain {
  state: ChainState = EMPTY_CHAIN;
  open = 1;

  /** Chooses a request, and says whether it took effect. */
  choose(request: RequestId): boolean {
    const update = `value ${this.open}`;
    const link = { update, id: `A-00000001-${this.open}`, request };
    this.state = applyLink(this.state, link, this.open);
    this.open += 1;
    return this.state.currentValue === update;
  }

  /** So many new clients have one request each chosen. */
  meet(clients: number): this {
    for (let n = 0; n < clients; n += 1) {
      assert.ok(this.choose(idOf(1_000 + this.open, this.open)));
    }
    return this;
  }

  standing(request: RequestId) {
    return standingOf(this.state, request);
  }
}

function idOf(client: number, since: number, number = 1): RequestId {
  return `${client.toString(16).padStart(16, '0')}-${since}-${number}`;
}

suite('A request', () => {
  test('takes effect once, however often it is chosen', () => {
    const chain = new Chain();
    assert.equal(chain.standing(idOf(1, 1)), 'new');
    assert.equal(chain.choose(idOf(1, 1)), true);
    assert.equal(chain.choose(idOf(1, 1)), false);
    assert.equal(chain.standing(idOf(1, 1)), 1);
  });

  test('does not take effect when its client has had a later one chosen', () => {
    const chain = new Chain();
    chain.choose(idOf(1, 1, 2));
    assert.equal(chain.standing(idOf(1, 1, 1)), 'overtaken');
    assert.equal(chain.choose(idOf(1, 1, 1)), false);
    assert.equal(chain.choose(idOf(1, 2, 3)), true);
  });
});

test('the chain names the latest holder of a lease, and nobody once it is handed back', () => {
  const granted = applyLink(EMPTY_CHAIN, { lease: 'B', id: 'B-00000000-1' }, 1);
  assert.deepEqual(granted.lease, { holder: 'B', id: 'B-00000000-1' });
  const handedBack = applyLink(granted, { lease: null, id: 'B-00000000-2' }, 2);
  assert.deepEqual(handedBack, EMPTY_CHAIN);
});

suite('A client is remembered', () => {
  test(`while no more than ${MAX_REMEMBERED_CLIENTS} come`, () => {
    const chain = new Chain();
    chain.choose(idOf(1, 1));
    chain.meet(MAX_REMEMBERED_CLIENTS - 1);
    assert.deepEqual([chain.state.requests.length, chain.state.forgottenUpTo], [100, 0]);
    assert.equal(chain.standing(idOf(1, 1)), 1);
    chain.meet(1);
    assert.deepEqual([chain.state.requests.length, chain.state.forgottenUpTo], [100, 1]);
  });

  test('longer if it comes again', () => {
    const chain = new Chain();
    chain.choose(idOf(1, 1));
    chain.meet(MAX_REMEMBERED_CLIENTS - 1);
    assert.equal(chain.choose(idOf(1, chain.open, 2)), true);
    chain.meet(MAX_REMEMBERED_CLIENTS - 1);
    assert.equal(chain.standing(idOf(1, 100, 2)), MAX_REMEMBERED_CLIENTS + 1);
  });
});

suite('When a client is forgotten, a request', () => {
  const forgotten = () => {
    const chain = new Chain();
    chain.choose(idOf(1, 1));
    return chain.meet(MAX_REMEMBERED_CLIENTS);
  };

  test('of it does not take effect a second time', () => {
    const chain = forgotten();
    assert.equal(chain.standing(idOf(1, 1)), 'forgotten');
    assert.equal(chain.choose(idOf(1, 1)), false);
  });

  test('of an unknown client takes effect only if it is newer than all that was forgotten', () => {
    assert.equal(forgotten().choose(idOf(2, 1)), false);
    assert.equal(forgotten().choose(idOf(2, 2)), true);
    assert.equal(forgotten().choose(idOf(1, 102, 2)), true);
  });
});

test('equal states have the same digest, however they came about, and others have not', () => {
  const state: ChainState = {
    currentValue: 'x',
    lease: { holder: 'A', id: 'A-00000001-1' },
    latestUpdateIds: { A: 'A-00000001-2', B: 'B-00000001-1' },
    requests: [{ client: '0123456789abcdef', number: 1, instanceNumber: 2 }],
    forgottenUpTo: 0,
  };
  const { A = '', B = '' } = state.latestUpdateIds;
  assert.equal(digestOf({ ...state, latestUpdateIds: { B, A } }), digestOf(state));
  assert.equal(digestOf(state), '6c5e9acf', 'servers of other versions must come to the same');
  assert.equal(digestOf(EMPTY_CHAIN), '5645545f');
  assert.equal(digestOf(JSON.parse(JSON.stringify(state))), digestOf(state));
  const [request] = state.requests;
  assert.ok(request);
  const others: Partial<ChainState>[] = [
    { currentValue: 'y' },
    { currentValue: '' },
    { currentValue: null },
    { lease: null },
    { lease: { holder: 'B', id: 'A-00000001-1' } },
    { latestUpdateIds: { A } },
    { latestUpdateIds: { A, B: 'B-00000001-2' } },
    { requests: [] },
    { requests: [{ ...request, number: 2 }] },
    { requests: [{ ...request, instanceNumber: 2 ** 40 }] },
    { requests: [request, { ...request, client: 'fedcba9876543210' }] },
    { forgottenUpTo: 1 },
  ];
  const digests = others.map((other) => digestOf({ ...state, ...other }));
  assert.equal(new Set([digestOf(state), ...digests]).size, others.length + 1);
});
