/** What was asked and what came of it, of each application with others. */
import { countOf } from "../store/key-run.ts";
import { bytesOf } from "../store/ranges.ts";
import type { Use } from "../store/shapes.ts";

/** Of an application with others. */
export interface PairCounts {
  /** KM ID at the other end of the link whose keys they are. */
  readonly peer: string;
  requests: number;
  /** Handed out here. */
  keys: number;
  bits: number;
  refused: number;
}

/** Pairs that are counted apart. */
const mostPairs = 10_000;

export class Counts {
  /** By use: see `useOf`. */
  readonly all = new Map<string, PairCounts>();

  /** One more request. @param peer KM ID */
  of(use: string, peer: string): PairCounts {
    const known = this.all.get(use);
    const count = known ?? { peer, requests: 0, keys: 0, bits: 0, refused: 0 };
    if (known === undefined && this.all.size < mostPairs) this.all.set(use, count);
    count.requests++;
    return count;
  }
}

/** They have these keys. */
export function countGranted(count: PairCounts, uses: readonly Use[]): void {
  count.keys += countOf(uses);
  for (const { ranges } of uses) count.bits += bytesOf(ranges) * 8;
}
