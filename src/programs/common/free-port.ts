/** Ports of this machine for servers that a program starts by itself: the demo and the tests. */
import { createSocket } from 'node:dgram';

export const LOOPBACK = '127.0.0.1';
/** Below the ports that systems hand out by themselves: nobody gets one while it is free. */
const FIRST_PORT = 10_000;
const LAST_PORT = 32_000;

/** So many UDP ports of this machine, no two the same, that nobody uses. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}

/** A UDP port of this machine that nobody uses. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));
    const socket = createSocket('udp4');
    const isFree = await new Promise<boolean>((answer) => {
      socket.once('error', () => answer(false));
      socket.bind(port, LOOPBACK, () => answer(true));
    });
    socket.close();
    if (isFree) return port;
  }
}
