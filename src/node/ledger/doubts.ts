/**
 * Blocks of which the ledger may know less than what happened to them, since it was damaged and
 * repaired: their keys may have left. Pure.
 *
 * A repair cannot know which blocks the module holds. Until the module has told, or an operator has
 * decided, every block without a decision is doubtful; then only those that were there at that time.
 */
import type { BlockRef } from "../../port/key.ts";
import type { LedgerEntry } from "../keys/ports.ts";

export class Doubts {
  /** Epoch to the last block of it that is doubtful. */
  readonly #upTo = new Map<string, number>();
  #repaired = false;
  /** No operator has decided about what the repair left open. */
  #open = false;

  get size(): number {
    return this.#upTo.size + (this.#open ? 2 : 0);
  }

  /** Whether another module than the one that told its blocks would be in doubt as well. */
  get open(): boolean {
    return this.#open;
  }

  /** Whether any block may be doubtful. */
  get repaired(): boolean {
    return this.#repaired;
  }

  has({ epoch, number }: BlockRef): boolean {
    return this.#repaired || number <= (this.#upTo.get(epoch) ?? -1);
  }

  add({ epoch, number }: BlockRef): void {
    this.#upTo.set(epoch, Math.max(number, this.#upTo.get(epoch) ?? 0));
  }

  begin(): void {
    this.#repaired = true;
    this.#open = true;
  }

  /** Which blocks are doubtful is known one by one. */
  end(): void {
    this.#repaired = false;
  }

  /** An operator has decided that none is. */
  clear(): void {
    this.#repaired = false;
    this.#open = false;
    this.#upTo.clear();
  }

  *entries(): Iterable<LedgerEntry> {
    if (this.#open) yield { kind: "repaired" };
    if (this.#open && !this.#repaired) yield { kind: "doubt_over" };
    for (const [epoch, number] of this.#upTo) yield { kind: "doubtful", ref: { epoch, number } };
  }
}
