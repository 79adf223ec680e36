/**
 * Digests: a short text that stands for a long one. Two that differ come from texts that differ;
 * two that are the same hardly ever do: a flipped bit, or a thousand, are noticed. They are no
 * help against somebody who *wants* two texts to have the same digest.
 */

const HEX_DIGITS = 8;

/** Sixteen hexadecimal digits for a text, the same on every machine. */
export function digestOfText(text: string): string {
  // Two hashes after Fowler, Noll and Vo, with different primes, each stirred at the end.
  let a = 0x811c9dc5;
  let b = 0x9e3779b9;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(b ^ unit, 0x85ebca6b);
    b ^= b >>> 15;
  }
  return hex(stir(a ^ text.length)) + hex(stir(b));
}

/** The digest of plain data: its JSON text, whatever the order in which fields were written. */
export function digestOf(data: unknown): string {
  return digestOfText(
    JSON.stringify(data, (_, value) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).sort())
        : value,
    ),
  );
}

function stir(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function hex(hash: number): string {
  return hash.toString(16).padStart(HEX_DIGITS, '0');
}
