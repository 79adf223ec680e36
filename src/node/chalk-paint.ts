/**
 * Colour for the terminal lines. It only decorates: without it every line says the same.
 */
import chalk from 'chalk';
import type { Uid } from '../composable-paxos.ts';
import type { Paint } from '../trace/console.ts';

/** A hue for each server, bright for text and dark behind the white letter of its mark. */
interface Hue {
  readonly text: string;
  readonly mark: string;
}

/** Blue, orange, magenta, and six more that keep apart. Red is none of them: it means trouble. */
const HUES: readonly Hue[] = [
  { text: '#0087d7', mark: '#005faf' },
  { text: '#d78700', mark: '#af5f00' },
  { text: '#d75faf', mark: '#af0087' },
  { text: '#00a85f', mark: '#00703f' },
  { text: '#8f76ff', mark: '#5f3fdf' },
  { text: '#00a5a5', mark: '#006f6f' },
  { text: '#9a9a00', mark: '#6a6a00' },
  { text: '#b0826a', mark: '#7a4a35' },
  { text: '#8a8a8a', mark: '#5a5a5a' },
];

/** A paint with a hue for each of these servers; chalk finds out how much colour there may be. */
export function chalkPaint(uids: readonly Uid[]): Paint {
  const hues = new Map([...uids].sort().map((uid, index) => [uid, HUES[index % HUES.length]]));
  return {
    tag: (uid, text) => chalk.white.bgHex(hues.get(uid)?.mark ?? '#444444').bold(text),
    id: (uid, text) => {
      const hue = hues.get(uid);
      return hue === undefined ? text : chalk.hex(hue.text)(text);
    },
    trouble: (text) => chalk.red(text),
    quorum: (text) => chalk.bold(text),
    dim: (text) => chalk.dim(text),
  };
}
