/// <reference lib="dom" />
/** What the page knows beside its session, and everything that can be done with it. */

import { BREAKS, type Break } from '../../simulation/broken/layers.ts';
import { Autopilot, type Stop, stopIn } from '../autopilot.ts';
import { GOALS, type Goal } from '../goals.ts';
import { type Item, readScript, writeScript } from '../script.ts';
import { type Place, Session } from '../session.ts';
import { fragmentOf, type Wanted, wantedIn } from '../share.ts';
import type { Stage } from '../stage.ts';

/** A story of the project. */
export interface Told {
  /** `02-duel` */
  readonly name: string;
  readonly text: string;
}

/** What is chosen on a menu. */
export interface Entry {
  readonly label: string;
  /** The key that does the same while the menu, or its message, has the focus. */
  readonly key?: string;
  readonly act: () => void;
}

export interface Menu {
  readonly title: string;
  /** The `data-key` of what it belongs to. */
  readonly owner: string;
  readonly entries: readonly Entry[];
}

/** The cluster that is chosen above the stage. */
export interface Choice {
  readonly servers: number;
  readonly leases: boolean;
  readonly broken: Break | null;
}

export const SPEEDS = [0.5, 1, 2, 5] as const;
/** What a millisecond of the world takes on the page at speed 1, and the longest wait for one. */
const REAL_PER_VIRTUAL = 8;
const LONGEST_WAIT_MS = 900;
const END = Number.POSITIVE_INFINITY;

export class App {
  readonly stories: readonly Told[];
  session = new Session();
  /** Which story was loaded; null: one of one's own. */
  story: Told | null = null;
  goal: Goal | null = null;
  hintsShown = 0;
  choice: Choice = { servers: 3, leases: false, broken: null };
  menu: Menu | null = null;
  dialog: 'share' | 'paste' | 'copy' | 'keys' | null = null;
  dialogText = '';
  notice = '';
  isPlaying = false;
  speed: number = 1;
  stops = new Set<Stop>(['violation']);
  /** Whose lines are shown; null: everybody's. */
  linesOf: string | null = null;
  value = 'hello';
  #autopilot = new Autopilot('play');
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #changed: () => void;

  constructor(stories: readonly Told[], changed: () => void) {
    this.stories = stories;
    this.#changed = changed;
    this.begin(this.choice);
  }

  get stage(): Stage | null {
    return this.session.stage;
  }

  get isAtGoal(): boolean {
    return this.goal?.isReached(this.session) ?? false;
  }

  /** A new cluster, and nothing has happened there. */
  begin(choice: Choice): void {
    const { broken } = choice;
    const servers = broken?.servers ?? choice.servers;
    const leases = broken?.leases ?? choice.leases;
    const uids = [...'ABCDEFGHI'].slice(0, servers).join(' ');
    const commands = [
      `cluster ${uids}${leases ? ' with leases' : ''}`,
      ...(broken === null ? [] : [`break ${broken.name}`]),
      `start ${uids}`,
      'deliver all',
    ];
    this.#load(
      commands.map((text): Item => ({ kind: 'command', text })),
      true,
    );
    this.choice = { servers, leases, broken };
    this.story = null;
    this.goal = null;
    this.changed();
  }

  tell(story: Told): void {
    this.#attempt(() => {
      this.#load(readScript(story.text), false);
      this.story = story;
      this.goal = null;
      this.nextParagraph();
    });
  }

  paste(text: string): boolean {
    return this.#attempt(() => {
      const items = readScript(text);
      const session = new Session(items);
      session.goTo({ item: items.length, moment: END }); // all of it must be understood
      this.#load(items, true);
      this.story = null;
      this.goal = null;
      this.dialog = null;
    });
  }

  aimAt(goal: Goal): void {
    this.#load(readScript(goal.story), true);
    this.goal = goal;
    this.story = null;
    this.hintsShown = 0;
    this.changed();
  }

  /** Does a command; what cannot be done is said, and changes nothing. */
  act(command: string): void {
    this.menu = null;
    this.#attempt(() => {
      const before = this.session.moment.events;
      this.session.do(command);
      this.#lookAt(before);
    });
  }

  /** One step: the next of the story, or else the oldest message, or else the next timer. */
  step(): void {
    this.menu = null;
    this.#attempt(() => {
      const { place, known } = this.session;
      const before = this.session.moment.events;
      const moments = known[place.item - 1]?.moments.length ?? 1;
      if (place.moment < moments - 1) this.session.goTo({ ...place, moment: place.moment + 1 });
      else if (this.session.hasNext) this.#nextMoment();
      else this.#doOldest();
      this.#lookAt(before);
    });
  }

  back(): void {
    this.menu = null;
    this.pause();
    const { item, moment } = this.session.place;
    if (moment > 0) this.session.goTo({ item, moment: moment - 1 });
    else this.session.goTo({ item: item - 1, moment: END });
    this.changed();
  }

  /** All that is under way arrives, and what is sent in answer. */
  deliverAll(): void {
    this.act('deliver all');
  }

  /** Time goes on until a timer has made something happen. */
  nextTimer(): void {
    this.#attempt(() => {
      const before = this.session.moment.events;
      this.#waitForTimer();
      this.#lookAt(before);
    });
  }

  undo(): void {
    this.menu = null;
    this.pause();
    if (!this.session.undo()) this.notice = 'there is nothing to take back';
    this.changed();
  }

  redo(): void {
    this.#attempt(() => {
      if (this.session.hasNext) this.session.next();
      else this.notice = 'there is nothing to do again';
    });
  }

  /** Plays the story up to its next paragraph. */
  nextParagraph(): void {
    this.#attempt(() => {
      const { session } = this;
      const before = session.moment.events;
      const isTold = () => session.script[session.place.item]?.kind === 'paragraph';
      while (session.hasNext && !isTold()) session.next();
      while (session.hasNext && isTold()) session.next();
      this.#lookAt(before);
    });
  }

  /** Back to where the story was left. */
  backToStory(): void {
    const { story } = this;
    if (story === null) return;
    const script = readScript(story.text);
    const same = this.session.script.findIndex(({ text }, index) => script[index]?.text !== text);
    const branch = this.session.branches.find(({ at, tail }) => at + tail.length === script.length);
    const at = same < 0 ? this.session.script.length : same;
    if (branch !== undefined) this.session.switchTo(branch);
    else this.#load(script, false);
    this.goTo({ item: at, moment: END });
  }

  get isOffStory(): boolean {
    if (this.story === null) return false;
    const script = readScript(this.story.text);
    return this.session.script.some(({ text }, index) => script[index]?.text !== text);
  }

  goTo(place: Place): void {
    this.menu = null;
    this.pause();
    this.#attempt(() => this.session.goTo(place));
  }

  togglePlay(): void {
    if (this.isPlaying) this.pause();
    else {
      this.isPlaying = true;
      this.#playOn();
    }
    this.changed();
  }

  pause(): void {
    this.isPlaying = false;
    clearTimeout(this.#timer);
  }

  /** What the address asks for. What it cannot mean is said. */
  async open(fragment: string): Promise<void> {
    try {
      const wanted = await wantedIn(fragment);
      if (wanted !== null) this.#open(wanted);
    } catch (error) {
      this.say(error);
    }
  }

  async share(): Promise<void> {
    const fragment = await fragmentOf(this.#commands());
    this.dialog = 'share';
    this.dialogText = `${location.href.split('#')[0]}#${fragment}`;
    this.changed();
  }

  copy(): void {
    this.dialog = 'copy';
    this.dialogText = this.session.story();
    this.changed();
  }

  say(error: unknown): void {
    this.notice = error instanceof Error ? error.message : String(error);
    this.changed();
  }

  changed(): void {
    this.#changed();
  }

  #open(wanted: Wanted): void {
    if (wanted.kind === 'story') {
      this.paste(wanted.text);
      return;
    }
    const { kind, name } = wanted;
    const goal = GOALS.find((known) => known.name === name);
    const broken = BREAKS.find((known) => known.name === name);
    const story = this.stories.find((known) => known.name === name);
    if (kind === 'goal' && goal !== undefined) this.aimAt(goal);
    else if (kind === 'break' && broken !== undefined) this.begin({ ...this.choice, broken });
    else if (kind === 'at' && story !== undefined) this.tell(story);
    else throw new Error(`there is no ${kind === 'at' ? 'story' : kind} by the name of "${name}"`);
  }

  #commands(): string {
    return writeScript(this.session.done);
  }

  #load(items: readonly Item[], isPlayed: boolean): void {
    this.pause();
    const session = new Session(items);
    if (isPlayed) session.goTo({ item: items.length, moment: END });
    this.session = session;
    this.menu = null;
    this.notice = '';
    this.#autopilot = new Autopilot('play');
  }

  /** The first moment of the next item; a paragraph has but one. */
  #nextMoment(): void {
    const { moments, item } = this.session.next();
    if (item.kind === 'command' && moments.length > 1) {
      this.session.goTo({ item: this.session.place.item, moment: 0 });
    }
  }

  #doOldest(): void {
    const flight = this.stage?.flights[0];
    if (flight === undefined) this.#waitForTimer();
    else this.session.do(`deliver ${flight.name}`);
  }

  #waitForTimer(): void {
    const step = this.stage === null ? null : this.session.waitForTimer();
    if (step === null) throw new Error('nothing is under way, and no timer runs');
  }

  #playOn(): void {
    if (!this.isPlaying) return;
    const { stage } = this;
    const before = this.session.moment.events;
    const fromMs = stage?.nowMs ?? 0;
    const isPlayed = this.#attempt(() => {
      if (this.session.hasNext) this.session.next();
      else if (stage !== null) this.#fly(stage);
    });
    if (!isPlayed) return this.pause();
    this.#lookAt(before);
    const passedMs = (this.stage?.nowMs ?? 0) - fromMs;
    const waitMs = Math.min(LONGEST_WAIT_MS, 120 + passedMs * REAL_PER_VIRTUAL) / this.speed;
    if (this.isPlaying) this.#timer = setTimeout(() => this.#playOn(), waitMs);
  }

  #fly(stage: Stage): void {
    const commands = this.#autopilot.next(stage);
    if (commands.length === 0) this.pause();
    for (const command of commands) this.session.do(command);
  }

  /** A violation, or what somebody waits for, stops the play, in the moment in which it happens. */
  #lookAt(before: number): void {
    const { session } = this;
    const stopped = stopIn(session.events.slice(before), this.stops);
    if (stopped !== null && this.isPlaying) {
      this.pause();
      this.notice = `stopped: ${stopped.stop} at ${stopped.server}`;
    }
    const wrong = this.stops.has('violation') ? firstViolation(session, before) : null;
    if (wrong !== null) {
      this.pause();
      session.goTo(wrong);
      this.notice = `stopped: a violation, see the invariants`;
    }
    this.changed();
  }

  #attempt(act: () => void): boolean {
    try {
      this.notice = '';
      act();
      return true;
    } catch (error) {
      this.pause();
      this.notice = error instanceof Error ? error.message : String(error);
      return false;
    } finally {
      this.changed();
    }
  }
}

/** The first moment after so many events in which more is wrong than then; null: there is none. */
function firstViolation({ steps, violations }: Session, before: number): Place | null {
  if (violations.length === 0) return null;
  const moments = steps.flatMap(({ moments }, index) =>
    moments.map((moment, place) => ({ moment, place: { item: index + 1, moment: place } })),
  );
  const known = moments.findLast(({ moment }) => moment.events <= before)?.moment.violations ?? 0;
  return moments.find(({ moment }) => moment.violations > known)?.place ?? null;
}
