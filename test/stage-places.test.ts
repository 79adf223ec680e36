/** What stands where on the stage of the playground: nothing upon anything else, ever. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Message } from '../src/messages.ts';
import { beliefOf, membersChanges, severalChanges, wordsOn } from '../src/playground/labels.ts';
import { type Piles, pilesOn } from '../src/playground/piles.ts';
import {
  type Box,
  cardSize,
  overlap,
  placeCards,
  placeMenu,
  type Size,
} from '../src/playground/places.ts';
import { Session } from '../src/playground/session.ts';
import type { Card, Flight, Membership } from '../src/playground/stage.ts';
import { Random } from '../src/simulation/random.ts';

/** Those of windows of 1280×720, of 1440×900, of a phone of 360×640; and a smaller one. */
const STAGES: readonly Size[] = [
  { width: 515, height: 455 },
  { width: 590, height: 610 },
  { width: 360, height: 520 },
  { width: 400, height: 340 },
];
const SERVERS = [1, 2, 3, 4, 5, 6, 7, 8, 9];

function uidsOf(servers: number): readonly string[] {
  return [...'ABCDEFGHI'].slice(0, servers);
}

/** A message with an id, and words as long as a value has any. */
function messageOf(type: 'prepare' | 'nack' | 'accept', uid: string): Message {
  const of = { seq: 1, instanceNumber: 12, proposalId: { number: 12, uid } };
  if (type === 'prepare') return { type, ...of } as Message;
  if (type === 'nack') return { type, ...of, promisedProposalId: { number: 99, uid } } as Message;
  const proposalValue = { update: 'a rather long value', id: `${uid}-1` };
  return { type, ...of, proposalValue } as Message;
}

/** Many messages under way, and links that are cut. */
function busyLinks(servers: number, flights: number, seed: number) {
  const random = new Random('stage', servers, seed);
  const uids = uidsOf(servers);
  const links = uids.flatMap((a) => uids.filter((b) => b !== a).map((b) => [a, b] as const));
  const some = Array.from({ length: links.length === 0 ? 0 : flights }, (_, seq): Flight => {
    const [from, to] = random.pick(links);
    const type = random.pick(['prepare', 'nack', 'accept'] as const);
    return { from, to, seq, message: messageOf(type, from), name: `${from}->${to} ${seq}` };
  });
  return { uids, flights: some, cuts: links.filter(() => random.chance(0.2)) };
}

/** What stands there, by name. */
function placedOn(stage: Size, servers: number, flights: number, seed: number) {
  const { uids, ...busy } = busyLinks(servers, flights, seed);
  const { width, height } = cardSize(servers, stage);
  const places = placeCards(uids, stage, { width, height });
  const piles = pilesOn(busy, places, { width, height }, stage);
  const cards = [...places].map(([uid, at]) => ({ name: uid, ...at, width, height }));
  return { cards, piles, labels: labelsOf(piles), flights: busy.flights };
}

function labelsOf({ piles, others, cuts }: Piles): readonly (Box & { readonly name: string })[] {
  return [
    ...piles.map((pile) => ({ ...pile, name: `pile ${pile.from}${pile.to}` })),
    ...(others === null ? [] : [{ ...others.at, name: 'others' }]),
    ...[...cuts].map(([ends, box]) => ({ ...box, name: `cut ${ends}` })),
  ];
}

function assertApart(boxes: readonly (Box & { readonly name: string })[], stage: Size): void {
  for (const [index, box] of boxes.entries()) {
    const [across, down] = [box.width / 2, box.height / 2];
    const isInside =
      box.x >= across &&
      box.x <= stage.width - across &&
      box.y >= down &&
      box.y <= stage.height - down;
    assert.ok(isInside, `${box.name} is not on the stage`);
    for (const other of boxes.slice(0, index)) {
      assert.deepEqual(overlap(box, other), { x: 0, y: 0 }, `${box.name} is upon ${other.name}`);
    }
  }
}

suite('The stage', () => {
  for (const servers of SERVERS) {
    test(`${servers} servers: no card, message or word covers another, however many`, () => {
      for (const stage of STAGES) {
        for (const flights of [3, 20, 100]) {
          const { cards, labels } = placedOn(stage, servers, flights, flights);
          assertApart([...cards, ...labels], stage);
        }
      }
    });
  }

  test('no message is lost: each is shown, or counted in its pile, or among the others', () => {
    for (const servers of [2, 5, 9]) {
      for (const stage of STAGES) {
        for (const many of [1, 12, 200]) {
          const { piles, flights } = placedOn(stage, servers, many, 7);
          const inPiles = piles.piles.flatMap(({ shown, rest }) => [...shown, ...rest]);
          const all = [...inPiles, ...(piles.others?.flights ?? [])].map(({ name }) => name);
          assert.deepEqual(all.toSorted(), flights.map(({ name }) => name).toSorted());
        }
      }
    }
  });

  test('where there is room, all messages of a link are there with what they carry', () => {
    const { piles } = placedOn(STAGES[0] as Size, 3, 4, 1);
    assert.deepEqual([piles.isBrief, piles.others], [false, null]);
    assert.ok(piles.piles.every(({ rest }) => rest.length === 0));
  });

  test('the oldest of a link is shown, and a link of three servers never goes without', () => {
    for (const stage of STAGES.slice(0, 3)) {
      const { piles, flights } = placedOn(stage, 3, 60, 2);
      assert.equal(piles.others, null);
      for (const { from, to, shown } of piles.piles) {
        const oldest = flights.find((flight) => flight.from === from && flight.to === to);
        assert.equal(shown[0], oldest);
      }
    }
  });

  test('a message stands near its link when there is nothing in its way', () => {
    const { cards, piles } = placedOn(STAGES[1] as Size, 3, 1, 3);
    const [pile] = piles.piles;
    const [from, to] = [pile?.from, pile?.to].map((uid) => cards.find(({ name }) => name === uid));
    assert.ok(pile !== undefined && from !== undefined && to !== undefined);
    const middle = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 };
    assert.ok(Math.hypot(pile.x - middle.x, pile.y - middle.y) < 120);
  });

  test('a menu stands on the stage, and where it hides no server if there is such a side', () => {
    const menu = { width: 246, height: 122 };
    for (const stage of STAGES) {
      const { cards, piles } = placedOn(stage, 5, 6, 4);
      for (const owner of [...cards, ...piles.piles]) {
        assertApart([{ ...placeMenu(menu, owner, cards, stage), name: 'menu' }], stage);
      }
    }
    const stage = { width: 800, height: 600 };
    const owner = { x: 400, y: 300, width: 130, height: 26 };
    const size = { width: 178, height: 132 };
    const [below, above, right] = [
      { x: 400, y: 400, ...size },
      { x: 400, y: 200, ...size },
      { x: 600, y: 300, ...size },
    ];
    const sideOf = (cards: readonly Box[]) => {
      const { x, y } = placeMenu(menu, owner, cards, stage);
      return [Math.sign(x - owner.x), Math.sign(y - owner.y)];
    };
    assert.deepEqual(sideOf([]), [0, 1]);
    assert.deepEqual(sideOf([below]), [0, -1]);
    assert.deepEqual(sideOf([below, above]), [1, 0]);
    assert.deepEqual(sideOf([below, above, right]), [-1, 0]);
  });

  test('a message names both of its ends, since it may stand aside', () => {
    const flight = { from: 'A', to: 'B', seq: 1, message: messageOf('accept', 'A'), name: '' };
    assert.equal(wordsOn(flight), 'accept 12.A "a rather long…" A→B');
    assert.equal(wordsOn(flight, true), 'accept 12.A A→B');
  });
});

suite('The members on the stage', () => {
  function played(): Session {
    const session = new Session();
    for (const command of ['cluster A B C D with members A B C', 'start A B C D', 'deliver all']) {
      session.do(command);
    }
    return session;
  }

  function cardIn({ stage }: Session, uid: string): Card {
    const card = stage?.cards.find((it) => it.uid === uid);
    assert.ok(card !== undefined);
    return card;
  }

  test('a server that has no vote says so', () => {
    const card = cardIn(played(), 'A');
    const said = (membership: Membership, condition: Card['condition']) =>
      beliefOf({ ...card, membership, condition }, 3);
    assert.equal(said('voting', 'running'), 'idle');
    assert.equal(said('passive', 'running'), 'no vote');
    assert.equal(said('unknown', 'running'), 'no member');
    assert.equal(said('removed', 'down'), 'down, removed');
    assert.equal(said('unknown', 'absent'), 'not started, no member');
  });

  test('the master is asked for changes, if there is one', () => {
    const session = new Session();
    const commands = ['cluster A B C D with leases with members A B C', 'start A B C D'];
    for (const command of [...commands, 'deliver all', 'wait 600', 'deliver all']) {
      session.do(command);
    }
    assert.ok(session.stage !== null);
    const master = session.stage.cards.find(({ isMaster }) => isMaster)?.uid ?? '';
    assert.ok(/^[BC]$/.test(master), `A would be asked anyway, not ${master}`);
    const changes = membersChanges(session.stage, cardIn(session, 'D'));
    for (const { command } of changes) assert.match(command, new RegExp(`^change ${master} c4 `));
    assert.match(severalChanges(session.stage), new RegExp(`^change ${master} c4 `));
  });

  test('several changes at once are of the servers that are there', () => {
    const several = (cluster: string) => {
      const uids = cluster.split(' with')[0] ?? '';
      const session = new Session();
      for (const command of [`cluster ${cluster}`, `start ${uids}`]) session.do(command);
      assert.ok(session.stage !== null);
      const command = severalChanges(session.stage);
      session.do(command);
      return command;
    };
    assert.equal(several('A B C D E with members A B C'), 'change A c4 remove B C, vote D E');
    assert.equal(several('A B C D E with members D E'), 'change D c4 remove D E, vote A B C');
    assert.equal(several('A B C with members A B C'), 'change A c4 remove C');
  });

  test('the changes of its menu let it in, give it a vote, and remove it', () => {
    const session = played();
    const change = (label: RegExp) => {
      assert.ok(session.stage !== null);
      const changes = membersChanges(session.stage, cardIn(session, 'D'));
      const found = changes.find((it) => label.test(it.label));
      assert.ok(found !== undefined, `${label} of ${changes.map((it) => it.label).join(', ')}`);
      const news = `submit A ${found.command}`;
      for (const command of [found.command, 'deliver all', news, 'deliver all']) {
        session.do(command);
      }
    };
    change(/^Let it join \(client c4 asks A\)$/);
    assert.equal(cardIn(session, 'D').membership, 'passive');
    change(/^Give it a vote/); // it is asked first how far it is
    change(/^Give it a vote/);
    assert.equal(cardIn(session, 'D').membership, 'voting');
    change(/^Remove it/);
    assert.equal(cardIn(session, 'D').membership, 'removed');
    assert.ok(session.stage !== null);
    assert.deepEqual(membersChanges(session.stage, cardIn(session, 'D')), []);
    assert.deepEqual(
      membersChanges({ ...session.stage, hasMembers: false }, cardIn(session, 'A')),
      [],
    );
  });
});
