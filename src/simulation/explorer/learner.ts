/**
 * The learners of the explored world. What a learner knows depends on nothing but the accepted
 * messages that have reached it, and nothing in the instance depends on the learner. So they need
 * not be part of a state: it is enough to look, for every set of accepted messages that is ever in
 * flight, at all that a learner could make of it, in any order, with copies, with any of them lost.
 */
import type { Link } from '../../chain.ts';
import type { AcceptedMessage, Learner, LearnerState, Uid } from '../../composable-paxos.ts';
import { Catalogue } from './catalogue.ts';

/** An accepted message in flight, under its number there. */
export interface Hearsay {
  readonly number: number;
  readonly from: Uid;
  readonly message: AcceptedMessage<Link>;
}

/** What one message does to a learner in a certain state. */
interface Lesson {
  readonly state: number;
  /** What the learner takes to be chosen from now on, if this is the moment. */
  readonly announced: AcceptedMessage<Link> | null;
}

export class ExploredLearner {
  readonly #learner: Learner<Link>;
  readonly #states = new Catalogue<LearnerState<Link>>();
  readonly #lessons: Lesson[][] = [];

  /** `learner` is one that has not heard anything. */
  constructor(learner: Learner<Link>) {
    this.#learner = learner;
    this.#states.numberOf(learner.state);
  }

  /** Everything that a learner could announce if these messages are in flight. */
  announcements(heard: readonly Hearsay[]): AcceptedMessage<Link>[] {
    const announced = new Set<AcceptedMessage<Link>>();
    const reached = new Set([0]);
    for (const state of reached) {
      for (const hearsay of heard) {
        const lesson = this.#lesson(state, hearsay);
        if (lesson.announced !== null) announced.add(lesson.announced);
        reached.add(lesson.state); // a set also hands out what is added on the way
      }
    }
    return [...announced];
  }

  #lesson(state: number, hearsay: Hearsay): Lesson {
    this.#lessons[state] ??= [];
    const lessons = this.#lessons[state];
    lessons[hearsay.number] ??= this.#teach(state, hearsay);
    return lessons[hearsay.number] as Lesson;
  }

  #teach(state: number, { from, message }: Hearsay): Lesson {
    const learner = this.#learner;
    learner.state = this.#states.item(state);
    const announced = learner.receiveAccepted(from, message) ? message : null;
    return { state: this.#states.numberOf(learner.state), announced };
  }
}
