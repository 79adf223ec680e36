/**
 * `Members`: who votes? The chain says it, like everything else.
 *
 * A cluster lives longer than its machines. One is replaced, one is added, all move to another
 * room. But a quorum is worth something only among those who count the same servers: if A counts
 * two of {A, B, C} and D two of {C, D, E}, the two quorums need not share anybody.
 *
 * So who votes in instance `i` is said by the chain *before* `i`. A change of members is a link;
 * the instance that chooses it is one of the old members, the next one is one of the new. There
 * is one open instance, and nobody takes part in it without having applied all before it. So all
 * who take part in it count the same servers, and *any* change is allowed: one more, one less, all
 * of them replaced at once. Why nothing chosen is lost, in five sentences:
 *
 *   1. Who promises, accepts or counts in instance `i` has applied all links before `i`; these are
 *      the same for everybody, and so are the members that they name.
 *   2. Within `i` all quorums are quorums of these members, so any two of them share a server, and
 *      all that `composable-paxos.ts` proves of one instance holds as it stands.
 *   3. A server that was a member and is none keeps what it has accepted in the instances in
 *      which it was one; it has no say in later ones, and nobody asks it there.
 *   4. A server that becomes a member can have no say before: it comes to its first instance only
 *      by what was chosen before, by links, a jump or a snapshot, which carry the members.
 *   5. So instance after instance one value is chosen at most, whoever chose the ones before.
 *
 * With several open instances this would not do: who acts in `i + 1` while `i` is open does not
 * know yet whether `i` changes the members.
 *
 * **A name is given once.** What a server has promised is on its disk, under its name. A new disk
 * under an old name has forgotten it, and would vote once more in instances of long ago. So every
 * name that was ever given is remembered, and a server that has lost its disk comes back under a
 * new one: D, or B2. (`rejoin-strategy.ts` is the other way. It asks a quorum of those who voted,
 * and whoever has lost everything does not know who that was; so servers of this kind do without.)
 * A life goes one way: a server *joins* and listens, *votes*, and is gone. So a change that is
 * asked for twice cannot happen twice.
 *
 * **Two changes at once** do not mix. A link names all members that there shall be, and the change
 * that it goes on from. If another one was chosen before it, it changes nothing, and its client
 * hears so.
 *
 * **A change is answered** when it is chosen and a quorum of the new members has it on disk: from
 * then on those who are gone may be switched off. A server that is removed waits for the same,
 * tells the new ones what they lack, and then ends. If it sees that anything was chosen after the
 * change, it need not ask: a quorum of the new members has voted there, and was past the change.
 *
 * **A master that is removed** first hands its lease over. If none of those who stay could take it,
 * the lease stays binding for the new members until it is over, whoever held it: a removed master
 * that has not heard of it may still be reading from its memory.
 */
import {
  isLease,
  isMade,
  type Link,
  type LinkId,
  type Membership,
  type MembersLink,
  type Roll,
  type Roster,
  rollOf,
} from '../chain.ts';
import type { ClientAnswers } from '../client-answers.ts';
import type { Uid } from '../composable-paxos.ts';
import type { ClientAddress, Timer } from '../environment.ts';
import {
  type Accept,
  type Accepted,
  ANY_UID,
  type ChangeMessage,
  type ClientMessage,
  type Level,
  type LevelRequest,
  type MemberReport,
  type Names,
  type PeerMessage,
  type Prepare,
  type Promised,
} from '../messages.ts';
import type { Constructor } from '../replicated-value.ts';
import { MustStop } from '../state.ts';
import type { CatchUp } from '../sync-strategy.ts';
import { MAX_WAITING, type Refusal } from '../update-queue.ts';
import { changed } from './membership.ts';

/** Whoever is to vote may be so many links behind: it gets them in a moment. */
export const LEVEL_WITHIN = 100;
/** For so long it counts what a server has said of how far it is. */
const FRESH_MS = 2_000;
/** How often the others are asked how far they are. */
const ASK_AGAIN_AFTER_MS = 300;
/** A client that has not asked again for so long does not want its change any more. */
const WANTED_FOR_MS = 10_000;

const WHY_NOT = 'I have no vote here';

/** How far another server is, by its own word. */
interface Known {
  readonly askedAtMs: number;
  readonly answeredAtMs: number;
  readonly instanceNumber: number;
}

const UNKNOWN: Known = {
  askedAtMs: Number.NEGATIVE_INFINITY,
  answeredAtMs: Number.NEGATIVE_INFINITY,
  instanceNumber: 0,
};

/** A change that a client waits for: to be chosen, and then until a quorum knows it. */
interface Wanted {
  readonly link: MembersLink;
  client: ClientAddress;
  askedAtMs: number;
  /** The instance that chose it; null: none yet. */
  since: number | null;
}

/**
 * Lets those vote, and be counted, who are members by the chain; changes them as clients ask.
 * Brings the messages `level_request` and `level`. Sits on top of everything.
 */
export function Members<TBase extends Constructor<ClientAnswers & CatchUp>>(Base: TBase) {
  return class Members extends Base {
    /** What was made of the chain's members last: it is asked for with every message. */
    #roll: Roll | null = null;
    /** The members of the instance before the open one. */
    #before: Membership | undefined = undefined;
    #wanted: Wanted | null = null;
    /** Under this the others are asked how far they are, in this run. */
    #question: LinkId | null = null;
    readonly #known = new Map<Uid, Known>();
    /** Clients that want to know who the members are. */
    readonly #curious = new Map<string, ClientAddress>();
    #report: Timer | null = null;
    #look: Timer | null = null;
    #hasLeft = false;

    // Who the members are.

    override get uids(): readonly Uid[] {
      return this.membersNow.voters;
    }

    /** Who is no member needs those whom it was told of first. */
    override get everybody(): readonly Uid[] {
      const { voters, others } = this.membersNow;
      const all = [...voters, ...others];
      if (all.includes(this.uid)) return all;
      return [...new Set([...all, ...Object.keys(this.environment.places ?? {}), this.uid])];
    }

    override get names(): Names {
      return ANY_UID;
    }

    override get members(): Roster | null {
      return this.chain.membership?.members ?? null;
    }

    override get cluster(): string {
      return `${super.cluster} with members`;
    }

    override get votes(): boolean {
      return super.votes && this.counts(this.uid);
    }

    /** Whose promise and whose accepted count in the open instance. */
    protected counts(uid: Uid): boolean {
      return this.uids.includes(uid);
    }

    /** The members of the open instance. */
    protected get membersNow(): Roll {
      const { membership } = this.chain;
      if (this.#roll === null || this.#roll.membership !== membership) {
        this.#roll = rollOf(membership, this.founders);
      }
      return this.#roll;
    }

    /** Whether the chain has had this server among its members, and has it no more. */
    get isRemoved(): boolean {
      const { membership } = this.chain;
      if (membership === undefined) return false;
      return membership.used.includes(this.uid) && !(this.uid in membership.members);
    }

    // Who is none has no say.

    override start(): void {
      super.start();
      this.#before = this.chain.membership;
      if (this.votesFrom === null) {
        const how = `client.ts ${this.uids[0]} --replace ${this.uid}=D=host:port`;
        throw new MustStop(`it has lost its votes: let another server take its place, ${how}`);
      }
      if (this.isRemoved) this.#endMembership();
    }

    override stop(): void {
      this.#report?.cancel();
      this.#look?.cancel();
      super.stop();
    }

    protected override receivePrepare(from: Uid, message: Prepare): void {
      if (!this.votes) return this.ignore(WHY_NOT);
      super.receivePrepare(from, message);
    }

    protected override receiveAccept(from: Uid, message: Accept): void {
      if (!this.votes) return this.ignore(WHY_NOT);
      super.receiveAccept(from, message);
    }

    protected override receivePromise(from: Uid, message: Promised): void {
      if (!this.counts(from)) return this.ignore(`${from} has no vote here`);
      super.receivePromise(from, message);
    }

    protected override receiveAccepted(from: Uid, message: Accepted): void {
      if (!this.counts(from)) return this.ignore(`${from} has no vote here`);
      super.receiveAccepted(from, message);
    }

    protected override drive(): void {
      if (!this.votes) return this.ignore(WHY_NOT);
      super.drive();
    }

    /** What others began is for others to finish. */
    protected override heard(from: Uid): void {
      if (this.votes) super.heard(from);
    }

    override get isMaster(): boolean {
      return this.votes && super.isMaster;
    }

    override get leaseLeftMs(): number {
      return this.votes ? super.leaseLeftMs : 0;
    }

    protected override whyNot(): Refusal | null {
      if (this.votes) return super.whyNot();
      const why = this.isRemoved ? 'this server is no member any more' : 'this server has no vote';
      return { why, master: this.master ?? this.uids[0] ?? null };
    }

    // How far the others are.

    override receive(from: Uid, message: PeerMessage): void {
      switch (message.type) {
        case 'level_request':
          return this.#receiveLevelRequest(from, message);
        case 'level':
          return this.#receiveLevel(from, message);
        default:
          return super.receive(from, message);
      }
    }

    #receiveLevelRequest(from: Uid, message: LevelRequest): void {
      if (this.leapsTooFar(message)) return;
      const { instanceNumber, question } = message;
      if (instanceNumber > this.instanceNumber) this.requestFrom(from);
      this.environment.messenger.send([from], {
        type: 'level',
        instanceNumber: this.instanceNumber,
        question,
      });
    }

    #receiveLevel(from: Uid, message: Level): void {
      if (this.leapsTooFar(message)) return;
      const { instanceNumber, question } = message;
      if (question !== this.#question) return this.ignore('this run has not asked that');
      const known = this.#known.get(from) ?? UNKNOWN;
      const answeredAtMs = this.environment.clock.now();
      this.#known.set(from, { ...known, instanceNumber, answeredAtMs });
      if (instanceNumber > this.instanceNumber) this.requestFrom(from);
      if (this.#look !== null) this.#lookAround();
    }

    #askLevel(uids: readonly Uid[]): void {
      const others = uids.filter((uid) => uid !== this.uid);
      if (others.length === 0) return;
      const askedAtMs = this.environment.clock.now();
      for (const uid of others) {
        const known = this.#known.get(uid) ?? UNKNOWN;
        const isOpen = known.askedAtMs > known.answeredAtMs;
        if (!isOpen) this.#known.set(uid, { ...known, askedAtMs });
      }
      this.#question ??= this.newLinkId();
      const { instanceNumber } = this;
      const question = this.#question;
      this.environment.messenger.send(others, { type: 'level_request', instanceNumber, question });
    }

    #whyNotLevel(uid: Uid): Refusal | null {
      const now = this.environment.clock.now();
      const { askedAtMs, answeredAtMs, instanceNumber } = this.#known.get(uid) ?? UNKNOWN;
      if (answeredAtMs >= now - FRESH_MS) {
        if (instanceNumber + LEVEL_WITHIN >= this.instanceNumber) return null;
        const where = `${uid} is at #${instanceNumber} of #${this.instanceNumber}`;
        this.#askLevel([uid]);
        return { why: `${where}: wait until it is level, or --force`, master: null, isFinal: true };
      }
      const isSilent = askedAtMs > answeredAtMs && askedAtMs < now - FRESH_MS / 2;
      this.#known.set(uid, { askedAtMs: isSilent ? now : askedAtMs, answeredAtMs, instanceNumber });
      this.#askLevel([uid]);
      if (!isSilent) return { why: `${uid} is asked how far it is`, master: null };
      const why = `${uid} does not answer: is it started with --join?`;
      return { why, master: null, isFinal: true };
    }

    // What clients ask.

    override receiveFromClient(client: ClientAddress, message: ClientMessage): void {
      if (message.type === 'members') return this.#receiveMembers(client, message.requestId);
      if (message.type === 'change') return this.receiveChange(client, message);
      super.receiveFromClient(client, message);
    }

    #receiveMembers(client: ClientAddress, requestId: string): void {
      if (this.#curious.size >= MAX_WAITING) return;
      this.#curious.set(requestId, client);
      this.#askLevel(this.everybody);
      this.#report ??= this.environment.clock.after(ASK_AGAIN_AFTER_MS, () => this.#reportAll());
    }

    #reportAll(): void {
      this.#report = null;
      const { cluster: clusterName, instanceNumber } = this;
      const members = Object.fromEntries(
        Object.entries(this.current.members).map(([uid, { address, role }]) => {
          const report: MemberReport = { address, role, open: this.#levelOf(uid) };
          return [uid, report];
        }),
      );
      for (const [requestId, client] of this.#curious) {
        const report = { type: 'members_report', requestId, instanceNumber, clusterName } as const;
        this.reply(client, { ...report, members });
      }
      this.#curious.clear();
    }

    #levelOf(uid: Uid): number | null {
      if (uid === this.uid) return this.instanceNumber;
      const { answeredAtMs, instanceNumber } = this.#known.get(uid) ?? UNKNOWN;
      return answeredAtMs >= this.environment.clock.now() - FRESH_MS ? instanceNumber : null;
    }

    /** The members as a change finds them: before the first one those of the cluster file. */
    protected get current(): Pick<MembersLink, 'members' | 'used' | 'of'> {
      const { membership } = this.chain;
      if (membership !== undefined) return { ...membership, of: membership.since };
      const { places = {} } = this.environment;
      const member = (uid: Uid) =>
        ({ address: places[uid] ?? 'unknown:1', role: 'voting' }) as const;
      const members = Object.fromEntries(this.founders.map((uid) => [uid, member(uid)]));
      return { members, used: this.founders, of: 0 };
    }

    protected receiveChange(client: ClientAddress, message: ChangeMessage): void {
      const { requestId } = message;
      const askedAtMs = this.environment.clock.now();
      const wanted = this.#wanted;
      if (wanted?.link.by === requestId) {
        wanted.client = client;
        wanted.askedAtMs = askedAtMs;
        return this.pursue();
      }
      const refusal = this.#whyNoChange(message);
      if (refusal !== null) return this.#refuse(client, requestId, refusal);
      const { membership } = this.chain;
      // Whoever asks may not have heard that it was made, and another one since.
      const isDone =
        membership !== undefined && (membership.by === requestId || isMade(membership, message));
      const next = isDone ? { ...membership } : changed(this.current, message);
      if (typeof next === 'string') {
        return this.#refuse(client, requestId, { why: next, master: null, isFinal: true });
      }
      const unlevel = isDone || message.isForced ? null : this.#whyAnyIsNotLevel(message);
      if (unlevel !== null) return this.#refuse(client, requestId, unlevel);
      if (!isDone && this.#handsOver(client, requestId, next.members)) return;

      const { of } = this.current;
      const { members, used } = next;
      const link = { members, used, of, by: requestId, id: this.newLinkId() };
      const since = isDone ? membership.since : null;
      this.#wanted = { link, client, askedAtMs, since };
      if (isDone) return this.#lookAround();
      this.pursue();
    }

    #whyNoChange({ requestId }: ChangeMessage): Refusal | null {
      if (this.chain.membership?.by === requestId) return null;
      const refusal = this.whyNot();
      if (refusal !== null) {
        if (this.hasLeases && refusal.master === null) this.stand();
        return refusal;
      }
      if (this.#currentWish === null) return null;
      return { why: 'another change is under way here', master: null };
    }

    #whyAnyIsNotLevel({ vote }: ChangeMessage): Refusal | null {
      // All of them are asked, and at once.
      const refusals = Object.keys(vote).map((uid) => this.#whyNotLevel(uid));
      return refusals.find((refusal) => refusal !== null) ?? null;
    }

    /** A master that is to be removed lets one of those be master first who stay. */
    #handsOver(client: ClientAddress, requestId: string, members: Roster): boolean {
      const stays = (uid: Uid) => members[uid]?.role === 'voting';
      const heir = this.uids.find((uid) => uid !== this.uid && stays(uid));
      if (!this.isMaster || stays(this.uid) || heir === undefined) return false;
      this.resign(() => {
        this.#refuse(client, requestId, { why: 'the lease is handed over first', master: heir });
      });
      return true;
    }

    #refuse(client: ClientAddress, requestId: string, refusal: Refusal): void {
      const { why, master, isFinal = false } = refusal;
      this.reply(client, { type: 'refused', requestId, why, master, isFinal });
    }

    // The change itself.

    /** The link that we want chosen, unless nobody asks for it any more. */
    get #currentWish(): MembersLink | null {
      const wanted = this.#wanted;
      if (wanted === null || wanted.since !== null) return null;
      const isOld = wanted.askedAtMs < this.environment.clock.now() - WANTED_FOR_MS;
      return isOld ? null : wanted.link;
    }

    /** A lease goes first: without it nothing could be proposed. */
    protected override nextLink(): Link | null {
      const link = super.nextLink();
      const mayPropose = !this.hasLeases || this.isMaster;
      if (!mayPropose || (link !== null && isLease(link))) return link;
      return this.#currentWish ?? link;
    }

    protected override advanced(link: Link | null): void {
      super.advanced(link);
      const { membership } = this.chain;
      if (membership === this.#before) return;
      this.#before = membership;
      this.save(); // whoever is told that we are past the change may rely on it
      this.#say('changed');
      if (membership !== undefined) this.#settle(membership.by, membership.since);
      if (this.isRemoved) this.#endMembership();
    }

    /** Another change is made; it may be ours. */
    #settle(by: string, since: number): void {
      const wanted = this.#wanted;
      if (wanted === null) return;
      // If ours was made before, a quorum of those that it named has made this one.
      if (wanted.since !== null) return this.#answer(wanted.since);
      if (wanted.link.by === by) {
        wanted.since = since;
        return this.#lookAround();
      }
      this.#wanted = null;
      this.#say('overtaken');
      const why = `another change came before it, in instance ${since}: nothing is changed`;
      this.#refuse(wanted.client, wanted.link.by, { why, master: null, isFinal: true });
    }

    #endMembership(): void {
      this.giveUp('this server is no member any more');
      this.#say('removed');
      this.#lookAround();
    }

    /**
     * Is a quorum of the new members past the change? If not, they are asked, again and again. If
     * anything was chosen since then, a quorum of them has voted for it, and nobody need be asked:
     * whoever was down when it was removed may be a stranger to those who are members by now.
     */
    #lookAround(): void {
      const { since = 0 } = this.chain.membership ?? {};
      const past = this.uids.filter((uid) => this.isPast(uid, since));
      const hasVoted = this.instanceNumber > since + 1;
      if (past.length < this.quorum && !hasVoted) return this.#askAround();
      this.#look?.cancel();
      this.#look = null;
      if (this.#wanted?.since === since) this.#answer(since);
      if (!this.isRemoved || this.#hasLeft) return;
      this.#hasLeft = true;
      this.#say('left');
    }

    /** Whether this one is past that instance, by its own word. */
    protected isPast(uid: Uid, since: number): boolean {
      return uid === this.uid || (this.#known.get(uid)?.instanceNumber ?? 0) > since;
    }

    #askAround(): void {
      if (this.#look !== null) return;
      this.#askLevel(this.uids);
      this.#look = this.environment.clock.after(ASK_AGAIN_AFTER_MS, () => {
        this.#look = null;
        this.#lookAround();
      });
    }

    #answer(instanceNumber: number): void {
      const wanted = this.#wanted;
      this.#wanted = null;
      if (wanted === null) return;
      this.#say('past');
      const requestId = wanted.link.by;
      this.reply(wanted.client, { type: 'changed', requestId, instanceNumber });
    }

    #say(what: 'changed' | 'overtaken' | 'past' | 'removed' | 'left'): void {
      const { instanceNumber } = this;
      const { voters, others } = this.membersNow;
      this.environment.trace({ event: 'members', what, instanceNumber, voters, others });
    }
  };
}

export type Members = InstanceType<
  ReturnType<typeof Members<Constructor<ClientAnswers & CatchUp>>>
>;
