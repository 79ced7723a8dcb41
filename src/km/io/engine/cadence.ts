/** When the next cycle of a store begins: what comes one by one shares syncs, unless an application waits. */
import type { Clock } from "../../../base/clock.ts";

export class Cadence {
  readonly #clock: Pick<Clock, "now" | "after">;
  readonly #cycleMs: number;
  #begun = Number.NEGATIVE_INFINITY;
  /** The next cycle begins no later. */
  #latest = Number.POSITIVE_INFINITY;
  #wake = () => {};

  constructor(clock: Pick<Clock, "now" | "after">, cycleMs: number) {
    this.#clock = clock;
    this.#cycleMs = cycleMs;
  }

  /** The next cycle begins at once, or within so many ms. */
  hurry(ms = 0): void {
    const latest = this.#clock.now() + ms;
    if (latest >= this.#latest) return;
    this.#latest = latest;
    this.#wake();
  }

  /** Resolves when the next cycle is to begin: after a pause at once. */
  async next(): Promise<void> {
    for (let wait = this.#wait; wait > 0.5; wait = this.#wait) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = this.#clock.after(wait, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
      await promise;
      this.#wake = () => {};
    }
    this.#latest = Number.POSITIVE_INFINITY;
    this.#begun = this.#clock.now();
  }

  get #wait(): number {
    return Math.min(this.#begun + this.#cycleMs, this.#latest) - this.#clock.now();
  }
}
