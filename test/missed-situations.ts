/** Where many seeds together have not been, although they should. */
import assert from 'node:assert/strict';
import { run } from '../src/simulation/run.ts';
import { drawSchedule } from '../src/simulation/schedule.ts';
import {
  LEASE_SITUATIONS,
  SITUATIONS,
  type Situation,
  Situations,
} from '../src/simulation/situations.ts';

const SECONDS = 60;
const SEEDS = 200;

/** With leases there is hardly ever a duel; without them number 1 is never used. */
const RARE_WITH_LEASES: readonly Situation[] = [
  'a backoff of more than 100 ms',
  'a duel of three',
  'a nack to the reserved number',
  'a stale nack',
  'a value lost by a stop',
  'nobody running',
  'nothing to propose at quorum',
  'five values waiting at once',
  'a master that learns of another',
  'a read through the chain',
  'reads that share a link',
  'a request let go of, chosen by way of another server',
  'a request let go of, of which nobody knows any more',
  'a request let go of, for which nobody asks any more',
];
const RARE_WITHOUT: readonly Situation[] = [
  'nobody running',
  'a request let go of, of which nobody knows any more',
  'a nack to the reserved number',
  'a backoff of more than 100 ms',
  'a value lost by a stop',
];

/** Runs two hundred seeds, none of which may go wrong, and says what none of them has come to. */
export function missedBySeeds(servers: number, leases: boolean): Situation[] {
  const total = new Set<Situation>();
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const schedule = drawSchedule(seed, servers, SECONDS, null);
    const situations = new Situations(schedule.uids);
    const { history, violation } = run(schedule, { leases }, (event) => {
      situations.observe(event);
    });
    assert.equal(violation, null, `seed ${seed}`);
    situations.end(history);
    for (const situation of situations.counts.keys()) total.add(situation);
  }
  const wanted = [...SITUATIONS, ...(leases ? LEASE_SITUATIONS : [])];
  const rare = leases ? RARE_WITH_LEASES : RARE_WITHOUT;
  return wanted.filter((situation) => !total.has(situation) && !rare.includes(situation));
}
