/**
 * Goals: exercises that the playground can check by itself. Each begins with a story and is
 * reached by whatever commands make its condition true; what it teaches is one rule.
 */
import { isUpdate } from '../chain.ts';
import { compareProposalIds, quorumOf, type Uid } from '../composable-paxos.ts';
import type { TraceEvent } from '../trace/events.ts';
import { all, type EventOf, type Goal, type Played } from './goal.ts';
import { PART_TWO_GOALS } from './goals-of-part-two.ts';

/** Who has accepted the same proposal, by instance and proposal. */
function acceptersOf(played: Played): Map<string, { uids: Set<Uid>; event: EventOf<'accept'> }> {
  const accepters = new Map<string, { uids: Set<Uid>; event: EventOf<'accept'> }>();
  for (const event of all(played, 'accept')) {
    const { number, uid } = event.proposalId;
    const key = `${event.instanceNumber} ${number}.${uid}`;
    const known = accepters.get(key) ?? { uids: new Set<Uid>(), event };
    accepters.set(key, { ...known, uids: known.uids.add(event.server) });
  }
  return accepters;
}

/** Whether this server has begun a round in this instance when it had been asked for that. */
function hasBegun({ events }: Played, uid: Uid, requestId: string, instanceNumber: number) {
  const own = events.filter(({ server }) => server === uid);
  const asked = own.findIndex(
    ({ event, ...it }) =>
      event === 'receive' && 'message' in it && requestIdOf(it.message) === requestId,
  );
  if (asked < 0) return false;
  return own.slice(asked).some((event) => {
    if (event.event !== 'send' || event.message.type !== 'prepare') return false;
    return event.message.instanceNumber === instanceNumber;
  });
}

function requestIdOf(message: object): unknown {
  return 'requestId' in message ? message.requestId : null;
}

function hasCommand({ steps }: Played, pattern: RegExp): boolean {
  return steps.some(({ item }) => item.kind === 'command' && pattern.test(item.text));
}

function violates({ violations }: Played, ...numbers: readonly number[]): boolean {
  return violations.some(({ invariant }) => numbers.includes(invariant));
}

const THREE = 'cluster A B C\n\nstart A B C\n\ndeliver all\n';
const FIVE = 'cluster A B C D E\n\nstart A B C D E\n\ndeliver all\n';
const MASTERS = 'cluster A B C with leases\n\nstart A B C\n\ndeliver all\n';

const PART_ONE_GOALS: readonly Goal[] = [
  {
    name: 'first-value',
    level: 1,
    title: 'One value, chosen',
    task:
      'Ask a server for a value, and bring messages along until all three servers know that ' +
      'it is chosen.',
    hints: [
      'Ask A for a value, then deliver what is under way.',
      'First the prepares, then the promises, then the accepts. What the acceptors say last ' +
        'goes to everybody.',
    ],
    lesson: 'Two phases: promises from a quorum, then acceptances from a quorum.',
    story: THREE,
    isReached: ({ stage }) =>
      stage?.cards.every(({ currentValue }) => currentValue !== null) ?? false,
  },
  {
    name: 'without-one',
    level: 1,
    title: 'A quorum is enough',
    task: 'Get a value chosen in a cluster of five while D and E receive nothing of it at all.',
    hints: [
      'Three of five are a quorum, and the proposer counts, too.',
      'Cut D and E off, or simply deliver nothing to them.',
    ],
    lesson: 'No answer of any particular server is ever needed, only those of some quorum.',
    story: FIVE,
    isReached: (played) =>
      all(played, 'chosen').length > 0 &&
      !all(played, 'receive').some(
        ({ server, message }) =>
          'DE'.includes(server) && 'instanceNumber' in message && message.type !== 'sync_request',
      ),
  },
  {
    name: 'refused',
    level: 1,
    title: 'No, I have promised',
    task: 'Get a proposer refused: make it hear a nack of its own round.',
    hints: [
      'Somebody else must have asked with a higher id before.',
      '2.B is above 2.A: let B hear nothing of A, and let C promise to B first.',
    ],
    lesson: 'A promise is never taken back; ids are ordered by number, then by name.',
    story: THREE,
    isReached: (played) => all(played, 'refused').length > 0,
  },
  {
    name: 'unnoticed',
    level: 2,
    title: 'Chosen, and nobody knows',
    task: 'Make a value chosen that no server knows to be chosen.',
    hints: [
      'A value is chosen when a quorum has accepted it, not when somebody counts.',
      'Deliver one accept, and then nothing more.',
    ],
    lesson: 'Being chosen is a fact about disks; learning of it is a message, which may be lost.',
    story: THREE,
    isReached: (played) => {
      const quorum = quorumOf(played.stage?.uids.length ?? 0);
      const isChosen = [...acceptersOf(played).values()].some(({ uids }) => uids.size >= quorum);
      return isChosen && all(played, 'chosen').length === 0;
    },
  },
  {
    name: 'orphan',
    level: 2,
    title: 'An orphan is finished',
    task:
      'Let a server die after its value was accepted somewhere, and let another server get ' +
      'that very value chosen.',
    hints: [
      'One acceptance beside its own is not needed: one that survives is.',
      'Deliver an accept to B, crash A, lose what is under way; then wait for the silence ' +
        'to be ended.',
    ],
    lesson: 'Whoever leads must finish what its promises name: the highest accepted value wins.',
    story: THREE,
    isReached: ({ events }) =>
      events.some((chosen, at) => {
        if (chosen.event !== 'chosen' || !isUpdate(chosen.value)) return false;
        const { value, proposalId } = chosen;
        const before = events.slice(0, at);
        const death = before.findIndex(
          ({ event, server }) => event === 'crash' && value.id.startsWith(`${server}-`),
        );
        if (death < 0 || value.id.startsWith(`${proposalId.uid}-`)) return false;
        const isIt = (event: TraceEvent, kind: 'accept' | 'chosen') =>
          event.event === kind && event.value.id === value.id;
        return (
          before.slice(0, death).some((event) => isIt(event, 'accept')) &&
          !before.slice(0, death).some((event) => isIt(event, 'chosen'))
        );
      }),
  },
  {
    name: 'laggard',
    level: 2,
    title: 'Two links in one step',
    task: 'Let a server miss two values at least, and get level with one message.',
    hints: [
      'Deliver nothing to C while A and B choose two values.',
      'Whatever C hears of a later instance is news; it asks its sender, and is told all.',
    ],
    lesson: 'A replica that keeps one value does not need the links that it missed.',
    story: THREE,
    isReached: (played) => {
      const at = new Map<Uid, number>();
      return all(played, 'advance').some(({ server, link, instanceNumber }) => {
        const from = at.get(server) ?? 1;
        at.set(server, instanceNumber);
        return link === null && instanceNumber - from >= 2;
      });
    },
  },
  {
    name: 'two-values',
    level: 2,
    title: 'A quorum of one',
    task:
      'In this cluster one server alone takes itself for a quorum. Get two different values ' +
      'chosen.',
    hints: [
      'Two groups that share nobody can decide differently.',
      'Ask A for one value and B for another.',
    ],
    lesson: 'Why a quorum is more than half: any two of them share a server.',
    story: `cluster A B C\n\nbreak quorum-of-one\n\nstart A B C\n\ndeliver all\n`,
    isReached: (played) => violates(played, 1, 2),
  },
  {
    name: 'duel',
    level: 2,
    title: 'Five rounds of a duel',
    task: 'Let three proposers refuse each other: five rounds end without anything chosen.',
    hints: [
      'Let each proposer get its promises, and then let another one ask before it is heard.',
      'A nack ends a round, and a little later there is a next one: wait for it.',
    ],
    lesson:
      'Paxos is always safe and need not end: that is why one backs off, and why there are ' +
      'masters.',
    story: THREE,
    isReached: (played) => {
      const refused = all(played, 'refused');
      const rivals = new Set(refused.map(({ server }) => server));
      return refused.length >= 5 && rivals.size === 3 && all(played, 'chosen').length === 0;
    },
  },
  {
    name: 'silent-promise',
    level: 2,
    title: 'Saved, and not said',
    task:
      'Let a server promise somebody, die before it can say so, and come back: then let it ' +
      'refuse another one because of what it has promised.',
    hints: [
      'A crash can be had at many points, one of them between saving and sending.',
      'Ask A and C. Arm the crash at B, deliver the prepare of C to B, and start B again.',
      '2.A is below 2.C: what does B say to A now?',
    ],
    lesson:
      'Save it, then say it: a promise that nobody heard does no harm, one that is forgotten does.',
    story: THREE,
    isReached: (played) => {
      const { events } = played;
      const died = all(played, 'crash').filter(({ where }) => where === 'save and send');
      return died.some((crash) => {
        const { server, turn } = crash;
        const promise = events.find(
          (event) => event.event === 'promise' && event.server === server && event.turn === turn,
        );
        if (promise?.event !== 'promise' || promise.to === server) return false;
        const { proposalId, instanceNumber } = promise;
        return events
          .slice(events.indexOf(crash))
          .some(
            (event) =>
              event.event === 'refuse' &&
              event.server === server &&
              event.instanceNumber === instanceNumber &&
              compareProposalIds(event.promisedId, proposalId) === 0,
          );
      });
    },
  },
  {
    name: 'one-round-trip',
    level: 2,
    title: 'The first phase saved',
    task: 'Get a client’s value chosen under number 1.',
    hints: [
      'Number 1 is reserved for the holder of a lease.',
      'Wait until somebody is master, and ask that server.',
    ],
    lesson: 'Whoever the chain names needs no promises: nothing below its number can exist.',
    story: MASTERS,
    isReached: (played) =>
      all(played, 'chosen').some(
        ({ proposalId, value }) => proposalId.number === 1 && isUpdate(value),
      ),
  },
  {
    name: 'asked-twice',
    level: 3,
    title: 'Asked twice, chosen once',
    task:
      'Let the same client ask two servers for the same value, so that both of them begin a ' +
      'round for it. It is chosen once, and both say so, with the same instance.',
    hints: [
      'Ask the second server before the first one has got anywhere.',
      'What a request asks for has an id: whoever sees it in the chain takes it out of its queue.',
      'Deliver A to C and back until A knows; then let B hear that A and C have accepted.',
    ],
    lesson: 'Exactly once is made by the chain, which remembers requests, and not by the network.',
    story: THREE,
    isReached: (played) => {
      const told = all(played, 'reply').flatMap(({ server, message }) =>
        message.type === 'chosen' ? [{ server, ...message }] : [],
      );
      return told.some(({ requestId, instanceNumber }) => {
        const same = told.filter(
          (other) => other.requestId === requestId && other.instanceNumber === instanceNumber,
        );
        const tellers = [...new Set(same.map(({ server }) => server))];
        const began = tellers.filter((uid) => hasBegun(played, uid, requestId, instanceNumber));
        return began.length >= 2;
      });
    },
  },
  {
    name: 'new-master',
    level: 3,
    title: 'Another master',
    task:
      'Without stopping, crashing, pausing or cutting anybody off: get one server to be ' +
      'master, and then another one, with at most two dozen messages undelivered.',
    hints: [
      'A lease ends when it is not renewed in time.',
      'The master asks for its next lease after five seconds. Nobody hears of it if you ' +
        'deliver nothing.',
    ],
    lesson: 'A lease is a matter of time, and nobody has to say that it is over.',
    story: MASTERS,
    isReached: (played) => {
      const masters = new Set(
        all(played, 'lease')
          .filter(({ what }) => what === 'ours')
          .map(({ server }) => server),
      );
      const undelivered =
        all(played, 'lost').length +
        (played.stage?.flights.length ?? 0) +
        (played.stage?.kept.length ?? 0);
      const hasForce = hasCommand(played, /^(?:stop|crash|pause|sleep|cut|fail|set clock|save)/);
      return masters.size >= 2 && undelivered <= 24 && !hasForce;
    },
  },
  {
    name: 'forgotten-promise',
    level: 3,
    title: 'A disk that lies',
    task:
      'Here nobody fsyncs the directory after the rename. Make a server break its word: it ' +
      'says something that a power cut would undo.',
    hints: ['Any promise will do.', 'Ask A for a value: what A says is not on its disk for good.'],
    lesson: 'A rename is durable when the directory is: the last step of a save is a step.',
    story: `cluster A B C\n\nbreak no-directory-sync\n\nstart A B C\n\ndeliver all\n`,
    isReached: (played) => violates(played, 6),
  },
  {
    name: 'old-news',
    level: 3,
    title: 'The master that was',
    task:
      'Here a master believes in its lease until a timer tells it otherwise. Catch it reading ' +
      'an old value, or catch two masters at once.',
    hints: [
      'Whoever is paused hears no timer.',
      'Pause the master for longer than its lease lasts; meanwhile the others elect ' +
        'another. Then wake it.',
    ],
    lesson: '"Am I master?" is a question to the clock at the moment of asking.',
    story: `cluster A B C with leases\n\nbreak lease-by-timer\n\nstart A B C\n\ndeliver all\n`,
    isReached: (played) => violates(played, 8, 9),
  },
];

/** From easy to hard. */
export const GOALS: readonly Goal[] = [...PART_ONE_GOALS, ...PART_TWO_GOALS].sort(
  (one, other) => one.level - other.level,
);
