/**
 * The log: what if a server must not jump?
 *
 * In part I only the latest value counts, so a server that is behind may jump to where the others
 * are. Where every link counts, it needs those that it has missed. So every server keeps the links
 * of some time, and tells a laggard those that it lacks: it closes its instances one by one with
 * them, as if it had been there.
 *
 * A log that is never cut grows for ever. But what all links up to some instance have made is a
 * state, and that does not grow with the number of links. A *snapshot* is that state, together with
 * what the chain remembers there: who holds the lease, and which requests have had their effect.
 * Whoever has a snapshot needs no link before it. So from time to time a server takes one, and
 * forgets the oldest links. A laggard that needs one of these gets the snapshot instead, in parts.
 *
 * The receiver *pulls* it: it asks for the next part when it has the last one, repeats a question
 * that is not answered, and turns to another server when one has died, or has cut its log again
 * meanwhile; then it begins anew. The giver keeps no account of who is reading.
 *
 * Two rules:
 *
 *   1. *An older snapshot is never installed.* What a server has applied it has told to clients.
 *   2. *Nothing is cut before the snapshot is durable.* Here that takes no care, since both are
 *      one state on disk and go there in one save: after a crash there are the old snapshot with
 *      all links since, or the new one with the rest.
 */
import { applyLink, type ChainState, EMPTY_CHAIN, type Link } from '../chain.ts';
import type { Uid } from '../composable-paxos.ts';
import type { Timer } from '../environment.ts';
import {
  CHAIN_FIELDS,
  isLink,
  isRecord,
  type LinksMessage,
  MAX_PART,
  type Names,
  type PeerMessage,
  type SnapshotChunk,
  type SnapshotRequest,
  wrongField,
} from '../messages.ts';
import type { Constructor } from '../replicated-value.ts';
import { MustStop } from '../state.ts';
import type { CatchUp } from '../sync-strategy.ts';

/** So many links are kept at least; when there are twice as many, a snapshot is taken. */
export const KEEP_LINKS = 10_000;

/** A giver that is silent for so long is asked again, and after some times another one. */
const ASK_AGAIN_AFTER_MS = 300;
const ASKED_BEFORE_NEXT = 3;

/** What all links before `instanceNumber` have made. */
export interface Snapshot {
  readonly instanceNumber: number;
  readonly chain: ChainState;
  /** What the layers above have made of the links, as JSON data that never changes. */
  readonly state: unknown;
}

/** What is on disk: a snapshot, and links that go on to the open instance at least from there. */
interface LogOnDisk {
  readonly snapshot: Snapshot;
  /** The instance of the first of `links`; it may be before that of the snapshot. */
  readonly first: number;
  readonly links: readonly Link[];
}

/** The reading of somebody's snapshot, as far as it has come. */
interface Reading {
  readonly from: Uid;
  readonly instanceNumber: number;
  readonly total: number;
  text: string;
}

/**
 * Keeps the links since a snapshot, and gives a laggard what it needs, links or the snapshot, in
 * place of the jump of `CatchUp`, which finds out who is behind. Brings the messages `links`,
 * `snapshot_request` and `snapshot_chunk`. Sits above `CatchUp`.
 */
export function Log<TBase extends Constructor<CatchUp>>(Base: TBase) {
  return class Log extends Base {
    #snapshot!: Snapshot; // from `start` on
    /** The links before the open instance, without a gap. */
    #links: Link[] = [];
    /** The snapshot as it goes over the wire, if somebody has asked for it. */
    #text: string | null = null;
    #reading: Reading | null = null;
    /** Somebody has said that this instance is open. */
    #target = 1;
    #askAgain: Timer | null = null;
    #isRunning = false;
    /** What those links have made that the layers above have applied. */
    #applied = EMPTY_CHAIN;

    /** How many links are kept at least. */
    protected get keepLinks(): number {
      return KEEP_LINKS;
    }

    /** How much goes into one datagram. */
    protected get partLength(): number {
      return MAX_PART;
    }

    /** The instance of the oldest link that is kept. */
    get firstKept(): number {
      return this.instanceNumber - this.#links.length;
    }

    /** So many of the links from this instance on; null: the first of them is not kept any more. */
    linksFrom(instanceNumber: number, most: number): readonly Link[] | null {
      const start = instanceNumber - this.firstKept;
      return start < 0 ? null : this.#links.slice(start, start + most);
    }

    /** False while what the disk holds is made out of its links once more. */
    protected get isRunning(): boolean {
      return this.#isRunning;
    }

    // What the layers above make of the links.

    /** This link is chosen in this instance, and `before` is what is left of all before it. */
    protected apply(_link: Link, _instanceNumber: number, _before: ChainState): void {}

    /** What all links so far have made, as JSON data that never changes. */
    protected takeState(): unknown {
      return null;
    }

    /** Takes over what `takeState` gave. Throws, and keeps its own, if it is none. */
    protected bringState(_state: unknown): void {}

    /** What `takeState` would give, in a few digits. */
    protected get stateDigest(): string | null {
      return null;
    }

    protected takeSnapshot(): Snapshot {
      return {
        instanceNumber: this.instanceNumber,
        chain: this.chain,
        state: this.takeState(),
      };
    }

    /** Rule 1. */
    protected isNews(instanceNumber: number): boolean {
      return instanceNumber > this.instanceNumber;
    }

    override start(): void {
      super.start();
      this.#isRunning = true;
      this.#say('restored');
    }

    override stop(): void {
      this.#askAgain?.cancel();
      super.stop();
    }

    protected override get kept(): LogOnDisk {
      return { snapshot: this.#snapshot, first: this.firstKept, links: [...this.#links] };
    }

    /** Applies all links since the snapshot once more. Not for `super`, which knows of no log. */
    protected override restore(kept: unknown): void {
      if (kept === undefined) {
        if (this.instanceNumber > 1) throw new MustStop(NOT_OF_A_STORE);
        this.#snapshot = { instanceNumber: 1, chain: EMPTY_CHAIN, state: this.takeState() };
        return;
      }
      const { snapshot, first, links } = this.#checked(kept);
      this.bringState(snapshot.state);
      this.#snapshot = snapshot;
      this.#links = [...links];
      let { chain, instanceNumber } = snapshot;
      for (const link of links.slice(instanceNumber - first)) {
        this.apply(link, instanceNumber, chain);
        chain = applyLink(chain, link, instanceNumber);
        instanceNumber += 1;
      }
      this.#applied = chain;
    }

    override receive(from: Uid, message: PeerMessage): void {
      switch (message.type) {
        case 'links':
          return this.#receiveLinks(from, message);
        case 'snapshot_request':
          return this.#receiveSnapshotRequest(from, message);
        case 'snapshot_chunk':
          return this.#receiveSnapshotChunk(from, message);
        case 'catchup':
          return this.ignore('I must not jump');
        default:
          return super.receive(from, message);
      }
    }

    protected override advanced(link: Link | null): void {
      super.advanced(link);
      const { instanceNumber = 0 } = this.#reading ?? {};
      if (!this.isNews(instanceNumber)) this.#reading = null; // we have got there by links
      const before = this.#applied;
      this.#applied = this.chain;
      if (link === null) return;
      this.#links.push(link);
      this.apply(link, this.instanceNumber - 1, before);
      if (this.#links.length >= 2 * this.keepLinks) this.#cut();
    }

    /** Tells one that is at `open` the links that it lacks, or the beginning of the snapshot. */
    protected override tell(peer: Uid, open: number): void {
      if (open < this.firstKept) return this.#sendChunk(peer, 0);
      const links: Link[] = [];
      let bytes = 0;
      for (const link of this.#links.slice(open - this.firstKept)) {
        bytes += encoder.encode(JSON.stringify(link)).length;
        if (links.length > 0 && bytes > this.partLength) break;
        links.push(link);
      }
      const { instanceNumber } = this;
      this.environment.messenger.send([peer], {
        type: 'links',
        instanceNumber,
        first: open,
        links,
      });
    }

    /** Takes a snapshot here, and forgets the oldest links. Rule 2 says why that is allowed. */
    #cut(): void {
      this.#snapshot = this.takeSnapshot();
      this.#text = null;
      this.#links = this.#links.slice(-this.keepLinks);
      this.#say('taken');
    }

    #receiveLinks(from: Uid, message: LinksMessage): void {
      if (this.leapsTooFar(message)) return;
      const { first, links } = message;
      const open = this.instanceNumber;
      if (first > open) return this.ignore('there is a gap before these links');
      if (first + links.length <= open) return this.ignore('we have got there already');
      this.close(links.slice(open - first));
      this.#goOn(from, message.instanceNumber);
    }

    #receiveSnapshotRequest(from: Uid, { instanceNumber, of, offset }: SnapshotRequest): void {
      const isThis = of === this.#snapshot.instanceNumber && offset < this.#snapshotText.length;
      if (isThis) return this.#sendChunk(from, offset);
      if (instanceNumber < this.instanceNumber) return this.tell(from, instanceNumber);
      this.ignore('I have no such snapshot');
    }

    #receiveSnapshotChunk(from: Uid, chunk: SnapshotChunk): void {
      if (this.leapsTooFar(chunk)) return;
      const { instanceNumber, offset, text, total } = chunk;
      if (!this.isNews(instanceNumber)) return this.ignore('we have got there already');
      if (offset === 0) this.#read(from, instanceNumber, total);
      const reading = this.#reading;
      const isNext =
        reading?.from === from &&
        reading.instanceNumber === instanceNumber &&
        reading.total === total &&
        reading.text.length === offset;
      if (!isNext) return this.ignore('I am not waiting for this part');
      reading.text += text;
      if (reading.text.length < total) return this.#askOn(reading);
      this.#reading = null;
      this.#install(reading);
    }

    /** Begins to read, unless somebody else is telling us as much already. */
    #read(from: Uid, instanceNumber: number, total: number): void {
      const now = this.#reading;
      const isReadingIt = now?.from === from && now.instanceNumber === instanceNumber;
      if (isReadingIt || (now !== null && now.from !== from)) return;
      this.#reading = { from, instanceNumber, total, text: '' };
      this.#target = Math.max(this.#target, instanceNumber);
      this.#trace('reading', instanceNumber, from, null);
    }

    #askOn({ from, instanceNumber: of, text }: Reading): void {
      const { instanceNumber } = this;
      const offset = text.length;
      this.#askUntilAnswered(from, { type: 'snapshot_request', instanceNumber, of, offset });
    }

    #install({ from, instanceNumber, text }: Reading): void {
      const snapshot = snapshotIn(text, this.names);
      try {
        if (snapshot?.instanceNumber !== instanceNumber) throw new Error('it is no snapshot');
        this.bringState(snapshot.state);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        return this.ignore(`the snapshot of ${from} cannot be used: ${why}`);
      }
      this.#snapshot = snapshot;
      this.#text = null;
      this.#links = [];
      this.jump(instanceNumber, snapshot.chain);
      this.#trace('installed', instanceNumber, from, this.stateDigest);
      this.#goOn(from, this.#target);
      this.requestFrom(from); // a snapshot is older than its giver: there may be links after it
    }

    /** We have come nearer. If that is not all, the same server is asked for the rest. */
    #goOn(from: Uid, target: number): void {
      this.#target = Math.max(this.#target, target);
      if (this.#reading !== null) return; // of somebody who is asked already
      this.#askAgain?.cancel();
      if (this.isNews(this.#target)) this.#askForMore(from);
    }

    #askForMore(peer: Uid): void {
      const { instanceNumber, digest } = this;
      this.#askUntilAnswered(peer, { type: 'sync_request', instanceNumber, digest });
    }

    /** Asks, again and again, and then somebody else. Whoever comes nearer meanwhile ends it. */
    #askUntilAnswered(peer: Uid, question: PeerMessage, times = 1): void {
      this.environment.messenger.send([peer], question);
      this.#askAgain?.cancel();
      this.#askAgain = this.environment.clock.after(ASK_AGAIN_AFTER_MS, () => {
        if (!this.isNews(this.#target)) return;
        if (times < ASKED_BEFORE_NEXT) return this.#askUntilAnswered(peer, question, times + 1);
        this.#reading = null; // its giver may be gone: whoever comes next begins anew
        this.#askForMore(this.#after(peer));
      });
    }

    #after(peer: Uid): Uid {
      const next = (this.peers.indexOf(peer) + 1) % this.peers.length;
      return this.peers[next] ?? peer;
    }

    #sendChunk(peer: Uid, offset: number): void {
      const { instanceNumber } = this.#snapshot;
      const total = this.#snapshotText.length;
      const text = this.#snapshotText.slice(offset, offset + this.partLength);
      const chunk = { type: 'snapshot_chunk', instanceNumber, offset, total, text } as const;
      this.environment.messenger.send([peer], chunk);
    }

    get #snapshotText(): string {
      this.#text ??= textOf(this.#snapshot);
      return this.#text;
    }

    /** Throws, with one sentence, if that is no log, or not the one of our chain. */
    #checked(kept: unknown): LogOnDisk {
      const { names: uids } = this;
      const { snapshot, first, links } = isRecord(kept) ? kept : {};
      const isWhole =
        isSnapshot(snapshot, uids) &&
        Array.isArray(links) &&
        links.every((link) => isLink(link, uids)) &&
        first === this.instanceNumber - links.length &&
        first <= snapshot.instanceNumber &&
        snapshot.instanceNumber <= this.instanceNumber;
      if (!isWhole) throw new Error('its log is not what it must be');
      return { snapshot, first, links };
    }

    #say(what: 'taken' | 'restored'): void {
      this.#trace(what, this.instanceNumber, null, this.stateDigest);
    }

    #trace(
      what: 'taken' | 'restored' | 'reading' | 'installed',
      instanceNumber: number,
      from: Uid | null,
      digest: string | null,
    ): void {
      this.environment.trace({ event: 'snapshot', what, instanceNumber, from, digest });
    }
  };
}

export type Log = InstanceType<ReturnType<typeof Log<Constructor<CatchUp>>>>;

const encoder = new TextEncoder();

const NOT_OF_A_STORE =
  'it was made without --store, and its values are no commands: start it without, ' +
  'or begin anew with no state at all servers';

/** JSON in ASCII: wherever it is cut, no character is. */
function textOf(snapshot: Snapshot): string {
  return JSON.stringify(snapshot).replaceAll(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function snapshotIn(text: string, uids: Names): Snapshot | null {
  try {
    const snapshot: unknown = JSON.parse(text);
    return isSnapshot(snapshot, uids) ? snapshot : null;
  } catch {
    return null;
  }
}

function isSnapshot(value: unknown, uids: Names): value is Snapshot {
  if (!isRecord(value) || Object.keys(value).length !== 3 || !('state' in value)) return false;
  const { chain, instanceNumber } = value;
  return isRecord(chain) && wrongField({ instanceNumber, ...chain }, CHAIN_FIELDS, uids) === null;
}
