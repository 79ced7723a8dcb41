/**
 * Which blocks the module has let go of, as ranges of their numbers: one that is offered again after
 * that is a replay, and none of its keys is supplied a second time. Pure.
 *
 * Bounded: of numbers with many gaps the lowest ranges are forgotten. A replay of those is supplied
 * again under the IDs that its keys always had, which a KM takes for the repeat it is.
 */
import type { BlockRef } from "../port/key.ts";
import type { LedgerEntry } from "./ports.ts";

interface Range {
  from: number;
  to: number;
}

export class Past {
  readonly #most: number;
  /** By epoch, the one added to last at the end; ranges in the order of numbers, none adjoining. */
  readonly #epochs = new Map<string, Range[]>();
  #size = 0;

  /** @param most ranges that are remembered */
  constructor(most = 4_096) {
    this.#most = most;
  }

  /** Ranges that are remembered. */
  get size(): number {
    return this.#size;
  }

  has({ epoch, number }: BlockRef): boolean {
    const ranges = this.#epochs.get(epoch);
    if (ranges === undefined) return false;
    const range = ranges[firstFrom(ranges, number)];
    return range !== undefined && range.from <= number;
  }

  /** Blocks `from` to `ref.number` were let go of. */
  add({ epoch, number: to }: BlockRef, from = to): void {
    const ranges = this.#epochs.get(epoch) ?? [];
    // The epoch in use is the last to be forgotten.
    this.#epochs.delete(epoch);
    this.#epochs.set(epoch, ranges);
    const first = firstFrom(ranges, from - 1);
    let end = first;
    const merged = { from, to };
    for (; end < ranges.length; end++) {
      const range = ranges[end] as Range;
      if (range.from > to + 1) break;
      merged.from = Math.min(merged.from, range.from);
      merged.to = Math.max(merged.to, range.to);
    }
    ranges.splice(first, end - first, merged);
    this.#size += 1 - (end - first);
    while (this.#size > this.#most) this.#forget();
  }

  *entries(): Iterable<LedgerEntry> {
    for (const [epoch, ranges] of this.#epochs) {
      for (const { from, to } of ranges) yield { kind: "past", ref: { epoch, number: to }, from };
    }
  }

  #forget(): void {
    const [oldest] = this.#epochs;
    if (oldest === undefined) return;
    const [epoch, ranges] = oldest;
    ranges.shift();
    this.#size--;
    if (ranges.length === 0) this.#epochs.delete(epoch);
  }
}

/** Index of the first range that ends at `number` or later. */
function firstFrom(ranges: readonly Range[], number: number): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[middle] as Range).to < number) low = middle + 1;
    else high = middle;
  }
  return low;
}
