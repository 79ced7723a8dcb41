/**
 * What a module can have recorded is bounded: a block that is withheld, damaged, or never released is
 * a record in the ledger and in memory for as long as the module holds it. A module that goes beyond
 * the bound is at fault and is closed; other modules go on, and the ledger can be read again.
 */
import { Fault } from "../../base/errors.ts";
import { type BlockRef, blockName } from "../../port/key.ts";
import type { Ledger } from "../keys/ports.ts";

/** Blocks that were not let go of; some 40 MB of memory. */
export const maxBlocks = 32_768;
/** Epochs of a link: a new one a day for 40 years. */
export const maxEpochs = 16_384;

export class Load {
  readonly #ledger: Pick<Ledger, "get" | "size" | "pairOf">;
  readonly #waiting: () => number;
  readonly #onOverload: ((fault: Fault) => void) | undefined;
  #over = false;

  /**
   * @param waiting blocks that wait for a KM which is not configured: they need no record
   * @param onOverload called once; the module is to be closed
   */
  constructor(
    ledger: Pick<Ledger, "get" | "size" | "pairOf">,
    waiting: () => number,
    onOverload: ((fault: Fault) => void) | undefined,
  ) {
    this.#ledger = ledger;
    this.#waiting = waiting;
    this.#onOverload = onOverload;
  }

  /** Whether something may be recorded of this block. Nothing more is once the bound was reached. */
  takes(ref: BlockRef): boolean {
    if (this.#over) return false;
    const { blocks, epochs } = this.#ledger.size;
    if (
      Math.max(blocks, this.#waiting()) >= maxBlocks &&
      this.#ledger.get(blockName(ref)) === undefined
    ) {
      return this.#overload("blocks are not let go of", maxBlocks);
    }
    if (epochs >= maxEpochs && this.#ledger.pairOf(ref.epoch) === undefined) {
      return this.#overload("epochs", maxEpochs);
    }
    return true;
  }

  #overload(what: string, limit: number): false {
    this.#over = true;
    this.#onOverload?.(new Fault("module.overload", `module has too many ${what}`, { limit }));
    return false;
  }
}
