/** What can be done now, as whole commands: for a prompt that completes what somebody types. */
import type { Uid } from '../composable-paxos.ts';
import { ALL_BREAKS, kindOf } from '../simulation/broken/all.ts';
import type { Break } from '../simulation/broken/layers.ts';
import { SAVE_STEPS } from '../simulation/disk.ts';
import { CRASH_POINTS } from '../simulation/machine.ts';
import type { Card, Stage } from './stage.ts';

const BEGINNINGS = [
  'cluster A B C',
  'cluster A B C with leases',
  'cluster A B C of stores',
  'cluster A B C D E',
  'cluster A B C with journals',
  'cluster A B C D with members A B C',
];

/** What a store can be asked for, and about; a lock, too. */
const COMMANDS = [
  'set color blue',
  'add visits 1',
  'lock job c1 10000',
  'renew job 1 10000',
  'unlock job 1',
];
const QUERIES = ['get color', 'lock job'];

/** Every command that makes sense at this moment; `…` stands for a text of one's own. */
export function commandsNow(stage: Stage | null): readonly string[] {
  if (stage === null) return BEGINNINGS;
  const {
    flights,
    kept,
    cards,
    uids,
    isStore: store,
    hasLeases: leases,
    hasMembers: members,
    hasJournals: journal,
    cuts,
  } = stage;
  const names = flights.map(({ name }) => name);
  const some = names.length > 0 ? ['all', ...names] : [];
  const isFit = (rule: Break) => kindOf(rule) === kindOf({ store, leases, members, journal });
  const breaks = ALL_BREAKS.filter((rule) => isFit(rule) || cards.every(isNew));
  return [
    ...['deliver', 'drop', 'hold back', 'repeat', 'keep'].flatMap((verb) =>
      some.map((name) => `${verb} ${name}`),
    ),
    ...kept.map(({ name }) => `bring back ${name}`),
    ...cards.flatMap((card) => commandsAt(card, journal)),
    ...(store ? cards.flatMap((card) => commandsOfStore(card)) : []),
    ...(members ? cards.flatMap((card) => changesAt(card, uids)) : []),
    ...(leases ? linksOf(uids).map(([from, to]) => `transfer ${from} c3 to ${to}`) : []),
    ...linksOf(uids).flatMap(([from, to]) => [`cut ${from}->${to}`, `forge ${from}->${to} leap`]),
    ...(cuts.length > 0 ? ['mend', ...cuts.map(([from, to]) => `mend ${from}->${to}`)] : []),
    ...breaks.map(({ name }) => `break ${name}`),
    'wait 100',
    'wait 1000',
    'switch to leases',
    'switch to plain',
    'in flight',
    'show',
  ];
}

function linksOf(uids: readonly Uid[]): readonly (readonly [from: Uid, to: Uid])[] {
  return uids.flatMap((from) => uids.filter((to) => to !== from).map((to) => [from, to] as const));
}

function isNew({ condition }: Card): boolean {
  return condition === 'absent';
}

function changesAt({ uid, condition }: Card, uids: readonly string[]): readonly string[] {
  if (condition !== 'running') return [];
  return ['join', 'vote', 'follow', 'remove'].flatMap((verb) =>
    uids.map((other) => `change ${uid} c4 ${verb} ${other}`),
  );
}

function commandsOfStore({ uid, condition }: Card): readonly string[] {
  if (condition !== 'running') return [];
  return [
    ...COMMANDS.map((command) => `request ${uid} c1 ${command}`),
    ...['query', 'quorum-query'].flatMap((verb) =>
      QUERIES.map((query) => `${verb} ${uid} c1 ${query}`),
    ),
  ];
}

function commandsAt({ uid, condition }: Card, hasJournals: boolean): readonly string[] {
  const always = [`set clock ${uid} by 1000`, `cut ${uid}`, `disk ${uid}`];
  const onDisk = SAVE_STEPS.map((step) => `fail save ${uid} at ${step}`);
  switch (condition) {
    case 'absent':
      return [`start ${uid}`, ...always];
    case 'down':
      return [
        ...[`start ${uid}`, `rejoin ${uid}`, `lose disk ${uid}`, `flip a bit at ${uid}`],
        ...(hasJournals ? [] : [`edit ${uid} …`]),
        ...always,
      ];
    case 'paused':
      return [`resume ${uid}`, `crash ${uid}`, ...always];
    case 'asleep':
      return [`wake ${uid}`, `crash ${uid}`, ...always];
    case 'running':
      return [
        ...[`submit ${uid} …`, `request ${uid} c1 …`, `read ${uid} c1`, `read ${uid} c1 locally`],
        ...CRASH_POINTS.map((point) => `crash ${uid} at ${point}`),
        ...[`crash ${uid}`, `crash ${uid} with power cut`, `pause ${uid}`, `sleep ${uid}`],
        ...[`stop ${uid}`, `save takes 1000 at ${uid}`, ...onDisk, ...always],
      ];
  }
}

/** How this beginning of a command can go on, up to the next word that is one's own. */
export function completionsOf(beginning: string, stage: Stage | null): readonly string[] {
  const known = commandsNow(stage).map((command) => command.replace(/…$/, ''));
  return [...new Set(known.filter((command) => command.startsWith(beginning)))];
}
