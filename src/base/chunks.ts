/**
 * Wiped memory for key on its way, shared by all that need some for a moment: what was given back last
 * is given out first, since the processor still has it at hand. With memory of its own for each of many
 * modules, each module's turn would begin with memory that is in no cache.
 */
export class Chunks {
  readonly #bytes: number;
  readonly #most: number;
  readonly #spare: Buffer[] = [];
  readonly #make: (bytes: number) => Buffer | undefined;

  /**
   * @param bytes length of each
   * @param most that are kept for the next time
   * @param make memory that is better than any other, as long as there is some
   */
  constructor(
    bytes: number,
    most: number,
    make: (bytes: number) => Buffer | undefined = () => undefined,
  ) {
    this.#bytes = bytes;
    this.#most = most;
    this.#make = make;
  }

  /** Length of each, bytes. */
  get length(): number {
    return this.#bytes;
  }

  take(): Buffer {
    const bytes = this.#bytes;
    // Memory of its own: the allocator's shared pool can't be wiped without harming others.
    return this.#spare.pop() ?? this.#make(bytes) ?? Buffer.allocUnsafeSlow(bytes);
  }

  /** @param chunk that was taken, wiped by the caller; memory of another length is let go */
  giveBack(chunk: Buffer): void {
    if (chunk.length === this.#bytes && this.#spare.length < this.#most) this.#spare.push(chunk);
  }
}
