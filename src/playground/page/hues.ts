/** Whose hue is whose: that of the diagram, for as many servers as have one. */
import { MOST_HUES, variablePaints } from '../../diagram/palette.ts';
import type { Stage } from '../stage.ts';

export const PAINTS = variablePaints();

/** The first ones have a hue, so that none changes it while a run goes on. */
export function huedOf({ uids }: Stage): readonly string[] {
  return uids.slice(0, MOST_HUES);
}

function placeOf(stage: Stage, uid: string): number {
  return huedOf(stage).indexOf(uid);
}

export function hueOf(stage: Stage, uid: string): string {
  return PAINTS.hue(placeOf(stage, uid));
}

export function paleOf(stage: Stage, uid: string): string {
  return PAINTS.pale(placeOf(stage, uid));
}

export function onHueOf(stage: Stage, uid: string): string {
  return PAINTS.onHue(placeOf(stage, uid));
}
