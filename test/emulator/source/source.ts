/** Where a module pair's key comes from. */
import type { BlockFacts } from "../../../src/port/key.ts";
import type { PhysicalLink } from "../physics/link.ts";

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
  /** The physics that its next block follows from; undefined where there is none, as of a recording. */
  readonly link?: PhysicalLink | undefined;
  /** The next block; undefined when there are no more. */
  next(): DistilledBlock | undefined;
}

export interface Chain extends BlockSource {
  /** Goes on with the last source at once. */
  skip(): void;
}

/** One source after the other. */
export function chain(name: string, sources: readonly BlockSource[]): Chain {
  const totals = sources.map((source) => source.total);
  const total = totals.includes(undefined)
    ? undefined
    : totals.reduce<number>((sum, part) => sum + (part ?? 0), 0);
  let at = 0;
  return {
    name,
    total,
    get link() {
      return sources[at]?.link;
    },
    skip() {
      at = Math.max(at, sources.length - 1);
    },
    next() {
      for (; at < sources.length; at++) {
        const block = sources[at]?.next();
        if (block !== undefined) return block;
      }
      return undefined;
    },
  };
}
