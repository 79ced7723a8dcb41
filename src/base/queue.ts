/** A queue that is taken from at the front and may be given back to there, in constant time. */
export class Queue<T> {
  #items: T[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  /** The item that is next; undefined if there is none. */
  get first(): T | undefined {
    return this.#items[this.#head];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined;
    const item = this.#items[this.#head++];
    // Cutting the array at each shift would make a long queue quadratic.
    if (this.#head > 4_096 || this.#head === this.#items.length) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Puts items before all others, in their order. */
  giveBack(items: readonly T[]): void {
    if (items.length === 1 && this.#head > 0) {
      this.#head--;
      this.#items[this.#head] = items[0] as T;
      return;
    }
    this.#items = [...items, ...this.#items.slice(this.#head)];
    this.#head = 0;
  }

  /** Takes out the first that is meant, wherever it stands. */
  take(isMeant: (item: T) => boolean): T | undefined {
    const at = this.#items.findIndex((item, i) => i >= this.#head && isMeant(item));
    return at < 0 ? undefined : this.#items.splice(at, 1)[0];
  }

  /** Empties the queue. @returns what was in it */
  clear(): T[] {
    const rest = this.#items.slice(this.#head);
    this.#items = [];
    this.#head = 0;
    return rest;
  }
}
