/// <reference lib="dom" />
/** What the page knows beside its session, and everything that can be done with it. */

import type { Hidden } from '../../diagram/hiding.ts';
import { breakNamed } from '../../simulation/broken/all.ts';
import { writtenValue } from '../../simulation/story-text.ts';
import type { TraceEvent } from '../../trace/events.ts';
import { Autopilot, type Stop, stopIn } from '../autopilot.ts';
import { type Choice, choiceIn, commandsOf } from '../choice.ts';
import { contradictedEvents } from '../contradiction.ts';
import type { Goal } from '../goal.ts';
import { GOALS } from '../goals.ts';
import { turnOf } from '../labels.ts';
import { type Landmark, landmarkAfter } from '../landmarks.ts';
import { type Item, readScript, sharedBy, writeScript } from '../script.ts';
import { type Branch, type Place, Session } from '../session.ts';
import { fragmentOf, type Wanted, wantedIn } from '../share.ts';
import type { Stage } from '../stage.ts';
import { lookFor, type News } from './finder.ts';

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

/** How far a search for a violation is. */
export interface Search {
  readonly seed: number;
  /** It has found one, and cuts its schedule down. */
  readonly hasFallen: boolean;
}

export const SPEEDS = [0.5, 1, 2, 5] as const;
/** What a millisecond of the world takes on the page at speed 1, and the longest wait for one. */
const REAL_PER_VIRTUAL = 8;
const LONGEST_WAIT_MS = 900;
const END = Number.POSITIVE_INFINITY;
/** What servers are asked for, and stores, if nobody says anything else. */
const [A_VALUE, A_COMMAND] = ['hello', 'set color blue'] as const;
/** What delays are drawn from where the story names no seed. */
const A_SEED = 'play';
/** A long story is played in slices, so that the page can be used, and left, meanwhile. */
const SLICE_MS = 40;

export class App {
  readonly stories: readonly Told[];
  session = new Session();
  /** Which story was loaded; null: one of one's own. */
  story: Told | null = null;
  goal: Goal | null = null;
  hintsShown = 0;
  choice: Choice = {
    servers: 3,
    store: false,
    leases: false,
    members: false,
    seed: null,
    broken: null,
  };
  menu: Menu | null = null;
  dialog: 'share' | 'paste' | 'copy' | 'keys' | null = null;
  dialogText = '';
  notice = '';
  isPlaying = false;
  speed: number = 1;
  stops = new Set<Stop>(['violation']);
  /** Whose lines are shown; null: everybody's. */
  linesOf: string | null = null;
  value: string = A_VALUE;
  #autopilot = new Autopilot(A_SEED);
  /** What the diagram does not show. */
  hidden: Hidden = { kinds: new Set(), servers: new Set() };
  search: Search | null = null;
  /** Whether of a long run more is drawn than what is quickly drawn. */
  isDrawnFar = false;
  #endSearch = () => {};
  #loads = 0;
  #replays = 0;
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

  /** The events that contradict each other in the latest violation; none: all is well. */
  get violated(): readonly TraceEvent[] {
    const violation = this.session.violations.at(-1);
    return violation === undefined ? [] : contradictedEvents(violation, this.session.events);
  }

  get isAtGoal(): boolean {
    return this.goal?.isReached(this.session) ?? false;
  }

  /** A new cluster, and nothing has happened there. */
  begin(choice: Choice): void {
    this.#load(
      commandsOf(choice).map((text): Item => ({ kind: 'command', text })),
      true,
    );
    this.changed();
  }

  /** Tells a story from its first paragraph, or from where so many of its items are done. */
  tell(story: Told, item: number | null = null): void {
    this.#attempt(() => {
      this.#load(readScript(story.text), false);
      this.story = story;
      if (item === null) this.nextParagraph();
      else this.session.goTo({ item, moment: END });
    });
  }

  /** Plays a text to its end, if all of it can be understood; true: it is. */
  async paste(text: string): Promise<boolean> {
    const load = ++this.#loads;
    const isCurrent = () => this.#loads === load;
    try {
      const items = readScript(text);
      const session = new Session(items);
      await this.#playSlowly(session, isCurrent);
      if (!isCurrent()) return false;
      this.#show(session);
      this.dialog = null;
      this.changed();
      return true;
    } catch (error) {
      if (isCurrent()) this.say(error);
      return false;
    }
  }

  /** Looks for a run in which the broken rule shows, and plays it. */
  lookForViolation(): void {
    const { broken } = this.choice;
    if (broken === null) return;
    this.stopLooking();
    try {
      this.#endSearch = lookFor(broken.name, (news) => this.#hearOf(news));
      this.search = { seed: 1, hasFallen: false };
    } catch (error) {
      this.say(error);
    }
    this.changed();
  }

  stopLooking(): void {
    this.#endSearch();
    this.#endSearch = () => {};
    this.search = null;
    this.changed();
  }

  aimAt(goal: Goal): void {
    this.#load(readScript(goal.story), true);
    this.goal = goal;
    this.hintsShown = 0;
    this.changed();
  }

  /** The value to ask for, as commands write it: what is typed, or else something. */
  get wanted(): string {
    const something = this.stage?.isStore === true ? A_COMMAND : A_VALUE;
    return this.value.trim() === '' ? something : writtenValue(this.value.trim());
  }

  /** Does a command; what cannot be done is said, and changes nothing. */
  act(command: string, whenDone = () => {}): void {
    this.menu = null;
    this.#whenPrepared(null, () => {
      const before = this.session.moment.events;
      this.session.do(command);
      whenDone();
      // Which rules are broken can be said by a command, too.
      const choice = choiceIn(this.session.script);
      if (choice !== null && !isSameCluster(choice, this.choice)) this.choice = choice;
      this.#lookAt(before);
    });
  }

  /** Does what is typed where values are, which may be any command of stories. */
  actAsTyped(): void {
    this.act(this.value.trim(), () => {
      this.value = this.choice.store ? A_COMMAND : A_VALUE;
    });
  }

  /** Puts a command there, for somebody to change and do. */
  compose(command: string): void {
    this.menu = null;
    this.value = command;
    this.notice = 'change it where the value is, then do it as a command';
    this.changed();
    setTimeout(() => document.getElementById('value')?.focus());
  }

  /** One step: the next of the story, or else the oldest message, or else the next timer. */
  step(): void {
    this.menu = null;
    this.#attempt(() => {
      const before = this.session.moment.events;
      if (!this.#nextMoment()) this.#doOldest();
      this.#lookAt(before);
    });
  }

  back(): void {
    this.#replays += 1;
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
    this.#whenPrepared(null, () => {
      const before = this.session.moment.events;
      this.#waitForTimer();
      this.#lookAt(before);
    });
  }

  undo(): void {
    this.menu = null;
    this.pause();
    this.#whenPrepared(this.session.undone, () => {
      if (!this.session.undo()) this.notice = 'there is nothing to take back';
    });
  }

  redo(): void {
    this.#attempt(() => {
      if (this.session.redo() === null) this.notice = 'there is nothing to do again';
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
    const at = sharedBy(script, this.session.script);
    this.switchTo({ script, place: { item: at, moment: END } });
  }

  /** What was left behind comes back. */
  switchTo(branch: Branch): void {
    this.menu = null;
    this.pause();
    this.#whenPrepared(branch, () => {
      this.session.switchTo(branch);
      this.#meetCluster();
      // Another cluster may have what a goal asks for without any effort.
      const ofGoal = this.goal === null ? null : choiceIn(readScript(this.goal.story));
      if (ofGoal !== null && !isSameCluster(ofGoal, this.choice)) this.goal = null;
    });
  }

  get isOffStory(): boolean {
    if (this.story === null) return false;
    const script = readScript(this.story.text);
    const { length } = this.session.script;
    return length !== script.length || sharedBy(script, this.session.script) < length;
  }

  goTo(place: Place): void {
    this.#replays += 1;
    this.menu = null;
    this.pause();
    this.#attempt(() => this.session.goTo(place));
  }

  /** Goes to the next one of these from here; behind the last one comes the first. */
  jump(landmark: Landmark): void {
    const place = landmarkAfter(this.session, landmark);
    if (place !== null) return this.goTo(place);
    this.say(`no ${landmark === 'chosen' ? 'chosen value' : landmark} to go to`);
  }

  /** Goes to the end of the turn in which an event happened. */
  goToEvent(event: TraceEvent): void {
    this.goToTurn(turnOf(event));
  }

  /** Goes to the end of a turn, as elements name it. */
  goToTurn(turn: string): void {
    const last = this.session.allEvents.findLastIndex((event) => turnOf(event) === turn);
    const place = last < 0 ? null : this.session.placeOf(last);
    if (place !== null) this.goTo(place);
  }

  showLinesOf(uid: string | null): void {
    this.linesOf = uid;
    this.changed();
  }

  hide(hidden: Hidden): void {
    this.hidden = hidden;
    this.changed();
  }

  drawFar(): void {
    this.isDrawnFar = true;
    this.changed();
  }

  togglePlay(): void {
    if (this.isPlaying) this.pause();
    else {
      this.isPlaying = true;
      this.#autopilot = new Autopilot(this.choice.seed ?? A_SEED);
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
    const story = writeScript(this.session.done());
    readScript(story); // throws if nobody could open it
    const fragment = await fragmentOf(story);
    this.dialog = 'share';
    this.dialogText = `${location.href.split('#')[0]}#${fragment}`;
    this.changed();
  }

  copy(): void {
    this.#attempt(() => {
      this.dialogText = this.session.story();
      this.dialog = 'copy';
    });
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
      void this.paste(wanted.text);
      return;
    }
    const { kind, name } = wanted;
    const goal = GOALS.find((known) => known.name === name);
    const broken = breakNamed(name);
    const story = this.stories.find((known) => known.name === name);
    if (kind === 'goal' && goal !== undefined) this.aimAt(goal);
    else if (kind === 'break' && broken !== null) this.begin({ ...this.choice, broken });
    else if (kind === 'at' && story !== undefined) this.tell(story, wanted.item);
    else throw new Error(`there is no ${kind === 'at' ? 'story' : kind} by the name of "${name}"`);
  }

  #load(items: readonly Item[], isPlayed: boolean): void {
    this.#loads += 1;
    const session = new Session(items, true);
    if (isPlayed) session.goTo({ item: items.length, moment: END });
    this.#show(session);
  }

  /** Another session than before: of what belonged to that, only runs of one's own are kept. */
  #show(session: Session): void {
    this.#replays += 1;
    this.stopLooking(); // what it finds would take the place of this
    this.pause();
    session.inherit(this.session);
    this.session = session;
    this.isDrawnFar = false;
    this.story = null;
    this.goal = null;
    this.menu = null;
    this.notice = '';
    this.#meetCluster();
  }

  /** The cluster may be another one than before. */
  #meetCluster(): void {
    const { session } = this;
    this.choice = choiceIn(session.script) ?? this.choice;
    const isUntouched = this.value === A_VALUE || this.value === A_COMMAND;
    if (isUntouched) this.value = this.choice.store ? A_COMMAND : A_VALUE;
    this.hidden = { ...this.hidden, servers: new Set() };
    this.linesOf = null;
  }

  /** Plays all of it, and says how far it is; it stops where something else is loaded meanwhile. */
  async #playSlowly(session: Session, isCurrent: () => boolean): Promise<void> {
    while (session.hasNext && isCurrent()) {
      const untilMs = performance.now() + SLICE_MS;
      while (session.hasNext && performance.now() < untilMs) session.next();
      if (!session.hasNext) return;
      this.notice = `playing: ${session.place.item} of ${session.script.length}`;
      this.changed();
      await new Promise((resolve) => setTimeout(resolve));
    }
  }

  #hearOf(news: News): void {
    if ('seed' in news) {
      this.search = { seed: news.seed, hasFallen: news.kind === 'fell' };
      return this.changed();
    }
    this.stopLooking();
    if (news.kind === 'failed') return this.say(`the search has failed: ${news.why}`);
    void this.#playFound(news);
  }

  async #playFound({ found, seeds }: Extract<News, { kind: 'found' }>): Promise<void> {
    if (found === null) return this.say(`none of ${seeds} seeds violates anything`);
    const { seed, invariant, why, story } = found;
    const words = `seed ${seed} violates ${invariant}: ${why}`;
    if (story === null) return this.say(`${words}; but no story can tell how`);
    if (!(await this.paste(story))) return;
    const wrong = firstViolation(this.session, 0);
    if (wrong !== null) this.session.goTo(wrong);
    const { length } = this.session.script;
    this.say(`seed ${seed} violates it: here as a story of ${length} commands`);
  }

  /** The next moment of what is told, or was done before; false: there is none. */
  #nextMoment(): boolean {
    const { session } = this;
    const { item, moment } = session.place;
    const moments = session.known[item - 1]?.moments.length ?? 1;
    if (moment < moments - 1) session.goTo({ item, moment: moment + 1 });
    else if (session.hasNext) {
      session.next();
      session.goTo({ item: item + 1, moment: 0 });
    } else return false;
    return true;
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
      if (!this.#nextMoment() && stage !== null) this.#fly(stage);
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

  /**
   * Acts as soon as what that needs is carried out anew: at once, but for a long story. Then it is
   * done in slices, and given up where somebody does something else meanwhile.
   */
  #whenPrepared(branch: Branch | null, act: () => void): void {
    this.#replays += 1;
    const [asked, replay] = [this.#replays, this.session.prepare(branch)];
    const goOn = () => {
      if (this.#replays !== asked) return;
      let isOver = false;
      this.#attempt(() => {
        const untilMs = performance.now() + SLICE_MS;
        let done = replay.next();
        while (done.done !== true && performance.now() < untilMs) done = replay.next();
        isOver = done.done === true;
        if (isOver) return act();
        this.notice = `going there: ${done.value} of ${this.session.script.length}`;
        setTimeout(goOn);
      });
    };
    goOn();
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

function isSameCluster(one: Choice, other: Choice): boolean {
  const keys = ['servers', 'store', 'leases', 'members', 'broken'] as const;
  return keys.every((key) => one[key] === other[key]);
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
