/** Schedules of clusters whose members change while everything else goes wrong, too. */
import { Random } from './random.ts';
import { type Action, drawSchedule, type Fault, isProbe, type Schedule } from './schedule.ts';

/** So many servers more than vote at first are there, to be members one day. */
const MORE = 4;
const MOST = 9;
/** Changes are asked for so often while faults rage. */
const CHANGES = 8;
/** So much longer it may take until all is healed: some leases must run out before. */
const MORE_MS = 40_000;

/**
 * What these runs leave out: who has lost its disk does not come back under its name; and who is
 * spoiled for ever, or has a wild clock, may become the majority.
 */
const LEFT_OUT: readonly Fault[] = [
  'lost disks',
  'bad minority',
  'wild clocks',
  'switches',
  'mixed flags',
  'crowds',
  'slow disks',
  'slow network',
];

/** Draws a schedule: `founders` servers vote at first, for `seconds` virtual seconds. */
export function drawMembersSchedule(seed: number, founders: number, seconds: number): Schedule {
  const servers = Math.min(MOST, founders + MORE);
  const { faults } = drawSchedule(seed, servers, seconds, null);
  const kept = faults.filter((fault) => !LEFT_OUT.includes(fault));
  const schedule = drawSchedule(seed, servers, seconds, kept);
  const changes = drawChanges(new Random(seed, 'changes'), schedule);
  const asked = schedule.actions.map((action) =>
    action.do === 'submit' && isProbe(action.value)
      ? { ...action, atMs: action.atMs + MORE_MS }
      : action,
  );
  return {
    ...schedule,
    founders: schedule.uids.slice(0, founders),
    actions: [...asked, ...changes].sort((a, b) => a.atMs - b.atMs),
    // Who asks one that is gone has to find those who are there first.
    patienceMs: Number.POSITIVE_INFINITY,
    probeMs: schedule.probeMs + MORE_MS,
    endMs: schedule.endMs + MORE_MS,
  };
}

/** Some at once, so that they compete. */
function drawChanges(random: Random, { uids, healMs }: Schedule): Action[] {
  let atMs = 0;
  return Array.from({ length: CHANGES + random.below(CHANGES) }, (): Action => {
    if (!random.chance(0.3)) atMs = random.between(0, healMs);
    return { atMs, do: 'change', uid: random.pick(uids), luck: random.next() };
  });
}
