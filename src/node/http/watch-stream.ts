/**
 * Changes as server-sent events. A watcher says which change it has seen last, and gets all after
 * it: each event has an id, and a browser that has lost the connection sends the latest back as
 * `Last-Event-ID`, to whichever server it finds.
 *
 * The id `17` says that all changes of instance 17 are told, and `17:2` that two of them are. What
 * is told is read from the replica as fast as the watcher reads, so nothing waits here for a slow
 * one. One that is too slow, and one whose server jumps, is told that changes are gone.
 */
import type { ServerResponse } from 'node:http';
import type { Change } from '../../log/state-machine.ts';
import type { Changed } from '../../log/watch.ts';
import type { Answer, Served } from './asking.ts';
import { Problem } from './problem.ts';
import { numberIn } from './target.ts';

export interface Wish {
  /** What the place is called where it was said. */
  readonly name: string;
  readonly from: string;
  readonly prefix: string;
  readonly heartbeatMs: number;
}

/** All changes of instances before this one are told, and so many of this one. */
interface Place {
  readonly instanceNumber: number;
  readonly told: number;
}

const RECONNECT_AFTER_MS = 1_000;

/** Throws a `Problem` if that is no place, or one from which on changes are gone. */
export function streamChanges(replica: Served, wish: Wish): Answer {
  const place = placeIn(wish.from);
  if (place === null) {
    throw new Problem(400, `${wish.name} is the number of an instance, or the id of an event`);
  }
  if (place.instanceNumber < replica.watchableFrom) {
    const { watchableFrom } = replica;
    throw new Problem(410, whyGone(replica), { more: { watchableFrom } });
  }
  const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-store' };
  const stream = (response: ServerResponse) => new Stream(replica, wish, place, response).run();
  return { status: 200, headers, body: '', stream };
}

/** `17`: after instance 17; `17:2`: in it, after the second change. */
function placeIn(text: string): Place | null {
  const [, instance = '', count] = /^([0-9]+)(?::([0-9]+))?$/.exec(text) ?? [];
  const [number, told] = [numberIn(instance, 0), numberIn(count ?? '0', 0)];
  if (number === null || told === null) return null;
  const instanceNumber = count === undefined ? number + 1 : number;
  return { instanceNumber, told };
}

function whyGone({ watchableFrom }: Served): string {
  return `changes before instance ${watchableFrom} are not known here any more: read the keys anew`;
}

class Stream {
  readonly #replica: Served;
  readonly #wish: Wish;
  readonly #response: ServerResponse;
  #place: Place;
  #isFull = false;
  #isAwaited = false;

  constructor(replica: Served, wish: Wish, place: Place, response: ServerResponse) {
    this.#replica = replica;
    this.#wish = wish;
    this.#place = place;
    this.#response = response;
  }

  /** Until the watcher goes away, or has to. */
  async run(): Promise<void> {
    const response = this.#response;
    const stopWatching = this.#replica.watch(() => this.#tellSoon());
    const heart = setInterval(() => this.#beat(), this.#wish.heartbeatMs);
    response.on('drain', () => {
      this.#isFull = false;
      this.#tell();
    });
    this.#write(`retry: ${RECONNECT_AFTER_MS}\n: server ${this.#replica.uid}\n\n`);
    this.#tell();
    await new Promise<void>((ended) => response.once('close', ended));
    clearInterval(heart);
    stopWatching();
  }

  /** The turn in which something has changed has to end first: it is not ours. */
  #tellSoon(): void {
    if (this.#isAwaited) return;
    this.#isAwaited = true;
    setImmediate(() => {
      this.#isAwaited = false;
      this.#tell();
    });
  }

  #tell(): void {
    while (!this.#isFull && !this.#response.writableEnded) {
      if (this.#place.instanceNumber < this.#replica.watchableFrom) return this.#end();
      const changed = this.#replica.changesFrom(this.#place.instanceNumber);
      if (changed === null) return;
      this.#tellAll(changed);
    }
  }

  #tellAll({ instanceNumber, changes }: Changed): void {
    const first = instanceNumber === this.#place.instanceNumber ? this.#place.told : 0;
    let text = '';
    for (const [index, change] of changes.entries()) {
      if (index < first || !change.key.startsWith(this.#wish.prefix)) continue;
      const isLast = index === changes.length - 1;
      const id = isLast ? `${instanceNumber}` : `${instanceNumber}:${index + 1}`;
      text += eventOf(id, instanceNumber, change);
    }
    this.#place = { instanceNumber: instanceNumber + 1, told: 0 };
    if (text !== '') this.#write(text);
  }

  /** A sign of life, and news of how far all is told: an id without data is remembered as well. */
  #beat(): void {
    if (this.#isFull || this.#response.writableEnded) return;
    const last = Math.max(this.#replica.instanceNumber, this.#place.instanceNumber) - 1;
    const isTold = this.#replica.changesFrom(this.#place.instanceNumber) === null;
    this.#write(isTold && this.#place.told === 0 ? `id: ${last}\n\n` : ':\n\n');
  }

  #end(): void {
    const data = JSON.stringify({ detail: whyGone(this.#replica) });
    this.#response.end(`event: gone\ndata: ${data}\n\n`);
  }

  #write(text: string): void {
    this.#isFull = !this.#response.write(text);
  }
}

function eventOf(id: string, instance: number, { key, value, version }: Change): string {
  const [event, what] = value === null ? ['delete', { key }] : ['set', { key, value }];
  return `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify({ ...what, instance, version })}\n\n`;
}
