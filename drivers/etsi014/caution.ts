/**
 * How a leader asks a KME that left a request for keys without an answer: it may have handed them over, and does so
 * once. So the next request is for one key, and each comes later than the one before, until one is answered. Of the
 * driver: a KME that is asked anew in each session would be emptied all the same. Pure.
 */
import type { Clock } from "../../src/base/clock.ts";
import { backoff } from "../../src/base/retry.ts";

export class Caution {
  readonly #clock: Clock;
  readonly #random: () => number;
  /** While a request has no answer. */
  #waits: Iterator<number, never> | undefined;
  #until = 0;

  /** @param random uniform in [0, 1): leaders that one KME left without an answer do not come back together */
  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Keys that are asked for at the most. */
  most(number: number): number {
    return this.#waits === undefined ? number : Math.min(1, number);
  }

  /** Before that none are asked for, ms of its clock. */
  get notBefore(): number {
    return this.#until;
  }

  answered(): void {
    this.#waits = undefined;
  }

  unanswered(): void {
    this.#waits ??= backoff({ firstMs: 1_000, maxMs: 60_000, random: this.#random });
    this.#until = this.#clock.now() + this.#waits.next().value;
  }
}
