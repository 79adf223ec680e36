/** What can be done now, as whole commands: for a prompt that completes what somebody types. */
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
    cuts,
  } = stage;
  const names = flights.map(({ name }) => name);
  const some = names.length > 0 ? ['all', ...names] : [];
  const isFit = (rule: Break) => kindOf(rule) === kindOf({ store, leases, members });
  const breaks = ALL_BREAKS.filter((rule) => isFit(rule) || cards.every(isNew));
  return [
    ...['deliver', 'drop', 'hold back', 'repeat', 'keep'].flatMap((verb) =>
      some.map((name) => `${verb} ${name}`),
    ),
    ...kept.map(({ name }) => `bring back ${name}`),
    ...cards.flatMap((card) => commandsAt(card)),
    ...(members ? cards.flatMap((card) => changesAt(card, uids)) : []),
    ...uids.flatMap((from) => uids.filter((to) => to !== from).map((to) => `cut ${from}->${to}`)),
    ...(cuts.length > 0 ? ['mend', ...cuts.map(([from, to]) => `mend ${from}->${to}`)] : []),
    ...breaks.map(({ name }) => `break ${name}`),
    'wait 100',
    'wait 1000',
    'in flight',
    'show',
  ];
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

function commandsAt({ uid, condition }: Card): readonly string[] {
  const onClock = [`set clock ${uid} by 1000`, `cut ${uid}`];
  const onDisk = SAVE_STEPS.map((step) => `fail save ${uid} at ${step}`);
  switch (condition) {
    case 'absent':
    case 'down':
      return [`start ${uid}`, ...onClock];
    case 'paused':
      return [`resume ${uid}`, `crash ${uid}`, ...onClock];
    case 'asleep':
      return [`wake ${uid}`, `crash ${uid}`, ...onClock];
    case 'running':
      return [
        ...[`submit ${uid} …`, `request ${uid} c1 …`, `read ${uid} c1`, `read ${uid} c1 locally`],
        ...CRASH_POINTS.map((point) => `crash ${uid} at ${point}`),
        ...[`crash ${uid}`, `crash ${uid} with power cut`, `pause ${uid}`, `sleep ${uid}`],
        ...[`stop ${uid}`, `save takes 1000 at ${uid}`, ...onDisk, ...onClock],
      ];
  }
}

/** How this beginning of a command can go on, up to the next word that is one's own. */
export function completionsOf(beginning: string, stage: Stage | null): readonly string[] {
  const known = commandsNow(stage).map((command) => command.replace(/…$/, ''));
  return [...new Set(known.filter((command) => command.startsWith(beginning)))];
}
