/**
 * The log: what if a server must not jump?
 *
 * In part I only the latest value counts, so a server that is behind may jump to where the others
 * are. Where every link counts, it needs those that it has missed. So every server keeps the links
 * of some time, and tells a laggard those that it lacks: it closes its instances one by one with
 * them, as if it had been there. One that asks is told several datagrams of them, as many as may be
 * under way at a time, and asks again when it has them all: so a long way between two servers is
 * waited for once for all of these. They may come in any order, and are closed in theirs.
 *
 * A log that is never cut grows for ever. But what all links up to some instance have made is a
 * state, and that does not grow with the number of links. A *snapshot* is that state, together with
 * what the chain remembers there: who holds the lease, and which requests have had their effect.
 * Whoever has a snapshot needs no link before it. So from time to time a server takes one, and
 * forgets the oldest links. A laggard that needs one of these gets the snapshot instead, in parts.
 *
 * To take one takes no time: the state is of a kind that does not change, so a reference to it is
 * enough. What takes time is to write it down, and that is done a few lines a turn, while the
 * server goes on (see `snapshot.ts`); only when it is whole are links forgotten. A receiver reads
 * it in the same way, into a state beside its own. So no turn is long, however large the state is.
 *
 * The receiver *pulls* it: it asks for some parts at once, and for one more with each that comes;
 * it repeats a question that is not answered, and turns to another server when one has died, or
 * has cut its log again meanwhile, or has told what cannot be; then it begins anew. The giver keeps
 * no account of who is reading: it only waits a little with the next snapshot while somebody does.
 *
 * Two rules:
 *
 *   1. *An older snapshot is never installed.* What a server has applied it has told to clients.
 *   2. *Nothing is cut before the snapshot is durable.* Both are one state on disk and go there in
 *      one save: after a crash there are the old snapshot with all links since, or the new one
 *      with the rest. A large one would make that a long save. So its text goes there beside the
 *      old one as it is written, or read, and that last save only says which of them counts.
 */
import { applyLink, type ChainState, EMPTY_CHAIN, type Link } from '../chain.ts';
import type { Uid } from '../composable-paxos.ts';
import type { Timer } from '../environment.ts';
import {
  isLink,
  isRecord,
  type LinksMessage,
  MAX_PART,
  NOT_BELIEVED,
  type PeerMessage,
  type SnapshotChunk,
  type SnapshotRequest,
  type SyncRequest,
} from '../messages.ts';
import type { Constructor } from '../replicated-value.ts';
import { MustStop } from '../state.ts';
import type { CatchUp } from '../sync-strategy.ts';
import { type LinkBlocks, LinkList } from './link-list.ts';
import {
  isSnapshot,
  lengthOf,
  mixedDigest,
  type NewState,
  partAt,
  type Snapshot,
  type SnapshotHead,
  SnapshotReader,
  type SnapshotSource,
  SnapshotWriter,
} from './snapshot.ts';

/** So many links are kept at least; when there are twice as many, a snapshot is taken. */
export const KEEP_LINKS = 10_000;

/**
 * In so many blocks are the links that are kept at least: see `link-list.ts`. A block is written
 * once more when it is full, at once, so it is short.
 */
const BLOCKS = 400;

/** So many characters of a snapshot are written in one turn: about a millisecond's work. */
const STEP_LENGTH = 64_000;
/**
 * So many parts of a snapshot, or as many bytes of links, are under way at a time: 128 kB, which
 * the buffer of a receiver holds even where the system grants no more than it does by itself.
 */
const WINDOW = 16;
/** When so many messages with links have come they are saved, half of a window at a time. */
const SAVED_AT_ONCE = 8;
/** Between two steps whatever has come in meanwhile is served. */
const WRITE_ON_AFTER_MS = 1;

/** A giver that is silent for so long is asked again, and after some times another one. */
const ASK_AGAIN_AFTER_MS = 300;
const ASKED_BEFORE_NEXT = 3;
/** Whoever reads a snapshot asks for its next part by then. */
const READ_WITHIN_MS = 1_000;

/** What is on disk: a snapshot, and all links from there, or from earlier, to the open instance. */
interface LogOnDisk extends LinkBlocks {
  readonly snapshot: Snapshot;
  /** The beginning of the next one, that is written, and of one that is read: see rule 2. */
  readonly written?: Snapshot;
  readonly read?: Snapshot;
  /** The instance of the first link; it may be before that of the snapshot. */
  readonly first: number;
}

/** The reading of somebody's snapshot, as far as it has come. */
interface Reading {
  readonly from: Uid;
  readonly instanceNumber: number;
  readonly total: number;
  readonly partLength: number;
  readonly state: NewState;
  readonly reader: SnapshotReader;
  /** What was read, in order, without a gap. */
  readonly parts: string[];
  /** What came before its turn, by its offset. */
  readonly early: Map<number, string>;
  /** All parts before this character were asked for. */
  asked: number;
  /** So many parts are on the disk. */
  saved: number;
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
    #links!: LinkList; // the same
    /** Runs while a new snapshot is being written. */
    #writing: Timer | null = null;
    /** When somebody has last asked for a part of ours. */
    #askedAtMs = Number.NEGATIVE_INFINITY;
    #reading: Reading | null = null;
    /** Links that came before their turn, by the instance of the first one. */
    readonly #early = new Map<number, LinksMessage>();
    /** The links before this instance are on their way, or here. */
    #toldUntil = 1;
    /** Where whoever told us something last has come to; `#target` may be nobody's. */
    #tellerIsAt = 1;
    /** When anything has last come that brings us nearer. */
    #nearerAtMs = Number.NEGATIVE_INFINITY;
    /** Somebody was further than we are, and was not asked, since another one was telling us. */
    #hasMissedNews = false;
    /** What there is of a new snapshot on the disk, beside the one that counts; null: nothing. */
    #written: Snapshot | null = null;
    #read: Snapshot | null = null;
    /** So many messages with links have come since they were saved. */
    #unsaved = 0;
    /** Somebody has said that this instance is open. */
    #target = 1;
    #askAgain: Timer | null = null;
    #isRunning = false;

    /** How many links are kept at least. */
    protected get keepLinks(): number {
      return KEEP_LINKS;
    }

    /** How much goes into one datagram. */
    protected get partLength(): number {
      return MAX_PART;
    }

    /** How many parts are under way at a time. */
    protected get window(): number {
      return WINDOW;
    }

    /** Whoever has asked for no part for so long reads no more. */
    protected get readWithinMs(): number {
      return READ_WITHIN_MS;
    }

    /** How much of a snapshot is written in one turn. */
    protected get stepLength(): number {
      return STEP_LENGTH;
    }

    /** The instance of the oldest link that is kept. */
    get firstKept(): number {
      return this.instanceNumber - this.#links.length;
    }

    /** So many of the links from this instance on; null: the first of them is not kept any more. */
    linksFrom(instanceNumber: number, most: number): readonly Link[] | null {
      const start = instanceNumber - this.firstKept;
      return start < 0 ? null : this.#links.slice(start, most);
    }

    /** The instance before which the snapshot ends that a laggard would get. */
    get snapshotAt(): number {
      return this.#snapshot.instanceNumber;
    }

    /** Servers that have the same instance open must have the same. */
    override get digest(): string {
      return mixedDigest(super.digest, this.stateDigest);
    }

    /** False while what the disk holds is made out of its links once more. */
    protected get isRunning(): boolean {
      return this.#isRunning;
    }

    // What the layers above make of the links.

    /** This link is chosen in this instance. */
    protected apply(_link: Link, _instanceNumber: number): void {}

    /** What all links so far have made, in pieces of JSON data: of now, however late it is read. */
    protected takeState(): Iterable<unknown> {
      return [];
    }

    /** A state that will be made out of what `takeState` gave. */
    protected newState(): NewState {
      return NO_STATE;
    }

    /** The state in eight hexadecimal digits. */
    protected get stateDigest(): string {
      return NO_STATE.digest;
    }

    /** What a snapshot of this moment will be made of. */
    protected takeSnapshot(): SnapshotSource {
      const { instanceNumber, chain, digest } = this;
      return { head: { instanceNumber, chain, digest }, pieces: this.takeState() };
    }

    /** Whether what goes up to this instance is ahead of us. Rule 1. */
    protected isNews(instanceNumber: number): boolean {
      return instanceNumber > this.instanceNumber;
    }

    override start(): void {
      super.start();
      this.#isRunning = true;
      this.#trace('restored', this.instanceNumber, null, this.stateDigest);
    }

    override stop(): void {
      this.#askAgain?.cancel();
      this.#writing?.cancel();
      super.stop();
    }

    protected override get kept(): LogOnDisk {
      return {
        snapshot: this.#snapshot,
        ...(this.#written === null ? {} : { written: this.#written }),
        ...(this.#read === null ? {} : { read: this.#read }),
        first: this.firstKept,
        ...this.#links.kept,
      };
    }

    protected override save(): void {
      this.#unsaved = 0;
      super.save();
    }

    /** Applies all links since the snapshot once more. Not for `super`, which knows of no log. */
    protected override restore(kept: unknown): void {
      if (kept === undefined) {
        if (this.instanceNumber > 1) throw new MustStop(NOT_OF_A_STORE);
        this.#links = new LinkList(this.#blockLength);
        const head = { instanceNumber: 1, chain: EMPTY_CHAIN, digest: this.digest };
        const writer = new SnapshotWriter({ head, pieces: this.takeState() }, this.partLength);
        this.#snapshot = writer.write(Number.POSITIVE_INFINITY) as Snapshot;
        return;
      }
      const { snapshot, first, blocks, links } = this.#checked(kept);
      const state = this.newState();
      const reader = new SnapshotReader(this.names, state);
      for (const part of snapshot.parts) reader.add(part);
      let { chain, instanceNumber } = reader.end();
      if (instanceNumber !== snapshot.instanceNumber) throw new Error(OF_ANOTHER_INSTANCE);
      state.use();
      this.#snapshot = snapshot;
      this.#links = new LinkList(this.#blockLength, { blocks, links });
      for (const link of [...blocks, links].flat().slice(instanceNumber - first)) {
        chain = applyLink(chain, link, instanceNumber);
        this.apply(link, instanceNumber);
        instanceNumber += 1;
      }
    }

    override receive(from: Uid, message: PeerMessage): void {
      switch (message.type) {
        case 'sync_request':
          return this.#receiveSyncRequest(from, message);
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
      if (!this.isNews(instanceNumber)) this.#readNoMore(); // we have got there by links
      if (link === null) return;
      this.#links.push(link);
      this.apply(link, this.instanceNumber - 1);
      if (this.#links.length >= this.#tooMany) this.#take();
    }

    /** Tells one that is at `open` some links that it lacks, or the beginning of the snapshot. */
    protected override tell(peer: Uid, open: number): void {
      this.#tell(peer, open, this.partLength);
    }

    /** So many bytes of links, in as many datagrams as they need; one link may be longer. */
    #tell(peer: Uid, open: number, mostBytes: number): void {
      if (open < this.firstKept) return this.#sendPart(peer, 0);
      const { instanceNumber } = this;
      const datagrams = this.#datagramsFrom(open, mostBytes);
      const until = open + datagrams.flat().length;
      let first = open;
      for (const links of datagrams) {
        const told = { type: 'links', instanceNumber, first, links } as const;
        first += links.length;
        this.environment.messenger.send([peer], first < until ? { ...told, until } : told);
      }
    }

    /** The links from here on, up to so many bytes, those of each datagram by themselves. */
    #datagramsFrom(open: number, mostBytes: number): readonly (readonly Link[])[] {
      const datagrams: Link[][] = [];
      let bytes = Number.POSITIVE_INFINITY; // in the last of them: the first link needs one
      let allBytes = 0;
      for (let at = open - this.firstKept; at < this.#links.length; at += 1) {
        const link = this.#links.at(at) as Link;
        const length = encoder.encode(JSON.stringify(link)).length;
        allBytes += length;
        bytes += length;
        if (datagrams.length > 0 && allBytes > mostBytes) break;
        if (bytes > this.partLength) {
          datagrams.push([]);
          bytes = length;
        }
        datagrams.at(-1)?.push(link);
      }
      return datagrams;
    }

    /**
     * With so many links the next snapshot is taken. One that somebody reads is not taken out of
     * its hands so soon: where much is chosen, a large one could never be read to its end.
     */
    get #tooMany(): number {
      const isRead = this.environment.clock.now() < this.#askedAtMs + this.readWithinMs;
      return (isRead ? 4 : 2) * this.keepLinks;
    }

    /** Takes a snapshot here, which will be written in later turns. */
    #take(): void {
      if (this.#writing !== null) return;
      const { stateDigest } = this;
      this.#writeOn(new SnapshotWriter(this.takeSnapshot(), this.partLength), stateDigest);
    }

    #writeOn(writer: SnapshotWriter, digest: string): void {
      this.#writing = this.environment.clock.after(WRITE_ON_AFTER_MS, () => {
        const snapshot = writer.write(this.stepLength);
        if (snapshot === null || this.#written !== null) {
          this.#written = snapshot ?? writer.soFar;
          this.save();
        }
        if (snapshot === null) return this.#writeOn(writer, digest);
        this.#writing = this.#written = null;
        this.#cut(snapshot);
        this.#trace('taken', snapshot.instanceNumber, null, digest);
      });
    }

    /** Forgets the oldest links, none of those since the snapshot. Rule 2 says why it may. */
    #cut(snapshot: Snapshot): void {
      this.#snapshot = snapshot;
      const since = this.instanceNumber - snapshot.instanceNumber;
      this.#links.forget(this.#links.length - Math.max(this.keepLinks, since));
    }

    get #blockLength(): number {
      return Math.ceil(this.keepLinks / BLOCKS);
    }

    /** Whoever asks has room for more than one datagram. */
    #receiveSyncRequest(from: Uid, message: SyncRequest): void {
      const { instanceNumber: open } = message;
      if (open >= this.instanceNumber) return super.receive(from, message);
      this.#tell(from, open, this.window * this.partLength);
    }

    #receiveLinks(from: Uid, message: LinksMessage): void {
      if (this.leapsTooFar(message)) return;
      if (!this.#isOfUse(message)) return this.ignore('we have got there already');
      const { first, links, until = first + links.length } = message;
      this.#toldUntil = Math.max(this.#toldUntil, until);
      this.#target = Math.max(this.#target, message.instanceNumber);
      this.#tellerIsAt = message.instanceNumber;
      this.#nearerAtMs = this.environment.clock.now();
      if (first > this.instanceNumber) this.#keepEarly(message);
      else this.#close(message);
      this.#goOn(from);
    }

    /** Not more than whoever is asked tells at a time, even if each of two has been asked. */
    #keepEarly(message: LinksMessage): void {
      this.ignore('there is a gap before these links');
      if (this.#early.size < 4 * this.window) this.#early.set(message.first, message);
    }

    /** Closes instances with these links, and with what has come early and goes on from there. */
    #close(message: LinksMessage): void {
      const links: Link[] = [];
      for (let next: LinksMessage | undefined = message; next !== undefined; ) {
        links.push(...next.links.slice(this.instanceNumber + links.length - next.first));
        this.#unsaved += 1;
        const open = this.instanceNumber + links.length;
        next = [...this.#early.values()].find((early) => goesOnFrom(open, early));
      }
      this.close(links);
      for (const early of this.#early.values()) {
        if (!this.#isOfUse(early)) this.#early.delete(early.first);
      }
      if (this.#unsaved >= SAVED_AT_ONCE) this.save(); // or it would be a long turn
    }

    /** Whether it holds links that we lack. */
    #isOfUse({ first, links }: LinksMessage): boolean {
      return first + links.length > this.instanceNumber;
    }

    #receiveSnapshotRequest(from: Uid, { instanceNumber, of, offset }: SnapshotRequest): void {
      const isThis = of === this.#snapshot.instanceNumber && partAt(this.#snapshot, offset);
      if (isThis) {
        this.#askedAtMs = this.environment.clock.now();
        return this.#sendPart(from, offset);
      }
      if (instanceNumber < this.instanceNumber) return this.tell(from, instanceNumber);
      this.ignore('I have no such snapshot');
    }

    #receiveSnapshotChunk(from: Uid, chunk: SnapshotChunk): void {
      if (this.leapsTooFar(chunk)) return;
      if (!this.isNews(chunk.instanceNumber)) return this.ignore('we have got there already');
      if (chunk.offset === 0) this.#begin(from, chunk);
      const reading = this.#reading;
      if (reading?.from !== from || !isAwaited(reading, chunk)) {
        return this.ignore('I am not waiting for this part');
      }
      this.#nearerAtMs = this.environment.clock.now();
      reading.early.set(chunk.offset, chunk.text);
      let head: SnapshotHead | null;
      try {
        head = readOn(reading);
      } catch (error) {
        return this.#refuse(reading, error instanceof Error ? error.message : String(error));
      }
      if (head !== null) return this.#install(reading, head.chain);
      this.#keepRead(reading);
      this.#askOn(reading);
    }

    /** Brings to the disk what was read since the last time, if that is enough for a save. */
    #keepRead(reading: Reading): void {
      const { instanceNumber, parts, partLength } = reading;
      if ((parts.length - reading.saved) * partLength < this.stepLength) return;
      reading.saved = parts.length;
      this.#read = { instanceNumber, parts: [...parts] };
      this.save();
    }

    #readNoMore(): void {
      this.#reading = this.#read = null;
    }

    /** Begins to read, unless somebody else is telling us as much already. */
    #begin(from: Uid, { instanceNumber, total, text }: SnapshotChunk): void {
      const now = this.#reading;
      const isReadingIt = now?.from === from && now.instanceNumber === instanceNumber;
      if (isReadingIt || (now !== null && now.from !== from) || text.length > total) return;
      const state = this.newState();
      const reader = new SnapshotReader(this.names, state);
      const [partLength, asked] = [text.length, text.length];
      const whence = { from, instanceNumber, total, partLength };
      this.#readNoMore();
      this.#reading = { ...whence, state, reader, parts: [], early: new Map(), asked, saved: 0 };
      this.#target = Math.max(this.#target, instanceNumber);
      this.#tellerIsAt = Math.max(this.#tellerIsAt, instanceNumber);
      this.#trace('reading', instanceNumber, from, null);
    }

    /** Asks for as many parts more as the window allows, and again for all that does not come. */
    #askOn(reading: Reading): void {
      const { from, total, partLength, early } = reading;
      const read = readIn(reading);
      const until = Math.min(total, read + this.window * partLength);
      for (; reading.asked < until; reading.asked += partLength) {
        this.environment.messenger.send([from], this.#requestOf(reading, reading.asked));
      }
      const missing: PeerMessage[] = [];
      for (let offset = read; offset < reading.asked; offset += partLength) {
        if (!early.has(offset)) missing.push(this.#requestOf(reading, offset));
      }
      this.#awaitAnswer(from, missing);
    }

    #requestOf({ instanceNumber: of }: Reading, offset: number): PeerMessage {
      const { instanceNumber } = this;
      return { type: 'snapshot_request', instanceNumber, of, offset };
    }

    #install(reading: Reading, chain: ChainState): void {
      const { from, instanceNumber, parts, state } = reading;
      const snapshot = { instanceNumber, parts };
      if (reading.saved > 0) {
        this.#read = snapshot;
        this.save();
      }
      this.#readNoMore();
      this.#writing?.cancel();
      this.#writing = this.#written = null;
      state.use();
      this.#snapshot = snapshot;
      this.#links = new LinkList(this.#blockLength);
      this.jump(instanceNumber, chain);
      this.#trace('installed', instanceNumber, from, this.stateDigest);
      this.#goOn(from);
      this.requestFrom(from); // a snapshot is older than its giver: there may be links after it
    }

    /** Who tells what cannot be is asked no more; somebody else is, after a while. */
    #refuse({ from }: Reading, why: string): void {
      this.#readNoMore();
      this.#nearerAtMs = Number.NEGATIVE_INFINITY; // it has told us nothing
      this.ignore(`${NOT_BELIEVED}: ${why}`);
      this.#askAgain?.cancel();
      this.#askAgain = this.environment.clock.after(ASK_AGAIN_AFTER_MS, () => {
        if (this.isNews(this.#target)) this.#askForMore(this.#after(from));
      });
      this.pursue();
    }

    /** We have come nearer. If that is not all, the same server is asked for the rest. */
    #goOn(from: Uid): void {
      if (this.#reading !== null) return; // of somebody who is asked already
      this.#askAgain?.cancel();
      if (!this.isNews(this.#target)) return this.#askOnceMore(from);
      if (this.instanceNumber >= this.#toldUntil) return this.#askForMore(from);
      this.#awaitAnswer(from, [this.#question]); // the rest is on its way
    }

    /** Not for long after the last word: whoever was telling may be gone. */
    protected override get isBeingTold(): boolean {
      const isNearer = this.environment.clock.now() < this.#nearerAtMs + ASK_AGAIN_AFTER_MS;
      return isNearer && this.isNews(this.#tellerIsAt);
    }

    /** Who is being told asks nobody else for the same … */
    protected override requestFrom(peer: Uid): void {
      if (!this.isBeingTold) return super.requestFrom(peer);
      this.#hasMissedNews = true;
    }

    /** … but whether there was more to tell, when that is all. */
    #askOnceMore(peer: Uid): void {
      if (this.#hasMissedNews) this.requestFrom(peer);
      this.#hasMissedNews = false;
    }

    #askForMore(peer: Uid): void {
      this.environment.messenger.send([peer], this.#question);
      this.#awaitAnswer(peer, [this.#question]);
    }

    get #question(): PeerMessage {
      const { instanceNumber, digest } = this;
      return { type: 'sync_request', instanceNumber, digest };
    }

    /** Asks again, and again, and then somebody else. Whoever comes nearer meanwhile ends it. */
    #awaitAnswer(peer: Uid, questions: readonly PeerMessage[], times = 1): void {
      this.#askAgain?.cancel();
      this.#askAgain = this.environment.clock.after(ASK_AGAIN_AFTER_MS, () => {
        if (!this.isNews(this.#target)) return;
        if (times < ASKED_BEFORE_NEXT) {
          for (const question of questions) this.environment.messenger.send([peer], question);
          this.#awaitAnswer(peer, questions, times + 1);
        } else {
          this.#readNoMore(); // its giver may be gone: whoever comes next begins anew
          this.#askForMore(this.#after(peer));
        }
        this.pursue(); // whoever waits here has waited for the giver long enough
      });
    }

    #after(peer: Uid): Uid {
      const next = (this.peers.indexOf(peer) + 1) % this.peers.length;
      return this.peers[next] ?? peer;
    }

    #sendPart(peer: Uid, offset: number): void {
      const { instanceNumber } = this.#snapshot;
      const total = lengthOf(this.#snapshot);
      const text = partAt(this.#snapshot, offset) ?? '';
      const chunk = { type: 'snapshot_chunk', instanceNumber, offset, total, text } as const;
      this.environment.messenger.send([peer], chunk);
    }

    /** Throws, with one sentence, if that is no log, or not the one of our chain. */
    #checked(kept: unknown): LogOnDisk {
      const { names: uids } = this;
      const { snapshot, first, blocks, links } = isRecord(kept) ? kept : {};
      const isListOfLinks = (list: unknown) =>
        Array.isArray(list) && list.every((link) => isLink(link, uids));
      const isWhole =
        isSnapshot(snapshot) &&
        Array.isArray(blocks) &&
        [...blocks, links].every(isListOfLinks) &&
        first === this.instanceNumber - [...blocks, links].flat().length &&
        first <= snapshot.instanceNumber &&
        snapshot.instanceNumber <= this.instanceNumber;
      if (!isWhole) throw new Error('its log is not what it must be');
      return kept as LogOnDisk;
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

const OF_ANOTHER_INSTANCE = 'it is of another instance than it says';

/** What a log makes by itself, with no layer above it that makes something of the links. */
const NO_STATE: NewState = {
  digest: '00000000',
  add() {
    throw new Error('it holds a state, and there is none here');
  },
  use() {},
};

/** Whether it holds the link of this instance. */
function goesOnFrom(open: number, { first, links }: LinksMessage): boolean {
  return first <= open && open < first + links.length;
}

/** Up to which character it is read. */
function readIn({ parts, partLength, total }: Reading): number {
  return Math.min(total, parts.length * partLength);
}

/** Whether this part was asked for, and is not here yet. */
function isAwaited(reading: Reading, chunk: SnapshotChunk): boolean {
  const { instanceNumber, total, partLength, early, asked } = reading;
  const { offset, text } = chunk;
  return (
    chunk.instanceNumber === instanceNumber &&
    chunk.total === total &&
    offset >= readIn(reading) &&
    offset < asked &&
    offset % partLength === 0 &&
    text.length === Math.min(partLength, total - offset) &&
    !early.has(offset)
  );
}

/**
 * Reads what is there, up to the first part that is not; null: that was not all. Throws, with what
 * is wrong, if it is no snapshot, or not what it says.
 */
function readOn(reading: Reading): SnapshotHead | null {
  const { instanceNumber, early, reader, parts } = reading;
  for (;;) {
    const text = early.get(readIn(reading));
    if (text === undefined) break;
    early.delete(readIn(reading));
    reader.add(text);
    parts.push(text);
  }
  if (readIn(reading) < reading.total) return null;
  const head = reader.end();
  if (head.instanceNumber === instanceNumber) return head;
  throw new Error(OF_ANOTHER_INSTANCE);
}
