/**
 * Chance, repeatable: a seed and a name make a stream of numbers, the same on every machine.
 *
 * Streams of different names are independent, so that a simulation which draws one number less
 * for its disks does not get another network.
 */

export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** The stream that belongs to these words. */
  constructor(...words: readonly (string | number)[]) {
    const text = words.join('/');
    this.#a = hashText(text, 1);
    this.#b = hashText(text, 2);
    this.#c = hashText(text, 3);
    for (let i = 0; i < 12; i += 1) this.next();
  }

  /** A number from 0 up to, not including, 1. (The generator is Chris Doty-Humphrey's "sfc32".) */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return (sum >>> 0) / 2 ** 32;
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  /** A whole number from 0 up to, not including, `limit`. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(choices: readonly T[]): T {
    const choice = choices[this.below(choices.length)];
    if (choice === undefined) throw new Error('there is nothing to pick from');
    return choice;
  }
}

/** 32 bits that depend on every character of the text ("FNV-1a", then mixed). */
export function hashText(text: string, salt = 0): number {
  let hash = 0x811c9dc5 ^ salt;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mix(hash);
}

/** A number from 0 up to 1 that depends on nothing but these numbers: chance without a stream. */
export function hashNumbers(a: number, b: number, c: number, d: number): number {
  const hash = mix(mix(mix(mix(a) ^ b) ^ c) ^ d);
  return (hash >>> 0) / 2 ** 32;
}

/** Spreads every bit over all others (the finisher of "MurmurHash3"). */
function mix(hash: number): number {
  let mixed = (hash + 0x9e3779b9) | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
