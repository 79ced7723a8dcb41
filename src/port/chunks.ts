/**
 * Wiped memory for key on its way, shared by all that need some for a moment: what was given back last
 * is given out first, since the processor still has it at hand. With memory of its own for each of many
 * modules, each module's turn would begin with memory that is in no cache.
 */
export class Chunks {
  readonly #bytes: number;
  readonly #most: number;
  readonly #spare: Buffer[] = [];

  /**
   * @param bytes length of each
   * @param most that are kept for the next time
   */
  constructor(bytes: number, most: number) {
    this.#bytes = bytes;
    this.#most = most;
  }

  /** Length of each, bytes. */
  get length(): number {
    return this.#bytes;
  }

  take(): Buffer {
    // Memory of its own: the allocator's shared pool can't be wiped without harming others.
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.#bytes);
  }

  /** @param bytes of a chunk, all of it or a part of it that begins with it: wiped by the caller */
  giveBack(bytes: Buffer): void {
    if (this.#spare.length < this.#most) this.#spare.push(Buffer.from(bytes.buffer as ArrayBuffer));
  }
}
