/** What can be asked of a ledger: all that was recorded, whether it is on disk yet or not. */
import type { BlockRef } from "../../port/key.ts";
import type { BlockRecord, KeyFormat, Ledger, LedgerEntry, ModulePair } from "../keys/ports.ts";
import type { LedgerIndex } from "./ledger-index.ts";

type Writing = "failure" | "watch" | "look" | "recover" | "append" | "whenDurable";

export class LedgerView implements Omit<Ledger, Writing> {
  protected readonly index: LedgerIndex;

  constructor(index: LedgerIndex) {
    this.index = index;
  }

  get(block: string): BlockRecord | undefined {
    return this.index.get(block);
  }

  blocks(): Iterable<BlockRecord> {
    return this.index.blocks();
  }

  keyFormatOf(ref: BlockRef): KeyFormat | undefined {
    return this.index.formats.of(ref);
  }

  claimantOf(ref: BlockRef): string | undefined {
    return this.index.claims.of(ref);
  }

  claimEnd(epoch: string): number | undefined {
    return this.index.claims.endOf(epoch);
  }

  get module(): ModulePair | undefined {
    return this.index.pairs.module;
  }

  pairOf(epoch: string): ModulePair | undefined {
    return this.index.pairs.of(epoch);
  }

  namingOf(pair: ModulePair): readonly LedgerEntry[] {
    return this.index.pairs.naming(pair);
  }

  get size(): { readonly blocks: number; readonly epochs: number } {
    return this.index.size;
  }

  get isRepaired(): boolean {
    return this.index.doubts.repaired;
  }

  get wasRepaired(): boolean {
    return this.index.doubts.open;
  }

  get anyOnRequest(): boolean {
    return this.index.formats.anyOnRequest;
  }

  isPast(ref: BlockRef): boolean | "unknown" {
    return this.index.past.has(ref);
  }

  isDoubtful(ref: BlockRef): boolean {
    return this.index.doubts.has(ref);
  }
}
