/**
 * Sealed datagrams: an envelope for whoever shares a key, around bodies that it does not look into.
 *
 * Without a key a server believes whatever arrives from the right address, and addresses can be
 * forged. With one, every datagram carries a seal (HMAC-SHA256) over its sender, its receiver, a
 * counter and the body, and one without the right seal is dropped.
 *
 * **A datagram is believed once.** Whoever listens in can keep a sealed datagram and send it again
 * later. So everybody draws a random number at the start, its *session*, and counts what it sends.
 * A datagram names the sessions of both ends. One that does not name the receiver's present
 * session may be from another time: it is not believed, but answered with a *greeting*, which
 * says what the present session is, and which datagram it answers. If that one named no session
 * at all, its sender seals the body anew and sends it again. So the first contact costs one round
 * trip more, and that takes no clock and no disk. Whichever end restarts, nothing is believed a
 * second time, and nothing at all that was sent to a receiver before it restarted: what is on its
 * way then is lost, as datagrams may be. What was held back while its *sender* restarted is merely
 * late: it is believed, once. Within a session the receiver remembers the last 256 counters of
 * every sender, since datagrams overtake each other; what is older than that is dropped, too.
 *
 * That memory is bounded: with too many senders in it, the receiver begins a new session and
 * forgets them all; whoever is still there is greeted once more.
 *
 * **What it protects.** Nobody without the key can make a server or a client believe a message,
 * change one, repeat one, turn one back on its sender, or pass it on to another server.
 *
 * **What it does not.** Whoever listens in can read everything, values included. Datagrams can be
 * held back, dropped and delayed, as by any network. Whoever has the key can speak for everybody:
 * it is one key, so all who have it must be trusted alike. A flood still costs the receiver one
 * seal to check for each datagram. State files and traces are not protected.
 */
import {
  createHmac,
  createSecretKey,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';

/** Fewer bytes could be guessed. */
export const MIN_KEY_BYTES = 16;

/** What one end of a conversation does to its datagrams. */
export interface Envelope {
  /** The datagram that carries `body` to the one of this name. */
  seal(to: string, body: Uint8Array): Uint8Array;
  /**
   * What is in a datagram. `mayBe` tells whether somebody of this name can be where it came from.
   * Never throws.
   */
  open(bytes: Uint8Array, mayBe: (name: string) => boolean): Opened;
}

export type Opened =
  /** Believe it. `from` is the name of its sender, or null if nothing vouches for one. */
  | { readonly from: string | null; readonly body: Uint8Array }
  /** Nothing to believe, but datagrams that have to be sent back to where it came from. */
  | { readonly answers: readonly Uint8Array[] }
  /** One short sentence about why it is not believed. */
  | { readonly rejected: string };

/** No envelope at all, for those who share no key. */
export const UNSEALED: Envelope = {
  seal: (_to, body) => body,
  open: (body) => ({ from: null, body }),
};

/** A key out of its bytes. Throws an `Error` with one sentence if anybody could guess it. */
export function keyOf(bytes: Uint8Array): KeyObject {
  if (bytes.length < MIN_KEY_BYTES) {
    throw new Error(`it has ${bytes.length} bytes, and ${MIN_KEY_BYTES} are the least`);
  }
  const isBlank = Buffer.from(bytes).toString().trim() === '';
  if (isBlank) throw new Error('it is nothing but white space');
  return createSecretKey(bytes);
}

/**
 * The envelope for the holder of `key`; null: there is no key. A server goes by its uid. A client
 * goes by a name that nobody else has ever had, and leaves it out here.
 */
export function sealer(key: KeyObject | null, name = randomHex()): Envelope {
  return key === null ? UNSEALED : new SealedDatagrams(key, name);
}

/** Is this a name that `sealer` gives to a client? */
export function isClientName(name: string): boolean {
  return /^[0-9a-f]{16}$/.test(name);
}

// magic, kind, sender's session, receiver's session, counter, length of names, names | body | seal
const MAGIC = Buffer.from('PXS1');
const KIND_AT = 4;
const SENDER_SESSION_AT = 5;
const RECEIVER_SESSION_AT = 13;
const COUNTER_AT = 21;
const NAMES_LENGTH_AT = 27;
const NAMES_AT = 28;
const SESSION_BYTES = 8;
const COUNTER_BYTES = 6;
const SEAL_BYTES = 32;
const LONGEST_NAMES = 40;
/** A datagram is at most so many bytes longer than its body. */
export const MAX_ENVELOPE_BYTES = NAMES_AT + LONGEST_NAMES + SEAL_BYTES;

const ORDINARY = 0;
const GREETING = 1;
const UNKNOWN_SESSION = '00'.repeat(SESSION_BYTES);

const NOT_OURS = 'it is not sealed with our key';
const MAX_REMEMBERED_SENDERS = 10_000;
/** So many bodies of first contacts are kept, until a greeting tells how to seal them. */
export const KEPT_BODIES = 16;

interface Head {
  readonly kind: number;
  readonly from: string;
  readonly to: string;
  readonly senderSession: string;
  readonly receiverSession: string;
  readonly counter: number;
  /** Where the body begins. */
  readonly end: number;
}

interface Kept {
  readonly to: string;
  readonly counter: number;
  readonly body: Uint8Array;
}

export class SealedDatagrams implements Envelope {
  readonly #key: KeyObject;
  readonly #name: string;
  readonly #maxSenders: number;
  #session = randomHex();
  #counter = 0;
  #kept: Kept[] = [];
  /** The session of everybody from whom we have heard in ours. */
  readonly #sessions = new Map<string, string>();
  /** What was seen, for each sender and each session of it. */
  readonly #seen = new Map<string, SlidingWindow>();

  constructor(key: KeyObject, name: string, maxSenders = MAX_REMEMBERED_SENDERS) {
    this.#key = key;
    this.#name = name;
    this.#maxSenders = maxSenders;
  }

  seal(to: string, body: Uint8Array): Uint8Array {
    const receiverSession = this.#sessions.get(to);
    const bytes = this.#write(ORDINARY, to, receiverSession ?? UNKNOWN_SESSION, body);
    if (receiverSession === undefined) this.#keep({ to, counter: this.#counter, body });
    return bytes;
  }

  open(datagram: Uint8Array, mayBe: (name: string) => boolean): Opened {
    const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.byteLength);
    const head = this.#readHead(bytes);
    if (head === null) return { rejected: NOT_OURS };

    const { from } = head;
    if (head.to !== this.#name) return { rejected: 'it is sealed for somebody else' };
    if (!mayBe(from)) return { rejected: 'who sealed it is not at this address' };
    if (head.receiverSession !== this.#session) return { answers: [this.#greet(head)] };

    if (!this.#seenOf(head).add(head.counter)) return { rejected: 'it was here before' };

    this.#sessions.set(from, head.senderSession);
    const body = bytes.subarray(head.end, -SEAL_BYTES);
    if (head.kind === ORDINARY) return { from, body };
    if (body.length !== COUNTER_BYTES) return { rejected: 'it is no greeting of ours' };
    return { answers: this.#sealAgain(from, body.readUIntBE(0, COUNTER_BYTES)) };
  }

  /** Tells the sender of a datagram our session, and which one we could not believe. */
  #greet({ from, senderSession, counter }: Head): Uint8Array {
    if (this.#seen.size >= this.#maxSenders) this.#beginSession();
    const body = Buffer.alloc(COUNTER_BYTES);
    body.writeUIntBE(counter, 0, COUNTER_BYTES);
    return this.#write(GREETING, from, senderSession, body);
  }

  /**
   * Nobody believes a datagram that names no session, so it is safe to send its body again. One
   * that names a session may have been believed before a restart of its receiver: it is not kept.
   */
  #keep(one: Kept): void {
    this.#kept.push(one);
    if (this.#kept.length > KEPT_BODIES) this.#kept.shift();
  }

  #sealAgain(to: string, counter: number): Uint8Array[] {
    const kept = this.#kept.find((one) => one.to === to && one.counter === counter);
    if (kept === undefined) return [];
    this.#kept = this.#kept.filter((one) => one !== kept);
    return [this.seal(to, kept.body)];
  }

  /** Nobody gets into a session without a greeting: so this is where to keep its size in bounds. */
  #beginSession(): void {
    this.#session = randomHex();
    this.#seen.clear();
    this.#sessions.clear();
  }

  /** What this sender has sent in its session. */
  #seenOf({ from, senderSession }: Head): SlidingWindow {
    const name = `${from} ${senderSession}`;
    const seen = this.#seen.get(name) ?? new SlidingWindow();
    this.#seen.set(name, seen);
    return seen;
  }

  #write(kind: number, to: string, receiverSession: string, body: Uint8Array): Uint8Array {
    const names = `${this.#name} ${to}`;
    if (names.length > LONGEST_NAMES) throw new Error(`the names ${names} are too long`);
    this.#counter += 1;
    const sealAt = NAMES_AT + names.length + body.length;
    const bytes = Buffer.alloc(sealAt + SEAL_BYTES);
    bytes.set(MAGIC);
    bytes.writeUInt8(kind, KIND_AT);
    bytes.write(this.#session, SENDER_SESSION_AT, 'hex');
    bytes.write(receiverSession, RECEIVER_SESSION_AT, 'hex');
    bytes.writeUIntBE(this.#counter, COUNTER_AT, COUNTER_BYTES);
    bytes.writeUInt8(names.length, NAMES_LENGTH_AT);
    bytes.write(names, NAMES_AT, 'latin1');
    bytes.set(body, NAMES_AT + names.length);
    bytes.set(this.#sealOf(bytes.subarray(0, sealAt)), sealAt);
    return bytes;
  }

  /** Null if the datagram is not sealed with our key. Nothing else of it is looked at before. */
  #readHead(bytes: Buffer): Head | null {
    const sealAt = bytes.length - SEAL_BYTES;
    if (sealAt < NAMES_AT || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return null;
    if (!timingSafeEqual(this.#sealOf(bytes.subarray(0, sealAt)), bytes.subarray(sealAt))) {
      return null;
    }
    const end = NAMES_AT + bytes.readUInt8(NAMES_LENGTH_AT);
    const [from = '', to = ''] = bytes.toString('latin1', NAMES_AT, end).split(' ');
    return {
      kind: bytes.readUInt8(KIND_AT),
      from,
      to,
      senderSession: sessionAt(bytes, SENDER_SESSION_AT),
      receiverSession: sessionAt(bytes, RECEIVER_SESSION_AT),
      counter: bytes.readUIntBE(COUNTER_AT, COUNTER_BYTES),
      end,
    };
  }

  #sealOf(bytes: Uint8Array): Buffer {
    return createHmac('sha256', this.#key).update(bytes).digest();
  }
}

const WINDOW = 256;
const ALL = (1n << BigInt(WINDOW)) - 1n;

/** Which counters were seen: datagrams overtake each other, but not by much. */
class SlidingWindow {
  #highest = 0;
  /** Bit n: the counter that is n below the highest was seen. */
  #bits = 0n;

  /** False if it was added before, or is too far below others to tell. */
  add(counter: number): boolean {
    const ahead = counter - this.#highest;
    if (ahead > 0) {
      this.#bits = ahead >= WINDOW ? 1n : ((this.#bits << BigInt(ahead)) | 1n) & ALL;
      this.#highest = counter;
      return true;
    }
    const bit = 1n << BigInt(Math.min(-ahead, WINDOW));
    if (-ahead >= WINDOW || (this.#bits & bit) !== 0n) return false;
    this.#bits |= bit;
    return true;
  }
}

function sessionAt(bytes: Buffer, at: number): string {
  return bytes.toString('hex', at, at + SESSION_BYTES);
}

function randomHex(): string {
  return randomBytes(SESSION_BYTES).toString('hex');
}
