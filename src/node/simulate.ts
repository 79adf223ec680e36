/**
 * `npm run simulate`: seeds through the simulator, with all invariants after every event.
 */
import { writeFileSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Uid } from '../composable-paxos.ts';
import { BREAKS, type Break } from '../simulation/broken-layers.ts';
import { describeAction, minimise } from '../simulation/minimise.ts';
import { run, type Variant } from '../simulation/run.ts';
import { drawSchedule, FAULTS, type Fault, type Schedule } from '../simulation/schedule.ts';
import { LEASE_SITUATIONS, SITUATIONS, Situations } from '../simulation/situations.ts';
import { ConsoleLines, plainPaint } from '../trace/console.ts';
import type { TraceEvent } from '../trace/events.ts';
import type { Violation } from '../trace/invariants.ts';
