/** How a client speaks to a server without waiting for an answer. */
import type { KeyObject } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { on } from 'node:events';
import type { Uid } from '../composable-paxos.ts';
import { encodeDatagram, type Message } from '../messages.ts';
import { type Address, formatAddress } from './cluster-file.ts';
import { codeOf, describe, Failure } from './failure.ts';
import { type Envelope, sealer } from './sealed-datagrams.ts';
import { wantBuffers } from './udp-socket.ts';

/** How long to listen for the word that nobody is there, which comes promptly or not at all. */
const LISTEN_MS = 50;
/** A server that runs greets at once. */
const GREETED_WITHIN_MS = 2_000;
const NO_SEQ = 0; // clients do not count their datagrams

/** What a client and server `uid` share. */
export interface Sharing {
  readonly uid: Uid;
  readonly key: KeyObject;
}

/**
 * Sends one message to a server, sealed if they share a key. That this returns does not mean that
 * it has arrived. Throws a `Failure` if it certainly has not.
 */
export async function fire(
  address: Address,
  message: Message,
  sharing: Sharing | null = null,
): Promise<void> {
  const { host, port } = address;
  const bytes = encodeDatagram(NO_SEQ, message);
  try {
    const found = await lookup(host);
    const socket = createSocket(found.family === 6 ? 'udp6' : 'udp4');
    try {
      await connect(socket, found.address, port);
      wantBuffers(socket);
      await (sharing === null ? send(socket, bytes) : sendSealed(socket, bytes, sharing));
    } finally {
      socket.close();
    }
  } catch (error) {
    if (error instanceof Failure) throw error;
    const where = formatAddress(address);
    if (codeOf(error) !== 'ECONNREFUSED') {
      throw new Failure(`nothing can be sent to ${where}: ${describe(error)}`);
    }
    throw new Failure(`nobody listens on ${where}: start that server, or ask another one`);
  }
}

function connect(socket: Socket, host: string, port: number): Promise<void> {
  return new Promise((done, failed) => {
    socket.once('error', failed);
    socket.connect(port, host, () => {
      socket.off('error', failed);
      done();
    });
  });
}

/** A connected socket hears when the machine at the other end refuses. */
function send(socket: Socket, bytes: Uint8Array): Promise<void> {
  return new Promise((done, failed) => {
    socket.once('error', failed);
    socket.send(bytes, (error) => {
      if (error !== null) return failed(error);
      setTimeout(done, LISTEN_MS);
    });
  });
}

/** A server believes nobody whom it has not greeted: then the body goes out once more. */
async function sendSealed(socket: Socket, body: Uint8Array, { uid, key }: Sharing): Promise<void> {
  const envelope = sealer(key);
  const greeted = waitForGreeting(socket, envelope, uid);
  socket.send(envelope.seal(uid, body));
  for (const bytes of await greeted) await send(socket, bytes);
}

/** What is to be sent now that the server has greeted us. */
async function waitForGreeting(
  socket: Socket,
  envelope: Envelope,
  uid: Uid,
): Promise<readonly Uint8Array[]> {
  const signal = AbortSignal.timeout(GREETED_WITHIN_MS);
  try {
    for await (const [bytes] of on(socket, 'message', { signal })) {
      const opened = envelope.open(bytes, (name) => name === uid);
      if ('answers' in opened && opened.answers.length > 0) return opened.answers;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  const silence = `server ${uid} has not answered within ${GREETED_WITHIN_MS} ms`;
  throw new Failure(`${silence}, and has taken nothing: is it started, and has it the same key?`);
}
