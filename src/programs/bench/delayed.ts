/**
 * `npm run bench -- --store --delay 20`: what is left of the speed when servers are far from each
 * other, and what more could be had of it if several instances were open at once.
 *
 * However many are open, an update takes a datagram from the master to a quorum, and one back. So
 * a crowd of clients, each of which waits for its answer before it asks again, gets no more than
 * one update each in that time. This is the bound; it holds for every protocol that asks a quorum.
 */
import { BenchProcesses } from './processes.ts';
import { median, quantile } from './report.ts';

const CROWD = 64;
const VALUE = 'x'.repeat(64);

/** What is asked, and for so many turns of the crowd: some seconds each. */
const SUBJECTS = [
  ['master', 'one update in a link (part I)', 1],
  ['store', 'as many as wait in a link', 20],
] as const;

export interface DelaySettings {
  readonly delayMs: number;
  readonly rounds: number;
}

/** The lines of a table. Links are counted by the instance that is open. */
export async function* benchDelayed(
  directory: string,
  { delayMs, rounds }: DelaySettings,
  whenBegun: (processes: BenchProcesses) => void,
): AsyncGenerator<string> {
  const processes = new BenchProcesses(directory);
  whenBegun(processes);
  try {
    const bound = CROWD / ((2 * delayMs) / 1_000);
    yield `${CROWD} clients, and ${delayMs} ms from one server to another:`;
    yield rowOf('', ['updates/s', 'links/s', 'updates/link', 'p50 ms', 'bound / it']);
    for (const [kind, name, turns] of SUBJECTS) {
      const clients = await processes.startCluster(kind, ['--delay', `${delayMs}-${delayMs}`]);
      const ask = (requestId: string) =>
        ({ type: 'request', requestId, value: `set ${requestId} ${VALUE}` }) as const;
      const open = async () => {
        const status = await clients.answerTo((requestId) => ({ type: 'status', requestId }));
        return status.type === 'status_report' ? status.instanceNumber : 0;
      };
      await clients.measure(CROWD, CROWD, ask);
      const found: { perSecond: number; linksPerSecond: number; p50Ms: number }[] = [];
      for (let round = 0; round < rounds; round += 1) {
        const before = await open();
        const { eachMs, allMs } = await clients.measure(CROWD, CROWD * turns, ask);
        const links = (await open()) - before;
        found.push({
          perSecond: (1_000 * eachMs.length) / allMs,
          linksPerSecond: (1_000 * links) / allMs,
          p50Ms: quantile(
            eachMs.toSorted((a, b) => a - b),
            0.5,
          ),
        });
      }
      const of = (what: 'perSecond' | 'linksPerSecond' | 'p50Ms') =>
        median(found.map((one) => one[what]));
      yield rowOf(name, [
        of('perSecond').toFixed(0),
        of('linksPerSecond').toFixed(1),
        (of('perSecond') / of('linksPerSecond')).toFixed(1),
        of('p50Ms').toFixed(1),
        (bound / of('perSecond')).toFixed(2),
      ]);
    }
    yield rowOf('the bound, with however many open', [bound.toFixed(0)]);
  } finally {
    await processes.end();
  }
}

function rowOf(name: string, cells: readonly string[]): string {
  return name.padEnd(36) + cells.map((cell) => cell.padStart(13)).join('');
}
