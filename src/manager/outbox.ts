/**
 * Events on their way to the broker: first in, first out, gone only once the broker has acknowledged
 * them. Bounded: when it is full the oldest are given up, and counted.
 */

export interface OutboxItem {
  readonly payload: Buffer;
}

export class Outbox {
  /** Events that were given up because the outbox was full. */
  dropped = 0;
  readonly #items: OutboxItem[] = [];
  /** The first so many were handed to the connection at hand and are not acknowledged yet. */
  #sent = 0;
  readonly #limit: number;

  /** @param limit most events kept; more than a connection may have unacknowledged */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get length(): number {
    return this.#items.length;
  }

  push(payload: Buffer): void {
    if (this.#items.length >= this.#limit) {
      // The oldest that is not on its way: one that is may have arrived already.
      this.#items.splice(this.#sent, 1);
      this.dropped++;
    }
    this.#items.push({ payload });
  }

  /** The oldest item that was not handed to the connection at hand; it counts as handed now. */
  next(): OutboxItem | undefined {
    const item = this.#items[this.#sent];
    if (item !== undefined) this.#sent++;
    return item;
  }

  /** The broker has it. */
  done(item: OutboxItem): void {
    const at = this.#items.indexOf(item);
    if (at < 0) return;
    this.#items.splice(at, 1);
    if (at < this.#sent) this.#sent--;
  }

  /** The connection is gone: what it did not acknowledge is sent again, in order. */
  rewind(): void {
    this.#sent = 0;
  }
}
