/**
 * When keys may be offered ahead of any request. What was offered is never free again, so where the other end does not
 * take such keys (it is full, slow, or has others) one offer at a time is tried, ever less often. Pure.
 */

/** After one that failed the next waits for the first, doubling to the second, ms. */
const firstMs = 1_000;
const lastMs = 600_000;

export class Ahead {
  /** Monotonic, ms. */
  readonly #now: () => number;
  /** Uniform in [0, 1). */
  readonly #random: () => number;
  /** The last wait, ms; 0: the last one went well. */
  #wait = 0;
  #until = 0;
  #underWay = 0;

  constructor(now: () => number, random: () => number) {
    this.#now = now;
    this.#random = random;
  }

  get isAllowed(): boolean {
    return this.#wait === 0 || (this.#underWay === 0 && this.#now() >= this.#until);
  }

  begun(): void {
    this.#underWay++;
  }

  ended(isPrepared: boolean): void {
    this.#underWay--;
    if (isPrepared) {
      this.#wait = 0;
      return;
    }
    // Others that were sent together with one that failed say no more than that did.
    if (this.#now() < this.#until) return;
    this.#wait = Math.min(lastMs, Math.max(firstMs, 2 * this.#wait));
    this.#until = this.#now() + this.#wait * (1 - 0.5 * this.#random());
  }
}
