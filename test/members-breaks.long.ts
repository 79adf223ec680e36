/** Each rule about members that is broken on purpose is found by the simulator. */
import { test } from 'node:test';
import { MEMBERS_BREAKS } from '../src/simulation/broken/members.ts';
import { drawMembersSchedule } from '../src/simulation/members-schedule.ts';
import { assertFound } from './found-break.ts';

const SECONDS = 60;

for (const one of MEMBERS_BREAKS) {
  test(`broken on purpose is found: ${one.breaks} (${one.name})`, (t) => {
    assertFound(t, one, (seed) => drawMembersSchedule(seed, one.servers, SECONDS));
  });
}
