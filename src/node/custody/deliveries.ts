/**
 * Answers for keys of blocks that are not whole yet. One entry of the ledger says it all once a block
 * is; so answers are recorded by themselves only when their block takes longer than a moment, and then
 * as far as they came in order by one entry. A crash in
 * that moment makes the node supply the key again, under the same ID, as does one before any fsync.
 * Pure.
 */
import type { Clock, Timer } from "../../base/clock.ts";
import { type BlockRef, blockName, type QkdKey } from "../../port/key.ts";
import type { Ledger } from "../keys/ports.ts";

/** An answer is recorded after this long at the latest, ms; a block takes less, also on a slow board. */
export const recordWithin = 50;

interface Open {
  readonly since: number;
  /** The KM has the keys of the block's first bits: so many are recorded, and so many in all. */
  readonly recorded: number;
  upTo: number;
  /** Keys answered for behind one that is not. */
  readonly keyIds: string[];
}

export class Deliveries {
  readonly #ledger: Ledger;
  readonly #clock: Clock;
  /** By the block's reference, the object itself; oldest first. */
  readonly #open = new Map<BlockRef, Open>();
  /** The block that was looked up last: the keys of one are answered for in a row. */
  #last: { readonly ref: BlockRef; readonly open: Open } | undefined;
  #timer: Timer | undefined;

  constructor(ledger: Ledger, clock: Clock) {
    this.#ledger = ledger;
    this.#clock = clock;
  }

  /** A key of this block was answered for; others of it were not. */
  answered(ref: BlockRef, key: QkdKey): void {
    const open = this.#last?.ref === ref ? this.#last.open : this.#opened(ref);
    if (key.offset === open.upTo) open.upTo += key.bits;
    else open.keyIds.push(key.id);
  }

  #opened(ref: BlockRef): Open {
    let open = this.#open.get(ref);
    if (open === undefined) {
      const recorded = this.#ledger.get(blockName(ref))?.deliveredBits ?? 0;
      open = { since: this.#clock.now(), recorded, upTo: recorded, keyIds: [] };
      this.#open.set(ref, open);
    }
    this.#last = { ref, open };
    this.#timer ??= this.#clock.after(recordWithin, () => this.#tick());
    return open;
  }

  /** The block is whole: its own entry says more. */
  whole(ref: BlockRef): void {
    this.#close(ref);
  }

  /** Records what waits of this block now. */
  record(ref: BlockRef): void {
    const open = this.#open.get(ref);
    this.#close(ref);
    if (open === undefined) return;
    const { recorded, upTo, keyIds } = open;
    if (upTo > recorded) this.#ledger.append({ kind: "delivered_to", ref, bits: upTo });
    for (const keyId of keyIds) this.#ledger.append({ kind: "delivered", ref, keyId });
  }

  /** Records all that waits. */
  recordAll(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const ref of [...this.#open.keys()]) this.record(ref);
  }

  /** Records nothing any more. */
  forget(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#open.clear();
    this.#last = undefined;
  }

  #close(ref: BlockRef): void {
    this.#open.delete(ref);
    if (this.#last?.ref === ref) this.#last = undefined;
  }

  #tick(): void {
    this.#timer = undefined;
    const now = this.#clock.now();
    for (const [ref, { since }] of this.#open) {
      const left = since + recordWithin - now;
      if (left > 0) {
        this.#timer = this.#clock.after(left, () => this.#tick());
        return;
      }
      this.record(ref);
    }
  }
}
