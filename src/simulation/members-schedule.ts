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

/** After a disk is lost somebody asks for another server in its place, so late and so often. */
const REPLACED_AFTER_MS = [1_000, 4_000, 8_000, 14_000];

/** What these runs leave out: who is spoiled, or has a wild clock, may become the majority. */
const LEFT_OUT: readonly Fault[] = [
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
  const asked = schedule.actions.map((action) => {
    // Whether a disk may be lost is a matter of the moment.
    if (action.do === 'lose disk') return { ...action, point: 'now' as const, skip: 0 };
    const isLater = action.do === 'submit' && isProbe(action.value);
    return isLater ? { ...action, atMs: action.atMs + MORE_MS } : action;
  });
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
function drawChanges(random: Random, { uids, healMs, actions }: Schedule): Action[] {
  const change = (atMs: number): Action => {
    return { atMs, do: 'change', uid: random.pick(uids), luck: random.next() };
  };
  let atMs = 0;
  const changes = Array.from({ length: CHANGES + random.below(CHANGES) }, () => {
    if (!random.chance(0.3)) atMs = random.between(0, healMs);
    return change(atMs);
  });
  const losses = actions.filter((action) => action.do === 'lose disk');
  const after = losses.flatMap((loss) => REPLACED_AFTER_MS.map((ms) => change(loss.atMs + ms)));
  return [...changes, ...after];
}
