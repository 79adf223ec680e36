import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import chalk from 'chalk';
import { EMPTY_CHAIN, type Link } from '../src/chain.ts';
import { type ProposalId, type Uid, UNTOUCHED } from '../src/composable-paxos.ts';
import {
  type Accepted,
  type CatchUpMessage,
  type ChosenReply,
  MAX_NUMBER,
  type Message,
  type PeerMessage,
  type Promised,
  type Reply,
  type StatusReply,
  type ValueReply,
} from '../src/messages.ts';
import { chalkPaint } from '../src/node/chalk-paint.ts';
import type { ServerState } from '../src/state.ts';
import { ConsoleLines, type Paint, plainPaint, type TimeStyle } from '../src/trace/console.ts';
import {
  type Decision,
  savedEvent,
  type TraceEvent,
  type WorldEvent,
} from '../src/trace/events.ts';
import { columnsOf, printable, shorten } from '../src/trace/printable.ts';

type What = Decision | WorldEvent;

interface Options {
  readonly uids?: readonly Uid[];
  readonly verbose?: boolean;
  readonly paint?: Paint;
  readonly time?: TimeStyle;
}

/** The lines of server A when all of this happens in one turn. */
function linesOf(events: readonly What[], options: Options = {}): string[] {
  const lines: string[] = [];
  const { uids = ['A', 'B', 'C'], verbose = false, paint = plainPaint, time = 'short' } = options;
  const write = (line: string) => lines.push(line);
  const console = new ConsoleLines({ uids, verbose, paint, time, write });
  for (const event of events) console.show({ at: 61_002.7, server: 'A', turn: 7, ...event });
  console.endTurn();
  return lines;
}

/** The same without time and server, which are always the same here. */
function shown(...events: readonly What[]): string[] {
  return linesOf(events).map((line) => line.slice(12));
}

const id = (number: number, uid: Uid): ProposalId => ({ number, uid });
const hello: Link = { update: 'hello', id: 'A-00000000-1' };
const lease: Link = { lease: 'A', id: 'A-00000000-2' };
const handedBack: Link = { lease: null, id: 'A-00000000-3' };
const round = { instanceNumber: 3, proposalId: id(2, 'A') };
const their = { instanceNumber: 3, proposalId: id(2, 'B') };
const state: ServerState = {
  uid: 'A',
  members: ['A'],
  instanceNumber: 3,
  votesFrom: 1,
  ...EMPTY_CHAIN,
  ...UNTOUCHED,
};

const receive = (from: Uid | null, message: Message): What => {
  return { event: 'receive', from, seq: 5, message };
};
const send = (to: readonly Uid[], message: PeerMessage): What => {
  return { event: 'send', to, seq: 6, message };
};
const ignore = (why: string, instanceNumber = 3): What => {
  return { event: 'ignore', instanceNumber, why };
};
const count = (of: 'promise' | 'accepted', count: number, servers = 3): What => {
  return { event: 'count', of, ...round, count, servers };
};
const seven: Link = { batch: Array(7).fill(hello), id: 'A-0123abcd-8' };
const promised = (lastAcceptedValue: Link | null): Promised => {
  const lastAcceptedId = lastAcceptedValue === null ? null : id(2, 'C');
  return { type: 'promise', ...round, lastAcceptedId, lastAcceptedValue };
};
const accepted: Accepted = { type: 'accepted', ...round, proposalValue: hello };
const choice = (about: typeof round, value: Link): What => {
  return { event: 'chosen', ...about, value, count: 2, servers: 3 };
};

test('an update from the client to its end, as its server prints it', () => {
  const update = { event: 'update', value: 'hello', id: hello.id, waiting: 1, why: '' } as const;
  assert.deepEqual(
    shown(
      receive(null, { type: 'propose', value: 'hello' }),
      { ...update, what: 'queued' },
      savedEvent(state),
      { event: 'promise', to: 'A', ...round },
      count('promise', 1),
      send(['B', 'C'], { type: 'prepare', ...round }),
      receive('B', promised(null)),
      { event: 'lead', ...round, count: 2, servers: 3, bound: null },
      send(['B', 'C'], { type: 'accept', ...round, proposalValue: hello }),
      savedEvent(state),
      { event: 'accept', from: 'A', ...round, value: hello },
      send(['B', 'C'], accepted),
      count('accepted', 1),
      receive('C', promised(null)),
      count('promise', 2),
      receive('C', accepted),
      choice(round, hello),
      savedEvent(state),
      { event: 'advance', instanceNumber: 4, link: hello, chain: null, digest: '01234567' },
      { ...update, what: 'chosen' },
      receive('B', accepted),
      ignore('this instance is closed', 4),
    ),
    [
      '←cl propose            "hello"',
      '·   promise  2.A  #3   1 of 3: my own, on disk before I ask',
      '→BC prepare  2.A  #3   will you promise to ignore all below 2.A?',
      '←B  promise  2.A  #3   2 of 3: I LEAD',
      '→BC accept   2.A  #3   please accept "hello"',
      '→BC accepted 2.A  #3   1 of 3: my own, on disk before I say it',
      '←C  promise  2.A  #3   late: I lead already',
      '←C  accepted 2.A  #3   2 of 3: ★ "hello" is CHOSEN',
      '←B  accepted 2.A  #3   late: this instance is closed',
    ],
  );
});

test('the same update, as another server prints it', () => {
  assert.deepEqual(
    shown(
      receive('B', { type: 'prepare', ...their }),
      savedEvent(state),
      { event: 'promise', to: 'B', ...their },
      send(['B'], { ...promised(null), ...their }),
      receive('B', { type: 'accept', ...their, proposalValue: hello }),
      savedEvent(state),
      { event: 'accept', from: 'B', ...their, value: hello },
      send(['B', 'C'], { ...accepted, ...their }),
      choice(their, hello),
    ),
    [
      '←B  prepare  2.B  #3   yes: I promise to ignore all below 2.B',
      '→B  promise  2.B  #3   I have accepted nothing here yet',
      '←B  accept   2.B  #3   yes: "hello" is on my disk',
      '→BC accepted 2.B  #3   2 of 3: ★ "hello" is CHOSEN',
    ],
  );
});

const refusedBy = (from: Uid): What => {
  return { event: 'refused', from, ...round, promisedId: id(3, 'C') };
};
const nack: Message = { type: 'nack', ...round, promisedProposalId: id(3, 'C') };
const catchUp: CatchUpMessage = {
  type: 'catchup',
  instanceNumber: 9,
  ...EMPTY_CHAIN,
  currentValue: 'z',
};
const jump: What = { event: 'advance', instanceNumber: 9, link: null, chain: catchUp, digest: '' };

const WORDS: readonly (readonly [string, readonly What[], readonly string[]])[] = [
  [
    'a refusal',
    [
      receive('B', { type: 'prepare', ...their }),
      { event: 'refuse', to: 'B', ...their, promisedId: id(3, 'C') },
      send(['B'], { type: 'nack', ...their, promisedProposalId: id(3, 'C') }),
    ],
    [
      '←B  prepare  2.B  #3   no: older than my promise 3.C',
      '→B  nack     2.B  #3   refused: I promised 3.C',
    ],
  ],
  [
    'a refusal of a server by itself',
    [{ event: 'refuse', to: 'A', ...round, promisedId: id(3, 'C') }, refusedBy('A')],
    ['·   nack     2.A  #3   my own promise 3.C forbids it'],
  ],
  [
    'a step down',
    [receive('B', nack), refusedBy('B'), { event: 'backoff', instanceNumber: 3, delayMs: 44.4 }],
    [
      '←B  nack     2.A  #3   refused, they promised 3.C: I step down',
      '·   back-off      #3   wait 44 ms (random), then try again',
    ],
  ],
  [
    'a nack too late',
    [receive('B', nack), ignore('this round is over')],
    ['←B  nack     2.A  #3   late: this round is over'],
  ],
  [
    'an orphan to be finished',
    [
      receive('B', promised(hello)),
      { event: 'lead', ...round, count: 2, servers: 3, bound: hello },
      send(['B', 'C'], { type: 'accept', ...round, proposalValue: hello }),
    ],
    [
      '←B  promise  2.A  #3   2 of 3: I LEAD, bound to "hello"',
      '→BC accept   2.A  #3   "hello" may be chosen already: finish it',
    ],
  ],
  [
    'a batch, shorter where there is less room, and without an example where there is none',
    [
      receive('B', promised(seven)),
      { event: 'lead', ...round, count: 2, servers: 3, bound: seven },
      send(['B', 'C'], { type: 'accept', ...round, proposalValue: seven }),
      choice(round, seven),
      {
        ...{ event: 'apply', instanceNumber: 3, requests: [null, null, null] },
        ...{ answers: ['ok', '1', 'ok'], digest: '01234567' },
      },
    ],
    [
      '←B  promise  2.A  #3   2 of 3: I LEAD, bound to a batch of 7: "hel…"',
      '→BC accept   2.A  #3   a batch of 7 may be chosen already: finish it',
      '·   chosen   2.A  #3   2 of 3: ★ a batch of 7: "hello" is CHOSEN',
      '·   apply         #3   3 answers: "ok" "1" "ok"',
    ],
  ],
  [
    'a promise that names a value',
    [receive('B', promised(hello)), count('promise', 2, 5)],
    ['←B  promise  2.A  #3   2 of 5: it has accepted "hello" under 2.C'],
  ],
  [
    'nothing to do at quorum',
    [{ event: 'rest', ...round }],
    ['·   rest     2.A  #3   nothing to finish, nothing to propose'],
  ],
  [
    'a master',
    [
      { event: 'lead', ...round, proposalId: id(1, 'A'), count: 0, servers: 3, bound: null },
      send(['B', 'C'], { type: 'accept', ...round, proposalValue: lease }),
      choice(round, lease),
      { event: 'lease', what: 'ours', holder: 'A', instanceNumber: 4, lastsMs: 8_999 },
      choice(round, handedBack),
    ],
    [
      '·   lead     1.A  #3   the lease is mine: no need to ask first',
      '→BC accept   2.A  #3   please accept lease for A',
      '·   chosen   2.A  #3   2 of 3: ★ lease for A is CHOSEN',
      '·   lease         #4   I am MASTER for 9.0 s',
      '·   chosen   2.A  #3   2 of 3: ★ lease handed back is CHOSEN',
    ],
  ],
  [
    'a prepare under a lease',
    [receive('B', { type: 'prepare', ...their }), ignore('C holds the lease')],
    ['←B  prepare  2.B  #3   no answer: C holds the lease'],
  ],
  [
    'a jump by catch-up',
    [receive('B', catchUp), savedEvent(state), jump],
    ['←B  catch-up      #9   I jump to #9: "z" is the value'],
  ],
  [
    'a catch-up for somebody',
    [send(['C'], catchUp)],
    ['→C  catch-up      #9   it is behind: "z" is the value'],
  ],
  [
    'a message from a later instance',
    [receive('B', { type: 'prepare', ...their, instanceNumber: 8 }), ignore('not open yet')],
    ['←B  prepare  2.B  #8   I am behind: my open instance is #3'],
  ],
  [
    'a value that must wait',
    [
      receive(null, { type: 'propose', value: 'x' }),
      { event: 'update', what: 'queued', value: 'x', id: hello.id, waiting: 4, why: '' },
    ],
    ['←cl propose            "x" waits, number 4 in line'],
  ],
  [
    'a value refused',
    [
      receive(null, { type: 'propose', value: 'x' }),
      {
        event: 'update',
        what: 'refused',
        value: 'x',
        id: null,
        waiting: 0,
        why: 'the master is B',
      },
    ],
    ['←cl propose            no, the master is B: "x"'],
  ],
  [
    'a value chosen that only a catch-up tells of',
    [{ event: 'update', what: 'chosen', value: 'x', id: hello.id, waiting: 0, why: '' }],
    ['·   update             done: "x" is in the chain'],
  ],
  [
    'a datagram lost, whose content is known',
    [
      send(['B', 'C'], { type: 'prepare', ...round }),
      { event: 'lost', to: ['C'], seq: 6, why: 'dropped on purpose' },
    ],
    [
      '→BC prepare  2.A  #3   will you promise to ignore all below 2.A?',
      '✗C  prepare  2.A  #3   lost: dropped on purpose',
    ],
  ],
  [
    'a datagram lost between a server and its own vote',
    [
      { event: 'accept', from: 'A', ...round, value: hello },
      send(['B', 'C'], accepted),
      { event: 'lost', to: ['B'], seq: 6, why: 'dropped on purpose' },
      count('accepted', 1),
    ],
    [
      '→BC accepted 2.A  #3   1 of 3: my own, on disk before I say it',
      '✗B  accepted 2.A  #3   lost: dropped on purpose',
    ],
  ],
  [
    'a datagram lost at its receiver, who counts otherwise than its sender',
    [
      send(['B'], { type: 'prepare', ...round }),
      { event: 'lost', to: ['A'], seq: 6, why: 'nobody listens' },
    ],
    [
      '→B  prepare  2.A  #3   will you promise to ignore all below 2.A?',
      '✗A  lost               datagram 6: nobody listens',
    ],
  ],
  [
    'what is not believed',
    [
      { event: 'reject', from: 'B', why: 'it is too long' },
      { event: 'reject', from: '127.0.0.1:5', why: 'its proposalId is not what it must be' },
    ],
    [
      '←B  reject             it is too long',
      '←?  reject   127.0.0.1:5: its proposalId is not what it must be',
    ],
  ],
  [
    'a crash, in the middle of a turn',
    [receive('B', { type: 'prepare', ...their }), { event: 'crash', where: 'rename', lost: null }],
    ['←B  prepare  2.B  #3', '✗   CRASH              at rename: memory is lost, the disk is kept'],
  ],
  [
    'a server that stops itself',
    [{ event: 'fail', why: 'the disk is full' }],
    ['✗   FAIL               the disk is full'],
  ],
];

for (const [what, events, lines] of WORDS) {
  test(`words: ${what}`, () => assert.deepEqual(shown(...events), lines));
}

const LEASES: readonly (readonly [
  'wanted' | 'handing back' | 'theirs' | 'unknown' | 'over',
  Uid | null,
  string,
])[] = [
  ['wanted', null, 'nobody is master: stand for it'],
  ['wanted', 'A', 'put my lease to the vote'],
  ['wanted', 'B', 'the lease of B is over: stand for master'],
  ['handing back', 'A', 'hand my lease back'],
  ['theirs', 'B', 'B holds the lease'],
  ['unknown', 'B', 'B may hold a lease: wait it out'],
  ['unknown', 'A', 'I was master, and may be no more: ask anew'],
  ['over', 'A', 'my lease is over: I am not master'],
  ['over', 'B', 'the lease of B is over'],
  ['over', null, 'nobody holds the lease any more'],
];

test('words about leases', () => {
  for (const [what, holder, words] of LEASES) {
    const event: What = { event: 'lease', what, holder, instanceNumber: 12, lastsMs: 0 };
    assert.deepEqual(shown(event), [`·   lease         #12  ${words}`]);
  }
});

const CLIENT = '127.0.0.1:5000';
const requestId = '0123456789abcdef-1-1';
const reply = (message: Reply): What => ({ event: 'reply', to: CLIENT, seq: 8, message });
const chosen: ChosenReply = { type: 'chosen', requestId, instanceNumber: 3 };
const report: StatusReply = {
  ...{ type: 'status_report', requestId, instanceNumber: 3, value: null, promisedId: null },
  ...{ acceptedId: null, hasLeases: true, master: 'B', leaseLeftMs: 0, waiting: 0, uptimeMs: 1 },
  reign: null,
  heardMs: { B: 1, C: null },
  log: null,
};
const valueReply = (value: string | null, isCurrent: boolean): ValueReply => {
  return { type: 'value', requestId, instanceNumber: 3, value, isCurrent };
};
const refusal = (master: Uid | null, why: string): Reply => {
  return { type: 'refused', requestId, master, why, isFinal: false };
};

test('words about answers to clients', () => {
  const table: readonly (readonly [Reply, string])[] = [
    [chosen, '→cl answer        #3   your value was chosen here'],
    [valueReply('hello', true), '→cl answer        #3   the value is "hello"'],
    [valueReply(null, true), '→cl answer        #3   the value is none'],
    [valueReply('hello', false), '→cl answer        #3   the value may still be "hello"'],
    [valueReply(null, false), '→cl answer        #3   the value may still be none'],
    [refusal('B', 'the master is B'), '→cl answer             no: the master is B'],
    [
      { type: 'reached', requestId, instanceNumber: 3 },
      '→cl answer        #3   so far the chain has come here',
    ],
  ];
  for (const [message, line] of table) assert.deepEqual(shown(reply(message)), [line]);
});

test('a request is told with what became of it, then comes the answer', () => {
  const request = receive(null, { type: 'request', requestId, value: 'hello' });
  const update: What = {
    ...{ event: 'update', value: 'hello', id: null, waiting: 2, why: 'the master is B' },
    what: 'refused',
  };
  assert.deepEqual(shown(request, { ...update, what: 'queued' }), [
    '←cl request            "hello" waits, number 2 in line',
  ]);
  assert.deepEqual(shown(request, update, reply(refusal('B', 'the master is B'))), [
    '←cl request            no, the master is B: "hello"',
    '→cl answer             no: the master is B',
  ]);
  assert.deepEqual(shown(request, reply(chosen)), [
    '←cl request            "hello"',
    '→cl answer        #3   your value was chosen here',
  ]);
});

test('a read is told, and a question after the state only to who wants to see all', () => {
  const read = receive(null, { type: 'read', requestId, isLocal: false });
  assert.deepEqual(shown(read), ['←cl read']);
  const reach = receive(null, { type: 'reach', requestId });
  assert.deepEqual(shown(reach), ['←cl reach              how far is the chain?']);
  const asked = [receive(null, { type: 'status', requestId }), reply(report)];
  assert.deepEqual(linesOf(asked), []);
  assert.deepEqual(
    linesOf(asked, { verbose: true }).map((line) => line.slice(12)),
    ['←cl status', '→cl answer        #3   how I am'],
  );
});

test('a read that goes through the chain is called by its name', () => {
  const link: Link = { read: null, id: 'A-00000000-9' };
  const accept = send(['B', 'C'], { type: 'accept', ...round, proposalValue: link });
  assert.deepEqual(shown(accept), ['→BC accept   2.A  #3   please accept a read']);
});

test('a start shows what is restored, and below it the architecture', () => {
  const layers = ['PlainReplica', 'UpdateQueue', 'CatchUp', 'ReplicatedValue'];
  const restored = { ...state, promisedId: id(3, 'A') };
  const accepted = { ...restored, acceptedId: id(2, 'B'), acceptedValue: hello };
  const words: readonly (readonly [ServerState, boolean, string])[] = [
    [state, false, 'with a new state: nothing promised yet'],
    [state, true, 'from disk: there is no value yet'],
    [{ ...state, currentValue: 'hi' }, true, 'from disk: "hi" is the value'],
    [restored, true, 'from disk: promised 3.A, nothing accepted'],
    [accepted, true, 'from disk: promised 3.A, accepted 2.B'],
  ];
  for (const [state, restored, why] of words) {
    assert.deepEqual(
      linesOf([{ event: 'start', uids: ['A', 'B', 'C'], layers, restored, state }]),
      [
        `01:01.002 A ·   start         #3   ${why}`,
        '          UpdateQueue(CatchUp(ReplicatedValue))',
      ],
    );
  }
});

test('the layers of a master fit into a line', () => {
  const names = ['MasterLeases', 'UpdateQueue', 'BackoffResolution', 'CatchUp', 'ReplicatedValue'];
  const layers = ['MasterReplica', ...names];
  const [, line] = linesOf([
    { event: 'start', uids: ['A', 'B', 'C'], layers, restored: false, state },
  ]);
  assert.equal(
    line?.trim(),
    'MasterLeases(UpdateQueue(BackoffResolution(CatchUp(ReplicatedValue))))',
  );
});

test('a line begins with minutes, seconds, milliseconds and the server', () => {
  const [line] = linesOf([{ event: 'stop' }]);
  assert.equal(line, '01:01.002 A ·   stop               in good order');
});

test('a line that waits for its reason does not wait beyond its turn', () => {
  const lines: string[] = [];
  const write = (line: string) => lines.push(line);
  const console = new ConsoleLines({ uids: ['A', 'B'], verbose: false, paint: plainPaint, write });
  const prepare = receive('B', { type: 'prepare', ...their });
  console.show({ at: 0, server: 'A', turn: 1, ...prepare });
  assert.equal(lines.length, 0);
  console.show({ at: 0, server: 'B', turn: 1, event: 'stop' });
  assert.deepEqual(
    lines.map((line) => line.slice(10, 24)),
    ['A ←B  prepare ', 'B ·   stop    '],
  );
});

function kindsOfStores(
  value: string,
  instanceNumber: number,
): Record<'apply' | 'snapshot' | 'members', What[]> {
  const digest = '0123abcd';
  return {
    apply: [{ event: 'apply', instanceNumber, requests: [null], answers: [value], digest }],
    members: (['changed', 'overtaken', 'past', 'removed', 'left'] as const).map((what) => {
      return { event: 'members', what, instanceNumber, voters: ['A', 'D2'], others: ['E'] };
    }),
    snapshot: (['taken', 'restored', 'reading', 'installed'] as const).map((what) => {
      const from = what === 'reading' || what === 'installed' ? 'B' : null;
      return { event: 'snapshot', what, instanceNumber, from, digest };
    }),
  };
}

/** At least one event of every kind; the compiler sees to it that none is forgotten. */
function everyKind(value: string, number: number): Record<TraceEvent['event'], readonly What[]> {
  const round = { instanceNumber: number, proposalId: id(number, 'A') };
  const link: Link = { update: value, id: hello.id };
  const promisedId = id(number, 'B');
  const counted = { ...round, count: 2, servers: 3 };
  const update = { event: 'update', value, id: null, waiting: 10_000, why: value } as const;
  const message: PeerMessage = { type: 'accept', ...round, proposalValue: link };
  const full = { ...state, instanceNumber: number, currentValue: value, promisedId };
  return {
    start: [
      {
        event: 'start',
        uids: ['A', 'B', 'C'],
        layers: [value, value],
        restored: true,
        state: full,
      },
      { event: 'start', uids: ['A', 'B', 'C'], layers: ['Base'], restored: false, state },
    ],
    stop: [{ event: 'stop' }],
    ...kindsOfStores(value, number),
    promise: [{ event: 'promise', to: 'B', ...round }],
    refuse: [{ event: 'refuse', to: 'B', ...round, promisedId }],
    accept: [{ event: 'accept', from: 'B', ...round, value: link }],
    count: [
      { event: 'count', of: 'promise', ...counted, count: 1 },
      { event: 'count', of: 'accepted', ...counted, count: 0 },
    ],
    lead: [{ event: 'lead', ...counted, bound: link }],
    rest: [{ event: 'rest', ...round }],
    chosen: [{ event: 'chosen', ...counted, value: link }],
    advance: [{ event: 'advance', instanceNumber: number, link: null, chain: full, digest: '' }],
    differs: [{ event: 'differs', from: 'B', instanceNumber: number }],
    refused: [{ event: 'refused', from: 'B', ...round, promisedId }],
    backoff: [{ event: 'backoff', instanceNumber: number, delayMs: number }],
    ignore: [{ event: 'ignore', instanceNumber: number, why: value }],
    timer: [{ event: 'timer', instanceNumber: number, why: value }],
    update: (['queued', 'refused', 'chosen', 'lost'] as const).map((what) => ({ ...update, what })),
    lease: (['wanted', 'ours', 'theirs', 'unknown', 'over'] as const).map((what) => {
      return { event: 'lease', what, holder: 'B', instanceNumber: number, lastsMs: number };
    }),
    rejoin: (['asking', 'counting', 'waiting', 'voting'] as const).map((what) => {
      const far = { instanceNumber: number, votesFrom: number };
      return { event: 'rejoin', what, ...far, answers: number, quorum: number };
    }),
    send: [send(['B', 'C'], message), send(['B'], { ...catchUp, currentValue: value })],
    receive: [
      receive('B', message),
      receive(null, { type: 'propose', value }),
      receive(null, { type: 'request', requestId, value }),
    ],
    reply: [
      reply({ ...chosen, instanceNumber: number }),
      reply({ ...valueReply(value, true), instanceNumber: number }),
      reply(refusal('B', value.slice(0, 200))),
      reply({ ...report, instanceNumber: number, value }),
    ],
    reject: [{ event: 'reject', from: value, why: value }],
    recall: [{ event: 'recall', from: 'B', question: message }],
    address: [{ event: 'address', peer: 'B', address: null, why: value }],
    lost: [{ event: 'lost', to: ['B', 'C'], seq: number, why: value }],
    save: [savedEvent(full)],
    resume: [{ event: 'resume', uids: ['A'], layers: ['Base'], state: full }],
    fail: [{ event: 'fail', why: value }],
    crash: [null, 'disk' as const].map((lost) => ({ event: 'crash', where: value, lost })),
  };
}

test('every kind of event has a line, those of everyday only for who wants to see all', () => {
  const quiet = new Set<string>(['save']);
  for (const [kind, events] of Object.entries(everyKind('x', 1))) {
    for (const event of events) {
      const isQuiet =
        quiet.has(kind) ||
        (event.event === 'snapshot' && event.what === 'restored') ||
        (event.event === 'update' && event.what === 'queued') ||
        (event.event === 'reply' && event.message.type === 'status_report');
      assert.equal(linesOf([event]).length > 0, !isQuiet, kind);
      assert.ok(linesOf([event], { verbose: true }).length > 0, kind);
    }
  }
});

test('what other lines say already is silent', () => {
  const advance: What = {
    event: 'advance',
    instanceNumber: 4,
    link: hello,
    chain: null,
    digest: '01234567',
  };
  assert.deepEqual(linesOf([advance], { verbose: true }), []);
  assert.deepEqual(linesOf([refusedBy('A')], { verbose: true }), []);
});

test('sync chatter is for those who want to see all', () => {
  const sync: PeerMessage = { type: 'sync_request', instanceNumber: 3, digest: '01234567' };
  const chatter: readonly What[] = [
    send(['B'], sync),
    receive('B', sync),
    ignore('we are equally far'),
  ];
  assert.deepEqual(linesOf(chatter), []);
  assert.deepEqual(
    linesOf(chatter, { verbose: true }).map((line) => line.slice(12)),
    ['→B  sync          #3   have I missed anything?', '←B  sync          #3   we are equally far'],
  );
});

test('a catch-up that comes too late is told: the one who sent it has told it, too', () => {
  const late = [receive('B', catchUp), ignore('we have got there already')];
  assert.deepEqual(
    linesOf(late).map((line) => line.slice(12)),
    ['←B  catch-up      #9   late: we have got there already'],
  );
});

test('a question that came before its time is told when it is taken up', () => {
  const question: PeerMessage = { type: 'accept', ...their, proposalValue: hello };
  const recall: What = { event: 'recall', from: 'B', question };
  const accepted: What = { event: 'accept', from: 'B', ...their, value: hello };
  assert.deepEqual(
    linesOf([recall, accepted]).map((line) => line.slice(12)),
    ['←B  accept   2.B  #3   kept: yes: "hello" is on my disk', '·   accepted 2.B  #3   my own'],
  );
});

test('a crash says what a power cut took, and keeps within its line', () => {
  const crash = (where: string, lost: 'nothing' | 'save' | 'file' | null): What => {
    return { event: 'crash', where, lost };
  };
  assert.deepEqual(
    linesOf([
      crash('now', null),
      crash('now', 'nothing'),
      crash('sync directory', 'save'),
      crash('sync directory', 'file'),
    ]).map((line) => line.slice(12).replaceAll(/ +/g, ' ')),
    [
      '✗ CRASH memory is lost, the disk is kept',
      '✗ CRASH power cut: memory lost, disk kept',
      '✗ CRASH at sync directory: power cut: memory, latest save lost',
      '✗ CRASH at sync directory: power cut: memory, whole file lost',
    ],
  );
});

test('what goes wrong is told to its last word, in as many lines as that takes', () => {
  const from = '[2001:db8:1234:5678:9abc:def0:1234:5678]:65535';
  const why = 'only a server may say sync_request, and none is there';
  const miss = 'the host c.example of server C is not found: unknown node or service (EAI_NONAME)';
  const lines = linesOf([
    { event: 'reject', from, why },
    { event: 'address', peer: 'C', address: null, why: `${miss}; it is looked up again in 4 s` },
    { event: 'fail', why: 'short' },
  ]);
  assert.deepEqual(lines, [
    `01:01.002 A ←?  reject   ${from}: only a`,
    '          server may say sync_request, and none is there',
    '01:01.002 A ·   address  the host c.example of server C is not found: unknown',
    '          node or service (EAI_NONAME); it is looked up again in 4 s',
    '01:01.002 A ✗   FAIL               short',
  ]);
});

test('a catch-up that is certainly lost is not for those alone who want to see all', () => {
  const lost = (seq: number): What => ({ event: 'lost', to: ['B'], seq, why: 'too large' });
  const lines = shown(send(['B'], catchUp), lost(6));
  assert.equal(lines.at(-1), '✗B  catch-up      #9   lost: too large');
  const sync = send(['B'], { type: 'sync_request', instanceNumber: 3, digest: '01234567' });
  assert.deepEqual(shown(sync, lost(6)), []);
});

test('a full time is the date and the time of day, and all else is the same', () => {
  const events = Object.values(everyKind('hello', 4)).flat();
  const full = linesOf(events, { time: 'full', verbose: true });
  const short = linesOf(events, { verbose: true });
  assert.match(full[0] ?? '', /^1970-01-01T00:01:01\.002Z A /);
  const isFirst = (line: string) => !line.startsWith('  ');
  const rest = (lines: string[], columns: number) => {
    return lines.filter(isFirst).map((line) => line.slice(columns));
  };
  assert.deepEqual(rest(full, 24), rest(short, 9));
});

const NASTY = '\u001b[2J\u009b\u202e\ud800漢字👨‍👩‍👧\u0301 '.repeat(40);
const CLUSTERS = ['A', 'ABC', 'ABCDE', 'ABCDEFGHI'].map((uids) => [...uids]);

test('no line is wider than 80 columns, whatever it has to say', () => {
  for (const uids of CLUSTERS) {
    for (const [value, number] of [
      ['', 1],
      ['hello', 99],
      [NASTY, MAX_NUMBER],
      ['漢'.repeat(99), 1_234],
    ] as const) {
      const events = Object.values(everyKind(value, number)).flat();
      for (const line of linesOf(events, { uids, verbose: true })) {
        assert.ok(columnsOf(line) <= 80, line);
        assert.equal(line, line.trimEnd());
        assert.equal(line, printable(line));
      }
    }
  }
});

test('colour only decorates: without its codes every line is the plain one', (t) => {
  const level = chalk.level;
  t.after(() => {
    chalk.level = level;
  });
  chalk.level = 3;
  for (const uids of CLUSTERS) {
    const events = Object.values(everyKind('hello', 4)).flat();
    const coloured = linesOf(events, { uids, verbose: true, paint: chalkPaint(uids) });
    assert.deepEqual(
      coloured.map(stripVTControlCharacters),
      linesOf(events, { uids, verbose: true }),
    );
    assert.notDeepEqual(coloured, coloured.map(stripVTControlCharacters));
  }
});

test('every server has its own hue', (t) => {
  const level = chalk.level;
  t.after(() => {
    chalk.level = level;
  });
  chalk.level = 3;
  const uids = [...'ABCDEFGHI'];
  const paint = chalkPaint(uids);
  assert.equal(new Set(uids.map((uid) => paint.id(uid, 'x'))).size, uids.length);
  assert.equal(new Set(uids.map((uid) => paint.tag(uid, 'x'))).size, uids.length);
});

test('printable text cannot be obeyed by a terminal', () => {
  const table: readonly (readonly [string, string])[] = [
    ['plain text, äöü, 漢字, ★', 'plain text, äöü, 漢字, ★'],
    ['\u0000\u0007\t\r\n\u001b[2J', '\\x00\\x07\\x09\\x0d\\x0a\\x1b[2J'],
    ['\u007f\u0085\u009b', '\\x7f\\x85\\x9b'],
    ['\u200e\u200f\u061c', '\\u200e\\u200f\\u061c'],
    ['\u202a\u202b\u202c\u202d\u202e', '\\u202a\\u202b\\u202c\\u202d\\u202e'],
    ['\u2066\u2067\u2068\u2069', '\\u2066\\u2067\\u2068\\u2069'],
    ['\u2028\u2029', '\\u2028\\u2029'],
    ['\ud800 \udfff', '\\ud800 \\udfff'],
    ['\u{e0041}', '\\u{e0041}'],
    ['😀', '😀'],
  ];
  for (const [text, expected] of table) assert.equal(printable(text), expected);
});

test('text is shortened by columns, never in the middle of a character', () => {
  const table: readonly (readonly [string, number, string])[] = [
    ['hello', 5, 'hello'],
    ['hello', 4, 'hel…'],
    ['hello', 1, '…'],
    ['hello', 0, ''],
    ['', 3, ''],
    ['漢字漢字', 8, '漢字漢字'],
    ['漢字漢字', 7, '漢字漢…'],
    ['漢字漢字', 6, '漢字…'],
    ['😀😀', 3, '😀…'],
  ];
  for (const [text, columns, expected] of table) assert.equal(shorten(text, columns), expected);
});
