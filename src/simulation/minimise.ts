/**
 * Minimising: what is left of a failing schedule when nothing more can be taken out of it.
 *
 * The list of actions is cut into parts, and each part is left out in turn; what is not needed
 * for the failure stays out, and the parts get smaller until they are single actions (after
 * "delta debugging", Zeller and Hildebrandt, 2002). A failure is the same if it violates the same
 * invariant.
 */
import type { Uid } from '../composable-paxos.ts';
import type { Asking } from './clients.ts';
import { type Outcome, run, type Variant } from './run.ts';
import { type Action, type Affliction, isProbe, type Schedule } from './schedule.ts';

/** More runs than this are not spent on it. */
const MAX_RUNS = 2_000;

/** The smallest schedule found that still violates `invariant`. `progress` hears of every run. */
export function minimise(
  schedule: Schedule,
  variant: Variant,
  invariant: number,
  progress: (runs: number, actions: number) => void = () => {},
): Schedule {
  let best = schedule;
  let runs = 0;
  const fails = (candidate: Schedule): boolean => {
    runs += 1;
    progress(runs, candidate.actions.length);
    const outcome: Outcome = run(candidate, variant);
    return outcome.violation?.invariant === invariant;
  };
  const attempt = (candidate: Schedule): boolean => {
    // Who is expected to be well, and what is fired at them last, belongs to the question.
    const isVoid = invariant === 10 && expectedIn(candidate) < expectedIn(schedule);
    if (isVoid || runs >= MAX_RUNS || !fails(candidate)) return false;
    best = candidate;
    return true;
  };

  const evenClocks = Object.fromEntries(schedule.uids.map((uid) => [uid, 1]));
  attempt({ ...best, clockRates: evenClocks });
  let partLength = Math.ceil(best.actions.length / 2);
  while (partLength >= 1) {
    const hasShrunk = leaveOutParts(partLength, () => best, attempt);
    if (partLength === 1 && !hasShrunk) break;
    if (!hasShrunk || partLength > best.actions.length) partLength = Math.floor(partLength / 2);
    partLength = Math.min(partLength, Math.max(1, best.actions.length));
    if (best.actions.length === 0 || runs >= MAX_RUNS) break;
  }
  return best;
}

/** Leaves out one part after the other; true if anything could stay out. */
function leaveOutParts(
  length: number,
  best: () => Schedule,
  attempt: (candidate: Schedule) => boolean,
): boolean {
  let hasShrunk = false;
  for (let start = best().actions.length - length; start > -length; start -= length) {
    const { actions } = best();
    const from = Math.max(0, start);
    const rest: readonly Action[] = [...actions.slice(0, from), ...actions.slice(start + length)];
    if (rest.length < actions.length && attempt({ ...best(), actions: rest })) hasShrunk = true;
  }
  return hasShrunk;
}

/** One line about an action, for people. */
export function describeAction(action: Action): string {
  const at = `${(action.atMs / 1_000).toFixed(3)} s`.padStart(9);
  switch (action.do) {
    case 'submit':
      return `${at}  a client fires "${action.value}" at ${action.to}`;
    case 'ask':
      return `${at}  ${describeAsking(action)}`;
    case 'crash':
      return `${at}  ${action.uid} is killed (${action.point})${action.power ? ', power cut' : ''}`;
    case 'lose disk':
      return `${at}  ${action.uid} is killed (${action.point}), and its disk is lost`;
    case 'fail save':
      return `${at}  the next save of ${action.uid} fails (${action.step})`;
    case 'flip bit':
      return `${at}  ${action.uid} is killed, and a bit flips in its file`;
    case 'forge':
      return `${at}  somebody sends ${action.to} a forged ${action.type} from ${action.from}`;
    case 'stop':
      return `${at}  ${action.uid} is stopped cleanly`;
    case 'pause':
      return `${at}  ${action.uid} stands still for ${Math.round(action.forMs)} ms`;
    case 'sleep':
      return `${at}  the machine of ${action.uid} sleeps for ${Math.round(action.forMs)} ms`;
    case 'set clock':
      return `${at}  the wall clock of ${action.uid} is set by ${Math.round(action.byMs)} ms`;
    case 'transfer':
      return `${at}  a client asks ${action.uid} to make ${action.to} master`;
    case 'switch':
      return `${at}  all are killed; for ${Math.round(action.forMs)} ms the other layers run`;
    case 'cut':
      return `${at}  cut for ${Math.round(action.forMs)} ms: ${describeLinks(action.links)}`;
    case 'change':
      return `${at}  a client asks ${action.uid} for other members`;
    case 'spoil':
      return `${at}  ${describeSpoil(action)}`;
    case 'weather':
      return `${at}  for ${Math.round(action.forMs)} ms: ${JSON.stringify(action.conditions)}`;
  }
}

function describeAsking({ client, question, options }: Asking): string {
  const isRead = question.type === 'read';
  const what = isRead ? (question.isLocal ? 'a local read' : 'a read') : `"${question.value}"`;
  const elsewhere = options.mayMove ? ', then others' : '';
  return `${client} asks ${options.server}${elsewhere} for ${what}`;
}

function describeSpoil(action: Action & { do: 'spoil' }): string {
  const from = action.asItLeads ? ', when it leads next' : '';
  return `for ever${from}: ${action.uid} is ${describeAffliction(action)}`;
}

function describeAffliction(affliction: Affliction): string {
  switch (affliction.how) {
    case 'heard by one':
      return `heard by ${affliction.by} only, and hears nobody`;
    case 'slow disk':
      return `so slow that a save takes ${Math.round(affliction.saveMs)} ms`;
    case 'slow network':
      return 'far away, 100 to 400 ms';
    default:
      return affliction.how;
  }
}

function describeLinks(links: readonly (readonly [Uid, Uid])[]): string {
  return links.map(([from, to]) => `${from}->${to}`).join(' ');
}

function expectedIn({ actions }: Schedule): number {
  const isProbing = (action: Action) => action.do === 'submit' && isProbe(action.value);
  return actions.filter((action) => action.do === 'spoil' || isProbing(action)).length;
}
