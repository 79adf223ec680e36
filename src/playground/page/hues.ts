/** Whose hue is whose: that of the diagram, for as many servers as have one. */
import { MOST_HUES, variablePaints } from '../../diagram/palette.ts';
import type { Stage } from '../stage.ts';

export const PAINTS = variablePaints();

function placeOf({ uids }: Stage, uid: string): number {
  const place = uids.indexOf(uid);
  return place < MOST_HUES ? place : -1;
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
