/**
 * A session: a story that is being played, forwards and backwards.
 *
 * All that is ever done is a command of a story, so a run *is* its list of commands. What was on
 * the stage is remembered, moment by moment, and going back just shows it; whoever then does
 * something else carries out the commands up to there anew, and leaves the old end behind as a
 * branch, which stays within reach.
 *
 * A session moves in *items* (a paragraph of the story, or a command) and shows *moments*, one at
 * the end of each turn of a server: `deliver all` is one command and many moments. A place is an
 * item and a moment of it, and all that is shown (stage, lines, events) is of that place.
 *
 * Whoever acts in the middle of a command cuts it: what was seen of it becomes commands of its
 * own, the single deliveries, say, or a shorter `wait`. Some cannot be cut, since no command says
 * half of them (`resume`). Then a little more is shown first, and nothing else is done.
 */
import type { Uid } from '../composable-paxos.ts';
import { ABSENT, type Standing, standingAfter } from '../diagram/lives.ts';
import { type Line, StoryTeller, tellStory } from '../simulation/story.ts';
import { writtenLine } from '../simulation/story-text.ts';
import type { TraceEvent } from '../trace/events.ts';
import type { Violation } from '../trace/invariants.ts';
import { type Item, readScript, sharedBy, writeScript } from './script.ts';
import { type Stage, stageOf } from './stage.ts';

/** What has become of one item of the script. */
export interface Step {
  readonly item: Item;
  /** What the servers printed. */
  readonly lines: readonly Line[];
  /** Its events are those from here on to the next step's. */
  readonly firstEvent: number;
  readonly moments: readonly Moment[];
  /** The commands that it consists of, one for each server or datagram; none: it is one. */
  readonly parts: readonly string[];
}

/** The end of a turn, or of a command. */
export interface Moment {
  /** What is on the stage; null before the story has named its cluster. */
  readonly stage: Stage | null;
  /** All events up to this one have happened; 0: none. */
  readonly events: number;
  /** So many invariants have been violated until now. */
  readonly violations: number;
  /** How many of the parts of the command have begun. */
  readonly parts: number;
  /** So many lines of the command are printed by then. */
  readonly lines: number;
}

/**
 * What was left behind when somebody did something else: all of it, for what it once had in common
 * with the script may be left, too.
 */
export interface Branch {
  readonly script: readonly Item[];
  /** How far it had ever been carried out. */
  readonly place: Place;
}

/** Where a session is: so many items are done, and of the last one so many moments are shown. */
export interface Place {
  readonly item: number;
  /** From 0 on; the last moment of an item, or anything beyond it, is its end. */
  readonly moment: number;
}

/** From where something else was done, and where that led. */
interface Turning {
  readonly before: Branch;
  readonly after: Branch;
  /** After so many items of that it is taken back. */
  readonly item: number;
}

const NOWHERE: Moment = { stage: null, events: 0, violations: 0, parts: 0, lines: 0 };
const END = Number.POSITIVE_INFINITY;
/** So many runs that were left are kept as they are: going back to them takes no time. */
const MOST_SPARE_RUNS = 3;
/** So often in a row an `undo` finds exactly where something else was done. */
const MOST_TURNINGS = 100;
/** So many moments of a command can be gone back to one by one; of a longer one, the first. */
const MOST_MOMENTS = 1_000;

/** What is said if somebody acts in the middle of a command that cannot be cut there. */
export const UNCUT =
  'no story can say so much of this command and no more: go on from here, a little later';

export class Session {
  #script: readonly Item[];
  /** What is known of the script: as many of its items as were ever carried out. */
  #run = new Run();
  /** So many items are shown as done. */
  #item = 0;
  /** Which moment of the last of them is shown; null: its last. */
  #shown: number | null = null;
  #branches: readonly Branch[] = [];
  #turnings: readonly Turning[] = [];
  #spare: readonly Run[] = [];
  readonly #given: readonly Item[];

  /**
   * Begins a story, none of which is played yet. `isGiven`: it can be had again at any time, as
   * those of the project, so it is not one's own.
   */
  constructor(script: readonly Item[] = [], isGiven = false) {
    this.#script = script;
    this.#given = isGiven ? script : [];
  }

  /** Begins the story of this text. Throws an `Error` with one sentence if that is none. */
  static ofStory(story: string): Session {
    return new Session(readScript(story));
  }

  /** All items: those that are done, and those that come next. */
  get script(): readonly Item[] {
    return this.#script;
  }

  /** What is done of the script, item by item. */
  get steps(): readonly Step[] {
    return this.#run.steps.slice(0, this.#item);
  }

  /** What is known of the script: what is done, and what was done before somebody went back. */
  get known(): readonly Step[] {
    return this.#run.steps;
  }

  get branches(): readonly Branch[] {
    return this.#branches;
  }

  /** All runs of one's own: what is left behind, and what stands here. */
  get own(): readonly Branch[] {
    return [...this.#branches, this.#asBranch].filter(
      ({ script }) => sharedBy(script, this.#given) < script.length,
    );
  }

  /** Another session ends here: its runs are what was left behind. */
  inherit({ own }: Session): void {
    const others = own.filter(({ script }) => !isSame(script, this.#script));
    this.#branches = [...others, ...this.#branches];
  }

  /**
   * The items that lead to the shown moment: in the middle of a command, parts of it. Throws an
   * `Error` with one sentence if that cannot be cut; then a later moment is shown, from which one
   * can go on: all that happens at that instant of a `wait`, or else the end of the command.
   */
  done(): readonly Item[] {
    const items = this.#leading();
    const step = this.#step;
    if (this.#shown === null || step === undefined) return items;
    const run = this.#runOf(items);
    const isSame = isAt(run, step.moments[this.#shown] ?? NOWHERE);
    this.#keep(run);
    if (isSame) return items;
    const later = wholeMoment(step, this.#shown);
    this.#shown = later === this.#shown || later >= lastOf(step) ? null : later;
    throw new Error(UNCUT);
  }

  /** What leads here, if the command in the middle of which this is can be cut. */
  #leading(): readonly Item[] {
    const step = this.#step;
    if (this.#shown === null || step === undefined) return this.#script.slice(0, this.#item);
    const beganMs = this.known[this.#item - 2]?.moments.at(-1)?.stage?.nowMs ?? 0;
    return [...this.#script.slice(0, this.#item - 1), ...itemsUntil(step, this.#shown, beganMs)];
  }

  /**
   * Carries out anew what a `do` from here needs, or going over to a branch, a little at a time,
   * and yields how many items are done: whoever goes on until its end has a `do` that need not.
   */
  *prepare(branch: Branch | null = null): Generator<number> {
    const items = branch?.script.slice(0, branch.place.item) ?? this.#leading();
    if (branch === null ? this.#isAtEnd : this.#spareOf(branch) !== undefined) return;
    if (this.#spare.some((run) => isSame(run.items, items))) return;
    const run = new Run();
    for (const [index, item] of items.entries()) {
      run.take(item, this.known[index]);
      yield index + 1;
    }
    this.#keep(run);
  }

  get place(): Place {
    return { item: this.#item, moment: this.#shown ?? lastOf(this.#step) };
  }

  /** The moment that is shown. */
  get moment(): Moment {
    return this.#step?.moments[this.place.moment] ?? NOWHERE;
  }

  get stage(): Stage | null {
    return this.moment.stage;
  }

  /** What the servers have printed until now. */
  get lines(): readonly Line[] {
    const [earlier, last] = [this.steps.slice(0, -1), this.#step];
    const ofLast = last === undefined ? [] : last.lines.slice(0, this.moment.lines);
    return [...earlier.flatMap(({ lines }) => lines), ...ofLast];
  }

  /** All that the servers have traced until now. */
  get events(): readonly TraceEvent[] {
    return this.#run.teller.events.slice(0, this.moment.events);
  }

  /** What is wrong until now: the first violation of each invariant. */
  get violations(): readonly Violation[] {
    return this.#run.teller.violations.slice(0, this.moment.violations);
  }

  /** Those, and what happened later, before somebody went back. */
  get allEvents(): readonly TraceEvent[] {
    return this.#run.teller.events;
  }

  /** By the last event of a turn: whether its server then believed itself master. */
  get beliefs(): ReadonlyMap<TraceEvent, boolean> {
    return this.#run.teller.beliefs;
  }

  get allViolations(): readonly Violation[] {
    return this.#run.teller.violations;
  }

  /** True: what comes next was done before, or stands in the story. */
  get hasNext(): boolean {
    return this.#item < this.#script.length;
  }

  /**
   * Does something: the command becomes the next item. What stood there before is left behind as
   * a branch. Throws an `Error` with one sentence, and changes nothing, if it cannot be done; or,
   * in the middle of a command that cannot be cut there, shows where it can be.
   */
  do(command: string): Step {
    const before = this.done();
    const run = this.#runFromHere(before);
    const step = this.#take(run, { kind: 'command', text: writtenLine(command.trim()) });
    this.#follow(before, run, step);
    return step;
  }

  /**
   * Lets time go on until a timer has made something happen that a server tells of: a `wait` is
   * the next item. Null, and nothing is changed, if no timer runs.
   */
  waitForTimer(): Step | null {
    const before = this.done();
    const run = this.#runFromHere(before);
    const step = run.takeTimer();
    if (step !== null) this.#follow(before, run, step);
    return step;
  }

  /** Carries out the next item of the script. Throws, and changes nothing, if it cannot be done. */
  next(): Step {
    const item = this.#script[this.#item];
    if (item === undefined) throw new Error('the story is at its end');
    const step = this.known[this.#item] ?? this.#take(this.#run, item);
    this.#item += 1;
    this.#shown = null;
    return step;
  }

  /** Where `undo` leads to, if it is not just the place before the last command. */
  get undone(): Branch | null {
    return this.#turningTo(this.#lastCommand)?.before ?? null;
  }

  /** Goes to a place, forwards or backwards. Throws if a command on the way cannot be done. */
  goTo({ item, moment }: Place): void {
    const wanted = Math.max(0, Math.min(item, this.#script.length));
    this.#item = Math.min(wanted, this.known.length);
    this.#shown = null;
    while (this.#item < wanted) this.next();
    this.#shown = moment < lastOf(this.#step) ? Math.max(0, moment) : null;
  }

  /**
   * Takes the last command back, and the paragraphs behind it; false: there is none. If it was done
   * in the middle of something, that is where this leads to.
   */
  undo(): boolean {
    const at = this.#lastCommand;
    if (at < 0) return false;
    const turning = this.#turningTo(at);
    if (turning === undefined) {
      this.goTo({ item: at, moment: END });
      return true;
    }
    const after = { script: this.#script, place: { item: at + 1, moment: END } };
    const now = { ...turning, after };
    this.#turnings = this.#turnings.map((known) => (known === turning ? now : known));
    this.switchTo(turning.before);
    return true;
  }

  get #lastCommand(): number {
    return this.steps.findLastIndex(({ item }) => item.kind === 'command');
  }

  /** How the command at this place was come to, if not by just going on. */
  #turningTo(at: number): Turning | undefined {
    return this.#turnings.findLast(
      ({ item, after: { script } }) =>
        item === at + 1 && sharedBy(script.slice(0, item), this.#script) === item,
    );
  }

  /** Does again what was taken back, or else what comes next; null: there is nothing. */
  redo(): Step | null {
    const here = { script: this.#script, place: this.place };
    const turning = this.#turnings.findLast(({ before }) => isSameBranch(before, here));
    if (turning === undefined) return this.hasNext ? this.next() : null;
    this.switchTo(turning.after);
    return this.#step ?? null;
  }

  /**
   * A branch, or another script, comes to that place, and what stands there now becomes a branch.
   * Throws an `Error` with one sentence, and changes nothing, if it cannot be carried out so far.
   */
  switchTo({ script, place }: Branch): void {
    const run =
      this.#spareOf({ script, place }) ?? this.#runOf(script.slice(0, Math.max(0, place.item)));
    this.#replace(script, run);
    this.goTo(place);
  }

  /**
   * What leads to the shown moment as the text of a story, with all that it prints. Throws as `do`
   * does where no story can say that, and where nothing is done yet.
   */
  story(): string {
    // In the middle of a command there is more to do than to write down what is known.
    const done = this.done();
    if (done.every(({ kind }) => kind === 'paragraph')) throw new Error('nothing is done yet');
    if (this.#shown !== null) return tellStory(writeScript(done)).text;
    const printed = (index: number) => this.known[index]?.lines.map(({ text }) => text) ?? [];
    return writeScript(done, printed);
  }

  /** At the end of which turn this event happened; null: there is no such event. */
  placeOf(event: number): Place | null {
    const item = this.known.findLastIndex(({ firstEvent }) => firstEvent <= event) + 1;
    const moment = this.known[item - 1]?.moments.findIndex(({ events }) => events > event) ?? -1;
    return moment < 0 ? null : { item, moment };
  }

  get #isAtEnd(): boolean {
    return this.#item === this.known.length && this.#shown === null;
  }

  /** A run that is where this session is, by these items, and can go on. */
  #runFromHere(items: readonly Item[]): Run {
    return this.#isAtEnd ? this.#run : this.#runOf(items);
  }

  /** A run of these items: one that was kept, or a new one. What is known is not found out anew. */
  #runOf(items: readonly Item[]): Run {
    const spare = this.#spare.find((run) => isSame(run.items, items));
    if (spare === undefined) return Run.of(items, this.known);
    this.#spare = this.#spare.filter((run) => run !== spare);
    return spare;
  }

  /** A run that was kept, and has been where this branch goes to. */
  #spareOf({ script, place }: Branch): Run | undefined {
    return this.#spare.findLast(
      ({ items }) => items.length >= place.item && sharedBy(items, script) === items.length,
    );
  }

  #keep(run: Run): void {
    const others = this.#spare.filter((known) => known !== run);
    this.#spare = [...others, run].slice(-MOST_SPARE_RUNS);
  }

  /** Goes where a run has gone. */
  #follow(items: readonly Item[], run: Run, step: Step): void {
    const before = { script: this.#script, place: this.place };
    const isGoingOn = run === this.#run && this.#script.length === items.length;
    this.#replace([...items, step.item], run);
    this.goTo({ item: this.#script.length, moment: END });
    const after = { script: this.#script, place: this.place };
    // After an undo it is this that is done again, and not what was once done from there instead.
    const from = isGoingOn ? { ...before, script: this.#script } : null;
    const others = this.#turnings.filter(
      (known) => from === null || !isSameBranch(known.before, from),
    );
    const turning = { before, after, item: after.script.length };
    this.#turnings = isGoingOn ? others : [...others.slice(1 - MOST_TURNINGS), turning];
  }

  get #step(): Step | undefined {
    return this.known[this.#item - 1];
  }

  get #asBranch(): Branch {
    return { script: this.#script, place: { item: this.known.length, moment: END } };
  }

  /** What stood here becomes a branch, unless it just goes on. */
  #replace(script: readonly Item[], run: Run): void {
    const left = this.#asBranch;
    const isGoingOn = sharedBy(left.script, script) === left.script.length;
    const others = this.#branches.filter(
      (other) => !isSame(other.script, script) && !isSame(other.script, left.script),
    );
    this.#branches = isGoingOn ? others : [...others, left];
    this.#script = script;
    if (run === this.#run) return;
    this.#keep(this.#run);
    this.#spare = this.#spare.filter((known) => known !== run);
    this.#run = run;
  }

  #take(run: Run, item: Item): Step {
    const { items } = run;
    try {
      return run.take(item);
    } catch (error) {
      // A part of it may have happened.
      if (run === this.#run) this.#run = Run.of(items, this.known);
      throw error;
    }
  }
}

function isSame(one: readonly Item[], other: readonly Item[]): boolean {
  return one.length === other.length && sharedBy(one, other) === one.length;
}

function isSameBranch(one: Branch, other: Branch): boolean {
  const isThere = one.place.item === other.place.item && one.place.moment === other.place.moment;
  return isThere && isSame(one.script, other.script);
}

function lastOf(step: Step | undefined): number {
  return Math.max(0, (step?.moments.length ?? 1) - 1);
}

/** The last moment of the instant of this one. */
function wholeMoment({ moments }: Step, shown: number): number {
  const atMs = Math.ceil((moments[shown]?.stage?.nowMs ?? 0) * 1_000) / 1_000;
  return moments.findLastIndex(({ stage }) => (stage?.nowMs ?? 0) <= atMs);
}

/** The commands that lead to a moment in the middle of a step. */
function itemsUntil({ item, moments, parts }: Step, shown: number, beganMs: number): Item[] {
  const moment = moments[shown] as Moment;
  const command = (text: string): Item => ({ kind: 'command', text });
  if (parts.length > 0) return parts.slice(0, moment.parts).map(command);
  const [, wait] = /^wait ([0-9.]+)$/.exec(item.text) ?? [];
  if (wait === undefined) return [item];
  const passedMs = (moment.stage?.nowMs ?? beganMs) - beganMs;
  return [command(`wait ${Math.ceil(passedMs * 1_000) / 1_000}`)];
}

/** Whether a run is where a moment was: what one of its commands has done by then is all it has. */
function isAt({ teller, steps }: Run, moment: Moment): boolean {
  const names = (stage: Stage | null | undefined) =>
    [...(stage?.flights ?? []), ...(stage?.kept ?? [])].map(({ name }) => name).join();
  const isOver = teller.events.length === moment.events;
  return isOver && names(steps.at(-1)?.moments.at(-1)?.stage) === names(moment.stage);
}

/** One way through a story, always forwards. */
class Run {
  readonly steps: Step[] = [];
  readonly teller: StoryTeller;
  readonly #standings = new Map<Uid, Standing>();
  /** So many events are in the standings, and so many in the steps. */
  #seen = 0;
  #told = 0;
  #moments: Moment[] = [];
  /** All that it has done until now was known. */
  #isKnown = true;

  constructor() {
    this.teller = new StoryTeller(undefined, () => {
      if (!this.#isKnown && this.#moments.length < MOST_MOMENTS) this.#moments.push(this.#moment());
    });
  }

  /** A run of these items; of those that are known to begin with, the steps are taken over. */
  static of(items: readonly Item[], known: readonly Step[] = []): Run {
    const run = new Run();
    for (const [index, item] of items.entries()) run.take(item, known[index]);
    return run;
  }

  get items(): readonly Item[] {
    return this.steps.map(({ item }) => item);
  }

  /** `known`: what came of it when it was carried out before, if all before it was the same. */
  take(item: Item, known?: Step): Step {
    this.#isKnown = this.#isKnown && known?.item === item;
    this.#moments = [];
    const lines = item.kind === 'command' ? this.teller.obey(item.text) : [];
    return this.#isKnown && known !== undefined ? this.#again(known) : this.#stepOf(item, lines);
  }

  #again(known: Step): Step {
    this.#told = this.teller.events.length;
    this.steps.push(known);
    return known;
  }

  takeTimer(): Step | null {
    this.#isKnown = false;
    this.#moments = [];
    const waited = this.teller.waitForTimer();
    if (waited === null) return null;
    return this.#stepOf({ kind: 'command', text: waited.command }, waited.lines);
  }

  #stepOf(item: Item, lines: readonly Line[]): Step {
    const parts = item.kind === 'command' ? [...this.teller.parts] : [];
    this.#moments.push(this.#moment());
    const moments = distinct(this.#moments);
    const firstEvent = this.#told;
    this.#told = this.teller.events.length;
    const step = { item, lines, firstEvent, moments, parts };
    this.steps.push(step);
    return step;
  }

  #moment(): Moment {
    const { world, kept, events, violations, parts, lineCount } = this.teller;
    for (; this.#seen < events.length; this.#seen += 1) {
      const event = events[this.#seen] as TraceEvent;
      const before = this.#standings.get(event.server) ?? ABSENT;
      this.#standings.set(event.server, standingAfter(before, event));
    }
    const stage = world === null ? null : stageOf(world, kept, this.#standings, this.teller);
    return {
      stage,
      events: events.length,
      violations: violations.length,
      parts: parts.length,
      lines: lineCount,
    };
  }
}

/** The end of a command is often the end of its last turn, and one of them is enough. */
function distinct(moments: readonly Moment[]): readonly Moment[] {
  const [last, before] = [moments.at(-1), moments.at(-2)];
  const isSame = last !== undefined && before?.events === last.events;
  return isSame && before?.stage?.nowMs === last.stage?.nowMs
    ? [...moments.slice(0, -2), last]
    : moments;
}
