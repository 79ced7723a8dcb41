/**
 * Which blocks the module has let go of, as ranges of their numbers: one that is offered again after
 * that is a replay, and none of its keys is supplied a second time. Pure.
 *
 * Bounded: where the numbers have many gaps, the lowest ranges of an epoch are no longer known one by
 * one. One number stays of them: whether a block below it was let go of is unknown.
 */
import type { BlockRef } from "../../port/key.ts";
import type { LedgerEntry } from "../keys/ports.ts";

interface Range {
  from: number;
  to: number;
}

export class ReleasedBlocks {
  readonly #most: number;
  /** By epoch, the one added to last at the end; ranges in the order of numbers, none adjoining. */
  readonly #epochs = new Map<string, Range[]>();
  /** By epoch: up to this number the ranges were forgotten. */
  readonly #forgotten = new Map<string, number>();
  #size = 0;

  /** @param most ranges that are remembered */
  constructor(most = 4_096) {
    this.#most = most;
  }

  /** Entries that say the same. */
  get size(): number {
    return this.#size + this.#forgotten.size;
  }

  /** Whether the block was let go of; `unknown` where that was forgotten. */
  has({ epoch, number }: BlockRef): boolean | "unknown" {
    const ranges = this.#epochs.get(epoch) ?? [];
    const range = ranges[firstFrom(ranges, number)];
    if (range !== undefined && range.from <= number) return true;
    return number <= (this.#forgotten.get(epoch) ?? -1) ? "unknown" : false;
  }

  /** Blocks up to `ref` are not known one by one. */
  forget({ epoch, number }: BlockRef): void {
    this.#forgotten.set(epoch, Math.max(number, this.#forgotten.get(epoch) ?? 0));
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
    while (this.#size > this.#most) this.#forgetLowest();
  }

  *entries(): Iterable<LedgerEntry> {
    for (const [epoch, number] of this.#forgotten) {
      yield { kind: "forgotten", ref: { epoch, number } };
    }
    for (const [epoch, ranges] of this.#epochs) {
      for (const { from, to } of ranges) yield { kind: "past", ref: { epoch, number: to }, from };
    }
  }

  #forgetLowest(): void {
    const [oldest] = this.#epochs;
    if (oldest === undefined) return;
    const [epoch, ranges] = oldest;
    const lowest = ranges.shift();
    this.#size--;
    if (lowest !== undefined) this.forget({ epoch, number: lowest.to });
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
