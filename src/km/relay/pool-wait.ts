/**
 * When a pool begins its next relay after one failed, how long that may be, and how many go together: one that fails has
 * burnt pads of all hops before. Pure.
 */
import { firstWaitMs, lastWaitMs } from "./attempts.ts";
import { leastDemand } from "./demands.ts";
import type { RelayEnd } from "./source.ts";

export class PoolWait {
  #waitMs = firstWaitMs;
  #notBefore = 0;
  /** Most bytes of the next relay. */
  most = Number.POSITIVE_INFINITY;
  /** Most relays that go together. */
  together = Number.POSITIVE_INFINITY;

  /** @param now monotonic, ms */
  isOver(now: number): boolean {
    return now >= this.#notBefore;
  }

  /** What comes next does not wait. */
  end(): void {
    this.#notBefore = 0;
  }

  worked(): void {
    this.#waitMs = firstWaitMs;
    this.together = Number.POSITIVE_INFINITY;
    this.most *= 2;
  }

  /** @param length bytes of the relay @param now monotonic, ms */
  failed({ failure }: NonNullable<RelayEnd>, length: number, now: number): void {
    // The next ones are short, and burn no more for that.
    if (failure !== "long") {
      this.most = Math.max(leastDemand, Math.floor(length / 4));
      this.together = 1;
    }
    // Others that went together with it fail with it: that is one failure.
    if (!this.isOver(now)) return;
    this.#notBefore = now + this.#waitMs;
    this.#waitMs = Math.min(lastWaitMs, this.#waitMs * 2);
  }
}
