/**
 * How far apart colours are, for all kinds of eyes, and how well they stand out: the computations
 * that `src/diagram/palette.ts` names.
 */
import { luminance } from '../src/diagram/palette.ts';

type Triple = readonly [number, number, number];
type Matrix = readonly [Triple, Triple, Triple];

/** Machado, Oliveira and Fernandes 2009, severity 1, for linear RGB. */
const SIGHTS: Readonly<Record<string, Matrix>> = {
  normal: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

/** Linear RGB to XYZ, each part relative to the white point D65. */
const TO_XYZ: Matrix = [
  [0.4124564 / 0.95047, 0.3575761 / 0.95047, 0.1804375 / 0.95047],
  [0.2126729, 0.7151522, 0.072175],
  [0.0193339 / 1.08883, 0.119192 / 1.08883, 0.9503041 / 1.08883],
];

/** The Euclidean distance in CIELAB for the eyes that see the least of it. */
export function leastDistance(a: string, b: string): number {
  const distances = Object.values(SIGHTS).map((sight) => {
    const [one, other] = [a, b].map((colour) => toLab(multiply(sight, toLinear(colour))));
    return Math.hypot(...[0, 1, 2].map((axis) => (one?.[axis] ?? 0) - (other?.[axis] ?? 0)));
  });
  return Math.min(...distances);
}

/** The least distance between any two of these colours. */
export function leastDistanceWithin(colours: readonly string[]): number {
  const pairs = colours.flatMap((a, index) =>
    colours.slice(index + 1).map((b) => leastDistance(a, b)),
  );
  return Math.min(...pairs);
}

/** The contrast ratio of WCAG 2, from 1 to 21. */
export function contrast(a: string, b: string): number {
  const [darker = 0, brighter = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (brighter + 0.05) / (darker + 0.05);
}

function toLinear(colour: string): Triple {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((start) => {
    const part = Number.parseInt(colour.slice(start, start + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return [red, green, blue];
}

/** What a simulated eye would see beyond the borders of RGB is cut off. */
function multiply(matrix: Matrix, [x, y, z]: Triple): Triple {
  const [a, b, c] = matrix.map((row) =>
    Math.min(1, Math.max(0, row[0] * x + row[1] * y + row[2] * z)),
  );
  return [a ?? 0, b ?? 0, c ?? 0];
}

function toLab(linear: Triple): Triple {
  const [x, y, z] = multiply(TO_XYZ, linear).map((part) =>
    part > 216 / 24_389 ? Math.cbrt(part) : ((24_389 / 27) * part + 16) / 116,
  ) as [number, number, number];
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}
