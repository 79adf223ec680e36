/** The tape: all moments of a session in a row, and what each server was in them. */
import type { Uid } from '../composable-paxos.ts';
import type { Place, Session } from './session.ts';
import type { Card } from './stage.ts';

/** A server is of one kind from one moment up to another. */
export interface Strip {
  readonly uid: Uid;
  readonly lane: number;
  readonly from: number;
  readonly to: number;
  readonly kind: 'down' | 'calm' | 'candidate' | 'master';
}

export interface Tape {
  /** Every moment that is known, those that come later among them. */
  readonly places: readonly Place[];
  /** Which of them is shown. */
  readonly now: number;
  readonly strips: readonly Strip[];
}

export function tapeOf({ known, place }: Pick<Session, 'known' | 'place'>): Tape {
  const places: Place[] = [{ item: 0, moment: 0 }];
  const strips: { -readonly [Key in keyof Strip]: Strip[Key] }[] = [];
  const open = new Map<Uid, (typeof strips)[number]>();
  for (const [index, { moments }] of known.entries()) {
    for (const [moment, { stage }] of moments.entries()) {
      const at = places.push({ item: index + 1, moment }) - 1;
      for (const [lane, card] of (stage?.cards ?? []).entries()) {
        const kind = kindOf(card);
        const before = open.get(card.uid);
        if (before?.kind === kind) before.to = at;
        else {
          const strip = { uid: card.uid, lane, from: Math.max(0, at - 1), to: at, kind };
          open.set(card.uid, strip);
          strips.push(strip);
        }
      }
    }
  }
  return { places, now: nowIn(places, place), strips };
}

/** Which of these moments is shown. */
export function nowIn(places: readonly Place[], place: Place): number {
  const shown = places.findLastIndex(
    ({ item, moment }) => item < place.item || (item === place.item && moment <= place.moment),
  );
  return Math.max(0, shown);
}

function kindOf({ condition, isMaster, round }: Card): Strip['kind'] {
  if (condition !== 'running') return 'down';
  if (isMaster) return 'master';
  return round === null ? 'calm' : 'candidate';
}
