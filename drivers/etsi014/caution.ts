/**
 * How a leader asks a KME that left a request for keys without an answer: it may have handed them over, and does so
 * once. So the next request is for one key, and each comes later than the one before, until one is answered. Of the
 * driver: a KME that is asked anew in each session would be emptied all the same. Pure.
 */
import type { Clock } from "../../src/base/clock.ts";

const firstMs = 1_000;
const longestMs = 60_000;

export class Caution {
  readonly #clock: Clock;
  #unanswered = 0;
  #until = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Keys that are asked for at the most. */
  most(number: number): number {
    return this.#unanswered > 0 ? Math.min(1, number) : number;
  }

  /** Before that none are asked for, ms of its clock. */
  get notBefore(): number {
    return this.#until;
  }

  answered(): void {
    this.#unanswered = 0;
  }

  unanswered(): void {
    const waitMs = Math.min(longestMs, firstMs * 2 ** Math.min(10, this.#unanswered));
    this.#unanswered++;
    this.#until = this.#clock.now() + waitMs;
  }
}
