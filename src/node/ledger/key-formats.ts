/**
 * How blocks were cut, remembered: a key's ID follows from its place in the block, so a block that was
 * once cut one way and of which a key may have left must never be cut another way, whatever the
 * configuration says now.
 *
 * Recorded for a stretch of block numbers at once, a little before the first of them comes: no block
 * has to wait for the disk, and two ends that are configured anew together go over to the new cut at
 * the same block, unless just one of them had recorded the stretch. Pure.
 */
import type { BlockRef } from "../../port/key.ts";
import type { KeyFormat, LedgerEntry } from "../keys/ports.ts";

/** Block numbers that are cut alike. */
export const stretch = 256;

/** The last block of the stretch that `ref` is in. */
export function lastOfStretch({ epoch, number }: BlockRef): BlockRef {
  return { epoch, number: number - (number % stretch) + stretch - 1 };
}

interface Range {
  /** Last block number it is for; the first follows from the range before. */
  upTo: number;
  cut: KeyFormat;
}

function same(a: KeyFormat, b: KeyFormat): boolean {
  return a.keyBits === b.keyBits && a.onRequest === b.onRequest;
}

export class KeyFormatHistory {
  /** By epoch, in the order of block numbers. */
  readonly #ranges = new Map<string, Range[]>();

  /** Ranges that are remembered. */
  get size(): number {
    let count = 0;
    for (const ranges of this.#ranges.values()) count += ranges.length;
    return count;
  }

  get epochs(): number {
    return this.#ranges.size;
  }

  /** How the block was, or is to be, cut; undefined if that was never recorded. */
  of({ epoch, number }: BlockRef): KeyFormat | undefined {
    return this.#ranges.get(epoch)?.find(({ upTo }) => number <= upTo)?.cut;
  }

  /** Whether any block may be with the desk. */
  get anyOnRequest(): boolean {
    for (const ranges of this.#ranges.values()) {
      if (ranges.some(({ cut }) => cut.onRequest)) return true;
    }
    return false;
  }

  /**
   * Blocks up to `ref` that were not recorded before are cut like this.
   * @returns the first of them; undefined if there is none
   */
  add({ epoch, number }: BlockRef, cut: KeyFormat): number | undefined {
    let ranges = this.#ranges.get(epoch);
    if (ranges === undefined) {
      ranges = [];
      this.#ranges.set(epoch, ranges);
    }
    const last = ranges.at(-1);
    const from = last === undefined ? 0 : last.upTo + 1;
    if (number < from) return undefined;
    if (last !== undefined && same(last.cut, cut)) last.upTo = number;
    else ranges.push({ upTo: number, cut });
    return from;
  }

  *entries(): Iterable<LedgerEntry> {
    for (const [epoch, ranges] of this.#ranges) {
      for (const { upTo, cut } of ranges) {
        yield { kind: "cut", ref: { epoch, number: upTo }, ...cut, claimant: undefined };
      }
    }
  }
}
