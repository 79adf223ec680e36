/**
 * Trace events in words: what a terminal line says of an event, before it is laid out.
 */
import { isBatch, isMembers, isUpdate, type Link, type Roster } from '../chain.ts';
import { type ProposalId, quorumOf, type Uid } from '../composable-paxos.ts';
import {
  type ChangeMessage,
  type LinksMessage,
  type Message,
  NOT_BELIEVED,
  type PeerMessage,
  type Reply,
  type SnapshotChunk,
} from '../messages.ts';
import type { TraceEvent } from './events.ts';

/** `quorum`: something is reached. `dim`: it came too late to matter. */
export type Mood = 'plain' | 'trouble' | 'quorum' | 'dim';

/** Words, a value among them that may be shortened as far as the line needs it, and more words. */
export interface Words {
  readonly before?: string;
  readonly value?: Link | string;
  readonly after?: string;
}

/** What a line says, but for its time, server and direction. */
export interface Saying {
  readonly verb: string;
  readonly proposalId: ProposalId | null;
  readonly instanceNumber: number | null;
  readonly words: Words;
  readonly mood: Mood;
  /** Worth a line only for those who want to see everything. */
  readonly isChatter: boolean;
}

/** What a decision is about: a message, or the answer that a server gives to itself. */
export type Occasion = Message | 'own answer' | null;

type Event<Name extends TraceEvent['event']> = Extract<TraceEvent, { event: Name }>;

/** `3.A` */
export function formatId({ number, uid }: ProposalId): string {
  return `${number}.${uid}`;
}

/** What a message is called on both of its ends, and what it is about. */
export function sayMessage(message: Message): Saying {
  return saying(verbOf(message), {
    proposalId: 'proposalId' in message ? message.proposalId : null,
    instanceNumber: 'instanceNumber' in message ? message.instanceNumber : null,
    words: messageWords(message),
    isChatter: CHATTER.has(message.type),
  });
}

function messageWords(message: Message): Words {
  if (message.type === 'reach') return { before: 'how far is the chain?' };
  if ('query' in message) return { value: message.query };
  if (message.type === 'change') return { before: changeWords(message) };
  if (message.type === 'extent_request') return { before: 'it reads by a quorum' };
  if (message.type === 'extent') return { before: 'so far we must come before we answer' };
  if (message.type === 'links') return { before: linksIn(message) };
  if (message.type === 'snapshot_chunk') return { before: partOf(message) };
  return 'value' in message && message.value !== null ? { value: message.value } : {};
}

/** What a server says with a message. `isBound`: the value is not its own to choose. */
export function saySent(message: PeerMessage, isBound: boolean): Saying {
  const { words, mood = 'plain' } = sentWords(message, isBound);
  const isChatter = message.type === 'sync_request';
  return { ...sayMessage(message), words, mood, isChatter };
}

/** What is said of a datagram that certainly did not arrive; what was in it may be forgotten. */
export function sayLost(message: Message | undefined, seq: number, why: string): Saying {
  if (message === undefined) {
    return saying('lost', { words: { before: `datagram ${seq}: ${why}` }, mood: 'trouble' });
  }
  const words = { before: `lost: ${why}` };
  // Without a catch-up its receiver stays behind: that is not for those alone who want to see all.
  const isChatter = CHATTER.has(message.type) && message.type !== 'catchup';
  return { ...sayMessage(message), words, mood: 'trouble', isChatter };
}

/** What a server says of anything but its messages; null: nothing that other lines do not say. */
export function sayEvent(event: TraceEvent, occasion: Occasion): Saying | null {
  switch (event.event) {
    case 'start':
      return sayStart(event);
    case 'resume':
      return about('resume', event.state, { before: 'what was before is in another trace' });
    case 'stop':
      return saying('stop', { words: { before: 'in good order' } });
    case 'promise':
      return about('promise', event, {
        before: `yes: I promise to ignore all below ${formatId(event.proposalId)}`,
      });
    case 'refuse':
      return sayRefuse(event);
    case 'accept':
      return about('accept', event, {
        before: 'yes: ',
        value: event.value,
        after: ' is on my disk',
      });
    case 'count':
      return sayCount(event, occasion);
    case 'lead':
      return sayLead(event);
    case 'rest':
      return about('rest', event, { before: 'nothing to finish, nothing to propose' });
    case 'chosen':
      return sayChosen(event);
    case 'advance':
      return sayAdvance(event);
    case 'differs':
      return about('differs', event, { before: 'one of us has a wrong state' }, 'trouble');
    case 'refused':
      return sayRefused(event);
    case 'backoff':
      return sayBackoff(event);
    case 'ignore':
      return sayIgnore(event, occasion);
    case 'timer':
      return about('timer', event, { before: event.why });
    case 'update':
      return sayUpdate(event, occasion);
    case 'lease':
      return sayLease(event);
    case 'rejoin':
      return sayRejoin(event);
    case 'apply':
      return about('apply', event, answersOf(event));
    case 'members':
      return sayMembers(event);
    case 'snapshot':
      return saySnapshot(event);
    case 'reject':
      return sayReject(event);
    case 'address': {
      const mood = event.address === null ? 'trouble' : 'plain';
      return saying('address', { words: { before: event.why }, mood });
    }
    case 'save':
      return saySave(event);
    case 'fail':
      return saying('FAIL', { words: { before: event.why }, mood: 'trouble' });
    case 'crash':
      return sayCrash(event);
    default:
      return null;
  }
}

/** The chain of classes as the line of code that weaves it. */
export function formatLayers(layers: readonly string[]): string {
  // The outermost classes only give the weave a name.
  const first = layers.findIndex((name) => !name.endsWith('Replica'));
  const names = first > 0 ? layers.slice(first) : layers;
  return names.join('(') + ')'.repeat(Math.max(0, names.length - 1));
}

/** What is said so often, or means so little, that it is shown on demand only. */
const CHATTER: ReadonlySet<Message['type']> = new Set([
  'level_request',
  'level',
  'members',
  'members_report',
  'sync_request',
  'catchup',
  'status',
  'status_report',
]);

const VERBS: Partial<Record<Message['type'], string>> = {
  catchup: 'catch-up',
  sync_request: 'sync',
  snapshot_request: 'next part',
  snapshot_chunk: 'snapshot',
  rejoin_request: 'rejoin',
  rejoin_answer: 'open',
  level_request: 'level?',
  members_report: 'answer',
  changed: 'answer',
  extent_request: 'how far',
  extent: 'so far',
  quorum_query: 'query',
  chosen: 'answer',
  value: 'answer',
  answered: 'answer',
  found: 'answer',
  reached: 'answer',
  refused: 'answer',
  status_report: 'answer',
  transferred: 'answer',
};

function verbOf({ type }: Message): string {
  return VERBS[type] ?? type;
}

/** What a server answers to a client. */
export function sayReply(message: Reply): Saying {
  return { ...sayMessage(message), words: replyWords(message) };
}

function replyWords(message: Reply): Words {
  switch (message.type) {
    case 'chosen':
      return { before: 'your value was chosen here' };
    case 'value': {
      const before = message.isCurrent ? 'the value is ' : 'the value may still be ';
      return message.value === null
        ? { before: `${before}none` }
        : { before, value: message.value };
    }
    case 'answered':
      return { before: 'the answer is ', value: message.answer };
    case 'found': {
      const before = message.isCurrent ? 'it is ' : 'it may still be ';
      return message.found === null
        ? { before: `${before}not there` }
        : { before, value: message.found };
    }
    case 'reached':
      return { before: 'so far the chain has come here' };
    case 'refused':
      return { before: `no: ${message.why}` };
    case 'status_report':
      return { before: 'how I am' };
    case 'transferred':
      return { before: 'I am the master' };
    case 'members_report':
      return { before: 'who the members are' };
    case 'changed':
      return { before: 'the members are changed here, and a quorum knows it' };
  }
}

/** What a client wants of the members, as the client's own words have it. */
function changeWords({ remove, vote, join, follow, isForced }: ChangeMessage): string {
  const all: [string, readonly Uid[]][] = [
    ['remove', remove],
    ['vote', Object.keys(vote)],
    ['join', Object.keys(join)],
    ['follow', Object.keys(follow)],
  ];
  const parts = all.filter(([, uids]) => uids.length > 0);
  const words = parts.map(([what, uids]) => `${what} ${uids.join(' ')}`).join(', ');
  return isForced ? `${words}, level or not` : words;
}

function saying(verb: string, about: Partial<Omit<Saying, 'verb'>>): Saying {
  return {
    verb,
    proposalId: null,
    instanceNumber: null,
    words: {},
    mood: 'plain',
    isChatter: false,
    ...about,
  };
}

function about(
  verb: string,
  event: { readonly instanceNumber: number; readonly proposalId?: ProposalId },
  words: Words,
  mood: Mood = 'plain',
): Saying {
  const { instanceNumber, proposalId = null } = event;
  return saying(verb, { instanceNumber, proposalId, words, mood });
}

function sentWords(message: PeerMessage, isBound: boolean): { words: Words; mood?: Mood } {
  switch (message.type) {
    case 'prepare':
      return {
        words: { before: `will you promise to ignore all below ${formatId(message.proposalId)}?` },
      };
    case 'promise':
      return { words: acceptedBefore('I have accepted', message) };
    case 'nack':
      return {
        words: { before: `refused: I promised ${formatId(message.promisedProposalId)}` },
        mood: 'trouble',
      };
    case 'accept':
      return {
        words: isBound
          ? { value: message.proposalValue, after: ' may be chosen already: finish it' }
          : { before: 'please accept ', value: message.proposalValue },
      };
    case 'accepted':
      return { words: { before: 'I accepted ', value: message.proposalValue } };
    case 'sync_request':
      return { words: { before: 'have I missed anything?' } };
    case 'catchup':
      return { words: { before: 'it is behind: ', ...currentValue(message.currentValue) } };
    case 'links':
      return { words: { before: `it is behind: ${linksIn(message)}` } };
    case 'snapshot_request':
      return { words: { before: `go on at character ${message.offset}` } };
    case 'snapshot_chunk':
      return { words: { before: `a snapshot: ${partOf(message)}` } };
    case 'rejoin_request':
      return { words: { before: 'I have lost my votes: what is open at yours?' } };
    case 'rejoin_answer':
      return { words: { before: 'this instance is open here' } };
    case 'extent_request':
      return { words: { before: 'where have you accepted nothing yet?' } };
    case 'extent':
      return { words: { before: 'here I have accepted nothing yet' } };
    case 'level_request':
      return { words: { before: 'which instance is open at yours?' } };
    case 'level':
      return { words: { before: 'this instance is open here' } };
  }
}

function linksIn({ first, links }: LinksMessage): string {
  return links.length === 1 ? `link ${first}` : `links ${first} to ${first + links.length - 1}`;
}

function partOf({ offset, text, total }: SnapshotChunk): string {
  return `${offset + text.length} of ${total} characters`;
}

function acceptedBefore(who: string, message: Extract<Message, { type: 'promise' }>): Words {
  const { lastAcceptedId, lastAcceptedValue } = message;
  if (lastAcceptedId === null || lastAcceptedValue === null) {
    return { before: `${who} nothing here yet` };
  }
  return {
    before: `${who} `,
    value: lastAcceptedValue,
    after: ` under ${formatId(lastAcceptedId)}`,
  };
}

function currentValue(value: string | null): Words {
  return value === null ? { after: 'there is no value yet' } : { value, after: ' is the value' };
}

function sayStart({ restored, state }: Event<'start'>): Saying {
  const { instanceNumber } = state;
  if (!restored) {
    return about('start', { instanceNumber }, { before: 'with a new state: nothing promised yet' });
  }
  const { promisedId, acceptedId } = state;
  if (promisedId === null) {
    const value = currentValue(state.currentValue);
    return about('start', { instanceNumber }, { before: 'from disk: ', ...value });
  }
  const accepted = acceptedId === null ? 'nothing accepted' : `accepted ${formatId(acceptedId)}`;
  const before = `from disk: promised ${formatId(promisedId)}, ${accepted}`;
  return about('start', { instanceNumber }, { before });
}

function sayRefuse(event: Event<'refuse'>): Saying {
  const { to, server, promisedId } = event;
  const promised = formatId(promisedId);
  if (to === server) {
    return about('nack', event, { before: `my own promise ${promised} forbids it` }, 'trouble');
  }
  return about('refuse', event, { before: `no: older than my promise ${promised}` });
}

function sayCount(event: Event<'count'>, occasion: Occasion): Saying {
  const { of, proposalId, count, servers } = event;
  const counted = `${count} of ${servers}`;
  if (occasion === 'own answer') {
    const own = of === 'promise' ? 'on disk before I ask' : 'on disk before I say it';
    return about(of, event, { before: `${counted}: my own, ${own}` });
  }
  if (of === 'promise') {
    if (count >= quorumOf(servers))
      return about(of, event, { before: 'late: I lead already' }, 'dim');
    if (occasion?.type !== 'promise') return about(of, event, { before: counted });
    return about(of, event, acceptedBefore(`${counted}: it has accepted`, occasion));
  }
  if (count === 0) {
    const before = `late: nobody stands by ${formatId(proposalId)} any more`;
    return about(of, event, { before }, 'dim');
  }
  return about(of, event, { before: `${counted} have accepted it` });
}

function sayLead(event: Event<'lead'>): Saying {
  const { count, servers, bound } = event;
  if (count === 0) {
    return about('lead', event, { before: 'the lease is mine: no need to ask first' }, 'quorum');
  }
  const before = `${count} of ${servers}: I LEAD`;
  if (bound === null) return about('lead', event, { before }, 'quorum');
  return about('lead', event, { before: `${before}, bound to `, value: bound }, 'quorum');
}

function sayChosen(event: Event<'chosen'>): Saying {
  const before = `${event.count} of ${event.servers}: ★ `;
  return about('chosen', event, { before, value: event.value, after: ' is CHOSEN' }, 'quorum');
}

/** By a link the chain moves on whenever one is chosen, and that has been said. */
function sayAdvance({ instanceNumber, chain }: Event<'advance'>): Saying | null {
  if (chain === null) return null;
  const words = { before: `I jump to #${instanceNumber}: `, ...currentValue(chain.currentValue) };
  return about('catch-up', { instanceNumber }, words, 'quorum');
}

/** When it refuses itself, the refusal has said so. */
function sayRefused(event: Event<'refused'>): Saying | null {
  if (event.from === event.server) return null;
  const before = `refused, they promised ${formatId(event.promisedId)}: I step down`;
  return about('nack', event, { before }, 'trouble');
}

function sayBackoff(event: Event<'backoff'>): Saying {
  const waitMs = event.delayMs.toFixed(event.delayMs < 10 ? 1 : 0);
  return about(
    'back-off',
    event,
    { before: `wait ${waitMs} ms (random), then try again` },
    'trouble',
  );
}

function sayIgnore(event: Event<'ignore'>, occasion: Occasion): Saying {
  if (occasion === null || occasion === 'own answer') {
    return about('quiet', event, { before: `not now: ${event.why}` });
  }
  const message = sayMessage(occasion);
  if (event.why.startsWith(NOT_BELIEVED)) {
    return { ...message, words: { before: event.why }, mood: 'trouble', isChatter: false };
  }
  const said = { ...message, words: { before: whyIgnored(event, message) }, mood: 'dim' } as const;
  if (!TOLD.has(occasion.type)) return said;
  const isEarly = occasion.type === 'links' && occasion.first > event.instanceNumber;
  const before = `${isEarly ? 'early' : 'late'}: ${event.why}`;
  return { ...said, words: { before }, isChatter: false };
}

/** What tells a laggard of what it has missed. */
const TOLD: ReadonlySet<Message['type']> = new Set(['catchup', 'links', 'snapshot_chunk']);

/** `event.instanceNumber` is the instance that is open here. */
function whyIgnored({ instanceNumber: open, why }: Event<'ignore'>, message: Saying): string {
  const instanceNumber = message.instanceNumber ?? open;
  const isPolled = message.verb === VERBS.rejoin_answer || message.verb === VERBS.extent;
  if (message.isChatter || isPolled) return why;
  if (instanceNumber > open) return `I am behind: my open instance is #${open}`;
  const isAnswer = message.verb === 'promise' || message.verb === 'nack';
  return instanceNumber < open || isAnswer ? `late: ${why}` : `no answer: ${why}`;
}

function sayUpdate(event: Event<'update'>, occasion: Occasion): Saying {
  const { what, value, waiting, why } = event;
  const verb = 'update';
  switch (what) {
    case 'queued': {
      const after = waiting > 1 ? ` waits, number ${waiting} in line` : '';
      return saying(verb, { words: { value, after }, isChatter: occasion === null });
    }
    case 'refused':
      return saying(verb, { words: { before: `no, ${why}: `, value }, mood: 'trouble' });
    case 'chosen':
      return saying(verb, { words: { before: 'done: ', value, after: ' is in the chain' } });
    case 'dropped':
      return saying(verb, { words: { value, after: ` waits no more: ${why}` } });
    case 'lost':
      return saying(verb, { words: { value, after: ` is lost: ${why}` }, mood: 'trouble' });
  }
}

function sayLease(event: Event<'lease'>): Saying {
  const before = leaseWords(event);
  return about('lease', event, { before }, event.what === 'ours' ? 'quorum' : 'plain');
}

function leaseWords({ server, what, holder, lastsMs }: Event<'lease'>): string {
  const isMine = holder === server;
  switch (what) {
    case 'wanted':
      if (holder === null) return 'nobody is master: stand for it';
      return isMine
        ? 'put my lease to the vote'
        : `the lease of ${holder} is over: stand for master`;
    case 'handing back':
      return 'hand my lease back';
    case 'ours':
      return `I am MASTER for ${(lastsMs / 1_000).toFixed(1)} s`;
    case 'theirs':
      return `${holder} holds the lease`;
    case 'unknown':
      return isMine
        ? 'I was master, and may be no more: ask anew'
        : `${holder} may hold a lease: wait it out`;
    case 'over':
      if (holder === null) return 'nobody holds the lease any more';
      return isMine ? 'my lease is over: I am not master' : `the lease of ${holder} is over`;
  }
}

function sayRejoin(event: Event<'rejoin'>): Saying {
  const { what, votesFrom, answers, quorum } = event;
  switch (what) {
    case 'asking':
      return about(
        'rejoin',
        event,
        { before: 'I have lost my votes: I listen, and ask' },
        'trouble',
      );
    case 'counting':
      return about('rejoin', event, { before: `${answers} of the ${quorum} others that I need` });
    case 'waiting':
      return about('rejoin', event, { before: `I shall vote from #${votesFrom} on` });
    case 'voting':
      return about('rejoin', event, { before: 'I have a VOTE again' }, 'quorum');
  }
}

/** The only answer, or those to a batch, one after the other. */
function answersOf({ answers }: Event<'apply'>): Words {
  const [first = '', ...others] = answers;
  if (others.length === 0) return { before: 'the answer is ', value: first };
  const quoted = answers.map((answer) => JSON.stringify(answer));
  return { before: `${answers.length} answers: ${quoted.join(' ')}` };
}

function saySnapshot(event: Event<'snapshot'>): Saying {
  switch (event.what) {
    case 'taken':
      return about('snapshot', event, { before: 'I take a snapshot, and forget old links' });
    case 'restored':
      return { ...about('snapshot', event, { before: 'my state is back' }), isChatter: true };
    case 'reading':
      return about('snapshot', event, {
        before: `I have missed too much: I read it of ${event.from}`,
      });
    case 'installed':
      return about('snapshot', event, { before: `it is whole: I am here now` }, 'quorum');
  }
}

function saySave({ instanceNumber, promisedId, acceptedId }: Event<'save'>): Saying {
  const promised = `promised ${promisedId === null ? 'nothing' : formatId(promisedId)}`;
  const accepted = `accepted ${acceptedId === null ? 'nothing' : formatId(acceptedId)}`;
  const words = { before: `on disk: ${promised}, ${accepted}` };
  return saying('save', { instanceNumber, words, isChatter: true });
}

/** A peer is named beside the line already, an address is not. */
function sayReject({ from, why }: Event<'reject'>): Saying {
  const before = from.length === 1 ? why : `${from}: ${why}`;
  return saying('reject', { words: { before }, mood: 'trouble' });
}

function sayCrash({ where, lost }: Event<'crash'>): Saying {
  const before = where === 'now' ? '' : `at ${where}: `;
  const words = { before: `${before}${LOSSES[lost ?? 'no power cut']}` };
  return saying('CRASH', { words, mood: 'trouble' });
}

const LOSSES = {
  'no power cut': 'memory is lost, the disk is kept',
  nothing: 'power cut: memory lost, disk kept',
  save: 'power cut: memory, latest save lost',
  file: 'power cut: memory, whole file lost',
  disk: 'memory and disk are lost',
} as const;

/** Those who vote, and then, in brackets, those who do not. */
function formatMembers(members: Roster): string {
  const all = Object.entries(members);
  const voters = all.filter(([, { role }]) => role === 'voting').map(([uid]) => uid);
  return nameMembers(
    voters,
    all.map(([uid]) => uid).filter((uid) => !voters.includes(uid)),
  );
}

function nameMembers(voters: readonly Uid[], others: readonly Uid[]): string {
  return others.length === 0 ? voters.join(' ') : `${voters.join(' ')} (${others.join(' ')})`;
}

function sayMembers(event: Event<'members'>): Saying {
  const { what, voters, others } = event;
  const named = nameMembers(voters, others);
  switch (what) {
    case 'changed':
      return about('members', event, { before: `from here on ${named}` }, 'quorum');
    case 'overtaken':
      return about('members', event, { before: 'another change came before mine' }, 'trouble');
    case 'past':
      return about('members', event, { before: `a quorum of ${named} knows it` });
    case 'removed':
      return about('members', event, { before: 'I am no member any more' }, 'trouble');
    case 'left':
      return about('members', event, { before: `${named} can do without me: I end` }, 'quorum');
  }
}

/**
 * What a value of the chain is called: a text in quotes, or what happens to the lease. Of a batch
 * how many there are, and the first of them; without it where `quoted` leaves nothing of it.
 */
export function formatValue(value: Link | string, quoted: (text: string) => string): string {
  if (typeof value === 'string') return quoted(value);
  if (isBatch(value)) {
    const [first] = value.batch;
    const example = first === undefined ? '' : formatValue(first, quoted);
    return `a batch of ${value.batch.length}${example === '' ? '' : `: ${example}`}`;
  }
  if (isUpdate(value)) return quoted(value.update);
  if ('read' in value) return 'a read';
  if (isMembers(value)) return `members ${formatMembers(value.members)}`;
  return value.lease === null ? 'lease handed back' : `lease for ${value.lease}`;
}
