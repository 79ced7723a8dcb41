/** QBER and rates, from what the stack says of its blocks. Pure. */
import type { Notification } from "./notification.ts";

/** An epoch, seconds. */
const epochSeconds = 2 ** 29 / 1e9;
/** What was said longer ago is not reported any more, ms. */
const fresh = 60_000;
/** A gap between two blocks beyond this is not a rate, seconds. */
const longest = 3_600;

export interface Measured {
  readonly qber?: number;
  /** bit/s */
  readonly secret_key_rate?: number;
  /** bit/s */
  readonly sifted_rate?: number;
}

export class Rates {
  #last: Notification | undefined;
  #values: Measured = {};
  #at = Number.NEGATIVE_INFINITY;

  /** @param now monotonic, ms */
  add(notification: Notification, now: number): void {
    const { epoch, qber, finalBits, siftedBits } = notification;
    // From the start of the block before to the start of this one; blocks follow on each other.
    const seconds = this.#last === undefined ? 0 : (epoch - this.#last.epoch) * epochSeconds;
    const known = seconds > 0 && seconds <= longest;
    if (this.#last?.epoch !== epoch) this.#last = notification;
    else if (this.#values.qber !== undefined) return;
    this.#at = now;
    this.#values = {
      ...(qber !== undefined && qber <= 0.5 && { qber }),
      ...(known && finalBits !== undefined && { secret_key_rate: finalBits / seconds }),
      ...(known && siftedBits !== undefined && { sifted_rate: siftedBits / seconds }),
    };
  }

  /** What was said in the last minute. */
  take(now: number): Measured {
    return now - this.#at <= fresh ? this.#values : {};
  }
}
