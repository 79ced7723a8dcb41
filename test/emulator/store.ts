/** A module's memory of blocks: what it holds, which of it was offered, what became of the rest. */
import { createHmac } from "node:crypto";
import { type BlockFacts, type BlockRef, blockName } from "../../src/port/key.ts";

/** What became of one block, without its bytes. */
export interface BlockHistory {
  readonly name: string;
  readonly facts: BlockFacts;
  offers: number;
  released: boolean;
  discarded: boolean;
}

export interface HeldBlock {
  readonly history: BlockHistory;
  readonly bytes: Buffer;
}

export class BlockStore {
  /** Everything ever put in, by block name, oldest first. */
  readonly history = new Map<string, BlockHistory>();
  readonly #held = new Map<string, HeldBlock>();
  /** What is to be sent in the session at hand, in this order. */
  readonly #unsent = new Set<HeldBlock>();
  readonly #capacity: number;

  /** @param capacity blocks that fit */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#held.size;
  }

  get bits(): number {
    let bits = 0;
    for (const { history } of this.#held.values()) bits += history.facts.bits;
    return bits;
  }

  /** Filled part, 0 to 1. */
  get fill(): number {
    return this.#held.size / this.#capacity;
  }

  /** Names of the blocks that are held, oldest first. */
  names(): string[] {
    return [...this.#held.keys()];
  }

  /** The newest block of each epoch. */
  newest(): BlockRef[] {
    const newest = new Map<string, BlockRef>();
    for (const { history } of this.#held.values()) {
      const { ref } = history.facts;
      const known = newest.get(ref.epoch);
      if (known === undefined || known.number < ref.number) newest.set(ref.epoch, ref);
    }
    return [...newest.values()];
  }

  get(ref: BlockRef): HeldBlock | undefined {
    return this.#held.get(blockName(ref));
  }

  /** @returns false if there is no room */
  add(facts: BlockFacts, bytes: Buffer): boolean {
    if (this.fill >= 1) return false;
    const name = blockName(facts.ref);
    const history = { name, facts, offers: 0, released: false, discarded: false };
    this.history.set(name, history);
    const held = { history, bytes };
    this.#held.set(name, held);
    this.#unsent.add(held);
    return true;
  }

  /** The oldest block that was not sent in this session. */
  next(): HeldBlock | undefined {
    return this.#unsent.values().next().value;
  }

  /** The block is being sent. */
  sent(held: HeldBlock): void {
    this.#unsent.delete(held);
  }

  /** The node wants the block again. */
  again(held: HeldBlock): void {
    this.#unsent.add(held);
  }

  /** @returns the block, if it was there; its bytes are the caller's to wipe */
  letGo(ref: BlockRef, released: boolean): HeldBlock | undefined {
    const name = blockName(ref);
    const held = this.#held.get(name);
    if (held === undefined) return undefined;
    this.#held.delete(name);
    this.#unsent.delete(held);
    if (released) held.history.released = true;
    else held.history.discarded = true;
    return held;
  }

  /** A session begins: everything is offered again. */
  offerAgain(): void {
    this.#unsent.clear();
    for (const held of this.#held.values()) this.#unsent.add(held);
  }

  /** HMAC-SHA-256 of a block's bytes, for a comparison that moves no key; undefined once it is gone. */
  digest(name: string, secret: Buffer): string | undefined {
    const held = this.#held.get(name);
    return held && createHmac("sha256", secret).update(held.bytes).digest("hex");
  }

  wipe(): void {
    for (const { bytes } of this.#held.values()) bytes.fill(0);
    this.#held.clear();
    this.#unsent.clear();
  }
}
