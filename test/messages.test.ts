import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type BatchLink,
  type Link,
  MAX_REMEMBERED_CLIENTS,
  type RequestedLink,
} from '../src/chain.ts';
import type { ProposalId, Uid } from '../src/composable-paxos.ts';
import {
  clusterName,
  type Decoded,
  decodeDatagram,
  encodeDatagram,
  encodedBytes,
  highestNumberIn,
  isClientMessage,
  isInstanceMessage,
  isPeerMessage,
  isQuestion,
  isReply,
  MAX_BATCH_BYTES,
  MAX_DATAGRAM_BYTES,
  MAX_IN_BATCH,
  MAX_NUMBER,
  MAX_PART,
  MAX_VALUE_BYTES,
  type Message,
  wrongMessage,
} from '../src/messages.ts';
import { printable } from '../src/trace/printable.ts';

const UIDS = ['A', 'B', 'C'];
const DIGEST = '01234567';
const id = (number: number, uid: Uid): ProposalId => ({ number, uid });
const update: Link = { update: 'hello', id: 'A-0123abcd-1' };
const lease: Link = { lease: 'B', id: 'B-0123abcd-2' };
const requestId = '0123456789abcdef-1-7';
const requested: Link = { ...update, request: requestId };
const read: Link = { read: null, id: 'A-0123abcd-4' };
const remembered = { client: '0123456789abcdef', number: 7, instanceNumber: 2 };
const batch: BatchLink = { batch: [update, { ...read, id: 'A-0123abcd-5' }], id: 'A-0123abcd-6' };
const handedBack: Link = { lease: null, id: 'B-0123abcd-3' };
const round = { instanceNumber: 3, proposalId: id(2, 'A') };

/** One of each type, with nothing null that may be something else. */
const SAMPLES: { readonly [Type in Message['type']]: Extract<Message, { type: Type }> } = {
  propose: { type: 'propose', value: 'hello' },
  prepare: { type: 'prepare', ...round },
  promise: {
    type: 'promise',
    ...round,
    lastAcceptedId: id(1, 'C'),
    lastAcceptedValue: update,
  },
  nack: { type: 'nack', ...round, promisedProposalId: id(3, 'B') },
  accept: { type: 'accept', ...round, proposalValue: update },
  accepted: { type: 'accepted', ...round, proposalValue: update },
  sync_request: { type: 'sync_request', instanceNumber: 3, digest: DIGEST },
  rejoin_request: { type: 'rejoin_request', instanceNumber: 1, question: 'C-0123abcd-1' },
  rejoin_answer: { type: 'rejoin_answer', instanceNumber: 3, question: 'C-0123abcd-1' },
  extent_request: { type: 'extent_request', instanceNumber: 3, question: 'C-0123abcd-1' },
  extent: { type: 'extent', instanceNumber: 3, question: 'C-0123abcd-1' },
  level_request: { type: 'level_request', instanceNumber: 3, question: 'C-0123abcd-1' },
  level: { type: 'level', instanceNumber: 3, question: 'C-0123abcd-1' },
  catchup: {
    type: 'catchup',
    instanceNumber: 3,
    currentValue: 'hello',
    lease: { holder: 'B', id: 'B-0123abcd-2' },
    latestUpdateIds: { A: 'A-0123abcd-1', C: 'C-0123abcd-9' },
    requests: [remembered],
    forgottenUpTo: 2,
  },
  links: { type: 'links', instanceNumber: 5, first: 3, links: [update, read] },
  snapshot_request: { type: 'snapshot_request', instanceNumber: 3, of: 9, offset: 8_000 },
  snapshot_chunk: {
    type: 'snapshot_chunk',
    instanceNumber: 9,
    offset: 0,
    total: 2,
    text: '[]',
  },
  request: { type: 'request', requestId, value: 'hello' },
  query: { type: 'query', requestId, query: 'get color', isLocal: false },
  quorum_query: { type: 'quorum_query', requestId, query: 'get color' },
  answered: { type: 'answered', requestId, instanceNumber: 3, answer: 'ok' },
  found: { type: 'found', requestId, instanceNumber: 3, found: 'blue', isCurrent: true },
  read: { type: 'read', requestId, isLocal: false },
  reach: { type: 'reach', requestId },
  status: { type: 'status', requestId },
  transfer: { type: 'transfer', requestId, to: 'B' },
  transferred: { type: 'transferred', requestId, leaseLeftMs: 8_999.5 },
  members: { type: 'members', requestId },
  members_report: {
    type: 'members_report',
    requestId,
    instanceNumber: 3,
    clusterName: 'A B C with members',
    members: { A: { address: '10.0.0.1:1234', role: 'voting', open: 3 } },
  },
  change: {
    type: 'change',
    requestId,
    remove: ['B'],
    vote: { D: '10.0.0.4:1234' },
    join: { E2: '[::1]:1234' },
    follow: { F: null },
    isForced: true,
  },
  changed: { type: 'changed', requestId, instanceNumber: 3 },
  chosen: { type: 'chosen', requestId, instanceNumber: 3 },
  value: { type: 'value', requestId, instanceNumber: 3, value: 'hello', isCurrent: true },
  reached: { type: 'reached', requestId, instanceNumber: 3 },
  refused: { type: 'refused', requestId, master: 'B', why: 'the master is B', isFinal: false },
  status_report: {
    type: 'status_report',
    requestId,
    instanceNumber: 3,
    value: 'hello',
    promisedId: id(2, 'A'),
    acceptedId: id(1, 'C'),
    hasLeases: true,
    master: 'B',
    leaseLeftMs: 1.5,
    reign: { since: 7, forMs: 2.5 },
    waiting: 0,
    uptimeMs: 12_345.678,
    heardMs: { B: 0, C: null },
    log: { firstKept: 9, snapshotAt: 12, digest: '0123abcd', size: '3 keys' },
  },
};
const EVERY_SAMPLE: readonly Message[] = Object.values(SAMPLES);

const encode = (text: string) => new TextEncoder().encode(text);
const decodeText = (text: string) => decodeDatagram(encode(text), UIDS);

/** Checks that a datagram is refused, with a sentence that may stand in a terminal. */
function assertRejected(decoded: Decoded, hint: string): void {
  assert.ok('rejected' in decoded, `believed: ${hint}`);
  assert.match(decoded.rejected, /^(it|its) /, hint);
  assert.ok(decoded.rejected.length <= 60, decoded.rejected);
  assert.equal(decoded.rejected, printable(decoded.rejected), hint);
}

function rejects(text: string): void {
  assertRejected(decodeText(text), text.slice(0, 200));
}

/** The JSON text of a message in which one field, `path`, holds this raw text. */
function withField(message: Message, path: readonly string[], raw: string): string {
  const marker = '@@@';
  const changed = structuredClone({ seq: 1, ...message }) as Record<string, unknown>;
  let record = changed;
  for (const name of path.slice(0, -1)) record = record[name] as Record<string, unknown>;
  record[path.at(-1) ?? ''] = marker;
  return JSON.stringify(changed).replace(`"${marker}"`, raw);
}

/** Fields that may name fewer servers than there are. */
const TABLES_OF_SERVERS = ['latestUpdateIds', 'heardMs', 'members', 'vote', 'join', 'follow'];

/** Every field of a message, and every field within those. */
function pathsOf(record: object, prefix: readonly string[] = []): string[][] {
  return Object.entries(record).flatMap(([name, value]) => {
    const path = [...prefix, name];
    if (typeof value !== 'object' || value === null) return [path];
    return [path, ...pathsOf(value, path)];
  });
}

test('every sample goes over the wire and comes back', () => {
  for (const message of EVERY_SAMPLE) {
    assert.deepEqual(decodeDatagram(encodeDatagram(7, message), UIDS), { seq: 7, message });
  }
});

const OURS = 'A B C';
const PEER_SAMPLES = EVERY_SAMPLE.filter(isPeerMessage);

test('what servers say to each other names their cluster, and nothing else does', () => {
  assert.equal(PEER_SAMPLES.length, 16);
  for (const message of EVERY_SAMPLE) {
    const named = encodeDatagram(7, message, OURS);
    const unnamed = encodeDatagram(7, message);
    const [right, wrong] = isPeerMessage(message) ? [named, unnamed] : [unnamed, named];
    assert.deepEqual(decodeDatagram(right, UIDS, OURS), { seq: 7, message });
    assertRejected(decodeDatagram(wrong, UIDS, OURS), message.type);
    assertRejected(decodeDatagram(named, UIDS), `${message.type} to one that is of no cluster`);
  }
});

test('a server of another cluster is not believed, and both sides are named', () => {
  const others = ['A B', 'A B C D', 'A B C D E', 'A B C with leases', 'C', 'A B C D E F G H I'];
  for (const message of PEER_SAMPLES) {
    for (const other of others) {
      const rejected = `its cluster is ${other}, ours is ${OURS}`;
      assert.deepEqual(decodeDatagram(encodeDatagram(7, message, other), UIDS, OURS), { rejected });
    }
  }
  // Whatever else is wrong with it here.
  const fromD: Message = { type: 'prepare', instanceNumber: 3, proposalId: id(2, 'D') };
  const rejected = 'its cluster is A B C D, ours is A B C';
  assert.deepEqual(decodeDatagram(encodeDatagram(7, fromD, 'A B C D'), UIDS, OURS), { rejected });
});

test('a cluster that is none', () => {
  const rejected = 'it does not say of which cluster it is';
  const long = 'A '.repeat(10_000);
  for (const none of [
    '',
    'a b c',
    'A B C ',
    'A,B,C',
    'A B C\u001b[2J',
    long,
    '__proto__',
    'A B C\n',
  ]) {
    for (const message of PEER_SAMPLES) {
      assert.deepEqual(decodeDatagram(encodeDatagram(7, message, none), UIDS, OURS), { rejected });
    }
  }
  for (const raw of ['null', '1', '["A B C"]', '{}', 'true']) {
    const prepare = { ...SAMPLES.prepare, cluster: '' };
    const text = withField(prepare, ['cluster'], raw);
    assert.deepEqual(decodeDatagram(encode(text), UIDS, OURS), { rejected });
  }
});

test('a digest that is none', () => {
  for (const raw of [
    'null',
    '0',
    '""',
    '"0123456789abcde"',
    `"${DIGEST}0"`,
    `["${DIGEST}"]`,
    '"0123456789ABCDEF"',
  ]) {
    rejects(withField(SAMPLES.sync_request, ['digest'], raw));
  }
});

test('a field that holds what it held is believed: the tests below change one thing only', () => {
  for (const message of EVERY_SAMPLE) {
    for (const path of pathsOf({ seq: 1, ...message })) {
      let value: unknown = { seq: 1, ...message };
      for (const name of path) value = (value as Record<string, unknown>)[name];
      const text = withField(message, path, JSON.stringify(value));
      assert.deepEqual(decodeText(text), { seq: 1, message }, text);
    }
  }
});

test('what may be null is believed as null', () => {
  const { promise, accept, catchup, value, refused, status_report } = SAMPLES;
  const nothing = { lastAcceptedId: null, lastAcceptedValue: null };
  for (const message of [
    { ...promise, ...nothing },
    { ...accept, proposalValue: lease },
    { ...accept, proposalValue: handedBack },
    { ...accept, proposalValue: requested },
    { ...accept, proposalValue: read },
    { ...catchup, currentValue: null, lease: null, latestUpdateIds: {}, requests: [] },
    { ...value, value: null },
    { ...refused, master: null },
    { ...status_report, value: null, promisedId: null, acceptedId: null, master: null },
    { ...status_report, reign: null },
    { ...status_report, reign: { since: null, forMs: 0 } },
  ]) {
    assert.deepEqual(decodeDatagram(encodeDatagram(0, message), UIDS), { seq: 0, message });
  }
});

test('the questions about a message', () => {
  const types = (is: (message: Message) => boolean) =>
    EVERY_SAMPLE.filter(is).map(({ type }) => type);
  assert.deepEqual(types(isClientMessage), [
    ...['propose', 'request', 'query', 'quorum_query', 'read', 'reach', 'status', 'transfer'],
    ...['members', 'change'],
  ]);
  assert.deepEqual(types(isReply), [
    ...[
      'answered',
      'found',
      'transferred',
      'members_report',
      'changed',
      'chosen',
      'value',
      'reached',
      'refused',
      'status_report',
    ],
  ]);
  assert.deepEqual(
    types((message) => isPeerMessage(message)),
    types((message) => !isClientMessage(message) && !isReply(message)),
  );
  assert.deepEqual(
    types((message) => isPeerMessage(message) && isInstanceMessage(message)),
    ['prepare', 'promise', 'nack', 'accept', 'accepted'],
  );
  assert.deepEqual(
    types((message) => isPeerMessage(message) && isQuestion(message)),
    ['prepare', 'accept'],
  );
});

test('the highest number that a message names, wherever in it that stands', () => {
  const { prepare, promise, nack, accept } = SAMPLES;
  const nothing = { lastAcceptedId: null, lastAcceptedValue: null };
  const high = id(9, 'C');
  const numbers = [
    [prepare, 2],
    [accept, 2],
    [nack, 3],
    [{ ...nack, proposalId: high }, 9],
    [promise, 2],
    [{ ...promise, ...nothing }, 2],
    [{ ...promise, lastAcceptedId: high }, 9],
  ] as const;
  for (const [message, number] of numbers) assert.equal(highestNumberIn(message), number);
});

test('what should be a message of one of some types', () => {
  const of = ['prepare', 'toString'];
  assert.equal(wrongMessage(SAMPLES.prepare, of, UIDS), null);
  const { instanceNumber: _, ...short } = SAMPLES.prepare;
  assert.match(wrongMessage(short, of, UIDS) ?? '', /^message: its instanceNumber is missing$/);
  for (const other of [null, 'prepare', [SAMPLES.prepare]]) {
    assert.match(wrongMessage(other, of, UIDS) ?? '', /^message is not what it must be$/);
  }
  for (const other of [SAMPLES.accept, { ...SAMPLES.prepare, type: 'toString' }]) {
    assert.match(wrongMessage(other, of, UIDS) ?? '', /^message is of no type that it may have$/);
  }
});

test('a field that is missing, at any depth', () => {
  for (const message of EVERY_SAMPLE) {
    for (const path of pathsOf({ seq: 1, ...message })) {
      if (path.length > 1 && TABLES_OF_SERVERS.includes(path[0] ?? '')) continue;
      rejects(JSON.stringify(without({ seq: 1, ...message }, path)));
    }
  }
});

function without(record: object, [name = '', ...rest]: readonly string[]): object {
  const entries = Object.entries(record).flatMap(([field, value]) => {
    if (field !== name) return [[field, value]];
    return rest.length === 0 ? [] : [[field, without(value, rest)]];
  });
  return Object.fromEntries(entries);
}

test('a field too many, at any depth, whatever it is called', () => {
  const names = ['extra', '__proto__', 'constructor', 'toString', 'hasOwnProperty', '', 'seq '];
  for (const message of EVERY_SAMPLE) {
    const text = JSON.stringify({ seq: 1, ...message });
    for (const at of [...text.matchAll(/\{/g)].map(({ index }) => index + 1)) {
      for (const field of names.flatMap((name) => [`"${name}":null,`, `"${name}":{},`])) {
        const more = text.slice(0, at) + field + text.slice(at);
        assert.doesNotThrow(() => JSON.parse(more));
        rejects(more);
      }
    }
  }
});

/** Types that have the same fields. */
const ALIKE: readonly (readonly Message['type'][])[] = [
  ['accept', 'accepted'],
  ['reach', 'status', 'members'],
  ['chosen', 'reached', 'changed'],
  ['extent', 'extent_request', 'rejoin_answer', 'rejoin_request', 'level', 'level_request'],
];

test('the fields of another type', () => {
  for (const message of EVERY_SAMPLE) {
    for (const other of EVERY_SAMPLE) {
      const areAlike = ALIKE.some((all) =>
        [message, other].every(({ type }) => all.includes(type)),
      );
      const isSame = message.type === other.type || areAlike;
      const text = JSON.stringify({ seq: 1, ...message, type: other.type });
      assert.equal('rejected' in decodeText(text), !isSame, text);
    }
  }
});

const WRONG_NUMBERS = [
  'null',
  'true',
  '"1"',
  '""',
  '-1',
  '-0.5',
  '1.5',
  '1e-7',
  '1e999',
  '-1e999',
  '9007199254740992',
  '9007199254740993',
  '562949953421313',
  '1e20',
  '[]',
  '[1]',
  '{}',
  '{"valueOf":1}',
];
const WRONG_TEXTS = ['true', '0', '1', '[]', '["A"]', '{}', '{"0":"A"}', '{"length":1}'];
const WRONG_UIDS = [
  ...WRONG_TEXTS,
  '""',
  '"D"',
  '"a"',
  '"AB"',
  '"A "',
  '"\\u0000"',
  '"__proto__"',
  '"constructor"',
  '"toString"',
  '"\\ud800"',
];
const WRONG_LINK_IDS = [
  ...WRONG_UIDS,
  'null',
  '"A"',
  '"A-0123abcd"',
  '"A-0123abcd-0"',
  '"A-0123abcd-01"',
  '"A-0123ABCD-1"',
  '"A-0123abc-1"',
  '"D-0123abcd-1"',
  '"A-0123abcd-12345678901234567"',
  '"A-0123abcd-1\\n"',
  '" A-0123abcd-1"',
];

test('a number that is none, or none to be believed', () => {
  for (const message of EVERY_SAMPLE) {
    for (const path of pathsOf({ seq: 1, ...message })) {
      const name = path.at(-1);
      if (name !== 'seq' && name !== 'number' && name !== 'instanceNumber') continue;
      for (const raw of WRONG_NUMBERS) rejects(withField(message, path, raw));
      if (name !== 'seq') rejects(withField(message, path, '0'));
    }
  }
});

test('the largest and the smallest numbers', () => {
  const largest = withField(SAMPLES.prepare, ['instanceNumber'], String(2 ** 49));
  assert.ok('message' in decodeText(largest));
  assert.equal(MAX_NUMBER, 2 ** 49);
  for (const seq of [0, MAX_NUMBER]) {
    assert.ok('message' in decodeText(withField(SAMPLES.prepare, ['seq'], String(seq))));
  }
  rejects(withField(SAMPLES.prepare, ['seq'], '-1'));
});

test('a uid that is none, or that of a server of some other cluster', () => {
  for (const message of EVERY_SAMPLE) {
    for (const path of pathsOf(message)) {
      const name = path.at(-1);
      if (name !== 'uid' && name !== 'holder') continue;
      for (const raw of [...WRONG_UIDS, 'null']) rejects(withField(message, path, raw));
    }
  }
  for (const raw of WRONG_UIDS) rejects(acceptOf(`{"lease":${raw},"id":"A-0123abcd-1"}`));
});

test('an id that somebody can have made', () => {
  for (const linkId of ['A-0123abcd-10', 'C-ffffffff-9999999999999999']) {
    assert.ok('message' in decodeText(acceptOf(`{"read":null,"id":"${linkId}"}`)), linkId);
  }
  for (const counts of ['1-1', '10-20', '100-1']) {
    const raw = `"0123456789abcdef-${counts}"`;
    assert.ok('message' in decodeText(withField(SAMPLES.request, ['requestId'], raw)), raw);
  }
});

test('a link id that nobody can have made', () => {
  for (const raw of WRONG_LINK_IDS) {
    rejects(acceptOf(`{"update":"x","id":${raw}}`));
    rejects(acceptOf(`{"lease":"A","id":${raw}}`));
    rejects(withField(SAMPLES.catchup, ['lease', 'id'], raw));
    rejects(withField(SAMPLES.catchup, ['latestUpdateIds', 'A'], raw));
  }
});

test('the latest update of a server carries the name of that server', () => {
  rejects(withField(SAMPLES.catchup, ['latestUpdateIds', 'A'], '"B-0123abcd-1"'));
  const names = ['D', '', '__proto__', 'constructor', 'toString', 'AB', 'A-0123abcd'];
  for (const name of names) {
    rejects(
      withField(SAMPLES.catchup, ['latestUpdateIds'], `{${JSON.stringify(name)}:"A-0123abcd-1"}`),
    );
  }
});

const WRONG_REQUEST_IDS = [
  ...WRONG_TEXTS,
  'null',
  '""',
  '"A-0123abcd-1"',
  '"0123456789abcdef"',
  '"0123456789abcdef-"',
  '"0123456789abcdef-1"',
  '"0123456789abcdef-0-1"',
  '"0123456789abcdef-01-1"',
  '"0123456789abcdef-1-1-1"',
  '"0123456789abcdef-1-0"',
  '"0123456789abcdef-1-01"',
  '"0123456789abcdef--1"',
  '"0123456789abcdef-1-1.5"',
  '"0123456789abcdef-1-1e3"',
  '"0123456789abcdef-1-1\\n"',
  '" 0123456789abcdef-1-1"',
  '["0123456789abcdef-1-1"]',
  '"0123456789abcde-1-1"',
  '"0123456789abcdef0-1-1"',
  '"0123456789ABCDEF-1-1"',
  '"0123456789abcdeg-1-1"',
  '"__proto__-1-1"',
  `"0123456789abcdef-${MAX_NUMBER + 1}-1"`,
  `"0123456789abcdef-1-${MAX_NUMBER + 1}"`,
  '"0123456789abcdef-1-999999999999999"',
  '"0123456789abcdef-1-9007199254740993"',
  `"0123456789abcdef-1-${'1'.repeat(50_000)}"`,
];

test('a request id of the wrong form', () => {
  const withId = EVERY_SAMPLE.filter((message) => 'requestId' in message);
  assert.equal(withId.length, 19);
  for (const raw of WRONG_REQUEST_IDS) {
    for (const message of withId) rejects(withField(message, ['requestId'], raw));
    rejects(acceptOf(`{"update":"x","id":"A-0123abcd-1","request":${raw}}`));
  }
});

test('a table of requests that no chain can have', () => {
  const { catchup } = SAMPLES;
  const tableOf = (count: number) =>
    Array.from({ length: count }, (_, index) => {
      return { ...remembered, client: index.toString(16).padStart(16, '0') };
    });
  const decoded = (requests: typeof catchup.requests) =>
    decodeDatagram(encodeDatagram(1, { ...catchup, requests }), UIDS);
  assert.ok('message' in decoded(tableOf(MAX_REMEMBERED_CLIENTS)), 'as many as are remembered');
  assertRejected(decoded(tableOf(MAX_REMEMBERED_CLIENTS + 1)), 'too many');
  assertRejected(decoded([remembered, { ...remembered, number: 8 }]), 'a client twice');
  for (const client of ['', '0123456789abcde', '0123456789abcdef0', '0123456789ABCDEF', 'A']) {
    assertRejected(decoded([{ ...remembered, client }]), client);
  }
  rejects(withField(catchup, ['requests', '0', 'client'], '["0123456789abcdef"]'));
  const raws = ['null', '{}', '{"length":0}', '"[]"', '[null]', '[[]]', '["0123456789abcdef-1-1"]'];
  for (const raw of raws) rejects(withField(catchup, ['requests'], raw));
});

test('what an answer says of times, of masters and of why', () => {
  const { status_report: report, refused } = SAMPLES;
  const wrongTimes = ['null', '"1"', 'true', '-1', '1e999', '562949953421313', '[]', '{}'];
  for (const raw of wrongTimes) {
    rejects(withField(report, ['leaseLeftMs'], raw));
    rejects(withField(report, ['uptimeMs'], raw));
    if (raw !== 'null') rejects(withField(report, ['heardMs', 'B'], raw));
  }
  for (const raw of WRONG_NUMBERS) rejects(withField(report, ['waiting'], raw));
  for (const raw of ['{"D":1}', '{"__proto__":1}', '{"constructor":1}', '[1]']) {
    rejects(withField(report, ['heardMs'], raw));
  }
  for (const raw of WRONG_UIDS) {
    rejects(withField(report, ['master'], raw));
    rejects(withField(refused, ['master'], raw));
  }
  for (const raw of ['null', '1', `"${'x'.repeat(201)}"`])
    rejects(withField(refused, ['why'], raw));
  const longest = { ...refused, why: 'x'.repeat(200) };
  for (const largest of [longest, { ...report, uptimeMs: MAX_NUMBER }]) {
    assert.ok('message' in decodeText(JSON.stringify({ seq: 1, ...largest })));
  }
});

test('a part of a snapshot, or of a chain, that is too much, or nothing', () => {
  const { links, snapshot_chunk: chunk } = SAMPLES;
  for (const raw of ['[]', '{}', 'null', '[null]', JSON.stringify([update, null])]) {
    rejects(withField(links, ['links'], raw));
  }
  const isBelieved = (message: Message) =>
    'message' in decodeText(JSON.stringify({ seq: 1, ...message }));
  assert.ok(isBelieved({ ...links, links: [update] }));
  assert.ok(isBelieved({ ...chunk, total: 2 ** 29 }));
  assert.ok(!isBelieved({ ...chunk, total: 2 ** 29 + 1 }));
  assert.ok(isBelieved({ ...chunk, text: '~ '.repeat(MAX_PART / 2) }));
  for (const text of ['', 'x'.repeat(MAX_PART + 1), 'ä', 'a\t', '\u007f', '\u001f']) {
    assert.ok(!isBelieved({ ...chunk, text }), JSON.stringify(text.slice(0, 9)));
  }
});

test('a value of the chain that is no link', () => {
  const links = [
    ...['null', 'true', '1', '"hello"', '[]', '{}', '{"id":"A-0123abcd-1"}'],
    '{"update":"x"}',
    '{"lease":"A"}',
    '{"update":null,"id":"A-0123abcd-1"}',
    '{"update":1,"id":"A-0123abcd-1"}',
    '{"update":{"update":"x"},"id":"A-0123abcd-1"}',
    '{"update":1,"request":"0123456789abcdef-1-1","id":"A-0123abcd-1"}',
    '{"update":"x","request":"0123456789abcdef-1-1","id":"D-0123abcd-1"}',
    '{"update":"x","lease":"A","id":"A-0123abcd-1"}',
    '{"update":"x","read":null,"id":"A-0123abcd-1"}',
    '{"lease":"A","request":"0123456789abcdef-1-1","id":"A-0123abcd-1"}',
    '{"read":null,"request":"0123456789abcdef-1-1","id":"A-0123abcd-1"}',
    '{"read":null}',
    '{"read":"x","id":"A-0123abcd-1"}',
    '{"read":false,"id":"A-0123abcd-1"}',
    '{"value":"x","id":"A-0123abcd-1"}',
    '{"__proto__":{"update":"x"},"id":"A-0123abcd-1"}',
  ];
  for (const raw of links) rejects(acceptOf(raw));
});

test('a batch that is none', () => {
  const { id, batch: both } = batch;
  const [first, second] = both.map((one) => JSON.stringify(one));
  const of = (...links: unknown[]) => JSON.stringify({ batch: links, id });
  assert.ok('message' in decodeText(acceptOf(JSON.stringify(batch))));
  assert.ok('message' in decodeText(acceptOf(of({ ...requested, id: 'A-00000000-1' }, read))));
  const many = (count: number) =>
    Array.from({ length: count }, (_, n) => ({ ...update, id: `A-0123abcd-${n + 1}` }));
  assert.ok('message' in decodeText(acceptOf(of(...many(MAX_IN_BATCH)))));
  const wrong = [
    ...[of(), of(update), of(...many(MAX_IN_BATCH + 1))],
    ...[of(update, lease), of(update, handedBack), of(batch, update), of(update, both), of(1, 2)],
    ...[of(update, update), of(update, { ...read, id: update.id })],
    of(update, { ...update, id: 'B-0123abcd-1' }),
    JSON.stringify({ batch: both, id: 'B-0123abcd-9' }),
    JSON.stringify({ batch: both, id: 'A-0123abcd-0' }),
    JSON.stringify({ batch: both }),
    ...['null', '"x"', '{}', `{"0":${first},"1":${second},"length":2}`].map(
      (raw) => `{"batch":${raw},"id":"${id}"}`,
    ),
    `{"batch":[${first},${second}],"id":"${id}","update":"x"}`,
    `{"batch":[${first},${second}],"id":"${id}","request":"${requestId}"}`,
    of(update, { ...update, update: 1, id: 'A-0123abcd-2' }),
    of(update, { ...update, id: 'A-0123abcd-2', more: 1 }),
  ];
  for (const raw of wrong) rejects(acceptOf(raw));
});

test('a batch may take as much as a value, and not a byte more', () => {
  for (const character of WORST_CHARACTERS) {
    const largest = largestBatch(character);
    assert.equal(encodedBytes(largest.batch), MAX_BATCH_BYTES);
    const [first, ...others] = largest.batch as RequestedLink[];
    const larger = { ...largest, batch: [{ ...first, update: `${first?.update}x` }, ...others] };
    assert.ok('message' in decodeText(acceptOf(JSON.stringify(largest))));
    rejects(acceptOf(JSON.stringify(larger)));
  }
});

/** Of as many as may be, with the largest names, filled up with this character. */
function largestBatch(character: string): BatchLink {
  const linkId = (n: number) => `A-ffffffff-${9_000_000_000_000_000 + n}`;
  const all = Array.from({ length: MAX_IN_BATCH }, (_, n): RequestedLink => {
    const client = n.toString(16).padStart(16, 'f');
    return { request: `${client}-${MAX_NUMBER}-${MAX_NUMBER}`, update: '', id: linkId(n) };
  });
  const [first, ...others] = all as [RequestedLink, ...RequestedLink[]];
  const left = MAX_BATCH_BYTES - encodedBytes(all);
  const text = character.repeat(Math.floor(left / (encodedBytes(character) - 2)));
  const padding = 'x'.repeat(left - encodedBytes(text) + 2);
  return { batch: [{ ...first, update: text + padding }, ...others], id: linkId(999) };
}

test('a client value that is no text', () => {
  for (const raw of [...WRONG_TEXTS, 'null', '"\\ud800"', '"\\udc00\\ud800"', '"a\\udfff"']) {
    rejects(withField(SAMPLES.propose, ['value'], raw));
    rejects(withField(SAMPLES.request, ['value'], raw));
  }
});

test('a field with something of the wrong kind, whatever the field', () => {
  const kinds = ['true', '-1.5', '[]', '[null]', '{}', '{"__proto__":null}', '{"a":{"a":{}}}'];
  for (const message of EVERY_SAMPLE) {
    for (const path of pathsOf({ seq: 1, ...message })) {
      for (const raw of kinds) {
        if (mayHold(path.join(), raw)) continue;
        rejects(withField(message, path, raw));
      }
    }
  }
});

/** What is of the wrong kind elsewhere, and all right here. */
function mayHold(field: string, raw: string): boolean {
  if (raw === '{}') return TABLES_OF_SERVERS.includes(field);
  if (raw === '[]') return field === 'requests' || field === 'remove';
  return (
    raw === 'true' && ['isLocal', 'isCurrent', 'isFinal', 'isForced', 'hasLeases'].includes(field)
  );
}

test('a type that is none', () => {
  const types = ['null', '1', '[]', '["prepare"]', '{}', '""', '"Prepare"', '"prepare "'];
  const names = ['"__proto__"', '"constructor"', '"toString"', '"hasOwnProperty"', '"size"'];
  for (const raw of [...types, ...names, '"\\u001b[2J"', `"${'x'.repeat(9_999)}"`]) {
    rejects(`{"type":${raw},"seq":1}`);
    rejects(withField(SAMPLES.prepare, ['type'], raw));
  }
});

test('what is not a JSON object at all', () => {
  const json = ['null', 'true', '1', '"prepare"', '[]', '[{"type":"prepare"}]', '{}', '{"seq":1}'];
  const others = [
    '',
    ' ',
    'hello',
    '{',
    '{"type":',
    "{'type':'prepare'}",
    '{"seq":1,}',
    'NaN',
    '\0',
  ];
  const whyNot = (text: string) => JSON.stringify(decodeText(text));
  assert.match(whyNot('{'), /it is not JSON in UTF-8/);
  assert.match(whyNot('[]'), /it is not a JSON object/);
  assert.match(whyNot('{"seq":1}'), /it has no type/);
  const good = JSON.stringify({ seq: 1, ...SAMPLES.prepare });
  for (const text of [...json, ...others, `${good}${good}`, `${good},`, good.slice(0, -1)]) {
    rejects(text);
  }
});

test('60 KB of brackets', () => {
  const depth = 60_000;
  rejects('['.repeat(depth));
  rejects('{"a":'.repeat(depth / 5));
  rejects(`${'['.repeat(depth / 2)}${']'.repeat(depth / 2)}`);
  const nested = `${'['.repeat(depth / 2)}${']'.repeat(depth / 2)}`;
  rejects(withField(SAMPLES.prepare, ['instanceNumber'], nested));
  rejects(acceptOf(nested));
  rejects(withField(SAMPLES.catchup, ['latestUpdateIds'], nested));
});

test('bytes that are not UTF-8', () => {
  const good = encode(JSON.stringify({ seq: 1, ...SAMPLES.propose }));
  const at = new TextDecoder().decode(good).indexOf('hello');
  for (const bytes of [
    [0xff],
    [0xc0, 0xaf],
    [0xed, 0xa0, 0x80],
    [0xf4, 0x90, 0x80, 0x80],
    [0x80],
  ]) {
    const bad = new Uint8Array([...good.subarray(0, at), ...bytes, ...good.subarray(at)]);
    assertRejected(decodeDatagram(bad, UIDS), `${bytes}`);
  }
  const utf16 = new Uint8Array([...good].flatMap((byte) => [byte, 0]));
  assertRejected(decodeDatagram(utf16, UIDS), 'UTF-16');
  assertRejected(decodeDatagram(good.subarray(0, good.length - 3), UIDS), 'cut off');
  assertRejected(decodeDatagram(new Uint8Array(), UIDS), 'empty');
});

test('a byte order mark is no content in front of a datagram, and content within a value', () => {
  const message: Message = { type: 'propose', value: '\ufeffhello' };
  const text = JSON.stringify({ seq: 1, ...message });
  for (const both of [text, `\ufeff${text}`]) {
    assert.deepEqual(decodeText(both), { seq: 1, message });
  }
  rejects(`\ufeff\ufeff${text}`);
});

test('a repeated field counts as its last, as in every JSON reader of this language', () => {
  const numbers = '"instanceNumber":-1,"instanceNumber":2';
  const text = `{"type":"sync_request","seq":1,${numbers},"digest":"${DIGEST}"}`;
  const message = { type: 'sync_request', instanceNumber: 2, digest: DIGEST };
  assert.deepEqual(decodeText(text), { seq: 1, message });
});

test('a datagram that no UDP could carry', () => {
  const padding = ' '.repeat(MAX_DATAGRAM_BYTES);
  const good = JSON.stringify({ seq: 1, ...SAMPLES.prepare });
  const fits = good + padding.slice(0, MAX_DATAGRAM_BYTES - good.length);
  assert.ok('message' in decodeText(fits));
  rejects(`${fits} `);
});

// Values made of what takes most room, as JSON text or as UTF-8.
const WORST_CHARACTERS = [
  'x',
  '"',
  '\\',
  '\n',
  '\0',
  '\u001f',
  '\u007f',
  'ü',
  '\u2028',
  '漢',
  '😀',
];

/** The longest value of this character alone, filled up with plain ones to the very limit. */
function largestValue(character: string): string {
  const each = encodedBytes(character) - 2;
  const value = character.repeat(Math.floor((MAX_VALUE_BYTES - 2) / each));
  return value + 'x'.repeat(MAX_VALUE_BYTES - encodedBytes(value));
}

test('a value may take the limit, and not a byte more', () => {
  for (const character of WORST_CHARACTERS) {
    const value = largestValue(character);
    assert.equal(encodedBytes(value), MAX_VALUE_BYTES);
    for (const [size, isBelieved] of [
      [value, true],
      [`${value}x`, false],
      [`${value}xx`, false], // as many characters as there may be bytes
    ] as const) {
      const messages: readonly Message[] = [
        { type: 'propose', value: size },
        { ...SAMPLES.accept, proposalValue: { update: size, id: 'A-0123abcd-1' } },
        { ...SAMPLES.catchup, currentValue: size },
        { ...SAMPLES.request, value: size },
        { ...SAMPLES.value, value: size },
        { ...SAMPLES.status_report, value: size },
        { ...SAMPLES.accept, proposalValue: { ...requested, update: size } },
      ];
      for (const message of messages) {
        const decoded = decodeDatagram(encodeDatagram(1, message), UIDS);
        assert.equal('message' in decoded, isBelieved, `${message.type} of ${character}`);
      }
    }
  }
});

const NINE = [...'ABCDEFGHI'];

test('every message with the largest content fits into a datagram, and comes back', () => {
  for (const character of WORST_CHARACTERS) {
    const batched = largestMessages('x', largestBatch(character));
    for (const message of [...largestMessages(largestValue(character)), ...batched]) {
      const cluster = isPeerMessage(message) ? clusterName(NINE, true) : null;
      const bytes = encodeDatagram(MAX_NUMBER, message, cluster);
      assert.ok(bytes.length <= MAX_DATAGRAM_BYTES, `${message.type} of ${character}`);
      assert.deepEqual(decodeDatagram(bytes, NINE, cluster), { seq: MAX_NUMBER, message });
    }
  }
});

/** What has to do with members, as long as it can be. */
function largestOfMembers(
  requestId: string,
  instanceNumber: number,
): Pick<typeof SAMPLES, 'members' | 'members_report' | 'change' | 'changed'> {
  const longAddress = `${'h'.repeat(255)}:12345`;
  const forAll = <T>(of: (uid: Uid) => T) => Object.fromEntries(NINE.map((uid) => [uid, of(uid)]));
  return {
    members: { type: 'members', requestId },
    members_report: {
      ...{ type: 'members_report', requestId, instanceNumber },
      clusterName: 'A B C D E F G H I with leases with a store with members',
      members: forAll(() => ({ address: longAddress, role: 'voting', open: instanceNumber })),
    },
    change: {
      ...{ type: 'change', requestId, remove: NINE, isForced: false },
      vote: forAll(() => longAddress),
      join: forAll(() => longAddress),
      follow: forAll(() => longAddress),
    },
    changed: { type: 'changed', requestId, instanceNumber },
  };
}

const LARGEST_LOG = {
  firstKept: MAX_NUMBER,
  snapshotAt: MAX_NUMBER,
  digest: 'ffffffff',
  size: 'x'.repeat(200),
};

/** One of each type, as long as it can be with this value, or this batch. */
function largestMessages(value: string, batch: BatchLink | null = null): readonly Message[] {
  const linkId = (uid: Uid) => `${uid}-ffffffff-9999999999999999`;
  const forAll = <T>(of: (uid: Uid) => T) => Object.fromEntries(NINE.map((uid) => [uid, of(uid)]));
  const client = (index: number) => index.toString(16).padStart(16, 'f');
  const requestId = `${client(0)}-${MAX_NUMBER}-${MAX_NUMBER}`;
  const instanceNumber = MAX_NUMBER;
  const proposalId = id(MAX_NUMBER, 'I');
  const large = { instanceNumber, proposalId };
  const link = batch ?? { update: value, id: linkId('I'), request: requestId };
  const longMs = 123_456_789_012_345.67;
  const messages: { readonly [Type in Message['type']]: Extract<Message, { type: Type }> } = {
    propose: { type: 'propose', value },
    prepare: { type: 'prepare', ...large },
    promise: { type: 'promise', ...large, lastAcceptedId: proposalId, lastAcceptedValue: link },
    nack: { type: 'nack', ...large, promisedProposalId: proposalId },
    accept: { type: 'accept', ...large, proposalValue: link },
    accepted: { type: 'accepted', ...large, proposalValue: link },
    sync_request: { type: 'sync_request', instanceNumber, digest: DIGEST },
    rejoin_request: { type: 'rejoin_request', instanceNumber, question: linkId('I') },
    rejoin_answer: { type: 'rejoin_answer', instanceNumber, question: linkId('I') },
    extent_request: { type: 'extent_request', instanceNumber, question: linkId('I') },
    extent: { type: 'extent', instanceNumber, question: linkId('I') },
    level_request: { type: 'level_request', instanceNumber, question: linkId('I') },
    level: { type: 'level', instanceNumber, question: linkId('I') },
    catchup: {
      type: 'catchup',
      instanceNumber,
      currentValue: value,
      lease: { holder: 'I', id: linkId('I') },
      latestUpdateIds: forAll(linkId),
      requests: Array.from({ length: MAX_REMEMBERED_CLIENTS }, (_, index) => {
        return { client: client(index), number: MAX_NUMBER, instanceNumber };
      }),
      forgottenUpTo: MAX_NUMBER,
    },
    links: { type: 'links', instanceNumber, first: MAX_NUMBER, links: [link] },
    snapshot_request: {
      ...{ type: 'snapshot_request', instanceNumber, of: MAX_NUMBER, offset: MAX_NUMBER },
    },
    snapshot_chunk: {
      ...{ type: 'snapshot_chunk', instanceNumber, offset: MAX_NUMBER, total: 2 ** 29 },
      text: '"'.repeat(MAX_PART),
    },
    request: { type: 'request', requestId, value },
    query: { type: 'query', requestId, query: value, isLocal: false },
    quorum_query: { type: 'quorum_query', requestId, query: value },
    answered: { type: 'answered', requestId, instanceNumber, answer: '\0'.repeat(200) },
    found: { type: 'found', requestId, instanceNumber, found: value, isCurrent: false },
    read: { type: 'read', requestId, isLocal: false },
    reach: { type: 'reach', requestId },
    status: { type: 'status', requestId },
    transfer: { type: 'transfer', requestId, to: 'I' },
    transferred: { type: 'transferred', requestId, leaseLeftMs: longMs },
    ...largestOfMembers(requestId, instanceNumber),
    chosen: { type: 'chosen', requestId, instanceNumber },
    value: { type: 'value', requestId, instanceNumber, value, isCurrent: false },
    reached: { type: 'reached', requestId, instanceNumber },
    refused: { type: 'refused', requestId, master: 'I', why: '\0'.repeat(200), isFinal: false },
    status_report: {
      ...{ type: 'status_report', requestId, instanceNumber, value, hasLeases: false },
      ...{ promisedId: proposalId, acceptedId: proposalId, master: 'I', leaseLeftMs: longMs },
      ...{ waiting: MAX_NUMBER, uptimeMs: longMs, heardMs: forAll(() => longMs) },
      log: LARGEST_LOG,
      reign: { since: MAX_NUMBER, forMs: longMs },
    },
  };
  return Object.values(messages);
}

test('what was refused leaves no trace on the objects of this language', () => {
  rejects('{"__proto__":{"polluted":1},"type":"prepare","seq":1}');
  rejects(withField(SAMPLES.catchup, ['latestUpdateIds'], '{"__proto__":{"polluted":1}}'));
  rejects('{"constructor":{"prototype":{"polluted":1}},"type":"prepare","seq":1}');
  assert.equal('polluted' in {}, false);
});

function acceptOf(rawLink: string): string {
  return withField(SAMPLES.accept, ['proposalValue'], rawLink);
}
