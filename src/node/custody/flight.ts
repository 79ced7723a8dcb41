/**
 * What is on its way, in the order in which it left. Each item leads to its neighbours itself: a map of
 * items would cost more than all else that is done with a short key.
 */
export interface Flying<T> {
  before: T | undefined;
  after: T | undefined;
}

export class Flight<T extends Flying<T>> {
  #first: T | undefined;
  #last: T | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** @param item that is in no flight */
  add(item: T): void {
    item.before = this.#last;
    item.after = undefined;
    if (this.#last === undefined) this.#first = item;
    else this.#last.after = item;
    this.#last = item;
    this.#size++;
  }

  /** @param item that is in this flight */
  remove(item: T): void {
    const { before, after } = item;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    item.before = undefined;
    item.after = undefined;
    this.#size--;
  }

  /** Empties it. @returns what was in it, in order */
  clear(): T[] {
    const items: T[] = [];
    for (let item = this.#first; item !== undefined; item = this.#first) {
      this.remove(item);
      items.push(item);
    }
    return items;
  }
}
