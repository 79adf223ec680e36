/** Numbers things in the order in which they come, equal things alike. */
export class Catalogue<T> {
  readonly #items: T[] = [];
  readonly #numbers = new Map<string, number>();

  /** `key` tells what counts as equal. Throws when there are too many for 16 bits. */
  numberOf(item: T, key = JSON.stringify(item)): number {
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    if (this.#items.length > 0xffff) throw new Error('there are too many different things');
    this.#numbers.set(key, this.#items.length);
    return this.#items.push(item) - 1;
  }

  /** Throws if nothing has that number. */
  item(number: number): T {
    if (number >= this.#items.length) throw new Error(`nothing has number ${number}`);
    return this.#items[number] as T;
  }
}
