/**
 * When a KM is given up for not answering. Its clock runs from its last answer, not from when a key
 * was sent: a KM that is slow and steady may have a whole window of keys before it. Pure.
 */

/** What has been outstanding for longest. */
export interface Oldest {
  /** Tells it from all others. */
  readonly id: unknown;
  /** When it was given to the connection, ms. */
  readonly at: number;
}

/**
 * Answer timeouts for which one key may stay the oldest while others are answered. A KM that answers in
 * order answers the oldest next, and one with workers of its own overtakes by a few.
 */
const overtaken = 10;

export class Patience {
  readonly #limit: number;
  #answeredAt = Number.NEGATIVE_INFINITY;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #oldest: unknown;
  #oldestSince = 0;

  /** @param limit the KM completes an answer within this time, ms */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** An answer was completed. Nothing else is a sign of progress. */
  answered(now: number): void {
    this.#answeredAt = now;
  }

  /**
   * A message that still waits in the node counts as sent: it waits because the KM does not read.
   * @returns ms until it is to be asked again, more than 0; or, in words, why the KM is given up
   */
  look(oldest: Oldest, now: number): number | string {
    if (oldest.id !== this.#oldest) {
      this.#oldest = oldest.id;
      this.#oldestSince = Math.max(oldest.at, this.#lookedAt);
    }
    this.#lookedAt = now;
    const silent = Math.max(oldest.at, this.#answeredAt) + this.#limit - now;
    if (silent <= 0) return "KM does not answer";
    const starved = this.#oldestSince + overtaken * this.#limit - now;
    if (starved <= 0) return "KM answers others and leaves one key unanswered";
    return Math.min(silent, starved);
  }
}
