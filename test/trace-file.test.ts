import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { TraceFile } from '../src/node/trace-file.ts';
import type { TraceEvent } from '../src/trace/events.ts';

const EVENT: TraceEvent = { at: 1, server: 'A', turn: 1, event: 'stop' };
const LINE = `${JSON.stringify(EVENT)}\n`;

test('events are appended, and half a line that a killed server left stays by itself', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'trace-'));
  t.after(() => rmSync(directory, { recursive: true }));
  for (const [before, after] of [
    ['', LINE],
    [LINE, LINE + LINE],
    [`${LINE}{"at":2,"ser`, `${LINE}{"at":2,"ser\n${LINE}`],
  ] as const) {
    const path = join(directory, 'a.ndjson');
    writeFileSync(path, before);
    new TraceFile(path).show(EVENT);
    assert.equal(readFileSync(path, 'utf8'), after);
  }
});
