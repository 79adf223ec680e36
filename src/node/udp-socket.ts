/** UDP sockets, as a server and a client that waits want them. */
import { createSocket, type Socket } from 'node:dgram';
import type { Address } from './cluster-file.ts';

/** IPv4 or IPv6: a socket speaks one of them. */
export type Family = 4 | 6;

/** The largest message has to leave at once. Some systems let 9,216 bytes go unless asked. */
export const SEND_BUFFER_BYTES = 256 * 1_024;
/** A burst of a few hundred datagrams must not be lost only because we are at the disk. */
const RECEIVE_BUFFER_BYTES = 4 * 1_024 * 1_024;

/** The family of an IP address. It is asked for every datagram: only those of IPv6 have a colon. */
export function familyOf(host: string): Family {
  return host.includes(':') ? 6 : 4;
}

/** A socket that is bound to this IP address and port, alone. Throws what the system says. */
export async function openSocket({ host, port }: Address): Promise<Socket> {
  const family = familyOf(host);
  // Node's own lookup answers on a later tick, and the fsync that may follow a `send` would
  // hold the datagram up. All hosts are addresses by now, so ours answers at once.
  const socket = createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    ipv6Only: family === 6, // the port of the other family is another socket's
    lookup: (host, _options, answer) => answer(null, host, family),
  });
  await new Promise<void>((bound, failed) => {
    socket.once('error', (error) => {
      socket.close();
      failed(error);
    });
    socket.bind({ address: host, port, exclusive: true }, () => {
      socket.removeAllListeners('error');
      bound();
    });
  });
  wantBuffers(socket);
  return socket;
}

/** Asks for room to send and to receive in. */
export function wantBuffers(socket: Socket): void {
  const wants = [
    () => socket.setSendBufferSize(SEND_BUFFER_BYTES),
    () => socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES),
  ];
  for (const want of wants) {
    try {
      want();
    } catch {
      // The system grants less. A datagram that does not leave is told of; others may get lost.
    }
  }
}
