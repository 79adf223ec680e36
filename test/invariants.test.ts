import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { chainOf, EMPTY_CHAIN, type Link, type SingleLink } from '../src/chain.ts';
import { UNTOUCHED } from '../src/composable-paxos.ts';
import { lostState } from '../src/state.ts';
import type { TraceEvent, WorldEvent } from '../src/trace/events.ts';
import { Beginning } from '../src/trace/fold.ts';
import { INVARIANTS, Invariants, type Violation } from '../src/trace/invariants.ts';
import { RecentMap } from '../src/trace/recent.ts';
import { HandMadeRun, id, LEASES, lease, UIDS, update } from './hand-made-run.ts';

type Advance = TraceEvent & { event: 'advance' };

const X = update('x', 'A', 1);
const Y = update('y', 'B', 1);
const Z = update('z', 'A', 2);

function violationsOf(run: HandMadeRun, invariants = new Invariants(run.uids)): Violation[] {
  return run.events.flatMap((event) => invariants.observe(event) ?? []);
}

function holds(run: HandMadeRun): void {
  assert.deepEqual(violationsOf(run), []);
}

/** The last event of the run, and nothing else, violates this invariant, and no other. */
function breaks(invariant: number, run: HandMadeRun, why: RegExp): void {
  const violations = violationsOf(run);
  assert.deepEqual(
    violations.map((violation) => [violation.invariant, violation.event]),
    [[invariant, run.last]],
    violations.map((violation) => violation.why).join('; '),
  );
  assert.match(violations[0]?.why ?? '', why);
  assert.equal(violations[0]?.sentence, INVARIANTS[invariant - 1]?.sentence);
}

/** A run in which x was chosen in instance 1 and learned by all. */
function afterX(): HandMadeRun {
  return new HandMadeRun().startAll().ask('A', X).round(id(2, 'A'), X);
}

/** A run with leases in which A holds the first one, for 9,000 ms. */
function underA(): HandMadeRun {
  const run = new HandMadeRun().startAll(LEASES).ask('A', lease('A'));
  return run.round(id(2, 'A'), lease('A')).sayLease('A', 'ours', 9_000);
}

test('The invariants are numbered from 1 to 12, as everywhere else', () => {
  const numbers = INVARIANTS.map(({ number }) => number);
  assert.deepEqual(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
});

suite('A run that keeps all rules has no violation', () => {
  test('with one round', () => holds(afterX().sayUpdate('A', 'chosen', X, -1)));

  test('with a crash, a value finished by another, and a catch-up over two links', () => {
    const run = new HandMadeRun().startAll().ask('A', X).prepare('A', id(2, 'A'));
    run.promise('B', id(2, 'A')).lead('A', id(2, 'A')).sendAccept('A', id(2, 'A'), X);
    run.accept('A', id(2, 'A'), X).crash('A').crash('C');
    // A has the only copy of x. It restarts, and C with it; B finishes x.
    run.start('A').start('C').prepare('B', id(3, 'B')).promise('A', id(3, 'B'));
    run.lead('B', id(3, 'B'), X).sendAccept('B', id(3, 'B'), X);
    run.accept('A', id(3, 'B'), X).accept('B', id(3, 'B'), X);
    run.learn('A', id(3, 'B'), X).learn('B', id(3, 'B'), X);
    run.ask('B', Y).round(id(2, 'B'), Y, ['A', 'B']).catchUp('C', 'B');
    holds(run);
    assert.equal(run.state('C').instanceNumber, 3);
  });

  test('with a crash between moving on and saving that', () => {
    const run = new HandMadeRun().startAll().ask('A', X).prepare('A', id(2, 'A'));
    run.promise('B', id(2, 'A')).lead('A', id(2, 'A')).sendAccept('A', id(2, 'A'), X);
    run.accept('A', id(2, 'A'), X).accept('B', id(2, 'A'), X).learn('B', id(2, 'A'), X);
    run.sayChosen('A', id(2, 'A'), X).sayAdvance('A', X, run.state('B')).crash('A');
    holds(run.start('A').catchUp('A', 'B'));
  });

  test('with two servers that both ask for the same value', () => {
    const again = update('x', 'B', 1);
    holds(afterX().ask('B', again).round(id(2, 'B'), again));
  });

  test('with a past that was not traced', () => {
    const run = new HandMadeRun();
    const before = { currentValue: 'old', latestUpdateIds: { B: 'B-00000000-9' } };
    const accepted = { promisedId: id(2, 'A'), acceptedId: id(2, 'A'), acceptedValue: X };
    for (const uid of UIDS) run.start(uid, [], { ...before, instanceNumber: 7, ...accepted });
    holds(run.learn('A', id(2, 'A'), X).catchUp('C', 'A'));
  });

  test('with one that was not traced on only some of the servers', () => {
    const run = new HandMadeRun().startAll();
    run.ask('B', Y).promise('C', id(2, 'B')).accept('A', id(2, 'B'), Y).accept('C', id(2, 'B'), Y);
    run.learn('A', id(2, 'B'), Y).learn('C', id(2, 'B'), Y);
    run.catchUp('B', 'C').sayUpdate('B', 'chosen', Y, -1);
    const seen = run.events.filter(({ server }) => server === 'B');
    const invariants = new Invariants(UIDS, ['B']);
    assert.deepEqual(
      seen.map((event) => invariants.observe(event)).filter((violation) => violation !== null),
      [],
    );
  });

  test('with a lease that is renewed, handed back, and goes to another', () => {
    const run = underA()
      .ask('A', X)
      .wait(4_000)
      .lead('A', id(1, 'A'))
      .sendAccept('A', id(1, 'A'), X);
    for (const uid of UIDS) run.accept(uid, id(1, 'A'), X);
    for (const uid of UIDS) run.learn(uid, id(1, 'A'), X);
    const renewed = lease('A', 2);
    run.ask('A', renewed).round(id(1, 'A'), renewed).sayLease('A', 'ours', 8_990).wait(7_000);
    // Those who know that the lease is free need not wait until A knows it, too.
    const back = lease('A', 3, null);
    run.ask('A', back).lead('A', id(1, 'A')).sendAccept('A', id(1, 'A'), back);
    for (const uid of UIDS) run.accept(uid, id(1, 'A'), back);
    run.learn('B', id(1, 'A'), back).learn('C', id(1, 'A'), back);
    const next = lease('B');
    run.ask('B', next).round(id(2, 'B'), next, ['B', 'C']);
    holds(run.sayLease('B', 'ours', 9_000).sayLease('C', 'theirs', 0));
  });
});

suite('1 Agreement', () => {
  test('a second value accepted by a quorum', () => {
    const run = new HandMadeRun().startAll().ask('A', X).ask('B', Y);
    run.accept('A', id(2, 'A'), X).accept('B', id(2, 'A'), X);
    run.accept('C', id(3, 'B'), Y);
    holds(run);
    const saved = { promisedId: id(3, 'B'), acceptedId: id(3, 'B'), acceptedValue: Y };
    breaks(1, run.save('B', saved).sayAccept('B', id(3, 'B'), Y), /quorum accepted "x".*"y"/);
  });

  test('a second value of which a restarted disk completes the quorum', () => {
    const run = new HandMadeRun().startAll().ask('A', X).ask('B', Y);
    run.accept('A', id(2, 'A'), X).accept('B', id(2, 'A'), X);
    run.accept('C', id(3, 'B'), Y).crash('B');
    const saved = { promisedId: id(3, 'B'), acceptedId: id(3, 'B'), acceptedValue: Y };
    breaks(1, run.start('B', [], saved), /quorum/);
  });

  test('not broken by the same value under another id', () => {
    const run = new HandMadeRun().startAll().ask('A', X);
    for (const uid of UIDS) run.accept(uid, id(2, 'A'), X);
    for (const uid of UIDS) run.accept(uid, id(3, 'B'), X);
    holds(run);
  });
});

suite('2 Stability', () => {
  test('a value announced before a quorum has accepted it', () => {
    const run = new HandMadeRun().startAll().ask('A', X).accept('A', id(2, 'A'), X);
    breaks(2, run.sayChosen('A', id(2, 'A'), X), /no quorum/);
  });

  test('a server that accepts twice is still one', () => {
    const run = new HandMadeRun().startAll().ask('A', X);
    run.accept('A', id(2, 'A'), X).accept('A', id(2, 'A'), X);
    breaks(2, run.sayChosen('B', id(2, 'A'), X), /no quorum/);
  });

  test('another value announced than was chosen', () => {
    const run = new HandMadeRun().startAll().ask('A', X).ask('B', Y);
    run.accept('A', id(2, 'A'), X).accept('B', id(2, 'A'), X);
    breaks(2, run.sayChosen('C', id(2, 'A'), Y), /"x".* was chosen/);
  });

  test('another text under the id of the link that was chosen', () => {
    const run = new HandMadeRun().startAll().ask('A', X);
    run.accept('A', id(2, 'A'), X).accept('B', id(2, 'A'), X);
    breaks(2, run.sayChosen('C', id(2, 'A'), update('y', 'A', 1)), /"x".* was chosen/);
  });

  test('a jump to where nobody is yet', () => {
    const run = new HandMadeRun().startAll();
    const there = { instanceNumber: 5, ...EMPTY_CHAIN };
    const message = { type: 'catchup', ...there } as const;
    run.tell('C', { event: 'receive', from: 'A', seq: 1, message });
    breaks(2, run.sayAdvance('C', null, there), /nothing is chosen yet in instance 4/);
  });
});

suite('3 Validity', () => {
  test('a value that no client asked for', () => {
    const run = new HandMadeRun().startAll().accept('A', id(2, 'A'), X);
    const saved = { promisedId: id(2, 'A'), acceptedId: id(2, 'A'), acceptedValue: X };
    breaks(3, run.save('B', saved).sayAccept('B', id(2, 'A'), X), /nobody asked for "x"/);
  });

  test('a value that was asked for at another server', () => {
    const run = new HandMadeRun().startAll().ask('B', X).accept('A', id(2, 'A'), X);
    const saved = { promisedId: id(2, 'A'), acceptedId: id(2, 'A'), acceptedValue: X };
    breaks(3, run.save('B', saved).sayAccept('B', id(2, 'A'), X), /nobody asked for "x"/);
  });

  test('a value that was refused', () => {
    const run = new HandMadeRun().startAll();
    const message = { type: 'propose', value: 'x' } as const;
    run.tell('A', { event: 'receive', from: null, seq: 0, message });
    run.sayUpdate('A', 'refused', X, 0).accept('A', id(2, 'A'), X);
    const saved = { promisedId: id(2, 'A'), acceptedId: id(2, 'A'), acceptedValue: X };
    breaks(3, run.save('B', saved).sayAccept('B', id(2, 'A'), X), /nobody asked for "x"/);
  });

  test('a lease that nobody wanted', () => {
    const link = lease('A');
    const run = new HandMadeRun().startAll(LEASES).accept('A', id(2, 'A'), link);
    const saved = { promisedId: id(2, 'A'), acceptedId: id(2, 'A'), acceptedValue: link };
    breaks(3, run.save('B', saved).sayAccept('B', id(2, 'A'), link), /nobody asked for lease/);
  });
});

suite('4 One id, one value', () => {
  test('an id sent with two values', () => {
    const run = new HandMadeRun().startAll().ask('A', X).ask('A', Z);
    run.prepare('A', id(2, 'A')).promise('B', id(2, 'A')).sendAccept('A', id(2, 'A'), X);
    breaks(4, run.sendAccept('A', id(2, 'A'), Z), /2\.A stands for "x".*"z"/);
  });

  test('an id accepted with another value than it was sent with', () => {
    const run = new HandMadeRun().startAll().ask('A', X).prepare('A', id(2, 'A'));
    run.promise('B', id(2, 'A')).sendAccept('A', id(2, 'A'), X);
    const saved = { promisedId: id(2, 'A'), acceptedId: id(2, 'A'), acceptedValue: Z };
    breaks(4, run.save('B', saved).sayAccept('B', id(2, 'A'), Z), /2\.A stands for "x".*"z"/);
  });

  test('not broken by another instance', () => {
    holds(afterX().ask('A', Z).round(id(2, 'A'), Z));
  });
});

suite('5 Promises only grow', () => {
  test('a lower promise on disk', () => {
    const run = new HandMadeRun().startAll().promise('A', id(3, 'B'));
    breaks(5, run.save('A', { promisedId: id(2, 'C') }), /promised 2\.C.*3\.B/);
  });

  test('a promise forgotten in a crash', () => {
    const run = new HandMadeRun().startAll().promise('A', id(3, 'B')).crash('A');
    breaks(5, run.start('A', [], { promisedId: null }), /promised nothing.*3\.B/);
  });

  test('an accepted value forgotten in a crash', () => {
    const run = new HandMadeRun().startAll().ask('B', Y).accept('A', id(3, 'B'), Y).crash('A');
    const forgotten = { acceptedId: null, acceptedValue: null };
    breaks(5, run.start('A', [], forgotten), /accepted nothing.*3\.B/);
  });

  test('an accepted id above the promise', () => {
    const run = new HandMadeRun().startAll().promise('A', id(2, 'A'));
    const saved = { acceptedId: id(3, 'B'), acceptedValue: Y };
    breaks(5, run.save('A', saved), /accepted 3\.B, but promised 2\.A/);
  });

  test('a promise below one that was given', () => {
    const run = new HandMadeRun().startAll().promise('A', id(3, 'B'));
    const promise = { to: 'C', instanceNumber: 1, proposalId: id(2, 'C') };
    breaks(5, run.tell('A', { event: 'promise', ...promise }), /promised 3\.B before/);
  });

  const lost = lostState('B', UIDS);

  test('a vote of a server that has lost its disk', () => {
    const run = afterX()
      .crash('B')
      .start('B', [], lost)
      .save('B', { promisedId: id(2, 'A') });
    const promise = { to: 'A', instanceNumber: 1, proposalId: id(2, 'A') };
    breaks(5, run.tell('B', { event: 'promise', ...promise }), /lost its votes, and votes/);
  });

  test('a vote that comes back where it was given before', () => {
    const run = afterX().promise('B', id(2, 'A')).crash('B').start('B', [], lost);
    breaks(5, run.save('B', { votesFrom: 2 }), /will vote from 2 on, and has voted in instance 2/);
  });

  test('not broken by a vote that comes back later, nor by what such a server learns', () => {
    const run = afterX().promise('B', id(2, 'A')).crash('B').start('B', [], lost);
    holds(run.save('B', { votesFrom: 3 }).sayChosen('B', id(2, 'A'), X));
  });

  test('not broken by the next instance, which begins anew', () => {
    holds(new HandMadeRun().startAll().ask('A', X).round(id(9, 'A'), X).promise('B', id(2, 'C')));
  });
});

suite('6 Say it, save it', () => {
  test('a promise sent before it is saved', () => {
    const run = new HandMadeRun().startAll();
    breaks(6, run.sendPromise('B', id(2, 'A')), /promised nothing/);
  });

  test('a prepare sent before the promise to oneself is saved', () => {
    const run = new HandMadeRun().startAll().promise('A', id(2, 'A'));
    breaks(6, run.sendPrepare('A', id(3, 'A')), /promised 2\.A/);
  });

  test('an accepted sent before it is saved', () => {
    const run = new HandMadeRun().startAll().ask('A', X).promise('B', id(2, 'A'));
    breaks(6, run.sendAccepted('B', id(2, 'A'), X), /accepted nothing/);
  });

  test('a promise that names what is not saved', () => {
    const run = new HandMadeRun().startAll().ask('A', X).promise('B', id(3, 'C'));
    const named = { lastAcceptedId: id(2, 'A'), lastAcceptedValue: X };
    const promise = { instanceNumber: 1, proposalId: id(3, 'C'), ...named };
    const message = { type: 'promise', ...promise } as const;
    breaks(6, run.tell('B', { event: 'send', to: ['C'], seq: 99, message }), /accepted nothing/);
  });

  test('a promise in an instance that the disk has not reached', () => {
    const run = new HandMadeRun().startAll();
    const message = { type: 'prepare', instanceNumber: 2, proposalId: id(2, 'A') } as const;
    breaks(6, run.tell('A', { event: 'send', to: ['B'], seq: 99, message }), /still at instance 1/);
  });

  test('not broken by what a restarted server finds on its disk', () => {
    const run = new HandMadeRun().startAll().promise('B', id(2, 'A')).crash('B').start('B');
    holds(run.sendPromise('B', id(2, 'A')));
  });
});

suite('7 The chain only grows', () => {
  test('a server that comes back in an earlier instance', () => {
    const run = afterX().crash('B');
    breaks(
      7,
      run.start('B', [], { instanceNumber: 1, ...EMPTY_CHAIN }),
      /back from instance 2 to 1/,
    );
  });

  test('a disk that goes back', () => {
    const run = afterX();
    breaks(7, run.save('B', { instanceNumber: 1, ...EMPTY_CHAIN }), /at instance 2.* says 1/);
  });

  test('a disk that skips a link', () => {
    const run = new HandMadeRun().startAll().ask('A', X).round(id(2, 'A'), X, ['A', 'B']);
    run.ask('A', Z).round(id(2, 'A'), Z, ['A', 'B']);
    breaks(7, run.save('C', { ...run.state('A'), uid: 'C' }), /at instance 1.* says 3/);
  });

  test('a jump that no catch-up told of', () => {
    const run = new HandMadeRun().startAll().ask('A', X).round(id(2, 'A'), X, ['A', 'B']);
    breaks(7, run.sayAdvance('C', null, run.state('A')), /no catch-up/);
  });

  test('an advance over two instances by one link', () => {
    const run = new HandMadeRun().startAll().ask('A', X).round(id(2, 'A'), X, ['A', 'B']);
    run.ask('A', Z).round(id(2, 'A'), Z, ['A', 'B']).hearCatchUp('C', 'A');
    breaks(7, run.sayAdvance('C', Z, run.state('A')), /skips from instance 1 to 3/);
  });

  test('an advance that does not advance', () => {
    breaks(7, afterX().sayAdvance('A', X), /back from instance 2 to 2/);
  });
});

suite('8 One master', () => {
  test('two servers that believe in their leases', () => {
    const next = lease('B');
    const run = underA().ask('B', next).round(id(2, 'B'), next, ['B', 'C']);
    breaks(8, run.sayLease('B', 'ours', 9_000), /A and B believe/);
  });

  for (const end of ['over', 'crash', 'stop', 'fail', 'restart', 'time'] as const) {
    test(`a lease ends by ${end}`, () => {
      const next = lease('B');
      const run = underA().ask('B', next).round(id(2, 'B'), next, ['B', 'C']);
      if (end === 'over') run.sayLease('A', 'over', 0);
      if (end === 'crash') run.crash('A');
      if (end === 'stop') run.tell('A', { event: 'stop' });
      if (end === 'fail') run.tell('A', { event: 'fail', why: 'the disk is full' });
      if (end === 'restart') run.start('A', LEASES);
      if (end === 'time') run.wait(9_000);
      holds(run.sayLease('B', 'ours', 9_000));
    });
  }

  test('an update proposed by a server that never was master', () => {
    const run = underA().ask('B', Y).prepare('B', id(2, 'B')).promise('C', id(2, 'B'));
    run.lead('B', id(2, 'B'));
    breaks(8, run.sendAccept('B', id(2, 'B'), Y), /B proposes "y".* not master/);
  });

  test('an update proposed long after the lease', () => {
    const run = underA().ask('A', X).wait(9_500).lead('A', id(1, 'A'));
    breaks(8, run.sendAccept('A', id(1, 'A'), X), /A proposes "x".* not master/);
  });

  test('not broken by sending again what was proposed as master', () => {
    const run = underA().ask('A', X).lead('A', id(1, 'A')).sendAccept('A', id(1, 'A'), X);
    holds(run.wait(9_500).sayLease('A', 'over', 0).sendAccept('A', id(1, 'A'), X));
  });

  test("not broken by finishing the master's update", () => {
    const run = underA().ask('A', X).lead('A', id(1, 'A')).sendAccept('A', id(1, 'A'), X);
    run.accept('C', id(1, 'A'), X).prepare('B', id(2, 'B')).promise('C', id(2, 'B'));
    holds(run.lead('B', id(2, 'B'), X).sendAccept('B', id(2, 'B'), X));
  });

  test('not broken where there are no leases', () => {
    const run = new HandMadeRun().startAll().ask('B', Y).prepare('B', id(2, 'B'));
    run.promise('C', id(2, 'B')).lead('B', id(2, 'B'));
    holds(run.sendAccept('B', id(2, 'B'), Y));
  });

  /** A has leases and holds the first one; B and C have none. */
  const mixed = () => {
    const run = new HandMadeRun().start('A', LEASES).start('B').start('C');
    return run.ask('A', lease('A')).round(id(2, 'A'), lease('A')).sayLease('A', 'ours', 9_000);
  };

  test('an update proposed by a server without leases beside a master', () => {
    const run = mixed().ask('B', Y).prepare('B', id(2, 'B')).promise('C', id(2, 'B'));
    breaks(8, run.lead('B', id(2, 'B')).sendAccept('B', id(2, 'B'), Y), /B, which runs without/);
  });

  test('a mix of servers with and without leases is remarked, once', () => {
    const invariants = new Invariants(UIDS);
    assert.deepEqual(violationsOf(mixed(), invariants), []);
    assert.equal(invariants.remarks.length, 1);
    assert.match(invariants.remarks[0] ?? '', /^server A runs with .* and server B without: /);
  });

  test('a switch to leases, or back, is no mix, though nobody saw the servers end', () => {
    const after = [[], LEASES];
    for (const [before = [], now = []] of [after, after.toReversed()]) {
      const run = new HandMadeRun().startAll(before).ask('A', lease('A'));
      run.round(id(2, 'A'), lease('A')).startAll(now);
      if (now.length > 0) run.ask('B', lease('B')).round(id(2, 'B'), lease('B'));
      else run.ask('B', Y).round(id(2, 'B'), Y);
      const invariants = new Invariants(UIDS);
      assert.deepEqual(violationsOf(run, invariants), []);
      assert.deepEqual(invariants.remarks, []);
    }
  });
});

suite('9 No answer is a lie', () => {
  test('an update answered as chosen that is not', () => {
    const run = afterX().ask('A', Z);
    breaks(9, run.sayUpdate('A', 'chosen', Z, -1), /does not have it/);
  });

  test('an update answered as chosen twice', () => {
    const run = afterX().ask('A', X).sayUpdate('A', 'chosen', X, -1);
    holds(run);
    breaks(9, run.sayUpdate('A', 'chosen', X, -1), /not that often/);
  });

  test('an update answered as chosen under an id that is not', () => {
    const run = afterX();
    breaks(9, run.sayUpdate('A', 'chosen', update('x', 'A', 2), -1), /does not have it/);
  });

  test('a link chosen in two instances', () => {
    const run = afterX().accept('A', id(2, 'A'), X);
    const saved = { promisedId: id(2, 'A'), acceptedId: id(2, 'A'), acceptedValue: X };
    breaks(9, run.save('B', saved).sayAccept('B', id(2, 'A'), X), /second time/);
  });

  test('a value chosen twice under two ids, and asked for once', () => {
    const again = update('x', 'A', 2);
    const run = afterX().accept('A', id(2, 'A'), again);
    const saved = { promisedId: id(2, 'A'), acceptedId: id(2, 'A'), acceptedValue: again };
    breaks(9, run.save('B', saved).sayAccept('B', id(2, 'A'), again), /more often/);
  });

  test('a request answered with an instance in which it took no effect', () => {
    const requestId = '0123456789abcdef-1-1';
    const link = { update: 'x', id: 'A-00000001-1', request: requestId };
    const run = new HandMadeRun().startAll().ask('A', link).round(id(2, 'A'), link);
    const answer = (instanceNumber: number) => {
      const message = { type: 'chosen', requestId, instanceNumber } as const;
      return run.tell('B', { event: 'reply', to: 'a client', seq: 1, message });
    };
    holds(answer(1));
    breaks(9, answer(2), /took effect in instance 1/);
  });

  test('a read answered with a value that was not there', () => {
    const answer = (value: string | null) => {
      const told = { requestId: '0123456789abcdef-1-1', instanceNumber: 2, isCurrent: false };
      const message = { type: 'value', value, ...told } as const;
      return afterX().tell('A', { event: 'reply', to: 'a client', seq: 1, message });
    };
    holds(answer('x'));
    breaks(9, answer('y'), /tells "y", and before instance 2 it was "x"/);
    breaks(9, answer(null), /tells null/);
  });

  test('a value that waits no more and was never answered', () => {
    const run = afterX().ask('A', Z);
    breaks(9, run.sayUpdate('A', 'chosen', X, -2), /0 wait, and 1 have had no answer/);
  });
});

suite('10 Healing', () => {
  function endOf(run: HandMadeRun, healed: boolean): Violation | null {
    const invariants = new Invariants(run.uids);
    assert.deepEqual(violationsOf(run, invariants), []);
    return invariants.end(healed);
  }

  const behind = () => new HandMadeRun().startAll().ask('A', X).round(id(2, 'A'), X, ['A', 'B']);

  test('holds when all who run are level', () => assert.equal(endOf(afterX(), true), null));

  test('a server that is still behind', () => {
    const violation = endOf(behind(), true);
    assert.equal(violation?.invariant, 10);
    assert.equal(violation.event, null);
    assert.match(violation.why, /A at instance 2 and C at 1/);
  });

  test('is not asked of a server that is down, nor while faults go on', () => {
    assert.equal(endOf(behind().crash('C'), true), null);
    assert.equal(endOf(behind(), false), null);
  });

  test('a server that has another chain in the same instance', () => {
    const run = afterX();
    const invariants = new Invariants(run.uids);
    violationsOf(run, invariants);
    const other = { ...EMPTY_CHAIN, currentValue: 'y' };
    run.sayAdvance('C', X, { instanceNumber: 2, ...other });
    assert.notEqual(invariants.observe(run.last), null); // told already when it happens
    assert.match(invariants.end(true)?.why ?? '', /A and C have different chains/);
  });
});

suite('11 One state', () => {
  test('a chain on disk that is not what was chosen', () => {
    const run = new HandMadeRun().startAll().ask('A', X);
    run.accept('A', id(2, 'A'), X).accept('B', id(2, 'A'), X).learn('B', id(2, 'A'), X);
    run.sayAdvance('A', X, run.state('B'));
    const wrong = { instanceNumber: 2, ...EMPTY_CHAIN, ...UNTOUCHED };
    breaks(11, run.save('A', wrong), /has the digest .*, and what was chosen makes/);
  });

  test('a chain in memory that is not what was chosen', () => {
    const run = new HandMadeRun().startAll().ask('A', X);
    run.accept('A', id(2, 'A'), X).accept('B', id(2, 'A'), X).learn('A', id(2, 'A'), X);
    const chain = { ...EMPTY_CHAIN, currentValue: 'x', latestUpdateIds: { A: 'A-00000001-7' } };
    breaks(11, run.sayAdvance('B', X, { instanceNumber: 2, ...chain }), /digest/);
  });

  test('a bit that has flipped on the disk while the server was down', () => {
    breaks(11, afterX().crash('B').start('B', [], { currentValue: 'y' }), /digest/);
  });

  test('a jump to a chain that is not what was chosen, or not what its digest says', () => {
    const behind = new HandMadeRun().startAll().ask('A', X).round(id(2, 'A'), X, ['A', 'B']);
    const wrong = { ...behind.state('A'), currentValue: 'y' };
    breaks(11, behind.hearCatchUp('C', 'A').sayAdvance('C', null, wrong), /digest/);
    behind.events.pop();
    const { digest } = behind.hearCatchUp('C', 'A').sayAdvance('C', null, wrong).last as Advance;
    behind.events.pop();
    const { instanceNumber } = wrong;
    const chain = chainOf(behind.state('A'));
    behind.tell('C', { event: 'advance', instanceNumber, link: null, chain, digest });
    breaks(11, behind, /it says .* of a chain with the digest/);
  });

  test('two servers that differ, where the trace of the third is missing', () => {
    const run = new HandMadeRun().startAll().ask('A', X).round(id(2, 'A'), X, ['A', 'C']);
    run.hearCatchUp('B', 'C').sayAdvance('B', null, { ...run.state('C'), currentValue: 'y' });
    const seen = run.events.filter(({ server }) => server !== 'C');
    const invariants = new Invariants(UIDS, ['A', 'B']);
    const violations = seen.flatMap((event) => invariants.observe(event) ?? []);
    assert.deepEqual(
      violations.map(({ invariant, event }) => [invariant, event]),
      [[11, run.last]],
    );
  });
});

suite('12 Bound', () => {
  test('a value proposed with too few promises', () => {
    const run = new HandMadeRun().startAll().ask('A', X).prepare('A', id(2, 'A'));
    breaks(12, run.lead('A', id(2, 'A')).sendAccept('A', id(2, 'A'), X), /promises of 1 of 3/);
  });

  test('a promise that comes twice is still one', () => {
    const run = new HandMadeRun(['A', 'B', 'C', 'D', 'E']).startAll().ask('A', X);
    run.prepare('A', id(2, 'A')).promise('B', id(2, 'A')).promise('B', id(2, 'A'));
    breaks(12, run.sendAccept('A', id(2, 'A'), X), /promises of 2 of 5/);
  });

  test('a promise that was sent, and not received', () => {
    const run = new HandMadeRun().startAll().ask('A', X).prepare('A', id(2, 'A'));
    run.promise('B', id(2, 'A')).events.pop();
    breaks(12, run.sendAccept('A', id(2, 'A'), X), /promises of 1 of 3/);
  });

  test('the promise of another round', () => {
    const run = new HandMadeRun().startAll().ask('A', X).prepare('A', id(2, 'A'));
    run.prepare('A', id(3, 'A')).promise('B', id(2, 'A'));
    breaks(12, run.sendAccept('A', id(3, 'A'), X), /promises of 1 of 3/);
  });

  test('a value proposed under an id that is not that of the present round', () => {
    const run = new HandMadeRun().startAll().ask('A', X).prepare('A', id(2, 'A'));
    run.promise('B', id(2, 'A'));
    breaks(12, run.sendAccept('A', id(3, 'A'), X), /under 3\.A, which is not its present round/);
  });

  test('a round that a crash has ended', () => {
    const run = new HandMadeRun().startAll().ask('A', X).prepare('A', id(2, 'A'));
    run.promise('B', id(2, 'A')).crash('A').start('A');
    breaks(12, run.sendAccept('A', id(2, 'A'), X), /not its present round/);
  });

  /** B has accepted x under 2.A, C has accepted y under 3.C, and now A has all promises to 4.A. */
  const twoAccepted = () => {
    const run = new HandMadeRun().startAll().ask('A', X).ask('C', Z);
    run.accept('B', id(2, 'A'), X).accept('C', id(3, 'C'), Z);
    return run.prepare('A', id(4, 'A')).promise('B', id(4, 'A')).promise('C', id(4, 'A'));
  };

  test('its own value, though a promise named another', () => {
    const mine = update('mine', 'A', 9);
    breaks(12, twoAccepted().sendAccept('A', id(4, 'A'), mine), /bound to "z".* under 3\.C/);
  });

  test('the first value that a promise named, and not the highest', () => {
    breaks(12, twoAccepted().sendAccept('A', id(4, 'A'), X), /bound to "z".* under 3\.C/);
    holds(twoAccepted().sendAccept('A', id(4, 'A'), Z).sendAccept('A', id(4, 'A'), Z));
  });

  test('another value than it has accepted itself', () => {
    const run = new HandMadeRun().startAll().ask('B', Y).ask('A', X).accept('A', id(2, 'B'), Y);
    run.prepare('A', id(3, 'A')).promise('C', id(3, 'A'));
    breaks(12, run.sendAccept('A', id(3, 'A'), X), /bound to "y"/);
  });

  test('a server alone is a quorum, and is bound by itself', () => {
    const run = new HandMadeRun(['A']).startAll().ask('A', X).round(id(2, 'A'), X);
    holds(run);
    const saved = { promisedId: id(2, 'A'), acceptedId: id(2, 'A'), acceptedValue: Z };
    breaks(12, run.ask('A', Z).save('A', saved).sayAccept('A', id(2, 'A'), Z), /present round/);
  });

  test('the reserved number, taken by a server that the chain does not name', () => {
    breaks(12, underA().lead('B', id(1, 'B')), /reserved number, and the chain names A/);
    breaks(12, afterX().lead('B', id(1, 'B')), /the chain names nobody/);
  });

  test('the reserved number, taken for a lease of an earlier run', () => {
    const run = underA().crash('A').start('A', LEASES);
    breaks(12, run.lead('A', id(1, 'A')), /did not ask for in this run/);
  });

  test('the reserved number, taken where it has promised already', () => {
    const run = underA().promise('A', id(2, 'B'));
    breaks(12, run.lead('A', id(1, 'A')), /has promised 2\.B in this instance/);
  });

  test('an id that is prepared again in another life falls under 4', () => {
    const run = new HandMadeRun().startAll().prepare('A', id(2, 'A')).crash('A').start('A');
    const promise = { to: 'A', instanceNumber: 1, proposalId: id(2, 'A') };
    breaks(4, run.tell('A', { event: 'promise', ...promise }), /begun a round with 2\.A before/);
  });
});

suite('A trace that begins in the middle', () => {
  /** What is left of a run if all traces were begun anew at this event. */
  function resumed(run: HandMadeRun, fromEvent: number): Violation[] {
    const invariants = new Invariants(UIDS);
    const at = run.events[fromEvent - 1]?.at ?? 0;
    const beginnings = UIDS.map((server): TraceEvent => {
      const past = run.events.slice(0, fromEvent).filter((event) => event.server === server);
      const beginning = new Beginning();
      for (const event of past) beginning.follow(event);
      return { at, turn: 0, server, ...(beginning.resume() as WorldEvent) };
    });
    return [...beginnings, ...run.events.slice(fromEvent)].flatMap(
      (event) => invariants.observe(event) ?? [],
    );
  }

  const long = () => {
    const run = underA().ask('A', X).round(id(1, 'A'), X).sayUpdate('A', 'chosen', X, -1);
    run.ask('B', lease('B')).wait(20_000).round(id(2, 'B'), lease('B'));
    run.sayLease('B', 'ours', 9_000);
    return run.ask('B', Y).round(id(1, 'B'), Y).sayUpdate('B', 'chosen', Y, -1);
  };

  test('is not said to be wrong, wherever it begins', () => {
    const { events } = long();
    for (let from = UIDS.length; from < events.length; from += 1) {
      assert.deepEqual(resumed(long(), from), [], `from ${from}`);
    }
  });

  test('is checked from there on', () => {
    const run = long();
    const from = run.events.length;
    run.ask('B', X).round(id(1, 'B'), update('w', 'B', 7));
    run.prepare('C', id(2, 'C')).sendAccept('C', id(2, 'C'), Z);
    assert.deepEqual(
      resumed(run, from).map(({ invariant }) => invariant),
      [12],
    );
  });

  test('goes on seamlessly where it is known what was before', () => {
    const run = afterX();
    const beginning = new Beginning();
    for (const event of run.events) if (event.server === 'A') beginning.follow(event);
    holds(run.tell('A', beginning.resume() as WorldEvent));
    breaks(9, run.ask('A', Z).sayUpdate('A', 'chosen', Z, -1), /does not have it/);
  });
});

suite('What need not be remembered', () => {
  test('a server comes back after longer than anybody remembers', () => {
    const run = new HandMadeRun().startAll().crash('C');
    const invariants = new Invariants(UIDS);
    const check = () => {
      for (const event of run.events.splice(0)) assert.equal(invariants.observe(event), null);
    };
    for (let n = 1; n <= 5_200; n += 1) {
      run.ask('A', update(`${n}`, 'A', n)).round(id(2, 'A'), update(`${n}`, 'A', n), ['A', 'B']);
      run.sayUpdate('A', 'chosen', update(`${n}`, 'A', n), -1);
      check();
    }
    const mine = update('mine', 'C', 1);
    run.start('C').catchUp('C', 'A').ask('C', mine).round(id(2, 'C'), mine);
    check();
    assert.equal(invariants.end(true), null);
  });

  test('a map that is full forgets what was put in first, and knows that it does', () => {
    const map = new RecentMap<string, number>(2);
    map.set('a', 1);
    map.set('b', 2);
    map.set('a', 3);
    assert.equal(map.hasForgotten, false);
    map.set('c', 4);
    assert.deepEqual(
      ['a', 'b', 'c'].map((key) => map.get(key)),
      [undefined, 2, 4],
    );
    assert.equal(map.hasForgotten, true);
    map.delete('b');
    assert.equal(map.has('b'), false);
  });
});

test('An event of a server that is not in the cluster is a mistake of the caller', () => {
  const run = new HandMadeRun(['A', 'B']).startAll();
  const invariants = new Invariants(['A']);
  assert.throws(() => violationsOf(run, invariants), /there is no server B/);
});

suite('Of a batch', () => {
  const both = { batch: [X, Z], id: 'A-00000001-9' } as Link;
  const asked = () => new HandMadeRun().startAll().ask('A', X).ask('A', Z);
  /** A quorum of A and B has accepted this, and B says so last. */
  const accepted = (run: HandMadeRun, link: Link) => {
    const saved = { promisedId: id(2, 'A'), acceptedId: id(2, 'A'), acceptedValue: link };
    return run.accept('A', id(2, 'A'), link).save('B', saved).sayAccept('B', id(2, 'A'), link);
  };

  test('each is asked for, chosen and answered', () => {
    const run = asked().round(id(2, 'A'), both);
    holds(run.sayUpdate('A', 'chosen', X, -1).sayUpdate('A', 'chosen', Z, -1));
  });

  test('3: one that nobody asked for', () => {
    breaks(3, accepted(new HandMadeRun().startAll().ask('A', X), both), /nobody asked for "z"/);
  });

  test('2, 4: another under the same id, with fewer or with others in it', () => {
    const run = () => asked().prepare('A', id(2, 'A')).promise('B', id(2, 'A'));
    for (const batch of [[Z, X], [X, Z, update('more', 'A', 3)], [X]] as SingleLink[][]) {
      const other = { ...both, batch } as Link;
      const sent = run().sendAccept('A', id(2, 'A'), both).sendAccept('A', id(2, 'A'), other);
      breaks(4, sent, /2\.A stands for a batch of 2.* and for a batch of/);
      const learned = asked().round(id(2, 'A'), both, ['A', 'B']).sayChosen('C', id(2, 'A'), other);
      breaks(2, learned, /a batch of 2: "x" .* was chosen/);
    }
  });

  test('9: one that was chosen before, by itself or in another', () => {
    const again = { batch: [update('more', 'A', 3), Z], id: 'A-00000001-8' } as Link;
    const alone = asked()
      .round(id(2, 'A'), Z)
      .ask('A', update('more', 'A', 3));
    breaks(9, accepted(alone, again), /"z".* is chosen for a second time/);
    const run = asked()
      .round(id(2, 'A'), both)
      .ask('A', update('more', 'A', 3));
    breaks(9, accepted(run, again), /"z".* is chosen for a second time/);
    breaks(9, accepted(asked().round(id(2, 'A'), both), X), /"x".* for a second time/);
  });

  test('9: one answered as chosen that was left out', () => {
    const run = asked()
      .ask('A', update('more', 'A', 3))
      .round(id(2, 'A'), both);
    const last = run.sayUpdate('A', 'chosen', update('more', 'A', 3), -1);
    breaks(9, last, /does not have it/);
  });

  test('9: a request answered with an instance in which it took no effect', () => {
    const requestId = '0123456789abcdef-1-1';
    const request = { ...X, request: requestId } as Link;
    const link = { ...both, batch: [request, Z] } as Link;
    const run = asked().round(id(2, 'A'), link);
    const answer = (instanceNumber: number) => {
      const message = { type: 'answered', requestId, instanceNumber, answer: 'ok' } as const;
      return run.tell('B', { event: 'reply', to: 'a client', seq: 1, message });
    };
    holds(answer(1));
    breaks(9, answer(2), /took effect in instance 1/);
  });

  test('9: a request that took effect elsewhere before, as a store says itself', () => {
    const run = asked().round(id(2, 'A'), both);
    const applied = { event: 'apply', answers: ['ok'], digest: '01234567' } as const;
    const requests = ['0123456789abcdef-1-1'];
    holds(run.tell('A', { ...applied, instanceNumber: 1, requests }));
    holds(run.tell('B', { ...applied, instanceNumber: 1, requests }));
    const again = run.tell('A', { ...applied, instanceNumber: 2, requests, digest: '01234568' });
    breaks(9, again, /takes effect for a second time/);
  });

  test('11: answers that differ, or one too few', () => {
    for (const answers of [['ok', '2'], ['ok'], ['1', 'ok']]) {
      const run = asked().round(id(2, 'A'), both);
      const requests = [null, null];
      const applied = { event: 'apply', instanceNumber: 1, requests, digest: '01234567' } as const;
      run.tell('A', { ...applied, answers: ['ok', '1'] });
      run.tell('B', { ...applied, answers: ['ok', '1'] });
      breaks(11, run.tell('C', { ...applied, answers }), /it says .*, and somebody else said/);
    }
  });

  test('12: another than a promise named', () => {
    const run = asked().accept('B', id(2, 'A'), both);
    run.prepare('A', id(4, 'A')).promise('B', id(4, 'A'));
    const other = { ...both, batch: [Z, X] } as Link;
    breaks(12, run.sendAccept('A', id(4, 'A'), other), /bound to a batch of 2: "x"/);
  });
});
