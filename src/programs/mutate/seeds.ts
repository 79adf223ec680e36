/**
 * The checks that take longest: the simulator with so many seeds of each kind of cluster, and all
 * schedules with one surprise. Ends with the first violation, in the words of a failed test.
 *
 * `seeds.ts <seeds>`
 */
import { search } from '../../simulation/explorer/deviations.ts';
import { run } from '../../simulation/run.ts';
import { drawSchedule } from '../../simulation/schedule.ts';
import { scenarioOf } from '../explore/deviations.ts';

const SECONDS = 60;
const SIZES = [3, 5, 1, 2, 4];
const MAX_RUNS = 3_000;

function firstFault(seeds: number): string | null {
  for (let seed = 1; seed <= seeds; seed += 1) {
    for (const servers of SIZES.slice(0, seed % 10 === 0 ? SIZES.length : 2)) {
      for (const leases of [false, true]) {
        const { violation } = run(drawSchedule(seed, servers, SECONDS, null), { leases });
        const where = `seed ${seed} of ${servers} servers${leases ? ' with leases' : ''}`;
        if (violation !== null) return `invariant ${violation.invariant} falls in ${where}`;
      }
    }
  }
  for (const leases of [false, true]) {
    const options = { leases, isStore: false, breakName: null, deviations: 1, maxRuns: MAX_RUNS };
    const { violation } = search(scenarioOf(options), options.deviations, options.maxRuns);
    if (violation !== null) return `invariant ${violation.invariant} falls with one deviation`;
  }
  return null;
}

const fault = firstFault(Number(process.argv[2]));
if (fault !== null) {
  console.log(`not ok - ${fault}`);
  process.exitCode = 1;
}
