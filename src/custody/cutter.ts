/** Sees to it that how a block is cut is on disk before a key of it can leave. */
import type { KeyBlock } from "../port/key.ts";
import { lastOfStretch } from "./cuts.ts";
import type { Cut, Ledger } from "./ports.ts";

export class Cutter {
  readonly #cut: Cut;
  readonly #ledger: Ledger;
  /** Blocks that wait for the disk, oldest first. */
  readonly #waiting = new Set<KeyBlock>();

  /** @param cut of blocks that were never cut before */
  constructor(cut: Cut, ledger: Ledger) {
    this.#cut = cut;
    this.#ledger = ledger;
  }

  /** Calls `then`, in the order of the blocks, unless they are wiped before. */
  take(block: KeyBlock, then: (cut: Cut) => void): void {
    const ledger = this.#ledger;
    const known = ledger.cutOf(block.ref);
    if (known !== undefined && this.#waiting.size === 0) return then(known);
    const cut = known ?? this.#cut;
    if (known === undefined) {
      ledger.append({ kind: "cut", ref: lastOfStretch(block.ref), ...cut });
    }
    this.#waiting.add(block);
    ledger.whenDurable(() => {
      if (this.#waiting.delete(block)) then(cut);
    });
  }

  wipe(): void {
    for (const block of this.#waiting) block.wipe();
    this.#waiting.clear();
  }
}
