/** When the next cycle of a store begins: what comes one by one shares syncs, unless an application waits. */
import type { Clock } from "../../../base/clock.ts";

export class Cadence {
  readonly #clock: Pick<Clock, "now" | "after">;
  readonly #cycleMs: number;
  #begun = Number.NEGATIVE_INFINITY;
  #isUrgent = false;
  #wake = () => {};

  constructor(clock: Pick<Clock, "now" | "after">, cycleMs: number) {
    this.#clock = clock;
    this.#cycleMs = cycleMs;
  }

  /** The next cycle begins at once. */
  hurry(): void {
    this.#isUrgent = true;
    this.#wake();
  }

  /** Resolves when the next cycle is to begin: after a pause at once. */
  async next(): Promise<void> {
    const wait = this.#begun + this.#cycleMs - this.#clock.now();
    if (wait > 0.5 && !this.#isUrgent) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = this.#clock.after(wait, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
      await promise;
      this.#wake = () => {};
    }
    this.#isUrgent = false;
    this.#begun = this.#clock.now();
  }
}
