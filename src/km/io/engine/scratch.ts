/** Memory that is used over and over for what is written: to make it anew each time costs more than to fill it. */
import { freeMemory } from "../../../port/key.ts";

/** Kept from one use to the next at most, bytes. */
const kept = 8_388_608;

export class Scratch {
  #bytes = Buffer.alloc(0);

  /**
   * Puts pieces together; each that has memory of its own is given back.
   * @param pieces sealed: no key is in them
   * @returns valid until the next call
   */
  join(pieces: readonly Buffer[]): Buffer {
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (length > this.#bytes.length) {
      freeMemory(this.#bytes);
      this.#bytes = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#bytes.length, 65_536));
    }
    let at = 0;
    for (const piece of pieces) {
      at += piece.copy(this.#bytes, at);
      freeMemory(piece);
    }
    return this.#bytes.subarray(0, length);
  }

  /** Gives back what is more than is kept. */
  trim(): void {
    if (this.#bytes.length <= kept) return;
    freeMemory(this.#bytes);
    this.#bytes = Buffer.alloc(0);
  }
}
