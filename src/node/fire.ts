/** How a client speaks to a server: one datagram, and no answer. */
import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { encodeDatagram, type Message } from '../messages.ts';
import { type Address, formatAddress } from './cluster-file.ts';
import { codeOf, describe, Failure } from './failure.ts';

/** How long to listen for the word that nobody is there, which comes promptly or not at all. */
const LISTEN_MS = 50;
const NO_SEQ = 0; // clients do not count their datagrams

/**
 * Sends one message to a server. That this returns does not mean that it has arrived. Throws a
 * `Failure` if it certainly has not.
 */
export async function fire(address: Address, message: Message): Promise<void> {
  const { host, port } = address;
  try {
    const found = await lookup(host);
    const socket = createSocket(found.family === 6 ? 'udp6' : 'udp4');
    try {
      await sendAndListen(socket, found.address, port, encodeDatagram(NO_SEQ, message));
    } finally {
      socket.close();
    }
  } catch (error) {
    const where = formatAddress(address);
    if (codeOf(error) !== 'ECONNREFUSED') {
      throw new Failure(`nothing can be sent to ${where}: ${describe(error)}`);
    }
    throw new Failure(`nobody listens on ${where}: start that server, or ask another one`);
  }
}

/** A connected socket hears when the machine at the other end refuses. */
function sendAndListen(socket: Socket, host: string, port: number, bytes: Uint8Array) {
  return new Promise<void>((done, failed) => {
    socket.once('error', failed);
    socket.connect(port, host, () => {
      socket.send(bytes, (error) => {
        if (error !== null) return failed(error);
        setTimeout(done, LISTEN_MS);
      });
    });
  });
}
