/**
 * What counters that only grow have grown by. A key manager that began anew counts from 0; the first word of a counter
 * that was not known is where counting begins, since what it counted before may be in the books already.
 */
export class Counters {
  readonly #last = new Map<string, readonly number[]>();
  readonly #most: number;

  /** @param most counters that are known at a time */
  constructor(most: number) {
    this.#most = most;
  }

  /** @param name of the counters that come together @returns what they grew by, in their order */
  grown(name: string, values: readonly number[]): readonly number[] {
    const before = this.#last.get(name);
    if (before === undefined && this.#last.size >= this.#most) return values.map(() => 0);
    this.#last.set(name, values);
    if (before === undefined) return values.map(() => 0);
    const isAnew = values.some((value, i) => value < (before[i] ?? 0));
    return isAnew ? values : values.map((value, i) => value - (before[i] ?? 0));
  }
}
