/** Memory that is used over and over for what is written: to make it anew each time costs more than to fill it. */
import { freeMemory } from "../../../port/key.ts";

/** Kept from one use to the next at most, bytes. */
const kept = 8_388_608;

export class Scratch {
  #bytes = Buffer.alloc(0);
  #length = 0;
  /** The most that was put together since the last {@link release}. */
  #longest = 0;
  #isInUse = false;

  /** What is put together: valid until the next {@link begin}. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  get length(): number {
    return this.#length;
  }

  /** Nothing of the last use is needed any more. */
  begin(): void {
    this.#length = 0;
    this.#isInUse = true;
    if (this.#bytes.length <= kept) return;
    freeMemory(this.#bytes);
    this.#bytes = Buffer.alloc(0);
  }

  /** What was put together is not needed any more. */
  end(): void {
    this.#longest = Math.max(this.#longest, this.#length);
    this.#length = 0;
    this.#isInUse = false;
  }

  /** Gives back what was much more than was needed since the last call: a burst is over. */
  release(): void {
    if (this.#isInUse) return;
    if (4 * this.#longest < this.#bytes.length) {
      freeMemory(this.#bytes);
      this.#bytes = Buffer.alloc(0);
    }
    this.#longest = 0;
  }

  /** @param piece sealed: no key is in it. If it has memory of its own, that is given back */
  add(piece: Buffer): void {
    const end = this.#length + piece.length;
    if (end > this.#bytes.length) {
      const before = this.#bytes;
      // What is longer than is kept is the exception: it has no more room than half of what it needs.
      const more = Math.min(2 * before.length, Math.max(kept, 1.5 * before.length));
      this.#bytes = Buffer.allocUnsafeSlow(Math.max(end, Math.ceil(more), 65_536));
      before.copy(this.#bytes, 0, 0, this.#length);
      freeMemory(before);
    }
    piece.copy(this.#bytes, this.#length);
    this.#length = end;
    freeMemory(piece);
  }

  /** Writes over what was added. */
  set(piece: Buffer, at: number): void {
    piece.copy(this.#bytes, at);
  }
}
