/** Goals of part II: in clusters of stores, and in clusters whose members change. */
import { isBatch, isMembers, type Link, type Roster } from '../chain.ts';
import type { Uid } from '../composable-paxos.ts';
import type { TraceEvent } from '../trace/events.ts';
import { all, type Goal, type Played } from './goal.ts';

const STORES = 'cluster A B C of stores\n\nstart A B C\n\ndeliver all\n';
const begun = (cluster: string, uids: string, ...more: readonly string[]) =>
  [`cluster ${cluster}`, `start ${uids}`, 'deliver all', ...more].join('\n\n');
const SPARE = begun('A B C D with members A B C', 'A B C D', 'submit A hello', 'deliver all');
const TWO_ROOMS = begun('A B C D E F with members A B C', 'A B C D E F');
const MASTER = begun('A B C with leases with members A B C', 'A B C', 'wait 600', 'deliver all');

function votersIn(members: Roster): readonly Uid[] {
  return Object.keys(members).filter((uid) => members[uid]?.role === 'voting');
}

/** Which changes of the members were chosen, in order: who votes from then on. */
function changesIn(played: Played): readonly (readonly Uid[])[] {
  const changes = new Map<number, readonly Uid[]>();
  for (const { instanceNumber, value } of all(played, 'chosen')) {
    if (isMembers(value)) changes.set(instanceNumber, votersIn(value.members));
  }
  return [...changes].sort(([a], [b]) => a - b).map(([, voters]) => voters);
}

/** A batch of so many that its server has proposed, and somebody else has got chosen. */
function isInherited(value: Link, by: Uid, dead: Uid): boolean {
  return (
    isBatch(value) && value.batch.length >= 2 && value.id.startsWith(`${dead}-`) && by !== dead
  );
}

/** Whether another one has got a batch of this server chosen that was not chosen before. */
function isFinished(
  before: readonly TraceEvent[],
  after: readonly TraceEvent[],
  dead: Uid,
): boolean {
  const known = new Set(before.map((event) => (event.event === 'chosen' ? event.value.id : '')));
  return after.some(
    (event) =>
      event.event === 'chosen' &&
      !known.has(event.value.id) &&
      isInherited(event.value, event.proposalId.uid, dead),
  );
}

/** The answers that were given to each request, by whom, and what came between. */
function isRemembered({ events }: Played): boolean {
  const answered = events.flatMap(({ server, ...event }, at) =>
    event.event === 'reply' && event.message.type === 'answered'
      ? [{ server, at, ...event.message }]
      : [],
  );
  return answered.some((first) =>
    answered.some(
      (again) =>
        again.at > first.at &&
        again.server !== first.server &&
        again.requestId === first.requestId &&
        again.answer === first.answer &&
        events
          .slice(first.at, again.at)
          .some((event) => event.event === 'advance' && isUpdateAfter(event, first.instanceNumber)),
    ),
  );
}

/** A link that changes the state, of a later instance. */
function isUpdateAfter(
  { link, instanceNumber }: Extract<TraceEvent, { event: 'advance' }>,
  than: number,
): boolean {
  return link !== null && ('update' in link || isBatch(link)) && instanceNumber - 1 > than;
}

export const PART_TWO_GOALS: readonly Goal[] = [
  {
    name: 'snapshot',
    level: 2,
    title: 'Too far behind for links',
    task:
      'These stores take a snapshot of eight links, and keep the last four. Let one miss so much ' +
      'that it has to read the snapshot, and install it.',
    hints: [
      'Crash C, or cut it off, and let A and B choose one command after the other.',
      'Eight commands are enough; a snapshot takes a moment, so go on to the next timer, and let ' +
        'them choose one more.',
      'Then let C come back, and deliver all.',
    ],
    lesson:
      'A log must be cut somewhere; whoever needs what was cut off is given the state itself.',
    story: STORES,
    isReached: (played) => all(played, 'snapshot').some(({ what }) => what === 'installed'),
  },
  {
    name: 'remembered-answer',
    level: 2,
    title: 'The answer that it had',
    task:
      'Let a client ask one store, and then another one, for the same command. Let something ' +
      'else take effect in between. Both must give it the same answer.',
    hints: [
      'Ask A, as client c1, for “add visits 1”: the answer is 1.',
      'Now ask B for “add visits 5” without waiting. Then let c1 ask C for what it wanted.',
    ],
    lesson:
      'A store remembers what it has told each client last, in the state that the chain makes: ' +
      'so all of them do.',
    story: STORES,
    isReached: isRemembered,
  },
  {
    name: 'lost-disk',
    level: 2,
    title: 'The disk of B is gone',
    task:
      'Take the disk of B away. Then let D vote in its place, in one change, and know it; B must ' +
      'not have a vote any more.',
    hints: [
      'D is in no cluster file. First let it in: ask A to.',
      'Whoever is to vote must be level: A asks D how far it is, and you ask A once more.',
      'Ask A for “D in the place of B”, deliver all, and the same again.',
    ],
    lesson:
      'Who has lost its disk has forgotten its promises. A new name has promised nothing, so it ' +
      'may begin anew.',
    story: SPARE,
    isReached: (played) => {
      const isLost = all(played, 'crash').some(
        ({ server, lost }) => server === 'B' && lost === 'disk',
      );
      const isReplaced = changesIn(played).some((voters) => voters.join('') === 'ACD');
      const d = played.stage?.cards.find(({ uid }) => uid === 'D');
      return isLost && isReplaced && d?.membership === 'voting';
    },
  },
  {
    name: 'cut-batch',
    level: 3,
    title: 'Half a batch',
    task:
      'Let a store propose several commands in one link, and let a crash cut it off while it ' +
      'sends that to the others. Let another one get that very link chosen, whole.',
    hints: [
      'Ask A for three commands before anything is delivered, then deliver its prepares.',
      'Let A crash at “half a broadcast”, and only then bring it the promise that makes it lead.',
      'B has the batch now. Deliver it, lose the rest, and ask B for something else.',
    ],
    lesson: 'A batch is one link: it is accepted, found and finished as a whole, or not at all.',
    story: STORES,
    isReached: ({ events }) =>
      events.some(
        (event, at) =>
          event.event === 'crash' &&
          event.where === 'half a broadcast' &&
          isFinished(events.slice(0, at), events.slice(at), event.server),
      ),
  },
  {
    name: 'all-replaced',
    level: 3,
    title: 'Three others, in one step',
    task:
      'Let D, E and F vote instead of A, B and C, by one change, until A, B and C have ended by ' +
      'themselves. Then get a value chosen by the new ones.',
    hints: [
      'First let D, E and F in. They must be level before they can vote.',
      'Those who go must tell the new ones what they lack: let time pass, and deliver all.',
      'Ask D for a value.',
    ],
    lesson:
      'The members of an instance are named by what was chosen before it, so any change can be ' +
      'made in one step: never is there a doubt about who votes.',
    story: TWO_ROOMS,
    isReached: (played) => {
      const changes = changesIn(played);
      const at = changes.findIndex((voters) => voters.join('') === 'DEF');
      const before = at === 0 ? 'ABC' : changes[at - 1]?.join('');
      const left = new Set(
        all(played, 'members').flatMap(({ what, server }) => (what === 'left' ? [server] : [])),
      );
      const cards = played.stage?.cards ?? [];
      const gone = cards.filter(({ uid, condition }) => left.has(uid) && condition === 'down');
      return (
        at >= 0 &&
        before === 'ABC' &&
        gone.length === 3 &&
        all(played, 'chosen').some(({ server, value, proposalId }) => {
          const isOfNew = 'DEF'.includes(server) && 'DEF'.includes(proposalId.uid);
          return isOfNew && 'update' in value;
        })
      );
    },
  },
  {
    name: 'master-leaves',
    level: 3,
    title: 'A master removes itself',
    task:
      'Let the master take itself out of the members, without killing or stopping anybody. ' +
      'Another one must be master less than five seconds later, long before a lease runs out.',
    hints: [
      'Ask the master to remove itself: it hands its lease over first, and sends its client on.',
      'Deliver all, then ask the one that is to be master for the same, until it is done.',
    ],
    lesson:
      'A lease that is handed over ends for everybody by being chosen, not by time. Only then ' +
      'may its holder go.',
    story: MASTER,
    isReached: (played) => {
      const reigns = all(played, 'lease').filter(({ what }) => what === 'ours');
      const [first] = reigns;
      const gone = all(played, 'members').find(({ what }) => what === 'removed' || what === 'left');
      if (first === undefined || gone?.server !== first.server) return false;
      const next = reigns.find(({ server }) => server !== first.server);
      const hasForce =
        all(played, 'crash').length > 0 ||
        all(played, 'stop').some(({ server }) => server !== first.server);
      const handed = all(played, 'lease').find(
        ({ what, server }) => what === 'handing back' && server === first.server,
      );
      if (next === undefined || handed === undefined || hasForce) return false;
      return next.at - handed.at < 5_000;
    },
  },
];
