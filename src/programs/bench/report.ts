/** What a benchmark found: numbers out of measurements, and a table for people. */
import type { Measured } from './client.ts';

/** What is measured, in the order of the table. */
export const SUBJECTS = ['floor', 'master', 'plain', 'echo', 'read'] as const;
export type Subject = (typeof SUBJECTS)[number];

/** So many clients wait at a time. */
export const CROWDS: readonly number[] = [1, 16, 64];

/** One subject in one round. `perSecond`: for each crowd that was measured. */
export interface Figures {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly perSecond: Readonly<Record<string, number>>;
}

export type Round = Readonly<Record<Subject, Figures>>;

/** The p50 of one subject in proportion to that of another, and how much of it is enough. */
interface Ratio {
  readonly name: string;
  readonly of: Subject;
  readonly to: Subject;
  readonly atMost: number | null;
}

export interface ReachedRatio extends Ratio {
  /** The median of the ratios of the rounds. */
  readonly ratio: number;
  readonly isReached: boolean | null;
}

/** Where the state was kept, and what came of it: for each subject the medians of all rounds. */
export interface Report {
  readonly place: string;
  readonly directory: string;
  /** Whether a reading client and whom it asked had a core each; if not, chance placed them. */
  readonly isPinned: boolean;
  readonly subjects: Round;
  readonly ratios: readonly ReachedRatio[];
  readonly rounds: readonly Round[];
}

export type Place = 'disk' | 'memory';

const RATIOS: Readonly<Record<Place, readonly Ratio[]>> = {
  disk: [
    { name: 'update with a master / floor', of: 'master', to: 'floor', atMost: 1.3 },
    { name: 'update without one / floor', of: 'plain', to: 'floor', atMost: 3 },
    { name: 'read at the master / echo', of: 'read', to: 'echo', atMost: 1.3 },
  ],
  memory: [
    { name: 'update with a master / floor', of: 'master', to: 'floor', atMost: 1.6 },
    { name: 'update without one / floor', of: 'plain', to: 'floor', atMost: null },
    { name: 'read at the master / echo', of: 'read', to: 'echo', atMost: 1.3 },
  ],
};

/** What crowds of such sizes have measured. */
export type Crowds = readonly (readonly [number, Measured])[];

/** The latency of one client by itself, and the speed of whichever crowds were measured. */
export function figuresOf(crowds: Crowds): Figures {
  const alone = crowds.find(([size]) => size === 1);
  const sorted = (alone?.[1].eachMs ?? []).toSorted((a, b) => a - b);
  const speeds = crowds.map(([crowd, { eachMs, allMs }]) => {
    return [`${crowd}`, (1_000 * eachMs.length) / allMs] as const;
  });
  return {
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
    perSecond: Object.fromEntries(speeds),
  };
}

export function report(
  place: Place,
  directory: string,
  isPinned: boolean,
  rounds: readonly Round[],
): Report {
  const subjects = Object.fromEntries(
    SUBJECTS.map((subject) => [subject, medianOf(rounds.map((round) => round[subject]))]),
  ) as unknown as Round;
  const ratios = RATIOS[place].map((ratio) => {
    // Within a round both were measured one right after the other, on a machine in the same mood.
    const each = rounds.map((round) => round[ratio.of].p50Ms / round[ratio.to].p50Ms);
    const value = median(each);
    const isReached = ratio.atMost === null ? null : value <= ratio.atMost;
    return { ...ratio, ratio: value, isReached };
  });
  return { place, directory, isPinned, subjects, ratios, rounds };
}

const NAMES: Readonly<Record<Subject, string>> = {
  floor: 'floor: the same datagrams and saves, no protocol',
  master: 'update with a master',
  plain: 'update without one',
  echo: 'a bare UDP echo',
  read: 'read at the master',
};

/** The lines of a table, within 80 columns or little more. */
export function tableOf({ place, directory, isPinned, subjects, ratios }: Report): string[] {
  const headings = ['p50 ms', 'p99 ms', ...CROWDS.map(String)];
  const rows = SUBJECTS.map((subject) => {
    const { p50Ms, p99Ms, perSecond } = subjects[subject];
    const speeds = CROWDS.map((crowd) => perSecond[crowd]?.toFixed(0) ?? '');
    return rowOf(NAMES[subject], [p50Ms.toFixed(3), p99Ms.toFixed(3), ...speeds]);
  });
  return [
    `State on ${place === 'disk' ? 'the disk' : 'a memory file system'} (${directory})`,
    rowOf('one client waiting; how many a second, clients:', headings),
    ...rows,
    ...ratios.map(sayRatio),
    ...(isPinned ? [] : ['without taskset: chance placed the processes on the cores']),
  ];
}

function rowOf(name: string, columns: readonly string[]): string {
  return (
    name.padEnd(50) +
    columns
      .map((column) => column.padStart(7))
      .join(' ')
      .trimEnd()
  );
}

function sayRatio({ name, ratio, atMost, isReached }: ReachedRatio): string {
  const measured = `${name.padEnd(32)}${ratio.toFixed(2)}`;
  if (atMost === null) return measured;
  return `${measured}  to reach: at most ${atMost}${isReached ? '' : ', NOT REACHED'}`;
}

function medianOf(figures: readonly Figures[]): Figures {
  const crowds = Object.keys(figures[0]?.perSecond ?? {});
  const speeds = crowds.map((crowd) => {
    return [crowd, median(figures.map(({ perSecond }) => perSecond[crowd] ?? 0))] as const;
  });
  return {
    p50Ms: median(figures.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(figures.map(({ p99Ms }) => p99Ms)),
    perSecond: Object.fromEntries(speeds),
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return ((sorted[(sorted.length - 1) >> 1] ?? 0) + (sorted[sorted.length >> 1] ?? 0)) / 2;
}

/** The smallest value that so great a part of all values do not exceed. */
export function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? 0;
}
