/** A client that waits, in virtual time, and servers that say whatever a test lets them say. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import {
  ASK_AGAIN_MS,
  ClientSession,
  type Inquiry,
  type Options,
  type Outcome,
} from '../src/client-session.ts';
import type { Uid } from '../src/composable-paxos.ts';
import type { ClientMessage, Reply } from '../src/messages.ts';
import { Agenda } from '../src/time/agenda.ts';

const CLIENT = '0123456789abcdef';
const UIDS = ['A', 'B', 'C'];
const SET: Inquiry = { type: 'request', value: 'x' };
const READ: Inquiry = { type: 'read', isLocal: false };
const LOCAL_READ: Inquiry = { type: 'read', isLocal: true };
const FROM_A: Options = { server: 'A', timeoutMs: 10_000, mayMove: true };

/** A session, whom it asked and when, and how its questions ended. */
class Scene {
  readonly asked: [number, Uid][] = [];
  readonly messages: ClientMessage[] = [];
  readonly outcomes: Outcome[] = [];
  nowMs = 0;
  readonly session: ClientSession;
  readonly #agenda = new Agenda();

  constructor() {
    this.session = new ClientSession(CLIENT, UIDS, {
      after: (delayMs, act) => {
        const entry = this.#agenda.add(this.nowMs + delayMs, act);
        return {
          cancel: () => {
            entry.act = null;
          },
        };
      },
      send: (to, message) => {
        this.asked.push([this.nowMs, to]);
        this.messages.push(message);
      },
    });
  }

  ask(question: Inquiry, options: Partial<Options> = {}): this {
    this.session.inquire(question, { ...FROM_A, ...options }, (outcome) => {
      this.outcomes.push(outcome);
    });
    return this;
  }

  /** Asks for a change, and all have said how far the chain is: the request is under way. */
  set(options: Partial<Options> = {}): this {
    this.ask(SET, options);
    for (const uid of UIDS) this.session.receive(uid, told(this.latestId, REACHED));
    this.asked.splice(0, this.asked.length - 1);
    this.messages.splice(0, this.messages.length - 1);
    return this;
  }

  get latestId(): string {
    const latest = this.messages.at(-1);
    return latest !== undefined && 'requestId' in latest ? latest.requestId : '';
  }

  /** Lets everything happen that is due in so many milliseconds. */
  wait(ms: number): this {
    const untilMs = this.nowMs + ms;
    while (this.#agenda.nextAtMs <= untilMs) {
      const { act, atMs } = this.#agenda.take() ?? {};
      this.nowMs = atMs ?? untilMs;
      act?.();
    }
    this.nowMs = untilMs;
    return this;
  }

  /** Whom it asked, in order. */
  get path(): string {
    return this.asked.map(([, uid]) => uid).join('');
  }
}

const REACHED = 7;
/** The n-th request, each of which follows a question of its own. */
const idOf = (n: number) => `${CLIENT}-${REACHED}-${2 * n}`;
const FIRST_ID = `${CLIENT}-1-1`;
const chosen = (number = 1): Reply => {
  return { type: 'chosen', requestId: idOf(number), instanceNumber: REACHED };
};
const valueReply = (isCurrent: boolean): Reply => {
  return { type: 'value', requestId: FIRST_ID, instanceNumber: REACHED, value: 'x', isCurrent };
};
const told = (requestId: string, instanceNumber: number): Reply => {
  return { type: 'reached', requestId, instanceNumber };
};
const refused = (master: Uid | null, why = 'not me'): Reply => {
  return { type: 'refused', requestId: idOf(1), master, why, isFinal: false };
};

suite('A client that waits', () => {
  test('that knows how far the chain is asks nobody for that', () => {
    const scene = new Scene().ask(SET, { reached: 40 });
    const requestId = `${CLIENT}-40-1`;
    assert.deepEqual(scene.messages, [{ type: 'request', value: 'x', requestId }]);
  });

  test('is answered', () => {
    const scene = new Scene().set();
    assert.deepEqual(scene.messages, [{ type: 'request', value: 'x', requestId: idOf(1) }]);
    assert.equal(scene.session.receive('A', chosen()), true);
    assert.deepEqual(scene.outcomes, [{ outcome: 'answered', server: 'A', reply: chosen() }]);
    scene.wait(60_000);
    assert.equal(scene.path, 'A', 'nothing more is asked');
    assert.equal(scene.outcomes.length, 1, 'nor does the time run out');
  });

  test('asks all servers first how far the chain is', () => {
    const scene = new Scene().ask(SET);
    const question = { type: 'reach', requestId: FIRST_ID };
    assert.deepEqual(scene.messages, [question, question, question]);
    assert.equal(scene.path, 'ABC');
  });

  test('puts the highest answer of a quorum into the id of its request', () => {
    const scene = new Scene().ask(SET);
    assert.equal(scene.session.receive('B', told(FIRST_ID, 3)), true);
    assert.equal(scene.path, 'ABC', 'one of three may be far behind');
    assert.equal(scene.session.receive('C', told(FIRST_ID, REACHED)), true);
    assert.deepEqual(scene.messages[3], { type: 'request', value: 'x', requestId: idOf(1) });
    assert.deepEqual([scene.path, scene.outcomes.length], ['ABCA', 0]);
    assert.equal(scene.session.receive('A', told(FIRST_ID, 99)), false, 'too late');
  });

  test('believes those who answer when no quorum does', () => {
    const scene = new Scene().ask(SET);
    scene.session.receive('B', told(FIRST_ID, REACHED));
    scene.wait(ASK_AGAIN_MS);
    assert.deepEqual([scene.path, scene.latestId], ['ABCA', idOf(1)]);
  });

  test('believes nobody whom it did not ask how far the chain is, nor what else they say', () => {
    const scene = new Scene().ask(SET, { mayMove: false });
    assert.equal(scene.session.receive('B', told(FIRST_ID, 99)), false);
    assert.equal(scene.session.receive('A', told(idOf(1), 99)), false);
    assert.equal(scene.session.receive('A', valueReply(true)), false);
    scene.wait(ASK_AGAIN_MS);
    assert.equal(scene.path, 'AA', 'it still asks how far the chain is');
    assert.equal(scene.latestId, FIRST_ID);
    assert.equal(scene.session.receive('A', told(FIRST_ID, REACHED)), true);
    assert.equal(scene.latestId, idOf(1));
  });

  test('asks nobody but its server if it may not move', () => {
    const scene = new Scene().ask(SET, { mayMove: false });
    scene.session.receive('A', told(FIRST_ID, REACHED));
    assert.deepEqual([scene.path, scene.latestId], ['AA', idOf(1)]);
  });

  test('says that it has asked for nothing when nobody says how far the chain is', () => {
    const scene = new Scene().ask(SET, { timeoutMs: 1_000 }).wait(1_000);
    assert.equal(scene.path, 'ABC'.repeat(3));
    assert.deepEqual(
      scene.asked.flatMap(([atMs, uid]) => (uid === 'A' ? [atMs] : [])),
      [0, 300, 900],
    );
    const lastWord = 'no server has answered';
    assert.deepEqual(scene.outcomes, [{ outcome: 'not asked', lastWord }]);
  });

  test('asks a silent server again, then the next one, always under the same id', () => {
    const scene = new Scene().set({ timeoutMs: 60_000 }).wait(17_000);
    assert.equal(scene.path, 'AABBCCAA');
    const times = scene.asked.map(([atMs]) => atMs);
    const waits = times.map((atMs, index) => atMs - (times[index - 1] ?? 0));
    assert.deepEqual(waits, [0, 300, 600, 1_200, 2_400, 4_000, 4_000, 4_000]);
    assert.equal(new Set(scene.messages.map((message) => JSON.stringify(message))).size, 1);
  });

  test('hears the first server, too, when it has gone on to the next one', () => {
    const scene = new Scene().set().wait(3 * ASK_AGAIN_MS);
    assert.equal(scene.path, 'AAB');
    scene.session.receive('A', chosen());
    assert.deepEqual(scene.outcomes, [{ outcome: 'answered', server: 'A', reply: chosen() }]);
  });

  test('stays with its server if it may not move', () => {
    const scene = new Scene().ask(LOCAL_READ, { mayMove: false }).wait(5_000);
    assert.equal(scene.path, 'AAAAA');
    const { latestId: requestId } = scene;
    assert.equal(scene.session.receive('A', { ...refused('B'), requestId }), true);
    assert.equal(scene.path, 'AAAAA');
  });

  test('says that it does not know when the time is up, and why', () => {
    const silent = new Scene().set({ timeoutMs: 1_000 }).wait(999);
    assert.deepEqual(silent.outcomes, []);
    silent.wait(1);
    assert.deepEqual(silent.outcomes, [{ outcome: 'unknown', lastWord: 'no server has answered' }]);
    const asked = silent.asked.length;
    silent.wait(60_000);
    assert.equal(silent.asked.length, asked, 'it asks no more');
    assert.equal(silent.session.receive('A', chosen()), false, 'late is too late');
    assert.equal(silent.outcomes.length, 1);

    const unhappy = new Scene().set({ timeoutMs: 1_000 });
    unhappy.session.receive('A', refused(null, 'there is no master yet'));
    unhappy.wait(1_000);
    const lastWord = 'A says: there is no master yet';
    assert.deepEqual(unhappy.outcomes, [{ outcome: 'unknown', lastWord }]);
  });

  test('asks one thing at a time, the next one under the next id', () => {
    const scene = new Scene().set();
    assert.throws(() => scene.ask(READ), /one thing at a time/);
    scene.session.receive('A', chosen());
    scene.set();
    assert.equal(scene.session.receive('A', chosen(1)), false, 'that was the first one');
    assert.equal(scene.session.receive('A', chosen(2)), true);
    assert.equal(scene.outcomes.length, 2);
  });

  test('may ask again out of its own answer', () => {
    const scene = new Scene();
    scene.session.inquire(READ, FROM_A, () => scene.set());
    scene.session.receive('A', valueReply(true));
    scene.session.receive('A', { ...chosen(), requestId: scene.latestId });
    assert.equal(scene.outcomes.length, 1);
  });

  test('gives up without a word when it is stopped', () => {
    const scene = new Scene().set();
    scene.session.stop();
    assert.equal(scene.session.receive('A', chosen()), false);
    scene.wait(60_000);
    assert.deepEqual([scene.path, scene.outcomes.length], ['A', 0]);
  });
});

suite('A server that is not master', () => {
  test('sends the client to the one that is', () => {
    const scene = new Scene().set();
    scene.session.receive('A', refused('C'));
    assert.deepEqual(scene.asked, [
      [0, 'A'],
      [0, 'C'],
    ]);
    scene.session.receive('C', chosen());
    assert.equal(scene.outcomes[0]?.outcome, 'answered');
  });

  test('is asked again a little later if it knows of no other one', () => {
    for (const master of [null, 'A']) {
      const scene = new Scene().set();
      scene.session.receive('A', refused(master));
      assert.equal(scene.path, 'A');
      scene.wait(ASK_AGAIN_MS);
      assert.equal(scene.path, 'AA');
    }
  });

  test('is asked again soon, however long the client has waited for it', () => {
    for (const mayMove of [true, false]) {
      const scene: Scene = new Scene().ask(READ, { mayMove }).wait(2_200);
      const before: string = scene.path;
      const now = scene.asked.at(-1)?.[1] ?? '';
      scene.session.receive(now, { ...refused(null), requestId: FIRST_ID });
      scene.wait(ASK_AGAIN_MS - 1);
      assert.equal(scene.path, before);
      scene.wait(1);
      assert.equal(scene.path.length, before.length + 1);
    }
  });

  test('ends the waiting if nobody will ever do it', () => {
    const scene = new Scene().set().wait(2_200);
    assert.equal(scene.path, 'AABB');
    const never = { ...refused('C', 'no need to shout'), isFinal: true };
    assert.equal(scene.session.receive('A', never), true, 'whoever was asked may say so');
    const lastWord = 'A says: no need to shout';
    assert.deepEqual(scene.outcomes, [{ outcome: 'refused', lastWord }]);
    scene.wait(60_000);
    assert.equal(scene.path, 'AABB', 'nothing more is asked');
  });

  test('is not believed when the client has moved on: its word may be old', () => {
    const scene = new Scene().set();
    scene.session.receive('A', refused('C'));
    scene.session.receive('A', refused('B'));
    assert.equal(scene.path, 'AC');
  });

  test('may send the client back to one that was master before', () => {
    const scene = new Scene().set();
    scene.session.receive('A', refused('B'));
    scene.session.receive('B', refused('A'));
    assert.equal(scene.path, 'ABA');
  });

  test('cannot keep it running in circles, nor away from the third one', () => {
    const scene = new Scene();
    const sendOn = (to: Uid) => scene.session.receive(to, refused(to === 'A' ? 'B' : 'A'));
    let answered = 0;
    // An answer cannot come before `send` has returned.
    const answerLater = () => {
      for (; answered < scene.asked.length; answered += 1) {
        sendOn(scene.asked[answered]?.[1] ?? '');
      }
    };
    scene.set();
    answerLater();
    assert.equal(scene.path, 'ABAB', 'as many times as there are servers');
    scene.wait(ASK_AGAIN_MS);
    assert.equal(scene.path, 'ABABC');
    answerLater();
    assert.equal(scene.path, 'ABABCABA', 'and as many times again');
  });
});

suite('What is not an answer is passed over:', () => {
  const wrong: readonly (readonly [string, Inquiry, Uid, Reply])[] = [
    ['from a server that was never asked', SET, 'B', chosen()],
    ['a refusal of one that was never asked', SET, 'B', refused('C')],
    ['to another question of this client', SET, 'A', chosen(2)],
    ['to another client', SET, 'A', { ...chosen(), requestId: 'fedcba9876543210-7-2' }],
    ['a value to a request', SET, 'A', { ...valueReply(true), requestId: idOf(1) }],
    ['"chosen" to a read', READ, 'A', { ...chosen(), requestId: FIRST_ID }],
    ['what may be stale to a read that must not be', READ, 'A', valueReply(false)],
    ['a value to a question after the state', { type: 'status' }, 'A', valueReply(true)],
  ];
  for (const [what, question, from, reply] of wrong) {
    test(what, () => {
      const scene = question === SET ? new Scene().set() : new Scene().ask(question);
      assert.equal(scene.session.receive(from, reply), false);
      assert.deepEqual([scene.path, scene.outcomes.length], ['A', 0]);
    });
  }

  test('but a read that may be stale is content with either', () => {
    for (const isCurrent of [true, false]) {
      const scene = new Scene().ask(LOCAL_READ);
      assert.equal(scene.session.receive('A', valueReply(isCurrent)), true);
    }
  });

  test('anything, when nothing was asked', () => {
    assert.equal(new Scene().session.receive('A', chosen()), false);
  });
});
