/** The playground without a browser: playing by itself, addresses, goals. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { suite, test } from 'node:test';
import { deflateRawSync } from 'node:zlib';
import { convert, LoggerManager, MemoryLogger } from '@asciidoctor/core';
import { Autopilot, STOPS, stopIn } from '../src/playground/autopilot.ts';
import { choiceIn, commandsOf } from '../src/playground/choice.ts';
import { commandsNow } from '../src/playground/completion.ts';
import { trySeed } from '../src/playground/find.ts';
import { GOALS } from '../src/playground/goals.ts';
import { readScript, writeScript } from '../src/playground/script.ts';
import { Session } from '../src/playground/session.ts';
import { fragmentOf, wantedIn } from '../src/playground/share.ts';
import { ALL_BREAKS, breakNamed } from '../src/simulation/broken/all.ts';
import type { Break } from '../src/simulation/broken/layers.ts';
import { Random } from '../src/simulation/random.ts';
import { COMMANDS, tellStory } from '../src/simulation/story.ts';
import { SOLUTIONS, TOO_CHEAP } from './solutions.ts';

const MOST_SEEDS = 400;
/** One that falls now, only because of servers that are bad for ever. */
const UNTOLD_SEED = 33;
const DIRECTORY = new URL('stories/', import.meta.url);

function begun(...commands: readonly string[]): Session {
  const session = new Session();
  for (const command of commands) session.do(command);
  return session;
}

function playBy(autopilot: Autopilot, session: Session, steps: number): void {
  for (let step = 0; step < steps && session.stage !== null; step += 1) {
    for (const command of autopilot.next(session.stage)) session.do(command);
  }
}

suite('Playing by itself', () => {
  test('one seed is one run, and its commands are a story', () => {
    const play = (seed: number) => {
      const session = begun('cluster A B C with leases', 'start A B C', 'submit A hello');
      playBy(new Autopilot(seed), session, 120);
      return session;
    };
    const [one, again, other] = [play(1), play(1), play(2)];
    assert.deepEqual(one.script, again.script);
    assert.notDeepEqual(one.script, other.script);
    assert.ok(one.events.some(({ event }) => event === 'chosen'));
    const copy = Session.ofStory(one.story());
    while (copy.hasNext) copy.next();
    assert.deepEqual(copy.events, one.events);
  });

  test('whatever is under way arrives within its delays', () => {
    const session = begun('cluster A B C', 'start A B C');
    const autopilot = new Autopilot('delays', { minMs: 20, maxMs: 80 });
    const sentMs = new Map<string, number>();
    for (let step = 0; step < 60; step += 1) {
      const { flights = [], nowMs = 0 } = session.stage ?? {};
      const keys = flights.map(({ from, to, seq }) => `${from}${to}${seq}`);
      for (const key of keys) sentMs.set(key, sentMs.get(key) ?? nowMs);
      for (const key of keys) assert.ok(nowMs - (sentMs.get(key) ?? 0) <= 80);
      if (step === 20) session.do('submit B x');
      playBy(autopilot, session, 1);
    }
    assert.ok(sentMs.size > 10);
  });

  test('one seed is one play, also for whoever goes back and plays again', () => {
    const session = begun('cluster A B C seed 7', 'start A B C', 'deliver all', 'submit A hello');
    const place = session.place;
    const play = () => {
      playBy(new Autopilot('7'), session, 30);
      return session.script;
    };
    const first = play();
    session.goTo(place);
    session.do('drop A->C prepare');
    session.undo();
    const again = play();
    assert.deepEqual(again, first);
  });

  test('a seed is of the story, as the rest of a choice is', () => {
    const plain = { servers: 3, store: false, leases: false, members: false };
    const choices = [
      { ...plain, seed: null, broken: null },
      { ...plain, servers: 5, leases: true, seed: '7', broken: null },
      { ...plain, store: true, members: true, seed: '12', broken: null },
      ...['quorum-of-one', 'said-before-sync', 'lease-ends-with-member', 'applies-twice'].map(
        (name) => {
          const broken = breakNamed(name);
          assert.ok(broken !== null);
          const { servers, store = false, leases, members = false } = broken;
          return { servers, store, leases, members, seed: null, broken };
        },
      ),
    ];
    for (const choice of choices) {
      const session = begun(...commandsOf(choice));
      assert.deepEqual(choiceIn(session.script), choice);
      assert.ok(session.stage?.cards.every(({ condition }) => condition === 'running'));
      assert.equal(session.stage?.hasMembers, choice.members);
    }
    assert.match(commandsOf(choices[1] as (typeof choices)[0])[0] ?? '', / seed 7$/);
  });

  test('nothing to do is nothing done', () => {
    assert.deepEqual(new Autopilot(1).next(begun('cluster A B C').stage as never), []);
  });

  test('it can be stopped at what somebody waits for', () => {
    const session = begun('cluster A B C with leases', 'start A B C');
    playBy(new Autopilot(3), session, 100);
    assert.equal(stopIn(session.events, new Set(['master']))?.stop, 'master');
    assert.equal(stopIn(session.events, new Set()), null);
    assert.ok(STOPS.length === 4);
  });
});

suite('Commands that complete what somebody types', () => {
  const KINDS = ['of stores with leases', 'with members A B C', 'with journals', 'with leases'];
  const sessions = KINDS.flatMap((kind) =>
    [['submit A hello', 'keep A->C prepare'], ['crash A'], ['pause B'], ['sleep C']].map(
      (commands) => begun(`cluster A B C ${kind}`, 'start A B C', 'cut A->B', ...commands),
    ),
  );

  test('can be done', () => {
    for (const session of sessions) {
      const { place } = session;
      for (const command of commandsNow(session.stage)) {
        session.do(command.replace('…', 'hello'));
        session.goTo(place);
      }
    }
  });

  test('are all that a story knows', () => {
    const known = [null, ...sessions.map(({ stage }) => stage)].flatMap(commandsNow);
    const usages = COMMANDS.flatMap(([usage]) => usage.replace(' / plain', '').split(' / '));
    const verbs = usages
      .map((usage) => /^[a-z-]+(?: [a-z]+)*/.exec(usage)?.[0] ?? '')
      .map((words) => words.replace(/ (?:hello|all)$/, ''));
    assert.ok(verbs.length > 40);
    const missing = verbs.filter((verb) => !known.some((command) => command.startsWith(verb)));
    assert.deepEqual(missing, []);
  });
});

suite('A story in an address', () => {
  for (const name of readdirSync(DIRECTORY)) {
    test(`${name} comes back as it was`, async () => {
      const text = writeScript(readScript(readFileSync(new URL(name, DIRECTORY), 'utf8')));
      const fragment = await fragmentOf(text);
      assert.deepEqual(await wantedIn(fragment), { kind: 'story', text });
      assert.ok(fragment.length < 2_500);
    });
  }

  test('two hundred commands fit into 8,000 characters', async () => {
    const random = new Random('commands');
    const commands = Array.from({ length: 200 }, () => {
      const [from, to] = [random.pick([...'ABCDE']), random.pick([...'ABCDE'])];
      const types = ['prepare', 'promise', 'accept', 'accepted', 'nack'];
      const verb = random.pick(['deliver', 'drop', 'hold back', 'repeat']);
      return `${verb} ${from}->${to} ${random.pick(types)} ${1 + random.below(9)}th`;
    });
    assert.ok((await fragmentOf(commands.join('\n\n'))).length < 8_000);
  });

  test('exercises and goals have short addresses', async () => {
    assert.deepEqual(await wantedIn('break=quorum-of-one'), {
      kind: 'break',
      name: 'quorum-of-one',
    });
    assert.deepEqual(await wantedIn('goal=first-value'), { kind: 'goal', name: 'first-value' });
    assert.deepEqual(await wantedIn('at=02-duel'), { kind: 'at', name: '02-duel', item: null });
    assert.deepEqual(await wantedIn('at=02-duel:12'), { kind: 'at', name: '02-duel', item: 12 });
    assert.equal(await wantedIn(''), null);
  });

  test('one that is cut, damaged, hostile or huge is refused in a sentence', async () => {
    const good = await fragmentOf('cluster A B C\n\nstart A B C\n');
    for (let length = 7; length < good.length; length += 1) {
      await assert.rejects(wantedIn(good.slice(0, length)), /cut off or damaged/);
    }
    const random = new Random('hostile');
    for (let i = 0; i < 200; i += 1) {
      const place = 6 + random.below(good.length - 6);
      const bad = `${good.slice(0, place)}${random.pick([...'AZaz09-_'])}${good.slice(place + 1)}`;
      await wantedIn(bad).catch((error: Error) =>
        assert.match(error.message, /cut off or damaged/),
      );
    }
    for (const bad of [
      'story=',
      'story=<script>',
      'goal=../../x y',
      'at=02-duel:x',
      'at=a:1:2',
      'nonsense',
      '%00',
      'break=',
    ]) {
      await assert.rejects(wantedIn(bad), /^Error: (?:this address|the story in this address)/);
    }
    const bomb = deflateRawSync(Buffer.alloc(50_000_000, 'a')).toString('base64url');
    await assert.rejects(wantedIn(`story=${bomb}`), /longer than anybody plays/);
  });
});

/** The first run from this seed on that breaks a rule and can be told. */
function firstStory(rule: Break, from: number): string {
  for (let seed = from; seed < from + MOST_SEEDS; seed += 1) {
    const story = trySeed(rule, seed)?.story ?? null;
    if (story !== null) return story;
  }
  return '';
}

suite('Looking for a violation', () => {
  // Each with a seed that falls now, which spares a long search, and what the story must say.
  const told = [
    ['quorum-of-one', 1, /^cluster A B C seed [0-9]+$/m],
    ['promises-to-anybody', 180, /^cluster A B C with leases clocks [A-C] [0-9.]+/m],
    ['number-one-again', 40, /^cluster A B C with leases/m],
    ['anybody-answers', 37, /^cluster A B C with leases/m],
    ['amnesia', 1, /^lose disk [A-C]$[\s\S]*^rejoin [A-C]$/m],
    ['no-checksum', 1, /^flip a bit at [A-C]$/m],
    [
      'mode-unsaid',
      3,
      /^switch to plain\n\nstart [A-C]\n\nswitch to leases\n\nbreak mode-unsaid$/m,
    ],
    ['every-instance', 1, /^forge [A-C]->[A-C] /m],
    ['everybody-votes', 1, /^cluster A B C D E F G with members A B C seed 1$/m],
    ['said-before-sync', 1, /^cluster A B C with journals seed 1$/m],
    ['jumps-over-links', 3, /^cluster A B C of stores seed [0-9]+$/m],
  ] as const;
  for (const [name, seed, begins] of told) {
    test(`a run that breaks ${name} becomes a story that violates the same`, () => {
      const rule = breakNamed(name);
      assert.ok(rule !== null);
      const story = firstStory(rule, seed);
      assert.match(story, begins);
      const { violations, text } = tellStory(story);
      assert.ok(violations.some(({ invariant }) => rule.invariants.includes(invariant)));
      assert.equal(tellStory(text).text, text);
    });
  }

  test('a run that no story can tell is one all the same', () => {
    const rule = breakNamed('repetition-is-news');
    assert.ok(rule !== null);
    const found = trySeed(rule, UNTOLD_SEED);
    assert.deepEqual([found?.invariant, found?.story], [10, null]);
  });

  test('a seed that keeps all invariants is none', () => {
    const rule = breakNamed('promises-to-anybody');
    assert.ok(rule !== null);
    assert.ok([1, 2, 3, 4, 5].some((seed) => trySeed(rule, seed) === null));
  });
});

suite('A cluster of a story', () => {
  test('has clocks of its own, and whoever may overstay by them is not blamed', () => {
    const clocks = 'clocks A 0.25 C 2';
    const commands = ['start A B C', 'deliver all', 'wait 1500', 'deliver all'];
    const session = begun(`cluster A B C with leases ${clocks}`, ...commands);
    const timers = session.events.filter(({ event }) => event === 'timer');
    assert.equal(timers[0]?.server, 'C'); // the fastest is the first to stand
    assert.deepEqual(session.violations, []);
  });

  test('says in a sentence which clocks, and which breaks, it cannot have', () => {
    const wrong: [readonly string[], RegExp][] = [
      [['cluster A B clocks C 2'], /^there is no server C$/],
      [['cluster A B clocks A 0'], /^a clock runs at 0\.1 to 10 times the true rate, not 0$/],
      [['cluster A B clocks A ..'], /not \.\.$/],
      [['cluster A B clocks'], /is not a command of stories/],
      [['cluster A B', 'break applies-twice'], /in a cluster of stores without leases only$/],
      [['cluster A B of stores', 'break first-value'], /of servers without leases only$/],
    ];
    for (const [commands, why] of wrong) assert.throws(() => begun(...commands), { message: why });
  });
});

suite('Goals', () => {
  test('there are at least twelve, from easy to hard, each with hints', () => {
    assert.ok(GOALS.length >= 12);
    assert.equal(new Set(GOALS.map(({ name }) => name)).size, GOALS.length);
    const levels = GOALS.map(({ level }) => level);
    assert.deepEqual(levels, levels.toSorted());
    for (const { hints, task, lesson } of GOALS) {
      assert.ok(hints.length >= 2 && task !== '' && lesson !== '');
    }
    assert.deepEqual(Object.keys(SOLUTIONS).sort(), GOALS.map(({ name }) => name).sort());
  });

  for (const goal of GOALS) {
    test(`${goal.name} can be reached, and is not reached before`, () => {
      const session = Session.ofStory(goal.story);
      while (session.hasNext) session.next();
      const solution = readScript(SOLUTIONS[goal.name] ?? '').map(({ text }) => text);
      for (const command of solution) {
        assert.equal(goal.isReached(session), false, `before ${command}`);
        session.do(command);
      }
      assert.equal(goal.isReached(session), true, session.story());
    });
  }
});

suite('A goal that is not reached', () => {
  for (const [name, commands] of TOO_CHEAP) {
    test(`${name} asks for more than ${commands.trim().replaceAll('\n', ', ')}`, () => {
      const goal = GOALS.find((known) => known.name === name);
      const session = Session.ofStory(
        `${goal?.story}\n${commands.trim().replaceAll('\n', '\n\n')}`,
      );
      while (session.hasNext) session.next();
      assert.equal(goal?.isReached(session), false, session.story());
    });
  }
});

suite('The chapter about the playground', () => {
  const chapter = readFileSync(new URL('../src/playground/README.adoc', import.meta.url), 'utf8');
  const words = (text: string) => text.replaceAll(/\s+/g, ' ');

  test('has nothing that Asciidoctor minds', async () => {
    const log = MemoryLogger.create();
    LoggerManager.logger = log;
    await convert(chapter, { safe: 'safe', standalone: true });
    assert.deepEqual(log.getMessages(), []);
  });

  test('lists all goals, as the page does', () => {
    for (const { name, task } of GOALS) {
      assert.ok(words(chapter).includes(words(`| \`${name}\` | ${task}`)), name);
    }
  });

  test('links to what there is', async () => {
    const links = [...chapter.matchAll(/`#((?:at|break|goal)=[^`]+)`/g)].map(
      ([, link = '']) => link,
    );
    assert.equal(links.length, 4);
    for (const link of links) {
      const wanted = await wantedIn(link);
      assert.ok(wanted !== null && wanted.kind !== 'story');
      const names = {
        at: readdirSync(DIRECTORY).map((file) => file.replace(/\.txt$/, '')),
        break: ALL_BREAKS.map(({ name }) => name),
        goal: GOALS.map(({ name }) => name),
      };
      assert.ok(names[wanted.kind].includes(wanted.name), link);
    }
  });
});
