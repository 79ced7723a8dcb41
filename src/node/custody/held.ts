import { assert } from "../../base/assert.ts";
import { blockName, type KeyBlock } from "../../port/key.ts";

/** A block in memory, and how many of its keys the KM has not yet answered for. */
export interface Held {
  readonly block: KeyBlock;
  unanswered: number;
  /** Keys of it stay in the module: in quarantine, or another KM's. */
  partial: boolean;
  /** It was cut to be asked for; a request may have been given some of it: each key is bound by itself. */
  asked: boolean;
  /** The stretch that it is in is claimed for the one KM, on disk. */
  claimed: boolean;
}

/** The blocks in memory. */
export class HeldBlocks {
  readonly #held = new Map<string, Held>();
  bytes = 0;

  get size(): number {
    return this.#held.size;
  }

  has(block: string): boolean {
    return this.#held.has(block);
  }

  add(block: KeyBlock): Held {
    assert(!this.#held.has(blockName(block.ref)), "a block is in memory once");
    const held = { block, unanswered: 0, partial: false, asked: false, claimed: false };
    this.#held.set(blockName(block.ref), held);
    this.bytes += block.byteLength;
    return held;
  }

  remove({ block }: Held): void {
    const wasThere = this.#held.delete(blockName(block.ref));
    assert(wasThere, "a block leaves memory once");
    this.bytes -= block.byteLength;
    assert(this.bytes >= 0, "what leaves memory was counted when it came");
  }

  /** Whose the stretches are that they are in is to be looked at anew. */
  unclaim(): void {
    for (const held of this.#held.values()) held.claimed = false;
  }

  clear(): void {
    this.#held.clear();
    this.bytes = 0;
  }
}
