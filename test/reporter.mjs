/**
 * What the tests print: node's own report, and below it, in the last line, what was left out and
 * why, so that nobody takes it for tested. (In JavaScript, since node loads it before tsx.)
 */
import { Readable } from 'node:stream';
import { spec } from 'node:test/reporters';

/** A reporter for `node --test --test-reporter`. */
export default async function* report(events) {
  const skipped = [];
  async function* watched() {
    for await (const event of events) {
      if (event.type === 'test:pass') noteSkipped(event.data, skipped);
      yield event;
    }
  }
  for await (const text of Readable.from(watched()).pipe(new spec())) yield `${text}`;
  yield `${skipped.length === 0 ? 'nothing was skipped' : `skipped: ${skipped.join('; ')}`}\n`;
}

function noteSkipped({ name, skip }, skipped) {
  if (skip === undefined || skip === false) return;
  skipped.push(typeof skip === 'string' && skip !== '' ? `${name} (${skip})` : name);
}
