/**
 * Events on their way to the broker: first in, first out, gone only once the broker has acknowledged
 * them. Bounded: when it is full the oldest are given up, and counted.
 */

export interface OutboxItem {
  readonly payload: Buffer;
  /** Handed to a connection that has not acknowledged it yet. */
  sent: boolean;
}

export class Outbox {
  /** Events that were given up because the outbox was full. */
  dropped = 0;
  #items: OutboxItem[] = [];
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get length(): number {
    return this.#items.length;
  }

  push(payload: Buffer): void {
    if (this.#items.length >= this.#limit) {
      this.#items.shift();
      this.dropped++;
    }
    this.#items.push({ payload, sent: false });
  }

  /** The oldest item that was not handed to the connection at hand. */
  next(): OutboxItem | undefined {
    return this.#items.find((item) => !item.sent);
  }

  /** The broker has it. */
  done(item: OutboxItem): void {
    this.#items = this.#items.filter((other) => other !== item);
  }

  /** The connection is gone: what it did not acknowledge is sent again, in order. */
  rewind(): void {
    for (const item of this.#items) item.sent = false;
  }
}
