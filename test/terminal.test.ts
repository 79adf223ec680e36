/** Where a server's lines go: terminals and pipes that nobody reads, and terminals that close. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { suite, type TestContext, test } from 'node:test';
import { encodeDatagram } from '../src/messages.ts';
import { type LineStream, Lines } from '../src/node/terminal.ts';
import { LOOPBACK } from '../src/programs/common/free-port.ts';
import { type Cluster, prepareCluster, type Server } from './processes.ts';
import { argumentsFor } from './transpiled.ts';

/** A stream that takes nothing until it is drained. */
class Dam implements LineStream {
  text = '';
  writableLength = 0;
  #drained: (() => void)[] = [];
  #written: (() => void)[] = [];

  write(text: string, written?: () => void): boolean {
    this.text += text;
    this.writableLength += text.length;
    if (written !== undefined) this.#written.push(written);
    return false;
  }

  once(_event: 'drain', act: () => void): void {
    this.#drained.push(act);
  }

  drain(): void {
    this.writableLength = 0;
    for (const act of [...this.#written.splice(0), ...this.#drained.splice(0)]) act();
  }
}

suite('Lines', () => {
  const line = 'x'.repeat(63);

  test('wait for a stream that takes them late, and only so many', () => {
    const dam = new Dam();
    const lines = new Lines(dam);
    for (let n = 0; n < 1_024; n += 1) lines.write(line);
    assert.equal(dam.text.length, 65_536);
    lines.write(line);
    assert.equal(dam.text.length, 65_536);
  });

  test('that were dropped are counted, and the count is told where they are missing', () => {
    const dam = new Dam();
    const lines = new Lines(dam);
    for (let n = 0; n < 1_024 + 212; n += 1) lines.write(line);
    dam.drain();
    lines.write('the next one');
    const told = dam.text.slice(65_536);
    assert.equal(told, '-- 212 lines were not shown: nobody read them --\nthe next one\n');

    dam.drain();
    for (let n = 0; n < 1_025; n += 1) lines.write(line);
    dam.drain();
    assert.match(dam.text, /-- 1 line was not shown: nobody read them --\n$/);
  });

  test('of a server that ends have a moment to get out, and no more', async () => {
    const dam = new Dam();
    const lines = new Lines(dam);
    lines.write('the last one');
    let ends = 0;
    const ended = new Promise<void>((end) => {
      lines.end(() => {
        ends += 1;
        end();
      });
    });
    await ended; // though nobody reads
    assert.match(dam.text, /the last one/);
    dam.drain();
    assert.equal(ends, 1, 'it ends once');

    const other = new Lines(dam);
    const atOnce = new Promise<void>((end) => other.end(end));
    dam.drain();
    await atOnce;
  });
});

/**
 * Runs a command on a terminal of its own, says which process that is, and does what it is told:
 * READ what is written there, or HANGUP. Says at last with which code the command has ended.
 */
const ON_A_TERMINAL = `
import os, pty, sys, threading
pid, terminal = pty.fork()
if pid == 0: os.execvp(sys.argv[1], sys.argv[1:])
def obey():
    for line in sys.stdin:
        if line == 'HANGUP\\n': os.close(terminal)
        if line == 'READ\\n': threading.Thread(target=read, daemon=True).start()
def read():
    while True: os.write(1, os.read(terminal, 65536))
print(pid, flush=True)
threading.Thread(target=obey, daemon=True).start()
_, status = os.waitpid(pid, 0)
print('ended with', os.waitstatus_to_exitcode(status), flush=True)
os._exit(0)
`;
const HAS_TERMINALS = spawnSync('python3', ['-c', 'import pty, os; os.waitstatus_to_exitcode']);

/** A server with lines that nobody reads yet. */
interface Unread {
  readonly pid: number;
  read(): void;
  text(): string;
  hangUp(): void;
  /** What was read, once it has ended, and `ended with 0`. */
  readonly ended: Promise<string>;
}

async function onTerminal(
  t: TestContext,
  { directory }: Cluster,
  command: readonly string[],
): Promise<Unread> {
  const args = ['-c', ON_A_TERMINAL, ...command];
  const child = spawn('python3', args, { cwd: directory, stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  const [first] = await once(lines, 'line');
  const pid = Number(first);
  let isOver = false;
  t.after(() => {
    if (isOver) return;
    process.kill(pid, 'SIGKILL');
    child.kill();
  });
  const read: string[] = [];
  lines.on('line', (line) => read.push(line));
  return {
    pid,
    read: () => child.stdin.write('READ\n'),
    text: () => read.join('\n'),
    hangUp: () => child.stdin.write('HANGUP\n'),
    ended: once(lines, 'close').then(() => {
      isOver = true;
      return read.join('\n');
    }),
  };
}

async function onPipe(
  t: TestContext,
  _cluster: Cluster,
  [node = '', ...args]: readonly string[],
): Promise<Unread> {
  const child = spawn(node, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  let text = '';
  return {
    pid: child.pid ?? 0,
    read: () => child.stdout.on('data', (bytes) => (text += bytes)),
    text: () => text,
    hangUp: () => {},
    ended: once(child, 'exit').then(([code]) => `${text}\nended with ${code}`),
  };
}

/** Asks a server so often how it is, each time when it has answered before. */
async function askStatus({ port }: Server, times: number): Promise<void> {
  const socket = createSocket('udp4');
  try {
    for (let n = 1; n <= times; n += 1) {
      const question = { type: 'status', requestId: `0123456789abcdef-1-${n}` } as const;
      socket.send(encodeDatagram(n, question), port, LOOPBACK);
      await once(socket, 'message', { signal: AbortSignal.timeout(20_000) });
    }
  } finally {
    socket.close();
  }
}

function commandOf(server: Server): string[] {
  return [process.execPath, ...argumentsFor('server.ts'), ...server.commandLine('--verbose')];
}

const TOLD = /^-- [0-9]{3,} lines were not shown: nobody read them --\r?$/m;
/** More lines than pipes, terminals and the server itself keep. */
const MANY = 4_000;
const PLACES = {
  'a pipe': onPipe,
  ...(HAS_TERMINALS.status === 0 && { 'a terminal': onTerminal }),
};

for (const [place, start] of Object.entries(PLACES)) {
  suite(`A server with ${place} that nobody reads`, () => {
    test('goes on, and ends in order', async (t) => {
      const cluster = await prepareCluster(t, { uids: ['A'] });
      const server = cluster.server('A');
      const unread = await start(t, cluster, commandOf(server));
      await server.waitForEvent('its start', ({ event }) => event === 'start');
      await askStatus(server, MANY);
      process.kill(unread.pid, 'SIGTERM');
      assert.match(await unread.ended, /ended with 0$/);
      assert.equal(server.events.at(-1)?.event, 'stop');
    });

    test('says how many lines were not shown as soon as somebody reads again', async (t) => {
      const cluster = await prepareCluster(t, { uids: ['A'] });
      const server = cluster.server('A');
      const unread = await start(t, cluster, commandOf(server));
      await server.waitForEvent('its start', ({ event }) => event === 'start');
      await askStatus(server, MANY);
      unread.read();
      while (!TOLD.test(unread.text())) await askStatus(server, 1);
    });
  });
}

if (HAS_TERMINALS.status === 0) {
  suite('A terminal that closes', () => {
    test('ends its server in order', async (t) => {
      const cluster = await prepareCluster(t, { uids: ['A'] });
      const server = cluster.server('A');
      const { hangUp, ended } = await onTerminal(t, cluster, commandOf(server));
      await server.waitForEvent('its start', ({ event }) => event === 'start');
      hangUp();
      assert.match(await ended, /ended with -1$/, 'by the signal, but not before all is in order');
      assert.equal(server.events.at(-1)?.event, 'stop');
    });

    test('may say so twice, as its shell does, too', async (t) => {
      const cluster = await prepareCluster(t);
      const server = cluster.server('A');
      const { pid, read, text, ended } = await onTerminal(t, cluster, commandOf(server));
      await server.waitForEvent('its start', ({ event }) => event === 'start');
      await cluster.propose('A', 'waits for a quorum that is not there');
      await server.waitForEvent('it has been taken', ({ event }) => event === 'update');
      read();
      process.kill(pid, 'SIGHUP');
      while (!text().includes('stopping in good order')) await askStatus(server, 1);
      process.kill(pid, 'SIGHUP');
      assert.match(await ended, /ended with 0$/);
      assert.equal(server.events.at(-1)?.event, 'stop');
    });

    test('is nothing to a server that `nohup` has started', async (t) => {
      const cluster = await prepareCluster(t, { uids: ['A'] });
      const server = cluster.server('A');
      const command = ['nohup', ...commandOf(server)];
      const { pid, hangUp, ended } = await onTerminal(t, cluster, command);
      await server.waitForEvent('its start', ({ event }) => event === 'start');
      hangUp();
      process.kill(pid, 'SIGHUP'); // as a shell does that ends
      await askStatus(server, 1);
      process.kill(pid, 'SIGTERM');
      assert.match(await ended, /ended with 0$/);
    });
  });
}

test('a server without a terminal outlives SIGHUP, as one with a terminal does not', async (t) => {
  const cluster = await prepareCluster(t, { uids: ['A'] });
  const server = cluster.server('A');
  await server.start();
  server.program.signal('SIGHUP');
  await askStatus(server, 1);
  assert.equal((await server.interrupt()).code, 0);
});
