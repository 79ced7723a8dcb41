/**
 * An allowance that fills up with time: so many at once, and one more every so often. Pure.
 */

export interface Allowance {
  /** So many at once. */
  readonly burst: number;
  /** Afterwards one more in this time, ms. */
  readonly refillMs: number;
}

export class Bucket {
  readonly #allowance: Allowance;
  #left: number;
  #at: number;

  /** @param now monotonic ms, as everywhere here */
  constructor(allowance: Allowance, now: number) {
    this.#allowance = allowance;
    this.#left = allowance.burst;
    this.#at = now;
  }

  /** @returns whether there was one left */
  take(now: number): boolean {
    this.#refill(now);
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }

  /** One that was taken was not needed. */
  giveBack(): void {
    this.#left = Math.min(this.#allowance.burst, this.#left + 1);
  }

  /** Whether there is one left, which stays. */
  has(now: number): boolean {
    this.#refill(now);
    return this.#left >= 1;
  }

  /** Whether it is as if nothing had ever been taken. */
  isFull(now: number): boolean {
    this.#refill(now);
    return this.#left >= this.#allowance.burst;
  }

  #refill(now: number): void {
    const { burst, refillMs } = this.#allowance;
    this.#left = Math.min(burst, this.#left + (now - this.#at) / refillMs);
    this.#at = now;
  }
}

/** When all places of the table are taken it is looked through for idle ones no more often than this, ms. */
const sweepMs = 1_000;

/** An allowance for each of many, in a table of bounded size: who finds no place in it shares one with others. */
export class Buckets {
  readonly #allowance: Allowance;
  readonly #most: number;
  readonly #byName = new Map<string, Bucket>();
  #sweptAt = Number.NEGATIVE_INFINITY;

  /** @param most names that have an allowance of their own */
  constructor(allowance: Allowance, most: number) {
    this.#allowance = allowance;
    this.#most = most;
  }

  /** Names in the table. */
  get size(): number {
    return this.#byName.size;
  }

  /** @returns whether this one had any of its allowance left */
  take(name: string, now: number): boolean {
    return this.#of(name, now).take(now);
  }

  /** One that was taken was not needed. */
  giveBack(name: string): void {
    (this.#byName.get(name) ?? this.#byName.get(""))?.giveBack();
  }

  /** Whether this one has any of its allowance left, which stays. */
  has(name: string, now: number): boolean {
    const bucket = this.#byName.get(name) ?? this.#byName.get("");
    return bucket?.has(now) ?? true;
  }

  #of(name: string, now: number): Bucket {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    if (this.#byName.size >= this.#most) this.#sweep(now);
    const key = this.#byName.size < this.#most ? name : "";
    const bucket = this.#byName.get(key) ?? new Bucket(this.#allowance, now);
    this.#byName.set(key, bucket);
    return bucket;
  }

  #sweep(now: number): void {
    if (now - this.#sweptAt < sweepMs) return;
    this.#sweptAt = now;
    for (const [name, bucket] of this.#byName) if (bucket.isFull(now)) this.#byName.delete(name);
  }
}
