/** A line at the bottom of a terminal that says for whom the client waits, and goes away again. */
import { clearLine, cursorTo } from 'node:readline';
import type { Uid } from '../../composable-paxos.ts';
import type { ClientMessage } from '../../messages.ts';

export class WaitingLine {
  /** Null: nobody looks. */
  readonly #screen: NodeJS.WritableStream | null;
  #isShown = false;

  constructor(screen: NodeJS.WritableStream & { readonly isTTY?: boolean }) {
    this.#screen = screen.isTTY === true ? screen : null;
  }

  /** What has just been asked of whom. */
  show(to: Uid, { type }: ClientMessage): void {
    this.clear();
    this.#isShown = true;
    this.#screen?.write(type === 'reach' ? 'asks how far the chain is …' : `waits for ${to} …`);
  }

  /** Makes room for whatever is printed next. */
  clear(): void {
    if (this.#screen === null || !this.#isShown) return;
    this.#isShown = false;
    cursorTo(this.#screen, 0);
    clearLine(this.#screen, 0);
  }
}
