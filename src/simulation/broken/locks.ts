/** Broken on purpose: stores that each break one rule of locks. */
import { KeyValue } from '../../log/key-value.ts';
import type { LockExpiry } from '../../log/lock-expiry.ts';
import { type Expiry, expiryIn, expiryLine, isLockPiece } from '../../log/locks.ts';
import { valueIn } from '../../log/sorted-map.ts';
import type { StateMachine } from '../../log/state-machine.ts';
import type { StorePiece } from '../../log/store.ts';
import type { Constructor } from '../../replicated-value.ts';
import { SmallStoreReplica } from '../replicas.ts';
import type { Break } from './layers.ts';
import { OtherPieces } from './stores.ts';

/** Ends a lock as soon as its own clock says so, and tells nobody. */
function LockEndsByLocalClock<TBase extends Constructor<LockExpiry>>(Base: TBase) {
  return class LockEndsByLocalClock extends Base {
    #latest: StateMachine | null = null;

    protected override createMachine(): StateMachine {
      this.#latest = super.createMachine();
      return this.#latest;
    }

    protected override endLock(expiry: Expiry): void {
      this.#latest?.apply(expiryLine(expiry), this.instanceNumber);
    }
  };
}

/** A machine whose commands are other ones than were chosen. */
function OtherMachine(otherLine: (line: string, machine: KeyValue) => string) {
  return class OtherMachine extends KeyValue {
    override apply(line: string, instanceNumber: number): string {
      return super.apply(otherLine(line, this), instanceNumber);
    }
  };
}

/** Ends whatever lock of this name is held, since whenever. */
function sinceWhenever(line: string, { locks }: KeyValue): string {
  const { name = '' } = expiryIn(line) ?? {};
  const since = valueIn(locks, name)?.since;
  return since === undefined ? line : expiryLine({ name, since });
}

/** Takes no notice of a token that a command is sent along with. */
function withoutToken(line: string): string {
  return line.replace(/^(set \S+ (?:"(?:[^"\\]|\\.)*"|\S+)) if-token .*/, '$1');
}

const withoutLocks = (piece: StorePiece) => (isLockPiece(piece[1]) ? null : piece);

function withMachine(machineClass: new () => StateMachine) {
  return class OtherMachineReplica extends SmallStoreReplica {
    protected override createMachine(): StateMachine {
      return new machineClass();
    }
  };
}

const REST = { leases: false, store: true, servers: 3, faults: null, skippedSaveSteps: [] };

/** Each is found by its first violation, as those of part I are. */
export const LOCK_BREAKS: readonly Break[] = [
  {
    ...REST,
    name: 'lock-ends-by-local-clock',
    breaks: 'each server ends a lock when its own clock says so, without a link',
    invariants: [9, 11],
    replicaClass: class BrokenReplica extends LockEndsByLocalClock(SmallStoreReplica) {},
  },
  {
    ...REST,
    name: 'end-of-any-lock',
    breaks: 'the end of a lock that was renewed, or is held by another one, comes late and counts',
    invariants: [9],
    replicaClass: class BrokenReplica extends withMachine(OtherMachine(sinceWhenever)) {},
  },
  {
    ...REST,
    name: 'token-not-checked',
    breaks: 'what is sent along with an old token is done',
    invariants: [9],
    replicaClass: class BrokenReplica extends withMachine(OtherMachine(withoutToken)) {},
  },
  {
    ...REST,
    name: 'snapshot-without-locks',
    breaks: 'a snapshot does not say which locks are held',
    invariants: [11],
    replicaClass: class BrokenReplica extends OtherPieces(SmallStoreReplica, withoutLocks) {},
  },
];
