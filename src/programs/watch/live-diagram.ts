/** Traces that grow, followed and served as a diagram that grows. */
import { setTimeout as pause, setImmediate as pauseShortly } from 'node:timers/promises';
import type { Uid } from '../../composable-paxos.ts';
import { clockOf } from '../../diagram/layout.ts';
import { LiveRun } from '../../diagram/live-run.ts';
import { viewOf, viewWithoutRun } from '../../diagram/live-view.ts';
import { Failure } from '../../node/failure.ts';
import type { TraceEvent } from '../../trace/events.ts';
import { headlineOf, placeInRun } from '../../trace/violation.ts';
import { FollowedTraces } from './followed-traces.ts';
import { LiveServer } from './live-server.ts';

const LOOK_AGAIN_MS = 100;
/** Read in one go: meanwhile nobody is answered. */
const MOST_AT_ONCE = 2_000;
/** Between two pictures; longer if drawing one takes long. */
const LEAST_REST_MS = 150;
const REST_TIMES_AS_LONG = 4;
/** While a long trace is read, a picture now and then is enough. */
const REST_WHILE_BEHIND_MS = 1_000;
/** Of a server that runs something is heard more often, in a cluster of two and more. */
const SILENT_AFTER_MS = 25_000;
/** So many of the latest words are on the page. */
const MOST_NEWS = 5;

export class LiveDiagram {
  readonly #server: LiveServer;
  readonly #traces: FollowedTraces;
  readonly #say: (line: string) => void;
  readonly #end = new AbortController();
  #run: LiveRun | null = null;
  #news: string[] = [];
  /** When servers that run were heard of last, by the wall clock. */
  readonly #heardMs = new Map<Uid, number>();
  #silence = '';
  #isDrawn = false;
  #drawAgainMs = 0;

  private constructor(server: LiveServer, paths: readonly string[], say: (line: string) => void) {
    this.#server = server;
    this.#say = say;
    this.#traces = new FollowedTraces(paths, {
      begin: (uids, traced, resumed) => {
        this.#run = new LiveRun(uids, traced, resumed);
        this.#heardMs.clear();
        this.#isDrawn = false;
      },
      take: (event) => {
        this.#isDrawn = false;
        this.#hear(event);
        const violation = this.#run?.observe(event) ?? null;
        if (violation === null) return;
        this.#say(headlineOf(violation.invariant));
        this.#say(`  ${placeInRun(violation)}: ${violation.why}`);
      },
      note: (sentence) => this.#note(sentence),
      leaveOut: (sentence) => {
        this.#run = null;
        this.#isDrawn = false;
        this.#say(`note: ${sentence}`);
      },
    });
  }

  /** `say` hears what there is to tell, in single lines. Throws a `Failure`. */
  static async open(
    paths: readonly string[],
    port: number,
    say: (line: string) => void,
  ): Promise<LiveDiagram> {
    return new LiveDiagram(await LiveServer.open(port), paths, say);
  }

  /** Where the page is. */
  get address(): string {
    return this.#server.address;
  }

  /** Follows the traces until `close`. Throws a `Failure` if none of them is one. */
  async follow(): Promise<void> {
    const { signal } = this.#end;
    try {
      while (!signal.aborted) {
        const isBehind = this.#traces.readOn(MOST_AT_ONCE);
        this.#draw(isBehind);
        if (isBehind) await pauseShortly();
        else await pause(LOOK_AGAIN_MS, null, { signal }).catch(() => {});
      }
    } catch (error) {
      if (error instanceof Failure) await this.#server.end(`It ended: ${error.message}.`);
      throw error;
    } finally {
      this.#traces.close();
      await this.#server.close();
    }
  }

  close(): void {
    this.#end.abort();
  }

  #note(sentence: string): void {
    this.#say(`note: ${sentence}`);
    this.#news = [...this.#news, `${sentence}.`].slice(-MOST_NEWS);
    this.#isDrawn = false;
  }

  #hear({ event, server, at }: TraceEvent): void {
    const isOver = ['stop', 'fail', 'crash'].includes(event);
    if (isOver || clockOf(at) === '') this.#heardMs.delete(server);
    else this.#heardMs.set(server, at);
  }

  /** Who should have been heard of. That somebody was killed nobody else tells. */
  #listen(nowMs: number): void {
    const isSilent = ([, atMs]: readonly [Uid, number]) => atMs + SILENT_AFTER_MS < nowMs;
    const silent = [...this.#heardMs].filter(isSilent).map(([uid]) => uid);
    const since = `for ${SILENT_AFTER_MS / 1_000} s: killed, paused, or without its trace`;
    const words = `nothing heard of ${silent.sort().join(', ')} ${since}.`;
    const silence = silent.length === 0 || this.#run?.isAlone === true ? '' : words;
    if (silence !== this.#silence) this.#isDrawn = false;
    this.#silence = silence;
  }

  /** Draws what has come, if somebody looks, and not too often. */
  #draw(isBehind: boolean): void {
    const nowMs = performance.now();
    if (!isBehind) this.#listen(Date.now());
    if (this.#isDrawn || !this.#server.hasReaders || nowMs < this.#drawAgainMs) return;
    this.#isDrawn = true;
    const news = [...this.#news, this.#silence].filter((words) => words !== '').join('\n');
    const bad = this.#traces.leftOut.map((sentence) => `${sentence}.`).join('\n');
    const run = this.#run;
    this.#server.show(run === null ? viewWithoutRun(news, bad) : viewOf(run.latest(), news, bad));
    const tookMs = performance.now() - nowMs;
    const restMs = Math.max(LEAST_REST_MS, tookMs * REST_TIMES_AS_LONG);
    this.#drawAgainMs = nowMs + tookMs + (isBehind ? REST_WHILE_BEHIND_MS : restMs);
  }
}
