/**
 * What the other KM refuses because it has too many keys on their way is void: who asks again and again would burn stock
 * each time. So requests for as many keys or more wait for a while, of which one goes then. Pure.
 */

/** After a refusal the next goes after the first, doubling to the second, ms. */
const firstMs = 1_000;
const lastMs = 10_000;

export class Limited {
  /** Monotonic, ms. */
  readonly #now: () => number;
  /** Uniform in [0, 1). */
  readonly #random: () => number;
  /** So many were refused last, or are tried: of fewer it is not known. */
  #keys = Number.POSITIVE_INFINITY;
  #wait = 0;
  #until = 0;

  constructor(now: () => number, random: () => number) {
    this.#now = now;
    this.#random = random;
  }

  /** Whether a request for so many is to be sent. After a wait that is said once, and the next waits longer. */
  allows(keys: number): boolean {
    if (keys < this.#keys) return true;
    if (this.#now() < this.#until) return false;
    this.#keys = keys;
    this.#begin();
    return true;
  }

  refused(keys: number): void {
    this.#keys = Math.min(this.#keys, keys);
    // Others that were sent together with one that was refused say no more than that did.
    if (this.#now() >= this.#until) this.#begin();
  }

  /** They were bound. */
  bound(keys: number): void {
    if (keys < this.#keys) return;
    this.#keys = Number.POSITIVE_INFINITY;
    this.#wait = 0;
    this.#until = 0;
  }

  #begin(): void {
    this.#wait = Math.min(lastMs, Math.max(firstMs, 2 * this.#wait));
    this.#until = this.#now() + this.#wait * (1 - 0.5 * this.#random());
  }
}
