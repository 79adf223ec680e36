/** What a benchmark of stores found, as numbers and as a table. */
import { median, type Place, quantile } from './report.ts';

/** What is measured, in the order of the table. */
export const STORE_SUBJECTS = [
  ...(['floor', 'store', 'store http', 'etcd'] as const),
  ...(['read', 'read http', 'etcd read'] as const),
];
export type StoreSubject = (typeof STORE_SUBJECTS)[number];

/** So many clients wait at a time. */
export const STORE_CROWDS: readonly number[] = [1, 16, 64, 256];

/** What one crowd has measured. */
export interface OfCrowd {
  readonly eachMs: readonly number[];
  readonly perSecond: number;
}

export type StoreRound = ReadonlyMap<StoreSubject, readonly (readonly [number, OfCrowd])[]>;

/** A server that was killed, and how soon after its start it has answered. */
export interface Restart {
  readonly instanceNumber: number;
  readonly tookMs: number;
}

/** Medians of all rounds. */
export interface StoreFigures {
  readonly crowd: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly perSecond: number;
}

interface StoreRatio {
  readonly name: string;
  readonly ratio: number;
  /** null: nothing is wanted of it. */
  readonly wanted: string | null;
  readonly isReached: boolean;
}

export interface StoreReport {
  readonly place: Place;
  readonly directory: string;
  readonly subjects: Partial<Record<StoreSubject, readonly StoreFigures[]>>;
  readonly ratios: readonly StoreRatio[];
  readonly restart: Restart;
}

export function storeReport(
  place: Place,
  directory: string,
  rounds: readonly StoreRound[],
  restart: Restart,
): StoreReport {
  const measured = STORE_SUBJECTS.filter((subject) => rounds[0]?.has(subject));
  const subjects = Object.fromEntries(
    measured.map((subject) => [
      subject,
      STORE_CROWDS.map((crowd) =>
        figuresOf(
          rounds.map((round) => ofCrowd(round, subject, crowd)),
          crowd,
        ),
      ),
    ]),
  );
  return { place, directory, subjects, ratios: ratiosOf(rounds), restart };
}

function ofCrowd(round: StoreRound, subject: StoreSubject, crowd: number): OfCrowd {
  const [, found] = round.get(subject)?.find(([size]) => size === crowd) ?? [];
  return found ?? { eachMs: [], perSecond: 0 };
}

function figuresOf(crowds: readonly OfCrowd[], crowd: number): StoreFigures {
  const quantiles = (part: number) => crowds.map((one) => quantileOf(one, part));
  return {
    crowd,
    p50Ms: median(quantiles(0.5)),
    p99Ms: median(quantiles(0.99)),
    perSecond: median(crowds.map(({ perSecond }) => perSecond)),
  };
}

function quantileOf({ eachMs }: OfCrowd, part: number): number {
  return quantile(
    eachMs.toSorted((a, b) => a - b),
    part,
  );
}

/** Within a round both were measured one right after the other: so the median is one of ratios. */
function ratiosOf(rounds: readonly StoreRound[]): StoreRatio[] {
  const p50 = (of: StoreSubject, to: StoreSubject) =>
    median(
      rounds.map(
        (round) => quantileOf(ofCrowd(round, of, 1), 0.5) / quantileOf(ofCrowd(round, to, 1), 0.5),
      ),
    );
  const speed = (of: StoreSubject, crowd: number) =>
    median(
      rounds.map(
        (round) => ofCrowd(round, of, crowd).perSecond / ofCrowd(round, 'etcd', crowd).perSecond,
      ),
    );
  const atMost = (name: string, ratio: number, most: number) => {
    return { name, ratio, wanted: `at most ${most}`, isReached: ratio <= most };
  };
  const only = (name: string, ratio: number) => ({ name, ratio, wanted: null, isReached: true });
  const floor = atMost('time of an update / floor', p50('store', 'floor'), 1.3);
  if (!rounds[0]?.has('etcd')) return [floor];
  return [
    floor,
    atMost('time of an update / etcd', p50('store', 'etcd'), 0.8),
    ...STORE_CROWDS.filter((crowd) => crowd >= 64).map((crowd) => {
      const ratio = speed('store', crowd);
      const name = `updates of ${crowd} clients / etcd`;
      return { name, ratio, wanted: 'at least 1.5', isReached: ratio >= 1.5 };
    }),
    only('time of an update, HTTP / etcd', p50('store http', 'etcd')),
    ...STORE_CROWDS.filter((crowd) => crowd >= 64).map((crowd) =>
      only(`updates of ${crowd}, HTTP / etcd`, speed('store http', crowd)),
    ),
  ];
}

const NAMES: Readonly<Record<StoreSubject, string>> = {
  floor: 'floor: append and fdatasync',
  store: 'update of a store',
  'store http': 'update of a store, HTTP',
  etcd: 'update of etcd, HTTP',
  read: 'read at the master',
  'read http': 'read at the master, HTTP',
  'etcd read': 'read of etcd, HTTP',
};

/** The lines of a table, within 100 columns. */
export function storeTableOf({
  place,
  directory,
  subjects,
  ratios,
  restart,
}: StoreReport): string[] {
  const cells = (figures: readonly StoreFigures[]) =>
    figures.map(({ p50Ms, p99Ms, perSecond }) => {
      const times = `${p50Ms.toFixed(1)}/${p99Ms.toFixed(1)}`;
      return `${times.padStart(11)} ${perSecond.toFixed(0).padStart(5)}`;
    });
  const row = (name: string, columns: readonly string[]) => name.padEnd(28) + columns.join(' ');
  const headings = STORE_CROWDS.map((crowd) => `${crowd} waiting`.padStart(17));
  return [
    `State on ${place === 'disk' ? 'the disk' : 'a memory file system'} (${directory})`,
    row('p50/p99 in ms, and a second:', headings),
    ...STORE_SUBJECTS.flatMap((subject) => {
      const figures = subjects[subject];
      return figures === undefined ? [] : [row(NAMES[subject], cells(figures))];
    }),
    ...ratios.map(({ name, ratio, wanted, isReached }) => {
      const verdict = isReached ? '' : ', NOT REACHED';
      const goal = wanted === null ? '' : `  to reach: ${wanted}${verdict}`;
      return `${name.padEnd(32)}${ratio.toFixed(2)}${goal}`;
    }),
    sayRestart(restart),
  ];
}

function sayRestart({ instanceNumber, tookMs }: Restart): string {
  const killed = `a store killed at instance ${instanceNumber}`;
  return `${killed} has answered ${tookMs.toFixed(0)} ms after its start`;
}
