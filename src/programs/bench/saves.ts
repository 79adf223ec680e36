/**
 * What a save costs: as a JSON file, which is written as a whole, and as a line of a journal. Both
 * take turns, on the same states, which are those of a server that accepts one update after the
 * other: a replica of part I, and a store whose log is long.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { applyLink, type ChainState, EMPTY_CHAIN, type Link } from '../../chain.ts';
import { KEEP_LINKS } from '../../log/log.ts';
import { JournalFile } from '../../node/journal-file.ts';
import { JsonStateFile } from '../../node/json-state-file.ts';
import type { ServerState } from '../../state.ts';

const SLICES = 10;
/** A line of the journal takes so much less that it is measured over more of them. */
const LINES_PER_FILE = 10;
const CLIENTS = 100;

const SUBJECTS = {
  replica: 'a replica of part I',
  store: `a store with ${KEEP_LINKS.toLocaleString('en')} links`,
} as const;
type Subject = keyof typeof SUBJECTS;

/** The states of a server, one after the other, as it would save them. */
class States {
  readonly #isStore: boolean;
  #chain: ChainState = EMPTY_CHAIN;
  #instanceNumber = 1;
  #links: Link[] = [];

  constructor(subject: Subject) {
    this.#isStore = subject === 'store';
    while (this.#instanceNumber <= (this.#isStore ? KEEP_LINKS : CLIENTS)) this.next();
  }

  /** The latest link is chosen, and another one accepted. */
  next(): ServerState {
    const instanceNumber = this.#instanceNumber;
    const client = (instanceNumber % CLIENTS).toString(16).padStart(16, '0');
    const request = `${client}-1-${instanceNumber}`;
    const update = `set key${instanceNumber % 1_000} "value ${instanceNumber}"`;
    const link = { update, id: `A-01234567-${instanceNumber}`, request };
    this.#chain = applyLink(this.#chain, link, instanceNumber);
    this.#instanceNumber += 1;
    this.#links = [...this.#links, link].slice(-KEEP_LINKS);
    const id = { number: 1, uid: 'A' };
    return {
      uid: 'A',
      members: ['A', 'B', 'C'],
      instanceNumber,
      votesFrom: 1,
      ...this.#chain,
      promisedId: id,
      acceptedId: id,
      acceptedValue: link,
      ...(this.#isStore ? { kept: this.#kept() } : {}),
    };
  }

  #kept(): object {
    return {
      snapshot: SNAPSHOT,
      first: this.#instanceNumber - this.#links.length,
      links: this.#links,
    };
  }
}

const SNAPSHOT = { instanceNumber: 1, chain: EMPTY_CHAIN, state: null };

/** The lines of a table: saves a second, in this directory. `count`: as files. */
export function benchSaves(parent: string, count: number): string[] {
  mkdirSync(parent, { recursive: true });
  const directory = mkdtempSync(join(parent, 'saves-'));
  try {
    const rows = (Object.keys(SUBJECTS) as Subject[]).map((subject) => {
      const perSecond = measure(join(directory, subject), subject, count);
      return rowOf(SUBJECTS[subject], [
        perSecond.file.toFixed(0),
        perSecond.journal.toFixed(0),
        (perSecond.journal / perSecond.file).toFixed(1),
      ]);
    });
    return [rowOf('saves a second', ['JSON file', 'journal', 'times as many']), ...rows];
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function rowOf(name: string, cells: readonly string[]): string {
  return name.padEnd(32) + cells.map((cell) => cell.padStart(15)).join('');
}

function measure(directory: string, subject: Subject, count: number) {
  const states = new States(subject);
  const file = new JsonStateFile(join(directory, 'file'), 'A');
  const journal = new JournalFile(join(directory, 'journal'), 'A');
  const took = { file: 0, journal: 0 };
  const saves = Math.ceil(count / SLICES);
  // Not measured: the first save of each, and code that runs for the first time.
  save(states, file, saves);
  save(states, journal, saves);
  for (let slice = 0; slice < SLICES; slice += 1) {
    took.file += save(states, file, saves);
    took.journal += save(states, journal, LINES_PER_FILE * saves);
  }
  const perSecond = (each: number, ms: number) => (1_000 * SLICES * each) / ms;
  return {
    file: perSecond(saves, took.file),
    journal: perSecond(LINES_PER_FILE * saves, took.journal),
  };
}

/** How long so many saves take, in milliseconds; the states are made beforehand, each time. */
function save(states: States, file: Pick<JsonStateFile, 'save'>, count: number): number {
  let tookMs = 0;
  for (let n = 0; n < count; n += 1) {
    const state = states.next();
    const startMs = performance.now();
    file.save(state);
    tookMs += performance.now() - startMs;
  }
  return tookMs;
}
