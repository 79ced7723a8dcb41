/** Tells how a block is cut into keys, and sees to it that this is on disk before a key of it can leave. */
import type { KeyBlock } from "../port/key.ts";
import { lastOfStretch } from "./cuts.ts";
import type { Cut, Ledger } from "./ports.ts";
import { Queue } from "./queue.ts";

interface Waiting {
  readonly block: KeyBlock;
  readonly cut: Cut;
  readonly then: (cut: Cut) => void;
  /** How many recorded cuts must be on disk before. */
  readonly after: number;
}

export class Cutter {
  readonly #cut: Cut;
  readonly #ledger: Ledger;
  /** Blocks that wait for the disk, oldest first. */
  readonly #waiting = new Queue<Waiting>();
  /** Cuts since the start: recorded, and on disk. */
  #recorded = 0;
  #durable = 0;

  /** @param cut of blocks that were never cut before */
  constructor(cut: Cut, ledger: Ledger) {
    this.#cut = cut;
    this.#ledger = ledger;
  }

  /** Calls `then`, in the order of the blocks, unless they are wiped before. */
  take(block: KeyBlock, then: (cut: Cut) => void): void {
    const ledger = this.#ledger;
    const known = ledger.cutOf(block.ref);
    const cut = known ?? this.#cut;
    if (known === undefined) {
      ledger.append({ kind: "cut", ref: lastOfStretch(block.ref), ...cut });
      const after = ++this.#recorded;
      ledger.whenDurable(() => {
        this.#durable = after;
        this.#go();
      });
    }
    if (this.#recorded === this.#durable) then(cut);
    else this.#waiting.push({ block, cut, then, after: this.#recorded });
  }

  wipe(): void {
    for (const { block } of this.#waiting.clear()) block.wipe();
  }

  #go(): void {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (next.after > this.#durable) return this.#waiting.giveBack([next]);
      next.then(next.cut);
    }
  }
}
