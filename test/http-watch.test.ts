/** Watching over HTTP: every change, in order, none left out, none twice, wherever one begins. */
import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { suite, test } from 'node:test';
import type { Link } from '../src/chain.ts';
import { ClientAnswers } from '../src/client-answers.ts';
import { Log } from '../src/log/log.ts';
import { Store } from '../src/log/store.ts';
import { Watch } from '../src/log/watch.ts';
import { Rejoin } from '../src/rejoin-strategy.ts';
import { ReplicatedValue } from '../src/replicated-value.ts';
import { BackoffResolution } from '../src/resolution-strategy.ts';
import { CatchUp } from '../src/sync-strategy.ts';
import { UpdateQueue } from '../src/update-queue.ts';
import { type DoorInTest, openDoor, SmallWatchedStore, WatchedStore } from './http-door.ts';

interface Event {
  readonly id: string;
  readonly event: string;
  readonly data: { readonly key: string; readonly value?: string; readonly version: string };
}

/** What a stream of events has told so far. */
class Watcher {
  readonly events: Event[] = [];
  /** The latest id, as a browser would send it back. */
  lastId = '';
  readonly ended: Promise<void>;
  readonly response: IncomingMessage;
  #rest = '';
  #look = () => {};

  constructor(response: IncomingMessage) {
    this.response = response;
    response.setEncoding('utf8').on('data', (text: string) => this.#read(text));
    response.on('error', () => {});
    this.ended = new Promise((done) => response.once('close', () => done()));
  }

  async until(count: number): Promise<readonly Event[]> {
    await this.when(() => this.events.length >= count);
    return this.events;
  }

  async when(is: () => boolean): Promise<void> {
    await new Promise<void>((done) => {
      this.#look = () => is() && done();
      this.#look();
    });
  }

  #read(text: string): void {
    const blocks = `${this.#rest}${text}`.split('\n\n');
    this.#rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = new Map(
        block.split('\n').map((line) => {
          const colon = line.indexOf(':');
          return [line.slice(0, colon), line.slice(colon + 2)] as const;
        }),
      );
      this.lastId = fields.get('id') ?? this.lastId;
      const [event, data] = [fields.get('event'), fields.get('data')];
      if (event === undefined || data === undefined) continue;
      this.events.push({ id: fields.get('id') ?? '', event, data: JSON.parse(data) });
    }
    this.#look();
  }
}

async function watch(at: DoorInTest, path: string, lastId?: string): Promise<Watcher> {
  const headers = lastId === undefined ? {} : { 'last-event-id': lastId };
  const response = await at.open('GET', path, headers);
  assert.equal(response.statusCode, 200);
  assert.equal(response.headers['content-type'], 'text/event-stream');
  return new Watcher(response);
}

function valuesOf({ events }: Watcher): string[] {
  return events.map(({ event, data }) => `${event} ${data.key} ${data.value ?? ''}`.trim());
}

suite('a watcher', () => {
  test('hears of every change after an instance, and of those to come', async (t) => {
    const at = await openDoor(t);
    await at.set(['a', '1'], ['b', '2']);
    const { json } = await at.ask('GET', '/kv');
    const all = await watch(at, '/watch?from=0');
    const later = await watch(at, `/watch?from=${json.instance}`);
    const now = await watch(at, '/watch');
    await at.set(['a', '3']);
    await at.ask('DELETE', '/kv/b');
    await at.ask('PUT', '/kv/a', { 'if-match': '"1000"' }, 'x'); // changes nothing
    await at.set(['a', '5']);
    const expected = ['set a 1', 'set b 2', 'set a 3', 'delete b', 'set a 5'];
    await all.until(5);
    assert.deepEqual(valuesOf(all), expected);
    for (const watcher of [later, now]) {
      await watcher.until(3);
      assert.deepEqual(valuesOf(watcher), expected.slice(2));
    }
    const { events } = all;
    assert.deepEqual(
      events.map(({ id }) => id),
      events.map(({ data }) => data.version),
    );
    assert.equal(events.at(-1)?.data.version, `${at.replica.instanceNumber - 1}`);
  });

  test('hears of its keys only', async (t) => {
    const at = await openDoor(t);
    const watcher = await watch(at, '/watch?from=0&prefix=a');
    await at.set(['a', '1'], ['b', '2'], ['ab', '3']);
    await watcher.until(2);
    assert.deepEqual(valuesOf(watcher), ['set a 1', 'set ab 3']);
  });

  test('goes on from the latest id, wherever it was cut off', async (t) => {
    const at = await openDoor(t, { replicaClass: Batched });
    at.turns.run(() => at.replica.submit('add n 1;add n 1;set m 1;delete m'));
    at.turns.run(() => at.replica.submit('add n 1;set m 2'));
    const all = await watch(at, '/watch?from=0');
    const events = [...(await all.until(6))];
    const ids = events.map(({ id }) => id);
    assert.match(ids.join(' '), /^(\d+):1 \1:2 \1:3 \1 (\d+):1 \2$/);
    for (const [index, id] of ids.entries()) {
      const rest = await watch(at, '/watch?from=0', id);
      at.turns.run(() => at.replica.submit('set end 1'));
      await rest.until(6 - index - 1 + 1);
      assert.deepEqual(rest.events.slice(0, 6 - index - 1), events.slice(index + 1), id);
      rest.response.destroy();
    }
  });

  test('whose latest id is not there yet waits for what comes after', async (t) => {
    const at = await openDoor(t);
    await at.set(['a', '1']);
    const ahead = at.replica.instanceNumber + 2;
    const watcher = await watch(at, '/watch', `${ahead}`);
    while (at.replica.instanceNumber <= ahead + 1)
      await at.set(['a', `${at.replica.instanceNumber}`]);
    await watcher.until(1);
    assert.equal(watcher.events[0]?.data.version, `${ahead + 1}`);
  });

  test('gets signs of life, which move its latest id on', async (t) => {
    const at = await openDoor(t, { limits: { heartbeatMs: 20 } });
    const watcher = await watch(at, '/watch?prefix=x');
    await at.set(['a', '1'], ['a', '2']);
    await watcher.when(() => watcher.lastId === `${at.replica.instanceNumber - 1}`);
    assert.deepEqual(watcher.events, []);
    const ahead = await watch(at, '/watch?from=1000');
    await ahead.when(() => ahead.lastId !== '');
    assert.equal(ahead.lastId, '1000');
  });

  test('is told when changes are gone', async (t) => {
    const at = await openDoor(t, { replicaClass: FewChanges });
    for (let number = 1; number <= 10; number += 1) await at.set(['a', `${number}`]);
    const { watchableFrom } = at.replica;
    assert.ok(watchableFrom > 1);
    for (const from of [0, watchableFrom - 2]) {
      const gone = await at.ask('GET', `/watch?from=${from}`);
      assert.deepEqual([gone.status, gone.json.watchableFrom], [410, watchableFrom]);
    }
    const half = { 'last-event-id': `${watchableFrom - 1}:1` };
    assert.equal((await at.ask('GET', '/watch', half)).status, 410);
    const watcher = await watch(at, `/watch?from=${watchableFrom - 1}`);
    await watcher.until(3);
    assert.deepEqual(valuesOf(watcher), ['set a 8', 'set a 9', 'set a 10']);
  });

  test('whose server jumps is told so, and let go', async (t) => {
    const at = await openDoor(t, {
      uids: ['A', 'B', 'C'],
      replicaClass: Jumping,
      limits: { idleMs: 2_000 },
    });
    const watcher = await watch(at, '/watch?from=0');
    at.turns.run(() => (at.replica as Jumping).jumpTo(100));
    await watcher.ended;
    assert.deepEqual(
      watcher.events.map(({ event }) => event),
      ['gone'],
    );
    assert.equal((await at.ask('GET', '/watch', { 'last-event-id': '98' })).status, 410);
  });

  test('that does not read is waited for, and what it misses is not kept for it', async (t) => {
    const at = await openDoor(t, { replicaClass: FewChanges, limits: { idleMs: 1_000 } });
    const slow = await at.open('GET', '/watch?from=0');
    const value = 'x'.repeat(30_000);
    const quick = await watch(at, '/watch?from=0');
    for (let number = 1; number <= 400; number += 1) {
      await at.set([`${number}`, value]);
      await quick.until(number);
    }
    assert.deepEqual(
      quick.events.map(({ data }) => data.key),
      quick.events.map((_, i) => `${i + 1}`),
    );
    const watcher = new Watcher(slow);
    await watcher.ended;
    const keys = watcher.events.flatMap(({ event, data }) =>
      event === 'set' ? [Number(data.key)] : [],
    );
    assert.ok(keys.length < 400);
    assert.deepEqual(
      keys,
      keys.map((_, index) => index + 1),
    ); // no gap, up to where it ends
    const last = watcher.events.at(-1)?.event;
    assert.ok(last === 'gone' || last === 'set'); // cut off in silence, or told
  });

  test('that goes away is forgotten, and there are only so many', async (t) => {
    const at = await openDoor(t, { limits: { watchers: 2 } });
    const [one] = [await watch(at, '/watch'), await watch(at, '/watch')];
    assert.equal((await at.ask('GET', '/watch')).status, 503);
    one.response.destroy();
    await one.ended;
    for (;;) {
      const { text } = await at.ask('GET', '/metrics');
      if (text.includes('paxos_http_watchers 1\n')) break;
    }
    const again = await watch(at, '/watch');
    at.door.retire();
    await again.ended;
    assert.deepEqual(again.events, []);
  });
});

/** Keeps three changes. */
class FewChanges extends WatchedStore {
  protected override get keepChanges(): number {
    return 3;
  }
}

/** Gets to where others might have been. */
class Jumping extends SmallWatchedStore {
  jumpTo(instanceNumber: number): void {
    this.jump(instanceNumber, this.chain);
  }
}

/** Takes a value for several commands, as one link may hold. */
class Split extends Store(
  ClientAnswers(Rejoin(UpdateQueue(BackoffResolution(Log(CatchUp(ReplicatedValue)))))),
) {
  override submit(value: string): void {
    this.enqueue({ update: value, id: this.newLinkId() });
    this.pursue();
  }

  protected override apply(link: Link, instanceNumber: number): void {
    if (!('update' in link)) return super.apply(link, instanceNumber);
    for (const update of link.update.split(';')) {
      super.apply({ ...link, update }, instanceNumber);
    }
  }
}

class Batched extends Watch(Split) {}
