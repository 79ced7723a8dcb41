/** A block cut into QKD-keys, which share its memory; each is made when it is asked for. */
import { type KeyBlock, QkdKey } from "../../port/key.ts";
import { type IdSource, keyIdOf } from "../keys/key-id.ts";
import { longestSlice, sliceCount } from "./slices.ts";

export class SplitBlock {
  readonly #block: KeyBlock;
  readonly #bytes: Uint8Array;
  readonly #step: number;
  readonly #ids: IdSource;
  /** bits */
  #offset = 0;

  /** @param keyBits wanted length of a key, bits; undefined: as long as a message carries */
  constructor(block: KeyBlock, keyBits: number | undefined, ids: IdSource) {
    this.#block = block;
    this.#bytes = block.expose();
    this.#step = longestSlice(keyBits);
    this.#ids = ids;
  }

  /** How many there are still. */
  get left(): number {
    return sliceCount(Math.max(0, this.#block.bits - this.#offset), this.#step);
  }

  /**
   * The next key, in order; undefined after the last. The caller takes all of them, and
   * wipes it.
   */
  next(): QkdKey | undefined {
    const block = this.#block;
    const offset = this.#offset;
    if (offset >= block.bits) return undefined;
    const length = Math.min(this.#step, block.bits - offset);
    this.#offset = offset + this.#step;
    const id = keyIdOf(this.#ids, block.facts, offset, length);
    const sha256 = length === block.bits ? block.sha256 : undefined;
    return new QkdKey(id, block.facts, this.#bytes, length, sha256, offset / 8);
  }
}
