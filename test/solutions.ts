/** A, B and C are replaced by D, E and F in one step, and end. */
const ALL_REPLACED = `change B c1 join D E F
deliver all
change A c2 vote D E F, remove A B C
deliver all
change A c2 vote D E F, remove A B C
deliver all
wait 300
deliver all
wait 300
deliver all
wait 1`;

/** How each goal of the playground can be reached, as the commands that a person would give. */
export const SOLUTIONS: Readonly<Record<string, string>> = {
  'first-value': `
submit A hello
deliver prepare
deliver promise
deliver accept
deliver accepted`,

  'without-one': `
submit A hello
deliver A->BC prepare
deliver promise
deliver A->BC accept
deliver BC->A accepted`,

  refused: `
submit A mine
submit B yours
deliver B->C prepare
deliver A->C prepare
deliver C->A nack`,

  unnoticed: `
submit A hello
deliver A->B prepare
deliver B->A promise
deliver A->B accept`,

  orphan: `
submit A orphan
deliver A->B prepare
deliver B->A promise
deliver A->B accept
crash A
drop all
wait 6000
deliver B->C prepare
deliver C->B promise
deliver B->C accept
deliver C->B accepted`,

  laggard: `
submit A one
deliver A->B
deliver B->A
deliver A->B
deliver B->A
submit A two
deliver A->B
deliver B->A
deliver A->B accept
deliver B->A accepted
deliver A->B accepted
drop ->C
submit A three
deliver A->C prepare
deliver C->A sync_request
deliver A->C catchup`,

  'two-values': `
submit A mine
submit B yours
deliver A->C accept
deliver B->C accept`,

  duel: `
submit A mine
submit B yours
submit C ours
deliver C->AB prepare
deliver A->BC prepare
deliver B->AC prepare
deliver nack
wait 100
deliver prepare
deliver nack
deliver ->C promise
deliver C->AB accept
deliver nack
wait 200
deliver prepare
deliver nack`,

  'silent-promise': `
submit A hello
submit C mine
crash B at save and send
deliver C->B prepare
start B
deliver A->B prepare`,

  'one-round-trip': `
wait 600
deliver all
submit A hello
submit B hello
submit C hello
deliver all`,

  'asked-twice': `
request A c1 hello
request B c1 hello
deliver A->C prepare
deliver C->A promise
deliver A->C accept
deliver C->A accepted
deliver A->B accepted
deliver C->B accepted`,

  'new-master': `
wait 600
deliver all
wait 10500
deliver B->A prepare
deliver A->B promise
deliver B->A accept
deliver A->B accepted`,

  'forgotten-promise': `
submit A hello`,

  'old-news': `
wait 600
deliver all
pause C
wait 10500
deliver B->A prepare
deliver A->B promise
deliver B->A accept
deliver A->B accepted`,

  snapshot: `
crash C
submit A set a 1
deliver all
submit A set b 1
deliver all
submit A set c 1
deliver all
submit A set d 1
deliver all
submit A set e 1
deliver all
submit A set f 1
deliver all
submit A set g 1
deliver all
submit A set h 1
deliver all
wait 10
submit A set i 1
deliver all
start C
deliver all`,

  'remembered-answer': `
request A c1 add visits 1
deliver all
submit B add visits 5
deliver all
request C c1 add visits 1`,

  'lost-disk': `
lose disk B
change A c1 join D
deliver all
change A c1 remove B, vote D
deliver all
change A c1 remove B, vote D
deliver all`,

  'cut-batch': `
submit A add visits 1
submit A add visits 10
submit A set color blue
deliver prepare
hold back B->A promise
crash A at half a broadcast
bring back B->A promise
deliver B->A promise
deliver A->B accept
drop all
submit B set color red
deliver all`,

  'all-replaced': `
${ALL_REPLACED}
submit D world
deliver all`,

  'master-leaves': `
change C c1 remove C
deliver all
change A c1 remove C
deliver all
change A c1 remove C
deliver all`,
};

/** What is less than these goals ask for, and must not be enough. */
export const TOO_CHEAP: readonly (readonly [goal: string, commands: string])[] = [
  // Somebody else dies, who has nothing to do with it.
  [
    'orphan',
    `
submit A alive
deliver A->B prepare
deliver B->A promise
deliver A->B accept
crash C
drop all
wait 6000
start C
deliver all`,
  ],
  // It dies when all is over, and learns of it by its own number.
  [
    'orphan',
    `
submit A hello
deliver all
crash A
submit B other
deliver all`,
  ],
  // It is killed where it accepts, and had said its promise long before.
  [
    'silent-promise',
    `
submit A hello
deliver prepare
deliver promise
crash B at save and send
deliver A->B accept
start B
deliver all`,
  ],
  // It comes back, and nobody asks it for anything that it would have to refuse.
  [
    'silent-promise',
    `
submit A hello
crash B at save and send
deliver A->B prepare
start B`,
  ],
  // The second one is asked when the first has long known it, and begins nothing.
  [
    'asked-twice',
    `
request A c1 hello
deliver all
request B c1 hello
deliver all`,
  ],
  // Both begin a round, and only one of them for this.
  [
    'asked-twice',
    `
request A c1 hello
submit B other
deliver all
request B c1 hello
deliver all`,
  ],
  // The answer is the same, but nothing has happened in between.
  [
    'remembered-answer',
    `
request A c1 add visits 1
deliver all
request C c1 add visits 1
deliver all`,
  ],
  // Two values after one another are no batch.
  [
    'cut-batch',
    `
submit A add visits 1
deliver prepare
crash A at half a broadcast
deliver B->A promise
deliver A->B accept
drop all
submit B set color red
deliver all`,
  ],
  // One after the other.
  [
    'all-replaced',
    `
change B c1 join D E F
deliver all
change A c2 vote D, remove C
deliver all
change A c2 vote D, remove C
deliver all
submit A x
deliver all`,
  ],
  // It is killed, and never handed anything over.
  [
    'master-leaves',
    `
crash C
wait 11000
deliver all
change A c1 remove C
deliver all
change A c1 remove C
deliver all`,
  ],
  // D has no vote, and B keeps it.
  [
    'lost-disk',
    `
lose disk B
rejoin B
change A c1 join D
deliver all`,
  ],
  // It is lost, and D has a vote beside it.
  [
    'lost-disk',
    `
lose disk B
change A c1 join D
deliver all
change A c1 vote D
deliver all
change A c1 vote D
deliver all
submit A more
deliver all`,
  ],
  // D has its place, and nothing was lost.
  [
    'lost-disk',
    `
change A c1 join D
deliver all
change A c1 remove B, vote D
deliver all
change A c1 remove B, vote D
deliver all
submit A more
deliver all`,
  ],
  // The same one remembers; or nothing has happened in between.
  [
    'remembered-answer',
    `
request A c1 add visits 1
deliver all
submit B add visits 5
deliver all
request A c1 add visits 1
deliver all`,
  ],
  [
    'remembered-answer',
    `
request A c1 add visits 1
deliver prepare
deliver promise
deliver accept
deliver B->A accepted
deliver all
request C c1 add visits 1
deliver all`,
  ],
  // It was chosen before its server died while it said something else.
  [
    'cut-batch',
    `
submit A add visits 1
submit A add visits 10
submit A set color blue
deliver A->C prepare
deliver C->A promise
deliver A->C accept
deliver C->A accepted
drop all
crash A at half a broadcast
submit A set color red
drop all
submit B set color red
deliver all`,
  ],
  // The new ones have no value of their own.
  [
    'all-replaced',
    `
submit A hello
deliver all
${ALL_REPLACED}`,
  ],
  // In three steps.
  [
    'all-replaced',
    `
change B c1 join D E F
deliver all
change A c2 vote D, remove A
deliver all
change A c2 vote D, remove A
deliver all
change B c2 vote E F, remove B C
deliver all
change B c2 vote E F, remove B C
deliver all
wait 300
deliver all
wait 300
deliver all
wait 1
submit D world
deliver all`,
  ],
  // Those who go have not gone yet.
  [
    'all-replaced',
    `
change B c1 join D E F
deliver all
change A c2 vote D E F, remove A B C
deliver all
change A c2 vote D E F, remove A B C
deliver all
cut ABC|DEF
submit D world
deliver all`,
  ],
  // It is told too late whom its lease went to.
  [
    'master-leaves',
    `
cut C->AB
change C c1 remove C
deliver all
wait 13000
mend
deliver all
change B c1 remove C
deliver all
change B c1 remove C
deliver all`,
  ],
  // Somebody is stopped.
  [
    'master-leaves',
    `
change C c1 remove C
deliver all
change A c1 remove C
deliver all
stop B
change A c1 remove C
deliver all`,
  ],
];
