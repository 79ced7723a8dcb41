/** Which periods of accounts are kept, and which must go. Of the old ones only the count of their records is in memory. */

/** Records of all periods at the most: some 2 GB of disk. Beyond it the oldest periods go before their time. */
export const mostRecords = 5_000_000;
/** Periods that are forgotten at a time: thousands of records each. */
const mostAtATime = 10;

export interface Forgotten {
  /** Start of the period, ms since 1970 UTC. */
  readonly from: number;
  /** It was young enough, but there were too many records. */
  readonly isEarly: boolean;
}

export class Periods {
  readonly #counts: Map<number, number>;
  readonly #most: number;
  readonly #mostRecords: number;

  /** @param most periods @param counts records by the start of their period */
  constructor(most: number, counts: ReadonlyMap<number, number>, limit = mostRecords) {
    this.#most = most;
    this.#mostRecords = limit;
    this.#counts = new Map(counts);
  }

  has(from: number): boolean {
    return this.#counts.has(from);
  }

  /** One record more. */
  add(from: number): void {
    this.#counts.set(from, (this.#counts.get(from) ?? 0) + 1);
  }

  /**
   * Those that must go, the oldest first; the last one never does. By their count and not by their age: a clock that is
   * years ahead for a moment makes nothing old.
   * @param wall ms since 1970 UTC
   */
  takeOld(wall: number): Forgotten[] {
    let records = 0;
    for (const count of this.#counts.values()) records += count;
    let periods = this.#counts.size;
    const isOver = () => periods > this.#most || records > this.#mostRecords;
    if (!isOver()) return [];
    // Those of a clock that was ahead are the first to go.
    const rank = (from: number) => (from > wall ? Number.NEGATIVE_INFINITY : from);
    const oldest = [...this.#counts.keys()].toSorted((a, b) => rank(a) - rank(b));
    const gone: Forgotten[] = [];
    for (const from of oldest) {
      if (!isOver() || periods <= 1 || gone.length >= mostAtATime) break;
      gone.push({ from, isEarly: periods <= this.#most });
      records -= this.#counts.get(from) ?? 0;
      periods--;
      this.#counts.delete(from);
    }
    return gone;
  }
}
