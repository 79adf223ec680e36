/** The log: links and snapshots as one server gives and takes them, and what it keeps on disk. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { EMPTY_CHAIN, type Link } from '../src/chain.ts';
import { StoreReplica } from '../src/log/replicas.ts';
import { MAX_PART, type PeerMessage, type SnapshotChunk } from '../src/messages.ts';
import type { ReplicaClass } from '../src/simulation/machine.ts';
import { PlainReplica, SmallStoreReplica } from '../src/simulation/replicas.ts';
import { lostState, MustStop, type ServerState } from '../src/state.ts';
import { OneReplica } from './one-replica.ts';

const UIDS = ['C', 'A', 'B'];

function link(number: number, update = `add visits ${number}`): Link {
  return { update, id: `A-0123abcd-${number}` };
}

/** Server C, which has just started. */
function startC(replicaClass: ReplicaClass = SmallStoreReplica, saved: ServerState | null = null) {
  const one = new OneReplica(replicaClass, UIDS, saved);
  one.replica.start();
  one.sent.length = 0;
  return one;
}

/** Links from instance `first` to `last` on, of somebody in instance `open`. */
function links(first: number, last: number, open = last + 1): PeerMessage {
  const all = Array.from({ length: last - first + 1 }, (_, index) => link(first + index));
  return { type: 'links', instanceNumber: open, first, links: all };
}

/** C, which has closed so many instances. */
function atInstance(open: number, replicaClass: ReplicaClass = SmallStoreReplica) {
  const one = startC(replicaClass);
  if (open > 1) one.replica.receive('A', links(1, open - 1));
  one.sent.length = 0;
  return one;
}

function ignored(one: OneReplica): string {
  const last = one.decisions.at(-1);
  return last?.event === 'ignore' ? last.why : `not ignored: ${last?.event}`;
}

const sync = (instanceNumber: number): PeerMessage => {
  return { type: 'sync_request', instanceNumber, digest: '01234567' };
};

suite('A laggard', () => {
  test('closes its instances with links that begin where it is, or before', () => {
    const one = atInstance(3);
    one.replica.receive('A', links(1, 4));
    assert.equal(one.replica.instanceNumber, 5);
    const { digest } = one.replica;
    one.replica.receive('A', links(2, 4));
    assert.equal(ignored(one), 'we have got there already');
    one.replica.receive('A', links(6, 7));
    assert.equal(ignored(one), 'there is a gap before these links');
    assert.equal(one.replica.digest, digest);
    assert.equal(atInstance(5).replica.digest, digest);
  });

  test('asks at once for the rest, three times the same server, and then the next one', () => {
    const one = atInstance(1);
    one.replica.receive('A', links(1, 2, 9));
    assert.deepEqual(one.sent, [{ ...sync(3), digest: one.replica.digest }]);
    assert.equal(one.wait(299).length, 0);
    assert.equal(one.wait(1_000).filter(({ type }) => type === 'sync_request').length, 4);
    one.replica.receive('B', links(3, 8));
    one.sent.length = 0;
    assert.equal(one.wait(5_000).length, 0);
  });

  test('begins nothing in an instance between', () => {
    const one = startC();
    one.replica.submit('set color blue');
    one.sent.length = 0;
    one.replica.receive('A', links(1, 3));
    const prepared = one.sent.filter(({ type }) => type === 'prepare');
    assert.deepEqual(
      prepared.map(({ instanceNumber }) => instanceNumber),
      [4],
    );
  });

  test('does not jump', () => {
    const one = startC();
    one.replica.receive('A', { type: 'catchup', instanceNumber: 9, ...EMPTY_CHAIN });
    assert.equal(ignored(one), 'I must not jump');
  });
});

suite('Who is asked', () => {
  test('tells the links that are missing', () => {
    const one = atInstance(6);
    one.replica.receive('A', sync(4));
    assert.deepEqual(one.lastSent('links'), links(4, 5));
  });

  test('as many as fit into a datagram, and one that is longer by itself', () => {
    const one = startC(StoreReplica);
    const long = link(2, `set a ${'x'.repeat(2 * MAX_PART)}`);
    const all = [link(1), long, ...Array.from({ length: 500 }, (_, index) => link(3 + index))];
    one.replica.receive('A', { type: 'links', instanceNumber: 503, first: 1, links: all });
    const told = (from: number) => {
      one.replica.receive('A', sync(from));
      return one.lastSent('links').links.length;
    };
    assert.equal(told(1), 1);
    assert.equal(told(2), 1);
    const many = told(3);
    assert.ok(many > 100 && many < 200, `${many}`);
  });

  test('gives the snapshot to whom it has no links for, in parts, as it is asked', () => {
    const one = atInstance(9); // eight links make a snapshot, and four of them are kept
    one.replica.receive('A', sync(5));
    assert.equal(one.lastSent('links').links.length, 4);
    const text = textOf(one);
    const { state, ...others } = JSON.parse(text);
    assert.deepEqual(state, { machine: [['visits', '36', '8']], answers: [] });
    assert.equal(others.instanceNumber, 9);

    one.sent.length = 0;
    const asked = { type: 'snapshot_request', instanceNumber: 4 } as const;
    one.replica.receive('A', { ...asked, of: 8, offset: 100 });
    assert.equal(one.lastSent('snapshot_chunk').offset, 0, 'it has no such one: begin anew');
    one.replica.receive('A', { ...asked, of: 8, offset: 100, instanceNumber: 9 });
    assert.equal(ignored(one), 'I have no such snapshot');
    one.replica.receive('A', { ...asked, of: 9, offset: 1e9, instanceNumber: 9 });
    assert.equal(ignored(one), 'I have no such snapshot');
  });
});

/** The snapshot that a server gives to one at the very beginning. */
function textOf(one: OneReplica): string {
  one.replica.receive('A', sync(1));
  let text = one.lastSent('snapshot_chunk').text;
  for (;;) {
    const { instanceNumber: of, total } = one.lastSent('snapshot_chunk');
    if (text.length >= total) return text;
    const offset = text.length;
    one.replica.receive('A', { type: 'snapshot_request', instanceNumber: 1, of, offset });
    text += one.lastSent('snapshot_chunk').text;
  }
}

/** A snapshot in parts of so many characters. */
function partsOf(text: string, length: number, instanceNumber = 9): SnapshotChunk[] {
  const total = text.length;
  return Array.from({ length: Math.ceil(total / length) }, (_, index) => {
    const offset = index * length;
    const part = text.slice(offset, offset + length);
    return { type: 'snapshot_chunk', instanceNumber, offset, total, text: part };
  });
}

suite('A snapshot', () => {
  const giver = atInstance(9);
  const text = textOf(giver);

  test('makes the same state as the links, and is on disk with what comes after it', () => {
    const one = startC();
    for (const part of partsOf(text, 70)) one.replica.receive('A', part);
    assert.equal(one.replica.instanceNumber, 9);
    assert.equal(one.replica.digest, giver.replica.digest);
    one.replica.receive('A', links(9, 11));
    one.wait(200);
    assert.equal(
      startC(SmallStoreReplica, one.saved).replica.digest,
      atInstance(12).replica.digest,
    );
  });

  test('parts that come twice, too early or of somebody else do no harm', () => {
    const one = startC();
    const parts = partsOf(text, 50);
    for (const part of parts) {
      one.replica.receive('B', { ...part, instanceNumber: part.offset === 0 ? 9 : 8 });
      const last = parts.at(-1);
      if (last !== undefined && part !== last) one.replica.receive('A', last);
      one.replica.receive('B', part);
      one.replica.receive('B', part);
    }
    assert.equal(one.replica.digest, giver.replica.digest);
  });

  test('that is older is not installed', () => {
    const one = atInstance(10);
    const { digest } = one.replica;
    for (const part of partsOf(text, 1_000)) one.replica.receive('A', part);
    assert.equal(ignored(one), 'we have got there already');
    assert.equal(one.replica.digest, digest);
  });

  test('that was overtaken by links while it was read is let go of', () => {
    const one = startC();
    const [first, ...others] = partsOf(text, 50);
    one.replica.receive('A', first as PeerMessage);
    one.replica.receive('B', links(1, 9));
    for (const part of others) one.replica.receive('A', part);
    assert.equal(one.replica.instanceNumber, 10);
  });

  const { chain, state } = JSON.parse(text);
  const lies: Readonly<Record<string, string>> = {
    'no JSON': '{"instanceNumber":9',
    'no snapshot': '[]',
    'of another instance': JSON.stringify({ instanceNumber: 8, chain, state }),
    'without its chain': JSON.stringify({ instanceNumber: 9, state }),
    'with half a chain': JSON.stringify({ instanceNumber: 9, chain: { lease: null }, state }),
    'without a state': JSON.stringify({ instanceNumber: 9, chain }),
    'with no state of a store': JSON.stringify({ instanceNumber: 9, chain, state: null }),
    'of another machine': JSON.stringify({
      ...{ instanceNumber: 9, chain },
      state: { ...state, machine: [['visits', 36]] },
    }),
    'with a wrong answer': JSON.stringify({
      ...{ instanceNumber: 9, chain },
      state: { ...state, answers: [['c', 1, null]] },
    }),
    'with more': JSON.stringify({ instanceNumber: 9, chain, state, more: 1 }),
  };
  for (const [what, lie] of Object.entries(lies)) {
    test(`that lies is refused, and nothing has changed: ${what}`, () => {
      const one = startC();
      const { digest } = one.replica;
      for (const part of partsOf(lie, 1_000)) one.replica.receive('A', part);
      assert.match(ignored(one), /^the snapshot of A cannot be used: it /);
      assert.equal(one.replica.digest, digest);
      assert.equal(one.replica.instanceNumber, 1);
      for (const part of partsOf(text, 1_000)) one.replica.receive('B', part);
      assert.equal(one.replica.digest, giver.replica.digest);
    });
  }

  test('of an instance that nobody can have come to is not believed', () => {
    const one = startC();
    for (const part of partsOf(text, 1_000, 2 ** 40)) one.replica.receive('A', part);
    assert.match(ignored(one), /^not believed/);
  });
});

suite('A disk', () => {
  test('brings the state back, whatever has been cut', () => {
    for (const open of [1, 2, 8, 9, 13, 14, 30]) {
      const one = atInstance(open);
      one.replica.stop();
      const again = startC(SmallStoreReplica, one.saved);
      assert.equal(again.replica.digest, one.replica.digest, `${open}`);
      again.replica.receive('A', links(open, open + 5));
      assert.equal(again.replica.digest, atInstance(open + 6).replica.digest);
    }
  });

  test('with a log that cannot be is refused', () => {
    const one = atInstance(9);
    one.replica.stop();
    const saved = one.saved as ServerState;
    const kept = saved.kept as { snapshot: object; first: number; links: Link[] };
    const wrong: unknown[] = [
      ...[null, {}, [], { ...kept, first: 4 }, { ...kept, links: kept.links.slice(1) }],
      ...[
        { ...kept, snapshot: null },
        { ...kept, links: [1, 2, 3, 4] },
      ],
      { ...kept, snapshot: { ...kept.snapshot, instanceNumber: 10 } },
      { ...kept, snapshot: { ...kept.snapshot, instanceNumber: 4 } },
      { ...kept, snapshot: { ...kept.snapshot, state: {} } },
    ];
    for (const it of wrong) {
      assert.throws(() => startC(SmallStoreReplica, { ...saved, kept: it }), /^Error: it/);
    }
  });

  test('of a server that is no store is refused, and that of a store by one that is none', () => {
    const store = atInstance(3);
    store.replica.stop();
    assert.throws(() => startC(PlainReplica, store.saved), MustStop);
    const { kept: _, ...plain } = store.saved as ServerState;
    assert.throws(() => startC(SmallStoreReplica, plain), /without --store/);
    assert.equal(startC(SmallStoreReplica, lostState('C', UIDS)).replica.instanceNumber, 1);
  });
});
