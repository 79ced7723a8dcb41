/**
 * How much is to be relayed for a pair of KMs before it is asked for, by the four policies of Y.3803 §8.2.5: manual,
 * fixed rate, adaptive to traffic, scheduled. Pure.
 */

/** A stretch of the day by UTC, in minutes from midnight; over midnight if it ends before it begins. */
export interface RelayHours {
  readonly from: number;
  readonly until: number;
  /** bit/s */
  readonly rate: number;
}

export type PoolPolicy =
  /** Nothing but what an operator orders, and what is asked for. */
  | { readonly kind: "manual" }
  /** So much a second, up to a limit of stock. */
  | { readonly kind: "fixed_rate"; readonly rate: number }
  /** Stock for the next minute at the rate at which it was used lately, within limits. */
  | { readonly kind: "adaptive"; readonly low: number }
  | { readonly kind: "scheduled"; readonly hours: readonly RelayHours[] };

/** Stock is kept for so long at the rate of late, s; a rate counts half after so long. */
const horizonS = 60;
const halfLifeS = 30;
/** Credit of a rate is for so long at most, s: what was not relayed in an outage is not made up for at once. */
const mostCreditS = 10;

export class RelayPool {
  readonly #policy: PoolPolicy;
  /** Stock is not filled over this, bytes. */
  readonly #high: number;
  #at: number | undefined;
  #credit = 0;
  #usedPerS = 0;
  #stock: number | undefined;

  /** @param high bits */
  constructor(policy: PoolPolicy, high: number) {
    this.#policy = policy;
    this.#high = high / 8;
  }

  /** What is used of late, bit/s. */
  get usedRate(): number {
    return this.#usedPerS * 8;
  }

  /**
   * @param now monotonic, ms @param wall ms since 1970 UTC
   * @param stock bytes that are there; @param came bytes that were relayed since the last call; @param coming bytes on their way
   * @returns bytes that are to be begun now
   */
  due(now: number, wall: number, stock: number, came: number, coming: number): number {
    const seconds = this.#at === undefined ? 0 : Math.max(0, now - this.#at) / 1_000;
    this.#at = now;
    this.#observe(stock, came, seconds);
    const room = Math.max(0, this.#high - stock - coming);
    return Math.min(room, this.#wanted(wall, seconds, stock + coming));
  }

  #observe(stock: number, came: number, seconds: number): void {
    const used = Math.max(0, (this.#stock ?? stock) + came - stock);
    this.#stock = stock;
    if (seconds === 0) return;
    const keep = 0.5 ** (seconds / halfLifeS);
    this.#usedPerS = this.#usedPerS * keep + (used / seconds) * (1 - keep);
  }

  #wanted(wall: number, seconds: number, there: number): number {
    const policy = this.#policy;
    switch (policy.kind) {
      case "manual":
        return 0;
      case "adaptive": {
        const target = Math.max(policy.low / 8, this.#usedPerS * horizonS);
        // Begun at three quarters: many small ones would cost more.
        return there < target * 0.75 ? target - there : 0;
      }
      case "fixed_rate":
        return this.#credited(policy.rate, seconds);
      case "scheduled":
        return this.#credited(rateAt(policy.hours, wall), seconds);
    }
  }

  #credited(rate: number, seconds: number): number {
    const most = (rate / 8) * mostCreditS;
    this.#credit = Math.min(most, this.#credit + (rate / 8) * seconds);
    return this.#credit;
  }

  /** So much was begun. */
  begun(bytes: number): void {
    this.#credit = Math.max(0, this.#credit - bytes);
  }
}

/** The highest rate of the hours that a time is in, bit/s. @param wall ms since 1970 UTC */
export function rateAt(hours: readonly RelayHours[], wall: number): number {
  const minute = Math.floor(wall / 60_000) % 1_440;
  const isIn = ({ from, until }: RelayHours) =>
    from <= until ? from <= minute && minute < until : minute >= from || minute < until;
  return hours.reduce((most, one) => (isIn(one) ? Math.max(most, one.rate) : most), 0);
}
