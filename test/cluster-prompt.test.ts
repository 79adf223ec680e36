/** `npm run cluster`: what can be typed, what comes of it, and that nothing of it stays. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { suite, type TestContext, test } from 'node:test';
import { diagramOf } from '../src/diagram/model.ts';
import { checkTraces } from '../src/programs/check/traces.ts';
import { COMMANDS, completionsOf, readCommand } from '../src/programs/cluster/commands.ts';
import { Prompt } from '../src/programs/cluster/prompt.ts';
import { readTraces } from '../src/programs/common/read-traces.ts';
import { TraceReader } from '../src/programs/common/trace-reader.ts';
import { CLUSTER, Session, startCluster, UIDS } from './cluster-session.ts';
import { run, temporaryDirectory } from './processes.ts';

suite('What is typed', () => {
  test('means this', () => {
    for (const [line, command] of [
      ['fire A hello', { kind: 'fire', server: 'A', value: 'hello' }],
      ['  set B two  words ', { kind: 'set', server: 'B', value: 'two  words' }],
      ['set B "a \\"b\\""', { kind: 'set', server: 'B', value: 'a "b"' }],
      ['set B "a" "b"', { kind: 'set', server: 'B', value: '"a" "b"' }],
      ['request C x', { kind: 'set', server: 'C', value: 'x' }],
      ['read A', { kind: 'read', server: 'A', isLocal: false }],
      ['read A local', { kind: 'read', server: 'A', isLocal: true }],
      ['status', { kind: 'status', server: null }],
      ['status B', { kind: 'status', server: 'B' }],
      ['kill B', { kind: 'kill', server: 'B' }],
      ['restart B', { kind: 'restart', server: 'B' }],
      ['cut A->BC', { kind: 'cut', directions: ['AB', 'AC'] }],
      ['cut A | B', { kind: 'cut', directions: ['AB', 'BA'] }],
      ['cut A', { kind: 'cut', directions: ['AB', 'AC', 'BA', 'CA'] }],
      ['mend', { kind: 'mend' }],
      ['loss 0.2', { kind: 'loss', probability: 0.2 }],
      ['loss .5', { kind: 'loss', probability: 0.5 }],
      ['quit', { kind: 'quit' }],
    ] as const) {
      const read = readCommand(line, UIDS);
      assert.ok(typeof read !== 'string', `${line}: ${read}`);
      const directions = read.kind === 'cut' ? read.directions.map((it) => it.join('')) : null;
      assert.deepEqual(directions === null ? read : { ...read, directions }, command);
    }
  });

  test('or it says in a sentence why not', () => {
    for (const [line, why] of [
      ['hello', 'there is no command "hello"; "help" lists all'],
      ['fire', '"fire" needs a server, like "fire A"'],
      ['fire D x', 'there is no server "D" in this cluster, only A, B, C'],
      ['set A', '"set A" needs a value, like "set A hello"'],
      [`set A ${'x'.repeat(70_000)}`, /^the value takes 70002 bytes, and the limit is /],
      ['read A B', '"read" takes a server, and perhaps "local": it asks for the value'],
      ['kill a', 'there is no server "a" in this cluster, only A, B, C'],
      ['cut', '"cut" is followed by A, A->BC or A|BC'],
      ['cut A|D', 'there is no server "D" in this cluster, only A, B, C'],
      ['cut A|AB', 'a server stands on one side of a cut, once'],
      ['loss 1.1', '"loss" is followed by a probability from 0 to 1, like 0.2'],
      ['loss', '"loss" is followed by a probability from 0 to 1, like 0.2'],
      ['mend A', '"mend" takes nothing behind it'],
    ] as const) {
      const read = String(readCommand(line, UIDS));
      if (typeof why === 'string') assert.equal(read, why);
      else assert.match(read, why);
    }
  });

  test('all that help lists can be typed', () => {
    for (const [usage] of COMMANDS) {
      const read = readCommand(usage.replaceAll(/[[\]]/g, ''), UIDS);
      assert.equal(typeof read, 'object', usage);
    }
  });

  test('Tab completes it to what can be typed', () => {
    assert.deepEqual(completionsOf('re', UIDS), ['request ', 'read ', 'restart ']);
    assert.deepEqual(completionsOf('kill ', UIDS), ['kill A', 'kill B', 'kill C']);
    assert.deepEqual(completionsOf('set B', UIDS), ['set B ']);
    assert.deepEqual(completionsOf('cut B', UIDS), ['cut B|AC', 'cut B->AC']);
    assert.deepEqual(completionsOf('read A ', UIDS), ['read A local']);
    assert.deepEqual(completionsOf('hello ', UIDS), []);
    const words = completionsOf('', UIDS);
    assert.equal(words.length, new Set(words).size);
    for (const word of words) {
      for (const line of word.endsWith(' ') ? completionsOf(word, UIDS) : [word]) {
        const isWhole = !/^(?:fire|set|request) /.test(line);
        assert.equal(typeof readCommand(isWhole ? line : `${line}x`, UIDS), 'object', line);
      }
    }
  });

  test('from a script, each line waits for the one before; and it can be broken off', async () => {
    const [input, output] = [new PassThrough(), new PassThrough()];
    const done: string[] = [];
    const prompt = new Prompt({ input, output, isTerminal: false, complete: () => [] });
    const end = new AbortController();
    const running = prompt.run(async (line) => {
      if (line === 'never') {
        setImmediate(() => end.abort());
        await new Promise(() => {});
      }
      await new Promise((soon) => setImmediate(soon));
      done.push(line);
      prompt.say(`did ${line}`);
    }, end.signal);
    input.end('one\n\ntwo\nnever\nthree\n');
    await running;
    assert.deepEqual(done, ['one', 'two']);
    assert.equal(output.read().toString(), 'did one\ndid two\n');
  });
});

function directoryOf({ text }: Session): string {
  const [, file = ''] = /keeps (\S+)/.exec(text) ?? [];
  return dirname(dirname(file));
}

suite('npm run cluster', { concurrency: true }, () => {
  test('does what it is told, and leaves nothing behind', async (t) => {
    const session = startCluster(t);
    session.type('set A hello\nkill B\nkill B\nset C there\nread A\nfly\n');
    session.type(
      'cut A->B\nloss 0.5\nmend\nstart B\nstop C\nstatus\nfire A x\nset A "two  words"\nquit\n',
    );
    assert.equal(await session.closed, 0, session.text);
    const told = session.text.match(/^-- .*$/gm)?.filter((line) => !/^-- [A-C] {2}/.test(line));
    // Where it goes is a matter of time: a server that is slow is asked no more.
    const anywhere = told?.map((line) =>
      line.replace(/instance \d+/, 'instance N').replace(/by [ABC]$/, 'by one'),
    );
    assert.deepEqual(anywhere, [
      '-- hello: chosen in instance N, answered by one',
      '-- server B was killed',
      '-- server B does not run; "start B" starts it',
      '-- there: chosen in instance N, answered by one',
      '-- "there" is the value, answered by one',
      '-- there is no command "fly"; "help" lists all',
      '-- cut; "mend" mends it',
      '-- datagrams between servers are lost with 0.5',
      '-- all links are whole, and nothing is lost',
      '-- server C has stopped',
      '-- two  words: chosen in instance N, answered by one',
    ]);
    assert.match(session.text, /^-- A {2}#\d .*"there"$/m);
    assert.match(session.text, /^-- C {2}does not answer$/m);
    assert.match(session.text, /^the diagram is at http:\/\/127\.0\.0\.1:\d+\/$/m);
    assert.ok(!session.text.includes('\u001b'));
    assert.match(directoryOf(session), /paxos-cluster-/);
    assert.ok(!existsSync(directoryOf(session)));
  });

  test('who is killed is down in its trace at once, not only when it comes back', async (t) => {
    const directory = temporaryDirectory(t);
    const session = startCluster(t, '--directory', directory);
    session.type('set A hello\nkill B\nstatus A\n');
    await session.says(/^-- server A$/m);
    const ofB = new TraceReader(join(directory, 'B.ndjson'));
    const last = ofB.read().at(-1);
    assert.deepEqual([last?.event, last?.server], ['crash', 'B']);
    session.type('start B\nset B there\nquit\n');
    assert.equal(await session.closed, 0, session.text);
    assert.deepEqual(
      ofB.read().filter(({ event }) => event === 'crash'),
      [last],
    );
    const traces = readTraces(UIDS.map((uid) => join(directory, `${uid}.ndjson`)));
    assert.equal(checkTraces(traces, false).violation, null);
    const downs = diagramOf(traces.events).stretches.filter(
      ({ condition }) => condition === 'down',
    );
    assert.equal(downs.filter(({ uid }) => uid === 'B').length, 2); // killed, and stopped
  });

  test('Ctrl-C ends its servers in good order, even while somebody waits', async (t) => {
    const directory = temporaryDirectory(t);
    const session = startCluster(t, '--directory', directory, '-n', '3');
    session.type('cut A\nset A hello\n');
    await session.says(/A ←cl +request/);
    session.signal('SIGINT');
    assert.equal(await session.closed, 0, session.text);
    const events = new TraceReader(join(directory, 'A.ndjson')).read();
    assert.equal(events.at(-1)?.event, 'stop');
  });

  test('bad usage is told in a sentence', async () => {
    for (const [args, why] of [
      [['-n', '10'], /^error: --servers must be .*\n$/],
      [['-n', '0'], /^error: --servers must be .*\n$/],
      [['A'], /^error: too many arguments.*\n$/],
      [
        ['--directory', '/dev/null/x'],
        /^error: the directory \/dev\/null\/x cannot be used: .*\n$/,
      ],
    ] as const) {
      const { code, stderr } = await run(CLUSTER, ...args);
      assert.ok(code === 1 || code === 2);
      assert.match(stderr, why);
    }
    assert.match((await run(CLUSTER, '--help')).stdout, /Examples:\n {2}npm run cluster\n/);
  });
});

/** Runs a command on a terminal, which is typed on here, and closes when our input ends. */
const ON_A_TERMINAL = `
import os, pty, select, sys
pid, terminal = pty.fork()
if pid == 0: os.execvp(sys.argv[1], sys.argv[1:])
while True:
    ready, _, _ = select.select([0, terminal], [], [])
    try:
        if terminal in ready: os.write(1, os.read(terminal, 65536))
    except OSError: break
    if 0 not in ready: continue
    data = os.read(0, 1000)
    if not data: break
    os.write(terminal, data)
os.close(terminal)
_, status = os.waitpid(pid, 0)
print('ended with', os.waitstatus_to_exitcode(status), flush=True)
`;
const { status } = spawnSync('python3', ['-c', 'import pty, os; os.waitstatus_to_exitcode']);
const skip = status === 0 ? false : 'there is no python3 to make terminals';

function onTerminal(t: TestContext, ...args: readonly string[]): Session {
  const command = [process.execPath, '--import', 'tsx', CLUSTER, ...args];
  return new Session(t, ['python3', '-c', ON_A_TERMINAL, ...command]);
}

suite('A cluster on a terminal', { skip, concurrency: true }, () => {
  test('has a prompt with completion, which waits for nobody, and ends with Ctrl-C', async (t) => {
    const session = onTerminal(t);
    await session.says(/cluster> /);
    session.type('cut A\nset A hello\n');
    await session.says(/A .*←cl .*request/);
    session.type('men\t');
    await session.says(/cluster> mend/); // as A goes on asking, above it
    session.type('\n');
    await session.says(/-- all links are whole/);
    await session.says(/-- hello: chosen in instance 1/);
    session.type('\u0003');
    await session.says(/ended with 0\r?\n/);
    assert.ok(session.text.includes('\u001b'), 'it is coloured');
    assert.ok(!existsSync(directoryOf(session)));
  });

  test('ends with all its servers when the terminal closes', async (t) => {
    const directory = temporaryDirectory(t);
    const session = onTerminal(t, '--directory', directory);
    await session.says(/cluster> /);
    session.type('status\n');
    await session.says(/-- C /);
    session.endInput();
    await session.says(/ended with -1\r?\n/); // by the signal, but not before all is in order
    for (const uid of UIDS) {
      const events = new TraceReader(join(directory, `${uid}.ndjson`)).read();
      assert.equal(events.at(-1)?.event, 'stop');
    }
  });
});
