/** Sessions: stories that are played forwards and backwards, left, and written down again. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { suite, test } from 'node:test';
import { landmarkAfter } from '../src/playground/landmarks.ts';
import { commentOf, MOST_COMMANDS, readScript, writeScript } from '../src/playground/script.ts';
import { Session, UNCUT } from '../src/playground/session.ts';
import { ordinal } from '../src/playground/stage.ts';
import { Random } from '../src/simulation/random.ts';
import { tellStory } from '../src/simulation/story.ts';
import { writtenValue } from '../src/simulation/story-text.ts';
import { printable } from '../src/trace/printable.ts';

const DIRECTORY = new URL('stories/', import.meta.url);
const STORIES = readdirSync(DIRECTORY).filter((name) => name.endsWith('.txt'));
const END = Number.POSITIVE_INFINITY;

function storyOf(name: string): string {
  return readFileSync(new URL(name, DIRECTORY), 'utf8');
}

function playAll(session: Session): Session {
  while (session.hasNext) session.next();
  return session;
}

/** A cluster that runs, and in which all is quiet. */
function quietCluster(uids = 'A B C', leases = ''): Session {
  const session = new Session();
  for (const command of [`cluster ${uids}${leases}`, `start ${uids}`, 'deliver all']) {
    session.do(command);
  }
  return session;
}

/** All that can be seen of a session. */
function seen({ place, moment, script, steps, events, violations }: Session) {
  return structuredClone({ place, moment, script, steps, events, violations });
}

/** Whatever may be in a value, and what else is meant by such a text. */
const NASTY = [
  '\u202e',
  '\0',
  '\\',
  '\\\\',
  '\\u202e',
  '\\x0',
  'a',
  ' ',
  '\t',
  '\n',
  '\u2028',
  '\ufeff',
];
NASTY.push('\ud800', '\u{e0001}', '#', '----', 'u{41}', '"', '\u00a0', '\x1b[2J', '\r');

suite('A value in a story', () => {
  const valuesIn = ({ events }: Pick<Session, 'events'>) =>
    events.flatMap((event) => {
      const isAsked = event.event === 'receive' && event.message.type === 'propose';
      return isAsked && event.message.type === 'propose' ? [event.message.value] : [];
    });

  test('is the same when it is told anew, whatever is in it', () => {
    const random = new Random('values');
    for (let time = 0; time < 300; time += 1) {
      const value = Array.from({ length: 1 + random.below(6) }, () => random.pick(NASTY)).join('');
      const story = `cluster A B\n\nstart A\n\nsubmit A ${writtenValue(value)}\n`;
      const told = tellStory(story);
      assert.deepEqual(valuesIn(told), [value]);
      assert.equal(printable(told.text.replaceAll('\n', '')), told.text.replaceAll('\n', ''));
      assert.deepEqual(readScript(told.text), readScript(story));
      assert.equal(tellStory(told.text).text, told.text);
      assert.equal(playAll(Session.ofStory(story)).story(), told.text);
    }
  });

  test('that is written raw, in a command or in words, is told as what it is', () => {
    const random = new Random('raw');
    for (let time = 0; time < 300; time += 1) {
      const nasty = Array.from({ length: 1 + random.below(6) }, () => random.pick(NASTY)).join('');
      const raw = `a${nasty.replaceAll(/\r?\n/g, '')}z`;
      const story = `# ${raw}\n\ncluster A B\n\nstart A\n\nsubmit A ${raw}\n`;
      const printed = tellStory(story).text.split('\n').map(printable).join('\n');
      assert.deepEqual(readScript(printed), readScript(story));
      assert.deepEqual(valuesIn(tellStory(printed)), valuesIn(tellStory(story)));
      const session = quietCluster('A B');
      session.do(`submit A ${raw}`);
      assert.deepEqual(valuesIn(session), valuesIn(tellStory(story)));
    }
  });
});

suite('A script', () => {
  for (const name of STORIES) {
    test(`${name} is read, written, and tells the same`, () => {
      const story = storyOf(name);
      const told = tellStory(writeScript(readScript(story))).text;
      const words = (text: string) => text.split(/[\s#]+/);
      assert.deepEqual(words(told), words(story));
    });
  }

  test('paragraphs are wrapped as stories have them', () => {
    const long = Array.from({ length: 60 }, (_, index) => `word${index}`).join(' ');
    const lines = commentOf(long).split('\n');
    assert.ok(lines.length > 1 && lines.every((line) => /^# .{1,97}$/.test(line)));
    assert.equal(lines.map((line) => line.slice(2)).join(' '), long);
  });

  test('a text that is no story, or a very long one, is refused in a sentence', () => {
    assert.throws(
      () => readScript('# only words\n'),
      /^Error: this text has no command of a story$/,
    );
    assert.throws(() => readScript(''), /no command/);
    const long = 'wait 1\n\n'.repeat(MOST_COMMANDS + 1);
    assert.throws(() => readScript(long), /10001 commands, and at most 10000 are played/);
  });
});

suite('A session', () => {
  for (const name of STORIES) {
    test(`plays ${name} as its test does, forwards, backwards and forwards`, () => {
      const story = storyOf(name);
      const session = playAll(Session.ofStory(story));
      assert.equal(session.story(), tellStory(writeScript(readScript(story))).text);
      const atEnd = seen(session);
      for (let item = session.script.length; item >= 0; item -= 7)
        session.goTo({ item, moment: END });
      session.goTo({ item: session.script.length, moment: END });
      assert.deepEqual(seen(session), atEnd);
    });
  }

  test('what is done becomes a story; undo and next take it back and do it again', () => {
    const session = quietCluster();
    session.do('submit A hello');
    assert.equal(session.stage?.flights.length, 2);
    assert.deepEqual(
      session.stage?.flights.map(({ name }) => name),
      ['A->B prepare 1st', 'A->C prepare 1st'],
    );
    const before = seen(session);
    session.do('deliver A->B prepare 1st');
    const after = seen(session);
    assert.ok(session.undo());
    assert.deepEqual({ ...seen(session), script: [] }, { ...before, script: [] });
    assert.ok(session.hasNext && session.known.length === session.steps.length + 1);
    session.next();
    assert.deepEqual(seen(session), after);
    assert.match(session.story(), /deliver A->B prepare 1st\n----\n.*B ←A {2}prepare/);
  });

  test('a command that cannot be done changes nothing, not even a part of it', () => {
    const session = quietCluster();
    const before = seen(session);
    for (const command of ['start B Z', 'dance', 'deliver !', 'crash A at noon', 'break nothing']) {
      assert.throws(() => session.do(command), Error);
      assert.deepEqual(seen(session), before);
    }
    assert.throws(() => new Session().do('start A'), /^Error: a story begins with `cluster`$/);
  });

  test('whoever leaves the script in the middle finds the old end again', () => {
    const session = playAll(Session.ofStory(storyOf('02-duel.txt')));
    const { script } = session;
    const end = seen(session);
    session.goTo({ item: 8, moment: END });
    session.do('submit C mine');
    assert.equal(session.script.length, 9);
    const mine = seen(session);
    const [branch] = session.branches;
    assert.ok(branch !== undefined);
    assert.deepEqual(branch.script, script);
    session.switchTo(branch);
    assert.deepEqual(seen(session), end);
    assert.deepEqual(session.script, script);
    const [other] = session.branches;
    assert.ok(other !== undefined && session.branches.length === 1);
    session.switchTo(other);
    assert.deepEqual(seen(session), mine);
  });

  test('whoever leaves it earlier later on finds all of that again, and the story', () => {
    const story = readScript(storyOf('03-orphan.txt'));
    const session = playAll(new Session(story));
    const end = seen(session);
    const own = [12, 5].map((item) => {
      session.goTo({ item, moment: END });
      session.do(`submit C after ${item}`);
      session.do('drop all');
      return session.script;
    });
    const [first] = session.branches;
    assert.ok(first !== undefined);
    session.switchTo(first);
    assert.deepEqual(seen(session), end);

    const scripts = () => session.branches.map(({ script }) => script);
    for (let time = 0; time < 2; time += 1) {
      session.goTo({ item: 3, moment: 0 });
      session.do(`submit B time ${time}`);
      own.push(session.script);
      session.switchTo({ script: story, place: { item: 3, moment: END } });
      assert.deepEqual([session.script, session.place.item], [story, 3]);
      assert.deepEqual(scripts(), own);
    }
    assert.deepEqual(seen(playAll(session)), end);
  });

  test("whatever is one's own outlives its session, and what is given does not", () => {
    const given = readScript(storyOf('02-duel.txt'));
    const first = new Session(given, true);
    first.goTo({ item: 8, moment: END });
    assert.deepEqual(first.own, []);
    first.do('submit C mine');
    const mine = first.script;
    const [story] = first.branches;
    assert.ok(story !== undefined);
    first.switchTo(story);

    const second = new Session(readScript('cluster A B\n\nstart A B\n'), true);
    second.inherit(first);
    const third = quietCluster();
    third.inherit(second);
    const scripts = ({ branches }: Session) => branches.map(({ script }) => script);
    assert.deepEqual([scripts(second), scripts(third)], [[mine], [mine]]);

    const fourth = new Session(given, true);
    fourth.inherit(third);
    assert.deepEqual(scripts(fourth), [mine, third.script]);
    const [branch] = fourth.branches;
    assert.ok(branch !== undefined);
    fourth.switchTo(branch);
    assert.equal(fourth.stage?.cards.length, 3);
    assert.deepEqual(fourth.script, mine);
    // The same again is not there twice.
    const fifth = new Session(mine);
    fifth.inherit(fourth);
    assert.deepEqual(scripts(fifth), [third.script]);
  });

  test('a branch that cannot be carried out changes nothing', () => {
    const session = quietCluster();
    const before = seen(session);
    const script = readScript('cluster A B\n\ndance\n');
    assert.throws(() => session.switchTo({ script, place: { item: 2, moment: 0 } }), /"dance"/);
    assert.deepEqual(seen(session), before);
    assert.deepEqual(session.branches, []);
  });

  test('every moment within a command can be shown, and gone on from', () => {
    const session = quietCluster();
    session.do('submit A hello');
    session.do('deliver all');
    const { item } = session.place;
    const all = session.steps.at(-1)?.moments.length ?? 0;
    assert.ok(all > 6, `${all} moments`);
    for (let moment = 0; moment < all - 1; moment += 1) {
      session.goTo({ item, moment });
      const shown = session.stage;
      const copy = new Session(readScript(session.story()));
      playAll(copy);
      assert.deepEqual(copy.stage, shown, `moment ${moment}`);
    }
    session.goTo({ item, moment: 2 });
    const { flights } = session.stage ?? { flights: [] };
    session.do('drop all');
    assert.equal(session.stage?.flights.length, 0);
    assert.ok(flights.length > 0 && session.script.length === item + 3);
  });

  test('in the middle of a command stage, lines, events and story are of one moment', () => {
    const commands = ['submit A hello', 'deliver all'];
    const session = quietCluster();
    for (const command of commands) session.do(command);
    const { item } = session.place;
    const all = session.lines;
    const counts = (session.steps.at(-1)?.moments ?? []).map((_, moment) => {
      session.goTo({ item, moment });
      const told = tellStory(session.story());
      assert.deepEqual(told.events, session.events);
      const printed = session.lines.map(({ text }) => text);
      assert.deepEqual(
        told.text.split('\n').filter((line) => printed.includes(line)),
        printed,
      );
      return printed.length;
    });
    assert.ok(new Set(counts).size > 6 && counts.at(-1) === all.length, counts.join());
  });

  test('undo leads back into the middle of the command that was left there, and redo back', () => {
    for (const between of [[], ['wait 5', 'submit B later']]) {
      const session = quietCluster();
      session.do('submit A hello');
      session.do('deliver all');
      session.goTo({ item: session.place.item, moment: 2 });
      const before = seen(session);
      const known = session.known.length;
      for (const command of ['drop all', ...between]) session.do(command);
      const after = seen(session);
      for (let time = 0; time < 2; time += 1) {
        for (const _ of ['', ...between]) assert.ok(session.undo());
        assert.deepEqual([seen(session), session.known.length], [before, known]);
        for (const _ of ['', ...between]) session.redo();
        assert.deepEqual(seen(session), after);
      }
    }
  });

  test('redo does what was just undone, and not what was once done from there instead', () => {
    const session = quietCluster();
    const { place } = session;
    session.do('submit A hello');
    session.goTo(place);
    session.do('submit B other');
    session.undo();
    session.goTo({ ...place, item: place.item - 1 });
    session.do('deliver all');
    session.do('submit A hello');
    const after = seen(session);
    session.undo();
    session.redo();
    assert.deepEqual(seen(session), after);
  });

  test('before anything is done there is no story', () => {
    const session = Session.ofStory('# Words.\n\ncluster A\n');
    session.next();
    assert.throws(() => session.story(), { message: 'nothing is done yet' });
  });

  test('what no story can cut is shown to its end before anybody can act', () => {
    const commands = ['submit A hello', 'pause B', 'deliver all', 'submit B mine'];
    const session = quietCluster();
    for (const command of [...commands, 'resume B']) session.do(command);
    const [end, { item }] = [seen(session), session.place];
    assert.ok((session.steps.at(-1)?.moments.length ?? 0) > 2);
    for (const act of [() => session.do('crash B'), () => session.story(), () => session.done()]) {
      session.goTo({ item, moment: 0 });
      assert.ok(session.events.length < end.events.length);
      assert.throws(act, { message: UNCUT });
      assert.deepEqual(seen(session), end);
    }
    session.do('crash B');
    assert.equal(tellStory(session.story()).text, session.story());
    session.undo();
    assert.deepEqual({ ...seen(session), script: [] }, { ...end, script: [] });
  });

  test('waits until a timer has made something happen, and writes down for how long', () => {
    const session = quietCluster('A B C', ' with leases');
    const events = session.moment.events;
    const step = session.waitForTimer();
    assert.match(step?.item.text ?? '', /^wait [0-9]+$/);
    assert.ok(session.moment.events > events);
    const copy = playAll(Session.ofStory(session.story()));
    assert.deepEqual(copy.events, session.events);
    assert.equal(quietCluster('A', '').waitForTimer(), null);
  });

  test('of a command that never ends a thousand moments are kept, and its end', () => {
    const session = quietCluster('A B C', ' with leases');
    const step = session.do('wait 3600000');
    assert.equal(step.moments.length, 1_001);
    assert.equal(session.moment.events, session.allEvents.length);
    assert.match(session.lines.at(-1)?.text ?? '', /^\([0-9]+ datagrams are in flight: no time/);
    // Two timers run out at the same instant, and no `wait` ends between them.
    const { item } = session.place;
    const { moments } = step;
    const first = moments.findIndex(
      ({ stage }, index) => stage?.nowMs === moments[index + 1]?.stage?.nowMs,
    );
    session.goTo({ item, moment: first });
    assert.throws(() => session.do('drop all'), { message: UNCUT });
    const { moment } = session.place;
    assert.ok(moment > first && moment < first + 5);
    const { events } = session.moment;
    session.do('in flight');
    assert.equal(session.moment.events, events);
    session.undo();
    assert.deepEqual(session.place, { item, moment });
  });

  test('what an act needs can be carried out a little at a time before it', () => {
    const session = playAll(Session.ofStory(storyOf('02-duel.txt')));
    assert.deepEqual([...session.prepare()], []);
    session.goTo({ item: 8, moment: END });
    assert.deepEqual([...session.prepare()], [1, 2, 3, 4, 5, 6, 7, 8]);
    assert.deepEqual([...session.prepare()], []);
    session.do('submit C mine');
    const branch = session.undone;
    assert.equal(branch?.place.item, 8);
    assert.deepEqual([...session.prepare(branch)], []); // it is kept as it was left
    const copy = playAll(Session.ofStory(session.story()));
    assert.deepEqual(copy.events, session.events);
  });

  test('goes to the next chosen value, instance and violation, and around', () => {
    const session = playAll(Session.ofStory(storyOf('14-retransmission.txt')));
    session.goTo({ item: 0, moment: 0 });
    const visited = ['chosen', 'chosen', 'chosen', 'instance', 'instance'] as const;
    const places = visited.map((landmark) => {
      const place = landmarkAfter(session, landmark);
      assert.ok(place !== null);
      session.goTo(place);
      return session.events.filter(({ event }) => event === 'chosen').length;
    });
    const [first, second, around] = places;
    assert.ok(first !== undefined && second !== undefined && first < second);
    assert.equal(around, first);
    assert.equal(landmarkAfter(session, 'violation'), null);
  });

  test('a moment in the middle of a wait is a shorter wait', () => {
    const session = quietCluster('A B C', ' with leases');
    session.do('wait 2000');
    const { item } = session.place;
    session.goTo({ item, moment: 0 });
    const shown = session.moment.events;
    session.do('in flight');
    assert.equal(session.moment.events, shown);
    assert.match(session.script.at(-2)?.text ?? '', /^wait [0-9.]+$/);
  });

  test('a broken rule, its violation in words, and the same again from its text', () => {
    const session = new Session();
    const commands = ['cluster A B C', 'break quorum-of-one', 'start A B C', 'deliver all'];
    for (const command of [...commands, 'submit A x', 'submit B y', 'deliver all']) {
      session.do(command);
    }
    assert.ok(session.violations.some(({ invariant }) => invariant === 1));
    assert.match(session.story(), /^✗ violates 1\. Agreement: .+$/m);
    assert.equal(playAll(Session.ofStory(session.story())).story(), session.story());
  });

  test('a disk that lags behind shows', () => {
    const session = new Session();
    const commands = ['cluster A B C', 'break no-directory-sync', 'start A B C', 'deliver all'];
    for (const command of [...commands, 'submit A x']) session.do(command);
    const card = session.stage?.cards[0];
    assert.deepEqual(card?.promisedId, { number: 2, uid: 'A' });
    assert.equal(card?.isDurable, false);
    assert.ok(quietCluster().stage?.cards.every(({ isDurable }) => isDurable));
  });

  test('what a server is among the members shows, by what it knows itself', () => {
    const membersIn = ({ stage }: Session) =>
      stage?.cards.map(({ uid, membership }) => `${uid} ${membership}`).join(', ');
    const session = quietCluster('A B C D', ' with members A B C');
    assert.equal(session.stage?.hasMembers, true);
    assert.equal(membersIn(session), 'A voting, B voting, C voting, D unknown');
    const change = (words: string) => {
      session.do(`change A c1 ${words}`);
      session.do('deliver all');
    };
    change('follow D');
    assert.equal(membersIn(session), 'A voting, B voting, C voting, D unknown');
    session.do('submit A news');
    session.do('deliver all');
    assert.equal(membersIn(session), 'A voting, B voting, C voting, D passive');
    change('remove C');
    assert.equal(membersIn(session), 'A voting, B voting, C removed, D passive');
    assert.equal(quietCluster().stage?.hasMembers, false);
  });

  test('one of two equal messages is delivered, held back, repeated and lost', () => {
    const session = quietCluster();
    session.do('submit A x');
    session.do('repeat A->B prepare');
    const names = () => session.stage?.flights.map(({ name }) => name);
    assert.deepEqual(names(), ['A->B prepare 1st', 'A->C prepare 1st', 'A->B prepare 2nd']);
    session.do('hold back A->B prepare 2nd');
    assert.deepEqual(
      session.stage?.kept.map(({ name }) => name),
      ['A->B prepare 1st'],
    );
    session.do('drop A->B prepare 1st');
    assert.deepEqual(names(), ['A->C prepare 1st']);
    session.do('bring back A->B prepare 1st');
    assert.deepEqual(names(), ['A->C prepare 1st', 'A->B prepare 1st']);
    assert.deepEqual(
      [1, 2, 3, 4, 11, 12, 21, 112].map(ordinal).join(' '),
      '1st 2nd 3rd 4th 11th 12th 21st 112th',
    );
  });

  test('five hundred commands are gone back over at once, and left in 50 ms', () => {
    const session = quietCluster();
    const random = new Random('long');
    while (session.script.length < 500) {
      const { flights = [] } = session.stage ?? {};
      const flight = flights[0];
      session.do(
        flight === undefined
          ? `submit ${random.pick(['A', 'B', 'C'])} v`
          : `deliver ${flight.name}`,
      );
    }
    /** The best of a few: other tests are at work, too. */
    const timeOf = (act: () => void) => {
      const times = Array.from({ length: 5 }, () => {
        const begin = performance.now();
        act();
        return performance.now() - begin;
      });
      return Math.min(...times);
    };
    const forwards = () => playAll(new Session(session.script));
    forwards();
    const shown = timeOf(() => {
      session.goTo({ item: session.script.length, moment: END });
      session.goTo({ item: 250, moment: END });
    });
    const fresh = timeOf(forwards);
    assert.ok(shown < Math.max(50, fresh / 4), `${shown} ms; anew ${fresh} ms`);
    const branched = timeOf(() => {
      session.goTo({ item: 499, moment: END });
      session.do('wait 1');
    });
    assert.ok(branched < Math.max(50, 3 * fresh), `${branched} ms; anew ${fresh} ms`);
  });
});
