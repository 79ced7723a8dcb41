/** When shares are computed anew: by what links can give now, and could when they were computed last. */

/** Routes are sought if the capacity of a link has changed by so much. */
const much = 0.1;
/** Least time between two searches that nothing forces, ms. */
const everyMs = 5_000;
/** What pairs have by the routes that they use is computed if a link has changed by so much. */
const little = 0.03;
/** Least time between two of these, ms; and so many times as long as one took. */
const ratedMs = 30_000;
const ratedTimes = 10;

export class When {
  readonly #sought = new Seen();
  readonly #rated = new Seen();
  #tookMs = 0;
  #isDue = true;

  /** When routes were sought last; monotonic, ms. */
  get soughtAt(): number {
    return this.#sought.at;
  }

  /** Routes are to be sought: shares of before say nothing any more. */
  forget(): void {
    this.#isDue = true;
  }

  /** @param isFreed pairs may change that could not before @returns whether routes are to be sought now */
  seeks(capacity: Float64Array, now: number, isFreed: () => boolean): boolean {
    if (this.#isDue) return true;
    if (now - this.#sought.at < everyMs) return false;
    return this.#sought.drift(capacity) > much || isFreed();
  }

  /** Whether it is to be computed what pairs have by their routes, which stay as they are. */
  rates(capacity: Float64Array, now: number): boolean {
    if (now - this.#rated.at < Math.max(ratedMs, this.#tookMs * ratedTimes)) return false;
    return this.#rated.drift(capacity) > little;
  }

  begun(capacity: Float64Array, now: number, seeks: boolean): void {
    if (seeks) {
      this.#isDue = false;
      this.#sought.take(capacity, now);
    }
    this.#rated.take(capacity, now);
  }

  ended(now: number): void {
    this.#tookMs = now - this.#rated.at;
  }
}

class Seen {
  at = Number.NEGATIVE_INFINITY;
  #capacity = new Float64Array(0);

  take(capacity: Float64Array, now: number): void {
    this.#capacity = capacity.slice();
    this.at = now;
  }

  /** @returns by what part a link is another at most; 1 if they are others */
  drift(capacity: Float64Array): number {
    if (capacity.length !== this.#capacity.length) return 1;
    let most = 0;
    for (const [i, before] of this.#capacity.entries()) {
      const value = capacity[i] ?? 0;
      if (value === before) continue;
      most = Math.max(most, Math.abs(value - before) / Math.max(value, before));
    }
    return most;
  }
}
