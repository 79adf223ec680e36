/** What the demo says between the lines of its servers. */
import { setTimeout as pause } from 'node:timers/promises';
import chalk from 'chalk';
import { wantsColour } from '../../node/terminal.ts';

/** Before each act, for eyes to follow. */
const PAUSE_MS = 700;

let acts = 0;

export async function heading(text: string): Promise<void> {
  await pause(PAUSE_MS);
  acts += 1;
  console.log(`\n${bold(`== ${acts}. ${text} ==`)}`);
}

export function say(text: string): void {
  console.log(`-- ${text}`);
}

export function bold(text: string): string {
  return wantsColour({ isColoured: true }) ? chalk.bold(text) : text;
}
