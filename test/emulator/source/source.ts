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
