/** Where a module pair's key comes from. */
import type { BlockFacts } from "../../../src/port/key.ts";

/** A block as both ends have it; each end gets bytes of its own. */
export interface DistilledBlock {
  readonly facts: BlockFacts;
  readonly alice: Buffer;
  readonly bob: Buffer;
}

export interface BlockSource {
  /** For people. */
  readonly name: string;
  /** Blocks it will yield in all; undefined if it does not end. */
  readonly total: number | undefined;
  /** The next block; undefined when there are no more. */
  next(): DistilledBlock | undefined;
}

/** One source after the other. */
export function chain(name: string, sources: readonly BlockSource[]): BlockSource {
  const totals = sources.map((source) => source.total);
  const total = totals.includes(undefined)
    ? undefined
    : totals.reduce<number>((sum, part) => sum + (part ?? 0), 0);
  let at = 0;
  return {
    name,
    total,
    next() {
      for (; at < sources.length; at++) {
        const block = sources[at]?.next();
        if (block !== undefined) return block;
      }
      return undefined;
    },
  };
}
