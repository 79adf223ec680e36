/** Where a run has been whose members change, beside the situations of every run. */
import { isMembers, type Roster } from '../chain.ts';
import type { Uid } from '../composable-paxos.ts';
import type { RefusedReply } from '../messages.ts';
import type { TraceEvent } from '../trace/events.ts';

export const MEMBERS_SITUATIONS = [
  'a server joined',
  'a server follows for ever',
  'a server that joined votes',
  'a server votes that never joined',
  'a server removed',
  'a server with a lost disk replaced',
  'all who vote replaced at once',
  'one server votes',
  'five servers vote',
  'a change known to a quorum',
  'a removed server ended',
  'a crash before a quorum knows of a change',
  'a name asked for twice',
  'a change refused: not level, or silent',
  'members known by a jump',
] as const;

/** A master makes one change after the other, so that these hardly happen where there is one. */
export const MEMBERS_PLAIN_SITUATIONS = ['a change overtaken'] as const;

/** These need leases. */
export const MEMBERS_LEASE_SITUATIONS = [
  'a lease handed over before its holder is removed',
  'the holder of a lease removed',
] as const;

export type MembersSituation =
  | (typeof MEMBERS_SITUATIONS)[number]
  | (typeof MEMBERS_PLAIN_SITUATIONS)[number]
  | (typeof MEMBERS_LEASE_SITUATIONS)[number];

export class MembersSituations {
  readonly counts = new Map<MembersSituation, number>();
  /** Each change once, by the first server that comes past it. */
  #seen = 0;
  #roster: Roster | null = null;
  #holder: Uid | null = null;
  #isKnown = true;
  #lost: Uid | null = null;

  observe(event: TraceEvent): void {
    switch (event.event) {
      case 'advance':
        return this.#advance(event);
      case 'members':
        if (event.what === 'overtaken') this.#reached('a change overtaken');
        if (event.what === 'past') this.#reached('a change known to a quorum');
        if (event.what === 'past') this.#isKnown = true;
        if (event.what === 'left') this.#reached('a removed server ended');
        return;
      case 'crash':
        if (event.lost === 'disk') this.#lost = event.server;
        if (!this.#isKnown) this.#reached('a crash before a quorum knows of a change');
        return;
      case 'reply':
        if (event.message.type === 'refused') this.#refused(event.message);
    }
  }

  #advance({ link, chain, instanceNumber }: TraceEvent & { event: 'advance' }): void {
    if (chain?.membership !== undefined) this.#reached('members known by a jump');
    if (instanceNumber <= this.#seen || link === null) return;
    this.#seen = instanceNumber;
    if ('lease' in link) this.#holder = link.lease;
    if (isMembers(link)) this.#change(link.members);
  }

  #change(roster: Roster): void {
    const before = this.#roster;
    this.#roster = roster;
    this.#isKnown = false;
    const voters = votersIn(roster);
    if (voters.length === 1) this.#reached('one server votes');
    if (voters.length === 5) this.#reached('five servers vote');
    if (this.#holder !== null && !voters.includes(this.#holder)) {
      this.#reached('the holder of a lease removed');
    }
    if (before === null) return;
    for (const [uid, { role }] of Object.entries(roster)) {
      const was = before[uid]?.role;
      if (was === role) continue;
      if (role === 'joining') this.#reached('a server joined');
      if (role === 'passive') this.#reached('a server follows for ever');
      if (role !== 'voting') continue;
      if (was === 'joining') this.#reached('a server that joined votes');
      if (was === undefined) this.#reached('a server votes that never joined');
    }
    const old = votersIn(before);
    if (old.some((uid) => roster[uid] === undefined)) this.#reached('a server removed');
    const isHealed = this.#lost !== null && old.includes(this.#lost);
    if (isHealed && !voters.includes(this.#lost ?? '')) {
      this.#reached('a server with a lost disk replaced');
    }
    if (!old.some((uid) => voters.includes(uid))) this.#reached('all who vote replaced at once');
  }

  #refused({ why }: RefusedReply): void {
    if (why.includes('was given before')) this.#reached('a name asked for twice');
    if (/level, or --force|does not answer/.test(why)) {
      this.#reached('a change refused: not level, or silent');
    }
    if (why.includes('handed over first')) {
      this.#reached('a lease handed over before its holder is removed');
    }
  }

  #reached(situation: MembersSituation): void {
    this.counts.set(situation, (this.counts.get(situation) ?? 0) + 1);
  }
}

function votersIn(roster: Roster): readonly Uid[] {
  return Object.keys(roster).filter((uid) => roster[uid]?.role === 'voting');
}
