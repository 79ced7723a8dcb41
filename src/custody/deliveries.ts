/**
 * Answers for keys of blocks that are not whole yet. One entry of the ledger says it all once a block
 * is; so an answer is recorded by itself only when its block takes longer than a moment. A crash in
 * that moment makes the node supply the key again, under the same ID, as does one before any fsync.
 * Pure.
 */
import type { Clock, Timer } from "../port/clock.ts";
import type { BlockRef } from "../port/key.ts";
import type { Ledger } from "./ports.ts";

/** An answer is recorded after this long at the latest, ms; a block takes less, also on a slow board. */
export const recordWithin = 50;

interface Open {
  readonly since: number;
  readonly keyIds: string[];
}

export class Deliveries {
  readonly #ledger: Ledger;
  readonly #clock: Clock;
  /** By the block's reference, the object itself; oldest first. */
  readonly #open = new Map<BlockRef, Open>();
  #timer: Timer | undefined;

  constructor(ledger: Ledger, clock: Clock) {
    this.#ledger = ledger;
    this.#clock = clock;
  }

  /** A key of this block was answered for; others of it were not. */
  answered(ref: BlockRef, keyId: string): void {
    const open = this.#open.get(ref);
    if (open !== undefined) {
      open.keyIds.push(keyId);
      return;
    }
    this.#open.set(ref, { since: this.#clock.now(), keyIds: [keyId] });
    this.#timer ??= this.#clock.after(recordWithin, () => this.#tick());
  }

  /** The block is whole: its own entry says more. */
  whole(ref: BlockRef): void {
    this.#open.delete(ref);
  }

  /** Records what waits of this block now. */
  record(ref: BlockRef): void {
    const open = this.#open.get(ref);
    this.#open.delete(ref);
    for (const keyId of open?.keyIds ?? []) this.#ledger.append({ kind: "delivered", ref, keyId });
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
