/** Bounds the bytes of answers with keys that are in memory, over all connections. Pure. */

export class AnswerRoom {
  readonly #most: number;
  readonly #mostOfOne: number;
  #bytes = 0;
  readonly #byKm = new Map<string, number>();

  /**
   * @param most bytes in all
   * @param mostOfOne bytes of one KM: one that reads nothing leaves room for the others
   */
  constructor(most: number, mostOfOne: number) {
    this.#most = most;
    this.#mostOfOne = mostOfOne;
  }

  /** Bytes that are taken. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Takes room for an answer to this KM.
   * @returns gives it back, once; undefined if there is none
   */
  take(km: string, bytes: number): (() => void) | undefined {
    const ofOne = (this.#byKm.get(km) ?? 0) + bytes;
    if (this.#bytes + bytes > this.#most || ofOne > this.#mostOfOne) return undefined;
    this.#bytes += bytes;
    this.#byKm.set(km, ofOne);
    return () => {
      this.#bytes -= bytes;
      const left = (this.#byKm.get(km) ?? 0) - bytes;
      if (left > 0) this.#byKm.set(km, left);
      else this.#byKm.delete(km);
    };
  }
}
