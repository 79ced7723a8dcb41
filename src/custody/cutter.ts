/** Cuts blocks into keys, and sees to it that how is on disk before a key of it can leave. */
import { type KeyBlock, QkdKey } from "../port/key.ts";
import { lastOfStretch } from "./cuts.ts";
import { type KeyIds, keyIdOf } from "./key-id.ts";
import type { Cut, Ledger } from "./ports.ts";
import { slices } from "./slices.ts";

/**
 * The keys of a block, in order, each made when it is asked for; they share the block's memory. All
 * have to be taken, since whoever has one wipes it.
 */
export function* cutKeys(
  block: KeyBlock,
  keyBits: number | undefined,
  ids: KeyIds,
): Generator<QkdKey, void> {
  const bytes = block.expose();
  const { bits } = block;
  for (const { offset, length } of slices(bits, keyBits)) {
    const id = keyIdOf(ids, block.facts, offset, length);
    const at = offset / 8;
    const piece = bytes.subarray(at, at + Math.ceil(length / 8));
    const sha256 = length === bits ? block.sha256 : undefined;
    yield new QkdKey(id, block.facts, piece, length, sha256);
  }
}

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
