/** The log: links and snapshots as one server gives and takes them, and what it keeps on disk. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { EMPTY_CHAIN, type Link } from '../src/chain.ts';
import { Journal } from '../src/log/journal.ts';
import { StoreReplica } from '../src/log/replicas.ts';
import type { Snapshot, SnapshotHead } from '../src/log/snapshot.ts';
import {
  type LinksMessage,
  MAX_PART,
  type PeerMessage,
  type SnapshotChunk,
} from '../src/messages.ts';
import type { ReplicaClass } from '../src/simulation/machine.ts';
import {
  PlainReplica,
  SmallMasterStoreReplica,
  SmallStoreReplica,
} from '../src/simulation/replicas.ts';
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

/** C, which has closed so many instances, and has written its snapshot. */
function atInstance(open: number, replicaClass: ReplicaClass = SmallStoreReplica) {
  const one = startC(replicaClass);
  if (open > 1) one.replica.receive('A', links(1, open - 1));
  one.wait(50);
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

  test('saves with every eighth datagram, and the rest a little later', () => {
    const one = startC();
    const savedAt: number[] = [];
    one.onSave = ({ instanceNumber }) => savedAt.push(instanceNumber);
    for (let first = 1; first < 41; first += 2) {
      one.replica.receive('A', links(first, first + 1, 41));
    }
    assert.deepEqual(savedAt, [17, 33]);
    one.wait(100);
    assert.equal(savedAt.at(-1), 41);
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

  test('begins nothing between two datagrams, until it has got there', () => {
    const one = startC();
    one.replica.receive('A', links(1, 2, 7));
    one.replica.submit('set color blue');
    one.replica.receive('A', links(3, 4, 7));
    one.wait(299);
    const prepared = () => one.sent.filter(({ type }) => type === 'prepare');
    assert.deepEqual(prepared(), []);
    one.replica.receive('A', links(5, 6));
    assert.deepEqual(
      prepared().map(({ instanceNumber }) => instanceNumber),
      [7],
    );
  });

  test('begins where it is when nobody tells it more', () => {
    const one = startC();
    one.replica.submit('set color blue');
    one.sent.length = 0;
    one.replica.receive('A', links(1, 4, 2 ** 30));
    const prepared = (ms: number) => one.wait(ms).filter(({ type }) => type === 'prepare');
    assert.deepEqual(prepared(299), []);
    assert.equal(prepared(1)[0]?.instanceNumber, 5);
  });

  test('that reads a snapshot begins nothing meanwhile, and all when its giver is silent', () => {
    const chunk = (one: OneReplica, offset: number) => {
      const part = { type: 'snapshot_chunk', instanceNumber: 20, offset, total: 1_000 } as const;
      one.replica.receive('A', { ...part, text: '['.padEnd(100) });
    };
    const one = startC();
    chunk(one, 0);
    one.replica.submit('set color blue');
    one.wait(200);
    assert.equal(one.sent.filter(({ type }) => type === 'prepare').length, 0);
    one.wait(100);
    assert.equal(one.lastSent('prepare').instanceNumber, 1);
  });

  test('that was told of an instance that nobody has come to waits for it once', () => {
    const one = startC();
    one.replica.receive('B', links(1, 1, 2 ** 30));
    one.replica.submit('set color blue');
    one.sent.length = 0;
    // Whoever tells it later has no more to tell than this.
    one.wait(200);
    one.replica.receive('A', links(2, 2));
    assert.equal(one.lastSent('prepare').instanceNumber, 3);
  });

  test('stands for master when it has got there, or when nobody tells it more', () => {
    for (const isToldAll of [true, false]) {
      const one = startC(SmallMasterStoreReplica); // without luck, it stands at once
      one.replica.receive('A', links(1, 1, 3));
      const prepared = (ms: number) => one.wait(ms).filter(({ type }) => type === 'prepare');
      assert.deepEqual(prepared(299), []);
      if (isToldAll) one.replica.receive('A', links(2, 2, 3));
      else one.wait(1);
      assert.equal(one.lastSent('prepare').instanceNumber, isToldAll ? 3 : 2);
    }
  });

  test('that is told what cannot be waits no longer', () => {
    const one = startC();
    const refused = () => {
      const part = { instanceNumber: 20, offset: 0, total: 9, text: 'no digest' } as const;
      one.replica.receive('A', { type: 'snapshot_chunk', ...part });
    };
    refused();
    assert.match(ignored(one), /^not believed/);
    one.replica.submit('set color blue');
    assert.equal(one.lastSent('prepare').instanceNumber, 1);
    one.sent.length = 0;
    refused();
    assert.deepEqual(one.wait(300).filter(({ type }) => type === 'sync_request').length, 1);
  });

  test('closes in order what comes in any order, and asks on when it has come to the end', () => {
    const ordered = atInstance(9).replica.digest;
    for (const order of [
      [1, 3, 5],
      [5, 3, 1],
      [3, 3, 1, 5],
    ]) {
      const one = startC();
      for (const first of order) {
        assert.deepEqual(one.sent, [], 'it is being told');
        one.replica.receive('A', { ...links(first, first + 1, 9), until: 7 } as PeerMessage);
      }
      assert.equal(one.replica.instanceNumber, 7);
      assert.deepEqual(one.sent, [{ ...sync(7), digest: one.replica.digest }]);
      one.replica.receive('A', links(7, 8));
      assert.equal(one.replica.digest, ordered);
    }
  });

  test('asks again for what is lost on the way', () => {
    const one = startC();
    one.replica.receive('A', { ...links(1, 2, 9), until: 7 } as PeerMessage);
    one.replica.receive('A', { ...links(5, 6, 9), until: 7 } as PeerMessage);
    assert.equal(one.wait(299).length, 0);
    assert.deepEqual(one.wait(1), [{ ...sync(3), digest: one.replica.digest }]);
    one.sent.length = 0;
    one.replica.receive('A', links(3, 4, 9));
    assert.equal(one.replica.instanceNumber, 7, 'what came early was not in vain');

    const other = startC();
    other.replica.receive('A', links(3, 4));
    assert.deepEqual(other.wait(300), [{ ...sync(1), digest: other.replica.digest }]);
  });

  test('that is being told asks nobody else, and once more in the end', () => {
    const one = startC();
    one.replica.receive('A', { ...links(1, 2, 5), until: 5 } as PeerMessage);
    const later = { type: 'accepted', instanceNumber: 6, proposalId: { number: 1, uid: 'B' } };
    const news = { ...later, proposalValue: link(6) } as PeerMessage;
    one.replica.receive('B', news);
    assert.deepEqual(one.sent, []);
    one.replica.receive('A', links(3, 4));
    assert.deepEqual(one.sent, [{ ...sync(5), digest: one.replica.digest }]);

    const other = startC();
    other.replica.receive('A', { ...links(1, 2, 5), until: 5 } as PeerMessage);
    other.wait(300);
    other.sent.length = 0;
    other.replica.receive('B', news);
    assert.equal(other.sent.length, 1, 'whoever was telling may be gone');
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
    const told = toldBy(one, () => one.replica.receive('A', sync(1)));
    assert.deepEqual(
      told.slice(0, 3).map(({ first }) => first),
      [1, 2, 3],
    );
    const many = told[2]?.links.length ?? 0;
    assert.ok(many > 100 && many < 200, `${many}`);
    assert.deepEqual(
      told.flatMap(({ links }) => links),
      all,
      'and all of them in order',
    );
    assert.deepEqual([...new Set(told.slice(0, -1).map(({ until }) => until))], [503]);
    assert.equal(told.at(-1)?.until, undefined);
  });

  test('so many bytes at a time, if it is asked, and one datagram if it is not', () => {
    const one = startC(StoreReplica);
    const all = Array.from({ length: 100 }, (_, at) => link(1 + at, `set a ${'x'.repeat(5_000)}`));
    one.replica.receive('A', { type: 'links', instanceNumber: 101, first: 1, links: all });
    const told = toldBy(one, () => one.replica.receive('A', sync(1)));
    const bytes = JSON.stringify(told).length;
    assert.ok(bytes > 100_000 && bytes < 130_000, `${bytes}`);
    const late: PeerMessage = {
      type: 'prepare',
      instanceNumber: 1,
      proposalId: { number: 5, uid: 'A' },
    };
    assert.equal(toldBy(one, () => one.replica.receive('A', late)).length, 1);
  });

  test('gives the snapshot to whom it has no links for, in parts, as it is asked', () => {
    const one = atInstance(9); // eight links make a snapshot, and four of them are kept
    one.replica.receive('A', sync(5));
    assert.equal(one.lastSent('links').links.length, 4);
    const { head, pieces } = read(textOf(one));
    assert.deepEqual(pieces, [
      ['answers', 0],
      ['machine', ['visits', '36', '8']],
    ]);
    assert.equal(head.instanceNumber, 9);
    assert.equal(head.digest, one.replica.digest);

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

/** The links that it tells meanwhile, in the messages that carry them. */
function toldBy(one: OneReplica, act: () => void): LinksMessage[] {
  one.sent.length = 0;
  act();
  return one.sent.filter((message): message is LinksMessage => message.type === 'links');
}

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

/** What the lines of a snapshot say. */
function read(text: string): { head: SnapshotHead; pieces: unknown[] } {
  const [head, ...pieces] = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  return { head, pieces };
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

  test('is asked for in a window of parts, of which each that comes makes room for another', () => {
    const one = startC();
    const parts = partsOf(text, 30);
    const asked = () => {
      const all = one.sent.filter(({ type }) => type === 'snapshot_request');
      one.sent.length = 0;
      return all.map((message) => message.type === 'snapshot_request' && message.offset / 30);
    };
    const come = (index: number) => one.replica.receive('A', parts[index] as PeerMessage);
    come(0);
    assert.deepEqual(asked(), [1, 2, 3]);
    come(3);
    assert.deepEqual(asked(), []);
    come(2);
    come(2);
    assert.equal(ignored(one), 'I am not waiting for this part');
    one.decisions.length = 0;
    come(5);
    assert.equal(ignored(one), 'I am not waiting for this part');
    one.decisions.length = 0;
    one.replica.receive('A', { ...(parts[1] as SnapshotChunk), total: text.length + 1 });
    assert.equal(ignored(one), 'I am not waiting for this part');
    one.wait(300);
    assert.deepEqual(asked(), [1], 'only what has not come');
    come(1);
    assert.deepEqual(asked(), [4, 5, 6]);
    for (const part of parts.slice(4)) one.replica.receive('A', part);
    assert.equal(one.replica.digest, giver.replica.digest);
  });

  const { head, pieces } = read(text);
  const linesOf = (...lines: unknown[]) =>
    lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  const lies: Readonly<Record<string, readonly [lie: string, why: RegExp]>> = {
    'no JSON': ['{"instanceNumber":9\n', /not JSON/],
    'no snapshot': [linesOf([]), /does not begin/],
    'of another instance': [linesOf({ ...head, instanceNumber: 8 }, ...pieces), /instance/],
    'with half a chain': [linesOf({ ...head, chain: { lease: null } }, ...pieces), /not begin/],
    'with more in its head': [linesOf({ ...head, more: 1 }, ...pieces), /does not begin/],
    'with no piece of a store': [linesOf(head, ...pieces, 'x'), /no piece of a store/],
    'of another machine': [linesOf(head, ['machine', ['visits', 36]]), /neither a key nor a lock/],
    'with a key twice': [linesOf(head, ...pieces, pieces.at(-1)), /a key twice/],
    'with a wrong answer': [linesOf(head, ['answers', ['c', 1, 2, null]]), /no answer/],
    'with an answer too long': [linesOf(head, ['answers', ['c', 1, 2, 'x'.repeat(201)]]), /answer/],
    'with two answers': [
      linesOf(head, ['answers', ['c', 1, 2, 'x']], ['answers', ['c', 2, 3, 'y']]),
      /two answers/,
    ],
    'shorter than it says': [text.slice(0, -3), /in the middle of a line/],
    'with a line less': [linesOf(head, ...pieces.slice(0, -1)), /not what its digest says/],
    'with a line more': [linesOf(head, ...pieces, ['machine', ['x', 'y', '1']]), /its digest/],
    'with another digest': [linesOf({ ...head, digest: '01234567' }, ...pieces), /its digest/],
    'with nothing in it': ['\n', /not JSON/],
    'of one long line': ['['.repeat(300_000), /too long/],
  };
  for (const [what, [lie, why]] of Object.entries(lies)) {
    test(`that lies is refused, and nothing has changed: ${what}`, () => {
      const one = startC();
      const { digest } = one.replica;
      for (const part of partsOf(lie, 1_000)) one.replica.receive('A', part);
      const refusals = one.decisions.flatMap((it) => (it.event === 'ignore' ? [it.why] : []));
      const refused = refusals.find((it) => it.startsWith('not believed: it '));
      assert.match(refused ?? '', why);
      assert.equal(one.replica.digest, digest);
      assert.equal(one.replica.instanceNumber, 1);
      one.sent.length = 0;
      assert.deepEqual(
        one.wait(300).map(({ type }) => type),
        ['sync_request'],
      );
      assert.deepEqual(one.sentTo, ['B'], 'somebody else is asked');
      for (const part of partsOf(text, 1_000)) one.replica.receive('B', part);
      assert.equal(one.replica.digest, giver.replica.digest);
    });
  }

  test('that says it is longer than it is, is asked for in vain, and then another one is', () => {
    const one = startC();
    const [part] = partsOf(text, text.length) as [SnapshotChunk];
    one.replica.receive('A', { ...part, total: text.length + 1 });
    one.sent.length = 0;
    const types = one.wait(900).map(({ type }) => type);
    assert.deepEqual(types, ['snapshot_request', 'snapshot_request', 'sync_request']);
    one.replica.receive('B', part);
    assert.equal(one.replica.digest, giver.replica.digest);
  });

  test('of which a part has more than all of it is not begun', () => {
    const one = startC();
    const [part] = partsOf(text, text.length) as [SnapshotChunk];
    one.replica.receive('A', { ...part, total: text.length - 1 });
    assert.equal(ignored(one), 'I am not waiting for this part');
    one.replica.receive('B', part);
    assert.equal(one.replica.digest, giver.replica.digest);
  });

  test('of an instance that nobody can have come to is not believed', () => {
    const one = startC();
    for (const part of partsOf(text, 1_000, 2 ** 40)) one.replica.receive('A', part);
    assert.match(ignored(one), /^not believed/);
  });
});

/** The snapshots that this one has taken: of which instances, and the digests of the states. */
function taken(one: OneReplica): (string | number | null)[][] {
  return one.decisions.flatMap((it) =>
    it.event === 'snapshot' && it.what === 'taken' ? [[it.instanceNumber, it.digest]] : [],
  );
}

suite('The writing of a snapshot', () => {
  test('takes several turns, of a few lines each, and is of the moment at which it began', () => {
    const one = startC();
    const lengthy = (number: number) => link(number, `set k${number % 100} "${'x'.repeat(150)}"`);
    const tell = (first: number, last: number) => {
      const all = Array.from({ length: last - first + 1 }, (_, index) => lengthy(first + index));
      one.replica.receive('A', { type: 'links', instanceNumber: last + 1, first, links: all });
    };
    tell(1, 8);
    const state = one.decisions.findLast((it) => it.event === 'apply')?.digest;
    assert.deepEqual(taken(one), [], 'it has begun, and no more');
    for (let turn = 1; taken(one).length === 0; turn += 1) {
      assert.ok(turn < 20);
      tell(8 + turn, 8 + turn);
      one.wait(1);
    }
    assert.deepEqual(taken(one), [[9, state]]);
    const steps = one.nowMs;
    assert.ok(steps >= 5 && steps <= 8, `eight lines, one or two in a turn: ${steps}`);
    const { firstKept, instanceNumber } = one.replica as InstanceType<typeof StoreReplica>;
    assert.ok(firstKept <= 9 && instanceNumber - firstKept <= 8, 'and none since is forgotten');

    const reader = startC();
    one.sent.length = 0;
    for (const part of partsOf(textOf(one), 200)) reader.replica.receive('A', part);
    assert.equal(reader.replica.instanceNumber, 9);
  });

  test('brings its text to the disk as it goes on, and at last only that it counts', () => {
    const journal = new Journal();
    const lines: number[] = [];
    const one = startC();
    one.onSave = (state) => lines.push(journal.save(state).line?.length ?? 0);
    const lengthy = (number: number) => link(number, `set k${number} "${'x'.repeat(150)}"`);
    for (let number = 1; number <= 200; number += 1) {
      const told = { instanceNumber: number + 1, first: number, links: [lengthy(number)] };
      one.replica.receive('A', { type: 'links', ...told });
      one.wait(1);
    }
    one.wait(500);
    const text = textOf(one);
    assert.ok(text.length > 20_000);
    assert.ok(Math.max(...lines) < 4_000, `${Math.max(...lines)}`);

    const reader = startC();
    const readerJournal = new Journal();
    const readerLines: number[] = [];
    reader.onSave = (state) => readerLines.push(readerJournal.save(state).line?.length ?? 0);
    const { snapshotAt } = one.replica as InstanceType<typeof StoreReplica>;
    for (const part of partsOf(text, 200, snapshotAt)) reader.replica.receive('A', part);
    reader.wait(200);
    assert.equal(reader.replica.instanceNumber, snapshotAt);
    assert.ok(Math.max(...readerLines) < 4_000, `${Math.max(...readerLines)}`);
  });

  test('or the reading of one, on a full disk stops the server, which has lost nothing', () => {
    const lengthy = (number: number) => link(number, `set k${number} "${'x'.repeat(150)}"`);
    const all = Array.from({ length: 8 }, (_, index) => lengthy(index + 1));
    const eight: PeerMessage = { type: 'links', instanceNumber: 9, first: 1, links: all };
    const giver = startC();
    giver.replica.receive('A', eight);
    giver.wait(50);
    const parts = partsOf(textOf(giver), 100);
    const half = Math.floor(parts.length / 2);

    const reader = startC();
    for (const part of parts.slice(0, half)) reader.replica.receive('A', part);
    const writer = startC();
    writer.replica.receive('A', eight);
    writer.wait(2);
    for (const [one, goOn] of [
      [reader, () => parts.slice(half).map((part) => reader.replica.receive('A', part))],
      [writer, () => writer.wait(50)],
    ] as const) {
      const { digest, instanceNumber } = one.replica;
      const { saved } = one;
      assert.match(JSON.stringify(saved), /"(?:written|read)":\{/, 'some of it is on the disk');
      one.isDiskFull = true;
      assert.throws(goOn, /no space left/);
      assert.equal(one.saved, saved);
      const again = startC(SmallStoreReplica, saved);
      assert.deepEqual(
        [again.replica.digest, again.replica.instanceNumber],
        [digest, instanceNumber],
      );
      if (one === reader) again.replica.receive('A', eight);
      assert.equal(again.replica.digest, giver.replica.digest);
    }
  });

  test('that is not whole when the server stops is begun anew by the next run', () => {
    const one = startC();
    one.replica.receive('A', links(1, 8));
    one.replica.stop();
    assert.equal(one.timers.size, 0);
    const again = startC(SmallStoreReplica, one.saved);
    again.replica.receive('A', links(9, 9));
    again.wait(10);
    assert.equal(taken(again)[0]?.[0], 10);
  });

  test('ends when a later one is installed', () => {
    const one = startC();
    one.replica.receive('A', links(1, 8));
    const further = atInstance(9);
    further.replica.receive('A', links(9, 12));
    further.wait(50);
    for (const part of partsOf(textOf(further), 1_000, 13)) one.replica.receive('A', part);
    one.wait(100);
    assert.deepEqual(taken(one), []);
    assert.equal((one.replica as InstanceType<typeof StoreReplica>).snapshotAt, 13);
  });

  test('waits for who reads the one before, but not for ever', () => {
    const one = atInstance(9);
    const ask = () => {
      const asked = { type: 'snapshot_request', instanceNumber: 1, of: 9, offset: 0 } as const;
      one.replica.receive('A', asked);
    };
    ask();
    one.replica.receive('A', links(9, 19));
    one.wait(900);
    assert.equal(taken(one).length, 1);
    ask();
    one.replica.receive('A', links(20, 20));
    one.wait(1_000);
    assert.deepEqual(
      taken(one).map(([instanceNumber]) => instanceNumber),
      [9, 21],
    );
    one.replica.receive('A', links(21, 24));
    one.wait(900);
    assert.equal(taken(one).length, 3, 'nobody has asked for a second');
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
    one.replica.receive('A', links(9, 9));
    one.replica.stop();
    const saved = one.saved as ServerState;
    const kept = saved.kept as {
      snapshot: Snapshot;
      first: number;
      blocks: Link[][];
      links: Link[];
    };
    const lie = (part: string) => part.replace('"36"', '"37"');
    const wrong: unknown[] = [
      ...[null, {}, [], { ...kept, first: 4 }, { ...kept, blocks: kept.blocks.slice(1) }],
      ...[
        { ...kept, snapshot: null },
        { ...kept, blocks: [[1], [2], [3], [4]] },
        { ...kept, links: null },
        { ...kept, blocks: kept.blocks.flat() },
      ],
      { ...kept, snapshot: { ...kept.snapshot, instanceNumber: 10 } },
      { ...kept, snapshot: { ...kept.snapshot, instanceNumber: 4 } },
      { ...kept, snapshot: { ...kept.snapshot, parts: [] } },
      { ...kept, snapshot: { ...kept.snapshot, parts: ['x'] } },
      { ...kept, snapshot: { ...kept.snapshot, parts: kept.snapshot.parts.slice(1) } },
      { ...kept, snapshot: { ...kept.snapshot, parts: [...kept.snapshot.parts, 'é'] } },
      { ...kept, snapshot: { ...kept.snapshot, parts: kept.snapshot.parts.map(lie) } },
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
