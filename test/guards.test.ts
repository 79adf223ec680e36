/** A trace is untrusted input: nothing of a wrong type, and no lie, gets past those who read it. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { digestOf, EMPTY_CHAIN } from '../src/chain.ts';
import { run } from '../src/simulation/run.ts';
import { drawSchedule } from '../src/simulation/schedule.ts';
import type { TraceEvent } from '../src/trace/events.ts';
import { wrongInEvent } from '../src/trace/guards.ts';
import { Invariants } from '../src/trace/invariants.ts';
import { UIDS } from './hand-made-run.ts';

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** Runs with everything in them that is traced, the same every time. */
function simulated(leases: boolean): readonly TraceEvent[] {
  const events: TraceEvent[] = [];
  const { violation } = run(drawSchedule(5, UIDS.length, 30, null), { leases }, (event) =>
    events.push(event),
  );
  assert.equal(violation, null);
  return JSON.parse(JSON.stringify(events));
}

const EVENTS = [...simulated(true), ...simulated(false)];

/** One event for each kind and shape, as far as they can be told apart. */
function examples(): TraceEvent[] {
  const shapes = new Map<string, TraceEvent>();
  for (const event of EVENTS) {
    const message = 'message' in event ? event.message.type : '';
    const nulls = Object.entries(event).flatMap(([name, value]) => (value === null ? [name] : []));
    shapes.set(`${event.event} ${message} ${nulls.join()}`, event);
  }
  return [...shapes.values()];
}

/** What a field may not be replaced with: each a value of another type. */
function wrongOnes(value: Json): Json[] {
  const all: Json[] = [true, -1, 0.5, '\u0000', [], [true], { x: 1 }];
  return all.filter((one) => {
    if (typeof one === typeof value && typeof one !== 'object') return typeof one === 'number';
    return Array.isArray(value) ? !Array.isArray(one) || one.length > 0 : true;
  });
}

/** The same thing with one field, however deep, replaced by something of a wrong type, or gone. */
function* mutants(thing: Json, path = ''): Generator<readonly [string, Json]> {
  if (typeof thing !== 'object' || thing === null) return;
  for (const [name, value] of Object.entries(thing)) {
    const here = `${path}.${name}`;
    const withField = (other: Json): Json =>
      Array.isArray(thing)
        ? thing.map((one, index) => (String(index) === name ? other : one))
        : { ...thing, [name]: other };
    for (const wrong of wrongOnes(value))
      yield [`${here} = ${JSON.stringify(wrong)}`, withField(wrong)];
    if (!Array.isArray(thing)) {
      const { [name]: _, ...without } = thing as Record<string, Json>;
      yield [`${here} gone`, without];
      yield [`${path} and more`, { ...thing, more: 1 }];
    }
    for (const [where, deeper] of mutants(value, here)) yield [where, withField(deeper)];
  }
}

/** What may be so, though it is not what stood there. */
const HARMLESS = [
  /\.(?:why|where) = "\\u0000"$/, // any text may be said
  /\.(?:at|delayMs|lastsMs|leaseLeftMs|uptimeMs) = 0\.5$/,
  /\.heardMs\.[A-Z] (?:= 0\.5|gone)$/,
  /\.request gone$/, // it is a value that was fired, then
  /\.latestUpdateIds\.[A-Z] gone$/,
  /\.(?:value|update|currentValue|from|to|layers\.\d+) = "\\u0000"$/,
];

suite('Guards for events', () => {
  test('let every event pass that servers trace', () => {
    for (const event of EVENTS) assert.equal(wrongInEvent(event), null, JSON.stringify(event));
  });

  test('let no event pass in which any field is of a wrong type, missing, or too many', () => {
    let count = 0;
    for (const event of examples()) {
      for (const [where, mutant] of mutants(event as unknown as Json)) {
        if (HARMLESS.some((known) => known.test(where))) continue;
        count += 1;
        assert.notEqual(wrongInEvent(mutant), null, `${event.event}: ${where}`);
      }
    }
    assert.ok(count > 3_000, `${count}`);
  });

  test('refuse what is no event at all, and parts that contradict each other', () => {
    const save = EVENTS.find(({ event }) => event === 'save') as TraceEvent & { event: 'save' };
    const advance = EVENTS.find(({ event }) => event === 'advance');
    for (const line of [null, 1, 'x', [], {}, { ...save, event: 'constructor' }]) {
      assert.notEqual(wrongInEvent(line), null);
    }
    const id = { number: 2, uid: 'A' };
    assert.match(
      wrongInEvent({ ...save, acceptedId: id, acceptedValue: null }) ?? '',
      /acceptedId and acceptedValue/,
    );
    assert.match(wrongInEvent({ ...advance, link: null, chain: null }) ?? '', /link and chain/);
  });
});

type Change = (event: TraceEvent) => TraceEvent | null;

/** A lie of one server about one thing: `change` gives the false event, null where it has none. */
interface Lie {
  readonly what: string;
  readonly invariants: readonly number[];
  readonly change: Change;
  /** The event must be gone, instead. */
  readonly isGone?: true;
}

function changed<Name extends TraceEvent['event']>(
  name: Name,
  change: (event: Extract<TraceEvent, { event: Name }>) => object | null,
): Change {
  return (event) => {
    if (event.event !== name) return null;
    const more = change(event as Extract<TraceEvent, { event: Name }>);
    return more === null ? null : ({ ...event, ...more } as TraceEvent);
  };
}

const OTHER = { update: 'a lie', id: 'A-99999999-1' };

const LIES: readonly Lie[] = [
  {
    what: 'another value is announced as chosen',
    invariants: [2],
    change: changed('chosen', () => ({ value: OTHER })),
  },
  {
    what: 'another value is accepted than was proposed',
    invariants: [4],
    change: changed('accept', ({ from, server }) => (from === server ? null : { value: OTHER })),
  },
  {
    what: 'another value is proposed than the promises bind to, or than was proposed before',
    invariants: [3, 4, 8, 12],
    change: changed('send', ({ message }) =>
      message.type === 'accept' ? { message: { ...message, proposalValue: OTHER } } : null,
    ),
  },
  {
    what: 'the chain moves on to another state',
    invariants: [11],
    change: changed('advance', () => ({ digest: digestOf({ ...EMPTY_CHAIN, forgottenUpTo: 9 }) })),
  },
  {
    what: 'another chain is on the disk',
    invariants: [11],
    change: changed('save', () => ({ digest: '00000000' })),
  },
  {
    what: 'the chain moves on by another link',
    invariants: [2],
    change: changed('advance', ({ link }) => (link === null ? null : { link: OTHER })),
  },
  {
    what: 'the chain moves by two',
    invariants: [7],
    change: changed('advance', ({ instanceNumber }) => ({ instanceNumber: instanceNumber + 1 })),
  },
  {
    what: 'the disk holds no promise',
    invariants: [5, 6],
    change: changed('save', ({ acceptedId, promisedId }) =>
      acceptedId === null && promisedId !== null ? { promisedId: null } : null,
    ),
  },
  {
    what: 'a request is answered with another instance',
    invariants: [9],
    change: changed('reply', ({ message }) =>
      message.type === 'chosen'
        ? { message: { ...message, instanceNumber: message.instanceNumber + 1 } }
        : null,
    ),
  },
  {
    what: 'a read is answered with another value',
    invariants: [9],
    change: changed('reply', ({ message }) =>
      message.type === 'value' ? { message: { ...message, value: 'a lie' } } : null,
    ),
  },
  {
    what: 'a lease is claimed that somebody else holds',
    invariants: [8],
    change: changed('lease', ({ what, holder, server }) =>
      what === 'theirs' && holder !== server ? { what: 'ours', lastsMs: 9_000 } : null,
    ),
  },
  {
    what: 'a save did not happen',
    invariants: [6],
    isGone: true,
    change: changed('save', ({ promisedId }) => (promisedId === null ? null : {})),
  },
];

/** What is found if this happens once, at the n-th place where it can. */
function findings(events: readonly TraceEvent[], { change, isGone }: Lie, n: number): number[] {
  const invariants = new Invariants(UIDS);
  let places = 0;
  const found: number[] = [];
  for (const event of events) {
    const lie = change(event);
    if (lie !== null) places += 1;
    const isHere = lie !== null && places === n;
    if (isHere && isGone) continue;
    const violation = invariants.observe(isHere ? lie : event);
    if (violation !== null) found.push(violation.invariant);
  }
  return places < n ? [-1] : found;
}

suite('Every lie in a trace is found', () => {
  const runs = [simulated(true), simulated(false)];
  for (const lie of LIES) {
    test(lie.what, () => {
      let told = 0;
      for (const events of runs) {
        for (const n of [1, 2, 5, 11]) {
          const [first] = findings(events, lie, n);
          if (first === -1) continue;
          told += 1;
          assert.ok(first !== undefined, `it is not found at place ${n}`);
          assert.ok(lie.invariants.includes(first), `${first} at place ${n}`);
        }
      }
      assert.ok(told >= 2, `${told}`);
    });
  }
});
